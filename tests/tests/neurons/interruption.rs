//! A neuron that is told to stop saves, and goes on where it was.

use crate::{
    Member, chain, chain_for, endpoint,
    models::{NARROW, text},
    now,
};
use anyhow::{Context, Result, ensure};
use connectome_tests::{Training, node::Signal, run_log::Event};
use serde_json::json;

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

async fn ends_well(training: Training) -> Result<()> {
    let (status, _) = training.end().await?;
    ensure!(status.code() == Some(0), "{status}");
    Ok(())
}

#[tokio::test]
async fn a_neuron_that_asks_itself_goes_on_to_the_last_bit() -> Result<()> {
    // Given a neuron that learns from itself as well, and drops half of what it can at random,
    let members = [Member {
        name: "repeated",
        stake: 100,
    }];
    let node = chain_for("causal-text", &[], &members, &json!({})).await?;
    let folder = tempfile::tempdir()?;
    let data = text(folder.path())?;
    let learner = || {
        let learner = members[0].operator(&node)?.learning(NARROW);
        let learner = learner.with(["--synapse=gpt", &data, "--dropout=0.5", "--deadline=60s"]);
        anyhow::Ok(learner.with(["--epoch-steps=4", "--evaluate=2"]))
    };

    // when it makes its steps at one go, and when it is interrupted, serves what it served, and goes on,
    let straight = learner()?.with(["--steps=12"]);
    ends_well(straight.train()?).await?;
    let resumed = learner()?;
    ends_well(resumed.clone().with(["--steps=8"]).train()?).await?;
    let resumed = resumed.with(["--steps=12"]);
    ends_well(resumed.resume()?).await?;

    // then it comes to the same, and that has in it what it thinks of itself.
    let last = |run: std::path::PathBuf| std::fs::read(run.join("last.safetensors"));
    let learned = last(straight.run_folder())?;
    ensure!(
        learned == last(resumed.run_folder())?,
        "it learned something else"
    );
    let names = String::from_utf8_lossy(&learned);
    let address = members[0].account()?;
    ensure!(names.contains(&format!("velocity.router.keys.{address}")));
    Ok(())
}
