//! The transaction extension: it refuses what the dispatch would refuse, for the same reason, and nothing else.

use std::collections::BTreeSet;

use codec::Encode;
use frame_support::{
    assert_ok,
    dispatch::{DispatchInfo, DispatchResultWithPostInfo, GetDispatchInfo},
    pallet_prelude::{
        InvalidTransaction, TransactionSource, TransactionValidityError, ValidTransaction,
    },
};
use pallet_transaction_payment::ChargeTransactionPayment;
use proptest::prelude::*;
use sp_runtime::{
    DispatchError, ModuleError,
    traits::{DispatchTransaction, Dispatchable, TransactionExtension},
};

use super::{
    calls::*,
    weight_matrix::{Refusal, accepted_attempt, refused_attempts, strict},
};
use crate::{Call, CheckMetagraph, Hyperparameters, NetId, Uid, mock::*, refusal_code};

type Refused = TransactionValidityError;

/// What the pool's door says of this call.
fn at_the_door(origin: RuntimeOrigin, call: Call<Test>) -> Result<(), Refused> {
    in_the_pool(origin, call).map(|_| ())
}

/// What the pool is told of this call.
fn in_the_pool(origin: RuntimeOrigin, call: Call<Test>) -> Result<ValidTransaction, Refused> {
    let call = RuntimeCall::from(call);
    let info = call.get_dispatch_info();
    let source = TransactionSource::External;
    CheckMetagraph::<Test>::new()
        .validate_only(origin, &call, &info, 0, source, 0)
        .map(|(validity, ..)| validity)
}

/// What the door has to say for the dispatch's result: the index of the pallet's error, as the metadata has it.
fn custom(dispatched: DispatchResultWithPostInfo) -> Result<(), Refused> {
    match dispatched.map_err(|refused| refused.error) {
        Ok(_) => Ok(()),
        Err(DispatchError::Module(ModuleError { error, .. })) => {
            Err(InvalidTransaction::Custom(error[0]).into())
        }
        Err(other) => panic!("not an error of a pallet: {other:?}"),
    }
}

/// Runs `call` and undoes it.
fn tried(origin: RuntimeOrigin, call: Call<Test>) -> DispatchResultWithPostInfo {
    frame_support::storage::with_transaction(|| {
        sp_runtime::TransactionOutcome::Rollback(Ok::<_, DispatchError>(dispatch(origin, call)))
    })
    .unwrap()
}

// ---- who is kept out ----

#[test]
fn what_the_dispatch_refuses_is_kept_out_with_the_same_error() {
    let mut codes = BTreeSet::new();
    strict().build_and_execute(|| {
        for Refusal {
            prepare,
            attempt,
            error,
        } in refused_attempts()
        {
            prepare();
            let who = RuntimeOrigin::signed(attempt.hotkey);
            let refused = at_the_door(who.clone(), attempt.call());

            let code = InvalidTransaction::Custom(refusal_code(&error));
            assert_eq!(refused, Err(code.into()), "{error:?}");
            assert_eq!(refused, custom(dispatch(who, attempt.call())), "{error:?}");
            codes.insert(refusal_code(&error));
        }
    });
    // Each of the twelve has a code of its own.
    assert_eq!(codes.len(), 12);
}

#[test]
fn what_the_dispatch_accepts_is_let_in() {
    strict().build_and_execute(|| {
        for refusal in refused_attempts() {
            (refusal.prepare)();
        }
        let attempt = accepted_attempt();
        let who = RuntimeOrigin::signed(attempt.hotkey);
        assert_eq!(at_the_door(who.clone(), attempt.call()), Ok(()));
        assert_ok!(dispatch(who, attempt.call()));
    });
}

#[test]
fn looking_at_a_call_changes_nothing() {
    strict().build_and_execute(|| {
        let before = storage();
        let accepted = weights_call(NET, &[(0, 1)], 5);
        assert_eq!(at_the_door(RuntimeOrigin::signed(1_001), accepted), Ok(()));
        assert_eq!(storage(), before);
    });
}

#[test]
fn other_calls_are_none_of_its_business() {
    strict().build_and_execute(|| {
        let calls = every_call(NetId(7), 7_777);
        let others = calls
            .into_iter()
            .filter(|call| !matches!(call, Call::set_weights { .. }));
        for call in others {
            // All of these would fail.
            let who = RuntimeOrigin::signed(7_777);
            assert_eq!(at_the_door(who, call.clone()), Ok(()));
            assert_eq!(weight_of(call), 0);
        }
        let transfer = RuntimeCall::from(pallet_balances::Call::transfer_allow_death {
            dest: 1,
            value: u64::MAX,
        });
        let weight = CheckMetagraph::<Test>::new().weight(&transfer);
        assert_eq!(weight.ref_time(), 0);
    });
}

