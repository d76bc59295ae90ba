//! Registration: what it costs, whom it replaces, and what the replaced neuron leaves behind.

use std::collections::BTreeSet;

use frame_support::{assert_noop, assert_ok, traits::fungible::Mutate};
use sp_runtime::BoundedVec;

use super::calls::*;
use crate::{
    BondRows, Column, EarnedColumn, EmissionColumn, Endpoints, Error, Event, Hotkey, Hotkeys,
    Hyperparameter, Hyperparameters, Keys, NetId, Networks, Pallet, PermitColumn, Price,
    RegisteredColumn, ScoreColumns, StakeColumn, TotalEarned, TotalStake, Uid, Uids, WeightRows,
    mock::*,
};

fn hotkey(owner: AccountId, stake: u64, networks: &[NetId]) -> Option<Hotkey<Test>> {
    let networks = BoundedVec::truncate_from(networks.to_vec());
    Some(Hotkey {
        owner,
        stake,
        networks,
    })
}

fn price() -> u64 {
    Pallet::<Test>::network_info(NET)
        .unwrap()
        .registration_price
}

// ---- a place at the end ----

#[test]
fn a_neuron_is_appended_to_a_network_with_room() {
    ExtBuilder::default()
        .network(lenient(), &[(1_001, 1, 500)])
        .build_and_execute(|| {
            run_to(3);

            assert_ok!(register(2, NET, 2_001));

            assert_eq!(Keys::<Test>::get(NET, Uid(1)), Some(2_001));
            assert_eq!(Uids::<Test>::get(NET, 2_001), Some(Uid(1)));
            assert_eq!(Hotkeys::<Test>::get(2_001), hotkey(2, 0, &[NET]));
            assert_eq!(StakeColumn::<Test>::get(NET), column([500, 0]));
            assert_eq!(EarnedColumn::<Test>::get(NET), column([0, 0]));
            assert_eq!(RegisteredColumn::<Test>::get(NET), column([0, 3]));
            assert_eq!(PermitColumn::<Test>::get(NET), column([false, false]));
            assert_eq!(EmissionColumn::<Test>::get(NET), column([0, 0]));
            for scores in ScoreColumns::<Test>::get(NET).columns() {
                assert_eq!(*scores, column([0, 0]));
            }
            let network = Networks::<Test>::get(NET).unwrap();
            assert_eq!((network.n_neurons, network.registrations), (2, (3, 1)));
            let registered = Event::NeuronRegistered {
                netid: NET,
                uid: Uid(1),
                hotkey: 2_001,
                coldkey: 2,
                price: PRICE,
            };
            assert_eq!(events(), [registered]);
        });
}

#[test]
fn appending_writes_nothing_of_other_neurons() {
    established().build_and_execute(|| {
        an_established_network();
        assert_ok!(set_hyperparameter(NET, Hyperparameter::MaxNeurons(4)));
        let before = storage();

        assert_ok!(register(4, NET, 4_001));

        let expected: BTreeSet<_> = [
            Keys::<Test>::hashed_key_for(NET, Uid(3)),
            Uids::<Test>::hashed_key_for(NET, 4_001),
            Hotkeys::<Test>::hashed_key_for(4_001),
            Networks::<Test>::hashed_key_for(NET),
        ]
        .into_iter()
        .chain(column_keys())
        .collect();
        assert_eq!(changed(&before, &storage()), expected);
    });
}

#[test]
fn a_hotkey_has_neurons_in_several_networks_with_one_stake() {
    ExtBuilder::default()
        .network(lenient(), &[])
        .network(lenient(), &[(2_001, 2, 0)])
        .network(lenient(), &[(1_001, 1, 700)])
        .build_and_execute(|| {
            assert_ok!(register(1, NetId(1), 1_001));
            assert_ok!(register(1, NetId(0), 1_001));

            let everywhere = [NetId(0), NetId(1), NetId(2)];
            assert_eq!(Hotkeys::<Test>::get(1_001), hotkey(1, 700, &everywhere));
            assert_eq!(StakeColumn::<Test>::get(NetId(0)), column([700]));
            assert_eq!(StakeColumn::<Test>::get(NetId(1)), column([0, 700]));
            assert_eq!(StakeColumn::<Test>::get(NetId(2)), column([700]));
            assert_eq!(TotalStake::<Test>::get(), 700);
        });
}

