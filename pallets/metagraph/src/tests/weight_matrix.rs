//! Setting rows of the weight matrix: what is refused, in which order, and what is stored.

use codec::Encode;
use frame_support::{
    assert_noop, assert_ok,
    dispatch::{GetDispatchInfo, Pays},
};

use super::calls::*;
use crate::{
    EarnedColumn, Entries, Error, Event, Hyperparameter, Hyperparameters, NetId, StoredRow, Uid,
    WeightRows, mock::*,
};

/// A call of `set_weights`, by whom.
pub(super) struct Attempt {
    pub(super) hotkey: AccountId,
    netid: NetId,
    row: Vec<(u16, u16)>,
    version: u64,
}

impl Attempt {
    pub(super) fn call(&self) -> crate::Call<Test> {
        weights_call(self.netid, &self.row, self.version)
    }

    fn make(&self) -> sp_runtime::DispatchResult {
        signed(self.hotkey, self.call())
    }
}

/// Neurons 1001 (poor), 2001 (the only validator) and 3001 in a network with a rule against everything.
pub(super) fn strict() -> ExtBuilder {
    let params = Hyperparameters {
        min_stake: 1_000,
        weights_version: 5,
        weights_rate_limit: 100,
        max_validators: 1,
        min_weights: 2,
        // One half: 32768/65535 is just above.
        max_weight: 32_768,
        ..lenient()
    };
    let neurons = [(1_001, 1, 0), (2_001, 2, 5_000), (3_001, 3, 0)];
    ExtBuilder::default().network(params, &neurons)
}

/// An attempt that is refused, once the network has been prepared for it.
pub(super) struct Refusal {
    pub(super) prepare: fn(),
    pub(super) attempt: Attempt,
    pub(super) error: Error<Test>,
}

/// Attempts on the [`strict`] network in documented order. Each is refused for the first rule it breaks and, as far as can
/// be, breaks every later one too.
pub(super) fn refused_attempts() -> Vec<Refusal> {
    let refused = |error, hotkey, netid, row: &[(u16, u16)], version| Refusal {
        prepare: || {},
        attempt: Attempt {
            hotkey,
            netid: NetId(netid),
            row: row.to_vec(),
            version,
        },
        error,
    };
    let after = |prepare, refusal| Refusal { prepare, ..refusal };
    let show_oneself = || signed(1_001, weights_call(NET, &[(0, 1)], 5)).unwrap();
    let reach_least_stake = || add_stake(1, 1_001, 1_000).unwrap();
    let wait = || run_to(101);
    let become_validator = || {
        add_stake(1, 1_001, FUNDS / 2).unwrap();
        run_to(110);
    };
    let poor = Error::NotEnoughStakeToSetWeights;
    let twice = [(9, 0), (9, 0), (8, 0)];
    vec![
        refused(Error::DuplicateUids, 7_777, 7, &twice, 0),
        refused(Error::UnsortedUids, 7_777, 7, &[(9, 0), (8, 0)], 0),
        refused(Error::NoWeights, 7_777, 7, &[(9, 0)], 0),
        refused(Error::NetworkNotFound, 7_777, 7, &[(9, 1)], 0),
        refused(Error::NotRegistered, 7_777, 0, &[(9, 1)], 0),
        after(show_oneself, refused(poor, 1_001, 0, &[(9, 1)], 0)),
        after(
            reach_least_stake,
            refused(Error::OutdatedWeightsVersion, 1_001, 0, &[(9, 1)], 4),
        ),
        refused(Error::SettingWeightsTooFast, 1_001, 0, &[(9, 1)], 5),
        after(wait, refused(Error::UnknownUid, 1_001, 0, &[(9, 1)], 5)),
        refused(Error::NoValidatorPermit, 1_001, 0, &[(1, 1)], 5),
        after(
            become_validator,
            refused(Error::NotEnoughWeights, 1_001, 0, &[(1, 1)], 5),
        ),
        refused(Error::WeightTooLarge, 1_001, 0, &[(1, 2), (2, 1)], 5),
    ]
}

/// What the network of [`refused_attempts`] accepts at the end.
pub(super) fn accepted_attempt() -> Attempt {
    Attempt {
        hotkey: 1_001,
        netid: NET,
        row: vec![(1, 1), (2, 1)],
        version: 5,
    }
}

