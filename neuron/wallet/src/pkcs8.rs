//! The bytes of a key, as polkadot.js lays them out inside its files.
//!
//! `header (16) ‖ secret (64, in the form of ed25519) ‖ divider (5) ‖ public (32)`. Close to PKCS #8, whose object
//! identifier says ed25519 for sr25519 keys too.

use zeroize::Zeroizing;

use crate::Keypair;

const HEADER: [u8; 16] = [48, 83, 2, 1, 1, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
const DIVIDER: [u8; 5] = [161, 35, 3, 33, 0];

/// The bytes of a key.
pub(crate) fn encode(keypair: &Keypair) -> Zeroizing<Vec<u8>> {
    // All at once: growing would leave secrets behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(117));
    let secret = Zeroizing::new(keypair.0.secret.to_ed25519_bytes());
    bytes.extend_from_slice(&HEADER);
    bytes.extend_from_slice(secret.as_ref());
    bytes.extend_from_slice(&DIVIDER);
    bytes.extend_from_slice(&keypair.public().0);
    bytes
}

/// The key in `bytes`, if they are one whose two halves belong together.
pub(crate) fn decode(bytes: &[u8]) -> Option<Keypair> {
    let rest = bytes.strip_prefix(&HEADER)?;
    let (secret, rest) = rest.split_at_checked(64)?;
    let public = rest.strip_prefix(&DIVIDER)?;
    let secret = schnorrkel::SecretKey::from_ed25519_bytes(secret).ok()?;
    let keypair = Keypair(secret.to_keypair());
    (keypair.public().0 == public).then_some(keypair)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_key_survives(seed: [u8; 32]) {
            let keypair = Keypair::from_seed(&seed);
            let again = decode(&encode(&keypair)).unwrap();
            prop_assert_eq!(again.public(), keypair.public());
            prop_assert!(keypair.public().verify(b"message", &again.sign(b"message")));
        }

        #[test]
        fn changed_or_missing_bytes_are_noticed(seed: [u8; 32], at in 0_usize..117, bit in 0..8_u32) {
            let bytes = encode(&Keypair::from_seed(&seed));
            prop_assert!(decode(&bytes[..at]).is_none());
            let mut changed = bytes.clone();
            changed[at] ^= 1_u8 << bit;
            // The second half of the secret is what signatures are made unpredictable with, and has no public half;
            // the lowest three bits of the first are not used.
            if !(16..80).contains(&at) {
                prop_assert!(decode(&changed).is_none());
            }
        }
    }
}
