//! The constants that each pallet is given, in the order in which the runtime composes them.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{
    PalletId, derive_impl,
    dispatch::DispatchClass,
    parameter_types,
    traits::{ConstBool, ConstU8, ConstU32, ConstU64, InstanceFilter, VariantCountOf},
    weights::{
        Weight,
        constants::{ParityDbWeight, WEIGHT_REF_TIME_PER_SECOND},
    },
};
use frame_system::limits::{BlockLength, BlockWeights};
use pallet_transaction_payment::FungibleAdapter;
use scale_info::TypeInfo;
use sp_consensus_aura::sr25519::AuthorityId as AuraId;
use sp_runtime::{Perbill, traits::BlakeTwo256};
use sp_version::RuntimeVersion;

use crate::{
    AccountId, Aura, Balance, Balances, Block, BlockNumber, EXISTENTIAL_DEPOSIT, Hash, Nonce,
    OriginCaller, PalletInfo, Runtime, RuntimeCall, RuntimeEvent, RuntimeFreezeReason,
    RuntimeHoldReason, RuntimeOrigin, RuntimeTask, System, UNIT, VERSION,
    block_time::{MinimumPeriodMs, SlotDurationMs},
    fees::{ComputeFee, FeeMultiplier, LengthFee},
};

/// The part of a block that signed transactions may fill; the rest is kept for operational calls.
const NORMAL_DISPATCH_RATIO: Perbill = Perbill::from_percent(75);

/// The most bytes of transactions in a block: 5 MiB.
const MAX_BLOCK_BYTES: u32 = 5 * 1024 * 1024;

/// The most authorities that Aura and GRANDPA hold.
type MaxAuthorities = ConstU32<32>;

parameter_types! {
    /// Blocks whose hash the state keeps: how old a mortal transaction may be. 4 hours at 6 s.
    pub const BlockHashCount: BlockNumber = 2_400;

    /// The version of this runtime.
    pub const Version: RuntimeVersion = VERSION;

    /// The most compute in a block: 2 s, a third of the usual slot of 6 s.
    ///
    /// A development chain with slots of 1 s has the same limit, and makes its blocks all the same:
    /// an author stops adding transactions when two thirds of its slot are over, full block or not,
    /// so what a short slot lowers is how many transactions fit.
    pub RuntimeBlockWeights: BlockWeights = BlockWeights::with_sensible_defaults(
        Weight::from_parts(2 * WEIGHT_REF_TIME_PER_SECOND, u64::MAX),
        NORMAL_DISPATCH_RATIO,
    );

    /// The most bytes in a block: 5 MiB, three quarters of it for signed transactions.
    pub RuntimeBlockLength: BlockLength = BlockLength::builder()
        .max_length(MAX_BLOCK_BYTES)
        .modify_max_length_for_class(DispatchClass::Normal, |bytes| {
            *bytes = NORMAL_DISPATCH_RATIO * MAX_BLOCK_BYTES;
        })
        .build();

    /// The prefix of account addresses as text: 42, that of any chain without one of its own.
    pub const SS58Prefix: u8 = 42;
}

#[derive_impl(frame_system::config_preludes::SolochainDefaultConfig)]
impl frame_system::Config for Runtime {
    type Block = Block;
    type BlockWeights = RuntimeBlockWeights;
    type BlockLength = RuntimeBlockLength;
    type AccountId = AccountId;
    type Nonce = Nonce;
    type Hash = Hash;
    type BlockHashCount = BlockHashCount;
    type DbWeight = ParityDbWeight;
    type Version = Version;
    type AccountData = pallet_balances::AccountData<Balance>;
    type SystemWeightInfo = frame_system::weights::SubstrateWeight<Runtime>;
    type ExtensionsWeightInfo = frame_system::SubstrateExtensionsWeight<Runtime>;
    type SS58Prefix = SS58Prefix;
    type MaxConsumers = ConstU32<16>;
}

impl pallet_timestamp::Config for Runtime {
    /// Milliseconds since the Unix epoch.
    type Moment = u64;
    type OnTimestampSet = Aura;
    type MinimumPeriod = MinimumPeriodMs<Runtime>;
    type WeightInfo = pallet_timestamp::weights::SubstrateWeight<Runtime>;
}

