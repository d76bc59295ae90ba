//! What can be wrong with a tokeniser.

use std::path::PathBuf;

use crate::Special;

/// Why there is no tokeniser, or no answer from it.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// Its file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Its file is not understood.
    #[error("{} is not a tokeniser that this program understands: {problem}", path.display())]
    NotUnderstood {
        /// The file.
        path: PathBuf,
        /// What the library says.
        problem: String,
    },
    /// It cannot be written.
    #[error("cannot write the tokeniser {}: {error}; what was there before is unchanged", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// One that is asked for is too small.
    #[error("a tokeniser of bytes needs at least {least} tokens, not {asked}")]
    Vocabulary {
        /// How many were asked for.
        asked: usize,
        /// One for each byte and each special token.
        least: usize,
    },
    /// A task needs a token that it does not have.
    #[error(
        "this tokeniser has no token that {special}, which the task needs: none of its special tokens is {names:?}"
    )]
    NoSuchToken {
        /// Its part.
        special: Special,
        /// The names by which it is known.
        names: &'static [&'static str],
    },
    /// The library failed.
    #[error("the tokeniser failed: {0}")]
    Library(String),
}
