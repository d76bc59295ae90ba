//! From messages, which may say anything, to requests that can be carried out.
//!
//! Pure functions of a message and of what the axon takes. Nothing here panics or allocates by what a message claims.

use neuron_proto::{
    Code, DType, Fingerprint, Limits, MAX_RANK, Modality, Tensor, TensorError, Wanted, v1,
};

use crate::nucleus::{NucleusConfig, Refusal, SynapseSpec};

/// A forward request with everything of its message read.
#[derive(Clone, Debug)]
pub struct Forward {
    /// Which entry point.
    pub modality: Modality,
    /// The tokeniser that it says its token ids are of; the nucleus knows whether they are.
    pub tokenizer: Option<Fingerprint>,
    /// What is wanted of each row; the nucleus knows whether it is offered.
    pub wanted: Wanted,
    /// Well formed and within the limits; the nucleus holds it against the synapse.
    pub inputs: Tensor,
    /// Precision of the answer; a float.
    pub reply: DType,
}

/// A backward request with everything of its message read and held against its synapse.
#[derive(Clone, Debug)]
pub struct Backward {
    /// Which entry point.
    pub modality: Modality,
    /// As for a forward request.
    pub inputs: Tensor,
    /// F32 of the outputs' shape, finite, clipped.
    pub gradients: Tensor,
}

/// What tensors this axon takes: as much as the largest request that its synapses allow, and at most `max_bytes`, which is
/// also the limit where a free axis allows any size.
pub fn limits(specs: &[SynapseSpec], config: &NucleusConfig, max_bytes: usize) -> Limits {
    let rows = usize::try_from(config.max_request_rows).unwrap_or(usize::MAX);
    let largest = specs.iter().try_fold(0, |largest: usize, spec| {
        let row = spec.max_row_bytes()?.max(spec.gradient_row_bytes()?);
        Some(largest.max(row.saturating_mul(rows)))
    });
    let max_bytes = largest.map_or(max_bytes, |largest| largest.min(max_bytes));
    Limits {
        max_rank: MAX_RANK,
        max_elements: max_bytes,
        max_bytes,
    }
}

/// Which entry point is meant, which is all that has to be known before asking whether the caller may use it.
///
/// # Errors
///
/// None is named, or one of another version.
pub fn read_modality(modality: i32) -> Result<Modality, Refusal> {
    Modality::try_from(modality)
        .map_err(|error| Refusal::new(Code::InvalidRequest, error.to_string()))
}

/// Reads a forward request.
///
/// # Errors
///
/// What is missing, unknown, malformed or too large.
pub fn read_forward(message: v1::ForwardRequest, limits: &Limits) -> Result<Forward, Refusal> {
    Ok(Forward {
        modality: read_modality(message.modality)?,
        tokenizer: read_tokenizer(&message.tokenizer)?,
        wanted: read_wanted(message.output, message.n_likeliest)?,
        reply: read_precision(message.reply)?,
        inputs: read_tensor(message.inputs, "inputs", limits)?,
    })
}

/// Reads a backward request, and scales its gradients down to an L2 norm of `max_norm` if they have more.
///
/// # Errors
///
/// What is missing, unknown, malformed, too large, not what the synapse takes, or not finite.
pub fn read_backward(
    message: v1::BackwardRequest,
    specs: &[SynapseSpec],
    config: &NucleusConfig,
    limits: &Limits,
    max_norm: f32,
) -> Result<Backward, Refusal> {
    let modality = read_modality(message.modality)?;
    let spec = specs
        .iter()
        .find(|spec| spec.modality == modality && spec.accepts_gradients)
        .ok_or_else(|| {
            let message = format!("no synapse for {modality} takes gradients here");
            Refusal::new(Code::NotImplemented, message)
        })?;
    spec.check_tokenizer(read_tokenizer(&message.tokenizer)?)?;
    let inputs = read_tensor(message.inputs, "inputs", limits)?;
    spec.check_inputs(&inputs, config.max_request_rows)?;
    let gradients = read_tensor(message.gradients, "gradients", limits)?;
    spec.check_gradients(&gradients, &inputs)?;
    let gradients = clip(gradients, max_norm)?;
    Ok(Backward {
        modality,
        inputs,
        gradients,
    })
}

