//! Per-network columns: one storage value holds one number of every neuron, in uid order.
//!
//! An epoch reads a column in one access, however many neurons there are. A call that needs one neuron's number reads
//! just its bytes (`peek`), so its cost does not grow with the network.
//!
//! The columns that registration touches move together: `append_columns`, `reset_columns` and
//! `pop_columns` are the only code that changes a column's length.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{
    BoundedVec, CloneNoBound, DebugNoBound, DefaultNoBound, EqNoBound, PartialEqNoBound,
};
use scale_info::TypeInfo;
use sp_runtime::DispatchError;

use crate::{
    Config, EarnedColumn, EmissionColumn, Error, NetId, Pallet, PermitColumn, RegisteredColumn,
    ScoreColumns, StakeColumn, Uid,
};

/// One number of every neuron of a network, in uid order.
pub type Column<T, V> = BoundedVec<V, <T as Config>::MaxNeurons>;

/// What the last epoch said of every neuron, in uid order. Fractions of 65535.
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
pub struct Scores<T: Config> {
    /// Stake-weighted sum of clipped weights, as a share of all.
    pub rank: Column<T, u16>,
    /// What is left of the rank after clipping.
    pub trust: Column<T, u16>,
    /// The weight that a majority of stake supports.
    pub consensus: Column<T, u16>,
    /// Share in what servers are paid.
    pub incentive: Column<T, u16>,
    /// Share in what validators are paid.
    pub dividends: Column<T, u16>,
    /// What is left of a validator's row after clipping.
    pub validator_trust: Column<T, u16>,
}

impl<T: Config> Scores<T> {
    /// The six columns, to treat them alike.
    pub fn columns(&self) -> [&Column<T, u16>; 6] {
        [
            &self.rank,
            &self.trust,
            &self.consensus,
            &self.incentive,
            &self.dividends,
            &self.validator_trust,
        ]
    }

    fn columns_mut(&mut self) -> [&mut Column<T, u16>; 6] {
        [
            &mut self.rank,
            &mut self.trust,
            &mut self.consensus,
            &mut self.incentive,
            &mut self.dividends,
            &mut self.validator_trust,
        ]
    }
}

/// One neuron's number out of a stored column, without reading the others.
///
/// SCALE writes a vector as its compact length and then its elements, all of one width, so the place of an element is
/// known. `None` where the column is shorter.
pub(crate) fn peek<V: Decode + MaxEncodedLen>(key: &[u8], uid: Uid) -> Option<V> {
    // The longest compact length of a `u16` count takes four bytes.
    let mut head = [0u8; 4];
    sp_io::storage::read(key, &mut head, 0)?;
    let mut rest = &head[..];
    let length = codec::Compact::<u32>::decode(&mut rest).ok()?.0;
    if u32::from(uid.0) >= length {
        return None;
    }
    let width = u32::try_from(V::max_encoded_len()).ok()?;
    let prefix = u32::try_from(head.len().checked_sub(rest.len())?).ok()?;
    let place = u32::from(uid.0).checked_mul(width)?.checked_add(prefix)?;
    let mut bytes = alloc::vec![0u8; V::max_encoded_len()];
    sp_io::storage::read(key, &mut bytes, place)?;
    V::decode(&mut &bytes[..]).ok()
}

/// The element of `uid`, or an error that names a broken invariant.
pub(crate) fn at<T: Config, V: Copy>(column: &[V], uid: Uid) -> Result<V, Error<T>> {
    column
        .get(usize::from(uid.0))
        .copied()
        .ok_or(Error::<T>::BrokenInvariant)
}

/// Puts `value` in the place of `uid`.
pub(crate) fn put<T: Config, V>(
    column: &mut Column<T, V>,
    uid: Uid,
    value: V,
) -> Result<(), Error<T>> {
    let place = column
        .get_mut(usize::from(uid.0))
        .ok_or(Error::<T>::BrokenInvariant)?;
    *place = value;
    Ok(())
}

fn push<T: Config, V>(column: &mut Column<T, V>, value: V) -> Result<(), Error<T>> {
    column
        .try_push(value)
        .map_err(|_| Error::<T>::BrokenInvariant)
}

