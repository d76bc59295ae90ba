//! One gRPC call on one connection: a message there, a message back, or why not.
//!
//! tonic's client would do, but for three things that a caller of strangers needs. A request that was never sent is told
//! apart from one that may have been, since only the former may be sent again. Bytes are copied once on the way out and,
//! if an answer comes in one frame, not at all on the way in. And a peer cannot make it panic: tonic 0.14 does on a status
//! whose details are not base64, so they are removed unread.

use std::{
    convert::Infallible,
    error::Error as _,
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use hyper::body::{Body, Frame, Incoming};
use neuron_proto::{Code, retry_after};
use prost::Message;
use tokio::time::Instant;
use tonic::Status;

use super::connection::{Connection, DialError};
use crate::text::printable;

/// Bytes before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// What can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Forward,
    Backward,
    Describe,
    Health,
}

impl Method {
    pub(super) const ALL: [Method; 4] = [
        Method::Forward,
        Method::Backward,
        Method::Describe,
        Method::Health,
    ];

    pub(super) fn path(self) -> &'static str {
        match self {
            Method::Forward => "/neuron.v1.Axon/Forward",
            Method::Backward => "/neuron.v1.Axon/Backward",
            Method::Describe => "/neuron.v1.Axon/Describe",
            Method::Health => "/grpc.health.v1.Health/Check",
        }
    }

    /// As metrics name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Method::Forward => "forward",
            Method::Backward => "backward",
            Method::Describe => "describe",
            Method::Health => "health",
        }
    }
}

/// Why a call has no valid answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: Code,
    pub(super) message: String,
    /// After how long the peer says that asking again makes sense.
    pub(super) retry_after: Option<Duration>,
    /// The peer has not seen any of the request, so it may be sent again.
    pub(super) unsent: bool,
}

impl Failure {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Failure {
        Failure {
            code,
            message: message.into(),
            retry_after: None,
            unsent: false,
        }
    }

    /// The peer refused.
    fn refused(status: &Status) -> Failure {
        Failure {
            retry_after: retry_after(status),
            ..Failure::new(Code::of_status(status), printable(status.message()))
        }
    }

    /// The connection broke under the call.
    fn broken(connection: &Connection, error: &hyper::Error) -> Failure {
        match connection.alert() {
            Some(alert) => Failure::new(
                Code::Unauthenticated,
                format!("the peer does not take this neuron's certificate: {alert}"),
            ),
            None => {
                let cause = error.source().map(|cause| format!(": {cause}"));
                let message = format!("the connection broke: {error}{}", cause.unwrap_or_default());
                Failure::new(Code::Unavailable, message)
            }
        }
    }
}

impl From<DialError> for Failure {
    fn from(error: DialError) -> Failure {
        Failure::new(error.code(), error.to_string())
    }
}

/// A message as it travels, with its prefix.
pub(super) fn encode(message: &impl Message) -> Result<Bytes, Failure> {
    let n_bytes = message.encoded_len();
    let too_long = || {
        let message = format!("a message of {n_bytes} bytes is longer than gRPC has room for");
        Failure::new(Code::RequestSerializationException, message)
    };
    let length = u32::try_from(n_bytes).map_err(|_| too_long())?;
    let mut framed = BytesMut::with_capacity(PREFIX + n_bytes);
    framed.put_u8(0);
    framed.put_u32(length);
    message.encode(&mut framed).map_err(|_| too_long())?;
    Ok(framed.freeze())
}

/// Makes one call and gives the answer's bytes, at most `max_bytes` of them.
pub(super) async fn exchange(
    connection: &mut Connection,
    method: Method,
    message: Bytes,
    deadline: Instant,
    max_bytes: usize,
) -> Result<Bytes, Failure> {
    let mut request = Request::new(Once(Some(message)));
    *request.method_mut() = http::Method::POST;
    *request.version_mut() = http::Version::HTTP_2;
    *request.uri_mut() = connection.uri(method);
    let headers = request.headers_mut();
    headers.reserve(3);
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    headers.insert("grpc-timeout", timeout(deadline));

    let response = connection.send(request).await.map_err(|error| {
        let unsent = error.message().is_some();
        Failure {
            unsent,
            ..Failure::broken(connection, error.error())
        }
    })?;
    let (head, body) = response.into_parts();
    // A refusal may consist of headers alone.
    ended(head.headers)?;
    if head.status != StatusCode::OK {
        return Err(not_grpc(head.status));
    }
    read(connection, body, max_bytes).await
}