#[test]
fn one_account_can_be_coldkey_and_hotkey() {
    ExtBuilder::default()
        .network(lenient(), &[])
        .build_and_execute(|| {
            assert_ok!(register(1, NET, 1));
            assert_ok!(add_stake(1, 1, 100));
            assert_eq!(Hotkeys::<Test>::get(1), hotkey(1, 100, &[NET]));
        });
}

// ---- the price ----

#[test]
fn the_price_is_taken_from_the_coldkey_and_burned() {
    ExtBuilder::default()
        .network(lenient(), &[])
        .build_and_execute(|| {
            let issuance = Balances::total_issuance();
            assert_ok!(register(2, NET, 2_001));
            assert_eq!(Balances::free_balance(2), FUNDS - PRICE);
            assert_eq!(Balances::total_issuance(), issuance - PRICE);
        });
}

#[test]
fn each_registration_makes_the_next_one_dearer() {
    let params = Hyperparameters {
        price_step: 1_260_000,
        ..lenient()
    };
    ExtBuilder::default()
        .network(params, &[])
        .build_and_execute(|| {
            // 1000 · 1.26 = 1260, · 1.26 = 1587.6, · 1.26 of 1588 = 2000.88, · 1.26 of 2001 = 2521.26; rounded up.
            let expected = [1_000, 1_260, 1_588, 2_001, 2_522];
            let issuance = Balances::total_issuance();
            for (hotkey, expected) in (1_001..).zip(expected) {
                assert_eq!(price(), expected);
                assert_ok!(register(1, NET, hotkey));
            }
            let paid: u64 = expected.iter().sum();
            assert_eq!(Balances::free_balance(1), FUNDS - paid);
            assert_eq!(Balances::total_issuance(), issuance - paid);
            // 2522 · 1.26 = 3177.72
            let level = Price {
                level: 3_178,
                at: 1,
            };
            assert_eq!(Networks::<Test>::get(NET).unwrap().price, level);
        });
}

#[test]
fn the_price_halves_with_time_down_to_its_least() {
    let params = Hyperparameters {
        price_step: 3_000_000,
        price_half_life: 20,
        ..lenient()
    };
    ExtBuilder::default()
        .network(params, &[])
        .build_and_execute(|| {
            for hotkey in 1_001..=1_002 {
                assert_ok!(register(1, NET, hotkey));
            }
            // 1000 · 3 · 3, in block 1; a half-life is 20 blocks.
            assert_eq!(price(), 9_000);
            run_to(11);
            // 9000 / √2 = 6363.96
            assert_eq!(price(), 6_363);
            run_to(21);
            assert_eq!(price(), 4_500);
            run_to(41);
            assert_eq!(price(), 2_250);
            run_to(61);
            assert_eq!(price(), 1_125);
            run_to(81);
            assert_eq!(price(), 1_000);
        });
}

#[test]
fn the_price_stays_below_its_most() {
    let params = Hyperparameters {
        price_max: 1_500,
        price_step: 3_000_000,
        ..lenient()
    };
    ExtBuilder::default()
        .network(params, &[])
        .build_and_execute(|| {
            assert_ok!(register(1, NET, 1_001));
            assert_ok!(register_for(1, NET, 1_002, 1_500));
            assert_ok!(register_for(1, NET, 1_003, 1_500));
        });
}

#[test]
fn nobody_pays_more_than_they_said() {
    ExtBuilder::default()
        .network(lenient(), &[])
        .build_and_execute(|| {
            let refused = register_for(1, NET, 1_001, PRICE - 1);
            assert_noop!(refused, Error::<Test>::PriceTooHigh);
            assert_ok!(register_for(1, NET, 1_001, PRICE));
            assert_ok!(register_for(1, NET, 1_002, ANY_PRICE));
            assert_eq!(Balances::free_balance(1), FUNDS - 2 * PRICE);
        });
}

