//! Certificates of every kind that must not pass, and those that must.

use std::{io, time::Duration};

use neuron_wallet::{Keypair, Signature};
use proptest::prelude::*;
use rcgen::{
    CertificateParams, CustomExtension, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PublicKeyData, SignatureAlgorithm,
};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, version::TLS13};

use super::*;
use crate::identity::{
    Identity,
    certificate::{self, EXTENSION, content},
};

const NOW: i64 = 1_800_000_000;
const TODAY: Validity = Validity {
    not_before: NOW,
    not_after: NOW + 86_400,
};

fn at(seconds: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds.try_into().unwrap()))
}

fn now() -> UnixTime {
    at(NOW)
}

fn key(uri: &str) -> Keypair {
    Keypair::from_uri(uri).unwrap()
}

fn alice() -> Keypair {
    key("//Alice")
}

fn mallory() -> Keypair {
    key("//Mallory")
}

/// A certificate that can lie: every part is chosen apart.
struct Forgery {
    tls_key: KeyPair,
    /// Whom the extension names.
    hotkey: PublicKey,
    /// Who signs the statement.
    signer: Keypair,
    /// In the extension.
    purpose: Purpose,
    /// In the certificate.
    validity: Validity,
    /// In the statement.
    signed_purpose: Purpose,
    signed_validity: Validity,
    /// What happens to the extension's value before it is put in.
    alter: fn(&mut Vec<u8>),
    copies: usize,
    is_critical: bool,
}

impl Forgery {
    /// Not forged at all yet.
    fn of(keypair: Keypair) -> Forgery {
        Forgery::with(keypair, &PKCS_ECDSA_P256_SHA256)
    }

    fn with(keypair: Keypair, algorithm: &'static SignatureAlgorithm) -> Forgery {
        Forgery {
            tls_key: KeyPair::generate_for(algorithm).unwrap(),
            hotkey: keypair.public(),
            signer: keypair,
            purpose: Purpose::Axon,
            validity: TODAY,
            signed_purpose: Purpose::Axon,
            signed_validity: TODAY,
            alter: |_| {},
            copies: 1,
            is_critical: false,
        }
    }

    fn make(&self) -> CertificateDer<'static> {
        let public = self.tls_key.subject_public_key_info();
        let statement = statement(self.signed_purpose, self.signed_validity, &public);
        let mut value = content(self.purpose, &self.hotkey, &self.signer.sign(&statement));
        (self.alter)(&mut value);
        let mut extension = CustomExtension::from_oid_content(&EXTENSION, value);
        extension.set_criticality(self.is_critical);
        let extensions = vec![extension; self.copies];
        certificate::self_signed(&self.tls_key, &self.hotkey, self.validity, extensions).unwrap()
    }

    fn verify(&self) -> Result<Verified, CertificateError> {
        verify_axon(&self.make())
    }
}

fn verify_axon(certificate: &CertificateDer<'_>) -> Result<Verified, CertificateError> {
    verify(certificate, &[], Purpose::Axon, now())
}

fn good() -> CertificateDer<'static> {
    certificate::issue(&alice(), Purpose::Axon, TODAY)
        .unwrap()
        .certificate
}

#[test]
fn a_good_certificate_says_whose_it_is() {
    for purpose in [Purpose::Axon, Purpose::Dendrite] {
        let issued = certificate::issue(&alice(), purpose, TODAY).unwrap();
        let verified = verify(&issued.certificate, &[], purpose, now()).unwrap();
        assert_eq!(verified.hotkey(), alice().public());
        assert!(issued.certificate.len() < MAX_LENGTH / 2);
    }
}

#[test]
fn the_builder_of_forgeries_makes_good_certificates_unless_told_otherwise() {
    assert_eq!(
        Forgery::of(alice()).verify().unwrap().hotkey(),
        alice().public()
    );
}

#[test]
fn a_signature_by_another_hotkey_is_refused() {
    let forgery = Forgery {
        signer: mallory(),
        ..Forgery::of(alice())
    };
    let hotkey = alice().public();
    assert_eq!(
        forgery.verify(),
        Err(CertificateError::HotkeySignature { hotkey })
    );
}

