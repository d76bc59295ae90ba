//! The state transition function of a Connectome chain.
//!
//! Aura produces blocks, GRANDPA finalises them, and the pallets composed below are everything that
//! a block can change. This crate holds their composition and nothing else:
//!
//! | file | holds |
//! | --- | --- |
//! | [`configs`] | the constants that each pallet is given |
//! | [`fees`] | what a transaction costs, and why |
//! | [`block_time`] | the slot duration, which the chain specification chooses |
//! | [`genesis_config_presets`] | the first state of a development and of a local chain |
//! | [`apis`] | what a node may ask of the runtime |

#![cfg_attr(not(feature = "std"), no_std)]
#![expect(
    missing_docs,
    reason = "the macros that compose a runtime put undocumented items at the root of its crate; \
              the modules without such macros turn the lint on again"
)]

#[cfg(feature = "std")]
include!(concat!(env!("OUT_DIR"), "/wasm_binary.rs"));

extern crate alloc;

pub mod apis;
#[cfg(feature = "runtime-benchmarks")]
mod benchmarks;
#[warn(missing_docs)]
pub mod block_time;
#[warn(missing_docs)]
pub mod configs;
#[warn(missing_docs)]
pub mod fees;
#[warn(missing_docs)]
pub mod genesis_config_presets;

use alloc::{borrow::Cow, vec::Vec};
use sp_runtime::{
    MultiAddress, MultiSignature, generic, impl_opaque_keys,
    traits::{BlakeTwo256, IdentifyAccount, Verify},
};
use sp_version::RuntimeVersion;

pub use frame_system::Call as SystemCall;
pub use pallet_balances::Call as BalancesCall;
pub use pallet_timestamp::Call as TimestampCall;
#[cfg(any(feature = "std", test))]
pub use sp_runtime::BuildStorage;

/// Types that a node uses where it need not understand what is inside a transaction, so that it can
/// follow the chain through an upgrade of anything that this crate defines.
pub mod opaque {
    use super::BlockNumber;
    use sp_runtime::{
        generic,
        traits::{BlakeTwo256, Hash as HashT},
    };

    pub use sp_runtime::OpaqueExtrinsic as UncheckedExtrinsic;

    /// A block header.
    pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
    /// A block whose transactions are bytes.
    pub type Block = generic::Block<Header, UncheckedExtrinsic>;
    /// The number or the hash of a block.
    pub type BlockId = generic::BlockId<Block>;
    /// The hash of a block.
    pub type Hash = <BlakeTwo256 as HashT>::Output;
}

impl_opaque_keys! {
    /// The public keys with which an authority takes part in consensus.
    pub struct SessionKeys {
        /// Seals the blocks that the authority makes (sr25519).
        pub aura: Aura,
        /// Signs the authority's finality votes (ed25519).
        pub grandpa: Grandpa,
    }
}

/// The version of this runtime.
///
/// A change of behaviour raises `spec_version`; a change of how a transaction is encoded (the index or
/// the arguments of a call, [`TxExtension`]) raises `transaction_version` as well.
#[sp_version::runtime_version]
pub const VERSION: RuntimeVersion = RuntimeVersion {
    spec_name: Cow::Borrowed("connectome"),
    impl_name: Cow::Borrowed("connectome"),
    authoring_version: 1,
    spec_version: 1,
    impl_version: 1,
    apis: apis::RUNTIME_API_VERSIONS,
    transaction_version: 1,
    system_version: 1,
};

/// One token, CTM, in the smallest unit that a balance counts: nine decimals.
pub const UNIT: Balance = 1_000_000_000;

/// The least balance that an account may hold, 10⁻⁶ CTM: an account below it is removed and what it
/// held is burned.
pub const EXISTENTIAL_DEPOSIT: Balance = 1_000;

/// A signature by any of the key types that an account can have.
pub type Signature = MultiSignature;

/// An account: the public key of the signer, or the hash of it where it is longer than 32 bytes.
pub type AccountId = <<Signature as Verify>::Signer as IdentifyAccount>::AccountId;

