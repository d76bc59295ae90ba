//! What a neuron learns from: labelled images, held out or dealt to neurons, in batches of a seeded order.
//!
//! [`digits`] is in the program and needs no download; [`mnist`] reads the files of MNIST from a folder. Both give a
//! [`Dataset`] with images of the same shape, values in `[0, 1]`, so that a model serves neurons that train on either.
//!
//! # Who gets what
//!
//! The split into training and held-out examples is part of the dataset: the same on every machine, whatever the seed
//! and the shard, so that accuracies of different neurons can be compared. Training examples are dealt to neurons by
//! [`Examples::shard`]; within a neuron's shard, [`Batches`] draws a new order for each epoch.

use tch::{Device, Tensor};

mod batches;
mod digits;
mod error;
mod idx;
mod shard;

pub use batches::{Batch, Batches, LastBatch, Position};
pub use digits::digits;
pub use error::DatasetError;
pub use idx::mnist;
pub use shard::Shard;

/// Pixels of a side of an image.
pub const SIDE: i64 = 28;

/// Classes: the digits 0 to 9.
pub const CLASSES: i64 = 10;

/// Labelled images to learn from, and others to be measured by.
#[derive(Debug)]
pub struct Dataset {
    /// What it is called on the command line and in logs: `digits` or `mnist`.
    pub name: &'static str,
    /// To learn from.
    pub train: Examples,
    /// Held out: never trained on by anyone.
    pub test: Examples,
}

/// Labelled images.
///
/// # Shapes
///
/// `images` is `[n, 1, 28, 28]`, `f32` in `[0, 1]`, not normalised: a model does that itself, since peers send images as
/// they are. `labels` is `[n]`, `i64` in `0..10`. Both are on the CPU until moved by [`Examples::to_device`].
#[derive(Debug)]
pub struct Examples {
    images: Tensor,
    labels: Tensor,
}

impl Examples {
    /// Examples of images and their labels.
    ///
    /// # Errors
    ///
    /// [`DatasetError::Shape`] if the shapes are not the ones above, [`DatasetError::Label`] if a label is not a digit.
    pub fn new(images: Tensor, labels: Tensor) -> Result<Self, DatasetError> {
        let expected = [labels.numel() as i64, 1, SIDE, SIDE];
        if images.size() != expected || labels.dim() != 1 {
            return Err(DatasetError::Shape {
                images: images.size(),
                labels: labels.size(),
            });
        }
        if labels.numel() > 0 {
            let (lowest, highest) = (labels.min().int64_value(&[]), labels.max().int64_value(&[]));
            if let Some(label) = [lowest, highest]
                .into_iter()
                .find(|label| !(0..CLASSES).contains(label))
            {
                return Err(DatasetError::Label(label));
            }
        }
        Ok(Self { images, labels })
    }

    /// `[n, 1, 28, 28]`.
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
