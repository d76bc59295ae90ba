//! What one entry point of a model takes and gives, and the check of requests and outputs against it.

use std::borrow::Cow;

use neuron_proto::{Code, DType, Fingerprint, Modality, Output, Tensor, Wanted};

use super::{Refusal, model::Given};

/// Bytes of a class that is told among the likeliest: a log-probability, and which class it is of.
const TOLD_CLASS: usize = DType::F32.size() + DType::I64.size();

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
    /// Checks that this is offered.
    pub(super) fn check_wanted(&self, wanted: Wanted) -> Result<(), Refusal> {
        let output = wanted.output();
        let shape = self.shape_of(output).ok_or_else(|| {
            let modality = self.modality;
            let message =
                format!("the synapse for {modality} offers no {output}, only an encoding");
            Refusal::new(Code::NotImplemented, message)
        })?;
        let n_classes = shape.last().copied().unwrap_or(0);
        match wanted.n_likeliest() {
            Some(n) if n.get() > n_classes => {
                let message = format!(
                    "expected at most {n_classes} likeliest classes, got {n}: there are no more"
                );
                Err(Refusal::new(Code::InvalidRequest, message))
            }
            _ => Ok(()),
        }
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

    /// Checks that the answer to these inputs, which were checked, is not too long, and gives its bytes in F32, as the model
    /// computes it. A request of a few token ids may ask for a distribution over a whole vocabulary at each place of a text.
    ///
    /// Where the likeliest classes are asked for, no whole distributions are kept, but the encodings that they are told from:
    /// these count if they are longer.
    pub(super) fn check_answer(
        &self,
        wanted: Wanted,
        inputs: &Tensor,
        max_bytes: usize,
    ) -> Result<usize, Refusal> {
        self.check_wanted(wanted)?;
        let row = self.answer_row_bytes(wanted, inputs.row_shape());
        let rows = inputs.rows();
        let answer = row.and_then(|row| row.checked_mul(usize::try_from(rows).ok()?));
        answer.filter(|&answer| answer <= max_bytes).ok_or_else(|| {
            let row = row.unwrap_or(usize::MAX);
            let advice = match max_bytes / row.max(1) {
                0 => "of which not one fits: ask for shorter rows or another output".to_owned(),
                fit => format!("of which {fit} fit: split the request"),
            };
            let message = format!(
                "expected to answer at most {max_bytes} bytes, got a request for {rows} rows of {row} bytes each, {advice}"
            );
            Refusal::new(Code::RequestShapeException, message)
        })
    }

    /// Checks what the model gave to these inputs.
    pub(super) fn check_given(
        &self,
        wanted: Wanted,
        given: &Given,
        inputs: &Tensor,
    ) -> Result<(), Refusal> {
        self.check_wanted(wanted)?;
        let expected = self.shape_for(wanted, inputs);
        let outputs = given.outputs();
        let is_part = matches!(given, Given::Likeliest(_));
        if outputs.dtype() == DType::F32
            && outputs.shape() == expected
            && is_part == wanted.n_likeliest().is_some()
        {
            return Ok(());
        }
        let message = format!("the model gave {outputs:?}, expected f32 {expected:?} of {wanted}");
        Err(Refusal::new(Code::ResponseShapeException, message))
    }

    /// Checks gradients of the encodings of these inputs, all but their values.
    pub(crate) fn check_gradients(
        &self,
        gradients: &Tensor,
        inputs: &Tensor,
    ) -> Result<(), Refusal> {
        let expected = self.shape_for(Wanted::Encoding, inputs);
        if gradients.dtype().is_float() && gradients.shape() == expected {
            return Ok(());
        }
        let message = format!("expected gradients of {expected:?} in floats, got {gradients:?}");
        Err(Refusal::new(Code::RequestShapeException, message))
    }

    /// Shape of what is offered, for these inputs.
    fn shape_for(&self, wanted: Wanted, inputs: &Tensor) -> Vec<u32> {
        let row_shape = self.row_shape(wanted.output(), inputs.row_shape());
        let mut shape = [&[inputs.rows()], &row_shape.unwrap_or_default()[..]].concat();
        if let (Some(n), Some(classes)) = (wanted.n_likeliest(), shape.last_mut()) {
            *classes = n.get();
        }
        shape
    }

    /// Bytes that a row of an answer has, or of the encodings that it is told from if those are more, unless no number counts
    /// them.
    fn answer_row_bytes(&self, wanted: Wanted, of_inputs: &[u32]) -> Option<usize> {
        let row_shape = self
            .row_shape(wanted.output(), of_inputs)
            .unwrap_or_default();
        let Some(n) = wanted.n_likeliest() else {
            return size_of(DType::F32.size(), &row_shape);
        };
        let (_, places) = row_shape.split_last()?;
        let width = self.output_shape.last()?;
        let classes = size_of(TOLD_CLASS, &[places, &[n.get()]].concat())?;
        let encodings = size_of(DType::F32.size(), &[places, &[*width]].concat())?;
        Some(classes.max(encodings))
    }

    /// Bytes of one row of gradients in the widest type, unless an axis is free; none if they are not taken.
    pub(crate) fn gradient_row_bytes(&self) -> Option<usize> {
        if !self.accepts_gradients {
            return Some(0);
        }
        row_bytes(DType::F32.size(), &self.output_shape)
    }

    /// Bytes of one row of the largest answer, unless an axis is free: all classes told as the likeliest, if there are classes.
    pub(crate) fn max_answer_row_bytes(&self) -> Option<usize> {
        let offered = Output::ALL
            .iter()
            .filter_map(|&output| Some((output, self.shape_of(output)?)));
        let mut sizes = offered.map(|(output, shape)| match output {
            Output::Encoding => row_bytes(DType::F32.size(), &shape),
            Output::Prediction | Output::Target => row_bytes(TOLD_CLASS, &shape),
        });
        sizes.try_fold(0, |largest: usize, size| Some(largest.max(size?)))
    }

    /// Whether an output has a free axis at a place where the inputs have none, so that nothing says how long it is.
    pub(super) fn has_unbound_axis(&self) -> bool {
        let mut offered = Output::ALL
            .iter()
            .filter_map(|&output| self.shape_of(output));
        offered.any(|shape| {
            let beyond = shape.iter().skip(self.input_shape.len());
            beyond.into_iter().any(|&size| size == 0)
        })
    }

    /// Bytes of one row of inputs in the widest type, unless an axis is free.
    pub(crate) fn max_row_bytes(&self) -> Option<usize> {
        let size = self.input_dtypes.iter().map(|dtype| dtype.size()).max()?;
        row_bytes(size, &self.input_shape)
    }
}

