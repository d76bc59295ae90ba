//! The axon: where a neuron is asked.
//!
//! ```text
//! TCP ─► handshakes ─► TLS 1.3, both sides show a certificate ─► callers ─► HTTP/2
//!        few at once   who calls is known from here on           few each   │
//!                                                                           ▼ each request, from its headers
//!        health, reflection ◄──────────────────────────────────────────── gate
//!                                                                           │ deadline, registered?, rate
//!                                                                           ▼ then its body
//!        nucleus ◄── forward ── stake? shape? ◄── service ◄── one message, within limits and memory
//!        trainer ◄── backward, clipped
//! ```
//!
//! # Promises
//!
//! * **Cheap first.** What a stranger can make the axon do is bounded: a few handshakes at once, a few connections, a few
//!   short requests to health and reflection, and refusals that are made from headers alone.
//! * **Refusals say why.** Each is a gRPC status with the exact [`Code`](neuron_proto::Code) in its metadata and, where
//!   waiting helps, the time to wait. None waits for the model, nor does health. What went wrong inside is for the log:
//!   callers learn that it did.
//! * **Bounded memory.** Requests are paid for at their announced length, before they are read, and answers at the length
//!   that they will have, before the model is asked and until they are taken, from a budget for each caller and one for all.
//!   Gradients that wait for the trainer have their own, and so have the nucleus' batches.
//! * **The roster is the law.** Each request is held against the latest one; a caller that leaves it loses its connection.
//! * **An end.** After [`AxonConfig::shutdown_grace`] nothing of the axon runs any more, whatever peers do.
//!
//! Connections are not bounded in age: what a certificate proves, it proves for the connection that it opened.

mod admission;
mod body;
mod callers;
mod connection;
mod deadline;
mod gate;
mod gradients;
mod handshakes;
mod memory;
mod metrics;
pub mod request;
mod service;

use std::{io, net::SocketAddr, num::NonZeroU32, sync::Arc, time::Duration};

use neuron_proto::{
    Limits,
    v1::{self, axon_server::AxonServer},
};
use neuron_wallet::PublicKey;
use tokio::{net::TcpListener, time::sleep};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::service::Routes;
use tonic_health::{
    ServingStatus,
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};

use self::{
    admission::Admission,
    callers::{Callers, Places},
    connection::Connections,
    gate::{MAX_STANDARD_MESSAGE, Services},
    handshakes::Handshakes,
    memory::Budget,
    service::Service,
};
pub use self::{
    admission::{Policy, Rate},
    gradients::{Gradient, GradientReceiver, GradientSender, gradients},
    metrics::AxonMetrics,
};
use crate::{Identity, RosterWatch, identity::IdentityError, nucleus::Nucleus};

/// How long to let the operating system recover when it has no connection to give, for instance because there are too
/// many open files.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// Neurons connect once and stay. Of a whole rack behind one address, all come back at once after a restart here.
const HANDSHAKE_RATE: Rate = Rate {
    per_second: NonZeroU32::new(16).expect("it is not zero"),
    burst: NonZeroU32::new(256).expect("it is not zero"),
};
/// The health service's name for the whole server.
const WHOLE_SERVER: &str = "";
const AXON: &str = "neuron.v1.Axon";

