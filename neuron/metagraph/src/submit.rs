//! Calls, signed and brought into a block.
//!
//! ```text
//! Call ─► sign: nonce (accounts.rs), mortal era ─► pool ─► block ─► outcome (outcome.rs) ─► Included
//!                                                   │ refused (pool.rs)        │ refused
//!                                                   └──────► SubmitError ◄─────┘
//! ```
//!
//! * Of one signer, one call at a time is handed to the pool, and the nonces of calls that are under way are remembered. So
//!   any number may be submitted at once, and each has a nonce of its own.
//! * A call is valid for [`MORTALITY`] blocks only. What has not been included by then never will be.
//! * If the connection breaks while a call is under way, or its node gets no more blocks, *the same bytes* go to the next node,
//!   after a look whether a block has them already. So nothing is done twice.

mod accounts;
mod outcome;
mod pool;

use std::{future::Future, sync::Arc, time::Duration};

use neuron_wallet::{Keypair, PublicKey};
use subxt::{
    config::DefaultExtrinsicParamsBuilder,
    rpcs::{self, client::RpcSubscription, methods::legacy::TransactionStatus},
    tx::Signer,
    utils::{AccountId32, H256, MultiSignature},
};
use tokio::{
    sync::OwnedMutexGuard,
    time::{Instant, sleep, timeout},
};

pub(crate) use accounts::Accounts;
use accounts::{Account, Nonce};
use pool::{PoolAnswer, Rival};

use crate::{
    At, BlockRef, Call, Chain, ChainError,
    chain::{ANSWER_TIMEOUT, Config, Link, account_id, block_ref},
    error::Fault,
};

/// Blocks after the one that it names in which a transaction may be included. A power of two, as eras are.
const MORTALITY: u32 = 64;

/// How often a call is signed anew because its nonce turned out to be taken.
const NONCE_ATTEMPTS: usize = 4;

/// Between two looks for a transaction of which it is not known where it is.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// A call that is in a block and succeeded there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Included {
    /// The block's height.
    pub block_number: u32,
    /// The block's hash.
    pub block_hash: H256,
    /// What the signer paid, in units; `None` if the block does not say.
    pub fee: Option<u64>,
    /// Id of the network that the call created, if it created one.
    pub created: Option<u16>,
}

/// The chain's own word for why it refused a call: an error of one of its pallets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was refused, for instance `Metagraph::set_weights`.
    pub call: &'static str,
    /// The pallet, for instance `Metagraph`.
    pub pallet: String,
    /// Its error, for instance `NoValidatorPermit`.
    pub error: String,
    /// What the pallet says about that error, from the chain's metadata.
    pub docs: String,
    /// The block in which it failed; none if the pool did not take it, which costs nothing.
    pub block: Option<BlockRef>,
}

/// Why a call is not in a block, or failed there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// A pallet refused it.
    #[error("the chain refused {}: {}::{}: {}", .0.call, .0.pallet, .0.error, .0.docs)]
    Refused(Box<Refusal>),
    /// It failed in a block, but not by a pallet's error.
    #[error("{call} failed in block {}: {reason}", .block.number)]
    Failed {
        /// What failed.
        call: &'static str,
        /// Where.
        block: BlockRef,
        /// Why.
        reason: String,
    },
    /// The pool did not take it.
    #[error("the node does not take {call}: {reason}")]
    NotTaken {
        /// What was not taken.
        call: &'static str,
        /// Why, and what to do.
        reason: String,
    },
    /// A row of the neuron waits in the pool, which holds one that is free of each.
    #[error(
        "a row of this neuron in network {netid} waits for its block already: set the next one after that"
    )]
    RowWaits {
        /// The network.
        netid: u16,
    },
    /// It left the pool without being included.
    #[error("{call} was taken by the node and then given up: {reason}")]
    GivenUp {
        /// What was given up.
        call: &'static str,
        /// Why.
        reason: String,
    },
    /// The pool of the node was full and let go of it, after it may have been sent to other nodes.
    #[error(
        "the node's pool is full and has let go of {call}. Another node may still have it: look before you submit it again"
    )]
    Dropped {
        /// What was let go of.
        call: &'static str,
    },
    /// It is in a block, and what it did there could not be read.
    #[error(
        "{call} is in block {block:?}, but it cannot be read whether it succeeded: {reason}. Look before you submit it again"
    )]
    Unread {
        /// What is in the block.
        call: &'static str,
        /// The block.
        block: H256,
        /// Why it cannot be read.
        reason: String,
    },
    /// It was not included in time.
    #[error(
        "{call} was in no block after {waited:?}. It may still come into one: look before you submit it again"
    )]
    Deadline {
        /// What was not included.
        call: &'static str,
        /// How long.
        waited: Duration,
    },
    /// The chain could not be asked.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl SubmitError {
    /// The name of the pallet's error, if a pallet refused: `NoValidatorPermit`, `SettingWeightsTooFast`, ...
    pub fn pallet_error(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => Some(&refusal.error),
            _ => None,
        }
    }

    /// Whether it is not known what became of the call: it may be done, or be done yet.
    pub fn is_uncertain(&self) -> bool {
        matches!(
            self,
            Self::Deadline { .. } | Self::Dropped { .. } | Self::Unread { .. }
        )
    }
}