#[test]
fn the_coldkey_keeps_the_existential_deposit() {
    ExtBuilder::default()
        .network(lenient(), &[])
        .build_and_execute(|| {
            Balances::set_balance(&30, PRICE + EXISTENTIAL_DEPOSIT - 1);
            let refused = Error::<Test>::InsufficientBalance;
            assert_noop!(register(30, NET, 30_001), refused);

            Balances::set_balance(&30, PRICE + EXISTENTIAL_DEPOSIT);
            assert_ok!(register(30, NET, 30_001));
            assert_eq!(Balances::free_balance(30), EXISTENTIAL_DEPOSIT);
        });
}

// ---- the gates ----

#[test]
fn a_block_has_a_limited_number_of_registrations_in_each_network() {
    let params = Hyperparameters {
        max_registrations_per_block: 2,
        ..lenient()
    };
    ExtBuilder::default()
        .network(params.clone(), &[])
        .network(params, &[])
        .build_and_execute(|| {
            let refused = Error::<Test>::TooManyRegistrationsThisBlock;
            assert_ok!(register(1, NET, 1_001));
            assert_ok!(register(1, NET, 1_002));
            assert_noop!(register(2, NET, 2_001), refused);
            assert_ok!(register(2, NetId(1), 2_001));

            run_to(2);
            assert_ok!(register(1, NET, 1_003));
            assert_ok!(register(1, NET, 1_004));
            let refused = Error::<Test>::TooManyRegistrationsThisBlock;
            assert_noop!(register(2, NET, 2_001), refused);
        });
}

#[test]
fn a_refused_registration_does_not_count_towards_the_limit() {
    let params = Hyperparameters {
        max_registrations_per_block: 1,
        ..lenient()
    };
    ExtBuilder::default()
        .network(params, &[])
        .build_and_execute(|| {
            let refused = register_for(1, NET, 1_001, 0);
            assert_noop!(refused, Error::<Test>::PriceTooHigh);
            assert_ok!(register(1, NET, 1_001));
        });
}

#[test]
fn a_network_can_stop_taking_neurons() {
    ExtBuilder::default()
        .network(lenient(), &[])
        .build_and_execute(|| {
            assert_ok!(set_hyperparameter(NET, Hyperparameter::Registration(false)));
            let refused = Error::<Test>::RegistrationDisabled;
            assert_noop!(register(1, NET, 1_001), refused);

            assert_ok!(set_hyperparameter(NET, Hyperparameter::Registration(true)));
            assert_ok!(register(1, NET, 1_001));
        });
}

#[test]
fn a_hotkey_has_one_neuron_in_a_network() {
    ExtBuilder::default()
        .network(lenient(), &[])
        .build_and_execute(|| {
            assert_ok!(register(1, NET, 1_001));
            let refused = Error::<Test>::AlreadyRegistered;
            assert_noop!(register(1, NET, 1_001), refused);
        });
}

#[test]
fn a_hotkey_belongs_to_the_coldkey_that_registered_it_first() {
    ExtBuilder::default()
        .network(lenient(), &[])
        .network(lenient(), &[])
        .build_and_execute(|| {
            assert_ok!(register(1, NET, 1_001));
            let refused = Error::<Test>::NotHotkeyOwner;
            assert_noop!(register(2, NetId(1), 1_001), refused);
            assert_ok!(register(1, NetId(1), 1_001));
        });
}

#[test]
fn a_registration_with_several_mistakes_is_refused_for_the_first_of_them() {
    let params = Hyperparameters {
        registration: false,
        max_registrations_per_block: 1,
        max_neurons: 2,
        immunity_period: 100,
        ..lenient()
    };
    ExtBuilder::default()
        .network(params, &[(1_001, 1, 0)])
        .network(lenient(), &[(2_002, 2, 0)])
        .build_and_execute(|| {
            let set = |one| set_hyperparameter(NET, one).unwrap();
            // Coldkey 30 has nothing.
            let too_dear = |hotkey| register_for(30, NET, hotkey, 0);
            let unregistered = NetId(7);
            let refused = register_for(30, unregistered, 1_001, 0);
            assert_noop!(refused, Error::<Test>::NetworkNotFound);
            assert_noop!(too_dear(1_001), Error::<Test>::RegistrationDisabled);
            set(Hyperparameter::Registration(true));
            assert_ok!(register(3, NET, 3_001));
            let refused = Error::<Test>::TooManyRegistrationsThisBlock;
            assert_noop!(too_dear(1_001), refused);
            run_to(2);
            assert_noop!(too_dear(1_001), Error::<Test>::AlreadyRegistered);
            assert_noop!(too_dear(2_002), Error::<Test>::NotHotkeyOwner);
            assert_noop!(too_dear(30_001), Error::<Test>::PriceTooHigh);
            let refused = Error::<Test>::AllNeuronsImmune;
            assert_noop!(register(30, NET, 30_001), refused);
            set(Hyperparameter::ImmunityPeriod(0));
            let refused = Error::<Test>::InsufficientBalance;
            assert_noop!(register(30, NET, 30_001), refused);
            assert_ok!(register(4, NET, 4_001));
        });
}

