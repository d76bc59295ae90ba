//! The log of a neuron that trains, `events.jsonl` in its run folder, read as it grows.

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Number;
use std::{
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom},
    path::PathBuf,
};

/// A line of the log: what tests need of it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Training began, or went on from a checkpoint.
    Start {
        /// The neuron's uid.
        uid: u16,
    },
    /// The optimiser made a step.
    Step {
        /// Which one, from 1.
        step: u64,
        /// Loss with what peers answered, if any did.
        network_loss: Option<Number>,
    },
    /// Peers were asked in a step; the neuron itself where there are none.
    Calls {
        /// The step.
        step: u64,
        /// One for each that was asked.
        outcomes: Vec<Call>,
    },
    /// A row of weights was due.
    Weights {
        /// Block at which it was due.
        block: u32,
        /// Shares by uid. (serde reads no f64 behind a tag where serde_json keeps numbers as text, as a build with the node does.)
        row: Vec<(u16, Number)>,
        /// `included`, `unchanged`, `no permit`, `waits` for an earlier one to be included, or `refused: ` and why.
        result: String,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Steps made so far.
        step: u64,
        /// The file.
        path: PathBuf,
    },
    /// Training was over.
    End {
        /// Steps made.
        step: u64,
        /// `done`, `stopped`, or why it could not go on.
        reason: String,
    },
    /// Anything else.
    #[serde(other)]
    Other,
}

/// What came of asking one peer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Call {
    /// The peer.
    pub uid: u16,
    /// The outcome by name, such as `Success`.
    pub code: String,
}

impl Event {
    /// The step that the optimiser made here, if it made one.
    pub fn step(&self) -> Option<u64> {
        match self {
            Event::Step { step, .. } => Some(*step),
            _ => None,
        }
    }

    /// What came of asking `uid` here, if it was asked.
    pub fn code_of(&self, uid: u16) -> Option<&str> {
        let Event::Calls { outcomes, .. } = self else {
            return None;
        };
        let call = outcomes.iter().find(|call| call.uid == uid)?;
        Some(&call.code)
    }
}

/// The log of one run, from where it ended when this was made.
#[derive(Debug)]
pub(crate) struct RunLog {
    path: PathBuf,
    /// Bytes that were read.
    read: u64,
    /// The beginning of a line whose end is not there yet.
    rest: Vec<u8>,
    events: Vec<Event>,
}

impl RunLog {
    /// What will be written at `path`, where there need not be anything yet. A line that a killed neuron has not finished does
    /// not count: the next one cuts it off.
    pub(crate) fn from_its_end(path: PathBuf) -> Result<Self> {
        let written = match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            written => written?,
        };
        let last = written.iter().rposition(|byte| *byte == b'\n');
        Ok(Self {
            path,
            read: u64::try_from(last.map_or(0, |last| last + 1))?,
            rest: Vec::new(),
            events: Vec::new(),
        })
    }

    /// All that was written since.
    pub(crate) fn events(&mut self) -> Result<&[Event]> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(&self.events),
            file => file?,
        };
        file.seek(SeekFrom::Start(self.read))?;
        self.read += u64::try_from(file.read_to_end(&mut self.rest)?)?;
        if let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') {
            let lines: Vec<u8> = self.rest.drain(..=end).collect();
            for line in lines.split(|byte| *byte == b'\n') {
                if !line.is_empty() {
                    let event = serde_json::from_slice(line);
                    let shown = || String::from_utf8_lossy(line).into_owned();
                    self.events.push(event.with_context(shown)?);
                }
            }
        }
        Ok(&self.events)
    }
}
