//! Clipping, and the sums over columns that follow from it.
//!
//! `W̄_ij = min(W_ij, C_j)`: what a validator says beyond consensus is not heard. Then
//!
//! * rank `R_j = Σ_i A_i · W̄_ij`, and the same before clipping;
//! * validator trust `Tv_i = Σ_j W̄_ij`;
//! * weights that buy bonds, `W̃ = W + β · (W̄ - W)`, with the bonds penalty β, and `P_j = Σ_i A_i · W̃_ij`.
//!
//! # Units
//!
//! Sums over a column have 62 fractional bits: at most `65,535` products, of stake shares that add up to at most
//! 2³¹ + 65,535 and weights of at most 2³¹, hence below 2⁶³. So is the sum of `R_j` over all `j`, since a row of weights
//! adds up to at most 2³¹ + 65,535 too.

use alloc::{vec, vec::Vec};

use crate::{
    fixed::{self, low_u32},
    sparse::Sparse,
    stake::Voting,
};

/// Sums over one column.
#[derive(Copy, Clone, Default)]
pub(crate) struct ColumnSums {
    /// What weights are clipped at.
    ceiling: u32,
    /// Rank before clipping.
    pub(crate) unclipped: u64,
    /// Rank.
    pub(crate) clipped: u64,
    /// Of weights that buy bonds.
    pub(crate) buying: u64,
}

/// What [`clip`] finds.
pub(crate) struct Clipped {
    /// One for each neuron.
    pub(crate) columns: Vec<ColumnSums>,
    /// One for each neuron, with 31 fractional bits.
    pub(crate) validator_trust: Vec<u32>,
}

/// Clips at `ceiling` and leaves the weights that buy bonds in `weights`.
pub(crate) fn clip(
    weights: &mut Sparse,
    ceiling: &[u32],
    voting: &Voting,
    penalty: u16,
) -> Clipped {
    match penalty {
        // The general case gives the same for these two, which are the usual ones, but slower.
        0 => clip_and_buy(weights, ceiling, voting, |weight, _| weight),
        u16::MAX => clip_and_buy(weights, ceiling, voting, |_, clipped| clipped),
        _ => {
            let penalty = fixed::from_u16(penalty);
            clip_and_buy(weights, ceiling, voting, |weight, clipped| {
                // At most 31 bits times at most 2³²: at most the difference.
                weight - low_u32((u64::from(weight - clipped) * penalty) >> 32)
            })
        }
    }
}

/// Clips at `ceiling` and replaces each weight by `buying(weight, clipped)`.
#[inline]
fn clip_and_buy(
    weights: &mut Sparse,
    ceiling: &[u32],
    voting: &Voting,
    buying: impl Fn(u32, u32) -> u32,
) -> Clipped {
    let mut columns: Vec<ColumnSums> = ceiling
        .iter()
        .map(|&ceiling| ColumnSums {
            ceiling,
            ..ColumnSums::default()
        })
        .collect();
    let mut validator_trust = vec![0; ceiling.len()];
    for mut row in weights.rows_mut() {
        let share = u64::from(voting.shares[row.rater]);
        let mut heard = 0_u64;
        row.for_each(&mut columns, |column, opinion| {
            let weight = opinion.value;
            let clipped = weight.min(column.ceiling);
            opinion.value = buying(weight, clipped);
            column.unclipped += share * u64::from(weight);
            column.clipped += share * u64::from(clipped);
            column.buying += share * u64::from(opinion.value);
            heard += u64::from(clipped);
        });
        // A row of weights adds up to at most 2³¹ + 65,535.
        validator_trust[row.rater] = low_u32(heard);
    }
    Clipped {
        columns,
        validator_trust,
    }
}
