//! Who is worth asking is paid: more than one who answers noise, and more than one who has learned nothing.

use crate::{Member, NETID, chain};
use anyhow::{Context, Result, ensure};
use connectome_tests::{Node, Operator, metagraph::NetworkState, run_log::Event};

const VALIDATOR: u16 = 0;
const GOOD: u16 = 1;
const POOR: u16 = 2;

/// How many times what the other is paid. More than chance gives a router that has learned nothing.
const MARGIN: u32 = 3;

/// Epochs in a row in which it has to be so.
const EPOCHS: usize = 2;

fn incentive(state: &NetworkState, uid: u16) -> Option<u32> {
    let neuron = state.metagraph.neurons.get(usize::from(uid))?;
    Some(neuron.incentive.into())
}

/// Waits for as many epochs in a row that pay the good neuron [`MARGIN`] times as much as the poor one.
async fn until_paid_more(node: &Node) -> Result<()> {
    let mut since = 0;
    for _ in 0..EPOCHS {
        let what = format!(
            "an epoch after block {since} that pays uid {GOOD} {MARGIN} times as much as uid {POOR}"
        );
        since = node
            .client
            .until_network(NETID, &what, |state| {
                let (good, poor) = (incentive(state, GOOD)?, incentive(state, POOR)?);
                let epoch = state.metagraph.network.previous_epoch;
                let is_paid = good > 0 && good >= MARGIN * poor;
                (epoch > since && is_paid).then_some(epoch)
            })
            .await?;
    }
    Ok(())
}

/// A chain with a validator, which alone has a say, and two that it may ask; who runs each.
async fn three(names: [&'static str; 3]) -> Result<(Node, [Operator; 3])> {
    let members =
        [(names[0], 300), (names[1], 0), (names[2], 0)].map(|(name, stake)| Member { name, stake });
    let node = chain(&[], &members).await?;
    let operator = |uid: u16| {
        let shard = format!("--shard={uid}/3");
        let seed = format!("--seed={uid}");
        let operator = members[usize::from(uid)].operator(&node)?;
        anyhow::Ok(operator.with([shard.as_str(), &seed]))
    };
    let operators = [operator(VALIDATOR)?, operator(GOOD)?, operator(POOR)?];
    Ok((node, operators))
}

#[tokio::test]
async fn a_neuron_that_learns_is_paid_more_than_one_that_learns_nothing() -> Result<()> {
    // Given one that has learned for a while, and one that answers honestly from the model that it was born with,
    let (node, [validator, good, poor]) = three(["learns//0", "learns//1", "learns//2"]).await?;
    let (status, _) = good
        .clone()
        .with(["--alone", "--steps=300"])
        .train()?
        .end()
        .await?;
    ensure!(status.code() == Some(0), "{status}");

    // when the validator asks both,
    let _good = good.resume()?;
    let _poor = poor.with(["--learning-rate=0"]).train()?;
    let mut validator = validator.train()?;
    validator.until_answered_by(GOOD).await?;
    validator.until_answered_by(POOR).await?;

    // then it learns which of them is worth asking, and the chain pays by that.
    until_paid_more(&node).await
}

#[tokio::test]
async fn an_honest_neuron_is_paid_more_than_one_that_answers_noise() -> Result<()> {
    // Given a validator, and two that it may ask, one of which answers noise,
    let (node, [validator, honest, garbage]) = three(["paid//0", "paid//1", "paid//2"]).await?;
    let mut validator = validator.train()?;
    let mut honest = honest.train()?;
    let mut garbage = garbage.with(["--answer=garbage"]).train()?;

    // when it has learned whom to ask for some epochs,
    validator.until_answered_by(GOOD).await?;
    validator.until_answered_by(POOR).await?;
    // then the incentive of the honest one is far above that of the other, and stays there.
    until_paid_more(&node).await?;

    // Those without a stake may not weigh others, and know it.
    for neuron in [&mut honest, &mut garbage] {
        let result = neuron
            .until("a row that is due", |events| {
                events.iter().find_map(|event| match event {
                    Event::Weights { result, .. } => Some(result.clone()),
                    _ => None,
                })
            })
            .await?;
        assert_eq!(result, "no permit");
    }
    let last = validator.events()?.iter().rev();
    let row = last
        .filter_map(|event| match event {
            Event::Weights { row, .. } => Some(row.clone()),
            _ => None,
        })
        .next()
        .context("the validator has set weights")?;
    let of = |uid| {
        row.iter()
            .find(|(rated, _)| *rated == uid)
            .and_then(|(_, share)| share.as_f64())
            .unwrap_or_default()
    };
    assert!(of(GOOD) > of(POOR), "{row:?}");
    Ok(())
}
