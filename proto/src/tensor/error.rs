//! What can be wrong with a tensor.

use crate::{Code, DType, UnknownDType};

/// Why bytes are no tensor, or why an operation on one is impossible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    /// The type is missing or unknown.
    #[error(transparent)]
    DType(#[from] UnknownDType),
    /// Too many axes.
    #[error("expected at most {max} axes, got {rank}")]
    Rank {
        /// Axes that arrived.
        rank: usize,
        /// Axes that are allowed.
        max: usize,
    },
    /// The shape's product does not fit into memory's addresses.
    #[error("the shape {shape:?} is larger than memory can be")]
    Overflow {
        /// The shape that arrived.
        shape: Vec<u32>,
    },
    /// Too many elements.
    #[error("expected at most {max} elements, got {volume}")]
    TooManyElements {
        /// Elements that arrived, an empty axis counted as one.
        volume: usize,
        /// Elements that are allowed.
        max: usize,
    },
    /// Too many bytes.
    #[error("expected at most {max} bytes, got {n_bytes}: send fewer rows, or raise the limit")]
    TooManyBytes {
        /// Bytes that arrived.
        n_bytes: usize,
        /// Bytes that are allowed.
        max: usize,
    },
    /// The data is not as long as shape and type say.
    #[error("expected {expected} bytes for {dtype} {shape:?}, got {actual}")]
    Length {
        /// Type that was named.
        dtype: DType,
        /// Shape that was named.
        shape: Vec<u32>,
        /// Bytes that these need.
        expected: usize,
        /// Bytes that arrived.
        actual: usize,
    },
    /// The operation is for other types.
    #[error("expected elements of type {expected}, got {actual}")]
    WrongType {
        /// Types that the operation takes.
        expected: &'static str,
        /// Type that the tensor has.
        actual: DType,
    },
    /// Rows beyond the tensor's.
    #[error("expected rows below {rows}, got {start}..{end}")]
    Rows {
        /// First row that was asked for.
        start: u32,
        /// First row after those that were asked for.
        end: u32,
        /// Rows of the tensor.
        rows: u32,
    },
    /// A scalar has no axis of rows.
    #[error("expected a tensor with rows, got a scalar")]
    NoRows,
    /// Tensors that cannot be concatenated: their types or row shapes differ, or there are none.
    #[error(
        "expected rows of {expected}, got {actual}: only tensors of one type and row shape concatenate"
    )]
    Concat {
        /// Type and row shape of the first tensor.
        expected: String,
        /// Type and row shape of another one, or "no tensor at all".
        actual: String,
    },
}

impl TensorError {
    /// The code that refuses a request with this tensor.
    pub fn request_code(&self) -> Code {
        if self.is_shape() {
            Code::RequestShapeException
        } else {
            Code::RequestDeserializationException
        }
    }

    /// The code of a call whose response holds this tensor.
    pub fn response_code(&self) -> Code {
        if self.is_shape() {
            Code::ResponseShapeException
        } else {
            Code::ResponseDeserializationException
        }
    }

    /// Whether the shape is at fault, rather than its encoding.
    pub fn is_shape(&self) -> bool {
        !matches!(self, TensorError::DType(_) | TensorError::Length { .. })
    }
}
