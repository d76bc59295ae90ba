//! Bodies of requests and answers, counted as they pass.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use neuron_proto::Code;
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;

use super::{
    memory::{Held, Memory},
    metrics::AxonMetrics,
};
use crate::nucleus::Refusal;

/// Bytes before each message of gRPC: whether it is compressed, and its length, big endian.
const PREFIX: usize = 5;
/// Bytes of an answer that are handed to HTTP/2 at once.
const PIECE: usize = 256 << 10;

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
        let held = self.memory.try_take(n_bytes)?;
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

/// The body of a request to health or reflection: at most so many bytes, in however many messages.
pub(super) struct ShortBody {
    inner: Incoming,
    /// Bytes that may still come.
    left: usize,
}

impl ShortBody {
    pub(super) fn new(inner: Incoming, max_bytes: usize) -> ShortBody {
        ShortBody {
            inner,
            left: max_bytes,
        }
    }

    fn count(&mut self, data: &[u8]) -> Result<(), Refusal> {
        self.left = self.left.checked_sub(data.len()).ok_or_else(|| {
            let message = "a request to health or reflection has more bytes than one may have";
            Refusal::new(Code::InvalidRequest, message)
        })?;
        Ok(())
    }
}

impl Body for ShortBody {
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
                    self.count(data)?;
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
pub(super) struct Uptake(Mutex<Waits>);

/// Both at once, or a peer that was given something after a long silence could look as if it had let it wait as long.
#[derive(Debug)]
struct Waits {
    /// Pieces of answers that the connection could not send yet, and rests of answers.
    waiting: usize,
    /// When a piece was last taken, or began to wait with none before it.
    since: Instant,
}

impl Uptake {
    pub(super) fn new() -> Arc<Uptake> {
        Arc::new(Uptake(Mutex::new(Waits {
            waiting: 0,
            since: Instant::now(),
        })))
    }

    /// For how long answers have waited without any being taken.
    pub(super) fn stalled_for(&self) -> Duration {
        let waits = self.waits();
        match waits.waiting {
            0 => Duration::ZERO,
            _ => waits.since.elapsed(),
        }
    }

    fn wait(self: &Arc<Self>) -> Waiting {
        let mut waits = self.waits();
        if waits.waiting == 0 {
            waits.since = Instant::now();
        }
        waits.waiting += 1;
        Waiting(self.clone())
    }

    fn waits(&self) -> MutexGuard<'_, Waits> {
        // Two numbers, which no panic leaves half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something that waits to be taken.
struct Waiting(Arc<Uptake>);

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waits = self.0.waits();
        waits.since = Instant::now();
        waits.waiting -= 1;
    }
}

/// What pays for an answer until the peer has taken it.
pub(super) enum Payer {
    /// The budgets of requests and answers, with what is held for the answer already.
    Memory { memory: Memory, held: Option<Held> },
    /// A place among the few of health and reflection, whose answers are small.
    Place(Arc<OwnedSemaphorePermit>),
}

/// What is given back when it is dropped for the last time.
type Paid = Arc<dyn Send + Sync>;

impl Payer {
    /// Pays for the next bytes, first from what is held already.
    fn pay(&mut self, n_bytes: usize) -> Paid {
        match self {
            Payer::Memory { memory, held } => match held.take() {
                Some(mut held) => {
                    held.resize(n_bytes);
                    Arc::new(held)
                }
                None => Arc::new(memory.take(n_bytes)),
            },
            Payer::Place(place) => place.clone(),
        }
    }
}

/// A piece of an answer. HTTP/2 drops it once it is written to the connection.
struct Piece {
    bytes: Bytes,
    _paid: Paid,
    _waiting: Waiting,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// What of an answer is not handed to HTTP/2 yet.
struct Rest {
    bytes: Bytes,
    paid: Paid,
    _waiting: Waiting,
}

/// The body of an answer, paid for until the peer has taken it. Handed over in pieces, so that a peer which is slow can be
/// told from one that has stopped.
pub(super) struct ResponseBody {
    inner: tonic::body::Body,
    rest: Option<Rest>,
    payer: Payer,
    uptake: Arc<Uptake>,
    metrics: AxonMetrics,
}

impl ResponseBody {
    pub(super) fn new(
        inner: tonic::body::Body,
        payer: Payer,
        uptake: Arc<Uptake>,
        metrics: AxonMetrics,
    ) -> ResponseBody {
        ResponseBody {
            inner,
            rest: None,
            payer,
            uptake,
            metrics,
        }
    }

    fn pay(&mut self, bytes: Bytes) {
        let n_bytes = bytes.len();
        self.metrics.sent(n_bytes);
        self.rest = Some(Rest {
            bytes,
            paid: self.payer.pay(n_bytes),
            _waiting: self.uptake.wait(),
        });
    }

