//! The metagraph as the axon wants it: who may call.

use neuron_metagraph::{Metagraph, Protocol};
use neuron_peer::{Member, Roster};

/// Everybody who is registered.
pub(super) fn roster(metagraph: &Metagraph) -> Roster {
    let members = metagraph.neurons.iter().map(|neuron| Member {
        uid: neuron.uid,
        hotkey: neuron.hotkey,
        stake: neuron.stake,
        validator_permit: neuron.validator_permit,
        address: neuron.endpoint.map(|endpoint| endpoint.address),
        plaintext: neuron
            .endpoint
            .is_some_and(|endpoint| endpoint.protocol == Protocol::GrpcPlain),
    });
    Roster::new(metagraph.block.number, members)
}
