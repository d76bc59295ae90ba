//! The thread that owns the model.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use neuron_proto::{Code, Modality, Output, Tensor};

use super::{
    Model, ModelError, Refusal, Reply, SynapseSpec,
    queue::Batch,
    request::Pending,
    shared::{Shared, Step},
};

/// The model and those it answers.
pub(super) struct Worker {
    model: Box<dyn Model>,
    specs: Arc<[SynapseSpec]>,
    shared: Arc<Shared>,
}

/// Answers what is left when the thread ends, even if a fault of ours ends it.
struct AnswerWhatIsLeft(Arc<Shared>);

impl Drop for AnswerWhatIsLeft {
    fn drop(&mut self) {
        for pending in self.0.abort() {
            let refusal = Refusal::new(Code::NotServingNucleus, "the nucleus has ended");
            pending.answer(Err(refusal), &self.0.metrics);
        }
    }
}

/// What the model took, and what it gave.
struct Computed {
    outputs: Result<Tensor, Refusal>,
    compute: Duration,
}

impl Worker {
    pub(super) fn new(
        model: Box<dyn Model>,
        specs: Arc<[SynapseSpec]>,
        shared: Arc<Shared>,
    ) -> Worker {
        Worker {
            model,
            specs,
            shared,
        }
    }

    /// Answers until the nucleus is stopped and nothing waits.
    pub(super) fn run(mut self) {
        let _on_end = AnswerWhatIsLeft(Arc::clone(&self.shared));
        loop {
            match self.shared.next_step() {
                Step::Run(batch) => self.answer(batch),
                Step::Expire(expired) => self.shared.expire(expired),
                Step::Swap(model) => self.swap(model),
                Step::End => return,
            }
        }
    }

    fn swap(&mut self, model: Box<dyn Model>) {
        let former = std::mem::replace(&mut self.model, model);
        self.shared.metrics.swaps.inc();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(former))) {
            tracing::error!(
                panic = text_of(&*panic),
                "the former model panicked while it was dropped"
            );
        }
    }

    fn answer(
        &mut self,
        Batch {
            mut requests,
            closed,
        }: Batch,
    ) {
        self.drop_unwanted(&mut requests);
        let Some(first) = requests.first() else {
            return;
        };
        let (modality, output) = (first.modality, first.output);
        let rows: u32 = requests.iter().map(|pending| pending.inputs.rows()).sum();
        let started = Instant::now();
        let inputs: Vec<Tensor> = requests
            .iter()
            .map(|pending| pending.inputs.clone())
            .collect();
        let Computed { outputs, compute } = match Tensor::concat_rows(&inputs) {
            Ok(inputs) => self.compute(modality, output, &inputs),
            Err(error) => Computed {
                outputs: Err(Refusal::new(error.request_code(), error.to_string())),
                compute: Duration::ZERO,
            },
        };
        self.shared.metrics.batch(rows, compute, closed);
        tracing::trace!(%modality, %output, rows, requests = requests.len(), ?closed, ?compute, "ran a batch");
        match outputs {
            Ok(outputs) => self.share_out(requests, &outputs, started, compute),
            Err(refusal) if requests.len() == 1 => self.refuse(requests, &refusal),
            Err(refusal) => {
                tracing::warn!(
                    %modality, rows, requests = requests.len(), %refusal,
                    "a batch failed; asking again for each of its requests alone"
                );
                self.shared.metrics.retried_batches.inc();
                self.answer_each_alone(requests);
            }
        }
    }

    fn answer_each_alone(&mut self, requests: Vec<Pending>) {
        for pending in requests {
            let mut alone = vec![pending];
            self.drop_unwanted(&mut alone);
            let Some(pending) = alone.first() else {
                continue;
            };
            let started = Instant::now();
            let (modality, output) = (pending.modality, pending.output);
            let inputs = pending.inputs.clone();
            let Computed { outputs, compute } = self.compute(modality, output, &inputs);
            match outputs {
                Ok(outputs) => self.share_out(alone, &outputs, started, compute),
                Err(refusal) => self.refuse(alone, &refusal),
            }
        }
    }

    /// Drops what was abandoned and answers what expired, so that neither reaches the model.
    fn drop_unwanted(&self, requests: &mut Vec<Pending>) {
        let now = Instant::now();
        for pending in std::mem::take(requests) {
            if !pending.is_wanted() {
                self.shared.metrics.abandoned.inc();
            } else if pending.deadline <= now {
                pending.refuse_as_expired(&self.shared.metrics);
            } else {
                requests.push(pending);
            }
        }
    }

    /// Runs the model and checks what it gives; its panic is an outcome like another.
    fn compute(&mut self, modality: Modality, output: Output, inputs: &Tensor) -> Computed {
        let started = Instant::now();
        let model = &mut self.model;
        let result = catch_unwind(AssertUnwindSafe(|| match output {
            Output::Encoding => model.forward(modality, inputs),
            Output::Prediction => model.predict(modality, inputs),
            Output::Target => model.target(modality, inputs),
        }));
        let compute = started.elapsed();
        let outputs = match result {
            Ok(Ok(outputs)) => self.check(modality, output, inputs, outputs),
            Ok(Err(error @ ModelError::Failed(_))) => {
                tracing::error!(%modality, %output, "{error}");
                Err(failed())
            }
            // About the request, which is the caller's own: no other is asked together with one that fails.
            Ok(Err(error)) => Err(Refusal::new(error.code(), error.to_string())),
            Err(panic) => {
                self.shared.metrics.panics.inc();
                tracing::error!(%modality, %output, panic = text_of(&*panic), "the model panicked");
                Err(failed())
            }
        };
        if outputs.is_ok() {
            self.shared.ran(inputs.rows(), compute);
        }
        Computed { outputs, compute }
    }

    fn check(
        &self,
        modality: Modality,
        output: Output,
        inputs: &Tensor,
        outputs: Tensor,
    ) -> Result<Tensor, Refusal> {
        let spec = self.specs.iter().find(|spec| spec.modality == modality);
        spec.map_or(Ok(()), |spec| spec.check_outputs(output, &outputs, inputs))
            .map(|()| outputs)
    }

    /// Gives each request its rows of the outputs.
    fn share_out(
        &self,
        requests: Vec<Pending>,
        outputs: &Tensor,
        started: Instant,
        compute: Duration,
    ) {
        let mut from = 0;
        for pending in requests {
            let to = from + pending.inputs.rows();
            let queue = started.saturating_duration_since(pending.arrived);
            self.shared
                .metrics
                .queue_seconds
                .observe(queue.as_secs_f64());
            let batch_rows = outputs.rows();
            let answer = outputs
                .slice_rows(from..to)
                .map(|outputs| Reply {
                    outputs,
                    queue,
                    compute,
                    batch_rows,
                })
                .map_err(|error| Refusal::new(error.response_code(), error.to_string()));
            pending.answer(answer, &self.shared.metrics);
            from = to;
        }
    }

    fn refuse(&self, requests: Vec<Pending>, refusal: &Refusal) {
        for pending in requests {
            pending.answer(Err(refusal.clone()), &self.shared.metrics);
        }
    }
}

/// All that callers learn of a fault of the model: what it says of itself may hold paths, addresses, anything.
fn failed() -> Refusal {
    Refusal::new(Code::UnknownException, "the model failed")
}

/// What a panic said, if it said something.
fn text_of(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "without a message"
    }
}
