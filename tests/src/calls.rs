//! The transactions that the tests send, by the names of the runtime's metadata.

use subxt::{dynamic::Value, ext::scale_value::Composite, tx::DynamicPayload, utils::AccountId32};

/// A call, before anybody signs it.
pub type Call = DynamicPayload<Composite<()>>;

/// A row of the weight matrix: (uid, weight), ascending by uid.
pub type Row = Vec<(u16, u16)>;

fn call<const N: usize>(pallet: &str, name: &str, arguments: [(&str, Value); N]) -> Call {
    subxt::dynamic::tx(pallet, name, Composite::named(arguments))
}

fn account(account: &AccountId32) -> Value {
    Value::from_bytes(account.0)
}

fn number(number: impl Into<u128>) -> Value {
    Value::u128(number.into())
}

/// Registers `hotkey` for at most `max_price`; signed by the coldkey.
pub fn register(netid: u16, hotkey: &AccountId32, max_price: u64) -> Call {
    call(
        "Metagraph",
        "register",
        [
            ("netid", number(netid)),
            ("hotkey", account(hotkey)),
            ("max_price", number(max_price)),
        ],
    )
}

/// Serves images over gRPC at `address` and `port`; signed by the hotkey.
pub fn serve_axon(netid: u16, address: [u8; 4], port: u16) -> Call {
    serve(netid, address, port, true)
}

/// As [`serve_axon`], but there is nothing that the axon would answer.
pub fn serve_nothing(netid: u16, address: [u8; 4], port: u16) -> Call {
    serve(netid, address, port, false)
}

fn serve(netid: u16, address: [u8; 4], port: u16, image: bool) -> Call {
    let synapses = [("text", false), ("image", image), ("tensor", false)];
    call(
        "Metagraph",
        "serve_axon",
        [
            ("netid", number(netid)),
            (
                "address",
                Value::unnamed_variant("V4", [Value::from_bytes(address)]),
            ),
            ("port", number(port)),
            ("protocol", Value::unnamed_variant("GrpcTls", [])),
            ("version", number(1u32)),
            (
                "synapses",
                Value::named_composite(synapses.map(|(name, served)| (name, Value::bool(served)))),
            ),
        ],
    )
}

/// Takes the endpoint back; signed by the hotkey.
pub fn withdraw_axon(netid: u16) -> Call {
    call("Metagraph", "withdraw_axon", [("netid", number(netid))])
}

/// Sets the signing hotkey's row of the weight matrix.
pub fn set_weights(netid: u16, row: &[(u16, u16)], version: u64) -> Call {
    let entry =
        |(uid, weight): &(u16, u16)| Value::unnamed_composite([number(*uid), number(*weight)]);
    call(
        "Metagraph",
        "set_weights",
        [
            ("netid", number(netid)),
            ("row", Value::unnamed_composite(row.iter().map(entry))),
            ("version", number(version)),
        ],
    )
}

/// Stakes `amount` on `hotkey`; signed by its coldkey.
pub fn add_stake(hotkey: &AccountId32, amount: u64) -> Call {
    change_stake("add_stake", hotkey, amount)
}

/// Takes `amount` back from `hotkey`; signed by its coldkey.
pub fn remove_stake(hotkey: &AccountId32, amount: u64) -> Call {
    change_stake("remove_stake", hotkey, amount)
}

fn change_stake(name: &str, hotkey: &AccountId32, amount: u64) -> Call {
    call(
        "Metagraph",
        name,
        [("hotkey", account(hotkey)), ("amount", number(amount))],
    )
}

/// Takes a network out of service; root only.
pub fn remove_network(netid: u16) -> Call {
    call("Metagraph", "remove_network", [("netid", number(netid))])
}

/// Sets the tempo of a network; root only.
pub fn set_tempo(netid: u16, tempo: u32) -> Call {
    let tempo = Value::unnamed_variant("Tempo", [number(tempo)]);
    call(
        "Metagraph",
        "set_hyperparameter",
        [("netid", number(netid)), ("hyperparameter", tempo)],
    )
}

/// Moves `amount` to `to`.
pub fn transfer(to: &AccountId32, amount: u64) -> Call {
    call(
        "Balances",
        "transfer_keep_alive",
        [
            ("dest", Value::unnamed_variant("Id", [account(to)])),
            ("value", number(amount)),
        ],
    )
}

/// All `calls` in one transaction, or none of them.
pub fn batch_all(calls: impl IntoIterator<Item = Call>) -> Call {
    let calls = calls.into_iter().map(DynamicPayload::into_value);
    call(
        "Utility",
        "batch_all",
        [("calls", Value::unnamed_composite(calls))],
    )
}

/// `inner` as root; signed by the sudo account.
pub fn sudo(inner: Call) -> Call {
    call("Sudo", "sudo", [("call", inner.into_value())])
}
