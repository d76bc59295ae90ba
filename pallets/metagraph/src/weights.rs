//! Dispatch weights of `pallet_metagraph`. Replaced by the generated file.

#![allow(missing_docs)]

use frame_support::weights::Weight;

/// What the calls cost.
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

macro_rules! unmeasured {
    ($($name:ident($($arg:ident),*)),* $(,)?) => {
        impl WeightInfo for () {
            $( fn $name($($arg: u32),*) -> Weight { Weight::zero() } )*
        }
    };
}

unmeasured! {
    create_network(), remove_network(), retire_neuron(), set_hyperparameters(), set_network_owner(), set_address_policy(),
    register(_m), serve_axon(), withdraw_axon(), set_weights(_e), check_weights(_e), add_stake(_m), remove_stake(_m),
    begin_block(_m), epoch(_n, _v, _e),
}
