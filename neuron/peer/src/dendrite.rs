//! The dendrite: asks peers, all at once, under one deadline, and says of each what came of it.
//!
//! ```text
//! calls ─► may this peer be asked? ─► connection ─► one request ─► checked answer ─► Outcome
//!          no rows, no address,       one a peer,    its deadline    shape, type,      one a peer,
//!          backing off                kept open      travels along   size, finite      in order
//! ```
//!
//! # Promises
//!
//! * An outcome for every call, in the order of the calls, at the deadline at the latest. A peer that is dead, slow, lying
//!   or hostile costs that time and its own answer, never an error or a panic.
//! * A peer is asked only over a connection that its hotkey vouches for, or, where [`DendriteConfig::allow_plaintext`] says
//!   so, in plaintext on loopback.
//! * No answer is believed before its shape, type, size and values were checked.
//! * A request is sent twice in one case only: its first connection turned out to be closed before any of it was sent.
//! * A peer that fails is left alone for ever more calls, until it succeeds: `Backoff`. Neither what this side could not
//!   send nor what it did not wait for counts against a peer that is there.
//!
//! # Example
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use neuron_peer::dendrite::{Call, Dendrite, DendriteConfig, Finish, Peer};
//! use neuron_proto::{Modality, Tensor};
//!
//! # async fn ask(identity: neuron_peer::identity::Identity, peers: Vec<Peer>, images: Tensor) {
//! let dendrite = Dendrite::new(Some(identity), DendriteConfig::default());
//! let calls = peers.into_iter().map(|peer| Call { peer, inputs: images.clone() });
//! let deadline = Duration::from_secs(2);
//! let outcomes = dendrite
//!     .forward(Modality::Image, calls.collect(), &[10], deadline, Finish::All)
//!     .await;
//! for outcome in outcomes {
//!     println!("{}: {} in {:?}", outcome.peer, outcome.code, outcome.elapsed);
//! }
//! # }
//! ```

mod asking;
mod backoff;
mod config;
mod connection;
mod entry;
mod exchange;
mod finish;
mod line;
mod loopback;
mod metrics;
mod outcome;
mod peer;
mod peers;
mod response;
mod stats;
mod stream;

use std::{sync::Arc, time::Duration};

use neuron_proto::{Code, MAX_DESCRIPTION_BYTES, Output, PROTOCOL_VERSION, Tensor, Wanted, v1};
use neuron_wallet::PublicKey;
use prometheus::Registry;
use tokio::{sync::Semaphore, time::Instant};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
};

use self::{
    asking::{Question, Shared},
    exchange::{Failure, Method},
    metrics::Metrics,
    peers::{Peers, Settings},
};
pub use self::{
    config::{DendriteConfig, Precision},
    entry::Entry,
    finish::Finish,
    loopback::loopback,
    outcome::{CallError, Outcome},
    peer::{Call, Peer},
    stats::PeerStats,
};
use crate::identity::Identity;

/// The longest that a call may take, whatever its caller says.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Bytes of an answer that has no tensor.
const SMALL_ANSWER: usize = 4 << 10;

/// Asks peers. Cheap to clone; clones share connections and what they know of peers.
#[derive(Clone)]
pub struct Dendrite {
    shared: Arc<Shared>,
}

impl Dendrite {
    /// Connects to nobody yet. Without an identity, only plaintext peers can be asked, if they are allowed.
    pub fn new(identity: Option<Identity>, config: DendriteConfig) -> Dendrite {
        let metrics = Metrics::new().expect("names and labels are constants that Prometheus takes");
        Dendrite {
            shared: Arc::new(Shared {
                has_identity: identity.is_some(),
                peers: Peers::new(Settings {
                    identity,
                    max_connections: config.max_connections,
                    connect_timeout: config.connect_timeout,
                    max_backoff: config.max_backoff,
                    open: metrics.connections.clone(),
                }),
                metrics,
                backward: Arc::new(Semaphore::new(config.max_backward)),
                config,
            }),
        }
    }

    /// Asks all these peers at once, each for encodings of `[rows, row_shape..]`, and gives an outcome for each call, in
    /// order. Takes `deadline` at most, less if `finish` says so; peers are told how much is left of it. Dropping the
    /// future cancels all calls.
    pub async fn forward(
        &self,
        entry: impl Into<Entry>,
        calls: Vec<Call>,
        row_shape: &[u32],
        deadline: Duration,
        finish: Finish,
    ) -> Vec<Outcome> {
        self.ask(entry, Output::Encoding, calls, row_shape, deadline, finish)
            .await
    }

    /// Asks for predictions, log-probabilities of `[rows, row_shape..]`, as [`forward`](Self::forward) asks for encodings.
    /// A peer that offers none refuses with `NotImplemented`.
    pub async fn predict(
        &self,
        entry: impl Into<Entry>,
        calls: Vec<Call>,
        row_shape: &[u32],
        deadline: Duration,
        finish: Finish,
    ) -> Vec<Outcome> {
        self.ask(
            entry,
            Output::Prediction,
            calls,
            row_shape,
            deadline,
            finish,
        )
        .await
    }

    /// Asks for any output, or for the likeliest classes of one, as [`forward`](Self::forward) asks for encodings. `row_shape` is
    /// that of all classes, of which [`Outcome::classes`] says which were told.
    pub async fn ask(
        &self,
        entry: impl Into<Entry>,
        wanted: impl Into<Wanted>,
        calls: Vec<Call>,
        row_shape: &[u32],
        deadline: Duration,
        finish: Finish,
    ) -> Vec<Outcome> {
        let question = Question {
            entry: entry.into(),
            wanted: wanted.into(),
            row_shape,
            deadline: Instant::now() + deadline.min(LONGEST),
        };
        self.fan_out(question, calls, finish).await
    }

