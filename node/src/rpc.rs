//! The RPC methods that need to know the runtime or GRANDPA; the rest come with the service.
//!
//! | prefix | asked by |
//! | --- | --- |
//! | `system_accountNextIndex`, `system_dryRun` | every client that signs |
//! | `payment_` | wallets, to show a fee before it is paid |
//! | `grandpa_` | bridges and monitors, to follow finality |

use connectome_runtime::{AccountId, Balance, Nonce, opaque::Block};
use jsonrpsee::RpcModule;
use pallet_transaction_payment_rpc::{TransactionPayment, TransactionPaymentApiServer};
use sc_consensus_grandpa::{
    FinalityProofProvider, GrandpaJustificationStream, SharedAuthoritySet, SharedVoterState,
};
use sc_consensus_grandpa_rpc::{Grandpa, GrandpaApiServer};
use sc_transaction_pool_api::TransactionPool;
use sp_api::ProvideRuntimeApi;
use sp_block_builder::BlockBuilder;
use sp_blockchain::{Error as BlockChainError, HeaderBackend, HeaderMetadata};
use sp_core::traits::SpawnNamed;
use std::{error::Error, sync::Arc};
use substrate_frame_rpc_system::{System, SystemApiServer};

type Hash = <Block as sp_runtime::traits::Block>::Hash;
type BlockNumber = sp_runtime::traits::NumberFor<Block>;

/// What the methods answer from.
pub(crate) struct FullDeps<C, P, B> {
    /// The chain.
    pub(crate) client: Arc<C>,
    /// The transactions that wait, for the next nonce of an account.
    pub(crate) pool: Arc<P>,
    /// What GRANDPA shares.
    pub(crate) grandpa: GrandpaDeps<B>,
}

/// What the `grandpa_` methods answer from.
pub(crate) struct GrandpaDeps<B> {
    /// The rounds of voting that this node follows.
    pub(crate) voter_state: SharedVoterState,
    /// Who votes.
    pub(crate) authority_set: SharedAuthoritySet<Hash, BlockNumber>,
    /// The proofs of finality, as they are made.
    pub(crate) justifications: GrandpaJustificationStream<Block>,
    /// The proofs of finality of the past.
    pub(crate) finality_proofs: Arc<FinalityProofProvider<B, Block>>,
}

/// The methods of this file, to be merged into the server's.
///
/// # Errors
///
/// If two methods have one name.
pub(crate) fn create_full<C, P, B>(
    deps: FullDeps<C, P, B>,
    executor: Arc<dyn SpawnNamed>,
) -> Result<RpcModule<()>, Box<dyn Error + Send + Sync>>
where
    C: ProvideRuntimeApi<Block>
        + HeaderBackend<Block>
        + HeaderMetadata<Block, Error = BlockChainError>
        + Send
        + Sync
        + 'static,
    C::Api: substrate_frame_rpc_system::AccountNonceApi<Block, AccountId, Nonce>
        + pallet_transaction_payment_rpc::TransactionPaymentRuntimeApi<Block, Balance>
        + BlockBuilder<Block>,
    P: TransactionPool + 'static,
    B: sc_client_api::Backend<Block> + Send + Sync + 'static,
{
    let FullDeps {
        client,
        pool,
        grandpa,
    } = deps;
    let mut module = RpcModule::new(());

    module.merge(System::new(client.clone(), pool).into_rpc())?;
    module.merge(TransactionPayment::new(client).into_rpc())?;
    module.merge(
        Grandpa::new(
            executor,
            grandpa.authority_set,
            grandpa.voter_state,
            grandpa.justifications,
            grandpa.finality_proofs,
        )
        .into_rpc(),
    )?;
    Ok(module)
}
