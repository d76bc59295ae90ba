//! Random networks against the equations in `f64`.

#![allow(clippy::unwrap_used, reason = "a test that fails has to say where")]

mod common;

use common::{Network, bond, oracle::oracle, random};
use proptest::prelude::*;

/// Units of 65,535 that a score may be off: one for the rounding of a score itself.
const TOLERANCE: f64 = 1.0;
/// A stored bond is rounded down, and relative to the greatest of its server, which is rounded as well.
const BOND_TOLERANCE: f64 = 3.0;

fn check(what: &str, found: &[u16], expected: &[f64], tolerance: f64) -> Result<(), TestCaseError> {
    for (uid, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let expected = expected.min(1.0) * 65_535.0;
        prop_assert!(
            (f64::from(found) - expected).abs() <= tolerance,
            "{what} of {uid}: {found}, not {expected}"
        );
    }
    Ok(())
}

/// The same network without values that are a very small part of another: stake and weights have 31 fractional bits, so
/// that what is a 2⁻²⁰th of all is off by a 2⁻¹¹th of itself, which shows once nothing greater is beside it.
fn without_dust(mut network: Network) -> Network {
    let most = network.stake.iter().copied().max().unwrap_or(0);
    network
        .stake
        .iter_mut()
        .filter(|stake| **stake > 0)
        .for_each(|stake| *stake = (*stake).max(most / 500));
    for entry in network
        .weights
        .iter_mut()
        .chain(&mut network.bonds)
        .flatten()
    {
        if entry.1 > 0 {
            entry.1 = entry.1.max(1_000);
        }
    }
    network
}

proptest! {
    #![proptest_config(random::cases(3_000))]

    #[test]
    fn an_epoch_is_what_the_equations_say(
        network in random::network(1..12),
        params in random::params(),
    ) {
        let network = without_dust(network);
        let found = network.epoch(&params);
        let expected = oracle(&network, &params);
        check("rank", &found.rank, &expected.rank, TOLERANCE)?;
        check("trust", &found.trust, &expected.trust, TOLERANCE)?;
        check("consensus", &found.consensus, &expected.consensus, TOLERANCE)?;
        check("incentive", &found.incentive, &expected.incentive, TOLERANCE)?;
        check("dividends", &found.dividends, &expected.dividends, TOLERANCE)?;
        check("validator trust", &found.validator_trust, &expected.validator_trust, TOLERANCE)?;
        let n = u16::try_from(network.n()).unwrap();
        for (rater, row) in (0..n).zip(&expected.bonds) {
            let row_found: Vec<u16> = (0..n).map(|rated| bond(&found, rater, rated)).collect();
            check("bonds", &row_found, row, BOND_TOLERANCE)?;
        }
        // Payments come from the fractions behind the scores: far closer than a score is.
        let tolerance = 1.0 + 1e-5 * network.emission as f64;
        let amounts = found.server_emission.iter().zip(&expected.servers)
            .chain(found.validator_emission.iter().zip(&expected.validators))
            .chain([(&found.owner_emission, &expected.owner), (&found.unpaid, &expected.unpaid)]);
        for (&found, &expected) in amounts {
            prop_assert!((found as f64 - expected).abs() <= tolerance, "{found}, not {expected}");
        }
    }
}
