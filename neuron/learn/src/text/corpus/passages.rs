//! Where the passages of a file lie.
//!
//! A passage ends at the first empty line after [`LEAST`] bytes; where there is none, at the end of the line with which it
//! reaches [`MOST`] bytes; where a line is longer than that, at its last space. So a passage holds sentences that follow each
//! other, a file is never in memory as a whole, and a corpus of one long file can be split and dealt.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use blake2::{Blake2b, Digest, digest::consts::U8};

use super::TextError;

/// Bytes that a passage has at least, unless its file ends. About 500 tokens of English.
const LEAST: usize = 2048;

/// Bytes that a passage has at most.
const MOST: usize = 8192;

/// A piece of a file, without whitespace around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passage {
    /// Position of the file among those of the corpus.
    pub(super) file: u32,
    /// Bytes of the file before it.
    pub(super) offset: u64,
    /// Bytes of it.
    pub(super) length: u32,
    /// What its text hashes to.
    pub(super) hash: u64,
}

/// What a text hashes to, on every machine.
pub(super) fn hash(text: &str) -> u64 {
    u64::from_le_bytes(Blake2b::<U8>::digest(text).into())
}

/// The passages of a file, in order.
pub(super) fn of(path: &Path, file: u32) -> Result<Vec<Passage>, TextError> {
    let unreadable = |error| TextError::Unreadable {
        path: path.to_owned(),
        error,
    };
    let not_utf8 = |offset| TextError::NotUtf8 {
        path: path.to_owned(),
        offset,
    };
    let mut reader = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut cutter = Cutter {
        file,
        offset: 0,
        bytes: Vec::new(),
        line: 0,
        passages: Vec::new(),
    };
    loop {
        let room = MOST - cutter.bytes.len();
        let n_read = reader
            .by_ref()
            .take(room as u64)
            .read_until(b'\n', &mut cutter.bytes)
            .map_err(unreadable)?;
        if n_read == 0 {
            cutter.cut(cutter.bytes.len()).map_err(not_utf8)?;
            return Ok(cutter.passages);
        }
        if let Some(end) = cutter.end() {
            cutter.cut(end).map_err(not_utf8)?;
        }
        if cutter.bytes.ends_with(b"\n") {
            cutter.line = cutter.bytes.len();
        }
    }
}

/// What has been read of a file and is no passage yet, and the passages before it.
struct Cutter {
    file: u32,
    /// Bytes of the file before `bytes`.
    offset: u64,
    /// Less than [`MOST`] before a line is read.
    bytes: Vec<u8>,
    /// Where the last line begins in `bytes`, or 0 if a passage ended in it.
    line: usize,
    passages: Vec<Passage>,
}

impl Cutter {
    /// Where a passage ends, if one does.
    fn end(&self) -> Option<usize> {
        let (bytes, length) = (&self.bytes, self.bytes.len());
        let is_whole = bytes.ends_with(b"\n");
        if length < MOST {
            let is_empty = is_whole && bytes[self.line..].trim_ascii().is_empty();
            return (is_empty && length >= LEAST).then_some(length);
        }
        if is_whole {
            return Some(length);
        }
        // In the middle of a line: before it if that leaves a passage, otherwise at its last space, or before its last
        // character, of which the end may not have been read.
        if self.line >= LEAST {
            return Some(self.line);
        }
        let last = |is: fn(&u8) -> bool| bytes.iter().rposition(is);
        let space = last(u8::is_ascii_whitespace).map(|space| space + 1);
        let character = last(|byte| !matches!(byte, 0x80..=0xBF));
        space
            .filter(|&end| end >= LEAST)
            .or(character.filter(|&end| end > 0))
            .or(Some(length))
    }

    /// Makes a passage of the first bytes, unless they are whitespace. The error is where the file ceases to be UTF-8.
    fn cut(&mut self, end: usize) -> Result<(), u64> {
        let text = std::str::from_utf8(&self.bytes[..end])
            .map_err(|error| self.offset + error.valid_up_to() as u64)?;
        let trimmed = text.trim_start();
        let offset = self.offset + (text.len() - trimmed.len()) as u64;
        let trimmed = trimmed.trim_end();
        if !trimmed.is_empty() {
            self.passages.push(Passage {
                file: self.file,
                offset,
                length: u32::try_from(trimmed.len()).expect("at most MOST"),
                hash: hash(trimmed),
            });
        }
        self.bytes.drain(..end);
        self.offset += end as u64;
        self.line = self.line.saturating_sub(end);
        Ok(())
    }
}