impl pallet_aura::Config for Runtime {
    type AuthorityId = AuraId;
    type DisabledValidators = ();
    type MaxAuthorities = MaxAuthorities;
    type AllowMultipleBlocksPerSlot = ConstBool<false>;
    type SlotDuration = SlotDurationMs<Runtime>;
}

impl pallet_grandpa::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = ();
    type MaxAuthorities = MaxAuthorities;
    type MaxNominators = ConstU32<0>;
    type MaxSetIdSessionEntries = ConstU64<0>;
    type KeyOwnerProof = sp_core::Void;
    type EquivocationReportSystem = ();
}

impl pallet_balances::Config for Runtime {
    type MaxLocks = ConstU32<50>;
    type MaxReserves = ();
    type ReserveIdentifier = [u8; 8];
    type Balance = Balance;
    type RuntimeEvent = RuntimeEvent;
    type DustRemoval = ();
    type ExistentialDeposit = ConstU64<EXISTENTIAL_DEPOSIT>;
    type AccountStore = System;
    type WeightInfo = pallet_balances::weights::SubstrateWeight<Runtime>;
    type FreezeIdentifier = RuntimeFreezeReason;
    type MaxFreezes = VariantCountOf<RuntimeFreezeReason>;
    type RuntimeHoldReason = RuntimeHoldReason;
    type RuntimeFreezeReason = RuntimeFreezeReason;
    type DoneSlashHandler = ();
}

impl pallet_transaction_payment::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    /// `()` drops what was charged, and with it that much of the total issuance.
    type OnChargeTransaction = FungibleAdapter<Balances, ()>;
    type OperationalFeeMultiplier = ConstU8<5>;
    type WeightToFee = ComputeFee;
    type LengthToFee = LengthFee;
    type FeeMultiplierUpdate = FeeMultiplier;
    type WeightInfo = pallet_transaction_payment::weights::SubstrateWeight<Runtime>;
}

impl pallet_sudo::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type WeightInfo = pallet_sudo::weights::SubstrateWeight<Runtime>;
}

impl pallet_utility::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type PalletsOrigin = OriginCaller;
    type WeightInfo = pallet_utility::weights::SubstrateWeight<Runtime>;
}

/// What must be reserved to keep a number of items and bytes in the state, in units of balance:
/// 0.01 CTM per item and 0.0001 CTM per byte, given back when they are removed.
const fn deposit(n_items: u64, n_bytes: u64) -> Balance {
    const PER_ITEM: Balance = crate::UNIT / 100;
    const PER_BYTE: Balance = crate::UNIT / 10_000;
    n_items * PER_ITEM + n_bytes * PER_BYTE
}

impl pallet_multisig::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type Currency = Balances;
    /// One item; 32 bytes of key, 56 of value.
    type DepositBase = ConstU64<{ deposit(1, 88) }>;
    /// The account of one more signatory.
    type DepositFactor = ConstU64<{ deposit(0, 32) }>;
    type MaxSignatories = ConstU32<100>;
    type WeightInfo = pallet_multisig::weights::SubstrateWeight<Runtime>;
    type BlockNumberProvider = System;
}

/// What an account may do on behalf of the one that appointed it as a proxy.
#[derive(
    Clone,
    Copy,
    Debug,
    Decode,
    DecodeWithMemTracking,
    Default,
    Encode,
    Eq,
    MaxEncodedLen,
    Ord,
    PartialEq,
    PartialOrd,
    TypeInfo,
)]
pub enum ProxyType {
    /// Anything.
    #[default]
    Any,
    /// Anything that moves no funds out of the account.
    NonTransfer,
    /// Only to reject what another proxy has announced.
    CancelProxy,
}

