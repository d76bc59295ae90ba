//! Live nodes for the tests in `tests/`: the `connectome-node` that was built, on free ports, driven by `subxt`.
//!
//! ```text
//! ChainSpec ──► Setup ──► Node ──► Client ──► calls, NetworkState
//! a preset,     how to    a        what a     what it says,
//! patched       start it  process  user has   what it reads
//! ```
//!
//! | file | holds |
//! | --- | --- |
//! | [`chain_spec`] | a preset of the node, with what a test wants different |
//! | [`node`] | processes: started, read, killed, told to stop |
//! | [`client`] | transactions in, blocks and answers out |
//! | [`calls`] | the transactions that the tests send |
//! | [`keys`] | who signs them |
//! | [`metagraph`] | what a client reads of a network, and what its next epoch has to be |
//!
//! A test never sleeps. It waits for a block, a line of a log or the end of a process, through [`within`].

pub mod calls;
pub mod chain_spec;
pub mod client;
pub mod keys;
pub mod metagraph;
pub mod node;

use anyhow::{Context, Result};
use std::{future::Future, time::Duration};

pub use chain_spec::ChainSpec;
pub use client::Client;
pub use keys::{account, keypair, keypairs};
pub use node::{Node, Setup};

/// How long anything may take: many times what it does take, so that only what hangs meets it.
pub const PATIENCE: Duration = Duration::from_secs(100);

/// What `future` gives.
///
/// # Errors
///
/// If it takes longer than [`PATIENCE`], or fails; the message says that it was `what` that did.
pub async fn within<T>(what: &str, future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(PATIENCE, future)
        .await
        .with_context(|| format!("waited {PATIENCE:?} for {what}"))?
        .with_context(|| format!("while waiting for {what}"))
}
