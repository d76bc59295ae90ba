//! One connection, from its first byte to its last.
//!
//! Ends when the peer ends it; when its handshake has to make room for others; when its caller is no longer registered; when
//! the peer lets answers wait without reading; and when the axon shuts down, gracefully first and by force after that.
//! Whatever ends it ends all its requests: nothing of a connection is left running.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use neuron_wallet::PublicKey;
use rustls::pki_types::UnixTime;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    admission::{Admission, Caller},
    body::Uptake,
    callers::{Callers, Place},
    gate::{Gate, Services},
    handshakes::Pass,
    metrics::AxonMetrics,
};
use crate::{
    RosterWatch,
    buffers::{Gather, ReadAhead, read_ahead},
    identity::{CertificateError, Purpose, verifier},
};

/// Bytes that a peer may send on one stream, and on one connection, before this side has taken any: enough for 100 Mbit/s
/// at a round trip of 600 ms. They are windows, not buffers: what arrives is taken at once, and is paid from
/// [`memory`](super::memory).
const STREAM_WINDOW: u32 = 8 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Longest frame taken. A tensor of 128 KiB comes in one, rather than in eight of the standard 16 KiB.
const MAX_FRAME: u32 = 256 << 10;
/// Requests of one connection at once. Beyond, HTTP/2 makes the peer wait.
const MAX_STREAMS: u32 = 256;
/// Bytes of the headers of a request; ours have 200.
const MAX_HEADERS: u32 = 16 << 10;
/// Streams that a peer opened and reset before they were looked at, and streams that were reset for its faults, before it
/// is taken for an attacker (CVE-2023-44487, CVE-2025-8671).
const MAX_PENDING_RESETS: usize = 20;
const MAX_FAULTY_RESETS: usize = 256;
/// After how long without a word a peer is asked whether it is there, and how long it has to say so.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// What all connections of an axon share.
pub(super) struct Connections {
    pub(super) services: Arc<Services>,
    pub(super) callers: Arc<Callers>,
    pub(super) admission: Arc<Admission>,
    pub(super) roster: RosterWatch,
    /// None in the plaintext mode of development.
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) handshake_timeout: Duration,
    pub(super) stall_timeout: Duration,
    /// Every connection, and every request of it.
    pub(super) tasks: TaskTracker,
    /// Cancelled when no new requests are wanted.
    pub(super) draining: CancellationToken,
    /// Cancelled when the time for those under way is over.
    pub(super) closing: CancellationToken,
    pub(super) metrics: AxonMetrics,
}

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
enum HandshakeError {
    #[error("not within the time for a handshake")]
    Timeout,
    #[error("others needed its place")]
    Evicted,
    #[error("{0}")]
    Certificate(#[from] CertificateError),
    #[error("{0}")]
    Tls(rustls::Error),
    #[error("{0}")]
    Io(io::Error),
}

impl HandshakeError {
    fn reason(&self) -> &'static str {
        match self {
            HandshakeError::Timeout => "timeout",
            HandshakeError::Evicted => "evicted",
            HandshakeError::Certificate(error) => error.reason(),
            HandshakeError::Tls(rustls::Error::NoCertificatesPresented) => "no_certificate",
            HandshakeError::Tls(rustls::Error::AlertReceived(_)) => "refused_by_peer",
            HandshakeError::Tls(_) => "tls",
            HandshakeError::Io(_) => "io",
        }
    }
}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> HandshakeError {
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(tls) => match CertificateError::of(tls) {
                Some(certificate) => HandshakeError::Certificate(certificate.clone()),
                None => HandshakeError::Tls(tls.clone()),
            },
            None => HandshakeError::Io(error),
        }
    }
}

impl Connections {
    /// Serves one connection until it ends.
    pub(super) async fn run(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, pass: Pass) {
        // Small answers go out at once. If it cannot be set, they go out later.
        let _ = stream.set_nodelay(true);
        let Some(tls) = self.tls.clone() else {
            drop(pass);
            return self.serve(stream, Caller::Anonymous, peer).await;
        };
        let handshake = handshake(tls, stream, self.handshake_timeout);
        let handshake = async {
            let outcome = pass.evicted().run_until_cancelled(handshake).await;
            outcome.unwrap_or(Err(HandshakeError::Evicted))
        };
        let outcome = self.draining.run_until_cancelled(handshake).await;
        drop(pass);
        match outcome {
            Some(Ok((stream, hotkey))) => self.serve(stream, Caller::Hotkey(hotkey), peer).await,
            Some(Err(error)) => {
                self.metrics.failed_handshake(error.reason());
                tracing::debug!(%peer, %error, "a handshake failed");
            }
            None => {}
        }
    }

