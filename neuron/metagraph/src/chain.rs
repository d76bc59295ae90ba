//! The chain: what can be asked of it, at which block, through a connection that is kept up.
//!
//! A question that meets a broken connection is asked again on the next one, because asking changes nothing. Each has a
//! limit: [`ANSWER_TIMEOUT`] for a node to answer, [`PATIENCE`] for there to be a node at all.

mod connection;
mod socket;

use std::{future::Future, sync::Arc, time::Duration};

use neuron_wallet::PublicKey;
use serde::Serialize;
use subxt::{
    client::{ClientAtBlock, OnlineClientAtBlockImpl},
    runtime_apis::Payload,
    utils::{AccountId32, H256},
};
use tokio::time::{Instant, timeout};

use crate::{
    ChainError, Entry, Hyperparameters, Matrix, Metagraph, Network, Stake, WeightRow,
    api::{self, NetId, runtime_types::incentive::uid::Uid},
    error::Fault,
    submit::Accounts,
    wire,
};
use connection::Connection;
pub(crate) use connection::{Config, Link};

/// How long a node may take to answer before it is given up for another.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a question waits for a node to be there.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) type AtBlock = ClientAtBlock<Config, OnlineClientAtBlockImpl<Config>>;

/// At which block something is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The best block there is. It may still be given up for another.
    Best,
    /// The last block that is final.
    Finalised,
    /// This one.
    Block(H256),
}

/// A block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct BlockRef {
    /// Its height.
    pub number: u32,
    /// Its hash.
    pub hash: H256,
}

/// The node that is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeInfo {
    /// Its address.
    pub url: String,
    /// The chain's name.
    pub chain: String,
    /// Its program's version.
    pub version: String,
    /// Nodes that it knows.
    pub peers: u64,
    /// Whether it is still fetching blocks that others have.
    pub is_syncing: bool,
}

/// The chain. Clones share one connection.
#[derive(Clone)]
pub struct Chain {
    inner: Arc<Inner>,
}

struct Inner {
    connection: Connection,
    accounts: Accounts,
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain")
            .field("genesis", &self.inner.connection.genesis())
            .finish_non_exhaustive()
    }
}

