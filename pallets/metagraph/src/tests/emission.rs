//! What blocks mint, how networks share it, and where it ends. The formula is tested beside [`crate::block_emission`].

use frame_support::assert_ok;

use super::calls::*;
use crate::{Hyperparameter, Hyperparameters, Pallet, PermitColumn, Schedule, mock::*};

fn of_share(emission_share: u16) -> Hyperparameters {
    Hyperparameters {
        // No epoch in the first blocks.
        tempo: 1_000,
        emission_share,
        ..lenient()
    }
}

fn pending() -> Vec<u64> {
    Schedule::<Test>::get()
        .iter()
        .map(|slot| slot.pending)
        .collect()
}

/// What each of the next `blocks` blocks mints.
fn minted_in(blocks: usize) -> Vec<u64> {
    (0..blocks)
        .map(|_| {
            let before = Balances::total_issuance();
            run_to(System::block_number() + 1);
            Balances::total_issuance() - before
        })
        .collect()
}

#[test]
fn a_block_mints_into_the_pot() {
    ExtBuilder::default()
        .network(of_share(1), &[])
        .build_and_execute(|| {
            assert_eq!(minted_in(3), [BLOCK_EMISSION; 3]);
            let pot = Balances::free_balance(Pallet::<Test>::pot());
            assert_eq!(pot, EXISTENTIAL_DEPOSIT + 3 * BLOCK_EMISSION);
        });
}

#[test]
fn networks_share_a_block_by_their_shares_exactly() {
    ExtBuilder::default()
        .network(of_share(1), &[])
        .network(of_share(0), &[])
        .network(of_share(2), &[])
        .network(of_share(3), &[])
        .build_and_execute(|| {
            run_to(2);
            // 1,000,000 · (1, 2, 3)/6 = 166,666.67, 333,333.33, 500,000; the unit left goes to the largest remainder.
            assert_eq!(pending(), [166_667, 0, 333_333, 500_000]);
            run_to(3);
            assert_eq!(pending(), [333_334, 0, 666_666, 1_000_000]);
        });
}

#[test]
fn the_largest_shares_are_shared_as_well() {
    let mut builder = ExtBuilder::default();
    for _ in 0..MAX_NETWORKS {
        builder = builder.network(of_share(u16::MAX), &[]);
    }
    builder.build_and_execute(|| {
        run_to(2);
        let eighth = BLOCK_EMISSION / 8;
        assert_eq!(pending(), [eighth; 8]);
    });
}

#[test]
fn nothing_is_minted_for_nobody() {
    ExtBuilder::default().build_and_execute(|| {
        assert_eq!(minted_in(3), [0; 3]);
    });
    ExtBuilder::default()
        .network(of_share(0), &[])
        .network(of_share(0), &[])
        .build_and_execute(|| {
            assert_eq!(minted_in(3), [0; 3]);
            assert_eq!(pending(), [0, 0]);
        });
}

#[test]
fn a_network_that_leaves_leaves_its_share_to_the_others() {
    ExtBuilder::default()
        .network(of_share(1), &[])
        .network(of_share(1), &[])
        .build_and_execute(|| {
            run_to(2);
            assert_ok!(remove_network(NET));
            run_to(3);
            assert_eq!(pending(), [BLOCK_EMISSION / 2 + BLOCK_EMISSION]);
        });
}

#[test]
fn emission_halves_while_the_chain_runs() {
    // Two and a half blocks before one half of the most there can be.
    let issuance = MAX_ISSUANCE / 2 - 2 * BLOCK_EMISSION - BLOCK_EMISSION / 2;
    ExtBuilder::default()
        .network(of_share(1), &[])
        .issuance(issuance)
        .build_and_execute(|| {
            assert_eq!(Balances::total_issuance(), issuance);
            let half = BLOCK_EMISSION / 2;
            let expected = [BLOCK_EMISSION, BLOCK_EMISSION, BLOCK_EMISSION, half, half];
            assert_eq!(minted_in(5), expected);
        });
}

#[test]
fn burning_brings_the_emission_back() {
    // One block beyond one half.
    ExtBuilder::default()
        .network(of_share(1), &[])
        .issuance(MAX_ISSUANCE / 2)
        .build_and_execute(|| {
            assert_eq!(minted_in(1), [BLOCK_EMISSION / 2]);
            let price = BLOCK_EMISSION / 2 + 1;
            assert_ok!(set_hyperparameter(NET, Hyperparameter::PriceMin(price)));
            assert_ok!(register(1, NET, 1_001));
            assert_eq!(minted_in(2), [BLOCK_EMISSION, BLOCK_EMISSION / 2]);
        });
}

#[test]
fn emission_ends_before_the_cap() {
    // 1,000,000 >> 19 is 1 and >> 20 is 0; the twentieth halving is where 10^12 >> 20 = 953,674 units are left.
    ExtBuilder::default()
        .network(of_share(1), &[])
        .issuance(MAX_ISSUANCE - 953_674 - 2)
        .build_and_execute(|| {
            assert_eq!(minted_in(5), [1, 1, 0, 0, 0]);
            assert!(Balances::total_issuance() <= MAX_ISSUANCE);
            assert_eq!(pending(), [2]);
        });
}

#[test]
fn a_chain_beyond_its_cap_mints_nothing_and_goes_on() {
    ExtBuilder::default()
        .network(lenient(), &[(1_001, 1, 100)])
        .network(lenient(), &[])
        .issuance(MAX_ISSUANCE + 5)
        .build_and_execute(|| {
            assert_eq!(minted_in(20), [0; 20]);
            assert_eq!(Pallet::<Test>::emission_now(), 0);
            let ran = events()
                .into_iter()
                .filter(|event| matches!(event, crate::Event::EpochCompleted { paid: 0, .. }));
            assert_eq!(ran.count(), 4);
            // Permits do not need money.
            assert_eq!(PermitColumn::<Test>::get(NET), column([true]));
        });
}
