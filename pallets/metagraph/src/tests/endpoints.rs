//! Serving and withdrawing endpoints. Which addresses can be dialled is tested beside [`crate::endpoint`].

use frame_support::{assert_noop, assert_ok};

use super::calls::*;
use crate::{
    Address, AddressPolicy, Call, Endpoint, Endpoints, Error, Event, Hyperparameter,
    Hyperparameters, Protocol, ServedEndpoint, Synapses, Uid, mock::*,
};

const OTHER_ADDRESS: Address = Address::V4([9, 9, 9, 9]);
const LOOPBACK: Address = Address::V4([127, 0, 0, 1]);
const NOWHERE: Address = Address::V4([0, 0, 0, 0]);

fn one_neuron() -> ExtBuilder {
    ExtBuilder::default().network(lenient(), &[(2_001, 2, 0), (1_001, 1, 0)])
}

fn rate_limited() -> ExtBuilder {
    let params = Hyperparameters {
        serving_rate_limit: 50,
        ..lenient()
    };
    ExtBuilder::default().network(params, &[(2_001, 2, 0), (1_001, 1, 0)])
}

fn endpoint(address: Address) -> Endpoint {
    let policy = AddressPolicy::Any;
    Endpoint::new(address, 8091, Protocol::GrpcTls, 1, TEXT, policy).unwrap()
}

fn served(address: Address, served_at: u32) -> Option<ServedEndpoint> {
    let endpoint = Some(endpoint(address));
    Some(ServedEndpoint {
        endpoint,
        served_at,
    })
}

