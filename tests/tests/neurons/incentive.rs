//! Who is worth asking is paid, and who answers noise is not.

use crate::{Member, NETID, chain};
use anyhow::{Context, Result};
use connectome_tests::{metagraph::NetworkState, run_log::Event};

const VALIDATOR: u16 = 0;
const HONEST: u16 = 1;
const GARBAGE: u16 = 2;

/// How many times what the other is paid. More than chance gives a router that has learned nothing.
const MARGIN: u32 = 3;

/// Epochs in a row in which it has to be so.
const EPOCHS: usize = 2;

fn incentive(state: &NetworkState, uid: u16) -> Option<u32> {
    let neuron = state.metagraph.neurons.get(usize::from(uid))?;
    Some(neuron.incentive.into())
}

#[tokio::test]
async fn an_honest_neuron_is_paid_more_than_one_that_answers_noise() -> Result<()> {
    // Given a validator, which alone has a say, and two that it may ask, one of which answers noise,
    let members = [("paid//0", 300), ("paid//1", 0), ("paid//2", 0)]
        .map(|(name, stake)| Member { name, stake });
    let node = chain(&[], &members).await?;
    let neuron = |uid: u16| {
        let shard = format!("--shard={uid}/3");
        let seed = format!("--seed={uid}");
        let operator = members[usize::from(uid)].operator(&node)?;
        anyhow::Ok(operator.with([shard.as_str(), &seed]))
    };
    let mut validator = neuron(VALIDATOR)?.train()?;
    let mut honest = neuron(HONEST)?.train()?;
    let mut garbage = neuron(GARBAGE)?.with(["--answer=garbage"]).train()?;

    // when it has learned whom to ask for some epochs,
    validator.until_answered_by(HONEST).await?;
    validator.until_answered_by(GARBAGE).await?;
    let mut since = 0;
    for _ in 0..EPOCHS {
        let what =
            format!("an epoch after block {since} that pays the honest {MARGIN} times as much");
        // then the incentive of the honest one is far above that of the other, and stays there.
        since = node
            .client
            .until_network(NETID, &what, |state| {
                let (honest, garbage) = (incentive(state, HONEST)?, incentive(state, GARBAGE)?);
                let epoch = state.metagraph.network.previous_epoch;
                let is_paid = honest > 0 && honest >= MARGIN * garbage;
                (epoch > since && is_paid).then_some(epoch)
            })
            .await?;
    }

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
    assert!(of(HONEST) > of(GARBAGE), "{row:?}");
    Ok(())
}
