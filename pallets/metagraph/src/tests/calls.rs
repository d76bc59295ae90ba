//! The pallet's calls as a block makes them: each in a storage layer of its own, undone where it fails. And what tests
//! look at afterwards.

use std::collections::BTreeMap;

use codec::{Decode, Encode};
use frame_support::dispatch::DispatchResultWithPostInfo;
use sp_runtime::{BoundedVec, DispatchResult, traits::Dispatchable};

use crate::{
    Address, AddressPolicy, Call, Column, Entries, Event, Hyperparameter, Hyperparameters, NetId,
    Protocol, Synapses, Uid, mock::*,
};

/// More than any price.
pub(super) const ANY_PRICE: u64 = u64::MAX;

/// An address that the whole internet can dial.
pub(super) const ADDRESS: Address = Address::V4([8, 8, 8, 8]);

pub(super) const TEXT: Synapses = Synapses {
    text: true,
    image: false,
    tensor: false,
};

pub(super) fn dispatch(origin: RuntimeOrigin, call: Call<Test>) -> DispatchResultWithPostInfo {
    RuntimeCall::from(call).dispatch(origin)
}

pub(super) fn signed(who: AccountId, call: Call<Test>) -> DispatchResult {
    dispatch(RuntimeOrigin::signed(who), call)
        .map(|_| ())
        .map_err(|refused| refused.error)
}

pub(super) fn root(call: Call<Test>) -> DispatchResult {
    dispatch(RuntimeOrigin::root(), call)
        .map(|_| ())
        .map_err(|refused| refused.error)
}

pub(super) fn create_network(hyperparameters: Hyperparameters) -> DispatchResult {
    root(Call::create_network {
        task: task("digits"),
        owner: None,
        hyperparameters,
    })
}

pub(super) fn remove_network(netid: NetId) -> DispatchResult {
    root(Call::remove_network { netid })
}

pub(super) fn set_hyperparameters(
    netid: NetId,
    hyperparameters: Hyperparameters,
) -> DispatchResult {
    root(Call::set_hyperparameters {
        netid,
        hyperparameters,
    })
}

pub(super) fn set_hyperparameter(netid: NetId, hyperparameter: Hyperparameter) -> DispatchResult {
    root(Call::set_hyperparameter {
        netid,
        hyperparameter,
    })
}

pub(super) fn set_network_owner(netid: NetId, owner: Option<AccountId>) -> DispatchResult {
    root(Call::set_network_owner { netid, owner })
}

pub(super) fn set_address_policy(policy: AddressPolicy) -> DispatchResult {
    root(Call::set_address_policy { policy })
}

/// Registers whatever it costs.
pub(super) fn register(coldkey: AccountId, netid: NetId, hotkey: AccountId) -> DispatchResult {
    register_for(coldkey, netid, hotkey, ANY_PRICE)
}

pub(super) fn register_for(
    coldkey: AccountId,
    netid: NetId,
    hotkey: AccountId,
    max_price: u64,
) -> DispatchResult {
    signed(
        coldkey,
        Call::register {
            netid,
            hotkey,
            max_price,
        },
    )
}

/// Serves text at `address`.
pub(super) fn serve_axon(hotkey: AccountId, netid: NetId, address: Address) -> DispatchResult {
    signed(hotkey, serve_call(netid, address, 8091, TEXT))
}

pub(super) fn serve_call(
    netid: NetId,
    address: Address,
    port: u16,
    synapses: Synapses,
) -> Call<Test> {
    Call::serve_axon {
        netid,
        address,
        port,
        protocol: Protocol::GrpcTls,
        version: 1,
        synapses,
    }
}

pub(super) fn withdraw_axon(hotkey: AccountId, netid: NetId) -> DispatchResult {
    signed(hotkey, Call::withdraw_axon { netid })
}

/// Sets weights with the program of version 0.
pub(super) fn set_weights(hotkey: AccountId, netid: NetId, row: &[(u16, u16)]) -> DispatchResult {
    signed(hotkey, weights_call(netid, row, 0))
}

pub(super) fn weights_call(netid: NetId, row: &[(u16, u16)], version: u64) -> Call<Test> {
    Call::set_weights {
        netid,
        row: entries(row),
        version,
    }
}

pub(super) fn add_stake(coldkey: AccountId, hotkey: AccountId, amount: u64) -> DispatchResult {
    signed(coldkey, Call::add_stake { hotkey, amount })
}

