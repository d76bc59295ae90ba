//! Calls come into blocks, each once, or it is said why not.

use crate::{CTM, DEADLINE, account, connect, key};
use anyhow::Result;
use connectome_tests::{ChainSpec, Node, Setup, chain_spec::ChainFile, within};
use futures::future::{join_all, try_join};
use neuron_metagraph::{At, Call, Included, SubmitError, WeightRow};
use neuron_wallet::Keypair;
use serde_json::json;
use std::time::Duration;

/// How many calls are submitted at once.
const MANY: usize = 32;

fn transfer(to: &Keypair, amount: u64) -> Call {
    Call::Transfer {
        to: to.public(),
        amount,
    }
}

#[tokio::test]
async fn many_calls_of_one_signer_at_once_all_land_in_order() -> Result<()> {
    let node = Setup::dev()?.start().await?;
    let chain = connect(&node).await?;
    let alice = key("Alice")?;
    let mut receivers = Vec::new();
    for place in 0..MANY {
        receivers.push(key(&format!("many//{place}"))?);
    }
    let calls = receivers
        .iter()
        .map(|receiver| chain.submit(transfer(receiver, CTM), &alice, DEADLINE));
    let included: Vec<Included> = join_all(calls)
        .await
        .into_iter()
        .collect::<Result<_, SubmitError>>()?;

    // In blocks, and paid for.
    assert!(included.iter().all(|it| it.fee.is_some_and(|fee| fee > 0)));
    let last = included.iter().max_by_key(|it| it.block_number);
    let last = last.expect("there were some").block_hash;
    // Each with a nonce of its own, none left out: as many as there were.
    let nonce = node.client.nonce(last, &account(&alice.public())).await?;
    assert_eq!(usize::try_from(nonce)?, MANY);
    for receiver in &receivers {
        let balance = chain.balance(&receiver.public(), At::Block(last)).await?;
        assert_eq!(balance, CTM);
    }
    Ok(())
}

#[tokio::test]
async fn calls_of_a_key_that_another_program_uses_too_land() -> Result<()> {
    let node = Setup::dev()?.start().await?;
    // Two programs: they share nothing but the key.
    let (one, other) = try_join(connect(&node), connect(&node)).await?;
    let (alice, bob) = (key("Alice")?, key("Bob")?);
    let calls = (0..8u64).map(|place| {
        let chain = if place % 2 == 0 { &one } else { &other };
        chain.submit(transfer(&bob, CTM + place), &alice, DEADLINE)
    });
    for included in join_all(calls).await {
        included?;
    }
    Ok(())
}

#[tokio::test]
async fn a_refusal_has_the_name_and_the_words_of_the_pallet() -> Result<()> {
    let node = Setup::dev()?.start().await?;
    let chain = connect(&node).await?;
    let alice = key("Alice")?;

    // By the pool, at no cost.
    let weights = Call::SetWeights {
        netid: 0,
        row: WeightRow::quantise(&[(0, 1.0)])?,
        version: 0,
    };
    let Err(SubmitError::Refused(refusal)) = chain.submit(weights, &alice, DEADLINE).await else {
        panic!("Alice has no neuron");
    };
    assert_eq!(
        (refusal.pallet.as_str(), refusal.error.as_str()),
        ("Metagraph", "NotRegistered")
    );
    assert_eq!(refusal.docs, "This hotkey has no neuron in this network.");
    assert_eq!(refusal.block, None);

    // By a block.
    let stake = Call::AddStake {
        hotkey: key("stranger")?.public(),
        amount: CTM,
    };
    let Err(SubmitError::Refused(refusal)) = chain.submit(stake, &alice, DEADLINE).await else {
        panic!("nobody has registered this hotkey");
    };
    assert_eq!(refusal.error, "HotkeyNotFound");
    assert!(
        refusal.docs.contains("Register it in a network first"),
        "{}",
        refusal.docs
    );
    assert!(refusal.block.is_some());

    // By the pool, for want of money; the next call has the nonce that this one did not use.
    let poor = key("poor")?;
    let error = chain.submit(transfer(&alice, 1), &poor, DEADLINE).await;
    assert!(
        matches!(&error, Err(SubmitError::NotTaken { reason, .. }) if reason.contains("balance")),
        "{error:?}"
    );
    chain.submit(transfer(&poor, CTM), &alice, DEADLINE).await?;
    Ok(())
}

