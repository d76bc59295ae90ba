//! `neuron export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{RunSettings, global::path};

/// `neuron export`.
#[derive(Debug, Args)]
pub struct Export {
    /// Folder to write to, which is made if it is not there
    #[arg(value_name = "FOLDER", value_parser = path)]
    pub folder: PathBuf,
    /// Which model of the run
    #[arg(
        long,
        value_name = "WHICH",
        value_enum,
        default_value = "best",
        help_heading = "Model"
    )]
    pub checkpoint: CheckpointName,
    /// Replace files that are there already
    #[arg(long)]
    pub force: bool,
    /// What is exported.
    #[command(flatten)]
    pub run: RunSettings,
}

/// A checkpoint of a run.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckpointName {
    /// The best model so far, which is the one that is served
    Best,
    /// The model as training left it
    Last,
}
