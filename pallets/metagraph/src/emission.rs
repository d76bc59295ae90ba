//! Emission: how much each block mints, how networks share it, and when each network's epoch is due.
//!
//! ```text
//! block:  mint e(issuance) into the pot ──► split over networks by share ──► pending of each
//! epoch:  pending of one network ──► its neurons' earnings
//! ```
//!
//! Emission halves each time issuance passes another half of what is left to the cap:
//! `e = base >> k` with the largest `k` for which `issuance ≥ cap · (1 − 2^-k)`; never more than what is left.
//! Tokens that are recycled (registrations, fees) can be emitted again.
//!
//! At most one epoch runs in a block. Networks are staggered by id, so that those of one tempo fall on different blocks;
//! where two are due nevertheless, the one that has waited longest goes first, and among equals the lower id.

use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{
    BoundedVec,
    traits::{
        Get,
        fungible::{Inspect, Mutate},
    },
    weights::Weight,
};
use scale_info::TypeInfo;

use crate::{
    Config, EpochError, EpochSize, Event, Hyperparameters, NetId, NetworkParameters, Pallet,
    Schedule, WeightInfo,
};

/// All networks in service, ascending by id.
pub type Slots<T> = BoundedVec<Slot, <T as Config>::MaxNetworks>;

/// A network's place in the schedule.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct Slot {
    /// The network.
    pub netid: NetId,
    /// Copy of its hyperparameter, so that a block does not read them all.
    pub emission_share: u16,
    /// Emission since its last epoch, in units: what the next one pays.
    pub pending: u64,
    /// The first block in which its epoch is due.
    pub next_epoch: u32,
}

/// The first block after `now` in which a network of this tempo and id is due: the sum of block and id is then a multiple
/// of the tempo.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "64 bits for sums and products of 32 and 16, and a tempo of at least 1; due > now + netid - netid"
)]
pub(crate) fn epoch_after(now: u32, tempo: u32, netid: NetId) -> u32 {
    let tempo = u64::from(tempo.max(1));
    let shifted = u64::from(now) + u64::from(netid.0);
    let due = (shifted / tempo + 1) * tempo - u64::from(netid.0);
    u32::try_from(due).unwrap_or(u32::MAX)
}

/// Units that a block mints at this issuance. `base` and `cap` in units.
pub fn block_emission(issuance: u64, base: u64, cap: u64) -> u64 {
    let left = cap.saturating_sub(issuance);
    if left == 0 {
        return 0;
    }
    let halvings = (1..u64::BITS).take_while(|k| left <= cap >> k).count();
    let emission = u32::try_from(halvings)
        .ok()
        .and_then(|k| base.checked_shr(k))
        .unwrap_or(0);
    emission.min(left)
}

impl<T: Config> Pallet<T> {
    /// The work of a block before its extrinsics: mint, share out, and run the epoch that has waited longest.
    ///
    /// Gives what it cost, by the sizes that it met.
    pub(crate) fn begin_block(now: u32) -> Weight {
        let mut slots = Schedule::<T>::get();
        let n_networks = u32::try_from(slots.len()).unwrap_or(u32::MAX);
        let mut weight = T::WeightInfo::begin_block(n_networks);

        Self::mint_and_share(&mut slots);
        if let Some(due) = Self::choose_epoch(&slots, now) {
            weight = weight.saturating_add(Self::run_slot(&mut slots, due, now));
        }
        Schedule::<T>::put(slots);
        weight
    }

    fn mint_and_share(slots: &mut Slots<T>) {
        let shares: Vec<u64> = slots
            .iter()
            .map(|slot| u64::from(slot.emission_share))
            .collect();
        if shares.iter().all(|share| *share == 0) {
            return;
        }
        let emission = Self::emission_now();
        if emission == 0 {
            return;
        }
        let Ok(parts) = incentive::largest_remainder(emission, &shares) else {
            frame_support::defensive!("at most 2^16 networks of at most 2^16 shares fit 64 bits");
            return;
        };
        if let Err(error) = T::Currency::mint_into(&Self::pot(), emission) {
            frame_support::defensive!("emission below the cap cannot be minted", error);
            return;
        }
        for (slot, part) in slots.iter_mut().zip(parts) {
            slot.pending = slot.pending.saturating_add(part);
        }
    }

