//! `try_state` notices what must not be: each test breaks one thing in storage by hand.

use frame_support::traits::fungible::Mutate;
use sp_runtime::TryRuntimeError;

use super::calls::*;
use crate::{
    BondRows, EarnedColumn, EmissionColumn, Endpoints, Hotkey, Hotkeys, Keys, NetId,
    NetworkParameters, Networks, Pallet, PermitColumn, RegisteredColumn, Retiring, Schedule,
    ScoreColumns, Scores, StakeColumn, StoredRow, TotalEarned, TotalStake, Uid, Uids, WeightRows,
    mock::*,
};

/// Breaks a chain in which everything holds, and sees that `try_state` says so in these words.
#[track_caller]
fn broken(expected: &'static str, break_storage: impl FnOnce()) {
    let neurons = [(1_001, 1, 5_000), (2_001, 2, 3_000), (3_001, 3, 0)];
    let builder = ExtBuilder::default()
        .network(lenient(), &neurons)
        .network(lenient(), &[(4_001, 4, 0)]);
    builder.build().execute_with(|| {
        run_to(11);
        set_weights(1_001, NET, &[(1, 1), (2, 3)]).unwrap();
        serve_axon(1_001, NET, ADDRESS).unwrap();
        run_to(21);
        Pallet::<Test>::do_try_state().unwrap();

        break_storage();

        let refused = Err(TryRuntimeError::Other(expected));
        assert_eq!(Pallet::<Test>::do_try_state(), refused);
    });
}

/// A network that does not exist.
const NOWHERE: NetId = NetId(7);
/// A uid that does not exist.
const NOBODY: Uid = Uid(3);

// ---- 1. the pot ----

#[test]
fn the_pot_holds_what_is_owed() {
    let expected = "the pot does not hold stake, earnings and pending emission";
    let pot = Pallet::<Test>::pot();
    broken(expected, || {
        Balances::set_balance(&pot, Balances::free_balance(pot) - 1);
    });
    broken(expected, || Schedule::<Test>::mutate(|s| s[0].pending += 1));
    broken(expected, || TotalStake::<Test>::mutate(|total| *total += 1));
}

// ---- 2. uids ----

#[test]
fn every_uid_has_a_hotkey() {
    broken("a uid below n has no hotkey", || {
        Keys::<Test>::remove(NET, Uid(1));
    });
}

#[test]
fn keys_and_uids_are_inverse() {
    broken("Keys and Uids are not inverse", || {
        Uids::<Test>::insert(NET, 1_001, Uid(1));
    });
}

#[test]
fn there_is_no_neuron_beyond_the_last() {
    broken("a key beyond n", || {
        Keys::<Test>::insert(NET, NOBODY, 1_001);
    });
    broken("a uid beyond n", || {
        // 4001 has a neuron elsewhere, and says that it has one here.
        Uids::<Test>::insert(NET, 4_001, NOBODY);
        Hotkeys::<Test>::mutate(4_001, |record| {
            let networks = &mut record.as_mut().unwrap().networks;
            networks.try_insert(0, NET).unwrap();
        });
    });
}

// ---- 3. columns ----

#[test]
fn every_column_has_one_number_of_every_neuron() {
    let expected = "a column has not one number of every neuron";
    broken(expected, || {
        StakeColumn::<Test>::mutate(NET, |column| column.try_push(0).unwrap());
    });
    broken(expected, || {
        EarnedColumn::<Test>::mutate(NET, |column| column.try_push(0).unwrap());
    });
    broken(expected, || {
        RegisteredColumn::<Test>::mutate(NET, |column| assert!(column.pop().is_some()));
    });
    broken(expected, || {
        PermitColumn::<Test>::mutate(NET, |column| column.try_push(true).unwrap());
    });
    broken(expected, || EmissionColumn::<Test>::remove(NET));
    let scores: [fn(&mut Scores<Test>); 6] = [
        |scores| scores.rank.clear(),
        |scores| scores.trust.clear(),
        |scores| scores.consensus.clear(),
        |scores| scores.incentive.clear(),
        |scores| scores.dividends.clear(),
        |scores| scores.validator_trust.clear(),
    ];
    for clear in scores {
        broken(expected, || ScoreColumns::<Test>::mutate(NET, clear));
    }
}

