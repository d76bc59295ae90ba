//! What a neuron reads: text of any folder, as token ids.
//!
//! # Who gets what
//!
//! As for [images](crate::dataset): what is held out follows from the text alone, the same on every machine, whatever the
//! seed and the shard; a neuron's shard is every *n*-th of the other passages.
//!
//! Text is read from the disk when it is needed. What stays in memory is where each passage lies, and how long it is.

mod corpus;
mod error;
mod sentences;
mod tokenizer;

pub use corpus::{Corpus, Passages};
pub use error::TextError;
pub use sentences::sentences;
pub use tokenizer::{Fingerprint, Special, Tokenizer};

#[cfg(test)]
mod samples;
