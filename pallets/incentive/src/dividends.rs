//! Dividends: what validators earn from the incentive of the servers they hold bonds in.
//!
//! # Units
//!
//! Products of a share in a server and its incentive, with 62 fractional bits. Both add up to at most 2³¹ + 65,535, the
//! one over validators and the other over servers, so that all dividends together are below 2⁶³.

use alloc::{vec, vec::Vec};

use crate::{fixed::scale_down, sparse::Sparse, stake::Voting};

/// `D_i = Σ_j B_ij · I_j`, for bonds that are shares already.
pub(crate) fn of_shares(bonds: &Sparse, incentive: &[u32]) -> Vec<u64> {
    let mut dividends = vec![0; incentive.len()];
    for row in bonds.rows() {
        dividends[row.rater] = row
            .iter()
            .map(|(rated, share)| u64::from(share) * u64::from(incentive[rated]))
            .sum();
    }
    dividends
}

/// `D_i = A_i · Σ_j I_j · B_ij / Σ_i B_ij`, where `held` are the sums over columns.
pub(crate) fn by_stake(
    bonds: &Sparse,
    held: &[u64],
    incentive: &[u32],
    voting: &Voting,
) -> Vec<u64> {
    // 1 / Σ_i B_ij, with 63 + 31 fractional bits.
    let columns: Vec<(u64, u64)> = held
        .iter()
        .map(|&held| (1_u64 << 63).checked_div(held).unwrap_or(0))
        .zip(incentive.iter().copied().map(u64::from))
        .collect();
    let mut dividends = vec![0; incentive.len()];
    for row in bonds.rows() {
        let stake = u64::from(voting.shares[row.rater]);
        if stake == 0 {
            continue;
        }
        let held: u64 = row
            .iter()
            .map(|(rated, bond)| {
                let (reciprocal, incentive) = columns[rated];
                // bond ≤ held, so that the product is at most 2⁶³ and the share at most 2³¹.
                ((u64::from(bond) * reciprocal) >> 32) * incentive
            })
            .sum();
        // A share of stake is at most 2³¹. Whoever holds something gets something.
        dividends[row.rater] = scale_down(held, stake << 1).max(u64::from(held > 0));
    }
    dividends
}
