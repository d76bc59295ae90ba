//! The epoch: whom it pays, what it leaves in storage, when it runs, and what happens if it cannot.

use frame_support::{assert_ok, weights::Weight};
use incentive::{EpochInputs, EpochOutcome, Row, WeightRow};
use proptest::prelude::*;

use super::calls::*;
use crate::{
    BondRows, Bonds, ConsensusMode, EarnedColumn, EmissionColumn, EpochError, Event,
    GenesisNetwork, Hotkeys, Hyperparameter, Hyperparameters, Keys, NetId, NetworkParameters,
    Networks, Pallet, PermitColumn, RegisteredColumn, Schedule, ScoreColumns, Slot, StakeColumn,
    TotalEarned, Uid, WeightRows, mock::*,
};

fn completed(netid: NetId, paid: u64) -> Event<Test> {
    Event::EpochCompleted { netid, paid }
}

fn slot(netid: NetId) -> Slot {
    let slots = Schedule::<Test>::get();
    *slots.iter().find(|slot| slot.netid == netid).unwrap()
}

fn earned(netid: NetId) -> Vec<u64> {
    EarnedColumn::<Test>::get(netid).into_inner()
}

fn permits(netid: NetId) -> Vec<bool> {
    PermitColumn::<Test>::get(netid).into_inner()
}

/// Two validators and two servers, of whom the validators think differently. Ready in block 10, after their first epoch.
fn with_opinions(params: Hyperparameters, test: impl FnOnce()) {
    let neurons = [
        (1_001, 1, 5_000),
        (2_001, 2, 3_000),
        (3_001, 3, 0),
        (4_001, 4, 0),
    ];
    ExtBuilder::default()
        .network(params, &neurons)
        .build_and_execute(|| {
            run_to(10);
            assert_ok!(set_weights(1_001, NET, &[(2, 3), (3, 1)]));
            assert_ok!(set_weights(2_001, NET, &[(2, 1), (3, 1)]));
            System::reset_events();
            test();
        });
}

// ---- permits ----

#[test]
fn permits_appear_with_the_first_epoch() {
    let neurons = [(1_001, 1, 5_000), (2_001, 2, 0), (3_001, 3, 1)];
    ExtBuilder::default()
        .network(lenient(), &neurons)
        .build_and_execute(|| {
            run_to(9);
            assert_eq!(permits(NET), [false, false, false]);
            run_to(10);
            // Nobody without stake.
            assert_eq!(permits(NET), [true, false, true]);
        });
}

#[test]
fn permits_go_to_the_most_stake() {
    let params = Hyperparameters {
        max_validators: 2,
        ..lenient()
    };
    let neurons = [(1_001, 1, 100), (2_001, 2, 300), (3_001, 3, 200)];
    ExtBuilder::default()
        .network(params, &neurons)
        .build_and_execute(|| {
            run_to(10);
            assert_eq!(permits(NET), [false, true, true]);
            // More than anybody can have earned until then.
            assert_ok!(add_stake(1, 1_001, FUNDS / 2));
            assert_eq!(permits(NET), [false, true, true]);
            run_to(20);
            assert_eq!(permits(NET), [true, true, false]);
        });
}

#[test]
fn permits_take_the_least_stake() {
    let params = Hyperparameters {
        min_stake: 200,
        ..lenient()
    };
    let neurons = [(1_001, 1, 199), (2_001, 2, 200)];
    ExtBuilder::default()
        .network(params, &neurons)
        .build_and_execute(|| {
            run_to(10);
            assert_eq!(permits(NET), [false, true]);
        });
}

