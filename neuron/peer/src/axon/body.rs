//! Bodies of requests and answers, counted as they pass.

use std::{
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use neuron_proto::Code;
use tonic::Status;

use super::{
    admission::OVERLOAD_RETRY,
    memory::{Held, Memory},
    metrics::AxonMetrics,
};
use crate::nucleus::Refusal;

/// Bytes before each message of gRPC: whether it is compressed, and its length, big endian.
const PREFIX: usize = 5;

/// The body of a unary request: one message, refused at its announced length, before any of it is read, if that is too
/// long or there is no memory for it.
pub(super) struct RequestBody {
    inner: Incoming,
    account: Account,
}

/// What is known of a message that is still arriving.
struct Account {
    memory: Memory,
    /// Where what is held for the request is put, so that it outlives the body.
    held: Arc<OnceLock<Held>>,
    max_message: usize,
    prefix: [u8; PREFIX],
    received: usize,
    expected: Option<usize>,
    metrics: AxonMetrics,
}

impl RequestBody {
    pub(super) fn new(
        inner: Incoming,
        memory: Memory,
        held: Arc<OnceLock<Held>>,
        max_message: usize,
        metrics: AxonMetrics,
    ) -> RequestBody {
        let account = Account {
            memory,
            held,
            max_message,
            prefix: [0; PREFIX],
            received: 0,
            expected: None,
            metrics,
        };
        RequestBody { inner, account }
    }
}

impl Account {
    fn count(&mut self, data: &[u8]) -> Result<(), Refusal> {
        for (to, from) in self.prefix.iter_mut().skip(self.received).zip(data) {
            *to = *from;
        }
        self.received = self.received.saturating_add(data.len());
        self.metrics.received(data.len());
        if self.expected.is_none() && self.received >= PREFIX {
            self.expected = Some(self.pay()?);
        }
        match self.expected {
            Some(expected) if self.received > expected => Err(Refusal::new(
                Code::InvalidRequest,
                "expected one message in a request, got more bytes after it",
            )),
            _ => Ok(()),
        }
    }

    /// For the message that is announced. How many bytes it ends after.
    fn pay(&mut self) -> Result<usize, Refusal> {
        let [_, length @ ..] = self.prefix;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        let max = self.max_message;
        if length > max {
            let message = format!(
                "expected a message of at most {max} bytes, got {length}; the limits in Describe say what a tensor may have: send fewer rows"
            );
            return Err(Refusal::new(Code::RequestShapeException, message));
        }
        let n_bytes = length.saturating_add(PREFIX);
        let held = self.memory.try_take(n_bytes).ok_or_else(|| Refusal {
            code: Code::NucleusFull,
            message: format!("no memory for {n_bytes} more bytes of requests and answers"),
            retry_after: Some(OVERLOAD_RETRY),
        })?;
        // Set once: there is one message.
        let _ = self.held.set(held);
        Ok(n_bytes)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(frame) = ready!(Pin::new(&mut self.inner).poll_frame(context)) else {
            return Poll::Ready(None);
        };
        let frame = frame
            .map_err(|error| Status::from_error(Box::new(error)))
            .and_then(|frame| {
                if let Some(data) = frame.data_ref() {
                    self.account.count(data)?;
                }
                Ok(frame)
            });
        Poll::Ready(Some(frame))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// How a peer takes its answers: whether it has stopped reading.
#[derive(Debug)]
pub(super) struct Uptake {
    start: Instant,
    /// Chunks of answers that the connection could not send yet.
    waiting: AtomicUsize,
    /// When a chunk was last taken, or began to wait with none before it; milliseconds from the start.
    since: AtomicU64,
}

impl Uptake {
    pub(super) fn new() -> Arc<Uptake> {
        Arc::new(Uptake {
            start: Instant::now(),
            waiting: AtomicUsize::new(0),
            since: AtomicU64::new(0),
        })
    }

    /// For how long answers have waited without any being taken.
    pub(super) fn stalled_for(&self) -> Duration {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return Duration::ZERO;
        }
        let since = Duration::from_millis(self.since.load(Ordering::Acquire));
        self.start.elapsed().saturating_sub(since)
    }

    fn wait(self: &Arc<Self>) -> Waiting {
        if self.waiting.fetch_add(1, Ordering::AcqRel) == 0 {
            self.touch();
        }
        Waiting(self.clone())
    }

    fn touch(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.since.store(now, Ordering::Release);
    }
}

/// A chunk that waits to be taken.
struct Waiting(Arc<Uptake>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.touch();
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A chunk of an answer. HTTP/2 drops it once it is written to the peer.
struct Chunk {
    bytes: Bytes,
    _held: Held,
    _waiting: Waiting,
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The body of an answer, paid for until the peer has taken it.
pub(super) struct ResponseBody {
    inner: tonic::body::Body,
    memory: Memory,
    uptake: Arc<Uptake>,
    metrics: AxonMetrics,
}

impl ResponseBody {
    pub(super) fn new(
        inner: tonic::body::Body,
        memory: Memory,
        uptake: Arc<Uptake>,
        metrics: AxonMetrics,
    ) -> ResponseBody {
        ResponseBody {
            inner,
            memory,
            uptake,
            metrics,
        }
    }

    fn chunk(&self, bytes: Bytes) -> Bytes {
        let n_bytes = bytes.len();
        self.metrics.sent(n_bytes);
        let held = self.memory.take(n_bytes);
        Bytes::from_owner(Chunk {
            bytes,
            _held: held,
            _waiting: self.uptake.wait(),
        })
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        let frame = frame.map(|frame| frame.map(|frame| frame.map_data(|bytes| self.chunk(bytes))));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
