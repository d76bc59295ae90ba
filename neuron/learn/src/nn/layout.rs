//! How images and kernels lie in memory.

use tch::{Device, Tensor};

/// The order in which the numbers of `[batch, channels, height, width]` lie in memory. It changes no result but in speed and
/// the last bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// As the axes say: one channel after the other.
    Contiguous,
    /// All channels of a pixel together, which the units for half precision of a GPU read as they are. Not for training on a
    /// processor: there the backward pass of oneDNN writes beyond its memory for some convolutions (libtorch 2.11: 1×1 with a
    /// stride of 2 from 10 channels to 11).
    ChannelsLast,
}

impl Layout {
    /// The one that is fast on a device.
    pub(crate) fn on(device: Device) -> Layout {
        if device.is_cuda() {
            Layout::ChannelsLast
        } else {
            Layout::Contiguous
        }
    }

    /// The same numbers along the same axes, so laid out. What libtorch computes from them is laid out as they are.
    pub(crate) fn arrange(self, tensor: &Tensor) -> Tensor {
        match self {
            Layout::Contiguous => tensor.contiguous(),
            Layout::ChannelsLast => tensor
                .permute([0, 2, 3, 1])
                .contiguous()
                .permute([0, 3, 1, 2]),
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    #[test]
    fn a_layout_changes_strides_and_no_number() {
        let images = Tensor::arange(2 * 3 * 4 * 5, (Kind::Float, Device::Cpu)).view([2, 3, 4, 5]);
        let last = Layout::ChannelsLast.arrange(&images);
        assert!(last.equal(&images));
        assert_eq!(last.size(), images.size());
        // [4·5·3, 1, 5·3, 3]
        assert_eq!(last.stride(), [60, 1, 15, 3]);
        let contiguous = Layout::Contiguous.arrange(&last);
        assert!(contiguous.equal(&images));
        assert_eq!(contiguous.stride(), [60, 20, 5, 1]);
    }

    #[test]
    fn processors_take_images_as_they_are() {
        assert_eq!(Layout::on(Device::Cpu), Layout::Contiguous);
        assert_eq!(Layout::on(Device::Cuda(1)), Layout::ChannelsLast);
    }
}
