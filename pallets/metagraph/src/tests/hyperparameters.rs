//! Every hyperparameter: where its range ends, and what setting it changes.

use std::collections::BTreeSet;

use codec::Encode;
use frame_support::{assert_noop, assert_ok};

use super::calls::*;
use crate::{
    Bonds, ConsensusMode, Error, Event, Hyperparameter, Hyperparameter as One, Hyperparameters,
    NetId, NetworkParameters, Networks, OutOfRange, Schedule, mock::*,
};

/// A set in which every hyperparameter differs from its default, all within their ranges.
fn unusual() -> Hyperparameters {
    Hyperparameters {
        tempo: 17,
        consensus: ConsensusMode::Sigmoid,
        kappa: 40_000,
        rho: 20,
        immunity_period: 3,
        activity_cutoff: 70,
        max_neurons: 9,
        max_validators: 5,
        min_weights: 2,
        max_weight: 50_000,
        weights_rate_limit: 11,
        weights_version: 6,
        serving_rate_limit: 12,
        min_stake: 1_000,
        registration: false,
        max_registrations_per_block: 4,
        price_min: 2_000,
        price_max: 3_000_000,
        price_half_life: 99,
        price_step: 2_000_000,
        bonds: Bonds::Liquid {
            low: 100,
            high: 60_000,
            steepness: 500,
        },
        bonds_moving_average: 500_000,
        bonds_penalty: 30_000,
        emission_share: 7,
        server_share: 300_000,
        owner_cut: 100_000,
    }
}

fn liquid(low: u16, high: u16) -> One {
    One::Bonds(Bonds::Liquid {
        low,
        high,
        steepness: 1_000,
    })
}

/// The last values within each range, and the first beyond it, by the error that refuses them. The network has three
/// neurons, and otherwise default hyperparameters.
fn edges() -> Vec<(OutOfRange, Vec<One>, Vec<One>)> {
    vec![
        (
            OutOfRange::Tempo,
            vec![One::Tempo(1), One::Tempo(50_400)],
            vec![One::Tempo(0), One::Tempo(50_401), One::Tempo(u32::MAX)],
        ),
        (
            OutOfRange::Kappa,
            vec![One::Kappa(1), One::Kappa(u16::MAX)],
            vec![One::Kappa(0)],
        ),
        (
            OutOfRange::Rho,
            vec![One::Rho(1), One::Rho(100)],
            vec![One::Rho(0), One::Rho(101), One::Rho(u16::MAX)],
        ),
        (
            OutOfRange::ImmunityPeriod,
            vec![One::ImmunityPeriod(0), One::ImmunityPeriod(1_000_000)],
            vec![
                One::ImmunityPeriod(1_000_001),
                One::ImmunityPeriod(u32::MAX),
            ],
        ),
        (
            OutOfRange::ActivityCutoff,
            vec![One::ActivityCutoff(1), One::ActivityCutoff(1_000_000)],
            vec![One::ActivityCutoff(0), One::ActivityCutoff(1_000_001)],
        ),
        (
            // Not below the three neurons there are, not above the mock's 4096.
            OutOfRange::MaxNeurons,
            vec![One::MaxNeurons(3), One::MaxNeurons(4_096)],
            vec![
                One::MaxNeurons(0),
                One::MaxNeurons(2),
                One::MaxNeurons(4_097),
                One::MaxNeurons(u16::MAX),
            ],
        ),
        (
            OutOfRange::MaxValidators,
            vec![One::MaxValidators(1), One::MaxValidators(256)],
            vec![One::MaxValidators(0), One::MaxValidators(257)],
        ),
        (
            OutOfRange::MinWeights,
            vec![One::MinWeights(1), One::MinWeights(4_096)],
            vec![One::MinWeights(0), One::MinWeights(4_097)],
        ),
        (
            OutOfRange::MaxWeight,
            vec![One::MaxWeight(1), One::MaxWeight(u16::MAX)],
            vec![One::MaxWeight(0)],
        ),
        (
            OutOfRange::WeightsRateLimit,
            vec![One::WeightsRateLimit(0), One::WeightsRateLimit(100_000)],
            vec![
                One::WeightsRateLimit(100_001),
                One::WeightsRateLimit(u32::MAX),
            ],
        ),
        (
            OutOfRange::ServingRateLimit,
            vec![One::ServingRateLimit(0), One::ServingRateLimit(100_000)],
            vec![
                One::ServingRateLimit(100_001),
                One::ServingRateLimit(u32::MAX),
            ],
        ),
        (
            OutOfRange::MaxRegistrationsPerBlock,
            vec![
                One::MaxRegistrationsPerBlock(1),
                One::MaxRegistrationsPerBlock(256),
            ],
            vec![
                One::MaxRegistrationsPerBlock(0),
                One::MaxRegistrationsPerBlock(257),
            ],
        ),
        (
            // The default highest price is 10^11, the default lowest 500,000. The pair is refused by its lower end.
            OutOfRange::PriceMin,
            vec![
                One::PriceMin(1),
                One::PriceMin(100_000_000_000),
                One::PriceMax(500_000),
                One::PriceMax(u64::MAX),
            ],
            vec![
                One::PriceMin(0),
                One::PriceMin(100_000_000_001),
                One::PriceMin(u64::MAX),
                One::PriceMax(499_999),
                One::PriceMax(0),
            ],
        ),
        (
            OutOfRange::PriceHalfLife,
            vec![One::PriceHalfLife(1), One::PriceHalfLife(36_100)],
            vec![One::PriceHalfLife(0), One::PriceHalfLife(36_101)],
        ),
        (
            OutOfRange::PriceStep,
            vec![One::PriceStep(1_000_000), One::PriceStep(3_000_000)],
            vec![
                One::PriceStep(0),
                One::PriceStep(999_999),
                One::PriceStep(3_000_001),
            ],
        ),
        (
            OutOfRange::Bonds,
            vec![
                One::Bonds(Bonds::Relative),
                One::Bonds(Bonds::Absolute),
                liquid(0, 1),
                liquid(1, 1),
                liquid(u16::MAX, u16::MAX),
            ],
            vec![liquid(0, 0), liquid(2, 1), liquid(u16::MAX, 0)],
        ),
        (
            OutOfRange::BondsMovingAverage,
            vec![
                One::BondsMovingAverage(0),
                One::BondsMovingAverage(1_000_000),
            ],
            vec![One::BondsMovingAverage(1_000_001)],
        ),
        (
            OutOfRange::ServerShare,
            vec![One::ServerShare(0), One::ServerShare(1_000_000)],
            vec![One::ServerShare(1_000_001), One::ServerShare(u32::MAX)],
        ),
        (
            OutOfRange::OwnerCut,
            vec![One::OwnerCut(0), One::OwnerCut(500_000)],
            vec![One::OwnerCut(500_001), One::OwnerCut(u32::MAX)],
        ),
    ]
}

