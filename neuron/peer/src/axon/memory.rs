//! How many bytes of messages an axon holds at once, for one caller and for all.
//!
//! A request pays for its announced length before it is read, and until it is answered. What it asks for is paid for before
//! the model is asked, since a short request may have a long answer, and until the peer has taken it. So neither large
//! requests, nor large answers, nor slow senders, nor readers that stop reading can use more memory than this, and one
//! caller can use only its part of it. Refusals and descriptions, which are short, are counted when they are there. Gradients
//! that wait for the trainer have a budget of their own.
//!
//! Each message is counted once, though for a moment an answer is there as a tensor and as the message that it becomes. What
//! the model itself needs is bounded by the nucleus' batches. Beside the budget, each connection has the
//! [buffers](crate::buffers) between HTTP/2 and TCP, and the system its own: an answer in them counts as taken.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use neuron_proto::Code;

use super::{admission::OVERLOAD_RETRY, metrics::AxonMetrics};
use crate::nucleus::Refusal;

/// Bytes that may be held at once, and those that are.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    held: AtomicUsize,
    /// Where it is shown how many are, if that is shown.
    metrics: Option<AxonMetrics>,
}

/// Bytes that are held until this is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    budget: Arc<Budget>,
    n_bytes: usize,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Arc<Budget> {
        Arc::new(Budget {
            limit,
            held: AtomicUsize::new(0),
            metrics: None,
        })
    }

    /// One of which the metrics show how much is held.
    pub(super) fn shown(limit: usize, metrics: AxonMetrics) -> Arc<Budget> {
        Arc::new(Budget {
            limit,
            held: AtomicUsize::new(0),
            metrics: Some(metrics),
        })
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    fn try_take(self: &Arc<Self>, n_bytes: usize) -> Option<Lease> {
        self.take_if(n_bytes, |after| after <= self.limit)
    }

    /// As much as fits, or one thing of any size where there is nothing else.
    pub(super) fn try_take_or_alone(self: &Arc<Self>, n_bytes: usize) -> Option<Lease> {
        self.take_if(n_bytes, |after| after <= self.limit || after == n_bytes)
    }

    fn take_if(
        self: &Arc<Self>,
        n_bytes: usize,
        may_be_held: impl Fn(usize) -> bool,
    ) -> Option<Lease> {
        let after = |held: usize| {
            let after = held.checked_add(n_bytes)?;
            may_be_held(after).then_some(after)
        };
        let held = self
            .held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, after)
            .ok()?;
        Some(self.lease(n_bytes, held + n_bytes))
    }

    /// Also beyond the limit.
    fn take(self: &Arc<Self>, n_bytes: usize) -> Lease {
        let held = self.held.fetch_add(n_bytes, Ordering::Relaxed);
        self.lease(n_bytes, held + n_bytes)
    }

    fn give_back(&self, n_bytes: usize) {
        self.held.fetch_sub(n_bytes, Ordering::Relaxed);
        if let Some(metrics) = &self.metrics {
            metrics.gave_memory(n_bytes);
        }
    }

    /// Of bytes that are taken, with which `held` were.
    fn lease(self: &Arc<Self>, n_bytes: usize, held: usize) -> Lease {
        if let Some(metrics) = &self.metrics {
            metrics.took_memory(n_bytes, held);
        }
        Lease {
            budget: self.clone(),
            n_bytes,
        }
    }
}

impl Lease {
    /// Holds so many bytes instead, also beyond the limit.
    fn resize(&mut self, n_bytes: usize) {
        if n_bytes > self.n_bytes {
            let more = self.budget.take(n_bytes - self.n_bytes);
            self.merge(more);
        } else {
            self.budget.give_back(self.n_bytes - n_bytes);
            self.n_bytes = n_bytes;
        }
    }

    /// Takes over what another lease of the same budget holds.
    fn merge(&mut self, mut other: Lease) {
        self.n_bytes += std::mem::take(&mut other.n_bytes);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.budget.give_back(self.n_bytes);
    }
}

/// What messages of one caller are paid from: its own budget and that of all.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    pub(super) caller: Arc<Budget>,
    pub(super) total: Arc<Budget>,
}

/// Bytes held of both budgets.
#[derive(Debug)]
pub(super) struct Held {
    caller: Lease,
    total: Lease,
}

impl Held {
    /// Holds so many bytes instead, also beyond the limits: what was paid for has another length than was thought.
    pub(super) fn resize(&mut self, n_bytes: usize) {
        self.caller.resize(n_bytes);
        self.total.resize(n_bytes);
    }
}

