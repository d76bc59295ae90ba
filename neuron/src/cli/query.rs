//! `neuron query`.

use std::path::PathBuf;

use clap::Args;

use super::{DendriteSettings, global::path};

/// `neuron query`.
#[derive(Debug, Args)]
pub struct Query {
    /// Image to send, of a handwritten digit (PNG or PGM); it is scaled to what each peer takes
    #[arg(value_name = "IMAGE", value_parser = path)]
    pub image: PathBuf,
    /// Send the negative: for dark strokes on light ground, as on paper; neurons expect white on black
    #[arg(long)]
    pub invert: bool,
    /// Peers to ask [default: all that serve images]
    #[arg(long, value_name = "UID", value_delimiter = ',')]
    pub uids: Vec<u16>,
    /// How they are asked.
    #[command(flatten)]
    pub dendrite: DendriteSettings,
}
