//! Bytes, as a caller may send them, on the path of a request: protobuf, tensor, limits, synapse, queue. What is admitted
//! is what the synapse declares, and what is handed to the trainer is finite and clipped.

#![no_main]

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use libfuzzer_sys::fuzz_target;
use neuron_peer::{
    axon::request::{limits, read_backward, read_forward},
    nucleus::{JoinGuard, Model, ModelError, Nucleus, NucleusConfig, Request, SynapseSpec},
};
use neuron_proto::{DType, Limits, Modality, Tensor, v1};
use prost::Message;

const MAX_BYTES: usize = 1 << 16;
const MAX_NORM: f32 = 2.0;

/// An image of three by three and anything by two, so that short inputs reach far.
struct Echo;

impl Model for Echo {
    fn synapses(&self) -> Vec<SynapseSpec> {
        let spec = |modality, input_shape: &[u32]| SynapseSpec {
            modality,
            input_dtypes: vec![DType::F32, DType::U8],
            input_shape: input_shape.to_vec(),
            output_shape: vec![2],
            prediction_shape: Some(vec![2]),
            tokenizer: None,
            accepts_gradients: true,
        };
        vec![
            spec(Modality::Image, &[3, 3]),
            spec(Modality::Tensor, &[0, 2]),
        ]
    }

    fn predict(&mut self, modality: Modality, inputs: &Tensor) -> Result<Tensor, ModelError> {
        self.forward(modality, inputs)
    }

    fn forward(&mut self, modality: Modality, inputs: &Tensor) -> Result<Tensor, ModelError> {
        let row = inputs.row_shape();
        assert!(match modality {
            Modality::Image => row == [3, 3],
            Modality::Tensor => row.len() == 2 && row[1] == 2,
            Modality::Text => false,
        });
        assert!(inputs.is_finite());
        let rows = inputs.rows();
        Ok(Tensor::from_f32_vec(&[rows, 2], vec![0.0; 2 * rows as usize]).unwrap())
    }
}

static NUCLEUS: LazyLock<(Nucleus, JoinGuard)> =
    LazyLock::new(|| Nucleus::start(Box::new(Echo), NucleusConfig::default()).unwrap());

fn forward(message: v1::ForwardRequest, limits: &Limits) {
    let Ok(read) = read_forward(message, limits) else {
        return;
    };
    assert!(read.inputs.n_bytes() <= limits.max_bytes);
    assert!(read.reply.is_float());
    let rows = read.inputs.rows();
    let ticket = NUCLEUS.0.submit(Request {
        modality: read.modality,
        tokenizer: read.tokenizer,
        wanted: read.wanted,
        inputs: read.inputs,
        priority: 0,
        deadline: Instant::now() + Duration::from_secs(1),
    });
    if ticket.is_ok() {
        assert!((1..=NUCLEUS.0.config().max_request_rows).contains(&rows));
    }
}

fn backward(message: v1::BackwardRequest, limits: &Limits) {
    let (specs, config) = (NUCLEUS.0.synapses(), NUCLEUS.0.config());
    let Ok(read) = read_backward(message, specs, config, limits, MAX_NORM) else {
        return;
    };
    assert_eq!(read.gradients.shape(), [read.inputs.rows(), 2]);
    let values = read.gradients.to_f32().unwrap();
    let norm = values
        .iter()
        .map(|&value| f64::from(value).powi(2))
        .sum::<f64>()
        .sqrt();
    assert!(norm <= f64::from(MAX_NORM) * 1.001, "{norm}");
}

fuzz_target!(|bytes: &[u8]| {
    let limits = limits(NUCLEUS.0.synapses(), NUCLEUS.0.config(), MAX_BYTES);
    if let Ok(message) = v1::ForwardRequest::decode(bytes) {
        forward(message, &limits);
    }
    if let Ok(message) = v1::BackwardRequest::decode(bytes) {
        backward(message, &limits);
    }
});
