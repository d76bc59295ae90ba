//! Absolute bonds at a liquid rate, which is high where a validator leaves consensus.
//!
//! `B' = B + α · (W̃ - B)`, with a rate for each pair:
//!
//! * `d = max(0, W̃ - C)` if the validator buys (`W̃ ≥ B`), else `d = B - W̃`;
//! * `α = low + (high - low) · σ(steepness / 100 · (d - ½))`, with σ the logistic function.
//!
//! Everything else is as in [`super::absolute`]. Source: the origin's third design, of 2025. Unlike there, σ is looked up
//! and not computed for each of n² pairs, and a bond without a weight is not lost.

use super::{
    Bonds,
    absolute::{columns, saturating},
};
use crate::{
    EpochInputs,
    fixed::{self, ONE, low_u32, scale_down},
    incentive::Scores,
    logistic::Logistic,
    params::{LiquidAlpha, ONE_PPM},
    sparse::Sparse,
    stake::Voting,
};

/// The rate as a function of the distance `d`.
struct Rate {
    low: u64,
    range: u64,
    logistic: Logistic,
}

impl Rate {
    fn new(alpha: LiquidAlpha) -> Self {
        let low = fixed::from_u16(alpha.low);
        Self {
            low,
            // low ≤ high was checked.
            range: fixed::from_u16(alpha.high).saturating_sub(low),
            logistic: Logistic::new(alpha.steepness.into(), ONE / 2),
        }
    }

    /// α at a distance of 31 fractional bits, with 32.
    #[inline]
    fn at(&self, distance: u32) -> u64 {
        self.low + scale_down(self.range, self.logistic.at(distance) >> 31)
    }
}

/// Updates the bonds. `weights` are those that buy.
pub(crate) fn bonds(
    inputs: &EpochInputs<'_>,
    alpha: LiquidAlpha,
    weights: Sparse,
    voting: &Voting,
    scores: &Scores,
    permits: &[bool],
) -> Bonds {
    let rate = Rate::new(alpha);
    saturating(
        columns(inputs, ONE_PPM, scores),
        weights,
        voting,
        scores,
        permits,
        |column, bond, weight| {
            // At most 2⁶³ + 65,535: at most one with 31 fractional bits.
            let bond = low_u32((u64::from(bond) * column.old) >> 32);
            if weight >= bond {
                let alpha = rate.at(weight.saturating_sub(column.consensus));
                // At most weight - bond.
                bond + low_u32((u64::from(weight - bond) * alpha) >> 32)
            } else {
                let distance = bond - weight;
                // Rounded up, so that a bond falls at any rate above zero; at most the distance.
                bond - low_u32(
                    (u64::from(distance) * rate.at(distance) + u64::from(u32::MAX)) >> 32,
                )
            }
        },
    )
}
