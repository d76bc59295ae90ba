//! Keys of a neuron: coldkeys, hotkeys, and the files that hold them.
//!
//! A **coldkey** owns funds, a **hotkey** signs for a neuron. Both are sr25519 accounts as every Substrate wallet has
//! them: the same phrases, derivation paths, addresses and signatures.
//!
//! No network, and no secret in a `Debug` or an error.
//!
//! ```
//! use neuron_wallet::Keypair;
//!
//! let alice = Keypair::from_uri("//Alice")?;
//! let signature = alice.sign(b"who goes there?");
//! assert!(alice.public().verify(b"who goes there?", &signature));
//! assert_eq!(alice.public().to_string(), "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY");
//! # Ok::<(), neuron_wallet::KeyError>(())
//! ```

mod keypair;
mod phrase;
mod public_key;

pub use keypair::{KeyError, Keypair};
pub use phrase::Phrase;
pub use public_key::{AddressError, PublicKey, Signature};
