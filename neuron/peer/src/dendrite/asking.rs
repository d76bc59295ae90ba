//! How one peer is asked: may it be, over which connection, and what came of it.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use bytes::Bytes;
use neuron_proto::{Code, Fingerprint, Tensor, Wanted, v1};
use prost::Message;
use tokio::{
    sync::Semaphore,
    time::{self, Instant},
};

use super::{
    Call, CallError, DendriteConfig, Entry, LONGEST, Outcome, Peer, SMALL_ANSWER,
    config::on_wire,
    connection::Connection,
    exchange::{Failure, Method, encode, exchange},
    metrics::Metrics,
    peers::{Peers, Visit},
    response::{Expected, said_success},
};

/// What all clones of a dendrite share.
pub(super) struct Shared {
    pub(super) config: DendriteConfig,
    pub(super) has_identity: bool,
    pub(super) peers: Peers,
    pub(super) metrics: Metrics,
    pub(super) backward: Arc<Semaphore>,
}

/// What all calls of a fan-out have in common.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) entry: Entry,
    pub(super) wanted: Wanted,
    /// Of a row of the whole that is wanted, or of which the likeliest classes are.
    pub(super) row_shape: &'a [u32],
    pub(super) deadline: Instant,
}

/// A request as it travels, and what a valid answer to it is.
struct Prepared<'a> {
    request: Bytes,
    expected: Expected<'a>,
}

