//! What a neuron reads: text of any folder, as token ids in batches of a seeded order.
//!
//! ```text
//! folder → Corpus      passages of its files, each held out or to learn from, dealt to neurons
//!        → Tokenizer   of neuron-text: token ids, by the checkpoint's tokeniser or by one trained on the passages
//!        → CausalBatches    [batch, seq], packed: what a causal language model learns from
//!        → MaskedBatches    [batch, seq] of two sentences with gaps: what BERT learns from
//! ```
//!
//! # Who gets what
//!
//! As for [images](crate::dataset): what is held out follows from the text alone, the same on every machine, whatever the
//! seed and the shard; a neuron's shard is every *n*-th of the other passages.
//!
//! Text is read from the disk when a batch needs it. What stays in memory is where each passage lies, and how long it is.

mod causal;
mod corpus;
mod error;
mod masked;
mod masking;
mod pairs;
mod sentences;

pub use causal::CausalBatches;
pub use corpus::{Corpus, Passages};
pub use error::TextError;
pub use masked::{MaskedBatch, MaskedBatches};
pub use pairs::{FOLLOWS, UNRELATED};
pub use sentences::sentences;

/// What is drawn of text that is held out, such as gaps, is drawn from this, whatever the seed of a neuron: all are measured by
/// the same.
const HELD_OUT_SEED: u64 = 0;

#[cfg(test)]
mod samples;