/// How much an axon takes on, and from whom.
#[derive(Clone, Debug)]
pub struct AxonConfig {
    /// Who may ask.
    pub policy: Policy,
    /// Longest that a request may take, also where its caller would wait longer or does not say.
    pub max_wait: Duration,
    /// Bytes of one tensor, where the synapses allow more or any number.
    pub max_tensor_bytes: usize,
    /// L2 norm that gradients of one request are scaled down to.
    pub max_gradient_norm: f32,
    /// Bytes of requests and answers that are held at once.
    pub max_bytes: usize,
    /// The same of one caller.
    pub max_bytes_per_caller: usize,
    /// Connections at once, handshakes included. Each has up to 32 KiB read ahead, and while it sends, 32 KiB to send.
    pub max_connections: usize,
    /// Connections of one caller. A dendrite needs one; a second comes when it is restarted before its end is noticed.
    pub max_connections_per_caller: usize,
    /// Connections of all callers that are not registered.
    pub max_connections_of_strangers: usize,
    /// Handshakes at once; beyond, the oldest one of the busiest address makes room.
    pub max_handshakes: usize,
    /// Handshakes at once from one address.
    pub max_handshakes_per_address: usize,
    /// How fast handshakes from one address may follow each other; beyond, connections are closed as soon as they are there.
    pub handshake_rate_per_address: Rate,
    /// How long a handshake may take where nobody else needs its place: long enough for a machine that has stalled.
    pub handshake_timeout: Duration,
    /// For how long a peer may let answers wait without taking any.
    pub stall_timeout: Duration,
    /// How long requests under way may take when the axon shuts down.
    pub shutdown_grace: Duration,
    /// What is counted.
    pub metrics: AxonMetrics,
}

impl Default for AxonConfig {
    /// For a neuron on the open network: 512 MiB, an eighth of it for one caller; 4,096 connections, 4 of one caller.
    fn default() -> AxonConfig {
        AxonConfig {
            policy: Policy::default(),
            max_wait: Duration::from_secs(30),
            max_tensor_bytes: 16 << 20,
            max_gradient_norm: 1.0,
            max_bytes: 512 << 20,
            max_bytes_per_caller: 64 << 20,
            max_connections: 4096,
            max_connections_per_caller: 4,
            max_connections_of_strangers: 64,
            max_handshakes: 256,
            max_handshakes_per_address: 16,
            handshake_rate_per_address: HANDSHAKE_RATE,
            handshake_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            shutdown_grace: Duration::from_secs(5),
            metrics: AxonMetrics::new(),
        }
    }
}

/// How connections are protected.
#[derive(Clone, Debug)]
pub enum Security {
    /// Mutual TLS 1.3: both sides prove their hotkeys.
    Tls(Identity),
    /// For development: no encryption, and anybody on this machine may ask anything. Refused on other than loopback.
    PlaintextOnLoopback {
        /// Whom the axon says that it is, without proof.
        hotkey: PublicKey,
    },
}

impl Security {
    fn hotkey(&self) -> PublicKey {
        match self {
            Security::Tls(identity) => identity.hotkey(),
            Security::PlaintextOnLoopback { hotkey } => *hotkey,
        }
    }
}

/// Why an axon does not serve.
#[derive(Debug, thiserror::Error)]
pub enum AxonError {
    /// The development mode where strangers could reach it.
    #[error(
        "plaintext is for development and listens on loopback only, got {0}: listen on 127.0.0.1 or use TLS"
    )]
    PlaintextBeyondLoopback(SocketAddr),
    /// A norm that no gradient can be scaled to.
    #[error("max_gradient_norm must be a positive number, got {0}")]
    GradientNorm(f32),
    /// A nucleus that waits for others longer than any caller may wait for it.
    #[error(
        "a request may wait {batch_wait:?} for others to share its batch, but only {max_wait:?} for its answer: lower the nucleus' max_wait or raise the axon's"
    )]
    BatchWait {
        /// Of the nucleus.
        batch_wait: Duration,
        /// Of the axon.
        max_wait: Duration,
    },
    /// A message that is allowed, but that no caller could pay for.
    #[error(
        "a request may have {message} bytes with its answer, beyond max_bytes_per_caller, which is {per_caller}, or max_bytes, which is {total}: lower max_tensor_bytes, max_answer_bytes or the rows of a request, or raise these"
    )]
    Memory {
        /// Of the largest request with its answer.
        message: usize,
        /// `max_bytes_per_caller`.
        per_caller: usize,
        /// `max_bytes`.
        total: usize,
    },
    /// No certificate.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The socket is not one.
    #[error("the listener has no address: {0}")]
    Listener(#[from] io::Error),
}

