//! Relative bonds: a moving average of shares.
//!
//! Old bonds `B` and purchases `ΔB_ij = A_i · W̃_ij` are each normalised to one per server, then
//! `B' = (1 - α) · B + α · ΔB`, with `1 - α` the bonds moving average. Dividends are `D_i = Σ_j B'_ij · I_j`. Stored are
//! bonds scaled so that the greatest of each server is 65,535, rounded down: only their ratios mean anything.
//! Source: the origin, where it is called Yuma 2.
//!
//! A server that nobody buys into keeps its shareholders as they are; one that nobody held goes to those who buy now.

use alloc::{vec, vec::Vec};

use super::{Bonds, stored};
use crate::{
    EpochInputs,
    fixed::{self, ONE_32, low_u16, low_u32, scale_down},
    incentive::Scores,
    masks,
    sparse::Sparse,
    stake::Voting,
};

/// One over the sums of a column, times the rates.
struct Column {
    /// `(1 - α) / Σ_i B_ij`, with 63 fractional bits.
    keep: u64,
    /// `α / Σ_i A_i · W̃_ij`, with 63 fractional bits, for products without their lowest `shift` bits.
    buy: u64,
    shift: u32,
    /// With 31 fractional bits.
    incentive: u32,
    /// The greatest new bond.
    greatest: u32,
}

impl Column {
    /// `held` is at most 65,535², `bought` below 2⁶³.
    fn new(held: u64, bought: u64, keep: u64, incentive: u32) -> Self {
        let keep = if bought == 0 { ONE_32 } else { keep };
        let buy = if held == 0 { ONE_32 } else { ONE_32 - keep };
        // Leave 32 bits of the sum, so that a product's part of it keeps 32 too.
        let shift = (u64::BITS - bought.leading_zeros()).saturating_sub(32);
        Self {
            keep: scale_down((1_u64 << 63).checked_div(held).unwrap_or(0), keep),
            buy: scale_down((1_u64 << 63).checked_div(bought >> shift).unwrap_or(0), buy),
            shift,
            incentive,
            greatest: 0,
        }
    }
}

/// Updates the bonds. `weights` are those that buy.
pub(crate) fn bonds(
    inputs: &EpochInputs<'_>,
    moving_average: u32,
    mut weights: Sparse,
    voting: &Voting,
    scores: &Scores,
    permits: &[bool],
) -> Bonds {
    let keep = fixed::from_ppm(moving_average);
    let mut columns: Vec<Column> = held(inputs, &weights)
        .into_iter()
        .zip(&scores.clipped.columns)
        .zip(&scores.incentive)
        .map(|((held, sums), &incentive)| Column::new(held, sums.buying, keep, incentive))
        .collect();
    let mut dividends = vec![0; inputs.n()];
    for mut row in weights.rows_mut() {
        let share = u64::from(voting.shares[row.rater]);
        // D_i = Σ_j B'_ij · I_j
        let mut dividend = 0;
        row.for_each(&mut columns, |column, opinion| {
            let bought = (share * u64::from(opinion.value)) >> column.shift;
            // Each summand of a column is at most the column, so that the products are at most (1 - α) · 2⁶³ and
            // α · 2⁶³.
            let bond = low_u32((u64::from(opinion.bond) * column.keep + bought * column.buy) >> 32);
            column.greatest = column.greatest.max(bond);
            dividend += u64::from(bond) * u64::from(column.incentive);
            opinion.value = bond;
        });
        dividends[row.rater] = dividend;
    }
    // Scales so that the greatest bond of each column is 65,535. Below 2⁴⁸, rounded up, so that it becomes that in full.
    let scales = columns.iter().map(|column| match column.greatest {
        0 => 0,
        greatest => (0xffff_u64 << 32).div_ceil(greatest.into()),
    });
    Bonds {
        dividends,
        // bond ≤ greatest, so that the product is below 65,535 · 2³² + 2³².
        stored: stored(&weights, permits, scales, |scale, bond| {
            low_u16((u64::from(bond) * scale) >> 32)
        }),
    }
}

/// `Σ_i B_ij` of the bonds that count.
fn held(inputs: &EpochInputs<'_>, weights: &Sparse) -> Vec<u64> {
    let mut held = vec![0_u64; inputs.n()];
    for row in weights.rows() {
        row.for_each(&mut held, |held, opinion| {
            *held += u64::from(opinion.bond);
        });
    }
    for (held, &registered_at) in held.iter_mut().zip(inputs.registered_at) {
        if masks::is_new(inputs, registered_at) {
            *held = 0;
        }
    }
    held
}
