//! Whether what arrives is a text of a model.

use tch::{Kind, Tensor};

use crate::synapse::SynapseError;

/// Refuses what is no batch of texts of at most so many tokens, all of them in the vocabulary.
///
/// # Shapes
///
/// `tokens`: `[batch, seq]`, i64
///
/// # Errors
///
/// [`SynapseError::Shape`] for another shape or a text that is too long, [`SynapseError::Kind`] for what are no integers,
/// [`SynapseError::Token`] for a token out of the vocabulary.
pub(crate) fn check(tokens: &Tensor, vocab_size: i64, longest: i64) -> Result<(), SynapseError> {
    match tokens.size()[..] {
        [_, seq] if (1..=longest).contains(&seq) => {}
        _ => {
            return Err(SynapseError::Shape {
                what: "tokens",
                expected: format!("[batch, 1..={longest}]"),
                arrived: tokens.size(),
            });
        }
    }
    if tokens.kind() != Kind::Int64 {
        return Err(SynapseError::Kind {
            what: "tokens",
            expected: "ids in i64",
            arrived: tokens.kind(),
        });
    }
    if tokens.numel() == 0 {
        return Ok(());
    }
    let ends = [tokens.min(), tokens.max()].map(|id| id.int64_value(&[]));
    match ends.into_iter().find(|id| !(0..vocab_size).contains(id)) {
        Some(arrived) => Err(SynapseError::Token {
            vocab_size,
            arrived,
        }),
        None => Ok(()),
    }
}
