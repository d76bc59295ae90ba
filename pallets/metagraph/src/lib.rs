//! # The metagraph
//!
//! Who the neurons are, where they are reached, how much each values each other, and what they are paid for it.
//!
//! ## Overview
//!
//! A chain holds several *networks*, one per task. A network has *neurons*, each with a *uid* in `0..n`, run by a *hotkey* and
//! funded by a *coldkey*. Neurons with a validator permit submit rows of the *weight matrix*; once per *tempo* the
//! network's *epoch* computes everybody's incentive from it ([`incentive`]) and pays the emission gathered since the last.
//!
//! | concept | file |
//! | --- | --- |
//! | networks | `network.rs` |
//! | their hyperparameters | `hyperparameters.rs` |
//! | registration and its price | `registration.rs`, `price.rs` |
//! | endpoints | `endpoint.rs` |
//! | the weight matrix | `weight_matrix.rs`, and `extension.rs` for the transaction pool |
//! | stake and who holds it | `stake.rs` |
//! | columns: one value of every neuron | `column.rs` |
//! | emission, halving, schedule | `emission.rs` |
//! | the epoch | `epoch.rs` |
//! | what a client reads | `reads.rs` |
//! | what must always hold | `invariants.rs` |
//!
//! ## Scenarios
//!
//! *A neuron joins.* A coldkey calls [`Call::register`] with the most it will pay; the price is burned. The hotkey then tells
//! where it is reached ([`Call::serve_axon`]).
//!
//! *A validator earns its permit.* Its coldkey stakes on it ([`Call::add_stake`]). The next epoch gives permits to the
//! neurons with most stake; the validator may then call [`Call::set_weights`], and the epoch after that counts them.
//!
//! *A neuron is replaced.* In a full network, a registration takes the uid of the neuron that the last epoch paid least.
//! Votes for the old one do not count for the new one; the old hotkey keeps its stake.
//!
//! ## Properties
//!
//! * Every token is counted once: issuance is what accounts hold, and the pot holds exactly stake, earnings and pending emission.
//! * An epoch pays exactly what was pending; what rounding leaves goes to somebody, by largest remainder.
//! * Accepted weights cost nothing (where a rate limit keeps them few); refused ones do not enter the pool, or pay.
//! * A call that fails changes nothing. An epoch that fails changes nothing but its next date, and says why.
//! * Every storage item is bounded by the runtime's constants.

#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]
#![allow(
    clippy::cast_possible_truncation,
    reason = "derived encodings and FRAME's macros cast indices; nothing else here does"
)]

extern crate alloc;

use alloc::{string::String, vec::Vec};

pub use pallet::*;

mod column;
mod emission;
mod endpoint;
mod epoch;
mod extension;
mod hyperparameters;
#[cfg(any(test, feature = "try-runtime"))]
mod invariants;
mod network;
mod price;
mod reads;
mod registration;
mod stake;
mod weight_matrix;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

pub use column::{Column, Scores};
pub use emission::{Slot, Slots, block_emission};
pub use endpoint::{
    Address, AddressPolicy, Endpoint, EndpointError, Protocol, ServedEndpoint, Synapses,
};
pub use epoch::{EpochError, EpochSize};
pub use extension::{CheckMetagraph, refusal_code};
pub use hyperparameters::{Bonds, ConsensusMode, Hyperparameter, Hyperparameters, OutOfRange};
pub use incentive::{Entry, Uid};
pub use network::{Network, TaskName};
pub use price::Price;
pub use reads::{Metagraph, NetworkInfo, NeuronInfo, Rows, StakeInfo};
pub use stake::Hotkey;
pub use weight_matrix::{Entries, RowError, StoredRow, WeightRow};
pub use weights::WeightInfo;

/// A network of this chain. Ids are small and are used again after a removal.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
    Serialize,
    Deserialize,
)]
pub struct NetId(pub u16);

/// A neuron of a network at genesis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GenesisNeuron<AccountId> {
    /// Signs for the neuron.
    pub hotkey: AccountId,
    /// Owns its stake.
    pub coldkey: AccountId,
    /// Stake, in units, minted for it.
    #[serde(default)]
    pub stake: u64,
}

