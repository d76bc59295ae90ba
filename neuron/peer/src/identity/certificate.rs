//! What a neuron's certificate says, and how one is made.
//!
//! An X.509 v3 certificate, self-signed by an ECDSA key on P-256 (which every TLS library verifies by default, unlike
//! Ed25519), with one extension of ours, not critical, so that other tools read the certificate too:
//!
//! ```text
//! extnID     1.2.840.113556.1.8000.2554.15611.3463.60701.17969.37430.8354124.12103451
//! extnValue  OCTET STRING of 98 bytes:
//!     0       format version, 1
//!     1       purpose: 1 axon, 2 dendrite
//!     2..34   hotkey, the sr25519 public key
//!     34..98  the hotkey's sr25519 signature, in the context "substrate", of the statement
//!
//! statement, 142 bytes:
//!     0..33   "connectome neuron.v1 certificate "
//!     33      format version
//!     34      purpose
//!     35..43  not before, seconds since 1970, signed, big endian
//!     43..51  not after, the same
//!     51..142 SubjectPublicKeyInfo of the certificate, DER
//! ```
//!
//! The validity and the key in the statement are those of the certificate: they are not in the extension, the verifier
//! takes them from the certificate, so there is nothing to be different. All fields have fixed lengths, so two
//! different certificates never make one statement. The identifier is under the arc that is handed out by UUID (here
//! 3cfb0d87-ed1d-4631-9236-7f794cb8af1b), since 2.25, the other such arc, needs integers of 128 bits, which many tools
//! do not read.

use std::time::Duration;

use neuron_wallet::{Keypair, PublicKey, Signature};
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256,
    PublicKeyData, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use x509_parser::der_parser::{Oid, oid};

/// Version of the extension and of the statement.
pub const FORMAT_VERSION: u8 = 1;
/// Identifier of the extension, for those who write certificates.
pub const EXTENSION: [u64; 14] = [
    1, 2, 840, 113556, 1, 8000, 2554, 15611, 3463, 60701, 17969, 37430, 8354124, 12103451,
];
/// The same, for those who read them.
pub(super) const EXTENSION_OID: Oid<'static> = oid!(
    1.2.840
        .113556
        .1
        .8000
        .2554
        .15611
        .3463
        .60701
        .17969
        .37430
        .8354124
        .12103451
);

/// What the hotkey signs begins with this and with nothing else that it signs: no call on any chain does.
const DOMAIN: &[u8; 33] = b"connectome neuron.v1 certificate ";
/// Format version, purpose, hotkey, signature.
const CONTENT_LENGTH: usize = 1 + 1 + 32 + 64;
/// Tag and length of an OCTET STRING of [`CONTENT_LENGTH`] bytes.
const OCTET_STRING: [u8; 2] = [0x04, 98];

/// SubjectPublicKeyInfo of an uncompressed point on P-256, up to the coordinates: there is one way to write a key.
pub(super) const P256_PREFIX: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A,
    0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
/// Of the above with two coordinates of 32 bytes.
pub(super) const P256_LENGTH: usize = P256_PREFIX.len() + 64;

/// Which side of a connection a certificate is for. One that was made to call cannot be used to serve, so whoever holds
/// the key of one cannot be both.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Serves.
    Axon = 1,
    /// Calls.
    Dendrite = 2,
}

impl Purpose {
    /// As in the extension and in the statement.
    pub fn code(self) -> u8 {
        match self {
            Purpose::Axon => 1,
            Purpose::Dendrite => 2,
        }
    }
}

/// From when to when, both included, in seconds since 1970.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First second.
    pub not_before: i64,
    /// Last second.
    pub not_after: i64,
}

impl Validity {
    /// From `now` on.
    pub fn starting(now: UnixTime, lifetime: Duration) -> Validity {
        let seconds = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
        let not_before = seconds(now.as_secs());
        let not_after = not_before.saturating_add(seconds(lifetime.as_secs()));
        Validity {
            not_before,
            not_after,
        }
    }
}

/// A certificate and the key that belongs to it.
#[derive(Debug)]
pub struct Issued {
    /// What is shown to peers.
    pub certificate: CertificateDer<'static>,
    /// What the handshake is signed with.
    pub key: PrivateKeyDer<'static>,
}

/// Makes a new TLS key and a certificate for it in which `hotkey` vouches for it.
///
/// # Errors
///
/// If there are no random numbers, or a time is beyond the year 9999.
pub fn issue(
    hotkey: &Keypair,
    purpose: Purpose,
    validity: Validity,
) -> Result<Issued, rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let statement = statement(purpose, validity, &key.subject_public_key_info());
    let content = content(purpose, &hotkey.public(), &hotkey.sign(&statement));
    let extension = CustomExtension::from_oid_content(&EXTENSION, content);
    let certificate = self_signed(&key, &hotkey.public(), validity, vec![extension])?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Ok(Issued { certificate, key })
}

/// A certificate with these extensions and no others. For people who look at one, its subject is the hotkey's address,
/// which no verifier reads.
pub(super) fn self_signed(
    key: &KeyPair,
    hotkey: &PublicKey,
    validity: Validity,
    extensions: Vec<CustomExtension>,
) -> Result<CertificateDer<'static>, rcgen::Error> {
    let mut params = CertificateParams::default();
    let epoch = date_time_ymd(1970, 1, 1);
    let since_epoch =
        |seconds: i64| Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    params.not_before = epoch + since_epoch(validity.not_before);
    params.not_after = epoch + since_epoch(validity.not_after);
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, hotkey.to_string());
    params.custom_extensions = extensions;
    Ok(params.self_signed(key)?.der().clone())
}

/// What the hotkey signs. `key` is the SubjectPublicKeyInfo, in DER.
pub fn statement(purpose: Purpose, validity: Validity, key: &[u8]) -> Vec<u8> {
    let mut statement = Vec::with_capacity(DOMAIN.len() + 2 + 16 + P256_LENGTH);
    statement.extend_from_slice(DOMAIN);
    statement.push(FORMAT_VERSION);
    statement.push(purpose.code());
    statement.extend_from_slice(&validity.not_before.to_be_bytes());
    statement.extend_from_slice(&validity.not_after.to_be_bytes());
    statement.extend_from_slice(key);
    statement
}

/// The value of the extension.
pub fn content(purpose: Purpose, hotkey: &PublicKey, signature: &Signature) -> Vec<u8> {
    let header = [FORMAT_VERSION, purpose.code()];
    [&OCTET_STRING[..], &header, &hotkey.0, &signature.0].concat()
}

/// What the extension says, of which nothing is verified yet.
pub(super) struct Claim {
    pub(super) format_version: u8,
    pub(super) purpose: u8,
    pub(super) hotkey: PublicKey,
    pub(super) signature: Signature,
}

impl Claim {
    /// None unless it has exactly the right length.
    pub(super) fn read(content: &[u8]) -> Option<Claim> {
        let content = content.strip_prefix(&OCTET_STRING)?;
        let content: &[u8; CONTENT_LENGTH] = content.try_into().ok()?;
        let (&[format_version, purpose], keys) = content.split_first_chunk::<2>()?;
        let (hotkey, signature) = keys.split_first_chunk::<32>()?;
        Some(Claim {
            format_version,
            purpose,
            hotkey: PublicKey(*hotkey),
            signature: Signature(signature.try_into().ok()?),
        })
    }
}
