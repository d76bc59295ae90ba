//! Who a neuron is on the wire: TLS certificates that its hotkey vouches for.
//!
//! A hotkey is an sr25519 key, which TLS does not know. So each neuron makes itself short-lived TLS keys, and its hotkey
//! signs a [statement](certificate) that a TLS key is its own, for one purpose and for a time. The statement travels
//! inside a self-signed certificate. Each side of a connection presents one and verifies the other's: the axon learns
//! who calls, the dendrite that it has reached whom the metagraph names. From then on TLS proves, encrypts and orders
//! every byte, so requests carry no signatures.
//!
//! # Promises
//!
//! * No authority, no names, no revocation lists: a certificate is worth what the hotkey's signature in it is worth.
//! * TLS 1.3 only, and every connection is a full handshake. Session tickets, resumption and early data are off on both
//!   sides: each of them would admit a peer on the strength of an earlier verification, past the certificate's end.
//! * A hotkey is had from bytes in one way only, [`verifier::verify`], which returns it after everything was checked.
//! * TLS keys live in memory, are never written, and are replaced before they expire (`rotation.rs`); connections that
//!   are open go on.

pub mod certificate;
mod rotation;
pub mod verifier;

use std::sync::Arc;

use neuron_wallet::{Keypair, PublicKey};
use rustls::{
    ClientConfig, ServerConfig,
    client::Resumption,
    crypto::{
        CryptoProvider,
        ring::{cipher_suite, default_provider},
    },
    pki_types::UnixTime,
    server::NoServerSessionStorage,
    version::TLS13,
};

pub use self::{
    certificate::Purpose,
    verifier::{CertificateError, Verified},
};
use self::{
    rotation::Rotation,
    verifier::{AxonVerifier, DendriteVerifier},
};

/// What both sides must speak: HTTP/2, and nothing else.
const ALPN: &[u8] = b"h2";

/// A neuron's hotkey with its present certificates. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Identity {
    hotkey: PublicKey,
    provider: Arc<CryptoProvider>,
    axon: Arc<Rotation>,
    dendrite: Arc<Rotation>,
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// No TLS key or certificate could be made; the operating system's random numbers are all that this needs.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refused what was made.
    #[error("cannot use the certificate just made: {0}")]
    Tls(#[from] rustls::Error),
}

impl Identity {
    /// Makes the first two certificates, one for each [`Purpose`].
    ///
    /// # Errors
    ///
    /// If the operating system has no random numbers.
    pub fn new(hotkey: Keypair) -> Result<Identity, IdentityError> {
        let now = UnixTime::now();
        Ok(Identity {
            hotkey: hotkey.public(),
            provider: Arc::new(provider()),
            axon: Arc::new(Rotation::start(hotkey.clone(), Purpose::Axon, now)?),
            dendrite: Arc::new(Rotation::start(hotkey, Purpose::Dendrite, now)?),
        })
    }

    /// Whose identity this is.
    pub fn hotkey(&self) -> PublicKey {
        self.hotkey
    }

    /// What an axon accepts connections with: every caller presents a certificate of a dendrite. Whether that caller is
    /// registered is not asked here.
    ///
    /// # Errors
    ///
    /// None with the cipher suites of this crate.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, IdentityError> {
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::new(DendriteVerifier::new()))
            .with_cert_resolver(self.axon.clone());
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        Ok(Arc::new(config))
    }

    /// What a dendrite connects with to the one peer `expected`. Anybody else who answers is refused, whatever the name
    /// or address that was dialled.
    ///
    /// # Errors
    ///
    /// None with the cipher suites of this crate.
    pub fn client_config(&self, expected: PublicKey) -> Result<Arc<ClientConfig>, IdentityError> {
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AxonVerifier::new(expected)))
            .with_client_cert_resolver(self.dendrite.clone());
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_early_data = false;
        // Peers are known by their hotkeys; the address that was dialled is nobody's business.
        config.enable_sni = false;
        Ok(Arc::new(config))
    }
}

/// Ring, with the suites of TLS 1.3 alone. AES-128 first: it is the fastest where there are AES instructions, and no
/// weaker here than the 128 bits of P-256.
fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        ..default_provider()
    }
}