#[test]
fn an_origin_that_did_not_sign_is_none_of_its_business() {
    strict().build_and_execute(|| {
        // Root's dispatch fails with BadOrigin, which is no business of the metagraph's.
        let call = weights_call(NetId(7), &[], 0);
        assert_eq!(at_the_door(RuntimeOrigin::root(), call), Ok(()));
    });
}

fn weight_of(call: Call<Test>) -> u64 {
    let extension = CheckMetagraph::<Test>::new();
    extension.weight(&RuntimeCall::from(call)).ref_time()
}

#[test]
fn the_check_is_charged_by_the_length_of_the_row() {
    let two = weights_call(NET, &[(1, 1), (2, 0)], 0);
    assert_eq!(weight_of(two), 1_002);
    assert_eq!(weight_of(weights_call(NET, &[], 0)), 1_000);
}

proptest! {
    #[test]
    fn door_and_dispatch_always_agree(
        min_stake in 0u64..10_000,
        rate_limit in 0u32..4,
        min_weights in 1u16..4,
        max_weight in 20_000u16..,
        attempts in prop::collection::vec(
            (1u64..6, 0u16..2, prop::collection::vec((0u16..6, 0u16..4), 0..5), 0u64..3),
            1..30,
        ),
    ) {
        let params = Hyperparameters {
            tempo: 3,
            min_stake,
            weights_rate_limit: rate_limit,
            weights_version: 1,
            min_weights,
            max_weight,
            max_validators: 2,
            ..lenient()
        };
        let neurons = [(1, 1, 9_000), (2, 2, 5_000), (3, 3, 4_000), (4, 4, 0)];
        ExtBuilder::default().network(params, &neurons).build_and_execute(|| {
            for (hotkey, netid, row, version) in attempts {
                let call = weights_call(NetId(netid), &row, version);
                let who = RuntimeOrigin::signed(hotkey);
                let door = at_the_door(who.clone(), call.clone());
                assert_eq!(door, custom(dispatch(who, call)));
                run_to(System::block_number() + 1);
            }
        });
    }
}

// ---- what may wait in the pool ----

/// Two networks with this limit, and in each of them hotkeys 1001 and 2001, with uids 0 and 1.
fn limited(weights_rate_limit: u32) -> ExtBuilder {
    let params = Hyperparameters {
        weights_rate_limit,
        ..lenient()
    };
    let neurons = [(1_001, 1, 5_000), (2_001, 2, 5_000)];
    ExtBuilder::default()
        .network(params.clone(), &neurons)
        .network(params, &neurons)
}

#[test]
fn of_each_neuron_one_free_row_waits_whatever_is_in_it() {
    limited(100).build_and_execute(|| {
        run_to(10);
        let tags = |hotkey, netid, row: &[(u16, u16)]| {
            let call = weights_call(NetId(netid), row, 0);
            let who = RuntimeOrigin::signed(hotkey);
            in_the_pool(who, call).unwrap().provides
        };
        let tag = |netid, uid| vec![("MetagraphWeights", NetId(netid), Uid(uid)).encode()];
        assert_eq!(tags(1_001, 0, &[(1, 1)]), tag(0, 0));
        assert_eq!(tags(1_001, 0, &[(0, 7), (1, 1)]), tag(0, 0));
        assert_eq!(tags(1_001, 0, &[(0, 1)]), tag(0, 0));
        assert_eq!(tags(1_001, 1, &[(1, 1)]), tag(1, 0));
        assert_eq!(tags(2_001, 0, &[(0, 1)]), tag(0, 1));
    });
}

#[test]
fn a_free_row_waits_as_long_and_is_as_urgent_as_the_others_say() {
    limited(1).build_and_execute(|| {
        run_to(10);
        let call = weights_call(NET, &[(1, 1)], 0);
        let ours = in_the_pool(RuntimeOrigin::signed(1_001), call).unwrap();
        let theirs = ValidTransaction {
            priority: 7,
            requires: vec![vec![1]],
            provides: vec![vec![2]],
            longevity: 64,
            propagate: true,
        };
        let both = theirs.clone().combine_with(ours.clone());
        let provides = [theirs.provides.clone(), ours.provides].concat();
        assert_eq!(both, ValidTransaction { provides, ..theirs });
    });
}

