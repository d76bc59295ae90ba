//! From text to token ids and back, as the checkpoints of Hugging Face do it (`tokenizer.json`).
//!
//! Text is taken as it is written: `[MASK]` in it is a word in brackets, never the mask. Special tokens are added by those
//! who make batches, by [their part](Special), so that nothing that somebody wrote passes for one.

mod export;
mod fingerprint;
mod special;
mod train;

use std::path::Path;

use neuron_proto::Fingerprint;
use tokenizers::ModelWrapper;

use crate::{TokenizerError, atomic};

pub use export::Rows;
pub use special::Special;

/// A tokeniser: what decides which ids stand for a text.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    library: tokenizers::Tokenizer,
    fingerprint: Fingerprint,
}

impl Tokenizer {
    /// Reads `tokenizer.json`.
    ///
    /// # Errors
    ///
    /// [`TokenizerError::Unreadable`], or [`TokenizerError::NotUnderstood`] if it is of a kind that is not known.
    pub fn load(path: &Path) -> Result<Tokenizer, TokenizerError> {
        let json = std::fs::read(path).map_err(|error| TokenizerError::Unreadable {
            path: path.to_owned(),
            error,
        })?;
        let not_understood = |problem: String| TokenizerError::NotUnderstood {
            path: path.to_owned(),
            problem,
        };
        let library = tokenizers::Tokenizer::from_bytes(json)
            .map_err(|error| not_understood(error.to_string()))?;
        if library.get_vocab_size(true) == 0 {
            return Err(not_understood("it has no tokens".into()));
        }
        Ok(Tokenizer::new(library))
    }

    /// A tokeniser of text alone, which gives a text the same ids each time: rows are cut and filled by those who make
    /// batches, and merges are not left out by chance.
    fn new(mut library: tokenizers::Tokenizer) -> Tokenizer {
        if let ModelWrapper::BPE(model) = library.get_model()
            && model.dropout.is_some()
        {
            let mut model = model.clone();
            model.dropout = None;
            library.with_model(model);
        }
        let fingerprint = fingerprint::of(&library);
        library.set_encode_special_tokens(true);
        library.with_padding(None);
        library
            .with_truncation(None)
            .expect("only a truncation can be impossible");
        Tokenizer {
            library,
            fingerprint,
        }
    }

    /// Writes `tokenizer.json`, in place of what is there.
    ///
    /// # Errors
    ///
    /// [`TokenizerError::Write`]; what was at `path` before is there still.
    pub fn save(&self, path: &Path) -> Result<(), TokenizerError> {
        atomic::write(path, &self.to_json()).map_err(|error| TokenizerError::Write {
            path: path.to_owned(),
            error,
        })
    }

    /// As `tokenizer.json` has it.
    fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.library).expect("a tokeniser is read from JSON")
    }

    /// What tells tokenisers apart that give different ids to one text. It is sent with token ids, so that a peer with
    /// another tokeniser can say so.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// One more than the highest id: the rows that a model's table needs.
    pub fn vocab_size(&self) -> usize {
        let vocabulary = self.library.get_vocab(true);
        vocabulary.values().max().map_or(0, |&id| id as usize + 1)
    }

    /// The ids of a text, without special tokens.
    ///
    /// # Errors
    ///
    /// [`TokenizerError::Library`] for a character that a tokeniser without bytes and without an unknown token cannot write.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self.library.encode_fast(text, false).map_err(library)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The ids of a text with gaps: where `[MASK]` is written, or another name of [`Special::Mask`], is the token that masks.
    /// Whitespace before a gap belongs to the word that is missing. Without special tokens otherwise.
    ///
    /// # Errors
    ///
    /// [`TokenizerError::NoSuchToken`] without a token that masks, and as [`Self::encode`].
    pub fn encode_with_gaps(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let mask = self.special(Special::Mask)?;
        let mut rest = text;
        let mut ids = Vec::new();
        while let Some((before, after)) = split_at_gap(rest) {
            ids.extend(self.encode(before.trim_end())?);
            ids.push(mask);
            rest = after;
        }
        ids.extend(self.encode(rest)?);
        Ok(ids)
    }

    /// What people read where this token is: its text, as it begins one, or the name of a special token. `None` if there is no
    /// such token.
    pub fn readable(&self, id: u32) -> Option<String> {
        let name = self.library.id_to_token(id)?;
        match self.decode(&[id]) {
            Ok(text) if !text.is_empty() => Some(text),
            _ => Some(name),
        }
    }

    /// The text of ids, without special tokens. Ids that are none are left out; bytes that are no character, such as half of
    /// one at an end, are U+FFFD.
    ///
    /// # Errors
    ///
    /// [`TokenizerError::Library`] if the tokeniser cannot be read backwards.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        self.library.decode(ids, true).map_err(library)
    }

    /// The id of the token that has this part.
    ///
    /// # Errors
    ///
    /// [`TokenizerError::NoSuchToken`] if there is none.
    pub fn special(&self, special: Special) -> Result<u32, TokenizerError> {
        let (_, id) = self.named(special)?;
        Ok(id)
    }

    /// Its name and its id.
    fn named(&self, special: Special) -> Result<(&'static str, u32), TokenizerError> {
        let added = self.library.get_added_vocabulary();
        special
            .names()
            .iter()
            .filter(|name| added.is_special_token(name))
            .find_map(|name| Some((*name, self.library.token_to_id(name)?)))
            .ok_or(TokenizerError::NoSuchToken {
                special,
                names: special.names(),
            })
    }

    /// The ids that text is made of, in increasing order: all but those of special tokens.
    pub fn ordinary(&self) -> Vec<u32> {
        let added = self.library.get_added_vocabulary();
        let mut ids: Vec<u32> = self
            .library
            .get_vocab(true)
            .into_iter()
            .filter(|(token, _)| !added.is_special_token(token))
            .map(|(_, id)| id)
            .collect();
        ids.sort_unstable();
        ids
    }
}

/// What is before the first gap of a text, and what is after it.
fn split_at_gap(text: &str) -> Option<(&str, &str)> {
    let gaps = Special::Mask.names().iter();
    let first = gaps.filter_map(|name| Some((text.find(name)?, name.len())));
    let (at, length) = first.min()?;
    Some((&text[..at], &text[at + length..]))
}

/// What the library says.
fn library(error: tokenizers::Error) -> TokenizerError {
    TokenizerError::Library(error.to_string())
}

#[cfg(test)]
mod tests;