#[test]
fn a_validator_that_loses_its_permit_loses_its_bonds() {
    let params = Hyperparameters {
        max_validators: 2,
        ..lenient()
    };
    with_opinions(params, || {
        run_to(20);
        assert!(BondRows::<Test>::contains_key(NET, Uid(0)));
        assert!(BondRows::<Test>::contains_key(NET, Uid(1)));

        assert_ok!(add_stake(3, 3_001, FUNDS / 2));
        run_to(30);

        assert_eq!(permits(NET), [true, false, true, false]);
        assert!(BondRows::<Test>::contains_key(NET, Uid(0)));
        assert!(!BondRows::<Test>::contains_key(NET, Uid(1)));
        // Its row of weights is still its own.
        assert!(WeightRows::<Test>::contains_key(NET, Uid(1)));
    });
}

#[test]
fn a_permit_that_is_new_votes_in_the_epoch_after() {
    let params = Hyperparameters {
        max_validators: 1,
        ..lenient()
    };
    with_opinions_of_one(params, || {
        assert_ok!(add_stake(2, 2_001, FUNDS / 2));
        run_to(20);
        assert_eq!(permits(NET), [false, true, false]);
        let first = ScoreColumns::<Test>::get(NET).incentive;
        assert_eq!(first.into_inner(), [0, 0, u16::MAX]);

        assert_ok!(set_weights(2_001, NET, &[(0, 1)]));
        run_to(30);
        let second = ScoreColumns::<Test>::get(NET).incentive;
        assert_eq!(second.into_inner(), [u16::MAX, 0, 0]);
    });
}

/// 1001 is the validator, and values 3001 only.
fn with_opinions_of_one(params: Hyperparameters, test: impl FnOnce()) {
    let neurons = [(1_001, 1, 5_000), (2_001, 2, 0), (3_001, 3, 0)];
    ExtBuilder::default()
        .network(params, &neurons)
        .build_and_execute(|| {
            run_to(10);
            assert_ok!(set_weights(1_001, NET, &[(2, 1)]));
            System::reset_events();
            test();
        });
}

// ---- what it computes ----

/// What the incentive function says of the next epoch of `netid`, from what storage has now. It is given every row, and is
/// left to find out which count.
fn outcome_of_next_epoch(netid: NetId) -> EpochOutcome {
    let params = NetworkParameters::<Test>::get(netid).unwrap();
    let network = Networks::<Test>::get(netid).unwrap();
    let uids = || (0..network.n_neurons).map(Uid);
    let stake: Vec<u64> = uids()
        .zip(earned(netid))
        .map(|(uid, earned)| {
            let hotkey = Keys::<Test>::get(netid, uid).unwrap();
            Hotkeys::<Test>::get(hotkey).unwrap().stake + earned
        })
        .collect();
    let registered_at: Vec<u64> = RegisteredColumn::<Test>::get(netid)
        .into_iter()
        .map(u64::from)
        .collect();
    let rows: Vec<_> = uids()
        .filter_map(|uid| Some((uid, WeightRows::<Test>::get(netid, uid)?)))
        .collect();
    let mut last_update = registered_at.clone();
    for (uid, row) in &rows {
        last_update[usize::from(uid.0)] = u64::from(row.updated_at);
    }
    let weights: Vec<_> = rows
        .iter()
        .map(|(rater, row)| WeightRow {
            rater: *rater,
            updated_at: u64::from(row.updated_at),
            committed_at: None,
            entries: &row.entries,
        })
        .collect();
    let bonds = Pallet::<Test>::bonds(netid).unwrap();
    let bonds: Vec<_> = bonds
        .iter()
        .map(|(rater, entries)| Row {
            rater: *rater,
            entries,
        })
        .collect();
    // Until the epoch, each block gives the network its part; here it is the only one.
    let Slot {
        pending,
        next_epoch,
        ..
    } = slot(netid);
    let blocks = u64::from(next_epoch) - System::block_number();
    let inputs = EpochInputs {
        block: u64::from(next_epoch),
        previous_epoch: u64::from(network.previous_epoch),
        stake: &stake,
        registered_at: &registered_at,
        last_update: &last_update,
        permits: &permits(netid),
        owner: None,
        weights: &weights,
        bonds: &bonds,
        emission: pending + blocks * Pallet::<Test>::emission_now(),
    };
    incentive::epoch(&inputs, &params.epoch_params(network.owner.as_ref())).unwrap()
}