    /// What this block mints.
    pub fn emission_now() -> u64 {
        block_emission(
            T::Currency::total_issuance(),
            T::BlockEmission::get(),
            T::MaxIssuance::get(),
        )
    }

    /// Which epoch runs now. The others that became due in this very block are deferred, and say so.
    fn choose_epoch(slots: &Slots<T>, now: u32) -> Option<usize> {
        let (chosen, _) = slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.next_epoch <= now)
            .min_by_key(|(_, slot)| (slot.next_epoch, slot.netid))?;
        for (place, slot) in slots.iter().enumerate() {
            if slot.next_epoch == now && place != chosen {
                Self::deposit_event(Event::EpochDeferred { netid: slot.netid });
            }
        }
        Some(chosen)
    }

    fn run_slot(slots: &mut Slots<T>, place: usize, now: u32) -> Weight {
        let Some(slot) = slots.get_mut(place) else {
            return Weight::zero();
        };
        let netid = slot.netid;
        let params = NetworkParameters::<T>::get(netid);
        // Before anything can fail: who kept its date would be chosen again in every block, and nobody else.
        let tempo = params
            .as_ref()
            .map_or_else(|| Hyperparameters::default().tempo, |params| params.tempo);
        slot.next_epoch = epoch_after(now, tempo, netid);
        let (size, result) = match params {
            Some(params) => Self::run_epoch(netid, &params, slot.pending, now),
            None => (EpochSize::default(), Err(EpochError::BrokenInvariant)),
        };
        match result {
            Ok(left) => {
                let paid = slot.pending.saturating_sub(left);
                slot.pending = left;
                Self::deposit_event(Event::EpochCompleted { netid, paid });
            }
            Err(error) => Self::deposit_event(Event::EpochFailed { netid, error }),
        }
        T::WeightInfo::epoch(size.neurons, size.validators, size.entries)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CAP: u64 = 21_000_000_000_000_000;
    const BASE: u64 = 1_000_000_000;

    #[test]
    fn emission_halves_at_each_half_of_what_is_left() {
        for (issuance, expected) in [
            (0, BASE),
            (CAP / 2 - 1, BASE),
            (CAP / 2, BASE / 2),
            (CAP / 4 * 3 - 1, BASE / 2),
            (CAP / 4 * 3, BASE / 4),
            (CAP / 8 * 7, BASE / 8),
            (CAP - 1, 0),
            (CAP, 0),
            (u64::MAX, 0),
        ] {
            assert_eq!(
                block_emission(issuance, BASE, CAP),
                expected,
                "at issuance {issuance}"
            );
        }
    }

    #[test]
    fn the_last_block_mints_no_more_than_is_left() {
        assert_eq!(block_emission(90, 1_000, 100), 10);
        assert_eq!(block_emission(99, 1_000, 100), 1);
    }

    #[test]
    fn networks_of_one_tempo_are_due_in_different_blocks() {
        let due: Vec<_> = (0..10)
            .map(|netid| epoch_after(1_000, 360, NetId(netid)))
            .collect();
        assert_eq!(
            due,
            [
                1_080, 1_079, 1_078, 1_077, 1_076, 1_075, 1_074, 1_073, 1_072, 1_071
            ]
        );
    }

    proptest! {
        #[test]
        fn an_epoch_is_due_within_one_tempo(now in 0u32..u32::MAX / 2, tempo in 1u32..50_401, netid: u16) {
            let due = epoch_after(now, tempo, NetId(netid));
            prop_assert!(due > now);
            prop_assert!(due - now <= tempo);
            prop_assert_eq!((u64::from(due) + u64::from(netid)) % u64::from(tempo), 0);
        }

        #[test]
        fn issuance_never_passes_the_cap(issuance: u64, base: u64, cap: u64) {
            let minted = block_emission(issuance, base, cap);
            prop_assert!(minted <= base);
            prop_assert!(minted == 0 || issuance + minted <= cap);
        }
    }
}
