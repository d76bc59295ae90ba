//! Tensors between libtorch and a file of safetensors: little-endian bytes in row-major order.

use std::borrow::Cow;

use safetensors::{Dtype, View, tensor::TensorView};
use tch::{Device, Kind, TchError, Tensor};

/// The kinds of number that a checkpoint holds.
const KINDS: [(Kind, Dtype); 10] = [
    (Kind::Float, Dtype::F32),
    (Kind::Double, Dtype::F64),
    (Kind::Half, Dtype::F16),
    (Kind::BFloat16, Dtype::BF16),
    (Kind::Int64, Dtype::I64),
    (Kind::Int, Dtype::I32),
    (Kind::Int16, Dtype::I16),
    (Kind::Int8, Dtype::I8),
    (Kind::Uint8, Dtype::U8),
    (Kind::Bool, Dtype::BOOL),
];

/// Whether a checkpoint holds such numbers.
pub(crate) fn holds(kind: Kind) -> bool {
    KINDS.into_iter().any(|(known, _)| known == kind)
}

/// A tensor as it will be in the file.
pub(super) struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Stored {
    /// Copies a tensor, from whatever device and in whatever order it is.
    pub(super) fn of(tensor: &Tensor) -> Result<Self, TchError> {
        let tensor = tensor.detach().f_to_device(Device::Cpu)?.f_contiguous()?;
        let kind = tensor.kind();
        let (_, dtype) = KINDS
            .into_iter()
            .find(|&(known, _)| known == kind)
            .ok_or_else(|| TchError::Kind(format!("a checkpoint holds no tensors of {kind:?}")))?;
        let mut bytes = vec![0; tensor.numel() * kind.elt_size_in_bytes()];
        tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
        let shape: Result<_, _> = tensor.size().into_iter().map(usize::try_from).collect();
        Ok(Self {
            dtype,
            shape: shape.expect("sizes are not negative"),
            bytes,
        })
    }
}

impl View for Stored {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        (&self.bytes).into()
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// The tensor in a file, on the CPU.
pub(super) fn tensor(view: &TensorView<'_>) -> Result<Tensor, TchError> {
    let dtype = view.dtype();
    let (kind, _) = KINDS
        .into_iter()
        .find(|&(_, known)| known == dtype)
        .ok_or_else(|| TchError::Kind(format!("a checkpoint holds no tensors of {dtype:?}")))?;
    let shape: Result<Vec<i64>, _> = view.shape().iter().copied().map(i64::try_from).collect();
    // The format was checked: the bytes are as many as the shape says.
    let shape = shape.map_err(|error| TchError::Shape(error.to_string()))?;
    Tensor::f_from_data_size(view.data(), &shape, kind)
}
