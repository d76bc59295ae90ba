//! Somebody is killed, without a word, and comes back: training goes on without them, and with them again.

use crate::{Member, NETID, chain, endpoint, now};
use anyhow::{Context, Result, ensure};
use connectome_tests::{Operator, Training, poll, run_log::Event};
use std::collections::BTreeSet;

/// Steps that have to be made while somebody is away. More than the calls that a second failure makes skipped.
const STEPS: u64 = 20;

#[tokio::test]
async fn training_goes_on_without_a_killed_peer_and_with_it_when_it_is_back() -> Result<()> {
    // Given two neurons that ask each other
    let members = [
        Member {
            name: "peer//0",
            stake: 100,
        },
        Member {
            name: "peer//1",
            stake: 100,
        },
    ];
    let node = chain(&[], &members).await?;
    let mut stays = members[0].operator(&node)?.train()?;
    let mut peer = members[1].operator(&node)?.train()?;
    stays.until_answered_by(1).await?;
    peer.until_answered_by(0).await?;
    let before = endpoint(&now(&node).await?, 1);

    // when one is killed,
    let operator = peer.kill();
    let (codes, lost) = without(&mut stays, 1).await?;

    // then the other trains on, tries it now and then, and knows what it lacks.
    ensure!(codes.contains("Unavailable"), "{codes:?}");
    ensure!(codes.contains("Backoff"), "{codes:?}");
    ensure!(lost >= STEPS, "{lost} steps without the peer");

    // When it comes back, with the same key at another port, it is asked again.
    let mut peer = operator.train()?;
    let moved = |after: Option<_>| after.is_some() && after != before;
    node.client
        .until_network(NETID, "another endpoint", |state| {
            moved(endpoint(state, 1)).then_some(())
        })
        .await?;
    stays.until_answered_by(1).await?;
    peer.until_answered_by(0).await?;
    Ok(())
}

/// Waits until `neuron` has made [`STEPS`] steps in which `uid` did not answer, and was also not asked. Gives what came of
/// asking it, and how many steps that were.
async fn without(neuron: &mut Training, uid: u16) -> Result<(BTreeSet<String>, u64)> {
    let before = neuron.events()?.len();
    neuron
        .until("steps without the peer", |events| {
            let codes = || events[before..].iter().filter_map(|it| it.code_of(uid));
            let lost = codes().filter(|code| *code != "Success");
            let lost = u64::try_from(lost.count()).ok()?;
            let seen: BTreeSet<_> = codes().map(str::to_owned).collect();
            (lost >= STEPS && seen.contains("Backoff")).then_some((seen, lost))
        })
        .await
}

#[tokio::test]
async fn what_a_peer_is_killed_over_is_answered_by_the_next_best() -> Result<()> {
    // Given a neuron that asks one of two about each row, and now and then one of them about all,
    let [asks, dies, stays] =
        [("asks", 100), ("dies", 200), ("stays", 300)].map(|(name, stake)| Member { name, stake });
    let node = chain(&[], &[asks, dies, stays]).await?;
    let operator = |name| Member { name, stake: 0 }.operator(&node);
    let dies = operator("dies")?.train()?;
    let stays = operator("stays")?.train()?;
    let patient = ["--topk=1", "--deadline=60s", "--metrics=127.0.0.1:0"];
    let mut asks = operator("asks")?.with(patient).train()?;
    for uid in [1, 2] {
        asks.until_answered_by(uid).await?;
    }

    // when one does not go on with what it was sent, and is killed in the middle of it,
    let before = asks.events()?.len();
    dies.pause()?;
    let mut last = None;
    poll("a call that stands", async || {
        let figures = asks.figures().await?;
        let calls = [
            figures.get("neuron_dendrite_forward_in_flight")?,
            figures.get("neuron_training_steps_total")?,
        ];
        let stands = last.replace(calls) == Some(calls) && calls[0] == 1.0;
        Ok(stands.then_some(()))
    })
    .await?;
    dies.kill();

    // then the other is sent those rows, in the same step.
    let outcomes = asks
        .until("a step in which it failed", |events| {
            let of_step = |event: &Event| match event {
                Event::Calls { outcomes, .. } => Some(outcomes.clone()),
                _ => None,
            };
            let mut steps = events[before..].iter().filter_map(of_step);
            steps.find(|outcomes| {
                let mut failed = outcomes.iter().filter(|call| call.code != "Success");
                failed.any(|call| call.uid == 1)
            })
        })
        .await?;
    let last = outcomes.last().context("somebody was asked")?;
    ensure!((last.uid, &*last.code) == (2, "Success"), "{outcomes:?}");
    drop(stays);
    Ok(())
}

#[tokio::test]
async fn neurons_outlive_their_chain_and_follow_it_when_it_is_back() -> Result<()> {
    // Given three neurons, whose opinions of each other change with every step, on a chain
    let members =
        ["outlive//0", "outlive//1", "outlive//2"].map(|name| Member { name, stake: 100 });
    let node = chain(&[], &members).await?;
    let operators: Vec<Operator> = members
        .iter()
        .map(|member| member.operator(&node))
        .collect::<Result<_>>()?;
    let mut neurons: Vec<Training> = operators
        .iter()
        .map(Operator::train)
        .collect::<Result<_>>()?;
    for (uid, neuron) in neurons.iter_mut().enumerate() {
        for other in (0..3).filter(|other| usize::from(*other) != uid) {
            neuron.until_answered_by(other).await?;
        }
        until_weights_after(neuron, 0).await?;
    }

    // when its only node is killed,
    let port = node.port();
    let last = node.client.best().await?.number;
    let setup = node.kill();

    // then they train on and answer each other,
    for (uid, neuron) in neurons.iter_mut().enumerate() {
        let meanwhile = neuron.go_on(STEPS).await?;
        for other in (0..3).filter(|other| usize::from(*other) != uid) {
            let mut codes = meanwhile.iter().filter_map(|it| it.code_of(other));
            ensure!(codes.any(|code| code == "Success"), "{other} of {uid}");
        }
    }

    // and once it is back, they see its new blocks and set weights there.
    let node = setup.at_port(port).start().await?;
    ensure!(node.best_at_start().await? > 0, "it has lost its blocks");
    for neuron in &mut neurons {
        until_weights_after(neuron, u32::try_from(last)?).await?;
    }
    let updated = now(&node).await?.metagraph.neurons;
    for neuron in updated {
        ensure!(u64::from(neuron.last_update) > last, "{neuron:?}");
    }
    Ok(())
}

/// Waits until a row that was due after block `height` is included.
async fn until_weights_after(neuron: &mut Training, height: u32) -> Result<()> {
    let is_it = |event: &Event| matches!(event, Event::Weights { block, result, .. } if *block > height && result == "included");
    neuron
        .until(&format!("weights after block {height}"), |events| {
            events.iter().any(is_it).then_some(())
        })
        .await
}
