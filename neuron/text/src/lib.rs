//! From text to token ids and back, for those who have a model and for those who only ask one.
//!
//! [`Tokenizer`] reads, trains and writes the tokenisers of the field (`tokenizer.json` of Hugging Face); [`Special`] is the
//! part that a token plays which stands for no text. What tells two tokenisers apart travels with token ids:
//! [`neuron_proto::Fingerprint`].
//!
//! There is no libtorch here: a command that sends a sentence to a peer starts as fast as one that sends nothing.

pub mod atomic;
mod error;
mod tokenizer;

pub use error::TokenizerError;
pub use tokenizer::{Rows, Special, Tokenizer};
