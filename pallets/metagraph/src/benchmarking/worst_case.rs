//! Chains as a benchmark finds them: as many networks, and columns as long, as the runtime allows.
//!
//! They are written to storage directly, because thousands of neurons through calls would take too long. All tokens are
//! there: the pot holds what it owes ([`assert_pot_is_exact`]). What is missing is what no measured path looks at: a
//! neuron that only makes columns long has its places in them, but no hotkey.
//!
//! Numbers in columns have a fixed width, so a zero costs as much as any other.

use alloc::{vec, vec::Vec};
use core::ops::Range;
use frame_benchmarking::{BenchmarkError, account};
use frame_support::{
    storage::unhashed,
    traits::{
        Get, PalletInfoAccess,
        fungible::{Inspect, Mutate},
    },
};
use sp_runtime::{DispatchError, DispatchResult};

use crate::{
    Address, AddressPolicy, BondRows, Bonds, Column, Config, EarnedColumn, EmissionColumn,
    Endpoint, Endpoints, Entries, Error, Hotkey, Hotkeys, Hyperparameters, Keys, NetId, Networks,
    Pallet, PermitColumn, Protocol, RegisteredColumn, Schedule, ScoreColumns, Scores,
    ServedEndpoint, StakeColumn, StoredRow, Synapses, TaskName, TotalEarned, TotalStake, Uid, Uids,
    WeightRows,
};

/// The block in which everything is measured: far beyond immunity periods and rate limits.
pub(super) const NOW: u32 = 1_000_000;
/// The block in which every neuron was registered and served its endpoint.
const LONG_AGO: u32 = 1;
/// The block in which rows were last set: beyond the rate limit, within the activity cutoff.
const RECENTLY: u32 = NOW - 1_000;

/// Settled stake of a [`Neuron`], in units.
pub(super) const STAKE: u64 = 1_000_000;
/// What a [`Neuron`] earned in each of its networks, in units.
pub(super) const EARNED: u64 = 10_000;
/// What a coldkey has to spend, in units.
const FUNDS: u64 = 1_000_000_000;

/// An address that takes as many bytes as one can.
pub(super) const ADDRESS: Address = Address::V6([
    0x26, 0x06, 0x47, 0x00, 0x47, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11, 0x11,
]);
/// Every kind of synapse.
pub(super) const SYNAPSES: Synapses = Synapses {
    text: true,
    image: true,
    tensor: true,
};

/// Forgets the networks that the genesis made, and goes to block [`NOW`].
pub(super) fn start_empty<T: Config>() {
    let everything = <Pallet<T> as PalletInfoAccess>::name_hash();
    let _ = unhashed::clear_prefix(&everything, None, None);
    T::Currency::set_balance(&Pallet::<T>::pot(), T::Currency::minimum_balance());
    frame_system::Pallet::<T>::set_block_number(NOW.into());
}

/// Creates `count` networks without neurons, ids ascending from 0.
pub(super) fn create_networks<T: Config>(count: u32) -> Result<Vec<NetId>, BenchmarkError> {
    let create = || Pallet::<T>::do_create_network(longest_task(), None, hyperparameters::<T>());
    (0..count).map(|_| Ok(create()?)).collect()
}

/// The longest name that a task can have.
pub(super) fn longest_task() -> TaskName {
    TaskName::truncate_from(vec![b'a'; 32])
}

/// Hyperparameters of a network that is as large as it can be.
pub(super) fn hyperparameters<T: Config>() -> Hyperparameters {
    Hyperparameters {
        max_neurons: narrow(T::MaxNeurons::get()),
        max_validators: narrow(T::MaxValidators::get()),
        ..Hyperparameters::default()
    }
}

/// A coldkey with something to spend.
pub(super) fn coldkey_with_funds<T: Config>(name: &'static str) -> T::AccountId {
    let coldkey = account(name, 0, 0);
    T::Currency::set_balance(&coldkey, T::Currency::minimum_balance() + FUNDS);
    coldkey
}

/// A neuron in the last place of several full networks. It has everything that a neuron can have, and the last epoch paid
/// it least: it is the next to be replaced.
pub(super) struct Neuron<T: Config> {
    pub(super) coldkey: T::AccountId,
    pub(super) hotkey: T::AccountId,
    pub(super) uid: Uid,
}

impl<T: Config> Neuron<T> {
    /// A chain of `count` networks, this neuron in each of them.
    pub(super) fn in_full_networks(count: u32) -> Result<Self, BenchmarkError> {
        start_empty::<T>();
        let neuron = Self {
            coldkey: coldkey_with_funds::<T>("coldkey"),
            hotkey: account("hotkey", 0, 0),
            uid: Uid(narrow(T::MaxNeurons::get() - 1)),
        };
        let netids = create_networks::<T>(count)?;
        for netid in &netids {
            neuron.enter_full_network(*netid)?;
        }
        let record = Hotkey {
            owner: neuron.coldkey.clone(),
            stake: STAKE,
            networks: netids.try_into().map_err(|_| "more networks than can be")?,
        };
        Hotkeys::<T>::insert(&neuron.hotkey, record);
        owe_stake::<T>(STAKE)?;
        owe_earnings::<T>(EARNED * u64::from(count))?;
        Ok(neuron)
    }