/// Serves until `shutdown` is cancelled, and then until the requests under way are answered or the grace is over.
///
/// Health says "not serving" first, then nobody new is let in, then connections are asked to end, then they are closed. It
/// also says so once the nucleus takes nothing more.
///
/// # Errors
///
/// Before it serves, if the configuration contradicts itself. Once it serves, nothing ends it but `shutdown`.
pub async fn serve(
    listener: TcpListener,
    config: AxonConfig,
    security: Security,
    roster: RosterWatch,
    nucleus: Nucleus,
    gradients: Option<GradientSender>,
    shutdown: CancellationToken,
) -> Result<(), AxonError> {
    let address = listener.local_addr()?;
    let tls = acceptor(&security, address)?;
    let health = HealthReporter::new();
    let hotkey = security.hotkey();
    let stopping = nucleus.stopping().clone();
    let services = services(&config, hotkey, roster.clone(), nucleus, gradients, &health)?;
    let connections = Arc::new(connections(&config, services, roster, tls));
    health
        .set_service_status(AXON, ServingStatus::Serving)
        .await;
    tracing::info!(%address, %hotkey, "the axon serves");

    let no_nucleus = async {
        stopping.cancelled().await;
        tracing::warn!(%address, "the nucleus has stopped: what this axon is asked, it refuses");
        says_not_serving(&health).await;
        std::future::pending().await
    };
    tokio::select! {
        () = accept(&listener, &config, &connections, &shutdown) => {},
        () = no_nucleus => {},
    }

    says_not_serving(&health).await;
    drop(listener);
    stop(&connections, config.shutdown_grace).await;
    tracing::info!(%address, "the axon has stopped");
    Ok(())
}

async fn says_not_serving(health: &HealthReporter) {
    for service in [AXON, WHOLE_SERVER] {
        health
            .set_service_status(service, ServingStatus::NotServing)
            .await;
    }
}

fn acceptor(security: &Security, address: SocketAddr) -> Result<Option<TlsAcceptor>, AxonError> {
    match security {
        Security::Tls(identity) => Ok(Some(TlsAcceptor::from(identity.server_config()?))),
        Security::PlaintextOnLoopback { .. } if address.ip().to_canonical().is_loopback() => {
            tracing::warn!(
                %address,
                "THIS AXON IS FOR DEVELOPMENT ONLY: no encryption, and whoever reaches it may ask anything"
            );
            Ok(None)
        }
        Security::PlaintextOnLoopback { .. } => Err(AxonError::PlaintextBeyondLoopback(address)),
    }
}

fn services(
    config: &AxonConfig,
    hotkey: PublicKey,
    roster: RosterWatch,
    nucleus: Nucleus,
    gradients: Option<GradientSender>,
    health: &HealthReporter,
) -> Result<Services, AxonError> {
    let max_gradient_norm = config.max_gradient_norm;
    if !(max_gradient_norm.is_finite() && max_gradient_norm > 0.0) {
        return Err(AxonError::GradientNorm(max_gradient_norm));
    }
    let (batch_wait, max_wait) = (nucleus.config().max_wait, config.max_wait);
    if batch_wait >= max_wait {
        return Err(AxonError::BatchWait {
            batch_wait,
            max_wait,
        });
    }
    let limits = request::limits(
        nucleus.synapses(),
        nucleus.config(),
        config.max_tensor_bytes,
    );
    let (per_caller, total) = (config.max_bytes_per_caller, config.max_bytes);
    let message = largest(&nucleus, &limits, gradients.is_some());
    if message > per_caller || message > total {
        return Err(AxonError::Memory {
            message,
            per_caller,
            total,
        });
    }
    let admission = Arc::new(Admission::new(hotkey, config.policy.clone(), roster));
    let service = Service {
        hotkey,
        admission: admission.clone(),
        nucleus,
        gradients,
        limits,
        max_gradient_norm,
        metrics: config.metrics.clone(),
    };
    // What a message may have is checked before the message is read, with a better answer than the library's.
    let axon = AxonServer::new(service).max_decoding_message_size(usize::MAX);
    Ok(Services {
        axon,
        standard: standard(health),
        admission,
        limits,
        max_wait: config.max_wait,
        metrics: config.metrics.clone(),
    })
}

