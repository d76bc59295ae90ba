//! Rows of weights, masked and normalised.
//!
//! `W_ij = w_ij / Σ_j w_ij` over the weights that [`crate::masks`] let through, rounded up to 31 fractional bits.
//!
//! The origin summed a row in a type that overflows beyond 32,768 full weights, and then left the row as it was.

use alloc::vec::Vec;

use crate::{
    Entry, EpochInputs, Uid, WeightRow,
    fixed::low_u32,
    masks,
    sparse::{FILL, Opinion, Sparse},
};

/// The matrix W, and beside it the old bonds. A weight that does not count is zero.
pub(crate) fn load(inputs: &EpochInputs<'_>, counts: impl Fn(usize) -> bool) -> Sparse {
    let rows: Vec<(Uid, Option<&WeightRow<'_>>, &[Entry])> = raters(inputs)
        .map(|(rater, rating, held)| {
            let usable = masks::is_permitted(inputs, rater.index()) && counts(rater.index());
            (rater, rating.filter(|_| usable), held)
        })
        .collect();
    let entries = rows
        .iter()
        .map(|(_, rating, held)| {
            let rated = rating.map_or(0, |row| row.entries.len());
            inputs.n().min(FILL * rated.max(held.len()))
        })
        .sum();
    let mut weights = Sparse::with_capacity(rows.len(), entries);
    let mut registered_at = inputs.registered_at.to_vec();
    let newest = registered_at.iter().copied().max().unwrap_or(0);
    for (rater, rating, held) in rows {
        let Some(rating) = rating else {
            weights.push_row(rater, &[], held);
            continue;
        };
        let mut row = weights.push_row(rater, rating.entries, held);
        let before = masks::rates_those_registered_before(rating);
        if newest >= before {
            row.for_each(&mut registered_at, |registered_at, opinion| {
                if *registered_at >= before {
                    opinion.value = 0;
                }
            });
        }
        if !inputs.is_owner(rater.index())
            && let Some(own) = row.get_mut(rater)
        {
            own.value = 0;
        }
        normalise(row.opinions);
    }
    weights
}

/// Every rater with its row of weights and its old bonds, ascending. Either may be missing.
fn raters<'a>(
    inputs: &EpochInputs<'a>,
) -> impl Iterator<Item = (Uid, Option<&'a WeightRow<'a>>, &'a [Entry])> {
    let mut weights = inputs.weights.iter().peekable();
    let mut bonds = inputs.bonds.iter().peekable();
    core::iter::from_fn(move || {
        let rating = weights.peek().map(|row| row.rater);
        let held = bonds.peek().map(|row| row.rater);
        let rater = [rating, held].into_iter().flatten().min()?;
        let rating = weights.next_if(|row| row.rater == rater);
        let held = bonds
            .next_if(|row| row.rater == rater)
            .map_or(&[][..], |row| row.entries);
        Some((rater, rating, held))
    })
}

/// Divides by the sum of a row, of at most 65,535² unless nothing is left of it.
fn normalise(row: &mut [Opinion]) {
    let sum = row.iter().map(|opinion| u64::from(opinion.value)).sum();
    let Some(reciprocal) = (1_u64 << 63).checked_div(sum) else {
        return;
    };
    for Opinion { value, .. } in row {
        // value ≤ sum, so that the product is at most 2⁶³ and the quotient at most 2³¹.
        *value = low_u32((u64::from(*value) * reciprocal + u64::from(u32::MAX)) >> 32);
    }
}