/// A chain of which one authority makes a block every other second or so.
async fn slow_chain() -> Result<ChainFile> {
    ChainSpec::local().await?.with_block_time(500).write()
}

/// Waits until `n` transactions are in the node's pool.
async fn until_pending(node: &Node, n: usize) -> Result<()> {
    within("the pool to have it", async {
        while node.client.pending().await? < n {
            tokio::task::yield_now().await;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_call_that_no_block_takes_ends_at_its_deadline() -> Result<()> {
    // An authority without peers makes no blocks.
    let node = Setup::authority(&slow_chain().await?, "alice")?
        .start()
        .await?;
    let chain = connect(&node).await?;
    let (alice, transfer) = (key("Alice")?, transfer(&key("Bob")?, CTM));
    let deadline = Duration::from_secs(10);
    let submitting = chain.submit(transfer, &alice, deadline);
    let (result, pending) = tokio::join!(submitting, until_pending(&node, 1));
    pending?;
    let Err(error @ SubmitError::Deadline { .. }) = result else {
        panic!("there are no blocks: {result:?}");
    };
    assert!(error.is_uncertain());
    assert_eq!(node.client.pending().await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_call_outlives_the_node_that_had_it_and_is_done_once() -> Result<()> {
    let file = slow_chain().await?;
    let node = Setup::authority(&file, "alice")?.start().await?;
    let chain = connect(&node).await?;
    let (alice, receiver) = (key("Alice")?, key("outlived")?);
    let submitting = tokio::spawn({
        let (chain, alice) = (chain.clone(), alice.clone());
        let call = transfer(&receiver, CTM);
        async move { chain.submit(call, &alice, DEADLINE).await }
    });
    until_pending(&node, 1).await?;

    // The pool dies with the node. It comes back and makes blocks.
    let port = node.port();
    let node = node.kill().alone().at_port(port).start().await?;
    let included = within("the call to be included", async { Ok(submitting.await??) }).await?;
    let balance = chain
        .balance(&receiver.public(), At::Block(included.block_hash))
        .await?;
    assert_eq!(balance, CTM);

    // Nor is it done again in the blocks after.
    node.client.until_best(included.block_number + 3).await?;
    assert_eq!(chain.balance(&receiver.public(), At::Best).await?, CTM);
    let hash = node.client.hash_at(included.block_number).await?;
    assert_eq!(hash, included.block_hash);
    Ok(())
}

#[tokio::test]
async fn a_row_that_another_is_before_is_told_so_and_taken_after_it() -> Result<()> {
    // Given a neuron whose row, which is free, waits for a block: an authority without peers makes none.
    let hotkey = key("row//waits")?;
    let neuron = json!({
        "hotkey": account(&hotkey.public()),
        "coldkey": account(&key("Alice")?.public()),
    });
    let network = json!({
        "task": "limited",
        "neurons": [neuron],
        "hyperparameters": { "weightsRateLimit": 1 },
    });
    let file = ChainSpec::dev()
        .await?
        .with_block_time(500)
        .with_funds(&[account(&hotkey.public())], CTM)
        .with(&json!({ "metagraph": { "networks": [network] } }))
        .write()?;
    let node = Setup::authority(&file, "alice")?.start().await?;
    let chain = connect(&node).await?;
    // Everybody may weigh oneself.
    let row = Call::SetWeights {
        netid: 0,
        row: WeightRow::quantise(&[(0, 1.0)])?,
        version: 0,
    };
    let first = tokio::spawn({
        let (chain, hotkey, row) = (chain.clone(), hotkey.clone(), row.clone());
        async move { chain.submit(row, &hotkey, DEADLINE).await }
    });
    until_pending(&node, 1).await?;

    // When the next is submitted, here or by another program with the same key, it is told what it would have to wait for;
    for chain in [&chain, &connect(&node).await?] {
        let second = chain.submit(row.clone(), &hotkey, DEADLINE).await;
        assert_eq!(second, Err(SubmitError::RowWaits { netid: 0 }));
    }
    assert_eq!(node.client.pending().await?, 1);

    // and when there are blocks, the first is in one, and the next is taken.
    let _peer = Setup::authority(&file, "bob")?
        .joining(&node.address().await?)
        .start()
        .await?;
    let first = within("the first row", async { Ok(first.await??) }).await?;
    node.client.until_best(first.block_number + 1).await?;
    let next = chain.submit(row, &hotkey, DEADLINE).await?;
    assert!(next.block_number > first.block_number);
    Ok(())
}
