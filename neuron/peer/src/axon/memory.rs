//! How many bytes of messages an axon holds at once, for one caller and for all.
//!
//! A request pays for its announced length before it is read, and until it is answered; an answer pays until the peer has
//! taken it. So neither large requests, nor slow senders, nor readers that stop reading can use more memory than this,
//! and one caller can use only its part of it. Gradients that wait for the trainer have a budget of their own.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::metrics::AxonMetrics;

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

impl Drop for Lease {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.n_bytes, Ordering::Relaxed);
        if let Some(metrics) = &self.budget.metrics {
            metrics.gave_memory(self.n_bytes);
        }
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
    _caller: Lease,
    _total: Lease,
}

impl Memory {
    /// For a request: none if either budget is used up.
    pub(super) fn try_take(&self, n_bytes: usize) -> Option<Held> {
        let caller = self.caller.try_take(n_bytes)?;
        let total = self.total.try_take(n_bytes)?;
        Some(Held {
            _caller: caller,
            _total: total,
        })
    }

    /// For the answer to a request: it has been computed, so there is nothing to refuse any more; the next request will
    /// find less.
    pub(super) fn take(&self, n_bytes: usize) -> Held {
        Held {
            _caller: self.caller.take(n_bytes),
            _total: self.total.take(n_bytes),
        }
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
        assert!(memory.try_take(1).is_none());
        assert!(other.try_take(6).is_none());
        assert_eq!(other.caller.held(), 0);
        drop(first);
        assert!(other.try_take(10).is_some());
        assert_eq!(memory.total.held(), 0);
    }

    #[test]
    fn answers_are_counted_even_beyond_the_limit() {
        let memory = memory(10, 10);
        let answer = memory.take(50);
        assert_eq!((memory.caller.held(), memory.total.held()), (50, 50));
        assert!(memory.try_take(0).is_none());
        drop(answer);
        assert!(memory.try_take(10).is_some());
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
        assert!(memory.try_take(usize::MAX).is_none());
    }
}
