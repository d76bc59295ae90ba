//! Dispatch weights of `pallet_metagraph`: what a call costs in time and database accesses. Written by `make weights`, never
//! by hand. (The weight matrix of a network is another thing; it lives in `weight_matrix.rs`.)
//!
//! Measured 2026-11-22 on `Intel(R) Xeon(R) Processor` with `STEPS=20 REPEAT=10 make weights`, runtime executed as
//! `Compiled`, frame-benchmarking-cli 64.0.0.

#![allow(unused_parens, unused_imports, missing_docs)]
#![allow(clippy::all)]

use core::marker::PhantomData;
use frame_support::{
    traits::Get,
    weights::{Weight, constants::ParityDbWeight},
};

/// Weight functions that `pallet_metagraph` needs.
pub trait WeightInfo {
    fn create_network() -> Weight;
    fn remove_network() -> Weight;
    fn retire_neuron() -> Weight;
    fn set_hyperparameters() -> Weight;
    fn set_network_owner() -> Weight;
    fn set_address_policy() -> Weight;
    fn register(m: u32) -> Weight;
    fn serve_axon() -> Weight;
    fn withdraw_axon() -> Weight;
    fn set_weights(e: u32) -> Weight;
    fn check_weights(e: u32) -> Weight;
    fn add_stake(m: u32) -> Weight;
    fn remove_stake(m: u32) -> Weight;
    fn begin_block(m: u32) -> Weight;
    fn epoch(n: u32, v: u32, e: u32) -> Weight;
}