    /// The next piece of what is there, if something is there.
    fn next_piece(&mut self) -> Option<Bytes> {
        let rest = self.rest.as_mut()?;
        let piece = Piece {
            bytes: rest.bytes.split_to(rest.bytes.len().min(PIECE)),
            _paid: rest.paid.clone(),
            _waiting: self.uptake.wait(),
        };
        if rest.bytes.is_empty() {
            self.rest = None;
        }
        Some(Bytes::from_owner(piece))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.rest.is_none() {
            match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => self.pay(bytes),
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end),
            }
        }
        Poll::Ready(self.next_piece().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.rest {
            Some(_) => SizeHint::default(),
            None => self.inner.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::axon::memory::Budget;

    /// One chunk, then trailers.
    struct Answer(Option<Bytes>, bool);

    impl Body for Answer {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            let frame = match self.0.take() {
                Some(bytes) => Some(Frame::data(bytes)),
                None if !self.1 => {
                    self.1 = true;
                    Some(Frame::trailers(http::HeaderMap::new()))
                }
                None => None,
            };
            Poll::Ready(frame.map(Ok))
        }
    }

    fn next(body: &mut ResponseBody) -> Option<Frame<Bytes>> {
        let mut context = Context::from_waker(Waker::noop());
        match Pin::new(body).poll_frame(&mut context) {
            Poll::Ready(frame) => frame.map(Result::unwrap),
            Poll::Pending => panic!("it never waits"),
        }
    }

    #[test]
    fn an_answer_goes_out_in_pieces_and_is_paid_for_until_the_last_is_taken() {
        let memory = Memory {
            caller: Budget::new(3 * PIECE),
            total: Budget::new(3 * PIECE),
        };
        let uptake = Uptake::new();
        let bytes = Bytes::from(vec![7; 2 * PIECE + 1]);
        let inner = tonic::body::Body::new(Answer(Some(bytes), false));
        let metrics = AxonMetrics::new();
        let payer = Payer::Memory {
            memory: memory.clone(),
            held: memory.try_take(3 * PIECE).ok(),
        };
        let mut body = ResponseBody::new(inner, payer, uptake.clone(), metrics);
        let held = || memory.total.held();
        let waiting = || uptake.waits().waiting;
        assert_eq!((held(), waiting()), (3 * PIECE, 0));

        let mut pieces: Vec<Bytes> = Vec::new();
        for length in [PIECE, PIECE, 1] {
            assert!(!body.is_end_stream());
            let piece = next(&mut body).unwrap().into_data().unwrap();
            assert_eq!(piece.len(), length);
            pieces.push(piece);
            assert_eq!(held(), 2 * PIECE + 1);
        }
        // The rest no longer waits, each piece does.
        assert_eq!(waiting(), 3);
        let last = pieces.pop().unwrap();
        drop(pieces);
        assert_eq!((held(), waiting()), (2 * PIECE + 1, 1));
        drop(last);
        assert_eq!((held(), waiting()), (0, 0));
        assert_eq!(uptake.stalled_for(), Duration::ZERO);
        assert!(next(&mut body).unwrap().is_trailers());
        assert!(next(&mut body).is_none());
    }

    #[test]
    fn the_answer_of_health_keeps_its_place_until_it_is_taken() {
        let places = Arc::new(tokio::sync::Semaphore::new(1));
        let place = places.clone().try_acquire_owned().unwrap();
        let inner = tonic::body::Body::new(Answer(Some(Bytes::from_static(b"SERVING")), false));
        let payer = Payer::Place(Arc::new(place));
        let mut body = ResponseBody::new(inner, payer, Uptake::new(), AxonMetrics::new());
        let piece = next(&mut body).unwrap();
        drop(body);
        assert_eq!(places.available_permits(), 0);
        drop(piece);
        assert_eq!(places.available_permits(), 1);
    }

    #[test]
    fn an_answer_after_a_long_silence_has_not_waited_as_long() {
        const SILENCE: Duration = Duration::from_secs(3600);
        let uptake = Uptake::new();
        uptake.waits().since = Instant::now().checked_sub(SILENCE).unwrap();
        assert_eq!(uptake.stalled_for(), Duration::ZERO, "nothing waits");
        let _first = uptake.wait();
        assert!(uptake.stalled_for() < SILENCE);
        // What comes after the first does not make it younger.
        uptake.waits().since = Instant::now().checked_sub(SILENCE).unwrap();
        let second = uptake.wait();
        assert!(uptake.stalled_for() >= SILENCE);
        drop(second);
        assert!(uptake.stalled_for() < SILENCE, "one was taken");
    }

    #[test]
    fn a_rest_that_nobody_asks_for_waits_too() {
        let memory = Memory {
            caller: Budget::new(0),
            total: Budget::new(0),
        };
        let payer = Payer::Memory { memory, held: None };
        let uptake = Uptake::new();
        let bytes = Bytes::from(vec![7; PIECE + 1]);
        let inner = tonic::body::Body::new(Answer(Some(bytes), false));
        let mut body = ResponseBody::new(inner, payer, uptake.clone(), AxonMetrics::new());
        drop(next(&mut body));
        assert_eq!(uptake.waits().waiting, 1);
        drop(body);
        assert_eq!(uptake.waits().waiting, 0);
    }
}
