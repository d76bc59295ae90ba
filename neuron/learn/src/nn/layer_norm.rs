//! Layer normalisation.
//!
//! ```text
//! y = (x − mean(x)) / √(variance(x) + ε) · weight + bias        over the last axis
//! ```
//!
//! (J. L. Ba, J. R. Kiros and G. E. Hinton, *Layer Normalization*, 2016.)

use tch::{Device, Kind, Tensor};

use crate::parameters::Parameters;

/// Layer normalisation over the last axis.
#[derive(Debug)]
pub(crate) struct LayerNorm {
    /// `[width]`
    weight: Tensor,
    /// `[width]`
    bias: Tensor,
    epsilon: f64,
}

impl LayerNorm {
    /// One that only normalises as yet: weights of one, biases of zero.
    pub(crate) fn new(width: i64, epsilon: f64, device: Device) -> LayerNorm {
        let parameters = (Kind::Float, device);
        LayerNorm {
            weight: Tensor::ones([width], parameters).set_requires_grad(true),
            bias: Tensor::zeros([width], parameters).set_requires_grad(true),
            epsilon,
        }
    }

    /// # Shapes
    ///
    /// `[.., width]` → the same
    pub(crate) fn forward(&self, inputs: &Tensor) -> Tensor {
        inputs.layer_norm(
            self.weight.size(),
            Some(&self.weight),
            Some(&self.bias),
            self.epsilon,
            true,
        )
    }

    /// A layer of the same values in memory of its own, which collects no gradients.
    pub(crate) fn frozen_copy(&self) -> LayerNorm {
        LayerNorm {
            weight: self.weight.detach().copy(),
            bias: self.bias.detach().copy(),
            epsilon: self.epsilon,
        }
    }

    /// Adds `<path>.weight` and `<path>.bias`.
    pub(crate) fn list(&self, path: &str, into: &mut Parameters) {
        into.insert(format!("{path}.weight"), self.weight.shallow_clone());
        into.insert(format!("{path}.bias"), self.bias.shallow_clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_normalised_scaled_and_shifted() {
        let norm = LayerNorm::new(2, 0.0, Device::Cpu);
        let mut parameters = Parameters::new();
        norm.list("norm", &mut parameters);
        tch::no_grad(|| {
            let _ = parameters["norm.weight"].shallow_clone().fill_(3.0);
            let _ = parameters["norm.bias"].shallow_clone().fill_(0.5);
        });
        let rows = Tensor::from_slice2(&[[1.0f32, 3.0], [10.0, -10.0]]);
        // Of two numbers, one is a standard deviation above the mean and one below: ±1 · 3 + 0.5
        let expected = Tensor::from_slice2(&[[-2.5f32, 3.5], [3.5, -2.5]]);
        assert!(norm.forward(&rows).allclose(&expected, 0.0, 1e-6, false));
    }
}
