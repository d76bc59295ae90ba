//! `neuron query`.

use std::path::PathBuf;

use clap::Args;

use super::{DendriteSettings, global::path};

/// `neuron query`. Of an image and a text, there is exactly one.
#[derive(Debug, Args)]
pub struct Query {
    /// Image to send (PNG, PGM or PPM); it is scaled, and turned to grey, for who wants it so
    #[arg(value_name = "IMAGE", value_parser = path, required_unless_present = "text")]
    pub image: Option<PathBuf>,
    /// Text to send instead.
    #[arg(
        long,
        help = "Text to send instead: models that go on with it tell the next token, models that fill gaps what is at each [MASK]",
        value_name = "TEXT",
        conflicts_with = "image",
        requires = "tokenizer"
    )]
    pub text: Option<String>,
    /// Tokeniser of the peers' model, a tokenizer.json or the folder that holds one
    #[arg(long, value_name = "FILE", value_parser = path, requires = "text", conflicts_with = "image")]
    pub tokenizer: Option<PathBuf>,
    /// Send the negative of the image: for dark strokes on light ground, as on paper; neurons expect white on black
    #[arg(long, conflicts_with = "text")]
    pub invert: bool,
    /// Peers to ask [default: all that serve images, or text]
    #[arg(long, value_name = "UID", value_delimiter = ',')]
    pub uids: Vec<u16>,
    /// Development: without TLS, on a loopback address only: serve anybody, and ask peers that announce the same
    #[arg(long, env = "CONNECTOME_PLAINTEXT")]
    pub plaintext: bool,
    /// How they are asked.
    #[command(flatten)]
    pub dendrite: DendriteSettings,
}
