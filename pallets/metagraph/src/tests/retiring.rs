//! Networks that leave: block by block, with nothing left behind but their hotkeys' stake.

use frame_support::{assert_ok, weights::Weight};

use super::calls::*;
use crate::{
    EarnedColumn, Event, Hotkeys, Hyperparameters, Keys, NetId, Networks, Pallet, Retiring,
    Schedule, StakeColumn, TotalEarned, TotalStake, Uid, Uids, mock::*,
};

/// Idle time in which `n` neurons can leave, and not one more.
fn idle_for(n: u64) -> Weight {
    Weight::from_parts(1_000 * n + 999, 0)
}

fn neurons_of(netid: NetId) -> u16 {
    Networks::<Test>::get(netid).map_or(0, |network| network.n_neurons)
}

/// A network with three neurons and everything they can have, in block 21.
fn lived_in(test: impl FnOnce()) {
    let neurons = [(1_001, 1, 5_000), (2_001, 2, 3_000), (3_001, 3, 0)];
    ExtBuilder::default()
        .network(lenient(), &neurons)
        .build_and_execute(|| {
            live_in(NET);
            test();
        });
}

/// Gives the three neurons of `netid` everything they can have, and goes to block 21.
fn live_in(netid: NetId) {
    run_to(11);
    assert_ok!(set_weights(1_001, netid, &[(1, 1), (2, 3)]));
    assert_ok!(set_weights(2_001, netid, &[(0, 1), (2, 3)]));
    for hotkey in [1_001, 2_001, 3_001] {
        assert_ok!(serve_axon(hotkey, netid, ADDRESS));
    }
    run_to(21);
    System::reset_events();
}

#[test]
fn a_removed_network_leaves_nothing_behind() {
    // Network 1 stays. Network 0 comes, lives and goes, with hotkeys that have nothing else.
    let quiet = Hyperparameters {
        emission_share: 0,
        ..lenient()
    };
    ExtBuilder::default()
        .network(quiet.clone(), &[])
        .network(lenient(), &[(9_001, 9, 1_000)])
        .build_and_execute(|| {
            assert_ok!(remove_network(NET));
            run_to(2);
            let maps_before = maps();
            let accounts_before = frame_system::Account::<Test>::iter_keys().count();
            let totals_before = (TotalStake::<Test>::get(), TotalEarned::<Test>::get());

            assert_ok!(create_network(quiet));
            for (coldkey, hotkey) in [(1, 1_001), (2, 2_001), (3, 3_001)] {
                assert_ok!(register(coldkey, NET, hotkey));
            }
            assert_ok!(add_stake(1, 1_001, 5_000));
            assert_ok!(add_stake(2, 2_001, 3_000));
            // Network 1 has its epochs in the same blocks as ever: only its rows may differ, and it has none.
            live_in(NET);
            assert!(maps().len() > maps_before.len() + 10);
            assert_ok!(remove_stake(1, 1_001, 5_000));
            assert_ok!(remove_stake(2, 2_001, 3_000));
            assert_ok!(remove_network(NET));
            run_to(22);

            let keys = |maps: std::collections::BTreeMap<Vec<u8>, _>| -> Vec<_> {
                maps.into_keys().collect()
            };
            assert_eq!(keys(maps()), keys(maps_before));
            assert_eq!(Retiring::<Test>::get().into_inner(), []);
            assert_eq!(Schedule::<Test>::get().len(), 1);
            assert_eq!(TotalStake::<Test>::get(), totals_before.0);
            let earned_elsewhere: u64 = EarnedColumn::<Test>::get(NetId(1)).iter().sum();
            assert_eq!(TotalEarned::<Test>::get(), earned_elsewhere);
            assert_eq!(totals_before.1, 0);
            let accounts = frame_system::Account::<Test>::iter_keys().count();
            assert_eq!(accounts, accounts_before);
        });
}

