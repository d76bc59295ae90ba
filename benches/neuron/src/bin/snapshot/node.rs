//! A node of a development chain with as many neurons as are asked for.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use neuron_wallet::PublicKey;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// How long a node may take to answer: it makes the genesis first, neuron by neuron.
const PATIENCE: Duration = Duration::from_secs(300);
/// Lines of its log that are shown when it does not.
const TAIL: usize = 15;

/// A running node. It ends with this value.
pub(crate) struct Node {
    port: u16,
    _process: Child,
    _folder: TempDir,
}

impl Node {
    /// Starts a chain of its own, and waits until it answers.
    pub(crate) async fn start(program: &Path, n_neurons: u16) -> Result<Node> {
        let folder = tempfile::tempdir()?;
        let spec = write_spec(program, n_neurons, folder.path()).await?;
        let mut process = Command::new(program)
            .args(["--alice", "--force-authoring", "--rpc-port", "0"])
            .args([
                "--port",
                "0",
                "--no-prometheus",
                "--no-telemetry",
                "--no-mdns",
            ])
            .arg("--unsafe-force-node-key-generation")
            .arg("--chain")
            .arg(spec)
            .arg("--base-path")
            .arg(folder.path())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let port = timeout(PATIENCE, port_of(&mut process))
            .await
            .with_context(|| format!("the node did not answer within {PATIENCE:?}"))??;
        Ok(Node {
            port,
            _process: process,
            _folder: folder,
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }
}

/// The port that the node says it answers at. What it logs afterwards is read and thrown away.
async fn port_of(process: &mut Child) -> Result<u16> {
    let stderr = process.stderr.take().context("a node without a log")?;
    let mut lines = BufReader::new(stderr).lines();
    let mut log: Vec<String> = Vec::new();
    let port = loop {
        let Some(line) = lines.next_line().await? else {
            let tail = &log[log.len().saturating_sub(TAIL)..];
            anyhow::bail!("the node has ended; its log ends with\n{}", tail.join("\n"));
        };
        if let Some(port) = rpc_port(&line) {
            break port;
        }
        log.push(line);
    };
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(port)
}

/// `… Running JSON-RPC server: addr=127.0.0.1:40745,[::1]:42283`
fn rpc_port(line: &str) -> Option<u16> {
    let (_, address) = line.split_once("JSON-RPC server: addr=127.0.0.1:")?;
    address.split(',').next()?.trim().parse().ok()
}

/// The development chain with these many neurons at genesis.
async fn write_spec(program: &Path, n_neurons: u16, folder: &Path) -> Result<PathBuf> {
    let exported = Command::new(program)
        .args(["export-chain-spec", "--chain", "dev"])
        .stdin(Stdio::null())
        .output()
        .await?;
    let complaint = String::from_utf8_lossy(&exported.stderr);
    ensure!(exported.status.success(), "export-chain-spec: {complaint}");
    let mut spec: Value = serde_json::from_slice(&exported.stdout)?;
    let network = spec
        .pointer_mut("/genesis/runtimeGenesis/patch/metagraph/networks/0")
        .context("the development chain has a network")?;
    network["hyperparameters"]["maxNeurons"] = json!(n_neurons);
    network["neurons"] = (0..n_neurons).map(neuron).collect();
    let path = folder.join("chain.json");
    fs::write(&path, spec.to_string())?;
    Ok(path)
}

/// Neurons with a stake each, all different. Nobody has the keys: nobody signs for them.
fn neuron(uid: u16) -> Value {
    let key = |kind: u8| {
        let mut key = [kind; 32];
        key[..2].copy_from_slice(&uid.to_be_bytes());
        PublicKey(key).to_string()
    };
    json!({
        "hotkey": key(1),
        "coldkey": key(2),
        "stake": 1_000_000_000 * (u64::from(uid) + 1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_the_log() {
        let line = "2026-01-01 00:00:00 Running JSON-RPC server: addr=127.0.0.1:40745,[::1]:42283";
        assert_eq!(rpc_port(line), Some(40_745));
        assert_eq!(rpc_port("Highest known block at #53"), None);
    }

    #[test]
    fn no_two_neurons_share_a_key() {
        let keys: std::collections::HashSet<String> = (0..4_096)
            .flat_map(|uid| ["hotkey", "coldkey"].map(|key| neuron(uid)[key].to_string()))
            .collect();
        assert_eq!(keys.len(), 2 * 4_096);
    }
}