// ---- who is replaced ----

/// The uid that a registration takes in a full network, where the last epoch paid `emission` and neurons were registered
/// in these blocks.
fn replaced(emission: [u64; 4], registered_at: [u32; 4]) -> Uid {
    let params = Hyperparameters {
        max_neurons: 4,
        immunity_period: 10,
        ..lenient()
    };
    let neurons: Vec<_> = (1..=4)
        .map(|coldkey| (1_001 * coldkey, coldkey, 0))
        .collect();
    let mut taken = None;
    ExtBuilder::default()
        .network(params, &neurons)
        .build_and_execute(|| {
            run_to(50);
            EmissionColumn::<Test>::insert(NET, column(emission));
            RegisteredColumn::<Test>::insert(NET, column(registered_at));

            assert_ok!(register(5, NET, 5_001));

            let uids: Vec<_> = registered(&events())
                .into_iter()
                .map(|(uid, _)| uid)
                .collect();
            assert_eq!(Networks::<Test>::get(NET).unwrap().n_neurons, 4);
            assert_eq!(uids.len(), 1);
            taken = uids.first().copied();
        });
    taken.unwrap()
}

#[test]
fn the_neuron_that_was_paid_least_is_replaced() {
    assert_eq!(replaced([9, 7, 8, 9], [1, 4, 3, 2]), Uid(1));
}

#[test]
fn of_neurons_paid_alike_the_oldest_is_replaced() {
    assert_eq!(replaced([7, 7, 7, 9], [3, 4, 2, 1]), Uid(2));
}

#[test]
fn of_neurons_paid_alike_and_equally_old_the_lowest_uid_is_replaced() {
    assert_eq!(replaced([9, 7, 7, 7], [1, 2, 1, 1]), Uid(2));
    assert_eq!(replaced([0, 0, 0, 0], [0, 0, 0, 0]), Uid(0));
}

#[test]
fn an_immune_neuron_is_passed_over() {
    // In block 50, an immunity period of 10: who was registered in block 40 is not immune, in block 41 still is.
    assert_eq!(replaced([0, 1, 2, 3], [41, 41, 41, 40]), Uid(3));
    assert_eq!(replaced([0, 1, 2, 3], [50, 40, 41, 40]), Uid(1));
}

#[test]
fn immunity_ends_exactly_after_its_period() {
    let params = Hyperparameters {
        max_neurons: 1,
        immunity_period: 10,
        ..lenient()
    };
    ExtBuilder::default()
        .network(params, &[])
        .build_and_execute(|| {
            run_to(5);
            assert_ok!(register(1, NET, 1_001));
            run_to(14);
            let refused = Error::<Test>::AllNeuronsImmune;
            assert_noop!(register(2, NET, 2_001), refused);
            run_to(15);
            assert_ok!(register(2, NET, 2_001));
            // The new neuron has an immunity of its own.
            run_to(24);
            let refused = Error::<Test>::AllNeuronsImmune;
            assert_noop!(register(3, NET, 3_001), refused);
        });
}

#[test]
fn nobody_is_replaced_while_there_is_room() {
    let params = Hyperparameters {
        max_neurons: 2,
        ..lenient()
    };
    ExtBuilder::default()
        .network(params, &[])
        .build_and_execute(|| {
            assert_ok!(register(1, NET, 1_001));
            assert_ok!(register(2, NET, 2_001));
            assert_eq!(registered(&events()), [(Uid(0), 1_001), (Uid(1), 2_001)]);
            assert_ok!(register(3, NET, 3_001));
            assert_eq!(registered(&events())[2], (Uid(0), 3_001));
        });
}

