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

use alloc::{vec, vec::Vec};

use super::{Bonds, stored, update};
use crate::{
    EpochInputs, dividends,
    fixed::{ONE, low_u16, low_u32},
    masks,
    params::ONE_PPM,
    sparse::Sparse,
    stake::Voting,
};

/// Updates the bonds at one rate for all. `weights` are those that buy.
pub(crate) fn bonds(
    inputs: &EpochInputs<'_>,
    moving_average: u32,
    weights: &Sparse,
    voting: &Voting,
    incentive: &[u32],
    permits: &[bool],
) -> Bonds {
    // The old bond is out of 65,535, the new one of 2³¹: both factors have 32 more bits than it takes, rounded up.
    let old = old_bond_factors(inputs, moving_average);
    let new = (u64::from(ONE_PPM - moving_average) << 32).div_ceil(ONE_PPM.into());
    saturating(
        inputs,
        weights,
        voting,
        incentive,
        permits,
        |rated, bond, weight| {
            // At most (1 - α) · 2⁶³ + 65,535 and α · 2⁶³ + 2³¹.
            let bond = (u64::from(bond) * old[rated] + u64::from(weight) * new) >> 32;
            low_u32(bond.min(ONE.into()))
        },
    )
}

/// `fraction · 2⁶³ / 65,535` for each server, rounded up, with the fraction in parts per million; zero where old bonds do
/// not count.
pub(super) fn old_bond_factors(inputs: &EpochInputs<'_>, fraction: u32) -> Vec<u64> {
    let factor = (u128::from(fraction) << 63).div_ceil(u128::from(ONE_PPM) * u128::from(u16::MAX));
    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most 2⁶³ / 65,535, rounded up"
    )]
    let factor = factor as u64;
    let counts = |&registered_at: &u64| {
        if masks::is_new(inputs, registered_at) {
            0
        } else {
            factor
        }
    };
    inputs.registered_at.iter().map(counts).collect()
}

/// Updates bonds that saturate one by one: `grow(rated, bond, weight)` is the new bond, of at most one.
pub(super) fn saturating(
    inputs: &EpochInputs<'_>,
    weights: &Sparse,
    voting: &Voting,
    incentive: &[u32],
    permits: &[bool],
    grow: impl Fn(usize, u16, u32) -> u32,
) -> Bonds {
    // At most 65,535 · 2³¹.
    let mut held = vec![0_u64; inputs.n()];
    let bonds = update(inputs, weights, voting, |_, rated, bond, weight| {
        let bond = grow(rated, bond, weight);
        held[rated] += u64::from(bond);
        bond
    });
    Bonds {
        dividends: dividends::by_stake(&bonds, &held, incentive, voting),
        stored: stored(&bonds, permits, |_, bond| round(bond)),
    }
}

/// A bond out of 65,535, rounded down once the rounding of 31 bits before is taken back.
fn round(bond: u32) -> u16 {
    // bond ≤ 2³¹
    low_u16(((u64::from(bond) + 1) * u64::from(u16::MAX)) >> 31)
}