/// Runs the next epoch of the only network, and compares everything it leaves with what the incentive function says.
fn next_epoch_is_what_the_incentive_function_says() {
    let expected = outcome_of_next_epoch(NET);
    let earned_before = earned(NET);
    let total_before = TotalEarned::<Test>::get();
    let owner = Networks::<Test>::get(NET).unwrap().owner;
    let owner_before = owner.map(Balances::free_balance);
    System::reset_events();

    let due = slot(NET).next_epoch;
    run_to(u64::from(due));

    let scores = ScoreColumns::<Test>::get(NET);
    let columns = scores.columns().map(|column| column.to_vec());
    let EpochOutcome {
        rank,
        trust,
        consensus,
        incentive,
        dividends,
        validator_trust,
        ..
    } = expected.clone();
    let expected_columns = [
        rank,
        trust,
        consensus,
        incentive,
        dividends,
        validator_trust,
    ];
    assert_eq!(columns, expected_columns);
    assert_eq!(permits(NET), expected.permits);
    assert_eq!(Pallet::<Test>::bonds(NET).unwrap(), expected.bonds);

    let pay: Vec<u64> = expected
        .server_emission
        .iter()
        .zip(&expected.validator_emission)
        .map(|(server, validator)| server + validator)
        .collect();
    let earned_after: Vec<u64> = earned_before.iter().zip(&pay).map(|(a, b)| a + b).collect();
    assert_eq!(EmissionColumn::<Test>::get(NET).into_inner(), pay);
    assert_eq!(earned(NET), earned_after);
    let paid: u64 = pay.iter().sum();
    assert_eq!(TotalEarned::<Test>::get(), total_before + paid);
    assert_eq!(slot(NET).pending, expected.unpaid);
    let owner_after = owner_before.map(|balance| balance + expected.owner_emission);
    assert_eq!(owner.map(Balances::free_balance), owner_after);
    assert_eq!(Networks::<Test>::get(NET).unwrap().previous_epoch, due);
    assert_eq!(events(), [completed(NET, paid + expected.owner_emission)]);
}

#[test]
fn an_epoch_stores_what_the_incentive_function_says() {
    let liquid = Bonds::Liquid {
        low: 10_000,
        high: 60_000,
        steepness: 1_000,
    };
    for consensus in [ConsensusMode::Median, ConsensusMode::Sigmoid] {
        for bonds in [Bonds::Relative, Bonds::Absolute, liquid] {
            let params = Hyperparameters {
                consensus,
                bonds,
                server_share: 410_000,
                bonds_penalty: 40_000,
                ..lenient()
            };
            with_opinions(params, || {
                next_epoch_is_what_the_incentive_function_says();
                assert_ok!(set_weights(2_001, NET, &[(0, 7), (2, 1), (3, 5)]));
                next_epoch_is_what_the_incentive_function_says();
                assert_ok!(register(5, NET, 5_001));
                assert_ok!(set_network_owner(NET, Some(5)));
                assert_ok!(set_hyperparameter(NET, Hyperparameter::OwnerCut(180_000)));
                next_epoch_is_what_the_incentive_function_says();
                assert_ok!(set_weights(1_001, NET, &[(4, 1)]));
                next_epoch_is_what_the_incentive_function_says();
            });
        }
    }
}

