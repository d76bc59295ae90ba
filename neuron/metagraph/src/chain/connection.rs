//! One connection to the chain, kept up: it reconnects with backoff and goes over to another node where one fails.
//!
//! Nothing runs in the background. Who wants to ask something asks for the [`Link`] in use; if that has broken, the first to
//! notice dials for all. A link that answers too late is given up as if it had broken, because a node that hangs is no better
//! than one that is gone.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use jsonrpsee_client::ws_client::WsClient;
use subxt::{
    OnlineClient, PolkadotConfig,
    backend::LegacyBackend,
    config::RpcConfigFor,
    rpcs::{RpcClient, methods::LegacyRpcMethods},
    utils::H256,
};
use tokio::time::{Instant, sleep_until, timeout};

use super::socket;
use crate::{Attempt, ChainError};

/// Hashes, headers, signatures and addresses are those of every Substrate chain.
pub(crate) type Config = PolkadotConfig;

/// How long a node may take to accept a connection and say which chain it is of.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two rounds of dialling all nodes: at first, and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A connection to one node.
pub(crate) struct Link {
    /// The node's address.
    pub(crate) url: String,
    /// Reads and signs by the metadata of the block that it is asked about.
    pub(crate) client: OnlineClient<Config>,
    /// Says what is best now, and takes transactions.
    pub(crate) methods: LegacyRpcMethods<RpcConfigFor<Config>>,
    /// For what has no method among those.
    pub(crate) rpc: RpcClient,
    socket: Arc<WsClient>,
    is_given_up: AtomicBool,
}

impl Link {
    async fn dial(url: &str) -> Result<Self, String> {
        let opening = async {
            let socket = socket::open(url).await.map_err(|error| error.to_string())?;
            let socket = Arc::new(socket);
            let rpc = RpcClient::new(socket.clone());
            // What the legacy methods say is of any block, final or not; and each node has them.
            let backend = LegacyBackend::builder().build(rpc.clone());
            let config = PolkadotConfig::builder().use_historic_types(false).build();
            let client = OnlineClient::from_backend_with_config(config, Arc::new(backend))
                .await
                .map_err(|error| error.to_string())?;
            Ok(Self {
                url: url.to_owned(),
                client,
                methods: LegacyRpcMethods::new(rpc.clone()),
                rpc,
                socket,
                is_given_up: AtomicBool::new(false),
            })
        };
        timeout(DIAL_TIMEOUT, opening)
            .await
            .unwrap_or_else(|_| Err(format!("took longer than {DIAL_TIMEOUT:?}")))
    }

    /// Whether it can be asked, as far as anybody knows.
    pub(crate) fn is_alive(&self) -> bool {
        !self.is_given_up.load(Ordering::Relaxed) && self.socket.is_connected()
    }

    /// Has everybody use another from now on.
    pub(crate) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
    }
}

/// The nodes of a chain, and the link to one of them.
pub(crate) struct Connection {
    urls: Vec<String>,
    genesis: H256,
    state: tokio::sync::Mutex<State>,
    /// What the last round of dialling came to.
    tried: Mutex<Vec<Attempt>>,
}

struct State {
    link: Arc<Link>,
    /// The place of the address that is dialled next: the one after the last that was.
    next: usize,
    /// No dialling before this.
    not_before: Instant,
    backoff: ExponentialBackoff,
}

impl Connection {
    /// Connects to the first of `urls` that answers.
    ///
    /// # Errors
    ///
    /// If none does.
    pub(crate) async fn open(urls: &[String]) -> Result<Self, ChainError> {
        if urls.is_empty() {
            return Err(ChainError::NoUrl);
        }
        let mut next = 0;
        let link = dial_round(urls, &mut next, None)
            .await
            .map_err(|tried| ChainError::Unreachable { tried })?;
        Ok(Self {
            urls: urls.to_vec(),
            genesis: link.client.genesis_hash(),
            state: tokio::sync::Mutex::new(State {
                link: Arc::new(link),
                next,
                not_before: Instant::now(),
                backoff: backoff(),
            }),
            tried: Mutex::default(),
        })
    }

