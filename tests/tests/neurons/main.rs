//! Neurons as their operators meet them: a real node, real neurons, each a process of its own.
//!
//! | file | says |
//! | --- | --- |
//! | `contact.rs` | neurons that register find each other, ask each other and weigh each other |
//! | `absence.rs` | a peer is killed and comes back, the chain is killed and comes back, and training goes on |
//! | `figures.rs` | what a neuron tells Prometheus is what it does, and what the chain says |
//! | `incentive.rs` | who is worth asking is paid, and who answers noise is not |
//! | `serving.rs` | what was trained is served, answers queries, and is weighed by hand |
//! | `removal.rs` | who loses its place is no longer answered, and trains on |
//! | `interruption.rs` | a neuron that is told to stop saves, and goes on where it was |
//! | `models.rs` | each kind of model trains, is asked, goes on and is served, in a network of its task |
//! | `module.rs` | a module from Python is served, asked over the chain, and says what PyTorch says |
//! | `texts.rs` | models of text tell how one goes on, and what is in its gaps |
//! | `vocabulary.rs` | over as many tokens as GPT-2 has, peers are learned from by their likeliest ones |
//! | `commands.rs` | what commands say of a live network is what the chain says |
//!
//! The models are the real ones, on the real digits unless a file says otherwise, with small batches and one thread each.

mod absence;
mod commands;
mod contact;
mod figures;
mod incentive;
mod interruption;
mod models;
mod module;
mod removal;
mod serving;
mod texts;
mod vocabulary;

use anyhow::Result;
use connectome_tests::{
    ChainSpec, Node, Operator, Setup, account, keypair, metagraph::NetworkState,
};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use subxt::utils::AccountId32;

/// One token, CTM, in units.
const CTM: u64 = 1_000_000_000;

/// The network that all neurons here are in.
const NETID: u16 = 0;

/// Blocks of half a second between two epochs.
const TEMPO: u32 = 10;

/// Who will be, or is, a neuron.
struct Member {
    /// The path of its key below the development phrase.
    name: &'static str,
    /// What is staked on it, in CTM.
    stake: u64,
}

impl Member {
    fn account(&self) -> Result<AccountId32> {
        Ok(account(&keypair(self.name)?))
    }

    fn operator(&self, node: &Node) -> Result<Operator> {
        Operator::new(&format!("//{}", self.name), node)
    }
}

/// A node of a new chain on which the members have funds, `registered` as its neurons from the first block, in this order,
/// or not at all.
async fn chain(members: &[Member], registered: &[Member]) -> Result<Node> {
    chain_with(members, registered, &json!({})).await
}

/// As [`chain`], with these `hyperparameters` besides.
async fn chain_with(
    members: &[Member],
    registered: &[Member],
    hyperparameters: &Value,
) -> Result<Node> {
    chain_for("digits", members, registered, hyperparameters).await
}

/// As [`chain_with`], in a network of this task.
async fn chain_for(
    task: &str,
    members: &[Member],
    registered: &[Member],
    hyperparameters: &Value,
) -> Result<Node> {
    let mut funded = Vec::new();
    let mut neurons = Vec::new();
    for member in members.iter().chain(registered) {
        funded.push(member.account()?);
    }
    for member in registered {
        let account = member.account()?;
        let stake = member.stake * CTM;
        neurons.push(json!({ "hotkey": account, "coldkey": account, "stake": stake }));
    }
    let mut network = json!({
        "task": task,
        "hyperparameters": {
            "tempo": TEMPO,
            "activityCutoff": 100 * TEMPO,
            "weightsRateLimit": 0,
            "servingRateLimit": 0,
            "maxRegistrationsPerBlock": 16,
        },
        "neurons": neurons,
    });
    for (name, value) in hyperparameters.as_object().into_iter().flatten() {
        network["hyperparameters"][name] = value.clone();
    }
    let chain = ChainSpec::dev()
        .await?
        .with_block_time(500)
        .with_funds(&funded, 1_000 * CTM)
        .with(&json!({ "metagraph": { "networks": [network] } }))
        .write()?;
    Setup::authority(&chain, "alice")?.alone().start().await
}

/// Where the chain says that `uid` is reached.
fn endpoint(state: &NetworkState, uid: u16) -> Option<SocketAddr> {
    let neuron = state.metagraph.neurons.get(usize::from(uid))?;
    let endpoint = neuron.endpoint?;
    let ip = match endpoint.address() {
        pallet_metagraph::Address::V4(octets) => IpAddr::V4(Ipv4Addr::from(octets)),
        pallet_metagraph::Address::V6(octets) => IpAddr::V6(octets.into()),
    };
    Some(SocketAddr::new(ip, endpoint.port()))
}

/// The network in the state after the best block.
async fn now(node: &Node) -> Result<NetworkState> {
    node.client
        .until_network(NETID, "the network", |state| Some(state.clone()))
        .await
}
