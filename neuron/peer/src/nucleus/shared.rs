//! What callers and the model's thread share: the queue, behind one lock that nobody holds for longer than a look.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use neuron_proto::Code;
use tokio_util::sync::CancellationToken;

use super::{
    Load, Model, NucleusConfig, Refusal, Ticket,
    metrics::Metrics,
    queue::{Batch, Id, Queue},
    request::{Checked, Pending},
};

/// Shortest and longest wait that a refusal asks for.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(30));

/// Weight of the latest batch in the estimate of a row's cost.
const LATEST: f64 = 0.2;

/// What is assumed of a row's cost, in seconds, before any batch ran.
const FIRST_GUESS: f64 = 1e-3;

/// What the model's thread does next.
pub(super) enum Step {
    /// Answer these, whose deadline passed.
    Expire(Vec<Pending>),
    /// Run the model on these.
    Run(Batch),
    /// Put this model into the place of the present one.
    Swap(Box<dyn Model>),
    /// Nothing is left to answer, and nothing will come.
    End,
}

struct State {
    queue: Queue,
    next_model: Option<Box<dyn Model>>,
    is_open: bool,
    /// Whether the model's thread waits for a change. To notify nobody would be a system call as well.
    is_waited_on: bool,
    /// Running mean of what a row costs the model, in seconds.
    row_seconds: f64,
}

impl State {
    /// When half of what waits will be done: late enough that there is room, early enough that the model does not run
    /// dry.
    fn retry_after(&self) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let rows = self.queue.n_rows() as f64;
        let (shortest, longest) = RETRY_AFTER;
        let half = rows * self.row_seconds / 2.0;
        Duration::try_from_secs_f64(half).map_or(longest, |wait| wait.clamp(shortest, longest))
    }

    fn full(&self, what: &str) -> Refusal {
        let (n, bytes) = (self.queue.len(), self.queue.n_bytes());
        let message =
            format!("{what}: {n} requests of {bytes} bytes wait, those of their answers included");
        let retry_after = Some(self.retry_after());
        Refusal {
            code: Code::NucleusFull,
            message,
            retry_after,
        }
    }
}

/// The queue and what belongs to it.
pub(super) struct Shared {
    state: Mutex<State>,
    /// Told when the model's thread may have something to do and waits for it.
    changed: Condvar,
    /// Cancelled with the end of admission.
    pub(super) stopping: CancellationToken,
    pub(super) metrics: Metrics,
}

impl Shared {
    pub(super) fn new(config: NucleusConfig) -> Shared {
        let queue = Queue::new(config);
        let state = State {
            queue,
            next_model: None,
            is_open: true,
            is_waited_on: false,
            row_seconds: FIRST_GUESS,
        };
        Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            stopping: CancellationToken::new(),
            metrics: Metrics::default(),
        }
    }

    /// Admits a checked request or refuses it, at once.
    pub(super) fn submit(self: &Arc<Self>, checked: Checked) -> Result<Ticket, Refusal> {
        let now = Instant::now();
        if checked.request.deadline <= now {
            return Err(Refusal::new(
                Code::NucleusTimeout,
                "the deadline has passed already",
            ));
        }
        let (pending, answer) = Pending::new(checked, now);
        let mut state = self.lock();
        if !state.is_open {
            return Err(Refusal::new(
                Code::NotServingNucleus,
                "the nucleus is stopping",
            ));
        }
        let expired = state.queue.take_expired(now);
        let admitted = match state.queue.admit(pending) {
            Ok((id, displaced)) => {
                let full = || state.full("displaced by a caller of more stake");
                Ok((id, displaced.map(|pending| (pending, full()))))
            }
            Err(_) => Err(state.full("the queue is full")),
        };
        self.release(state);

        self.expire(expired);
        let (id, displaced) = admitted?;
        if let Some((pending, refusal)) = displaced {
            pending.answer(Err(refusal), &self.metrics);
        }
        Ok(Ticket::new(id, answer, Arc::clone(self)))
    }

    /// Forgets a request that nobody waits for, if it is still queued.
    pub(super) fn abandon(&self, id: Id) {
        let mut state = self.lock();
        let abandoned = state.queue.remove(id);
        self.release(state);
        if abandoned.is_some() {
            self.metrics.abandoned.inc();
        }
    }

    /// Leaves a model for the thread to take between two batches; one that it has not taken yet is forgotten.
    pub(super) fn swap(&self, model: Box<dyn Model>) {
        let mut state = self.lock();
        let forgotten = state.next_model.replace(model);
        self.release(state);
        drop(forgotten);
    }

    /// Ends admission. What waits is still answered.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_open = false;
        self.release(state);
        self.stopping.cancel();
    }

    /// Waits until there is something to do for the model's thread.
    pub(super) fn next_step(&self) -> Step {
        let mut state = self.lock();
        loop {
            if let Some(model) = state.next_model.take() {
                return Step::Swap(model);
            }
            let now = Instant::now();
            let expired = state.queue.take_expired(now);
            if !expired.is_empty() {
                self.release(state);
                return Step::Expire(expired);
            }
            let is_stopping = !state.is_open;
            if let Some(batch) = state.queue.take_batch(now, is_stopping) {
                self.release(state);
                return Step::Run(batch);
            }
            if is_stopping {
                return Step::End;
            }
            state.is_waited_on = true;
            state = match state.queue.ready_at() {
                Some(at) => {
                    let wait = at.saturating_duration_since(now);
                    let woken = self.changed.wait_timeout(state, wait);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
            };
            state.is_waited_on = false;
        }
    }

    /// Learns what a batch cost.
    pub(super) fn ran(&self, rows: u32, compute: Duration) {
        let row_seconds = compute.as_secs_f64() / f64::from(rows.max(1));
        let mut state = self.lock();
        state.row_seconds += LATEST * (row_seconds - state.row_seconds);
    }

    /// Answers requests whose deadline passed.
    pub(super) fn expire(&self, expired: Vec<Pending>) {
        for pending in expired {
            pending.refuse_as_expired(&self.metrics);
        }
    }

    /// Ends admission and takes out everything that waits, for the case that nobody would ever answer it.
    pub(super) fn abort(&self) -> Vec<Pending> {
        let mut state = self.lock();
        state.is_open = false;
        let mut left = Vec::new();
        while let Some(batch) = state.queue.take_batch(Instant::now(), true) {
            left.extend(batch.requests);
        }
        self.release(state);
        self.stopping.cancel();
        left
    }

    pub(super) fn load(&self) -> Load {
        let state = self.lock();
        let queue = &state.queue;
        Load {
            requests: queue.len(),
            rows: queue.n_rows(),
            bytes: queue.n_bytes(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under the lock is left half done by a panic, so its state is good even then.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Unlocks after a change, which the gauges then show and the model's thread is told of.
    fn release(&self, mut state: MutexGuard<'_, State>) {
        self.metrics.show(state.queue.len(), state.queue.n_bytes());
        let is_waited_on = std::mem::take(&mut state.is_waited_on);
        drop(state);
        if is_waited_on {
            self.changed.notify_one();
        }
    }
}
