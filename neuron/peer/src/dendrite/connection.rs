//! One HTTP/2 connection to one peer, from dialling to its end.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use http::{Request, Response, Uri};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use neuron_proto::Code;
use neuron_wallet::PublicKey;
use prometheus::IntGauge;
use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, time};
use tokio_rustls::TlsConnector;

use super::{
    exchange::{Method, Once},
    peer::Endpoint,
    stream::{Stream, tls_error},
};
use crate::{
    buffers::{Gather, read_ahead},
    identity::Identity,
};

/// Bytes that a peer may send before they are read, for one call and for all of them. Enough for links on which a megabyte
/// is in flight; what a call takes at most is bounded elsewhere, by the size of the answer it expects.
const WINDOW: u32 = 8 << 20;
/// Bytes of one HTTP/2 frame that a peer may send. Large answers come in fewer pieces than with the usual 16 KiB.
const MAX_FRAME: u32 = 256 << 10;
/// A connection whose other end has silently gone is found out by a ping after this silence,
const PING_AFTER: Duration = Duration::from_secs(20);
/// unless it is answered within this time.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection in use. Cheap to clone; it closes when the last clone is dropped and the calls on it have ended.
#[derive(Clone)]
pub(super) struct Connection {
    sender: http2::SendRequest<Once>,
    /// One for each [`Method`], in its order.
    uris: Arc<[Uri]>,
    /// Its own for each connection.
    alert: Arc<OnceLock<rustls::Error>>,
}

/// Why there is no connection. Cloned for every call that waited for it.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("no connection to {address}: {reason}")]
    Unreachable {
        address: SocketAddr,
        reason: io::ErrorKind,
    },
    #[error("no connection to {address} within {after:?}")]
    Timeout {
        address: SocketAddr,
        after: Duration,
    },
    #[error("{address} is not {expected}, whom the metagraph names there: {reason}")]
    Stranger {
        address: SocketAddr,
        expected: PublicKey,
        reason: rustls::Error,
    },
    #[error("no identity to speak TLS with: {0}")]
    Identity(String),
    #[error("{address} does not speak HTTP/2: {reason}")]
    Protocol { address: SocketAddr, reason: String },
    #[error("the attempt to connect to {address} was given up")]
    GivenUp { address: SocketAddr },
}

impl DialError {
    pub(super) fn code(&self) -> Code {
        match self {
            DialError::Stranger { .. } | DialError::Identity(_) => Code::Unauthenticated,
            _ => Code::Unavailable,
        }
    }
}

/// Connects, over TLS to nobody but the endpoint's hotkey, unless the endpoint is plaintext.
pub(super) async fn dial(
    endpoint: Endpoint,
    identity: Option<Identity>,
    limit: Duration,
    open: IntGauge,
) -> Result<Connection, DialError> {
    let address = endpoint.address;
    time::timeout(limit, connect(endpoint, identity, open))
        .await
        .unwrap_or(Err(DialError::Timeout {
            address,
            after: limit,
        }))
}

async fn connect(
    endpoint: Endpoint,
    identity: Option<Identity>,
    open: IntGauge,
) -> Result<Connection, DialError> {
    let address = endpoint.address;
    let unreachable = |error: io::Error| DialError::Unreachable {
        address,
        reason: error.kind(),
    };
    let tcp = TcpStream::connect(address).await.map_err(unreachable)?;
    tcp.set_nodelay(true).map_err(unreachable)?;
    if endpoint.plaintext {
        return handshake(Stream::plain(tcp), endpoint, open).await;
    }

    let identity = identity.ok_or_else(|| DialError::Identity("none was given".to_owned()))?;
    let config = identity
        .client_config(endpoint.hotkey)
        .map_err(|error| DialError::Identity(error.to_string()))?;
    let name = ServerName::IpAddress(address.ip().into());
    let tls = TlsConnector::from(config)
        .connect(name, read_ahead(tcp))
        .await
        .map_err(|error| match tls_error(&error) {
            Some(reason) => DialError::Stranger {
                address,
                expected: endpoint.hotkey,
                reason: reason.clone(),
            },
            None => unreachable(error),
        })?;
    handshake(Stream::tls(tls), endpoint, open).await
}

/// Starts HTTP/2, and the task that drives the connection to its end.
async fn handshake(
    stream: Stream,
    endpoint: Endpoint,
    open: IntGauge,
) -> Result<Connection, DialError> {
    let address = endpoint.address;
    let protocol = |reason: String| DialError::Protocol { address, reason };
    let alert = stream.alert();
    let mut settings = http2::Builder::new(TokioExecutor::new());
    settings
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_frame_size(MAX_FRAME)
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true);
    let (sender, driver) = settings
        .handshake(TokioIo::new(Gather::new(stream)))
        .await
        .map_err(|error| protocol(error.to_string()))?;
    let scheme = if endpoint.plaintext { "http" } else { "https" };
    let uri = |method: &Method| {
        Uri::builder()
            .scheme(scheme)
            .authority(address.to_string())
            .path_and_query(method.path())
            .build()
    };
    let uris: Result<_, http::Error> = Method::ALL.iter().map(uri).collect();
    let uris = uris.map_err(|error| protocol(error.to_string()))?;

    open.inc();
    tokio::spawn(async move {
        if let Err(error) = driver.await {
            tracing::debug!(%address, %error, "a connection broke");
        }
        open.dec();
    });
    Ok(Connection {
        sender,
        uris,
        alert,
    })
}

impl Connection {
    /// Whether no further call can be made on it.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether both are the same connection.
    pub(super) fn is(&self, other: &Connection) -> bool {
        Arc::ptr_eq(&self.alert, &other.alert)
    }

    /// Where a method is called.
    pub(super) fn uri(&self, method: Method) -> Uri {
        self.uris[method as usize].clone()
    }

    /// Sends a request. A request that is in the error was not sent, not even in part.
    pub(super) fn send(
        &mut self,
        request: Request<Once>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Once>>>> + use<> {
        self.sender.try_send_request(request)
    }

    /// What the peer's TLS said when it ended the connection, if it did: that it does not take our certificate.
    pub(super) fn alert(&self) -> Option<&rustls::Error> {
        self.alert.get()
    }
}