/// Ends of hyperparameters that are never out of range.
fn unlimited() -> Vec<One> {
    vec![
        One::Consensus(ConsensusMode::Median),
        One::Consensus(ConsensusMode::Sigmoid),
        One::WeightsVersion(0),
        One::WeightsVersion(u64::MAX),
        One::MinStake(0),
        One::MinStake(u64::MAX),
        One::Registration(false),
        One::Registration(true),
        One::BondsPenalty(0),
        One::BondsPenalty(u16::MAX),
        One::EmissionShare(0),
        One::EmissionShare(u16::MAX),
    ]
}

const THREE: [(AccountId, AccountId, u64); 3] = [(1_001, 1, 0), (2_001, 2, 0), (3_001, 3, 0)];

fn defaults_with(one: One) -> Hyperparameters {
    let mut params = Hyperparameters::default();
    one.apply(&mut params);
    params
}

#[test]
fn each_hyperparameter_can_be_set_to_the_ends_of_its_range() {
    for one in edges()
        .into_iter()
        .flat_map(|(_, accepted, _)| accepted)
        .chain(unlimited())
    {
        ExtBuilder::default()
            .network(Hyperparameters::default(), &THREE)
            .build_and_execute(|| {
                assert_ok!(set_hyperparameter(NET, one.clone()));

                let stored = NetworkParameters::<Test>::get(NET);
                assert_eq!(stored, Some(defaults_with(one.clone())), "{one:?}");
                let set = Event::HyperparametersSet { netid: NET };
                assert_eq!(events(), [set]);
            });
    }
}

#[test]
fn no_hyperparameter_can_be_set_beyond_its_range() {
    ExtBuilder::default()
        .network(Hyperparameters::default(), &THREE)
        .build_and_execute(|| {
            for (name, _, refused) in edges() {
                for one in refused {
                    let whole = defaults_with(one.clone());
                    let error = Error::<Test>::OutOfRange(name);
                    assert_noop!(set_hyperparameter(NET, one), error);
                    let error = Error::<Test>::OutOfRange(name);
                    assert_noop!(set_hyperparameters(NET, whole), error);
                }
            }
        });
}

#[test]
fn the_tables_above_leave_out_no_hyperparameter() {
    let variant = |one: &One| one.encode()[0];
    let in_tables: BTreeSet<u8> = edges()
        .iter()
        .flat_map(|(_, accepted, _)| accepted)
        .chain(&unlimited())
        .map(variant)
        .collect();
    let all: BTreeSet<u8> = One::all(&unusual()).iter().map(variant).collect();
    assert_eq!(in_tables, all);
}

#[test]
fn setting_all_one_by_one_is_setting_the_whole() {
    ExtBuilder::default()
        .network(Hyperparameters::default(), &THREE)
        .network(Hyperparameters::default(), &THREE)
        .build_and_execute(|| {
            let each = Hyperparameter::all(&unusual());
            let different = Hyperparameter::all(&Hyperparameters::default())
                .iter()
                .zip(&each)
                .all(|(default, unusual)| default != unusual);
            assert!(different, "unusual() leaves something at its default");

            for one in each {
                assert_ok!(set_hyperparameter(NET, one));
            }
            assert_ok!(set_hyperparameters(NetId(1), unusual()));

            assert_eq!(NetworkParameters::<Test>::get(NET), Some(unusual()));
            assert_eq!(NetworkParameters::<Test>::get(NetId(1)), Some(unusual()));
        });
}

