//! Stake: a coldkey puts tokens on its hotkey and takes them back; epochs add what the hotkey earned.
//!
//! Where the tokens are: all stake, and all emission that is not stake yet, is the free balance of one pot account. So
//! the balances pallet counts every token once, and
//!
//! ```text
//! pot = existential deposit + Σ settled stake + Σ earned + Σ pending
//! ```
//!
//! Who owns them: [`Hotkey`] holds a hotkey's settled stake. Each network holds two columns: a copy of the settled stake of
//! its neurons, so that an epoch reads it at once, and what they earned there since they were last settled, so that an
//! epoch pays with one write. [`Pallet::settle`] moves earnings into settled stake whenever a hotkey is touched.
//!
//! All stake on a hotkey belongs to the coldkey that owns it. A later delegation adds a map of shares in `Hotkey::stake`;
//! neither the columns nor the pot need to change for it.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{
    BoundedVec, CloneNoBound, DebugNoBound, EqNoBound, PartialEqNoBound, ensure,
    traits::{
        Get,
        fungible::{Inspect, Mutate},
        tokens::Preservation,
    },
};
use scale_info::TypeInfo;
use sp_runtime::{DispatchError, DispatchResult, traits::AccountIdConversion};

use crate::{
    Config, EarnedColumn, Error, Event, Hotkeys, NetId, Pallet, StakeColumn, TotalEarned,
    TotalStake, column,
};

/// What the chain knows of a hotkey, in whatever networks it has a neuron.
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
pub struct Hotkey<T: Config> {
    /// The coldkey that funds it and owns its stake.
    pub owner: T::AccountId,
    /// Settled stake, in units.
    pub stake: u64,
    /// The networks in which it has a neuron, ascending.
    pub networks: BoundedVec<NetId, T::MaxNetworks>,
}

impl<T: Config> Hotkey<T> {
    /// A hotkey of `owner`, with nothing on it and in no network.
    pub(crate) fn new(owner: T::AccountId) -> Self {
        Self {
            owner,
            stake: 0,
            networks: BoundedVec::new(),
        }
    }

    pub(crate) fn join(&mut self, netid: NetId) -> Result<(), Error<T>> {
        let place = match self.networks.binary_search(&netid) {
            Ok(_) => return Err(Error::<T>::BrokenInvariant),
            Err(place) => place,
        };
        self.networks
            .try_insert(place, netid)
            .map_err(|_| Error::<T>::BrokenInvariant)
    }

