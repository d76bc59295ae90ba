//! What a user of the chain has: transactions in, blocks and answers out. Nothing here knows the runtime but by its
//! metadata.

use crate::{calls::Call, within};
use anyhow::{Context, Result, anyhow, bail, ensure};
use codec::{Decode, Encode};
use std::{collections::BTreeSet, sync::Arc};
use subxt::{
    OnlineClient, PolkadotConfig,
    backend::LegacyBackend,
    config::RpcConfigFor,
    dynamic,
    error::{DispatchError, TransactionEventsError},
    ext::{
        frame_decode::storage::{IntoDecodableValues, IntoEncodableValues},
        scale_decode::DecodeAsType,
    },
    rpcs::{self, RpcClient, client::RpcSubscription, methods::LegacyRpcMethods},
    tx::{TransactionProgress, TransactionStatus},
    utils::{AccountId32, H256},
};
use subxt_signer::sr25519::Keypair;

/// Hashes, headers, signatures and addresses are those of every Substrate chain.
type Config = PolkadotConfig;
type ClientAtBlock =
    subxt::client::ClientAtBlock<Config, subxt::client::OnlineClientAtBlockImpl<Config>>;
type Progress = TransactionProgress<Config, subxt::client::OnlineClientAtBlockImpl<Config>>;

/// A block header.
pub type Header = subxt::config::substrate::SubstrateHeader<H256>;

/// The code of an answer to a transaction that is invalid (`sc_rpc_api::author::error`).
const INVALID_TRANSACTION: i32 = 1010;

/// Most storage keys that are asked for at once.
const KEYS_PER_PAGE: u32 = 500;

/// What became of a transaction in its block: nothing to say, or the error's name, such as `Metagraph::NotRegistered`.
pub type Outcome = Result<(), String>;