/// Bytes of a row of this shape of elements of `size` bytes each, unless no number counts them.
fn size_of(size: usize, row_shape: &[u32]) -> Option<usize> {
    row_shape.iter().try_fold(size, |bytes, &axis| {
        bytes.checked_mul(usize::try_from(axis).ok()?)
    })
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
    use std::num::NonZeroU32;

    use neuron_proto::{Classes, Likeliest};

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
        let images = |rows| Tensor::from_f32(&[rows, 1, 1], &vec![0.0; rows as usize]).unwrap();
        let check = |outputs: &Tensor, rows| {
            let given = Given::Whole(outputs.clone());
            image().check_given(Wanted::Encoding, &given, &images(rows))
        };
        let outputs = Tensor::from_f32(&[2, 10], &[0.0; 20]).unwrap();
        assert_eq!(check(&outputs, 2), Ok(()));
        assert!(check(&outputs, 3).is_err());
        assert!(check(&outputs.cast(DType::F16).unwrap(), 2).is_err());
        assert!(check(&Tensor::from_f32(&[2, 5], &[0.0; 10]).unwrap(), 2).is_err());
        assert!(check(&Tensor::from_f32(&[], &[0.0]).unwrap(), 1).is_err());
    }

    #[test]
    fn a_prediction_is_held_against_its_own_shape() {
        let images = Tensor::from_f32(&[2, 1, 1], &[0.0; 2]).unwrap();
        let check = |outputs: &Tensor| {
            let given = Given::Whole(outputs.clone());
            image().check_given(Output::Prediction.into(), &given, &images)
        };
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
        let row_shape = |output| text().row_shape(output, &[12]);
        assert_eq!(row_shape(Output::Encoding), Some(vec![12, 8]));
        assert_eq!(row_shape(Output::Prediction), Some(vec![50]));
        assert_eq!(row_shape(Output::Target), Some(vec![12, 50]));
        let encoder = SynapseSpec {
            prediction_shape: None,
            ..text()
        };
        assert_eq!(encoder.row_shape(Output::Prediction, &[12]), None);
        assert_eq!(encoder.row_shape(Output::Target, &[12]), None);
    }

    /// A text of any length, with a vocabulary of 50.
    fn text() -> SynapseSpec {
        SynapseSpec {
            input_dtypes: vec![DType::I64],
            input_shape: vec![0],
            output_shape: vec![0, 8],
            prediction_shape: Some(vec![50]),
            ..image()
        }
    }

    #[test]
    fn outputs_and_gradients_are_as_long_as_the_inputs_where_an_axis_is_free() {
        let texts = Tensor::from_i64(&[2, 3], &[0; 6]).unwrap();
        let as_long_as = |tokens: u32| {
            let n_values = (2 * tokens * 8) as usize;
            Tensor::from_f32(&[2, tokens, 8], &vec![0.0; n_values]).unwrap()
        };
        let outputs = |tokens| {
            let given = Given::Whole(as_long_as(tokens));
            let checked = text().check_given(Wanted::Encoding, &given, &texts);
            checked.map_err(|refusal| refusal.code)
        };
        let gradients = |tokens| {
            let checked = text().check_gradients(&as_long_as(tokens), &texts);
            checked.map_err(|refusal| refusal.code)
        };
        assert_eq!((outputs(3), gradients(3)), (Ok(()), Ok(())));
        for tokens in [2, 4] {
            assert_eq!(outputs(tokens), Err(Code::ResponseShapeException));
            assert_eq!(gradients(tokens), Err(Code::RequestShapeException));
        }
    }

    #[test]
    fn the_length_of_an_answer_follows_from_the_request() {
        let texts = Tensor::from_i64(&[3, 12], &[0; 36]).unwrap();
        let bytes = |wanted: Wanted| text().check_answer(wanted, &texts, 1 << 20);
        assert_eq!(bytes(Output::Encoding.into()), Ok(3 * 12 * 8 * 4));
        assert_eq!(bytes(Output::Prediction.into()), Ok(3 * 50 * 4));
        assert_eq!(bytes(Output::Target.into()), Ok(3 * 12 * 50 * 4));
        // A log-probability and a class each, or the encoding of 8 numbers where that is longer.
        assert_eq!(bytes(Wanted::Prediction(likeliest(5))), Ok(3 * 5 * 12));
        assert_eq!(bytes(Wanted::Target(likeliest(5))), Ok(3 * 12 * 5 * 12));
        assert_eq!(bytes(Wanted::Target(likeliest(2))), Ok(3 * 12 * 8 * 4));
    }

    fn likeliest(n: u32) -> Classes {
        Classes::Likeliest(NonZeroU32::new(n).unwrap())
    }

    #[test]
    fn more_classes_than_there_are_are_refused() {
        for of in [Wanted::Prediction, Wanted::Target] {
            assert_eq!(text().check_wanted(of(likeliest(50))), Ok(()));
            let refusal = text().check_wanted(of(likeliest(51))).unwrap_err();
            assert_eq!(refusal.code, Code::InvalidRequest);
            assert!(refusal.message.contains("at most 50"), "{refusal}");
        }
    }

    #[test]
    fn the_likeliest_classes_are_not_taken_for_all_nor_all_for_them() {
        let texts = Tensor::from_i64(&[1, 2], &[0; 2]).unwrap();
        let logarithms = Tensor::from_f32(&[1, 2, 3], &[-3.0; 6]).unwrap();
        let classes = Tensor::from_i64(&[1, 2, 3], &[0, 1, 2, 3, 4, 5]).unwrap();
        let part = Likeliest::new(logarithms.clone(), classes, 50).unwrap();
        let check = |wanted: Wanted, given: Given| {
            let checked = text().check_given(wanted, &given, &texts);
            checked.map_err(|refusal| refusal.code)
        };
        let wanted = Wanted::Target(likeliest(3));
        assert_eq!(check(wanted, Given::Likeliest(part.clone())), Ok(()));
        for (wanted, given) in [
            (wanted, Given::Whole(logarithms)),
            (Wanted::Target(likeliest(2)), Given::Likeliest(part.clone())),
            (Output::Target.into(), Given::Likeliest(part)),
        ] {
            let refused = check(wanted, given);
            assert_eq!(refused, Err(Code::ResponseShapeException), "{wanted}");
        }
    }

    #[test]
    fn an_answer_that_is_too_long_is_refused_with_how_many_rows_fit() {
        let texts = Tensor::from_i64(&[3, 12], &[0; 36]).unwrap();
        // 12 places · 50 classes · 4 bytes are 2,400 bytes a row.
        let check = |max_bytes| text().check_answer(Output::Target.into(), &texts, max_bytes);
        assert_eq!(check(7_200), Ok(7_200));
        let refusal = check(7_199).unwrap_err();
        assert_eq!(refusal.code, Code::RequestShapeException);
        assert_eq!(
            refusal.message,
            "expected to answer at most 7199 bytes, got a request for 3 rows of 2400 bytes each, of which 2 fit: split the request"
        );
        let refusal = check(2_399).unwrap_err();
        assert!(refusal.message.contains("not one fits"), "{refusal}");
    }

    #[test]
    fn an_answer_that_no_number_counts_is_too_long() {
        let endless = SynapseSpec {
            output_shape: vec![0, u32::MAX, u32::MAX, u32::MAX],
            ..text()
        };
        let texts = Tensor::from_i64(&[1, 1], &[0]).unwrap();
        for wanted in [Wanted::Encoding, Wanted::Target(likeliest(1))] {
            let refusal = endless.check_answer(wanted, &texts, usize::MAX);
            assert_eq!(refusal.unwrap_err().code, Code::RequestShapeException);
        }
    }

    #[test]
    fn the_largest_answer_is_known_where_no_axis_is_free() {
        // 10 encodings of 4 bytes, more than 3 classes of 12; and 4 classes, which are more.
        assert_eq!(image().max_answer_row_bytes(), Some(40));
        let four = SynapseSpec {
            prediction_shape: Some(vec![4]),
            ..image()
        };
        assert_eq!(four.max_answer_row_bytes(), Some(48));
        assert_eq!(text().max_answer_row_bytes(), None);
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
        assert_eq!(spec.check_wanted(Wanted::Encoding), Ok(()));
        let refusal = spec.check_wanted(Output::Prediction.into()).unwrap_err();
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