impl Chain {
    /// Connects to the first node of `urls` that answers. If that one fails later, the others are tried in turn, as long as
    /// it takes; all have to be of one chain.
    ///
    /// # Errors
    ///
    /// [`ChainError::Unreachable`] if none answers now.
    pub async fn connect(urls: &[String]) -> Result<Self, ChainError> {
        let inner = Inner {
            connection: Connection::open(urls).await?,
            accounts: Accounts::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Which chain this is: the hash of its first block.
    pub fn genesis_hash(&self) -> H256 {
        self.inner.connection.genesis()
    }

    /// A whole network, read in one call at one block.
    ///
    /// # Errors
    ///
    /// [`ChainError::NoSuchNetwork`], or what comes of asking.
    pub async fn metagraph(&self, netid: u16, at: At) -> Result<Metagraph, ChainError> {
        self.ask("metagraph", move |link| async move {
            let at = link.at(at).await?;
            read_metagraph(&at, netid).await
        })
        .await
    }

    /// The networks in service, ascending by id.
    ///
    /// # Errors
    ///
    /// What comes of asking.
    pub async fn networks(&self, at: At) -> Result<Vec<Network>, ChainError> {
        let networks = self
            .read("networks", at, metagraph_api().networks())
            .await?;
        Ok(networks.into_iter().map(Into::into).collect())
    }

    /// The hyperparameters of a network.
    ///
    /// # Errors
    ///
    /// [`ChainError::NoSuchNetwork`], or what comes of asking.
    pub async fn hyperparameters(&self, netid: u16, at: At) -> Result<Hyperparameters, ChainError> {
        self.read_of_network(
            "hyperparameters",
            netid,
            at,
            metagraph_api().hyperparameters(NetId(netid)),
        )
        .await
    }

    /// The weight matrix of a network. The largest weight of a row is 65535.
    ///
    /// # Errors
    ///
    /// [`ChainError::NoSuchNetwork`], or what comes of asking.
    pub async fn weights(&self, netid: u16, at: At) -> Result<Matrix, ChainError> {
        let rows = self
            .read_of_network("weights", netid, at, metagraph_api().weights(NetId(netid)))
            .await?;
        Ok(wire::matrix(rows))
    }

    /// The bonds of a network.
    ///
    /// # Errors
    ///
    /// [`ChainError::NoSuchNetwork`], or what comes of asking.
    pub async fn bonds(&self, netid: u16, at: At) -> Result<Matrix, ChainError> {
        let rows = self
            .read_of_network("bonds", netid, at, metagraph_api().bonds(NetId(netid)))
            .await?;
        Ok(wire::matrix(rows))
    }

    /// The row of the weight matrix that `uid` has set; nothing if it has set none.
    ///
    /// # Errors
    ///
    /// What comes of asking.
    pub async fn weight_row(&self, netid: u16, uid: u16, at: At) -> Result<Vec<Entry>, ChainError> {
        self.ask("weight row", move |link| async move {
            let at = link.at(at).await?;
            let rows = api::storage().metagraph().weight_rows();
            let row = at
                .storage()
                .try_fetch(rows, (NetId(netid), Uid(uid)))
                .await?;
            match row {
                Some(row) => Ok(wire::entries(row.decode()?.entries.0)),
                None => Ok(Vec::new()),
            }
        })
        .await
    }

    /// Whether setting `row` for `uid` would change nothing: see [`WeightRow::counts_already`].
    ///
    /// # Errors
    ///
    /// [`ChainError::NoSuchNetwork`], or what comes of asking.
    pub async fn counts_already(
        &self,
        netid: u16,
        uid: u16,
        row: &WeightRow,
    ) -> Result<bool, ChainError> {
        let at = At::Block(self.block(At::Best).await?.hash);
        let stored = self.weight_row(netid, uid, at).await?;
        if !row.is_unchanged(&stored) {
            return Ok(false);
        }
        let metagraph = self.metagraph(netid, at).await?;
        let cutoff = self.hyperparameters(netid, at).await?.activity_cutoff;
        let rater = metagraph.neuron(uid);
        Ok(rater.is_some_and(|rater| row.counts_already(rater, &stored, &metagraph, cutoff)))
    }

    /// The first block in which the next epoch of a network is due.
    ///
    /// # Errors
    ///
    /// [`ChainError::NoSuchNetwork`], or what comes of asking.
    pub async fn next_epoch(&self, netid: u16, at: At) -> Result<u32, ChainError> {
        self.read_of_network(
            "next epoch",
            netid,
            at,
            metagraph_api().next_epoch(NetId(netid)),
        )
        .await
    }

    /// What a registration in a network costs now, in units.
    ///
    /// # Errors
    ///
    /// [`ChainError::NoSuchNetwork`], or what comes of asking.
    pub async fn registration_price(&self, netid: u16, at: At) -> Result<u64, ChainError> {
        self.read_of_network(
            "registration price",
            netid,
            at,
            metagraph_api().registration_price(NetId(netid)),
        )
        .await
    }

    /// The stake on a hotkey; none if the chain does not know it.
    ///
    /// # Errors
    ///
    /// What comes of asking.
    pub async fn stake_of(&self, hotkey: &PublicKey, at: At) -> Result<Option<Stake>, ChainError> {
        let question = metagraph_api().stake(account_id(hotkey));
        let stake = self.read("stake", at, question).await?;
        Ok(stake.map(Into::into))
    }

    /// What an account may spend, in units; 0 if the chain does not know it.
    ///
    /// # Errors
    ///
    /// What comes of asking.
    pub async fn balance(&self, account: &PublicKey, at: At) -> Result<u64, ChainError> {
        let account = account_id(account);
        self.ask("balance", move |link| async move {
            let at = link.at(at).await?;
            let accounts = api::storage().system().account();
            match at.storage().try_fetch(accounts, (account,)).await? {
                Some(found) => Ok(found.decode()?.data.free),
                None => Ok(0),
            }
        })
        .await
    }

    /// Who may act as root, by [`Call::Sudo`](crate::Call::Sudo); nobody on a chain that has given that up.
    ///
    /// # Errors
    ///
    /// What comes of asking.
    pub async fn root(&self, at: At) -> Result<Option<PublicKey>, ChainError> {
        self.ask("root", move |link| async move {
            let at = link.at(at).await?;
            let key = api::storage().sudo().key();
            match at.storage().try_fetch(key, ()).await? {
                Some(found) => Ok(Some(PublicKey(found.decode()?.0))),
                None => Ok(None),
            }
        })
        .await
    }

    /// A block's height and hash.
    ///
    /// # Errors
    ///
    /// What comes of asking.
    pub async fn block(&self, at: At) -> Result<BlockRef, ChainError> {
        self.ask("block", move |link| async move {
            let at = link.at(at).await?;
            Ok(block_ref(&at))
        })
        .await
    }

    /// The height of the best block.
    ///
    /// # Errors
    ///
    /// What comes of asking.
    pub async fn block_number(&self) -> Result<u32, ChainError> {
        Ok(self.block(At::Best).await?.number)
    }

    /// When its author made a block, by the author's clock, in milliseconds of the Unix epoch.
    ///
    /// # Errors
    ///
    /// What comes of asking.
    pub async fn timestamp_ms(&self, at: At) -> Result<u64, ChainError> {
        self.ask("timestamp", move |link| async move {
            let at = link.at(at).await?;
            let now = api::storage().timestamp().now();
            Ok(at.storage().fetch(now, ()).await?.decode()?)
        })
        .await
    }

    /// How long a block takes.
    ///
    /// # Errors
    ///
    /// What comes of asking.
    pub async fn block_time(&self) -> Result<Duration, ChainError> {
        let question = api::runtime_apis().aura_api().slot_duration();
        let slot = self.read("block time", At::Best, question).await?;
        Ok(Duration::from_millis(slot.0))
    }

    /// What the node that is asked says of itself.
    ///
    /// # Errors
    ///
    /// What comes of asking.
    pub async fn node(&self) -> Result<NodeInfo, ChainError> {
        self.ask("state of the node", |link| async move {
            let health = link.methods.system_health().await?;
            Ok(NodeInfo {
                url: link.url.clone(),
                chain: link.methods.system_chain().await?,
                version: link.methods.system_version().await?,
                peers: u64::try_from(health.peers).unwrap_or(u64::MAX),
                is_syncing: health.is_syncing,
            })
        })
        .await
    }

    /// Whether the chain's runtime is, in all that this crate says to it and hears from it, the one that this program was built
    /// for. Where it is not, single calls and answers may still be: each is checked by itself.
    ///
    /// # Errors
    ///
    /// What comes of asking.
    pub async fn agrees_with_program(&self) -> Result<bool, ChainError> {
        self.ask("metadata", |link| async move {
            let at = link.at(At::Best).await?;
            Ok(api::is_codegen_valid_for(at.metadata_ref()))
        })
        .await
    }

    // --- How questions are asked ----------------------------------------------------------------------------------

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.inner.accounts
    }

    /// A link, however long it takes until there is one.
    pub(crate) async fn link(&self) -> Arc<Link> {
        self.inner.connection.link().await
    }

    /// What the runtime answers about `netid`, which has to exist.
    async fn read_of_network<T>(
        &self,
        what: &'static str,
        netid: u16,
        at: At,
        question: impl Payload<ReturnType = Option<T>>,
    ) -> Result<T, ChainError> {
        let question = &question;
        self.ask(what, move |link| async move {
            let at = link.at(at).await?;
            let answer = at.runtime_apis().call(question).await?;
            answer.ok_or_else(|| Fault::Chain(no_such_network(&at, netid)))
        })
        .await
    }

    /// What the runtime answers.
    async fn read<T>(
        &self,
        what: &'static str,
        at: At,
        question: impl Payload<ReturnType = T>,
    ) -> Result<T, ChainError> {
        let question = &question;
        self.ask(what, move |link| async move {
            let at = link.at(at).await?;
            Ok(at.runtime_apis().call(question).await?)
        })
        .await
    }

    /// Asks the node in use; asks the next if the connection breaks, or it is silent for too long.
    pub(crate) async fn ask<T, Answer>(
        &self,
        what: &'static str,
        question: impl Fn(Arc<Link>) -> Answer,
    ) -> Result<T, ChainError>
    where
        Answer: Future<Output = Result<T, Fault>>,
    {
        let asked = Instant::now();
        loop {
            let patience = PATIENCE.saturating_sub(asked.elapsed());
            let link = self.inner.connection.link_within(patience).await?;
            match timeout(ANSWER_TIMEOUT, question(link.clone())).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(fault)) if link.is_alive() => return Err(fault.about(what)),
                // The connection went while the question was out.
                Ok(Err(_)) => {}
                Err(_) => link.give_up(),
            }
            if asked.elapsed() >= PATIENCE {
                return Err(ChainError::Timeout {
                    what,
                    waited: asked.elapsed(),
                });
            }
        }
    }
}

