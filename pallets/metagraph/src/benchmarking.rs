//! What each call and each hook costs at its worst, for `weights.rs`. How it is measured: `docs/weights.md`.
//!
//! | component | is | range |
//! | --- | --- | --- |
//! | `m` | networks that the touched hotkey is in; of `begin_block`, networks of the chain | to the runtime's most |
//! | `e` of a row | its entries | one to the most neurons |
//! | `n`, `v`, `e` of `epoch` | neurons, validators with a permit, entries of all weights and bonds | see [`benches`] |
//!
//! A network in which anything is measured is full, and so are its columns.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "sizes of a benchmark, far from any limit, and never part of what is measured"
)]

mod worst_case;

use alloc::vec::Vec;
use frame_benchmarking::{BenchmarkError, account, v2::*};
use frame_support::traits::Get;
use frame_system::RawOrigin;

use self::worst_case::*;
use crate::*;

/// The epoch's three components vary one at a time, the others at their highest. Each validator's weights and bonds have to
/// find room in different neurons, which is the worst case: `e ≤ n · v`. With `n` and `v` from a sixteenth of their most, and
/// `e` to a sixteenth of their product, there is room at every point on the way. More entries would drown what neurons and
/// validators cost; see `docs/weights.md` for how well the line holds beyond.
#[benchmarks]
mod benches {
    use super::*;

    #[benchmark]
    fn create_network() -> Result<(), BenchmarkError> {
        start_empty::<T>();
        create_networks::<T>(T::MaxNetworks::get() - 1)?;
        let owner: T::AccountId = account("owner", 0, 0);

        #[extrinsic_call]
        _(
            RawOrigin::Root,
            longest_task(),
            Some(owner),
            hyperparameters::<T>(),
        );

        assert_eq!(Schedule::<T>::get().len(), T::MaxNetworks::get() as usize);
        Ok(())
    }

    #[benchmark]
    fn remove_network() -> Result<(), BenchmarkError> {
        start_empty::<T>();
        let netids = create_networks::<T>(T::MaxNetworks::get())?;
        let netid = *netids.last().ok_or("no network")?;
        set_pending::<T>(netid, STAKE)?;

        #[extrinsic_call]
        _(RawOrigin::Root, netid);

        assert_eq!(Retiring::<T>::get().into_inner(), [netid]);
        assert_pot_is_exact::<T>();
        Ok(())
    }

    #[benchmark]
    fn retire_neuron() -> Result<(), BenchmarkError> {
        let neuron = Neuron::<T>::in_full_networks(T::MaxNetworks::get())?;
        let netid = NetId(0);
        Pallet::<T>::do_remove_network(netid)?;

        #[block]
        {
            Pallet::<T>::retire_one(netid)?;
        }

        assert_eq!(
            Networks::<T>::get(netid).map(|n| n.n_neurons),
            Some(neuron.uid.0)
        );
        assert!(!Uids::<T>::contains_key(netid, &neuron.hotkey));
        assert_pot_is_exact::<T>();
        Ok(())
    }

    #[benchmark]
    fn set_hyperparameters() -> Result<(), BenchmarkError> {
        start_empty::<T>();
        let netids = create_networks::<T>(T::MaxNetworks::get())?;
        let netid = *netids.last().ok_or("no network")?;
        let params = Hyperparameters {
            tempo: 100,
            ..hyperparameters::<T>()
        };

        #[extrinsic_call]
        _(RawOrigin::Root, netid, params.clone());

        assert_eq!(NetworkParameters::<T>::get(netid), Some(params));
        Ok(())
    }

    #[benchmark]
    fn set_network_owner() -> Result<(), BenchmarkError> {
        start_empty::<T>();
        create_networks::<T>(1)?;
        let owner: T::AccountId = account("owner", 0, 0);

        #[extrinsic_call]
        _(RawOrigin::Root, NetId(0), Some(owner.clone()));

        let network = Networks::<T>::get(NetId(0)).ok_or("no network")?;
        assert_eq!(network.owner, Some(owner));
        Ok(())
    }

    #[benchmark]
    fn set_address_policy() {
        start_empty::<T>();

        #[extrinsic_call]
        _(RawOrigin::Root, AddressPolicy::Any);

        assert_eq!(Addresses::<T>::get(), AddressPolicy::Any);
    }

    /// In a full network, in place of a neuron whose hotkey is in `m` networks.
    #[benchmark]
    fn register(m: Linear<1, { T::MaxNetworks::get() }>) -> Result<(), BenchmarkError> {
        let replaced = Neuron::<T>::in_full_networks(m)?;
        let coldkey = coldkey_with_funds::<T>("newcomer");
        let hotkey: T::AccountId = account("new hotkey", 0, 0);

        #[extrinsic_call]
        _(
            RawOrigin::Signed(coldkey),
            NetId(0),
            hotkey.clone(),
            u64::MAX,
        );

        assert_eq!(Uids::<T>::get(NetId(0), &hotkey), Some(replaced.uid));
        assert!(!Uids::<T>::contains_key(NetId(0), &replaced.hotkey));
        assert_settled::<T>(&replaced.hotkey, STAKE, m);
        Ok(())
    }

