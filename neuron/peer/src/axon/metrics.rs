//! What the axon counts.
//!
//! | name | meaning |
//! | --- | --- |
//! | `neuron_axon_requests_total{method,code}` | requests answered, by method and code; `Success` among them |
//! | `neuron_axon_request_seconds{method}` | from the headers of a request to the headers of its answer |
//! | `neuron_axon_received_bytes_total`, `neuron_axon_sent_bytes_total` | bytes of messages, without HTTP/2 and TLS |
//! | `neuron_axon_memory_bytes` | bytes of requests and answers that are held |
//! | `neuron_axon_memory_peak_bytes` | the most that were |
//! | `neuron_axon_connections` | connections that are open |
//! | `neuron_axon_connections_refused_total{reason}` | connections closed before their handshake, by which bound they met, or right after it |
//! | `neuron_axon_connections_closed_total{reason}` | connections that this side ended: `deregistered`, `stalled`, `grace` |
//! | `neuron_axon_handshake_failures_total{reason}` | TLS handshakes that failed, by what was wrong |
//! | `neuron_axon_gradients_total{outcome}` | gradients `queued`, and `dropped` because the trainer is behind |
//!
//! Labels have few values, all from this program: nothing that a peer says becomes a label.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use neuron_proto::Code;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    core::Collector, exponential_buckets,
};

use super::gate::Method;
use crate::by_code::ByCode;

/// Counters of one axon. Cheap to clone: clones count together.
#[derive(Clone, Debug)]
pub struct AxonMetrics(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    /// For each [`Method`], in its order.
    methods: [OfMethod; Method::ALL.len()],
    received_bytes: IntCounter,
    sent_bytes: IntCounter,
    memory: IntGauge,
    memory_peak: IntGauge,
    /// What `memory_peak` shows: a gauge alone has no maximum.
    peak: AtomicI64,
    connections: IntGauge,
    connections_refused: IntCounterVec,
    connections_closed: IntCounterVec,
    handshake_failures: IntCounterVec,
    gradients: IntCounterVec,
}

#[derive(Debug)]
struct OfMethod {
    codes: ByCode,
    seconds: Histogram,
}

impl AxonMetrics {
    /// All at zero, and collected by nobody yet.
    pub fn new() -> AxonMetrics {
        let requests = labelled("requests_total", "Requests answered", &["method", "code"]);
        let request_seconds = request_seconds();
        let of_method = |method: Method| OfMethod {
            codes: ByCode::new(|code| requests.with_label_values(&[method.name(), code])),
            seconds: request_seconds.with_label_values(&[method.name()]),
        };
        AxonMetrics(Arc::new(Counters {
            methods: Method::ALL.map(of_method),
            requests,
            request_seconds,
            received_bytes: counter("received_bytes_total", "Bytes of requests"),
            sent_bytes: counter("sent_bytes_total", "Bytes of answers"),
            memory: gauge(
                "memory_bytes",
                "Bytes of requests and answers that are held",
            ),
            memory_peak: gauge("memory_peak_bytes", "The most bytes that were held at once"),
            peak: AtomicI64::default(),
            connections: gauge("connections", "Connections that are open"),
            connections_refused: labelled(
                "connections_refused_total",
                "Connections refused before any request",
                &["reason"],
            ),
            connections_closed: labelled(
                "connections_closed_total",
                "Connections that this side ended",
                &["reason"],
            ),
            handshake_failures: labelled(
                "handshake_failures_total",
                "TLS handshakes that failed",
                &["reason"],
            ),
            gradients: labelled("gradients_total", "Gradients of peers", &["outcome"]),
        }))
    }

