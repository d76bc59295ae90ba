//! Creating and removing networks, naming their owners, and who may call what.

use codec::{Decode, Encode};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::{BoundedVec, DispatchError};

use super::calls::*;
use crate::{
    AddressPolicy, Addresses, Call, Error, Event, Hyperparameter, Hyperparameters, NetId, Network,
    NetworkParameters, Networks, OutOfRange, Price, Retiring, Schedule, Slot, TaskName, mock::*,
};

#[test]
fn creating_a_network_stores_and_schedules_it() {
    ExtBuilder::default().build_and_execute(|| {
        run_to(7);
        let params = Hyperparameters {
            emission_share: 3,
            ..lenient()
        };

        assert_ok!(root(Call::create_network {
            task: task("text"),
            owner: Some(5),
            hyperparameters: params.clone(),
        }));

        let expected = Network {
            task: task("text"),
            owner: Some(5),
            n_neurons: 0,
            previous_epoch: 7,
            price: Price {
                level: PRICE,
                at: 7,
            },
            registrations: (7, 0),
        };
        assert_eq!(Networks::<Test>::get(NET), Some(expected));
        assert_eq!(NetworkParameters::<Test>::get(NET), Some(params));
        // A tempo of 10, in block 7: due in block 10.
        let slot = Slot {
            netid: NET,
            emission_share: 3,
            pending: 0,
            next_epoch: 10,
        };
        assert_eq!(Schedule::<Test>::get().into_inner(), [slot]);
        let created = Event::NetworkCreated {
            netid: NET,
            task: task("text"),
        };
        assert_eq!(events(), [created]);
    });
}

#[test]
fn a_network_gets_the_lowest_free_id() {
    ExtBuilder::default().build_and_execute(|| {
        for _ in 0..3 {
            assert_ok!(create_network(lenient()));
        }
        assert_ok!(remove_network(NetId(1)));
        run_to(2);

        assert_ok!(create_network(lenient()));
        assert_ok!(create_network(lenient()));

        let netids: Vec<_> = Schedule::<Test>::get().iter().map(|s| s.netid).collect();
        assert_eq!(netids, [NetId(0), NetId(1), NetId(2), NetId(3)]);
    });
}

#[test]
fn a_chain_has_no_more_networks_than_it_can_hold() {
    ExtBuilder::default().build_and_execute(|| {
        for _ in 0..MAX_NETWORKS {
            assert_ok!(create_network(lenient()));
        }
        assert_noop!(create_network(lenient()), Error::<Test>::TooManyNetworks);
    });
}

#[test]
fn a_network_being_removed_still_takes_its_place() {
    ExtBuilder::default().build_and_execute(|| {
        for _ in 0..MAX_NETWORKS {
            assert_ok!(create_network(lenient()));
        }
        assert_ok!(remove_network(NET));
        assert_noop!(create_network(lenient()), Error::<Test>::TooManyNetworks);

        run_to(2);
        assert_ok!(create_network(lenient()));
    });
}

#[test]
fn a_network_is_not_created_with_a_hyperparameter_out_of_range() {
    ExtBuilder::default().build_and_execute(|| {
        let no_tempo = Hyperparameters {
            tempo: 0,
            ..lenient()
        };
        let refused = Error::<Test>::OutOfRange(OutOfRange::Tempo);
        assert_noop!(create_network(no_tempo), refused);
    });
}

#[test]
fn the_name_of_a_task_is_utf8_of_at_most_32_bytes() {
    ExtBuilder::default().build_and_execute(|| {
        let create = |task: TaskName| {
            root(Call::create_network {
                task,
                owner: None,
                hyperparameters: lenient(),
            })
        };
        let not_utf8: TaskName = vec![0xff].try_into().unwrap();
        assert_noop!(create(not_utf8), Error::<Test>::TaskNotUtf8);
        assert_ok!(create(task(&"x".repeat(32))));
        assert_ok!(create(task("")));

        let too_long = "x".repeat(33).into_bytes().encode();
        assert!(TaskName::decode(&mut &too_long[..]).is_err());
    });
}

#[test]
fn a_network_with_several_mistakes_is_refused_for_the_first_of_them() {
    ExtBuilder::default().build_and_execute(|| {
        for _ in 0..MAX_NETWORKS {
            assert_ok!(create_network(lenient()));
        }
        let create = |tempo, task| {
            root(Call::create_network {
                task,
                owner: None,
                hyperparameters: Hyperparameters { tempo, ..lenient() },
            })
        };
        let not_utf8: TaskName = BoundedVec::truncate_from(vec![0xff]);
        let out_of_range = Error::<Test>::OutOfRange(OutOfRange::Tempo);
        assert_noop!(create(0, not_utf8.clone()), out_of_range);
        assert_noop!(create(10, not_utf8), Error::<Test>::TaskNotUtf8);
        assert_noop!(create(10, task("text")), Error::<Test>::TooManyNetworks);
    });
}

