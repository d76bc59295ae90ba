//! A key that signs: from words, a seed or a derivation path, as Substrate derives it.

use std::fmt;

use schnorrkel::{
    ExpansionMode, MiniSecretKey,
    derive::{ChainCode, Derivation},
};
use subxt_signer::{DeriveJunction, ExposeSecret, SecretUri};
use zeroize::Zeroizing;

use crate::{Phrase, PublicKey, Signature};

/// What every sr25519 signature on a Substrate chain is made under.
pub(crate) const SIGNING_CONTEXT: &[u8] = b"substrate";

/// An account with its secret. Wiped from memory when dropped.
#[derive(Clone)]
pub struct Keypair(pub(crate) schnorrkel::Keypair);

/// Why a text names no key. Holds nothing of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Would be the development phrase, which everybody knows.
    #[error("expected a key, got nothing; write //Alice for a development key")]
    Empty,
    /// Neither words nor a seed, or paths that do not parse.
    #[error(
        "expected a key such as //Alice, 12 to 24 words, or 0x and 64 hexadecimal digits, each with paths after it"
    )]
    Format,
    /// `0x` and something else.
    #[error(
        "expected a seed of 64 hexadecimal digits after 0x, got {n_digits} characters that are not"
    )]
    Seed {
        /// How many characters followed `0x`.
        n_digits: usize,
    },
    /// Words that are no phrase.
    #[error("the words are no BIP-39 phrase: {0}")]
    Phrase(#[from] bip39::Error),
}

impl Keypair {
    /// From what Substrate tools call a secret URI: `secret/soft//hard///password`.
    ///
    /// The secret is a phrase, or `0x` and a seed (for which the password counts nothing), or is left out for the
    /// development phrase, so that `//Alice` is the development account of that name.
    ///
    /// # Errors
    ///
    /// If it is empty, or does not parse.
    pub fn from_uri(uri: &str) -> Result<Keypair, KeyError> {
        let uri = uri.trim();
        if uri.is_empty() {
            return Err(KeyError::Empty);
        }
        let uri: SecretUri = uri.parse().map_err(|_| KeyError::Format)?;
        let secret = uri.phrase.expose_secret();
        let root = match secret.strip_prefix("0x") {
            Some(digits) => Keypair::from_seed(&*seed(digits)?),
            None => {
                let password = uri.password.as_ref();
                Keypair::from_phrase(
                    secret,
                    password.map_or("", |password| password.expose_secret()),
                )?
            }
        };
        Ok(root.derive(&uri.junctions))
    }

    /// From 32 bytes that nobody else has.
    pub fn from_seed(seed: &[u8; 32]) -> Keypair {
        expand(&MiniSecretKey::from_bytes(seed).expect("a seed of 32 bytes is a key"))
    }

    /// From BIP-39 words and a password, which may be empty.
    ///
    /// # Errors
    ///
    /// If a word is unknown, or missing, or the checksum is wrong.
    pub fn from_phrase(words: &str, password: &str) -> Result<Keypair, KeyError> {
        Ok(Keypair::of_phrase(&words.parse()?, password))
    }

    /// A new key, and the words that it can be had from again without a password.
    pub fn generate() -> (Keypair, Phrase) {
        let phrase = Phrase::generate();
        (Keypair::of_phrase(&phrase, ""), phrase)
    }

    /// Substrate derives from the entropy of the phrase, not, as BIP-39 would, from its words.
    fn of_phrase(phrase: &Phrase, password: &str) -> Keypair {
        let secret = substrate_bip39::mini_secret_from_entropy(&phrase.entropy(), password);
        expand(&secret.expect("a phrase has 16 to 32 bytes of entropy"))
    }

    fn derive(self, junctions: &[DeriveJunction]) -> Keypair {
        let secret =
            junctions
                .iter()
                .fold(self.0.secret.clone(), |secret, junction| match junction {
                    DeriveJunction::Soft(code) => secret.derived_key_simple(ChainCode(*code), []).0,
                    DeriveJunction::Hard(code) => secret
                        .hard_derive_mini_secret_key(Some(ChainCode(*code)), b"")
                        .0
                        .expand(ExpansionMode::Ed25519),
                });
        Keypair(secret.to_keypair())
    }

    /// The account.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.public.to_bytes())
    }

    /// Signs as every Substrate chain verifies. Two signatures of one message differ.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign_simple(SIGNING_CONTEXT, message).to_bytes())
    }
}

impl fmt::Debug for Keypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keypair({})", self.public())
    }
}

