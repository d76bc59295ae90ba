//! Adding and removing stake, and where the tokens are meanwhile.

use frame_support::{assert_noop, assert_ok};
use sp_runtime::{BoundedVec, TokenError};

use super::calls::*;
use crate::{
    Call, EarnedColumn, Error, Event, Hotkey, Hotkeys, Hyperparameters, NetId, Pallet, StakeColumn,
    TotalEarned, TotalStake, mock::*,
};

fn staked(hotkey: AccountId) -> u64 {
    Hotkeys::<Test>::get(hotkey).map_or(0, |record| record.stake)
}

fn pot() -> u64 {
    Balances::free_balance(Pallet::<Test>::pot())
}

/// A network that mints nothing, so that only stake moves.
fn quiet() -> ExtBuilder {
    let params = Hyperparameters {
        emission_share: 0,
        ..lenient()
    };
    ExtBuilder::default().network(params, &[(2_001, 2, 700), (1_001, 1, 0)])
}

// ---- adding ----

#[test]
fn added_stake_moves_from_the_coldkey_into_the_pot() {
    quiet().build_and_execute(|| {
        let issuance = Balances::total_issuance();
        assert_eq!(pot(), EXISTENTIAL_DEPOSIT + 700);

        assert_ok!(add_stake(1, 1_001, 5_000));

        assert_eq!(staked(1_001), 5_000);
        assert_eq!(StakeColumn::<Test>::get(NET), column([700, 5_000]));
        assert_eq!(TotalStake::<Test>::get(), 5_700);
        assert_eq!(Balances::free_balance(1), FUNDS - 5_000);
        assert_eq!(pot(), EXISTENTIAL_DEPOSIT + 5_700);
        assert_eq!(Balances::total_issuance(), issuance);
        let added = Event::StakeAdded {
            coldkey: 1,
            hotkey: 1_001,
            amount: 5_000,
        };
        assert_eq!(events(), [added]);
    });
}

#[test]
fn stake_adds_up() {
    quiet().build_and_execute(|| {
        assert_ok!(add_stake(1, 1_001, 5_000));
        assert_ok!(add_stake(1, 1_001, 200));
        assert_eq!(staked(1_001), 5_200);
        assert_eq!(StakeColumn::<Test>::get(NET), column([700, 5_200]));
        assert_eq!(TotalStake::<Test>::get(), 5_900);
    });
}

#[test]
fn stake_counts_in_every_network_of_the_hotkey() {
    quiet()
        .network(lenient(), &[(1_001, 1, 0)])
        .build_and_execute(|| {
            assert_ok!(add_stake(1, 1_001, 5_000));
            assert_eq!(StakeColumn::<Test>::get(NET), column([700, 5_000]));
            assert_eq!(StakeColumn::<Test>::get(NetId(1)), column([5_000]));
            assert_eq!(TotalStake::<Test>::get(), 5_700);
        });
}

#[test]
fn less_than_the_least_is_not_staked() {
    quiet().build_and_execute(|| {
        for amount in [0, 1, MIN_STAKE_CHANGE - 1] {
            let refused = Error::<Test>::StakeChangeTooSmall;
            assert_noop!(add_stake(1, 1_001, amount), refused);
        }
        assert_ok!(add_stake(1, 1_001, MIN_STAKE_CHANGE));
    });
}

#[test]
fn the_coldkey_keeps_the_existential_deposit() {
    quiet().build_and_execute(|| {
        let all_but_deposit = FUNDS - EXISTENTIAL_DEPOSIT;
        for amount in [all_but_deposit + 1, FUNDS, u64::MAX] {
            let refused = Error::<Test>::InsufficientBalance;
            assert_noop!(add_stake(1, 1_001, amount), refused);
        }
        assert_ok!(add_stake(1, 1_001, all_but_deposit));
        assert_eq!(Balances::free_balance(1), EXISTENTIAL_DEPOSIT);
    });
}

#[test]
fn stake_goes_on_hotkeys_that_the_chain_knows() {
    quiet().build_and_execute(|| {
        let refused = Error::<Test>::HotkeyNotFound;
        assert_noop!(add_stake(1, 1_002, 5_000), refused);
        let refused = Error::<Test>::HotkeyNotFound;
        assert_noop!(remove_stake(1, 1_002, 5_000), refused);
    });
}

#[test]
fn stake_is_changed_by_the_owner_of_the_hotkey_only() {
    quiet().build_and_execute(|| {
        for who in [1, 2_001] {
            let refused = Error::<Test>::NotHotkeyOwner;
            assert_noop!(add_stake(who, 2_001, 100), refused);
            let refused = Error::<Test>::NotHotkeyOwner;
            assert_noop!(remove_stake(who, 2_001, 100), refused);
        }
    });
}