    async fn serve(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        caller: Caller,
        peer: SocketAddr,
    ) {
        let is_registered = match caller {
            Caller::Hotkey(hotkey) => self.admission.is_known(&hotkey),
            Caller::Anonymous => false,
        };
        match self.callers.place(caller, is_registered) {
            Ok(place) => self.converse(stream, caller, place).await,
            Err(reason) => {
                self.metrics.refused_connection(reason);
                tracing::debug!(%peer, ?caller, reason, "a connection was refused");
            }
        }
    }

    async fn converse(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        caller: Caller,
        place: Place,
    ) {
        let _open = self.metrics.opened();
        let uptake = Uptake::new();
        let closed = CancellationToken::new();
        let _closed_at_last = closed.clone().drop_guard();
        let memory = place.memory.clone();
        let gate = Gate::new(self.services.clone(), caller, memory, uptake.clone());
        let requests = Requests {
            tasks: self.tasks.clone(),
            closed,
        };
        let connection = http2(requests).serve_connection(TokioIo::new(Gather::new(stream)), gate);
        let mut connection = pin!(connection);
        let mut removed = pin!(self.until_removed(caller));
        let mut stalled = pin!(self.until_stalled(&uptake));
        let mut is_draining = false;
        let reason = loop {
            tokio::select! {
                outcome = &mut connection => {
                    if let Err(error) = outcome {
                        tracing::debug!(?caller, %error, "a connection broke");
                    }
                    return;
                },
                () = self.draining.cancelled(), if !is_draining => {
                    is_draining = true;
                    connection.as_mut().graceful_shutdown();
                },
                () = self.closing.cancelled() => break "grace",
                () = &mut removed => break "deregistered",
                () = &mut stalled => break "stalled",
            }
        };
        self.metrics.closed_connection(reason);
        tracing::debug!(?caller, reason, "a connection was closed");
    }

    /// Until a caller that was registered no longer is. One that never was is told so at each request.
    async fn until_removed(&self, caller: Caller) {
        let Caller::Hotkey(hotkey) = caller else {
            return std::future::pending().await;
        };
        self.until_deregistered(hotkey).await
    }

    async fn until_deregistered(&self, hotkey: PublicKey) {
        let mut roster = self.roster.clone();
        let mut was_known = false;
        loop {
            roster.mark_unchanged();
            let is_known = self.admission.is_known(&hotkey);
            if was_known && !is_known {
                return;
            }
            was_known = is_known;
            if roster.changed().await.is_err() {
                // No more rosters: the last one holds.
                return std::future::pending().await;
            }
        }
    }

    async fn until_stalled(&self, uptake: &Uptake) {
        let mut ticks = interval((self.stall_timeout / 4).max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while uptake.stalled_for() < self.stall_timeout {
            ticks.tick().await;
        }
    }
}

/// Who is on the other end, as its certificate proves.
async fn handshake(
    tls: TlsAcceptor,
    stream: TcpStream,
    within: Duration,
) -> Result<(TlsStream<ReadAhead>, PublicKey), HandshakeError> {
    let stream = timeout(within, tls.accept(read_ahead(stream)))
        .await
        .map_err(|_| HandshakeError::Timeout)??;
    let (_, session) = stream.get_ref();
    // Verified in the handshake, and here again: there is no other way from a certificate to a hotkey.
    let (certificate, intermediates) = session
        .peer_certificates()
        .and_then(<[_]>::split_first)
        .ok_or(HandshakeError::Tls(rustls::Error::NoCertificatesPresented))?;
    let verified = verifier::verify(
        certificate,
        intermediates,
        Purpose::Dendrite,
        UnixTime::now(),
    )?;
    Ok((stream, verified.hotkey()))
}

fn http2(requests: Requests) -> http2::Builder<Requests> {
    let mut builder = http2::Builder::new(requests);
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(MAX_FRAME)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADERS)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_FAULTY_RESETS)
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE);
    builder
}

/// Runs the requests of one connection, each until it is answered or the connection is closed.
#[derive(Clone)]
struct Requests {
    tasks: TaskTracker,
    closed: CancellationToken,
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Requests {
    fn execute(&self, request: F) {
        let closed = self.closed.clone();
        self.tasks.spawn(async move {
            closed.run_until_cancelled(request).await;
        });
    }
}
