//! A fully connected layer that keeps its weights the other way round: `y = x·W + b`.
//!
//! Checkpoints of GPT-2 hold all layers of its blocks so, under the name that its authors gave it: a convolution of width
//! one.

use rand::Rng;
use tch::{Device, Kind, Tensor};

use super::normal::normal;
use crate::parameters::{Parameters, parameter};

/// A fully connected layer with weights of `[d_in, d_out]`.
#[derive(Debug)]
pub(crate) struct Conv1d {
    /// `[d_in, d_out]`
    weight: Tensor,
    /// `[d_out]`
    bias: Tensor,
}

impl Conv1d {
    /// Draws weights from a normal distribution around zero; biases are zero.
    pub(crate) fn draw(
        d_in: i64,
        d_out: i64,
        standard_deviation: f64,
        rng: &mut impl Rng,
        device: Device,
    ) -> Conv1d {
        let n = usize::try_from(d_in * d_out).expect("sizes are not negative");
        let weight = parameter(&normal(standard_deviation, n, rng), &[d_in, d_out], device);
        let bias = Tensor::zeros([d_out], (Kind::Float, device)).set_requires_grad(true);
        Conv1d { weight, bias }
    }

    /// # Shapes
    ///
    /// `[.., d_in]` → `[.., d_out]`
    pub(crate) fn forward(&self, inputs: &Tensor) -> Tensor {
        inputs.linear(&self.weight.tr(), Some(&self.bias))
    }

    /// A layer of the same values in memory of its own, which collects no gradients.
    pub(crate) fn frozen_copy(&self) -> Conv1d {
        Conv1d {
            weight: self.weight.detach().copy(),
            bias: self.bias.detach().copy(),
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
    fn inputs_are_multiplied_from_the_left() {
        let layer = Conv1d {
            weight: Tensor::from_slice2(&[[1.0f32, 2.0, 3.0], [10.0, 20.0, 30.0]]),
            bias: Tensor::from_slice(&[0.5f32, 0.0, 0.0]),
        };
        let outputs = layer.forward(&Tensor::from_slice2(&[[1.0f32, 1.0]]).unsqueeze(0));
        assert_eq!(outputs.size(), [1, 1, 3]);
        assert_eq!(
            Vec::<f32>::try_from(outputs.reshape(-1)).unwrap(),
            [11.5, 22.0, 33.0]
        );
    }
}