// ---- 4. stake ----

#[test]
fn totals_are_sums() {
    // One unit from there to here: the pot does not notice.
    broken("TotalStake is not the sum", || {
        TotalStake::<Test>::mutate(|total| *total += 1);
        TotalEarned::<Test>::mutate(|total| *total -= 1);
    });
    broken("TotalEarned is not the sum", || {
        EarnedColumn::<Test>::mutate(NET, |earned| earned[0] += 1);
    });
}

#[test]
fn the_stake_of_a_neuron_is_that_of_its_hotkey() {
    let expected = "a neuron's stake is not its hotkey's";
    broken(expected, || {
        StakeColumn::<Test>::mutate(NET, |stake| stake[..].swap(0, 1));
    });
}

// ---- 5. hotkeys ----

#[test]
fn a_hotkey_has_stake_or_a_neuron() {
    broken("an empty hotkey was kept", || {
        Hotkeys::<Test>::insert(7_777, Hotkey::new(1));
    });
}

#[test]
fn a_hotkey_lists_its_networks_ascending_and_exactly() {
    let change = |networks: &'static [u16]| {
        Hotkeys::<Test>::mutate(1_001, |record| {
            let netids = networks.iter().copied().map(NetId);
            record.as_mut().unwrap().networks =
                sp_runtime::BoundedVec::truncate_from(netids.collect());
        });
    };
    broken("a hotkey's networks do not ascend", || change(&[1, 0]));
    broken("a hotkey's networks do not ascend", || change(&[0, 0]));
    let expected = "a hotkey lists a network without a neuron";
    broken(expected, || change(&[0, 1]));
    let expected = "a hotkey does not list the network of its neuron";
    broken(expected, || change(&[]));
    broken(expected, || Uids::<Test>::insert(NET, 7_777, NOBODY));
}

// ---- 6. rows ----

fn weight_row(uid: Uid, row: &[(u16, u16)]) {
    let row = StoredRow {
        updated_at: 1,
        entries: entries(row),
    };
    WeightRows::<Test>::insert(NET, uid, row);
}

#[test]
fn rows_of_weights_are_upscaled_and_ascend() {
    broken("a weight row beyond n", || {
        weight_row(NOBODY, &[(0, u16::MAX)])
    });
    let malformed: [&[(u16, u16)]; 3] = [
        &[(1, u16::MAX), (0, 1)],
        &[(1, u16::MAX), (1, 1)],
        &[(0, 0), (1, u16::MAX)],
    ];
    for row in malformed {
        broken("a weight row is malformed", || weight_row(Uid(0), row));
    }
    broken("a weight row is not upscaled", || {
        weight_row(Uid(0), &[(1, 7)])
    });
    broken("a weight row is not upscaled", || weight_row(Uid(0), &[]));
    broken("a weight points beyond n", || {
        weight_row(Uid(0), &[(NOBODY.0, u16::MAX)]);
    });
}

#[test]
fn rows_of_bonds_ascend_and_belong_to_validators() {
    let bond_row = |uid, row: &[(u16, u16)]| BondRows::<Test>::insert(NET, uid, entries(row));
    broken("a bond row beyond n", || bond_row(NOBODY, &[(0, 1)]));
    let expected = "a neuron without permit has bonds";
    broken(expected, || {
        PermitColumn::<Test>::mutate(NET, |permits| permits[0] = false);
    });
    broken(expected, || {
        PermitColumn::<Test>::mutate(NET, |permits| permits[2] = false);
        bond_row(Uid(2), &[(0, 1)]);
    });
    let malformed: [&[(u16, u16)]; 4] = [&[(1, 5), (0, 5)], &[(1, 5), (1, 5)], &[(1, 0)], &[]];
    for row in malformed {
        broken("a bond row is malformed", || bond_row(Uid(0), row));
    }
    broken("a bond points beyond n", || {
        bond_row(Uid(0), &[(NOBODY.0, 1)])
    });
}

