//! What the nucleus counts.
//!
//! | name | meaning |
//! | --- | --- |
//! | `neuron_nucleus_requests_total{code}` | answers given, by code, such as `Success` or `NucleusFull` |
//! | `neuron_nucleus_abandoned_total` | requests whose caller left before the answer |
//! | `neuron_nucleus_batches_total{closed}` | batches, by why they were closed: `full`, `waited`, `deadline`, `stopping` |
//! | `neuron_nucleus_retried_batches_total` | batches that failed and whose requests were asked again alone |
//! | `neuron_nucleus_panics_total` | panics of the model |
//! | `neuron_nucleus_swaps_total` | models that were put in place of another |
//! | `neuron_nucleus_queue_requests`, `neuron_nucleus_queue_bytes` | what waits just now, bytes of inputs and answers |
//! | `neuron_nucleus_queue_seconds` | waits from admission to the model |
//! | `neuron_nucleus_batch_rows` | rows of batches |
//! | `neuron_nucleus_compute_seconds` | what the model took for batches |

use std::time::Duration;

use neuron_proto::Code;
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    core::{Collector, GenericCounter, GenericGauge},
    exponential_buckets,
};

use super::queue::Closed;
use crate::by_code::ByCode;

/// Counters, gauges and histograms of one nucleus. Cheap to clone: clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: IntCounterVec,
    by_code: ByCode,
    batches: IntCounterVec,
    queue_requests: IntGauge,
    queue_bytes: IntGauge,
    batch_rows: Histogram,
    compute_seconds: Histogram,
    pub(super) abandoned: IntCounter,
    pub(super) retried_batches: IntCounter,
    pub(super) panics: IntCounter,
    pub(super) swaps: IntCounter,
    pub(super) queue_seconds: Histogram,
}

impl Metrics {
    /// Lets a registry collect these metrics.
    ///
    /// # Errors
    ///
    /// The registry has some of the same names already.
    pub fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        let collectors: [Box<dyn Collector>; 11] = [
            Box::new(self.requests.clone()),
            Box::new(self.batches.clone()),
            Box::new(self.queue_requests.clone()),
            Box::new(self.queue_bytes.clone()),
            Box::new(self.batch_rows.clone()),
            Box::new(self.compute_seconds.clone()),
            Box::new(self.abandoned.clone()),
            Box::new(self.retried_batches.clone()),
            Box::new(self.panics.clone()),
            Box::new(self.swaps.clone()),
            Box::new(self.queue_seconds.clone()),
        ];
        collectors
            .into_iter()
            .try_for_each(|collector| registry.register(collector))
    }

    /// Answers given with this code so far.
    pub fn answered(&self, code: Code) -> u64 {
        self.by_code.get(code)
    }

    /// Requests whose caller left before the answer.
    pub fn abandoned(&self) -> u64 {
        self.abandoned.get()
    }

    /// Batches that the model was given so far.
    pub fn batches(&self) -> u64 {
        self.batch_rows.get_sample_count()
    }

    /// Panics of the model so far.
    pub fn panics(&self) -> u64 {
        self.panics.get()
    }

    pub(super) fn count(&self, code: Code) {
        self.by_code.inc(code);
    }

    pub(super) fn show(&self, n_requests: usize, n_bytes: usize) {
        self.queue_requests
            .set(i64::try_from(n_requests).unwrap_or(i64::MAX));
        self.queue_bytes
            .set(i64::try_from(n_bytes).unwrap_or(i64::MAX));
    }

    pub(super) fn batch(&self, rows: u32, compute: Duration, closed: Closed) {
        let closed = match closed {
            Closed::Full => "full",
            Closed::Waited => "waited",
            Closed::Deadline => "deadline",
            Closed::Stopping => "stopping",
        };
        self.batches.with_label_values(&[closed]).inc();
        self.batch_rows.observe(f64::from(rows));
        self.compute_seconds.observe(compute.as_secs_f64());
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        let requests = counters("requests_total", "Answers given, by code.", "code");
        Metrics {
            by_code: ByCode::new(|code| requests.with_label_values(&[code])),
            requests,
            batches: counters(
                "batches_total",
                "Batches, by why they were closed.",
                "closed",
            ),
            queue_requests: gauge("queue_requests", "Requests that wait."),
            queue_bytes: gauge(
                "queue_bytes",
                "Bytes of inputs that wait, and of their answers.",
            ),
            // 1 to 4,096 rows.
            batch_rows: histogram("batch_rows", "Rows of batches.", 1.0, 2.0, 13),
            // 50 µs to 52 s.
            compute_seconds: histogram("compute_seconds", "Seconds per batch.", 5e-5, 4.0, 11),
            abandoned: counter("abandoned_total", "Requests whose caller left first."),
            retried_batches: counter("retried_batches_total", "Batches asked again one by one."),
            panics: counter("panics_total", "Panics of the model."),
            swaps: counter("swaps_total", "Models put in place of another."),
            queue_seconds: histogram("queue_seconds", "Seconds in the queue.", 5e-5, 4.0, 11),
        }
    }
}

const WELL_FORMED: &str = "names, labels and buckets are constants that prometheus accepts";

fn full_name(name: &str) -> String {
    format!("neuron_nucleus_{name}")
}

fn counter(name: &str, help: &str) -> IntCounter {
    GenericCounter::new(full_name(name), help).expect(WELL_FORMED)
}

fn counters(name: &str, help: &str, label: &str) -> IntCounterVec {
    IntCounterVec::new(Opts::new(full_name(name), help), &[label]).expect(WELL_FORMED)
}

fn gauge(name: &str, help: &str) -> IntGauge {
    GenericGauge::new(full_name(name), help).expect(WELL_FORMED)
}

fn histogram(name: &str, help: &str, start: f64, factor: f64, n_buckets: usize) -> Histogram {
    let buckets = exponential_buckets(start, factor, n_buckets).expect(WELL_FORMED);
    let options = HistogramOpts::new(full_name(name), help).buckets(buckets);
    Histogram::with_opts(options).expect(WELL_FORMED)
}
