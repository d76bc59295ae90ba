//! Where a run is kept.

use std::path::PathBuf;

use clap::Args;
use neuron_wallet::PublicKey;

use super::global::path;

/// Where a run is kept.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Model")]
pub struct RunSettings {
    /// Folder of checkpoints and logs [default: ~/.connectome/runs/HOTKEY/NETID]
    #[arg(long, env = "CONNECTOME_RUN", value_name = "FOLDER", value_parser = path)]
    pub run: Option<PathBuf>,
}

impl RunSettings {
    /// Where checkpoints and logs of a neuron go.
    pub fn folder(&self, hotkey: &PublicKey, netid: u16) -> PathBuf {
        self.run.clone().unwrap_or_else(|| {
            let home = std::env::home_dir().unwrap_or_default();
            home.join(".connectome/runs")
                .join(hotkey.to_string())
                .join(netid.to_string())
        })
    }
}
