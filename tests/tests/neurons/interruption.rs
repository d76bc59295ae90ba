//! A neuron that is told to stop saves, and goes on where it was.

use crate::{Member, chain, endpoint, now};
use anyhow::{Context, Result, ensure};
use connectome_tests::{node::Signal, run_log::Event};

#[tokio::test]
async fn ctrl_c_ends_a_neuron_well_and_it_goes_on_where_it_was() -> Result<()> {
    // Given a neuron that trains, by asking itself as long as it is the only one,
    let members = [Member {
        name: "interrupted",
        stake: 100,
    }];
    let node = chain(&[], &members).await?;
    let operator = members[0].operator(&node)?;
    let mut neuron = operator.train()?;
    neuron.until_answered_by(0).await?;
    let announced = node
        .client
        .until_network(0, "its endpoint", |state| endpoint(state, 0))
        .await?;
    neuron.go_on(5).await?;

    // when it is told to stop, then it ends well,
    let (status, events) = neuron.stop(Signal::Interrupt).await?;
    ensure!(status.code() == Some(0), "{status}");
    let last = events.iter().rev().find_map(Event::step);
    let last = last.context("it has made steps")?;
    let end = Event::End {
        step: last,
        reason: "stopped".into(),
    };
    assert_eq!(events.last(), Some(&end));

    // with a checkpoint of the last step on disk,
    let path = operator.run_folder().join("last.safetensors");
    ensure!(path.is_file(), "there is no {}", path.display());
    let saved = Event::Checkpoint { step: last, path };
    ensure!(events.contains(&saved), "{events:?}");

    // and the chain still says where it was.
    let best = u32::try_from(node.client.best().await?.number)?;
    node.client.until_best(best + 2).await?;
    assert_eq!(endpoint(&now(&node).await?, 0), Some(announced));

    // It goes on with the next step, and ends by itself after as many as it is told.
    let goal = last + 10;
    let steps = format!("--steps={goal}");
    let resumed = operator.clone().with([steps.as_str()]).resume()?;
    let (status, events) = resumed.end().await?;
    ensure!(status.code() == Some(0), "{status}");
    let made: Vec<u64> = events.iter().filter_map(Event::step).collect();
    assert_eq!(made, (last + 1..=goal).collect::<Vec<_>>());
    let end = Event::End {
        step: goal,
        reason: "done".into(),
    };
    assert_eq!(events.last(), Some(&end));
    Ok(())
}
