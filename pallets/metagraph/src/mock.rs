//! A runtime of this pallet and balances, and one builder for every test.

use frame_support::{derive_impl, parameter_types, traits::Hooks, weights::Weight};
use sp_runtime::BuildStorage;

use crate::{
    self as pallet_metagraph, AddressPolicy, GenesisNetwork, GenesisNeuron, Hyperparameters, NetId,
    Pallet,
};

pub(crate) type AccountId = u64;
type Block = frame_system::mocking::MockBlock<Test>;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Balances: pallet_balances,
        TransactionPayment: pallet_transaction_payment,
        Metagraph: pallet_metagraph,
    }
);

parameter_types! {
    pub const ExistentialDeposit: u64 = 10;
    pub const PotId: frame_support::PalletId = frame_support::PalletId(*b"mg/stake");
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
    type AccountId = AccountId;
    type Lookup = sp_runtime::traits::IdentityLookup<AccountId>;
    type AccountData = pallet_balances::AccountData<u64>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type AccountStore = System;
    type Balance = u64;
    type ExistentialDeposit = ExistentialDeposit;
}

#[derive_impl(pallet_transaction_payment::config_preludes::TestDefaultConfig)]
impl pallet_transaction_payment::Config for Test {
    type OnChargeTransaction = pallet_transaction_payment::FungibleAdapter<Balances, ()>;
    type WeightToFee = frame_support::weights::IdentityFee<u64>;
    type LengthToFee = frame_support::weights::IdentityFee<u64>;
}

/// Units that a block of the mock mints before the first halving.
pub(crate) const BLOCK_EMISSION: u64 = 1_000_000;
/// Where the mock's emission ends.
pub(crate) const MAX_ISSUANCE: u64 = 1_000_000_000_000;

impl pallet_metagraph::Config for Test {
    type Currency = Balances;
    type PotId = PotId;
    type MaxNetworks = frame_support::traits::ConstU32<8>;
    type MaxNeurons = frame_support::traits::ConstU32<4096>;
    type MaxValidators = frame_support::traits::ConstU32<256>;
    type MinStakeChange = frame_support::traits::ConstU64<100>;
    type BlockEmission = frame_support::traits::ConstU64<BLOCK_EMISSION>;
    type MaxIssuance = frame_support::traits::ConstU64<MAX_ISSUANCE>;
    type WeightInfo = ();
}

/// What every account of the mock starts with.
pub(crate) const FUNDS: u64 = 1_000_000_000;

/// Coldkeys of the mock have numbers below 1000; the hotkey `h` of coldkey `c` is `1000 * c + h` by convention only.
pub(crate) struct ExtBuilder {
    networks: Vec<GenesisNetwork<AccountId>>,
    accounts: Vec<AccountId>,
}

impl Default for ExtBuilder {
    /// No network, and coldkeys 1 to 20 with funds.
    fn default() -> Self {
        Self {
            networks: Vec::new(),
            accounts: (1..=20).collect(),
        }
    }
}

impl ExtBuilder {
    /// Adds a network with these neurons: (hotkey, coldkey, stake).
    pub(crate) fn network(
        mut self,
        hyperparameters: Hyperparameters,
        neurons: &[(AccountId, AccountId, u64)],
    ) -> Self {
        self.networks.push(GenesisNetwork {
            task: "digits".into(),
            owner: None,
            hyperparameters,
            neurons: neurons
                .iter()
                .map(|&(hotkey, coldkey, stake)| GenesisNeuron {
                    hotkey,
                    coldkey,
                    stake,
                })
                .collect(),
        });
        self
    }

    pub(crate) fn build(self) -> sp_io::TestExternalities {
        let genesis = RuntimeGenesisConfig {
            system: Default::default(),
            balances: pallet_balances::GenesisConfig {
                balances: self.accounts.iter().map(|who| (*who, FUNDS)).collect(),
                ..Default::default()
            },
            transaction_payment: Default::default(),
            metagraph: pallet_metagraph::GenesisConfig {
                networks: self.networks,
                addresses: AddressPolicy::Public,
            },
        };
        let mut ext = sp_io::TestExternalities::new(genesis.build_storage().unwrap());
        ext.execute_with(|| System::set_block_number(1));
        ext
    }

    /// Runs `test`, then checks that every invariant holds.
    pub(crate) fn build_and_execute(self, test: impl FnOnce()) {
        self.build().execute_with(|| {
            test();
            Pallet::<Test>::do_try_state().unwrap();
        });
    }
}

/// Goes to `block`, with the hooks of every block in between.
pub(crate) fn run_to(block: u64) {
    while System::block_number() < block {
        Metagraph::on_idle(System::block_number(), Weight::MAX);
        System::set_block_number(System::block_number() + 1);
        Metagraph::on_initialize(System::block_number());
    }
}

/// The pallet's events so far, oldest first.
pub(crate) fn events() -> Vec<crate::Event<Test>> {
    System::events()
        .into_iter()
        .filter_map(|record| match record.event {
            RuntimeEvent::Metagraph(event) => Some(event),
            _ => None,
        })
        .collect()
}

/// Network 0, where a test has only one.
pub(crate) const NET: NetId = NetId(0);