#[test]
fn a_change_with_several_mistakes_is_refused_for_the_first_of_them() {
    quiet().build_and_execute(|| {
        assert_noop!(add_stake(1, 7_777, 1), Error::<Test>::StakeChangeTooSmall);
        assert_noop!(
            remove_stake(1, 7_777, 0),
            Error::<Test>::StakeChangeTooSmall
        );
        let refused = Error::<Test>::HotkeyNotFound;
        assert_noop!(add_stake(1, 7_777, u64::MAX), refused);
        let refused = Error::<Test>::NotHotkeyOwner;
        assert_noop!(add_stake(1, 2_001, u64::MAX), refused);
        let refused = Error::<Test>::NotHotkeyOwner;
        assert_noop!(remove_stake(1, 2_001, u64::MAX), refused);
    });
}

// ---- removing ----

#[test]
fn removed_stake_moves_from_the_pot_to_the_coldkey() {
    quiet().build_and_execute(|| {
        let issuance = Balances::total_issuance();

        assert_ok!(remove_stake(2, 2_001, 300));

        assert_eq!(staked(2_001), 400);
        assert_eq!(StakeColumn::<Test>::get(NET), column([400, 0]));
        assert_eq!(TotalStake::<Test>::get(), 400);
        assert_eq!(Balances::free_balance(2), FUNDS + 300);
        assert_eq!(pot(), EXISTENTIAL_DEPOSIT + 400);
        assert_eq!(Balances::total_issuance(), issuance);
        let removed = Event::StakeRemoved {
            coldkey: 2,
            hotkey: 2_001,
            amount: 300,
        };
        assert_eq!(events(), [removed]);
    });
}

#[test]
fn a_registered_hotkey_stays_known_without_stake() {
    quiet().build_and_execute(|| {
        assert_ok!(remove_stake(2, 2_001, 700));

        let record = Hotkey {
            owner: 2,
            stake: 0,
            networks: BoundedVec::truncate_from(vec![NET]),
        };
        assert_eq!(Hotkeys::<Test>::get(2_001), Some(record));
        assert_eq!(StakeColumn::<Test>::get(NET), column([0, 0]));
        assert_eq!(TotalStake::<Test>::get(), 0);
        assert_eq!(pot(), EXISTENTIAL_DEPOSIT);
    });
}

#[test]
fn no_more_than_the_stake_is_removed() {
    quiet().build_and_execute(|| {
        for amount in [701, u64::MAX] {
            let refused = Error::<Test>::NotEnoughStake;
            assert_noop!(remove_stake(2, 2_001, amount), refused);
        }
        assert_noop!(
            remove_stake(2, 2_001, 0),
            Error::<Test>::StakeChangeTooSmall
        );
        assert_ok!(remove_stake(2, 2_001, 1));
    });
}

#[test]
fn a_hotkey_without_neuron_and_stake_is_forgotten() {
    let params = Hyperparameters {
        max_neurons: 1,
        emission_share: 0,
        ..lenient()
    };
    ExtBuilder::default()
        .network(params, &[(1_001, 1, 700)])
        .build_and_execute(|| {
            assert_ok!(register(2, NET, 2_001));
            assert_ok!(remove_stake(1, 1_001, 600));
            assert_eq!(staked(1_001), 100);
            // Without a neuron, stake can still be added.
            assert_ok!(add_stake(1, 1_001, 100));

            assert_ok!(remove_stake(1, 1_001, 200));

            assert_eq!(Hotkeys::<Test>::get(1_001), None);
            let refused = Error::<Test>::HotkeyNotFound;
            assert_noop!(add_stake(1, 1_001, 100), refused);
        });
}

#[test]
fn stake_below_the_existential_deposit_does_not_revive_a_dead_coldkey() {
    quiet().build_and_execute(|| {
        assert_ok!(Balances::transfer_all(RuntimeOrigin::signed(2), 3, false));
        let too_little = EXISTENTIAL_DEPOSIT - 1;
        let refused = TokenError::BelowMinimum;
        assert_noop!(remove_stake(2, 2_001, too_little), refused);
        assert_ok!(remove_stake(2, 2_001, EXISTENTIAL_DEPOSIT));
        assert_eq!(Balances::free_balance(2), EXISTENTIAL_DEPOSIT);
    });
}

// ---- earnings ----

