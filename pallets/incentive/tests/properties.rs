//! What holds for every network.

#![allow(clippy::unwrap_used, reason = "a test that fails has to say where")]

mod common;

use common::{Network, bond, median, paid, random, row, uid};
use incentive::{
    BondsMode, Consensus, Entry, EpochInputs, EpochOutcome, EpochParams, LiquidAlpha, Row, Uid,
    WeightRow, epoch, largest_remainder,
};
use proptest::{collection::vec, prelude::*, sample::Index};

/// Every entry that is zero, left out.
fn without_zeros(rows: &[Vec<Entry>]) -> Vec<Vec<Entry>> {
    rows.iter()
        .map(|entries| {
            entries
                .iter()
                .copied()
                .filter(|entry| entry.1 > 0)
                .collect()
        })
        .collect()
}

/// Every entry that is left out, written as zero.
fn with_zeros(rows: &[Vec<Entry>]) -> Vec<Vec<Entry>> {
    let value = |entries: &[Entry], rated| {
        entries
            .iter()
            .find(|entry| entry.0 == rated)
            .map_or(0, |entry| entry.1)
    };
    let all = || (0..rows.len()).map(uid);
    rows.iter()
        .map(|entries| all().map(|rated| (rated, value(entries, rated))).collect())
        .collect()
}

/// Stakes that differ, so that there are no ties for a permit.
fn distinct(mut network: Network) -> Network {
    for (stake, position) in network.stake.iter_mut().zip(1..) {
        *stake = *stake / 64 * 64 + position;
    }
    network
}