proptest! {
    #[test]
    fn epochs_store_what_the_incentive_function_says(
        stakes in prop::collection::vec(0u64..10_000, 1..7),
        max_validators in 1u16..5,
        activity_cutoff in 1u32..40,
        sigmoid: bool,
        rounds in prop::collection::vec(
            prop::collection::vec((0usize..7, prop::collection::btree_map(0u16..7, 1u16.., 1..7)), 0..5),
            1..5,
        ),
    ) {
        let consensus = if sigmoid { ConsensusMode::Sigmoid } else { ConsensusMode::Median };
        let params = Hyperparameters { max_validators, activity_cutoff, consensus, ..lenient() };
        let neurons: Vec<_> = (1u64..)
            .zip(stakes)
            .map(|(n, stake)| (1_000 + n, 1, stake))
            .collect();
        ExtBuilder::default().network(params, &neurons).build_and_execute(|| {
            for rows in rounds {
                for (place, row) in rows {
                    // Refused ones are part of the game.
                    let (hotkey, _, _) = neurons[place % neurons.len()];
                    let row: Vec<_> = row.into_iter().collect();
                    let _ = set_weights(hotkey, NET, &row);
                }
                next_epoch_is_what_the_incentive_function_says();
            }
        });
    }
}

// ---- whom it pays ----

#[test]
fn an_epoch_pays_exactly_what_was_pending() {
    with_opinions(lenient(), || {
        let before: u64 = earned(NET).iter().sum();
        run_to(20);

        let paid = 10 * BLOCK_EMISSION;
        assert_eq!(events(), [completed(NET, paid)]);
        let emission = EmissionColumn::<Test>::get(NET);
        assert_eq!(emission.iter().sum::<u64>(), paid);
        assert_eq!(earned(NET).iter().sum::<u64>(), before + paid);
        assert_eq!(TotalEarned::<Test>::get(), before + paid);
        assert_eq!(slot(NET).pending, 0);
        // Servers for what they are rated, validators for rating them.
        assert!(emission.iter().all(|paid| *paid > 0));
    });
}

#[test]
fn servers_and_validators_share_as_the_network_says() {
    let params = Hyperparameters {
        server_share: 300_000,
        ..lenient()
    };
    with_opinions(params, || {
        run_to(20);
        let emission = EmissionColumn::<Test>::get(NET);
        assert_eq!(emission[0] + emission[1], 7 * BLOCK_EMISSION);
        assert_eq!(emission[2] + emission[3], 3 * BLOCK_EMISSION);
    });
}

#[test]
fn stake_is_paid_while_nobody_is_rated() {
    let neurons = [(1_001, 1, 3_000), (2_001, 2, 1_000), (3_001, 3, 0)];
    ExtBuilder::default()
        .network(lenient(), &neurons)
        .build_and_execute(|| {
            run_to(10);
            // Blocks 2 to 10, three quarters and one quarter.
            let first = [9 * BLOCK_EMISSION / 4 * 3, 9 * BLOCK_EMISSION / 4, 0];
            assert_eq!(earned(NET), first);
            assert_eq!(events(), [completed(NET, 9 * BLOCK_EMISSION)]);
        });
}

#[test]
fn the_stake_of_validators_is_paid_first_while_nobody_is_rated() {
    let params = Hyperparameters {
        max_validators: 1,
        ..lenient()
    };
    let neurons = [(1_001, 1, 3_000), (2_001, 2, 1_000)];
    ExtBuilder::default()
        .network(params, &neurons)
        .build_and_execute(|| {
            run_to(10);
            let first = earned(NET);
            run_to(20);
            // Only uid 0 has a permit by then.
            assert_eq!(earned(NET), [first[0] + 10 * BLOCK_EMISSION, first[1]]);
        });
}

#[test]
fn stake_below_the_least_is_not_paid() {
    let params = Hyperparameters {
        min_stake: 2_000,
        ..lenient()
    };
    let neurons = [(1_001, 1, 3_000), (2_001, 2, 1_000)];
    ExtBuilder::default()
        .network(params, &neurons)
        .build_and_execute(|| {
            run_to(10);
            assert_eq!(earned(NET), [9 * BLOCK_EMISSION, 0]);
        });
}

