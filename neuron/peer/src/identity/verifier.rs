//! What makes a certificate good, and the two sides that ask.
//!
//! [`verify`] checks, the cheap before the costly: that there is one certificate and nothing beside or after it; that it
//! is X.509 v3 by its own subject; that the key is on P-256 and everything is signed with SHA-256; that there is one
//! [extension](super::certificate) of ours, well formed, for the right purpose; that it is valid now, and not for too
//! long; that its own key signed it; and that the hotkey in it signed the statement about that key, purpose and time.
//!
//! TLS itself then proves that the peer has the key, and rustls checks that proof ([`verify_tls13_signature`]) with a
//! parser of its own: [`verify`] makes sure that both parsers see one and the same key.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use neuron_wallet::PublicKey;
use rustls::{
    DigitallySignedStruct, DistinguishedName, OtherError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{WebPkiSupportedAlgorithms, ring::default_provider, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime},
    server::{
        ParsedCertificate,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use x509_parser::{
    certificate::{X509Certificate, X509CertificateParser},
    der_parser::{Oid, oid},
    nom::Parser,
    x509::{AlgorithmIdentifier, X509Version},
};

use super::certificate::{
    Claim, EXTENSION_OID, FORMAT_VERSION, P256_LENGTH, P256_PREFIX, Purpose, Validity, statement,
};

/// How wrong the two clocks may be, in seconds: certificates are good this long before and after what they say.
/// Machines that ask a time server are within a second; five minutes is what Kerberos allows those that do not.
pub const CLOCK_TOLERANCE: i64 = 5 * 60;
/// The longest validity that is accepted, in seconds, so that nobody makes a certificate for life. Seven times what is
/// made here (`rotation.rs`).
pub const MAX_LIFETIME: i64 = 7 * 24 * 60 * 60;
/// The longest certificate that is parsed, in bytes. Ours have about 500.
pub const MAX_LENGTH: usize = 2048;

/// ecdsa-with-SHA256.
const ECDSA_WITH_SHA256: Oid<'static> = oid!(1.2.840.10045.4.3.2);
/// The one way in which certificates and handshakes are signed.
const SCHEME: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;
static ALGORITHMS: LazyLock<WebPkiSupportedAlgorithms> =
    LazyLock::new(|| default_provider().signature_verification_algorithms);

/// Why a certificate is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A chain, where there is no authority to chain to.
    #[error("expected one self-signed certificate, got {found}")]
    Chain {
        /// How many there were.
        found: usize,
    },
    /// Not even parsed.
    #[error("expected a certificate of at most {MAX_LENGTH} bytes, got {found}")]
    Length {
        /// Its bytes.
        found: usize,
    },
    /// Not DER, not X.509, or something comes after it.
    #[error("expected one X.509 certificate in DER and nothing after it")]
    Encoding,
    /// Older than v3, which has no extensions.
    #[error("expected an X.509 v3 certificate, got another version")]
    Version,
    /// Somebody else's name is on it.
    #[error("expected a self-signed certificate, but issuer and subject differ")]
    Issuer,
    /// RSA, Ed25519, another curve, a compressed point.
    #[error(
        "expected an uncompressed ECDSA key on P-256, signed with SHA-256; got another algorithm"
    )]
    Algorithm,
    /// An extension that one has to understand, and that nobody here does. Ours must not be critical either.
    #[error("the certificate has a critical extension, which neurons do not use")]
    Critical,
    /// An ordinary certificate.
    #[error("the certificate names no hotkey: it has no extension {}", dotted(&super::certificate::EXTENSION))]
    Missing,
    /// Two of ours: which one counts?
    #[error("the certificate names a hotkey {found} times; expected once")]
    Repeated {
        /// How many there were.
        found: usize,
    },
    /// Ours, but not of the right length or type.
    #[error(
        "the extension that names the hotkey is malformed: expected an OCTET STRING of 98 bytes"
    )]
    Malformed,
    /// From the future of this protocol.
    #[error(
        "expected format version {FORMAT_VERSION} of the hotkey extension, got {found}; update the older side"
    )]
    FormatVersion {
        /// What it says.
        found: u8,
    },
    /// To serve, where it is to call, or the other way round.
    #[error("expected a certificate for an {expected:?} (purpose {}), got purpose {found}", expected.code())]
    Purpose {
        /// What the other side of this connection is.
        expected: Purpose,
        /// What it says.
        found: u8,
    },
    /// Ends before it begins, or is for too long.
    #[error("valid for {seconds} seconds; expected at least 0 and at most {MAX_LIFETIME}")]
    Lifetime {
        /// From the first to the last.
        seconds: i64,
    },
    /// From the future, beyond [`CLOCK_TOLERANCE`].
    #[error("not valid before {early} seconds from now; is a clock wrong?")]
    NotYetValid {
        /// How long it is until then.
        early: i64,
    },
    /// Beyond [`CLOCK_TOLERANCE`].
    #[error("expired {late} seconds ago; is a clock wrong?")]
    Expired {
        /// How long that is ago.
        late: i64,
    },
    /// Changed after it was signed.
    #[error("the certificate is not signed by its own key")]
    SelfSignature,
    /// By another key, or of another key, purpose or time.
    #[error("hotkey {hotkey} did not sign for this key, purpose and validity")]
    HotkeySignature {
        /// Whose certificate it pretends to be.
        hotkey: PublicKey,
    },
    /// Good, but of somebody else.
    #[error(
        "expected hotkey {expected}, got {found}: this is not whom the metagraph names for that endpoint"
    )]
    OtherHotkey {
        /// Who was dialled.
        expected: PublicKey,
        /// Who answered.
        found: PublicKey,
    },
}