/// Neurons by position, in any order.
fn order(n: usize, swaps: &[(Index, Index)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for (a, b) in swaps {
        order.swap(a.index(n), b.index(n));
    }
    order
}

fn rows_of(outcome: &EpochOutcome, order: &[usize]) -> Vec<(Uid, Vec<Entry>)> {
    let mut rows: Vec<(Uid, Vec<Entry>)> = outcome
        .bonds
        .iter()
        .map(|(rater, entries)| {
            let mut entries: Vec<Entry> = entries
                .iter()
                .map(|&(rated, bond)| (uid(order[rated.index()]), bond))
                .collect();
            entries.sort_unstable();
            (uid(order[rater.index()]), entries)
        })
        .collect();
    rows.sort_unstable();
    rows
}

proptest! {
    #![proptest_config(random::cases(1_000))]

    #[test]
    fn relabelling_uids_permutes_every_output(
        network in random::network(1..12),
        params in random::params(),
        swaps in vec(any::<(Index, Index)>(), 12),
    ) {
        let network = distinct(network);
        let order = order(network.n(), &swaps);
        let plain = network.epoch(&params);
        let moved = random::relabelled(&network, &order).epoch(&params);
        prop_assert_eq!(&moved.active, &random::permuted(&plain.active, &order));
        prop_assert_eq!(&moved.permits, &random::permuted(&plain.permits, &order));
        prop_assert_eq!(&moved.rank, &random::permuted(&plain.rank, &order));
        prop_assert_eq!(&moved.trust, &random::permuted(&plain.trust, &order));
        prop_assert_eq!(&moved.consensus, &random::permuted(&plain.consensus, &order));
        prop_assert_eq!(&moved.incentive, &random::permuted(&plain.incentive, &order));
        prop_assert_eq!(&moved.dividends, &random::permuted(&plain.dividends, &order));
        prop_assert_eq!(&moved.validator_trust, &random::permuted(&plain.validator_trust, &order));
        prop_assert_eq!(&moved.bonds, &rows_of(&plain, &order));
        // Of equal remainders the lower uid gets the unit that is left.
        let columns = [
            (&moved.server_emission, &plain.server_emission),
            (&moved.validator_emission, &plain.validator_emission),
        ];
        for (moved, plain) in columns {
            for (a, b) in moved.iter().zip(random::permuted(plain, &order)) {
                prop_assert!(a.abs_diff(b) <= 1);
            }
        }
    }

    #[test]
    fn zeros_may_be_written_or_left_out(
        network in random::network(1..10),
        params in random::params(),
    ) {
        let plain = network.epoch(&params);
        let mut sparse = network.clone();
        sparse.weights = without_zeros(&network.weights);
        sparse.bonds = without_zeros(&network.bonds);
        prop_assert_eq!(&sparse.epoch(&params), &plain);
        let mut dense = network.clone();
        dense.weights = with_zeros(&network.weights);
        dense.bonds = with_zeros(&network.bonds);
        prop_assert_eq!(&dense.epoch(&params), &plain);
    }

    #[test]
    fn scaling_all_stake_changes_nothing(
        network in random::network(1..10),
        params in random::params(),
        factor in 1..50_u64,
    ) {
        let scaled = Network {
            stake: network.stake.iter().map(|stake| stake * factor).collect(),
            ..network.clone()
        };
        let scaled_params = EpochParams { min_stake: params.min_stake * factor, ..params };
        prop_assert_eq!(scaled.epoch(&scaled_params), network.epoch(&params));
    }

    #[test]
    fn scaling_a_row_of_weights_changes_scores_by_at_most_rounding(
        mut network in random::network(2..8),
        params in random::params(),
    ) {
        for entries in &mut network.weights {
            entries.iter_mut().for_each(|entry| entry.1 /= 64);
        }
        let plain = network.epoch(&params);
        for entries in &mut network.weights {
            entries.iter_mut().for_each(|entry| entry.1 *= 64);
        }
        let scaled = network.epoch(&params);
        for (a, b) in plain.consensus.iter().zip(&scaled.consensus) {
            prop_assert!(a.abs_diff(*b) <= 1);
        }
        for (a, b) in plain.incentive.iter().zip(&scaled.incentive) {
            prop_assert!(a.abs_diff(*b) <= 1);
        }
    }

    #[test]
    fn all_of_the_emission_is_accounted_for(
        network in random::network(0..12),
        params in random::params(),
    ) {
        let outcome = network.epoch(&params);
        prop_assert_eq!(paid(&outcome), u128::from(network.emission));
        prop_assert!(outcome.unpaid == 0 || outcome.unpaid == network.emission);
        let combined: u128 = (0..network.n()).map(|i| u128::from(outcome.emission(uid(i)))).sum();
        let rest = outcome.owner_emission + outcome.unpaid;
        prop_assert_eq!(combined + u128::from(rest), u128::from(network.emission));
    }

    #[test]
    fn whom_nobody_rated_earns_no_incentive(
        network in random::network(1..12),
        params in random::params(),
    ) {
        let outcome = network.epoch(&params);
        for rated in 0..network.n() {
            let rater = |entries: &Vec<Entry>| entries.iter().any(|e| e.0 == uid(rated) && e.1 > 0);
            if !network.weights.iter().any(rater) {
                prop_assert_eq!(outcome.incentive[rated], 0);
                prop_assert_eq!(outcome.server_emission[rated], 0);
            }
        }
    }

    #[test]
    fn outcomes_are_inputs_of_the_next_epoch(
        mut network in random::network(1..12),
        params in random::params(),
    ) {
        for _ in 0..3 {
            let outcome = network.epoch(&params);
            let ascending = outcome.bonds.windows(2).all(|pair| pair[0].0 < pair[1].0);
            prop_assert!(ascending);
            for (rater, entries) in &outcome.bonds {
                prop_assert!(outcome.permits[rater.index()]);
                prop_assert!(!entries.is_empty() && entries.iter().all(|entry| entry.1 > 0));
            }
            let limit = usize::from(params.max_validators) + usize::from(network.owner.is_some());
            prop_assert!(outcome.permits.iter().filter(|permit| **permit).count() <= limit);
            network.carry(&outcome);
        }
    }

    #[test]
    fn any_input_gives_an_outcome_or_an_error(
        block in any::<u64>(),
        previous_epoch in any::<u64>(),
        stake in vec(any::<u64>(), 0..5),
        registered_at in vec(any::<u64>(), 4..5),
        last_update in vec(any::<u64>(), 4..5),
        permits in vec(any::<bool>(), 4..5),
        owner in prop::option::of(0..6_u16),
        weights in vec((0..5_u16, any::<u64>(), any::<Option<u64>>(), vec((0..5_u16, random::value()), 0..4)), 0..4),
        bonds in vec((0..5_u16, vec((0..5_u16, random::value()), 0..4)), 0..4),
        emission in any::<u64>(),
        params in random::params(),
        above_one in any::<u32>(),
    ) {
        let weights: Vec<_> = weights.iter().map(|(rater, updated, committed, entries)| (*rater, *updated, *committed, row(entries))).collect();
        let bonds: Vec<_> = bonds.iter().map(|(rater, entries)| (*rater, row(entries))).collect();
        let weights: Vec<WeightRow<'_>> = weights
            .iter()
            .map(|(rater, updated_at, committed_at, entries)| WeightRow {
                rater: Uid(*rater),
                updated_at: *updated_at,
                committed_at: *committed_at,
                entries,
            })
            .collect();
        let bonds: Vec<Row<'_>> =
            bonds.iter().map(|(rater, entries)| Row { rater: Uid(*rater), entries }).collect();
        let inputs = EpochInputs {
            block,
            previous_epoch,
            stake: &stake,
            registered_at: &registered_at,
            last_update: &last_update,
            permits: &permits,
            owner: owner.map(Uid),
            weights: &weights,
            bonds: &bonds,
            emission,
        };
        let is_valid = inputs.check().is_ok();
        prop_assert_eq!(epoch(&inputs, &params).is_ok(), is_valid);
        let wrong = EpochParams { server_share: above_one | (1 << 31), ..params };
        prop_assert!(epoch(&inputs, &wrong).is_err());
    }

    #[test]
    fn a_split_is_exact_and_each_part_is_within_one_unit(
        total in any::<u64>(),
        shares in vec(random::stake(), 1..50),
    ) {
        let sum: u128 = shares.iter().map(|&share| u128::from(share)).sum();
        prop_assume!(sum > 0);
        let parts = largest_remainder(total, &shares).unwrap();
        prop_assert_eq!(parts.iter().map(|&part| u128::from(part)).sum::<u128>(), u128::from(total));
        for (&part, &share) in parts.iter().zip(&shares) {
            let exact = u128::from(total) * u128::from(share);
            let down = exact / sum;
            prop_assert!(u128::from(part) == down || (u128::from(part) == down + 1 && exact % sum > 0));
        }
    }
}

/// Weights of one rater as fractions, after the masks that [`random::network`] can trip.
fn fractions(network: &Network, rater: usize) -> Vec<f64> {
    let mut weights = vec![0.0; network.n()];
    for &(rated, weight) in &network.weights[rater] {
        let outdated = network.updated_at[rater] <= network.registered_at[rated.index()];
        let sealed = network.committed_at[rater]
            .is_some_and(|block| block < network.registered_at[rated.index()]);
        let own = rated == uid(rater) && network.owner != Some(rated);
        if !outdated && !sealed && !own {
            weights[rated.index()] = f64::from(weight);
        }
    }
    let sum: f64 = weights.iter().sum();
    weights
        .iter()
        .map(|weight| if sum > 0.0 { weight / sum } else { 0.0 })
        .collect()
}

proptest! {
    #![proptest_config(random::cases(2_000))]

    /// The two guarantees of `incentive::consensus::median`, for a coalition that does as it likes.
    #[test]
    fn a_coalition_below_the_threshold_cannot_move_consensus_beyond_the_others(
        network in random::network(2..12),
        kappa in random::value(),
        coalition in vec(any::<bool>(), 12),
    ) {
        let params = EpochParams { consensus: Consensus::Median { kappa }, ..EpochParams::default() };
        let outcome = network.epoch(&params);
        let votes: Vec<u128> = (0..network.n())
            .map(|i| {
                let permitted = network.permits[i] || network.owner == Some(uid(i));
                if permitted && outcome.active[i] { network.stake[i].into() } else { 0 }
            })
            .collect();
        let kappa = u128::from(kappa);
        let total: u128 = votes.iter().sum();
        let (members, others): (Vec<usize>, Vec<usize>) =
            (0..network.n()).filter(|&i| votes[i] > 0).partition(|&i| coalition[i]);
        let stake: u128 = members.iter().map(|&i| votes[i]).sum();
        prop_assume!(total > 0 && !others.is_empty());
        let weights: Vec<Vec<f64>> = (0..network.n()).map(|i| fractions(&network, i)).collect();
        for (j, &score) in outcome.consensus.iter().enumerate() {
            let consensus = f64::from(score) / 65_535.0;
            // A score is rounded to the nearest unit of 65,535.
            let unit = 1.0 / 65_535.0;
            let others_where = |condition: &dyn Fn(f64) -> bool| -> u128 {
                others.iter().filter(|&&i| condition(weights[i][j])).map(|&i| votes[i]).sum()
            };
            if stake * 65_535 < kappa * total && score > 0 {
                // At least κ·t - s of the others give at least as much.
                let supporters = others_where(&|weight| weight >= consensus - unit);
                prop_assert!((supporters + stake) * 65_535 >= kappa * total);
                prop_assert!(supporters > 0);
            }
            if stake * 65_535 <= (65_535 - kappa) * total {
                let least = others.iter().map(|&i| weights[i][j]).fold(f64::MAX, f64::min);
                prop_assert!(consensus >= least - unit, "{consensus} < {least}");
                // More than (1 - κ)·t - s of the others give at most as much, or somebody gives more than consensus.
                let above = others_where(&|weight| weight > consensus + unit);
                prop_assert!(above * 65_535 < (kappa * total).max(65_535));
            }
        }
    }
}

#[test]
fn exactly_half_of_the_stake_suffices_just_below_one_half_and_not_just_above() {
    let network = Network::new(&[5, 5, 0, 0])
        .with_weights(0, &[(2, 2), (3, 8)])
        .with_weights(1, &[(2, 8), (3, 2)]);
    let consensus = |kappa| {
        let consensus = Consensus::Median { kappa };
        network
            .epoch(&EpochParams {
                consensus,
                ..EpochParams::default()
            })
            .consensus
    };
    // 0.8 and 0.2 of 65,535
    assert_eq!(consensus(32_767), [0, 0, 52_428, 52_428]);
    assert_eq!(consensus(32_768), [0, 0, 13_107, 13_107]);
}

#[test]
fn a_bond_on_a_server_that_is_no_longer_rated_decays() {
    for mode in [
        BondsMode::Relative,
        BondsMode::Absolute,
        BondsMode::Liquid(LiquidAlpha::default()),
    ] {
        // Validator 0 turns from server 2 to server 3; validator 1 goes on with both.
        let mut network = Network::new(&[1, 1, 0, 0])
            .with_weights(0, &[(3, 1)])
            .with_weights(1, &[(2, 1), (3, 1)])
            .with_bonds(0, &[(2, 40_000)])
            .with_bonds(1, &[(2, 65_535)]);
        let mut before = 40_000;
        for epoch in 0..3 {
            let outcome = network.epoch(&median(mode));
            let after = bond(&outcome, 0, 2);
            assert!(
                0 < after && after < before,
                "{mode:?}, epoch {epoch}: {before} to {after}"
            );
            before = after;
            network.carry(&outcome);
        }
        // With nobody to keep it up, it is gone in the end, and not stuck at a last unit.
        for _ in 0..300 {
            let outcome = network.epoch(&median(mode));
            network.carry(&outcome);
        }
        assert_eq!(bond(&network.epoch(&median(mode)), 0, 2), 0, "{mode:?}");
    }
}

#[test]
fn a_saturated_absolute_bond_stays_saturated() {
    for mode in [
        BondsMode::Absolute,
        BondsMode::Liquid(LiquidAlpha::default()),
    ] {
        let mut network = Network::new(&[1, 0]).with_weights(0, &[(1, 1)]);
        network = network.with_bonds(0, &[(1, 65_535)]);
        for _ in 0..50 {
            let outcome = network.epoch(&median(mode));
            assert_eq!(bond(&outcome, 0, 1), 65_535);
            network.carry(&outcome);
        }
    }
}

#[test]
fn a_network_of_the_greatest_size_and_stake_has_an_outcome() {
    const N: usize = u16::MAX as usize;
    let all: Vec<Entry> = (0..u16::MAX).map(|rated| (Uid(rated), u16::MAX)).collect();
    let mut network = Network::new(&vec![u64::MAX; N]);
    network.emission = u64::MAX;
    for rater in 0..8 {
        network.weights[rater].clone_from(&all);
        network.bonds[rater].clone_from(&all);
    }
    for rater in 8..N {
        // A ring, so that every validator rates somebody.
        network.weights[rater] = vec![(uid((rater + 1) % N), 1)];
        network.bonds[rater] = vec![(uid((rater + 1) % N), 1)];
    }
    for consensus in [
        Consensus::Median { kappa: 0 },
        Consensus::Median { kappa: u16::MAX },
        Consensus::Sigmoid {
            rho: u16::MAX,
            kappa: 32_767,
        },
    ] {
        for bonds in [
            BondsMode::Relative,
            BondsMode::Absolute,
            BondsMode::Liquid(LiquidAlpha::default()),
        ] {
            for bonds_penalty in [0, 30_000, u16::MAX] {
                let max_validators = u16::MAX;
                let params = EpochParams {
                    consensus,
                    bonds,
                    bonds_penalty,
                    max_validators,
                    ..EpochParams::default()
                };
                let outcome = network.epoch(&params);
                assert_eq!(paid(&outcome), u64::MAX.into());
                assert_eq!(outcome.permits, vec![true; N]);
            }
        }
    }
}

#[test]
fn one_validator_of_all_the_stake_decides_alone() {
    let network = Network::new(&[u64::MAX, 1, 0, 0])
        .with_weights(0, &[(2, 1), (3, 3)])
        .with_weights(1, &[(2, 3), (3, 1)]);
    let outcome = network.epoch(&median(BondsMode::Relative));
    // 1/4 and 3/4 of 65,535
    assert_eq!(outcome.consensus, [0, 0, 16_384, 49_151]);
    assert_eq!(outcome.incentive, [0, 0, 16_384, 49_151]);
}

#[test]
fn errors_say_what_is_wrong() {
    let network = Network::new(&[1, 1]).with_weights(0, &[(1, 1), (0, 1)]);
    let error = network
        .inputs(|inputs| epoch(inputs, &EpochParams::default()))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "weights: entries of rater 0 are not strictly ascending by uid"
    );
    let wrong = EpochParams {
        owner_cut: 1_000_001,
        ..EpochParams::default()
    };
    assert_eq!(
        wrong.check().unwrap_err().to_string(),
        "`owner_cut` is 1000001 parts per million, above one"
    );
}