    /// Which chain it is.
    pub(crate) fn genesis(&self) -> H256 {
        self.genesis
    }

    /// A link that can be asked, within `patience`.
    ///
    /// # Errors
    ///
    /// If there is none by then.
    pub(crate) async fn link_within(&self, patience: Duration) -> Result<Arc<Link>, ChainError> {
        timeout(patience, self.link()).await.map_err(|_| {
            let tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
            ChainError::Unreachable {
                tried: tried.clone(),
            }
        })
    }

    /// A link that can be asked, however long it takes until there is one.
    ///
    /// Dropping the future loses nothing: who asks next goes on where it was.
    pub(crate) async fn link(&self) -> Arc<Link> {
        let mut guard = self.state.lock().await;
        let state = &mut *guard;
        if state.link.is_alive() {
            return state.link.clone();
        }
        tracing::warn!(node = state.link.url, "the connection to the chain is lost");
        loop {
            sleep_until(state.not_before).await;
            // The node that failed comes last.
            match dial_round(&self.urls, &mut state.next, Some(self.genesis)).await {
                Ok(link) => {
                    tracing::info!(node = link.url, "connected to the chain again");
                    state.link = Arc::new(link);
                    // A node that takes connections and drops them at once is not dialled in a tight loop.
                    state.not_before = Instant::now() + BACKOFF.0;
                    state.backoff = backoff();
                    return state.link.clone();
                }
                Err(tried) => {
                    let pause = state.backoff.next().unwrap_or(BACKOFF.1);
                    state.not_before = Instant::now() + pause;
                    *self.tried.lock().unwrap_or_else(PoisonError::into_inner) = tried;
                }
            }
        }
    }
}

/// Endless, so that a node that is away for a night is found in the morning.
fn backoff() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(BACKOFF.0)
        .with_max_delay(BACKOFF.1)
        .without_max_times()
        .with_jitter()
        .build()
}

/// Tries each of `urls` once, beginning at `next`, which goes on with each attempt: who drops this future and calls again tries
/// the others first. Gives the first that is of the chain with this `genesis`, or of any chain if none is given.
async fn dial_round(
    urls: &[String],
    next: &mut usize,
    genesis: Option<H256>,
) -> Result<Link, Vec<Attempt>> {
    let mut tried = Vec::new();
    for _ in 0..urls.len() {
        let place = *next % urls.len();
        *next = place + 1;
        let url = &urls[place];
        let reason = match Link::dial(url).await {
            Ok(link) => match genesis {
                Some(expected) if link.client.genesis_hash() != expected => {
                    let found = link.client.genesis_hash();
                    format!(
                        "it is of another chain: its genesis is {found:?}, expected {expected:?}"
                    )
                }
                _ => return Ok(link),
            },
            Err(reason) => reason,
        };
        tracing::debug!(node = url, reason, "a node of the chain cannot be used");
        tried.push(Attempt {
            url: url.clone(),
            reason,
        });
    }
    Err(tried)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// An address at which nobody listens: it was free a moment ago.
    async fn nobody() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        format!("ws://{address}")
    }

    #[tokio::test]
    async fn without_an_address_there_is_nothing_to_connect_to() {
        assert_eq!(Connection::open(&[]).await.err(), Some(ChainError::NoUrl));
    }

    #[tokio::test]
    async fn every_address_that_was_tried_is_named() {
        let urls = [nobody().await, "no address".to_owned()];
        let Err(ChainError::Unreachable { tried }) = Connection::open(&urls).await else {
            panic!("nobody listens");
        };
        let tried: Vec<_> = tried.into_iter().map(|attempt| attempt.url).collect();
        assert_eq!(tried, urls);
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_says_nothing_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let Err(ChainError::Unreachable { tried }) = Connection::open(&[url]).await else {
            panic!("it never answers");
        };
        assert!(tried[0].reason.contains("took longer"), "{}", tried[0]);
    }
}