/// An amount of tokens, in units of 10⁻⁹ CTM. The largest is about 1.8 × 10¹⁰ CTM.
pub type Balance = u64;

/// How many transactions an account has sent.
pub type Nonce = u32;

/// The hash of a block, a transaction, or a state.
pub type Hash = sp_core::H256;

/// The height of a block.
pub type BlockNumber = u32;

/// How a transaction names an account.
pub type Address = MultiAddress<AccountId, ()>;

/// A block header.
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;

/// A block.
pub type Block = generic::Block<Header, UncheckedExtrinsic>;

/// A block with the proof that it is final.
pub type SignedBlock = generic::SignedBlock<Block>;

/// The number or the hash of a block.
pub type BlockId = generic::BlockId<Block>;

/// What is checked and charged around every transaction, in this order.
pub type TxExtension = (
    frame_system::AuthorizeCall<Runtime>,
    frame_system::CheckNonZeroSender<Runtime>,
    frame_system::CheckSpecVersion<Runtime>,
    frame_system::CheckTxVersion<Runtime>,
    frame_system::CheckGenesis<Runtime>,
    frame_system::CheckEra<Runtime>,
    frame_system::CheckNonce<Runtime>,
    frame_system::CheckWeight<Runtime>,
    pallet_metagraph::CheckMetagraph<Runtime>,
    pallet_transaction_payment::ChargeTransactionPayment<Runtime>,
    frame_metadata_hash_extension::CheckMetadataHash<Runtime>,
    frame_system::WeightReclaim<Runtime>,
);

/// A transaction whose signature has not been checked.
pub type UncheckedExtrinsic =
    generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;

/// The bytes that a transaction's signature covers.
pub type SignedPayload = generic::SignedPayload<RuntimeCall, TxExtension>;

/// Executes blocks: dispatches every transaction and hook to the pallets.
pub type Executive = frame_executive::Executive<
    Runtime,
    Block,
    frame_system::ChainContext<Runtime>,
    Runtime,
    AllPalletsWithSystem,
>;

#[frame_support::runtime]
mod runtime {
    /// The runtime: the pallets below, each under the index that its calls, events and errors carry
    /// on the wire. An index is never given to another pallet.
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeFreezeReason,
        RuntimeHoldReason,
        RuntimeSlashReason,
        RuntimeLockId,
        RuntimeTask,
        RuntimeViewFunction
    )]
    pub struct Runtime;

    /// Accounts, block numbers, hashes, and events.
    #[runtime::pallet_index(0)]
    pub type System = frame_system;

    /// The time of each block, set by its author.
    #[runtime::pallet_index(1)]
    pub type Timestamp = pallet_timestamp;

    /// Whose turn it is to make a block.
    #[runtime::pallet_index(2)]
    pub type Aura = pallet_aura;

    /// Who votes on what is final.
    #[runtime::pallet_index(3)]
    pub type Grandpa = pallet_grandpa;

    /// What each account holds.
    #[runtime::pallet_index(4)]
    pub type Balances = pallet_balances;

    /// What a transaction costs.
    #[runtime::pallet_index(5)]
    pub type TransactionPayment = pallet_transaction_payment;

    /// One account that may call as root, until a chain removes it.
    #[runtime::pallet_index(6)]
    pub type Sudo = pallet_sudo;

    /// Several calls in one transaction.
    #[runtime::pallet_index(7)]
    pub type Utility = pallet_utility;

    /// Accounts that several signers control together.
    #[runtime::pallet_index(8)]
    pub type Multisig = pallet_multisig;

    /// Accounts that may call on behalf of another.
    #[runtime::pallet_index(9)]
    pub type Proxy = pallet_proxy;

    /// How long a block takes.
    #[runtime::pallet_index(10)]
    pub type BlockTime = crate::block_time;

    /// Neurons, what they think of each other, and what they are paid for it.
    #[runtime::pallet_index(11)]
    pub type Metagraph = pallet_metagraph;
}