#[test]
fn removing_a_network_burns_its_pending_emission() {
    ExtBuilder::default()
        .network(lenient(), &[(1_001, 1, 0)])
        .network(lenient(), &[])
        .build_and_execute(|| {
            run_to(5);
            // Blocks 2 to 5 minted; two networks of one share each.
            let pending = 4 * BLOCK_EMISSION / 2;
            let issuance = Balances::total_issuance();

            assert_ok!(remove_network(NET));

            assert_eq!(Balances::total_issuance(), issuance - pending);
            assert!(!NetworkParameters::<Test>::contains_key(NET));
            assert_eq!(Retiring::<Test>::get().into_inner(), [NET]);
            let slots = Schedule::<Test>::get();
            assert_eq!(slots.len(), 1);
            assert_eq!((slots[0].netid, slots[0].pending), (NetId(1), pending));
            let retired = Event::NetworkRetired {
                netid: NET,
                recycled: pending,
            };
            assert_eq!(events(), [retired]);
        });
}

#[test]
fn an_owner_is_named_and_unnamed() {
    ExtBuilder::default()
        .network(lenient(), &[])
        .build_and_execute(|| {
            let before = Networks::<Test>::get(NET).unwrap();
            for owner in [Some(5), Some(6), None] {
                assert_ok!(set_network_owner(NET, owner));

                let expected = Network {
                    owner,
                    ..before.clone()
                };
                assert_eq!(Networks::<Test>::get(NET), Some(expected));
                let set = Event::NetworkOwnerSet { netid: NET, owner };
                assert_eq!(take_events(), [set]);
            }
        });
}

#[test]
fn an_address_policy_is_stored_as_it_was_set() {
    ExtBuilder::default().build_and_execute(|| {
        for policy in [AddressPolicy::Any, AddressPolicy::Public] {
            assert_ok!(set_address_policy(policy));

            assert_eq!(Addresses::<Test>::get(), policy);
            let set = Event::AddressPolicySet { policy };
            assert_eq!(take_events(), [set]);
        }
    });
}

#[test]
fn root_calls_are_for_root_only() {
    ExtBuilder::default()
        .network(lenient(), &[])
        .build_and_execute(|| {
            for call in root_calls(NET) {
                assert_noop!(signed(1, call), DispatchError::BadOrigin);
            }
        });
}

#[test]
fn signed_calls_are_not_for_root() {
    ExtBuilder::default()
        .network(lenient(), &[(1_001, 1, 0)])
        .build_and_execute(|| {
            for call in signed_calls(NET, 1_001) {
                assert_noop!(root(call), DispatchError::BadOrigin);
            }
        });
}

#[test]
fn every_call_belongs_to_root_or_to_a_signer() {
    let indices = |calls: Vec<Call<Test>>| calls.into_iter().map(|call| call.encode()[0]);
    let mut listed: Vec<u8> = indices(every_call(NET, 1_001)).collect();
    listed.sort_unstable();
    // FRAME adds two hidden variants to a call enum, none of which can be made.
    let declared = <Call<Test> as frame_support::traits::GetCallIndex>::get_call_indices();
    assert_eq!(listed, declared);
}

#[test]
fn nothing_can_be_called_on_a_network_that_does_not_exist() {
    ExtBuilder::default()
        .network(lenient(), &[(1_001, 1, 5_000)])
        .build_and_execute(|| {
            for call in root_calls_on(NetId(1)) {
                assert_noop!(root(call), Error::<Test>::NetworkNotFound);
            }
            for call in signed_calls_on(NetId(1), 1_001) {
                assert_noop!(signed(1_001, call), Error::<Test>::NetworkNotFound);
            }
        });
}

#[test]
fn nothing_can_be_called_on_a_network_that_is_being_removed() {
    ExtBuilder::default()
        .network(lenient(), &[(1_001, 1, 5_000)])
        .build_and_execute(|| {
            assert_ok!(serve_axon(1_001, NET, ADDRESS));
            assert_ok!(remove_network(NET));
            assert!(Networks::<Test>::contains_key(NET));

            for call in root_calls_on(NET) {
                assert_noop!(root(call), Error::<Test>::NetworkNotFound);
            }
            for call in signed_calls_on(NET, 2_001) {
                assert_noop!(signed(1_001, call), Error::<Test>::NetworkNotFound);
            }
        });
}

#[test]
fn calls_survive_the_wire() {
    for call in every_call(NET, 1_001) {
        assert_eq!(recoded(&call), call);
    }
    for one in Hyperparameter::all(&lenient()) {
        assert_eq!(recoded(&one), one);
    }
}
