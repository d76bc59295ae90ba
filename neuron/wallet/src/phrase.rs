//! The words that a key is kept by outside the computer.

use std::{fmt, str::FromStr};

use zeroize::Zeroizing;

use crate::KeyError;

/// A BIP-39 phrase: 12 to 24 English words, the last of which holds a checksum. Wiped from memory when dropped.
#[derive(Clone)]
pub struct Phrase(bip39::Mnemonic);

impl Phrase {
    /// Twelve words, of 128 bits that the operating system drew.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness.
    pub fn generate() -> Phrase {
        let mut entropy = Zeroizing::new([0; 16]);
        getrandom::fill(entropy.as_mut()).expect("the operating system provides randomness");
        Phrase(bip39::Mnemonic::from_entropy(entropy.as_ref()).expect("16 bytes make 12 words"))
    }

    /// The words, to be shown once.
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_string())
    }

    /// What the words stand for, without the checksum.
    pub(crate) fn entropy(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.to_entropy())
    }
}

impl FromStr for Phrase {
    type Err = KeyError;

    /// Any white space parts words; a line break at the end does no harm.
    fn from_str(words: &str) -> Result<Phrase, KeyError> {
        Ok(Phrase(words.parse()?))
    }
}

impl fmt::Debug for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phrase({} words)", self.0.word_count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_new_each_time_and_survive_being_written_down() {
        let (one, other) = (Phrase::generate(), Phrase::generate());
        assert_ne!(one.expose(), other.expose());
        assert_eq!(one.expose().split(' ').count(), 12);
        let typed = format!("  {}\n", one.expose().replace(' ', "  "));
        assert_eq!(typed.parse::<Phrase>().unwrap().expose(), one.expose());
    }

    #[test]
    fn a_mistyped_phrase_is_refused_without_repeating_it() {
        for (words, reason) in [
            (
                "bottom drive obey lake curtain smoke basket hold race lonely fit fit",
                "checksum",
            ),
            (
                "bottom drive obey lake curtain smoke basket hold race lonely fit wolk",
                "word",
            ),
            ("bottom drive obey", "word"),
            ("", "word"),
        ] {
            let error = words.parse::<Phrase>().unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
            assert!(!error.contains("bottom") && !error.contains("wolk"));
        }
    }

    #[test]
    fn debug_output_has_no_word_of_it() {
        let phrase: Phrase = subxt_signer::DEV_PHRASE.parse().unwrap();
        assert_eq!(format!("{phrase:?}"), "Phrase(12 words)");
    }
}
