//! The text of a folder, in passages.
//!
//! Every file of the folder and of the folders in it is read, in the order of their paths, except those whose names begin
//! with a dot and those behind links. A file that is not UTF-8 is left out with a warning: a folder of text may hold an
//! image. Each file is cut into passages (see [`passages`]).
//!
//! # Split
//!
//! A passage is held out if BLAKE2b of its text, read as a number, is divisible by ten: so about a tenth is, the same on
//! every machine, wherever the file lies and whatever is added to the folder. A text that occurs twice is on one side.
//!
//! A text so short that hardly a passage is divisible by ten has its longest one held out as well.
//!
//! # Shards
//!
//! Passages to learn from are dealt like cards, as [images](crate::dataset::Shard) are: the one at position *p* goes to shard
//! *p* mod *n*. Shards are disjoint, cover everything and differ by at most one passage.

mod files;
mod passages;

use std::{
    cmp::Reverse,
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::TextError;
use crate::dataset::Shard;
use passages::Passage;

/// Of so many passages, one is held out.
const HELD_OUT_OF: u64 = 10;

/// Bytes of text that are held out at least, where there is more than one passage. About 250 tokens of English.
const LEAST_HELD_OUT: u64 = 1024;

/// The text of a folder.
#[derive(Debug)]
pub struct Corpus {
    /// To learn from.
    pub train: Passages,
    /// Held out: never trained on by anyone.
    pub held_out: Passages,
    /// Files that are left out, and why.
    pub left_out: Vec<TextError>,
}

impl Corpus {
    /// Reads a folder through once and remembers where its passages lie.
    ///
    /// # Errors
    ///
    /// [`TextError::Unreadable`] for a file or folder that cannot be read, [`TextError::NoText`] if no passage is found.
    pub fn open(folder: &Path) -> Result<Corpus, TextError> {
        let paths = Arc::new(files::of(folder)?);
        let mut left_out = Vec::new();
        let [mut train, mut held_out] = [Vec::new(), Vec::new()];
        for (path, file) in paths.iter().zip(0..) {
            let passages = match passages::of(path, file) {
                Ok(passages) => passages,
                Err(error @ TextError::NotUtf8 { .. }) => {
                    tracing::warn!(%error, "left out a file");
                    left_out.push(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            for passage in passages {
                if passage.hash.is_multiple_of(HELD_OUT_OF) {
                    held_out.push(passage);
                } else {
                    train.push(passage);
                }
            }
        }
        hold_out_enough(&mut train, &mut held_out);
        if train.is_empty() && held_out.is_empty() {
            return Err(TextError::NoText {
                folder: folder.to_owned(),
            });
        }
        let of = |passages| Passages {
            paths: paths.clone(),
            passages,
        };
        Ok(Corpus {
            train: of(train),
            held_out: of(held_out),
            left_out,
        })
    }
}

/// Holds out the longest passage too, and of equally long ones that of the lowest hash, where those that are held out are next
/// to nothing. Not if it is all that there is to learn from.
fn hold_out_enough(train: &mut Vec<Passage>, held_out: &mut Vec<Passage>) {
    let n_bytes: u64 = held_out.iter().map(|held| u64::from(held.length)).sum();
    let longest = train
        .iter()
        .max_by_key(|passage| (passage.length, Reverse(passage.hash)));
    let Some(hash) = longest.map(|longest| longest.hash) else {
        return;
    };
    let is_one = |passage: &Passage| passage.hash == hash;
    if n_bytes < LEAST_HELD_OUT && !train.iter().all(is_one) {
        held_out.extend(train.extract_if(.., |passage| is_one(passage)));
    }
}

/// Passages of a corpus, by position. Their text stays on the disk.
#[derive(Clone, Debug)]
pub struct Passages {
    paths: Arc<Vec<PathBuf>>,
    passages: Vec<Passage>,
}

impl Passages {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.passages.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.passages.is_empty()
    }

    /// Those of one shard.
    pub fn shard(&self, shard: Shard) -> Passages {
        let dealt = self.passages.iter().copied();
        Passages {
            paths: self.paths.clone(),
            passages: dealt
                .skip(shard.index() as usize)
                .step_by(shard.of() as usize)
                .collect(),
        }
    }

    /// The text at this position, without whitespace around it.
    ///
    /// # Errors
    ///
    /// [`TextError::Changed`] if the file no longer holds what it held, [`TextError::Unreadable`] if it is gone.
    ///
    /// # Panics
    ///
    /// If the position is not below [`Self::len`].
    pub fn read(&self, position: usize) -> Result<String, TextError> {
        let passage = &self.passages[position];
        let path = &self.paths[passage.file as usize];
        let changed = || TextError::Changed { path: path.clone() };
        let mut bytes = vec![0; passage.length as usize];
        let read = File::open(path).and_then(|mut file| {
            file.seek(SeekFrom::Start(passage.offset))?;
            file.read_exact(&mut bytes)
        });
        read.map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => changed(),
            _ => TextError::Unreadable {
                path: path.clone(),
                error,
            },
        })?;
        let text = String::from_utf8(bytes).map_err(|_| changed())?;
        if passages::hash(&text) != passage.hash {
            return Err(changed());
        }
        Ok(text)
    }

    /// All texts, one after the other.
    pub fn texts(&self) -> impl Iterator<Item = Result<String, TextError>> + Send {
        (0..self.len()).map(|position| self.read(position))
    }
}

#[cfg(test)]
mod tests;
