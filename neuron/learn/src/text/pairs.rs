//! Pairs of sentences, of which a model is to tell whether the second follows the first.
//!
//! There is a pair for every sentence that another follows in its passage. With a probability of one half the second is
//! that other ([`FOLLOWS`]), otherwise one drawn from all sentences alike ([`UNRELATED`]), and never the first, the one that
//! follows it, or one of the same words. (J. Devlin and others, *BERT*, 2019, 3.1.)
//!
//! The origin's sampler kept the draws that it rejected, and could look for a sentence past the last one. Here the two
//! sentences are counted out before drawing.

use rand::Rng;

use super::{Passages, TextError, sentences};

/// Label of a pair whose second sentence follows the first.
pub const FOLLOWS: i64 = 0;

/// Label of a pair whose second sentence does not.
pub const UNRELATED: i64 = 1;

/// A sentence that is drawn is another; one that reads the same is drawn again so often.
const DRAWS: usize = 16;

/// Two sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// The first.
    pub(super) first: String,
    /// What follows it or does not.
    pub(super) second: String,
    /// [`FOLLOWS`] or [`UNRELATED`].
    pub(super) label: i64,
}

/// The sentences of passages, to be drawn in pairs.
#[derive(Debug)]
pub(super) struct Pairs {
    passages: Passages,
    /// Sentences before each passage, and of all of them.
    sentences: Vec<usize>,
    /// Pairs before each passage, and of all of them.
    pairs: Vec<usize>,
}

impl Pairs {
    /// Counts the sentences of these passages.
    ///
    /// # Errors
    ///
    /// [`TextError::TooFew`] unless one of at least three sentences follows another, and as [`Passages::read`].
    pub(super) fn new(passages: Passages) -> Result<Pairs, TextError> {
        let [mut sums, mut pairs] = [vec![0], vec![0]];
        let [mut n_sentences, mut n_pairs] = [0, 0];
        for text in passages.texts() {
            let found = sentences(&text?).len();
            n_sentences += found;
            n_pairs += found.saturating_sub(1);
            sums.push(n_sentences);
            pairs.push(n_pairs);
        }
        if n_sentences < 3 || n_pairs == 0 {
            return Err(TextError::TooFew {
                what: "sentences that follow each other",
                needed: 3,
                found: n_sentences,
            });
        }
        Ok(Pairs {
            passages,
            sentences: sums,
            pairs,
        })
    }

    /// How many there are: at least one.
    pub(super) fn len(&self) -> usize {
        *self.pairs.last().expect("at least zero")
    }

    /// Draws the second sentence for the first one of this pair.
    ///
    /// In a text that says little but one sentence over and over, where no other can be drawn, the pair is the one that
    /// follows.
    ///
    /// # Errors
    ///
    /// As [`Passages::read`].
    ///
    /// # Panics
    ///
    /// If `pair` is not below [`Self::len`].
    pub(super) fn sample(&self, pair: usize, rng: &mut impl Rng) -> Result<Pair, TextError> {
        let first = self.first(pair);
        let [text, next] = [self.sentence(first)?, self.sentence(first + 1)?];
        if rng.random_bool(0.5) {
            for _ in 0..DRAWS {
                let drawn = self.sentence(self.unrelated(first, rng))?;
                if drawn != text && drawn != next {
                    return Ok(Pair {
                        first: text,
                        second: drawn,
                        label: UNRELATED,
                    });
                }
            }
        }
        Ok(Pair {
            first: text,
            second: next,
            label: FOLLOWS,
        })
    }

    /// Position, among all sentences, of the first sentence of a pair. The one after it is in the same passage.
    fn first(&self, pair: usize) -> usize {
        let passage = place(&self.pairs, pair);
        self.sentences[passage] + pair - self.pairs[passage]
    }

    /// Any sentence but this one and the one after it, all equally likely.
    fn unrelated(&self, first: usize, rng: &mut impl Rng) -> usize {
        let n_sentences = *self.sentences.last().expect("at least zero");
        let drawn = rng.random_range(0..n_sentences - 2);
        if drawn < first { drawn } else { drawn + 2 }
    }

    /// The sentence at this position.
    fn sentence(&self, position: usize) -> Result<String, TextError> {
        let passage = place(&self.sentences, position);
        let text = self.passages.read(passage)?;
        Ok(sentences(&text)[position - self.sentences[passage]].to_owned())
    }
}

/// Which passage holds the item at this position, given how many items are before each.
fn place(before: &[usize], position: usize) -> usize {
    before.partition_point(|&n| n <= position) - 1
}

#[cfg(test)]
mod tests;
