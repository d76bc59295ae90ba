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

/// Of a training step, the backward pass takes twice what the forward pass takes. (J. Kaplan and others, *Scaling Laws for Neural
/// Language Models*, 2020, 2.1.)
const BOTH_PASSES: f64 = 3.0;

/// Operations of the parts of a forward pass of one input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forward {
    /// The student's.
    pub student: f64,
    /// Of what both branches begin with.
    pub features: f64,
    /// Of one branch, from there to what it tells.
    pub branch: f64,
}

impl Forward {
    /// Of a model of which so many products are the student's, so many of what both branches begin with, and so many of a branch.
    pub(crate) fn of_products(student: &[[i64; 2]], features: f64, branch: &[[i64; 2]]) -> Forward {
        let sum = |layers: &[[i64; 2]]| {
            let products = layers.iter().map(|&[d_in, d_out]| product(d_in, d_out));
            products.sum()
        };
        Forward {
            student: sum(student),
            features,
            branch: sum(branch),
        }
    }

    /// Of the student and the local branch.
    pub fn local(&self) -> f64 {
        self.student + self.features + self.branch
    }

    /// Of a training step without encodings of peers: the student is heard and learns nothing.
    pub fn step(&self) -> f64 {
        self.student + BOTH_PASSES * (self.features + self.branch)
    }

    /// Of a training step with encodings of peers, from which the student learns, in a branch of their own.
    pub fn step_with_network(&self) -> f64 {
        BOTH_PASSES * (self.student + self.features + 2.0 * self.branch)
    }
}

/// Products between two reads of their result.
struct Measure {
    /// Side of the matrices.
    side: i64,
    /// How many.
    products: usize,
}

impl Measure {
    /// On a GPU, products large enough that all of it works, and so many that waiting for the result does not count. (One of
    /// 4096 sides is 0.14·10¹² operations.)
    fn of(device: Device) -> Measure {
        let (side, products) = match device.is_cuda() {
            true => (4096, 10),
            false => (1024, 1),
        };
        Measure { side, products }
    }
}

/// How long a device is measured at least.
const MEASURED: Duration = Duration::from_millis(100);

/// Floating point operations per second that a device reaches in products of large matrices of this kind: what the
/// utilisation of a model is measured by. Best of several, since something else may run. Takes a few tenths of a second.
pub fn peak(device: Device, kind: Kind) -> f64 {
    no_grad(|| {
        let Measure { side, products } = Measure::of(device);
        let matrix = Tensor::ones([side, side], (kind, device));
        let of_all = product(side, side) * side as f64 * products as f64;
        let measure = || {
            let began = Instant::now();
            let mut result = matrix.matmul(&matrix);
            for _ in 1..products {
                result = matrix.matmul(&matrix);
            }
            // Read, so that a device that works in the background has done them, one after the other.
            let _ = result.double_value(&[0, 0]);
            of_all / began.elapsed().as_secs_f64()
        };
        // The first time, libraries are loaded and memory is had.
        measure();
        let (mut best, started) = (0.0f64, Instant::now());
        while started.elapsed() < MEASURED || best == 0.0 {
            best = best.max(measure());
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
            let counted = synapse.forward_flops(&[seq]).unwrap().local();
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
        let counted = mnist.forward_flops(&[1, 28, 28]).unwrap().local();
        assert_eq!(counted, weights(&mnist, 2));

        // numel(weight) · height · width of the outputs, summed by hooks over the convolutions of the same network in PyTorch.
        let cifar = Cifar::new(CifarConfig::default(), 0, Device::Cpu);
        let counted = cifar.forward_flops(&[3, 32, 32]).unwrap().local();
        let convolutions = counted - weights(&cifar, 2);
        assert!(
            (convolutions / 2e6 - 1_574.240_256).abs() < 1e-6,
            "{convolutions}"
        );
    }

    #[test]
    fn a_step_counts_what_is_computed_in_it() {
        let mnist = Mnist::new(MnistConfig::default(), 0, Device::Cpu);
        let forward = mnist.forward_flops(&[1, 28, 28]).unwrap();
        // 2 · (784·1024 + 1024·1024)
        assert_eq!(forward.student, 3_702_784.0);
        assert_eq!(forward.features, 0.0);
        // 2 · (1808·1024 + 1024·1024 + 1024·512 + 512·256 + 256·10)
        assert_eq!(forward.branch, 7_115_776.0);
        // The student forward, the branch forward and backward: 3,702,784 + 3 · 7,115,776
        assert_eq!(forward.step(), 25_050_112.0);
        // Both branches and the student forward and backward: 3 · 3,702,784 + 6 · 7,115,776
        assert_eq!(forward.step_with_network(), 53_803_008.0);
    }

    #[test]
    fn a_device_can_do_something() {
        assert!(peak(Device::Cpu, Kind::Float) > 1e6);
    }
}
