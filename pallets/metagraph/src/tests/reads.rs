//! What clients read agrees with what storage holds.

use frame_support::assert_ok;

use super::calls::*;
use crate::{
    BondRows, EarnedColumn, EmissionColumn, Endpoints, Hotkeys, Hyperparameter, Hyperparameters,
    Keys, Metagraph as Graph, NetId, NetworkInfo, NetworkParameters, Networks, NeuronInfo, Pallet,
    PermitColumn, RegisteredColumn, Schedule, ScoreColumns, StakeColumn, StakeInfo, Uid,
    WeightRows, mock::*,
};

/// Two networks with a past. 1001 is in both.
fn lively(test: impl FnOnce()) {
    let neurons = [
        (1_001, 1, 5_000),
        (2_001, 2, 3_000),
        (3_001, 3, 0),
        (4_001, 4, 0),
    ];
    let params = Hyperparameters {
        activity_cutoff: 25,
        price_step: 2_000_000,
        ..lenient()
    };
    ExtBuilder::default()
        .network(params, &neurons)
        .network(lenient(), &[(5_001, 5, 0), (1_001, 1, 0)])
        .build_and_execute(|| {
            assert_ok!(set_network_owner(NET, Some(9)));
            run_to(11);
            assert_ok!(set_weights(1_001, NET, &[(1, 1), (2, 3)]));
            assert_ok!(set_weights(2_001, NET, &[(2, 1), (3, 1)]));
            assert_ok!(serve_axon(1_001, NET, ADDRESS));
            assert_ok!(serve_axon(2_001, NET, ADDRESS));
            assert_ok!(withdraw_axon(2_001, NET));
            run_to(33);
            assert_ok!(register(6, NET, 6_001));
            test();
        });
}

/// A neuron as storage holds it, entry by entry.
fn stored_neuron(netid: NetId, uid: u16) -> NeuronInfo<AccountId> {
    let place = usize::from(uid);
    let uid = Uid(uid);
    let hotkey = Keys::<Test>::get(netid, uid).unwrap();
    let scores = ScoreColumns::<Test>::get(netid);
    let earned = EarnedColumn::<Test>::get(netid)[place];
    let registered_at = RegisteredColumn::<Test>::get(netid)[place];
    let last_update = match WeightRows::<Test>::get(netid, uid) {
        Some(row) => row.updated_at,
        None => registered_at,
    };
    let cutoff = NetworkParameters::<Test>::get(netid)
        .unwrap()
        .activity_cutoff;
    NeuronInfo {
        uid,
        hotkey,
        coldkey: Hotkeys::<Test>::get(hotkey).unwrap().owner,
        endpoint: Endpoints::<Test>::get(netid, uid).and_then(|served| served.endpoint),
        stake: StakeColumn::<Test>::get(netid)[place] + earned,
        earned,
        registered_at,
        last_update,
        active: u64::from(last_update + cutoff) >= System::block_number(),
        validator_permit: PermitColumn::<Test>::get(netid)[place],
        rank: scores.rank[place],
        trust: scores.trust[place],
        consensus: scores.consensus[place],
        incentive: scores.incentive[place],
        dividends: scores.dividends[place],
        validator_trust: scores.validator_trust[place],
        emission: EmissionColumn::<Test>::get(netid)[place],
    }
}

#[test]
fn a_network_in_short_is_what_storage_says() {
    lively(|| {
        let network = Networks::<Test>::get(NET).unwrap();
        let slot = Schedule::<Test>::get()[0];
        let expected = NetworkInfo {
            netid: NET,
            task: b"digits".to_vec(),
            owner: Some(9),
            n_neurons: 5,
            max_neurons: 256,
            // The price of 1000 doubled with the registration in this block.
            registration_price: 2 * PRICE,
            pending: slot.pending,
            previous_epoch: network.previous_epoch,
            next_epoch: slot.next_epoch,
        };
        assert_eq!((expected.previous_epoch, expected.next_epoch), (30, 40));
        assert_eq!(Pallet::<Test>::network_info(NET), Some(expected.clone()));
        let other = Pallet::<Test>::network_info(NetId(1)).unwrap();
        assert_eq!(Pallet::<Test>::networks(), [expected, other]);
    });
}

#[test]
fn neurons_are_what_storage_says() {
    lively(|| {
        for uid in 0..5 {
            let expected = stored_neuron(NET, uid);
            assert_eq!(Pallet::<Test>::neuron(NET, Uid(uid)), Some(expected));
        }
        // The scene has something of everything to tell apart.
        let neuron = |uid| Pallet::<Test>::neuron(NET, Uid(uid)).unwrap();
        assert!(neuron(0).endpoint.is_some() && neuron(1).endpoint.is_none());
        assert!(neuron(0).validator_permit && !neuron(4).validator_permit);
        assert!(neuron(0).dividends > 0 && neuron(2).incentive > 0);
        assert_eq!((neuron(0).last_update, neuron(2).last_update), (11, 0));
        assert_eq!((neuron(4).last_update, neuron(4).registered_at), (33, 33));
        // In block 33, with a cutoff of 25 blocks.
        let active: Vec<_> = (0..5).map(|uid| neuron(uid).active).collect();
        assert_eq!(active, [true, true, false, false, true]);
    });
}

