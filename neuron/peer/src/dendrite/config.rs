//! How a dendrite asks.

use std::time::Duration;

use neuron_proto::{Code, DType, Tensor};

use super::exchange::Failure;

/// In which precision floats travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// As they are.
    #[default]
    F32,
    /// Half the bytes: 11 significant bits, up to 65,504. Gradients, which it would round to zero, travel as f32.
    F16,
    /// Half the bytes: 8 significant bits, the range of f32.
    Bf16,
}

impl Precision {
    pub(super) fn dtype(self) -> DType {
        match self {
            Precision::F32 => DType::F32,
            Precision::F16 => DType::F16,
            Precision::Bf16 => DType::BF16,
        }
    }

    pub(super) fn of_gradients(self) -> DType {
        match self {
            Precision::F32 | Precision::F16 => DType::F32,
            Precision::Bf16 => DType::BF16,
        }
    }
}

/// How a dendrite asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DendriteConfig {
    /// In which precision inputs and gradients are sent and outputs are asked for. Inputs of integers are sent as they are.
    pub precision: Precision,
    /// What a connection may take to be there.
    pub connect_timeout: Duration,
    /// Connections that stay open between calls; beyond, the least recently used is closed. At 0 none stays open.
    pub max_connections: usize,
    /// Calls that a failing peer is spared in a row, at most; at 0 it is spared none.
    pub max_backoff: u32,
    /// What sending gradients may take.
    pub backward_timeout: Duration,
    /// Gradients that may be under way at once; beyond, they are dropped and counted.
    pub max_backward: usize,
    /// For development: whether peers that announce plaintext are asked, on loopback only. Who answers there proves nothing,
    /// and any neuron of a network may announce a port of this machine.
    pub allow_plaintext: bool,
}

impl Default for DendriteConfig {
    fn default() -> DendriteConfig {
        DendriteConfig {
            precision: Precision::default(),
            connect_timeout: Duration::from_secs(5),
            max_connections: 256,
            max_backoff: 100,
            backward_timeout: Duration::from_secs(12),
            max_backward: 64,
            allow_plaintext: false,
        }
    }
}

/// A tensor as it travels: floats in this type, integers as they are.
///
/// # Errors
///
/// Values that are infinite in this type or no numbers, which no peer takes.
pub(super) fn on_wire(tensor: &Tensor, dtype: DType) -> Result<Tensor, Failure> {
    if !tensor.dtype().is_float() {
        return Ok(tensor.clone());
    }
    let sent = tensor
        .cast(dtype)
        .map_err(|error| Failure::new(Code::RequestSerializationException, error.to_string()))?;
    if !sent.is_finite() {
        let message = format!(
            "expected values to send that are finite in {dtype}, got some that are not: choose a precision with more range"
        );
        return Err(Failure::new(Code::InvalidRequest, message));
    }
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_never_travel_in_a_type_that_rounds_them_to_zero() {
        let tiny = Tensor::from_f32(&[1], &[1e-9]).unwrap();
        for precision in [Precision::F32, Precision::F16, Precision::Bf16] {
            let sent = on_wire(&tiny, precision.of_gradients()).unwrap();
            assert!(sent.to_f32().unwrap()[0] > 0.0, "{precision:?}");
        }
    }

    #[test]
    fn what_has_no_finite_value_on_the_wire_is_not_sent() {
        let sent = |value, precision: Precision| {
            let tensor = Tensor::from_f32(&[1], &[value]).unwrap();
            on_wire(&tensor, precision.dtype())
                .map(drop)
                .map_err(|failure| failure.code)
        };
        for precision in [Precision::F32, Precision::F16, Precision::Bf16] {
            assert_eq!(sent(65_504.0, precision), Ok(()), "{precision:?}");
            let refused = Err(Code::InvalidRequest);
            assert_eq!(sent(f32::NAN, precision), refused, "{precision:?}");
        }
        assert_eq!(sent(1e6, Precision::F16), Err(Code::InvalidRequest));
        assert_eq!(sent(1e6, Precision::Bf16), Ok(()));
    }

    #[test]
    fn integers_travel_as_they_are() {
        let tokens = Tensor::from_i64(&[2], &[1, 50_256]).unwrap();
        assert_eq!(on_wire(&tokens, DType::BF16).unwrap(), tokens);
    }
}
