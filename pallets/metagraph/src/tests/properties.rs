//! Random chains: any sequence of calls and blocks, after each of which everything that must hold does.
//!
//! A failing case prints its steps, shortened, and the seed to repeat it (`PROPTEST_CASES` and `PROPTEST_RNG_SEED` are read).

use std::collections::BTreeSet;

use codec::Encode;
use frame_support::{traits::Get, weights::Weight};
use proptest::{
    collection::vec, option, prelude::*, sample::select, strategy::ValueTree,
    test_runner::TestRunner,
};
use sp_runtime::StateVersion;

use super::calls::*;
use crate::{
    Address, AddressPolicy, Bonds, Call, Config, ConsensusMode, EpochError, Event, Hyperparameter,
    Hyperparameters, NetId, Pallet, Schedule, Synapses, mock::*,
};

/// What happens next on a random chain.
#[derive(Clone, Debug)]
enum Step {
    Root(Call<Test>),
    Signed(AccountId, Call<Test>),
    /// So many blocks, each with idle time for so many neurons to leave.
    Blocks(u32, u64),
}

// ---- what can happen ----

/// Coldkeys 1 to 3 have funds. 4 has not.
fn coldkey() -> impl Strategy<Value = AccountId> {
    1..=4u64
}

/// Hotkeys 11 to 18; now and then a coldkey signs for itself.
fn hotkey() -> impl Strategy<Value = AccountId> {
    prop_oneof![9 => 11..=18u64, 1 => 1..=3u64]
}

/// Mostly networks that are there from the start.
fn netid() -> impl Strategy<Value = NetId> {
    prop_oneof![8 => 0..2u16, 1 => 2..4u16].prop_map(NetId)
}

fn bonds() -> impl Strategy<Value = Bonds> {
    let liquid = (any::<u16>(), any::<u16>(), any::<u16>());
    prop_oneof![
        Just(Bonds::Relative),
        Just(Bonds::Absolute),
        liquid.prop_map(|(a, b, steepness)| Bonds::Liquid {
            low: a.min(b),
            high: a.max(b),
            steepness,
        }),
    ]
}

/// Hyperparameters under which a lot happens in few blocks. Almost always in range.
fn hyperparameters() -> impl Strategy<Value = Hyperparameters> {
    let epoch = (
        1..6u32,
        select(vec![ConsensusMode::Median, ConsensusMode::Sigmoid]),
        1..=u16::MAX,
        bonds(),
        0..=1_000_000u32,
        any::<u16>(),
        0..=1_000_000u32,
        0..=500_000u32,
    );
    let limits = (
        0..4u32,
        1..12u32,
        2..7u16,
        1..4u16,
        0..3u32,
        0..3u32,
        1..4u16,
    );
    let rows = (1..3u16, 20_000..=u16::MAX, 0..2u64, 0..3_000u64);
    let price = (
        0..1_000u64,
        900..100_000u64,
        1..20u32,
        1_000_000..=3_000_000u32,
    );
    let gates = (prop::bool::weighted(0.9), 0..3u16);
    (epoch, limits, rows, price, gates).prop_map(|(epoch, limits, rows, price, gates)| {
        let (tempo, consensus, kappa, bonds, moving_average, penalty, server_share, owner_cut) =
            epoch;
        let (immunity, cutoff, neurons, validators, weights_limit, serving_limit, per_block) =
            limits;
        let (min_weights, max_weight, weights_version, min_stake) = rows;
        let (price_min, price_max, price_half_life, price_step) = price;
        let (registration, emission_share) = gates;
        Hyperparameters {
            tempo,
            consensus,
            kappa,
            rho: 10,
            immunity_period: immunity,
            activity_cutoff: cutoff,
            max_neurons: neurons,
            max_validators: validators,
            min_weights,
            max_weight,
            weights_rate_limit: weights_limit,
            weights_version,
            serving_rate_limit: serving_limit,
            min_stake,
            registration,
            max_registrations_per_block: per_block,
            price_min,
            price_max,
            price_half_life,
            price_step,
            bonds,
            bonds_moving_average: moving_average,
            bonds_penalty: penalty,
            emission_share,
            server_share,
            owner_cut,
        }
    })
}

