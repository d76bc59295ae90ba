//! A module exported from Python is served, asked over the chain, and says what PyTorch says.

use crate::{Member, NETID, chain, endpoint};
use anyhow::{Context, Result, ensure};
use connectome_tests::node::Signal;
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
    let program =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../neuron/learn/parity/torchscript.py");
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
    node.client
        .until_network(NETID, "its endpoint", |state| endpoint(state, 0))
        .await?;

    // then whoever asks gets what PyTorch says.
    let image = folder.path().join("image.pgm");
    let said = asker
        .ask(&["query", image.to_str().context("UTF-8")?])
        .await?;
    let numbers = |value: &Value| -> Result<Vec<f64>> {
        let list = value.as_array().context("a list")?;
        let numbers = list.iter().map(|it| it.as_f64().context("a number"));
        numbers.collect()
    };
    let ours = numbers(&said["votes"][0]["probabilities"])?;
    let theirs = numbers(&expected["probabilities"])?;
    ensure!(ours.len() == theirs.len(), "{said}");
    for (ours, theirs) in ours.iter().zip(&theirs) {
        ensure!((ours - theirs).abs() < 1e-5, "{said}");
    }
    let status = serving.stop(Signal::Terminate).await?;
    ensure!(status.code() == Some(0), "{status}");

    // It can learn as well, and what it has become is served without the file.
    let training = server
        .clone()
        .with([&*module, "--steps=3", "--alone"])
        .train()?;
    let (status, _) = training.end().await?;
    ensure!(status.code() == Some(0), "{status}");
    fs::remove_file(folder.path().join("classifier.pt"))?;
    let serving = server.serve().await?;
    let status = serving.stop(Signal::Terminate).await?;
    ensure!(status.code() == Some(0), "{status}");
    Ok(())
}