    fn enter_full_network(&self, netid: NetId) -> Result<(), BenchmarkError> {
        set_size::<T>(netid, T::MaxNeurons::get())?;
        StakeColumn::<T>::insert(netid, others_and_last::<T, _>(0, STAKE));
        EarnedColumn::<T>::insert(netid, others_and_last::<T, _>(0, EARNED));
        RegisteredColumn::<T>::insert(netid, others_and_last::<T, _>(LONG_AGO, LONG_AGO));
        PermitColumn::<T>::insert(netid, others_and_last::<T, _>(false, true));
        EmissionColumn::<T>::insert(netid, others_and_last::<T, _>(1, 0));
        ScoreColumns::<T>::insert(netid, scores::<T>(T::MaxNeurons::get()));

        Keys::<T>::insert(netid, self.uid, &self.hotkey);
        Uids::<T>::insert(netid, &self.hotkey, self.uid);
        Endpoints::<T>::insert(netid, self.uid, served_endpoint::<T>()?);
        let row = row::<T>(0, 0..T::MaxNeurons::get());
        set_weights::<T>(netid, self.uid, row.clone());
        BondRows::<T>::insert(netid, self.uid, row);
        Ok(())
    }
}

/// A network whose epoch is due, as is that of every other network of the chain.
pub(super) struct DueNetwork {
    netid: NetId,
    n_neurons: u32,
    n_validators: u32,
    /// Entries of all rows of weights.
    weights: u32,
    /// Entries of all rows of bonds.
    bonds: u32,
}

impl DueNetwork {
    /// A network whose first neurons are validators, each with its part of the weights and bonds.
    pub(super) fn new<T: Config>(
        n_neurons: u32,
        n_validators: u32,
        entries: u32,
    ) -> Result<Self, BenchmarkError> {
        start_empty::<T>();
        create_networks::<T>(T::MaxNetworks::get())?;
        let network = Self {
            netid: NetId(0),
            n_neurons,
            n_validators,
            weights: entries.div_ceil(2),
            bonds: entries / 2,
        };
        network.hold_neurons::<T>()?;
        network.hold_rows::<T>();
        network.expect_payment::<T>()?;
        Ok(network)
    }

    fn hold_neurons<T: Config>(&self) -> Result<(), BenchmarkError> {
        let n = self.n_neurons;
        let stake = column::<T, _>((0..n).map(|uid| self.stake(uid)));
        owe_stake::<T>(stake.iter().sum())?;
        set_size::<T>(self.netid, n)?;
        StakeColumn::<T>::insert(self.netid, stake);
        EarnedColumn::<T>::insert(self.netid, column::<T, _>((0..n).map(|_| 0)));
        RegisteredColumn::<T>::insert(self.netid, column::<T, _>((0..n).map(|_| LONG_AGO)));
        let permits = (0..n).map(|uid| uid < self.n_validators);
        PermitColumn::<T>::insert(self.netid, column::<T, _>(permits));
        EmissionColumn::<T>::insert(self.netid, column::<T, _>((0..n).map(|_| 0)));
        ScoreColumns::<T>::insert(self.netid, scores::<T>(n));
        Ok(())
    }

    /// In no order, but with all validators above all others.
    fn stake(&self, uid: u32) -> u64 {
        let above = if uid < self.n_validators { 1 << 17 } else { 0 };
        above + scatter(uid, 0)
    }

    /// All validators rate the same neurons, so that there is consensus on each of them; and, as far as there is room, hold
    /// bonds in others, so that the epoch has to write all of both.
    fn hold_rows<T: Config>(&self) {
        let part = |of: u32, rater: u32| {
            of / self.n_validators + u32::from(rater < of % self.n_validators)
        };
        for rater in 0..self.n_validators {
            let uid = Uid(narrow(rater));
            let (n_weights, n_bonds) = (part(self.weights, rater), part(self.bonds, rater));
            if n_weights > 0 {
                set_weights::<T>(self.netid, uid, row::<T>(rater, 0..n_weights));
            }
            if n_bonds > 0 {
                let first = n_weights.min(self.n_neurons - n_bonds);
                let bonds = row::<T>(rater, first..first + n_bonds);
                BondRows::<T>::insert(self.netid, uid, bonds);
            }
        }
    }

    /// Emission of a tempo is pending, and part of it is for an owner whose account does not exist yet.
    fn expect_payment<T: Config>(&self) -> DispatchResult {
        let params = Hyperparameters {
            max_validators: narrow(self.n_validators),
            bonds: Bonds::Liquid {
                low: 45_875,
                high: 58_982,
                steepness: 1_000,
            },
            owner_cut: 100_000,
            ..hyperparameters::<T>()
        };
        let pending = T::BlockEmission::get() * u64::from(params.tempo);
        Pallet::<T>::do_set_hyperparameters(self.netid, params)?;
        Pallet::<T>::do_set_network_owner(self.netid, Some(account("owner", 0, 0)))?;
        Schedule::<T>::mutate(|slots| {
            for slot in slots.iter_mut() {
                slot.next_epoch = NOW;
            }
        });
        set_pending::<T>(self.netid, pending)
    }