impl Link {
    /// The state after a block.
    pub(crate) async fn at(&self, at: At) -> Result<AtBlock, Fault> {
        let hash = match at {
            At::Best => self.methods.chain_get_block_hash(None).await?,
            At::Finalised => Some(self.methods.chain_get_finalized_head().await?),
            At::Block(hash) => Some(hash),
        };
        let hash = hash.unwrap_or_else(|| self.client.genesis_hash());
        match self.client.at_block(hash).await {
            Err(subxt::error::OnlineClientAtBlockError::BlockHeaderNotFound { .. }) => {
                Err(Fault::Chain(ChainError::NoSuchBlock(hash)))
            }
            found => Ok(found?),
        }
    }
}

/// A whole network in the state after a block.
pub(crate) async fn read_metagraph(at: &AtBlock, netid: u16) -> Result<Metagraph, Fault> {
    let question = metagraph_api().metagraph(NetId(netid));
    let answer = at.runtime_apis().call(question).await?;
    let found = answer.ok_or_else(|| Fault::Chain(no_such_network(at, netid)))?;
    Ok(found.at(at.block_hash()))
}

fn metagraph_api() -> api::runtime_apis::metagraph_api::MetagraphApi {
    api::runtime_apis().metagraph_api()
}

pub(crate) fn block_ref(at: &AtBlock) -> BlockRef {
    BlockRef {
        number: height(at.block_number()),
        hash: at.block_hash(),
    }
}

/// Heights of this chain have 32 bits; the client library has 64 for those of others.
pub(crate) fn height(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn no_such_network(at: &AtBlock, netid: u16) -> ChainError {
    ChainError::NoSuchNetwork {
        netid,
        block: height(at.block_number()),
    }
}

pub(crate) fn account_id(key: &PublicKey) -> AccountId32 {
    AccountId32(key.0)
}
