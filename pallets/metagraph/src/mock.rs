//! A runtime of this pallet and balances, and one builder for every test.

use frame_support::{derive_impl, parameter_types, traits::Hooks, weights::Weight};
use sp_runtime::BuildStorage;

use crate::{
    self as pallet_metagraph, AddressPolicy, GenesisNetwork, GenesisNeuron, Hyperparameters, NetId,
    Pallet, WeightInfo,
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

/// Least balance of an account of the mock, in units.
pub(crate) const EXISTENTIAL_DEPOSIT: u64 = 10;
/// Least amount that can be staked, in units.
pub(crate) const MIN_STAKE_CHANGE: u64 = 100;
/// Units that a block of the mock mints before the first halving.
pub(crate) const BLOCK_EMISSION: u64 = 1_000_000;
/// Where the mock's emission ends, in units.
pub(crate) const MAX_ISSUANCE: u64 = 1_000_000_000_000;
/// Most networks of the mock.
pub(crate) const MAX_NETWORKS: u16 = 8;

parameter_types! {
    pub const ExistentialDeposit: u64 = EXISTENTIAL_DEPOSIT;
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

impl pallet_metagraph::Config for Test {
    type Currency = Balances;
    type PotId = PotId;
    type MaxNetworks = frame_support::traits::ConstU32<{ MAX_NETWORKS as u32 }>;
    type MaxNeurons = frame_support::traits::ConstU32<4096>;
    type MaxValidators = frame_support::traits::ConstU32<256>;
    type MinStakeChange = frame_support::traits::ConstU64<MIN_STAKE_CHANGE>;
    type BlockEmission = frame_support::traits::ConstU64<BLOCK_EMISSION>;
    type MaxIssuance = frame_support::traits::ConstU64<MAX_ISSUANCE>;
    type WeightInfo = PlainWeights;
}

/// Costs from which a test can read which sizes were charged: 1,000 for the call, plus its size.
pub struct PlainWeights;

const fn cost(units: u64) -> Weight {
    Weight::from_parts(units, 0)
}

impl WeightInfo for PlainWeights {
    fn create_network() -> Weight {
        cost(1_000)
    }
    fn remove_network() -> Weight {
        cost(1_000)
    }
    fn retire_neuron() -> Weight {
        cost(1_000)
    }
    fn set_hyperparameters() -> Weight {
        cost(1_000)
    }
    fn set_network_owner() -> Weight {
        cost(1_000)
    }
    fn set_address_policy() -> Weight {
        cost(1_000)
    }
    fn register(m: u32) -> Weight {
        cost(1_000 + u64::from(m))
    }
    fn serve_axon() -> Weight {
        cost(1_000)
    }
    fn withdraw_axon() -> Weight {
        cost(1_000)
    }
    fn set_weights(e: u32) -> Weight {
        cost(1_000 + u64::from(e))
    }
    fn check_weights(e: u32) -> Weight {
        cost(1_000 + u64::from(e))
    }
    fn add_stake(m: u32) -> Weight {
        cost(1_000 + u64::from(m))
    }
    fn remove_stake(m: u32) -> Weight {
        cost(1_000 + u64::from(m))
    }
    fn begin_block(m: u32) -> Weight {
        cost(1_000 + u64::from(m))
    }
    /// The three sizes side by side, six decimal digits each.
    fn epoch(n: u32, v: u32, e: u32) -> Weight {
        cost((u64::from(n) * 1_000_000 + u64::from(v)) * 1_000_000 + u64::from(e))
    }
}

/// Network 0, where a test has only one.
pub(crate) const NET: NetId = NetId(0);

/// What every account of the mock starts with, in units.
pub(crate) const FUNDS: u64 = 1_000_000_000;

/// What a registration costs under [`lenient`] hyperparameters, in units.
pub(crate) const PRICE: u64 = 1_000;

/// Hyperparameters that refuse nothing and never change the price. A test tightens the one that it is about.
pub(crate) fn lenient() -> Hyperparameters {
    Hyperparameters {
        tempo: 10,
        immunity_period: 0,
        weights_rate_limit: 0,
        serving_rate_limit: 0,
        max_registrations_per_block: 256,
        price_min: PRICE,
        price_step: 1_000_000,
        ..Default::default()
    }
}

/// Holds what [`ExtBuilder::issuance`] adds.
const TREASURY: AccountId = 999;

/// Coldkeys of the mock are 1 to 20. Hotkey `h` of coldkey `c` is `1000 * c + h`, by convention only.
pub(crate) struct ExtBuilder {
    networks: Vec<GenesisNetwork<AccountId>>,
    funded: Vec<AccountId>,
    issuance: u64,
    addresses: AddressPolicy,
}

impl Default for ExtBuilder {
    /// No network, and coldkeys 1 to 20 with funds.
    fn default() -> Self {
        Self {
            networks: Vec::new(),
            funded: (1..=20).collect(),
            issuance: 0,
            addresses: AddressPolicy::Public,
        }
    }
}

impl ExtBuilder {
    /// Adds a network with these neurons: (hotkey, coldkey, stake).
    pub(crate) fn network(
        self,
        hyperparameters: Hyperparameters,
        neurons: &[(AccountId, AccountId, u64)],
    ) -> Self {
        self.genesis_network(GenesisNetwork {
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
        })
    }

    /// Adds a network as the chain specification would write it.
    pub(crate) fn genesis_network(mut self, network: GenesisNetwork<AccountId>) -> Self {
        self.networks.push(network);
        self
    }

    /// Funds one more account.
    pub(crate) fn funded(mut self, who: AccountId) -> Self {
        self.funded.push(who);
        self
    }

    /// Makes the whole issuance at genesis this much, in units. It has to be more than all else at genesis together.
    pub(crate) fn issuance(mut self, issuance: u64) -> Self {
        self.issuance = issuance;
        self
    }

    pub(crate) fn addresses(mut self, policy: AddressPolicy) -> Self {
        self.addresses = policy;
        self
    }

    /// Balances of the funded accounts, and of the treasury where the issuance is given.
    fn balances(&self) -> Vec<(AccountId, u64)> {
        let stake: u64 = self
            .networks
            .iter()
            .flat_map(|network| &network.neurons)
            .map(|neuron| neuron.stake)
            .sum();
        let mut balances: Vec<_> = self.funded.iter().map(|who| (*who, FUNDS)).collect();
        let others: u64 = balances.iter().map(|(_, amount)| *amount).sum();
        // The pot starts with the existential deposit.
        let rest = self
            .issuance
            .saturating_sub(others + stake + EXISTENTIAL_DEPOSIT);
        if rest > 0 {
            balances.push((TREASURY, rest));
        }
        balances
    }

    /// The state of block 1, before its extrinsics.
    pub(crate) fn build(self) -> sp_io::TestExternalities {
        let genesis = RuntimeGenesisConfig {
            system: Default::default(),
            balances: pallet_balances::GenesisConfig {
                balances: self.balances(),
                ..Default::default()
            },
            transaction_payment: Default::default(),
            metagraph: pallet_metagraph::GenesisConfig {
                networks: self.networks,
                addresses: self.addresses,
            },
        };
        let mut ext = sp_io::TestExternalities::new(genesis.build_storage().unwrap());
        ext.execute_with(|| System::set_block_number(1));
        ext
    }

    /// Runs `test`, then checks that every invariant holds, and that the pot has not a unit too much either.
    pub(crate) fn build_and_execute(self, test: impl FnOnce()) {
        self.build().execute_with(|| {
            test();
            Pallet::<Test>::do_try_state().unwrap();
            assert_eq!(
                Balances::free_balance(Pallet::<Test>::pot()),
                Pallet::<Test>::pot_should_hold()
            );
        });
    }
}

/// Ends this block, with `idle` for its idle time, and begins the next. Gives what its beginning cost.
pub(crate) fn next_block(idle: Weight) -> Weight {
    Metagraph::on_idle(System::block_number(), idle);
    System::set_block_number(System::block_number() + 1);
    Metagraph::on_initialize(System::block_number())
}

/// Goes to `block`, with the hooks of every block in between.
pub(crate) fn run_to(block: u64) {
    while System::block_number() < block {
        next_block(Weight::MAX);
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

/// The pallet's events since the last call of this, oldest first.
pub(crate) fn take_events() -> Vec<crate::Event<Test>> {
    let taken = events();
    System::reset_events();
    taken
}
