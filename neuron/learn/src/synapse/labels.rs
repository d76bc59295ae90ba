//! What a batch should have been answered with.

use tch::{Device, Tensor};

use crate::loss::IGNORED;

/// What a batch should have been answered with.
///
/// Images have one label each, texts one for each token, [ignored](crate::loss::IGNORED) where nothing is to be learned.
#[derive(Debug)]
pub struct Labels {
    /// The right class of each target, `[..]`, i64: `[batch]` or `[batch, seq]`.
    pub targets: Tensor,
    /// Where texts are pairs of sentences: 0 if the second is the next one, 1 if it is any other; `[batch]`, i64.
    pub next_sentence: Option<Tensor>,
}

impl Labels {
    /// Of texts whose every token is to be told by those before it: the token after each, and nothing for the last.
    ///
    /// # Shapes
    ///
    /// `tokens`: `[batch, seq]`, i64 → targets of the same shape
    ///
    /// # Panics
    ///
    /// If `tokens` has no second axis.
    pub fn of_next(tokens: &Tensor) -> Labels {
        let targets = tokens.roll([-1], [1]);
        let _ = targets.select(1, -1).fill_(IGNORED);
        Labels {
            targets,
            next_sentence: None,
        }
    }

    /// The same labels on a device.
    pub(crate) fn to_device(&self, device: Device) -> Labels {
        let next_sentence = self.next_sentence.as_ref();
        Labels {
            targets: self.targets.to_device(device),
            next_sentence: next_sentence.map(|labels| labels.to_device(device)),
        }
    }
}

impl From<&Tensor> for Labels {
    /// Targets alone, sharing memory.
    fn from(targets: &Tensor) -> Labels {
        Labels {
            targets: targets.shallow_clone(),
            next_sentence: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_of_a_place_is_the_token_after_it() {
        let tokens = Tensor::from_slice(&[1i64, 2, 3, 4, 5, 6]).reshape([2, 3]);
        let targets = Labels::of_next(&tokens).targets.reshape(-1);
        let expected = [2, 3, IGNORED, 5, 6, IGNORED];
        assert_eq!(Vec::<i64>::try_from(targets).unwrap(), expected);
        assert_eq!(tokens.int64_value(&[0, 0]), 1);
    }
}
