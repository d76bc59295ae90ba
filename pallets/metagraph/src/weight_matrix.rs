//! The weight matrix: what each neuron thinks each other is worth. Row `i` is what neuron `i` submitted.
//!
//! (FRAME calls the cost of a call its weight too. That one lives in `weights.rs`; here is the matrix W.)
//!
//! ```text
//! submitted row ──► WeightRow           sorted, no uid twice, something in it        by type
//!               ──► check_weights       what the network asks of this neuron now     no write
//!               ──► StoredRow           upscaled so that the largest weight is 65535
//! ```
//!
//! `check_weights` is one function with two callers: the dispatch, and the transaction extension that keeps out of the
//! pool what the dispatch would refuse. Its cost is linear in the row and independent of the network's size.

use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{
    BoundedVec, CloneNoBound, DebugNoBound, DefaultNoBound, EqNoBound, PartialEqNoBound,
    dispatch::Pays, ensure,
};
use incentive::Entry;
use scale_info::TypeInfo;
use sp_runtime::DispatchError;

use crate::{Config, Error, Event, Hyperparameters, NetId, Networks, Pallet, Uid, WeightRows};

/// Entries of a row as they are submitted and stored.
pub type Entries<T> = BoundedVec<Entry, <T as Config>::MaxNeurons>;

/// A row as a caller means it: strictly ascending uids, at least one weight above zero, zeros left out.
#[derive(CloneNoBound, DebugNoBound, PartialEqNoBound, EqNoBound)]
pub struct WeightRow<T: Config> {
    entries: Entries<T>,
    /// The highest uid that was named, a zero weight included: it has to exist.
    highest: Uid,
}

/// Why entries are no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowError {
    /// Uids have to ascend.
    Unsorted,
    /// A uid stands twice.
    DuplicateUid,
    /// No weight above zero.
    NoWeights,
}

impl<T: Config> TryFrom<Entries<T>> for WeightRow<T> {
    type Error = RowError;

    fn try_from(mut entries: Entries<T>) -> Result<Self, RowError> {
        for pair in entries.windows(2) {
            let [(before, _), (after, _)] = pair else {
                continue;
            };
            ensure!(before != after, RowError::DuplicateUid);
            ensure!(before < after, RowError::Unsorted);
        }
        let (highest, _) = *entries.last().ok_or(RowError::NoWeights)?;
        entries.retain(|(_, weight)| *weight > 0);
        ensure!(!entries.is_empty(), RowError::NoWeights);
        Ok(Self { entries, highest })
    }
}

impl<T: Config> WeightRow<T> {
    /// The entries, strictly ascending by uid, none of them zero.
    pub fn entries(&self) -> &Entries<T> {
        &self.entries
    }

    /// Whether this row says nothing but that `uid` values itself.
    fn is_only(&self, uid: Uid) -> bool {
        matches!(self.entries[..], [(only, _)] if only == uid)
    }

    /// Whether the largest weight is at most `limit`/65535 of the row's sum.
    #[expect(clippy::arithmetic_side_effects, reason = "64 bits for products of 48")]
    fn largest_share_within(&self, limit: u16) -> bool {
        let weights = || self.entries.iter().map(|(_, weight)| u64::from(*weight));
        // At most 65,535 weights of at most 65,535: the sum fits 32 bits, the products 48.
        let sum: u64 = weights().sum();
        let largest = weights().max().unwrap_or_default();
        largest * u64::from(u16::MAX) <= u64::from(limit) * sum
    }

    /// The same row, scaled so that its largest weight is 65535.
    ///
    /// # Rounding
    /// As [`incentive::max_upscale_to_u16`]; no weight becomes zero, because none shrinks.
    fn upscaled(mut self) -> Entries<T> {
        let weights: Vec<u16> = self.entries.iter().map(|(_, weight)| *weight).collect();
        let upscaled = incentive::max_upscale_to_u16(&weights);
        for ((_, weight), scaled) in self.entries.iter_mut().zip(upscaled) {
            *weight = scaled;
        }
        self.entries
    }
}

/// A row in storage.
#[derive(
    CloneNoBound,
    DebugNoBound,
    DefaultNoBound,
    PartialEqNoBound,
    EqNoBound,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