/// Substrate's choice of the two ways to make a key of 32 bytes.
fn expand(secret: &MiniSecretKey) -> Keypair {
    Keypair(secret.expand_to_keypair(ExpansionMode::Ed25519))
}

fn seed(digits: &str) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let refuse = || KeyError::Seed {
        n_digits: digits.chars().count(),
    };
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(refuse());
    }
    let mut seed = Zeroizing::new([0; 32]);
    for (byte, at) in seed.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| refuse())?;
    }
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use subxt_signer::{DEV_PHRASE, sr25519};

    use super::*;

    fn address(uri: &str) -> String {
        Keypair::from_uri(uri).unwrap().public().to_string()
    }

    /// The same key as `subxt-signer` makes it, which is tested against Substrate's own.
    fn theirs(uri: &str) -> sr25519::Keypair {
        sr25519::Keypair::from_uri(&uri.parse().unwrap()).unwrap()
    }

    #[test]
    fn development_accounts_are_those_of_every_substrate_chain() {
        for (uri, expected) in [
            (
                "//Alice",
                "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY",
            ),
            ("//Bob", "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty"),
            (
                "//Alice//stash",
                "5GNJqTPyNqANBkUVMN1LPPrxXnFouWXoe2wNSmmEoLctxiZY",
            ),
            (
                " //Alice\n",
                "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY",
            ),
            (
                DEV_PHRASE,
                "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV",
            ),
        ] {
            assert_eq!(address(uri), expected, "{uri}");
        }
    }

    #[test]
    fn paths_passwords_and_seeds_are_derived_as_substrate_derives_them() {
        let seed = "0xe5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a";
        for uri in [
            "/soft",
            "//hard/soft",
            "//Alice/0",
            "//Alice//18446744073709551615",
            "//Alice///password",
            "///password",
            seed,
            &format!("{seed}//Alice/soft"),
            &format!("{seed}///ignored"),
            &format!("{DEV_PHRASE}//0/1//2///a password with spaces / and strokes"),
            "//a junction of more than thirty-two bytes is hashed first",
        ] {
            let ours = Keypair::from_uri(uri).unwrap();
            assert_eq!(ours.public().0, theirs(uri).public_key().0, "{uri}");
        }
        assert_eq!(address(&format!("{seed}///ignored")), address(seed));
        assert_ne!(address("//Alice///password"), address("//Alice"));
    }

    #[test]
    fn a_password_is_part_of_the_key() {
        let key = |password| Keypair::from_phrase(DEV_PHRASE, password).unwrap().public();
        assert_eq!(key("").to_string(), address(DEV_PHRASE));
        assert_eq!(key("p").to_string(), address("///p"));
        assert_ne!(key("p"), key("q"));
    }

    #[test]
    fn a_new_key_can_be_had_from_its_words_again() {
        let (keypair, phrase) = Keypair::generate();
        let again = Keypair::from_phrase(&phrase.expose(), "").unwrap();
        assert_eq!(again.public(), keypair.public());
        assert_ne!(Keypair::generate().0.public(), keypair.public());
    }

    #[test]
    fn what_is_no_key_is_refused_without_repeating_it() {
        for (uri, expected) in [
            ("", KeyError::Empty),
            (" \n", KeyError::Empty),
            ("not-words", KeyError::Format),
            ("0xe5be", KeyError::Seed { n_digits: 4 }),
            (
                &format!("0x{}", "g".repeat(64)),
                KeyError::Seed { n_digits: 64 },
            ),
            (
                "secret words",
                KeyError::Phrase(bip39::Error::BadWordCount(2)),
            ),
        ] {
            assert_eq!(Keypair::from_uri(uri).unwrap_err(), expected, "{uri:?}");
        }
    }

    #[test]
    fn debug_output_shows_the_account_and_no_secret() {
        let alice = Keypair::from_uri("//Alice").unwrap();
        assert_eq!(
            format!("{alice:?}"),
            "Keypair(5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY)"
        );
    }

    proptest! {
        #[test]
        fn others_verify_our_signatures_and_we_verify_theirs(seed: [u8; 32], message: Vec<u8>) {
            let ours = Keypair::from_seed(&seed);
            let theirs = sr25519::Keypair::from_secret_key(seed).unwrap();
            let signature = sr25519::Signature(ours.sign(&message).0);
            prop_assert!(sr25519::verify(&signature, &message, &theirs.public_key()));
            prop_assert!(ours.public().verify(&message, &Signature(theirs.sign(&message).0)));
        }

        #[test]
        fn any_text_is_a_key_or_an_error(uri in "\\PC{0,80}") {
            let _ = Keypair::from_uri(&uri);
        }
    }
}
