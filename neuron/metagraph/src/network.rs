//! Networks in short, and stake: what the chain says of them besides their neurons.

use neuron_wallet::PublicKey;
use serde::Serialize;

/// A network at one block, without its neurons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Network {
    /// Its id.
    pub netid: u16,
    /// What its neurons learn, for instance `digits`.
    pub task: String,
    /// Who is paid the owner's cut.
    pub owner: Option<PublicKey>,
    /// Neurons that it has.
    pub n_neurons: u16,
    /// Neurons that it can have.
    pub max_neurons: u16,
    /// What a registration in the next block costs at most, in units, if nobody else registers before.
    pub registration_price: u64,
    /// Emission gathered since the last epoch, in units.
    pub pending: u64,
    /// Block of the last epoch; that of the network's creation before the first.
    pub previous_epoch: u32,
    /// First block in which the next epoch is due.
    pub next_epoch: u32,
}

/// The stake on a hotkey at one block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stake {
    /// The coldkey that owns it.
    pub coldkey: PublicKey,
    /// Settled stake, in units.
    pub settled: u64,
    /// Earned in all networks and not settled yet, in units.
    pub earned: u64,
    /// Where the hotkey has neurons: (netid, uid), ascending.
    pub neurons: Vec<(u16, u16)>,
}

impl Stake {
    /// Everything that can be taken back, in units.
    pub fn total(&self) -> u64 {
        self.settled.saturating_add(self.earned)
    }
}
