//! Over TLS: a peer is who the metagraph says, or it is not asked.

use std::sync::Arc;

use neuron_peer::Identity;
use neuron_wallet::Keypair;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};

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
