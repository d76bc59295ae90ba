//! Batch norm over the channels of images (S. Ioffe, C. Szegedy, 2015).
//!
//! ```text
//! y = (x − μ) / √(σ² + ε) · weight + bias        for each channel
//! ```
//!
//! In training μ and σ² are mean and variance of the channel over the batch and its pixels, and the running statistics move
//! towards them, `running ← 0.9 · running + 0.1 · (μ, n/(n−1) · σ²)`; in evaluation they are the running ones. All of that as
//! PyTorch has it, which also counts batches (`num_batches_tracked`): nothing depends on that number here, so it is left out.

use tch::{Device, Kind, Tensor};

use crate::parameters::Parameters;
use crate::synapse::Mode;

/// How far running statistics move towards those of a batch.
const MOMENTUM: f64 = 0.1;

/// Added to variances, so that a channel that never changes divides by something.
const EPSILON: f64 = 1e-5;

/// A batch norm. Everything in it is f32, whatever the precision of what goes through it, and of shape `[channels]`.
#[derive(Debug)]
pub(crate) struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
}

impl BatchNorm {
    /// One that has seen nothing and changes nothing: weights and variances of one, biases and means of zero.
    pub(crate) fn new(channels: i64, device: Device) -> BatchNorm {
        let zeros = || Tensor::zeros([channels], (Kind::Float, device));
        let ones = || Tensor::ones([channels], (Kind::Float, device));
        BatchNorm {
            weight: ones().set_requires_grad(true),
            bias: zeros().set_requires_grad(true),
            running_mean: zeros(),
            running_var: ones(),
        }
    }

    /// # Shapes
    ///
    /// `[batch, channels, height, width]` → the same. In training there must be more than one pixel to a channel, or its
    /// variance is none.
    pub(crate) fn forward(&self, inputs: &Tensor, mode: Mode) -> Tensor {
        let (is_training, cudnn) = (mode == Mode::Training, true);
        inputs.batch_norm(
            Some(&self.weight),
            Some(&self.bias),
            Some(&self.running_mean),
            Some(&self.running_var),
            is_training,
            MOMENTUM,
            EPSILON,
            cudnn,
        )
    }

    /// A batch norm of the same values in memory of its own, which collects no gradients and no statistics of the original.
    pub(crate) fn frozen_copy(&self) -> BatchNorm {
        BatchNorm {
            weight: self.weight.detach().copy(),
            bias: self.bias.detach().copy(),
            running_mean: self.running_mean.copy(),
            running_var: self.running_var.copy(),
        }
    }

    /// Adds `<path>.weight` and `<path>.bias`.
    pub(crate) fn list(&self, path: &str, into: &mut Parameters) {
        into.insert(format!("{path}.weight"), self.weight.shallow_clone());
        into.insert(format!("{path}.bias"), self.bias.shallow_clone());
    }

    /// Adds `<path>.running_mean` and `<path>.running_var`.
    pub(crate) fn list_buffers(&self, path: &str, into: &mut Parameters) {
        let mean = self.running_mean.shallow_clone();
        into.insert(format!("{path}.running_mean"), mean);
        let variance = self.running_var.shallow_clone();
        into.insert(format!("{path}.running_var"), variance);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPU: Device = Device::Cpu;

    /// Two images of one channel and two pixels: 1, 3 and 5, 7.
    fn images() -> Tensor {
        Tensor::from_slice(&[1f32, 3., 5., 7.]).view([2, 1, 1, 2])
    }

    fn values(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor.detach().to_kind(Kind::Double).flatten(0, -1)).unwrap()
    }

    fn assert_near(got: &Tensor, expected: &[f64]) {
        let got = values(got);
        assert_eq!(got.len(), expected.len());
        let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-5;
        assert!(got.iter().zip(expected).all(near), "{got:?}");
    }

    #[test]
    fn training_normalises_by_the_batch_and_moves_the_running_statistics() {
        let norm = BatchNorm::new(1, CPU);
        let outputs = norm.forward(&images(), Mode::Training);
        // Mean 4, variance (9 + 1 + 1 + 9) / 4 = 5: (1 − 4) / √5 = −1.341641
        assert_near(&outputs, &[-1.341_641, -0.447_214, 0.447_214, 1.341_641]);
        // 0.9 · 0 + 0.1 · 4, 0.9 · 1 + 0.1 · 4/3 · 5
        assert_near(&norm.running_mean, &[0.4]);
        assert_near(&norm.running_var, &[1.566_667]);
    }

    #[test]
    fn evaluation_normalises_by_what_was_learned_and_learns_nothing() {
        let norm = BatchNorm::new(1, CPU);
        let _ = norm.forward(&images(), Mode::Training);
        let outputs = norm.forward(&images(), Mode::Evaluation);
        // (x − 0.4) / √(1.566667 + 0.00001)
        assert_near(&outputs, &[0.479_360, 2.077_225, 3.675_091, 5.272_957]);
        assert_near(&norm.running_mean, &[0.4]);
    }

    #[test]
    fn statistics_are_no_parameters() {
        let (mut parameters, mut buffers) = (Parameters::new(), Parameters::new());
        let norm = BatchNorm::new(3, CPU);
        norm.list("norm", &mut parameters);
        norm.list_buffers("norm", &mut buffers);
        assert!(parameters.keys().eq(["norm.bias", "norm.weight"]));
        assert!(buffers.keys().eq(["norm.running_mean", "norm.running_var"]));
        assert!(parameters.values().all(Tensor::requires_grad));
        assert!(!buffers.values().any(Tensor::requires_grad));
    }

    #[test]
    fn statistics_stay_single_when_inputs_are_half() {
        let norm = BatchNorm::new(1, CPU);
        let outputs = norm.forward(&images().to_kind(Kind::BFloat16), Mode::Training);
        assert_eq!(outputs.kind(), Kind::BFloat16);
        assert_eq!(norm.running_mean.kind(), Kind::Float);
        assert_near(&norm.running_mean, &[0.4]);
    }
}