#[scale_info(skip_type_params(T))]
pub struct StoredRow<T: Config> {
    /// Block in which it was set.
    pub updated_at: u32,
    /// Strictly ascending by uid; the largest weight is 65535.
    pub entries: Entries<T>,
}

/// A row that its neuron may set now.
pub(crate) struct Admitted<T: Config> {
    /// Whose row it is.
    pub(crate) rater: Uid,
    pub(crate) row: WeightRow<T>,
    /// Whether it pays its fee: not where the network limits the rate, because only that keeps free calls few.
    pub(crate) pays: Pays,
}

impl<T: Config> From<RowError> for Error<T> {
    fn from(refused: RowError) -> Self {
        match refused {
            RowError::Unsorted => Self::UnsortedUids,
            RowError::DuplicateUid => Self::DuplicateUids,
            RowError::NoWeights => Self::NoWeights,
        }
    }
}

impl<T: Config> Pallet<T> {
    /// Stores the row of `hotkey`'s neuron. Gives whether it pays its fee.
    pub(crate) fn do_set_weights(
        hotkey: &T::AccountId,
        netid: NetId,
        entries: Entries<T>,
        version: u64,
    ) -> Result<Pays, DispatchError> {
        let Admitted { rater, row, pays } = Self::check_weights(hotkey, netid, entries, version)?;
        let stored = StoredRow {
            updated_at: Self::now(),
            entries: row.upscaled(),
        };
        WeightRows::<T>::insert(netid, rater, stored);
        Self::deposit_event(Event::WeightsSet { netid, uid: rater });
        Ok(pays)
    }

    /// The row, if `hotkey` may set it now.
    ///
    /// # Errors
    /// In this order: the row itself, the network, the neuron, its stake, the program's version, the rate, uids that do
    /// not exist, the permit, too few weights, one weight too large.
    pub(crate) fn check_weights(
        hotkey: &T::AccountId,
        netid: NetId,
        entries: Entries<T>,
        version: u64,
    ) -> Result<Admitted<T>, Error<T>> {
        let row = WeightRow::<T>::try_from(entries)?;
        let params = Self::live_hyperparameters(netid)?;
        let network = Networks::<T>::get(netid).ok_or(Error::<T>::NetworkNotFound)?;
        let rater = Self::uid_of(netid, hotkey)?;
        let on_self_only = row.is_only(rater);

        ensure!(
            on_self_only || Self::effective_stake(netid, rater)? >= params.min_stake,
            Error::<T>::NotEnoughStakeToSetWeights
        );
        ensure!(
            version >= params.weights_version,
            Error::<T>::OutdatedWeightsVersion
        );
        ensure!(
            Self::may_set_weights_again(netid, rater, &params),
            Error::<T>::SettingWeightsTooFast
        );
        ensure!(row.highest.0 < network.n_neurons, Error::<T>::UnknownUid);
        if !on_self_only {
            ensure!(
                Self::has_permit(netid, rater)?,
                Error::<T>::NoValidatorPermit
            );
            let enough = usize::from(params.min_weights.min(network.n_neurons));
            ensure!(row.entries.len() >= enough, Error::<T>::NotEnoughWeights);
            ensure!(
                row.largest_share_within(params.max_weight),
                Error::<T>::WeightTooLarge
            );
        }
        let pays = match params.weights_rate_limit {
            0 => Pays::Yes,
            _ => Pays::No,
        };
        Ok(Admitted { rater, row, pays })
    }

    fn may_set_weights_again(netid: NetId, uid: Uid, params: &Hyperparameters) -> bool {
        match Self::weights_updated_at(netid, uid) {
            None => true,
            Some(updated_at) => Self::now() >= updated_at.saturating_add(params.weights_rate_limit),
        }
    }

    /// When `uid` last set weights, from the first four bytes of its row.
    pub(crate) fn weights_updated_at(netid: NetId, uid: Uid) -> Option<u32> {
        let mut bytes = [0u8; 4];
        sp_io::storage::read(&WeightRows::<T>::hashed_key_for(netid, uid), &mut bytes, 0)?;
        Some(u32::from_le_bytes(bytes))
    }
}
