//! The wire between neurons: package `neuron.v1`, and tensors checked before they are believed.
//!
//! [`v1`] is what travels, generated from `proto/neuron/v1/axon.proto`, whose comments say what each field means. The
//! other types are what the rest of a neuron works with: each is made from its message by a fallible conversion at the
//! edge, and needs no check after it.
//!
//! * [`Tensor`]: a dense array whose length is what its shape and [`DType`] say. Its bytes are moved, not copied.
//! * [`Modality`]: which entry point of a model a tensor is for.
//! * [`Output`]: what a model has to give; [`Wanted`]: what is asked for of that, all classes or the likeliest.
//! * [`Likeliest`]: the likeliest classes of distributions.
//! * [`Fingerprint`]: which tokeniser token ids are of.
//! * [`Code`]: how a call ended, and which gRPC status says so.
//! * [`Limits`]: what a receiver takes.
//!
//! # Example
//!
//! ```
//! use neuron_proto::{DType, Limits, Tensor};
//!
//! let digits = Tensor::from_f32(&[2, 3], &[0.0, 0.5, 1.0, 1.5, 2.0, 2.5])?;
//! let half_the_bytes = digits.cast(DType::BF16)?;
//! let message = half_the_bytes.encode();
//! let arrived = Tensor::decode(message, &Limits::default())?;
//! assert_eq!(arrived.shape(), [2, 3]);
//! assert_eq!(arrived.to_f32()?[4], 2.0);
//! # Ok::<(), neuron_proto::TensorError>(())
//! ```

mod code;
mod dtype;
mod fingerprint;
mod likeliest;
mod limits;
mod modality;
mod output;
mod tensor;
pub mod v1;
mod wanted;

pub use code::{NEURON_CODE, RETRY_AFTER_MS, retry_after, set_retry_after};
pub use dtype::{DType, UnknownDType};
pub use fingerprint::{Fingerprint, FingerprintLength};
pub use likeliest::{Likeliest, LikeliestError, MAX_SUM};
pub use limits::{Limits, MAX_DESCRIPTION_BYTES, MAX_MESSAGE_TEXT, MAX_RANK};
pub use modality::{Modality, UnknownModality};
pub use output::{Output, UnknownOutput};
pub use tensor::{MAX_MAGNITUDE, Tensor, TensorError};
pub use v1::Code;
pub use wanted::{Classes, Wanted, WantedError};

/// Version of the protocol that this crate speaks: [`v1::DescribeResponse::protocol_version`].
pub const PROTOCOL_VERSION: u32 = 1;

#[cfg(target_endian = "big")]
compile_error!("tensors are little-endian on the wire and are used in place");
