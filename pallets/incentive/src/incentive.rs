//! Scores of servers: rank, trust and incentive.
//!
//! | | median | sigmoid |
//! |---|---|---|
//! | rank | `R_j / Σ R`, of clipped weights | `R_j / Σ R` |
//! | trust | `R_j` after clipping, as a part of `R_j` before | `T_j`, the share of voting stake that rates `j` |
//! | consensus | the stake-weighted median | the logistic function of trust |
//! | incentive | as rank | `R_j · C_j / Σ R · C` |

use alloc::{vec, vec::Vec};

use crate::{
    EpochParams,
    clip::{Clipped, ColumnSums, clip},
    consensus::{median, sigmoid},
    fixed::{self, Of},
    params::Consensus,
    sparse::Sparse,
    stake::Voting,
};

/// What the validators made of the servers.
pub(crate) struct Scores {
    pub(crate) rank: Vec<u16>,
    pub(crate) trust: Vec<u16>,
    /// With 31 fractional bits.
    pub(crate) consensus: Vec<u32>,
    /// What servers share the emission by, with 62 fractional bits. Adds up to less than 2⁶³.
    pub(crate) earned: Vec<u64>,
    /// Parts of the sum of `earned`, with 31 fractional bits, rounded up.
    pub(crate) incentive: Vec<u32>,
    pub(crate) clipped: Clipped,
}

/// Computes all of it, and leaves in `weights` those that buy bonds.
pub(crate) fn scores(weights: &mut Sparse, voting: &Voting, params: &EpochParams) -> Scores {
    match params.consensus {
        Consensus::Median { kappa } => {
            let consensus = median::consensus(weights, voting, kappa);
            let clipped = clip(weights, &consensus, voting, params.bonds_penalty);
            let trust = clipped.columns.iter().map(trust_left).collect();
            let earned = ranks(&clipped);
            Scores::new(trust, consensus, earned, clipped)
        }
        Consensus::Sigmoid { rho, kappa } => {
            let (trust, consensus) = sigmoid::consensus(weights, voting, rho, kappa);
            let unclipped = vec![fixed::ONE; trust.len()];
            let clipped = clip(weights, &unclipped, voting, params.bonds_penalty);
            let trust = trust.into_iter().map(fixed::to_u16).collect();
            let earned = ranks(&clipped)
                .into_iter()
                .zip(&consensus)
                .map(|(rank, &consensus)| weighted(rank, consensus))
                .collect();
            // At most one with 63 fractional bits.
            let consensus = consensus
                .into_iter()
                .map(|c| fixed::low_u32(c >> 32))
                .collect();
            Scores::new(trust, consensus, earned, clipped)
        }
    }
}

impl Scores {
    fn new(trust: Vec<u16>, consensus: Vec<u32>, earned: Vec<u64>, clipped: Clipped) -> Self {
        let ranks = clipped.columns.iter().map(|column| column.clipped);
        let all = Of::new(ranks.clone().map(u128::from).sum());
        let rank = ranks.map(|rank| all.as_u16(rank.into())).collect();
        let all = Of::new(earned.iter().copied().map(u128::from).sum());
        let incentive = earned
            .iter()
            .map(|&earned| all.as_q31(earned.into()))
            .collect();
        Self {
            rank,
            trust,
            consensus,
            earned,
            incentive,
            clipped,
        }
    }

    /// Whether nobody earned anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.earned.iter().all(|&earned| earned == 0)
    }
}

/// What clipping left of a rank.
fn trust_left(column: &ColumnSums) -> u16 {
    Of::new(column.unclipped.into()).as_u16(column.clipped.into())
}

fn ranks(clipped: &Clipped) -> Vec<u64> {
    clipped
        .columns
        .iter()
        .map(|column| column.clipped)
        .collect()
}

/// `rank · consensus`, rounded down, but never to nothing: the sigmoid is positive everywhere.
fn weighted(rank: u64, consensus: u64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "consensus is less than one, so at most rank"
    )]
    let weighted = ((u128::from(rank) * u128::from(consensus)) >> 63) as u64;
    weighted.max(u64::from(rank > 0))
}
