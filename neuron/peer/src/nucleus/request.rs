//! A request to the nucleus, and the one answer that it gets.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use neuron_proto::{Code, Fingerprint, Modality, Tensor, Wanted, set_retry_after};
use tokio::sync::oneshot;

use super::{metrics::Metrics, queue::Id, shared::Shared};
use crate::text::printable;

/// What a caller asks of the model.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which entry point.
    pub modality: Modality,
    /// Where the inputs are token ids: of which tokeniser.
    pub tokenizer: Option<Fingerprint>,
    /// What is wanted of each row.
    pub wanted: Wanted,
    /// `[rows, ..]`, at least one row.
    pub inputs: Tensor,
    /// The caller's stake, in 1e-9 CTM: of those that wait, more goes first.
    pub priority: u64,
    /// When the answer loses its worth. What is still queued then never reaches the model.
    pub deadline: Instant,
}

/// A request that is what the model serves, and how long its answer will be. [`Nucleus::check`](super::Nucleus::check)
/// makes it.
#[derive(Clone, Debug)]
pub struct Checked {
    pub(super) request: Request,
    pub(super) answer_bytes: usize,
}

impl Checked {
    /// Bytes of the answer as the model computes it, in F32; of likeliest classes, of the encodings that they are told from if
    /// those have more.
    pub fn answer_bytes(&self) -> usize {
        self.answer_bytes
    }
}

/// What the model answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// `[rows, ..]` of type F32: a row for each row of the request, in order.
    pub outputs: Tensor,
    /// Where the likeliest classes were wanted, I64 in the same shape: of which class each element of the outputs is.
    pub classes: Option<Tensor>,
    /// From admission until the model began on the batch.
    pub queue: Duration,
    /// What the model took for the batch.
    pub compute: Duration,
    /// Rows of the batch, over all callers.
    pub batch_rows: u32,
}

/// Why a request was not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// What to tell the caller; never `Success`.
    pub code: Code,
    /// For people: what was expected, what arrived, what to do.
    pub message: String,
    /// When asking again may succeed, if waiting helps.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal that waiting does not help.
    pub fn new(code: Code, message: impl Into<String>) -> Refusal {
        Refusal {
            code,
            message: message.into(),
            retry_after: None,
        }
    }
}

impl From<Refusal> for tonic::Status {
    /// The status that carries the code, the text as far as a status may have it and, where waiting helps, how long.
    fn from(refusal: Refusal) -> tonic::Status {
        let mut status = refusal.code.status(printable(&refusal.message));
        if let Some(wait) = refusal.retry_after {
            set_retry_after(&mut status, wait);
        }
        status
    }
}

pub(super) type Answer = Result<Reply, Refusal>;

/// The answer to an admitted request, once it is there. It comes exactly once, whatever happens to the model.
///
/// Dropping it abandons the request: while it is queued, its place is free at once, and the model never sees it.
///
/// A ticket has no clock. A request whose deadline passes in the queue is answered with
/// [`NucleusTimeout`](Code::NucleusTimeout) when the queue is next looked at, which a running batch delays; who cannot
/// wait that long stops waiting, that is, drops it.
#[must_use = "dropping a ticket abandons the request"]
pub struct Ticket {
    id: Id,
    answer: oneshot::Receiver<Answer>,
    shared: Arc<Shared>,
    is_answered: bool,
}

impl Ticket {
    pub(super) fn new(id: Id, answer: oneshot::Receiver<Answer>, shared: Arc<Shared>) -> Ticket {
        Ticket {
            id,
            answer,
            shared,
            is_answered: false,
        }
    }
}

impl Future for Ticket {
    type Output = Result<Reply, Refusal>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = std::task::ready!(Pin::new(&mut self.answer).poll(context));
        self.is_answered = true;
        Poll::Ready(answer.unwrap_or_else(|_| {
            let message = "the nucleus ended without an answer, which is a fault in it";
            Err(Refusal::new(Code::UnknownException, message))
        }))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.is_answered {
            self.shared.abandon(self.id);
        }
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket")
            .field("is_answered", &self.is_answered)
            .finish_non_exhaustive()
    }
}

/// An admitted request. Whoever takes it out of the queue answers it.
pub(super) struct Pending {
    pub(super) modality: Modality,
    pub(super) wanted: Wanted,
    pub(super) inputs: Tensor,
    pub(super) stake: u64,
    pub(super) deadline: Instant,
    pub(super) arrived: Instant,
    answer_bytes: usize,
    answer: oneshot::Sender<Answer>,
}

impl Pending {
    pub(super) fn new(checked: Checked, arrived: Instant) -> (Pending, oneshot::Receiver<Answer>) {
        let (answer, receiver) = oneshot::channel();
        let Checked {
            request,
            answer_bytes,
        } = checked;
        let Request {
            modality,
            wanted,
            inputs,
            priority: stake,
            deadline,
            tokenizer: _,
        } = request;
        (
            Pending {
                modality,
                wanted,
                inputs,
                stake,
                deadline,
                arrived,
                answer_bytes,
                answer,
            },
            receiver,
        )
    }

    /// Bytes that it costs: those of its inputs, and those that its answer will have.
    pub(super) fn n_bytes(&self) -> usize {
        self.inputs.n_bytes().saturating_add(self.answer_bytes)
    }

    /// Whether somebody still waits for the answer.
    pub(super) fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }

    /// Gives the answer, if anybody still wants it. It is counted before it can be seen.
    pub(super) fn answer(self, answer: Answer, metrics: &Metrics) {
        if !self.is_wanted() {
            metrics.abandoned.inc();
            return;
        }
        metrics.count(
            answer
                .as_ref()
                .map_or_else(|refusal| refusal.code, |_| Code::Success),
        );
        // The caller may leave at this very moment, which is no different from leaving right after.
        let _ = self.answer.send(answer);
    }

    pub(super) fn refuse_as_expired(self, metrics: &Metrics) {
        let waited = self.arrived.elapsed();
        let message = format!("the deadline passed after {waited:.3?} in the queue");
        self.answer(Err(Refusal::new(Code::NucleusTimeout, message)), metrics);
    }
}

#[cfg(test)]
mod tests {
    use neuron_proto::MAX_MESSAGE_TEXT;

    use super::*;

    #[test]
    fn a_status_has_as_much_text_as_the_protocol_allows() {
        let refusal = Refusal::new(Code::InvalidRequest, "\x1b[2J".repeat(10_000));
        let status = tonic::Status::from(refusal);
        assert_eq!(Code::of_status(&status), Code::InvalidRequest);
        assert_eq!(status.message().len(), MAX_MESSAGE_TEXT);
        assert!(!status.message().contains('\x1b'));
    }
}
