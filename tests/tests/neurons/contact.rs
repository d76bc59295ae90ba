//! Neurons that register find each other, ask each other and weigh each other.

use crate::{CTM, Member, NETID, TEMPO, chain, chain_with};
use anyhow::{Context, Result};
use connectome_tests::{Training, run_log::Event};
use pallet_metagraph::{Protocol, Uid};
use serde_json::{Number, json};

const MEMBERS: [Member; 2] = [
    Member {
        name: "contact//0",
        stake: 300,
    },
    Member {
        name: "contact//1",
        stake: 200,
    },
];

/// Waits until `neuron` has had a row of its weights included, and gives the row.
async fn included(neuron: &mut Training) -> Result<Vec<(u16, Number)>> {
    let row = |event: &Event| match event {
        Event::Weights { row, result, .. } if result == "included" => Some(row.clone()),
        _ => None,
    };
    let what = "a row of weights to be included";
    neuron
        .until(what, |events| events.iter().find_map(row))
        .await
}

#[tokio::test]
async fn two_neurons_register_meet_and_weigh_each_other() -> Result<()> {
    // Given a chain without neurons, when two users do what `neuron --help` says,
    let node = chain(&MEMBERS, &[]).await?;
    let mut neurons = Vec::new();
    for (uid, member) in MEMBERS.iter().enumerate() {
        let operator = member.operator(&node)?;
        let registered = operator.ask(&["register"]).await?;
        assert_eq!(registered["uid"], uid);
        let stake = member.stake.to_string();
        let holdings = operator.ask(&["stake", "add", &stake]).await?;
        assert_eq!(holdings["hotkeys"][0]["stake"], member.stake * CTM);
        neurons.push(operator.train()?);
    }

    // then the chain tells each where the other is, with TLS,
    let told = |neurons: &[pallet_metagraph::NeuronInfo<_>]| {
        let serves = |it: &pallet_metagraph::NeuronInfo<_>| {
            let endpoint = it.endpoint?;
            (endpoint.synapses().image && endpoint.protocol() == Protocol::GrpcTls).then_some(())
        };
        neurons.iter().filter_map(serves).count() == MEMBERS.len()
    };
    node.client
        .until_network(NETID, "both endpoints", |state| {
            told(&state.metagraph.neurons).then_some(())
        })
        .await?;

    // each is answered by the other,
    let [first, second] = &mut neurons[..] else {
        unreachable!("two members")
    };
    first.until_answered_by(1).await?;
    second.until_answered_by(0).await?;

    // and what each then says of the other is in the matrix.
    let whole = Number::from_f64(1.0).context("it is finite")?;
    assert_eq!(included(first).await?, [(1, whole.clone())]);
    assert_eq!(included(second).await?, [(0, whole)]);
    let rows = node
        .client
        .until_network(NETID, "both rows", |state| {
            (state.weights.len() == 2).then(|| state.weights.clone())
        })
        .await?;
    let (zero, one) = (Uid(0), Uid(1));
    assert_eq!(
        rows,
        [(zero, vec![(one, u16::MAX)]), (one, vec![(zero, u16::MAX)])]
    );

    // The log of each begins with who it is.
    for (uid, neuron) in neurons.iter_mut().enumerate() {
        let began = neuron.events()?.first().context("it has trained")?;
        let uid = u16::try_from(uid)?;
        assert_eq!(*began, Event::Start { uid });
    }
    Ok(())
}

#[tokio::test]
async fn who_has_nothing_new_to_say_goes_on_being_heard() -> Result<()> {
    // Given two neurons that can rate only each other, so that their rows never change, where two epochs of silence
    // end a vote,
    let members =
        [("heard//0", 300), ("heard//1", 200)].map(|(name, stake)| Member { name, stake });
    let cutoff = 2 * TEMPO;
    let hyperparameters = json!({ "activityCutoff": cutoff });
    let node = chain_with(&[], &members, &hyperparameters).await?;
    let mut neurons = Vec::new();
    for member in &members {
        neurons.push(member.operator(&node)?.train()?);
    }

    // when each has set its row, and as much time has passed again as would have ended both votes,
    let mut first = 0;
    for neuron in &mut neurons {
        included(neuron).await?;
        let set = |event: &Event| match event {
            Event::Weights { block, .. } => Some(*block),
            _ => None,
        };
        first = first.max(
            neuron
                .events()?
                .iter()
                .filter_map(set)
                .max()
                .context("a row is set")?,
        );
    }
    let until = first + 2 * cutoff;

    // then both vote.
    let what = format!("block {until}, with two active neurons");
    node.client
        .until_network(NETID, &what, |state| {
            let neurons = &state.metagraph.neurons;
            let is_late = state.metagraph.network.previous_epoch > until;
            (is_late && neurons.iter().all(|neuron| neuron.active)).then_some(())
        })
        .await
}