/// Reads the one message of a response and its status.
async fn read(connection: &Connection, body: Incoming, max_bytes: usize) -> Result<Bytes, Failure> {
    let mut body = pin!(body);
    let mut pieces = Pieces::new(max_bytes);
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let frame = frame.map_err(|error| Failure::broken(connection, &error))?;
        match frame.into_data() {
            Ok(data) => pieces.add(data)?,
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                return match ended(trailers)? {
                    true => pieces.message(),
                    false => break,
                };
            }
        }
    }
    Err(Failure::new(
        Code::NoReturn,
        "the answer ended without a gRPC status",
    ))
}

/// Whether these headers or trailers end the call well; an error if they end it otherwise.
fn ended(mut headers: HeaderMap) -> Result<bool, Failure> {
    headers.remove("grpc-status-details-bin");
    match Status::from_header_map(&headers) {
        None => Ok(false),
        Some(status) if status.code() == tonic::Code::Ok => Ok(true),
        Some(status) => Err(Failure::refused(&status)),
    }
}

/// Whoever answered does not speak gRPC.
fn not_grpc(status: StatusCode) -> Failure {
    let code = match status {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::NOT_FOUND => Code::NotImplemented,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Code::Unavailable,
        _ => Code::UnknownException,
    };
    Failure::new(code, format!("expected gRPC, got HTTP status {status}"))
}

/// The time that is left, as gRPC writes it: at most eight digits and a unit.
fn timeout(deadline: Instant) -> HeaderValue {
    const MOST: u128 = 99_999_999;
    let left = deadline.saturating_duration_since(Instant::now());
    let text = match left.as_micros() {
        micros if micros <= MOST => format!("{micros}u"),
        _ => format!("{}m", left.as_millis().min(MOST)),
    };
    // Digits and a letter are a valid header.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("0u"))
}

/// A body of one frame.
pub(super) struct Once(Option<Bytes>);

impl Body for Once {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

/// A message that arrives piece by piece. Holds no more bytes than the message has, and takes no longer message than
/// expected.
struct Pieces {
    max_bytes: usize,
    arrived: Arrived,
}

enum Arrived {
    /// The first piece as it came: often everything.
    One(Bytes),
    /// Several pieces, joined.
    Many(BytesMut),
}

impl Pieces {
    fn new(max_bytes: usize) -> Pieces {
        Pieces {
            max_bytes,
            arrived: Arrived::One(Bytes::new()),
        }
    }

    fn bytes(&self) -> &[u8] {
        match &self.arrived {
            Arrived::One(bytes) => bytes,
            Arrived::Many(bytes) => bytes,
        }
    }

    /// Bytes that the prefix announces, itself included, once it is here.
    fn announced(&self) -> Result<Option<usize>, Failure> {
        let Some(mut prefix) = self.bytes().get(..PREFIX) else {
            return Ok(None);
        };
        if prefix.get_u8() != 0 {
            let message = "the answer is compressed, which nobody asked for";
            return Err(Failure::new(Code::InvalidResponse, message));
        }
        let n_bytes = prefix.get_u32() as usize;
        if n_bytes > self.max_bytes {
            let message = format!(
                "expected an answer of at most {} bytes, got one of {n_bytes}",
                self.max_bytes
            );
            return Err(Failure::new(Code::InvalidResponse, message));
        }
        Ok(Some(PREFIX + n_bytes))
    }

    fn add(&mut self, piece: Bytes) -> Result<(), Failure> {
        let announced = self.announced()?.unwrap_or(0);
        match &mut self.arrived {
            Arrived::One(first) if first.is_empty() => *first = piece,
            Arrived::One(first) => {
                // One allocation for all of it: what is announced is at most what was expected.
                let n_bytes = announced.max(first.len() + piece.len());
                let mut joined = BytesMut::with_capacity(n_bytes);
                joined.put_slice(first);
                joined.put_slice(&piece);
                self.arrived = Arrived::Many(joined);
            }
            Arrived::Many(joined) => joined.put_slice(&piece),
        }
        match self.announced()? {
            Some(announced) if self.bytes().len() > announced => Err(Failure::new(
                Code::InvalidResponse,
                "expected one message, got more",
            )),
            _ => Ok(()),
        }
    }

