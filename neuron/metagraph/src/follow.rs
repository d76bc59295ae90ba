//! A metagraph that stays fresh: a snapshot for every new best block, for as long as somebody wants it.
//!
//! ```text
//! subscribe to new heads ─► head ─► read ─► snapshots        a head that another follows at once is skipped
//!     ▲                                        │
//!     └───── any failure, or silence ◄─────────┘             the last snapshot stays; its age shows
//! ```

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::FutureExt;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::{
    At, Chain, ChainError, Metagraph,
    chain::{ANSWER_TIMEOUT, Link, read_metagraph},
    error::Fault,
};

/// Between two attempts to subscribe after something else than the connection failed.
const RETRY: Duration = Duration::from_secs(1);

/// Blocks without a head after which a node counts as stuck, and the least time that has to pass.
const SILENCE: (u32, Duration) = (10, Duration::from_secs(20));

/// A network that is followed. Dropping it ends that.
#[derive(Debug)]
pub struct Following {
    /// The latest snapshot. Changes with each new best block.
    pub snapshots: watch::Receiver<Arc<Metagraph>>,
    freshness: Freshness,
    task: JoinHandle<()>,
}

/// How fresh the latest snapshot of a network is, for who does not need the snapshot. Clones tell the same.
#[derive(Clone, Debug)]
pub struct Freshness(Arc<Mutex<Health>>);

#[derive(Debug)]
struct Health {
    refreshed: Instant,
    trouble: Option<String>,
}

impl Following {
    /// The latest snapshot.
    pub fn latest(&self) -> Arc<Metagraph> {
        self.snapshots.borrow().clone()
    }

    /// As [`Freshness::age`].
    pub fn age(&self) -> Duration {
        self.freshness.age()
    }

    /// As [`Freshness::trouble`].
    pub fn trouble(&self) -> Option<String> {
        self.freshness.trouble()
    }

    /// Goes on telling how fresh the latest snapshot is.
    pub fn freshness(&self) -> Freshness {
        self.freshness.clone()
    }
}

impl Freshness {
    /// Of a snapshot that was read now.
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Health::new())))
    }

    /// How long ago the latest snapshot was the newest there was. More than a few blocks' time means that the chain cannot be
    /// reached, or makes no blocks.
    pub fn age(&self) -> Duration {
        self.health().refreshed.elapsed()
    }

    /// What stands in the way of a fresh snapshot, if anything does.
    pub fn trouble(&self) -> Option<String> {
        self.health().trouble.clone()
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Health {
    fn new() -> Self {
        Self {
            refreshed: Instant::now(),
            trouble: None,
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Chain {
    /// Follows a network, beginning with the snapshot of the best block now. It survives what happens to nodes: the last
    /// snapshot stays until there is a fresh one.
    ///
    /// # Errors
    ///
    /// [`ChainError::NoSuchNetwork`], or what comes of asking for the first.
    pub async fn follow(&self, netid: u16) -> Result<Following, ChainError> {
        let first = self.metagraph(netid, At::Best).await?;
        let silence = self.silence().await?;
        let (sender, snapshots) = watch::channel(Arc::new(first));
        let freshness = Freshness::new();
        let follower = Follower {
            chain: self.clone(),
            netid,
            silence,
            sender,
            freshness: freshness.clone(),
        };
        Ok(Following {
            snapshots,
            freshness,
            task: tokio::spawn(follower.run()),
        })
    }
}

impl Chain {
    /// For how long a node may have no new block until it counts as stuck.
    pub(crate) async fn silence(&self) -> Result<Duration, ChainError> {
        Ok((self.block_time().await? * SILENCE.0).max(SILENCE.1))
    }
}

struct Follower {
    chain: Chain,
    netid: u16,
    silence: Duration,
    sender: watch::Sender<Arc<Metagraph>>,
    freshness: Freshness,
}

impl Follower {
    async fn run(self) {
        loop {
            let link = self.chain.link().await;
            let Err(fault) = self.follow(&link).await;
            let error = fault.about("metagraph");
            tracing::warn!(netid = self.netid, %error, "the metagraph is not fresh");
            self.freshness.health().trouble = Some(error.to_string());
            if link.is_alive() {
                sleep(RETRY).await;
            }
        }
    }

    /// Until something fails.
    async fn follow(&self, link: &Arc<Link>) -> Result<std::convert::Infallible, Fault> {
        let mut heads = link.methods.chain_subscribe_new_heads().await?;
        loop {
            let Ok(head) = timeout(self.silence, heads.next()).await else {
                link.give_up();
                return Err(self.silent(self.silence));
            };
            let mut head = head.ok_or_else(|| gone(link))??;
            // Reading takes longer than a head takes to arrive while a node catches up: only the last one counts.
            while let Some(Some(newer)) = heads.next().now_or_never() {
                head = newer?;
            }
            let reading = async {
                let at = link.at(At::Best).await?;
                read_metagraph(&at, self.netid).await
            };
            let Ok(read) = timeout(ANSWER_TIMEOUT, reading).await else {
                link.give_up();
                return Err(self.silent(ANSWER_TIMEOUT));
            };
            tracing::trace!(netid = self.netid, head = head.number, "metagraph read");
            self.publish(read?);
        }
    }

    fn publish(&self, metagraph: Metagraph) {
        *self.freshness.health() = Health::new();
        self.sender.send_if_modified(|latest| {
            let is_new = latest.block != metagraph.block;
            if is_new {
                *latest = Arc::new(metagraph);
            }
            is_new
        });
    }

    fn silent(&self, waited: Duration) -> Fault {
        Fault::Chain(ChainError::Timeout {
            what: "metagraph",
            waited,
        })
    }
}

/// A subscription ended.
fn gone(link: &Link) -> Fault {
    Fault::Chain(ChainError::Unreachable {
        tried: vec![crate::Attempt {
            url: link.url.clone(),
            reason: "the connection is lost".into(),
        }],
    })
}
