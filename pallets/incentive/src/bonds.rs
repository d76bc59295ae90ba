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
    Entry, EpochInputs, Uid,
    sparse::{Sparse, SparseRow},
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

/// The new bonds: `update(rater, rated, bond, weight)` for everything that is in the row of old bonds or in that of
/// weights. Bonds of zero are left out.
fn update(
    inputs: &EpochInputs<'_>,
    weights: &Sparse,
    mut update: impl FnMut(usize, usize, u16, u32) -> u32,
) -> Sparse {
    let held: usize = inputs.bonds.iter().map(|row| row.entries.len()).sum();
    let rows = inputs.bonds.len() + weights.len();
    let mut bonds = Sparse::with_capacity(rows, held + weights.entries());
    for (held, rating) in raters(inputs.bonds, weights) {
        let rater = rating.rater;
        let room = held.len() + rating.uids.len();
        bonds.push_row(rater, room, |uids, values| {
            let mut length = 0;
            union(held, rating, |rated, bond, weight| {
                let bond = update(rater, usize::from(rated), bond, weight);
                uids[length] = rated;
                values[length] = bond;
                length += usize::from(bond > 0);
            });
            length
        });
    }
    bonds
}

/// Visits `(uid, bond, weight)` by ascending uid, with zero for what is in one row only.
#[inline]
fn union(held: &[Entry], rating: SparseRow<'_>, mut visit: impl FnMut(u16, u16, u32)) {
    let mut held = held.iter();
    let mut rating = rating.uids.iter().zip(rating.values);
    let (mut bond, mut weight) = (held.next(), rating.next());
    loop {
        match (bond, weight) {
            (Some(&(Uid(a), value)), Some((&b, &of))) => {
                if a == b {
                    visit(a, value, of);
                    (bond, weight) = (held.next(), rating.next());
                } else if a < b {
                    visit(a, value, 0);
                    bond = held.next();
                } else {
                    visit(b, 0, of);
                    weight = rating.next();
                }
            }
            (Some(&(Uid(a), value)), None) => {
                visit(a, value, 0);
                bond = held.next();
            }
            (None, Some((&b, &of))) => {
                visit(b, 0, of);
                weight = rating.next();
            }
            (None, None) => break,
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
        let mut entries: Vec<Entry> = Vec::with_capacity(row.uids.len());
        entries.extend(
            row.uids
                .iter()
                .zip(row.values)
                .map(|(&uid, &bond)| (Uid(uid), round(usize::from(uid), bond)))
                .filter(|&(_, bond)| bond > 0),
        );
        if !entries.is_empty() {
            // A rater is a position among at most 65,535 neurons.
            rows.push((Uid(crate::fixed::low_u16(row.rater as u64)), entries));
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