    /// The message without its prefix, if all of it is here.
    fn message(self) -> Result<Bytes, Failure> {
        let arrived = self.bytes().len();
        match self.announced()? {
            None if arrived == 0 => Err(Failure::new(
                Code::EmptyResponse,
                "the peer reports success without an answer",
            )),
            Some(announced) if announced == arrived => {
                let mut message = match self.arrived {
                    Arrived::One(bytes) => bytes,
                    Arrived::Many(bytes) => bytes.freeze(),
                };
                message.advance(PREFIX);
                Ok(message)
            }
            _ => Err(Failure::new(
                Code::ResponseDeserializationException,
                format!("the answer ends after {arrived} bytes, in the middle of its message"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(pieces: &[&[u8]]) -> Result<Bytes, Code> {
        let mut whole = Pieces::new(4);
        for piece in pieces {
            whole
                .add(Bytes::copy_from_slice(piece))
                .map_err(|failure| failure.code)?;
        }
        whole.message().map_err(|failure| failure.code)
    }

    #[test]
    fn a_message_is_read_however_it_is_cut() {
        let whole = [0, 0, 0, 0, 4, 1, 2, 3, 4];
        assert_eq!(pieces(&[&whole]).unwrap(), [1, 2, 3, 4][..]);
        for cut in 0..whole.len() {
            let (first, second) = whole.split_at(cut);
            assert_eq!(pieces(&[first, second]).unwrap(), [1, 2, 3, 4][..]);
            let many: Vec<&[u8]> = whole.chunks(cut.max(1)).collect();
            assert_eq!(pieces(&many).unwrap(), [1, 2, 3, 4][..]);
        }
    }

    #[test]
    fn a_message_in_one_piece_is_not_copied() {
        let frame = Bytes::from_static(&[0, 0, 0, 0, 2, 7, 8]);
        let mut whole = Pieces::new(2);
        whole.add(frame.clone()).unwrap();
        assert_eq!(whole.message().unwrap().as_ptr(), frame[PREFIX..].as_ptr());
    }

    #[test]
    fn what_is_no_single_message_is_refused() {
        assert_eq!(pieces(&[]), Err(Code::EmptyResponse));
        let cut_off = Err(Code::ResponseDeserializationException);
        assert_eq!(pieces(&[&[0, 0]]), cut_off);
        assert_eq!(pieces(&[&[0, 0, 0, 0, 2, 1]]), cut_off);
        let invalid = Err(Code::InvalidResponse);
        assert_eq!(pieces(&[&[0, 0, 0, 0, 1, 1, 0]]), invalid, "two messages");
        assert_eq!(pieces(&[&[1, 0, 0, 0, 1, 1]]), invalid, "compressed");
    }

    #[test]
    fn an_answer_longer_than_expected_is_refused_when_it_is_announced() {
        assert_eq!(pieces(&[&[0, 0, 0, 0, 5]]), Err(Code::InvalidResponse));
        assert_eq!(
            pieces(&[&[0, 255, 255, 255, 255]]),
            Err(Code::InvalidResponse)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_is_written_as_grpc_has_it() {
        let text = |left| timeout(Instant::now() + left).to_str().unwrap().to_owned();
        assert_eq!(text(Duration::from_micros(1_500)), "1500u");
        assert_eq!(text(Duration::from_secs(99)), "99000000u");
        assert_eq!(text(Duration::from_secs(100)), "100000m");
        assert_eq!(text(Duration::from_secs(10_000_000)), "99999999m");
        assert_eq!(text(Duration::ZERO), "0u");
    }

    #[test]
    fn details_of_a_status_that_are_not_base64_do_no_harm() {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-status", HeaderValue::from_static("14"));
        headers.insert("grpc-status-details-bin", HeaderValue::from_static("!?"));
        assert_eq!(ended(headers).unwrap_err().code, Code::Unavailable);
    }
}
