//! The nucleus: one thread that owns the served model, fed by a bounded queue, forming batches across callers.
//!
//! ```text
//! axon ── submit ──► check against SynapseSpec ──► queue ──► batch ──► model ──► a Reply for each Ticket
//!                       │ refused at once            │ full: refused at once
//! ```
//!
//! # Promises
//!
//! * **One answer.** Every admitted request gets exactly one answer, whatever the model does: it may panic, fail, or
//!   give another number of rows than it was given. The thread goes on.
//! * **No poison.** A request is held against the declared shape and type before it is queued. Should a batch fail all
//!   the same, each of its requests is asked alone, and only those that fail alone are refused.
//! * **No work for nobody.** What expired or was abandoned in the queue never reaches the model.
//! * **No secrets.** What a model says of itself when it fails or panics is for the log; callers learn that it did.
//! * **No waiting for a place.** The queue is bounded by requests and by the bytes of inputs and of the answers that they
//!   ask for. Beyond, a request is refused at once, with an estimate of when to try again.
//! * **No endless answers.** How long an answer will be is known before its request is queued, and bounded by
//!   [`NucleusConfig::max_answer_bytes`]: a few token ids may ask for gigabytes of distributions over a vocabulary. Where only
//!   their likeliest classes are asked for, no more of the distributions than that are there at once.
//! * **Stake first, nobody last for ever.** The order below.
//! * **No half update.** A new model takes its place between two batches.
//!
//! A batch that runs is not interrupted: what it takes is bounded by [`NucleusConfig::max_batch_rows`] and
//! [`NucleusConfig::max_batch_bytes`], or by one request with its answer if that is more.
//!
//! # Order
//!
//! A batch holds requests of one modality that want the same, of one input type and row shape. Its requests are ready once there are enough
//! for a full batch, or one has waited [`NucleusConfig::max_wait`] or half of the time until its deadline. It is led by one request of all that are ready
//! and filled up with others like it: by the caller's stake, highest first, and among equals by arrival, with this rule
//! of ageing. **Every fourth batch is led by the oldest request of all that are ready**, and every fourth place in a batch
//! goes to the oldest of its kind. So a request that is ready, with m older ones before it, is in one of the next 4 ·
//! (m + 1) batches, whatever stakes arrive meanwhile; and three quarters of what the model does still goes by stake.
//!
//! # Displacement
//!
//! In a full queue, a newcomer takes the place of the youngest request of the lowest stake, if that is lower than its
//! own and makes enough room; who is displaced is refused like who finds the queue full. **Every fourth admitted
//! request is sheltered** from this. So a flood of requests without stake locks nobody out, and who has none but asks
//! again and again gets a place that nobody takes away.

mod config;
mod metrics;
mod model;
mod queue;
mod request;
mod shared;
mod spec;
#[cfg(test)]
mod tests;
mod worker;

use std::{fmt, sync::Arc, thread};

use neuron_proto::{Code, Modality};
use tokio_util::sync::CancellationToken;

pub use self::{
    config::{NucleusConfig, NucleusError},
    metrics::Metrics,
    model::{Model, ModelError},
    request::{Checked, Refusal, Reply, Request, Ticket},
    spec::SynapseSpec,
};
use self::{shared::Shared, worker::Worker};

/// What waits in a nucleus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Requests.
    pub requests: usize,
    /// Their rows.
    pub rows: u64,
    /// Bytes of their inputs and of the answers that they ask for.
    pub bytes: usize,
}

/// A handle on the thread that owns the model. Clones are handles on the same one.
#[derive(Clone)]
pub struct Nucleus {
    config: NucleusConfig,
    specs: Arc<[SynapseSpec]>,
    shared: Arc<Shared>,
}

impl Nucleus {
    /// Starts the thread that owns this model. It runs until the guard is dropped.
    ///
    /// # Errors
    ///
    /// The configuration contradicts itself or what the model serves; the error says which numbers do, and how to mend
    /// it.
    pub fn start(
        model: Box<dyn Model>,
        config: NucleusConfig,
    ) -> Result<(Nucleus, JoinGuard), NucleusError> {
        let specs: Arc<[SynapseSpec]> = model.synapses().into();
        config.check(&specs)?;
        let shared = Arc::new(Shared::new(config.clone()));
        let worker = Worker::new(
            model,
            Arc::clone(&specs),
            config.max_answer_bytes,
            Arc::clone(&shared),
        );
        let thread = thread::Builder::new()
            .name("nucleus".to_owned())
            .spawn(|| worker.run())
            .map_err(|error| NucleusError::Thread(error.to_string()))?;
        let guard = JoinGuard {
            shared: Arc::clone(&shared),
            thread: Some(thread),
        };
        Ok((
            Nucleus {
                config,
                specs,
                shared,
            },
            guard,
        ))
    }

    /// Queues a request, or refuses it at once: this never waits, neither for a place nor for the model.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Self::check) and of [`queue`](Self::queue).
    pub fn submit(&self, request: Request) -> Result<Ticket, Refusal> {
        self.queue(self.check(request)?)
    }