impl Chain {
    /// Signs `call`, and waits until it is in a block of the best chain.
    ///
    /// Any number may be submitted at once, by one signer as well.
    ///
    /// # Errors
    ///
    /// [`SubmitError::Refused`] if a pallet refuses, by the pool or in the block; [`SubmitError::RowWaits`] if the call sets a
    /// row, and one before it is in no block yet; [`SubmitError::Deadline`] after `deadline`.
    pub async fn submit(
        &self,
        call: Call,
        signer: &Keypair,
        deadline: Duration,
    ) -> Result<Included, SubmitError> {
        let late = SubmitError::Deadline {
            call: call.name(),
            waited: deadline,
        };
        let submission = Submission {
            chain: self,
            call: &call,
            signer: ChainSigner(signer),
            account: self.accounts().of(&signer.public()),
        };
        timeout(deadline, submission.run())
            .await
            .unwrap_or(Err(late))
    }
}

/// A wallet's key, as the client library wants a signer.
struct ChainSigner<'a>(&'a Keypair);

impl ChainSigner<'_> {
    fn public(&self) -> PublicKey {
        self.0.public()
    }
}

impl Signer<Config> for ChainSigner<'_> {
    fn account_id(&self) -> AccountId32 {
        account_id(&self.public())
    }

    fn sign(&self, payload: &[u8]) -> MultiSignature {
        MultiSignature::Sr25519(self.0.sign(payload).0)
    }
}

/// A signed call.
#[derive(Clone)]
struct Transaction {
    bytes: Vec<u8>,
    hash: H256,
    /// The block from which on it is valid.
    birth: BlockRef,
}

/// What the blocks say of a transaction.
enum Found {
    /// This block has it.
    InBlock(H256),
    /// None has it, but one still may.
    NotYet,
    /// None has it, and none may any more.
    Never,
}

/// What became of the bytes of a transaction.
enum Fate {
    /// It is in this block.
    InBlock(H256),
    /// The pool refused it, and no block has it.
    Refused(rpcs::UserError),
    /// The pool took it, and gave it up.
    GivenUp(&'static str),
    /// The pool took it, and had no room for it then.
    Dropped,
}

/// One call on its way.
struct Submission<'a> {
    chain: &'a Chain,
    call: &'a Call,
    signer: ChainSigner<'a>,
    account: Arc<Account>,
}

