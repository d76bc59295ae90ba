//! `identity::verifier::verify` on bytes of libFuzzer's, and on a good certificate that it has changed: nobody is believed
//! but whom the unchanged certificate names, and nothing panics.

#![no_main]

use std::{sync::LazyLock, time::Duration};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use neuron_peer::identity::{
    Purpose,
    certificate::{Validity, issue},
    verifier::verify,
};
use neuron_wallet::Keypair;
use rustls::pki_types::{CertificateDer, UnixTime};

const NOW: u64 = 1_800_000_000;

static HOTKEY: LazyLock<Keypair> = LazyLock::new(|| Keypair::from_seed(&[7; 32]));

static GOOD: LazyLock<CertificateDer<'static>> = LazyLock::new(|| {
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW));
    let validity = Validity::starting(now, Duration::from_secs(86_400));
    issue(&HOTKEY, Purpose::Axon, validity).unwrap().certificate
});

#[derive(Debug, Arbitrary)]
enum Input<'a> {
    Bytes(&'a [u8]),
    /// Bytes to put into the good certificate instead of some of its own.
    Splices(Vec<Splice<'a>>),
}

#[derive(Debug, Arbitrary)]
struct Splice<'a> {
    at: u16,
    removed: u8,
    bytes: &'a [u8],
}

impl Input<'_> {
    fn der(&self) -> Vec<u8> {
        match self {
            Input::Bytes(bytes) => bytes.to_vec(),
            Input::Splices(splices) => splices.iter().fold(GOOD.to_vec(), |mut der, splice| {
                let start = usize::from(splice.at) % (der.len() + 1);
                let end = (start + usize::from(splice.removed)).min(der.len());
                der.splice(start..end, splice.bytes.iter().copied());
                der
            }),
        }
    }
}

fuzz_target!(|input: (Input<'_>, i32)| {
    let (input, shift) = input;
    let der = input.der();
    let now = NOW.saturating_add_signed(shift.into());
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
    for purpose in [Purpose::Axon, Purpose::Dendrite] {
        if let Ok(verified) = verify(&CertificateDer::from(&der[..]), &[], purpose, now) {
            assert_eq!(purpose, Purpose::Axon);
            assert_eq!(verified.hotkey(), HOTKEY.public());
            assert_eq!(der, GOOD.as_ref());
        }
    }
});
