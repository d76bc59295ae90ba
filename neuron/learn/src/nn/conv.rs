//! A convolution over images, without bias: what follows it is a batch norm, which has one.

use rand::Rng;
use tch::{Device, Tensor};

use super::Layout;
use crate::parameters::Parameters;

/// The shape of a convolution. Edges are padded with zeros so that at a stride of one the image keeps its size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvShape {
    /// Channels that go in.
    pub(crate) c_in: i64,
    /// Channels that come out.
    pub(crate) c_out: i64,
    /// Pixels of a side of the kernel, an odd number.
    pub(crate) kernel: i64,
    /// Pixels from one place of the kernel to the next.
    pub(crate) stride: i64,
    /// Groups of channels that know nothing of each other; both numbers of channels are multiples of it.
    pub(crate) groups: i64,
}

impl ConvShape {
    /// A linear map of the channels of each pixel.
    pub(crate) fn pointwise(c_in: i64, c_out: i64) -> ConvShape {
        ConvShape {
            c_in,
            c_out,
            kernel: 1,
            stride: 1,
            groups: 1,
        }
    }
}

/// A convolution.
#[derive(Debug)]
pub(crate) struct Conv2d {
    shape: ConvShape,
    /// `[c_out, c_in / groups, kernel, kernel]`
    weight: Tensor,
}

impl Conv2d {
    /// Draws a convolution as PyTorch does, uniformly within ±1/√fan-in, where the fan-in of a number that comes out is
    /// `c_in / groups · kernel²`.
    pub(crate) fn draw(
        shape: ConvShape,
        rng: &mut impl Rng,
        layout: Layout,
        device: Device,
    ) -> Conv2d {
        let c_group = shape.c_in / shape.groups;
        let fan_in = c_group * shape.kernel * shape.kernel;
        let bound = 1.0 / (fan_in.max(1) as f32).sqrt();
        let values: Vec<f32> = (0..shape.c_out * fan_in)
            .map(|_| rng.random_range(-bound..=bound))
            .collect();
        let weight = Tensor::from_slice(&values)
            .reshape([shape.c_out, c_group, shape.kernel, shape.kernel])
            .to_device(device);
        Conv2d {
            shape,
            weight: layout.arrange(&weight).set_requires_grad(true),
        }
    }

    /// # Shapes
    ///
    /// `[batch, c_in, height, width]` → `[batch, c_out, ⌈height / stride⌉, ⌈width / stride⌉]`
    pub(crate) fn forward(&self, inputs: &Tensor) -> Tensor {
        let ConvShape {
            kernel,
            stride,
            groups,
            ..
        } = self.shape;
        let (padding, dilation) = (kernel / 2, 1i64);
        inputs.conv2d(
            &self.weight,
            None::<Tensor>,
            stride,
            padding,
            dilation,
            groups,
        )
    }

    /// A convolution of the same values in memory of its own, which collects no gradients.
    pub(crate) fn frozen_copy(&self) -> Conv2d {
        Conv2d {
            shape: self.shape,
            weight: self.weight.detach().copy(),
        }
    }

    /// Adds `<path>.weight`.
    pub(crate) fn list(&self, path: &str, into: &mut Parameters) {
        into.insert(format!("{path}.weight"), self.weight.shallow_clone());
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use tch::Kind;

    use super::*;

    fn draw(shape: ConvShape, seed: u64) -> Conv2d {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Conv2d::draw(shape, &mut rng, Layout::Contiguous, Device::Cpu)
    }

    const GROUPED: ConvShape = ConvShape {
        c_in: 4,
        c_out: 6,
        kernel: 3,
        stride: 2,
        groups: 2,
    };

    #[test]
    fn weights_are_the_seeds_own_and_within_their_bound() {
        let weight = draw(GROUPED, 1).weight;
        assert_eq!(weight.size(), [6, 2, 3, 3]);
        assert!(weight.equal(&draw(GROUPED, 1).weight));
        assert!(!weight.equal(&draw(GROUPED, 2).weight));
        // 1/√(2·3·3) = 0.2357; of 108 numbers the largest comes close to it.
        let largest = weight.abs().max().double_value(&[]);
        assert!((0.2..=0.2358).contains(&largest), "{largest}");
    }

    #[test]
    fn groups_of_channels_know_nothing_of_each_other() {
        let conv = draw(GROUPED, 1);
        let inputs = Tensor::ones([1, 4, 6, 6], (Kind::Float, Device::Cpu));
        let before = conv.forward(&inputs);
        assert_eq!(before.size(), [1, 6, 3, 3]);
        // The second group's channels in, and so only the second half of those out.
        let _ = inputs.narrow(1, 2, 2).fill_(7.0);
        let after = conv.forward(&inputs);
        assert!(after.narrow(1, 0, 3).equal(&before.narrow(1, 0, 3)));
        assert!(!after.narrow(1, 3, 3).equal(&before.narrow(1, 3, 3)));
    }

    #[test]
    fn the_layout_of_what_goes_in_is_that_of_what_comes_out() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let last = Conv2d::draw(GROUPED, &mut rng, Layout::ChannelsLast, Device::Cpu);
        let inputs = Tensor::arange(2 * 4 * 25, (Kind::Float, Device::Cpu)).view([2, 4, 5, 5]);
        let outputs = last.forward(&Layout::ChannelsLast.arrange(&inputs));
        assert_eq!(outputs.stride()[1], 1);
        assert!(last.weight.is_leaf() && last.weight.requires_grad());
        assert!(outputs.allclose(&draw(GROUPED, 1).forward(&inputs), 1e-5, 1e-5, false));
        assert_eq!(last.frozen_copy().weight.stride(), last.weight.stride());
    }
}
