//! Scaling of the loss in mixed precision, as `torch.amp.GradScaler`.
//!
//! In half precision, gradients below about 6·10⁻⁸ are zero. The loss is multiplied by a large factor before the backward
//! pass, and gradients are divided by it after. Where they overflow, the step is skipped and the factor halved; after
//! 2,000 good steps in a row it is doubled.

use serde::{Deserialize, Serialize};
use tch::{Tensor, no_grad};

use crate::parameters::Parameters;

/// The first factor, 2¹⁶, as PyTorch's.
const FIRST: f64 = 65_536.0;

/// Good steps after which a larger factor is tried, as PyTorch's.
const GROWTH_INTERVAL: u32 = 2_000;

/// The factor, and how long it has done well.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GradScaler {
    factor: f64,
    good_steps: u32,
}

impl Default for GradScaler {
    fn default() -> Self {
        Self {
            factor: FIRST,
            good_steps: 0,
        }
    }
}

impl GradScaler {
    /// The factor now.
    pub fn factor(&self) -> f64 {
        self.factor
    }

    /// The loss to call `backward` on.
    pub fn scale(&self, loss: &Tensor) -> Tensor {
        loss * self.factor
    }

    /// Divides gradients by the factor. Call it after `backward`, before clipping.
    pub fn unscale(&self, parameters: &Parameters) {
        no_grad(|| {
            for parameter in parameters.values() {
                let mut gradient = parameter.grad();
                if gradient.defined() {
                    let _ = gradient.g_mul_scalar_(1.0 / self.factor);
                }
            }
        });
    }

    /// Learns whether the gradients of this step were finite.
    pub fn update(&mut self, finite: bool) {
        if !finite {
            self.factor = (self.factor / 2.0).max(1.0);
            self.good_steps = 0;
            return;
        }
        self.good_steps += 1;
        if self.good_steps == GROWTH_INTERVAL {
            self.factor *= 2.0;
            self.good_steps = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    #[test]
    fn gradients_come_out_as_without_scaling() {
        let p = Tensor::from_slice(&[2.0f32]).set_requires_grad(true);
        let parameters = Parameters::from([("p".into(), p.shallow_clone())]);
        let scaler = GradScaler::default();
        scaler.scale(&p.square().sum(Kind::Float)).backward();
        scaler.unscale(&parameters);
        // d(p²)/dp = 2 · 2
        assert_eq!(p.grad().double_value(&[0]), 4.0);
    }

    #[test]
    fn the_factor_halves_on_overflow_and_doubles_after_enough_good_steps() {
        let mut scaler = GradScaler::default();
        scaler.update(false);
        assert_eq!(scaler.factor(), FIRST / 2.0);
        (1..GROWTH_INTERVAL).for_each(|_| scaler.update(true));
        assert_eq!(scaler.factor(), FIRST / 2.0);
        scaler.update(true);
        assert_eq!(scaler.factor(), FIRST);
    }

    #[test]
    fn one_overflow_starts_the_count_anew() {
        let mut scaler = GradScaler::default();
        (1..GROWTH_INTERVAL).for_each(|_| scaler.update(true));
        scaler.update(false);
        scaler.update(true);
        assert_eq!(scaler.factor(), FIRST / 2.0);
    }

    #[test]
    fn the_factor_never_shrinks_the_loss() {
        let mut scaler = GradScaler::default();
        (0..100).for_each(|_| scaler.update(false));
        assert_eq!(scaler.factor(), 1.0);
    }
}
