//! Registration: a coldkey pays for a neuron, which takes a free uid or that of the least useful neuron.
//!
//! ```text
//! gates ──► price, at most what the caller said ──► recycled out of issuance
//!       ──► uid: the next free one, or the victim's ──► everything the old neuron had is forgotten
//! ```
//!
//! The *victim* is the neuron outside its immunity period that the last epoch paid least; among equals the one registered
//! first, and among those the lowest uid. Forgetting the weights that others gave it takes no write: the epoch ignores
//! weights and bonds older than the registration of the uid they point at.

use frame_support::{
    ensure,
    traits::{
        fungible::Mutate,
        tokens::{Fortitude, Precision, Preservation},
    },
};
use sp_runtime::{DispatchError, DispatchResult};

use crate::{
    BondRows, Config, EmissionColumn, Endpoints, Error, Event, GenesisNeuron, Hotkeys,
    Hyperparameters, Keys, NetId, Network, Networks, OutOfRange, Pallet, RegisteredColumn, Uid,
    Uids, WeightRows, stake::Hotkey,
};

impl<T: Config> Pallet<T> {
    /// Registers `hotkey`, owned by `coldkey`, for at most `max_price`. Gives in how many networks a replaced neuron's hotkey
    /// was settled.
    pub(crate) fn do_register(
        coldkey: &T::AccountId,
        netid: NetId,
        hotkey: &T::AccountId,
        max_price: u64,
    ) -> Result<u32, DispatchError> {
        let now = Self::now();
        let params = Self::live_hyperparameters(netid)?;
        let mut network = Networks::<T>::get(netid).ok_or(Error::<T>::NetworkNotFound)?;
        ensure!(params.registration, Error::<T>::RegistrationDisabled);
        ensure!(
            network.registrations_in(now) < params.max_registrations_per_block,
            Error::<T>::TooManyRegistrationsThisBlock
        );
        ensure!(
            !Uids::<T>::contains_key(netid, hotkey),
            Error::<T>::AlreadyRegistered
        );
        ensure!(
            Hotkeys::<T>::get(hotkey).is_none_or(|known| known.owner == *coldkey),
            Error::<T>::NotHotkeyOwner
        );
        let price = network.price.at_block(now, &params);
        ensure!(price <= max_price, Error::<T>::PriceTooHigh);
        let place = Self::place_for_registration(netid, &network, &params, now)?;

        T::Currency::burn_from(
            coldkey,
            price,
            Preservation::Preserve,
            Precision::Exact,
            Fortitude::Polite,
        )
        .map_err(|_| Error::<T>::InsufficientBalance)?;
        network.price = network.price.after_registration(now, &params);
        network.count_registration(now);
        let settled = match place {
            Place::Free(_) => {
                network.n_neurons = network.n_neurons.saturating_add(1);
                0
            }
            Place::Taken(uid) => Self::vacate(netid, uid)?,
        };
        let uid = Self::occupy(netid, place, coldkey, hotkey, now)?;
        Networks::<T>::insert(netid, network);
        Self::deposit_event(Event::NeuronRegistered {
            netid,
            uid,
            hotkey: hotkey.clone(),
            coldkey: coldkey.clone(),
            price,
        });
        Ok(settled)
    }

    fn place_for_registration(
        netid: NetId,
        network: &Network<T>,
        params: &Hyperparameters,
        now: u32,
    ) -> Result<Place, Error<T>> {
        if network.n_neurons < params.max_neurons {
            return Ok(Place::Free(Uid(network.n_neurons)));
        }
        Self::victim(netid, params.immunity_period, now)
            .map(Place::Taken)
            .ok_or(Error::<T>::AllNeuronsImmune)
    }

    /// The neuron that a registration in block `now` would replace in a full network.
    pub(crate) fn victim(netid: NetId, immunity_period: u32, now: u32) -> Option<Uid> {
        let registered = RegisteredColumn::<T>::get(netid);
        let emission = EmissionColumn::<T>::get(netid);
        (0u16..)
            .zip(emission.iter().zip(registered.iter()))
            .filter(|(_, (_, at))| now.saturating_sub(**at) >= immunity_period)
            .min_by_key(|(uid, (paid, at))| (**paid, **at, *uid))
            .map(|(uid, _)| Uid(uid))
    }