// ---- what a replacement changes ----

/// A full network of two validators and a server, before its first block.
fn established() -> ExtBuilder {
    let params = Hyperparameters {
        max_neurons: 3,
        ..lenient()
    };
    let neurons = [(1_001, 1, 5_000), (2_001, 2, 3_000), (3_001, 3, 0)];
    ExtBuilder::default().network(params, &neurons)
}

/// Lets it live until block 21: every neuron serves, both validators have weights, permits and bonds, and everybody earned.
/// The next to be replaced is uid 1.
fn an_established_network() {
    run_to(10);
    assert_ok!(set_weights(1_001, NET, &[(1, 1), (2, 3)]));
    assert_ok!(set_weights(2_001, NET, &[(0, 1), (2, 3)]));
    assert_ok!(set_weights(3_001, NET, &[(2, 1)]));
    for hotkey in [1_001, 2_001, 3_001] {
        assert_ok!(serve_axon(hotkey, NET, ADDRESS));
    }
    run_to(21);
    EmissionColumn::<Test>::mutate(NET, |paid| paid[1] = 1);
    System::reset_events();
}

/// The columns in which each neuron has a place.
fn column_keys() -> [Vec<u8>; 6] {
    [
        StakeColumn::<Test>::hashed_key_for(NET),
        EarnedColumn::<Test>::hashed_key_for(NET),
        RegisteredColumn::<Test>::hashed_key_for(NET),
        PermitColumn::<Test>::hashed_key_for(NET),
        EmissionColumn::<Test>::hashed_key_for(NET),
        ScoreColumns::<Test>::hashed_key_for(NET),
    ]
}

/// The numbers of all neurons but uid 1, column by column.
fn numbers_of_others() -> Vec<Vec<u64>> {
    let numbers: [Column<Test, u64>; 5] = [
        StakeColumn::<Test>::get(NET),
        EarnedColumn::<Test>::get(NET),
        EmissionColumn::<Test>::get(NET),
        column(
            RegisteredColumn::<Test>::get(NET)
                .into_iter()
                .map(u64::from),
        ),
        column(PermitColumn::<Test>::get(NET).into_iter().map(u64::from)),
    ];
    let scores = ScoreColumns::<Test>::get(NET);
    let scores = scores
        .columns()
        .map(|scores| scores.iter().copied().map(u64::from).collect::<Vec<_>>());
    let mut rest: Vec<Vec<u64>> = numbers.map(BoundedVec::into_inner).into();
    rest.extend(scores);
    for numbers in &mut rest {
        numbers.remove(1);
    }
    rest
}

#[test]
fn a_replaced_neuron_leaves_nothing_to_its_successor() {
    established().build_and_execute(|| {
        an_established_network();
        // It has something of everything.
        let at_uid_1 = |column: Column<Test, u64>| column[1];
        assert!(Endpoints::<Test>::contains_key(NET, Uid(1)));
        assert!(WeightRows::<Test>::contains_key(NET, Uid(1)));
        assert!(BondRows::<Test>::contains_key(NET, Uid(1)));
        assert!(PermitColumn::<Test>::get(NET)[1]);
        let scores = ScoreColumns::<Test>::get(NET);
        assert!(scores.incentive[1] > 0 && scores.dividends[1] > 0);
        assert!(at_uid_1(EarnedColumn::<Test>::get(NET)) > 0);

        assert_ok!(register(4, NET, 4_001));

        assert_eq!(Keys::<Test>::get(NET, Uid(1)), Some(4_001));
        assert_eq!(Uids::<Test>::get(NET, 4_001), Some(Uid(1)));
        assert_eq!(Uids::<Test>::get(NET, 2_001), None);
        assert!(!Endpoints::<Test>::contains_key(NET, Uid(1)));
        assert!(!WeightRows::<Test>::contains_key(NET, Uid(1)));
        assert!(!BondRows::<Test>::contains_key(NET, Uid(1)));
        assert!(!PermitColumn::<Test>::get(NET)[1]);
        assert_eq!(at_uid_1(StakeColumn::<Test>::get(NET)), 0);
        assert_eq!(at_uid_1(EarnedColumn::<Test>::get(NET)), 0);
        assert_eq!(at_uid_1(EmissionColumn::<Test>::get(NET)), 0);
        assert_eq!(RegisteredColumn::<Test>::get(NET)[1], 21);
        for scores in ScoreColumns::<Test>::get(NET).columns() {
            assert_eq!(scores[1], 0);
        }
        let network = Networks::<Test>::get(NET).unwrap();
        assert_eq!((network.n_neurons, network.registrations), (3, (21, 1)));
        let expected = [
            Event::NeuronDeregistered {
                netid: NET,
                uid: Uid(1),
                hotkey: 2_001,
            },
            Event::NeuronRegistered {
                netid: NET,
                uid: Uid(1),
                hotkey: 4_001,
                coldkey: 4,
                price: PRICE,
            },
        ];
        assert_eq!(events(), expected);
    });
}

