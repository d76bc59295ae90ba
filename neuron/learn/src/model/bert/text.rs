//! What is known of a batch of texts from its tokens alone.
//!
//! A request is nothing but ids, so masks and segments follow from them:
//!
//! * what is `[PAD]` is not there: nothing attends to it;
//! * what comes after the first `[SEP]` is the second segment, the rest the first.

use tch::{Device, Kind, Tensor};

use super::BertConfig;
use crate::model::tokens;
use crate::nn::attention::Visible;
use crate::synapse::SynapseError;

/// A batch of texts that fits a model.
#[derive(Debug)]
pub(crate) struct Texts {
    /// `[batch, seq]`, i64
    pub(super) ids: Tensor,
    /// 0 or 1, `[batch, seq]`, i64
    pub(super) segments: Tensor,
    /// Where it is not padding, `[batch, seq]`, bool
    real: Tensor,
    /// What attention may look at, `[batch, 1, 1, seq]`, bool; none if that is everything.
    seen: Option<Tensor>,
}

impl Texts {
    /// # Shapes
    ///
    /// `tokens`: `[batch, seq]`, i64
    ///
    /// # Errors
    ///
    /// As [`tokens::check`].
    pub(crate) fn new(
        tokens: &Tensor,
        config: &BertConfig,
        device: Device,
    ) -> Result<Texts, SynapseError> {
        tokens::check(tokens, config.vocab_size, config.max_position_embeddings)?;
        let has_padding = tokens.eq(config.pad_token_id).any().int64_value(&[]) != 0;
        let ids = tokens.to_device(device);
        let real = ids.ne(config.pad_token_id);
        Ok(Texts {
            segments: segments(&ids, &real, config),
            seen: has_padding.then(|| seen(&real)),
            real,
            ids,
        })
    }

    /// Tokens of each text, padding included.
    pub(super) fn seq(&self) -> i64 {
        self.ids.size()[1]
    }

    /// What attention may look at.
    pub(crate) fn visible(&self) -> Visible<'_> {
        self.seen.as_ref().map_or(Visible::All, Visible::Where)
    }

    /// Where it is not padding, `[batch, seq]`, bool.
    pub(crate) fn real(&self) -> &Tensor {
        &self.real
    }
}

/// 1 after the first `[SEP]` and where there is text, 0 elsewhere.
fn segments(ids: &Tensor, real: &Tensor, config: &BertConfig) -> Tensor {
    let Some(sep) = config.sep_token_id.filter(|_| config.type_vocab_size > 1) else {
        return ids.zeros_like();
    };
    let ends = ids.eq(sep).to_kind(Kind::Int64);
    let ends_before = ends.cumsum(1, Kind::Int64) - ends;
    ends_before.gt(0).logical_and(real).to_kind(Kind::Int64)
}

/// What is real; in a text of padding alone, everything, since attention to nothing is not a number.
fn seen(real: &Tensor) -> Tensor {
    let is_empty = real.any_dim(1, true).logical_not();
    let batch_and_seq = real.size();
    real.logical_or(&is_empty)
        .view([batch_and_seq[0], 1, 1, batch_and_seq[1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAD: i64 = 0;
    const SEP: i64 = 3;

    fn texts(rows: &[&[i64]]) -> Result<Texts, SynapseError> {
        let shape = [rows.len() as i64, rows[0].len() as i64];
        let tokens = Tensor::from_slice(&rows.concat()).reshape(shape);
        Texts::new(&tokens, &BertConfig::tiny(20), Device::Cpu)
    }

    fn numbers(tensor: &Tensor) -> Vec<i64> {
        Vec::try_from(tensor.to_kind(Kind::Int64).reshape(-1)).unwrap()
    }

    #[test]
    fn the_second_segment_begins_after_the_first_separator() {
        let pair = texts(&[&[2, 7, SEP, 8, 9, SEP, PAD, PAD]]).unwrap();
        assert_eq!(numbers(&pair.segments), [0, 0, 0, 1, 1, 1, 0, 0]);
        let single = texts(&[&[2, 7, 8, SEP, PAD], &[2, 7, 8, 9, 10]]).unwrap();
        assert_eq!(numbers(&single.segments), [0; 10]);
    }

    #[test]
    fn a_model_without_separator_or_second_segment_has_one() {
        for config in [
            BertConfig {
                sep_token_id: None,
                ..BertConfig::tiny(20)
            },
            BertConfig {
                type_vocab_size: 1,
                ..BertConfig::tiny(20)
            },
        ] {
            let tokens = Tensor::from_slice(&[2, 7, SEP, 8, SEP]).reshape([1, 5]);
            let texts = Texts::new(&tokens, &config, Device::Cpu).unwrap();
            assert_eq!(numbers(&texts.segments), [0; 5]);
        }
    }

    #[test]
    fn padding_is_not_seen_except_by_itself() {
        let texts_with = texts(&[&[2, 7, SEP, PAD], &[PAD, PAD, PAD, PAD]]).unwrap();
        assert_eq!(numbers(texts_with.real()), [1, 1, 1, 0, 0, 0, 0, 0]);
        let Visible::Where(seen) = texts_with.visible() else {
            panic!("everything is seen");
        };
        assert_eq!(seen.size(), [2, 1, 1, 4]);
        assert_eq!(numbers(seen), [1, 1, 1, 0, 1, 1, 1, 1]);
        let without = texts(&[&[2, 7, SEP]]).unwrap();
        assert!(matches!(without.visible(), Visible::All));
    }

    #[test]
    fn what_is_no_text_of_the_model_is_refused() {
        for id in [-1, 20] {
            assert!(matches!(
                texts(&[&[2, id]]),
                Err(SynapseError::Token { vocab_size: 20, arrived }) if arrived == id
            ));
        }
        let refuse = |shape: &[i64], kind| {
            let tokens = Tensor::zeros(shape, (kind, Device::Cpu));
            Texts::new(&tokens, &BertConfig::tiny(20), Device::Cpu).unwrap_err()
        };
        for shape in [&[2][..], &[2, 0], &[2, 65], &[2, 3, 4]] {
            let refused = refuse(shape, Kind::Int64);
            let is_shape = matches!(refused, SynapseError::Shape { what: "tokens", .. });
            assert!(is_shape, "{shape:?}: {refused}");
        }
        let floats = refuse(&[2, 3], Kind::Float);
        assert!(matches!(floats, SynapseError::Kind { .. }), "{floats}");
    }
}
