//! What one call came to. Absence is a value, never an exception.

use std::time::Duration;

use neuron_proto::{Code, Tensor};

use super::Peer;

/// What asking one peer came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Who was asked.
    pub peer: Peer,
    /// How it ended.
    pub code: Code,
    /// For people: why there is no answer. Empty on success.
    pub message: String,
    /// F32, `[rows, ..]` with a row for each row of the request, all finite. There exactly on success.
    pub outputs: Option<Tensor>,
    /// I64, in the shape of the outputs: of which class each of their elements is the log-probability. There exactly on success
    /// where the likeliest classes were wanted: of a distribution, none is named twice, and all together have a probability
    /// of at most [`MAX_SUM`](neuron_proto::MAX_SUM).
    pub classes: Option<Tensor>,
    /// From the call until this was known, as seen here.
    pub elapsed: Duration,
    /// How much of it was waiting for a connection; none if there was one.
    pub connect: Option<Duration>,
    /// How long the request waited in the peer's queue, if the peer says so.
    pub queue: Option<Duration>,
    /// How long the peer's model took for the batch, if the peer says so.
    pub compute: Option<Duration>,
    /// Rows of that batch, over all callers, if the peer says so.
    pub batch_rows: Option<u32>,
}

impl Outcome {
    /// Whether there are outputs.
    pub fn is_success(&self) -> bool {
        self.code.is_success()
    }

    /// Without outputs.
    pub(super) fn absent(
        peer: Peer,
        code: Code,
        message: impl Into<String>,
        elapsed: Duration,
    ) -> Outcome {
        Outcome {
            peer,
            code,
            message: message.into(),
            outputs: None,
            classes: None,
            elapsed,
            connect: None,
            queue: None,
            compute: None,
            batch_rows: None,
        }
    }
}

/// Why a peer did not describe itself or tell its health.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{peer}: {code}: {message}")]
pub struct CallError {
    /// Who was asked.
    pub peer: Peer,
    /// How it ended.
    pub code: Code,
    /// What happened.
    pub message: String,
}
