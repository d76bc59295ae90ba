//! How many floating point operations a forward pass takes, by arithmetic; and how many a device can do.
//!
//! What is counted are matrix products, which take nearly all of it: a multiplication with its addition is two. (J. Kaplan
//! and others, *Scaling Laws for Neural Language Models*, 2020, table 1.)

use std::time::{Duration, Instant};

use tch::{Device, Kind, Tensor, no_grad};

/// Of one vector with a matrix.
pub(crate) fn product(d_in: i64, d_out: i64) -> f64 {
    2.0 * d_in as f64 * d_out as f64
}

/// Blocks of a transformer.
pub(crate) struct Blocks {
    /// Width of encodings.
    pub(crate) width: i64,
    /// Width between the two halves of the feed-forward part.
    pub(crate) between: i64,
}

impl Blocks {
    /// Of one block, for one token that looks at `seq` of them: queries, keys, values and output; scores and their sum;
    /// feed-forward.
    pub(crate) fn of_token(&self, seq: i64) -> f64 {
        4.0 * product(self.width, self.width)
            + 2.0 * product(self.width, seq)
            + 2.0 * product(self.width, self.between)
    }
}

/// Sides of the matrices that a device is measured by.
const SIDE: i64 = 1024;

/// How long a device is measured at least.
const MEASURED: Duration = Duration::from_millis(100);

/// Floating point operations per second that a device reaches in products of large matrices of this kind: what the
/// utilisation of a model is measured by. Best of several, since something else may run. Takes a few tenths of a second.
pub fn peak(device: Device, kind: Kind) -> f64 {
    no_grad(|| {
        let matrix = Tensor::ones([SIDE, SIDE], (kind, device));
        let of_product = product(SIDE, SIDE) * SIDE as f64;
        let (mut best, started) = (0.0f64, Instant::now());
        while started.elapsed() < MEASURED || best == 0.0 {
            let began = Instant::now();
            // Read, so that a device that works in the background has done it.
            let _ = matrix.matmul(&matrix).double_value(&[0, 0]);
            best = best.max(of_product / began.elapsed().as_secs_f64());
        }
        best
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synapse::{
        Bert, BertConfig, Cifar, CifarConfig, Gpt, Gpt2Config, Mnist, MnistConfig, Synapse,
    };

    #[test]
    fn most_of_a_text_is_two_for_each_number_of_the_matrices_and_token() {
        let gpt = Gpt::new(Gpt2Config::tiny(300), 0, Device::Cpu);
        let bert = Bert::new(BertConfig::tiny(300), 0, Device::Cpu);
        for (synapse, seq) in [(&gpt as &dyn Synapse, 2), (&bert, 2)] {
            // Tables of positions and segments, and the pooler, are matrices that no token is multiplied with.
            let is_product = |name: &str| {
                name.ends_with("weight")
                    && !["wpe", "position", "token_type", "pool", "seq_relationship"]
                        .iter()
                        .any(|other| name.contains(other))
            };
            let numbers: i64 = synapse
                .parameters()
                .iter()
                .filter(|(name, tensor)| tensor.dim() == 2 && is_product(name))
                .map(|(_, tensor)| tensor.numel() as i64)
                .sum();
            let expected = 2.0 * numbers as f64 * seq as f64;
            let counted = synapse.forward_flops(&[seq]).unwrap();
            let ratio = counted / expected;
            assert!((0.99..1.05).contains(&ratio), "{counted} {expected}");
        }
    }

    #[test]
    fn of_images_every_number_of_a_layer_counts_and_kernels_at_every_place() {
        let mnist = Mnist::new(MnistConfig::default(), 0, Device::Cpu);
        let weights = |synapse: &dyn Synapse, axes: usize| -> f64 {
            let parameters = synapse.parameters();
            let weights = parameters.values().filter(|tensor| tensor.dim() == axes);
            2.0 * weights.map(|tensor| tensor.numel() as f64).sum::<f64>()
        };
        assert_eq!(mnist.forward_flops(&[1, 28, 28]), Some(weights(&mnist, 2)));

        // numel(weight) · height · width of the outputs, summed by hooks over the convolutions of the same network in PyTorch.
        let cifar = Cifar::new(CifarConfig::default(), 0, Device::Cpu);
        let convolutions = cifar.forward_flops(&[3, 32, 32]).unwrap() - weights(&cifar, 2);
        assert!(
            (convolutions / 2e6 - 1_574.240_256).abs() < 1e-6,
            "{convolutions}"
        );
    }

    #[test]
    fn a_device_can_do_something() {
        assert!(peak(Device::Cpu, Kind::Float) > 1e6);
    }
}