/// Bytes of the largest request that is taken, with its answer.
fn largest(nucleus: &Nucleus, limits: &Limits, takes_gradients: bool) -> usize {
    let config = nucleus.config();
    let answers = nucleus.synapses().iter();
    let answer = answers.map(|spec| config.largest_answer(spec)).max();
    let answer = service::answer_bytes(answer.unwrap_or_default());
    let forward = limits.max_message_bytes(1).saturating_add(answer);
    match takes_gradients {
        true => forward.max(limits.max_message_bytes(2)),
        false => forward,
    }
}

/// The services that every gRPC server has.
fn standard(health: &HealthReporter) -> Routes {
    let health = HealthServer::new(HealthService::from_health_reporter(health.clone()))
        .max_decoding_message_size(MAX_STANDARD_MESSAGE);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(v1::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let is_valid = "descriptors are as the compiler wrote them";
    let v1 = reflection().build_v1().expect(is_valid);
    let v1alpha = reflection().build_v1alpha().expect(is_valid);
    Routes::new(health)
        .add_service(v1.max_decoding_message_size(MAX_STANDARD_MESSAGE))
        .add_service(v1alpha.max_decoding_message_size(MAX_STANDARD_MESSAGE))
}

fn connections(
    config: &AxonConfig,
    services: Services,
    roster: RosterWatch,
    tls: Option<TlsAcceptor>,
) -> Connections {
    let places = Places {
        per_caller: config.max_connections_per_caller,
        for_strangers: config.max_connections_of_strangers,
        bytes_per_caller: config.max_bytes_per_caller,
    };
    Connections {
        callers: Callers::new(
            places,
            Budget::shown(config.max_bytes, config.metrics.clone()),
        ),
        admission: services.admission.clone(),
        services: Arc::new(services),
        roster,
        tls,
        handshake_timeout: config.handshake_timeout,
        stall_timeout: config.stall_timeout,
        tasks: TaskTracker::new(),
        draining: CancellationToken::new(),
        closing: CancellationToken::new(),
        metrics: config.metrics.clone(),
    }
}

/// Lets peers in until `shutdown`.
async fn accept(
    listener: &TcpListener,
    config: &AxonConfig,
    connections: &Arc<Connections>,
    shutdown: &CancellationToken,
) {
    let handshakes = Handshakes::new(
        config.max_handshakes,
        config.max_handshakes_per_address,
        config.handshake_rate_per_address,
    );
    let places = Arc::new(tokio::sync::Semaphore::new(
        config
            .max_connections
            .min(tokio::sync::Semaphore::MAX_PERMITS),
    ));
    let mut roster = connections.roster.clone();
    let mut has_roster = true;
    loop {
        let (stream, peer) = tokio::select! {
            () = shutdown.cancelled() => return,
            changed = roster.changed(), if has_roster => {
                has_roster = changed.is_ok();
                connections.admission.forget_idle();
                handshakes.forget_idle();
                continue;
            },
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "no connection could be accepted; trying again");
                    connections.metrics.refused_connection("accept");
                    sleep(ACCEPT_RETRY).await;
                    continue;
                },
            },
        };
        let place = places
            .clone()
            .try_acquire_owned()
            .map_err(|_| "connections");
        match place.and_then(|place| Ok((place, handshakes.begin(peer.ip())?))) {
            Ok((place, pass)) => {
                let connections = connections.clone();
                let tasks = connections.tasks.clone();
                tasks.spawn(async move {
                    connections.run(stream, peer, pass).await;
                    drop(place);
                });
            }
            Err(reason) => {
                connections.metrics.refused_connection(reason);
                tracing::debug!(%peer, reason, "a connection was refused");
            }
        }
    }
}

/// Ends all connections: asks them to, and closes those that have not ended after `grace`.
async fn stop(connections: &Connections, grace: Duration) {
    connections.tasks.close();
    connections.draining.cancel();
    if tokio::time::timeout(grace, connections.tasks.wait())
        .await
        .is_err()
    {
        connections.closing.cancel();
        connections.tasks.wait().await;
    }
}