impl Memory {
    /// For a request, or for the answer that it asks for.
    ///
    /// # Errors
    ///
    /// Either budget is used up.
    pub(super) fn try_take(&self, n_bytes: usize) -> Result<Held, Refusal> {
        let both = || {
            let caller = self.caller.try_take(n_bytes)?;
            let total = self.total.try_take(n_bytes)?;
            Some(Held { caller, total })
        };
        both().ok_or_else(|| Refusal {
            code: Code::NucleusFull,
            message: format!("no memory for {n_bytes} more bytes of requests and answers"),
            retry_after: Some(OVERLOAD_RETRY),
        })
    }

    /// For an answer that nobody has paid for: it is there, so there is nothing to refuse any more; the next request will find
    /// less.
    pub(super) fn take(&self, n_bytes: usize) -> Held {
        Held {
            caller: self.caller.take(n_bytes),
            total: self.total.take(n_bytes),
        }
    }
}

/// What is held for the answer to one request: paid by who knows how long it will be, taken by who sends it. Given back with
/// its last clone if nobody takes it.
#[derive(Clone, Debug)]
pub(super) struct Prepaid {
    memory: Memory,
    held: Arc<Mutex<Option<Held>>>,
}

impl Prepaid {
    pub(super) fn new(memory: Memory) -> Prepaid {
        Prepaid {
            memory,
            held: Arc::default(),
        }
    }

    /// Holds so many bytes.
    ///
    /// # Errors
    ///
    /// There is no memory for them.
    pub(super) fn pay(&self, n_bytes: usize) -> Result<(), Refusal> {
        let held = self.memory.try_take(n_bytes)?;
        *self.held() = Some(held);
        Ok(())
    }

    /// What is held, if something is.
    pub(super) fn take(&self) -> Option<Held> {
        self.held().take()
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        // An option, which no panic leaves half written.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(caller: usize, total: usize) -> Memory {
        Memory {
            caller: Budget::new(caller),
            total: Budget::new(total),
        }
    }

    #[test]
    fn requests_fit_into_both_budgets_or_into_none() {
        let memory = memory(10, 15);
        let other = Memory {
            caller: Budget::new(10),
            ..memory.clone()
        };
        let first = memory.try_take(10).unwrap();
        let refusal = memory.try_take(1).unwrap_err();
        assert_eq!(refusal.code, Code::NucleusFull);
        assert_eq!(refusal.retry_after, Some(OVERLOAD_RETRY));
        assert!(other.try_take(6).is_err());
        assert_eq!(other.caller.held(), 0);
        drop(first);
        assert!(other.try_take(10).is_ok());
        assert_eq!(memory.total.held(), 0);
    }

    #[test]
    fn answers_are_counted_even_beyond_the_limit() {
        let memory = memory(10, 10);
        let answer = memory.take(50);
        assert_eq!((memory.caller.held(), memory.total.held()), (50, 50));
        assert!(memory.try_take(0).is_err());
        drop(answer);
        assert!(memory.try_take(10).is_ok());
    }

    #[test]
    fn what_is_held_becomes_what_the_answer_really_has() {
        let memory = memory(10, 10);
        let held = || (memory.caller.held(), memory.total.held());
        let mut answer = memory.try_take(8).unwrap();
        answer.resize(3);
        assert_eq!(held(), (3, 3));
        answer.resize(12);
        assert_eq!(held(), (12, 12));
        drop(answer);
        assert_eq!(held(), (0, 0));
    }

    #[test]
    fn what_is_larger_than_a_budget_may_be_there_alone() {
        let budget = Budget::new(10);
        let large = budget.try_take_or_alone(50).unwrap();
        assert!(budget.try_take_or_alone(1).is_none());
        drop(large);
        let _small = budget.try_take_or_alone(5).unwrap();
        assert!(budget.try_take_or_alone(50).is_none());
        assert!(budget.try_take_or_alone(5).is_some());
    }

    #[test]
    fn the_metrics_show_what_is_held_and_the_most_that_was() {
        let metrics = AxonMetrics::new();
        let budget = Budget::shown(10, metrics.clone());
        let shown = || (metrics.memory(), metrics.memory_peak());
        let first = budget.try_take(4).unwrap();
        let second = budget.take(9);
        assert_eq!(shown(), (13, 13));
        drop(second);
        let _third = budget.try_take(2).unwrap();
        assert_eq!(shown(), (6, 13));
        drop(first);
        assert_eq!(shown(), (2, 13));
    }

    #[test]
    fn no_length_overflows() {
        let memory = memory(usize::MAX, usize::MAX);
        let _held = memory.try_take(1).unwrap();
        assert!(memory.try_take(usize::MAX).is_err());
    }
}
