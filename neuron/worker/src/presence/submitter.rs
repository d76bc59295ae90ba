//! What a neuron that is present has the chain do: its calls, signed by its hotkey, and counted.

use std::time::Duration;

use neuron_metagraph::{Call, Chain, Included, SubmitError};
use neuron_wallet::Keypair;

use super::metrics::ChainMetrics;

/// How long a call may take into a block.
const DEADLINE: Duration = Duration::from_secs(60);

/// Submits calls. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Submitter {
    /// Where they go.
    pub(crate) chain: Chain,
    pub(super) hotkey: Keypair,
    pub(super) metrics: ChainMetrics,
}

impl Submitter {
    /// Has the chain do something, and waits until it has.
    ///
    /// # Errors
    ///
    /// As [`Chain::submit`] says.
    pub(crate) async fn submit(&self, call: Call) -> Result<Included, SubmitError> {
        let name = call.name();
        let submitted = self.chain.submit(call, &self.hotkey, DEADLINE).await;
        self.metrics.submitted(name, &submitted);
        submitted
    }
}
