//! A secret on the command line.

use std::{convert::Infallible, fmt, str::FromStr};

use neuron_wallet::{KeyError, Keypair};
use zeroize::Zeroizing;

/// What a key is made from. Not shown by `Debug`.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The key.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn keypair(&self) -> Result<Keypair, KeyError> {
        Keypair::from_uri(&self.0)
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    // What is wrong with it is found when it is used, since errors of the command line repeat what was written.
    fn from_str(text: &str) -> Result<Secret, Infallible> {
        Ok(Secret(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let Ok(secret) = "//Alice".parse::<Secret>();
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(secret.keypair().unwrap().public().short(), "5Grw..utQY");
    }
}