/// A network at genesis. Its id is its place in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GenesisNetwork<AccountId> {
    /// What its neurons learn, for instance `digits`; at most 32 bytes.
    pub task: String,
    /// Who is paid the owner's cut.
    #[serde(default = "no_owner")]
    pub owner: Option<AccountId>,
    /// Hyperparameters; those left out have their defaults.
    #[serde(default)]
    pub hyperparameters: Hyperparameters,
    /// Neurons in uid order, registered at block 0 for nothing.
    #[serde(default = "no_neurons")]
    pub neurons: Vec<GenesisNeuron<AccountId>>,
}

fn no_owner<AccountId>() -> Option<AccountId> {
    None
}

fn no_neurons<AccountId>() -> Vec<GenesisNeuron<AccountId>> {
    Vec::new()
}

/// The pallet, as FRAME wants it: configuration, storage, calls, events and errors. What they do is in the other files.
#[frame_support::pallet]
pub mod pallet {
    use alloc::vec::Vec;
    use frame_support::{
        PalletId,
        dispatch::DispatchResultWithPostInfo,
        pallet_prelude::*,
        traits::fungible::{Inspect, Mutate},
        weights::WeightMeter,
    };
    use frame_system::pallet_prelude::*;
    use sp_runtime::traits::UniqueSaturatedInto;

    use super::*;

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// What a runtime decides about the metagraph.
    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// The token.
        type Currency: Inspect<Self::AccountId, Balance = u64> + Mutate<Self::AccountId>;

        /// The account that holds stake and emission is derived from this.
        #[pallet::constant]
        type PotId: Get<PalletId>;

        /// Most networks. At most 65,535.
        #[pallet::constant]
        type MaxNetworks: Get<u32>;

        /// Most neurons that any network may allow. At most 65,535.
        #[pallet::constant]
        type MaxNeurons: Get<u32>;

        /// Most validator permits that any network may allow.
        #[pallet::constant]
        type MaxValidators: Get<u32>;

        /// Least amount that `add_stake` takes, in units. At least the existential deposit.
        #[pallet::constant]
        type MinStakeChange: Get<u64>;

        /// Units that a block mints before the first halving.
        #[pallet::constant]
        type BlockEmission: Get<u64>;

        /// Units at which emission ends.
        #[pallet::constant]
        type MaxIssuance: Get<u64>;