#[test]
fn an_unused_network_leaves_the_state_as_it_was() {
    // Nothing is minted, so that the whole state can be compared, all pallets included.
    let quiet = Hyperparameters {
        emission_share: 0,
        ..lenient()
    };
    let root = || sp_io::storage::root(sp_runtime::StateVersion::V1);
    ExtBuilder::default()
        .network(quiet.clone(), &[])
        .build_and_execute(|| {
            // Once around first: empty lists that were never written become empty lists that are.
            let around = || {
                assert_ok!(create_network(quiet.clone()));
                assert_ok!(remove_network(NetId(1)));
                Pallet::<Test>::retire_one(NetId(1)).unwrap();
                System::reset_events();
            };
            around();
            let before = root();
            around();
            assert_eq!(root(), before);
        });
}

#[test]
fn neurons_leave_last_first_and_then_the_network() {
    lived_in(|| {
        assert_ok!(remove_network(NET));
        let gone = |uid, hotkey| Event::NeuronDeregistered {
            netid: NET,
            uid: Uid(uid),
            hotkey,
        };
        run_to(22);
        let retired = Event::NetworkRetired {
            netid: NET,
            // Blocks 21 alone: the epoch of block 20 paid the rest.
            recycled: BLOCK_EMISSION,
        };
        let expected = [
            retired,
            gone(2, 3_001),
            gone(1, 2_001),
            gone(0, 1_001),
            Event::NetworkRemoved { netid: NET },
        ];
        assert_eq!(events(), expected);
        assert_eq!(storage().keys().filter(|key| key.len() > 32).count(), 3);
        // What is left in maps are three hotkeys with what they earned.
        assert_eq!(Hotkeys::<Test>::iter().count(), 3);
    });
}

#[test]
fn hotkeys_keep_their_stake_and_what_they_earned() {
    lived_in(|| {
        let earned = EarnedColumn::<Test>::get(NET);
        let pot = Balances::free_balance(Pallet::<Test>::pot());
        assert_ok!(remove_network(NET));
        run_to(22);

        for (hotkey, stake, earned) in [
            (1_001, 5_000, earned[0]),
            (2_001, 3_000, earned[1]),
            (3_001, 0, earned[2]),
        ] {
            let record = Hotkeys::<Test>::get(hotkey).unwrap();
            assert!(earned > 0);
            assert_eq!(record.stake, stake + earned);
            assert!(record.networks.is_empty());
        }
        let recycled = BLOCK_EMISSION;
        assert_eq!(
            Balances::free_balance(Pallet::<Test>::pot()),
            pot - recycled
        );
        // And it is theirs to take.
        assert_ok!(remove_stake(3, 3_001, earned[2]));
        assert_eq!(Balances::free_balance(3), FUNDS + earned[2]);
        assert_eq!(Hotkeys::<Test>::get(3_001), None);
    });
}

#[test]
fn neurons_leave_as_far_as_the_idle_time_goes() {
    lived_in(|| {
        assert_ok!(remove_network(NET));
        let step = |idle| {
            next_block(idle);
            Pallet::<Test>::do_try_state().unwrap();
            neurons_of(NET)
        };
        assert_eq!(step(Weight::zero()), 3);
        assert_eq!(step(idle_for(0)), 3);
        assert_eq!(step(idle_for(1)), 2);
        assert_eq!(step(idle_for(2)), 0);
        // The network itself takes its time as well.
        assert!(Networks::<Test>::contains_key(NET));
        assert_eq!(step(idle_for(1)), 0);
        assert!(!Networks::<Test>::contains_key(NET));
    });
}

#[test]
fn idle_time_that_is_not_needed_is_not_taken() {
    lived_in(|| {
        use frame_support::traits::Hooks;
        let taken = || Metagraph::on_idle(System::block_number(), Weight::MAX).ref_time();
        assert_eq!(taken(), 0);
        assert_ok!(remove_network(NET));
        // Three neurons, and the network.
        assert_eq!(taken(), 4_000);
        assert_eq!(taken(), 0);
    });
}

