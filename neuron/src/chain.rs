//! The chain as the commands use it: connected to, asked, and told, on a runtime of one thread.

use std::{future::Future, time::Duration};

use anyhow::Context;
use neuron_metagraph::{Call, Chain, ChainError, Included};
use neuron_wallet::Keypair;

use crate::cli::Global;

/// How long a command waits for its call to be in a block: many blocks of any chain.
const DEADLINE: Duration = Duration::from_secs(90);

/// Runs a command that talks to others until it is done.
///
/// # Errors
///
/// Those of the command.
pub(crate) fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the program's runtime")?
        .block_on(command)
}

impl Global {
    /// Connects to the chain of `--chain`.
    pub(crate) async fn connect(&self) -> Result<Chain, ChainError> {
        Chain::connect(&self.chain).await
    }
}

/// Submits a call of a command, and waits until it is in a block.
pub(crate) async fn submit(
    chain: &Chain,
    call: Call,
    signer: &Keypair,
) -> anyhow::Result<Included> {
    Ok(chain.submit(call, signer, DEADLINE).await?)
}
