//! What can be wrong with text.

use std::path::PathBuf;

use neuron_text::TokenizerError;

/// Why there are no batches of text.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file is not UTF-8.
    #[error("{} is not UTF-8 text: byte {offset} begins no character", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Where it ceases to be.
        offset: u64,
    },
    /// A file is not what it was when its passages were counted.
    #[error(
        "{} has changed since this program began to read it: start again, and leave it alone meanwhile",
        path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing to read.
    #[error("there is no UTF-8 text in {}: it takes files whose names do not begin with a dot", folder.display())]
    NoText {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// There is less than one batch.
    #[error(
        "a batch needs {needed} {what} and there are {found}: use smaller or shorter batches, fewer shards or more text"
    )]
    TooFew {
        /// What batches are made of.
        what: &'static str,
        /// How many a batch needs.
        needed: usize,
        /// How many there are.
        found: usize,
    },
    /// Batches that hold nothing.
    #[error("a batch is at least {least_rows} × {least_seq} tokens, not {rows} × {seq}")]
    BatchShape {
        /// Rows that were asked for.
        rows: usize,
        /// Tokens of a row that were asked for.
        seq: usize,
        /// The fewest rows.
        least_rows: usize,
        /// The shortest rows.
        least_seq: usize,
    },
    /// The tokeniser cannot do what is asked of it.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}
