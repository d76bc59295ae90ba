//! What stake counts, and what part of it votes.

use alloc::vec::Vec;

use crate::{EpochInputs, fixed};

/// Stake of at least the minimum, or of the owner; zero for everybody else.
pub(crate) fn eligible(inputs: &EpochInputs<'_>, min_stake: u64) -> Vec<u64> {
    inputs
        .stake
        .iter()
        .enumerate()
        .map(|(uid, &stake)| {
            if stake >= min_stake || inputs.is_owner(uid) {
                stake
            } else {
                0
            }
        })
        .collect()
}

/// The stake that votes: eligible, active, and with a permit from the previous epoch.
pub(crate) struct Voting {
    /// Voting stake of each neuron. Sums up to `total`.
    pub(crate) votes: Vec<u64>,
    /// All voting stake.
    pub(crate) total: u64,
    /// `A_i`: part of the voting stake, rounded up, with 31 fractional bits.
    pub(crate) shares: Vec<u32>,
}

impl Voting {
    /// Votes are the stakes themselves, so that majorities are exact. Only where they would add up to more than `u64`
    /// holds, all of them lose as many low bits as it takes, which moves a majority by less than 2⁻⁴⁷.
    pub(crate) fn new(inputs: &EpochInputs<'_>, eligible: &[u64], active: &[bool]) -> Self {
        let mut votes: Vec<u64> = eligible
            .iter()
            .zip(active)
            .zip(inputs.permits)
            .enumerate()
            .map(|(uid, ((&stake, &active), &permit))| {
                if active && (permit || inputs.is_owner(uid)) {
                    stake
                } else {
                    0
                }
            })
            .collect();
        let total: u128 = votes.iter().map(|&vote| u128::from(vote)).sum();
        let excess = (u128::BITS - total.leading_zeros()).saturating_sub(u64::BITS);
        if excess > 0 {
            votes.iter_mut().for_each(|vote| *vote >>= excess);
        }
        // Each vote lost its low bits, so that the sum is at most total / 2^excess < 2⁶⁴.
        let total: u64 = votes.iter().sum();
        let shares = votes
            .iter()
            .map(|&vote| if vote == 0 { 0 } else { share(vote, total) })
            .collect();
        Self {
            votes,
            total,
            shares,
        }
    }

    /// Whether anybody votes at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.total == 0
    }
}

/// `⌈vote · 2³¹ / total⌉`, for `0 < vote ≤ total`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "vote ≤ total, so the quotient is at most 2³¹"
)]
fn share(vote: u64, total: u64) -> u32 {
    (u128::from(vote) << 31).div_ceil(u128::from(total)) as u32
}

/// Majority `⌈kappa · total / 65,535⌉`, of which the least is one unit of stake: no support is no majority.
#[expect(
    clippy::cast_possible_truncation,
    reason = "kappa ≤ 65,535, so the quotient is at most total"
)]
pub(crate) fn majority(total: u64, kappa: u16) -> u64 {
    let majority = (u128::from(total) * u128::from(kappa)).div_ceil(u128::from(u16::MAX));
    (majority as u64).max(1)
}

/// Part `part / total` with 31 fractional bits, rounded up.
pub(crate) fn part(part: u64, total: u64) -> u32 {
    if part == 0 {
        0
    } else {
        share(part.min(total), total).min(fixed::ONE)
    }
}
