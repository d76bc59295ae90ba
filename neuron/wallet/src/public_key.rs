//! The public half of a key, written as its address, and the signatures that it verifies.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use subxt_utils_accountid32::{AccountId32, FromSs58Error};

use crate::keypair::SIGNING_CONTEXT;

/// The longest address there is: two bytes of prefix, 32 of key and two of checksum in base 58.
const LONGEST_ADDRESS: usize = 50;

/// An account: the public half of an sr25519 key.
///
/// Read and written as an SS58 address: the prefix is 42 when written, any when read, and the checksum is verified.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// An sr25519 signature.
#[derive(Copy, Clone, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl PublicKey {
    /// Whether `signature` is of `message`, by this key. False for bytes that are no key or no signature.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        let key = schnorrkel::PublicKey::from_bytes(&self.0);
        let signature = schnorrkel::Signature::from_bytes(&signature.0);
        match (key, signature) {
            (Ok(key), Ok(signature)) => key
                .verify_simple(SIGNING_CONTEXT, message, &signature)
                .is_ok(),
            _ => false,
        }
    }

    /// The two ends of the address, for tables: `5Grw..utQY`.
    pub fn short(&self) -> String {
        let address = self.to_string();
        format!("{}..{}", &address[..4], &address[address.len() - 4..])
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Through a string, so that width and alignment are honoured.
        f.pad(&AccountId32(self.0).to_string())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an account address such as 5GrwvaEF5zXb..: {reason}")]
pub struct AddressError {
    /// What was read; its beginning, if it is long.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl FromStr for PublicKey {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<PublicKey, AddressError> {
        let refuse = |reason| AddressError {
            text: text.chars().take(LONGEST_ADDRESS).collect(),
            reason,
        };
        // Decoding takes time in the square of the length.
        if text.len() > LONGEST_ADDRESS {
            return Err(refuse("it is too long"));
        }
        text.parse::<AccountId32>()
            .map(|account| PublicKey(account.0))
            .map_err(|error| {
                refuse(match error {
                    FromSs58Error::BadBase58 => "it has characters that an address never has",
                    FromSs58Error::BadLength => "it is too short or too long",
                    FromSs58Error::InvalidPrefix => "it begins with no known network",
                    FromSs58Error::InvalidChecksum => {
                        "its checksum is wrong: look for a typing error"
                    }
                })
            })
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PublicKey, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Keypair;

    const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

    #[test]
    fn an_address_may_have_any_prefix_and_is_written_with_42() {
        // Alice on Polkadot (prefix 0), on Kusama (2) and on a chain with two bytes of prefix (Crust, 66).
        for address in [
            "15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5",
            "HNZata7iMYWmk5RvZRTiAsSDhV8366zq2YGb3tLH5Upf74F",
            "cTM8suyN19VZb7JEPRNvtezyfpEAJyYxHkk1n5J4XEr6XroRa",
        ] {
            assert_eq!(address.parse::<PublicKey>().unwrap().to_string(), ALICE);
        }
    }

    #[test]
    fn a_mistyped_address_is_refused() {
        for (text, reason) in [
            (
                "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQZ",
                "checksum",
            ),
            (
                "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKut0l",
                "characters",
            ),
            ("5GrwvaEF", "too short"),
            ("", "too short"),
            (&"5".repeat(1_000_000), "too long"),
        ] {
            let error = text.parse::<PublicKey>().unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
            assert!(error.len() < 200);
        }
    }

    #[test]
    fn tables_show_the_ends_of_an_address() {
        let alice: PublicKey = ALICE.parse().unwrap();
        assert_eq!(alice.short(), "5Grw..utQY");
        assert_eq!(format!("{alice:>50}"), format!("  {ALICE}"));
    }

    #[test]
    fn json_holds_the_address() {
        let alice: PublicKey = ALICE.parse().unwrap();
        let json = serde_json::to_string(&alice).unwrap();
        assert_eq!(json, format!("{ALICE:?}"));
        assert_eq!(serde_json::from_str::<PublicKey>(&json).unwrap(), alice);
        assert!(serde_json::from_str::<PublicKey>("\"5Grw\"").is_err());
    }

    #[test]
    fn bytes_that_are_no_key_or_no_signature_verify_nothing() {
        let alice = Keypair::from_uri("//Alice").unwrap();
        let signature = alice.sign(b"message");
        assert!(!PublicKey([0xFF; 32]).verify(b"message", &signature));
        for bytes in [[0; 64], [0xFF; 64]] {
            assert!(!alice.public().verify(b"message", &Signature(bytes)));
        }
    }

    proptest! {
        #[test]
        fn any_key_survives_its_address(bytes: [u8; 32]) {
            let key = PublicKey(bytes);
            prop_assert_eq!(key.to_string().parse::<PublicKey>().unwrap(), key);
        }

        #[test]
        fn any_text_is_an_address_or_an_error(text in ".{0,60}") {
            if let Ok(key) = text.parse::<PublicKey>() {
                prop_assert_eq!(key.to_string().parse::<PublicKey>().unwrap(), key);
            }
        }

        #[test]
        fn a_signature_holds_for_one_message_and_one_key(
            seed: [u8; 32],
            message in proptest::collection::vec(any::<u8>(), 1..64),
            at: proptest::sample::Index,
            bit in 0..8_u32,
        ) {
            let keypair = Keypair::from_seed(&seed);
            let signature = keypair.sign(&message);
            prop_assert!(keypair.public().verify(&message, &signature));

            let mut other = message.clone();
            other[at.index(message.len())] ^= 1_u8 << bit;
            prop_assert!(!keypair.public().verify(&other, &signature));

            let mut forged = signature;
            forged.0[at.index(64)] ^= 1_u8 << bit;
            prop_assert!(!keypair.public().verify(&message, &forged));

            let mut stranger = seed;
            stranger[at.index(32)] ^= 1_u8 << bit;
            prop_assert!(!Keypair::from_seed(&stranger).public().verify(&message, &signature));
        }
    }
}
