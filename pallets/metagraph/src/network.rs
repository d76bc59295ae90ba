//! Networks: created, tuned and removed by root.
//!
//! Removal happens in two steps. The call takes the network out of service at once: nothing can be called on it, and it is
//! paid no more. Its neurons are then taken out one by one in the blocks' idle time, each hotkey keeping its stake and what
//! it earned. When the last one is gone nothing of the network is left, and its id is free.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{
    BoundedVec, CloneNoBound, DebugNoBound, EqNoBound, PartialEqNoBound, ensure,
    traits::{
        ConstU32, Get,
        fungible::Mutate,
        tokens::{Fortitude, Precision, Preservation},
    },
    weights::WeightMeter,
};
use scale_info::TypeInfo;
use sp_runtime::{DispatchError, DispatchResult};

use crate::{
    Config, Error, Event, Hyperparameter, Hyperparameters, NetId, NetworkParameters, Networks,
    Pallet, Price, Retiring, Schedule, Slot, Uid, WeightInfo,
};

/// Name of the task that a network's neurons learn, UTF-8, at most 32 bytes.
pub type TaskName = BoundedVec<u8, ConstU32<32>>;

/// What the chain knows of a network besides its hyperparameters, columns and rows.
#[derive(
    CloneNoBound,
    DebugNoBound,
    PartialEqNoBound,
    EqNoBound,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
#[scale_info(skip_type_params(T))]
pub struct Network<T: Config> {
    /// What its neurons learn, for instance `digits`.
    pub task: TaskName,
    /// Who is paid the owner's cut; nobody where there is no owner.
    pub owner: Option<T::AccountId>,
    /// Neurons; their uids are `0..n_neurons`.
    pub n_neurons: u16,
    /// Block of the last epoch; that of its creation before the first.
    pub previous_epoch: u32,
    /// The registration price when it last changed.
    pub price: Price,
    /// The block of the last registration, and how many there were in it.
    pub registrations: (u32, u16),
}

impl<T: Config> Network<T> {
    /// Registrations so far in block `now`.
    pub(crate) fn registrations_in(&self, now: u32) -> u16 {
        match self.registrations {
            (block, count) if block == now => count,
            _ => 0,
        }
    }

    pub(crate) fn count_registration(&mut self, now: u32) {
        self.registrations = (now, self.registrations_in(now).saturating_add(1));
    }
}

impl<T: Config> Pallet<T> {
    /// Creates a network under the lowest free id.
    pub(crate) fn do_create_network(
        task: TaskName,
        owner: Option<T::AccountId>,
        params: Hyperparameters,
    ) -> Result<NetId, DispatchError> {
        params.check::<T>(0).map_err(Error::<T>::OutOfRange)?;
        ensure!(core::str::from_utf8(&task).is_ok(), Error::<T>::TaskNotUtf8);
        let netid = Self::free_netid().ok_or(Error::<T>::TooManyNetworks)?;
        let now = Self::now();
        let slot = Slot {
            netid,
            emission_share: params.emission_share,
            pending: 0,
            next_epoch: crate::emission::epoch_after(now, params.tempo, netid),
        };
        Schedule::<T>::try_mutate(|slots| {
            let place = slots.partition_point(|other| other.netid < netid);
            slots.try_insert(place, slot)
        })
        .map_err(|_| Error::<T>::TooManyNetworks)?;
        let network = Network {
            task: task.clone(),
            owner,
            n_neurons: 0,
            previous_epoch: now,
            price: Price {
                level: params.price_min,
                at: now,
            },
            registrations: (now, 0),
        };
        Networks::<T>::insert(netid, network);
        NetworkParameters::<T>::insert(netid, params);
        Self::deposit_event(Event::NetworkCreated { netid, task });
        Ok(netid)
    }

    /// The lowest id that no network has, one that is still being removed included.
    fn free_netid() -> Option<NetId> {
        let ceiling = u16::try_from(T::MaxNetworks::get()).unwrap_or(u16::MAX);
        (0..ceiling)
            .map(NetId)
            .find(|netid| !Networks::<T>::contains_key(netid))
    }

