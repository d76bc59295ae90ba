//! Dense arrays as they travel.
//!
//! A [`Tensor`] is valid by construction: its data is exactly as long as its shape and type say. The data is a
//! [`Bytes`], so cloning, slicing rows, encoding and decoding move or share it and never copy it. Elements are
//! row-major and little-endian.
//!
//! The first axis counts *rows*, which are independent of each other: a batch is a concatenation of rows.

mod cast;
mod elements;
mod error;
mod rows;
mod shape;

use std::fmt;

use bytes::Bytes;

pub use self::cast::MAX_MAGNITUDE;
pub use self::error::TensorError;
use self::{elements::bytes_of, shape::Shape};
use crate::{DType, Limits, v1};

/// A dense array: `product(shape) * dtype.size() == data.len()`.
///
/// Equality is of the bytes: two NaNs of the same bits are equal, `0.0` and `-0.0` are not.
#[derive(Clone, PartialEq, Eq)]
pub struct Tensor {
    dtype: DType,
    shape: Shape,
    data: Bytes,
}

impl Tensor {
    /// A tensor of these bytes: row-major, little-endian.
    ///
    /// # Errors
    ///
    /// More than [`MAX_RANK`](crate::MAX_RANK) axes, a shape that overflows, or data of another length than the shape
    /// and type say.
    pub fn new(dtype: DType, shape: &[u32], data: Bytes) -> Result<Tensor, TensorError> {
        let shape = Shape::new(shape)?;
        let expected = shape
            .n_elements()
            .checked_mul(dtype.size())
            .ok_or_else(|| TensorError::Overflow {
                shape: shape.to_vec(),
            })?;
        if data.len() != expected {
            let shape = shape.to_vec();
            return Err(TensorError::Length {
                dtype,
                shape,
                expected,
                actual: data.len(),
            });
        }
        Ok(Tensor { dtype, shape, data })
    }

    /// A tensor of type F32, by one copy of the values.
    ///
    /// # Errors
    ///
    /// As [`Tensor::new`].
    pub fn from_f32(shape: &[u32], values: &[f32]) -> Result<Tensor, TensorError> {
        Tensor::from_f32_vec(shape, values.to_vec())
    }

    /// A tensor of type F32 that owns the vector: nothing is copied.
    ///
    /// # Errors
    ///
    /// As [`Tensor::new`].
    pub fn from_f32_vec(shape: &[u32], values: Vec<f32>) -> Result<Tensor, TensorError> {
        Tensor::new(DType::F32, shape, bytes_of(values))
    }

    /// A tensor of type I64, by one copy of the values.
    ///
    /// # Errors
    ///
    /// As [`Tensor::new`].
    pub fn from_i64(shape: &[u32], values: &[i64]) -> Result<Tensor, TensorError> {
        Tensor::new(DType::I64, shape, bytes_of(values.to_vec()))
    }

    /// A tensor of type U8, by one copy of the values.
    ///
    /// # Errors
    ///
    /// As [`Tensor::new`].
    pub fn from_u8(shape: &[u32], values: &[u8]) -> Result<Tensor, TensorError> {
        Tensor::new(DType::U8, shape, Bytes::copy_from_slice(values))
    }

    /// Checks a message from a peer and takes its bytes over: nothing is allocated, nothing is copied.
    ///
    /// # Errors
    ///
    /// An unknown type, an axis or element or byte beyond `limits`, or data of another length than the shape and type
    /// say.
    pub fn decode(message: v1::Tensor, limits: &Limits) -> Result<Tensor, TensorError> {
        let dtype = DType::try_from(message.dtype)?;
        let rank = message.shape.len();
        if rank > limits.max_rank {
            return Err(TensorError::Rank {
                rank,
                max: limits.max_rank,
            });
        }
        let volume = Shape::new(&message.shape)?.volume();
        if volume > limits.max_elements {
            return Err(TensorError::TooManyElements {
                volume,
                max: limits.max_elements,
            });
        }
        let n_bytes = message.data.len();
        if n_bytes > limits.max_bytes {
            return Err(TensorError::TooManyBytes {
                n_bytes,
                max: limits.max_bytes,
            });
        }
        Tensor::new(dtype, &message.shape, message.data)
    }

    /// The message of this tensor; its bytes are moved.
    pub fn encode(self) -> v1::Tensor {
        v1::Tensor {
            dtype: self.dtype.into(),
            shape: self.shape.to_vec(),
            data: self.data,
        }
    }

    /// Type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Elements along each axis, outermost first; empty for a scalar.
    pub fn shape(&self) -> &[u32] {
        &self.shape
    }

    /// The elements, row-major, little-endian. Not aligned to anything.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// Number of elements; 1 for a scalar.
    pub fn n_elements(&self) -> usize {
        self.shape.n_elements()
    }

    /// Bytes of the elements.
    pub fn n_bytes(&self) -> usize {
        self.data.len()
    }
}