    /// Puts `hotkey` in `place`, with a row of nothing.
    pub(crate) fn occupy(
        netid: NetId,
        place: Place,
        coldkey: &T::AccountId,
        hotkey: &T::AccountId,
        now: u32,
    ) -> Result<Uid, DispatchError> {
        let mut record = Hotkeys::<T>::get(hotkey).unwrap_or_else(|| Hotkey::new(coldkey.clone()));
        record.join(netid)?;
        let uid = match place {
            Place::Free(uid) => {
                Self::append_columns(netid, record.stake, now)?;
                uid
            }
            Place::Taken(uid) => {
                Self::reset_columns(netid, uid, record.stake, now)?;
                uid
            }
        };
        Keys::<T>::insert(netid, uid, hotkey);
        Uids::<T>::insert(netid, hotkey, uid);
        Hotkeys::<T>::insert(hotkey, record);
        Ok(uid)
    }

    /// Takes the neuron of `uid` out of the network. Its hotkey keeps its stake, with all it earned. The columns still have
    /// its numbers: the caller resets or drops them. Gives in how many networks the hotkey was settled.
    pub(crate) fn vacate(netid: NetId, uid: Uid) -> Result<u32, DispatchError> {
        let hotkey = Keys::<T>::get(netid, uid).ok_or(Error::<T>::BrokenInvariant)?;
        let record = Hotkeys::<T>::get(&hotkey).ok_or(Error::<T>::BrokenInvariant)?;
        let mut record = Self::settle(&hotkey, record)?;
        let settled = record.n_networks();
        record.leave(netid);
        Uids::<T>::remove(netid, &hotkey);
        Keys::<T>::remove(netid, uid);
        Endpoints::<T>::remove(netid, uid);
        WeightRows::<T>::remove(netid, uid);
        BondRows::<T>::remove(netid, uid);
        Self::store_hotkey(&hotkey, record)?;
        Self::deposit_event(Event::NeuronDeregistered { netid, uid, hotkey });
        Ok(settled)
    }
}

impl<T: Config> Pallet<T> {
    /// Registers a neuron of the genesis, and mints its stake. Stake of a hotkey in several networks adds up.
    pub(crate) fn genesis_neuron(
        netid: NetId,
        neuron: &GenesisNeuron<T::AccountId>,
    ) -> DispatchResult {
        let known = Hotkeys::<T>::get(&neuron.hotkey);
        ensure!(
            known.is_none_or(|known| known.owner == neuron.coldkey),
            Error::<T>::NotHotkeyOwner
        );
        let params = Self::live_hyperparameters(netid)?;
        let place = Networks::<T>::try_mutate(netid, |network| {
            let network = network.as_mut().ok_or(Error::<T>::NetworkNotFound)?;
            ensure!(
                network.n_neurons < params.max_neurons,
                Error::<T>::OutOfRange(OutOfRange::MaxNeurons)
            );
            let uid = Uid(network.n_neurons);
            network.n_neurons = network.n_neurons.saturating_add(1);
            Ok::<_, Error<T>>(Place::Free(uid))
        })?;
        Self::occupy(netid, place, &neuron.coldkey, &neuron.hotkey, Self::now())?;
        if neuron.stake == 0 {
            return Ok(());
        }
        T::Currency::mint_into(&Self::pot(), neuron.stake)?;
        Self::change_total_stake(|total| total.checked_add(neuron.stake))?;
        let mut record = Hotkeys::<T>::get(&neuron.hotkey).ok_or(Error::<T>::BrokenInvariant)?;
        record.stake = Self::sum(record.stake, neuron.stake)?;
        Self::store_hotkey(&neuron.hotkey, record)
    }
}

/// Where a new neuron goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The next uid, one past the last.
    Free(Uid),
    /// The uid of a neuron that was vacated, or is about to be.
    Taken(Uid),
}