impl CertificateError {
    /// What an error of the TLS library says about a certificate, if it says something.
    pub fn of(error: &rustls::Error) -> Option<&CertificateError> {
        match error {
            rustls::Error::InvalidCertificate(rustls::CertificateError::Other(OtherError(
                error,
            ))) => error.downcast_ref::<Worded>().map(|Worded(error)| error),
            _ => None,
        }
    }

    /// A short name without any detail, for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            CertificateError::Chain { .. } => "chain",
            CertificateError::Length { .. } => "length",
            CertificateError::Encoding => "encoding",
            CertificateError::Version => "version",
            CertificateError::Issuer => "issuer",
            CertificateError::Algorithm => "algorithm",
            CertificateError::Critical => "critical_extension",
            CertificateError::Missing => "extension_missing",
            CertificateError::Repeated { .. } => "extension_repeated",
            CertificateError::Malformed => "extension_malformed",
            CertificateError::FormatVersion { .. } => "format_version",
            CertificateError::Purpose { .. } => "purpose",
            CertificateError::Lifetime { .. } => "lifetime",
            CertificateError::NotYetValid { .. } => "not_yet_valid",
            CertificateError::Expired { .. } => "expired",
            CertificateError::SelfSignature => "self_signature",
            CertificateError::HotkeySignature { .. } => "hotkey_signature",
            CertificateError::OtherHotkey { .. } => "other_hotkey",
        }
    }
}

/// rustls shows what it does not know by its `Debug`, so that has to be the text.
#[derive(thiserror::Error)]
#[error("{0}")]
struct Worded(CertificateError);

impl fmt::Debug for Worded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<CertificateError> for rustls::Error {
    fn from(error: CertificateError) -> rustls::Error {
        rustls::CertificateError::Other(OtherError(Arc::new(Worded(error)))).into()
    }
}

/// What is known of a peer once everything about its certificate was checked. Only [`verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    hotkey: PublicKey,
}

impl Verified {
    /// Who it is.
    pub fn hotkey(&self) -> PublicKey {
        self.hotkey
    }
}

/// Checks everything that the [module](self) names.
///
/// # Errors
///
/// The first thing that is wrong. Never panics, whatever the bytes.
pub fn verify(
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    purpose: Purpose,
    now: UnixTime,
) -> Result<Verified, CertificateError> {
    if !intermediates.is_empty() {
        return Err(CertificateError::Chain {
            found: 1 + intermediates.len(),
        });
    }
    let certificate = parse(end_entity)?;
    check_form(&certificate)?;
    let key = check_key(&certificate, end_entity)?;
    let claim = find_claim(&certificate, purpose)?;
    let validity = check_validity(&certificate, now)?;
    check_self_signature(&certificate, key)?;
    if !claim
        .hotkey
        .verify(&statement(purpose, validity, key), &claim.signature)
    {
        return Err(CertificateError::HotkeySignature {
            hotkey: claim.hotkey,
        });
    }
    Ok(Verified {
        hotkey: claim.hotkey,
    })
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, CertificateError> {
    if der.len() > MAX_LENGTH {
        return Err(CertificateError::Length { found: der.len() });
    }
    // Of other extensions nothing is believed, so their contents need no parsing.
    let mut parser = X509CertificateParser::new().with_deep_parse_extensions(false);
    match parser.parse(der.as_ref()) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(CertificateError::Encoding),
    }
}

fn check_form(certificate: &X509Certificate<'_>) -> Result<(), CertificateError> {
    if certificate.version() != X509Version::V3 {
        return Err(CertificateError::Version);
    }
    if certificate.issuer().as_raw() != certificate.subject().as_raw() {
        return Err(CertificateError::Issuer);
    }
    let is_ecdsa = |algorithm: &AlgorithmIdentifier<'_>| {
        algorithm.algorithm == ECDSA_WITH_SHA256 && algorithm.parameters.is_none()
    };
    if !is_ecdsa(&certificate.signature_algorithm)
        || !is_ecdsa(&certificate.tbs_certificate.signature)
    {
        return Err(CertificateError::Algorithm);
    }
    if certificate
        .extensions()
        .iter()
        .any(|extension| extension.critical)
    {
        return Err(CertificateError::Critical);
    }
    Ok(())
}