impl fmt::Debug for Tensor {
    /// Type and shape, as in `Tensor(f32 [2, 3])`; elements would drown a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({} {:?})", self.dtype, self.shape())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    fn any_tensor() -> impl Strategy<Value = Tensor> {
        (
            prop::sample::select(&DType::ALL[..]),
            prop::collection::vec(0u32..5, 0..5),
        )
            .prop_flat_map(|(dtype, shape)| {
                let n_elements: usize = shape.iter().map(|&dim| dim as usize).product();
                prop::collection::vec(any::<u8>(), n_elements * dtype.size())
                    .prop_map(move |data| Tensor::new(dtype, &shape, data.into()).unwrap())
            })
    }

    proptest! {
        #[test]
        fn a_tensor_survives_the_wire(tensor in any_tensor()) {
            let wire = Bytes::from(tensor.clone().encode().encode_to_vec());
            let message = v1::Tensor::decode(wire).unwrap();
            prop_assert_eq!(Tensor::decode(message, &Limits::default()).unwrap(), tensor);
        }

        #[test]
        fn a_message_is_refused_or_gives_a_valid_tensor(
            dtype in -2..9,
            shape in prop::collection::vec(prop_oneof![0u32..4, any::<u32>()], 0..12),
            n_bytes in 0usize..64,
        ) {
            let message = v1::Tensor { dtype, shape: shape.clone(), data: vec![0; n_bytes].into() };
            if let Ok(tensor) = Tensor::decode(message, &Limits::default()) {
                prop_assert_eq!(tensor.shape(), &shape[..]);
                prop_assert_eq!(tensor.n_elements() * tensor.dtype().size(), n_bytes);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(wire in prop::collection::vec(any::<u8>(), 0..256)) {
            if let Ok(message) = v1::ForwardRequest::decode(Bytes::from(wire)) {
                let _ = Tensor::decode(message.inputs.unwrap_or_default(), &Limits::default());
            }
        }
    }

    #[test]
    fn decoding_moves_the_bytes() {
        let inputs = Tensor::from_f32(&[16], &[1.0; 16]).unwrap().encode();
        let request = v1::ForwardRequest {
            modality: 3,
            inputs: Some(inputs),
            ..Default::default()
        };
        let wire = Bytes::from(request.encode_to_vec());
        let within = wire.as_ptr_range();

        let message = v1::ForwardRequest::decode(wire.clone()).unwrap();
        let tensor = Tensor::decode(message.inputs.unwrap(), &Limits::default()).unwrap();

        assert!(
            within.contains(&tensor.data().as_ptr()),
            "the tensor points into the message"
        );
        let place = tensor.data().as_ptr();
        assert_eq!(
            tensor.encode().data.as_ptr(),
            place,
            "encoding moves them on"
        );
    }

    #[test]
    fn a_vector_is_taken_over_in_place() {
        let values = vec![1.0f32; 8];
        let place = values.as_ptr().cast::<u8>();
        assert_eq!(
            Tensor::from_f32_vec(&[8], values).unwrap().data().as_ptr(),
            place
        );
    }

    #[test]
    fn what_is_beyond_the_limits_is_refused() {
        let limits = Limits {
            max_rank: 2,
            max_elements: 10,
            max_bytes: 16,
        };
        let decode = |dtype: DType, shape: &[u32], n_bytes: usize| {
            let data = vec![0; n_bytes].into();
            let message = v1::Tensor {
                dtype: dtype.into(),
                shape: shape.to_vec(),
                data,
            };
            Tensor::decode(message, &limits)
        };
        assert!(decode(DType::U8, &[2, 5], 10).is_ok());
        assert_eq!(
            decode(DType::U8, &[1; 3], 1),
            Err(TensorError::Rank { rank: 3, max: 2 })
        );
        let too_many = TensorError::TooManyElements {
            volume: 11,
            max: 10,
        };
        assert_eq!(decode(DType::U8, &[11], 11), Err(too_many.clone()));
        assert_eq!(decode(DType::U8, &[0, 11], 0), Err(too_many));
        let too_long = TensorError::TooManyBytes {
            n_bytes: 20,
            max: 16,
        };
        assert_eq!(decode(DType::F16, &[10], 20), Err(too_long));
        assert!(matches!(
            decode(DType::F32, &[2], 7),
            Err(TensorError::Length { .. })
        ));
    }

    #[test]
    fn a_shape_that_overflows_is_refused() {
        let shape = [u32::MAX; 8];
        let overflow = TensorError::Overflow {
            shape: shape.to_vec(),
        };
        assert_eq!(
            Tensor::new(DType::F32, &shape, Bytes::new()),
            Err(overflow.clone())
        );
        let message = v1::Tensor {
            dtype: 1,
            shape: shape.to_vec(),
            data: Bytes::new(),
        };
        let limits = Limits {
            max_elements: usize::MAX,
            ..Limits::default()
        };
        assert_eq!(Tensor::decode(message, &limits), Err(overflow));
        // 2^62 elements of 8 bytes: the count fits into 64 bits, the bytes do not.
        let bytes_overflow = Tensor::new(DType::I64, &[1 << 31, 1 << 31], Bytes::new());
        assert!(matches!(bytes_overflow, Err(TensorError::Overflow { .. })));
    }

    #[test]
    fn a_scalar_has_one_element_and_no_axes() {
        let scalar = Tensor::from_f32(&[], &[4.0]).unwrap();
        assert_eq!(
            (scalar.n_elements(), scalar.rows(), scalar.shape().len()),
            (1, 1, 0)
        );
    }
}