fn hyperparameter() -> impl Strategy<Value = Hyperparameter> {
    (hyperparameters(), any::<prop::sample::Index>())
        .prop_map(|(params, which)| which.get(&Hyperparameter::all(&params)).clone())
}

/// A row; its uids mostly ascend.
fn row() -> impl Strategy<Value = Vec<(u16, u16)>> {
    let ascending = prop::collection::btree_map(0..6u16, any::<u16>(), 0..6)
        .prop_map(|row| row.into_iter().collect());
    prop_oneof![9 => ascending, 1 => vec((0..6u16, 0..3u16), 0..6)]
}

fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 50..10_000u64, 1 => 0..FUNDS, 1 => any::<u64>()]
}

fn endpoint() -> impl Strategy<Value = (Address, u16, Synapses)> {
    let local = Address::V4([127, 0, 0, 1]);
    let nowhere = Address::V6([0; 16]);
    let address = select(vec![ADDRESS, ADDRESS, ADDRESS, local, nowhere]);
    let synapses = select(vec![TEXT, TEXT, TEXT, Synapses::default()]);
    (address, 0..3u16, synapses)
}

fn root_step() -> impl Strategy<Value = Step> {
    let policy = select(vec![AddressPolicy::Public, AddressPolicy::Any]);
    let call = prop_oneof![
        (hyperparameters(), option::of(coldkey())).prop_map(|(hyperparameters, owner)| {
            let task = task("digits");
            Call::create_network {
                task,
                owner,
                hyperparameters,
            }
        }),
        netid().prop_map(|netid| Call::remove_network { netid }),
        (netid(), hyperparameters()).prop_map(|(netid, hyperparameters)| {
            Call::set_hyperparameters {
                netid,
                hyperparameters,
            }
        }),
        (netid(), hyperparameter()).prop_map(|(netid, hyperparameter)| {
            Call::set_hyperparameter {
                netid,
                hyperparameter,
            }
        }),
        (netid(), option::of(coldkey()))
            .prop_map(|(netid, owner)| Call::set_network_owner { netid, owner }),
        policy.prop_map(|policy| Call::set_address_policy { policy }),
    ];
    call.prop_map(Step::Root)
}

/// The coldkey that has this hotkey, unless another one was faster.
fn usual_owner(hotkey: AccountId) -> AccountId {
    if hotkey < 10 { hotkey } else { hotkey % 3 + 1 }
}

fn signed_step() -> impl Strategy<Value = Step> {
    let by_owner = (hotkey(), option::weighted(0.1, coldkey()))
        .prop_map(|(hotkey, other)| (other.unwrap_or(usual_owner(hotkey)), hotkey));
    let by_owner = by_owner.boxed();
    prop_oneof![
        4 => (by_owner.clone(), netid(), option::weighted(0.1, 0..2_000u64)).prop_map(
            |((coldkey, hotkey), netid, max_price)| {
                let max_price = max_price.unwrap_or(ANY_PRICE);
                Step::Signed(coldkey, Call::register { netid, hotkey, max_price })
            }
        ),
        3 => (by_owner.clone(), amount()).prop_map(|((coldkey, hotkey), amount)| {
            Step::Signed(coldkey, Call::add_stake { hotkey, amount })
        }),
        2 => (by_owner, amount()).prop_map(|((coldkey, hotkey), amount)| {
            Step::Signed(coldkey, Call::remove_stake { hotkey, amount })
        }),
        6 => (hotkey(), netid(), row(), 0..3u64).prop_map(|(hotkey, netid, row, version)| {
            Step::Signed(hotkey, weights_call(netid, &row, version))
        }),
        2 => (hotkey(), netid(), endpoint()).prop_map(
            |(hotkey, netid, (address, port, synapses))| {
                Step::Signed(hotkey, serve_call(netid, address, port, synapses))
            }
        ),
        2 => (hotkey(), netid())
            .prop_map(|(hotkey, netid)| Step::Signed(hotkey, Call::withdraw_axon { netid })),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => signed_step(),
        2 => root_step(),
        4 => (1..5u32, 0..4u64).prop_map(|(blocks, idle)| Step::Blocks(blocks, idle)),
    ]
}

