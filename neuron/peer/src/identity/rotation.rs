//! The certificate that is shown at present, replaced before it expires.
//!
//! The first handshake past [`RENEW_AFTER`] makes the next certificate, in about a tenth of a millisecond, and swaps it in
//! at once. So there is no timer that could die, or sleep while the machine does, and what is shown is never expired.
//! Handshakes under way keep the certificate they began with, and open connections are not touched.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use neuron_wallet::Keypair;
use rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    crypto::ring::sign::any_ecdsa_type,
    pki_types::UnixTime,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::{
    IdentityError,
    certificate::{self, Issued, Purpose, Validity},
};

/// How long a certificate is valid: long enough that clocks which are a little wrong do not matter, short enough that a
/// TLS key which leaked from memory is soon worth nothing.
pub(super) const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Age at which a certificate is replaced: half its life, so that peers see at least the other half.
const RENEW_AFTER: Duration = Duration::from_secs(12 * 60 * 60);

/// The present certificate for one purpose.
#[derive(Debug)]
pub(super) struct Rotation {
    hotkey: Keypair,
    purpose: Purpose,
    present: ArcSwap<Present>,
}

#[derive(Debug)]
struct Present {
    key: Arc<CertifiedKey>,
    since: u64,
}

impl Rotation {
    /// With a first certificate made now.
    pub(super) fn start(
        hotkey: Keypair,
        purpose: Purpose,
        now: UnixTime,
    ) -> Result<Rotation, IdentityError> {
        let present = Present::make(&hotkey, purpose, now)?;
        Ok(Rotation {
            hotkey,
            purpose,
            present: ArcSwap::from_pointee(present),
        })
    }

    /// What to show now. Two handshakes that find it old at once both make a new one, and either will do.
    fn present(&self, now: UnixTime) -> Arc<CertifiedKey> {
        let present = self.present.load_full();
        if !present.is_old(now) {
            return present.key.clone();
        }
        match Present::make(&self.hotkey, self.purpose, now) {
            Ok(next) => {
                let key = next.key.clone();
                self.present.store(Arc::new(next));
                tracing::debug!(purpose = ?self.purpose, "a new certificate is in use");
                key
            }
            Err(error) => {
                tracing::warn!(purpose = ?self.purpose, %error, "the old certificate stays in use");
                present.key.clone()
            }
        }
    }
}

impl Present {
    fn make(hotkey: &Keypair, purpose: Purpose, now: UnixTime) -> Result<Present, IdentityError> {
        let Issued { certificate, key } =
            certificate::issue(hotkey, purpose, Validity::starting(now, LIFETIME))?;
        let key = CertifiedKey::new(vec![certificate], any_ecdsa_type(&key)?);
        Ok(Present {
            key: Arc::new(key),
            since: now.as_secs(),
        })
    }

    /// Also if it is from the future: then the clock was set back, and peers would refuse it as not yet valid.
    fn is_old(&self, now: UnixTime) -> bool {
        let age = now.as_secs().checked_sub(self.since);
        age.is_none_or(|age| age >= RENEW_AFTER.as_secs())
    }
}

impl ResolvesServerCert for Rotation {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.present(UnixTime::now()))
    }
}

impl ResolvesClientCert for Rotation {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.present(UnixTime::now()))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::verifier::verify;

    const START: u64 = 1_800_000_000;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    fn rotation() -> Rotation {
        let alice = Keypair::from_uri("//Alice").unwrap();
        Rotation::start(alice, Purpose::Axon, at(START)).unwrap()
    }

    #[test]
    fn one_certificate_serves_until_half_its_life_is_over() {
        let rotation = rotation();
        let first = rotation.present(at(START));
        assert!(Arc::ptr_eq(
            &first,
            &rotation.present(at(START + 12 * 3600 - 1))
        ));

        let second = rotation.present(at(START + 12 * 3600));
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(Arc::ptr_eq(
            &second,
            &rotation.present(at(START + 24 * 3600 - 1))
        ));
    }

    #[test]
    fn what_is_shown_is_valid_at_any_time_even_after_years_of_sleep_or_a_clock_set_back() {
        let rotation = rotation();
        for now in [
            START,
            START + 13 * 3600,
            START + 4 * 365 * 86_400,
            START - 365 * 86_400,
        ] {
            let shown = rotation.present(at(now));
            let verified = verify(&shown.cert[0], &[], Purpose::Axon, at(now)).unwrap();
            assert_eq!(verified.hotkey(), rotation.hotkey.public());
        }
    }

    #[test]
    fn a_new_certificate_has_a_new_key() {
        let rotation = rotation();
        let key = |now| {
            let shown = rotation.present(at(now));
            shown.key.public_key().unwrap().to_vec()
        };
        assert_ne!(key(START), key(START + 12 * 3600));
    }
}
