//! Who is paid how much.
//!
//! The owner's cut comes first, rounded down; of the rest, the servers' share, rounded down, is split by incentive and
//! what is left by dividends. Each split is by largest remainder, so that nothing is lost.
//!
//! | nobody was rated | who is paid |
//! |---|---|
//! | median | everybody with voting stake, by stake; if there is none, everybody with stake; if there is none, nobody |
//! | sigmoid | nobody |
//!
//! If servers earn but no bond pays dividends, which takes a bonds moving average of one, the validators' part is split
//! by voting stake.

use alloc::{vec, vec::Vec};

use crate::{
    EpochInputs, EpochParams, Error,
    bonds::Bonds,
    incentive::Scores,
    largest_remainder::largest_remainder,
    params::{Consensus, ONE_PPM},
    stake::Voting,
};

/// Adds up to the emission.
pub(crate) struct Emission {
    pub(crate) servers: Vec<u64>,
    pub(crate) validators: Vec<u64>,
    pub(crate) owner: u64,
    pub(crate) unpaid: u64,
}

/// Splits the emission.
pub(crate) fn emission(
    inputs: &EpochInputs<'_>,
    params: &EpochParams,
    eligible: &[u64],
    voting: &Voting,
    scores: &Scores,
    bonds: &Bonds,
) -> Result<Emission, Error> {
    let nobody = vec![0; inputs.n()];
    let has_any = |shares: &[u64]| shares.iter().any(|&share| share > 0);
    let owner = ppm_of(inputs.emission, params.owner_cut);
    // Rounded down from a fraction of at most one.
    let rest = inputs.emission - owner;
    if !scores.is_empty() {
        let to_servers = ppm_of(rest, params.server_share);
        let validators = if has_any(&bonds.dividends) {
            &bonds.dividends
        } else {
            &voting.votes
        };
        return Ok(Emission {
            servers: largest_remainder(to_servers, &scores.earned)?,
            validators: largest_remainder(rest - to_servers, validators)?,
            owner,
            unpaid: 0,
        });
    }
    let holders = match params.consensus {
        Consensus::Median { .. } => [&voting.votes[..], eligible]
            .into_iter()
            .find(|stake| has_any(stake)),
        Consensus::Sigmoid { .. } => None,
    };
    Ok(match holders {
        Some(stake) => Emission {
            servers: nobody,
            validators: largest_remainder(rest, stake)?,
            owner,
            unpaid: 0,
        },
        None => Emission {
            servers: nobody.clone(),
            validators: nobody,
            owner: 0,
            unpaid: inputs.emission,
        },
    })
}

/// `⌊amount · fraction / 1,000,000⌋` for a fraction of at most one.
fn ppm_of(amount: u64, fraction: u32) -> u64 {
    #[expect(clippy::cast_possible_truncation, reason = "at most amount")]
    {
        (u128::from(amount) * u128::from(fraction) / u128::from(ONE_PPM)) as u64
    }
}