#[test]
fn a_signature_that_is_none_is_refused() {
    let zeros: fn(&mut Vec<u8>) = |value| value[36..].fill(0);
    let ones: fn(&mut Vec<u8>) = |value| value[36..].fill(0xFF);
    let flipped: fn(&mut Vec<u8>) = |value| value[36] ^= 1;
    for alter in [zeros, ones, flipped] {
        let error = Forgery {
            alter,
            ..Forgery::of(alice())
        }
        .verify()
        .unwrap_err();
        assert_eq!(
            error,
            CertificateError::HotkeySignature {
                hotkey: alice().public()
            }
        );
    }
}

#[test]
fn an_extension_taken_from_another_certificate_is_refused() {
    let stolen = good();
    let (_, stolen) = x509_parser::parse_x509_certificate(&stolen).unwrap();
    let value = stolen.extensions()[0].value.to_vec();
    let extension = CustomExtension::from_oid_content(&EXTENSION, value);
    let tls_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let hotkey = alice().public();
    let forged = certificate::self_signed(&tls_key, &hotkey, TODAY, vec![extension]).unwrap();
    assert_eq!(
        verify_axon(&forged),
        Err(CertificateError::HotkeySignature { hotkey })
    );
}

#[test]
fn another_public_key_in_a_good_certificate_is_refused() {
    let other = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut bytes = good().to_vec();
    let start = bytes
        .windows(P256_PREFIX.len())
        .position(|window| window == P256_PREFIX)
        .unwrap();
    bytes[start..start + P256_LENGTH].copy_from_slice(&other.subject_public_key_info());
    assert_eq!(
        verify_axon(&bytes.into()),
        Err(CertificateError::SelfSignature)
    );
}

#[test]
fn a_purpose_or_a_validity_that_the_hotkey_did_not_sign_is_refused() {
    let longer = Validity {
        not_after: TODAY.not_after + 1,
        ..TODAY
    };
    let earlier = Validity {
        not_before: TODAY.not_before - 1,
        ..TODAY
    };
    let refused = Err(CertificateError::HotkeySignature {
        hotkey: alice().public(),
    });
    for validity in [longer, earlier] {
        assert_eq!(
            Forgery {
                validity,
                ..Forgery::of(alice())
            }
            .verify(),
            refused
        );
    }
    let forgery = Forgery {
        signed_purpose: Purpose::Dendrite,
        ..Forgery::of(alice())
    };
    assert_eq!(forgery.verify(), refused);
}

#[test]
fn a_certificate_for_the_other_side_is_refused() {
    for (made, wanted) in [
        (Purpose::Dendrite, Purpose::Axon),
        (Purpose::Axon, Purpose::Dendrite),
    ] {
        let issued = certificate::issue(&alice(), made, TODAY).unwrap();
        let error = verify(&issued.certificate, &[], wanted, now()).unwrap_err();
        assert_eq!(
            error,
            CertificateError::Purpose {
                expected: wanted,
                found: made.code()
            }
        );
    }
}

#[test]
fn validity_ends_with_the_tolerance_on_both_sides() {
    let certificate = good();
    let verify_at = |seconds| verify(&certificate, &[], Purpose::Axon, at(seconds)).err();
    let (first, last) = (
        TODAY.not_before - CLOCK_TOLERANCE,
        TODAY.not_after + CLOCK_TOLERANCE,
    );
    assert_eq!(verify_at(first), None);
    assert_eq!(verify_at(last), None);
    let early = CLOCK_TOLERANCE + 1;
    assert_eq!(
        verify_at(first - 1),
        Some(CertificateError::NotYetValid { early })
    );
    assert_eq!(
        verify_at(last + 1),
        Some(CertificateError::Expired { late: early })
    );
    let late = i64::MAX - TODAY.not_after;
    assert_eq!(
        verify_at(i64::MAX),
        Some(CertificateError::Expired { late })
    );
}

