//! A request's tensor as libFuzzer makes it, from bytes on the wire to values: valid or refused, never a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use neuron_proto::{DType, Limits, Tensor, v1};
use prost::{Message as _, bytes::Bytes};

fuzz_target!(|wire: &[u8]| {
    let Ok(request) = v1::ForwardRequest::decode(Bytes::copy_from_slice(wire)) else { return };
    let limits = Limits { max_bytes: 1 << 16, ..Limits::default() };
    let Ok(tensor) = Tensor::decode(request.inputs.unwrap_or_default(), &limits) else { return };

    let n_elements: usize = tensor.shape().iter().map(|&dim| dim as usize).product();
    assert_eq!(tensor.n_bytes(), n_elements * tensor.dtype().size());
    assert!(tensor.n_bytes() <= limits.max_bytes);

    let again = v1::Tensor::decode(Bytes::from(tensor.clone().encode().encode_to_vec()));
    assert_eq!(Tensor::decode(again.expect("was encoded"), &limits).as_ref(), Ok(&tensor));

    for dtype in DType::ALL {
        let cast = tensor.cast(dtype);
        let is_possible = dtype == tensor.dtype() || (dtype.is_float() && tensor.dtype().is_float());
        assert_eq!(cast.is_ok(), is_possible);
        if let Ok(cast) = cast {
            assert_eq!(cast.shape(), tensor.shape());
        }
    }
    if let Ok(values) = tensor.to_f32() {
        assert_eq!(tensor.is_finite(), values.iter().all(|value| value.is_finite()));
    }
    if !tensor.shape().is_empty() {
        let (rows, half) = (tensor.rows(), tensor.rows() / 2);
        let halves = [0..half, half..rows].map(|rows| tensor.slice_rows(rows).expect("are there"));
        assert_eq!(Tensor::concat_rows(&halves).as_ref(), Ok(&tensor));
    }
});
