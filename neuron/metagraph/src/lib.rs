//! The chain as a neuron sees it: the metagraph at one block, and the calls that change it.
//!
//! ```text
//! node ⇄ Chain ──► Metagraph                one network at one block, immutable
//!              ──► Following                the same, fresh with every block
//!              ──► Matrix, Network, ...     on demand
//!      Call ──►┘   Included | SubmitError   in a block, or why not
//! ```
//!
//! | file | holds |
//! | --- | --- |
//! | `chain.rs` | [`Chain`]: the questions that can be asked; `chain/connection.rs` keeps it connected |
//! | `snapshot.rs`, `endpoint.rs`, `network.rs` | [`Metagraph`], [`Neuron`], [`Endpoint`], [`Network`] |
//! | `follow.rs` | [`Following`]: a snapshot for every block |
//! | `matrix.rs` | [`Matrix`]: weights and bonds |
//! | `weight_row.rs` | [`WeightRow`]: scores made into what `set_weights` takes |
//! | `call.rs`, `submit.rs` | [`Call`], signed and brought into a block |
//! | `error.rs` | [`ChainError`] |
//! | `api.rs`, `wire.rs` | what the runtime says, generated from its metadata, and how it becomes the above |
//!
//! Nothing else of the neuron names `subxt`, and nothing here names a model or a peer.
//!
//! # Units
//!
//! Amounts are in units of 10⁻⁹ CTM, fractions in 1/65535, heights and periods in blocks, wherever nothing else is said.

mod api;
mod call;
mod chain;
mod endpoint;
mod error;
mod follow;
mod matrix;
mod network;
mod snapshot;
mod submit;
mod weight_row;
mod wire;

pub use api::{Bonds, ConsensusMode, Hyperparameters};
pub use call::Call;
pub use chain::{At, BlockRef, Chain, NodeInfo};
pub use endpoint::{Endpoint, Protocol, Synapses};
pub use error::{Attempt, ChainError};
pub use follow::{Following, Freshness};
pub use matrix::{Entry, Matrix};
pub use network::{Network, Stake};
pub use snapshot::{Metagraph, Neuron, fraction};
pub use submit::{Included, Refusal, SubmitError};
pub use weight_row::{WeightError, WeightRow};

/// A block's or a transaction's hash.
pub use subxt::utils::H256;

/// One token, CTM, in units.
pub const CTM: u64 = 1_000_000_000;