    #[benchmark]
    fn serve_axon() -> Result<(), BenchmarkError> {
        let Neuron { hotkey, uid, .. } = Neuron::<T>::in_full_networks(1)?;
        let caller = RawOrigin::Signed(hotkey);

        #[extrinsic_call]
        _(
            caller,
            NetId(0),
            ADDRESS,
            8_091,
            Protocol::GrpcTls,
            2,
            SYNAPSES,
        );

        let served = Endpoints::<T>::get(NetId(0), uid).ok_or("nothing served")?;
        assert_eq!(served.served_at, NOW);
        Ok(())
    }

    #[benchmark]
    fn withdraw_axon() -> Result<(), BenchmarkError> {
        let Neuron { hotkey, uid, .. } = Neuron::<T>::in_full_networks(1)?;

        #[extrinsic_call]
        _(RawOrigin::Signed(hotkey), NetId(0));

        let served = Endpoints::<T>::get(NetId(0), uid).ok_or("the date is lost")?;
        assert_eq!(served.endpoint, None);
        Ok(())
    }

    /// A row of `e` entries in place of a full one.
    #[benchmark]
    fn set_weights(e: Linear<1, { T::MaxNeurons::get() }>) -> Result<(), BenchmarkError> {
        let Neuron { hotkey, uid, .. } = Neuron::<T>::in_full_networks(1)?;
        let row = row::<T>(0, 0..e);

        #[extrinsic_call]
        _(RawOrigin::Signed(hotkey), NetId(0), row, 0);

        let stored = WeightRows::<T>::get(NetId(0), uid).ok_or("no row")?;
        assert_eq!((stored.updated_at, stored.entries.len()), (NOW, e as usize));
        Ok(())
    }

    /// What the transaction extension does with a row of `e` entries: it copies and checks it.
    #[benchmark]
    fn check_weights(e: Linear<1, { T::MaxNeurons::get() }>) -> Result<(), BenchmarkError> {
        let Neuron { hotkey, .. } = Neuron::<T>::in_full_networks(1)?;
        let row = row::<T>(0, 0..e);
        let checked;

        #[block]
        {
            checked = Pallet::<T>::check_weights(&hotkey, NetId(0), row.clone(), 0);
        }

        assert!(checked.is_ok());
        Ok(())
    }

    /// On a hotkey in `m` networks.
    #[benchmark]
    fn add_stake(m: Linear<0, { T::MaxNetworks::get() }>) -> Result<(), BenchmarkError> {
        let Neuron {
            coldkey, hotkey, ..
        } = Neuron::<T>::in_full_networks(m)?;

        #[extrinsic_call]
        _(RawOrigin::Signed(coldkey), hotkey.clone(), STAKE);

        assert_settled::<T>(&hotkey, 2 * STAKE, m);
        Ok(())
    }

    /// From a hotkey in `m` networks.
    #[benchmark]
    fn remove_stake(m: Linear<0, { T::MaxNetworks::get() }>) -> Result<(), BenchmarkError> {
        let Neuron {
            coldkey, hotkey, ..
        } = Neuron::<T>::in_full_networks(m)?;

        #[extrinsic_call]
        _(RawOrigin::Signed(coldkey), hotkey.clone(), STAKE / 2);

        assert_settled::<T>(&hotkey, STAKE / 2, m);
        Ok(())
    }

    /// The work of every block: emission is minted and shared among `m` networks, none of which is due.
    #[benchmark]
    fn begin_block(m: Linear<1, { T::MaxNetworks::get() }>) -> Result<(), BenchmarkError> {
        start_empty::<T>();
        create_networks::<T>(m)?;
        let emission = Pallet::<T>::emission_now();

        #[block]
        {
            Pallet::<T>::begin_block(NOW);
        }

        let pending: Vec<u64> = Schedule::<T>::get()
            .iter()
            .map(|slot| slot.pending)
            .collect();
        assert_eq!(pending.iter().sum::<u64>(), emission);
        assert_pot_is_exact::<T>();
        Ok(())
    }

    /// A block in which every network is due, and one has its epoch.
    #[benchmark]
    fn epoch(
        n: Linear<{ T::MaxNeurons::get() / 16 }, { T::MaxNeurons::get() }>,
        v: Linear<{ T::MaxValidators::get() / 16 }, { T::MaxValidators::get() }>,
        e: Linear<
            { T::MaxValidators::get() * 2 },
            { T::MaxNeurons::get() * T::MaxValidators::get() / 16 },
        >,
    ) -> Result<(), BenchmarkError> {
        let due = DueNetwork::new::<T>(n, v, e)?;

        #[block]
        {
            Pallet::<T>::begin_block(NOW);
        }

        due.assert_epoch_succeeded::<T>()?;
        assert_pot_is_exact::<T>();
        Ok(())
    }

    impl_benchmark_test_suite!(
        Pallet,
        crate::mock::ExtBuilder::default().build(),
        crate::mock::Test
    );
}

/// Whether `hotkey` has `stake` and what it earned in `m` networks.
fn assert_settled<T: Config>(hotkey: &T::AccountId, stake: u64, m: u32) {
    let settled = stake + EARNED * u64::from(m);
    assert_eq!(
        Hotkeys::<T>::get(hotkey).map(|record| record.stake),
        Some(settled)
    );
    assert_pot_is_exact::<T>();
}
