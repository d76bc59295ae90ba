//! What a neuron knows of the chain, for Prometheus.

use std::time::{SystemTime, UNIX_EPOCH};

use neuron_metagraph::Metagraph;
use prometheus::{Gauge, IntCounter, IntGauge, Registry};

/// | name | meaning |
/// | --- | --- |
/// | `neuron_chain_block` | block of the latest snapshot |
/// | `neuron_chain_snapshots_total` | snapshots read, one for each new best block that was not followed by another at once |
/// | `neuron_chain_snapshot_timestamp_seconds` | when the latest was read, in Unix time: `time() - this` is its age |
/// | `neuron_chain_neurons` | neurons in it |
/// | `neuron_chain_registered` | 1 if this neuron is one of them |
/// | `neuron_chain_incentive`, `neuron_chain_dividends` | its own, in 0..=1 |
/// | `neuron_chain_stake` | its own, in units of 10⁻⁹ CTM |
#[derive(Clone, Debug)]
pub(super) struct ChainMetrics {
    block: IntGauge,
    snapshots: IntCounter,
    read_at: Gauge,
    neurons: IntGauge,
    registered: IntGauge,
    incentive: Gauge,
    dividends: Gauge,
    stake: Gauge,
}

impl ChainMetrics {
    /// All at zero, and collected by nobody yet.
    pub(super) fn new() -> Self {
        let whole = |name: &str, help| {
            IntGauge::new(format!("neuron_chain_{name}"), help).expect("the name is valid")
        };
        let real = |name: &str, help| {
            Gauge::new(format!("neuron_chain_{name}"), help).expect("the name is valid")
        };
        Self {
            block: whole("block", "Block of the latest snapshot of the network"),
            snapshots: IntCounter::new("neuron_chain_snapshots_total", "Snapshots read")
                .expect("the name is valid"),
            read_at: real(
                "snapshot_timestamp_seconds",
                "Unix time at which the latest snapshot was read",
            ),
            neurons: whole("neurons", "Neurons in the network"),
            registered: whole("registered", "Whether this neuron is one of them"),
            incentive: real("incentive", "Incentive of this neuron, 0 to 1"),
            dividends: real("dividends", "Dividends of this neuron, 0 to 1"),
            stake: real("stake", "Stake on this neuron, in units of 1e-9 CTM"),
        }
    }

    /// Lets a registry collect these metrics.
    pub(super) fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        registry.register(Box::new(self.snapshots.clone()))?;
        for gauge in [&self.block, &self.neurons, &self.registered] {
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
        self.incentive.set(score(|neuron| neuron.incentive));
        self.dividends.set(score(|neuron| neuron.dividends));
        #[expect(
            clippy::cast_precision_loss,
            reason = "Prometheus has no other numbers"
        )]
        self.stake
            .set(neuron.map_or(0.0, |neuron| neuron.stake as f64));
    }
}
