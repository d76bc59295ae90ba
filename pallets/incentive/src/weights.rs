//! Rows of weights, masked and normalised.
//!
//! `W_ij = w_ij / Σ_j w_ij` over the weights that [`crate::masks`] let through, rounded up to 31 fractional bits.
//!
//! The origin summed a row in a type that overflows beyond 32,768 full weights, and then left the row as it was.

use crate::{EpochInputs, WeightRow, fixed::low_u32, masks, sparse::Sparse};

/// The matrix W. Rows of which nothing is left are not there.
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
        weights.push_row(row.rater.index(), row.entries.len(), |uids, values| {
            let (length, sum) = mask(inputs, row, newest, uids, values);
            normalise(&mut values[..length], sum);
            length
        });
    }
    weights
}

/// Writes the weights of `row` that count, and says how many they are and what they add up to.
fn mask(
    inputs: &EpochInputs<'_>,
    row: &WeightRow<'_>,
    newest: u64,
    uids: &mut [u16],
    values: &mut [u32],
) -> (usize, u64) {
    let before = masks::rates_those_registered_before(row);
    let all_old_enough = newest < before;
    let own = if inputs.is_owner(row.rater.index()) {
        None
    } else {
        Some(row.rater)
    };
    let (mut length, mut sum) = (0, 0);
    for &(rated, weight) in row.entries {
        let old_enough = all_old_enough || inputs.registered_at[rated.index()] < before;
        let counts = weight > 0 && old_enough && Some(rated) != own;
        // Always written, kept only if it counts: no branch to mispredict.
        uids[length] = rated.0;
        values[length] = u32::from(weight);
        length += usize::from(counts);
        sum += u64::from(weight) * u64::from(counts);
    }
    (length, sum)
}

/// Divides by the sum of a row, `0 < sum ≤ 65,535²`.
fn normalise(values: &mut [u32], sum: u64) {
    let Some(reciprocal) = (1_u64 << 63).checked_div(sum) else {
        return;
    };
    for value in values {
        // value ≤ sum, so that the product is at most 2⁶³ and the quotient at most 2³¹.
        *value = low_u32((u64::from(*value) * reciprocal + u64::from(u32::MAX)) >> 32);
    }
}
