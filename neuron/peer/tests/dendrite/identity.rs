//! Over TLS: a peer is who the metagraph says, or it is not asked.

use std::sync::Arc;

use neuron_peer::{
    Identity,
    identity::{
        Purpose,
        certificate::{self, EXTENSION, Issued, Validity},
    },
};
use neuron_wallet::Keypair;
use rcgen::{
    CertificateParams, CustomExtension, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData,
    date_time_ymd,
};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::ring::{default_provider, sign::any_ecdsa_type},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::sync::Semaphore;

use super::{scripted::*, *};

fn key(name: &str) -> Keypair {
    Keypair::from_uri(name).unwrap()
}

fn identity(name: &str) -> Identity {
    Identity::new(key(name)).unwrap()
}

fn secure(server: &Scripted, name: &str) -> Peer {
    Peer {
        hotkey: key(name).public(),
        plaintext: false,
        ..server.peer(0)
    }
}

fn alice() -> Dendrite {
    Dendrite::new(Some(identity("//Alice")), DendriteConfig::default())
}

#[tokio::test]
async fn a_peer_that_proves_its_hotkey_is_asked() {
    let bob = tls_axon(honest(&identity("//Bob"))).await;
    let outcome = ask(&alice(), secure(&bob, "//Bob")).await;
    assert_eq!(outcome.code, Code::Success, "{}", outcome.message);
    assert_eq!(outcome.outputs, Some(outputs(2, 5.0)));
}

#[tokio::test]
async fn a_peer_that_is_not_who_the_metagraph_says_is_not_asked() {
    let eve = tls_axon(honest(&identity("//Eve"))).await;
    let outcome = ask(&alice(), secure(&eve, "//Bob")).await;
    assert_eq!(outcome.code, Code::Unauthenticated, "{}", outcome.message);
    assert_eq!(eve.seen.requests(), 0);
}

const HOUR: i64 = 3600;

/// From some seconds before now to some after.
fn validity(from: i64, to: i64) -> Validity {
    let now = i64::try_from(UnixTime::now().as_secs()).unwrap();
    Validity {
        not_before: now + from,
        not_after: now + to,
    }
}

/// A certificate of Bob's name that Eve signed.
fn forged() -> Issued {
    let tls_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let validity = validity(-HOUR, HOUR);
    let key_info = tls_key.subject_public_key_info();
    let statement = certificate::statement(Purpose::Axon, validity, &key_info);
    let (bob, eve) = (key("//Bob"), key("//Eve"));
    let content = certificate::content(Purpose::Axon, &bob.public(), &eve.sign(&statement));
    let mut params = CertificateParams::default();
    let since_epoch = |seconds: i64| {
        date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(seconds).unwrap())
    };
    params.not_before = since_epoch(validity.not_before);
    params.not_after = since_epoch(validity.not_after);
    params.custom_extensions = vec![CustomExtension::from_oid_content(&EXTENSION, content)];
    Issued {
        certificate: params.self_signed(&tls_key).unwrap().der().clone(),
        key: PrivateKeyDer::Pkcs8(tls_key.serialize_der().into()),
    }
}

