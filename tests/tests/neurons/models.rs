//! Each kind of model trains with a peer, stops, goes on where it was, and is served, in a network of its task.

use crate::{Member, chain, chain_for};
use anyhow::{Context, Result, ensure};
use connectome_tests::{Node, Operator, node::Signal, run_log::Event};
use serde_json::json;
use std::path::Path;

const FIRST: u16 = 0;
const SECOND: u16 = 1;

/// Steps until a neuron has been asked, has evaluated and has something to go on from.
const STEPS: u64 = 6;

/// An evaluation every other step, of two batches.
const SMALL: [&str; 2] = ["--epoch-steps=2", "--evaluate=2"];

/// A narrow dual path network on images that are drawn.
const CIFAR: [&str; 3] = ["--synapse=cifar", "--dpn=narrow", "--batch-size=8"];

/// A text model that is quick.
pub(crate) const NARROW: [&str; 4] = [
    "--width=32",
    "--layers=1",
    "--sequence=24",
    "--batch-size=4",
];

/// The tokeniser of the neuron that is asked, which is in its run folder.
const TOKENIZER: [&str; 2] = ["--tokenizer", "RUN"];

/// Text to learn from: sentences that tell a number and a fruit, in paragraphs of five.
pub(crate) fn text(folder: &Path) -> Result<String> {
    let fruits = ["apples", "pears", "a quince", "seven plums"];
    let prose: String = (0..1_000)
        .map(|number| {
            let end = if number % 5 == 4 { "\n\n" } else { " " };
            format!("Sentence {number} tells of {}.{end}", fruits[number % 4])
        })
        .collect();
    std::fs::write(folder.join("prose.txt"), prose)?;
    Ok(format!("--data={}", folder.display()))
}

/// Two neurons of a model in a network of its task.
async fn pair(task: &str, options: &[&str]) -> Result<(Node, [Operator; 2])> {
    let members = [("models//0", 300), ("models//1", 300)];
    let members = members.map(|(name, stake)| Member { name, stake });
    let node = chain_for(task, &[], &members, &json!({})).await?;
    let operator = |uid: u16| {
        let (shard, seed) = (format!("--shard={uid}/2"), format!("--seed={uid}"));
        let operator = members[usize::from(uid)].operator(&node)?;
        let operator = operator.learning(options.iter().copied()).with(SMALL);
        anyhow::Ok(operator.with([shard.as_str(), &seed]))
    };
    let operators = [operator(FIRST)?, operator(SECOND)?];
    Ok((node, operators))
}

/// What every model is for: it learns from data and from its peer, nothing of that is lost, and users are answered. In a
/// question, `RUN` stands for the run folder of the one that is asked.
async fn trains_goes_on_and_is_served(
    task: &str,
    options: &[&str],
    question: &[&str],
) -> Result<()> {
    // Given two that ask each other,
    let (_node, [first, second]) = pair(task, options).await?;
    let mut training = first.train()?;
    let mut other = second.train()?;
    training.until_answered_by(SECOND).await?;
    other.until_answered_by(FIRST).await?;
    training.go_on(STEPS).await?;
    ensure!(
        training
            .events()?
            .iter()
            .any(|event| matches!(event, Event::Checkpoint { .. })),
        "nothing to serve was saved"
    );

    // when one is told to stop,
    let (status, events) = training.stop(Signal::Interrupt).await?;
    ensure!(status.code() == Some(0), "{status}");
    let done = events.iter().rev().find_map(Event::step);

    // then it goes on where it was, asks and is asked,
    let mut resumed = first.resume()?;
    resumed.go_on(1).await?;
    ensure!(
        resumed.events()?.iter().find_map(Event::step) == done.map(|step| step + 1),
        "it went on elsewhere than after {done:?}"
    );
    resumed.until_answered_by(SECOND).await?;
    let (status, _) = resumed.stop(Signal::Interrupt).await?;
    ensure!(status.code() == Some(0), "{status}");

    // and what it has learned answers without learning.
    let serving = first.serve().await?;
    other.until_answered_by(FIRST).await?;
    let run = first.run_folder().display().to_string();
    let question = question.iter().map(|word| word.replace("RUN", &run));
    let question: Vec<String> = question.collect();
    let question: Vec<&str> = question.iter().map(String::as_str).collect();
    let said = second
        .ask(&[&["query", "--uids=0", "--deadline=60s"], &question[..]].concat())
        .await?;
    ensure!(said["votes"][0]["code"] == "Success", "{said}");
    let status = serving.stop(Signal::Terminate).await?;
    ensure!(status.code() == Some(0), "{status}");
    Ok(())
}

#[tokio::test]
async fn dual_path_networks_teach_each_other_images() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let image = folder.path().join("red.ppm");
    let red = [200, 20, 30].repeat(32 * 32);
    std::fs::write(&image, [&b"P6 32 32 255\n"[..], &red].concat())?;
    let image = image.to_str().context("UTF-8")?;
    trains_goes_on_and_is_served("images", &CIFAR, &[image]).await
}

#[tokio::test]
async fn encoders_teach_each_other_masked_text() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = text(folder.path())?;
    let options = [&["--synapse=bert", &data], &NARROW[..]].concat();
    let question = [&["--text", "Sentence 3 tells of [MASK]."], &TOKENIZER[..]].concat();
    trains_goes_on_and_is_served("masked-text", &options, &question).await
}

#[tokio::test]
async fn language_models_teach_each_other_how_text_goes_on() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = text(folder.path())?;
    let options = [&["--synapse=gpt", &data], &NARROW[..]].concat();
    let question = [&["--text", "Sentence 3 tells"], &TOKENIZER[..]].concat();
    trains_goes_on_and_is_served("causal-text", &options, &question).await
}

#[tokio::test]
async fn a_peer_with_another_tokeniser_says_so() -> Result<()> {
    // Given two with one text, whose tokenisers have not learned as much of it,
    let folder = tempfile::tempdir()?;
    let data = text(folder.path())?;
    let options = [&["--synapse=gpt", &data], &NARROW[..]].concat();
    let (_node, [first, second]) = pair("causal-text", &options).await?;
    let mut training = first.with(["--vocabulary=300"]).train()?;
    let mut other = second.with(["--vocabulary=310"]).train()?;

    // when they ask each other, then each says that it understands something else by those tokens, and trains on.
    for (neuron, peer) in [(&mut training, SECOND), (&mut other, FIRST)] {
        neuron
            .until("a refusal by name", |events| {
                let mut codes = events.iter().filter_map(|event| event.code_of(peer));
                codes.any(|code| code == "TokenizerMismatch").then_some(())
            })
            .await?;
        neuron.go_on(1).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_model_of_another_task_than_the_networks_does_not_take_part() -> Result<()> {
    let members = [Member {
        name: "models//0",
        stake: 0,
    }];
    let node = chain(&[], &members).await?;
    let folder = tempfile::tempdir()?;
    let data = text(folder.path())?;
    let options = [
        &["train", "--synapse=gpt", &data, "--listen=127.0.0.1:0"],
        &NARROW[..],
    ]
    .concat();
    let run = format!("--run={}", folder.path().join("run").display());
    let ended = members[0]
        .operator(&node)?
        .command(&[&options[..], &[run.as_str()]].concat())
        .await?;
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("network 0 learns digits"),
        "{}",
        ended.stderr
    );
    Ok(())
}