impl<T: Config> Pallet<T> {
    /// Gives a new neuron its place at the end of every column.
    pub(crate) fn append_columns(netid: NetId, stake: u64, now: u32) -> Result<(), DispatchError> {
        StakeColumn::<T>::try_mutate(netid, |column| push::<T, _>(column, stake))?;
        EarnedColumn::<T>::try_mutate(netid, |column| push::<T, _>(column, 0))?;
        RegisteredColumn::<T>::try_mutate(netid, |column| push::<T, _>(column, now))?;
        PermitColumn::<T>::try_mutate(netid, |column| push::<T, _>(column, false))?;
        EmissionColumn::<T>::try_mutate(netid, |column| push::<T, _>(column, 0))?;
        ScoreColumns::<T>::try_mutate(netid, |scores| {
            scores
                .columns_mut()
                .into_iter()
                .try_for_each(|c| push::<T, _>(c, 0))
        })?;
        Ok(())
    }

    /// Gives a new neuron the place `uid` of an old one: everything the old one had is forgotten.
    pub(crate) fn reset_columns(
        netid: NetId,
        uid: Uid,
        stake: u64,
        now: u32,
    ) -> Result<(), DispatchError> {
        StakeColumn::<T>::try_mutate(netid, |column| put::<T, _>(column, uid, stake))?;
        EarnedColumn::<T>::try_mutate(netid, |column| put::<T, _>(column, uid, 0))?;
        RegisteredColumn::<T>::try_mutate(netid, |column| put::<T, _>(column, uid, now))?;
        PermitColumn::<T>::try_mutate(netid, |column| put::<T, _>(column, uid, false))?;
        EmissionColumn::<T>::try_mutate(netid, |column| put::<T, _>(column, uid, 0))?;
        ScoreColumns::<T>::try_mutate(netid, |scores| {
            scores
                .columns_mut()
                .into_iter()
                .try_for_each(|c| put::<T, _>(c, uid, 0))
        })?;
        Ok(())
    }

    /// Takes the last neuron's place away.
    pub(crate) fn pop_columns(netid: NetId) {
        StakeColumn::<T>::mutate(netid, |column| column.pop());
        EarnedColumn::<T>::mutate(netid, |column| column.pop());
        RegisteredColumn::<T>::mutate(netid, |column| column.pop());
        PermitColumn::<T>::mutate(netid, |column| column.pop());
        EmissionColumn::<T>::mutate(netid, |column| column.pop());
        ScoreColumns::<T>::mutate(netid, |scores| {
            scores.columns_mut().map(|column| column.pop())
        });
    }

    /// Forgets the columns of a network that has no neuron left.
    pub(crate) fn drop_columns(netid: NetId) {
        StakeColumn::<T>::remove(netid);
        EarnedColumn::<T>::remove(netid);
        RegisteredColumn::<T>::remove(netid);
        PermitColumn::<T>::remove(netid);
        EmissionColumn::<T>::remove(netid);
        ScoreColumns::<T>::remove(netid);
    }

    /// Whether the last epoch gave `uid` a validator permit.
    ///
    /// # Errors
    /// [`Error::BrokenInvariant`] if the column has no place for this neuron.
    pub(crate) fn has_permit(netid: NetId, uid: Uid) -> Result<bool, Error<T>> {
        peek(&PermitColumn::<T>::hashed_key_for(netid), uid).ok_or(Error::<T>::BrokenInvariant)
    }

    /// The stake of `uid` as an epoch would see it now: settled and earned.
    ///
    /// # Errors
    /// [`Error::BrokenInvariant`] if a column has no place for this neuron.
    pub(crate) fn effective_stake(netid: NetId, uid: Uid) -> Result<u64, Error<T>> {
        let settled: Option<u64> = peek(&StakeColumn::<T>::hashed_key_for(netid), uid);
        let earned: Option<u64> = peek(&EarnedColumn::<T>::hashed_key_for(netid), uid);
        settled
            .zip(earned)
            .map(|(settled, earned)| settled.saturating_add(earned))
            .ok_or(Error::<T>::BrokenInvariant)
    }
}
