//! Whether an answer is one: checked before anybody computes with it.

use bytes::Bytes;
use neuron_proto::{Code, DType, Limits, MAX_MAGNITUDE, Tensor, v1};
use prost::Message as _;

use super::exchange::Failure;
use crate::text::printable;

/// Bytes of an answer beside its tensor's data: text, timing, shape.
const ENVELOPE: usize = 4 << 10;

/// What a valid answer must be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    /// Rows that were asked.
    pub(super) rows: u32,
    /// Elements along the other axes.
    pub(super) row_shape: &'a [u32],
    /// The precision that was asked for.
    pub(super) dtype: DType,
}

/// A valid answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// F32, `[rows, ..]`, all within ±[`MAX_MAGNITUDE`].
    pub(super) outputs: Tensor,
    pub(super) timing: Option<v1::Timing>,
}

impl Expected<'_> {
    /// Bytes of the largest valid answer; a longer one is refused before it is read.
    pub(super) fn max_bytes(&self) -> usize {
        self.n_bytes().saturating_add(ENVELOPE)
    }

    fn n_elements(&self) -> usize {
        self.row_shape.iter().fold(self.rows as usize, |n, &axis| {
            n.saturating_mul(axis as usize)
        })
    }

    fn n_bytes(&self) -> usize {
        self.n_elements().saturating_mul(self.dtype.size())
    }

    /// Reads and checks the message of an answer.
    ///
    /// # Errors
    ///
    /// One for each way in which it is not what was asked for; see [`Code`].
    pub(super) fn check(&self, message: Bytes) -> Result<Answer, Failure> {
        let response = v1::ForwardResponse::decode(message).map_err(|error| {
            let message = format!("the answer is no ForwardResponse: {error}");
            Failure::new(Code::ResponseDeserializationException, message)
        })?;
        said_success(response.code, &response.message)?;
        let outputs = response.outputs.ok_or_else(|| {
            let message = "the peer reports success without outputs";
            Failure::new(Code::EmptyResponse, message)
        })?;
        let limits = Limits {
            max_elements: self.n_elements().max(1),
            max_bytes: self.n_bytes(),
            ..Limits::default()
        };
        let outputs = Tensor::decode(outputs, &limits)
            .map_err(|error| Failure::new(error.response_code(), error.to_string()))?;
        Ok(Answer {
            outputs: self.check_outputs(outputs)?,
            timing: response.timing,
        })
    }

    /// Checks outputs, and makes them f32.
    pub(super) fn check_outputs(&self, outputs: Tensor) -> Result<Tensor, Failure> {
        let (rows, axes) = match outputs.shape() {
            [rows, axes @ ..] => (*rows, axes),
            [] => (0, &[][..]),
        };
        if (rows, axes) != (self.rows, self.row_shape) {
            let expected = [&[self.rows], self.row_shape].concat();
            let actual = outputs.shape();
            let message = format!("expected outputs of shape {expected:?}, got {actual:?}");
            return Err(Failure::new(Code::ResponseShapeException, message));
        }
        if outputs.dtype() != self.dtype {
            let (expected, actual) = (self.dtype.name(), outputs.dtype().name());
            let message = format!("expected outputs in {expected}, got {actual}");
            return Err(Failure::new(Code::InvalidResponse, message));
        }
        // Finite is not enough: one answer of 10³⁰ would make the losses of all rows infinite.
        if !outputs.is_in_range() {
            let message = format!(
                "expected outputs within ±{MAX_MAGNITUDE}, got some beyond, infinite or no number"
            );
            return Err(Failure::new(Code::InvalidResponse, message));
        }
        outputs
            .cast(DType::F32)
            .map_err(|error| Failure::new(Code::InvalidResponse, error.to_string()))
    }
}