#[test]
fn what_nobody_can_be_paid_waits_for_the_next_epoch() {
    ExtBuilder::default()
        .network(lenient(), &[(1_001, 1, 0)])
        .build_and_execute(|| {
            run_to(10);
            assert_eq!(take_events(), [completed(NET, 0)]);
            assert_eq!(slot(NET).pending, 9 * BLOCK_EMISSION);
            assert_eq!(earned(NET), [0]);

            assert_ok!(add_stake(1, 1_001, 100));
            System::reset_events();
            run_to(20);
            assert_eq!(events(), [completed(NET, 19 * BLOCK_EMISSION)]);
            assert_eq!(slot(NET).pending, 0);
            assert_eq!(earned(NET), [19 * BLOCK_EMISSION]);
        });
}

#[test]
fn an_empty_network_keeps_its_emission() {
    ExtBuilder::default()
        .network(lenient(), &[])
        .build_and_execute(|| {
            run_to(20);
            assert_eq!(events(), [completed(NET, 0), completed(NET, 0)]);
            assert_eq!(slot(NET).pending, 19 * BLOCK_EMISSION);
        });
}

#[test]
fn with_the_sigmoid_nobody_is_paid_while_nobody_is_rated() {
    let params = Hyperparameters {
        consensus: ConsensusMode::Sigmoid,
        ..lenient()
    };
    ExtBuilder::default()
        .network(params, &[(1_001, 1, 5_000)])
        .build_and_execute(|| {
            run_to(10);
            assert_eq!(earned(NET), [0]);
            assert_eq!(slot(NET).pending, 9 * BLOCK_EMISSION);
        });
}

#[test]
fn the_opinion_of_an_inactive_validator_does_not_count() {
    let params = Hyperparameters {
        activity_cutoff: 15,
        ..lenient()
    };
    with_opinions(params, || {
        // Weights of block 10 are active until block 25.
        run_to(20);
        assert!(ScoreColumns::<Test>::get(NET).incentive[2] > 0);
        run_to(30);
        let scores = ScoreColumns::<Test>::get(NET);
        assert_eq!(scores.incentive.into_inner(), [0, 0, 0, 0]);
        // So the stake is paid, as if nobody had been rated.
        let emission = EmissionColumn::<Test>::get(NET);
        assert_eq!((emission[2] > 0, emission[3] > 0), (true, true));
        assert_eq!(emission.iter().sum::<u64>(), 10 * BLOCK_EMISSION);
    });
}

// ---- the owner ----

fn owned(owner: Option<AccountId>, owner_cut: u32) -> ExtBuilder {
    ExtBuilder::default()
        .network(lenient(), &[])
        .genesis_network(GenesisNetwork {
            task: "text".into(),
            owner,
            hyperparameters: Hyperparameters {
                owner_cut,
                ..lenient()
            },
            neurons: vec![crate::GenesisNeuron {
                hotkey: 1_001,
                coldkey: 1,
                stake: 1_000,
            }],
        })
}

/// Network 1 of [`owned`] has half of the emission, and its first epoch in block 9.
const OWNED: NetId = NetId(1);
const FIRST_PENDING: u64 = 8 * BLOCK_EMISSION / 2;

#[test]
fn the_owner_is_paid_its_cut_out_of_the_pot() {
    owned(Some(15), 100_000).build_and_execute(|| {
        run_to(9);
        let cut = FIRST_PENDING / 10;
        assert_eq!(Balances::free_balance(15), FUNDS + cut);
        assert_eq!(earned(OWNED), [FIRST_PENDING - cut]);
        assert_eq!(events(), [completed(OWNED, FIRST_PENDING)]);
        assert_eq!(slot(OWNED).pending, 0);
    });
}

#[test]
fn without_an_owner_there_is_no_cut() {
    owned(None, 100_000).build_and_execute(|| {
        run_to(9);
        assert_eq!(earned(OWNED), [FIRST_PENDING]);
    });
}

