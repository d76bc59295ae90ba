//! Nodes are killed, the chain goes on, and who returns has its peers' state.
//!
//! GRANDPA with equal voters makes a block final when more than two thirds of them vote for it, so `n` voters outlive
//! `f` dead ones where `n ≥ 3f + 1`: four authorities outlive one. Of three none may be missing; then blocks are made,
//! but wait to be final.

use crate::{CTM, epoch::check_epoch};
use anyhow::{Result, ensure};
use connectome_tests::{ChainSpec, Node, Setup, account, calls, chain_spec::ChainFile};
use futures::future::try_join_all;
use serde_json::json;
use subxt_signer::sr25519::dev;
use tokio::sync::Mutex;

/// These tests run many nodes each: one at a time is enough for a machine of two cores.
static MANY_NODES: Mutex<()> = Mutex::const_new(());

/// Milliseconds between blocks.
const BLOCK_TIME: u64 = 800;

/// Starts `authorities` of `chain`, which find each other through the first.
async fn start(chain: &ChainFile, authorities: &[&str]) -> Result<Vec<Node>> {
    let (first, others) = authorities.split_first().expect("a chain has an authority");
    let first = Setup::authority(chain, first)?.start().await?;
    let address = first.address().await?;
    let mut nodes = vec![first];
    let others = try_join_all(others.iter().map(async |name| {
        Setup::authority(chain, name)?
            .joining(&address)
            .start()
            .await
    }));
    nodes.extend(others.await?);
    Ok(nodes)
}

async fn all_finalised(nodes: &[Node], height: u32) -> Result<()> {
    try_join_all(nodes.iter().map(|node| node.client.until_finalised(height))).await?;
    Ok(())
}

/// All have the same final blocks, hence the same states, from `first` to `last`.
async fn check_same_states(nodes: &[Node], first: u32, last: u32) -> Result<()> {
    for height in first..=last {
        let headers = try_join_all(nodes.iter().map(|node| node.client.header_at(height))).await?;
        let states: Vec<_> = headers.iter().map(|header| header.state_root).collect();
        ensure!(
            states.windows(2).all(|pair| pair[0] == pair[1]),
            "block {height}: {states:?}"
        );
        ensure!(
            headers.windows(2).all(|pair| pair[0] == pair[1]),
            "block {height}: {headers:?}"
        );
    }
    Ok(())
}

async fn best(node: &Node) -> Result<u32> {
    Ok(u32::try_from(node.client.best().await?.number)?)
}

async fn finalised(node: &Node) -> Result<u32> {
    Ok(u32::try_from(node.client.finalised().await?.number)?)
}

#[tokio::test]
async fn three_authorities_keep_finalising_while_a_fourth_is_killed_and_it_catches_up() -> Result<()>
{
    let _alone = MANY_NODES.lock().await;

    // Given the four authorities of the local chain
    let chain = ChainSpec::local()
        .await?
        .with_block_time(BLOCK_TIME)
        .write()?;
    let mut nodes = start(&chain, &["alice", "bob", "charlie", "dave"]).await?;
    all_finalised(&nodes, 3).await?;

    // when the fourth is killed
    let dave = nodes.pop().expect("four were started").kill();

    // then the others go on to make blocks final,
    let since = best(&nodes[0]).await?;
    all_finalised(&nodes, since + 6).await?;

    // and when it returns, with its database, it has what they have and follows them.
    let dave = dave.start().await?;
    let returned_at = dave.best_at_start().await?;
    ensure!(
        (1..=since + 1).contains(&returned_at),
        "it started at {returned_at}"
    );
    nodes.push(dave);
    let now = best(&nodes[0]).await?;
    all_finalised(&nodes, now + 3).await?;
    check_same_states(&nodes, returned_at, now + 3).await
}

#[tokio::test]
async fn an_authority_killed_in_mid_epoch_returns_with_the_state_of_its_peers() -> Result<()> {
    const TEMPO: u32 = 20;
    let _alone = MANY_NODES.lock().await;

    // Given the first three authorities of the local chain alone, which are neurons as well, some time after the first
    // epoch,
    let keys = [dev::alice(), dev::bob(), dev::charlie()];
    let neurons = keys
        .each_ref()
        .map(account)
        .map(|key| json!({ "hotkey": key, "coldkey": key, "stake": 100 * CTM }));
    let network =
        json!({ "task": "digits", "hyperparameters": { "tempo": TEMPO }, "neurons": neurons });
    let local = ChainSpec::local().await?;
    let voters = &local.genesis()["grandpa"]["authorities"];
    let voters = &voters.as_array().expect("a list")[..keys.len()];
    let authorities = json!({
        "aura": { "authorities": keys.each_ref().map(account) },
        "grandpa": { "authorities": voters },
    });
    let chain = local
        .with_block_time(BLOCK_TIME)
        .with(&authorities)
        .with(&json!({ "metagraph": { "networks": [network] } }))
        .write()?;
    let mut nodes = start(&chain, &["alice", "bob", "charlie"]).await?;
    let alice = nodes[0].client.clone();
    try_join_all(nodes.iter().map(|node| node.client.until_best(TEMPO))).await?;

    // with weights set through one of them and emission pending,
    let rows = [[(1, 3), (2, 1)], [(0, 1), (2, 1)]];
    let [first, second, _] = &keys;
    let weights = [
        (calls::set_weights(0, &rows[0], 0), first),
        (calls::set_weights(0, &rows[1], 0), second),
    ];
    let block = nodes[1].client.apply(&weights).await?;
    let set = nodes[1].client.network(block, 0).await?;
    ensure!(set.weights.len() == 2);

    // when one is killed in the middle of the epoch
    let bob = &nodes[1].client;
    let mut epoch = set.metagraph.network.next_epoch;
    if best(&nodes[1]).await? + TEMPO / 2 > epoch {
        // There is too little left of this one.
        // In the block of an epoch, nothing is pending.
        bob.until_best(epoch + 1).await?;
        epoch += TEMPO;
    }
    let height = best(&nodes[1]).await?;
    let pending = bob.network(bob.hash_at(height).await?, 0).await?;
    ensure!(pending.metagraph.network.pending > 0 && pending.metagraph.network.next_epoch == epoch);
    try_join_all(nodes.iter().map(|node| node.client.until_best(height))).await?;
    let charlie = nodes.pop().expect("three were started").kill();
    let since = best(&nodes[0]).await?;
    ensure!(
        since < epoch,
        "it was killed in block {since}, after the epoch"
    );

    // then the others run the epoch as computed, though two of three cannot make it final,
    alice.until_best(epoch + 2).await?;
    let after = check_epoch(&alice, 0, epoch).await?;
    ensure!(
        after
            .metagraph
            .neurons
            .iter()
            .any(|neuron| neuron.incentive > 0)
    );
    let frozen = finalised(&nodes[0]).await?;
    ensure!(
        frozen <= since + 1,
        "block {frozen} is final without the third vote"
    );

    // and when it returns, with its database, it computes what they did, and all goes on.
    let charlie = charlie.start().await?;
    let returned_at = charlie.best_at_start().await?;
    // What was in no more than memory is gone.
    ensure!(
        (height - 2..=since + 1).contains(&returned_at),
        "it started at {returned_at}"
    );
    nodes.push(charlie);
    let now = best(&nodes[0]).await?;
    all_finalised(&nodes, now + 3).await?;
    check_same_states(&nodes, returned_at, now + 3).await?;
    let seen = nodes[2]
        .client
        .network(alice.hash_at(epoch).await?, 0)
        .await?;
    assert_eq!(seen, after);
    Ok(())
}