#[test]
fn a_network_on_its_way_out_is_not_paid() {
    lived_in(|| {
        assert_ok!(remove_network(NET));
        let issuance = Balances::total_issuance();
        for _ in 0..20 {
            next_block(Weight::zero());
        }
        assert_eq!(Balances::total_issuance(), issuance);
        assert_eq!(neurons_of(NET), 3);
    });
}

#[test]
fn stake_can_be_moved_while_its_network_leaves() {
    lived_in(|| {
        let earned = EarnedColumn::<Test>::get(NET)[0];
        assert_ok!(remove_network(NET));
        next_block(idle_for(1));

        assert_ok!(remove_stake(1, 1_001, 5_000 + earned));
        assert_ok!(add_stake(1, 1_001, 100));

        assert_eq!(StakeColumn::<Test>::get(NET)[0], 100);
        Pallet::<Test>::do_try_state().unwrap();
        run_to(40);
        assert_eq!(Hotkeys::<Test>::get(1_001).unwrap().stake, 100);
    });
}

#[test]
fn a_hotkey_goes_on_in_its_other_networks() {
    let neurons = [(1_001, 1, 1_000), (2_001, 2, 500)];
    ExtBuilder::default()
        .network(lenient(), &neurons)
        .network(lenient(), &[(2_001, 2, 0), (1_001, 1, 0)])
        .build_and_execute(|| {
            run_to(20);
            let earned = EarnedColumn::<Test>::get(NET)[0] + EarnedColumn::<Test>::get(NetId(1))[1];
            assert_ok!(remove_network(NET));
            next_block(Weight::MAX);

            let record = Hotkeys::<Test>::get(1_001).unwrap();
            assert_eq!(record.networks.into_inner(), [NetId(1)]);
            assert_eq!(record.stake, 1_000 + earned);
            assert_eq!(StakeColumn::<Test>::get(NetId(1))[1], 1_000 + earned);
            assert_eq!(Uids::<Test>::get(NetId(1), 1_001), Some(Uid(1)));
        });
}

#[test]
fn networks_leave_in_the_order_in_which_they_were_removed() {
    ExtBuilder::default()
        .network(lenient(), &[(1_001, 1, 0)])
        .network(lenient(), &[(2_001, 2, 0)])
        .network(lenient(), &[(3_001, 3, 0)])
        .build_and_execute(|| {
            for netid in [2, 0, 1] {
                assert_ok!(remove_network(NetId(netid)));
            }
            let retiring = |expected: &[u16]| {
                let expected: Vec<_> = expected.iter().copied().map(NetId).collect();
                assert_eq!(Retiring::<Test>::get().into_inner(), expected);
                Pallet::<Test>::do_try_state().unwrap();
            };
            retiring(&[2, 0, 1]);
            // One for the neuron, one for the network.
            next_block(idle_for(2));
            retiring(&[0, 1]);
            next_block(idle_for(3));
            retiring(&[1]);
            next_block(idle_for(1));
            retiring(&[]);
        });
}

#[test]
fn an_id_is_free_once_its_network_is_gone() {
    lived_in(|| {
        assert_ok!(remove_network(NET));
        // Still leaving: the next network is another one.
        assert_ok!(create_network(lenient()));
        assert!(
            Schedule::<Test>::get()
                .iter()
                .all(|slot| slot.netid == NetId(1))
        );

        run_to(22);
        assert_ok!(create_network(lenient()));

        let network = Networks::<Test>::get(NET).unwrap();
        assert_eq!((network.n_neurons, network.previous_epoch), (0, 22));
        assert_eq!(Keys::<Test>::iter_prefix(NET).count(), 0);
        // Hotkeys of the old one come back as anybody else.
        assert_ok!(register(2, NET, 2_001));
        assert_eq!(Uids::<Test>::get(NET, 2_001), Some(Uid(0)));
        run_to(40);
    });
}