fn read_tensor(
    message: Option<v1::Tensor>,
    name: &str,
    limits: &Limits,
) -> Result<Tensor, Refusal> {
    let message = message.ok_or_else(|| {
        Refusal::new(
            Code::EmptyRequest,
            format!("expected a tensor of {name}, got none"),
        )
    })?;
    Tensor::decode(message, limits)
        .map_err(|error| Refusal::new(error.request_code(), format!("{name}: {error}")))
}

fn read_tokenizer(field: &[u8]) -> Result<Option<Fingerprint>, Refusal> {
    Fingerprint::read(field).map_err(|error| Refusal::new(Code::InvalidRequest, error.to_string()))
}

fn read_wanted(output: i32, n_likeliest: u32) -> Result<Wanted, Refusal> {
    Wanted::read(output, n_likeliest)
        .map_err(|error| Refusal::new(Code::InvalidRequest, error.to_string()))
}

fn read_precision(number: i32) -> Result<DType, Refusal> {
    match v1::DataType::try_from(number) {
        Ok(v1::DataType::Unspecified | v1::DataType::F32) => Ok(DType::F32),
        Ok(v1::DataType::F16) => Ok(DType::F16),
        Ok(v1::DataType::Bf16) => Ok(DType::BF16),
        _ => {
            let message = format!("expected a reply in F32, F16 or BF16, got data type {number}");
            Err(Refusal::new(Code::InvalidRequest, message))
        }
    }
}