    /// Takes a network out of service and recycles the emission that it was not paid yet.
    pub(crate) fn do_remove_network(netid: NetId) -> DispatchResult {
        Self::live_hyperparameters(netid)?;
        let pending = Schedule::<T>::try_mutate(|slots| {
            let place = slots
                .binary_search_by_key(&netid, |slot| slot.netid)
                .map_err(|_| Error::<T>::BrokenInvariant)?;
            Ok::<_, Error<T>>(slots.remove(place).pending)
        })?;
        T::Currency::burn_from(
            &Self::pot(),
            pending,
            Preservation::Preserve,
            Precision::Exact,
            Fortitude::Polite,
        )?;
        NetworkParameters::<T>::remove(netid);
        Retiring::<T>::try_append(netid).map_err(|()| Error::<T>::BrokenInvariant)?;
        Self::deposit_event(Event::NetworkRetired {
            netid,
            recycled: pending,
        });
        Ok(())
    }

    /// Takes neurons out of retired networks while `meter` lasts.
    pub(crate) fn retire(meter: &mut WeightMeter) {
        let look = T::DbWeight::get().reads(1);
        if meter.try_consume(look).is_err() {
            return;
        }
        while let Some(netid) = Retiring::<T>::get().first().copied() {
            if meter.try_consume(T::WeightInfo::retire_neuron()).is_err() {
                return;
            }
            if let Err(error) = Self::retire_one(netid) {
                frame_support::defensive!(
                    "a retired network has a neuron that cannot leave",
                    error
                );
                return;
            }
        }
    }

    /// Takes the last neuron out of a retired network, or the network itself once it has none.
    pub(crate) fn retire_one(netid: NetId) -> DispatchResult {
        frame_support::storage::with_storage_layer(|| {
            let mut network = Networks::<T>::get(netid).ok_or(Error::<T>::BrokenInvariant)?;
            let Some(last) = network.n_neurons.checked_sub(1) else {
                Self::drop_columns(netid);
                Networks::<T>::remove(netid);
                Retiring::<T>::mutate(|queue| queue.retain(|other| *other != netid));
                Self::deposit_event(Event::NetworkRemoved { netid });
                return Ok(());
            };
            Self::vacate(netid, Uid(last))?;
            Self::pop_columns(netid);
            network.n_neurons = last;
            Networks::<T>::insert(netid, network);
            Ok(())
        })
    }

    /// Replaces all hyperparameters of a network.
    pub(crate) fn do_set_hyperparameters(netid: NetId, params: Hyperparameters) -> DispatchResult {
        let before = Self::live_hyperparameters(netid)?;
        let network = Networks::<T>::get(netid).ok_or(Error::<T>::NetworkNotFound)?;
        params
            .check::<T>(network.n_neurons)
            .map_err(Error::<T>::OutOfRange)?;
        Schedule::<T>::mutate(|slots| {
            for slot in slots.iter_mut().filter(|slot| slot.netid == netid) {
                slot.emission_share = params.emission_share;
                if params.tempo != before.tempo {
                    slot.next_epoch =
                        crate::emission::epoch_after(Self::now(), params.tempo, netid);
                }
            }
        });
        NetworkParameters::<T>::insert(netid, params);
        Self::deposit_event(Event::HyperparametersSet { netid });
        Ok(())
    }

    /// Replaces one hyperparameter of a network.
    pub(crate) fn do_set_hyperparameter(netid: NetId, one: Hyperparameter) -> DispatchResult {
        let mut params = Self::live_hyperparameters(netid)?;
        one.apply(&mut params);
        Self::do_set_hyperparameters(netid, params)
    }

    /// Names who is paid a network's owner's cut.
    pub(crate) fn do_set_network_owner(
        netid: NetId,
        owner: Option<T::AccountId>,
    ) -> DispatchResult {
        Self::live_hyperparameters(netid)?;
        Networks::<T>::try_mutate(netid, |network| {
            let network = network.as_mut().ok_or(Error::<T>::NetworkNotFound)?;
            network.owner = owner.clone();
            Ok::<_, Error<T>>(())
        })?;
        Self::deposit_event(Event::NetworkOwnerSet { netid, owner });
        Ok(())
    }

    /// The hyperparameters of a network in service.
    pub(crate) fn live_hyperparameters(netid: NetId) -> Result<Hyperparameters, Error<T>> {
        NetworkParameters::<T>::get(netid).ok_or(Error::<T>::NetworkNotFound)
    }
}
