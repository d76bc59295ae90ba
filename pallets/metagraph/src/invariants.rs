//! What must hold of storage after every block, and after every test.
//!
//! 1. The pot holds the existential deposit, all stake, all earnings and all pending emission: no token is lost. (Whoever
//!    sends it more than that has given it away, and harms nobody.)
//! 2. `Keys` and `Uids` are inverse, and uids are `0..n`.
//! 3. Every column of a network has one number of every neuron.
//! 4. A neuron's stake is its hotkey's; the totals are the sums.
//! 5. A hotkey lists exactly the networks in which it has a neuron.
//! 6. Rows ascend strictly, hold no zero, and point at neurons that exist; bonds belong to permitted validators.
//! 7. The schedule lists exactly the networks in service, ascending, with their own emission share.
//! 8. Hyperparameters are in range. Nothing belongs to a network that does not exist.

use alloc::collections::BTreeSet;
use frame_support::{ensure, traits::fungible::Inspect};
use sp_runtime::TryRuntimeError;

use crate::{
    BondRows, Config, EarnedColumn, EmissionColumn, Endpoints, Entry, Hotkeys, Keys, NetId,
    NetworkParameters, Networks, Pallet, PermitColumn, RegisteredColumn, Retiring, Schedule,
    ScoreColumns, StakeColumn, TotalEarned, TotalStake, Uid, Uids, WeightRows,
};

type Checked = Result<(), TryRuntimeError>;