/// Weights with the database costs of the runtime that uses them.
pub struct SubstrateWeight<T>(PhantomData<T>);
impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    /// Storage: `Metagraph::Networks` (r:32 w:1)
    /// Proof: `Metagraph::Networks` (`max_values`: None, `max_size`: Some(100), added: 2575, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Schedule` (r:1 w:1)
    /// Proof: `Metagraph::Schedule` (`max_values`: Some(1), `max_size`: Some(513), added: 1008, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::NetworkParameters` (r:0 w:1)
    /// Proof: `Metagraph::NetworkParameters` (`max_values`: None, `max_size`: Some(109), added: 2584, mode: `MaxEncodedLen`)
    fn create_network() -> Weight {
        // Proof size in bytes:
        //  Measured:  `1985`
        //  Estimated: `83390`
        // Minimum execution time: 94_984_000 picoseconds.
        Weight::from_parts(102_490_000, 83390)
            .saturating_add(T::DbWeight::get().reads(33_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    /// Storage: `Metagraph::NetworkParameters` (r:1 w:1)
    /// Proof: `Metagraph::NetworkParameters` (`max_values`: None, `max_size`: Some(109), added: 2584, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Schedule` (r:1 w:1)
    /// Proof: `Metagraph::Schedule` (`max_values`: Some(1), `max_size`: Some(513), added: 1008, mode: `MaxEncodedLen`)
    /// Storage: `System::Account` (r:1 w:1)
    /// Proof: `System::Account` (`max_values`: None, `max_size`: Some(104), added: 2579, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Retiring` (r:1 w:1)
    /// Proof: `Metagraph::Retiring` (`max_values`: Some(1), `max_size`: Some(65), added: 560, mode: `MaxEncodedLen`)
    fn remove_network() -> Weight {
        // Proof size in bytes:
        //  Measured:  `1265`
        //  Estimated: `3574`
        // Minimum execution time: 47_751_000 picoseconds.
        Weight::from_parts(54_188_000, 3574)
            .saturating_add(T::DbWeight::get().reads(4_u64))
            .saturating_add(T::DbWeight::get().writes(4_u64))
    }
    /// Storage: `Metagraph::Networks` (r:1 w:1)
    /// Proof: `Metagraph::Networks` (`max_values`: None, `max_size`: Some(100), added: 2575, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Keys` (r:1 w:1)
    /// Proof: `Metagraph::Keys` (`max_values`: None, `max_size`: Some(52), added: 2527, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Hotkeys` (r:1 w:1)
    /// Proof: `Metagraph::Hotkeys` (`max_values`: None, `max_size`: Some(153), added: 2628, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Uids` (r:32 w:1)
    /// Proof: `Metagraph::Uids` (`max_values`: None, `max_size`: Some(60), added: 2535, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::EarnedColumn` (r:32 w:32)
    /// Proof: `Metagraph::EarnedColumn` (`max_values`: None, `max_size`: Some(32780), added: 35255, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::TotalStake` (r:1 w:1)
    /// Proof: `Metagraph::TotalStake` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::TotalEarned` (r:1 w:1)
    /// Proof: `Metagraph::TotalEarned` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::StakeColumn` (r:32 w:32)
    /// Proof: `Metagraph::StakeColumn` (`max_values`: None, `max_size`: Some(32780), added: 35255, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::RegisteredColumn` (r:1 w:1)
    /// Proof: `Metagraph::RegisteredColumn` (`max_values`: None, `max_size`: Some(16396), added: 18871, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::PermitColumn` (r:1 w:1)
    /// Proof: `Metagraph::PermitColumn` (`max_values`: None, `max_size`: Some(4108), added: 6583, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::EmissionColumn` (r:1 w:1)
    /// Proof: `Metagraph::EmissionColumn` (`max_values`: None, `max_size`: Some(32780), added: 35255, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::ScoreColumns` (r:1 w:1)
    /// Proof: `Metagraph::ScoreColumns` (`max_values`: None, `max_size`: Some(49174), added: 51649, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::BondRows` (r:0 w:1)
    /// Proof: `Metagraph::BondRows` (`max_values`: None, `max_size`: Some(16406), added: 18881, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Endpoints` (r:0 w:1)
    /// Proof: `Metagraph::Endpoints` (`max_values`: None, `max_size`: Some(52), added: 2527, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::WeightRows` (r:0 w:1)
    /// Proof: `Metagraph::WeightRows` (`max_values`: None, `max_size`: Some(16410), added: 18885, mode: `MaxEncodedLen`)
    fn retire_neuron() -> Weight {
        // Proof size in bytes:
        //  Measured:  `176553`
        //  Estimated: `1129150`
        // Minimum execution time: 2_322_422_000 picoseconds.
        Weight::from_parts(2_425_588_000, 1129150)
            .saturating_add(T::DbWeight::get().reads(105_u64))
            .saturating_add(T::DbWeight::get().writes(77_u64))
    }
    /// Storage: `Metagraph::NetworkParameters` (r:1 w:1)
    /// Proof: `Metagraph::NetworkParameters` (`max_values`: None, `max_size`: Some(109), added: 2584, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Networks` (r:1 w:0)
    /// Proof: `Metagraph::Networks` (`max_values`: None, `max_size`: Some(100), added: 2575, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Schedule` (r:1 w:1)
    /// Proof: `Metagraph::Schedule` (`max_values`: Some(1), `max_size`: Some(513), added: 1008, mode: `MaxEncodedLen`)
    fn set_hyperparameters() -> Weight {
        // Proof size in bytes:
        //  Measured:  `1752`
        //  Estimated: `3574`
        // Minimum execution time: 26_061_000 picoseconds.
        Weight::from_parts(29_658_000, 3574)
            .saturating_add(T::DbWeight::get().reads(3_u64))
            .saturating_add(T::DbWeight::get().writes(2_u64))
    }
    /// Storage: `Metagraph::NetworkParameters` (r:1 w:0)
    /// Proof: `Metagraph::NetworkParameters` (`max_values`: None, `max_size`: Some(109), added: 2584, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Networks` (r:1 w:1)
    /// Proof: `Metagraph::Networks` (`max_values`: None, `max_size`: Some(100), added: 2575, mode: `MaxEncodedLen`)
    fn set_network_owner() -> Weight {
        // Proof size in bytes:
        //  Measured:  `237`
        //  Estimated: `3574`
        // Minimum execution time: 14_382_000 picoseconds.
        Weight::from_parts(16_471_000, 3574)
            .saturating_add(T::DbWeight::get().reads(2_u64))
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
    /// Storage: `Metagraph::Addresses` (r:0 w:1)
    /// Proof: `Metagraph::Addresses` (`max_values`: Some(1), `max_size`: Some(1), added: 496, mode: `MaxEncodedLen`)
    fn set_address_policy() -> Weight {
        // Proof size in bytes:
        //  Measured:  `0`
        //  Estimated: `0`
        // Minimum execution time: 5_808_000 picoseconds.
        Weight::from_parts(6_887_000, 0).saturating_add(T::DbWeight::get().writes(1_u64))
    }
    /// Storage: `Metagraph::NetworkParameters` (r:1 w:0)
    /// Proof: `Metagraph::NetworkParameters` (`max_values`: None, `max_size`: Some(109), added: 2584, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Networks` (r:1 w:1)
    /// Proof: `Metagraph::Networks` (`max_values`: None, `max_size`: Some(100), added: 2575, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Uids` (r:33 w:2)
    /// Proof: `Metagraph::Uids` (`max_values`: None, `max_size`: Some(60), added: 2535, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Hotkeys` (r:2 w:2)
    /// Proof: `Metagraph::Hotkeys` (`max_values`: None, `max_size`: Some(153), added: 2628, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::RegisteredColumn` (r:1 w:1)
    /// Proof: `Metagraph::RegisteredColumn` (`max_values`: None, `max_size`: Some(16396), added: 18871, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::EmissionColumn` (r:1 w:1)
    /// Proof: `Metagraph::EmissionColumn` (`max_values`: None, `max_size`: Some(32780), added: 35255, mode: `MaxEncodedLen`)
    /// Storage: `System::Account` (r:1 w:1)
    /// Proof: `System::Account` (`max_values`: None, `max_size`: Some(104), added: 2579, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Keys` (r:1 w:1)
    /// Proof: `Metagraph::Keys` (`max_values`: None, `max_size`: Some(52), added: 2527, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::EarnedColumn` (r:32 w:32)
    /// Proof: `Metagraph::EarnedColumn` (`max_values`: None, `max_size`: Some(32780), added: 35255, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::TotalStake` (r:1 w:1)
    /// Proof: `Metagraph::TotalStake` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::TotalEarned` (r:1 w:1)
    /// Proof: `Metagraph::TotalEarned` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::StakeColumn` (r:32 w:32)
    /// Proof: `Metagraph::StakeColumn` (`max_values`: None, `max_size`: Some(32780), added: 35255, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::PermitColumn` (r:1 w:1)
    /// Proof: `Metagraph::PermitColumn` (`max_values`: None, `max_size`: Some(4108), added: 6583, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::ScoreColumns` (r:1 w:1)
    /// Proof: `Metagraph::ScoreColumns` (`max_values`: None, `max_size`: Some(49174), added: 51649, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::BondRows` (r:0 w:1)
    /// Proof: `Metagraph::BondRows` (`max_values`: None, `max_size`: Some(16406), added: 18881, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Endpoints` (r:0 w:1)
    /// Proof: `Metagraph::Endpoints` (`max_values`: None, `max_size`: Some(52), added: 2527, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::WeightRows` (r:0 w:1)
    /// Proof: `Metagraph::WeightRows` (`max_values`: None, `max_size`: Some(16410), added: 18885, mode: `MaxEncodedLen`)
    /// The range of component `m` is `[1, 32]`.
    fn register(m: u32) -> Weight {
        // Proof size in bytes:
        //  Measured:  `169216 + m * (259 ±0)`
        //  Estimated: `52639 + m * (35255 ±0)`
        // Minimum execution time: 331_685_000 picoseconds.
        Weight::from_parts(288_451_000, 52639)
            // Standard Error: 108_673
            .saturating_add(Weight::from_parts(70_008_998, 0).saturating_mul(m.into()))
            .saturating_add(T::DbWeight::get().reads(13_u64))
            .saturating_add(T::DbWeight::get().reads((3_u64).saturating_mul(m.into())))
            .saturating_add(T::DbWeight::get().writes(16_u64))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(m.into())))
            .saturating_add(Weight::from_parts(0, 35255).saturating_mul(m.into()))
    }
    /// Storage: `Metagraph::Addresses` (r:1 w:0)
    /// Proof: `Metagraph::Addresses` (`max_values`: Some(1), `max_size`: Some(1), added: 496, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::NetworkParameters` (r:1 w:0)
    /// Proof: `Metagraph::NetworkParameters` (`max_values`: None, `max_size`: Some(109), added: 2584, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Uids` (r:1 w:0)
    /// Proof: `Metagraph::Uids` (`max_values`: None, `max_size`: Some(60), added: 2535, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Endpoints` (r:1 w:1)
    /// Proof: `Metagraph::Endpoints` (`max_values`: None, `max_size`: Some(52), added: 2527, mode: `MaxEncodedLen`)
    fn serve_axon() -> Weight {
        // Proof size in bytes:
        //  Measured:  `596`
        //  Estimated: `3574`
        // Minimum execution time: 26_748_000 picoseconds.
        Weight::from_parts(30_391_000, 3574)
            .saturating_add(T::DbWeight::get().reads(4_u64))
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
    /// Storage: `Metagraph::NetworkParameters` (r:1 w:0)
    /// Proof: `Metagraph::NetworkParameters` (`max_values`: None, `max_size`: Some(109), added: 2584, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Uids` (r:1 w:0)
    /// Proof: `Metagraph::Uids` (`max_values`: None, `max_size`: Some(60), added: 2535, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Endpoints` (r:1 w:1)
    /// Proof: `Metagraph::Endpoints` (`max_values`: None, `max_size`: Some(52), added: 2527, mode: `MaxEncodedLen`)
    fn withdraw_axon() -> Weight {
        // Proof size in bytes:
        //  Measured:  `596`
        //  Estimated: `3574`
        // Minimum execution time: 24_509_000 picoseconds.
        Weight::from_parts(28_031_000, 3574)
            .saturating_add(T::DbWeight::get().reads(3_u64))
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
    /// Storage: `Metagraph::NetworkParameters` (r:1 w:0)
    /// Proof: `Metagraph::NetworkParameters` (`max_values`: None, `max_size`: Some(109), added: 2584, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Networks` (r:1 w:0)
    /// Proof: `Metagraph::Networks` (`max_values`: None, `max_size`: Some(100), added: 2575, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Uids` (r:1 w:0)
    /// Proof: `Metagraph::Uids` (`max_values`: None, `max_size`: Some(60), added: 2535, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::StakeColumn` (r:1 w:0)
    /// Proof: `Metagraph::StakeColumn` (`max_values`: None, `max_size`: Some(32780), added: 35255, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::EarnedColumn` (r:1 w:0)
    /// Proof: `Metagraph::EarnedColumn` (`max_values`: None, `max_size`: Some(32780), added: 35255, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::WeightRows` (r:1 w:1)
    /// Proof: `Metagraph::WeightRows` (`max_values`: None, `max_size`: Some(16410), added: 18885, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::PermitColumn` (r:1 w:0)
    /// Proof: `Metagraph::PermitColumn` (`max_values`: None, `max_size`: Some(4108), added: 6583, mode: `MaxEncodedLen`)
    /// The range of component `e` is `[1, 4096]`.
    fn set_weights(e: u32) -> Weight {
        // Proof size in bytes:
        //  Measured:  `86802`
        //  Estimated: `36245`
        // Minimum execution time: 56_154_000 picoseconds.
        Weight::from_parts(62_626_324, 36245)
            // Standard Error: 21
            .saturating_add(Weight::from_parts(13_740, 0).saturating_mul(e.into()))
            .saturating_add(T::DbWeight::get().reads(7_u64))
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
    /// Storage: `Metagraph::NetworkParameters` (r:1 w:0)
    /// Proof: `Metagraph::NetworkParameters` (`max_values`: None, `max_size`: Some(109), added: 2584, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Networks` (r:1 w:0)
    /// Proof: `Metagraph::Networks` (`max_values`: None, `max_size`: Some(100), added: 2575, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Uids` (r:1 w:0)
    /// Proof: `Metagraph::Uids` (`max_values`: None, `max_size`: Some(60), added: 2535, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::StakeColumn` (r:1 w:0)
    /// Proof: `Metagraph::StakeColumn` (`max_values`: None, `max_size`: Some(32780), added: 35255, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::EarnedColumn` (r:1 w:0)
    /// Proof: `Metagraph::EarnedColumn` (`max_values`: None, `max_size`: Some(32780), added: 35255, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::WeightRows` (r:1 w:0)
    /// Proof: `Metagraph::WeightRows` (`max_values`: None, `max_size`: Some(16410), added: 18885, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::PermitColumn` (r:1 w:0)
    /// Proof: `Metagraph::PermitColumn` (`max_values`: None, `max_size`: Some(4108), added: 6583, mode: `MaxEncodedLen`)
    /// The range of component `e` is `[1, 4096]`.
    fn check_weights(e: u32) -> Weight {
        // Proof size in bytes:
        //  Measured:  `86802`
        //  Estimated: `36245`
        // Minimum execution time: 42_912_000 picoseconds.
        Weight::from_parts(46_801_711, 36245)
            // Standard Error: 8
            .saturating_add(Weight::from_parts(4_308, 0).saturating_mul(e.into()))
            .saturating_add(T::DbWeight::get().reads(7_u64))
    }
    /// Storage: `Metagraph::Hotkeys` (r:1 w:1)
    /// Proof: `Metagraph::Hotkeys` (`max_values`: None, `max_size`: Some(153), added: 2628, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Uids` (r:32 w:0)
    /// Proof: `Metagraph::Uids` (`max_values`: None, `max_size`: Some(60), added: 2535, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::EarnedColumn` (r:32 w:32)
    /// Proof: `Metagraph::EarnedColumn` (`max_values`: None, `max_size`: Some(32780), added: 35255, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::TotalStake` (r:1 w:1)
    /// Proof: `Metagraph::TotalStake` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::TotalEarned` (r:1 w:1)
    /// Proof: `Metagraph::TotalEarned` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`)
    /// Storage: `System::Account` (r:2 w:2)
    /// Proof: `System::Account` (`max_values`: None, `max_size`: Some(104), added: 2579, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::StakeColumn` (r:32 w:32)
    /// Proof: `Metagraph::StakeColumn` (`max_values`: None, `max_size`: Some(32780), added: 35255, mode: `MaxEncodedLen`)
    /// The range of component `m` is `[0, 32]`.
    fn add_stake(m: u32) -> Weight {
        // Proof size in bytes:
        //  Measured:  `66233 + m * (159 ±0)`
        //  Estimated: `6148 + m * (35255 ±0)`
        // Minimum execution time: 64_727_000 picoseconds.
        Weight::from_parts(80_497_400, 6148)
            // Standard Error: 88_213
            .saturating_add(Weight::from_parts(68_236_411, 0).saturating_mul(m.into()))
            .saturating_add(T::DbWeight::get().reads(5_u64))
            .saturating_add(T::DbWeight::get().reads((3_u64).saturating_mul(m.into())))
            .saturating_add(T::DbWeight::get().writes(5_u64))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(m.into())))
            .saturating_add(Weight::from_parts(0, 35255).saturating_mul(m.into()))
    }
    /// Storage: `Metagraph::Hotkeys` (r:1 w:1)
    /// Proof: `Metagraph::Hotkeys` (`max_values`: None, `max_size`: Some(153), added: 2628, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Uids` (r:32 w:0)
    /// Proof: `Metagraph::Uids` (`max_values`: None, `max_size`: Some(60), added: 2535, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::EarnedColumn` (r:32 w:32)
    /// Proof: `Metagraph::EarnedColumn` (`max_values`: None, `max_size`: Some(32780), added: 35255, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::TotalStake` (r:1 w:1)
    /// Proof: `Metagraph::TotalStake` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::TotalEarned` (r:1 w:1)
    /// Proof: `Metagraph::TotalEarned` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`)
    /// Storage: `System::Account` (r:2 w:2)
    /// Proof: `System::Account` (`max_values`: None, `max_size`: Some(104), added: 2579, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::StakeColumn` (r:32 w:32)
    /// Proof: `Metagraph::StakeColumn` (`max_values`: None, `max_size`: Some(32780), added: 35255, mode: `MaxEncodedLen`)
    /// The range of component `m` is `[0, 32]`.
    fn remove_stake(m: u32) -> Weight {
        // Proof size in bytes:
        //  Measured:  `66233 + m * (159 ±0)`
        //  Estimated: `6148 + m * (35255 ±0)`
        // Minimum execution time: 64_862_000 picoseconds.
        Weight::from_parts(82_580_304, 6148)
            // Standard Error: 87_107
            .saturating_add(Weight::from_parts(67_896_827, 0).saturating_mul(m.into()))
            .saturating_add(T::DbWeight::get().reads(5_u64))
            .saturating_add(T::DbWeight::get().reads((3_u64).saturating_mul(m.into())))
            .saturating_add(T::DbWeight::get().writes(5_u64))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(m.into())))
            .saturating_add(Weight::from_parts(0, 35255).saturating_mul(m.into()))
    }
    /// Storage: `Metagraph::Schedule` (r:1 w:1)
    /// Proof: `Metagraph::Schedule` (`max_values`: Some(1), `max_size`: Some(513), added: 1008, mode: `MaxEncodedLen`)
    /// Storage: `System::Account` (r:1 w:1)
    /// Proof: `System::Account` (`max_values`: None, `max_size`: Some(104), added: 2579, mode: `MaxEncodedLen`)
    /// The range of component `m` is `[1, 32]`.
    fn begin_block(m: u32) -> Weight {
        // Proof size in bytes:
        //  Measured:  `155 + m * (16 ±0)`
        //  Estimated: `3569`
        // Minimum execution time: 27_226_000 picoseconds.
        Weight::from_parts(29_886_428, 3569)
            // Standard Error: 1_124
            .saturating_add(Weight::from_parts(189_285, 0).saturating_mul(m.into()))
            .saturating_add(T::DbWeight::get().reads(2_u64))
            .saturating_add(T::DbWeight::get().writes(2_u64))
    }
    /// Storage: `Metagraph::Schedule` (r:1 w:1)
    /// Proof: `Metagraph::Schedule` (`max_values`: Some(1), `max_size`: Some(513), added: 1008, mode: `MaxEncodedLen`)
    /// Storage: `System::Account` (r:2 w:2)
    /// Proof: `System::Account` (`max_values`: None, `max_size`: Some(104), added: 2579, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::NetworkParameters` (r:1 w:0)
    /// Proof: `Metagraph::NetworkParameters` (`max_values`: None, `max_size`: Some(109), added: 2584, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::Networks` (r:1 w:1)
    /// Proof: `Metagraph::Networks` (`max_values`: None, `max_size`: Some(100), added: 2575, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::EarnedColumn` (r:1 w:1)
    /// Proof: `Metagraph::EarnedColumn` (`max_values`: None, `max_size`: Some(32780), added: 35255, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::StakeColumn` (r:1 w:0)
    /// Proof: `Metagraph::StakeColumn` (`max_values`: None, `max_size`: Some(32780), added: 35255, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::RegisteredColumn` (r:1 w:0)
    /// Proof: `Metagraph::RegisteredColumn` (`max_values`: None, `max_size`: Some(16396), added: 18871, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::PermitColumn` (r:1 w:1)
    /// Proof: `Metagraph::PermitColumn` (`max_values`: None, `max_size`: Some(4108), added: 6583, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::WeightRows` (r:256 w:0)
    /// Proof: `Metagraph::WeightRows` (`max_values`: None, `max_size`: Some(16410), added: 18885, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::BondRows` (r:256 w:256)
    /// Proof: `Metagraph::BondRows` (`max_values`: None, `max_size`: Some(16406), added: 18881, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::TotalEarned` (r:1 w:1)
    /// Proof: `Metagraph::TotalEarned` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::ScoreColumns` (r:0 w:1)
    /// Proof: `Metagraph::ScoreColumns` (`max_values`: None, `max_size`: Some(49174), added: 51649, mode: `MaxEncodedLen`)
    /// Storage: `Metagraph::EmissionColumn` (r:0 w:1)
    /// Proof: `Metagraph::EmissionColumn` (`max_values`: None, `max_size`: Some(32780), added: 35255, mode: `MaxEncodedLen`)
    /// The range of component `n` is `[256, 4096]`.
    /// The range of component `v` is `[16, 256]`.
    /// The range of component `e` is `[512, 65536]`.
    fn epoch(n: u32, v: u32, e: u32) -> Weight {
        // Proof size in bytes:
        //  Measured:  `1216 + e * (4 ±0) + n * (21 ±0) + v * (43 ±0)`
        //  Estimated: `36245 + v * (18885 ±0)`
        // Minimum execution time: 2_654_820_000 picoseconds.
        Weight::from_parts(2_698_711_000, 36245)
            // Standard Error: 8_618
            .saturating_add(Weight::from_parts(106_621, 0).saturating_mul(n.into()))
            // Standard Error: 137_769
            .saturating_add(Weight::from_parts(11_165_920, 0).saturating_mul(v.into()))
            // Standard Error: 525
            .saturating_add(Weight::from_parts(30_430, 0).saturating_mul(e.into()))
            .saturating_add(T::DbWeight::get().reads(10_u64))
            .saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(v.into())))
            .saturating_add(T::DbWeight::get().writes(9_u64))
            .saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(v.into())))
            .saturating_add(Weight::from_parts(0, 18885).saturating_mul(v.into()))
    }
}