pub(super) fn remove_stake(coldkey: AccountId, hotkey: AccountId, amount: u64) -> DispatchResult {
    signed(coldkey, Call::remove_stake { hotkey, amount })
}

/// Every call, with arguments that no chain refuses by themselves.
pub(super) fn every_call(netid: NetId, hotkey: AccountId) -> Vec<Call<Test>> {
    let mut calls = root_calls(netid);
    calls.extend(signed_calls(netid, hotkey));
    calls
}

pub(super) fn root_calls(netid: NetId) -> Vec<Call<Test>> {
    let mut calls = vec![
        Call::create_network {
            task: task("digits"),
            owner: None,
            hyperparameters: lenient(),
        },
        Call::set_address_policy {
            policy: AddressPolicy::Any,
        },
    ];
    calls.extend(root_calls_on(netid));
    calls
}

/// Root's calls that name a network.
pub(super) fn root_calls_on(netid: NetId) -> Vec<Call<Test>> {
    vec![
        Call::remove_network { netid },
        Call::set_hyperparameters {
            netid,
            hyperparameters: lenient(),
        },
        Call::set_hyperparameter {
            netid,
            hyperparameter: Hyperparameter::Tempo(20),
        },
        Call::set_network_owner {
            netid,
            owner: Some(1),
        },
    ]
}

pub(super) fn signed_calls(netid: NetId, hotkey: AccountId) -> Vec<Call<Test>> {
    let amount = MIN_STAKE_CHANGE;
    let mut calls = vec![
        Call::add_stake { hotkey, amount },
        Call::remove_stake { hotkey, amount },
    ];
    calls.extend(signed_calls_on(netid, hotkey));
    calls
}

/// Signed calls that name a network.
pub(super) fn signed_calls_on(netid: NetId, hotkey: AccountId) -> Vec<Call<Test>> {
    vec![
        Call::register {
            netid,
            hotkey,
            max_price: ANY_PRICE,
        },
        serve_call(netid, ADDRESS, 8091, TEXT),
        Call::withdraw_axon { netid },
        weights_call(netid, &[(0, 1)], 0),
    ]
}

pub(super) fn task(name: &str) -> crate::TaskName {
    name.as_bytes().to_vec().try_into().unwrap()
}

pub(super) fn entries(row: &[(u16, u16)]) -> Entries<Test> {
    column(row.iter().map(|&(uid, weight)| (Uid(uid), weight)))
}

pub(super) fn column<V>(values: impl IntoIterator<Item = V>) -> Column<Test, V> {
    BoundedVec::truncate_from(values.into_iter().collect())
}

/// The deregistrations and the registration among `events`, without what they cost: (uid, hotkey).
pub(super) fn registered(events: &[Event<Test>]) -> Vec<(Uid, AccountId)> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::NeuronRegistered { uid, hotkey, .. } => Some((*uid, *hotkey)),
            _ => None,
        })
        .collect()
}

/// Everything that the pallet has in storage, by key.
pub(super) fn storage() -> BTreeMap<Vec<u8>, Vec<u8>> {
    let prefix = sp_io::hashing::twox_128(b"Metagraph");
    std::iter::successors(sp_io::storage::next_key(&prefix), |key| {
        sp_io::storage::next_key(key)
    })
    .take_while(|key| key.starts_with(&prefix))
    .map(|key| {
        let value = sp_io::storage::get(&key).unwrap_or_default().to_vec();
        (key, value)
    })
    .collect()
}

/// What [`storage`] has in its maps: the keys of plain values are 32 bytes long.
pub(super) fn maps() -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut maps = storage();
    maps.retain(|key, _| key.len() > 32);
    maps
}

/// Keys whose values differ, those that are in one of them only included.
pub(super) fn changed(
    before: &BTreeMap<Vec<u8>, Vec<u8>>,
    after: &BTreeMap<Vec<u8>, Vec<u8>>,
) -> std::collections::BTreeSet<Vec<u8>> {
    before
        .keys()
        .chain(after.keys())
        .filter(|key| before.get(*key) != after.get(*key))
        .cloned()
        .collect()
}

/// A copy of `value` that went through SCALE, as over the wire.
pub(super) fn recoded<V: Encode + Decode>(value: &V) -> V {
    V::decode(&mut &value.encode()[..]).unwrap()
}