#[test]
fn a_served_endpoint_is_stored_as_it_was_told() {
    one_neuron().build_and_execute(|| {
        run_to(4);
        let synapses = Synapses {
            text: false,
            image: true,
            tensor: true,
        };
        let address = Address::V6([0x2a, 0, 0x14, 0x50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_ok!(signed(
            1_001,
            Call::serve_axon {
                netid: NET,
                address,
                port: 1,
                protocol: Protocol::GrpcPlain,
                version: 77,
                synapses,
            }
        ));

        let stored = Endpoints::<Test>::get(NET, Uid(1)).unwrap();
        let endpoint = stored.endpoint.unwrap();
        assert_eq!(stored.served_at, 4);
        assert_eq!(endpoint.address(), address);
        assert_eq!(endpoint.port(), 1);
        assert_eq!(endpoint.protocol(), Protocol::GrpcPlain);
        assert_eq!(endpoint.version(), 77);
        assert_eq!(endpoint.synapses(), synapses);
        let told = Event::AxonServed {
            netid: NET,
            uid: Uid(1),
            endpoint,
        };
        assert_eq!(events(), [told]);
    });
}

#[test]
fn serving_writes_one_endpoint_and_nothing_else() {
    one_neuron().build_and_execute(|| {
        assert_ok!(serve_axon(2_001, NET, ADDRESS));
        let before = storage();
        assert_ok!(serve_axon(1_001, NET, ADDRESS));
        let expected = [Endpoints::<Test>::hashed_key_for(NET, Uid(1))];
        assert_eq!(changed(&before, &storage()), expected.into());
    });
}

#[test]
fn serving_again_replaces_the_endpoint() {
    one_neuron().build_and_execute(|| {
        assert_ok!(serve_axon(1_001, NET, ADDRESS));
        run_to(2);
        assert_ok!(serve_axon(1_001, NET, OTHER_ADDRESS));
        let stored = Endpoints::<Test>::get(NET, Uid(1));
        assert_eq!(stored, served(OTHER_ADDRESS, 2));
    });
}

#[test]
fn an_endpoint_that_cannot_be_is_refused_with_its_reason() {
    let nothing = Synapses::default();
    let cases = [
        (NOWHERE, 8091, TEXT, Error::<Test>::AddressNotDialable),
        (LOOPBACK, 8091, TEXT, Error::<Test>::AddressNotPublic),
        (ADDRESS, 0, TEXT, Error::<Test>::PortZero),
        (ADDRESS, 8091, nothing, Error::<Test>::ServesNothing),
    ];
    one_neuron().build_and_execute(|| {
        for (address, port, synapses, refused) in cases {
            let call = serve_call(NET, address, port, synapses);
            assert_noop!(signed(1_001, call), refused);
        }
    });
}

#[test]
fn only_a_neuron_serves_and_withdraws() {
    one_neuron().build_and_execute(|| {
        // A coldkey is not its hotkey.
        for who in [1, 3_001] {
            let refused = Error::<Test>::NotRegistered;
            assert_noop!(serve_axon(who, NET, ADDRESS), refused);
            let refused = Error::<Test>::NotRegistered;
            assert_noop!(withdraw_axon(who, NET), refused);
        }
    });
}

#[test]
fn serving_with_several_mistakes_is_refused_for_the_first_of_them() {
    rate_limited().build_and_execute(|| {
        assert_ok!(serve_axon(1_001, NET, ADDRESS));
        let nothing = Synapses::default();
        let elsewhere = crate::NetId(7);
        let steps = [
            (
                3_001,
                elsewhere,
                NOWHERE,
                0,
                nothing,
                Error::<Test>::AddressNotDialable,
            ),
            (
                3_001,
                elsewhere,
                LOOPBACK,
                0,
                nothing,
                Error::<Test>::AddressNotPublic,
            ),
            (
                3_001,
                elsewhere,
                ADDRESS,
                0,
                nothing,
                Error::<Test>::PortZero,
            ),
            (
                3_001,
                elsewhere,
                ADDRESS,
                1,
                nothing,
                Error::<Test>::ServesNothing,
            ),
            (
                3_001,
                elsewhere,
                ADDRESS,
                1,
                TEXT,
                Error::<Test>::NetworkNotFound,
            ),
            (3_001, NET, ADDRESS, 1, TEXT, Error::<Test>::NotRegistered),
            (1_001, NET, ADDRESS, 1, TEXT, Error::<Test>::ServingTooFast),
        ];
        for (who, netid, address, port, synapses, refused) in steps {
            let call = serve_call(netid, address, port, synapses);
            assert_noop!(signed(who, call), refused);
        }
    });
}

#[test]
fn an_endpoint_changes_once_per_rate_limit() {
    rate_limited().build_and_execute(|| {
        run_to(3);
        assert_ok!(serve_axon(1_001, NET, ADDRESS));
        run_to(52);
        let refused = Error::<Test>::ServingTooFast;
        assert_noop!(serve_axon(1_001, NET, OTHER_ADDRESS), refused);
        // Another neuron is not held up.
        assert_ok!(serve_axon(2_001, NET, OTHER_ADDRESS));
        run_to(53);
        assert_ok!(serve_axon(1_001, NET, OTHER_ADDRESS));
    });
}

#[test]
fn withdrawing_takes_the_endpoint_away() {
    one_neuron().build_and_execute(|| {
        assert_ok!(serve_axon(1_001, NET, ADDRESS));
        System::reset_events();

        assert_ok!(withdraw_axon(1_001, NET));

        let withdrawn = ServedEndpoint {
            endpoint: None,
            served_at: 1,
        };
        assert_eq!(Endpoints::<Test>::get(NET, Uid(1)), Some(withdrawn));
        let told = Event::AxonWithdrawn {
            netid: NET,
            uid: Uid(1),
        };
        assert_eq!(events(), [told]);
    });
}

#[test]
fn what_is_not_served_cannot_be_withdrawn() {
    one_neuron().build_and_execute(|| {
        assert_noop!(withdraw_axon(1_001, NET), Error::<Test>::NotServing);
        assert_ok!(serve_axon(1_001, NET, ADDRESS));
        assert_ok!(withdraw_axon(1_001, NET));
        assert_noop!(withdraw_axon(1_001, NET), Error::<Test>::NotServing);
    });
}

#[test]
fn an_endpoint_can_be_withdrawn_at_once_but_not_served_sooner_for_it() {
    rate_limited().build_and_execute(|| {
        assert_ok!(serve_axon(1_001, NET, ADDRESS));
        assert_ok!(withdraw_axon(1_001, NET));
        run_to(50);
        let refused = Error::<Test>::ServingTooFast;
        assert_noop!(serve_axon(1_001, NET, ADDRESS), refused);
        run_to(51);
        assert_ok!(serve_axon(1_001, NET, ADDRESS));
    });
}

#[test]
fn a_new_neuron_does_not_wait_for_what_the_old_one_served() {
    let params = Hyperparameters {
        max_neurons: 1,
        serving_rate_limit: 50,
        ..lenient()
    };
    ExtBuilder::default()
        .network(params, &[(1_001, 1, 0)])
        .build_and_execute(|| {
            assert_ok!(serve_axon(1_001, NET, ADDRESS));
            assert_ok!(register(2, NET, 2_001));
            assert_noop!(withdraw_axon(2_001, NET), Error::<Test>::NotServing);
            assert_ok!(serve_axon(2_001, NET, OTHER_ADDRESS));
        });
}

#[test]
fn a_policy_decides_what_is_served_from_then_on() {
    one_neuron()
        .addresses(AddressPolicy::Any)
        .build_and_execute(|| {
            assert_ok!(serve_axon(1_001, NET, LOOPBACK));

            assert_ok!(set_address_policy(AddressPolicy::Public));

            let refused = Error::<Test>::AddressNotPublic;
            assert_noop!(serve_axon(1_001, NET, LOOPBACK), refused);
            // What is there stays.
            let stored = Endpoints::<Test>::get(NET, Uid(1));
            assert_eq!(stored, served(LOOPBACK, 1));
        });
}

#[test]
fn a_shorter_rate_limit_counts_at_once() {
    rate_limited().build_and_execute(|| {
        assert_ok!(serve_axon(1_001, NET, ADDRESS));
        assert_ok!(set_hyperparameter(NET, Hyperparameter::ServingRateLimit(2)));
        run_to(3);
        assert_ok!(serve_axon(1_001, NET, ADDRESS));
    });
}
