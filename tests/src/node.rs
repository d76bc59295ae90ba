//! Processes of `connectome-node`: started on free ports, read, killed, told to stop.

use crate::{Client, chain_spec::ChainFile, process::Process};
use anyhow::{Context, Result, anyhow};
use std::{
    path::PathBuf,
    process::{Command, ExitStatus},
    sync::Arc,
};
use tempfile::TempDir;

pub use crate::process::{Signal, built};

/// Names another binary than the one beside the tests.
const BINARY_VARIABLE: &str = "CONNECTOME_NODE";

/// The node to test: the one that `CONNECTOME_NODE` names, or the one built into the folder where this test was built.
///
/// # Errors
///
/// If there is none; the message says how to build it.
pub fn binary() -> Result<PathBuf> {
    built("connectome-node", BINARY_VARIABLE)
}

/// How a node is started, as often as it is. Its database lives until the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Setup {
    arguments: Vec<String>,
    /// Where it answers; 0 for any port that is free.
    rpc_port: u16,
    base: Arc<TempDir>,
    _chain: Option<ChainFile>,
}

impl Setup {
    /// The development chain as it is: `connectome-node --dev`.
    ///
    /// # Errors
    ///
    /// If no folder can be made for its database.
    pub fn dev() -> Result<Self> {
        Self::new(["--dev"], None)
    }

    /// An authority of `chain`: `alice`, `bob` or another name of the well-known keyring.
    ///
    /// # Errors
    ///
    /// If no folder can be made for its database.
    pub fn authority(chain: &ChainFile, name: &str) -> Result<Self> {
        let path = chain.path.display().to_string();
        let arguments = ["--chain", &path, &format!("--{name}")];
        Self::new(arguments, Some(chain.clone()))
    }

    fn new<'a>(
        arguments: impl IntoIterator<Item = &'a str>,
        chain: Option<ChainFile>,
    ) -> Result<Self> {
        let base = Arc::new(tempfile::tempdir()?);
        let setup = Self {
            arguments: Vec::new(),
            rpc_port: 0,
            base,
            _chain: chain,
        };
        let base = setup.base_path();
        Ok(setup
            .with(arguments)
            .with(["--base-path", &base])
            .with(["--port", "0", "--no-prometheus"])
            .with(["--no-telemetry", "--no-mdns", "--pool-limit", "256"])
            .with(["--unsafe-force-node-key-generation"]))
    }

    /// With `arguments` besides.
    #[must_use]
    pub fn with<'a>(mut self, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        self.arguments
            .extend(arguments.into_iter().map(str::to_owned));
        self
    }

    /// Makes blocks even with no peer to send them to.
    #[must_use]
    pub fn alone(self) -> Self {
        self.with(["--force-authoring"])
    }

    /// Finds the network through the node at `address` (see [`Node::address`]).
    #[must_use]
    pub fn joining(self, address: &str) -> Self {
        self.with(["--bootnodes", address])
    }

    /// Answers at `port`, as a node does that comes back to those who know its address.
    #[must_use]
    pub fn at_port(mut self, port: u16) -> Self {
        self.rpc_port = port;
        self
    }

    /// Where its database is.
    pub fn base_path(&self) -> String {
        self.base.path().display().to_string()
    }

    /// Starts it, and waits until it answers.
    ///
    /// # Errors
    ///
    /// If it ends before that; the message has the end of its log.
    pub async fn start(&self) -> Result<Node> {
        let mut command = Command::new(binary()?);
        command
            .args(&self.arguments)
            .args(["--rpc-port", &self.rpc_port.to_string()])
            .env_remove("RUST_LOG");
        let process = Process::start("the node", &mut command)?;
        let port = process.find("its RPC port", rpc_port).await?;
        let client = Client::connect(&format!("ws://127.0.0.1:{port}")).await?;
        Ok(Node {
            process,
            client,
            port,
            setup: self.clone(),
        })
    }
}

/// `… Running JSON-RPC server: addr=127.0.0.1:40745,[::1]:42283`
fn rpc_port(line: &str) -> Option<u16> {
    let (_, address) = line.split_once("JSON-RPC server: addr=127.0.0.1:")?;
    address.split(',').next()?.trim().parse().ok()
}

/// `… 🏆 Imported #53 (0x6b57…f15a → 0xefce…5aab)`
fn imported(line: &str) -> Option<u32> {
    let (_, rest) = line.split_once("Imported #")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// `… 📦 Highest known block at #53`
fn highest_known(line: &str) -> Option<u32> {
    let (_, height) = line.split_once("Highest known block at #")?;
    height.trim().parse().ok()
}

/// A running node. Dropping it kills it (SIGKILL).
#[derive(Debug)]
pub struct Node {
    /// Speaks to it.
    pub client: Client,
    process: Process,
    port: u16,
    setup: Setup,
}

impl Node {
    /// The port at which it answers.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// Kills it (SIGKILL), as a power cut would. Gives what it takes to start it again.
    pub fn kill(self) -> Setup {
        self.setup.clone()
    }

    /// Tells it to stop, and waits until it has. Gives how it ended and the last block that it imported.
    ///
    /// # Errors
    ///
    /// If it does not stop, or imported nothing.
    pub async fn stop(self, signal: Signal) -> Result<(ExitStatus, u32)> {
        let (status, lines) = self.process.stop(signal).await?;
        let last = lines.iter().rev().find_map(|line| imported(line));
        Ok((status, last.context("it imported no block")?))
    }

    /// The best block of its database when it started.
    ///
    /// # Errors
    ///
    /// If its log does not say.
    pub async fn best_at_start(&self) -> Result<u32> {
        let what = "its best block at start";
        self.process.find(what, highest_known).await
    }

    /// Where other nodes on this machine reach it.
    ///
    /// # Errors
    ///
    /// If it listens nowhere on this machine.
    pub async fn address(&self) -> Result<String> {
        let addresses = self.client.listen_addresses().await?;
        addresses
            .into_iter()
            .find(|address| address.starts_with("/ip4/127.0.0.1/tcp/"))
            .ok_or_else(|| anyhow!("it does not listen on 127.0.0.1"))
    }
}