#[test]
fn setting_one_leaves_the_others() {
    for one in Hyperparameter::all(&unusual()) {
        ExtBuilder::default()
            .network(Hyperparameters::default(), &THREE)
            .build_and_execute(|| {
                assert_ok!(set_hyperparameter(NET, one.clone()));
                let stored = NetworkParameters::<Test>::get(NET).unwrap();
                let differing: Vec<_> = Hyperparameter::all(&stored)
                    .into_iter()
                    .zip(Hyperparameter::all(&Hyperparameters::default()))
                    .filter(|(now, default)| now != default)
                    .map(|(now, _)| now)
                    .collect();
                assert_eq!(differing, [one]);
            });
    }
}

#[test]
fn a_set_with_several_mistakes_is_refused_for_the_first_of_them() {
    ExtBuilder::default()
        .network(lenient(), &[])
        .build_and_execute(|| {
            let wrong = Hyperparameters {
                rho: 0,
                server_share: 1_000_001,
                ..lenient()
            };
            let refused = Error::<Test>::OutOfRange(OutOfRange::Rho);
            assert_noop!(set_hyperparameters(NET, wrong), refused);
        });
}

#[test]
fn defaults_are_within_their_ranges_and_as_documented() {
    let documented = Hyperparameters {
        tempo: 360,
        consensus: ConsensusMode::Median,
        kappa: 32_767,
        rho: 10,
        immunity_period: 4_096,
        activity_cutoff: 5_000,
        max_neurons: 256,
        max_validators: 64,
        min_weights: 1,
        max_weight: 65_535,
        weights_rate_limit: 100,
        weights_version: 0,
        serving_rate_limit: 50,
        min_stake: 0,
        registration: true,
        max_registrations_per_block: 1,
        price_min: 500_000,
        price_max: 100_000_000_000,
        price_half_life: 360,
        price_step: 1_260_000,
        bonds: Bonds::Relative,
        bonds_moving_average: 900_000,
        bonds_penalty: 65_535,
        emission_share: 1,
        server_share: 500_000,
        owner_cut: 0,
    };
    assert_eq!(Hyperparameters::default(), documented);
    assert_eq!(documented.check::<Test>(0), Ok(()));
}

#[test]
fn a_new_tempo_moves_the_next_epoch() {
    ExtBuilder::default()
        .network(lenient(), &[])
        .network(lenient(), &[])
        .build_and_execute(|| {
            let due = || -> Vec<u32> {
                Schedule::<Test>::get()
                    .iter()
                    .map(|slot| slot.next_epoch)
                    .collect()
            };
            run_to(3);
            // Block and id add up to a multiple of ten.
            assert_eq!(due(), [10, 9]);

            assert_ok!(set_hyperparameter(NET, Hyperparameter::Tempo(7)));
            assert_eq!(due(), [7, 9]);

            // 4 + 1 is the first multiple of five after block 3; the old tempo would have been sooner than 99.
            assert_ok!(set_hyperparameter(NetId(1), Hyperparameter::Tempo(5)));
            assert_eq!(due(), [7, 4]);
            assert_ok!(set_hyperparameter(NetId(1), Hyperparameter::Tempo(100)));
            assert_eq!(due(), [7, 99]);
        });
}

#[test]
fn the_same_tempo_leaves_the_next_epoch() {
    // Two networks due in block 10: the second one waits for block 11, and setting what it has does not let it wait longer.
    let tempo_of_eleven = Hyperparameters {
        tempo: 11,
        ..lenient()
    };
    ExtBuilder::default()
        .network(lenient(), &[])
        .network(tempo_of_eleven.clone(), &[])
        .build_and_execute(|| {
            run_to(10);
            assert_eq!(Schedule::<Test>::get()[1].next_epoch, 10);

            assert_ok!(set_hyperparameters(NetId(1), tempo_of_eleven));
            assert_ok!(set_hyperparameter(NetId(1), Hyperparameter::Rho(20)));

            assert_eq!(Schedule::<Test>::get()[1].next_epoch, 10);
            run_to(11);
            assert_eq!(Networks::<Test>::get(NetId(1)).unwrap().previous_epoch, 11);
        });
}

#[test]
fn a_new_emission_share_counts_from_the_next_block() {
    ExtBuilder::default()
        .network(lenient(), &[])
        .network(lenient(), &[])
        .build_and_execute(|| {
            assert_ok!(set_hyperparameter(NET, Hyperparameter::EmissionShare(3)));
            assert_eq!(Schedule::<Test>::get()[0].pending, 0);
            run_to(2);

            let pending: Vec<_> = Schedule::<Test>::get().iter().map(|s| s.pending).collect();
            assert_eq!(pending, [BLOCK_EMISSION / 4 * 3, BLOCK_EMISSION / 4]);
        });
}
