//! What a neuron reads of the metagraph: whole answers, typed, at one block.
//!
//! A client calls these through `state_call` as `MetagraphApi_<name>`; the types are in the runtime's metadata. Every call
//! reads the state of the block it is asked at, so its answers agree with each other. What needs a call for each neuron
//! elsewhere needs one here.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

use alloc::vec::Vec;
use codec::Codec;
use pallet_metagraph::{
    Entry, Hyperparameters, Metagraph, NetId, NetworkInfo, NeuronInfo, StakeInfo, Uid,
};

sp_api::decl_runtime_apis! {
    /// Reads of the metagraph. What is asked of a network that is not in service is answered with `None`.
    #[api_version(1)]
    pub trait MetagraphApi<AccountId> where AccountId: Codec {
        /// The networks in service, ascending by id.
        fn networks() -> Vec<NetworkInfo<AccountId>>;

        /// A whole network: its neurons with their endpoints, scores, stake, permits and last update.
        fn metagraph(netid: NetId) -> Option<Metagraph<AccountId>>;

        /// One neuron.
        fn neuron(netid: NetId, uid: Uid) -> Option<NeuronInfo<AccountId>>;

        /// The weight matrix by rows: (rater, (rated, weight)), ascending. The largest weight of a row is 65535.
        fn weights(netid: NetId) -> Option<Vec<(Uid, Vec<Entry>)>>;

        /// The bonds by rows: (validator, (server, bond)), ascending.
        fn bonds(netid: NetId) -> Option<Vec<(Uid, Vec<Entry>)>>;

        /// The hyperparameters of a network.
        fn hyperparameters(netid: NetId) -> Option<Hyperparameters>;

        /// The first block in which the next epoch of a network is due.
        fn next_epoch(netid: NetId) -> Option<u32>;

        /// What a registration costs now, in units.
        fn registration_price(netid: NetId) -> Option<u64>;

        /// The stake on a hotkey, settled and earned, and where it has neurons.
        fn stake(hotkey: AccountId) -> Option<StakeInfo<AccountId>>;
    }
}
