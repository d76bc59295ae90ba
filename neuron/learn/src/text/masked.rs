//! Batches for BERT: two sentences a row, with gaps to fill in.
//!
//! ```text
//! tokens  [CLS] first .. [SEP] second .. [SEP] [PAD] ..
//! labels  what was at gaps, ignored elsewhere
//! ```
//!
//! A row that would be too long loses tokens from the end of the longer of its sentences, one by one, and from the second
//! where both are equally long. Rows are filled up to the longest of the batch. What is filler, and which sentence a token is
//! of, a model sees by the special tokens.
//!
//! Pairs are drawn in an order of the epoch's own, as images are. The second sentence and the gaps are drawn from seed,
//! epoch and pair, whatever the batch: every epoch makes others, and a [`Position`] is all that it takes to go on.

mod rows;

use std::sync::Arc;

use neuron_text::Tokenizer;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

use super::{HELD_OUT_SEED, Passages, TextError, pairs::Pairs};
use crate::dataset::{Position, order};
use crate::synapse::Labels;
use rows::{LEAST_SEQ, Rows};

/// One batch. `seq` is the length of its longest row.
#[derive(Debug)]
pub struct MaskedBatch {
    /// Token ids, `[batch, seq]`, i64.
    pub tokens: Tensor,
    /// What was at gaps, and whether the second sentence [follows](super::FOLLOWS) or is [unrelated](super::UNRELATED).
    pub labels: Labels,
}

/// An endless sequence of batches.
#[derive(Debug)]
pub struct MaskedBatches {
    pairs: Pairs,
    rows: Rows,
    batch_size: usize,
    seed: u64,
    position: Position,
    /// Order of the epoch of `position`.
    order: Vec<i64>,
}

impl MaskedBatches {
    /// Batches of `batch_size` rows of at most `max_seq` tokens from these passages.
    ///
    /// # Errors
    ///
    /// [`TextError::BatchShape`] for rows without room for two sentences, [`NoSuchToken`](neuron_text::TokenizerError::NoSuchToken) if the tokeniser lacks
    /// one of BERT's, [`TextError::TooFew`] if an epoch would have no batch, and as [`Passages::read`].
    pub fn new(
        passages: Passages,
        tokenizer: Arc<Tokenizer>,
        [batch_size, max_seq]: [usize; 2],
        seed: u64,
    ) -> Result<MaskedBatches, TextError> {
        let mut batches = MaskedBatches::counted(passages, tokenizer, [batch_size, max_seq], seed)?;
        if batches.per_epoch() == 0 {
            return Err(TextError::TooFew {
                what: "pairs of sentences",
                needed: batch_size,
                found: batches.pairs.len(),
            });
        }
        batches.go_to(Position::default());
        Ok(batches)
    }

    /// Batches to be measured by: the same pairs with the same gaps for every neuron, and where there is less than a batch, of
    /// as many rows as there are.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); [`TextError::TooFew`] if there is not even a pair.
    pub fn held_out(
        passages: Passages,
        tokenizer: Arc<Tokenizer>,
        shape @ [batch_size, _]: [usize; 2],
    ) -> Result<MaskedBatches, TextError> {
        let mut batches = MaskedBatches::counted(passages, tokenizer, shape, HELD_OUT_SEED)?;
        batches.batch_size = batch_size.min(batches.pairs.len());
        batches.go_to(Position::default());
        Ok(batches)
    }

    /// As of [`new`](Self::new), however few there are, and before its first position.
    fn counted(
        passages: Passages,
        tokenizer: Arc<Tokenizer>,
        [batch_size, max_seq]: [usize; 2],
        seed: u64,
    ) -> Result<MaskedBatches, TextError> {
        if batch_size < 1 || max_seq < LEAST_SEQ {
            return Err(TextError::BatchShape {
                rows: batch_size,
                seq: max_seq,
                least_rows: 1,
                least_seq: LEAST_SEQ,
            });
        }
        Ok(MaskedBatches {
            rows: Rows::new(tokenizer, max_seq)?,
            pairs: Pairs::new(passages)?,
            batch_size,
            seed,
            position: Position::default(),
            order: Vec::new(),
        })
    }

    /// Batches of an epoch.
    pub fn per_epoch(&self) -> usize {
        self.pairs.len() / self.batch_size
    }

    /// The batch that comes next.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Goes on from there. A batch past the end of its epoch is the first of the next.
    pub fn go_to(&mut self, position: Position) {
        self.position = position.within(self.per_epoch());
        self.order = order(self.pairs.len(), self.seed, self.position.epoch);
    }

    /// The next batch, and where it stands.
    ///
    /// # Errors
    ///
    /// As [`Passages::read`]; the batch comes next still.
    pub fn draw(&mut self) -> Result<(Position, MaskedBatch), TextError> {
        let drawn = self.position;
        let from = drawn.batch * self.batch_size;
        let pairs = &self.order[from..from + self.batch_size];
        let batch = self.batch(pairs.iter().copied(), drawn.epoch)?;
        let next = drawn.next(self.per_epoch());
        match next.epoch == drawn.epoch {
            true => self.position = next,
            false => self.go_to(next),
        }
        Ok((drawn, batch))
    }

    /// Every pair once, in order, `batch_size` at a time and the last time fewer, with the same gaps each time: how an
    /// evaluation reads.
    pub fn in_order(&self) -> impl Iterator<Item = Result<MaskedBatch, TextError>> + '_ {
        let n_pairs = self.pairs.len();
        (0..n_pairs).step_by(self.batch_size).map(move |from| {
            let to = n_pairs.min(from + self.batch_size);
            let pairs = (0..).skip(from).take(to - from);
            self.batch(pairs, 0)
        })
    }

    fn batch(
        &self,
        pairs: impl Iterator<Item = i64>,
        epoch: u64,
    ) -> Result<MaskedBatch, TextError> {
        let rows = pairs
            .map(|pair| {
                let pair = usize::try_from(pair).expect("a position");
                let mut rng = rng(self.seed, epoch, pair);
                let sampled = self.pairs.sample(pair, &mut rng)?;
                self.rows.make(&sampled, &mut rng)
            })
            .collect::<Result<Vec<_>, TextError>>()?;
        Ok(self.rows.stack(&rows))
    }
}

/// The generator of one pair in one epoch.
fn rng(seed: u64, epoch: u64, pair: usize) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (part, number) in key.chunks_exact_mut(8).zip([seed, epoch, pair as u64]) {
        part.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

#[cfg(test)]
mod tests;
