//! The pallet that holds the slot duration, so that a chain specification chooses it and not the build.
//!
//! Aura gives each authority in turn one slot, in which it makes at most one block: the slot duration
//! is the chain's block time as long as every authority is awake. It is written once, at genesis, by
//!
//! ```json
//! { "blockTime": { "slotDurationMs": 6000 } }
//! ```
//!
//! and stays as it is: the number of the current slot is the time divided by the slot duration, so a
//! chain on which it changed would find its next slot far in the past or the future and stop.
//!
//! [`SlotDurationMs`] is what [`pallet_aura`] is configured with, [`MinimumPeriodMs`] what
//! [`pallet_timestamp`] is.

#![expect(
    unused_qualifications,
    reason = "the pallet macro expands its own attributes to paths that are longer than needed"
)]

use core::{marker::PhantomData, ops::RangeInclusive};
use frame_support::traits::Get;

pub use pallet::*;

/// The slot duration of a chain whose genesis does not name one, in milliseconds.
pub const DEFAULT_SLOT_DURATION_MS: u64 = 6_000;

/// The slot durations that a genesis may name, in milliseconds.
///
/// Below the range a slot is over before its block has reached the other authorities. Above it half
/// a slot, which is the least time between two blocks, exceeds the 30 s by which a block's timestamp
/// may run ahead of the clock of the node that checks it ([`pallet_timestamp`]).
pub const SLOT_DURATION_RANGE_MS: RangeInclusive<u64> = 200..=60_000;

/// The slot duration and nothing else: no calls, no events.
#[frame_support::pallet]
pub mod pallet {
    use super::{DEFAULT_SLOT_DURATION_MS, SLOT_DURATION_RANGE_MS};
    use frame_support::{pallet_prelude::*, traits::ConstU64};
    use frame_system::pallet_prelude::BlockNumberFor;

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    /// The pallet.
    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// Nothing to configure.
    #[pallet::config]
    pub trait Config: frame_system::Config {}

    /// The duration of a slot, in milliseconds, within [`SLOT_DURATION_RANGE_MS`].
    #[pallet::storage]
    pub type SlotDuration<T> = StorageValue<_, u64, ValueQuery, ConstU64<DEFAULT_SLOT_DURATION_MS>>;

    /// What a chain specification says about block time.
    #[pallet::genesis_config]
    pub struct GenesisConfig<T: Config> {
        /// The duration of a slot, in milliseconds, within [`SLOT_DURATION_RANGE_MS`].
        /// Default: [`DEFAULT_SLOT_DURATION_MS`].
        pub slot_duration_ms: u64,
        #[doc(hidden)]
        #[serde(skip)]
        pub _config: PhantomData<T>,
    }

    impl<T: Config> Default for GenesisConfig<T> {
        fn default() -> Self {
            Self {
                slot_duration_ms: DEFAULT_SLOT_DURATION_MS,
                _config: PhantomData,
            }
        }
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        /// # Panics
        ///
        /// If the slot duration is outside [`SLOT_DURATION_RANGE_MS`]: a genesis has no other way to
        /// refuse, and a chain must not start with it.
        fn build(&self) {
            assert!(
                SLOT_DURATION_RANGE_MS.contains(&self.slot_duration_ms),
                "blockTime.slotDurationMs is {} ms; it must be within {SLOT_DURATION_RANGE_MS:?} ms",
                self.slot_duration_ms,
            );
            SlotDuration::<T>::put(self.slot_duration_ms);
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    impl<T: Config> Pallet<T> {
        /// Checks that the slot duration is within [`SLOT_DURATION_RANGE_MS`].
        #[cfg(any(test, feature = "try-runtime"))]
        pub(super) fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
            ensure!(
                SLOT_DURATION_RANGE_MS.contains(&SlotDuration::<T>::get()),
                "the slot duration is out of its range",
            );
            Ok(())
        }
    }
}

/// The duration of a slot, in milliseconds, for [`pallet_aura::Config::SlotDuration`].
pub struct SlotDurationMs<T>(PhantomData<T>);

impl<T: Config> Get<u64> for SlotDurationMs<T> {
    fn get() -> u64 {
        SlotDuration::<T>::get()
    }
}

/// The least time between two blocks, in milliseconds, for [`pallet_timestamp::Config::MinimumPeriod`]:
/// half a slot, rounded down, so that an author may be late by the other half.
pub struct MinimumPeriodMs<T>(PhantomData<T>);

impl<T: Config> Get<u64> for MinimumPeriodMs<T> {
    fn get() -> u64 {
        SlotDuration::<T>::get() / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Aura, BlockTime, BlockTimeConfig, BuildStorage, Runtime, RuntimeGenesisConfig};
    use frame_support::traits::GetStorageVersion;
    use sp_io::TestExternalities;

    /// A chain whose genesis says `slot_duration_ms`, and is empty apart from that.
    fn chain_with_slots_of(slot_duration_ms: u64) -> TestExternalities {
        RuntimeGenesisConfig {
            block_time: BlockTimeConfig {
                slot_duration_ms,
                ..Default::default()
            },
            ..Default::default()
        }
        .build_storage()
        .expect("the genesis builds")
        .into()
    }

    #[test]
    fn aura_and_timestamp_follow_the_genesis() {
        chain_with_slots_of(1_001).execute_with(|| {
            assert_eq!(Aura::slot_duration(), 1_001);
            assert_eq!(
                <Runtime as pallet_timestamp::Config>::MinimumPeriod::get(),
                500
            );
            assert_eq!(BlockTime::do_try_state(), Ok(()));
        });
    }

    #[test]
    fn a_genesis_that_is_silent_has_slots_of_six_seconds() {
        let storage = RuntimeGenesisConfig::default().build_storage();
        TestExternalities::from(storage.expect("the genesis builds")).execute_with(|| {
            assert_eq!(Aura::slot_duration(), 6_000);
            assert_eq!(BlockTime::on_chain_storage_version(), 1);
            assert_eq!(BlockTime::in_code_storage_version(), 1);
        });
    }

    #[test]
    fn both_ends_of_the_range_are_accepted() {
        for slot_duration_ms in [200, 60_000] {
            chain_with_slots_of(slot_duration_ms)
                .execute_with(|| assert_eq!(Aura::slot_duration(), slot_duration_ms));
        }
    }

    #[test]
    #[should_panic(
        expected = "blockTime.slotDurationMs is 199 ms; it must be within 200..=60000 ms"
    )]
    fn a_slot_below_the_range_is_refused() {
        chain_with_slots_of(199);
    }

    #[test]
    #[should_panic(expected = "blockTime.slotDurationMs is 60001 ms")]
    fn a_slot_above_the_range_is_refused() {
        chain_with_slots_of(60_001);
    }

    #[test]
    fn try_state_reports_a_slot_out_of_range() {
        chain_with_slots_of(6_000).execute_with(|| {
            SlotDuration::<Runtime>::put(0);
            assert_eq!(
                BlockTime::do_try_state(),
                Err("the slot duration is out of its range".into())
            );
        });
    }
}
