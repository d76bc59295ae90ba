//! The thread that owns the model.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use neuron_proto::{Code, Modality, Output, Tensor, TensorError, Wanted};

use super::{
    Model, ModelError, Refusal, Reply, SynapseSpec,
    model::Given,
    queue::Batch,
    request::Pending,
    shared::{Shared, Step},
};

/// The model and those it answers.
pub(super) struct Worker {
    model: Box<dyn Model>,
    specs: Arc<[SynapseSpec]>,
    /// Bytes of whole distributions that there may be at once where the likeliest classes are told.
    max_distributions: usize,
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
    given: Result<Given, Refusal>,
    compute: Duration,
}

impl Worker {
    pub(super) fn new(
        model: Box<dyn Model>,
        specs: Arc<[SynapseSpec]>,
        max_distributions: usize,
        shared: Arc<Shared>,
    ) -> Worker {
        Worker {
            model,
            specs,
            max_distributions,
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
        let (modality, wanted) = (first.modality, first.wanted);
        let rows: u32 = requests.iter().map(|pending| pending.inputs.rows()).sum();
        let started = Instant::now();
        let inputs: Vec<Tensor> = requests
            .iter()
            .map(|pending| pending.inputs.clone())
            .collect();
        let Computed { given, compute } = match Tensor::concat_rows(&inputs) {
            Ok(inputs) => self.compute(modality, wanted, &inputs),
            Err(error) => Computed {
                given: Err(Refusal::new(error.request_code(), error.to_string())),
                compute: Duration::ZERO,
            },
        };
        self.shared.metrics.batch(rows, compute, closed);
        tracing::trace!(%modality, %wanted, rows, requests = requests.len(), ?closed, ?compute, "ran a batch");
        match given {
            Ok(given) => self.share_out(requests, &given, started, compute),
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
            let (modality, wanted) = (pending.modality, pending.wanted);
            let inputs = pending.inputs.clone();
            let Computed { given, compute } = self.compute(modality, wanted, &inputs);
            match given {
                Ok(given) => self.share_out(alone, &given, started, compute),
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
    fn compute(&mut self, modality: Modality, wanted: Wanted, inputs: &Tensor) -> Computed {
        let started = Instant::now();
        let (model, max_bytes) = (&mut self.model, self.max_distributions);
        let result = catch_unwind(AssertUnwindSafe(|| {
            let output = wanted.output();
            if let Some(n) = wanted.n_likeliest() {
                let likeliest = model.likeliest(modality, output, n, inputs, max_bytes);
                return likeliest.map(Given::Likeliest);
            }
            let outputs = match output {
                Output::Encoding => model.forward(modality, inputs),
                Output::Prediction => model.predict(modality, inputs),
                Output::Target => model.target(modality, inputs),
            };
            outputs.map(Given::Whole)
        }));
        let compute = started.elapsed();
        let given = match result {
            Ok(Ok(given)) => self.check(modality, wanted, inputs, given),
            Ok(Err(error @ ModelError::Failed(_))) => {
                tracing::error!(%modality, %wanted, "{error}");
                Err(failed())
            }
            // About the request, which is the caller's own: no other is asked together with one that fails.
            Ok(Err(error)) => Err(Refusal::new(error.code(), error.to_string())),
            Err(panic) => {
                self.shared.metrics.panics.inc();
                tracing::error!(%modality, %wanted, panic = text_of(&*panic), "the model panicked");
                Err(failed())
            }
        };
        if given.is_ok() {
            self.shared.ran(inputs.rows(), compute);
        }
        Computed { given, compute }
    }

    fn check(
        &self,
        modality: Modality,
        wanted: Wanted,
        inputs: &Tensor,
        given: Given,
    ) -> Result<Given, Refusal> {
        let spec = self.specs.iter().find(|spec| spec.modality == modality);
        spec.map_or(Ok(()), |spec| spec.check_given(wanted, &given, inputs))
            .map(|()| given)
    }

    /// Gives each request its rows of what the model gave.
    fn share_out(
        &self,
        requests: Vec<Pending>,
        given: &Given,
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
            let reply = || -> Result<Reply, TensorError> {
                let of_request = |tensor: &Tensor| tensor.slice_rows(from..to);
                Ok(Reply {
                    outputs: of_request(given.outputs())?,
                    classes: given.classes().map(of_request).transpose()?,
                    queue,
                    compute,
                    batch_rows: given.outputs().rows(),
                })
            };
            let answer =
                reply().map_err(|error| Refusal::new(error.response_code(), error.to_string()));
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