/// A network of five, in which uid 0 (hotkey 1001) has a permit.
fn one_validator(params: Hyperparameters) -> sp_io::TestExternalities {
    let neurons = [
        (1_001, 1, 5_000),
        (2_001, 2, 0),
        (3_001, 3, 0),
        (4_001, 4, 0),
        (5_001, 5, 0),
    ];
    let mut ext = ExtBuilder::default().network(params, &neurons).build();
    ext.execute_with(|| {
        run_to(10);
        System::reset_events();
    });
    ext
}

/// Runs `test` on [`one_validator`], then checks that every invariant holds.
fn with_one_validator(params: Hyperparameters, test: impl FnOnce()) {
    one_validator(params).execute_with(|| {
        test();
        crate::Pallet::<Test>::do_try_state().unwrap();
    });
}

fn stored(hotkey_uid: u16) -> Option<StoredRow<Test>> {
    WeightRows::<Test>::get(NET, Uid(hotkey_uid))
}

// ---- what is refused ----

#[test]
fn rows_are_refused_for_the_first_rule_that_they_break() {
    strict().build_and_execute(|| {
        for refusal in refused_attempts() {
            (refusal.prepare)();
            assert_noop!(refusal.attempt.make(), refusal.error);
        }
        assert_ok!(accepted_attempt().make());
    });
}

#[test]
fn a_row_without_a_weight_above_zero_is_none() {
    with_one_validator(lenient(), || {
        for row in [&[][..], &[(1, 0)], &[(1, 0), (2, 0)]] {
            let refused = Error::<Test>::NoWeights;
            assert_noop!(set_weights(1_001, NET, row), refused);
        }
    });
}

#[test]
fn uids_of_a_row_ascend_strictly() {
    with_one_validator(lenient(), || {
        for row in [[(1, 5), (1, 5)], [(1, 5), (1, 0)]] {
            let refused = Error::<Test>::DuplicateUids;
            assert_noop!(set_weights(1_001, NET, &row), refused);
        }
        for row in [&[(2, 5), (1, 5)][..], &[(1, 1), (3, 1), (2, 1)]] {
            let refused = Error::<Test>::UnsortedUids;
            assert_noop!(set_weights(1_001, NET, row), refused);
        }
    });
}

#[test]
fn every_uid_of_a_row_exists_even_if_its_weight_is_zero() {
    with_one_validator(lenient(), || {
        for row in [[(1, 5), (5, 5)], [(1, 5), (5, 0)], [(1, 5), (u16::MAX, 1)]] {
            let refused = Error::<Test>::UnknownUid;
            assert_noop!(set_weights(1_001, NET, &row), refused);
        }
        assert_ok!(set_weights(1_001, NET, &[(1, 5), (4, 0)]));
    });
}

#[test]
fn weights_of_an_old_program_are_refused() {
    let params = Hyperparameters {
        weights_version: 7,
        ..lenient()
    };
    with_one_validator(params, || {
        let set = |version| signed(1_001, weights_call(NET, &[(1, 1)], version));
        assert_noop!(set(6), Error::<Test>::OutdatedWeightsVersion);
        assert_ok!(set(7));
        assert_ok!(set(u64::MAX));
    });
}

#[test]
fn weights_are_set_once_per_rate_limit() {
    let params = Hyperparameters {
        weights_rate_limit: 20,
        ..lenient()
    };
    with_one_validator(params, || {
        run_to(11);
        assert_ok!(set_weights(1_001, NET, &[(1, 1)]));
        let refused = Error::<Test>::SettingWeightsTooFast;
        assert_noop!(set_weights(1_001, NET, &[(1, 1)]), refused);
        run_to(30);
        let refused = Error::<Test>::SettingWeightsTooFast;
        assert_noop!(set_weights(1_001, NET, &[(1, 1)]), refused);
        // Others are not held up.
        assert_ok!(set_weights(2_001, NET, &[(1, 1)]));
        run_to(31);
        assert_ok!(set_weights(1_001, NET, &[(1, 1)]));
    });
}

#[test]
fn without_a_rate_limit_weights_are_set_twice_in_a_block_and_pay() {
    with_one_validator(lenient(), || {
        for rated in [1, 2] {
            let call = weights_call(NET, &[(rated, 1)], 0);
            let done = dispatch(RuntimeOrigin::signed(1_001), call);
            assert_eq!(done.unwrap().pays_fee, Pays::Yes);
        }
    });
}