    /// Holds a request against what the model serves: after this, it is known how long its answer will be.
    ///
    /// # Errors
    ///
    /// * `NotImplemented`: no such synapse, or it has no such output.
    /// * `TokenizerMismatch`: token ids of another tokeniser.
    /// * `RequestShapeException`, `EmptyRequest`, `InvalidRequest`: not what the synapse takes, or its answer would be too
    ///   long, or of more classes than there are.
    pub fn check(&self, request: Request) -> Result<Checked, Refusal> {
        let checked = self.answer_bytes(&request).map(|answer_bytes| Checked {
            request,
            answer_bytes,
        });
        checked.inspect_err(|refusal| self.shared.metrics.count(refusal.code))
    }

    /// Queues a request that this nucleus has checked, or refuses it at once.
    ///
    /// # Errors
    ///
    /// * `NucleusTimeout`: the deadline has passed.
    /// * `NucleusFull`: no place, with the time after which there may be one.
    /// * `NotServingNucleus`: the nucleus is stopping.
    pub fn queue(&self, checked: Checked) -> Result<Ticket, Refusal> {
        let admitted = self.shared.submit(checked);
        admitted.inspect_err(|refusal| self.shared.metrics.count(refusal.code))
    }

    /// Hands over a newly trained model. The next batch is run by it, or by one that is handed over later still.
    ///
    /// # Errors
    ///
    /// Its synapses are others than those of the model before, which peers were told about.
    pub fn swap(&self, model: Box<dyn Model>) -> Result<(), NucleusError> {
        let actual = model.synapses();
        if actual[..] != self.specs[..] {
            return Err(NucleusError::OtherSynapses {
                expected: self.specs.to_vec(),
                actual,
            });
        }
        self.shared.swap(model);
        Ok(())
    }

    /// What the model serves.
    pub fn synapses(&self) -> &[SynapseSpec] {
        &self.specs
    }

    /// How much the nucleus takes on.
    pub fn config(&self) -> &NucleusConfig {
        &self.config
    }

    /// What waits just now.
    pub fn load(&self) -> Load {
        self.shared.load()
    }

    /// Cancelled once the nucleus takes nothing more: when it is told to stop, and should its thread ever end by itself.
    pub fn stopping(&self) -> &CancellationToken {
        &self.shared.stopping
    }

    /// What was counted since the start.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Bytes of the answer to a request that is what the model serves.
    fn answer_bytes(&self, request: &Request) -> Result<usize, Refusal> {
        let Request {
            modality,
            tokenizer,
            wanted,
            inputs,
            ..
        } = request;
        let spec = self.spec_of(*modality)?;
        spec.check_wanted(*wanted)?;
        spec.check_tokenizer(*tokenizer)?;
        spec.check_inputs(inputs, self.config.max_request_rows)?;
        let answer = spec.check_answer(*wanted, inputs, self.config.max_answer_bytes)?;
        let (actual, max) = (inputs.n_bytes(), self.config.max_queue_bytes);
        if actual.saturating_add(answer) > max {
            let message = format!(
                "expected at most {max} bytes of inputs and answer, got {actual} and {answer}: split the request"
            );
            return Err(Refusal::new(Code::RequestShapeException, message));
        }
        Ok(answer)
    }

    fn spec_of(&self, modality: Modality) -> Result<&SynapseSpec, Refusal> {
        let mut specs = self.specs.iter();
        let found = specs.find(|spec| spec.modality == modality);
        found.ok_or_else(|| {
            let served = self.specs.iter().map(|spec| spec.modality.to_string());
            let served: Vec<String> = served.collect();
            let message = format!("{modality} is not served, only {}", served.join(", "));
            Refusal::new(Code::NotImplemented, message)
        })
    }
}

impl fmt::Debug for Nucleus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (config, load) = (&self.config, self.load());
        f.debug_struct("Nucleus")
            .field("config", config)
            .field("load", &load)
            .finish_non_exhaustive()
    }
}

/// Ends the nucleus: dropping it ends admission, and the thread ends once it has answered what waits.
#[must_use = "dropping the guard stops the nucleus"]
pub struct JoinGuard {
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

impl JoinGuard {
    /// Ends admission, waits until everything that waits is answered and the thread has ended. Blocks; in asynchronous
    /// code, use [`JoinGuard::stopped`].
    pub fn join(mut self) {
        self.shared.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the nucleus' thread panicked, which is a fault in it");
        }
    }

    /// [`JoinGuard::join`] without blocking the runtime's threads.
    pub async fn stopped(self) {
        // A failure to join is a panic of `join`, which does not panic, or a runtime that is shutting down.
        let _ = tokio::task::spawn_blocking(|| self.join()).await;
    }
}

impl Drop for JoinGuard {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl fmt::Debug for JoinGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinGuard").finish_non_exhaustive()
    }
}
