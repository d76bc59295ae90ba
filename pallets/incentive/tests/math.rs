//! The `math` section of `vectors/yuma_vectors.json`.

#![allow(clippy::unwrap_used, reason = "a test that fails has to say where")]

mod common;

use common::{Network, json::*, rounded, row};
use incentive::{Consensus, EpochParams, max_upscale_to_u16};

/// Fractions of the file as integers: its smallest is 10⁻⁹.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positive and small"
)]
fn billionths(value: f64) -> u64 {
    (value * 1e9).round() as u64
}

#[test]
fn rows_are_upscaled_so_that_the_greatest_is_65535() {
    for case in list(&vectors()["math"]["max_upscale_to_u16"]) {
        let values: Vec<u64> = reals(&case[0]).into_iter().map(billionths).collect();
        assert_eq!(max_upscale_to_u16(&values), u16s(&case[1]), "{case}");
    }
}

#[test]
fn permits_go_to_the_most_stake() {
    for case in list(&vectors()["math"]["is_topk"]) {
        let params = EpochParams {
            max_validators: small(&case["k"]),
            ..EpochParams::default()
        };
        let permits = Network::new(&numbers(&case["v"])).epoch(&params).permits;
        let held: Vec<u64> = (0..).zip(permits).filter(|p| p.1).map(|p| p.0).collect();
        assert_eq!(held, numbers(&case["true_at"]), "{case}");
    }
}

/// Consensus on one server by validators of these stakes that give it these scores, which are at most one. What a score
/// leaves goes to a neuron of the validator's own choice, so that rows stay what they are.
fn median_of(stakes: &[f64], scores: &[f64], majority: f64) -> f64 {
    let n_validators = stakes.len();
    let mut stake: Vec<u64> = stakes.iter().copied().map(billionths).collect();
    stake.resize(2 * n_validators + 1, 0);
    let rated = u16::try_from(2 * n_validators).unwrap();
    let mut network = Network::new(&stake);
    for (rater, &score) in scores.iter().enumerate() {
        let score = rounded(score * 10_000.0);
        let other = u16::try_from(n_validators + rater).unwrap();
        network.weights[rater] = row(&[(other, 10_000 - score), (rated, score)]);
    }
    let kappa = rounded(majority * 65_535.0);
    let params = EpochParams {
        consensus: Consensus::Median { kappa },
        ..EpochParams::default()
    };
    f64::from(network.epoch(&params).consensus[usize::from(rated)]) / 65_535.0
}

#[test]
fn the_weighted_median_is_the_greatest_score_that_a_majority_supports() {
    let all = vectors();
    for case in list(&all["math"]["weighted_median"]) {
        let stake = reals(&case["stake"]);
        // The second of these has a minority of exactly 0.49, which 51 % out of 65,535 rounds over.
        let majority = real(&case["majority"]) - 1e-5;
        let found = median_of(&stake, &reals(&case["score"]), majority);
        assert!(
            (found - real(&case["expect"])).abs() < 2e-5,
            "{found}: {case}"
        );
    }
    for case in list(&all["math"]["weighted_median_col"]) {
        let (stake, majority) = (reals(&case["stake"]), real(&case["majority"]));
        let rows: Vec<Vec<f64>> = list(&case["rows"]).iter().map(reals).collect();
        for (column, expected) in reals(&case["expect"]).into_iter().enumerate() {
            let scores: Vec<f64> = rows.iter().map(|row| row[column]).collect();
            let found = median_of(&stake, &scores, majority);
            assert!(
                (found - expected).abs() < 2e-5,
                "{found}, column {column}: {case}"
            );
        }
    }
}

/// `max_weight_limit_ok` is a check of the pallet's and `sigmoid_era` is in `sigmoid.rs`.
#[test]
fn the_file_holds_no_section_that_is_not_tested() {
    let all = vectors();
    let sections: Vec<&str> = all["math"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        sections,
        [
            "is_topk",
            "max_upscale_to_u16",
            "max_weight_limit_ok",
            "sigmoid_era",
            "source",
            "weighted_median",
            "weighted_median_col"
        ]
    );
}