#[test]
fn a_replacement_writes_no_other_row() {
    established().build_and_execute(|| {
        an_established_network();
        let before = storage();
        let others = numbers_of_others();

        assert_ok!(register(4, NET, 4_001));

        let expected: BTreeSet<_> = [
            Keys::<Test>::hashed_key_for(NET, Uid(1)),
            Uids::<Test>::hashed_key_for(NET, 2_001),
            Uids::<Test>::hashed_key_for(NET, 4_001),
            Endpoints::<Test>::hashed_key_for(NET, Uid(1)),
            WeightRows::<Test>::hashed_key_for(NET, Uid(1)),
            BondRows::<Test>::hashed_key_for(NET, Uid(1)),
            Hotkeys::<Test>::hashed_key_for(2_001),
            Hotkeys::<Test>::hashed_key_for(4_001),
            Networks::<Test>::hashed_key_for(NET),
            TotalStake::<Test>::hashed_key().to_vec(),
            TotalEarned::<Test>::hashed_key().to_vec(),
        ]
        .into_iter()
        .chain(column_keys())
        .collect();
        assert_eq!(changed(&before, &storage()), expected);
        assert_eq!(numbers_of_others(), others);
    });
}

#[test]
fn a_replaced_hotkey_keeps_its_stake_and_what_it_earned() {
    established().build_and_execute(|| {
        an_established_network();
        let earned = EarnedColumn::<Test>::get(NET)[1];
        let totals = (TotalStake::<Test>::get(), TotalEarned::<Test>::get());
        let pot = Balances::free_balance(Pallet::<Test>::pot());

        assert_ok!(register(4, NET, 4_001));

        assert_eq!(Hotkeys::<Test>::get(2_001), hotkey(2, 3_000 + earned, &[]));
        assert_eq!(TotalStake::<Test>::get(), totals.0 + earned);
        assert_eq!(TotalEarned::<Test>::get(), totals.1 - earned);
        assert_eq!(Balances::free_balance(Pallet::<Test>::pot()), pot);
        // And may take it back.
        assert_ok!(remove_stake(2, 2_001, 3_000 + earned));
        assert_eq!(Balances::free_balance(2), FUNDS + 3_000 + earned);
        assert_eq!(Hotkeys::<Test>::get(2_001), None);
    });
}

#[test]
fn a_replaced_hotkey_with_nothing_on_it_is_forgotten_and_free() {
    let params = Hyperparameters {
        max_neurons: 1,
        ..lenient()
    };
    ExtBuilder::default()
        .network(params, &[(1_001, 1, 0)])
        .build_and_execute(|| {
            assert_ok!(register(2, NET, 2_001));
            assert_eq!(Hotkeys::<Test>::get(1_001), None);
            // Another coldkey may have it now.
            assert_ok!(register(3, NET, 1_001));
            assert_eq!(Hotkeys::<Test>::get(1_001), hotkey(3, 0, &[NET]));
        });
}

#[test]
fn a_replaced_hotkey_comes_back_with_its_stake() {
    established().build_and_execute(|| {
        an_established_network();
        assert_ok!(register(4, NET, 4_001));
        let stake = Hotkeys::<Test>::get(2_001).unwrap().stake;
        // Who paid nothing yet goes first: 4001 itself.
        let refused = Error::<Test>::NotHotkeyOwner;
        assert_noop!(register(5, NET, 2_001), refused);

        assert_ok!(register(2, NET, 2_001));

        assert_eq!(Uids::<Test>::get(NET, 2_001), Some(Uid(1)));
        assert_eq!(Hotkeys::<Test>::get(2_001), hotkey(2, stake, &[NET]));
        assert_eq!(StakeColumn::<Test>::get(NET)[1], stake);
        assert!(!PermitColumn::<Test>::get(NET)[1]);
    });
}