#[test]
fn a_lifetime_must_neither_be_too_long_nor_negative() {
    for (seconds, is_good) in [
        (0, true),
        (MAX_LIFETIME, true),
        (MAX_LIFETIME + 1, false),
        (-1, false),
    ] {
        let validity = Validity {
            not_before: NOW,
            not_after: NOW + seconds,
        };
        let certificate = certificate::issue(&alice(), Purpose::Axon, validity)
            .unwrap()
            .certificate;
        let expected = if is_good {
            None
        } else {
            Some(CertificateError::Lifetime { seconds })
        };
        assert_eq!(verify_axon(&certificate).err(), expected);
    }
}

#[test]
fn the_extension_must_be_there_once() {
    for (copies, error) in [
        (0, CertificateError::Missing),
        (2, CertificateError::Repeated { found: 2 }),
        (3, CertificateError::Repeated { found: 3 }),
    ] {
        assert_eq!(
            Forgery {
                copies,
                ..Forgery::of(alice())
            }
            .verify(),
            Err(error)
        );
    }
}

#[test]
fn the_extension_must_have_its_form() {
    let alterations: [fn(&mut Vec<u8>); 7] = [
        |value| value.clear(),
        |value| value.push(0),
        |value| value.truncate(99),
        |value| value[0] = 0x30,
        |value| value[1] = 97,
        // The length in a longer form, as BER but not DER allows.
        |value| value.splice(1..2, [0x81, 98]).for_each(drop),
        |value| *value = b"who would write this?".to_vec(),
    ];
    for alter in alterations {
        let error = Forgery {
            alter,
            ..Forgery::of(alice())
        }
        .verify()
        .unwrap_err();
        assert_eq!(error, CertificateError::Malformed);
    }
}

#[test]
fn other_versions_and_purposes_are_refused_by_name() {
    let alter = |value: &mut Vec<u8>| value[2] = 2;
    let error = Forgery {
        alter,
        ..Forgery::of(alice())
    }
    .verify()
    .unwrap_err();
    assert_eq!(error, CertificateError::FormatVersion { found: 2 });
    let alter = |value: &mut Vec<u8>| value[3] = 3;
    let error = Forgery {
        alter,
        ..Forgery::of(alice())
    }
    .verify()
    .unwrap_err();
    assert_eq!(
        error,
        CertificateError::Purpose {
            expected: Purpose::Axon,
            found: 3
        }
    );
}

#[test]
fn critical_extensions_are_refused() {
    let forgery = Forgery {
        is_critical: true,
        ..Forgery::of(alice())
    };
    assert_eq!(forgery.verify(), Err(CertificateError::Critical));
}

#[test]
fn other_algorithms_are_refused() {
    for algorithm in [&PKCS_ED25519, &PKCS_ECDSA_P384_SHA384] {
        let error = Forgery::with(alice(), algorithm).verify().unwrap_err();
        assert_eq!(error, CertificateError::Algorithm);
    }
    // openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=neuron -days 1 -outform DER
    let rsa = include_bytes!("../../../testdata/rsa-2048.der");
    assert_eq!(
        verify_axon(&rsa[..].into()),
        Err(CertificateError::Algorithm)
    );
}

#[test]
fn a_certificate_by_an_authority_is_refused() {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "authority");
    let authority = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let issuer = Issuer::new(params, authority);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = CertificateParams::default()
        .signed_by(&key, &issuer)
        .unwrap();
    assert_eq!(
        verify_axon(certificate.der()),
        Err(CertificateError::Issuer)
    );
}

#[test]
fn a_certificate_that_another_key_signed_is_refused() {
    // Issuer and subject agree, the hotkey vouches, but the certificate's own key did not sign.
    let forgery = Forgery::of(alice());
    let thief = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let genuine = forgery.make();
    let (_, parsed) = x509_parser::parse_x509_certificate(&genuine).unwrap();
    let tbs = parsed.tbs_certificate.as_ref();
    let signature = rcgen::SigningKey::sign(&thief, tbs).unwrap();
    // SEQUENCE { tbs, ecdsa-with-SHA256, BIT STRING }, whose length needs two bytes.
    let algorithm = [
        0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02,
    ];
    let bits = [
        &[0x03, u8::try_from(signature.len() + 1).unwrap(), 0][..],
        &signature,
    ]
    .concat();
    let body = [tbs, &algorithm, &bits].concat();
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    let forged = [&[0x30, 0x82][..], &length, &body].concat();
    assert_eq!(
        verify_axon(&forged.into()),
        Err(CertificateError::SelfSignature)
    );
}

