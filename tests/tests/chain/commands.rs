//! The commands that look after a node's database, one after the other on one chain, and the figures that a node gives away.

use anyhow::{Context, Result, ensure};
use connectome_tests::{
    Figures, Setup,
    node::{self, Signal},
    poll, within,
};
use serde::Deserialize;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

/// The height of the last block that is exported.
const LAST: u32 = 5;

/// What `chain-info` says of a database.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct ChainInfo {
    best_hash: String,
    pub(crate) best_number: u32,
}

/// Runs `connectome-node <command> --dev --base-path <base> <arguments>` to its end. Gives what it printed.
async fn run(command: &str, base: &str, arguments: &[&str]) -> Result<String> {
    let running = Command::new(node::binary()?)
        .args([command, "--dev", "--base-path", base])
        .args(arguments)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = within(command, async { Ok(running.await?) }).await?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command}: {complaint}");
    Ok(String::from_utf8(output.stdout)?)
}

pub(crate) async fn chain_info(base: &str) -> Result<ChainInfo> {
    Ok(serde_json::from_str(&run("chain-info", base, &[]).await?)?)
}

/// The folder of the development chain's database.
fn database(base: &str) -> PathBuf {
    Path::new(base).join("chains/dev/paritydb")
}

#[tokio::test]
async fn blocks_are_exported_imported_checked_taken_back_and_removed() -> Result<()> {
    // Given a chain of five blocks or more, whose node has stopped.
    let here = Setup::dev()?;
    let node = here.start().await?;
    node.client.until_best(LAST).await?;
    let hash = format!("{:?}", node.client.hash_at(LAST).await?);
    let (_, last) = node.stop(Signal::Terminate).await?;
    let here = here.base_path();
    let before = chain_info(&here).await?;
    // One more than its log says, if it was told to stop between the two.
    ensure!(
        (last..=last + 1).contains(&before.best_number),
        "{before:?} after {last}"
    );

    // When its blocks are exported, and imported into a database that is new.
    let there = Setup::dev()?;
    let base = there.base_path();
    let file = Path::new(&base).join("blocks").display().to_string();
    run("export-blocks", &here, &["--to", &LAST.to_string(), &file]).await?;
    run("import-blocks", &base, &[&file]).await?;

    // Then the same chain is there, and holds when it is executed again.
    let imported = ChainInfo {
        best_hash: hash,
        best_number: LAST,
    };
    assert_eq!(chain_info(&base).await?, imported);
    run("check-block", &base, &[&LAST.to_string()]).await?;

    // Blocks that are not final can be taken back, and a node goes on from the one before.
    run("revert", &base, &["2"]).await?;
    assert_eq!(chain_info(&base).await?.best_number, LAST - 2);
    let node = there.start().await?;
    assert_eq!(node.best_at_start().await?, LAST - 2);
    node.client.until_best(LAST - 1).await?;
    node.stop(Signal::Terminate).await?;

    // Nothing is left of a database that is removed; the other one is not touched.
    ensure!(database(&base).is_dir());
    run("purge-chain", &base, &["-y"]).await?;
    ensure!(!fs::exists(database(&base))?);
    assert_eq!(chain_info(&here).await?, before);
    Ok(())
}

#[tokio::test]
async fn a_node_gives_its_figures_to_prometheus() -> Result<()> {
    let mut node = Command::new(node::binary()?)
        .args(["--dev", "--tmp", "--port", "0", "--rpc-port", "0"])
        .args(["--prometheus-port", "0", "--no-telemetry", "--no-mdns"])
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut log = BufReader::new(node.stderr.take().context("stderr was asked for")?).lines();

    // … 〽️ Prometheus exporter started at 127.0.0.1:40745
    let address = within("the address of its figures", async {
        while let Some(line) = log.next_line().await? {
            if let Some((_, address)) = line.split_once("exporter started at ") {
                return Ok(address.trim().to_owned());
            }
        }
        anyhow::bail!("the node has ended")
    })
    .await?;
    // Read on, so that the node can write on.
    tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });

    // The exporter is there before all of its figures are.
    poll("the height of its chain", async || {
        let height = r#"substrate_block_height{status="best",chain="dev"}"#;
        Ok(Figures::of(&address).await?.get(height).ok())
    })
    .await?;
    Ok(())
}