#[test]
fn a_hotkey_replaced_in_one_network_settles_everywhere() {
    let full = Hyperparameters {
        max_neurons: 1,
        ..lenient()
    };
    ExtBuilder::default()
        .network(full, &[(1_001, 1, 1_000)])
        .network(lenient(), &[(2_001, 2, 0), (1_001, 1, 0)])
        .build_and_execute(|| {
            run_to(10);
            let earned = EarnedColumn::<Test>::get(NET)[0];
            let elsewhere = EarnedColumn::<Test>::get(NetId(1))[1];
            assert!(earned > 0 && elsewhere > 0);

            assert_ok!(register(3, NET, 3_001));

            let stake = 1_000 + earned + elsewhere;
            assert_eq!(Hotkeys::<Test>::get(1_001), hotkey(1, stake, &[NetId(1)]));
            assert_eq!(EarnedColumn::<Test>::get(NetId(1)), column([0, 0]));
            assert_eq!(StakeColumn::<Test>::get(NetId(1)), column([0, stake]));
        });
}

#[test]
fn votes_for_the_replaced_neuron_do_not_count_for_its_successor() {
    established().build_and_execute(|| {
        an_established_network();
        // Both other rows name uid 1: 1001 gives it a quarter. So do bonds.
        let names_uid_1 = |row: &crate::Entries<Test>| row.iter().any(|(uid, _)| *uid == Uid(1));
        let row = WeightRows::<Test>::get(NET, Uid(0)).unwrap().entries;
        assert!(names_uid_1(&row) && names_uid_1(&BondRows::<Test>::get(NET, Uid(0))));

        assert_ok!(register(4, NET, 4_001));
        run_to(30);

        let scores = ScoreColumns::<Test>::get(NET);
        assert_eq!((scores.incentive[1], scores.rank[1]), (0, 0));
        assert_eq!(EmissionColumn::<Test>::get(NET)[1], 0);
        assert!(!names_uid_1(&BondRows::<Test>::get(NET, Uid(0))));
        // All that 1001 says now is that uid 2 is worth something.
        assert_eq!(scores.incentive[2], u16::MAX);

        // Said again, it is about the new one.
        assert_ok!(set_weights(1_001, NET, &[(1, 1), (2, 3)]));
        run_to(40);
        assert!(ScoreColumns::<Test>::get(NET).incentive[1] > 0);
        assert!(EmissionColumn::<Test>::get(NET)[1] > 0);
    });
}

#[test]
fn votes_of_the_block_of_a_replacement_do_not_count_for_the_successor() {
    established().build_and_execute(|| {
        an_established_network();
        // Within a block nobody can tell which came first, so neither order counts.
        assert_ok!(register(4, NET, 4_001));
        assert_ok!(set_weights(1_001, NET, &[(1, 1), (2, 3)]));
        run_to(30);
        assert_eq!(ScoreColumns::<Test>::get(NET).incentive[1], 0);
    });
}

// ---- what it is charged for ----

#[test]
fn a_registration_is_charged_for_the_networks_that_it_settled() {
    let full = Hyperparameters {
        max_neurons: 1,
        ..lenient()
    };
    ExtBuilder::default()
        .network(full, &[])
        .network(lenient(), &[(1_001, 1, 0)])
        .network(lenient(), &[(1_001, 1, 0)])
        .build_and_execute(|| {
            let charged = |coldkey, hotkey| {
                let call = crate::Call::register {
                    netid: NET,
                    hotkey,
                    max_price: ANY_PRICE,
                };
                let info = dispatch(RuntimeOrigin::signed(coldkey), call).unwrap();
                info.actual_weight.unwrap().ref_time()
            };
            // A free place; then 1001 leaves, which had neurons in three networks; then 2001, which had one.
            assert_eq!(charged(1, 1_001), 1_000);
            assert_eq!(charged(2, 2_001), 1_003);
            assert_eq!(charged(3, 3_001), 1_001);
        });
}
