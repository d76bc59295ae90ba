//! Tensors as they travel and tensors as libtorch computes with them.
//!
//! Either way the numbers are copied once, and once more between the device and the host where those differ. Precision is
//! converted by libtorch. A tensor of the wire is valid by construction, so nothing about it is checked again here.

use bytes::Bytes;
use neuron_proto::DType;
use tch::{Device, Kind, TchError};

/// The tensor that arrived, on this device and with the precision in which it travelled.
///
/// # Errors
///
/// If libtorch cannot allocate it.
pub fn to_torch(tensor: &neuron_proto::Tensor, device: Device) -> Result<tch::Tensor, TensorError> {
    let shape: Vec<i64> = tensor.shape().iter().copied().map(i64::from).collect();
    let host = tch::Tensor::f_from_data_size(tensor.data(), &shape, kind(tensor.dtype()))?;
    Ok(host.f_to_device(device)?)
}

/// The tensor as it travels, in this precision.
///
/// # Rounding
///
/// To the nearest number of the precision, ties to even. A number too large for it becomes infinite, which the receiver
/// refuses.
///
/// # Errors
///
/// [`TensorError::Lossy`] between integers and floats, and between integers that differ: a conversion would change what
/// is said.
pub fn to_wire(tensor: &tch::Tensor, dtype: DType) -> Result<neuron_proto::Tensor, TensorError> {
    let (from, to) = (tensor.f_kind()?, kind(dtype));
    if from != to && !(is_float(from) && dtype.is_float()) {
        return Err(TensorError::Lossy { from, to });
    }
    let shape = tensor
        .size()
        .into_iter()
        .map(|n| u32::try_from(n).map_err(|_| TensorError::Dimension(n)))
        .collect::<Result<Vec<u32>, _>>()?;
    // On the device, before the copy: half the precision is half of what crosses the bus.
    let converted = tensor.f_detach()?.f_to_kind(to)?;
    let mut data = vec![0; converted.numel() * to.elt_size_in_bytes()];
    converted.f_copy_data_u8(&mut data, converted.numel())?;
    Ok(neuron_proto::Tensor::new(dtype, &shape, Bytes::from(data))?)
}

/// What libtorch calls a precision of the wire.
pub fn kind(dtype: DType) -> Kind {
    match dtype {
        DType::F32 => Kind::Float,
        DType::F16 => Kind::Half,
        DType::BF16 => Kind::BFloat16,
        DType::I64 => Kind::Int64,
        DType::U8 => Kind::Uint8,
    }
}

/// Whether this is one of libtorch's floats that convert to a float of the wire.
fn is_float(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Float | Kind::Half | Kind::BFloat16 | Kind::Double
    )
}

/// Why a tensor cannot travel or arrive.
#[derive(Debug, thiserror::Error)]
pub enum TensorError {
    /// Integers do not travel as floats, nor floats as integers.
    #[error("a {from:?} tensor does not travel as {to:?}: convert it where its meaning is known")]
    Lossy {
        /// What libtorch holds.
        from: Kind,
        /// What was to travel.
        to: Kind,
    },
    /// A dimension that the wire has no room for.
    #[error("dimension {0} does not fit into 32 bits")]
    Dimension(i64),
    /// The wire refused the tensor.
    #[error(transparent)]
    Wire(#[from] neuron_proto::TensorError),
    /// Classes and what they are likely are none.
    #[error(transparent)]
    Likeliest(#[from] neuron_proto::LikeliestError),
    /// libtorch failed.
    #[error(transparent)]
    Torch(#[from] TchError),
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPU: Device = Device::Cpu;

    #[test]
    fn every_precision_returns_as_it_left() {
        let floats = tch::Tensor::from_slice2(&[[0.0f32, -1.5, 3.25], [f32::MIN, 1e-7, 1.0]]);
        let integers = tch::Tensor::from_slice(&[i64::MIN, -1, 0, i64::MAX]);
        let bytes = tch::Tensor::from_slice(&[0u8, 255]).reshape([1, 2, 1]);
        for (tensor, dtype) in [
            (floats.shallow_clone(), DType::F32),
            (floats.narrow(1, 0, 1).to_kind(Kind::Half), DType::F16),
            (floats.to_kind(Kind::BFloat16), DType::BF16),
            (integers, DType::I64),
            (bytes, DType::U8),
        ] {
            let wire = to_wire(&tensor, dtype).unwrap();
            let returned = to_torch(&wire, CPU).unwrap();
            assert_eq!(returned.size(), tensor.size());
            assert_eq!(returned.kind(), tensor.kind());
            assert!(returned.equal(&tensor), "{dtype:?}");
        }
    }

    #[test]
    fn numbers_travel_little_endian_in_row_major_order() {
        // A transposed view: its memory is in another order.
        let tensor = tch::Tensor::from_slice2(&[[1.0f32, 2.0], [3.0, 4.0]]).tr();
        let wire = to_wire(&tensor, DType::F32).unwrap();
        let expected: Vec<u8> = [1.0f32, 3.0, 2.0, 4.0].map(f32::to_le_bytes).concat();
        assert_eq!(&wire.data()[..], expected);
    }

    #[test]
    fn halves_are_rounded_to_the_nearest() {
        // 2049 lies between the halves 2048 and 2050, ties to even; 2^-9 is below bf16's half step at 1.
        let tensor = tch::Tensor::from_slice(&[2049.0f32, 1.0 + 1.0 / 512.0]);
        let [half, brain] = [DType::F16, DType::BF16].map(|dtype| {
            let wire = to_wire(&tensor, dtype).unwrap();
            let returned = to_torch(&wire, CPU).unwrap().to_kind(Kind::Float);
            Vec::<f32>::try_from(returned).unwrap()
        });
        assert_eq!(half, [2048.0, 1.0 + 1.0 / 512.0]);
        assert_eq!(brain, [2048.0, 1.0]);
    }

    #[test]
    fn integers_never_become_floats_on_the_way() {
        let labels = tch::Tensor::from_slice(&[1i64]);
        assert!(matches!(
            to_wire(&labels, DType::F32),
            Err(TensorError::Lossy { .. })
        ));
        assert!(matches!(
            to_wire(&tch::Tensor::from_slice(&[1.0f32]), DType::U8),
            Err(TensorError::Lossy { .. })
        ));
        assert!(to_wire(&labels, DType::U8).is_err());
    }

    #[test]
    fn scalars_and_tensors_without_rows_travel() {
        for shape in [&[][..], &[0, 1, 28, 28]] {
            let tensor = tch::Tensor::zeros(shape, (Kind::Float, CPU));
            let returned = to_torch(&to_wire(&tensor, DType::F32).unwrap(), CPU).unwrap();
            assert_eq!(returned.size(), shape);
        }
    }

    #[test]
    fn what_travels_has_left_the_graph() {
        let leaf = tch::Tensor::from_slice(&[1.0f32]).set_requires_grad(true);
        let returned = to_torch(&to_wire(&(&leaf * 2.0), DType::F32).unwrap(), CPU).unwrap();
        assert!(!returned.requires_grad());
    }
}