/// A connection to one node.
#[derive(Clone)]
pub struct Client {
    chain: OnlineClient<Config>,
    rpc: RpcClient,
    methods: LegacyRpcMethods<RpcConfigFor<Config>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        let rpc = RpcClient::from_insecure_url(url).await?;
        // These methods say what is best now and let any block be asked for, final or not.
        let backend = LegacyBackend::builder().build(rpc.clone());
        let config = PolkadotConfig::builder().use_historic_types(false).build();
        let chain = OnlineClient::from_backend_with_config(config, Arc::new(backend)).await?;
        Ok(Self {
            chain,
            methods: LegacyRpcMethods::new(rpc.clone()),
            rpc,
        })
    }

    pub(crate) async fn listen_addresses(&self) -> Result<Vec<String>> {
        let none = rpcs::rpc_params![];
        Ok(self
            .rpc
            .request("system_localListenAddresses", none)
            .await?)
    }

    // --- Blocks ---------------------------------------------------------------------------------------------------

    /// The header of the best block.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn best(&self) -> Result<Header> {
        let header = self.methods.chain_get_header(None).await?;
        header.context("there is always a best block")
    }

    /// The header of the last block that is final.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn finalised(&self) -> Result<Header> {
        let hash = self.methods.chain_get_finalized_head().await?;
        let header = self.methods.chain_get_header(Some(hash)).await?;
        header.context("a final block has a header")
    }

    /// The hash of the best chain's block at `height`.
    ///
    /// # Errors
    ///
    /// If it is not there yet.
    pub async fn hash_at(&self, height: u32) -> Result<H256> {
        let hash = self
            .methods
            .chain_get_block_hash(Some(u64::from(height).into()))
            .await?;
        hash.with_context(|| format!("there is no block {height} yet"))
    }

    /// The header of the best chain's block at `height`.
    ///
    /// # Errors
    ///
    /// If it is not there yet.
    pub async fn header_at(&self, height: u32) -> Result<Header> {
        let hash = self.hash_at(height).await?;
        let header = self.methods.chain_get_header(Some(hash)).await?;
        header.context("a block has a header")
    }

    /// Waits until the best block is at `height` or above.
    ///
    /// # Errors
    ///
    /// If it takes too long.
    pub async fn until_best(&self, height: u32) -> Result<()> {
        let heads = self.methods.chain_subscribe_new_heads().await?;
        let what = format!("best block {height}");
        within(&what, reach(heads, height)).await
    }

    /// Waits until the block at `height` is final.
    ///
    /// # Errors
    ///
    /// If it takes too long.
    pub async fn until_finalised(&self, height: u32) -> Result<()> {
        let heads = self.methods.chain_subscribe_finalized_heads().await?;
        let what = format!("block {height} to be final");
        within(&what, reach(heads, height)).await
    }

    async fn at(&self, block: H256) -> Result<ClientAtBlock> {
        Ok(self.chain.at_block(block).await?)
    }

    // --- Answers --------------------------------------------------------------------------------------------------

    /// What `MetagraphApi_<method>` answers in the state after `block`.
    ///
    /// # Errors
    ///
    /// If the runtime has no such method, or answers something else than a `T`.
    pub async fn metagraph_api<T: Decode>(
        &self,
        block: H256,
        method: &str,
        arguments: impl Encode,
    ) -> Result<T> {
        let at = self.at(block).await?;
        let name = format!("MetagraphApi_{method}");
        let arguments = arguments.encode();
        let answer = at
            .runtime_apis()
            .call_raw(&name, Some(&arguments))
            .await
            .with_context(|| name.clone())?;
        decode_all(&answer).context(name)
    }

    /// A storage value of `pallet` in the state after `block`.
    ///
    /// # Errors
    ///
    /// If there is no such value, or it is something else than a `T`.
    pub async fn storage<T: DecodeAsType>(
        &self,
        block: H256,
        pallet: &str,
        item: &str,
    ) -> Result<T> {
        let at = self.at(block).await?;
        let address = dynamic::storage::<(), T>(pallet, item);
        Ok(at.storage().fetch(address, ()).await?.decode()?)
    }

    /// The value at `keys` of a storage map of `pallet` in the state after `block`.
    ///
    /// # Errors
    ///
    /// If there is no such value, or it is something else than a `T`.
    pub async fn entry<Keys, T: DecodeAsType>(
        &self,
        block: H256,
        pallet: &str,
        item: &str,
        keys: Keys,
    ) -> Result<T>
    where
        Keys: IntoEncodableValues + IntoDecodableValues,
    {
        let at = self.at(block).await?;
        let address = dynamic::storage::<Keys, T>(pallet, item);
        Ok(at.storage().fetch(address, keys).await?.decode()?)
    }

    /// A constant of `pallet`.
    ///
    /// # Errors
    ///
    /// If there is no such constant, or it is something else than a `T`.
    pub async fn constant<T: DecodeAsType>(&self, pallet: &str, name: &str) -> Result<T> {
        let at = self.chain.at_current_block().await?;
        Ok(at.constants().entry(dynamic::constant::<T>(pallet, name))?)
    }

    /// What `account` may spend in the state after `block`, in units.
    ///
    /// # Errors
    ///
    /// If the account does not exist.
    pub async fn balance(&self, block: H256, account: &AccountId32) -> Result<u64> {
        #[derive(DecodeAsType)]
        #[decode_as_type(crate_path = "subxt::ext::scale_decode")]
        struct Account {
            data: Data,
        }
        #[derive(DecodeAsType)]
        #[decode_as_type(crate_path = "subxt::ext::scale_decode")]
        struct Data {
            free: u64,
        }
        let at = self.at(block).await?;
        let address = dynamic::storage::<([u8; 32],), Account>("System", "Account");
        let found = at.storage().fetch(address, (account.0,)).await?;
        Ok(found.decode()?.data.free)
    }

    /// The keys of everything that `pallet` stores in the state after `block`.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn storage_keys(&self, block: H256, pallet: &str) -> Result<BTreeSet<Vec<u8>>> {
        let at = self.at(block).await?;
        // The version's key is the pallet's prefix and that of the name: 16 bytes each.
        let any = subxt::ext::frame_decode::storage::encode_storage_key_prefix(pallet, "");
        let (prefix, _) = any.split_at(16);
        let mut keys = BTreeSet::new();
        loop {
            let last = keys.last().cloned();
            let page = self
                .methods
                .state_get_keys_paged(
                    prefix,
                    KEYS_PER_PAGE,
                    last.as_deref(),
                    Some(at.block_hash()),
                )
                .await?;
            if page.is_empty() {
                return Ok(keys);
            }
            keys.extend(page);
        }
    }

    /// The fields of all events `pallet.name` of `block`, each decoded one after the other into a `T`.
    ///
    /// # Errors
    ///
    /// If the fields are something else than a `T`.
    pub async fn events<T: Decode>(&self, block: H256, pallet: &str, name: &str) -> Result<Vec<T>> {
        let at = self.at(block).await?;
        let events = at.events().fetch().await?;
        let mut found = Vec::new();
        for event in events.iter() {
            let event = event?;
            if event.pallet_name() == pallet && event.event_name() == name {
                found.push(decode_all(event.field_bytes())?);
            }
        }
        Ok(found)
    }

    /// How many transactions of `account` are in the chain in the state after `block`.
    ///
    /// # Errors
    ///
    /// If the account does not exist.
    pub async fn nonce(&self, block: H256, account: &AccountId32) -> Result<u32> {
        #[derive(DecodeAsType)]
        #[decode_as_type(crate_path = "subxt::ext::scale_decode")]
        struct Account {
            nonce: u32,
        }
        let found: Account = self.entry(block, "System", "Account", (account.0,)).await?;
        Ok(found.nonce)
    }

    /// How many transactions wait in the node's pool.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn pending(&self) -> Result<usize> {
        let none = rpcs::rpc_params![];
        let waiting: Vec<String> = self.rpc.request("author_pendingExtrinsics", none).await?;
        Ok(waiting.len())
    }

    // --- Transactions ---------------------------------------------------------------------------------------------

    /// Sends `transactions` in this order, without waiting in between, and waits until each is in the best chain. Gives
    /// the block of each and what became of it there.
    ///
    /// # Errors
    ///
    /// If one does not get into a block.
    pub async fn outcomes(
        &self,
        transactions: &[(Call, &Keypair)],
    ) -> Result<Vec<(H256, Outcome)>> {
        let mut sent = Vec::new();
        for (call, signer) in transactions {
            let progress = self.watch(call, signer).await;
            sent.push(progress.with_context(|| call.call_name().to_owned())?);
        }
        let mut outcomes = Vec::new();
        for progress in sent {
            outcomes.push(within("a transaction to be in a block", outcome(progress)).await?);
        }
        Ok(outcomes)
    }

    /// Sends `transactions` as [`Self::outcomes`] does. Gives the block of the last.
    ///
    /// # Errors
    ///
    /// If one does not get into a block, or fails there.
    pub async fn apply(&self, transactions: &[(Call, &Keypair)]) -> Result<H256> {
        let mut last = None;
        let outcomes = self.outcomes(transactions).await?;
        for ((call, _), (block, outcome)) in transactions.iter().zip(outcomes) {
            outcome.map_err(|error| anyhow!("{}: {error}", call.call_name()))?;
            last = Some(block);
        }
        last.context("nothing was sent")
    }

    /// The name of the error with which the transaction pool refuses `call` through `CheckMetagraph`.
    ///
    /// # Errors
    ///
    /// If it does not refuse it, or for another reason.
    pub async fn refusal(&self, call: &Call, signer: &Keypair) -> Result<String> {
        let bytes = self.signed(call, signer).await?;
        let Err(rpcs::Error::User(refused)) = self.submit(&bytes).await else {
            bail!("the pool did not refuse it");
        };
        ensure!(refused.code == INVALID_TRANSACTION, "{refused}");
        let data = refused.data.context("a refusal has data")?;
        let code: u8 = data
            .get()
            .trim_matches('"')
            .strip_prefix("Custom error: ")
            .with_context(|| format!("refused for another reason: {data}"))?
            .parse()?;
        self.error_name(code).await
    }

    /// The name of the metagraph pallet's error with this index.
    ///
    /// # Errors
    ///
    /// If the metadata has none.
    pub async fn error_name(&self, index: u8) -> Result<String> {
        let at = self.chain.at_current_block().await?;
        let pallet = at.metadata_ref().pallet_by_name("Metagraph");
        let error = pallet.and_then(|pallet| pallet.error_variant_by_index(index));
        let error = error.with_context(|| format!("no error has the index {index}"))?;
        Ok(error.name.clone())
    }

    /// `call`, signed by `signer` with its next nonce.
    ///
    /// # Errors
    ///
    /// If the runtime has no such call.
    pub async fn signed(&self, call: &Call, signer: &Keypair) -> Result<Vec<u8>> {
        Ok(self.transaction(call, signer).await?.into_encoded())
    }

    /// Hands `transaction` to the pool as it is.
    ///
    /// # Errors
    ///
    /// What the node answers instead of a hash.
    pub async fn submit(&self, transaction: &[u8]) -> Result<H256, rpcs::Error> {
        self.methods.author_submit_extrinsic(transaction).await
    }

    async fn watch(&self, call: &Call, signer: &Keypair) -> Result<Progress> {
        Ok(self
            .transaction(call, signer)
            .await?
            .submit_and_watch()
            .await?)
    }

    async fn transaction(
        &self,
        call: &Call,
        signer: &Keypair,
    ) -> Result<
        subxt::tx::SubmittableTransaction<Config, subxt::client::OnlineClientAtBlockImpl<Config>>,
    > {
        let account = signer.public_key().to_account_id();
        // Counts those that wait in the pool, so that several can be sent at once.
        let nonce = self.methods.system_account_next_index(&account).await?;
        let parameters = subxt::config::DefaultExtrinsicParamsBuilder::new()
            .immortal()
            .nonce(nonce)
            .build();
        let mut transactions = self.chain.tx().await?;
        Ok(transactions.create_signed(call, signer, parameters).await?)
    }
}

