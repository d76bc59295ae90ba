//! The epoch of one network: load, compute, store.
//!
//! ```text
//! stake, weights, bonds, last update ──► EpochInputs ──► incentive::epoch ──► EpochOutcome ──► bonds, scores, earnings
//! ```
//!
//! Only neurons with a validator permit have a say, so only their rows are read: one access per column, two per validator.
//! Everything that can fail comes before the first write; what fails leaves the network as it was.

use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode};
use frame_support::{
    BoundedVec,
    traits::{Get, fungible::Mutate, tokens::Preservation},
};
use incentive::{EpochInputs, EpochOutcome, Row, WeightRow};
use scale_info::TypeInfo;

use crate::{
    BondRows, Config, EarnedColumn, EmissionColumn, Hyperparameters, NetId, Network, Networks,
    Pallet, PermitColumn, RegisteredColumn, ScoreColumns, StakeColumn, TotalEarned, Uid,
    WeightRows,
    column::{Column, Scores},
    weight_matrix::{Entries, StoredRow},
};

/// Why an epoch did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum EpochError {
    /// The incentive function refused its input; the node's log says why.
    Incentive,
    /// Storage is not as it has to be: a column is too long, or the network or its hyperparameters are gone.
    BrokenInvariant,
}

/// How much an epoch had to look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EpochSize {
    /// Neurons.
    pub neurons: u32,
    /// Neurons with a validator permit.
    pub validators: u32,
    /// Weights and bonds in their rows.
    pub entries: u32,
}

impl<T: Config> Pallet<T> {
    /// Runs the epoch of `netid` in block `now` and pays out `emission`.
    ///
    /// Gives how much there was to look at, and what could not be paid, for the next epoch.
    pub(crate) fn run_epoch(
        netid: NetId,
        params: &Hyperparameters,
        emission: u64,
        now: u32,
    ) -> (EpochSize, Result<u64, EpochError>) {
        let Some(network) = Networks::<T>::get(netid) else {
            return (EpochSize::default(), Err(EpochError::BrokenInvariant));
        };
        let state = EpochState::<T>::load(netid, &network);
        let computed = state.compute(&network, params, emission, now);
        let result = computed.and_then(|outcome| state.store(netid, network, outcome, now));
        (state.size(), result)
    }
}

/// What storage says of a network at the start of its epoch. Plain values, in uid order.
pub(crate) struct EpochState<T: Config> {
    stake: Vec<u64>,
    earned: Column<T, u64>,
    registered_at: Vec<u64>,
    last_update: Vec<u64>,
    permits: Column<T, bool>,
    weights: Vec<(Uid, StoredRow<T>)>,
    bonds: Vec<(Uid, Entries<T>)>,
}

impl<T: Config> EpochState<T> {
    pub(crate) fn load(netid: NetId, network: &Network<T>) -> Self {
        let earned = EarnedColumn::<T>::get(netid);
        let stake = StakeColumn::<T>::get(netid)
            .iter()
            .zip(earned.iter())
            .map(|(settled, earned)| settled.saturating_add(*earned))
            .collect();
        let registered_at: Vec<u64> = RegisteredColumn::<T>::get(netid)
            .iter()
            .map(|block| u64::from(*block))
            .collect();
        let permits = PermitColumn::<T>::get(netid);
        let permitted = || {
            (0..network.n_neurons)
                .map(Uid)
                .zip(permits.iter())
                .filter(|(_, permit)| **permit)
                .map(|(uid, _)| uid)
        };
        let weights: Vec<_> = permitted()
            .filter_map(|uid| WeightRows::<T>::get(netid, uid).map(|row| (uid, row)))
            .collect();
        let bonds = permitted()
            .map(|uid| (uid, BondRows::<T>::get(netid, uid)))
            .filter(|(_, row)| !row.is_empty())
            .collect();

        let mut last_update = registered_at.clone();
        for (uid, row) in &weights {
            if let Some(block) = last_update.get_mut(usize::from(uid.0)) {
                *block = (*block).max(u64::from(row.updated_at));
            }
        }
        Self {
            stake,
            earned,
            registered_at,
            last_update,
            permits,
            weights,
            bonds,
        }
    }

    /// What the incentive function says of this state.
    pub(crate) fn compute(
        &self,
        network: &Network<T>,
        params: &Hyperparameters,
        emission: u64,
        now: u32,
    ) -> Result<EpochOutcome, EpochError> {
        let weights: Vec<_> = self
            .weights
            .iter()
            .map(|(rater, row)| WeightRow {
                rater: *rater,
                updated_at: u64::from(row.updated_at),
                committed_at: None,
                entries: &row.entries,
            })
            .collect();
        let bonds: Vec<_> = self
            .bonds
            .iter()
            .map(|(rater, entries)| Row {
                rater: *rater,
                entries,
            })
            .collect();
        let inputs = EpochInputs {
            block: u64::from(now),
            previous_epoch: u64::from(network.previous_epoch),
            stake: &self.stake,
            registered_at: &self.registered_at,
            last_update: &self.last_update,
            permits: &self.permits,
            owner: None,
            weights: &weights,
            bonds: &bonds,
            emission,
        };
        let params = params.epoch_params(network.owner.as_ref());
        incentive::epoch(&inputs, &params).map_err(|error| {
            log::error!(target: "metagraph", "the incentive function refused its input: {error}");
            EpochError::Incentive
        })
    }