    /// In how many networks it has a neuron.
    pub(crate) fn n_networks(&self) -> u32 {
        u32::try_from(self.networks.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn leave(&mut self, netid: NetId) {
        self.networks.retain(|other| *other != netid);
    }
}

impl<T: Config> Pallet<T> {
    /// The account that holds all stake and all emission on its way to become stake.
    pub fn pot() -> T::AccountId {
        T::PotId::get().into_account_truncating()
    }

    /// Moves `amount` from `coldkey` to the stake of its `hotkey`. Gives in how many networks that was noted.
    pub(crate) fn do_add_stake(
        coldkey: &T::AccountId,
        hotkey: &T::AccountId,
        amount: u64,
    ) -> Result<u32, DispatchError> {
        ensure!(
            amount >= T::MinStakeChange::get(),
            Error::<T>::StakeChangeTooSmall
        );
        let mut record = Self::settled_hotkey_of(coldkey, hotkey)?;
        let settled = record.n_networks();

        T::Currency::transfer(coldkey, &Self::pot(), amount, Preservation::Preserve)
            .map_err(|_| Error::<T>::InsufficientBalance)?;
        record.stake = Self::sum(record.stake, amount)?;
        Self::change_total_stake(|total| total.checked_add(amount))?;
        Self::store_hotkey(hotkey, record)?;
        Self::deposit_event(Event::StakeAdded {
            coldkey: coldkey.clone(),
            hotkey: hotkey.clone(),
            amount,
        });
        Ok(settled)
    }

    /// Moves `amount` from the stake of `hotkey` back to its `coldkey`. Gives in how many networks that was noted.
    pub(crate) fn do_remove_stake(
        coldkey: &T::AccountId,
        hotkey: &T::AccountId,
        amount: u64,
    ) -> Result<u32, DispatchError> {
        ensure!(amount > 0, Error::<T>::StakeChangeTooSmall);
        let mut record = Self::settled_hotkey_of(coldkey, hotkey)?;
        let settled = record.n_networks();
        let left = record.stake.checked_sub(amount);

        record.stake = left.ok_or(Error::<T>::NotEnoughStake)?;
        T::Currency::transfer(&Self::pot(), coldkey, amount, Preservation::Preserve)?;
        Self::change_total_stake(|total| total.checked_sub(amount))?;
        Self::store_hotkey(hotkey, record)?;
        Self::deposit_event(Event::StakeRemoved {
            coldkey: coldkey.clone(),
            hotkey: hotkey.clone(),
            amount,
        });
        Ok(settled)
    }

    /// The record of `hotkey`, which has to be `coldkey`'s, with everything it earned moved into its stake.
    fn settled_hotkey_of(
        coldkey: &T::AccountId,
        hotkey: &T::AccountId,
    ) -> Result<Hotkey<T>, DispatchError> {
        let record = Hotkeys::<T>::get(hotkey).ok_or(Error::<T>::HotkeyNotFound)?;
        ensure!(record.owner == *coldkey, Error::<T>::NotHotkeyOwner);
        Self::settle(hotkey, record)
    }

    /// Moves what `hotkey` earned in its networks into the stake of `record`, which the caller has to store.
    pub(crate) fn settle(
        hotkey: &T::AccountId,
        mut record: Hotkey<T>,
    ) -> Result<Hotkey<T>, DispatchError> {
        let mut earned = 0u64;
        for netid in record.networks.iter().copied() {
            let uid = Self::uid_of(netid, hotkey)?;
            earned = Self::sum(earned, Self::take_earned(netid, uid)?)?;
        }
        record.stake = Self::sum(record.stake, earned)?;
        Self::change_total_stake(|total| total.checked_add(earned))?;
        TotalEarned::<T>::try_mutate(|total| {
            *total = total
                .checked_sub(earned)
                .ok_or(Error::<T>::BrokenInvariant)?;
            Ok::<_, Error<T>>(())
        })?;
        Ok(record)
    }

    fn take_earned(netid: NetId, uid: crate::Uid) -> Result<u64, DispatchError> {
        EarnedColumn::<T>::try_mutate(netid, |earned| {
            let amount = column::at::<T, _>(earned, uid)?;
            column::put::<T, _>(earned, uid, 0)?;
            Ok(amount)
        })
    }

    /// Stores `record`, and its stake in the column of every network it is in. A hotkey with nothing on it and no neuron
    /// leaves nothing behind.
    pub(crate) fn store_hotkey(hotkey: &T::AccountId, record: Hotkey<T>) -> DispatchResult {
        if record.stake == 0 && record.networks.is_empty() {
            Hotkeys::<T>::remove(hotkey);
            return Ok(());
        }
        for netid in record.networks.iter().copied() {
            let uid = Self::uid_of(netid, hotkey)?;
            StakeColumn::<T>::try_mutate(netid, |stake| {
                column::put::<T, _>(stake, uid, record.stake)
            })?;
        }
        Hotkeys::<T>::insert(hotkey, record);
        Ok(())
    }

    pub(crate) fn change_total_stake(change: impl FnOnce(u64) -> Option<u64>) -> DispatchResult {
        TotalStake::<T>::try_mutate(|total| {
            *total = change(*total).ok_or(Error::<T>::BrokenInvariant)?;
            Ok(())
        })
    }

    /// A sum of amounts of the token. It cannot overflow while issuance fits 64 bits.
    pub(crate) fn sum(a: u64, b: u64) -> Result<u64, Error<T>> {
        a.checked_add(b).ok_or(Error::<T>::BrokenInvariant)
    }

    /// What the pot has to hold.
    pub fn pot_should_hold() -> u64 {
        let pending: u64 = crate::Schedule::<T>::get()
            .iter()
            .map(|slot| slot.pending)
            .sum();
        T::Currency::minimum_balance()
            .saturating_add(TotalStake::<T>::get())
            .saturating_add(TotalEarned::<T>::get())
            .saturating_add(pending)
    }
}
