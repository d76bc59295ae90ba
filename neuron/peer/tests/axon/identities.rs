//! Who gets in.

use std::sync::Arc;

use neuron_peer::{
    Roster,
    axon::{self, AxonConfig, AxonError, Security},
    identity::{
        Purpose,
        certificate::{self, EXTENSION},
    },
    nucleus::{Nucleus, NucleusConfig},
};
use neuron_proto::Code;
use rcgen::{
    CertificateParams, CustomExtension, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData,
    date_time_ymd,
};
use rustls::{ClientConfig, pki_types::PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    harness::{Doubler, Pause, Running, Setup, impostor, issued, key, nobody, validity, within},
    requests::{ask, refusal, request},
};

const HOUR: i64 = 3600;

async fn health(channel: Channel) -> Result<(), tonic::Status> {
    let asked = HealthCheckRequest {
        service: String::new(),
    };
    within(HealthClient::new(channel).check(asked))
        .await
        .map(drop)
}

/// In TLS 1.3 the client is done before the server has looked at its certificate, so it may learn of the refusal only with
/// its first request. Not even health is answered.
async fn is_kept_out(axon: &Running, config: Arc<ClientConfig>, reason: &str) {
    if let Ok(channel) = axon.connect(config, Pause::default()).await {
        assert!(health(channel).await.is_err(), "{reason}");
    }
    let line = format!(r#"neuron_axon_handshake_failures_total{{reason="{reason}"}} 1"#);
    axon.counted(&line).await;
    assert!(axon.counts("neuron_axon_connections 0"));
}

#[tokio::test]
async fn a_certificate_as_it_should_be_gets_in() {
    let axon = Setup::default().start().await;
    let config = issued("//Alice", Purpose::Dendrite, validity(-HOUR, HOUR));
    health(axon.connect(config, Pause::default()).await.unwrap())
        .await
        .unwrap();
    axon.stop().await;
}

#[tokio::test]
async fn without_a_certificate_nobody_gets_in() {
    let axon = Setup::default().start().await;
    is_kept_out(&axon, nobody(), "no_certificate").await;
    axon.stop().await;
}

#[tokio::test]
async fn certificates_out_of_their_time_are_kept_out() {
    let axon = Setup::default().start().await;
    let expired = issued("//Alice", Purpose::Dendrite, validity(-2 * HOUR, -HOUR));
    is_kept_out(&axon, expired, "expired").await;
    let early = issued("//Alice", Purpose::Dendrite, validity(HOUR, 2 * HOUR));
    is_kept_out(&axon, early, "not_yet_valid").await;
    let eternal = issued("//Alice", Purpose::Dendrite, validity(0, 10_000 * HOUR));
    is_kept_out(&axon, eternal, "lifetime").await;
    axon.stop().await;
}

#[tokio::test]
async fn a_certificate_to_serve_with_is_not_one_to_call_with() {
    let axon = Setup::default().start().await;
    let config = issued("//Alice", Purpose::Axon, validity(-HOUR, HOUR));
    is_kept_out(&axon, config, "purpose").await;
    axon.stop().await;
}

/// Alice's name, Mallory's signature.
#[tokio::test]
async fn a_certificate_that_another_hotkey_signed_is_kept_out() {
    let axon = Setup::default().start().await;
    let (alice, mallory) = (key("//Alice"), key("//Mallory"));
    let tls_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let validity = validity(-HOUR, HOUR);
    let statement = certificate::statement(
        Purpose::Dendrite,
        validity,
        &tls_key.subject_public_key_info(),
    );
    let content = certificate::content(
        Purpose::Dendrite,
        &alice.public(),
        &mallory.sign(&statement),
    );
    let mut params = CertificateParams::default();
    let seconds = |seconds: i64| std::time::Duration::from_secs(seconds.try_into().unwrap());
    params.not_before = date_time_ymd(1970, 1, 1) + seconds(validity.not_before);
    params.not_after = date_time_ymd(1970, 1, 1) + seconds(validity.not_after);
    params.custom_extensions = vec![CustomExtension::from_oid_content(&EXTENSION, content)];
    let forged = params.self_signed(&tls_key).unwrap().der().clone();
    let key = PrivateKeyDer::Pkcs8(tls_key.serialize_der().into());
    is_kept_out(&axon, impostor(forged, &key), "hotkey_signature").await;
    axon.stop().await;
}

#[tokio::test]
async fn an_ordinary_certificate_is_kept_out() {
    let axon = Setup::default().start().await;
    let tls_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let ordinary = CertificateParams::default()
        .self_signed(&tls_key)
        .unwrap()
        .der()
        .clone();
    let key = PrivateKeyDer::Pkcs8(tls_key.serialize_der().into());
    is_kept_out(&axon, impostor(ordinary, &key), "extension_missing").await;
    axon.stop().await;
}

#[tokio::test]
async fn whoever_speaks_no_tls_is_kept_out() {
    let axon = Setup::default().start().await;
    let outcome = within(health(plain(&axon))).await;
    assert!(outcome.is_err());
    axon.counted(r#"neuron_axon_handshake_failures_total{reason="tls"} 1"#)
        .await;
    axon.stop().await;
}

fn plain(axon: &Running) -> Channel {
    tonic::transport::Endpoint::from_shared(format!("http://{}", axon.address))
        .unwrap()
        .connect_lazy()
}

#[tokio::test]
async fn a_neuron_may_ask_itself_without_being_registered() {
    let axon = Setup::default().start().await;
    let client = axon.client("//Ferdie").await;
    assert!(ask(&client, request(&[[1.0, 2.0]])).await.is_ok());
    axon.stop().await;
}

#[tokio::test]
async fn development_mode_answers_anybody_on_loopback() {
    let axon = Setup {
        is_plaintext: true,
        ..Setup::default()
    }
    .start()
    .await;
    let client = neuron_proto::v1::axon_client::AxonClient::new(axon.plain_channel().await);
    assert!(ask(&client, request(&[[1.0, 2.0]])).await.is_ok());
    assert_eq!(refusal(&client, request(&[])).await, Code::EmptyRequest);
    axon.stop().await;
}

/// Why an axon of this address does not serve.
async fn refused_to_serve(address: &str, nucleus: NucleusConfig) -> AxonError {
    let listener = TcpListener::bind(address)
        .await
        .expect("a free port is there");
    let model = Box::new(Doubler {
        width: 2,
        script: None,
    });
    let (nucleus, _guard) = Nucleus::start(model, nucleus).expect("the nucleus starts");
    let (_roster, watch) = tokio::sync::watch::channel(Arc::new(Roster::default()));
    let served = axon::serve(
        listener,
        AxonConfig::default(),
        Security::PlaintextOnLoopback {
            hotkey: key("//Ferdie").public(),
        },
        watch,
        nucleus,
        None,
        CancellationToken::new(),
    );
    within(served).await.expect_err("it does not serve")
}

#[tokio::test]
async fn development_mode_listens_nowhere_else() {
    let error = refused_to_serve("0.0.0.0:0", NucleusConfig::default()).await;
    assert!(
        matches!(error, AxonError::PlaintextBeyondLoopback(_)),
        "{error}"
    );
}

#[tokio::test]
async fn requests_cannot_wait_for_others_longer_than_for_their_answers() {
    let max_wait = AxonConfig::default().max_wait;
    let nucleus = NucleusConfig {
        max_wait,
        ..NucleusConfig::default()
    };
    let error = refused_to_serve("127.0.0.1:0", nucleus).await;
    assert!(matches!(error, AxonError::BatchWait { .. }), "{error}");
}
