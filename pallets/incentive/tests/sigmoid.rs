//! The step table of the origin's first design: four neurons of stake 10⁹, an emission of 10⁹, α = ½, ρ = 10, κ = ½.
//!
//! Bonds there are amounts, `b' = ½ b + ½ · s_i w_ij · emission`, of which one half of a quarter, 1.25·10⁸, is held after
//! the first step. Absolute bonds are the same as parts of what they can grow to, 2.5·10⁸ here.

#![allow(clippy::unwrap_used, reason = "a test that fails has to say where")]

mod common;

use common::{Network, assert_close, bond, json::*};
use incentive::{BondsMode, Consensus, EpochParams, Uid};

/// One half, out of 65,535. (The origin's κ is one over that, 2.)
const HALF: u16 = 32_768;

fn params() -> EpochParams {
    EpochParams {
        consensus: Consensus::Sigmoid {
            rho: 10,
            kappa: HALF,
        },
        bonds: BondsMode::Absolute,
        bonds_moving_average: 500_000,
        ..EpochParams::default()
    }
}

/// 0 rates 1, 1 rates 2, 2 rates 3, 3 rates 0.
fn ring() -> Network {
    Network::new(&[1_000_000_000; 4])
        .with_weights(0, &[(1, 65_535)])
        .with_weights(1, &[(2, 65_535)])
        .with_weights(2, &[(3, 65_535)])
        .with_weights(3, &[(0, 65_535)])
}

/// An amount of the table as a part of 2.5·10⁸, out of 65,535.
fn of_a_quarter(bond: u64) -> u16 {
    u16::try_from(bond * 65_535 / 250_000_000).unwrap()
}

#[test]
fn a_ring_pays_everybody_a_quarter() {
    let mut network = ring();
    let first = network.epoch(&params());
    let quarter = [16_384; 4]; // 65,535 / 4, to the nearest
    assert_eq!(first.rank, quarter);
    assert_eq!(first.trust, quarter);
    assert_eq!(first.incentive, quarter);
    assert_eq!(first.dividends, quarter);
    // 1399336432749266785 / 2⁶⁴ = 0.0758582 of 65,535
    assert_eq!(first.consensus, [4_971; 4]);
    for neuron in 0..4 {
        assert_eq!(first.emission(Uid(neuron)), 250_000_000);
    }
    assert_close(
        "bond",
        &[bond(&first, 0, 1)],
        &[of_a_quarter(125_000_000)],
        1,
    );

    network.carry(&first);
    let second = network.epoch(&params());
    assert_close(
        "bond",
        &[bond(&second, 0, 1)],
        &[of_a_quarter(187_500_000)],
        1,
    );
    let mut tenth = second;
    for _ in 2..10 {
        network.carry(&tenth);
        tenth = network.epoch(&params());
    }
    assert_close(
        "bond",
        &[bond(&tenth, 0, 1)],
        &[of_a_quarter(249_755_859)],
        2,
    );
}

#[test]
fn weights_on_oneself_pay_nobody() {
    let mut network = Network::new(&[1_000_000_000; 4]);
    for neuron in 0..4 {
        network = network.with_weights(neuron.into(), &[(neuron, 65_535)]);
    }
    let outcome = network.epoch(&params());
    assert_eq!(outcome.incentive, [0; 4]);
    assert_eq!(outcome.server_emission, [0; 4]);
    assert_eq!(outcome.validator_emission, [0; 4]);
    assert_eq!(outcome.unpaid, 1_000_000_000);
}

#[test]
fn when_everybody_is_inactive_nobody_is_paid_and_bonds_decay() {
    let mut network = ring();
    network.block = 62; // last update at 60
    let cutoff = EpochParams {
        activity_cutoff: 2,
        ..params()
    };
    let first = network.epoch(&cutoff);
    assert_eq!(first.emission(Uid(0)), 250_000_000);

    network.block = 63;
    network.carry(&first);
    let mut outcome = network.epoch(&cutoff);
    assert_eq!(outcome.active, [false; 4]);
    assert_eq!(outcome.unpaid, 1_000_000_000);
    assert_close(
        "bond",
        &[bond(&outcome, 0, 1)],
        &[of_a_quarter(62_500_000)],
        1,
    );
    for _ in 2..10 {
        network.carry(&outcome);
        outcome = network.epoch(&cutoff);
    }
    // 2.5·10⁸ / 2¹⁰
    assert_close("bond", &[bond(&outcome, 0, 1)], &[of_a_quarter(244_140)], 2);
}

#[test]
fn one_active_neuron_shares_with_the_one_that_it_rates() {
    let mut network = ring();
    network.last_update = vec![60, 1, 1, 1];
    let outcome = network.epoch(&EpochParams {
        activity_cutoff: 50,
        ..params()
    });
    assert_eq!(outcome.active, [true, false, false, false]);
    assert_eq!(outcome.rank, [0, 65_535, 0, 0]);
    assert_eq!(outcome.trust, [0, 65_535, 0, 0]);
    assert_eq!(outcome.incentive, [0, 65_535, 0, 0]);
    // Half of the emission for the incentive of 1, half for the dividends of 0.
    assert_eq!(outcome.server_emission, [0, 500_000_000, 0, 0]);
    assert_eq!(outcome.validator_emission, [500_000_000, 0, 0, 0]);
    // 5·10⁸ of the 10⁹ that the bond can grow to.
    assert_close("bond", &[bond(&outcome, 0, 1)], &[HALF], 1);
}

#[test]
fn consensus_is_the_logistic_function_of_trust() {
    // C(T) for T = Σ s_i · [w_ij > 0], out of 100.
    let table = [
        (0, 0.006_693),
        (10, 0.017_986),
        (25, 0.075_858),
        (40, 0.268_941),
        (50, 0.5),
        (60, 0.731_059),
        (75, 0.924_142),
        (100, 0.993_307),
    ];
    for (stake, expected) in table {
        let network = Network::new(&[stake, 100 - stake, 0, 0])
            .with_weights(0, &[(2, 1)])
            .with_weights(1, &[(3, 1)]);
        let found = f64::from(network.epoch(&params()).consensus[2]) / 65_535.0;
        // Half a unit of 65,535, and κ is a half out of 65,535.
        assert!(
            (found - expected).abs() < 5e-5,
            "C({stake} %) = {found}, not {expected}"
        );
    }
}

#[test]
fn the_vectors_of_the_sigmoid_era() {
    let all = vectors();
    let expected = &all["math"]["sigmoid_era"];
    for rho in [10, 30] {
        let consensus = Consensus::Sigmoid { rho, kappa: HALF };
        let network = Network::new(&[1, 0, 0]).with_weights(0, &[(1, 1)]);
        let found = network
            .epoch(&EpochParams {
                consensus,
                ..params()
            })
            .consensus;
        let of = &expected[format!("rho_{rho}")];
        assert_close("C(1)", &[found[1]], &[small(&of["T1_u16"])], 2);
        assert_close("C(0)", &[found[2]], &[small(&of["T0_u16"])], 2);
    }
}
