//! Gaps in a row of tokens, for a model to fill in.
//!
//! Each token of text is chosen with a probability of 15 %, and one at least in a row. Of those chosen, 80 % become the mask,
//! 10 % any token of text, 10 % stay as they are; the label of each is what it was, and all others are [`IGNORED`].
//! (J. Devlin and others, *BERT*, 2019, 3.1.) Special tokens are neither chosen nor put into a gap.
//!
//! The origin drew replacements from one id too many.

use neuron_text::{Special, Tokenizer, TokenizerError};
use rand::{Rng, seq::IndexedRandom};

use crate::loss::IGNORED;

/// Share of tokens that a model is to fill in.
const MASKED_SHARE: f64 = 0.15;

/// What becomes of a token that is chosen.
enum Gap {
    Mask,
    Another,
    Itself,
}

impl Gap {
    /// 80 %, 10 %, 10 %.
    fn draw(rng: &mut impl Rng) -> Gap {
        match rng.random_range(0..10) {
            0..8 => Gap::Mask,
            8 => Gap::Another,
            _ => Gap::Itself,
        }
    }
}

/// Makes gaps in rows of one tokeniser's tokens.
#[derive(Debug)]
pub(super) struct Masking {
    mask: i64,
    /// The ids that text is made of.
    ordinary: Vec<u32>,
}

impl Masking {
    /// # Errors
    ///
    /// [`TokenizerError::NoSuchToken`] without a mask.
    pub(super) fn of(tokenizer: &Tokenizer) -> Result<Masking, TokenizerError> {
        Ok(Masking {
            mask: tokenizer.special(Special::Mask)?.into(),
            ordinary: tokenizer.ordinary(),
        })
    }

    /// Makes gaps in a row and returns its labels.
    ///
    /// `is_text`: which tokens may be chosen.
    pub(super) fn apply(
        &self,
        tokens: &mut [i64],
        is_text: &[bool],
        rng: &mut impl Rng,
    ) -> Vec<i64> {
        let candidates: Vec<usize> = (0..tokens.len()).filter(|&at| is_text[at]).collect();
        let mut chosen: Vec<usize> = candidates
            .iter()
            .copied()
            .filter(|_| rng.random_bool(MASKED_SHARE))
            .collect();
        if chosen.is_empty() {
            chosen.extend(candidates.choose(rng));
        }
        let mut labels = vec![IGNORED; tokens.len()];
        for at in chosen {
            labels[at] = tokens[at];
            tokens[at] = match Gap::draw(rng) {
                Gap::Mask => self.mask,
                Gap::Another => self.ordinary.choose(rng).map_or(self.mask, |&id| id.into()),
                Gap::Itself => tokens[at],
            };
        }
        labels
    }
}

#[cfg(test)]
mod tests;