/// The same with the database costs of ParityDB, for tests.
impl WeightInfo for () {
    fn create_network() -> Weight {
        Weight::from_parts(102_490_000, 83390)
            .saturating_add(ParityDbWeight::get().reads(33_u64))
            .saturating_add(ParityDbWeight::get().writes(3_u64))
    }
    fn remove_network() -> Weight {
        Weight::from_parts(54_188_000, 3574)
            .saturating_add(ParityDbWeight::get().reads(4_u64))
            .saturating_add(ParityDbWeight::get().writes(4_u64))
    }
    fn retire_neuron() -> Weight {
        Weight::from_parts(2_425_588_000, 1129150)
            .saturating_add(ParityDbWeight::get().reads(105_u64))
            .saturating_add(ParityDbWeight::get().writes(77_u64))
    }
    fn set_hyperparameters() -> Weight {
        Weight::from_parts(29_658_000, 3574)
            .saturating_add(ParityDbWeight::get().reads(3_u64))
            .saturating_add(ParityDbWeight::get().writes(2_u64))
    }
    fn set_network_owner() -> Weight {
        Weight::from_parts(16_471_000, 3574)
            .saturating_add(ParityDbWeight::get().reads(2_u64))
            .saturating_add(ParityDbWeight::get().writes(1_u64))
    }
    fn set_address_policy() -> Weight {
        Weight::from_parts(6_887_000, 0).saturating_add(ParityDbWeight::get().writes(1_u64))
    }
    fn register(m: u32) -> Weight {
        Weight::from_parts(288_451_000, 52639)
            .saturating_add(Weight::from_parts(70_008_998, 0).saturating_mul(m.into()))
            .saturating_add(ParityDbWeight::get().reads(13_u64))
            .saturating_add(ParityDbWeight::get().reads((3_u64).saturating_mul(m.into())))
            .saturating_add(ParityDbWeight::get().writes(16_u64))
            .saturating_add(ParityDbWeight::get().writes((2_u64).saturating_mul(m.into())))
            .saturating_add(Weight::from_parts(0, 35255).saturating_mul(m.into()))
    }
    fn serve_axon() -> Weight {
        Weight::from_parts(30_391_000, 3574)
            .saturating_add(ParityDbWeight::get().reads(4_u64))
            .saturating_add(ParityDbWeight::get().writes(1_u64))
    }
    fn withdraw_axon() -> Weight {
        Weight::from_parts(28_031_000, 3574)
            .saturating_add(ParityDbWeight::get().reads(3_u64))
            .saturating_add(ParityDbWeight::get().writes(1_u64))
    }
    fn set_weights(e: u32) -> Weight {
        Weight::from_parts(62_626_324, 36245)
            .saturating_add(Weight::from_parts(13_740, 0).saturating_mul(e.into()))
            .saturating_add(ParityDbWeight::get().reads(7_u64))
            .saturating_add(ParityDbWeight::get().writes(1_u64))
    }
    fn check_weights(e: u32) -> Weight {
        Weight::from_parts(46_801_711, 36245)
            .saturating_add(Weight::from_parts(4_308, 0).saturating_mul(e.into()))
            .saturating_add(ParityDbWeight::get().reads(7_u64))
    }
    fn add_stake(m: u32) -> Weight {
        Weight::from_parts(80_497_400, 6148)
            .saturating_add(Weight::from_parts(68_236_411, 0).saturating_mul(m.into()))
            .saturating_add(ParityDbWeight::get().reads(5_u64))
            .saturating_add(ParityDbWeight::get().reads((3_u64).saturating_mul(m.into())))
            .saturating_add(ParityDbWeight::get().writes(5_u64))
            .saturating_add(ParityDbWeight::get().writes((2_u64).saturating_mul(m.into())))
            .saturating_add(Weight::from_parts(0, 35255).saturating_mul(m.into()))
    }
    fn remove_stake(m: u32) -> Weight {
        Weight::from_parts(82_580_304, 6148)
            .saturating_add(Weight::from_parts(67_896_827, 0).saturating_mul(m.into()))
            .saturating_add(ParityDbWeight::get().reads(5_u64))
            .saturating_add(ParityDbWeight::get().reads((3_u64).saturating_mul(m.into())))
            .saturating_add(ParityDbWeight::get().writes(5_u64))
            .saturating_add(ParityDbWeight::get().writes((2_u64).saturating_mul(m.into())))
            .saturating_add(Weight::from_parts(0, 35255).saturating_mul(m.into()))
    }
    fn begin_block(m: u32) -> Weight {
        Weight::from_parts(29_886_428, 3569)
            .saturating_add(Weight::from_parts(189_285, 0).saturating_mul(m.into()))
            .saturating_add(ParityDbWeight::get().reads(2_u64))
            .saturating_add(ParityDbWeight::get().writes(2_u64))
    }
    fn epoch(n: u32, v: u32, e: u32) -> Weight {
        Weight::from_parts(2_698_711_000, 36245)
            .saturating_add(Weight::from_parts(106_621, 0).saturating_mul(n.into()))
            .saturating_add(Weight::from_parts(11_165_920, 0).saturating_mul(v.into()))
            .saturating_add(Weight::from_parts(30_430, 0).saturating_mul(e.into()))
            .saturating_add(ParityDbWeight::get().reads(10_u64))
            .saturating_add(ParityDbWeight::get().reads((2_u64).saturating_mul(v.into())))
            .saturating_add(ParityDbWeight::get().writes(9_u64))
            .saturating_add(ParityDbWeight::get().writes((1_u64).saturating_mul(v.into())))
            .saturating_add(Weight::from_parts(0, 18885).saturating_mul(v.into()))
    }
}
