//! What one entry point of a model takes and gives, and the check of requests and outputs against it.

use std::borrow::Cow;

use neuron_proto::{Code, DType, Fingerprint, Modality, Output, Tensor};

use super::Refusal;

/// One entry point of a model.
///
/// Shapes are without the row axis, outermost first; 0 stands for any number of elements, which must then be the same
/// for the requests of one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SynapseSpec {
    /// Which entry point this is.
    pub modality: Modality,
    /// Types of inputs that are taken.
    pub input_dtypes: Vec<DType>,
    /// Shape of one row of the inputs.
    pub input_shape: Vec<u32>,
    /// Shape of one row of the encodings.
    pub output_shape: Vec<u32>,
    /// Shape of one row of the predictions, if they are offered: the last axis counts classes.
    pub prediction_shape: Option<Vec<u32>>,
    /// Whose token ids are taken, if they are and it matters.
    pub tokenizer: Option<Fingerprint>,
    /// Whether gradients of the encodings are taken.
    pub accepts_gradients: bool,
}

impl SynapseSpec {
    /// Checks that this output is offered.
    pub(super) fn check_output(&self, output: Output) -> Result<(), Refusal> {
        self.shape_of(output).map(|_| ()).ok_or_else(|| {
            let modality = self.modality;
            let message =
                format!("the synapse for {modality} offers no {output}, only an encoding");
            Refusal::new(Code::NotImplemented, message)
        })
    }

    /// Shape of one row of this output where a row of the inputs has this shape, if it is offered: an axis that is 0 has the
    /// size that the inputs have at the same place.
    pub fn row_shape(&self, output: Output, of_inputs: &[u32]) -> Option<Vec<u32>> {
        let declared = self.shape_of(output)?;
        let declared: &[u32] = &declared;
        let axes = declared.iter().enumerate().map(|(axis, &size)| match size {
            0 => of_inputs.get(axis).copied().unwrap_or(0),
            size => size,
        });
        Some(axes.collect())
    }

    /// Checks that token ids mean to the model what they mean to the caller.
    pub(crate) fn check_tokenizer(&self, said: Option<Fingerprint>) -> Result<(), Refusal> {
        match (self.tokenizer, said) {
            (None, _) => Ok(()),
            (Some(own), Some(said)) if own == said => Ok(()),
            (Some(own), said) => {
                let said = said.map_or("an unnamed one".to_owned(), |said| said.to_string());
                let message =
                    format!("expected token ids of the tokeniser {own}, got some of {said}");
                Err(Refusal::new(Code::TokenizerMismatch, message))
            }
        }
    }

