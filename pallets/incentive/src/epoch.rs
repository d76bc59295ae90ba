//! An epoch, step by step.

use crate::{
    EpochInputs, EpochOutcome, EpochParams, Error, activity,
    bonds::{Bonds, absolute, liquid, relative},
    emission,
    fixed::{self, Of},
    incentive::{self, Scores},
    params::{BondsMode, Consensus},
    permits,
    sparse::Sparse,
    stake::{self, Voting},
    weights,
};

/// Computes an epoch.
///
/// # Errors
///
/// [`EpochParams::check`] and [`EpochInputs::check`] say which. With inputs and parameters that pass both, there is
/// always an outcome.
///
/// # Cost
///
/// Linear in the number of entries of both matrices, plus `n`.
pub fn epoch(inputs: &EpochInputs<'_>, params: &EpochParams) -> Result<EpochOutcome, Error> {
    params.check()?;
    inputs.check()?;

    let active = activity::active(inputs, params.activity_cutoff);
    let eligible = stake::eligible(inputs, params.min_stake);
    let permits = permits::next(&eligible, inputs.owner, params.max_validators);
    let voting = Voting::new(inputs, &eligible, &active);

    let mut weights = match params.consensus {
        Consensus::Median { .. } => weights::load(inputs, |_| true),
        Consensus::Sigmoid { .. } => weights::load(inputs, |rater| active[rater]),
    };
    let scores = incentive::scores(&mut weights, &voting, params);
    let bonds = bonds(inputs, params, weights, &voting, &scores, &permits);
    let emission = emission::emission(inputs, params, &eligible, &voting, &scores, &bonds)?;

    let earned = Of::new(scores.earned.iter().copied().map(u128::from).sum());
    let dividends = Of::new(bonds.dividends.iter().copied().map(u128::from).sum());
    Ok(EpochOutcome {
        active,
        permits,
        rank: scores.rank,
        trust: scores.trust,
        consensus: scores.consensus.into_iter().map(fixed::to_u16).collect(),
        incentive: scores
            .earned
            .into_iter()
            .map(|part| earned.as_u16(part.into()))
            .collect(),
        dividends: bonds
            .dividends
            .into_iter()
            .map(|part| dividends.as_u16(part.into()))
            .collect(),
        validator_trust: scores
            .clipped
            .validator_trust
            .into_iter()
            .map(fixed::to_u16)
            .collect(),
        bonds: bonds.stored,
        server_emission: emission.servers,
        validator_emission: emission.validators,
        owner_emission: emission.owner,
        unpaid: emission.unpaid,
    })
}

/// Updates the bonds in the mode that the network chose.
fn bonds(
    inputs: &EpochInputs<'_>,
    params: &EpochParams,
    weights: Sparse,
    voting: &Voting,
    scores: &Scores,
    permits: &[bool],
) -> Bonds {
    let kept = params.bonds_moving_average;
    match params.bonds {
        BondsMode::Relative => relative::bonds(inputs, kept, weights, voting, scores, permits),
        BondsMode::Liquid(alpha) if scores.consensus.iter().any(|&consensus| consensus > 0) => {
            liquid::bonds(inputs, alpha, weights, voting, scores, permits)
        }
        BondsMode::Absolute | BondsMode::Liquid(_) => {
            absolute::bonds(inputs, kept, weights, voting, scores, permits)
        }
    }
}
