//! The three methods of `neuron.v1.Axon`, for callers that were admitted.
//!
//! Each reads its message, asks whether the caller's stake suffices, and hands over to the nucleus or to the trainer.
//! Nothing here waits for the model except a forward that the nucleus took.

use std::time::{Duration, Instant};

use neuron_proto::{Code, Fingerprint, Limits, PROTOCOL_VERSION, Tensor, v1};
use neuron_wallet::PublicKey;
use prost::Message as _;
use tonic::{Request, Response, Status};

use super::{
    admission::{Admission, Admitted},
    gradients::{Gradient, GradientSender},
    memory::Prepaid,
    metrics::AxonMetrics,
    request::{Forward, read_backward, read_forward, read_modality},
};
use crate::nucleus::{self, Nucleus, Refusal, Reply, SynapseSpec};

/// Bytes of an answer's message beside its outputs and classes, rounded up: code, shapes, timing, and the prefixes of all of
/// them.
const ANSWER_ENVELOPE: usize = 256;

/// What the connection knows of a request, and puts into its extensions.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) caller: Admitted,
    pub(super) deadline: Instant,
    /// From what the answer is paid.
    pub(super) answer: Prepaid,
}

/// What answers.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) hotkey: PublicKey,
    pub(super) admission: std::sync::Arc<Admission>,
    pub(super) nucleus: Nucleus,
    pub(super) gradients: Option<GradientSender>,
    pub(super) limits: Limits,
    pub(super) max_gradient_norm: f32,
    pub(super) metrics: AxonMetrics,
}

impl Service {
    async fn run(
        &self,
        context: Context,
        message: v1::ForwardRequest,
    ) -> Result<v1::ForwardResponse, Refusal> {
        self.admission
            .check_stake(&context.caller, read_modality(message.modality)?)?;
        let Forward {
            modality,
            tokenizer,
            wanted,
            inputs,
            reply,
        } = read_forward(message, &self.limits)?;
        let checked = self.nucleus.check(nucleus::Request {
            modality,
            tokenizer,
            wanted,
            inputs,
            priority: context.caller.stake,
            deadline: context.deadline,
        })?;
        context.answer.pay(answer_bytes(checked.answer_bytes()))?;
        let ticket = self.nucleus.queue(checked)?;
        let Reply {
            outputs,
            classes,
            queue,
            compute,
            batch_rows,
        } = ticket.await?;
        let outputs = outputs.cast(reply).map_err(|error| {
            Refusal::new(Code::ResponseSerializationException, error.to_string())
        })?;
        Ok(v1::ForwardResponse {
            code: Code::Success.into(),
            message: String::new(),
            outputs: Some(outputs.encode()),
            timing: Some(v1::Timing {
                queue_us: micros(queue),
                compute_us: micros(compute),
                batch_rows,
            }),
            classes: classes.map(Tensor::encode),
        })
    }

    fn queue_gradients(
        &self,
        context: Context,
        message: v1::BackwardRequest,
    ) -> Result<v1::BackwardResponse, Refusal> {
        self.admission
            .check_stake(&context.caller, read_modality(message.modality)?)?;
        let gradients = self.gradients.as_ref().ok_or_else(|| {
            Refusal::new(
                Code::NotImplemented,
                "this axon takes no gradients from peers",
            )
        })?;
        let (specs, config) = (self.nucleus.synapses(), self.nucleus.config());
        let n_bytes = message.encoded_len();
        let read = read_backward(message, specs, config, &self.limits, self.max_gradient_norm)?;
        let gradient = Gradient {
            from: context.caller.hotkey,
            modality: read.modality,
            inputs: read.inputs,
            gradients: read.gradients,
        };
        gradients.send(gradient, n_bytes, &self.metrics)?;
        Ok(v1::BackwardResponse {
            code: Code::Success.into(),
            message: String::new(),
        })
    }

    fn description(&self) -> v1::DescribeResponse {
        let config = self.nucleus.config();
        let queue = u32::try_from(config.max_queue_requests).unwrap_or(u32::MAX);
        v1::DescribeResponse {
            protocol_version: PROTOCOL_VERSION,
            software_version: env!("CARGO_PKG_VERSION").to_owned(),
            hotkey: self.hotkey.0.to_vec().into(),
            synapses: self
                .nucleus
                .synapses()
                .iter()
                .map(|spec| self.synapse(spec))
                .collect(),
            limits: Some(v1::Limits {
                max_bytes: self.limits.max_bytes as u64,
                max_rows: config.max_request_rows,
                max_batch_rows: config.max_batch_rows,
                queue_requests: queue,
            }),
        }
    }

    fn synapse(&self, spec: &SynapseSpec) -> v1::SynapseDescription {
        v1::SynapseDescription {
            modality: spec.modality.into(),
            input_dtypes: spec
                .input_dtypes
                .iter()
                .map(|&dtype| dtype.into())
                .collect(),
            input_shape: spec.input_shape.clone(),
            output_shape: spec.output_shape.clone(),
            accepts_gradients: spec.accepts_gradients && self.gradients.is_some(),
            min_stake: self.admission.min_stake(spec.modality),
            prediction_shape: spec.prediction_shape.clone().unwrap_or_default(),
            tokenizer: Fingerprint::write(spec.tokenizer),
        }
    }
}

#[tonic::async_trait]
impl v1::axon_server::Axon for Service {
    async fn describe(
        &self,
        _: Request<v1::DescribeRequest>,
    ) -> Result<Response<v1::DescribeResponse>, Status> {
        Ok(Response::new(self.description()))
    }

    async fn forward(
        &self,
        request: Request<v1::ForwardRequest>,
    ) -> Result<Response<v1::ForwardResponse>, Status> {
        let context = context(&request)?;
        Ok(self
            .run(context, request.into_inner())
            .await
            .map(Response::new)?)
    }

    async fn backward(
        &self,
        request: Request<v1::BackwardRequest>,
    ) -> Result<Response<v1::BackwardResponse>, Status> {
        let context = context(&request)?;
        Ok(self
            .queue_gradients(context, request.into_inner())
            .map(Response::new)?)
    }
}

/// Without it, nobody was admitted.
fn context<T>(request: &Request<T>) -> Result<Context, Refusal> {
    request.extensions().get().cloned().ok_or_else(|| {
        Refusal::new(
            Code::Unauthenticated,
            "nobody was admitted, which is a fault in this axon",
        )
    })
}

/// Bytes of the message of an answer whose outputs have so many.
pub(super) fn answer_bytes(outputs: usize) -> usize {
    outputs.saturating_add(ANSWER_ENVELOPE)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