/// The SubjectPublicKeyInfo, if it is of the one kind there may be, and if rustls will use the same for the handshake.
fn check_key<'a>(
    certificate: &X509Certificate<'a>,
    der: &CertificateDer<'_>,
) -> Result<&'a [u8], CertificateError> {
    let key = certificate.tbs_certificate.subject_pki.raw;
    if key.len() != P256_LENGTH || !key.starts_with(&P256_PREFIX) {
        return Err(CertificateError::Algorithm);
    }
    let parsed = ParsedCertificate::try_from(der).map_err(|_| CertificateError::Encoding)?;
    if parsed.subject_public_key_info().as_ref() != key {
        return Err(CertificateError::Encoding);
    }
    Ok(key)
}

fn find_claim(
    certificate: &X509Certificate<'_>,
    purpose: Purpose,
) -> Result<Claim, CertificateError> {
    let ours = || {
        certificate
            .extensions()
            .iter()
            .filter(|extension| extension.oid == EXTENSION_OID)
    };
    let extension = match ours().count() {
        0 => return Err(CertificateError::Missing),
        1 => ours().next().ok_or(CertificateError::Missing)?,
        found => return Err(CertificateError::Repeated { found }),
    };
    let claim = Claim::read(extension.value).ok_or(CertificateError::Malformed)?;
    if claim.format_version != FORMAT_VERSION {
        return Err(CertificateError::FormatVersion {
            found: claim.format_version,
        });
    }
    if claim.purpose != purpose.code() {
        return Err(CertificateError::Purpose {
            expected: purpose,
            found: claim.purpose,
        });
    }
    Ok(claim)
}

fn check_validity(
    certificate: &X509Certificate<'_>,
    now: UnixTime,
) -> Result<Validity, CertificateError> {
    // Years 0 to 9999, so that nothing below overflows.
    let not_before = certificate.validity().not_before.timestamp();
    let not_after = certificate.validity().not_after.timestamp();
    let seconds = not_after - not_before;
    if !(0..=MAX_LIFETIME).contains(&seconds) {
        return Err(CertificateError::Lifetime { seconds });
    }
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let early = not_before.saturating_sub(now);
    if early > CLOCK_TOLERANCE {
        return Err(CertificateError::NotYetValid { early });
    }
    let late = now.saturating_sub(not_after);
    if late > CLOCK_TOLERANCE {
        return Err(CertificateError::Expired { late });
    }
    Ok(Validity {
        not_before,
        not_after,
    })
}

fn check_self_signature(
    certificate: &X509Certificate<'_>,
    key: &[u8],
) -> Result<(), CertificateError> {
    // Of SubjectPublicKeyInfo, the algorithm wants the point alone, with the 4 that says "uncompressed" before it.
    let point = &key[P256_PREFIX.len() - 1..];
    let signature = &certificate.signature_value;
    let is_signed = signature.unused_bits == 0
        && p256_sha256().is_some_and(|algorithm| {
            let message = certificate.tbs_certificate.as_ref();
            algorithm
                .verify_signature(point, message, &signature.data)
                .is_ok()
        });
    if is_signed {
        Ok(())
    } else {
        Err(CertificateError::SelfSignature)
    }
}

/// The first that rustls has for the scheme, which is also the one that TLS 1.3 uses.
fn p256_sha256() -> Option<&'static dyn SignatureVerificationAlgorithm> {
    let (_, algorithms) = ALGORITHMS
        .mapping
        .iter()
        .find(|(scheme, _)| *scheme == SCHEME)?;
    algorithms.first().copied()
}

fn dotted(identifier: &[u64]) -> String {
    let parts: Vec<String> = identifier.iter().map(u64::to_string).collect();
    parts.join(".")
}

/// What a dendrite asks of whom it has reached: to be the axon that it dialled.
#[derive(Debug)]
pub(super) struct AxonVerifier {
    expected: PublicKey,
}

impl AxonVerifier {
    pub(super) fn new(expected: PublicKey) -> AxonVerifier {
        AxonVerifier { expected }
    }
}

impl ServerCertVerifier for AxonVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found = verify(end_entity, intermediates, Purpose::Axon, now)?.hotkey();
        if found != self.expected {
            return Err(CertificateError::OtherHotkey {
                expected: self.expected,
                found,
            }
            .into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_handshake(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SCHEME]
    }
}

/// What an axon asks of who calls: to say who that is.
#[derive(Debug)]
pub(super) struct DendriteVerifier;

impl DendriteVerifier {
    pub(super) fn new() -> DendriteVerifier {
        DendriteVerifier
    }
}

impl ClientCertVerifier for DendriteVerifier {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        verify(end_entity, intermediates, Purpose::Dendrite, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_handshake(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SCHEME]
    }
}

/// Whether the peer has the certificate's key.
fn verify_handshake(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    if signed.scheme != SCHEME {
        return Err(rustls::PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    }
    verify_tls13_signature(message, certificate, signed, &ALGORITHMS)
}

/// Never asked for, since TLS 1.3 is all that is offered.
fn no_tls12() -> rustls::Error {
    rustls::Error::General("expected TLS 1.3, which is all that neurons speak; got 1.2".into())
}

#[cfg(test)]
mod tests;