#[test]
fn endpoints_belong_to_neurons() {
    broken("an endpoint beyond n", || {
        let endpoint = Endpoints::<Test>::get(NET, Uid(0)).unwrap();
        Endpoints::<Test>::insert(NET, NOBODY, endpoint);
    });
}

// ---- 7. the schedule ----

#[test]
fn the_schedule_lists_the_networks_in_service_ascending() {
    broken("the schedule does not ascend", || {
        Schedule::<Test>::mutate(|slots| slots[..].swap(0, 1));
    });
    let expected = "the schedule is not the networks in service";
    broken(expected, || NetworkParameters::<Test>::remove(NetId(1)));
    broken(expected, || {
        let params = NetworkParameters::<Test>::get(NET).unwrap();
        NetworkParameters::<Test>::insert(NOWHERE, params);
    });
    let rename = || {
        Schedule::<Test>::mutate(|slots| slots[1].netid = NOWHERE);
    };
    broken("a slot without a network", rename);
    broken("a slot without hyperparameters", || {
        // As many as before, but one of them elsewhere.
        let params = NetworkParameters::<Test>::take(NetId(1)).unwrap();
        NetworkParameters::<Test>::insert(NOWHERE, params);
    });
}

#[test]
fn a_slot_has_the_emission_share_of_its_network() {
    let expected = "a slot has another emission share than its network";
    broken(expected, || {
        Schedule::<Test>::mutate(|slots| slots[0].emission_share = 9);
    });
}

#[test]
fn a_network_is_in_service_or_leaving() {
    let expected = "a retired network is not out of service";
    broken(expected, || Retiring::<Test>::put(retiring(NET)));
    broken(expected, || Retiring::<Test>::put(retiring(NOWHERE)));
    broken("a network is neither in service nor retiring", || {
        remove_network(NetId(1)).unwrap();
        Retiring::<Test>::kill();
    });
}

fn retiring(netid: NetId) -> sp_runtime::BoundedVec<NetId, frame_support::traits::ConstU32<8>> {
    sp_runtime::BoundedVec::truncate_from(vec![netid])
}

// ---- 8. hyperparameters, and things of no network ----

#[test]
fn hyperparameters_are_in_range() {
    broken("a hyperparameter is out of range", || {
        NetworkParameters::<Test>::mutate(NET, |params| params.as_mut().unwrap().rho = 0);
    });
    // Three neurons are there.
    broken("a hyperparameter is out of range", || {
        NetworkParameters::<Test>::mutate(NET, |params| {
            params.as_mut().unwrap().max_neurons = 2;
        });
    });
}

#[test]
fn nothing_belongs_to_a_network_that_does_not_exist() {
    let orphans: [fn(); 9] = [
        || Keys::<Test>::insert(NOWHERE, Uid(0), 1_001),
        || {
            let endpoint = Endpoints::<Test>::get(NET, Uid(0)).unwrap();
            Endpoints::<Test>::insert(NOWHERE, Uid(0), endpoint);
        },
        || WeightRows::<Test>::insert(NOWHERE, Uid(0), StoredRow::default()),
        || BondRows::<Test>::insert(NOWHERE, Uid(0), entries(&[])),
        || StakeColumn::<Test>::insert(NOWHERE, column([])),
        || EarnedColumn::<Test>::insert(NOWHERE, column([])),
        || RegisteredColumn::<Test>::insert(NOWHERE, column([])),
        || PermitColumn::<Test>::insert(NOWHERE, column([])),
        || EmissionColumn::<Test>::insert(NOWHERE, column([])),
    ];
    let expected = "something belongs to a network that does not exist";
    for orphan in orphans {
        broken(expected, orphan);
    }
    broken(expected, || {
        ScoreColumns::<Test>::insert(NOWHERE, Scores::default());
    });
    broken(expected, || {
        Uids::<Test>::insert(NOWHERE, 1_001, Uid(0));
        Hotkeys::<Test>::mutate(1_001, |record| {
            let networks = &mut record.as_mut().unwrap().networks;
            networks.try_push(NOWHERE).unwrap();
        });
    });
}

#[test]
fn a_network_without_its_record_is_noticed() {
    broken("a slot without a network", || {
        Networks::<Test>::remove(NetId(1));
    });
}