    /// Whether the epoch ran, kept the bonds and paid all that was pending.
    pub(super) fn assert_epoch_succeeded<T: Config>(&self) -> Result<(), BenchmarkError> {
        let network = Networks::<T>::get(self.netid).ok_or("no such network")?;
        assert_eq!(network.previous_epoch, NOW);
        let n_rows = BondRows::<T>::iter_key_prefix(self.netid).count();
        assert_eq!(n_rows, self.n_validators as usize);
        let slots = Schedule::<T>::get();
        let slot = slots.first().ok_or("no such slot")?;
        assert_eq!((slot.netid, slot.pending), (self.netid, 0));
        Ok(())
    }
}

/// Makes `amount` pending in `netid`, and puts it in the pot.
pub(super) fn set_pending<T: Config>(netid: NetId, amount: u64) -> DispatchResult {
    Schedule::<T>::mutate(|slots| {
        for slot in slots.iter_mut().filter(|slot| slot.netid == netid) {
            slot.pending = amount;
        }
    });
    T::Currency::mint_into(&Pallet::<T>::pot(), amount)?;
    Ok(())
}

/// Whether the pot holds stake, earnings and pending emission, to the unit.
pub(super) fn assert_pot_is_exact<T: Config>() {
    let held = T::Currency::balance(&Pallet::<T>::pot());
    assert_eq!(
        held,
        Pallet::<T>::pot_should_hold(),
        "tokens were lost or made"
    );
}

/// A row about the neurons in `rated`. The largest value is 65535, the others are without order.
pub(super) fn row<T: Config>(rater: u32, rated: Range<u32>) -> Entries<T> {
    let largest = rated.start;
    let entry = |uid: u32| match uid == largest {
        true => (Uid(narrow(uid)), u16::MAX),
        false => (Uid(narrow(uid)), value(rater, uid)),
    };
    Entries::<T>::truncate_from(rated.map(entry).collect())
}

/// From 1 to 65535.
fn value(rater: u32, rated: u32) -> u16 {
    u16::try_from(scatter(rater, rated))
        .unwrap_or_default()
        .max(1)
}

/// From 0 to 65535, without visible order.
fn scatter(a: u32, b: u32) -> u64 {
    let mixed = a.wrapping_mul(0x9E37_79B1) ^ b.wrapping_mul(0x85EB_CA77);
    u64::from(mixed.wrapping_mul(0xC2B2_AE3D) >> 16)
}

fn set_size<T: Config>(netid: NetId, n_neurons: u32) -> Result<(), BenchmarkError> {
    Networks::<T>::try_mutate(netid, |network| {
        let network = network.as_mut().ok_or("no such network")?;
        network.n_neurons = narrow(n_neurons);
        network.previous_epoch = RECENTLY;
        Ok(())
    })
}

fn set_weights<T: Config>(netid: NetId, uid: Uid, entries: Entries<T>) {
    let row = StoredRow {
        updated_at: RECENTLY,
        entries,
    };
    WeightRows::<T>::insert(netid, uid, row);
}

fn served_endpoint<T: Config>() -> Result<ServedEndpoint, DispatchError> {
    let policy = AddressPolicy::Public;
    let endpoint = Endpoint::new(ADDRESS, 8_091, Protocol::GrpcTls, 1, SYNAPSES, policy)
        .map_err(Error::<T>::from)?;
    Ok(ServedEndpoint {
        endpoint: Some(endpoint),
        served_at: LONG_AGO,
    })
}

fn owe_stake<T: Config>(amount: u64) -> DispatchResult {
    TotalStake::<T>::mutate(|total| *total += amount);
    T::Currency::mint_into(&Pallet::<T>::pot(), amount)?;
    Ok(())
}

fn owe_earnings<T: Config>(amount: u64) -> DispatchResult {
    TotalEarned::<T>::mutate(|total| *total += amount);
    T::Currency::mint_into(&Pallet::<T>::pot(), amount)?;
    Ok(())
}

fn column<T: Config, V>(values: impl Iterator<Item = V>) -> Column<T, V> {
    Column::<T, V>::truncate_from(values.collect())
}

/// A column as long as it can be.
fn others_and_last<T: Config, V: Copy>(others: V, last: V) -> Column<T, V> {
    let n_others = T::MaxNeurons::get() - 1;
    column::<T, _>((0..n_others).map(|_| others).chain([last]))
}

fn scores<T: Config>(n: u32) -> Scores<T> {
    let zeros = column::<T, u16>((0..n).map(|_| 0));
    Scores {
        rank: zeros.clone(),
        trust: zeros.clone(),
        consensus: zeros.clone(),
        incentive: zeros.clone(),
        dividends: zeros.clone(),
        validator_trust: zeros,
    }
}

/// Neurons and validators are counted in 16 bits; the runtime's constants are within them.
fn narrow(count: u32) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}