/// The configuration of a server that shows this certificate, whatever it says.
fn showing(issued: Issued) -> Arc<ServerConfig> {
    let key = any_ecdsa_type(&issued.key).unwrap();
    let shown = CertifiedKey::new(vec![issued.certificate], key);
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

#[tokio::test]
async fn a_peer_whose_certificate_is_not_as_it_should_be_is_not_asked() {
    let bobs =
        |purpose, from, to| certificate::issue(&key("//Bob"), purpose, validity(from, to)).unwrap();
    let good = tls_axon(showing(bobs(Purpose::Axon, -HOUR, HOUR))).await;
    assert!(ask(&alice(), secure(&good, "//Bob")).await.is_success());
    for (what, certificate) in [
        ("expired", bobs(Purpose::Axon, -2 * HOUR, -HOUR)),
        ("not yet valid", bobs(Purpose::Axon, HOUR, 2 * HOUR)),
        ("for another purpose", bobs(Purpose::Dendrite, -HOUR, HOUR)),
        ("signed by another hotkey", forged()),
    ] {
        let server = tls_axon(showing(certificate)).await;
        let outcome = ask(&alice(), secure(&server, "//Bob")).await;
        assert_eq!(
            outcome.code,
            Code::Unauthenticated,
            "{what}: {}",
            outcome.message
        );
        assert_eq!(server.seen.requests(), 0, "{what}");
    }
}

/// Alice, who gives up on a connection after `connect_timeout`.
fn impatient(connect_timeout: Duration) -> Dendrite {
    let config = DendriteConfig {
        connect_timeout,
        ..DendriteConfig::default()
    };
    Dendrite::new(Some(identity("//Alice")), config)
}

/// Longer than it takes to connect.
const IMPATIENCE: Duration = Duration::from_secs(2);
/// A call that ends before its connection is there.
const BRIEF: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_failure_to_connect_that_nobody_waited_for_is_not_told_to_the_next_caller() {
    let silent = black_hole().await;
    let (dendrite, bob) = (impatient(IMPATIENCE), secure(&silent, "//Bob"));
    assert_eq!(
        ask_within(&dendrite, bob, BRIEF).await.code,
        Code::Timeout,
        "its deadline is before that of the connection"
    );
    eventually("the attempt to connect ends", || silent.seen.closed() == 1).await;
    assert!(!dendrite.stats()[0].connected);
    let address = silent.kill().await;
    let bobs = tls_axon_at(address, honest(&identity("//Bob"))).await;
    assert_eq!(ask(&dendrite, bob).await.code, Code::Backoff);
    let outcome = ask(&dendrite, bob).await;
    assert_eq!(outcome.code, Code::Success, "{}", outcome.message);
    assert_eq!(bobs.seen.requests(), 1);
}

#[tokio::test]
async fn a_connection_that_nobody_waited_for_is_there_for_the_next_caller() {
    let gate = Arc::new(Semaphore::new(0));
    let config = honest(&identity("//Bob"));
    let server = held_tls_axon_at(anywhere(), config, gate.clone()).await;
    let (dendrite, bob) = (impatient(LONG), secure(&server, "//Bob"));
    assert_eq!(ask_within(&dendrite, bob, BRIEF).await.code, Code::Timeout);
    assert!(!dendrite.stats()[0].connected);
    gate.add_permits(1);
    eventually("it is connected", || dendrite.stats()[0].connected).await;
    assert_eq!(ask(&dendrite, bob).await.code, Code::Backoff);
    let outcome = ask(&dendrite, bob).await;
    assert_eq!((outcome.code, outcome.connect), (Code::Success, None));
}

#[tokio::test]
async fn a_peer_that_speaks_no_tls_is_not_asked() {
    let plain = axon(Answer::First).await;
    let outcome = ask(&alice(), secure(&plain, "//Bob")).await;
    assert_eq!(outcome.code, Code::Unauthenticated, "{}", outcome.message);
    assert_eq!(plain.seen.requests(), 0);
}

/// Takes no certificate.
#[derive(Debug)]
struct TakesNobody;

impl ClientCertVerifier for TakesNobody {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Err(Error::InvalidCertificate(CertificateError::Expired))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_tls12_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = default_provider().signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

#[tokio::test]
async fn a_peer_that_does_not_take_our_certificate_is_told_from_one_that_is_gone() {
    let bob = identity("//Bob").server_config().unwrap();
    let mut picky = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(Arc::new(TakesNobody))
        .with_cert_resolver(bob.cert_resolver.clone());
    picky.alpn_protocols = bob.alpn_protocols.clone();
    let server = tls_axon(Arc::new(picky)).await;
    let outcome = ask(&alice(), secure(&server, "//Bob")).await;
    assert_eq!(outcome.code, Code::Unauthenticated, "{}", outcome.message);
    assert!(
        outcome.message.contains("certificate"),
        "{}",
        outcome.message
    );
}