#[test]
fn a_metagraph_is_its_network_and_its_neurons() {
    lively(|| {
        for (netid, n_neurons) in [(NET, 5), (NetId(1), 2)] {
            let expected = Graph {
                block: 33,
                network: Pallet::<Test>::network_info(netid).unwrap(),
                neurons: (0..n_neurons)
                    .map(|uid| stored_neuron(netid, uid))
                    .collect(),
            };
            assert_eq!(Pallet::<Test>::metagraph(netid), Some(expected));
        }
    });
}

#[test]
fn rows_are_what_storage_says() {
    lively(|| {
        let weights = Pallet::<Test>::weights(NET).unwrap();
        // Largest at 65535: 65535 / 3 = 21845.
        let expected = [
            (Uid(0), entries(&[(1, 21_845), (2, 65_535)]).into_inner()),
            (Uid(1), entries(&[(2, 65_535), (3, 65_535)]).into_inner()),
        ];
        assert_eq!(weights, expected);

        let bonds = Pallet::<Test>::bonds(NET).unwrap();
        let raters: Vec<_> = bonds.iter().map(|(rater, _)| *rater).collect();
        assert_eq!(raters, [Uid(0), Uid(1)]);
        for (rater, row) in bonds {
            assert_eq!(row, BondRows::<Test>::get(NET, rater).into_inner());
        }
        assert_eq!(Pallet::<Test>::weights(NetId(1)), Some(vec![]));
        assert_eq!(Pallet::<Test>::bonds(NetId(1)), Some(vec![]));
    });
}

#[test]
fn the_stake_on_a_hotkey_is_settled_and_earned_everywhere() {
    lively(|| {
        let earned = EarnedColumn::<Test>::get(NET)[0] + EarnedColumn::<Test>::get(NetId(1))[1];
        let expected = StakeInfo {
            coldkey: 1,
            settled: 5_000,
            earned,
            neurons: vec![(NET, Uid(0)), (NetId(1), Uid(1))],
        };
        assert!(earned > 0);
        assert_eq!(Pallet::<Test>::stake(&1_001), Some(expected));

        assert_ok!(add_stake(1, 1_001, 100));
        let settled = Pallet::<Test>::stake(&1_001).unwrap();
        assert_eq!((settled.settled, settled.earned), (5_100 + earned, 0));
    });
}

#[test]
fn hyperparameters_are_what_was_set() {
    lively(|| {
        assert_ok!(set_hyperparameter(NET, Hyperparameter::Rho(17)));
        let stored = NetworkParameters::<Test>::get(NET);
        assert_eq!(Pallet::<Test>::hyperparameters(NET), stored);
        assert_eq!(stored.unwrap().rho, 17);
    });
}

#[test]
fn the_price_that_is_read_is_the_price_that_is_paid() {
    lively(|| {
        run_to(77);
        let info = Pallet::<Test>::network_info(NET).unwrap();
        let price = info.registration_price;
        assert!(price > PRICE && price < 2 * PRICE);
        assert_ok!(register_for(7, NET, 7_001, price));
        assert_eq!(Balances::free_balance(7), FUNDS - price);
    });
}

#[test]
fn the_next_epoch_that_is_read_is_when_it_runs() {
    lively(|| {
        for _ in 0..3 {
            let due = Pallet::<Test>::network_info(NET).unwrap().next_epoch;
            run_to(u64::from(due));
            let ran = Pallet::<Test>::network_info(NET).unwrap().previous_epoch;
            assert_eq!(ran, due);
        }
    });
}

#[test]
fn there_is_nothing_to_read_of_what_does_not_exist() {
    lively(|| {
        let nowhere = NetId(7);
        assert_eq!(Pallet::<Test>::network_info(nowhere), None);
        assert_eq!(Pallet::<Test>::metagraph(nowhere), None);
        assert_eq!(Pallet::<Test>::neuron(nowhere, Uid(0)), None);
        assert_eq!(Pallet::<Test>::weights(nowhere), None);
        assert_eq!(Pallet::<Test>::bonds(nowhere), None);
        assert_eq!(Pallet::<Test>::hyperparameters(nowhere), None);
        assert_eq!(Pallet::<Test>::neuron(NET, Uid(5)), None);
        assert_eq!(Pallet::<Test>::stake(&7_777), None);
    });
}

#[test]
fn there_is_nothing_to_read_of_a_network_that_is_being_removed() {
    lively(|| {
        assert_ok!(remove_network(NET));
        assert!(Networks::<Test>::contains_key(NET));

        assert_eq!(Pallet::<Test>::network_info(NET), None);
        assert_eq!(Pallet::<Test>::metagraph(NET), None);
        assert_eq!(Pallet::<Test>::neuron(NET, Uid(0)), None);
        assert_eq!(Pallet::<Test>::weights(NET), None);
        assert_eq!(Pallet::<Test>::bonds(NET), None);
        assert_eq!(Pallet::<Test>::hyperparameters(NET), None);
        let netids: Vec<_> = Pallet::<Test>::networks()
            .into_iter()
            .map(|network| network.netid)
            .collect();
        assert_eq!(netids, [NetId(1)]);
    });
}

#[test]
fn reading_changes_nothing() {
    lively(|| {
        let before = storage();
        let _ = Pallet::<Test>::networks();
        let _ = Pallet::<Test>::metagraph(NET);
        let _ = Pallet::<Test>::weights(NET);
        let _ = Pallet::<Test>::bonds(NET);
        let _ = Pallet::<Test>::stake(&1_001);
        assert_eq!(storage(), before);
    });
}