/// Reads headers until one is at `height` or above. The first is that of the block when the subscription began.
async fn reach(mut heads: RpcSubscription<Header>, height: u32) -> Result<()> {
    while let Some(head) = heads.next().await {
        if head?.number >= u64::from(height) {
            return Ok(());
        }
    }
    bail!("the node is gone")
}

async fn outcome(mut progress: Progress) -> Result<(H256, Outcome)> {
    let block = loop {
        match progress.next().await.context("the node is gone")?? {
            TransactionStatus::InBestBlock(block) | TransactionStatus::InFinalizedBlock(block) => {
                break block;
            }
            TransactionStatus::Error { message }
            | TransactionStatus::Invalid { message }
            | TransactionStatus::Dropped { message } => bail!("it left the pool: {message}"),
            TransactionStatus::Validated
            | TransactionStatus::Broadcasted
            | TransactionStatus::NoLongerInBestBlock => {}
        }
    };
    let outcome = match block.wait_for_success().await {
        Ok(_) => Ok(()),
        Err(TransactionEventsError::ExtrinsicFailed(DispatchError::Module(error))) => {
            Err(error.details_string())
        }
        Err(TransactionEventsError::ExtrinsicFailed(error)) => Err(format!("{error:?}")),
        Err(error) => return Err(error.into()),
    };
    Ok((block.block_hash(), outcome))
}

fn decode_all<T: Decode>(mut bytes: &[u8]) -> Result<T> {
    let value = T::decode(&mut bytes)?;
    ensure!(bytes.is_empty(), "{} bytes are left over", bytes.len());
    Ok(value)
}
