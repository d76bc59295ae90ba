//! Bonds: what a validator holds in each server, which pays it dividends out of the server's incentive.
//!
//! Three modes, one file each. What they share is here: rows of old bonds and of weights are walked together, so that a
//! bond on a server that is no longer rated goes on as one with a weight of zero, however the zero is written. (In the
//! origin such a bond vanished at once, if its weight was left out and the rate was liquid.)

pub mod absolute;
pub mod liquid;
pub mod relative;

use alloc::vec::Vec;

use crate::{
    Entry, EpochInputs, Uid, fixed,
    sparse::{Sparse, SparseRow},
    stake::Voting,
};

/// Rows of bonds and rows of weights of the same rater, by ascending rater. Either may be empty.
fn raters<'a>(
    bonds: &'a [crate::Row<'a>],
    weights: &'a Sparse,
) -> impl Iterator<Item = (&'a [Entry], SparseRow<'a>)> {
    let mut bonds = bonds.iter().peekable();
    let mut weights = weights.rows().peekable();
    core::iter::from_fn(move || {
        let held = bonds.peek().map(|row| row.rater.index());
        let rating = weights.peek().map(|row| row.rater);
        let rater = [held, rating].into_iter().flatten().min()?;
        let held = bonds
            .next_if(|row| row.rater.index() == rater)
            .map_or(&[][..], |row| row.entries);
        let rating = weights
            .next_if(|row| row.rater == rater)
            .unwrap_or(SparseRow {
                rater,
                uids: &[],
                values: &[],
            });
        Some((held, rating))
    })
}

/// The new bonds: `update(share, rated, bond, weight)` for everything that is in the row of old bonds or in that of
/// weights, with the rater's share of voting stake.
#[inline]
fn update(
    inputs: &EpochInputs<'_>,
    weights: &Sparse,
    voting: &Voting,
    mut update: impl FnMut(u64, usize, u16, u32) -> u32,
) -> Sparse {
    let held: usize = inputs.bonds.iter().map(|row| row.entries.len()).sum();
    let rows = inputs.bonds.len() + weights.len();
    let mut bonds = Sparse::with_capacity(rows, held + weights.entries());
    for (held, rating) in raters(inputs.bonds, weights) {
        let share = u64::from(voting.shares[rating.rater]);
        bonds.push_row(rating.rater, |uids, values| {
            union(held, rating, uids, values, |rated, bond, weight| {
                update(share, usize::from(rated), bond, weight)
            });
        });
    }
    bonds
}

/// Appends every uid of either row, ascending, and `update(uid, bond, weight)`, with zero for what is in one row only.
///
/// Rows of one validator have mostly the same uids, so that this goes from one run of equal uids to the next.
#[inline]
fn union(
    mut held: &[Entry],
    rating: SparseRow<'_>,
    uids: &mut Vec<u16>,
    values: &mut Vec<u32>,
    mut update: impl FnMut(u16, u16, u32) -> u32,
) {
    let (mut rated, mut weights) = (rating.uids, rating.values);
    loop {
        let same = held
            .iter()
            .zip(rated)
            .take_while(|((Uid(a), _), b)| a == *b)
            .count();
        let (both, only_held) = held.split_at(same);
        let (buying, only_rated) = weights.split_at(same);
        uids.extend_from_slice(&rated[..same]);
        values.extend(
            both.iter()
                .zip(buying)
                .map(|(&(Uid(uid), bond), &weight)| update(uid, bond, weight)),
        );
        (held, rated, weights) = (only_held, &rated[same..], only_rated);
        match (held.first(), rated.first()) {
            (None, None) => break,
            (Some(&(Uid(uid), bond)), next) if next.is_none_or(|&next| uid < next) => {
                uids.push(uid);
                values.push(update(uid, bond, 0));
                held = &held[1..];
            }
            (_, Some(&uid)) => {
                uids.push(uid);
                values.push(update(uid, 0, weights[0]));
                (rated, weights) = (&rated[1..], &weights[1..]);
            }
            // Without an uid that is rated, the one that is held comes next, as above.
            (Some(_), None) => break,
        }
    }
}

/// Bonds as they are stored: of those who keep a permit, out of 65,535, without zeros.
fn stored(
    bonds: &Sparse,
    permits: &[bool],
    round: impl Fn(usize, u32) -> u16,
) -> Vec<(Uid, Vec<Entry>)> {
    let mut rows = Vec::with_capacity(bonds.len());
    for row in bonds.rows().filter(|row| permits[row.rater]) {
        let mut entries: Vec<Entry> = row
            .uids
            .iter()
            .zip(row.values)
            .map(|(&uid, &bond)| (Uid(uid), round(usize::from(uid), bond)))
            .collect();
        // Mostly there is none, and looking is cheaper than moving.
        if entries.iter().any(|&(_, bond)| bond == 0) {
            entries.retain(|&(_, bond)| bond > 0);
        }
        if !entries.is_empty() {
            // A rater is a position among at most 65,535 neurons.
            rows.push((Uid(fixed::low_u16(row.rater as u64)), entries));
        }
    }
    rows
}

/// What a mode of bonds decides.
pub(crate) struct Bonds {
    /// To be stored.
    pub(crate) stored: Vec<(Uid, Vec<Entry>)>,
    /// What validators share the emission by, with 62 fractional bits. Adds up to less than 2⁶⁴.
    pub(crate) dividends: Vec<u64>,
}