// ---- what must hold ----

/// Two networks with some neurons, three coldkeys with funds, and one that has nothing.
fn chain() -> sp_io::TestExternalities {
    let params = Hyperparameters {
        tempo: 3,
        max_neurons: 4,
        max_validators: 2,
        price_step: 1_500_000,
        price_half_life: 5,
        ..lenient()
    };
    let few = Hyperparameters {
        tempo: 4,
        max_neurons: 3,
        owner_cut: 100_000,
        ..params.clone()
    };
    ExtBuilder::default()
        .network(params, &[(11, 3, 5_000), (12, 1, 3_000), (13, 2, 0)])
        .network(few, &[(14, 3, 2_000), (11, 3, 0)])
        .build()
}

/// Units burned according to `events`.
fn burned(events: &[Event<Test>]) -> u64 {
    events
        .iter()
        .map(|event| match event {
            Event::NeuronRegistered { price, .. } => *price,
            Event::NetworkRetired { recycled, .. } => *recycled,
            _ => 0,
        })
        .sum()
}

/// What the next block has to mint.
fn to_be_minted() -> u64 {
    let anybody = Schedule::<Test>::get()
        .iter()
        .any(|slot| slot.emission_share > 0);
    if anybody {
        Pallet::<Test>::emission_now()
    } else {
        0
    }
}

/// Whether every unit is in somebody's account and every invariant holds.
fn everything_holds() {
    Pallet::<Test>::do_try_state().unwrap();
    let held: u64 = frame_system::Account::<Test>::iter_values()
        .map(|account| account.data.free + account.data.reserved)
        .sum();
    assert_eq!(held, Balances::total_issuance());
    assert!(Balances::total_issuance() <= <Test as Config>::MaxIssuance::get());
}

/// Makes one step, and checks what every step has to keep. Gives what happened.
fn make(step: Step) -> Vec<Event<Test>> {
    System::reset_events();
    match step {
        Step::Root(call) => call_by(RuntimeOrigin::root(), call),
        Step::Signed(who, call) => call_by(RuntimeOrigin::signed(who), call),
        Step::Blocks(blocks, idle) => {
            for _ in 0..blocks {
                let expected = Balances::total_issuance() + to_be_minted();
                next_block(Weight::from_parts(idle * 1_000, 0));
                assert_eq!(Balances::total_issuance(), expected);
                everything_holds();
            }
        }
    }
    events()
}

fn call_by(origin: RuntimeOrigin, call: Call<Test>) {
    let root = || sp_io::storage::root(StateVersion::V1);
    let before = root();
    let issuance = Balances::total_issuance();
    let failed = dispatch(origin, call).is_err();
    if failed {
        assert_eq!(root(), before, "a call that failed changed something");
    } else {
        assert_eq!(Balances::total_issuance(), issuance - burned(&events()));
    }
    everything_holds();
}

proptest! {
    #[test]
    fn whatever_happens_everything_holds(steps in vec(step(), 1..80)) {
        chain().execute_with(|| {
            for step in steps {
                make(step);
            }
        });
    }
}

/// The events of one random chain.
fn random_chain(runner: &mut TestRunner) -> Vec<Event<Test>> {
    let steps = vec(step(), 80).new_tree(runner).unwrap().current();
    chain().execute_with(|| steps.into_iter().flat_map(make).collect())
}

#[test]
fn random_chains_see_everything_that_can_happen_and_no_epoch_that_fails() {
    let variant = |event: &Event<Test>| event.encode()[0];
    let last = variant(&Event::EpochFailed {
        netid: NET,
        error: EpochError::Incentive,
    });
    let mut missing: BTreeSet<u8> = (0..=last).collect();
    let mut runner = TestRunner::deterministic();
    for _ in 0..50 {
        for event in random_chain(&mut runner) {
            missing.remove(&variant(&event));
        }
    }
    assert_eq!(missing, [last].into());
}