/// Checks the code inside a response: a forgotten one is no success.
pub(super) fn said_success(code: i32, text: &str) -> Result<(), Failure> {
    match Code::try_from(code) {
        Ok(Code::Success) => Ok(()),
        Ok(Code::NoReturn) => Err(Failure::new(
            Code::NoReturn,
            "the answer does not say that it succeeded",
        )),
        Ok(code) => Err(Failure::new(code, printable(text))),
        Err(_) => Err(Failure::new(
            Code::InvalidResponse,
            format!("the answer has the code {code}, which does not exist"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: Expected<'static> = Expected {
        rows: 2,
        row_shape: &[3],
        dtype: DType::F32,
    };

    fn answer(outputs: Option<Tensor>) -> v1::ForwardResponse {
        v1::ForwardResponse {
            code: Code::Success.into(),
            outputs: outputs.map(Tensor::encode),
            ..Default::default()
        }
    }

    fn check(expected: Expected<'_>, response: &v1::ForwardResponse) -> Result<Tensor, Code> {
        expected
            .check(response.encode_to_vec().into())
            .map(|answer| answer.outputs)
            .map_err(|failure| failure.code)
    }

    fn outputs(shape: &[u32], value: f32) -> Tensor {
        let n_elements: u32 = shape.iter().product();
        Tensor::from_f32(shape, &vec![value; n_elements as usize]).unwrap()
    }

    #[test]
    fn what_was_asked_for_is_taken() {
        let good = outputs(&[2, 3], 0.5);
        assert_eq!(check(EXPECTED, &answer(Some(good.clone()))), Ok(good));
    }

    #[test]
    fn half_precision_that_was_asked_for_is_widened() {
        for dtype in [DType::F16, DType::BF16] {
            let expected = Expected { dtype, ..EXPECTED };
            let good = outputs(&[2, 3], 0.5);
            let half = good.cast(dtype).unwrap();
            assert_eq!(check(expected, &answer(Some(half.clone()))), Ok(good));
            assert_eq!(
                check(EXPECTED, &answer(Some(half))),
                Err(Code::InvalidResponse),
                "{dtype:?} was not asked for"
            );
        }
    }

    #[test]
    fn every_other_shape_is_refused() {
        for shape in [&[2, 2][..], &[1, 3], &[3, 2], &[6], &[2, 3, 1], &[2, 0]] {
            let refused = check(EXPECTED, &answer(Some(outputs(shape, 0.5))));
            assert_eq!(refused, Err(Code::ResponseShapeException), "{shape:?}");
        }
    }

    #[test]
    fn values_that_are_not_finite_or_huge_are_refused() {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -65_505.0] {
            let refused = check(EXPECTED, &answer(Some(outputs(&[2, 3], value))));
            assert_eq!(refused, Err(Code::InvalidResponse), "{value}");
        }
    }

    #[test]
    fn success_without_outputs_is_empty() {
        assert_eq!(check(EXPECTED, &answer(None)), Err(Code::EmptyResponse));
    }

    #[test]
    fn an_answer_that_does_not_say_success_is_none() {
        let with = |code| v1::ForwardResponse {
            code,
            ..answer(Some(outputs(&[2, 3], 0.5)))
        };
        assert_eq!(check(EXPECTED, &with(0)), Err(Code::NoReturn));
        assert_eq!(check(EXPECTED, &with(18)), Err(Code::NucleusFull));
        assert_eq!(check(EXPECTED, &with(99)), Err(Code::InvalidResponse));
        assert_eq!(check(EXPECTED, &with(-1)), Err(Code::InvalidResponse));
    }

    #[test]
    fn a_tensor_that_lies_about_its_length_is_refused() {
        let mut response = answer(Some(outputs(&[2, 3], 0.5)));
        if let Some(tensor) = &mut response.outputs {
            tensor.data.truncate(5);
        }
        let refused = check(EXPECTED, &response);
        assert_eq!(refused, Err(Code::ResponseDeserializationException));
    }

    #[test]
    fn garbage_is_refused() {
        let refused = EXPECTED
            .check(Bytes::from_static(b"\xff\xff\xff"))
            .unwrap_err();
        assert_eq!(refused.code, Code::ResponseDeserializationException);
    }

    #[test]
    fn the_size_of_an_answer_cannot_overflow() {
        let expected = Expected {
            rows: u32::MAX,
            row_shape: &[u32::MAX; 4],
            dtype: DType::F32,
        };
        assert_eq!(expected.max_bytes(), usize::MAX);
    }
}