#[test]
fn a_cut_that_the_owner_cannot_receive_waits() {
    // One part in a million of 4,000,000 is 4, below the existential deposit of an account that does not exist yet.
    owned(Some(777), 1).build_and_execute(|| {
        run_to(9);
        assert_eq!(Balances::free_balance(777), 0);
        assert_eq!(slot(OWNED).pending, 4);
        assert_eq!(earned(OWNED), [FIRST_PENDING - 4]);
        assert_eq!(take_events(), [completed(OWNED, FIRST_PENDING - 4)]);

        // Once the account exists, any amount can be received: of the 5,000,004 of the next epoch, 5.
        assert_ok!(Balances::transfer_allow_death(
            RuntimeOrigin::signed(1),
            777,
            EXISTENTIAL_DEPOSIT
        ));
        run_to(19);
        assert_eq!(Balances::free_balance(777), EXISTENTIAL_DEPOSIT + 5);
        assert_eq!(slot(OWNED).pending, 0);
    });
}

#[test]
fn the_owner_of_a_network_that_cannot_pay_anybody_waits_too() {
    owned(Some(15), 100_000).build_and_execute(|| {
        assert_ok!(remove_stake(1, 1_001, 1_000));
        run_to(9);
        assert_eq!(Balances::free_balance(15), FUNDS);
        assert_eq!(slot(OWNED).pending, FIRST_PENDING);
    });
}

// ---- when it runs ----

/// Which epoch ran or was deferred in each block until `block`.
fn diary(block: u64) -> Vec<(u64, Vec<Event<Test>>)> {
    System::reset_events();
    let mut diary = Vec::new();
    while System::block_number() < block {
        next_block(Weight::MAX);
        let events = take_events();
        if !events.is_empty() {
            diary.push((System::block_number(), events));
        }
    }
    diary
}

fn deferred(netid: u16) -> Event<Test> {
    let netid = NetId(netid);
    Event::EpochDeferred { netid }
}

fn of_tempo(tempo: u32) -> Hyperparameters {
    Hyperparameters {
        tempo,
        // Nothing to pay: `paid` is 0 in every event.
        emission_share: 0,
        ..lenient()
    }
}

#[test]
fn networks_of_one_tempo_take_turns() {
    ExtBuilder::default()
        .network(of_tempo(10), &[])
        .network(of_tempo(10), &[])
        .network(of_tempo(10), &[])
        .build_and_execute(|| {
            let ran = |netid| vec![completed(NetId(netid), 0)];
            let expected = [
                (8, ran(2)),
                (9, ran(1)),
                (10, ran(0)),
                (18, ran(2)),
                (19, ran(1)),
                (20, ran(0)),
            ];
            assert_eq!(diary(20), expected);
        });
}

#[test]
fn of_epochs_due_in_one_block_the_lower_id_runs_and_the_others_wait() {
    // Due in block 10: 10 + 0, 10 + 1 = 11 and 10 + 2 = 12.
    ExtBuilder::default()
        .network(of_tempo(10), &[])
        .network(of_tempo(11), &[])
        .network(of_tempo(12), &[])
        .build_and_execute(|| {
            run_to(9);
            let expected = [
                (10, vec![deferred(1), deferred(2), completed(NET, 0)]),
                (11, vec![completed(NetId(1), 0)]),
                (12, vec![completed(NetId(2), 0)]),
            ];
            assert_eq!(diary(19), expected);
            // A late epoch does not move the next one: 20 + 0, 21 + 1 and 22 + 2.
            let due: Vec<_> = Schedule::<Test>::get()
                .iter()
                .map(|slot| slot.next_epoch)
                .collect();
            assert_eq!(due, [20, 21, 22]);
        });
}

