//! Whether an answer is one: checked before anybody computes with it.

use std::num::NonZeroU32;

use bytes::Bytes;
use neuron_proto::{Code, DType, Likeliest, Limits, MAX_MAGNITUDE, Tensor, v1};
use prost::Message as _;

use super::exchange::Failure;
use crate::text::printable;

/// Bytes of an answer beside the data of its tensors: text, timing, shapes.
const ENVELOPE: usize = 4 << 10;

/// What a valid answer must be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    /// Rows that were asked.
    pub(super) rows: u32,
    /// Elements along the other axes, where all classes are told.
    pub(super) row_shape: &'a [u32],
    /// How many of the classes, which the last axis counts, are told, if not all.
    pub(super) n_likeliest: Option<NonZeroU32>,
    /// The precision that was asked for.
    pub(super) dtype: DType,
}

/// A valid answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// F32, `[rows, ..]`, all within ±[`MAX_MAGNITUDE`].
    pub(super) outputs: Tensor,
    /// I64, in the shape of the outputs, where only the likeliest classes are told.
    pub(super) classes: Option<Tensor>,
    pub(super) timing: Option<v1::Timing>,
}

impl Expected<'_> {
    /// Bytes of the largest valid answer; a longer one is refused before it is read.
    pub(super) fn max_bytes(&self) -> usize {
        self.n_bytes().saturating_add(ENVELOPE)
    }

    /// Checks that there are as many classes as are asked for.
    ///
    /// # Errors
    ///
    /// `InvalidRequest`: the peer would refuse it.
    pub(super) fn check_itself(&self) -> Result<(), Failure> {
        let n_classes = self.n_classes();
        match self.n_likeliest {
            Some(n) if n.get() > n_classes => {
                let message =
                    format!("expected to ask for at most {n_classes} likeliest classes, got {n}");
                Err(Failure::new(Code::InvalidRequest, message))
            }
            _ => Ok(()),
        }
    }

    fn n_classes(&self) -> u32 {
        self.row_shape.last().copied().unwrap_or(0)
    }

    /// `[rows, ..]`
    fn shape(&self) -> Vec<u32> {
        let mut shape = [&[self.rows], self.row_shape].concat();
        if let (Some(n), [_, .., classes]) = (self.n_likeliest, &mut shape[..]) {
            *classes = n.get();
        }
        shape
    }

    fn n_elements(&self) -> usize {
        let axes = self.shape().into_iter();
        axes.fold(1, |n: usize, axis| n.saturating_mul(axis as usize))
    }

    /// Of outputs and classes.
    fn n_bytes(&self) -> usize {
        let of_each = match self.n_likeliest {
            None => self.dtype.size(),
            Some(_) => self.dtype.size() + DType::I64.size(),
        };
        self.n_elements().saturating_mul(of_each)
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
        let decode = |tensor| {
            Tensor::decode(tensor, &limits)
                .map_err(|error| Failure::new(error.response_code(), error.to_string()))
        };
        let outputs = decode(outputs)?;
        let classes = response.classes.filter(|_| self.n_likeliest.is_some());
        let classes = classes.map(decode).transpose()?;
        let (outputs, classes) = self.check_tensors(outputs, classes)?;
        Ok(Answer {
            outputs,
            classes,
            timing: response.timing,
        })
    }

    /// Checks outputs and, where the likeliest classes were asked for, those, and makes the outputs f32. Classes that nobody
    /// asked for are dropped.
    pub(super) fn check_tensors(
        &self,
        outputs: Tensor,
        classes: Option<Tensor>,
    ) -> Result<(Tensor, Option<Tensor>), Failure> {
        let outputs = self.check_outputs(outputs)?;
        if self.n_likeliest.is_none() {
            return Ok((outputs, None));
        }
        let classes = classes.ok_or_else(|| {
            let message = "the peer does not say which classes it tells of";
            Failure::new(Code::EmptyResponse, message)
        })?;
        let likeliest = Likeliest::new(outputs, classes, self.n_classes())
            .map_err(|error| Failure::new(error.response_code(), error.to_string()))?;
        let (outputs, classes) = likeliest.into_parts();
        Ok((outputs, Some(classes)))
    }

    /// Checks outputs, and makes them f32.
    fn check_outputs(&self, outputs: Tensor) -> Result<Tensor, Failure> {
        let (expected, actual) = (self.shape(), outputs.shape());
        if actual != expected {
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
        n_likeliest: None,
        dtype: DType::F32,
    };

    /// Two of three classes.
    const EXPECTED_PART: Expected<'static> = Expected {
        n_likeliest: NonZeroU32::new(2),
        ..EXPECTED
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
            n_likeliest: None,
            dtype: DType::F32,
        };
        assert_eq!(expected.max_bytes(), usize::MAX);
    }

    /// Each row tells these classes with these probabilities.
    fn told(classes: &[i64], probabilities: &[f32]) -> v1::ForwardResponse {
        let n = u32::try_from(classes.len()).unwrap();
        let logarithms: Vec<f32> = probabilities.iter().map(|p| p.ln()).collect();
        let outputs = Tensor::from_f32(&[2, n], &logarithms.repeat(2)).unwrap();
        let classes = Tensor::from_i64(&[2, n], &classes.repeat(2)).unwrap();
        v1::ForwardResponse {
            classes: Some(classes.encode()),
            ..answer(Some(outputs))
        }
    }

    #[test]
    fn the_likeliest_classes_come_with_their_numbers() {
        let answer = |expected: Expected<'_>, response: &v1::ForwardResponse| {
            expected.check(response.encode_to_vec().into()).unwrap()
        };
        let response = told(&[2, 0], &[0.5, 0.25]);
        let part = answer(EXPECTED_PART, &response);
        assert_eq!(part.outputs.shape(), [2, 2]);
        let classes = part.classes.unwrap().to_i64().unwrap();
        assert_eq!(classes, [2, 0, 2, 0]);
        // As long as the longest that is read.
        let longest = EXPECTED_PART.n_bytes();
        assert_eq!(longest, 2 * 2 * (4 + 8));

        let whole = answer(EXPECTED, &told(&[0, 1, 2], &[0.5, 0.25, 0.25]));
        assert!(whole.classes.is_none(), "nobody asked for them");
    }

    #[test]
    fn likeliest_classes_that_are_none_are_refused() {
        let cases = [
            (told(&[2], &[0.5]), Code::ResponseShapeException),
            (
                told(&[0, 1, 2], &[0.5, 0.25, 0.25]),
                Code::ResponseShapeException,
            ),
            (told(&[2, 3], &[0.5, 0.25]), Code::InvalidResponse),
            (told(&[2, -1], &[0.5, 0.25]), Code::InvalidResponse),
            (told(&[1, 1], &[0.5, 0.25]), Code::InvalidResponse),
            (told(&[0, 1], &[0.9, 0.25]), Code::InvalidResponse),
            (told(&[0, 1], &[0.5, 0.0]), Code::InvalidResponse),
            (answer(Some(outputs(&[2, 2], -1.0))), Code::EmptyResponse),
            (
                v1::ForwardResponse {
                    classes: Some(outputs(&[2, 2], 1.0).encode()),
                    ..told(&[0, 1], &[0.5, 0.25])
                },
                Code::ResponseShapeException,
            ),
            (
                v1::ForwardResponse {
                    classes: told(&[0], &[0.5]).classes,
                    ..told(&[0, 1], &[0.5, 0.25])
                },
                Code::ResponseShapeException,
            ),
        ];
        for (response, expected) in cases {
            assert_eq!(
                check(EXPECTED_PART, &response),
                Err(expected),
                "{response:?}"
            );
        }
    }

    #[test]
    fn probabilities_may_be_rounded_to_more_than_one() {
        let expected = Expected {
            dtype: DType::BF16,
            ..EXPECTED_PART
        };
        // In bf16, ln 0.51 is that of 0.51075, and ln 0.49 that of 0.48927.
        let mut response = told(&[0, 1], &[0.51, 0.49]);
        let outputs = Tensor::decode(response.outputs.take().unwrap(), &Limits::default());
        let rounded = outputs.unwrap().cast(DType::BF16).unwrap();
        response.outputs = Some(rounded.encode());
        assert!(check(expected, &response).is_ok());
    }

    #[test]
    fn more_classes_than_there_are_are_not_asked_for() {
        assert!(EXPECTED_PART.check_itself().is_ok());
        let more = Expected {
            n_likeliest: NonZeroU32::new(4),
            ..EXPECTED
        };
        assert_eq!(more.check_itself().unwrap_err().code, Code::InvalidRequest);
    }
}