/// As F32, with an L2 norm of at most `max_norm`.
fn clip(gradients: Tensor, max_norm: f32) -> Result<Tensor, Refusal> {
    let refuse = |error: TensorError| Refusal::new(error.request_code(), error.to_string());
    let mut values = gradients.to_f32().map_err(refuse)?;
    // In f64, where no sum of squares of f32 overflows.
    let norm = values
        .iter()
        .map(|&value| f64::from(value).powi(2))
        .sum::<f64>()
        .sqrt();
    let max_norm = f64::from(max_norm);
    if !norm.is_finite() {
        let message = "expected finite gradients, got some that are infinite or NaN";
        return Err(Refusal::new(Code::InvalidRequest, message));
    }
    if norm > max_norm {
        let scale = max_norm / norm;
        for value in &mut values {
            #[expect(clippy::cast_possible_truncation, reason = "at most the value it was")]
            let scaled = (f64::from(*value) * scale) as f32;
            *value = scaled;
        }
    }
    Tensor::from_f32_vec(gradients.shape(), values).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> SynapseSpec {
        SynapseSpec {
            modality: Modality::Tensor,
            input_dtypes: vec![DType::F32],
            input_shape: vec![4],
            output_shape: vec![2],
            prediction_shape: None,
            tokenizer: None,
            accepts_gradients: true,
        }
    }

    fn backward(inputs: &Tensor, gradients: &Tensor) -> Result<Backward, Refusal> {
        let config = NucleusConfig::default();
        let message = v1::BackwardRequest {
            modality: Modality::Tensor.into(),
            inputs: Some(inputs.clone().encode()),
            gradients: Some(gradients.clone().encode()),
            ..Default::default()
        };
        read_backward(
            message,
            &[spec()],
            &config,
            &limits(&[spec()], &config, 1 << 20),
            5.0,
        )
    }

    fn inputs() -> Tensor {
        Tensor::from_f32(&[1, 4], &[0.0; 4]).unwrap()
    }

    #[test]
    fn limits_are_the_largest_request_that_synapses_allow() {
        let config = NucleusConfig {
            max_request_rows: 64,
            ..NucleusConfig::default()
        };
        // 64 rows × 4 elements × 4 bytes.
        assert_eq!(limits(&[spec()], &config, 1 << 20).max_bytes, 1024);
        assert_eq!(limits(&[spec()], &config, 1000).max_bytes, 1000);
        let free = SynapseSpec {
            input_shape: vec![0],
            ..spec()
        };
        assert_eq!(limits(&[spec(), free], &config, 1 << 20).max_bytes, 1 << 20);
    }

    #[test]
    fn a_reply_is_wanted_in_a_float_or_as_computed() {
        assert_eq!(read_precision(0).unwrap(), DType::F32);
        for dtype in DType::ALL {
            let read = read_precision(v1::DataType::from(dtype).into()).ok();
            assert_eq!(read, Some(dtype).filter(|dtype| dtype.is_float()));
        }
        assert_eq!(read_precision(77).unwrap_err().code, Code::InvalidRequest);
    }

    #[test]
    fn what_no_version_or_no_encoding_has_is_refused() {
        assert_eq!(read_wanted(0, 0).unwrap(), Wanted::Encoding);
        for (output, n_likeliest) in [(77, 0), (77, 3), (0, 3), (1, 1)] {
            let refusal = read_wanted(output, n_likeliest).unwrap_err();
            assert_eq!(refusal.code, Code::InvalidRequest);
        }
    }

    #[test]
    fn a_tokeniser_is_32_bytes_or_nothing() {
        assert_eq!(read_tokenizer(&[]), Ok(None));
        assert_eq!(read_tokenizer(&[7; 32]), Ok(Some(Fingerprint([7; 32]))));
        let error = read_tokenizer(&[7; 31]).unwrap_err();
        assert_eq!(error.code, Code::InvalidRequest);
    }

    #[test]
    fn gradients_of_another_tokenisers_ids_are_refused() {
        let spec = SynapseSpec {
            tokenizer: Some(Fingerprint([7; 32])),
            ..spec()
        };
        let config = NucleusConfig::default();
        let read = |tokenizer| {
            let message = v1::BackwardRequest {
                modality: Modality::Tensor.into(),
                inputs: Some(inputs().encode()),
                gradients: Some(Tensor::from_f32(&[1, 2], &[3.0, 4.0]).unwrap().encode()),
                tokenizer: Fingerprint::write(tokenizer),
            };
            let specs = std::slice::from_ref(&spec);
            read_backward(message, specs, &config, &Limits::default(), 5.0).map(|_| ())
        };
        assert_eq!(read(spec.tokenizer), Ok(()));
        for other in [None, Some(Fingerprint([8; 32]))] {
            assert_eq!(read(other).unwrap_err().code, Code::TokenizerMismatch);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let limits = Limits::default();
        let request = |modality| v1::ForwardRequest {
            modality,
            inputs: None,
            ..Default::default()
        };
        assert_eq!(
            read_forward(request(0), &limits).unwrap_err().code,
            Code::InvalidRequest
        );
        let error = read_forward(request(Modality::Text.into()), &limits).unwrap_err();
        assert_eq!(error.code, Code::EmptyRequest);
        assert_eq!(error.message, "expected a tensor of inputs, got none");
    }

    #[test]
    fn gradients_keep_their_direction_and_lose_their_excess() {
        // Norms 5 and 50: 3² + 4² = 5².
        let small = Tensor::from_f32(&[1, 2], &[3.0, 4.0]).unwrap();
        assert_eq!(
            backward(&inputs(), &small)
                .unwrap()
                .gradients
                .to_f32()
                .unwrap(),
            [3.0, 4.0]
        );
        let large = Tensor::from_f32(&[1, 2], &[30.0, 40.0]).unwrap();
        assert_eq!(
            backward(&inputs(), &large)
                .unwrap()
                .gradients
                .to_f32()
                .unwrap(),
            [3.0, 4.0]
        );
        let huge = Tensor::from_f32(&[1, 2], &[f32::MAX, f32::MAX]).unwrap();
        let clipped = backward(&inputs(), &huge)
            .unwrap()
            .gradients
            .to_f32()
            .unwrap();
        assert!(
            clipped
                .iter()
                .all(|value| (value - 12.5_f32.sqrt()).abs() < 1e-5),
            "{clipped:?}"
        );
        let half = small.cast(DType::F16).unwrap();
        assert_eq!(
            backward(&inputs(), &half).unwrap().gradients.dtype(),
            DType::F32
        );
    }

    #[test]
    fn gradients_that_no_answer_could_have_are_refused() {
        for (shape, values, code) in [
            (&[1, 2][..], &[f32::NAN, 0.0][..], Code::InvalidRequest),
            (&[1, 2], &[f32::INFINITY, 0.0], Code::InvalidRequest),
            (&[1, 3], &[0.0; 3], Code::RequestShapeException),
            (&[2, 2], &[0.0; 4], Code::RequestShapeException),
            (&[], &[0.0], Code::RequestShapeException),
        ] {
            let gradients = Tensor::from_f32(shape, values).unwrap();
            assert_eq!(
                backward(&inputs(), &gradients).unwrap_err().code,
                code,
                "{shape:?}"
            );
        }
        let integers = Tensor::from_i64(&[1, 2], &[0, 0]).unwrap();
        let error = backward(&inputs(), &integers).unwrap_err();
        assert_eq!(error.code, Code::RequestShapeException);
    }
}
