//! The chain as a neuron meets it: real nodes, through `neuron-metagraph`.
//!
//! | file | says |
//! | --- | --- |
//! | `snapshot.rs` | a metagraph is what storage says, and the program's metadata is the node's |
//! | `follow.rs` | a metagraph stays fresh, whatever happens to nodes |
//! | `command.rs` | the `neuron` command does on the chain what it says |
//! | `submit.rs` | calls come into blocks, each once, or it is said why not |

mod command;
mod follow;
mod snapshot;
mod submit;

use anyhow::Result;
use connectome_tests::Node;
use neuron_metagraph::Chain;
use neuron_wallet::{Keypair, PublicKey};
use std::time::Duration;
use subxt::utils::AccountId32;

/// One token, CTM, in units.
const CTM: u64 = neuron_metagraph::CTM;

/// How long a call may take to get into a block: many blocks.
const DEADLINE: Duration = Duration::from_secs(60);

/// The key at `//name` below the development phrase.
fn key(name: &str) -> Result<Keypair> {
    Ok(Keypair::from_uri(&format!("//{name}"))?)
}

fn account(key: &PublicKey) -> AccountId32 {
    AccountId32(key.0)
}

async fn connect(node: &Node) -> Result<Chain> {
    Ok(Chain::connect(&[node.url()]).await?)
}
