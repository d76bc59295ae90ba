//! Batches for a causal language model: passages laid end to end and cut into rows.
//!
//! ```text
//! stream of an epoch = tokens(p₁) end tokens(p₂) end ..        p in an order drawn for the epoch, as for images
//! row r of batch b   = the seq tokens of it from (b·rows + r)·seq
//! ```
//!
//! No token is filler; those of the end that fill no batch are left out of the epoch. A row may begin in the middle of a
//! passage and go on in another: `end` between them tells the model so. The labels of a
//! batch are [the tokens after its own](crate::synapse::Labels::of_next).
//!
//! How many tokens each passage has is counted once, when the batches are made. So the place of a batch in the stream
//! follows from its [`Position`] alone, and only the passages that it needs are read.

use std::{ops::Range, sync::Arc};

use neuron_text::{Special, Tokenizer, TokenizerError};
use tch::Tensor;

use super::{HELD_OUT_SEED, Passages, TextError};
use crate::dataset::{Position, order};

/// An endless sequence of batches, `[rows, seq]` token ids each.
#[derive(Debug)]
pub struct CausalBatches {
    passages: Passages,
    tokenizer: Arc<Tokenizer>,
    end: u32,
    /// Tokens of each passage, its end included.
    lengths: Vec<u64>,
    rows: usize,
    seq: usize,
    seed: u64,
    position: Position,
    /// The epoch of `position`.
    stream: Stream,
}

impl CausalBatches {
    /// Batches of `rows` × `seq` tokens from these passages. Tokenises all of them once.
    ///
    /// # Errors
    ///
    /// [`TextError::BatchShape`] for rows that predict nothing, [`TokenizerError::NoSuchToken`] without a token that ends texts,
    /// [`TextError::TooFew`] if an epoch would have no batch, and as [`Passages::read`].
    pub fn new(
        passages: Passages,
        tokenizer: Arc<Tokenizer>,
        [rows, seq]: [usize; 2],
        seed: u64,
    ) -> Result<CausalBatches, TextError> {
        let batches = CausalBatches::counted(passages, tokenizer, [rows, seq], seed)?;
        match batches.per_epoch() {
            0 => Err(batches.too_few(rows)),
            _ => Ok(batches),
        }
    }

    /// Batches to be measured by: the same for every neuron, and where there is less than a batch, of as many rows as there
    /// are.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); [`TextError::TooFew`] if there is not even a row.
    pub fn held_out(
        passages: Passages,
        tokenizer: Arc<Tokenizer>,
        shape @ [rows, seq]: [usize; 2],
    ) -> Result<CausalBatches, TextError> {
        let mut batches = CausalBatches::counted(passages, tokenizer, shape, HELD_OUT_SEED)?;
        batches.rows = rows.min(batches.n_tokens() / seq);
        match batches.rows {
            0 => Err(batches.too_few(1)),
            _ => Ok(batches),
        }
    }

    /// As of [`new`](Self::new), however few there are.
    fn counted(
        passages: Passages,
        tokenizer: Arc<Tokenizer>,
        [rows, seq]: [usize; 2],
        seed: u64,
    ) -> Result<CausalBatches, TextError> {
        if rows < 1 || seq < 2 {
            return Err(TextError::BatchShape {
                rows,
                seq,
                least_rows: 1,
                least_seq: 2,
            });
        }
        let end = tokenizer.special(Special::End)?;
        let lengths = passages
            .texts()
            .map(|text| Ok(tokenizer.encode(&text?)?.len() as u64 + 1))
            .collect::<Result<Vec<_>, TextError>>()?;
        let order = order(lengths.len(), seed, Position::default().epoch);
        Ok(CausalBatches {
            stream: Stream::new(&lengths, order),
            passages,
            tokenizer,
            end,
            lengths,
            rows,
            seq,
            seed,
            position: Position::default(),
        })
    }

    fn too_few(&self, rows: usize) -> TextError {
        TextError::TooFew {
            what: "tokens",
            needed: rows * self.seq,
            found: self.n_tokens(),
        }
    }

