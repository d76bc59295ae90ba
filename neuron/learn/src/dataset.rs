//! What a neuron learns from: labelled images, held out or dealt to neurons, in batches of a seeded order.
//!
//! | dataset | images | from |
//! | --- | --- | --- |
//! | [`digits()`] | [`ImageShape::GREY_28`] | the program: real handwritten digits |
//! | [`mnist()`] | [`ImageShape::GREY_28`] | the files of MNIST in a folder |
//! | [`cifar()`] | [`ImageShape::COLOUR_32`] | the binary files of CIFAR-10 in a folder |
//! | [`Synthetic`] | [`ImageShape::COLOUR_32`] | a seeded program that draws them |
//!
//! All give a [`Dataset`] of ten classes, values in `[0, 1]`; those of one shape serve the same models.
//!
//! # Who gets what
//!
//! The split into training and held-out examples is part of the dataset: the same on every machine, whatever the seed
//! and the shard, so that accuracies of different neurons can be compared. Training examples are dealt to neurons by
//! [`Examples::shard`]; within a neuron's shard, [`Batches`] draws a new order for each epoch, and changes images at random if
//! an [`Augmentation`] asks for it.

use std::fmt;

use tch::{Device, Tensor};

mod augmentation;
mod batches;
mod cifar;
mod digits;
mod error;
mod idx;
mod shard;
mod synthetic;

pub use augmentation::Augmentation;
pub use batches::{Batch, Batches, LastBatch, Position};
pub use cifar::cifar;
pub use digits::digits;
pub use error::DatasetError;
pub use idx::mnist;
pub use shard::Shard;
pub use synthetic::Synthetic;

pub(crate) use batches::order;

/// Classes of every dataset.
pub const N_CLASSES: usize = 10;

/// The classes of handwritten digits.
const DIGITS: [&str; N_CLASSES] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// The shape of one image, `[channels, side, side]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageShape {
    /// 1 of grey ones, 3 of red, green and blue.
    pub channels: i64,
    /// Pixels of a side.
    pub side: i64,
}

impl ImageShape {
    /// Digits.
    pub const GREY_28: ImageShape = ImageShape {
        channels: 1,
        side: 28,
    };

    /// Small photographs, and what stands in for them.
    pub const COLOUR_32: ImageShape = ImageShape {
        channels: 3,
        side: 32,
    };

    /// Numbers of one image.
    pub fn numel(self) -> usize {
        usize::try_from(self.channels * self.side * self.side).expect("an image is not negative")
    }
}

impl fmt::Display for ImageShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ImageShape { channels, side } = self;
        write!(f, "{channels}, {side}, {side}")
    }
}

/// Labelled images to learn from, and others to be measured by.
#[derive(Debug)]
pub struct Dataset {
    /// What it is called on the command line and in logs: `digits`, `mnist`, `cifar` or `synthetic`.
    pub name: &'static str,
    /// What its classes are called, in the order of their labels.
    pub classes: [&'static str; N_CLASSES],
    /// To learn from.
    pub train: Examples,
    /// Held out: never trained on by anyone.
    pub test: Examples,
}

/// Labelled images.
///
/// # Shapes
///
/// `images` is `[n, channels, side, side]`, `f32` in `[0, 1]`, not normalised: a model does that itself, since peers send
/// images as they are. `labels` is `[n]`, `i64` in `0..10`. Both are on the CPU until moved by [`Examples::to_device`].
#[derive(Debug)]
pub struct Examples {
    images: Tensor,
    labels: Tensor,
}

impl Examples {
    /// Examples of images of this shape and their labels.
    ///
    /// # Errors
    ///
    /// [`DatasetError::Shape`] if the shapes are not the ones above, [`DatasetError::Label`] if a label is not of a class.
    pub fn new(shape: ImageShape, images: Tensor, labels: Tensor) -> Result<Self, DatasetError> {
        let ImageShape { channels, side } = shape;
        let expected = [labels.numel() as i64, channels, side, side];
        if images.size() != expected || labels.dim() != 1 {
            return Err(DatasetError::Shape {
                expected: shape,
                images: images.size(),
                labels: labels.size(),
            });
        }
        if labels.numel() > 0 {
            let (lowest, highest) = (labels.min().int64_value(&[]), labels.max().int64_value(&[]));
            if let Some(label) = [lowest, highest]
                .into_iter()
                .find(|label| !(0..N_CLASSES as i64).contains(label))
            {
                return Err(DatasetError::Label(label));
            }
        }
        Ok(Self { images, labels })
    }

    /// `[n, channels, side, side]`.
    pub fn images(&self) -> &Tensor {
        &self.images
    }

    /// `[n]`.
    pub fn labels(&self) -> &Tensor {
        &self.labels
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.labels.numel()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The examples at these positions, in this order.
    ///
    /// # Panics
    ///
    /// If a position is not below [`Self::len`].
    pub fn select(&self, positions: &[i64]) -> Self {
        let positions = Tensor::from_slice(positions).to_device(self.labels.device());
        Self {
            images: self.images.index_select(0, &positions),
            labels: self.labels.index_select(0, &positions),
        }
    }

    /// The same examples on a device.
    pub fn to_device(&self, device: Device) -> Self {
        Self {
            images: self.images.to_device(device),
            labels: self.labels.to_device(device),
        }
    }

    /// The labels as numbers.
    fn label_values(&self) -> Vec<i64> {
        Vec::try_from(&self.labels.to_device(Device::Cpu)).expect("labels are one axis of i64")
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    #[test]
    fn images_of_another_shape_and_labels_of_no_class_are_refused() {
        let grey = Tensor::zeros([2, 1, 28, 28], (Kind::Float, Device::Cpu));
        let new = |shape, labels: &[i64]| {
            Examples::new(shape, grey.shallow_clone(), Tensor::from_slice(labels))
        };
        assert_eq!(new(ImageShape::GREY_28, &[0, 9]).unwrap().len(), 2);
        let refused = |shape, labels: &[i64]| new(shape, labels).unwrap_err().to_string();
        assert_eq!(
            refused(ImageShape::COLOUR_32, &[0, 9]),
            "expected images of [n, 3, 32, 32] and n labels, got images of [2, 1, 28, 28] and labels of [2]"
        );
        assert_eq!(
            refused(ImageShape::GREY_28, &[0]),
            "expected images of [n, 1, 28, 28] and n labels, got images of [2, 1, 28, 28] and labels of [1]"
        );
        for label in [-1, 10] {
            assert_eq!(
                refused(ImageShape::GREY_28, &[0, label]),
                format!("expected labels from 0 to 9, got {label}")
            );
        }
    }
}
