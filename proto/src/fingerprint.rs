//! Which tokeniser token ids are of.

use std::fmt;

/// What tells apart tokenisers that give different ids to one text: the validated form of the 32 bytes that messages carry.
/// How it follows from a tokeniser is the business of who has one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 32]);

/// Bytes that are no fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a tokeniser's fingerprint of 32 bytes, got {0}")]
pub struct NotAFingerprint(pub usize);

impl TryFrom<&[u8]> for Fingerprint {
    type Error = NotAFingerprint;

    fn try_from(bytes: &[u8]) -> Result<Fingerprint, NotAFingerprint> {
        match bytes.try_into() {
            Ok(bytes) => Ok(Fingerprint(bytes)),
            Err(_) => Err(NotAFingerprint(bytes.len())),
        }
    }
}

impl fmt::Display for Fingerprint {
    /// Hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_survives_its_message() {
        let bytes: [u8; 32] = std::array::from_fn(|at| u8::try_from(at * 8).unwrap());
        assert_eq!(Fingerprint::try_from(&bytes[..]), Ok(Fingerprint(bytes)));
    }

    #[test]
    fn bytes_of_another_length_are_none() {
        for length in [0, 31, 33] {
            let bytes = vec![7; length];
            let refused = Fingerprint::try_from(&bytes[..]);
            assert_eq!(refused, Err(NotAFingerprint(length)));
        }
    }

    #[test]
    fn people_read_it_in_hexadecimal() {
        let text = Fingerprint([0x0a; 32]).to_string();
        assert_eq!(text, "0a".repeat(32));
    }
}