    /// Lets a registry collect these metrics.
    ///
    /// # Errors
    ///
    /// The registry has some of the same names already.
    pub fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        let collectors: [Box<dyn Collector>; 11] = [
            Box::new(self.0.requests.clone()),
            Box::new(self.0.request_seconds.clone()),
            Box::new(self.0.received_bytes.clone()),
            Box::new(self.0.sent_bytes.clone()),
            Box::new(self.0.memory.clone()),
            Box::new(self.0.memory_peak.clone()),
            Box::new(self.0.connections.clone()),
            Box::new(self.0.connections_refused.clone()),
            Box::new(self.0.connections_closed.clone()),
            Box::new(self.0.handshake_failures.clone()),
            Box::new(self.0.gradients.clone()),
        ];
        collectors
            .into_iter()
            .try_for_each(|collector| registry.register(collector))
    }

    pub(super) fn answered(&self, method: Method, code: Code, elapsed: Duration) {
        let of_method = &self.0.methods[method as usize];
        of_method.codes.inc(code);
        of_method.seconds.observe(elapsed.as_secs_f64());
    }

    pub(super) fn received(&self, n_bytes: usize) {
        self.0.received_bytes.inc_by(n_bytes as u64);
    }

    pub(super) fn sent(&self, n_bytes: usize) {
        self.0.sent_bytes.inc_by(n_bytes as u64);
    }

    /// Some bytes more are held, `held` with them.
    pub(super) fn took_memory(&self, n_bytes: usize, held: usize) {
        self.0.memory.add(signed(n_bytes));
        self.0.peak.fetch_max(signed(held), Ordering::SeqCst);
        // Whoever shows less than there was meanwhile shows it again.
        loop {
            let peak = self.0.peak.load(Ordering::SeqCst);
            if self.0.memory_peak.get() >= peak {
                break;
            }
            self.0.memory_peak.set(peak);
        }
    }

    /// Some bytes are no longer held.
    pub(super) fn gave_memory(&self, n_bytes: usize) {
        self.0.memory.sub(signed(n_bytes));
    }

    #[cfg(test)]
    pub(super) fn memory(&self) -> i64 {
        self.0.memory.get()
    }

    #[cfg(test)]
    pub(super) fn memory_peak(&self) -> i64 {
        self.0.memory_peak.get()
    }

    /// Counted as open until it is dropped.
    pub(super) fn opened(&self) -> OpenConnection {
        self.0.connections.inc();
        OpenConnection(self.0.connections.clone())
    }

    pub(super) fn refused_connection(&self, reason: &'static str) {
        self.0
            .connections_refused
            .with_label_values(&[reason])
            .inc();
    }

    pub(super) fn closed_connection(&self, reason: &'static str) {
        self.0.connections_closed.with_label_values(&[reason]).inc();
    }

    pub(super) fn failed_handshake(&self, reason: &'static str) {
        self.0.handshake_failures.with_label_values(&[reason]).inc();
    }

    pub(super) fn gradient(&self, outcome: &'static str) {
        self.0.gradients.with_label_values(&[outcome]).inc();
    }
}

impl Default for AxonMetrics {
    fn default() -> AxonMetrics {
        AxonMetrics::new()
    }
}

/// A connection that is open.
pub(super) struct OpenConnection(IntGauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn signed(n_bytes: usize) -> i64 {
    i64::try_from(n_bytes).unwrap_or(i64::MAX)
}

fn gauge(name: &str, help: &str) -> IntGauge {
    IntGauge::new(format!("neuron_axon_{name}"), help).expect("the name is valid")
}

fn counter(name: &str, help: &str) -> IntCounter {
    IntCounter::new(format!("neuron_axon_{name}"), help).expect("the name is valid")
}

fn labelled(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(Opts::new(format!("neuron_axon_{name}"), help), labels)
        .expect("the names are valid")
}

/// From 100 µs to 13 s, in factors of 2.
fn request_seconds() -> HistogramVec {
    let buckets = exponential_buckets(1e-4, 2.0, 18).expect("the buckets ascend");
    let opts = HistogramOpts::new("neuron_axon_request_seconds", "Time to answer").buckets(buckets);
    HistogramVec::new(opts, &["method"]).expect("the names are valid")
}
