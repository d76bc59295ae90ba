//! Rows of weights, masked and normalised.
//!
//! `W_ij = w_ij / Σ_j w_ij` over the weights that [`crate::masks`] let through, rounded up to 31 fractional bits.
//!
//! The origin summed a row in a type that overflows beyond 32,768 full weights, and then left the row as it was.

use crate::{EpochInputs, WeightRow, fixed::low_u32, masks, sparse::Sparse};

/// The matrix W. A weight that does not count is zero.
pub(crate) fn load(inputs: &EpochInputs<'_>, counts: impl Fn(usize) -> bool) -> Sparse {
    let usable = |row: &&WeightRow<'_>| {
        let rater = row.rater.index();
        masks::is_permitted(inputs, rater) && counts(rater)
    };
    let entries = inputs
        .weights
        .iter()
        .filter(usable)
        .map(|row| row.entries.len())
        .sum();
    let mut weights = Sparse::with_capacity(inputs.weights.len(), entries);
    let newest = inputs.registered_at.iter().copied().max().unwrap_or(0);
    for row in inputs.weights.iter().filter(usable) {
        weights.push_row(row.rater.index(), |uids, values| {
            let start = values.len();
            uids.extend(row.entries.iter().map(|&(rated, _)| rated.0));
            let before = masks::rates_those_registered_before(row);
            if newest < before {
                values.extend(row.entries.iter().map(|&(_, weight)| u32::from(weight)));
            } else {
                values.extend(row.entries.iter().map(|&(rated, weight)| {
                    let counts = inputs.registered_at[rated.index()] < before;
                    if counts { u32::from(weight) } else { 0 }
                }));
            }
            let values = &mut values[start..];
            if !inputs.is_owner(row.rater.index())
                && let Ok(own) = row
                    .entries
                    .binary_search_by_key(&row.rater, |&(rated, _)| rated)
            {
                values[own] = 0; // a position in `entries`
            }
            normalise(values);
        });
    }
    weights
}

/// Divides by the sum of a row, of at most 65,535² unless nothing is left of it.
fn normalise(values: &mut [u32]) {
    let sum = values.iter().copied().map(u64::from).sum();
    let Some(reciprocal) = (1_u64 << 63).checked_div(sum) else {
        return;
    };
    for value in values {
        // value ≤ sum, so that the product is at most 2⁶³ and the quotient at most 2³¹.
        *value = low_u32((u64::from(*value) * reciprocal + u64::from(u32::MAX)) >> 32);
    }
}