impl Submission<'_> {
    async fn run(&self) -> Result<Included, SubmitError> {
        let call = self.call.name();
        let mut taken = None;
        for _ in 0..NONCE_ATTEMPTS {
            // From here until the pool has it, no other call of this signer is handed over.
            let turn = self.account.turn().await;
            let (transaction, nonce) = self.sign(taken).await?;
            match self.bring_into_block(&transaction, turn).await {
                Fate::InBlock(block) => return self.outcome(block, &transaction).await,
                Fate::GivenUp(reason) => {
                    let reason = reason.to_owned();
                    return Err(SubmitError::GivenUp { call, reason });
                }
                Fate::Dropped => return Err(SubmitError::Dropped { call }),
                Fate::Refused(refused) => match PoolAnswer::of(&refused) {
                    // The node did not know yet, or somebody else uses the same key.
                    PoolAnswer::NonceTaken => taken = Some(nonce.number()),
                    PoolAnswer::Rivalled => taken = self.give_way(nonce.number()).await?,
                    PoolAnswer::Pallet(index) => return Err(self.pallet_refused(index).await?),
                    PoolAnswer::Other(reason) => {
                        return Err(SubmitError::NotTaken { call, reason });
                    }
                },
            }
        }
        Err(SubmitError::NotTaken {
            call,
            reason:
                "its place in the order of the signer's transactions was taken again and again; \
                     does another program sign with this key?"
                    .into(),
        })
    }

    /// Signs the call with the next free nonce, above `taken`, valid from the last block that is not too old.
    async fn sign(&self, taken: Option<u64>) -> Result<(Transaction, Nonce), SubmitError> {
        let account_id = self.signer.account_id();
        let account_id = &account_id;
        let (best, birth, next) = self
            .chain
            .ask("next nonce", |link| async move {
                let best = link.at(At::Best).await?;
                let last_final = block_ref(&link.at(At::Finalised).await?);
                // Counts those that wait in the node's pool.
                let next = link.methods.system_account_next_index(account_id).await?;
                let birth = birth(block_ref(&best), last_final);
                Ok((best, birth, next))
            })
            .await?;
        let next = taken.map_or(next, |taken| next.max(taken + 1));
        let nonce = self.account.reserve(next);
        let parameters = DefaultExtrinsicParamsBuilder::new()
            .nonce(nonce.number())
            .mortal_from_unchecked(MORTALITY.into(), birth.number.into(), birth.hash)
            .build();
        let signing = || {
            let call = best.tx().from_call_data_bytes(&self.call.encode(&best)?)?;
            let mut signable = best.tx().create_signable_offline(&call, parameters)?;
            Ok(signable.sign(&self.signer)?)
        };
        let signed = signing().map_err(|fault: Fault| fault.about(self.call.name()))?;
        let transaction = Transaction {
            hash: signed.hash(),
            bytes: signed.into_encoded(),
            birth,
        };
        Ok((transaction, nonce))
    }

    /// Hands the bytes to a pool, and waits until a block has them. `turn` ends when the pool has them.
    async fn bring_into_block(&self, transaction: &Transaction, turn: OwnedMutexGuard<()>) -> Fate {
        let mut turn = Some(turn);
        let mut is_certain = true;
        loop {
            let link = self.chain.link().await;
            // Once a node may have it, only blocks tell what became of it: a refusal may be of what is included already.
            if !is_certain {
                match within(&link, outcome::find(&link, transaction)).await {
                    Ok(Found::InBlock(block)) => return Fate::InBlock(block),
                    Ok(Found::Never) => return Fate::GivenUp("no block had it while it was valid"),
                    Ok(Found::NotYet) | Err(_) => {}
                }
            }
            let handing_over = async {
                let methods = &link.methods;
                Ok(methods
                    .author_submit_and_watch_extrinsic(&transaction.bytes)
                    .await)
            };
            match within(&link, handing_over).await {
                Ok(Ok(progress)) => {
                    drop(turn.take());
                    if let Some(fate) = self.watch(progress, &link).await {
                        return fate;
                    }
                }
                Ok(Err(rpcs::Error::User(refused))) if is_certain => return Fate::Refused(refused),
                Ok(Err(_)) | Err(_) => {}
            }
            is_certain = false;
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Until it is known what became of a transaction; `None` if the connection breaks before, or its node is stuck.
    async fn watch(
        &self,
        mut progress: RpcSubscription<TransactionStatus<H256>>,
        link: &Link,
    ) -> Option<Fate> {
        let mut pulse = Pulse::new(self.chain, link);
        loop {
            match news(&mut progress).await {
                News::Fate(fate) => return Some(fate),
                News::Silence if pulse.is_felt().await => {}
                News::Silence | News::Broken => return None,
            }
        }
    }

    async fn outcome(
        &self,
        block: H256,
        transaction: &Transaction,
    ) -> Result<Included, SubmitError> {
        let call = self.call.name();
        let hash = transaction.hash;
        let read = self
            .chain
            .ask("outcome of a transaction", |link| async move {
                outcome::read(&link, call, block, hash).await
            });
        read.await.unwrap_or_else(|error| {
            Err(SubmitError::Unread {
                call,
                block,
                reason: error.to_string(),
            })
        })
    }

    /// The nonce that is taken, if that is why the pool refused what was signed with `nonce` for something else that it has.
    async fn give_way(&self, nonce: u64) -> Result<Option<u64>, SubmitError> {
        let Call::SetWeights { netid, .. } = *self.call else {
            return Ok(Some(nonce));
        };
        let signer = self.signer.public();
        let rival = self.chain.ask("waiting transactions", |link| async move {
            pool::rival(&link, &signer, netid, nonce).await
        });
        match rival.await? {
            Rival::SameNonce => Ok(Some(nonce)),
            // With a later nonce it would wait for one that never comes.
            Rival::Row => Err(SubmitError::RowWaits { netid }),
            Rival::Gone => Ok(None),
        }
    }

    /// What it means that the pool refuses with this index of an error of the metagraph's pallet.
    async fn pallet_refused(&self, index: u8) -> Result<SubmitError, ChainError> {
        let call = self.call.name();
        self.chain
            .ask("meaning of an error", |link| async move {
                let best = link.at(At::Best).await?;
                Ok(outcome::pool_refusal(&best, call, index))
            })
            .await
    }
}

/// The last final block, or where finality is far behind, the best one.
fn birth(best: BlockRef, last_final: BlockRef) -> BlockRef {
    match best.number.saturating_sub(last_final.number) < MORTALITY / 2 {
        true => last_final,
        false => best,
    }
}

/// What comes of waiting for news of a transaction.
enum News {
    /// This became of it.
    Fate(Fate),
    /// Nothing for a while. A pool has nothing to say of a transaction that waits in it, and a node that is stuck says nothing
    /// either.
    Silence,
    /// The connection broke.
    Broken,
}

/// Until a block has the transaction, or the pool gives it up, or nothing was heard for [`ANSWER_TIMEOUT`].
async fn news(progress: &mut RpcSubscription<TransactionStatus<H256>>) -> News {
    loop {
        let status = match timeout(ANSWER_TIMEOUT, progress.next()).await {
            Ok(Some(Ok(status))) => status,
            Ok(Some(Err(_)) | None) => return News::Broken,
            Err(_) => return News::Silence,
        };
        if let Some(fate) = fate(&status) {
            return News::Fate(fate);
        }
    }
}

/// What became of a transaction, if it is over with it.
fn fate(status: &TransactionStatus<H256>) -> Option<Fate> {
    match status {
        TransactionStatus::InBlock(block) | TransactionStatus::Finalized(block) => {
            Some(Fate::InBlock(*block))
        }
        TransactionStatus::Usurped(_) => Some(Fate::GivenUp(
            "another transaction of this signer took its place",
        )),
        TransactionStatus::Dropped => Some(Fate::Dropped),
        TransactionStatus::Invalid => Some(Fate::GivenUp(
            "it became invalid before a block had it, by what another transaction changed",
        )),
        TransactionStatus::Future
        | TransactionStatus::Ready
        | TransactionStatus::Broadcast(_)
        | TransactionStatus::Retracted(_)
        | TransactionStatus::FinalityTimeout(_) => None,
    }
}

/// Whether the node that has a transaction still gets blocks.
struct Pulse<'a> {
    chain: &'a Chain,
    link: &'a Link,
    height: Option<Height>,
}

