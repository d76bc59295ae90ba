//! What tells tokenisers apart.

use std::fmt;

/// What two tokenisers have in common that give the same ids to every text: 32 bytes, by which they are told apart. How it
/// is computed is the business of those who have tokenisers; on the wire it only has to be the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 32]);

/// Bytes that are no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the fingerprint of a tokeniser, 32 bytes or none, got {0}")]
pub struct FingerprintLength(pub usize);

impl Fingerprint {
    /// The fingerprint in a field of a message; none if the field is empty.
    ///
    /// # Errors
    ///
    /// [`FingerprintLength`] for anything else than 32 bytes.
    pub fn read(field: &[u8]) -> Result<Option<Fingerprint>, FingerprintLength> {
        match (field.len(), field.try_into()) {
            (0, _) => Ok(None),
            (_, Ok(bytes)) => Ok(Some(Fingerprint(bytes))),
            (length, Err(_)) => Err(FingerprintLength(length)),
        }
    }

    /// The field of a message that says this, or nothing.
    pub fn write(fingerprint: Option<Fingerprint>) -> bytes::Bytes {
        fingerprint.map_or_else(bytes::Bytes::new, |Fingerprint(bytes)| {
            bytes::Bytes::copy_from_slice(&bytes)
        })
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
    fn a_field_says_a_fingerprint_or_nothing() {
        for said in [None, Some(Fingerprint([7; 32]))] {
            assert_eq!(Fingerprint::read(&Fingerprint::write(said)), Ok(said));
        }
        for length in [1, 31, 33] {
            assert_eq!(
                Fingerprint::read(&vec![0; length]),
                Err(FingerprintLength(length))
            );
        }
    }

    #[test]
    fn it_is_written_in_hexadecimal() {
        let shown = Fingerprint([0xab; 32]).to_string();
        assert_eq!(shown, "ab".repeat(32));
    }
}