impl Shared {
    /// Asks one peer.
    pub(super) async fn ask(&self, call: Call, question: Question<'_>) -> Outcome {
        let started = Instant::now();
        let peer = call.peer;
        let prepared = self
            .admit(&call)
            .and_then(|()| self.prepare(call.inputs, question));
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(Failure { code, message, .. }) => {
                self.metrics.ended(Method::Forward, code);
                return Outcome::absent(peer, code, message, started.elapsed());
            }
        };
        let in_flight = self.metrics.begin_forward();
        let mut visit = self.peers.visit(peer.into());
        let deadline = question.deadline;
        let answer = self.answer(&mut visit, peer, prepared, deadline).await;
        drop((visit, in_flight));
        let elapsed = started.elapsed();
        let (outcome, retry_after) = match answer {
            Ok(outcome) => (Outcome { elapsed, ..outcome }, None),
            Err(failure) => (
                Outcome::absent(peer, failure.code, failure.message, elapsed),
                failure.retry_after,
            ),
        };
        self.conclude(&outcome, retry_after);
        outcome
    }

    /// Whether there is anything to ask, and the peer may be asked now.
    fn admit(&self, call: &Call) -> Result<(), Failure> {
        if call.inputs.rows() == 0 {
            return Err(Failure::new(Code::EmptyRequest, "there are no rows to ask"));
        }
        self.callable(&call.peer)?;
        if !self.peers.admits(call.peer.into()) {
            self.peers.skipped(&call.peer.hotkey);
            let message = "left alone for a while, since it failed or asked for it";
            return Err(Failure::new(Code::Backoff, message));
        }
        Ok(())
    }

    /// Whether the peer's address can be called at all.
    pub(super) fn callable(&self, peer: &Peer) -> Result<(), Failure> {
        let ip = peer.address.ip().to_canonical();
        let bad = |message: &str| Err(Failure::new(Code::BadEndpoint, message));
        if ip.is_unspecified() || ip.is_multicast() || peer.address.port() == 0 {
            return bad("it announces no address that can be called");
        }
        if peer.plaintext && !ip.is_loopback() {
            return bad("it speaks plaintext, which is for development on loopback only");
        }
        if peer.plaintext && !self.config.allow_plaintext {
            return bad(
                "it speaks plaintext, in which nobody proves who answers: in development, allow that with --plaintext",
            );
        }
        if !peer.plaintext && !self.has_identity {
            return bad("it speaks TLS, for which this dendrite was given no identity");
        }
        Ok(())
    }

    /// The request as it travels. What cannot be sent is this side's fault, and the peer never hears of it.
    fn prepare<'a>(&self, inputs: Tensor, question: Question<'a>) -> Result<Prepared<'a>, Failure> {
        let dtype = self.config.precision.dtype();
        let n_likeliest = question.wanted.n_likeliest();
        let expected = Expected {
            rows: inputs.rows(),
            row_shape: question.row_shape,
            n_likeliest,
            dtype,
        };
        expected.check_itself()?;
        let request = encode(&v1::ForwardRequest {
            modality: question.entry.modality.into(),
            inputs: Some(on_wire(&inputs, dtype)?.encode()),
            reply: dtype.into(),
            output: question.wanted.output().into(),
            tokenizer: Fingerprint::write(question.entry.tokenizer),
            n_likeliest: n_likeliest.map_or(0, NonZeroU32::get),
        })?;
        Ok(Prepared { request, expected })
    }

    /// A peer's checked answer.
    async fn answer(
        &self,
        visit: &mut Visit<'_>,
        peer: Peer,
        Prepared { request, expected }: Prepared<'_>,
        deadline: Instant,
    ) -> Result<Outcome, Failure> {
        let max_bytes = expected.max_bytes();
        let (message, connect) = self
            .call(visit, Method::Forward, request, deadline, max_bytes)
            .await?;
        let answer = expected.check(message)?;
        Ok(Outcome {
            connect,
            queue: answer
                .timing
                .map(|timing| Duration::from_micros(timing.queue_us)),
            compute: answer
                .timing
                .map(|timing| Duration::from_micros(timing.compute_us)),
            batch_rows: answer.timing.map(|timing| timing.batch_rows),
            outputs: Some(answer.outputs),
            classes: answer.classes,
            ..Outcome::absent(peer, Code::Success, "", Duration::ZERO)
        })
    }

    /// Learns from a forward call that was made.
    pub(super) fn conclude(&self, outcome: &Outcome, retry_after: Option<Duration>) {
        self.peers.learn(outcome, retry_after);
        self.count(outcome);
    }

    /// Learns from a forward call that was made and not waited for until its deadline.
    pub(super) fn conclude_cut_off(&self, outcome: &Outcome) {
        self.peers.learn_cut_off(outcome);
        self.count(outcome);
    }

    fn count(&self, outcome: &Outcome) {
        self.metrics.ended(Method::Forward, outcome.code);
        self.metrics.took(Method::Forward, outcome.elapsed);
        if !outcome.is_success() {
            let Outcome {
                peer,
                code,
                message,
                ..
            } = outcome;
            tracing::debug!(%peer, %code, message, "no answer");
        }
    }

    /// Makes a call, and makes it once more if its connection turns out to be closed before any of it was sent. Also gives
    /// how long it waited for its connection, if it did.
    async fn call(
        &self,
        visit: &mut Visit<'_>,
        method: Method,
        message: Bytes,
        deadline: Instant,
        max_bytes: usize,
    ) -> Result<(Bytes, Option<Duration>), Failure> {
        let (mut connection, mut connect) = self.connect(visit).await?;
        self.sends(visit, &message);
        let mut answer = exchange(
            &mut connection,
            method,
            message.clone(),
            deadline,
            max_bytes,
        )
        .await;
        if answer.as_ref().is_err_and(|failure| failure.unsent) {
            visit.hang_up(&connection);
            (connection, connect) = self.connect(visit).await?;
            answer = exchange(&mut connection, method, message, deadline, max_bytes).await;
        }
        let answer = answer?;
        let n_bytes = answer.len() as u64;
        visit.received += n_bytes;
        self.metrics.received_bytes.inc_by(n_bytes);
        Ok((answer, connect))
    }

    async fn connect(&self, visit: &Visit<'_>) -> Result<(Connection, Option<Duration>), Failure> {
        let (connection, waited) = visit.connect().await?;
        if let Some(waited) = waited {
            self.metrics.connect_seconds.observe(waited.as_secs_f64());
        }
        Ok((connection, waited))
    }

    fn sends(&self, visit: &mut Visit<'_>, message: &Bytes) {
        let n_bytes = message.len() as u64;
        visit.sent += n_bytes;
        self.metrics.sent_bytes.inc_by(n_bytes);
    }

    /// Makes a call whose messages have no tensors, whatever the peer's backoff.
    pub(super) async fn small_call<A: Message + Default>(
        &self,
        method: Method,
        peer: &Peer,
        request: &impl Message,
        limit: Duration,
        max_bytes: usize,
    ) -> Result<A, CallError> {
        let answer = async {
            self.callable(peer)?;
            let answer = self
                .timed_call(method, peer, encode(request)?, limit, max_bytes)
                .await?;
            A::decode(answer).map_err(|error| {
                let message = format!("the answer cannot be read: {error}");
                Failure::new(Code::ResponseDeserializationException, message)
            })
        };
        let answer = answer.await;
        let code = answer
            .as_ref()
            .map_or_else(|failure| failure.code, |_| Code::Success);
        self.metrics.ended(method, code);
        answer.map_err(|Failure { code, message, .. }| CallError {
            peer: *peer,
            code,
            message,
        })
    }

    async fn timed_call(
        &self,
        method: Method,
        peer: &Peer,
        message: Bytes,
        limit: Duration,
        max_bytes: usize,
    ) -> Result<Bytes, Failure> {
        let started = Instant::now();
        let deadline = started + limit.min(LONGEST);
        let mut visit = self.peers.visit((*peer).into());
        let call = self.call(&mut visit, method, message, deadline, max_bytes);
        let answer = time::timeout_at(deadline, call).await;
        self.metrics.took(method, started.elapsed());
        match answer {
            Ok(answer) => answer.map(|(message, _)| message),
            Err(_) => {
                let message = format!("no answer within {limit:?}");
                Err(Failure::new(Code::Timeout, message))
            }
        }
    }

    pub(super) async fn send_back(
        &self,
        entry: Entry,
        peer: &Peer,
        inputs: &Tensor,
        gradients: &Tensor,
    ) -> Result<(), Failure> {
        let precision = self.config.precision;
        let limit = self.config.backward_timeout;
        let sent = async {
            let request = encode(&v1::BackwardRequest {
                modality: entry.modality.into(),
                inputs: Some(on_wire(inputs, precision.dtype())?.encode()),
                gradients: Some(on_wire(gradients, precision.of_gradients())?.encode()),
                tokenizer: Fingerprint::write(entry.tokenizer),
            })?;
            let answer = self
                .timed_call(Method::Backward, peer, request, limit, SMALL_ANSWER)
                .await?;
            let answer = v1::BackwardResponse::decode(answer).map_err(|error| {
                let message = format!("the answer cannot be read: {error}");
                Failure::new(Code::ResponseDeserializationException, message)
            })?;
            said_success(answer.code, &answer.message)
        };
        let sent = sent.await;
        let code = sent
            .as_ref()
            .map_or_else(|failure| failure.code, |()| Code::Success);
        self.metrics.ended(Method::Backward, code);
        sent
    }
}
