//! Texts that go on: token after token, each chosen by what the model makes of those before.
//!
//! ```text
//! greedy:   the most probable token
//! sampled:  p = softmax(logits / temperature) over the top_k most probable
//!           of those, as few of the most probable as have top_p together; drawn from what is left
//! ```
//!
//! (A. Fan, M. Lewis and Y. Dauphin, *Hierarchical Neural Story Generation*, 2018, for `top_k`; A. Holtzman and others, *The
//! Curious Case of Neural Text Degeneration*, 2020, for `top_p`.)

mod sampling;

use tch::{Kind, Tensor};

use crate::synapse::SynapseError;
use sampling::Picker;

pub use sampling::Sampling;

/// How texts go on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Generation {
    /// Tokens that are added at most.
    pub max_new_tokens: usize,
    /// How each is chosen.
    pub choice: Choice,
    /// The token that ends a text: what follows it in a row, while others go on, is this token again.
    pub end: Option<i64>,
}

/// How a token is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Choice {
    /// The most probable, the first of equally probable ones.
    Greedy,
    /// By chance.
    Sampled(Sampling),
}

/// Why a text does not go on.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// Nothing can be drawn so.
    #[error("{what}: expected {expected}, got {arrived}")]
    Sampling {
        /// Of the settings, which.
        what: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        arrived: f64,
    },
    /// The text would be longer than any that the model knows.
    #[error(
        "a prompt of {prompt} tokens and {new} more are over the {longest} that this model has places for"
    )]
    TooLong {
        /// Tokens of the prompt.
        prompt: usize,
        /// Tokens to be added.
        new: usize,
        /// Tokens of the longest text.
        longest: usize,
    },
    /// The model refuses the text.
    #[error(transparent)]
    Synapse(#[from] SynapseError),
}

/// Goes on with every row of a prompt, until all have ended or `max_new_tokens` were added.
///
/// `next` gives the logits of the token after those that it is given and all that it was given before.
///
/// # Shapes
///
/// `prompt`: `[batch, seq]`, i64; result: `[batch, seq..=seq + max_new_tokens]`; `next`: `[batch, new]` → `[batch, vocab]`
pub(crate) fn generate(
    prompt: &Tensor,
    generation: &Generation,
    mut next: impl FnMut(&Tensor) -> Result<Tensor, SynapseError>,
) -> Result<Tensor, GenerateError> {
    let mut picker = Picker::new(generation.choice)?;
    let _no_grad = tch::no_grad_guard();
    let mut tokens = prompt.shallow_clone();
    let mut new = prompt.shallow_clone();
    let mut ended = Tensor::zeros([prompt.size()[0], 1], (Kind::Bool, prompt.device()));
    for _ in 0..generation.max_new_tokens {
        new = picker.pick(&next(&new)?).to_device(tokens.device());
        if let Some(end) = generation.end {
            new = new.masked_fill(&ended, end);
            ended = new.eq(end);
        }
        tokens = Tensor::cat(&[&tokens, &new], 1);
        if ended.all().int64_value(&[]) != 0 {
            break;
        }
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_has_ended_stays_so_while_others_go_on() {
        const END: i64 = 0;
        // The first row counts down by one, the second by two.
        let count_down = |new: &Tensor| {
            let last = new.select(1, -1) - Tensor::from_slice(&[1i64, 2]);
            Ok(last.clamp_min(0).one_hot(10).to_kind(Kind::Float))
        };
        let prompt = Tensor::from_slice(&[9i64, 4, 9, 4]).reshape([2, 2]);
        let mut generation = Generation {
            max_new_tokens: 9,
            choice: Choice::Greedy,
            end: Some(END),
        };
        let go_on = |generation: &Generation| {
            let tokens = generate(&prompt, generation, count_down).unwrap();
            let rows: Vec<Vec<i64>> = tokens.try_into().unwrap();
            rows
        };
        assert_eq!(
            go_on(&generation),
            [vec![9, 4, 3, 2, 1, 0], vec![9, 4, 2, 0, 0, 0]]
        );
        generation.max_new_tokens = 1;
        assert_eq!(go_on(&generation), [vec![9, 4, 3], vec![9, 4, 2]]);
        generation.max_new_tokens = 0;
        assert_eq!(go_on(&generation), [vec![9, 4], vec![9, 4]]);
    }
}