/// Two networks, in each of which 1001 is the only neuron with stake. By block 10 both have paid it.
fn earning() -> ExtBuilder {
    ExtBuilder::default()
        .network(lenient(), &[(1_001, 1, 1_000)])
        .network(lenient(), &[(2_001, 2, 0), (1_001, 1, 0)])
}

/// What 1001 earned by block 10 in each of the two networks.
fn earnings() -> [u64; 2] {
    let here = EarnedColumn::<Test>::get(NET)[0];
    let there = EarnedColumn::<Test>::get(NetId(1))[1];
    // Network 1 was paid in block 9, for blocks 2 to 9; network 0 in block 10, for blocks 2 to 10. Each gets one half.
    assert_eq!(here, 9 * BLOCK_EMISSION / 2);
    assert_eq!(there, 8 * BLOCK_EMISSION / 2);
    [here, there]
}

#[test]
fn adding_stake_settles_what_was_earned_everywhere() {
    earning().build_and_execute(|| {
        run_to(10);
        let earned: u64 = earnings().iter().sum();
        assert_eq!(TotalEarned::<Test>::get(), earned);
        let before = pot();

        assert_ok!(add_stake(1, 1_001, 100));

        let all = 1_000 + earned + 100;
        assert_eq!(staked(1_001), all);
        assert_eq!(StakeColumn::<Test>::get(NET), column([all]));
        assert_eq!(StakeColumn::<Test>::get(NetId(1)), column([0, all]));
        assert_eq!(EarnedColumn::<Test>::get(NET), column([0]));
        assert_eq!(EarnedColumn::<Test>::get(NetId(1)), column([0, 0]));
        assert_eq!(TotalStake::<Test>::get(), all);
        assert_eq!(TotalEarned::<Test>::get(), 0);
        assert_eq!(pot(), before + 100);
    });
}

#[test]
fn earnings_can_be_taken_like_stake() {
    earning().build_and_execute(|| {
        run_to(10);
        let all: u64 = 1_000 + earnings().iter().sum::<u64>();
        let refused = Error::<Test>::NotEnoughStake;
        assert_noop!(remove_stake(1, 1_001, all + 1), refused);

        assert_ok!(remove_stake(1, 1_001, all));

        assert_eq!(Balances::free_balance(1), FUNDS + all);
        assert_eq!(TotalStake::<Test>::get(), 0);
        assert_eq!(TotalEarned::<Test>::get(), 0);
    });
}

#[test]
fn settling_one_hotkey_leaves_what_others_earned() {
    let neurons = [(1_001, 1, 1_000), (2_001, 2, 1_000)];
    ExtBuilder::default()
        .network(lenient(), &neurons)
        .build_and_execute(|| {
            run_to(10);
            let earned = EarnedColumn::<Test>::get(NET);
            assert!(earned[0] > 0 && earned[1] > 0);

            assert_ok!(add_stake(1, 1_001, 100));

            assert_eq!(EarnedColumn::<Test>::get(NET), column([0, earned[1]]));
            assert_eq!(TotalEarned::<Test>::get(), earned[1]);
        });
}

#[test]
fn settling_early_or_late_pays_the_same() {
    let earned_by_30 = |settle: bool| {
        let mut stakes = None;
        ExtBuilder::default()
            .network(lenient(), &[(1_001, 1, 1_000), (2_001, 2, 3_000)])
            .build_and_execute(|| {
                run_to(10);
                if settle {
                    // Out and in again.
                    assert_ok!(remove_stake(1, 1_001, 500));
                    assert_ok!(add_stake(1, 1_001, 500));
                }
                run_to(30);
                let stake = |hotkey| {
                    let info = Pallet::<Test>::stake(&hotkey).unwrap();
                    info.settled + info.earned
                };
                stakes = Some([stake(1_001), stake(2_001)]);
            });
        stakes.unwrap()
    };
    assert_eq!(earned_by_30(true), earned_by_30(false));
}

// ---- what it is charged for ----

#[test]
fn a_change_of_stake_is_charged_for_the_networks_that_it_settled() {
    earning().build_and_execute(|| {
        let charged = |coldkey, call| {
            let info = dispatch(RuntimeOrigin::signed(coldkey), call).unwrap();
            info.actual_weight.unwrap().ref_time()
        };
        let amount = 100;
        let add = |hotkey| Call::add_stake { hotkey, amount };
        let remove = |hotkey| Call::remove_stake { hotkey, amount };
        assert_eq!(charged(1, add(1_001)), 1_002);
        assert_eq!(charged(1, remove(1_001)), 1_002);
        assert_eq!(charged(2, add(2_001)), 1_001);
    });
}
