//! Bonds: what a validator holds in each server, which pays it dividends out of the server's incentive.
//!
//! Three modes, one file each. Old bonds lie beside the weights, and new ones take the places of weights, so that a bond
//! on a server that is no longer rated goes on as one with a weight of zero, however the zero is written. (In the origin
//! such a bond vanished at once, if its weight was left out and the rate was liquid.)

pub mod absolute;
pub mod liquid;
pub mod relative;

use alloc::{vec, vec::Vec};

use crate::{Entry, Uid, fixed, sparse::Sparse};

/// Bonds as they are stored: of those who keep a permit, out of 65,535 as `round(column, bond)` makes them, without zeros.
fn stored<C>(
    bonds: &Sparse,
    permits: &[bool],
    columns: impl Iterator<Item = C>,
    round: impl Fn(&C, u32) -> u16,
) -> Vec<(Uid, Vec<Entry>)> {
    let mut columns: Vec<(Uid, C)> = (0..).map(Uid).zip(columns).collect();
    let mut rows = Vec::with_capacity(bonds.len());
    for row in bonds.rows().filter(|row| permits[row.rater]) {
        let mut entries = vec![Entry::default(); row.opinions.len()];
        let mut kept = 0;
        row.for_each(&mut columns, |(uid, column), opinion| {
            let bond = round(column, opinion.value);
            entries[kept] = (*uid, bond);
            kept += usize::from(bond > 0);
        });
        entries.truncate(kept);
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