        /// What the calls cost.
        type WeightInfo: WeightInfo;
    }

    /// Networks by id, those that are being removed included.
    #[pallet::storage]
    pub type Networks<T: Config> = StorageMap<_, Twox64Concat, NetId, Network<T>>;

    /// Hyperparameters of the networks in service.
    #[pallet::storage]
    pub type NetworkParameters<T: Config> = StorageMap<_, Twox64Concat, NetId, Hyperparameters>;

    /// Emission share, pending emission and next epoch of every network in service, ascending by id.
    #[pallet::storage]
    pub type Schedule<T: Config> = StorageValue<_, Slots<T>, ValueQuery>;

    /// Networks out of service whose neurons are still being taken out, oldest first.
    #[pallet::storage]
    pub type Retiring<T: Config> = StorageValue<_, BoundedVec<NetId, T::MaxNetworks>, ValueQuery>;

    /// Which addresses neurons may serve at.
    #[pallet::storage]
    pub type Addresses<T: Config> = StorageValue<_, AddressPolicy, ValueQuery>;

    /// The hotkey of each neuron.
    #[pallet::storage]
    pub type Keys<T: Config> =
        StorageDoubleMap<_, Twox64Concat, NetId, Twox64Concat, Uid, T::AccountId>;

    /// The uid of each hotkey: the inverse of [`Keys`].
    #[pallet::storage]
    pub type Uids<T: Config> =
        StorageDoubleMap<_, Twox64Concat, NetId, Blake2_128Concat, T::AccountId, Uid>;

    /// Where neurons are reached.
    #[pallet::storage]
    pub type Endpoints<T: Config> =
        StorageDoubleMap<_, Twox64Concat, NetId, Twox64Concat, Uid, ServedEndpoint>;

    /// The weight matrix, by rater.
    #[pallet::storage]
    pub type WeightRows<T: Config> =
        StorageDoubleMap<_, Twox64Concat, NetId, Twox64Concat, Uid, StoredRow<T>>;

    /// Bonds, by validator, as the last epoch left them. Only validators with a permit have a row.
    #[pallet::storage]
    pub type BondRows<T: Config> =
        StorageDoubleMap<_, Twox64Concat, NetId, Twox64Concat, Uid, Entries<T>, ValueQuery>;

    /// Owner, settled stake and networks of each hotkey.
    #[pallet::storage]
    pub type Hotkeys<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, Hotkey<T>>;

    /// Sum of all settled stake, in units.
    #[pallet::storage]
    pub type TotalStake<T: Config> = StorageValue<_, u64, ValueQuery>;

    /// Sum of all earnings that are not settled yet, in units.
    #[pallet::storage]
    pub type TotalEarned<T: Config> = StorageValue<_, u64, ValueQuery>;

    /// Settled stake of each neuron's hotkey, in units: a copy, for the epoch.
    #[pallet::storage]
    pub type StakeColumn<T: Config> =
        StorageMap<_, Twox64Concat, NetId, Column<T, u64>, ValueQuery>;

    /// What each neuron was paid since its hotkey was last settled, in units.
    #[pallet::storage]
    pub type EarnedColumn<T: Config> =
        StorageMap<_, Twox64Concat, NetId, Column<T, u64>, ValueQuery>;

    /// Block in which each neuron was registered.
    #[pallet::storage]
    pub type RegisteredColumn<T: Config> =
        StorageMap<_, Twox64Concat, NetId, Column<T, u32>, ValueQuery>;

    /// Whether the last epoch gave each neuron a validator permit.
    #[pallet::storage]
    pub type PermitColumn<T: Config> =
        StorageMap<_, Twox64Concat, NetId, Column<T, bool>, ValueQuery>;

    /// What the last epoch paid each neuron, in units.
    #[pallet::storage]
    pub type EmissionColumn<T: Config> =
        StorageMap<_, Twox64Concat, NetId, Column<T, u64>, ValueQuery>;

    /// What the last epoch said of each neuron.
    #[pallet::storage]
    pub type ScoreColumns<T: Config> = StorageMap<_, Twox64Concat, NetId, Scores<T>, ValueQuery>;

    /// Networks, neurons and stake from the start.
    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// Networks; ids follow the order.
        pub networks: Vec<GenesisNetwork<T::AccountId>>,
        /// Which addresses neurons may serve at.
        pub addresses: AddressPolicy,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            Pallet::<T>::build_genesis(&self.networks, self.addresses)
                .unwrap_or_else(|error| panic!("the metagraph's genesis is wrong: {error:?}"));
        }
    }

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A network was created.
        NetworkCreated {
            /// Its id.
            netid: NetId,
            /// What its neurons learn.
            task: TaskName,
        },
        /// A network was taken out of service; its neurons leave in the next blocks.
        NetworkRetired {
            /// The network.
            netid: NetId,
            /// Pending emission that was burned, in units.
            recycled: u64,
        },
        /// Nothing of a network is left.
        NetworkRemoved {
            /// Its former id.
            netid: NetId,
        },
        /// Hyperparameters of a network were set.
        HyperparametersSet {
            /// The network.
            netid: NetId,
        },
        /// A network's owner was named, or unnamed.
        NetworkOwnerSet {
            /// The network.
            netid: NetId,
            /// Who is paid the owner's cut from now on.
            owner: Option<T::AccountId>,
        },
        /// It was decided which addresses neurons may serve at.
        AddressPolicySet {
            /// The policy from now on.
            policy: AddressPolicy,
        },
        /// A neuron was registered.
        NeuronRegistered {
            /// The network.
            netid: NetId,
            /// Its uid there.
            uid: Uid,
            /// Who signs for it.
            hotkey: T::AccountId,
            /// Who paid, and owns its stake.
            coldkey: T::AccountId,
            /// What was paid and burned, in units.
            price: u64,
        },
        /// A neuron was replaced, or its network removed. Its hotkey keeps its stake.
        NeuronDeregistered {
            /// The network.
            netid: NetId,
            /// Its former uid.
            uid: Uid,
            /// Who signed for it.
            hotkey: T::AccountId,
        },
        /// A neuron can be reached.
        AxonServed {
            /// The network.
            netid: NetId,
            /// The neuron.
            uid: Uid,
            /// Where.
            endpoint: Endpoint,
        },
        /// A neuron can no longer be reached.
        AxonWithdrawn {
            /// The network.
            netid: NetId,
            /// The neuron.
            uid: Uid,
        },
        /// A neuron set its row of the weight matrix.
        WeightsSet {
            /// The network.
            netid: NetId,
            /// The neuron.
            uid: Uid,
        },
        /// A coldkey staked on its hotkey.
        StakeAdded {
            /// Who paid.
            coldkey: T::AccountId,
            /// On whom.
            hotkey: T::AccountId,
            /// Units.
            amount: u64,
        },
        /// A coldkey took stake back.
        StakeRemoved {
            /// Who was paid.
            coldkey: T::AccountId,
            /// From whom.
            hotkey: T::AccountId,
            /// Units.
            amount: u64,
        },
        /// A network's epoch ran.
        EpochCompleted {
            /// The network.
            netid: NetId,
            /// What it paid, in units.
            paid: u64,
        },
        /// A network's epoch is due, but another one is running in this block.
        EpochDeferred {
            /// The network that waits.
            netid: NetId,
        },
        /// A network's epoch could not run; nothing changed. Its emission waits for the next.
        EpochFailed {
            /// The network.
            netid: NetId,
            /// Why.
            error: EpochError,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// There is no such network, or it is being removed. The networks there are: `MetagraphApi::networks`.
        NetworkNotFound,
        /// The chain has as many networks as it can hold. Remove one first.
        TooManyNetworks,
        /// This hyperparameter is out of range.
        OutOfRange(OutOfRange),
        /// The task's name is not UTF-8.
        TaskNotUtf8,
        /// This network takes no new neurons now.
        RegistrationDisabled,
        /// This block has had its registrations for this network. Try again in the next.
        TooManyRegistrationsThisBlock,
        /// This hotkey has a neuron in this network already.
        AlreadyRegistered,
        /// The price is above what you said you would pay. Read it again, or wait: it falls with every block.
        PriceTooHigh,
        /// The network is full, and every neuron is within its immunity period. Try again later.
        AllNeuronsImmune,
        /// Your free balance is too low, the existential deposit being kept.
        InsufficientBalance,
        /// This hotkey belongs to another coldkey.
        NotHotkeyOwner,
        /// The chain does not know this hotkey. Register it in a network first.
        HotkeyNotFound,
        /// This hotkey has no neuron in this network.
        NotRegistered,
        /// Nobody can dial this address: it is unspecified, multicast, broadcast, documentation or reserved.
        AddressNotDialable,
        /// This chain takes addresses only that the whole internet can reach.
        AddressNotPublic,
        /// Port 0 names no port.
        PortZero,
        /// An endpoint has to serve at least one kind of synapse.
        ServesNothing,
        /// This neuron changed its endpoint less than `serving_rate_limit` blocks ago.
        ServingTooFast,
        /// This neuron has no endpoint to withdraw.
        NotServing,
        /// The uids of a row have to ascend.
        UnsortedUids,
        /// A uid stands twice in the row.
        DuplicateUids,
        /// The row has no weight above zero.
        NoWeights,
        /// This neuron's stake is below the network's `min_stake`.
        NotEnoughStakeToSetWeights,
        /// These weights come from a program older than the network's `weights_version`. Update it.
        OutdatedWeightsVersion,
        /// This neuron set weights less than `weights_rate_limit` blocks ago.
        SettingWeightsTooFast,
        /// The row names a uid that the network does not have.
        UnknownUid,
        /// Only validators weigh others: this neuron has no permit. It may weigh itself alone.
        NoValidatorPermit,
        /// The row has fewer non-zero weights than `min_weights`.
        NotEnoughWeights,
        /// One weight has a larger share of the row than `max_weight`.
        WeightTooLarge,
        /// The amount is below what a change of stake has to be.
        StakeChangeTooSmall,
        /// The hotkey has less stake than that.
        NotEnoughStake,
        /// Storage is not as it has to be. This is a bug: please report it.
        BrokenInvariant,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(now: BlockNumberFor<T>) -> Weight {
            Self::begin_block(now.unique_saturated_into())
        }

        fn on_idle(_now: BlockNumberFor<T>, remaining: Weight) -> Weight {
            let mut meter = WeightMeter::with_limit(remaining);
            Self::retire(&mut meter);
            meter.consumed()
        }

        fn integrity_test() {
            assert!(T::MaxNeurons::get() > 0 && T::MaxNeurons::get() <= u32::from(u16::MAX));
            assert!(T::MaxNetworks::get() > 0 && T::MaxNetworks::get() <= u32::from(u16::MAX));
            assert!(T::MaxValidators::get() <= T::MaxNeurons::get());
            assert!(
                T::MinStakeChange::get() >= T::Currency::minimum_balance(),
                "stake below the existential deposit could not enter the pot"
            );
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_now: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Create a network.
        ///
        /// # Dispatch Origin
        /// Root.
        ///
        /// # Details
        /// The network gets the lowest free id and no neurons. Its first epoch is due within one tempo.
        ///
        /// # Errors
        /// [`Error::OutOfRange`], [`Error::TaskNotUtf8`], [`Error::TooManyNetworks`].
        ///
        /// # Events
        /// [`Event::NetworkCreated`].
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::create_network())]
        pub fn create_network(
            origin: OriginFor<T>,
            task: TaskName,
            owner: Option<T::AccountId>,
            hyperparameters: Hyperparameters,
        ) -> DispatchResult {
            ensure_root(origin)?;
            Self::do_create_network(task, owner, hyperparameters)?;
            Ok(())
        }

        /// Remove a network and everything it has.
        ///
        /// # Dispatch Origin
        /// Root.
        ///
        /// # Details
        /// Out of service at once; pending emission is burned. The neurons leave in the idle time of this block and the next
        /// ones, their hotkeys keeping stake and earnings; then the id is free.
        ///
        /// # Errors
        /// [`Error::NetworkNotFound`].
        ///
        /// # Events
        /// [`Event::NetworkRetired`] now, [`Event::NeuronDeregistered`] for each neuron, [`Event::NetworkRemoved`] at the end.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::remove_network())]
        pub fn remove_network(origin: OriginFor<T>, netid: NetId) -> DispatchResult {
            ensure_root(origin)?;
            Self::do_remove_network(netid)
        }

        /// Set all hyperparameters of a network.
        ///
        /// # Dispatch Origin
        /// Root.
        ///
        /// # Details
        /// A new tempo moves the next epoch; all else counts from the next use.
        ///
        /// # Errors
        /// [`Error::NetworkNotFound`], [`Error::OutOfRange`].
        ///
        /// # Events
        /// [`Event::HyperparametersSet`].
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::set_hyperparameters())]
        pub fn set_hyperparameters(
            origin: OriginFor<T>,
            netid: NetId,
            hyperparameters: Hyperparameters,
        ) -> DispatchResult {
            ensure_root(origin)?;
            Self::do_set_hyperparameters(netid, hyperparameters)
        }

        /// Set one hyperparameter of a network.
        ///
        /// # Dispatch Origin
        /// Root.
        ///
        /// # Details
        /// As [`Call::set_hyperparameters`] with the others as they are.
        ///
        /// # Errors
        /// [`Error::NetworkNotFound`], [`Error::OutOfRange`].
        ///
        /// # Events
        /// [`Event::HyperparametersSet`].
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::set_hyperparameters())]
        pub fn set_hyperparameter(
            origin: OriginFor<T>,
            netid: NetId,
            hyperparameter: Hyperparameter,
        ) -> DispatchResult {
            ensure_root(origin)?;
            Self::do_set_hyperparameter(netid, hyperparameter)
        }

        /// Name who is paid a network's owner's cut, or nobody.
        ///
        /// # Dispatch Origin
        /// Root.
        ///
        /// # Errors
        /// [`Error::NetworkNotFound`].
        ///
        /// # Events
        /// [`Event::NetworkOwnerSet`].
        #[pallet::call_index(4)]
        #[pallet::weight(T::WeightInfo::set_network_owner())]
        pub fn set_network_owner(
            origin: OriginFor<T>,
            netid: NetId,
            owner: Option<T::AccountId>,
        ) -> DispatchResult {
            ensure_root(origin)?;
            Self::do_set_network_owner(netid, owner)
        }

        /// Decide which addresses neurons may serve at, from now on.
        ///
        /// # Dispatch Origin
        /// Root.
        ///
        /// # Events
        /// [`Event::AddressPolicySet`].
        #[pallet::call_index(5)]
        #[pallet::weight(T::WeightInfo::set_address_policy())]
        pub fn set_address_policy(origin: OriginFor<T>, policy: AddressPolicy) -> DispatchResult {
            ensure_root(origin)?;
            Addresses::<T>::put(policy);
            Self::deposit_event(Event::AddressPolicySet { policy });
            Ok(())
        }

        /// Register a neuron.
        ///
        /// # Dispatch Origin
        /// Signed by the coldkey, which pays and will own the stake.
        ///
        /// # Details
        /// The price is burned; it jumps with each registration and falls with each block. In a full network the neuron that
        /// the last epoch paid least is replaced.
        ///
        /// The hotkey is not asked: whoever registers a hotkey first owns it, and with it all stake and earnings on it, while
        /// only its holder can sign for the neuron. So register a hotkey before you show it to anybody. The owner stays while
        /// the hotkey has stake or a neuron anywhere; a hotkey with neither is forgotten, and anybody may register it anew.
        ///
        /// # Errors
        /// [`Error::NetworkNotFound`], [`Error::RegistrationDisabled`], [`Error::TooManyRegistrationsThisBlock`],
        /// [`Error::AlreadyRegistered`], [`Error::NotHotkeyOwner`], [`Error::PriceTooHigh`], [`Error::AllNeuronsImmune`],
        /// [`Error::InsufficientBalance`].
        ///
        /// # Events
        /// [`Event::NeuronDeregistered`] if one was replaced, [`Event::NeuronRegistered`].
        #[pallet::call_index(6)]
        #[pallet::weight(T::WeightInfo::register(T::MaxNetworks::get()))]
        pub fn register(
            origin: OriginFor<T>,
            netid: NetId,
            hotkey: T::AccountId,
            #[pallet::compact] max_price: u64,
        ) -> DispatchResultWithPostInfo {
            let coldkey = ensure_signed(origin)?;
            let settled = Self::do_register(&coldkey, netid, &hotkey, max_price)?;
            Ok(Some(T::WeightInfo::register(settled)).into())
        }

        /// Tell where the caller's neuron is reached.
        ///
        /// # Dispatch Origin
        /// Signed by the hotkey.
        ///
        /// # Errors
        /// [`Error::AddressNotDialable`], [`Error::AddressNotPublic`], [`Error::PortZero`], [`Error::ServesNothing`],
        /// [`Error::NetworkNotFound`], [`Error::NotRegistered`], [`Error::ServingTooFast`].
        ///
        /// # Events
        /// [`Event::AxonServed`].
        #[pallet::call_index(7)]
        #[pallet::weight(T::WeightInfo::serve_axon())]
        pub fn serve_axon(
            origin: OriginFor<T>,
            netid: NetId,
            address: Address,
            port: u16,
            protocol: Protocol,
            version: u32,
            synapses: Synapses,
        ) -> DispatchResult {
            let hotkey = ensure_signed(origin)?;
            let policy = Self::address_policy();
            let endpoint = Endpoint::new(address, port, protocol, version, synapses, policy)
                .map_err(Error::<T>::from)?;
            Self::do_serve_axon(&hotkey, netid, endpoint)
        }

        /// Say that the caller's neuron is no longer reached.
        ///
        /// # Dispatch Origin
        /// Signed by the hotkey.
        ///
        /// # Errors
        /// [`Error::NetworkNotFound`], [`Error::NotRegistered`], [`Error::NotServing`].
        ///
        /// # Events
        /// [`Event::AxonWithdrawn`].
        #[pallet::call_index(8)]
        #[pallet::weight(T::WeightInfo::withdraw_axon())]
        pub fn withdraw_axon(origin: OriginFor<T>, netid: NetId) -> DispatchResult {
            let hotkey = ensure_signed(origin)?;
            Self::do_withdraw_axon(&hotkey, netid)
        }

        /// Set the caller's row of the weight matrix.
        ///
        /// # Dispatch Origin
        /// Signed by the hotkey.
        ///
        /// # Details
        /// `row` is a list of (uid, weight), uids strictly ascending; only the weights' proportions count. The whole row is
        /// replaced. An accepted row gets its fee back, unless the network has no rate limit. Each neuron may set weights once
        /// per `weights_rate_limit` blocks, and one such row of it at a time waits in a transaction pool; who has no validator
        /// permit may weigh itself alone, to show that it is there.
        ///
        /// # Errors
        /// In this order: [`Error::DuplicateUids`] or [`Error::UnsortedUids`], whichever the row shows first,
        /// [`Error::NoWeights`], [`Error::NetworkNotFound`], [`Error::NotRegistered`],
        /// [`Error::NotEnoughStakeToSetWeights`], [`Error::OutdatedWeightsVersion`], [`Error::SettingWeightsTooFast`],
        /// [`Error::UnknownUid`], [`Error::NoValidatorPermit`], [`Error::NotEnoughWeights`], [`Error::WeightTooLarge`]. The
        /// transaction pool refuses with the same ones, as `Custom(index of the error)`.
        ///
        /// # Events
        /// [`Event::WeightsSet`].
        #[pallet::call_index(9)]
        #[pallet::weight(T::WeightInfo::set_weights(row.len() as u32))]
        pub fn set_weights(
            origin: OriginFor<T>,
            netid: NetId,
            row: Entries<T>,
            #[pallet::compact] version: u64,
        ) -> DispatchResultWithPostInfo {
            let hotkey = ensure_signed(origin)?;
            let pays = Self::do_set_weights(&hotkey, netid, row, version)?;
            Ok(pays.into())
        }

        /// Stake on the caller's hotkey.
        ///
        /// # Dispatch Origin
        /// Signed by the coldkey that owns the hotkey.
        ///
        /// # Details
        /// What the hotkey earned so far becomes stake as well.
        ///
        /// # Errors
        /// [`Error::StakeChangeTooSmall`], [`Error::HotkeyNotFound`], [`Error::NotHotkeyOwner`],
        /// [`Error::InsufficientBalance`].
        ///
        /// # Events
        /// [`Event::StakeAdded`].
        #[pallet::call_index(10)]
        #[pallet::weight(T::WeightInfo::add_stake(T::MaxNetworks::get()))]
        pub fn add_stake(
            origin: OriginFor<T>,
            hotkey: T::AccountId,
            #[pallet::compact] amount: u64,
        ) -> DispatchResultWithPostInfo {
            let coldkey = ensure_signed(origin)?;
            let settled = Self::do_add_stake(&coldkey, &hotkey, amount)?;
            Ok(Some(T::WeightInfo::add_stake(settled)).into())
        }

        /// Take stake back from the caller's hotkey.
        ///
        /// # Dispatch Origin
        /// Signed by the coldkey that owns the hotkey.
        ///
        /// # Details
        /// What the hotkey earned so far counts as stake, and can be taken.
        ///
        /// # Errors
        /// [`Error::StakeChangeTooSmall`], [`Error::HotkeyNotFound`], [`Error::NotHotkeyOwner`],
        /// [`Error::NotEnoughStake`].
        ///
        /// # Events
        /// [`Event::StakeRemoved`].
        #[pallet::call_index(11)]
        #[pallet::weight(T::WeightInfo::remove_stake(T::MaxNetworks::get()))]
        pub fn remove_stake(
            origin: OriginFor<T>,
            hotkey: T::AccountId,
            #[pallet::compact] amount: u64,
        ) -> DispatchResultWithPostInfo {
            let coldkey = ensure_signed(origin)?;
            let settled = Self::do_remove_stake(&coldkey, &hotkey, amount)?;
            Ok(Some(T::WeightInfo::remove_stake(settled)).into())
        }
    }

    impl<T: Config> Pallet<T> {
        /// This block's number. The runtime's fits 32 bits.
        pub(crate) fn now() -> u32 {
            frame_system::Pallet::<T>::block_number().unique_saturated_into()
        }

        /// The uid of `hotkey` in `netid`.
        pub(crate) fn uid_of(netid: NetId, hotkey: &T::AccountId) -> Result<Uid, Error<T>> {
            Uids::<T>::get(netid, hotkey).ok_or(Error::<T>::NotRegistered)
        }

        fn build_genesis(
            networks: &[GenesisNetwork<T::AccountId>],
            addresses: AddressPolicy,
        ) -> DispatchResult {
            Addresses::<T>::put(addresses);
            T::Currency::mint_into(&Self::pot(), T::Currency::minimum_balance())?;
            for network in networks {
                let task = TaskName::try_from(network.task.as_bytes().to_vec())
                    .map_err(|_| DispatchError::Other("a task's name has at most 32 bytes"))?;
                let params = network.hyperparameters.clone();
                let netid = Self::do_create_network(task, network.owner.clone(), params)?;
                for neuron in &network.neurons {
                    Self::genesis_neuron(netid, neuron)?;
                }
            }
            Ok(())
        }
    }
}
