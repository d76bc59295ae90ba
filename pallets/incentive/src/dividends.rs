//! Dividends: what validators earn from the incentive of the servers they hold bonds in.
//!
//! # Units
//!
//! Products of a share in a server and its incentive, with 62 fractional bits. Both add up to at most 2³¹ + 65,535, the
//! one over validators and the other over servers, so that all dividends together are below 2⁶³.

use alloc::{vec, vec::Vec};

use crate::{fixed::scale_down, sparse::Sparse, stake::Voting};

/// `D_i = A_i · Σ_j I_j · B_ij / Σ_i B_ij`, where `held` are the sums over columns.
pub(crate) fn by_stake(
    bonds: &Sparse,
    held: impl Iterator<Item = u64>,
    incentive: &[u32],
    voting: &Voting,
) -> Vec<u64> {
    // 1 / Σ_i B_ij, with 63 + 31 fractional bits.
    let mut columns: Vec<(u64, u64)> = held
        .map(|held| (1_u64 << 63).checked_div(held).unwrap_or(0))
        .zip(incentive.iter().copied().map(u64::from))
        .collect();
    let mut dividends = vec![0; incentive.len()];
    for row in bonds.rows() {
        let stake = u64::from(voting.shares[row.rater]);
        if stake == 0 {
            continue;
        }
        let mut held = 0_u64;
        row.for_each(&mut columns, |column, opinion| {
            let (reciprocal, incentive) = *column;
            // bond ≤ held, so that the product is at most 2⁶³ and the share at most 2³¹.
            held += ((u64::from(opinion.value) * reciprocal) >> 32) * incentive;
        });
        // A share of stake is at most 2³¹. Whoever holds something gets something.
        dividends[row.rater] = scale_down(held, stake << 1).max(u64::from(held > 0));
    }
    dividends
}
