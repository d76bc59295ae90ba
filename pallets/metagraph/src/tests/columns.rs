//! Columns: one number of one neuron is found without reading the others, however long the column is.

use super::calls::*;
use crate::{
    EarnedColumn, Error, Hyperparameters, NetId, Pallet, PermitColumn, StakeColumn, TotalEarned,
    Uid, mock::*,
};

fn large() -> Hyperparameters {
    Hyperparameters {
        max_neurons: 300,
        max_validators: 256,
        ..lenient()
    }
}

/// A network of so many neurons, each with another stake, other earnings, and a permit if its uid is divisible by three.
fn of_length(n_neurons: u64, test: impl FnOnce(std::ops::Range<u16>)) {
    let neurons: Vec<_> = (0..n_neurons).map(|n| (1_000 + n, 1, 100 * n)).collect();
    let mut ext = ExtBuilder::default().network(large(), &neurons).build();
    ext.execute_with(|| {
        EarnedColumn::<Test>::insert(NET, column((0..n_neurons).map(|n| n << 40)));
        PermitColumn::<Test>::insert(NET, column((0..n_neurons).map(|n| n % 3 == 0)));
        test(0..u16::try_from(n_neurons).unwrap());
    });
}

/// Whether this says that storage is not as it has to be, instead of a number that nobody wrote.
fn is_broken<V>(found: Result<V, Error<Test>>) -> bool {
    matches!(found, Err(Error::BrokenInvariant))
}

#[test]
fn each_number_is_found_in_a_column_of_any_length() {
    // SCALE writes the length of a column in one byte up to 63, and in two from 64 on.
    for n_neurons in [1, 2, 63, 64, 65, 300] {
        of_length(n_neurons, |uids| {
            let stake = StakeColumn::<Test>::get(NET);
            let earned = EarnedColumn::<Test>::get(NET);
            let permits = PermitColumn::<Test>::get(NET);
            for uid in uids {
                let place = usize::from(uid);
                let seen = Pallet::<Test>::effective_stake(NET, Uid(uid)).unwrap();
                assert_eq!(seen, stake[place] + earned[place]);
                assert_eq!(seen, 100 * u64::from(uid) + (u64::from(uid) << 40));
                let permit = Pallet::<Test>::has_permit(NET, Uid(uid)).unwrap();
                assert_eq!(permit, permits[place]);
            }
        });
    }
}

#[test]
fn there_is_no_number_beyond_the_end_of_a_column() {
    of_length(64, |uids| {
        for (netid, uid) in [(NET, uids.end), (NET, u16::MAX), (NetId(1), 0)] {
            assert!(is_broken(Pallet::<Test>::effective_stake(netid, Uid(uid))));
            assert!(is_broken(Pallet::<Test>::has_permit(netid, Uid(uid))));
        }
    });
}

#[test]
fn stake_is_not_known_where_one_of_its_columns_is_too_short() {
    of_length(64, |uids| {
        let last = Uid(uids.end - 1);
        EarnedColumn::<Test>::mutate(NET, |column| column.pop());
        assert!(is_broken(Pallet::<Test>::effective_stake(NET, last)));
    });
}

#[test]
fn a_network_of_hundreds_lives() {
    let neurons: Vec<_> = (0..300).map(|n| (1_000 + n, 1, 100 * n)).collect();
    ExtBuilder::default()
        .network(large(), &neurons)
        .build_and_execute(|| {
            run_to(10);
            // The 256 with the most stake: uids 44 to 299.
            let permits = PermitColumn::<Test>::get(NET);
            let expected: Vec<_> = (0..300).map(|uid| uid >= 44).collect();
            assert_eq!(permits.into_inner(), expected);
            let row: Vec<_> = (0..300).map(|uid| (uid, uid + 1)).collect();
            for hotkey in 1_100..1_110 {
                set_weights(hotkey, NET, &row).unwrap();
            }
            register(2, NET, 2_001).unwrap();
            run_to(20);
            let paid = 9 * BLOCK_EMISSION + 10 * BLOCK_EMISSION;
            // What the replaced neuron earned is settled: it had no stake, so it earned nothing.
            assert_eq!(TotalEarned::<Test>::get(), paid);
        });
}