    /// Writes what the epoch decided. Gives what could not be paid.
    fn store(
        &self,
        netid: NetId,
        mut network: Network<T>,
        outcome: EpochOutcome,
        now: u32,
    ) -> Result<u64, EpochError> {
        // What would be left if the owner could not be paid. That shows only at the end.
        let left_with_cut = outcome
            .unpaid
            .checked_add(outcome.owner_emission)
            .ok_or(EpochError::BrokenInvariant)?;
        let pay = self.pay(&outcome)?;
        let earned = self.earned_after(&pay)?;
        let paid = sum(&pay)?;
        let total_earned = TotalEarned::<T>::get()
            .checked_add(paid)
            .ok_or(EpochError::BrokenInvariant)?;
        let permits = column::<T, _>(outcome.permits)?;
        let emission = column::<T, _>(pay)?;
        let scores = Scores {
            rank: column::<T, _>(outcome.rank)?,
            trust: column::<T, _>(outcome.trust)?,
            consensus: column::<T, _>(outcome.consensus)?,
            incentive: column::<T, _>(outcome.incentive)?,
            dividends: column::<T, _>(outcome.dividends)?,
            validator_trust: column::<T, _>(outcome.validator_trust)?,
        };
        let bonds = outcome
            .bonds
            .into_iter()
            .map(|(rater, row)| Ok((rater, column::<T, _>(row)?)))
            .collect::<Result<Vec<_>, EpochError>>()?;

        for (rater, _) in &self.bonds {
            if bonds
                .binary_search_by_key(rater, |(kept, _)| *kept)
                .is_err()
            {
                BondRows::<T>::remove(netid, rater);
            }
        }
        for (rater, row) in bonds {
            BondRows::<T>::insert(netid, rater, row);
        }
        EarnedColumn::<T>::insert(netid, earned);
        TotalEarned::<T>::put(total_earned);
        PermitColumn::<T>::insert(netid, permits);
        EmissionColumn::<T>::insert(netid, emission);
        ScoreColumns::<T>::insert(netid, scores);
        network.previous_epoch = now;
        let owner = network.owner.clone();
        Networks::<T>::insert(netid, network);
        match pay_owner::<T>(owner, outcome.owner_emission) {
            Ok(()) => Ok(outcome.unpaid),
            Err(CannotBePaid) => Ok(left_with_cut),
        }
    }

    fn pay(&self, outcome: &EpochOutcome) -> Result<Vec<u64>, EpochError> {
        outcome
            .server_emission
            .iter()
            .zip(&outcome.validator_emission)
            .map(|(server, validator)| server.checked_add(*validator))
            .collect::<Option<Vec<_>>>()
            .ok_or(EpochError::BrokenInvariant)
    }

    fn earned_after(&self, pay: &[u64]) -> Result<Column<T, u64>, EpochError> {
        let earned = self
            .earned
            .iter()
            .zip(pay)
            .map(|(before, more)| before.checked_add(*more))
            .collect::<Option<Vec<_>>>()
            .ok_or(EpochError::BrokenInvariant)?;
        column::<T, _>(earned)
    }

    pub(crate) fn size(&self) -> EpochSize {
        let weights: usize = self.weights.iter().map(|(_, row)| row.entries.len()).sum();
        let bonds: usize = self.bonds.iter().map(|(_, row)| row.len()).sum();
        let validators = self.permits.iter().filter(|permit| **permit).count();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        EpochSize {
            neurons: count(self.stake.len()),
            validators: count(validators),
            entries: count(weights.saturating_add(bonds)),
        }
    }
}

/// There is no owner, or its account would stay below the existential deposit: its cut waits for the next epoch.
struct CannotBePaid;

/// Pays the network's owner out of the pot.
fn pay_owner<T: Config>(owner: Option<T::AccountId>, amount: u64) -> Result<(), CannotBePaid> {
    let owner = owner.ok_or(CannotBePaid)?;
    T::Currency::transfer(&Pallet::<T>::pot(), &owner, amount, Preservation::Preserve)
        .map(|_| ())
        .map_err(|_| CannotBePaid)
}

fn sum(amounts: &[u64]) -> Result<u64, EpochError> {
    amounts
        .iter()
        .try_fold(0u64, |total, amount| total.checked_add(*amount))
        .ok_or(EpochError::BrokenInvariant)
}

fn column<T: Config, V>(values: Vec<V>) -> Result<BoundedVec<V, T::MaxNeurons>, EpochError> {
    debug_assert!(values.len() <= T::MaxNeurons::get() as usize);
    BoundedVec::try_from(values).map_err(|_| EpochError::BrokenInvariant)
}