#[test]
fn the_epoch_that_waited_longest_runs_first() {
    // Due in block 10: networks 0 and 2 (10 + 2 = 12). Due in block 11: network 1 (11 + 1 = 12).
    ExtBuilder::default()
        .network(of_tempo(10), &[])
        .network(of_tempo(12), &[])
        .network(of_tempo(12), &[])
        .build_and_execute(|| {
            run_to(9);
            let expected = [
                (10, vec![deferred(2), completed(NET, 0)]),
                (11, vec![deferred(1), completed(NetId(2), 0)]),
                (12, vec![completed(NetId(1), 0)]),
            ];
            assert_eq!(diary(12), expected);
        });
}

#[test]
fn networks_due_in_every_block_share_the_blocks() {
    ExtBuilder::default()
        .network(of_tempo(1), &[])
        .network(of_tempo(1), &[])
        .network(of_tempo(1), &[])
        .build_and_execute(|| {
            let ran = diary(31)
                .into_iter()
                .flat_map(|(_, events)| events)
                .filter_map(|event| match event {
                    Event::EpochCompleted { netid, .. } => Some(netid),
                    _ => None,
                });
            let mut counts = [0; 3];
            for netid in ran {
                counts[usize::from(netid.0)] += 1;
            }
            assert_eq!(counts, [10, 10, 10]);
        });
}

#[test]
fn what_waits_is_paid_with_the_emission_of_the_wait() {
    let tempo_of_eleven = Hyperparameters {
        tempo: 11,
        ..lenient()
    };
    ExtBuilder::default()
        .network(of_tempo(10), &[])
        .network(tempo_of_eleven, &[(1_001, 1, 1_000)])
        .build_and_execute(|| {
            run_to(11);
            // Blocks 2 to 11.
            assert_eq!(earned(NetId(1)), [10 * BLOCK_EMISSION]);
        });
}

#[test]
fn a_new_tempo_moves_the_epoch() {
    ExtBuilder::default()
        .network(of_tempo(100), &[])
        .build_and_execute(|| {
            run_to(3);
            assert_ok!(set_hyperparameter(NET, Hyperparameter::Tempo(4)));
            let expected = [
                (4, vec![completed(NET, 0)]),
                (8, vec![completed(NET, 0)]),
                (12, vec![completed(NET, 0)]),
            ];
            assert_eq!(diary(12), expected);
        });
}

#[test]
fn a_block_is_charged_for_what_its_epoch_looked_at() {
    with_opinions(lenient(), || {
        // One network; no epoch.
        assert_eq!(next_block(Weight::MAX).ref_time(), 1_001);
        run_to(19);
        // Four neurons, two with permits, two weights each and no bonds.
        let cost = next_block(Weight::MAX).ref_time();
        assert_eq!(cost, 1_001 + 4_000_002_000_004);
        run_to(29);
        // And two bonds each.
        let cost = next_block(Weight::MAX).ref_time();
        assert_eq!(cost, 1_001 + 4_000_002_000_008);
    });
}

// ---- when it cannot run ----

/// Breaks something, lets the epoch of block 20 fail with `error`, and sees that it changed nothing but its next date. Then
/// mends it, and sees that the next epoch pays all.
fn fails_and_recovers(error: EpochError, break_storage: impl FnOnce(), mend: impl FnOnce()) {
    with_opinions(lenient(), || {
        run_to(19);
        break_storage();
        let before = storage();
        System::reset_events();

        run_to(20);

        assert_eq!(events(), [Event::EpochFailed { netid: NET, error }]);
        let schedule = [Schedule::<Test>::hashed_key().to_vec()];
        assert_eq!(changed(&before, &storage()), schedule.into());
        let expected = Slot {
            netid: NET,
            emission_share: 1,
            pending: 10 * BLOCK_EMISSION,
            next_epoch: 30,
        };
        assert_eq!(slot(NET), expected);

        mend();
        System::reset_events();
        run_to(30);
        assert_eq!(events(), [completed(NET, 20 * BLOCK_EMISSION)]);
    });
}

