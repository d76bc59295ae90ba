//! How a token is chosen by what a model makes of it.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use super::{Choice, GenerateError};

/// Which tokens may be drawn, and how likely.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// What logits are divided by, above 0: below 1 the probable becomes more so, above 1 less.
    pub temperature: f64,
    /// So many of the most probable, at least one; none for all.
    pub top_k: Option<u32>,
    /// So much probability of the most probable, in (0, 1].
    pub top_p: f64,
    /// What chance is drawn from: the same on every device.
    pub seed: u64,
}

impl Sampling {
    /// As the model has it, neither sharper nor cut.
    pub fn from_seed(seed: u64) -> Sampling {
        Sampling {
            temperature: 1.0,
            top_k: None,
            top_p: 1.0,
            seed,
        }
    }

    fn check(&self) -> Result<(), GenerateError> {
        let refuse = |what, expected, arrived| {
            Err(GenerateError::Sampling {
                what,
                expected,
                arrived,
            })
        };
        if !(self.temperature > 0.0 && self.temperature.is_finite()) {
            return refuse("temperature", "a number above 0", self.temperature);
        }
        if self.top_k == Some(0) {
            return refuse("top_k", "at least 1", 0.0);
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return refuse("top_p", "a number in (0, 1]", self.top_p);
        }
        Ok(())
    }
}

/// Chooses tokens.
pub(super) enum Picker {
    Greedy,
    Sampled(Sampling, Box<ChaCha8Rng>),
}

impl Picker {
    pub(super) fn new(choice: Choice) -> Result<Picker, GenerateError> {
        match choice {
            Choice::Greedy => Ok(Picker::Greedy),
            Choice::Sampled(sampling) => {
                sampling.check()?;
                let rng = Box::new(ChaCha8Rng::seed_from_u64(sampling.seed));
                Ok(Picker::Sampled(sampling, rng))
            }
        }
    }

    /// # Shapes
    ///
    /// `[batch, vocab]` → `[batch, 1]`, i64
    pub(super) fn pick(&mut self, logits: &Tensor) -> Tensor {
        match self {
            Picker::Greedy => logits.argmax(-1, true),
            Picker::Sampled(sampling, rng) => {
                let n_rows = logits.size()[0];
                let draws: Vec<f64> = (0..n_rows).map(|_| rng.random()).collect();
                sample(logits, sampling, &Tensor::from_slice(&draws))
            }
        }
    }
}

/// The token at which the probabilities that are left, summed from the most probable on, pass the draw.
///
/// # Shapes
///
/// `logits`: `[batch, vocab]`, `draws`: `[batch]`, each in 0..1 → `[batch, 1]`, i64
fn sample(logits: &Tensor, sampling: &Sampling, draws: &Tensor) -> Tensor {
    let vocab = logits.size()[1];
    let n_most = sampling
        .top_k
        .map_or(vocab, |top_k| vocab.min(top_k.into()));
    let (most, tokens) = logits.to_kind(Kind::Double).topk(n_most, -1, true, true);
    let probabilities = (most / sampling.temperature).softmax(-1, Kind::Double);
    // The most probable is always left: nothing is before it.
    let before = probabilities.cumsum(-1, Kind::Double) - &probabilities;
    let is_left = before.lt(sampling.top_p);
    let sums = (probabilities * &is_left).cumsum(-1, Kind::Double);
    let draws = draws.to_device(sums.device()).unsqueeze(1) * sums.narrow(1, n_most - 1, 1);
    let passed = sums.le_tensor(&draws).logical_and(&is_left);
    let n_left = is_left.sum_dim_intlist(-1i64, true, Kind::Int64);
    let place = passed
        .sum_dim_intlist(-1i64, true, Kind::Int64)
        .minimum(&(n_left - 1));
    tokens.gather(1, &place, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Probabilities of 0.1, 0.4, 0.2 and 0.3.
    fn logits() -> Tensor {
        Tensor::from_slice2(&[[0.1f32, 0.4, 0.2, 0.3]]).log()
    }

    /// What each draw gives.
    fn drawn(sampling: &Sampling, draws: &[f64]) -> Vec<i64> {
        let logits = logits().repeat([draws.len() as i64, 1]);
        let tokens = sample(&logits, sampling, &Tensor::from_slice(draws));
        Vec::try_from(tokens.reshape(-1)).unwrap()
    }

    #[test]
    fn tokens_are_drawn_by_their_probability() {
        // From the most probable on: 1 up to 0.4, 3 up to 0.7, 2 up to 0.9, 0 up to 1.
        let draws = [0.0, 0.39, 0.41, 0.69, 0.71, 0.89, 0.91, 0.999_999_999];
        assert_eq!(
            drawn(&Sampling::from_seed(0), &draws),
            [1, 1, 3, 3, 2, 2, 0, 0]
        );
    }

    #[test]
    fn top_k_leaves_so_many() {
        let sampling = Sampling {
            top_k: Some(2),
            ..Sampling::from_seed(0)
        };
        // 0.4 of 0.7 is 4/7.
        assert_eq!(drawn(&sampling, &[0.57, 0.58, 0.999_999_999]), [1, 3, 3]);
        let more_than_there_are = Sampling {
            top_k: Some(9),
            ..sampling
        };
        assert_eq!(drawn(&more_than_there_are, &[0.999_999_999]), [0]);
    }

    #[test]
    fn top_p_leaves_the_fewest_that_have_so_much_together() {
        for (top_p, last) in [
            (0.01, 1),
            (0.39, 1),
            (0.41, 3),
            (0.69, 3),
            (0.71, 2),
            (1.0, 0),
        ] {
            let sampling = Sampling {
                top_p,
                ..Sampling::from_seed(0)
            };
            assert_eq!(
                drawn(&sampling, &[0.0, 0.999_999_999]),
                [1, last],
                "{top_p}"
            );
        }
    }

    #[test]
    fn a_low_temperature_sharpens_and_a_high_one_levels() {
        let at = |temperature| Sampling {
            temperature,
            ..Sampling::from_seed(0)
        };
        // Squared, 16 of 30; with the square root of the square root, nearly a quarter each.
        assert_eq!(drawn(&at(0.5), &[0.53, 0.54]), [1, 3]);
        assert_eq!(drawn(&at(1000.0), &[0.24, 0.26, 0.51, 0.76]), [1, 3, 2, 0]);
        assert_eq!(drawn(&at(0.01), &[0.999]), [1]);
    }

    #[test]
    fn what_cannot_be_drawn_from_is_refused() {
        let usual = Sampling::from_seed(0);
        for (what, sampling) in [
            (
                "temperature",
                Sampling {
                    temperature: 0.0,
                    ..usual
                },
            ),
            (
                "temperature",
                Sampling {
                    temperature: f64::NAN,
                    ..usual
                },
            ),
            (
                "top_k",
                Sampling {
                    top_k: Some(0),
                    ..usual
                },
            ),
            (
                "top_p",
                Sampling {
                    top_p: 0.0,
                    ..usual
                },
            ),
            (
                "top_p",
                Sampling {
                    top_p: 1.5,
                    ..usual
                },
            ),
        ] {
            let refused = Picker::new(Choice::Sampled(sampling));
            assert!(
                matches!(refused, Err(GenerateError::Sampling { what: named, .. }) if named == what),
                "{sampling:?}"
            );
        }
    }
}