#[test]
fn rows_that_pay_wait_in_any_number() {
    limited(0).build_and_execute(|| {
        run_to(10);
        let call = weights_call(NET, &[(1, 1)], 0);
        let validity = in_the_pool(RuntimeOrigin::signed(1_001), call);
        assert_eq!(validity, Ok(ValidTransaction::default()));
    });
}

// ---- what it costs ----

/// A signed transaction through the pipeline of a chain that charges fees.
fn transact(hotkey: AccountId, call: Call<Test>) -> Result<DispatchResultWithPostInfo, Refused> {
    let call = RuntimeCall::from(call);
    let info = info_of(&call);
    let length = 100;
    pipeline().dispatch_transaction(RuntimeOrigin::signed(hotkey), call, &info, length, 0)
}

fn pipeline() -> (CheckMetagraph<Test>, ChargeTransactionPayment<Test>) {
    let no_tip = ChargeTransactionPayment::from(0);
    (CheckMetagraph::new(), no_tip)
}

fn info_of(call: &RuntimeCall) -> DispatchInfo {
    DispatchInfo {
        extension_weight: pipeline().weight(call),
        ..call.get_dispatch_info()
    }
}

/// A network in which 1001 is a validator, and both 1001 and 2001 have funds for fees.
fn paying() -> ExtBuilder {
    let params = Hyperparameters {
        weights_rate_limit: 10,
        ..lenient()
    };
    ExtBuilder::default()
        .network(params, &[(1_001, 1, 5_000), (2_001, 2, 0)])
        .funded(1_001)
        .funded(2_001)
}

#[test]
fn accepted_weights_pay_no_fee() {
    paying().build_and_execute(|| {
        run_to(10);
        let issuance = Balances::total_issuance();

        assert_ok!(transact(1_001, weights_call(NET, &[(1, 1)], 0)).unwrap());

        assert_eq!(Balances::free_balance(1_001), FUNDS);
        assert_eq!(Balances::total_issuance(), issuance);
    });
}

#[test]
fn weights_that_are_kept_out_pay_no_fee_and_are_not_tried() {
    paying().build_and_execute(|| {
        run_to(10);
        let before = storage();

        let refused = transact(2_001, weights_call(NET, &[(0, 1)], 0)).unwrap_err();

        let code = refusal_code(&crate::Error::<Test>::NoValidatorPermit);
        assert_eq!(refused, InvalidTransaction::Custom(code).into());
        assert_eq!(Balances::free_balance(2_001), FUNDS);
        assert_eq!(storage(), before);
    });
}

#[test]
fn weights_that_are_refused_in_the_block_pay_their_fee() {
    paying().build_and_execute(|| {
        run_to(10);
        let call = RuntimeCall::from(weights_call(NET, &[(1, 1)], 0));
        let info = info_of(&call);
        let who = RuntimeOrigin::signed(1_001);

        // As in a batch of two rows: the first one makes the second one too fast.
        let outcome = pipeline().test_run(who, &call, &info, 100, 0, |origin| {
            call.clone().dispatch(origin.clone()).unwrap();
            call.clone().dispatch(origin)
        });

        let refused = outcome.unwrap().unwrap_err().error;
        assert_eq!(refused, crate::Error::<Test>::SettingWeightsTooFast.into());
        let fee = TransactionPayment::compute_fee(100, &info, 0);
        assert!(fee > 0);
        assert_eq!(Balances::free_balance(1_001), FUNDS - fee);
    });
}

#[test]
fn a_row_of_a_transaction_that_fails_is_undone() {
    paying().build_and_execute(|| {
        run_to(10);
        let before = storage();
        let call = weights_call(NET, &[(1, 1)], 0);
        assert_ok!(tried(RuntimeOrigin::signed(1_001), call.clone()));
        assert_eq!(storage(), before);
        // So that it may be set after all.
        assert_ok!(transact(1_001, call).unwrap());
    });
}

#[test]
fn other_calls_pay_their_fee() {
    paying().build_and_execute(|| {
        assert_ok!(transact(1_001, serve_call(NET, ADDRESS, 1, TEXT)).unwrap());
        assert!(Balances::free_balance(1_001) < FUNDS);
    });
}

#[test]
fn who_cannot_pay_a_fee_up_front_is_kept_out() {
    paying().build_and_execute(|| {
        run_to(10);
        // The fee is only given back afterwards.
        let call = weights_call(NET, &[(1, 1)], 0);
        assert_ok!(Balances::transfer_all(
            RuntimeOrigin::signed(1_001),
            1,
            false
        ));
        let refused = transact(1_001, call).unwrap_err();
        assert_eq!(refused, InvalidTransaction::Payment.into());
    });
}
