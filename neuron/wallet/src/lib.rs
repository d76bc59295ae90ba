//! Keys of a neuron: coldkeys, hotkeys, and the files that hold them.
//!
//! A **coldkey** owns funds, a **hotkey** signs for a neuron. Both are sr25519 accounts as every Substrate wallet has
//! them: the same phrases, derivation paths, addresses and signatures, and files that polkadot.js reads and writes.
//! A [`Wallet`] is a folder with one coldkey and any number of hotkeys.
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

mod encryption;
mod key_file;
mod keypair;
mod phrase;
mod pkcs8;
mod public_key;
mod wallet;

pub use key_file::{Existing, KeyFile, KeyFileError};
pub use keypair::{KeyError, Keypair};
pub use phrase::Phrase;
pub use public_key::{AddressError, PublicKey, Signature};
pub use wallet::{KeyName, NameError, Wallet, default_root};
