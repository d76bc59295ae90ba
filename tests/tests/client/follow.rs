//! A metagraph stays fresh, whatever happens to nodes.

use crate::{CTM, DEADLINE, connect, key};
use anyhow::{Result, bail};
use connectome_tests::{ChainSpec, Setup, within};
use neuron_metagraph::{At, Call, Chain, Following, Metagraph};
use std::sync::Arc;
use tokio::net::TcpListener;

/// Waits for a snapshot that `is_it`.
async fn until(
    following: &mut Following,
    what: &str,
    is_it: impl Fn(&Metagraph) -> bool,
) -> Result<Arc<Metagraph>> {
    within(what, async {
        match following
            .snapshots
            .wait_for(|snapshot| is_it(snapshot))
            .await
        {
            Ok(snapshot) => Ok(snapshot.clone()),
            Err(_) => bail!("it is not followed any more"),
        }
    })
    .await
}

#[tokio::test]
async fn a_metagraph_is_followed_through_the_death_of_its_node() -> Result<()> {
    let node = Setup::dev()?.start().await?;
    let chain = connect(&node).await?;
    let mut following = chain.follow(0).await?;
    let first = following.latest().block.number;
    until(&mut following, "fresh snapshots", |it| {
        it.block.number > first + 1
    })
    .await?;

    // The last snapshot stays while there is no node.
    let port = node.port();
    let setup = node.kill();
    let left = following.latest().block.number;

    let node = setup.at_port(port).start().await?;
    assert_eq!(node.port(), port);
    let fresh = until(&mut following, "snapshots of the node that is back", |it| {
        it.block.number > left + 1
    })
    .await?;
    assert_eq!(
        node.client.hash_at(fresh.block.number).await?,
        fresh.block.hash
    );
    assert_eq!(following.trouble(), None);
    Ok(())
}

#[tokio::test]
async fn the_next_node_is_followed_and_asked_when_one_dies() -> Result<()> {
    // Given a chain of two nodes, and a program that is connected to the one that makes no blocks,
    let file = ChainSpec::dev().await?.with_block_time(500).write()?;
    let author = Setup::authority(&file, "alice")?.alone().start().await?;
    let address = author.address().await?;
    let full = Setup::authority(&file, "bob")?
        .joining(&address)
        .start()
        .await?;
    full.client.until_best(2).await?;
    let chain = Chain::connect(&[full.url(), author.url()]).await?;
    let mut following = chain.follow(0).await?;
    until(&mut following, "a fresh snapshot", |it| it.block.number > 2).await?;
    assert_eq!(chain.node().await?.url, full.url());

    // when that one is killed,
    drop(full);
    let left = following.latest().block.number;

    // then the metagraph stays fresh, questions are answered, and calls get into blocks through the other.
    until(&mut following, "snapshots of the other node", |it| {
        it.block.number > left + 1
    })
    .await?;
    assert_eq!(chain.node().await?.url, author.url());
    let (alice, bob) = (key("Alice")?, key("Bob")?.public());
    let before = chain.balance(&bob, At::Best).await?;
    let call = Call::Transfer {
        to: bob,
        amount: CTM,
    };
    let included = chain.submit(call, &alice, DEADLINE).await?;
    let at = At::Block(included.block_hash);
    assert_eq!(chain.balance(&bob, at).await?, before + CTM);
    Ok(())
}

#[tokio::test]
async fn what_is_no_longer_followed_costs_nothing() -> Result<()> {
    let node = Setup::dev()?.start().await?;
    let chain = connect(&node).await?;
    let following = chain.follow(0).await?;
    let mut snapshots = following.snapshots.clone();
    drop(following);
    within("the task to end", async {
        while snapshots.changed().await.is_ok() {}
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_next_node_is_asked_where_one_is_away() -> Result<()> {
    let nobody = TcpListener::bind("127.0.0.1:0").await?;
    let away = format!("ws://{}", nobody.local_addr()?);
    drop(nobody);
    let node = Setup::dev()?.start().await?;
    let chain = Chain::connect(&[away, node.url()]).await?;
    assert_eq!(chain.node().await?.url, node.url());
    let alice = key("Alice")?.public();
    assert!(chain.balance(&alice, At::Finalised).await? > 0);
    Ok(())
}
