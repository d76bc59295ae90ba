//! What a neuron reads: text, as token ids.

mod error;
mod tokenizer;

pub use error::TextError;
pub use tokenizer::{Fingerprint, Special, Tokenizer};

#[cfg(test)]
mod samples;
