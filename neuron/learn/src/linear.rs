//! A fully connected layer: `y = x·Wᵀ + b`.
//!
//! Drawn as PyTorch draws it, uniformly within ±1/√`d_in`, but from a generator of the caller's: one seed gives the same
//! layer on every device, whatever other threads draw.

use rand::Rng;
use tch::{Device, Kind, Tensor};

use crate::nn::normal::normal;
use crate::parameters::{Parameters, parameter};

/// A fully connected layer.
#[derive(Debug)]
pub(crate) struct Linear {
    /// `[d_out, d_in]`
    weight: Tensor,
    /// `[d_out]`
    bias: Tensor,
}

impl Linear {
    /// Draws a layer, weights first, then biases.
    pub(crate) fn draw(d_in: i64, d_out: i64, rng: &mut impl Rng, device: Device) -> Linear {
        let bound = 1.0 / (d_in.max(1) as f32).sqrt();
        let mut uniform = |shape: &[i64]| {
            let n = shape.iter().product::<i64>();
            let values: Vec<f32> = (0..n).map(|_| rng.random_range(-bound..=bound)).collect();
            parameter(&values, shape, device)
        };
        Linear {
            weight: uniform(&[d_out, d_in]),
            bias: uniform(&[d_out]),
        }
    }

    /// Draws weights from a normal distribution around zero; biases are zero. So begin the layers of transformers.
    pub(crate) fn draw_normal(
        d_in: i64,
        d_out: i64,
        standard_deviation: f64,
        rng: &mut impl Rng,
        device: Device,
    ) -> Linear {
        let n = usize::try_from(d_in * d_out).expect("sizes are not negative");
        let weight = parameter(&normal(standard_deviation, n, rng), &[d_out, d_in], device);
        let bias = Tensor::zeros([d_out], (Kind::Float, device)).set_requires_grad(true);
        Linear { weight, bias }
    }

    /// # Shapes
    ///
    /// `[.., d_in]` → `[.., d_out]`
    pub(crate) fn forward(&self, inputs: &Tensor) -> Tensor {
        inputs.linear(&self.weight, Some(&self.bias))
    }

    /// Sets everything to zero, so that whatever the layer adds to stays as it is.
    pub(crate) fn set_zero(&self) {
        let _no_grad = tch::no_grad_guard();
        for parameter in [&self.weight, &self.bias] {
            let _ = parameter.shallow_clone().zero_();
        }
    }

    /// A layer of the same values in memory of its own, which collects no gradients.
    pub(crate) fn frozen_copy(&self) -> Linear {
        Linear {
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