    async fn fan_out(
        &self,
        question: Question<'_>,
        calls: Vec<Call>,
        finish: Finish,
    ) -> Vec<Outcome> {
        let started = Instant::now();
        let peers: Vec<Peer> = calls.iter().map(|call| call.peer).collect();
        let calls = calls
            .into_iter()
            .map(|call| self.shared.ask(call, question));
        let outcomes = finish::gather(calls, question.deadline, finish, Outcome::is_success).await;
        let is_cut_off = Instant::now() < question.deadline;
        let late = |peer| {
            let elapsed = started.elapsed();
            let message = format!("no answer within {elapsed:.1?}");
            let outcome = Outcome::absent(peer, Code::Timeout, message, elapsed);
            match is_cut_off {
                true => self.shared.conclude_cut_off(&outcome),
                false => self.shared.conclude(&outcome, None),
            }
            outcome
        };
        peers
            .into_iter()
            .zip(outcomes)
            .map(|(peer, outcome)| outcome.unwrap_or_else(|| late(peer)))
            .collect()
    }

    /// Sends the gradients of a response back to the peer that gave it, in a task of its own, and gives whether it does:
    /// not if too many are under way, or the peer cannot be called. How it ended is counted in the metrics; it changes
    /// nothing else, and nothing comes back.
    ///
    /// `inputs` are those of the request, `gradients` have the shape of its outputs.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, on which the task runs.
    pub fn backward(
        &self,
        entry: impl Into<Entry>,
        peer: &Peer,
        inputs: Tensor,
        gradients: Tensor,
    ) -> bool {
        let Ok(permit) = self.shared.backward.clone().try_acquire_owned() else {
            self.shared.metrics.backward_dropped.inc();
            return false;
        };
        if self.shared.callable(peer).is_err() {
            self.shared
                .metrics
                .ended(Method::Backward, Code::BadEndpoint);
            return false;
        }
        let (shared, peer, entry) = (self.shared.clone(), *peer, entry.into());
        shared.metrics.backward_in_flight.inc();
        tokio::spawn(async move {
            let in_flight = &shared.metrics.backward_in_flight;
            let ended = shared.send_back(entry, &peer, &inputs, &gradients).await;
            in_flight.dec();
            if let Err(failure) = ended {
                let Failure { code, message, .. } = failure;
                tracing::debug!(%peer, %code, message, "gradients did not arrive");
            }
            drop(permit);
        });
        true
    }

    /// What a peer says that it serves.
    ///
    /// # Errors
    ///
    /// If it cannot be asked or does not answer in time, says that it is somebody else, or speaks another version.
    pub async fn describe(
        &self,
        peer: &Peer,
        deadline: Duration,
    ) -> Result<v1::DescribeResponse, CallError> {
        let request = v1::DescribeRequest {};
        let description: v1::DescribeResponse = self
            .shared
            .small_call(
                Method::Describe,
                peer,
                &request,
                deadline,
                MAX_DESCRIPTION_BYTES,
            )
            .await?;
        let error = |code, message| CallError {
            peer: *peer,
            code,
            message,
        };
        let version = description.protocol_version;
        if version != PROTOCOL_VERSION {
            let message = format!("expected protocol version {PROTOCOL_VERSION}, got {version}");
            return Err(error(Code::ResponseIncompatibleVersion, message));
        }
        if description.hotkey != peer.hotkey.0[..] {
            let message = format!("expected the hotkey {}, got another", peer.hotkey);
            return Err(error(Code::InvalidResponse, message));
        }
        Ok(description)
    }

    /// Whether a peer says that it serves: the standard gRPC health check.
    ///
    /// # Errors
    ///
    /// If it cannot be asked or does not answer in time.
    pub async fn health(&self, peer: &Peer, deadline: Duration) -> Result<bool, CallError> {
        let request = HealthCheckRequest::default();
        let response: HealthCheckResponse = self
            .shared
            .small_call(Method::Health, peer, &request, deadline, SMALL_ANSWER)
            .await?;
        Ok(response.status() == ServingStatus::Serving)
    }

    /// How the forward calls to each peer went so far, by hotkey.
    pub fn stats(&self) -> Vec<PeerStats> {
        self.shared.peers.stats()
    }

    /// Forgets every peer that is not to be kept, and closes its connection: those who left the network. Peers that are
    /// being asked just now are kept until the next time. Of those who stay, [`Dendrite::keep`] says where they are.
    pub fn retain(&self, keep: impl Fn(&PublicKey) -> bool) {
        self.shared.peers.retain(keep);
    }

    /// Closes every connection that does not lead to one of these peers where they are now: those to peers that moved, and
    /// those to peers that no longer serve. Calls under way on them may end. Statistics stay, and so does the backoff of all
    /// but those that moved; [`Dendrite::retain`] forgets.
    ///
    /// Without this, a connection to a peer that moved is closed when the peer is next asked, and one to a peer that no
    /// longer serves when the peer closes it.
    pub fn keep(&self, peers: &[Peer]) {
        self.shared.peers.keep(peers);
    }

    /// Shows this dendrite's metrics in a registry.
    ///
    /// # Errors
    ///
    /// If the registry has metrics of a dendrite already.
    pub fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        self.shared.metrics.register(registry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_registered_once() {
        let registry = Registry::new();
        let dendrite = Dendrite::new(None, DendriteConfig::default());
        dendrite.register(&registry).unwrap();
        assert_eq!(registry.gather().len(), 9);
        assert!(dendrite.register(&registry).is_err());
    }
}
