//! Telling the chain where the axon is, until it says so.

use std::{sync::Arc, time::Duration};

use neuron_learn::synapse::Synapse;
use neuron_metagraph::{Call, Endpoint, Metagraph, Protocol, Synapses};
use neuron_peer::dendrite::Peer;
use neuron_proto::Modality;
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use super::Submitter;

/// Between two attempts.
const RETRY: Duration = Duration::from_secs(15);

/// Compares what the chain says with what is true.
pub(super) struct Announcer {
    submitter: Submitter,
    netid: u16,
    endpoint: Endpoint,
}

impl Announcer {
    /// Of the neuron `own`, which serves what the synapse understands.
    pub(super) fn new(submitter: Submitter, netid: u16, own: Peer, synapse: &dyn Synapse) -> Self {
        let endpoint = Endpoint {
            address: own.address,
            protocol: if own.plaintext {
                Protocol::GrpcPlain
            } else {
                Protocol::GrpcTls
            },
            version: version(),
            synapses: served(synapse),
        };
        Self {
            submitter,
            netid,
            endpoint,
        }
    }

    /// Corrects what the chain says, whenever it says something else: at the start, after a new registration, or after
    /// somebody else with the same key announced another place.
    pub(super) async fn run(
        self,
        snapshots: watch::Receiver<Arc<Metagraph>>,
        shutdown: CancellationToken,
    ) {
        shutdown.run_until_cancelled(self.watch(snapshots)).await;
    }

    async fn watch(self, mut snapshots: watch::Receiver<Arc<Metagraph>>) {
        loop {
            let snapshot = snapshots.borrow_and_update().clone();
            let is_told = self.is_told(&snapshot);
            if is_told.is_some_and(|told| !told) {
                self.tell().await;
            }
            if snapshots.changed().await.is_err() {
                return;
            }
        }
    }

    /// Whether the chain says what is true; none if it does not know the neuron.
    fn is_told(&self, snapshot: &Metagraph) -> Option<bool> {
        let neuron = snapshot.by_hotkey(&self.submitter.hotkey.public())?;
        Some(neuron.endpoint == Some(self.endpoint))
    }

    async fn tell(&self) {
        let call = Call::ServeAxon {
            netid: self.netid,
            endpoint: self.endpoint,
        };
        match self.submitter.submit(call).await {
            Ok(included) => {
                tracing::info!(block = included.block_number, endpoint = %self.endpoint, "announced")
            }
            Err(error) => {
                tracing::warn!(%error, endpoint = %self.endpoint, "peers are not told where this neuron is");
                sleep(RETRY).await;
            }
        }
    }
}

/// 100 · major + 10 · minor + patch, as the origin counted.
fn version() -> u32 {
    let number = |part: &str| part.parse::<u32>().expect("cargo writes numbers");
    100 * number(env!("CARGO_PKG_VERSION_MAJOR"))
        + 10 * number(env!("CARGO_PKG_VERSION_MINOR"))
        + number(env!("CARGO_PKG_VERSION_PATCH"))
}

fn served(synapse: &dyn Synapse) -> Synapses {
    let served: Vec<Modality> = synapse
        .entry_points()
        .iter()
        .map(|entry| entry.modality)
        .collect();
    Synapses {
        text: served.contains(&Modality::Text),
        image: served.contains(&Modality::Image),
        tensor: served.contains(&Modality::Tensor),
    }
}
