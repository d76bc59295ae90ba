//! Layers that models are made of.
//!
//! Layers compute, begin and name their parameters as those of `torch.nn`, so that the path of a parameter is its key in
//! checkpoints of others. What is drawn comes from a generator of the caller's: one seed gives the same layer on every
//! device, whatever other threads draw. Layers panic where libtorch does: on shapes that do not fit, which the model has
//! checked, and when memory is out.

pub(crate) mod attention;
mod batch_norm;
mod conv;
pub(crate) mod conv1d;
pub(crate) mod dropout;
pub(crate) mod embedding;
pub(crate) mod layer_norm;
mod layout;
pub(crate) mod normal;

pub(crate) use batch_norm::BatchNorm;
pub(crate) use conv::{Conv2d, ConvShape};
pub(crate) use layout::Layout;