#[test]
fn a_chain_is_refused() {
    let error = verify(&good(), &[good()], Purpose::Axon, now()).unwrap_err();
    assert_eq!(error, CertificateError::Chain { found: 2 });
}

#[test]
fn bytes_after_the_certificate_are_refused() {
    let mut bytes = good().to_vec();
    bytes.push(0);
    assert_eq!(verify_axon(&bytes.into()), Err(CertificateError::Encoding));
}

#[test]
fn a_long_certificate_is_not_even_parsed() {
    let bytes = vec![0x30; MAX_LENGTH + 1];
    let found = bytes.len();
    assert_eq!(
        verify_axon(&bytes.into()),
        Err(CertificateError::Length { found })
    );
}

#[test]
fn any_single_bit_counts() {
    let good = good();
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.to_vec();
            bytes[at] ^= 1 << bit;
            let altered = CertificateDer::from(bytes);
            assert!(verify_axon(&altered).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn errors_say_what_was_expected_and_survive_the_tls_library() {
    let hotkey = alice().public();
    let error = CertificateError::OtherHotkey {
        expected: hotkey,
        found: mallory().public(),
    };
    let wrapped = rustls::Error::from(error.clone());
    assert_eq!(CertificateError::of(&wrapped), Some(&error));
    assert!(
        wrapped.to_string().contains(&error.to_string()),
        "{wrapped}"
    );
    assert!(error.to_string().contains(&hotkey.to_string()));
    assert_eq!(CertificateError::of(&no_tls12()), None);
    assert!(
        CertificateError::Missing
            .to_string()
            .contains("1.2.840.113556.1.8000.2554.15611.")
    );
}

#[test]
fn the_statement_is_what_the_documentation_says() {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
        .unwrap()
        .subject_public_key_info();
    let validity = Validity {
        not_before: 1,
        not_after: 0x0102,
    };
    let statement = statement(Purpose::Dendrite, validity, &key);
    assert_eq!(statement.len(), 142);
    assert_eq!(
        &statement[..35],
        b"connectome neuron.v1 certificate \x01\x02"
    );
    assert_eq!(
        statement[35..51],
        [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2]
    );
    assert_eq!(statement[51..], key);
    let value = content(Purpose::Axon, &PublicKey([7; 32]), &Signature([9; 64]));
    assert_eq!(value, [&[4, 98, 1, 1][..], &[7; 32], &[9; 64]].concat());
}

proptest! {
    #[test]
    fn altered_certificates_are_nobody_elses(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        is_cut: bool,
    ) {
        let good = good();
        let mut bytes = good.to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(verified) = verify_axon(&bytes.clone().into()) {
            prop_assert_eq!(bytes, good.to_vec());
            prop_assert_eq!(verified.hotkey(), alice().public());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(verify_axon(&bytes.into()).is_err());
    }

    #[test]
    fn no_extension_makes_it_panic_or_believe(value in prop::collection::vec(any::<u8>(), 0..200)) {
        let tls_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let extension = CustomExtension::from_oid_content(&EXTENSION, value);
        let hotkey = alice().public();
        let made = certificate::self_signed(&tls_key, &hotkey, TODAY, vec![extension]).unwrap();
        prop_assert!(verify_axon(&made).is_err());
    }
}

/// Both sides of a handshake, in memory, until nobody has anything to say. What each made of it.
fn handshake(
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
) -> (
    ClientConnection,
    ServerConnection,
    Result<(), rustls::Error>,
) {
    let name = ServerName::try_from("192.0.2.1").unwrap();
    let mut client = ClientConnection::new(client, name).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    let mut outcome = Ok(());
    while outcome.is_ok() && (client.wants_write() || server.wants_write()) {
        outcome = turn(&mut client, &mut server).and_then(|()| turn(&mut server, &mut client));
    }
    (client, server, outcome)
}

/// Everything that one side has to say, to the other.
fn turn<From, To, FromData, ToData>(from: &mut From, to: &mut To) -> Result<(), rustls::Error>
where
    From: std::ops::DerefMut<Target = rustls::ConnectionCommon<FromData>>,
    To: std::ops::DerefMut<Target = rustls::ConnectionCommon<ToData>>,
{
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).unwrap();
    }
    let mut bytes = io::Cursor::new(bytes);
    while usize::try_from(bytes.position()).unwrap() < bytes.get_ref().len() {
        to.read_tls(&mut bytes).unwrap();
        to.process_new_packets()?;
    }
    Ok(())
}

fn identity(uri: &str) -> Identity {
    Identity::new(key(uri)).unwrap()
}

#[test]
fn two_neurons_come_to_know_each_other() {
    let (alice, bob) = (identity("//Alice"), identity("//Bob"));
    let client = alice.client_config(bob.hotkey()).unwrap();
    let (client, server, outcome) = handshake(client, bob.server_config().unwrap());
    outcome.unwrap();
    for (certificates, purpose, hotkey) in [
        (client.peer_certificates(), Purpose::Axon, bob.hotkey()),
        (
            server.peer_certificates(),
            Purpose::Dendrite,
            alice.hotkey(),
        ),
    ] {
        let certificate = &certificates.unwrap()[0];
        assert_eq!(
            verify(certificate, &[], purpose, UnixTime::now())
                .unwrap()
                .hotkey(),
            hotkey
        );
    }
    assert_eq!(
        client.protocol_version(),
        Some(rustls::ProtocolVersion::TLSv1_3)
    );
    assert_eq!(server.alpn_protocol(), Some(&b"h2"[..]));
}

#[test]
fn every_handshake_is_a_full_one() {
    let (alice, bob) = (identity("//Alice"), identity("//Bob"));
    let (client, server) = (
        alice.client_config(bob.hotkey()).unwrap(),
        bob.server_config().unwrap(),
    );
    for _ in 0..3 {
        let (client, _, outcome) = handshake(client.clone(), server.clone());
        outcome.unwrap();
        assert_ne!(
            client.handshake_kind(),
            Some(rustls::HandshakeKind::Resumed)
        );
        assert_eq!(client.tls13_tickets_received(), 0);
    }
}

#[test]
fn a_dendrite_refuses_whom_it_did_not_dial() {
    let (alice, mallory) = (identity("//Alice"), identity("//Mallory"));
    let expected = key("//Bob").public();
    let client = alice.client_config(expected).unwrap();
    let (_, _, outcome) = handshake(client, mallory.server_config().unwrap());
    let found = mallory.hotkey();
    let error = outcome.unwrap_err();
    let expected = CertificateError::OtherHotkey { expected, found };
    assert_eq!(CertificateError::of(&error), Some(&expected));
}

#[test]
fn an_axon_refuses_who_shows_nothing() {
    let bob = identity("//Bob");
    let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AxonVerifier::new(bob.hotkey())))
        .with_no_client_auth();
    let (_, _, outcome) = handshake(Arc::new(client), bob.server_config().unwrap());
    assert_eq!(outcome.unwrap_err(), rustls::Error::NoCertificatesPresented);
}

#[test]
fn a_certificate_without_its_key_is_worth_nothing() {
    // Alice's genuine certificate, which everybody has who was ever called by her, and another key.
    let bob = identity("//Bob");
    let today = Validity::starting(UnixTime::now(), Duration::from_secs(3600));
    let genuine = certificate::issue(&alice(), Purpose::Dendrite, today)
        .unwrap()
        .certificate;
    let other = certificate::issue(&mallory(), Purpose::Dendrite, today)
        .unwrap()
        .key;
    let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AxonVerifier::new(bob.hotkey())));
    let signing_key = rustls::crypto::ring::sign::any_ecdsa_type(&other).unwrap();
    let stolen = rustls::sign::CertifiedKey::new(vec![genuine], signing_key);
    let resolver = rustls::sign::SingleCertAndKey::from(stolen);
    let client = client.with_client_cert_resolver(Arc::new(resolver));
    let (_, _, outcome) = handshake(Arc::new(client), bob.server_config().unwrap());
    let refused = rustls::CertificateError::BadSignature;
    assert_eq!(
        outcome.unwrap_err(),
        rustls::Error::InvalidCertificate(refused)
    );
}