    /// Shape of one row of this output, if it is offered. A target is wherever an encoding is, over the classes of a
    /// prediction.
    fn shape_of(&self, output: Output) -> Option<Cow<'_, [u32]>> {
        let classes = || self.prediction_shape.as_ref()?.last().copied();
        match output {
            Output::Encoding => Some(self.output_shape.as_slice().into()),
            Output::Prediction => self.prediction_shape.as_deref().map(Cow::from),
            Output::Target => {
                let (_, places) = self.output_shape.split_last()?;
                Some([places, &[classes()?]].concat().into())
            }
        }
    }

    /// Checks that these inputs may be queued: nothing that passes can make the rows of other callers fail by its type
    /// or shape, nor poison them with values that are not finite.
    pub(crate) fn check_inputs(&self, inputs: &Tensor, max_rows: u32) -> Result<(), Refusal> {
        let wrong_shape = |message| Refusal::new(Code::RequestShapeException, message);
        if !self.input_dtypes.contains(&inputs.dtype()) {
            let (expected, actual) = (&self.input_dtypes, inputs.dtype());
            return Err(wrong_shape(format!(
                "expected elements among {expected:?}, got {actual}"
            )));
        }
        let has_rows = !inputs.shape().is_empty();
        if !has_rows || !fits(&self.input_shape, inputs.row_shape()) {
            let (expected, actual) = (rows_of(&self.input_shape), inputs.shape());
            return Err(wrong_shape(format!(
                "expected inputs of {expected}, got {actual:?}"
            )));
        }
        if inputs.rows() == 0 {
            return Err(Refusal::new(
                Code::EmptyRequest,
                "expected at least one row, got none",
            ));
        }
        if inputs.rows() > max_rows {
            let rows = inputs.rows();
            let message =
                format!("expected at most {max_rows} rows, got {rows}: split the request");
            return Err(wrong_shape(message));
        }
        if !inputs.is_finite() {
            let message = "expected finite inputs, got some that are infinite or NaN";
            return Err(Refusal::new(Code::InvalidRequest, message));
        }
        Ok(())
    }

    /// Checks what the model gave as this output for `rows` rows.
    pub(super) fn check_outputs(
        &self,
        output: Output,
        outputs: &Tensor,
        rows: u32,
    ) -> Result<(), Refusal> {
        self.check_output(output)?;
        let shape = self.shape_of(output).unwrap_or_default();
        let shape: &[u32] = &shape;
        let is_right = outputs.dtype() == DType::F32
            && !outputs.shape().is_empty()
            && outputs.rows() == rows
            && fits(shape, outputs.row_shape());
        if is_right {
            return Ok(());
        }
        let expected = rows_of(shape);
        let message =
            format!("the model gave {outputs:?} for {rows} rows, expected f32 {expected}");
        Err(Refusal::new(Code::ResponseShapeException, message))
    }

    /// Checks gradients of the encodings for `rows` rows, all but their values.
    pub(crate) fn check_gradients(&self, gradients: &Tensor, rows: u32) -> Result<(), Refusal> {
        let is_right = gradients.dtype().is_float()
            && !gradients.shape().is_empty()
            && gradients.rows() == rows
            && fits(&self.output_shape, gradients.row_shape());
        if is_right {
            return Ok(());
        }
        let expected = rows_of(&self.output_shape);
        let message = format!(
            "expected gradients of {expected} in floats for {rows} rows, got {gradients:?}"
        );
        Err(Refusal::new(Code::RequestShapeException, message))
    }

    /// Bytes of one row of gradients in the widest type, unless an axis is free; none if they are not taken.
    pub(crate) fn gradient_row_bytes(&self) -> Option<usize> {
        if !self.accepts_gradients {
            return Some(0);
        }
        row_bytes(DType::F32.size(), &self.output_shape)
    }

    /// Bytes of one row of inputs in the widest type, unless an axis is free.
    pub(crate) fn max_row_bytes(&self) -> Option<usize> {
        let size = self.input_dtypes.iter().map(|dtype| dtype.size()).max()?;
        row_bytes(size, &self.input_shape)
    }
}

/// Bytes of a row of elements of `size` bytes each, unless an axis is free.
fn row_bytes(size: usize, row_shape: &[u32]) -> Option<usize> {
    row_shape.iter().try_fold(size, |bytes, &dim| match dim {
        0 => None,
        dim => Some(bytes.saturating_mul(usize::try_from(dim).ok()?)),
    })
}

/// Whether a row is of the declared shape; a free axis takes any number of elements but none.
fn fits(declared: &[u32], actual: &[u32]) -> bool {
    declared.len() == actual.len()
        && declared.iter().zip(actual).all(|(&declared, &actual)| {
            if declared == 0 {
                actual > 0
            } else {
                actual == declared
            }
        })
}

