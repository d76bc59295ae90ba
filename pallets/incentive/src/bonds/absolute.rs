//! Absolute bonds: each grows towards the weight by itself.
//!
//! `B'_ij = min(1, (1 - α) · B_ij + α · W̃_ij)`, with `1 - α` the bonds moving average. Dividends are
//! `D_i = A_i · Σ_j I_j · B'_ij / Σ_i B'_ij`: stake counts when dividends are paid, not when a bond is bought, so that
//! the bonds of an early small validator are not crowded out. Source: the origin, where it is called Yuma 3.
//!
//! # Rounding
//!
//! Stored are bonds out of 65,535, rounded down, so that a bond without a weight behind it always falls. (Within 2⁻¹⁴ of
//! the next integer they are rounded up to it, which takes care of the rounding before. A rate of fewer than 62 parts
//! per million can be too slow to move a small bond.)

use alloc::vec::Vec;

use super::{Bonds, stored};
use crate::{
    EpochInputs, dividends,
    fixed::{ONE, low_u16, low_u32},
    incentive::Scores,
    masks,
    params::ONE_PPM,
    sparse::Sparse,
    stake::Voting,
};

/// One server.
pub(super) struct Column {
    /// What an old bond is multiplied by: a fraction of 2⁶³ / 65,535, or zero where old bonds do not count.
    pub(super) old: u64,
    /// With 31 fractional bits.
    pub(super) consensus: u32,
    /// Sum of new bonds, at most 65,535 · 2³¹.
    held: u64,
}

/// Updates the bonds at one rate for all. `weights` are those that buy.
pub(crate) fn bonds(
    inputs: &EpochInputs<'_>,
    moving_average: u32,
    weights: Sparse,
    voting: &Voting,
    scores: &Scores,
    permits: &[bool],
) -> Bonds {
    // The old bond is out of 65,535, the new one of 2³¹: both factors have 32 more bits than it takes, rounded up.
    let old = columns(inputs, moving_average, scores);
    let new = (u64::from(ONE_PPM - moving_average) << 32).div_ceil(ONE_PPM.into());
    saturating(
        old,
        weights,
        voting,
        scores,
        permits,
        |column, bond, weight| {
            // At most (1 - α) · 2⁶³ + 65,535 and α · 2⁶³ + 2³¹.
            let bond = (u64::from(bond) * column.old + u64::from(weight) * new) >> 32;
            low_u32(bond.min(ONE.into()))
        },
    )
}

/// Columns that keep a fraction of old bonds, in parts per million, rounded up.
pub(super) fn columns(inputs: &EpochInputs<'_>, fraction: u32, scores: &Scores) -> Vec<Column> {
    let factor = (u128::from(fraction) << 63).div_ceil(u128::from(ONE_PPM) * u128::from(u16::MAX));
    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most 2⁶³ / 65,535, rounded up"
    )]
    let factor = factor as u64;
    let column = |(&registered_at, &consensus)| Column {
        old: if masks::is_new(inputs, registered_at) {
            0
        } else {
            factor
        },
        consensus,
        held: 0,
    };
    inputs
        .registered_at
        .iter()
        .zip(&scores.consensus)
        .map(column)
        .collect()
}

/// Updates bonds that saturate one by one: `grow(column, bond, weight)` is the new bond, of at most one.
pub(super) fn saturating(
    mut columns: Vec<Column>,
    mut weights: Sparse,
    voting: &Voting,
    scores: &Scores,
    permits: &[bool],
    grow: impl Fn(&Column, u16, u32) -> u32,
) -> Bonds {
    for mut row in weights.rows_mut() {
        row.for_each(&mut columns, |column, opinion| {
            opinion.value = grow(column, opinion.bond, opinion.value);
            column.held += u64::from(opinion.value);
        });
    }
    let bonds = weights;
    let held = columns.iter().map(|column| column.held);
    Bonds {
        dividends: dividends::by_stake(&bonds, held, &scores.incentive, voting),
        stored: stored(&bonds, permits, columns.iter(), |_, bond| round(bond)),
    }
}

/// A bond out of 65,535, rounded down once the rounding of 31 bits before is taken back.
fn round(bond: u32) -> u16 {
    // bond ≤ 2³¹
    low_u16(((u64::from(bond) + 1) * u64::from(u16::MAX)) >> 31)
}
