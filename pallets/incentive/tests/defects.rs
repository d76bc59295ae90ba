//! Inputs on which the origin is wrong (`peer_defects` in `vectors/yuma_vectors.json`): our answer is the right one.

#![allow(clippy::unwrap_used, reason = "a test that fails has to say where")]

mod common;

use common::{Network, assert_close, bond, json::*, median, paid, rounded};
use incentive::{BondsMode, Consensus, EpochParams, LiquidAlpha};
use serde_json::Value;

const TOLERANCE: u64 = 2;

fn defect(id: &str) -> Value {
    let all = vectors();
    list(&all["peer_defects"])
        .iter()
        .find(|v| v["id"] == id)
        .unwrap()
        .clone()
}

/// Five neurons of stake 8, 1, 1, 0, 0, as two of the defects have them.
fn network_of_three_validators() -> (Network, EpochParams) {
    let of = &defect("sparse-liquid-bond-drop")["params"];
    let mut network = Network::new(&numbers(&of["stake"]));
    network.permits = bools(&of["validator_permit"]);
    network.bonds = rows(&of["bonds_before"]);
    (network, params(of))
}

#[track_caller]
fn assert_is(network: &Network, params: &EpochParams, expected: &Value) {
    let outcome = network.epoch(params);
    for (rater, row) in (0..).zip(list(&expected["bonds"])) {
        for (rated, value) in entries(row) {
            assert_close(
                "bond",
                &[bond(&outcome, rater, rated.0)],
                &[value],
                TOLERANCE,
            );
        }
    }
    let dividends = u16s(&expected["dividends"]);
    assert_close(
        "dividends",
        &outcome.dividends[..dividends.len()],
        &dividends,
        TOLERANCE,
    );
}

#[test]
fn a_bond_decays_alike_whether_its_weight_is_zero_or_left_out() {
    let defect = defect("sparse-liquid-bond-drop");
    let (network, liquid) = network_of_three_validators();
    let plain = EpochParams {
        bonds: BondsMode::Absolute,
        ..liquid
    };
    for encoding in ["weights_explicit", "weights_omitted"] {
        let network = Network {
            weights: rows(&defect[encoding]),
            ..network.clone()
        };
        assert_is(&network, &liquid, &defect["upstream_explicit"]);
        assert_is(&network, &plain, &defect["liquid_off_both_encodings"]);
    }
}

#[test]
fn weights_out_of_order_are_refused_instead_of_misread() {
    let defect = defect("unsorted-uids-liquid");
    let (network, params) = network_of_three_validators();
    let mut network = network
        .with_weights(0, &[(3, 65_535), (4, 10_000)])
        .with_weights(1, &[(3, 20_000), (4, 65_535)])
        .with_weights(2, &[(3, 65_535), (4, 30_000)]);
    for rater in 0..3 {
        network = network.with_bonds(rater, &[(3, 3_000), (4, 2_000)]);
    }
    let ascending = &defect["upstream_ascending"];
    let outcome = network.epoch(&params);
    for (rated, value) in entries(&ascending["v1_bonds"]) {
        assert_close("bond", &[bond(&outcome, 1, rated.0)], &[value], TOLERANCE);
    }
    assert_close(
        "dividends",
        &outcome.dividends[..3],
        &u16s(&ascending["dividends"]),
        TOLERANCE,
    );

    network = network.with_weights(1, &[(4, 65_535), (3, 20_000)]);
    assert!(
        network
            .inputs(|inputs| incentive::epoch(inputs, &params))
            .is_err()
    );
}

#[test]
fn half_of_the_stake_is_a_majority_just_below_one_half() {
    let defect = defect("median-tie");
    // Servers 2 and 3 get 0.2 and 0.8 of one validator, 0.8 and 0.2 of the other.
    let network = Network::new(&[7, 7, 0, 0])
        .with_weights(0, &[(2, 1), (3, 4)])
        .with_weights(1, &[(2, 4), (3, 1)]);
    for (kappa, key) in [(32_767, "kappa_32767"), (32_768, "kappa_32768")] {
        let consensus = Consensus::Median { kappa };
        let outcome = network.epoch(&EpochParams {
            consensus,
            ..EpochParams::default()
        });
        let expected = rounded(real(&defect[key]) * 65_535.0);
        assert_eq!(outcome.consensus[2..], [expected, expected]);
    }
}

#[test]
fn of_equal_stakes_the_lower_uids_hold_the_permits() {
    let defect = defect("topk-tie");
    let params = EpochParams {
        max_validators: small(&defect["k"]),
        ..EpochParams::default()
    };
    let permits = Network::new(&[5, 5, 5]).epoch(&params).permits;
    assert_eq!(permits, [true, true, false]);
    assert_ne!(permits, bools(&defect["expect"]));
}

#[test]
fn no_unit_of_an_emission_is_lost() {
    for emission in numbers(&defect("emission-dust")["asked"]) {
        // 256 neurons, 64 of which rate all others, no two alike.
        let stake: Vec<u64> = (0..256)
            .map(|uid| if uid < 64 { 1_000 + uid * uid } else { 0 })
            .collect();
        let mut network = Network::new(&stake);
        network.emission = emission;
        for rater in 0..64_u16 {
            let weight = |rated: u16| rated.wrapping_mul(40_503) ^ rater.wrapping_mul(30_011);
            let entries: Vec<(u16, u16)> = (0..256)
                .filter(|&rated| rated != rater)
                .map(|rated| (rated, weight(rated)))
                .collect();
            network = network.with_weights(rater.into(), &entries);
        }
        for mode in [
            BondsMode::Relative,
            BondsMode::Liquid(LiquidAlpha::default()),
        ] {
            let outcome = network.epoch(&median(mode));
            assert_eq!(paid(&outcome), emission.into());
            assert_eq!(outcome.unpaid, 0);
        }
    }
}

#[test]
fn the_file_holds_no_defect_that_is_not_tested_here() {
    let all = vectors();
    let ids: Vec<&str> = list(&all["peer_defects"])
        .iter()
        .map(|defect| defect["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids,
        [
            "sparse-liquid-bond-drop",
            "unsorted-uids-liquid",
            "median-tie",
            "topk-tie",
            "emission-dust"
        ]
    );
}