impl<T: Config> Pallet<T> {
    /// Checks every invariant of this pallet.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn do_try_state() -> Checked {
        Self::pot_holds_what_is_owed()?;
        Self::totals_are_sums()?;
        Self::hotkeys_know_their_networks()?;
        for (netid, network) in Networks::<T>::iter() {
            Self::neurons_are_dense(netid, network.n_neurons)?;
            Self::columns_are_complete(netid, network.n_neurons)?;
            Self::stake_column_is_a_copy(netid, network.n_neurons)?;
            Self::rows_are_well_formed(netid, network.n_neurons)?;
        }
        Self::schedule_is_complete()?;
        Self::nothing_is_orphaned()
    }

    fn pot_holds_what_is_owed() -> Checked {
        ensure!(
            T::Currency::balance(&Self::pot()) >= Self::pot_should_hold(),
            "the pot does not hold stake, earnings and pending emission"
        );
        Ok(())
    }

    fn totals_are_sums() -> Checked {
        let stake: u64 = Hotkeys::<T>::iter_values().map(|record| record.stake).sum();
        ensure!(stake == TotalStake::<T>::get(), "TotalStake is not the sum");
        let earned: u64 = EarnedColumn::<T>::iter_values().flatten().sum();
        ensure!(
            earned == TotalEarned::<T>::get(),
            "TotalEarned is not the sum"
        );
        Ok(())
    }

    fn hotkeys_know_their_networks() -> Checked {
        for (hotkey, record) in Hotkeys::<T>::iter() {
            ensure!(
                record.stake > 0 || !record.networks.is_empty(),
                "an empty hotkey was kept"
            );
            ensure!(
                record.networks.is_sorted_by(|a, b| a < b),
                "a hotkey's networks do not ascend"
            );
            let registered = record
                .networks
                .iter()
                .all(|netid| Uids::<T>::contains_key(netid, &hotkey));
            ensure!(registered, "a hotkey lists a network without a neuron");
        }
        for (netid, hotkey, _) in Uids::<T>::iter() {
            let listed =
                Hotkeys::<T>::get(&hotkey).is_some_and(|record| record.networks.contains(&netid));
            ensure!(listed, "a hotkey does not list the network of its neuron");
        }
        Ok(())
    }

    fn neurons_are_dense(netid: NetId, n_neurons: u16) -> Checked {
        for uid in (0..n_neurons).map(Uid) {
            let hotkey = Keys::<T>::get(netid, uid).ok_or("a uid below n has no hotkey")?;
            ensure!(
                Uids::<T>::get(netid, &hotkey) == Some(uid),
                "Keys and Uids are not inverse"
            );
        }
        let n = usize::from(n_neurons);
        ensure!(Keys::<T>::iter_prefix(netid).count() == n, "a key beyond n");
        ensure!(Uids::<T>::iter_prefix(netid).count() == n, "a uid beyond n");
        Ok(())
    }

    fn columns_are_complete(netid: NetId, n_neurons: u16) -> Checked {
        let n = usize::from(n_neurons);
        let complete = StakeColumn::<T>::get(netid).len() == n
            && EarnedColumn::<T>::get(netid).len() == n
            && RegisteredColumn::<T>::get(netid).len() == n
            && PermitColumn::<T>::get(netid).len() == n
            && EmissionColumn::<T>::get(netid).len() == n
            && ScoreColumns::<T>::get(netid)
                .columns()
                .iter()
                .all(|column| column.len() == n);
        ensure!(complete, "a column has not one number of every neuron");
        Ok(())
    }

    fn stake_column_is_a_copy(netid: NetId, n_neurons: u16) -> Checked {
        let column = StakeColumn::<T>::get(netid);
        for (uid, stake) in (0..n_neurons).map(Uid).zip(column) {
            let record = Keys::<T>::get(netid, uid).and_then(Hotkeys::<T>::get);
            ensure!(
                record.is_some_and(|record| record.stake == stake),
                "a neuron's stake is not its hotkey's"
            );
        }
        Ok(())
    }

    fn rows_are_well_formed(netid: NetId, n_neurons: u16) -> Checked {
        let in_service = NetworkParameters::<T>::contains_key(netid);
        let in_range = |uid: Uid| uid.0 < n_neurons;
        for (rater, row) in WeightRows::<T>::iter_prefix(netid) {
            ensure!(in_range(rater), "a weight row beyond n");
            ensure!(is_well_formed(&row.entries), "a weight row is malformed");
            ensure!(
                row.entries.iter().any(|(_, weight)| *weight == u16::MAX),
                "a weight row is not upscaled"
            );
            ensure!(
                !in_service || row.entries.iter().all(|(uid, _)| in_range(*uid)),
                "a weight points beyond n"
            );
        }
        let permits = PermitColumn::<T>::get(netid);
        for (rater, row) in BondRows::<T>::iter_prefix(netid) {
            ensure!(in_range(rater), "a bond row beyond n");
            ensure!(
                permits.get(usize::from(rater.0)) == Some(&true),
                "a neuron without permit has bonds"
            );
            ensure!(
                is_well_formed(&row) && !row.is_empty(),
                "a bond row is malformed"
            );
            ensure!(
                !in_service || row.iter().all(|(uid, _)| in_range(*uid)),
                "a bond points beyond n"
            );
        }
        let reached = Endpoints::<T>::iter_key_prefix(netid).all(in_range);
        ensure!(reached, "an endpoint beyond n");
        Ok(())
    }

    fn schedule_is_complete() -> Checked {
        let slots = Schedule::<T>::get();
        ensure!(
            slots.is_sorted_by(|a, b| a.netid < b.netid),
            "the schedule does not ascend"
        );
        ensure!(
            slots.len() == NetworkParameters::<T>::iter_keys().count(),
            "the schedule is not the networks in service"
        );
        for slot in &slots {
            let network = Networks::<T>::get(slot.netid).ok_or("a slot without a network")?;
            let params =
                NetworkParameters::<T>::get(slot.netid).ok_or("a slot without hyperparameters")?;
            ensure!(
                params.emission_share == slot.emission_share,
                "a slot has another emission share than its network"
            );
            ensure!(
                params.check::<T>(network.n_neurons).is_ok(),
                "a hyperparameter is out of range"
            );
        }
        let retiring = Retiring::<T>::get();
        for netid in &retiring {
            ensure!(
                Networks::<T>::contains_key(netid) && !NetworkParameters::<T>::contains_key(netid),
                "a retired network is not out of service"
            );
        }
        ensure!(
            Networks::<T>::iter_keys().count() == slots.len().saturating_add(retiring.len()),
            "a network is neither in service nor retiring"
        );
        Ok(())
    }

    fn nothing_is_orphaned() -> Checked {
        let networks: BTreeSet<NetId> = Networks::<T>::iter_keys().collect();
        let known = |netid: NetId| networks.contains(&netid);
        let none = NetworkParameters::<T>::iter_keys().all(known)
            && Keys::<T>::iter_keys().all(|(netid, _)| known(netid))
            && Uids::<T>::iter_keys().all(|(netid, _)| known(netid))
            && Endpoints::<T>::iter_keys().all(|(netid, _)| known(netid))
            && WeightRows::<T>::iter_keys().all(|(netid, _)| known(netid))
            && BondRows::<T>::iter_keys().all(|(netid, _)| known(netid))
            && StakeColumn::<T>::iter_keys().all(known)
            && EarnedColumn::<T>::iter_keys().all(known)
            && RegisteredColumn::<T>::iter_keys().all(known)
            && PermitColumn::<T>::iter_keys().all(known)
            && EmissionColumn::<T>::iter_keys().all(known)
            && ScoreColumns::<T>::iter_keys().all(known);
        ensure!(none, "something belongs to a network that does not exist");
        Ok(())
    }
}

/// Strictly ascending uids, and no zero.
fn is_well_formed(entries: &[Entry]) -> bool {
    entries.is_sorted_by(|(a, _), (b, _)| a < b) && entries.iter().all(|(_, value)| *value > 0)
}