#[test]
fn a_new_neuron_does_not_wait_for_the_row_of_the_old_one() {
    let params = Hyperparameters {
        max_neurons: 1,
        weights_rate_limit: 100,
        ..lenient()
    };
    ExtBuilder::default()
        .network(params, &[(1_001, 1, 0)])
        .build_and_execute(|| {
            assert_ok!(set_weights(1_001, NET, &[(0, 1)]));
            assert_ok!(register(2, NET, 2_001));
            assert_ok!(set_weights(2_001, NET, &[(0, 1)]));
        });
}

#[test]
fn weighing_others_takes_the_least_stake() {
    let params = Hyperparameters {
        min_stake: 5_001,
        ..lenient()
    };
    // Nobody has as much, so that nobody is paid either.
    with_one_validator(params, || {
        let refused = Error::<Test>::NotEnoughStakeToSetWeights;
        assert_noop!(set_weights(1_001, NET, &[(1, 1)]), refused);
        assert_ok!(set_hyperparameter(NET, Hyperparameter::MinStake(5_000)));
        // Enough, but the last epoch gave no permit.
        let refused = Error::<Test>::NoValidatorPermit;
        assert_noop!(set_weights(1_001, NET, &[(1, 1)]), refused);
        run_to(20);
        assert_ok!(set_weights(1_001, NET, &[(1, 1)]));
    });
}

#[test]
fn earnings_that_are_not_settled_count_as_stake() {
    with_one_validator(lenient(), || {
        // The first epoch paid the nine blocks before it to the only stake there is.
        let earned = EarnedColumn::<Test>::get(NET)[0];
        assert_eq!(earned, 9 * BLOCK_EMISSION);
        let all = 5_000 + earned;
        assert_ok!(set_hyperparameter(NET, Hyperparameter::MinStake(all + 1)));
        let refused = Error::<Test>::NotEnoughStakeToSetWeights;
        assert_noop!(set_weights(1_001, NET, &[(1, 1)]), refused);
        assert_ok!(set_hyperparameter(NET, Hyperparameter::MinStake(all)));
        assert_ok!(set_weights(1_001, NET, &[(1, 1)]));
    });
}

#[test]
fn only_validators_weigh_others() {
    with_one_validator(lenient(), || {
        for row in [&[(0, 1)][..], &[(0, 1), (1, 1)], &[(1, 1), (2, 1)]] {
            let refused = Error::<Test>::NoValidatorPermit;
            assert_noop!(set_weights(2_001, NET, row), refused);
        }
    });
}

#[test]
fn anyone_may_weigh_itself_alone() {
    let params = Hyperparameters {
        min_stake: u64::MAX,
        min_weights: 3,
        max_weight: 1,
        ..lenient()
    };
    with_one_validator(params, || {
        assert_ok!(set_weights(2_001, NET, &[(1, 9)]));
        let row = StoredRow {
            updated_at: 10,
            entries: entries(&[(1, u16::MAX)]),
        };
        assert_eq!(stored(1), Some(row));
    });
}

#[test]
fn weighing_itself_alone_is_no_way_around_version_and_rate() {
    let params = Hyperparameters {
        weights_version: 1,
        weights_rate_limit: 10,
        ..lenient()
    };
    with_one_validator(params, || {
        let set = |version| signed(2_001, weights_call(NET, &[(1, 9)], version));
        assert_noop!(set(0), Error::<Test>::OutdatedWeightsVersion);
        assert_ok!(set(1));
        assert_noop!(set(1), Error::<Test>::SettingWeightsTooFast);
    });
}