#[test]
fn an_epoch_with_a_column_too_short_changes_nothing() {
    fails_and_recovers(
        EpochError::Incentive,
        || PermitColumn::<Test>::mutate(NET, |column| assert!(column.pop().is_some())),
        || PermitColumn::<Test>::mutate(NET, |column| column.try_push(false).unwrap()),
    );
    fails_and_recovers(
        EpochError::Incentive,
        || StakeColumn::<Test>::mutate(NET, |column| assert!(column.pop().is_some())),
        || StakeColumn::<Test>::mutate(NET, |column| column.try_push(0).unwrap()),
    );
}

#[test]
fn an_epoch_with_a_weight_on_nobody_changes_nothing() {
    let set_last = |uid| {
        WeightRows::<Test>::mutate(NET, Uid(0), |row| {
            row.as_mut().unwrap().entries[1].0 = Uid(uid);
        });
    };
    fails_and_recovers(EpochError::Incentive, || set_last(9), || set_last(3));
}

#[test]
fn an_epoch_whose_payment_does_not_fit_changes_nothing() {
    let before = std::cell::Cell::new(0);
    fails_and_recovers(
        EpochError::BrokenInvariant,
        || {
            before.set(earned(NET)[2]);
            EarnedColumn::<Test>::mutate(NET, |column| column[2] = u64::MAX);
        },
        || EarnedColumn::<Test>::mutate(NET, |column| column[2] = before.get()),
    );
    fails_and_recovers(
        EpochError::BrokenInvariant,
        || {
            before.set(TotalEarned::<Test>::get());
            TotalEarned::<Test>::put(u64::MAX);
        },
        || TotalEarned::<Test>::put(before.get()),
    );
}

#[test]
fn an_epoch_of_a_network_that_is_gone_changes_nothing() {
    let network = std::cell::Cell::new(None);
    fails_and_recovers(
        EpochError::BrokenInvariant,
        || network.set(Networks::<Test>::take(NET)),
        || Networks::<Test>::insert(NET, network.take().unwrap()),
    );
}

#[test]
fn a_failing_network_does_not_hold_up_the_others() {
    ExtBuilder::default()
        .network(lenient(), &[(1_001, 1, 0)])
        .network(lenient(), &[(2_001, 2, 100)])
        .build_and_execute(|| {
            PermitColumn::<Test>::remove(NET);
            run_to(20);
            let failed = Event::EpochFailed {
                netid: NET,
                error: EpochError::Incentive,
            };
            let first = completed(NetId(1), 8 * BLOCK_EMISSION / 2);
            let second = completed(NetId(1), 10 * BLOCK_EMISSION / 2);
            assert_eq!(events(), [first, failed.clone(), second, failed]);
            PermitColumn::<Test>::insert(NET, column([false]));
        });
}

#[test]
fn a_network_without_hyperparameters_does_not_hold_up_the_others() {
    ExtBuilder::default()
        .network(lenient(), &[(1_001, 1, 0)])
        .network(lenient(), &[(2_001, 2, 100)])
        .build_and_execute(|| {
            let params = NetworkParameters::<Test>::take(NET);
            run_to(20);
            let failed = Event::EpochFailed {
                netid: NET,
                error: EpochError::BrokenInvariant,
            };
            let first = completed(NetId(1), 8 * BLOCK_EMISSION / 2);
            let second = completed(NetId(1), 10 * BLOCK_EMISSION / 2);
            assert_eq!(events(), [first, failed, second]);
            // Its own date is a tempo of the default away, and what it was not paid waits.
            let expected = Slot {
                netid: NET,
                emission_share: 1,
                pending: 19 * BLOCK_EMISSION / 2,
                next_epoch: Hyperparameters::default().tempo,
            };
            assert_eq!(slot(NET), expected);
            NetworkParameters::<Test>::set(NET, params);
        });
}
