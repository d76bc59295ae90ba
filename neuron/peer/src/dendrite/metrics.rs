//! What a dendrite tells Prometheus. Labels are methods and codes, of which there are few; never peers.

use std::time::Duration;

use neuron_proto::Code;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    core::Collector,
};

use super::exchange::Method;
use crate::by_code::ByCode;

/// Seconds: from a call on loopback to the longest that anybody waits.
const SECONDS: [f64; 14] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 12.0,
];

/// The metrics of one dendrite, with the places of all labels looked up in advance.
pub(super) struct Metrics {
    calls: IntCounterVec,
    seconds: HistogramVec,
    /// For each [`Method`], in its order.
    methods: Vec<OfMethod>,
    pub(super) connect_seconds: Histogram,
    pub(super) connections: IntGauge,
    pub(super) sent_bytes: IntCounter,
    pub(super) received_bytes: IntCounter,
    forward_in_flight: IntGauge,
    pub(super) backward_in_flight: IntGauge,
    pub(super) backward_dropped: IntCounter,
}

struct OfMethod {
    codes: ByCode,
    seconds: Histogram,
}

impl Metrics {
    /// # Errors
    ///
    /// None: every name and label is a constant, and valid.
    pub(super) fn new() -> prometheus::Result<Metrics> {
        let calls = IntCounterVec::new(
            Opts::new(
                "neuron_dendrite_calls_total",
                "Calls by method and by how they ended",
            ),
            &["method", "code"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "neuron_dendrite_call_seconds",
                "Time of calls that were made, by method",
            )
            .buckets(SECONDS.to_vec()),
            &["method"],
        )?;
        let of_method = |method: &Method| OfMethod {
            codes: ByCode::new(|code| calls.with_label_values(&[method.name(), code])),
            seconds: seconds.with_label_values(&[method.name()]),
        };
        Ok(Metrics {
            methods: Method::ALL.iter().map(of_method).collect(),
            calls,
            seconds,
            connect_seconds: Histogram::with_opts(
                HistogramOpts::new(
                    "neuron_dendrite_connect_seconds",
                    "Time that calls waited for a connection",
                )
                .buckets(SECONDS.to_vec()),
            )?,
            connections: IntGauge::new("neuron_dendrite_connections", "Connections that are open")?,
            sent_bytes: IntCounter::new(
                "neuron_dendrite_sent_bytes_total",
                "Bytes of messages sent to peers",
            )?,
            received_bytes: IntCounter::new(
                "neuron_dendrite_received_bytes_total",
                "Bytes of messages received from peers",
            )?,
            forward_in_flight: IntGauge::new(
                "neuron_dendrite_forward_in_flight",
                "Forward calls that wait for their answer",
            )?,
            backward_in_flight: IntGauge::new(
                "neuron_dendrite_backward_in_flight",
                "Gradients that are being sent",
            )?,
            backward_dropped: IntCounter::new(
                "neuron_dendrite_backward_dropped_total",
                "Gradients that were not sent, because too many were being sent",
            )?,
        })
    }

    /// Shows a forward call that was begun, until what this gives is dropped.
    pub(super) fn begin_forward(&self) -> InFlight<'_> {
        self.forward_in_flight.inc();
        InFlight(&self.forward_in_flight)
    }

    /// Counts a call.
    pub(super) fn ended(&self, method: Method, code: Code) {
        if let Some(of_method) = self.methods.get(method as usize) {
            of_method.codes.inc(code);
        }
    }

    /// Counts the time of a call that was made.
    pub(super) fn took(&self, method: Method, elapsed: Duration) {
        if let Some(of_method) = self.methods.get(method as usize) {
            of_method.seconds.observe(elapsed.as_secs_f64());
        }
    }

    pub(super) fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        let all: [Box<dyn Collector>; 9] = [
            Box::new(self.calls.clone()),
            Box::new(self.seconds.clone()),
            Box::new(self.connect_seconds.clone()),
            Box::new(self.connections.clone()),
            Box::new(self.sent_bytes.clone()),
            Box::new(self.received_bytes.clone()),
            Box::new(self.forward_in_flight.clone()),
            Box::new(self.backward_in_flight.clone()),
            Box::new(self.backward_dropped.clone()),
        ];
        all.into_iter()
            .try_for_each(|metric| registry.register(metric))
    }
}

/// A call that is under way, however it ends: one that nobody waits for any longer is dropped.
pub(super) struct InFlight<'a>(&'a IntGauge);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