#[test]
fn a_row_has_the_fewest_weights_or_all_there_are() {
    let params = Hyperparameters {
        min_weights: 3,
        ..lenient()
    };
    with_one_validator(params, || {
        let refused = Error::<Test>::NotEnoughWeights;
        assert_noop!(set_weights(1_001, NET, &[(1, 1), (2, 1)]), refused);
        // A zero is no weight.
        let refused = Error::<Test>::NotEnoughWeights;
        assert_noop!(set_weights(1_001, NET, &[(1, 1), (2, 1), (3, 0)]), refused);
        assert_ok!(set_weights(1_001, NET, &[(1, 1), (2, 1), (3, 1)]));

        // Five neurons cannot be ten.
        assert_ok!(set_hyperparameter(NET, Hyperparameter::MinWeights(10)));
        let four = [(1, 1), (2, 1), (3, 1), (4, 1)];
        let refused = Error::<Test>::NotEnoughWeights;
        assert_noop!(set_weights(1_001, NET, &four), refused);
        let five = [(0, 1), (1, 1), (2, 1), (3, 1), (4, 1)];
        assert_ok!(set_weights(1_001, NET, &five));
    });
}

#[test]
fn no_weight_has_more_than_the_largest_share() {
    let params = Hyperparameters {
        // One fifth of 65535, exactly.
        max_weight: 13_107,
        ..lenient()
    };
    with_one_validator(params, || {
        let refused = Error::<Test>::WeightTooLarge;
        let four = [(1, 1), (2, 1), (3, 1), (4, 1)];
        assert_noop!(set_weights(1_001, NET, &four), refused);
        let refused = Error::<Test>::WeightTooLarge;
        let uneven = [
            (0, 65_534),
            (1, 65_534),
            (2, 65_534),
            (3, 65_534),
            (4, 65_535),
        ];
        assert_noop!(set_weights(1_001, NET, &uneven), refused);
        let even = [
            (0, 65_535),
            (1, 65_535),
            (2, 65_535),
            (3, 65_535),
            (4, 65_535),
        ];
        assert_ok!(set_weights(1_001, NET, &even));
    });
}

// ---- what is stored ----

#[test]
fn a_row_is_stored_with_its_largest_weight_at_65535() {
    type Row = &'static [(u16, u16)];
    let cases: [(Row, Row); 5] = [
        // 65535 · 1/3
        (&[(1, 1), (2, 3)], &[(1, 21_845), (2, 65_535)]),
        (&[(3, 1)], &[(3, 65_535)]),
        (&[(1, 65_535), (2, 1)], &[(1, 65_535), (2, 1)]),
        // 65535 · 2/7 = 18724.29, · 3/7 = 28086.43
        (
            &[(0, 2), (1, 3), (4, 7)],
            &[(0, 18_724), (1, 28_086), (4, 65_535)],
        ),
        // 65535 / 2 = 32767.5, halves up
        (&[(0, 1), (1, 2)], &[(0, 32_768), (1, 65_535)]),
    ];
    with_one_validator(lenient(), || {
        for (row, expected) in cases {
            assert_ok!(set_weights(1_001, NET, row));

            let expected = StoredRow {
                updated_at: 10,
                entries: entries(expected),
            };
            assert_eq!(stored(0), Some(expected));
            let set = Event::WeightsSet {
                netid: NET,
                uid: Uid(0),
            };
            assert_eq!(take_events(), [set]);
        }
    });
}

#[test]
fn only_proportions_of_weights_count() {
    with_one_validator(lenient(), || {
        assert_ok!(set_weights(1_001, NET, &[(1, 3), (2, 7)]));
        let once = stored(0);
        assert_ok!(set_weights(1_001, NET, &[(1, 3 * 9_000), (2, 7 * 9_000)]));
        assert_eq!(stored(0), once);
    });
}

#[test]
fn a_zero_weight_is_a_weight_left_out() {
    with_one_validator(lenient(), || {
        assert_ok!(set_weights(1_001, NET, &[(1, 3), (3, 7)]));
        let left_out = stored(0);
        let written = [(0, 0), (1, 3), (2, 0), (3, 7), (4, 0)];
        assert_ok!(set_weights(1_001, NET, &written));
        assert_eq!(stored(0), left_out);
    });
}

#[test]
fn zeros_beside_the_own_weight_change_nothing_for_who_has_no_permit() {
    with_one_validator(lenient(), || {
        assert_ok!(set_weights(2_001, NET, &[(1, 1)]));
        let left_out = stored(1);
        assert_ok!(set_weights(2_001, NET, &[(0, 0), (1, 1)]));
        assert_eq!(stored(1), left_out);
        assert_ok!(set_weights(2_001, NET, &[(1, 1), (4, 0)]));
        assert_eq!(stored(1), left_out);
        let refused = Error::<Test>::UnknownUid;
        assert_noop!(set_weights(2_001, NET, &[(1, 1), (5, 0)]), refused);
    });
}

