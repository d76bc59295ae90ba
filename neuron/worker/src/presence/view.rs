//! What training needs to know of the network, at one block.

use std::collections::BTreeMap;

use neuron_metagraph::{Metagraph, Protocol, Synapses};
use neuron_peer::dendrite::Peer;
use neuron_proto::Modality;
use neuron_wallet::PublicKey;

/// The network at one block, as one of its neurons sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// The block.
    pub(crate) block: u32,
    /// Block of the last epoch.
    pub(crate) previous_epoch: u32,
    /// First block in which the next epoch is due.
    pub(crate) next_epoch: u32,
    /// Whether this neuron may weigh others.
    pub(crate) has_permit: bool,
    /// Everybody who is registered.
    pub(crate) uids: BTreeMap<PublicKey, u16>,
    /// Others that serve what this neuron asks, by uid.
    pub(crate) peers: Vec<Peer>,
}

impl View {
    /// What `own` sees that asks for `modality`.
    pub(crate) fn of(metagraph: &Metagraph, own: &PublicKey, modality: Modality) -> Self {
        let neurons = &metagraph.neurons;
        let others = neurons.iter().filter(|neuron| neuron.hotkey != *own);
        let peers = others.filter_map(|neuron| {
            let endpoint = neuron
                .endpoint
                .filter(|endpoint| serves(endpoint.synapses, modality))?;
            Some(Peer {
                uid: neuron.uid,
                hotkey: neuron.hotkey,
                address: endpoint.address,
                plaintext: endpoint.protocol == Protocol::GrpcPlain,
            })
        });
        Self {
            block: metagraph.block.number,
            previous_epoch: metagraph.previous_epoch,
            next_epoch: metagraph.next_epoch,
            has_permit: metagraph
                .by_hotkey(own)
                .is_some_and(|neuron| neuron.validator_permit),
            uids: neurons
                .iter()
                .map(|neuron| (neuron.hotkey, neuron.uid))
                .collect(),
            peers: peers.collect(),
        }
    }
}

fn serves(synapses: Synapses, modality: Modality) -> bool {
    match modality {
        Modality::Text => synapses.text,
        Modality::Image => synapses.image,
        Modality::Tensor => synapses.tensor,
    }
}
