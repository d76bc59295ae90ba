//! The first state of a chain.

use frame_support::traits::{GetStorageVersion, StorageVersion};

use super::calls::*;
use crate::{
    AddressPolicy, Addresses, GenesisNetwork, GenesisNeuron, Hotkeys, Hyperparameters, Keys, NetId,
    NetworkParameters, Networks, Pallet, Price, RegisteredColumn, Schedule, StakeColumn,
    TotalStake, Uid, mock::*,
};

fn neuron(hotkey: AccountId, coldkey: AccountId) -> GenesisNeuron<AccountId> {
    GenesisNeuron {
        hotkey,
        coldkey,
        stake: 0,
    }
}

fn network(task: &str, neurons: Vec<GenesisNeuron<AccountId>>) -> GenesisNetwork<AccountId> {
    GenesisNetwork {
        task: task.into(),
        owner: None,
        hyperparameters: lenient(),
        neurons,
    }
}

#[test]
fn a_chain_can_start_without_networks() {
    ExtBuilder::default().build_and_execute(|| {
        assert_eq!(Networks::<Test>::iter().count(), 0);
        let pot = Balances::free_balance(Pallet::<Test>::pot());
        assert_eq!(pot, EXISTENTIAL_DEPOSIT);
        assert_eq!(Addresses::<Test>::get(), AddressPolicy::Public);
        let version = Pallet::<Test>::on_chain_storage_version();
        assert_eq!(version, StorageVersion::new(1));
        assert_eq!(version, Pallet::<Test>::in_code_storage_version());
    });
}

#[test]
fn networks_have_their_ids_and_neurons_their_uids_in_order() {
    let mut text = network("text", vec![neuron(2_001, 2), neuron(1_001, 1)]);
    text.owner = Some(7);
    ExtBuilder::default()
        .genesis_network(network("digits", vec![]))
        .genesis_network(text)
        .build_and_execute(|| {
            let tasks: Vec<_> = Pallet::<Test>::networks()
                .into_iter()
                .map(|network| (network.netid, network.task, network.owner))
                .collect();
            let digits = (NetId(0), b"digits".to_vec(), None);
            let text = (NetId(1), b"text".to_vec(), Some(7));
            assert_eq!(tasks, [digits, text]);
            assert_eq!(Keys::<Test>::get(NetId(1), Uid(0)), Some(2_001));
            assert_eq!(Keys::<Test>::get(NetId(1), Uid(1)), Some(1_001));
            assert_eq!(RegisteredColumn::<Test>::get(NetId(1)), column([0, 0]));
            let network = Networks::<Test>::get(NetId(1)).unwrap();
            let price = Price {
                level: PRICE,
                at: 0,
            };
            assert_eq!((network.n_neurons, network.price), (2, price));
            assert_eq!(NetworkParameters::<Test>::get(NetId(1)), Some(lenient()));
            let due: Vec<_> = Schedule::<Test>::get()
                .iter()
                .map(|slot| slot.next_epoch)
                .collect();
            assert_eq!(due, [10, 9]);
        });
}

#[test]
fn stake_of_the_genesis_is_minted_and_adds_up() {
    // 1001 is in both networks, with a part of its stake in each.
    ExtBuilder::default()
        .network(lenient(), &[(1_001, 1, 600), (2_001, 2, 50)])
        .network(lenient(), &[(3_001, 3, 0), (1_001, 1, 400)])
        .build_and_execute(|| {
            let record = Hotkeys::<Test>::get(1_001).unwrap();
            assert_eq!((record.owner, record.stake), (1, 1_000));
            assert_eq!(record.networks.into_inner(), [NetId(0), NetId(1)]);
            assert_eq!(StakeColumn::<Test>::get(NetId(0)), column([1_000, 50]));
            assert_eq!(StakeColumn::<Test>::get(NetId(1)), column([0, 1_000]));
            assert_eq!(TotalStake::<Test>::get(), 1_050);
            let issuance = 20 * FUNDS + EXISTENTIAL_DEPOSIT + 1_050;
            assert_eq!(Balances::total_issuance(), issuance);
        });
}

#[test]
fn a_chain_can_start_with_any_address() {
    ExtBuilder::default()
        .addresses(AddressPolicy::Any)
        .build_and_execute(|| assert_eq!(Addresses::<Test>::get(), AddressPolicy::Any));
}

#[test]
fn nothing_at_genesis_is_news() {
    ExtBuilder::default()
        .network(lenient(), &[(1_001, 1, 600)])
        .build_and_execute(|| assert_eq!(events(), []));
}

#[test]
fn a_network_of_the_genesis_runs_its_epochs() {
    ExtBuilder::default()
        .network(lenient(), &[(1_001, 1, 5_000)])
        .build_and_execute(|| {
            run_to(25);
            assert_eq!(Networks::<Test>::get(NET).unwrap().previous_epoch, 20);
        });
}

#[test]
#[should_panic = "the metagraph's genesis is wrong"]
fn a_task_with_too_long_a_name_is_no_genesis() {
    let too_long = network(&"x".repeat(33), vec![]);
    ExtBuilder::default().genesis_network(too_long).build();
}

#[test]
#[should_panic = "the metagraph's genesis is wrong"]
fn a_hyperparameter_out_of_range_is_no_genesis() {
    let no_tempo = Hyperparameters {
        tempo: 0,
        ..lenient()
    };
    ExtBuilder::default().network(no_tempo, &[]).build();
}

#[test]
#[should_panic = "the metagraph's genesis is wrong"]
fn too_many_networks_are_no_genesis() {
    let mut builder = ExtBuilder::default();
    for _ in 0..=MAX_NETWORKS {
        builder = builder.network(lenient(), &[]);
    }
    builder.build();
}

#[test]
#[should_panic = "the metagraph's genesis is wrong"]
fn more_neurons_than_the_network_allows_are_no_genesis() {
    let one = Hyperparameters {
        max_neurons: 1,
        ..lenient()
    };
    ExtBuilder::default()
        .network(one, &[(1_001, 1, 0), (2_001, 2, 0)])
        .build();
}

#[test]
#[should_panic = "the metagraph's genesis is wrong"]
fn a_hotkey_of_two_coldkeys_is_no_genesis() {
    ExtBuilder::default()
        .network(lenient(), &[(1_001, 1, 0)])
        .network(lenient(), &[(1_001, 2, 0)])
        .build();
}

#[test]
#[should_panic = "the metagraph's genesis is wrong"]
fn a_hotkey_twice_in_a_network_is_no_genesis() {
    ExtBuilder::default()
        .network(lenient(), &[(1_001, 1, 0), (1_001, 1, 0)])
        .build();
}