#[test]
fn a_row_replaces_the_whole_row_before() {
    with_one_validator(lenient(), || {
        assert_ok!(set_weights(1_001, NET, &[(1, 1), (2, 1), (3, 1)]));
        run_to(12);
        assert_ok!(set_weights(1_001, NET, &[(4, 1)]));
        let row = StoredRow {
            updated_at: 12,
            entries: entries(&[(4, u16::MAX)]),
        };
        assert_eq!(stored(0), Some(row));
    });
}

#[test]
fn setting_weights_writes_one_row_and_nothing_else() {
    with_one_validator(lenient(), || {
        assert_ok!(set_weights(2_001, NET, &[(1, 1)]));
        let before = storage();
        assert_ok!(set_weights(1_001, NET, &[(1, 1)]));
        let expected = [WeightRows::<Test>::hashed_key_for(NET, Uid(0))];
        assert_eq!(changed(&before, &storage()), expected.into());
    });
}

// ---- what it costs ----

/// A row that is long enough for storage to keep it in a node of its own, which a proof has only if it was read.
fn long_row(first: u16) -> Entries<Test> {
    column((first..first + 30).map(|uid| (Uid(uid), u16::MAX)))
}

#[test]
fn setting_weights_reads_no_other_row() {
    let params = lenient();
    let neurons: Vec<_> = (1..=60).map(|n| (1_000 + n, 1, 5_000)).collect();
    let mut ext = ExtBuilder::default().network(params, &neurons).build();
    ext.execute_with(|| {
        run_to(10);
        for uid in 0..30 {
            let row = StoredRow {
                updated_at: 10,
                entries: long_row(uid),
            };
            WeightRows::<Test>::insert(NET, Uid(uid), row);
        }
    });
    ext.commit_all().unwrap();
    let rows_in = |nodes: Vec<Vec<u8>>| {
        let holds = |node: &[u8], row: &[u8]| node.windows(row.len()).any(|bytes| bytes == row);
        (0..30)
            .map(|uid| long_row(uid).encode())
            .filter(|row| nodes.iter().any(|node| holds(node, row)))
            .count()
    };

    let (result, proof) = ext.execute_and_prove(|| set_weights(1_031, NET, &[(1, 1)]));
    assert_ok!(result);
    assert_eq!(rows_in(proof.into_iter_nodes().collect()), 0);

    // The proof of something that does read a row has it.
    let (_, proof) = ext.execute_and_prove(|| stored(7));
    assert_eq!(rows_in(proof.into_iter_nodes().collect()), 1);
}

#[test]
fn accepted_weights_are_free_and_refused_ones_are_not() {
    let params = Hyperparameters {
        weights_rate_limit: 1,
        ..lenient()
    };
    with_one_validator(params, || {
        let call = weights_call(NET, &[(2, 1)], 0);
        let info = RuntimeCall::from(call.clone()).get_dispatch_info();
        assert_eq!(info.pays_fee, Pays::Yes);

        let accepted = dispatch(RuntimeOrigin::signed(1_001), call.clone()).unwrap();
        assert_eq!(accepted.pays_fee, Pays::No);
        let refused = dispatch(RuntimeOrigin::signed(2_001), call).unwrap_err();
        assert_eq!(refused.post_info.pays_fee, Pays::Yes);
    });
}

#[test]
fn without_a_rate_limit_accepted_weights_are_not_free() {
    with_one_validator(lenient(), || {
        let call = weights_call(NET, &[(2, 1)], 0);
        let accepted = dispatch(RuntimeOrigin::signed(1_001), call).unwrap();
        assert_eq!(accepted.pays_fee, Pays::Yes);
    });
}

#[test]
fn setting_weights_is_charged_by_the_length_of_the_row() {
    let cost = |row: &[(u16, u16)]| {
        let call = RuntimeCall::from(weights_call(NET, row, 0));
        call.get_dispatch_info().call_weight.ref_time()
    };
    assert_eq!(cost(&[(1, 1)]), 1_001);
    assert_eq!(cost(&[(1, 1), (2, 0), (3, 1)]), 1_003);
}