impl InstanceFilter<RuntimeCall> for ProxyType {
    fn filter(&self, call: &RuntimeCall) -> bool {
        match self {
            Self::Any => true,
            Self::NonTransfer => matches!(
                call,
                RuntimeCall::System(_)
                    | RuntimeCall::Timestamp(_)
                    | RuntimeCall::Grandpa(_)
                    | RuntimeCall::Utility(_)
                    | RuntimeCall::Multisig(_)
                    | RuntimeCall::Proxy(_)
                    | RuntimeCall::Metagraph(
                        pallet_metagraph::Call::serve_axon { .. }
                            | pallet_metagraph::Call::withdraw_axon { .. }
                            | pallet_metagraph::Call::set_weights { .. }
                    )
            ),
            Self::CancelProxy => matches!(
                call,
                RuntimeCall::Proxy(pallet_proxy::Call::reject_announcement { .. })
                    | RuntimeCall::Utility(_)
                    | RuntimeCall::Multisig(_)
            ),
        }
    }

    fn is_superset(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (_, Self::Any) => false,
            (Self::NonTransfer, _) => true,
            (mine, theirs) => mine == theirs,
        }
    }
}

impl pallet_proxy::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type Currency = Balances;
    type ProxyType = ProxyType;
    /// One item; 8 bytes of deposit.
    type ProxyDepositBase = ConstU64<{ deposit(1, 8) }>;
    /// The account of one more proxy and its type.
    type ProxyDepositFactor = ConstU64<{ deposit(0, 33) }>;
    type MaxProxies = ConstU32<32>;
    type WeightInfo = pallet_proxy::weights::SubstrateWeight<Runtime>;
    type MaxPending = ConstU32<32>;
    type CallHasher = BlakeTwo256;
    /// One item; 8 bytes of deposit.
    type AnnouncementDepositBase = ConstU64<{ deposit(1, 8) }>;
    /// One more announcement: an account, the hash of a call, a height.
    type AnnouncementDepositFactor = ConstU64<{ deposit(0, 68) }>;
    type BlockNumberProvider = System;
}

impl crate::block_time::Config for Runtime {}

parameter_types! {
    /// The account that holds stake and emission is derived from this.
    pub const MetagraphPot: PalletId = PalletId(*b"ctm/stak");
}

impl pallet_metagraph::Config for Runtime {
    type Currency = Balances;
    type PotId = MetagraphPot;
    type MaxNetworks = ConstU32<32>;
    type MaxNeurons = ConstU32<4_096>;
    type MaxValidators = ConstU32<256>;
    /// A thousandth of a token.
    type MinStakeChange = ConstU64<{ UNIT / 1_000 }>;
    /// One token in a block, until the first halving.
    type BlockEmission = ConstU64<UNIT>;
    /// 21 million tokens.
    type MaxIssuance = ConstU64<{ 21_000_000 * UNIT }>;
    type WeightInfo = pallet_metagraph::weights::SubstrateWeight<Runtime>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BalancesCall, SystemCall};
    use alloc::{boxed::Box, vec::Vec};
    use sp_keyring::Sr25519Keyring::Bob;

    #[test]
    fn a_non_transfer_proxy_moves_no_funds() {
        let transfer = RuntimeCall::Balances(BalancesCall::transfer_all {
            dest: Bob.to_account_id().into(),
            keep_alive: false,
        });
        let as_root = RuntimeCall::Sudo(pallet_sudo::Call::sudo {
            call: Box::new(transfer.clone()),
        });
        let remark = RuntimeCall::System(SystemCall::remark { remark: Vec::new() });

        assert!(ProxyType::Any.filter(&transfer) && ProxyType::Any.filter(&as_root));
        assert!(!ProxyType::NonTransfer.filter(&transfer));
        assert!(!ProxyType::NonTransfer.filter(&as_root));
        assert!(ProxyType::NonTransfer.filter(&remark));
        assert!(!ProxyType::CancelProxy.filter(&remark));
    }

    #[test]
    fn only_a_wider_proxy_type_is_a_superset() {
        use ProxyType::{Any, CancelProxy, NonTransfer};
        for (mine, theirs, expected) in [
            (Any, Any, true),
            (Any, NonTransfer, true),
            (NonTransfer, Any, false),
            (NonTransfer, CancelProxy, true),
            (CancelProxy, NonTransfer, false),
            (CancelProxy, Any, false),
        ] {
            assert_eq!(
                mine.is_superset(&theirs),
                expected,
                "{mine:?} over {theirs:?}"
            );
        }
    }
}