/// `[rows, 1, 28, any]`
fn rows_of(row_shape: &[u32]) -> String {
    let axes = row_shape.iter().map(|&dim| match dim {
        0 => "any".to_owned(),
        dim => dim.to_string(),
    });
    let axes: Vec<String> = std::iter::once("rows".to_owned()).chain(axes).collect();
    format!("[{}]", axes.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> SynapseSpec {
        SynapseSpec {
            modality: Modality::Image,
            input_dtypes: vec![DType::F32, DType::U8],
            input_shape: vec![1, 0],
            output_shape: vec![10],
            prediction_shape: Some(vec![3]),
            tokenizer: None,
            accepts_gradients: false,
        }
    }

    fn refusal(inputs: Tensor) -> Code {
        image().check_inputs(&inputs, 4).unwrap_err().code
    }

    #[test]
    fn inputs_of_the_declared_type_and_shape_pass() {
        let floats = Tensor::from_f32(&[4, 1, 3], &[0.0; 12]).unwrap();
        let bytes = Tensor::from_u8(&[1, 1, 1], &[0]).unwrap();
        assert_eq!(image().check_inputs(&floats, 4), Ok(()));
        assert_eq!(image().check_inputs(&bytes, 4), Ok(()));
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        let f32 = |shape: &[u32]| {
            let n = shape.iter().map(|&dim| dim as usize).product();
            Tensor::from_f32(shape, &vec![0.0; n]).unwrap()
        };
        assert_eq!(refusal(f32(&[])), Code::RequestShapeException);
        assert_eq!(refusal(f32(&[4, 1])), Code::RequestShapeException);
        assert_eq!(refusal(f32(&[4, 2, 3])), Code::RequestShapeException);
        assert_eq!(refusal(f32(&[4, 1, 0])), Code::RequestShapeException);
        assert_eq!(refusal(f32(&[5, 1, 3])), Code::RequestShapeException);
        assert_eq!(refusal(f32(&[0, 1, 3])), Code::EmptyRequest);
        assert_eq!(
            refusal(f32(&[1, 1, 3]).cast(DType::F16).unwrap()),
            Code::RequestShapeException
        );
        assert_eq!(
            refusal(Tensor::from_f32(&[1, 1, 1], &[f32::NAN]).unwrap()),
            Code::InvalidRequest
        );
    }

    #[test]
    fn a_refusal_says_what_was_expected_and_what_arrived() {
        let wrong = Tensor::from_f32(&[1, 2], &[0.0; 2]).unwrap();
        let message = image().check_inputs(&wrong, 4).unwrap_err().message;
        assert_eq!(message, "expected inputs of [rows, 1, any], got [1, 2]");
    }

    #[test]
    fn outputs_need_every_row_in_the_declared_shape_as_f32() {
        let check = |outputs: &Tensor, rows| image().check_outputs(Output::Encoding, outputs, rows);
        let outputs = Tensor::from_f32(&[2, 10], &[0.0; 20]).unwrap();
        assert_eq!(check(&outputs, 2), Ok(()));
        assert!(check(&outputs, 3).is_err());
        assert!(check(&outputs.cast(DType::F16).unwrap(), 2).is_err());
        assert!(check(&Tensor::from_f32(&[2, 5], &[0.0; 10]).unwrap(), 2).is_err());
        assert!(check(&Tensor::from_f32(&[], &[0.0]).unwrap(), 1).is_err());
    }

    #[test]
    fn a_prediction_is_held_against_its_own_shape() {
        let check = |outputs: &Tensor| image().check_outputs(Output::Prediction, outputs, 2);
        assert_eq!(
            check(&Tensor::from_f32(&[2, 3], &[0.0; 6]).unwrap()),
            Ok(())
        );
        let encoding = Tensor::from_f32(&[2, 10], &[0.0; 20]).unwrap();
        assert_eq!(
            check(&encoding).unwrap_err().code,
            Code::ResponseShapeException
        );
    }

    #[test]
    fn a_free_axis_of_an_answer_is_as_long_as_that_of_the_inputs() {
        let text = SynapseSpec {
            input_shape: vec![0],
            output_shape: vec![0, 8],
            prediction_shape: Some(vec![50]),
            ..image()
        };
        let row_shape = |output| text.row_shape(output, &[12]);
        assert_eq!(row_shape(Output::Encoding), Some(vec![12, 8]));
        assert_eq!(row_shape(Output::Prediction), Some(vec![50]));
        assert_eq!(row_shape(Output::Target), Some(vec![12, 50]));
        let encoder = SynapseSpec {
            prediction_shape: None,
            ..text
        };
        assert_eq!(encoder.row_shape(Output::Prediction, &[12]), None);
        assert_eq!(encoder.row_shape(Output::Target, &[12]), None);
    }

    #[test]
    fn token_ids_of_another_tokeniser_or_of_none_are_refused() {
        let [own, other] = [7, 8].map(|byte| Fingerprint([byte; 32]));
        let text = SynapseSpec {
            tokenizer: Some(own),
            ..image()
        };
        assert_eq!(text.check_tokenizer(Some(own)), Ok(()));
        for said in [Some(other), None] {
            let refusal = text.check_tokenizer(said).unwrap_err();
            assert_eq!(refusal.code, Code::TokenizerMismatch);
            assert!(refusal.message.contains(&own.to_string()), "{refusal}");
        }
        assert_eq!(image().check_tokenizer(Some(other)), Ok(()));
    }

    #[test]
    fn what_is_not_offered_is_not_implemented() {
        let spec = SynapseSpec {
            prediction_shape: None,
            ..image()
        };
        assert_eq!(spec.check_output(Output::Encoding), Ok(()));
        let refusal = spec.check_output(Output::Prediction).unwrap_err();
        assert_eq!(refusal.code, Code::NotImplemented);
        assert_eq!(
            refusal.message,
            "the synapse for image offers no prediction, only an encoding"
        );
    }

    #[test]
    fn a_free_axis_has_no_largest_row() {
        assert_eq!(image().max_row_bytes(), None);
        assert_eq!(
            SynapseSpec {
                input_shape: vec![28, 28],
                ..image()
            }
            .max_row_bytes(),
            Some(3136)
        );
    }
}
