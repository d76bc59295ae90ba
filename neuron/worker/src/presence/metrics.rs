//! What a neuron knows of the chain, for Prometheus.

use std::time::{SystemTime, UNIX_EPOCH};

use neuron_metagraph::{Freshness, Included, Metagraph, SubmitError};
use prometheus::{
    Gauge, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
};

/// | name | meaning |
/// | --- | --- |
/// | `neuron_chain_connected` | 1 while new blocks are heard of; 0 while no node can be reached, or none has new ones |
/// | `neuron_chain_block` | block of the latest snapshot |
/// | `neuron_chain_snapshots_total` | snapshots read, one for each new best block that was not followed by another at once |
/// | `neuron_chain_snapshot_timestamp_seconds` | when the latest was read, in Unix time: `time() - this` is its age |
/// | `neuron_chain_neurons` | neurons in it |
/// | `neuron_chain_registered`, `neuron_chain_validator_permit` | 1 if this neuron is one of them, and if its weights count |
/// | `neuron_chain_incentive`, `neuron_chain_dividends` | its own, in 0..=1 |
/// | `neuron_chain_stake` | its own, in units of 10⁻⁹ CTM |
/// | `neuron_chain_calls_total{call,result}` | calls of this neuron, such as `set_weights`: `included`, `refused`, or `failed`, which may be done yet |
/// | `neuron_chain_call_block{call}` | block of the latest that was included |
#[derive(Clone, Debug)]
pub(super) struct ChainMetrics {
    connected: Connected,
    block: IntGauge,
    snapshots: IntCounter,
    read_at: Gauge,
    neurons: IntGauge,
    registered: IntGauge,
    permit: IntGauge,
    incentive: Gauge,
    dividends: Gauge,
    stake: Gauge,
    calls: IntCounterVec,
    call_block: IntGaugeVec,
}

impl ChainMetrics {
    /// Of a network that is so fresh; all else at zero, and collected by nobody yet.
    pub(super) fn new(freshness: Freshness) -> Self {
        let whole = |name: &str, help| {
            IntGauge::new(format!("neuron_chain_{name}"), help).expect("the name is valid")
        };
        let real = |name: &str, help| {
            Gauge::new(format!("neuron_chain_{name}"), help).expect("the name is valid")
        };
        let of_calls = |name: &str, help| Opts::new(format!("neuron_chain_{name}"), help);
        Self {
            connected: Connected {
                gauge: whole("connected", "Whether new blocks are heard of"),
                freshness,
            },
            block: whole("block", "Block of the latest snapshot of the network"),
            snapshots: IntCounter::new("neuron_chain_snapshots_total", "Snapshots read")
                .expect("the name is valid"),
            read_at: real(
                "snapshot_timestamp_seconds",
                "Unix time at which the latest snapshot was read",
            ),
            neurons: whole("neurons", "Neurons in the network"),
            registered: whole("registered", "Whether this neuron is one of them"),
            permit: whole(
                "validator_permit",
                "Whether the weights of this neuron count",
            ),
            incentive: real("incentive", "Incentive of this neuron, 0 to 1"),
            dividends: real("dividends", "Dividends of this neuron, 0 to 1"),
            stake: real("stake", "Stake on this neuron, in units of 1e-9 CTM"),
            calls: IntCounterVec::new(
                of_calls("calls_total", "Calls of this neuron by what came of them"),
                &["call", "result"],
            )
            .expect("the name is valid"),
            call_block: IntGaugeVec::new(
                of_calls("call_block", "Block of the latest call that was included"),
                &["call"],
            )
            .expect("the name is valid"),
        }
    }

    /// Lets a registry collect these metrics.
    pub(super) fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        registry.register(Box::new(self.connected.clone()))?;
        registry.register(Box::new(self.snapshots.clone()))?;
        registry.register(Box::new(self.calls.clone()))?;
        registry.register(Box::new(self.call_block.clone()))?;
        for gauge in [&self.block, &self.neurons, &self.registered, &self.permit] {
            registry.register(Box::new(gauge.clone()))?;
        }
        let reals = [&self.read_at, &self.incentive, &self.dividends, &self.stake];
        reals
            .into_iter()
            .try_for_each(|gauge| registry.register(Box::new(gauge.clone())))
    }

    /// Takes notice of a snapshot that was just read, as the neuron of `own` sees it.
    pub(super) fn read(&self, metagraph: &Metagraph, own: &neuron_wallet::PublicKey) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.snapshots.inc();
        self.read_at.set(now.unwrap_or_default().as_secs_f64());
        self.block.set(metagraph.block.number.into());
        let n_neurons = i64::try_from(metagraph.neurons.len());
        self.neurons.set(n_neurons.unwrap_or(i64::MAX));
        let neuron = metagraph.by_hotkey(own);
        let score = |of: fn(&neuron_metagraph::Neuron) -> u16| {
            neuron.map_or(0.0, |neuron| neuron_metagraph::fraction(of(neuron)))
        };
        self.registered.set(neuron.is_some().into());
        let has_permit = neuron.is_some_and(|neuron| neuron.validator_permit);
        self.permit.set(has_permit.into());
        self.incentive.set(score(|neuron| neuron.incentive));
        self.dividends.set(score(|neuron| neuron.dividends));
        #[expect(
            clippy::cast_precision_loss,
            reason = "Prometheus has no other numbers"
        )]
        self.stake
            .set(neuron.map_or(0.0, |neuron| neuron.stake as f64));
    }

    /// Takes notice of what came of a call, by its name in the runtime.
    pub(super) fn submitted(&self, call: &str, submitted: &Result<Included, SubmitError>) {
        let (_, call) = call.split_once("::").unwrap_or(("", call));
        if let Ok(included) = submitted {
            let block = self.call_block.with_label_values(&[call]);
            block.set(included.block_number.into());
        }
        self.calls
            .with_label_values(&[call, result(submitted)])
            .inc();
    }
}

/// The label of what came of a call.
fn result(submitted: &Result<Included, SubmitError>) -> &'static str {
    match submitted {
        Ok(_) => "included",
        Err(
            SubmitError::Refused(_)
            | SubmitError::Failed { .. }
            | SubmitError::NotTaken { .. }
            | SubmitError::RowWaits { .. },
        ) => "refused",
        Err(_) => "failed",
    }
}

/// Looks whether new blocks are heard of whenever Prometheus asks: that they are not is told by no block.
#[derive(Clone, Debug)]
struct Connected {
    gauge: IntGauge,
    freshness: Freshness,
}

impl Collector for Connected {
    fn desc(&self) -> Vec<&Desc> {
        self.gauge.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.gauge.set(self.freshness.trouble().is_none().into());
        self.gauge.collect()
    }
}