impl<'a> Pulse<'a> {
    fn new(chain: &'a Chain, link: &'a Link) -> Pulse<'a> {
        Pulse {
            chain,
            link,
            height: None,
        }
    }

    /// Whether the node is in use, answers, and has had a new block lately. If not, it is given up.
    async fn is_felt(&mut self) -> bool {
        let Ok(silence) = self.chain.silence().await else {
            return false;
        };
        let link = self.link;
        if !link.is_alive() {
            return false;
        }
        let best = async { Ok(block_ref(&link.at(At::Best).await?)) };
        let Ok(BlockRef { number, .. }) = within(link, best).await else {
            return false;
        };
        let seen = Height {
            number,
            since: Instant::now(),
        };
        let height = seen.after(self.height);
        self.height = Some(height);
        let is_stuck = height.since.elapsed() >= silence;
        if is_stuck {
            link.give_up();
        }
        !is_stuck
    }
}

/// A node's best block, and since when it has been that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Height {
    number: u32,
    since: Instant,
}

impl Height {
    /// The same, with the time at which it was first seen.
    fn after(self, before: Option<Height>) -> Height {
        before
            .filter(|before| before.number == self.number)
            .unwrap_or(self)
    }
}

/// What `exchange` gives; if that takes too long, the link is given up.
async fn within<T>(
    link: &Link,
    exchange: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    timeout(ANSWER_TIMEOUT, exchange).await.unwrap_or_else(|_| {
        link.give_up();
        Err(Fault::Chain(ChainError::Timeout {
            what: "transaction",
            waited: ANSWER_TIMEOUT,
        }))
    })
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt as _, stream};
    use rpcs::client::{RawRpcSubscription, RawValue};

    use super::*;

    fn block(number: u32) -> BlockRef {
        BlockRef {
            number,
            hash: H256::from_low_u64_be(number.into()),
        }
    }

    #[test]
    fn a_transaction_is_born_in_the_last_final_block_unless_that_is_old() {
        assert_eq!(birth(block(100), block(98)), block(98));
        assert_eq!(birth(block(100), block(69)), block(69));
        assert_eq!(birth(block(100), block(68)), block(100));
        assert_eq!(birth(block(3), block(0)), block(0));
    }

    /// A pool that says these things of a transaction, and then nothing more.
    fn pool(said: &[&str]) -> RpcSubscription<TransactionStatus<H256>> {
        let said: Vec<_> = said
            .iter()
            .map(|status| Ok(RawValue::from_string((*status).to_owned()).expect("is JSON")))
            .collect();
        RpcSubscription::new(RawRpcSubscription {
            stream: Box::pin(stream::iter(said).chain(stream::pending())),
            id: None,
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_pool_that_says_nothing_more_is_not_waited_for_until_the_deadline() {
        let started = Instant::now();
        let heard = news(&mut pool(&[r#""ready""#])).await;
        assert!(matches!(heard, News::Silence));
        assert_eq!(started.elapsed(), ANSWER_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pool_that_says_what_became_of_a_transaction_is_believed() {
        let block = H256::repeat_byte(7);
        let included = format!(r#"{{"inBlock":"{block:?}"}}"#);
        let heard = news(&mut pool(&[r#""ready""#, &included])).await;
        assert!(matches!(heard, News::Fate(Fate::InBlock(found)) if found == block));
    }

    #[tokio::test(start_paused = true)]
    async fn a_height_is_as_old_as_it_was_first_seen() {
        let seen = |number| Height {
            number,
            since: Instant::now(),
        };
        let first = seen(7).after(None);
        tokio::time::advance(ANSWER_TIMEOUT).await;
        assert_eq!(seen(7).after(Some(first)), first);
        assert_eq!(seen(8).after(Some(first)), seen(8));
        // A node that changed to a shorter chain goes on too.
        assert_eq!(seen(6).after(Some(first)), seen(6));
    }

    #[test]
    fn what_may_be_done_already_is_told_from_what_is_not() {
        let call = "Metagraph::add_stake";
        let reason = || "the node is gone".to_owned();
        let block = H256::zero();
        for uncertain in [
            SubmitError::Dropped { call },
            SubmitError::Unread {
                call,
                block,
                reason: reason(),
            },
            SubmitError::Deadline {
                call,
                waited: Duration::from_secs(1),
            },
        ] {
            assert!(uncertain.is_uncertain());
            assert!(
                uncertain.to_string().contains("look before you")
                    || uncertain.to_string().contains("Look before you")
            );
        }
        for certain in [
            SubmitError::GivenUp {
                call,
                reason: reason(),
            },
            SubmitError::NotTaken {
                call,
                reason: reason(),
            },
            SubmitError::RowWaits { netid: 0 },
            SubmitError::Chain(ChainError::NoUrl),
        ] {
            assert!(!certain.is_uncertain());
        }
    }

    #[test]
    fn a_refusal_is_said_with_its_documentation() {
        let refused = SubmitError::Refused(Box::new(Refusal {
            call: "Metagraph::set_weights",
            pallet: "Metagraph".into(),
            error: "NoValidatorPermit".into(),
            docs: "Only validators weigh others.".into(),
            block: None,
        }));
        assert_eq!(refused.pallet_error(), Some("NoValidatorPermit"));
        assert_eq!(
            refused.to_string(),
            "the chain refused Metagraph::set_weights: Metagraph::NoValidatorPermit: Only validators weigh others."
        );
    }
}
