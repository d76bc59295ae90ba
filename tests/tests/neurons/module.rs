//! A module exported from Python is served, asked over the chain, and says what PyTorch says; and when it has learned, what it
//! has become.

use crate::{Member, NETID, chain, endpoint};
use anyhow::{Context, Result, ensure};
use connectome_tests::{Operator, node::Signal, repository, run_log::Event};
use serde_json::Value;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The Python that has PyTorch: the one that libtorch is of, or `python3` where that is of no Python.
fn python() -> PathBuf {
    // lib/python3.x/site-packages/torch
    let of_libtorch =
        env::var_os("LIBTORCH").map(|folder| Path::new(&folder).join("../../../../bin/python3"));
    of_libtorch
        .filter(|python| python.exists())
        .unwrap_or_else(|| "python3".into())
}

/// Exports modules, and what PyTorch makes of them.
fn export(folder: &Path) -> Result<Value> {
    let program = repository().join("neuron/learn/parity/torchscript.py");
    let output = Command::new(python()).arg(program).arg(folder).output();
    let output =
        output.context("a Python with PyTorch: scripts/setup.sh --with-libtorch installs one")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&fs::read(
        folder.join("expected.json"),
    )?)?)
}

/// What the one who serves says that the image shows: a probability of each class.
async fn probabilities(asker: &Operator, folder: &Path) -> Result<Vec<f64>> {
    let image = folder.join("image.pgm");
    let said = asker
        .ask(&["query", "--deadline=60s", image.to_str().context("UTF-8")?])
        .await?;
    ensure!(said["votes"][0]["code"] == "Success", "{said}");
    numbers(&said["votes"][0]["probabilities"])
}

fn numbers(value: &Value) -> Result<Vec<f64>> {
    let list = value.as_array().context("a list")?;
    let numbers = list.iter().map(|it| it.as_f64().context("a number"));
    numbers.collect()
}

/// By how much the two differ most, at any class.
fn distance(one: &[f64], other: &[f64]) -> Result<f64> {
    ensure!(one.len() == other.len(), "{one:?} and {other:?}");
    let differences = one
        .iter()
        .zip(other)
        .map(|(one, other)| (one - other).abs());
    Ok(differences.fold(0.0, f64::max))
}

#[tokio::test]
async fn a_module_from_python_answers_queries_with_pytorchs_own_numbers() -> Result<()> {
    // Given a module that Python exported,
    let folder = tempfile::tempdir()?;
    let expected = export(folder.path())?;
    let members = [("module//0", 0), ("module//1", 0)].map(|(name, stake)| Member { name, stake });
    let node = chain(&[], &members).await?;
    let (server, asker) = (members[0].operator(&node)?, members[1].operator(&node)?);
    let module = folder.path().join("classifier.pt");
    let module = format!("--torchscript={}", module.display());

    // when it is served,
    let serving = server.serve_with(&[&module]).await?;
    let first = node
        .client
        .until_network(NETID, "its endpoint", |state| endpoint(state, 0))
        .await?;

    // then whoever asks gets what PyTorch says.
    let exported = numbers(&expected["probabilities"])?;
    let said = probabilities(&asker, folder.path()).await?;
    ensure!(distance(&said, &exported)? < 1e-5, "{said:?}");
    let status = serving.stop(Signal::Terminate).await?;
    ensure!(status.code() == Some(0), "{status}");

    // It can learn as well, and goes on where it was;
    let alone = |steps| [module.as_str(), steps, "--alone"];
    let training = server.clone().with(alone("--steps=3")).train()?;
    let (status, _) = training.end().await?;
    ensure!(status.code() == Some(0), "{status}");
    let training = server.clone().with(alone("--steps=5")).resume()?;
    let (status, events) = training.end().await?;
    ensure!(status.code() == Some(0), "{status}");
    let made: Vec<u64> = events.iter().filter_map(Event::step).collect();
    assert_eq!(made, [4, 5]);

    // and what it has become is served without the file, and is another than was exported.
    fs::remove_file(folder.path().join("classifier.pt"))?;
    let serving = server.serve().await?;
    node.client
        .until_network(NETID, "its new endpoint", |state| {
            endpoint(state, 0).filter(|endpoint| *endpoint != first)
        })
        .await?;
    let learned = probabilities(&asker, folder.path()).await?;
    ensure!(distance(&learned, &exported)? > 1e-4, "{learned:?}");
    let status = serving.stop(Signal::Terminate).await?;
    ensure!(status.code() == Some(0), "{status}");
    Ok(())
}
