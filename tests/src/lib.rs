//! Live nodes and neurons for the tests in `tests/`: the `connectome-node` and the `neuron` that were built, on free ports,
//! driven by `subxt` and by the command line.
//!
//! ```text
//! ChainSpec ──► Setup ──► Node ──► Client ──► calls, NetworkState
//! a preset,     how to    a        what a     what it says,
//! patched       start it  process  user has   what it reads
//!
//! Operator ──► Training ──► Event
//! a key and    a process    what its
//! a home                    log says
//! ```
//!
//! | file | holds |
//! | --- | --- |
//! | [`chain_spec`] | a preset of the node, with what a test wants different |
//! | [`node`] | nodes: started, read, killed, told to stop |
//! | [`neuron`] | neurons and the `neuron` command, likewise |
//! | [`run_log`] | what a neuron writes while it trains |
//! | `process` | what both have in common: a process, its log, its end |
//! | [`figures`] | what both tell Prometheus |
//! | [`client`] | transactions in, blocks and answers out |
//! | [`calls`] | the transactions that the tests send |
//! | [`keys`] | who signs them |
//! | [`metagraph`] | what a client reads of a network, and what its next epoch has to be |
//!
//! A test never sleeps. It waits for a block, a line of a log or the end of a process, through [`within`]; where nothing
//! tells it of a change, as with files, it looks again and again, through [`poll`].

pub mod calls;
pub mod chain_spec;
pub mod client;
pub mod figures;
pub mod keys;
pub mod metagraph;
pub mod neuron;
pub mod node;
mod process;
pub mod run_log;

use anyhow::{Context, Result};
use std::{env, future::Future, path::PathBuf, time::Duration};

pub use chain_spec::ChainSpec;
pub use client::Client;
pub use figures::Figures;
pub use keys::{account, keypair, keypairs};
pub use neuron::{Operator, Training};
pub use node::{Node, Setup};

/// How long anything may take: many times what it does take, so that only what hangs meets it.
pub const PATIENCE: Duration = Duration::from_secs(100);

/// Between two looks of [`poll`].
const GLANCE: Duration = Duration::from_millis(50);

/// The folder of the repository whose tests run. It is asked for at run time: where several clones share what is built, the
/// compiler may have seen another.
///
/// # Panics
///
/// If it is no test that cargo runs.
pub fn repository() -> PathBuf {
    let here = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it for tests");
    PathBuf::from(here).join("..")
}

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

/// What `look` finds, sooner or later: for what says to nobody that it has changed.
///
/// # Errors
///
/// If it takes longer than [`PATIENCE`], or a look fails; the message says that it was `what` that did.
pub async fn poll<T>(what: &str, mut look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    within(what, async {
        let mut glances = tokio::time::interval(GLANCE);
        loop {
            glances.tick().await;
            if let Some(found) = look().await? {
                return Ok(found);
            }
        }
    })
    .await
}
