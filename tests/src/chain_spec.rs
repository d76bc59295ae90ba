//! Chain specifications: a preset of the node, with what a test wants different.

use crate::node;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{path::PathBuf, process::Stdio, sync::Arc};
use subxt::utils::AccountId32;
use tempfile::TempDir;
use tokio::{process::Command, sync::OnceCell};

/// A chain that a node knows by name, and may still be changed.
#[derive(Clone, Debug)]
pub struct ChainSpec(Value);

impl ChainSpec {
    /// The chain of `connectome-node --chain dev`.
    ///
    /// # Errors
    ///
    /// If there is no node.
    pub async fn dev() -> Result<Self> {
        static DEV: OnceCell<ChainSpec> = OnceCell::const_new();
        Ok(DEV.get_or_try_init(|| export("dev")).await?.clone())
    }

    /// The chain of `connectome-node --chain local`.
    ///
    /// # Errors
    ///
    /// If there is no node.
    pub async fn local() -> Result<Self> {
        static LOCAL: OnceCell<ChainSpec> = OnceCell::const_new();
        Ok(LOCAL.get_or_try_init(|| export("local")).await?.clone())
    }

    /// The same chain with `patch` laid over its genesis (RFC 7386: objects are merged, anything else is replaced).
    #[must_use]
    pub fn with(mut self, patch: &Value) -> Self {
        merge(self.genesis_mut(), patch);
        self
    }

    /// The same chain with blocks every `ms` milliseconds.
    #[must_use]
    pub fn with_block_time(self, ms: u64) -> Self {
        self.with(&json!({ "blockTime": { "slotDurationMs": ms } }))
    }

    /// The same chain with `units` in each of `accounts` besides what others hold.
    #[must_use]
    pub fn with_funds(mut self, accounts: &[AccountId32], units: u64) -> Self {
        let balances = &mut self.genesis_mut()["balances"]["balances"];
        if let Some(balances) = balances.as_array_mut() {
            balances.extend(accounts.iter().map(|account| json!([account, units])));
        }
        self
    }

    /// Writes it where nodes can read it.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write(&self) -> Result<ChainFile> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("chain.json");
        std::fs::write(&path, self.0.to_string())?;
        Ok(ChainFile {
            path,
            _folder: Arc::new(folder),
        })
    }

    /// What it says of the first state.
    pub fn genesis(&self) -> &Value {
        &self.0["genesis"]["runtimeGenesis"]["patch"]
    }

    fn genesis_mut(&mut self) -> &mut Value {
        &mut self.0["genesis"]["runtimeGenesis"]["patch"]
    }
}

/// A chain specification on disk, until the last clone is dropped.
#[derive(Clone, Debug)]
pub struct ChainFile {
    pub(crate) path: PathBuf,
    _folder: Arc<TempDir>,
}

/// The chain that the node calls `name`. It takes seconds: the node compiles its runtime to ask it for the genesis.
async fn export(name: &str) -> Result<ChainSpec> {
    let output = Command::new(node::binary()?)
        .args(["export-chain-spec", "--chain", name])
        .stdin(Stdio::null())
        .output()
        .await
        .context("the node cannot be run")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "export-chain-spec: {complaint}");
    Ok(ChainSpec(serde_json::from_slice(&output.stdout)?))
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    for (key, value) in patch {
        merge(&mut target[key], value);
    }
}
