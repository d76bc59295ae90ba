//! What a call is addressed to, at every peer alike.

use neuron_proto::{Fingerprint, Modality};

/// An entry point, as it is asked: a modality alone, or text of a tokeniser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which one.
    pub modality: Modality,
    /// The tokeniser that made the token ids, where they are token ids: a peer of another refuses with
    /// [`TokenizerMismatch`](neuron_proto::Code::TokenizerMismatch).
    pub tokenizer: Option<Fingerprint>,
}

impl From<Modality> for Entry {
    /// What has no tokeniser.
    fn from(modality: Modality) -> Entry {
        Entry {
            modality,
            tokenizer: None,
        }
    }
}