    /// Tokens of all passages and their ends.
    pub fn n_tokens(&self) -> usize {
        let n_tokens = self.lengths.iter().sum::<u64>();
        usize::try_from(n_tokens).expect("a token is at least a bit of the disk")
    }

    /// Batches of an epoch.
    pub fn per_epoch(&self) -> usize {
        self.n_tokens() / (self.rows * self.seq)
    }

    /// The batch that comes next.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Goes on from there. A batch past the end of its epoch is the first of the next.
    pub fn go_to(&mut self, position: Position) {
        self.position = position.within(self.per_epoch());
        let order = order(self.passages.len(), self.seed, self.position.epoch);
        self.stream = Stream::new(&self.lengths, order);
    }

    /// The next batch, `[rows, seq]`, i64, and where it stands.
    ///
    /// # Errors
    ///
    /// As [`Passages::read`]; the batch comes next still.
    pub fn draw(&mut self) -> Result<(Position, Tensor), TextError> {
        let drawn = self.position;
        let first = drawn.batch * self.rows;
        let batch = self.batch(&self.stream, first..first + self.rows)?;
        let next = drawn.next(self.per_epoch());
        match next.epoch == drawn.epoch {
            true => self.position = next,
            false => self.go_to(next),
        }
        Ok((drawn, batch))
    }

    /// Every row once, the passages in order, `rows` at a time and the last time fewer: how an evaluation reads.
    pub fn in_order(&self) -> impl Iterator<Item = Result<Tensor, TextError>> + '_ {
        let n_rows = self.n_tokens() / self.seq;
        let stream = Stream::in_order(&self.lengths);
        (0..n_rows)
            .step_by(self.rows)
            .map(move |first| self.batch(&stream, first..n_rows.min(first + self.rows)))
    }

    /// These rows of a stream.
    fn batch(&self, stream: &Stream, rows: Range<usize>) -> Result<Tensor, TextError> {
        let n_tokens = rows.len() * self.seq;
        let (mut place, mut skipped) = stream.find((rows.start * self.seq) as u64);
        let mut tokens: Vec<i64> = Vec::with_capacity(n_tokens);
        while tokens.len() < n_tokens {
            let passage = stream.order[place];
            let mut passage_tokens = self.tokenizer.encode(&self.passages.read(passage)?)?;
            passage_tokens.push(self.end);
            if passage_tokens.len() as u64 != self.lengths[passage] {
                return Err(TextError::from(TokenizerError::Library(
                    "a text has other tokens than when they were counted".into(),
                )));
            }
            let needed = n_tokens - tokens.len();
            let ids = passage_tokens.into_iter().skip(skipped).take(needed);
            tokens.extend(ids.map(i64::from));
            (place, skipped) = (place + 1, 0);
        }
        let shape = [rows.len(), self.seq].map(|size| i64::try_from(size).expect("in memory"));
        Ok(Tensor::from_slice(&tokens).reshape(shape))
    }
}

/// Passages laid end to end.
#[derive(Debug)]
struct Stream {
    /// Positions of passages.
    order: Vec<usize>,
    /// Tokens of the stream before each of them.
    starts: Vec<u64>,
}

impl Stream {
    fn new(lengths: &[u64], order: Vec<i64>) -> Stream {
        let order: Vec<usize> = order
            .into_iter()
            .map(|position| usize::try_from(position).expect("a position"))
            .collect();
        let starts = order
            .iter()
            .scan(0, |next, &passage| {
                let start = *next;
                *next += lengths[passage];
                Some(start)
            })
            .collect();
        Stream { order, starts }
    }

    /// The passages as they come.
    fn in_order(lengths: &[u64]) -> Stream {
        Stream::new(lengths, (0..).take(lengths.len()).collect())
    }

    /// Which of `order` holds this token of the stream, and how many of its own are before it.
    fn find(&self, token: u64) -> (usize, usize) {
        let place = self.starts.partition_point(|&start| start <= token) - 1;
        let skipped = usize::try_from(token - self.starts[place]).expect("within a passage");
        (place, skipped)
    }
}

#[cfg(test)]
mod tests;
