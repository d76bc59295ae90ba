//! The chain's runtime as its metadata describes it: types, calls, storage and interfaces, generated from `metadata.scale`.
//!
//! `make metadata` writes that file anew; a test in `tests/tests/client` compares it with a running node. A call or an answer of
//! which the node's runtime has another idea than the file is refused before it is sent ([`crate::ChainError::Incompatible`]).

#[subxt::subxt(
    runtime_metadata_path = "metadata.scale",
    generate_docs,
    derive_for_type(
        path = "pallet_metagraph::hyperparameters::Hyperparameters",
        derive = "Clone",
        recursive
    ),
    derive_for_type(
        path = "pallet_metagraph::hyperparameters::Hyperparameters",
        derive = "PartialEq",
        recursive
    ),
    derive_for_type(
        path = "pallet_metagraph::hyperparameters::Hyperparameters",
        derive = "Eq",
        recursive
    ),
    derive_for_type(
        path = "pallet_metagraph::hyperparameters::Hyperparameters",
        derive = "serde::Serialize",
        recursive
    )
)]
mod generated {}

pub(crate) use generated::*;

pub use runtime_types::pallet_metagraph::hyperparameters::{Bonds, ConsensusMode, Hyperparameters};
pub(crate) use runtime_types::pallet_metagraph::{
    NetId,
    endpoint::{Address, Endpoint, Protocol, Synapses},
    hyperparameters::Hyperparameter,
    reads::{Metagraph, NetworkInfo, NeuronInfo, StakeInfo},
};
