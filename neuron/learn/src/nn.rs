//! Layers of convolutional networks: [`Conv2d`] without bias, [`BatchNorm`], and the [`Layout`] of what goes through them.
//!
//! Layers compute and begin as those of `torch.nn`. They panic where libtorch does: on shapes that do not fit, which the model
//! has checked, and when memory is out.

mod batch_norm;
mod conv;
mod layout;

pub(crate) use batch_norm::BatchNorm;
pub(crate) use conv::{Conv2d, ConvShape};
pub(crate) use layout::Layout;
