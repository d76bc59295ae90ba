//! Rows of two sentences, and how they become a batch.

use std::sync::Arc;

use neuron_text::{Special, Tokenizer, TokenizerError};
use rand::Rng;
use tch::Tensor;

use super::MaskedBatch;
use crate::loss::IGNORED;
use crate::synapse::Labels;
use crate::text::{TextError, masking::Masking, pairs::Pair};

/// Special tokens of a row: one before the sentences and one after each.
const N_SPECIAL: usize = 3;

/// Tokens of the shortest row that has room for two sentences.
pub(super) const LEAST_SEQ: usize = N_SPECIAL + 2;

/// One row, not filled up.
#[derive(Debug)]
pub(super) struct Row {
    tokens: Vec<i64>,
    labels: Vec<i64>,
    next_sentence: i64,
}

/// Makes rows of one tokeniser's tokens.
#[derive(Debug)]
pub(super) struct Rows {
    tokenizer: Arc<Tokenizer>,
    masking: Masking,
    class: i64,
    separator: i64,
    pad: i64,
    max_seq: usize,
}

impl Rows {
    /// # Errors
    ///
    /// [`TokenizerError::NoSuchToken`] if the tokeniser lacks a token that rows need.
    pub(super) fn new(tokenizer: Arc<Tokenizer>, max_seq: usize) -> Result<Rows, TokenizerError> {
        let id = |special| tokenizer.special(special).map(i64::from);
        Ok(Rows {
            masking: Masking::of(&tokenizer)?,
            class: id(Special::Class)?,
            separator: id(Special::Separator)?,
            pad: id(Special::Pad)?,
            tokenizer,
            max_seq,
        })
    }

    /// A row of these sentences, with gaps.
    pub(super) fn make(&self, pair: &Pair, rng: &mut impl Rng) -> Result<Row, TextError> {
        let mut sentences = [
            self.tokenizer.encode(&pair.first)?,
            self.tokenizer.encode(&pair.second)?,
        ];
        cut_longest_first(&mut sentences, self.max_seq - N_SPECIAL);

        let mut tokens = vec![self.class];
        let mut is_text = vec![false];
        for sentence in sentences {
            is_text.resize(tokens.len() + sentence.len(), true);
            is_text.push(false);
            tokens.extend(sentence.into_iter().map(i64::from));
            tokens.push(self.separator);
        }
        let labels = self.masking.apply(&mut tokens, &is_text, rng);
        Ok(Row {
            tokens,
            labels,
            next_sentence: pair.label,
        })
    }

    /// Rows filled up to the longest.
    pub(super) fn stack(&self, rows: &[Row]) -> MaskedBatch {
        let seq = rows.iter().map(|row| row.tokens.len()).max().unwrap_or(0);
        let filled = |part: fn(&Row) -> &Vec<i64>, filler: i64| {
            let rows: Vec<Tensor> = rows
                .iter()
                .map(|row| {
                    let mut numbers = part(row).clone();
                    numbers.resize(seq, filler);
                    Tensor::from_slice(&numbers)
                })
                .collect();
            Tensor::stack(&rows, 0)
        };
        let next_sentence: Vec<i64> = rows.iter().map(|row| row.next_sentence).collect();
        MaskedBatch {
            tokens: filled(|row| &row.tokens, self.pad),
            labels: Labels {
                targets: filled(|row| &row.labels, IGNORED),
                next_sentence: Some(Tensor::from_slice(&next_sentence)),
            },
        }
    }
}

/// Takes tokens from the end of the longer sentence, the second of equally long ones, until no more than `room` are left.
fn cut_longest_first([first, second]: &mut [Vec<u32>; 2], room: usize) {
    while first.len() + second.len() > room {
        if first.len() > second.len() {
            first.pop();
        } else {
            second.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths that are left of two sentences.
    fn cut(lengths: [usize; 2], room: usize) -> [usize; 2] {
        let mut sentences = lengths.map(|length| vec![7; length]);
        cut_longest_first(&mut sentences, room);
        sentences.map(|sentence| sentence.len())
    }

    #[test]
    fn the_longer_sentence_is_cut_first() {
        assert_eq!(cut([3, 4], 7), [3, 4]);
        assert_eq!(cut([9, 2], 7), [5, 2]);
        assert_eq!(cut([2, 9], 7), [2, 5]);
        assert_eq!(cut([9, 9], 7), [4, 3]);
        assert_eq!(cut([0, 9], 7), [0, 7]);
    }
}
