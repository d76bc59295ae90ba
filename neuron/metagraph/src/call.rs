//! What a neuron or its owner can have the chain do.

use std::net::IpAddr;

use neuron_wallet::PublicKey;
use subxt::{dynamic::Value, ext::scale_value::Composite, tx::DynamicPayload};

use crate::{Endpoint, Protocol, WeightRow};

/// A call, before anybody signs it. Who has to sign it is said with each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Register a neuron. Signed by the coldkey, which pays and will own the stake.
    Register {
        /// In which network.
        netid: u16,
        /// Who will sign for it.
        hotkey: PublicKey,
        /// The most to pay, in units. The price that holds then is burned.
        max_price: u64,
    },
    /// Tell where the signer's neuron is reached. Signed by the hotkey.
    ServeAxon {
        /// In which network.
        netid: u16,
        /// Where.
        endpoint: Endpoint,
    },
    /// Say that the signer's neuron is no longer reached. Signed by the hotkey.
    WithdrawAxon {
        /// In which network.
        netid: u16,
    },
    /// Set the signer's row of the weight matrix. Signed by the hotkey.
    SetWeights {
        /// In which network.
        netid: u16,
        /// The row.
        row: WeightRow,
        /// Version of the program that made the row.
        version: u64,
    },
    /// Stake on a hotkey. Signed by the coldkey that owns it.
    AddStake {
        /// On whom.
        hotkey: PublicKey,
        /// Units.
        amount: u64,
    },
    /// Take stake back from a hotkey. Signed by the coldkey that owns it.
    RemoveStake {
        /// From whom.
        hotkey: PublicKey,
        /// Units.
        amount: u64,
    },
    /// Send tokens. Signed by who sends them.
    Transfer {
        /// To whom.
        to: PublicKey,
        /// Units.
        amount: u64,
    },
    /// Set the blocks between two epochs of a network. Only root may: see [`Call::Sudo`].
    SetTempo {
        /// Of which network.
        netid: u16,
        /// Blocks.
        tempo: u32,
    },
    /// Do something as root. Signed by the sudo account, which on a development chain is Alice.
    ///
    /// What comes of the inner call is in an event: that this call is included does not say that the inner one succeeded.
    Sudo(Box<Call>),
}

impl Call {
    /// Its name in the runtime.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Register { .. } => "Metagraph::register",
            Self::ServeAxon { .. } => "Metagraph::serve_axon",
            Self::WithdrawAxon { .. } => "Metagraph::withdraw_axon",
            Self::SetWeights { .. } => "Metagraph::set_weights",
            Self::AddStake { .. } => "Metagraph::add_stake",
            Self::RemoveStake { .. } => "Metagraph::remove_stake",
            Self::Transfer { .. } => "Balances::transfer_keep_alive",
            Self::SetTempo { .. } => "Metagraph::set_hyperparameter",
            Self::Sudo(_) => "Sudo::sudo",
        }
    }

    pub(crate) fn payload(&self) -> DynamicPayload<Composite<()>> {
        let (pallet, name) = self.path();
        subxt::dynamic::tx(pallet, name, Composite::named(self.arguments()))
    }

    /// As the argument of another call.
    fn value(&self) -> Value {
        let (pallet, name) = self.path();
        let call = Value::named_variant(name, self.arguments());
        Value::unnamed_variant(pallet, [call])
    }

    fn path(&self) -> (&'static str, &'static str) {
        self.name().split_once("::").unwrap_or_default()
    }

    fn arguments(&self) -> Vec<(&'static str, Value)> {
        match self {
            Self::Register {
                netid,
                hotkey,
                max_price,
            } => vec![
                ("netid", number(*netid)),
                ("hotkey", Value::from_bytes(hotkey.0)),
                ("max_price", number(*max_price)),
            ],
            Self::ServeAxon { netid, endpoint } => serve_axon(*netid, endpoint),
            Self::WithdrawAxon { netid } => vec![("netid", number(*netid))],
            Self::SetWeights {
                netid,
                row,
                version,
            } => {
                let entry = |(uid, weight)| Value::unnamed_composite([number(uid), number(weight)]);
                vec![
                    ("netid", number(*netid)),
                    (
                        "row",
                        Value::unnamed_composite(row.entries().into_iter().map(entry)),
                    ),
                    ("version", number(*version)),
                ]
            }
            Self::AddStake { hotkey, amount } | Self::RemoveStake { hotkey, amount } => vec![
                ("hotkey", Value::from_bytes(hotkey.0)),
                ("amount", number(*amount)),
            ],
            Self::Transfer { to, amount } => vec![
                (
                    "dest",
                    Value::unnamed_variant("Id", [Value::from_bytes(to.0)]),
                ),
                ("value", number(*amount)),
            ],
            Self::SetTempo { netid, tempo } => vec![
                ("netid", number(*netid)),
                (
                    "hyperparameter",
                    Value::unnamed_variant("Tempo", [number(*tempo)]),
                ),
            ],
            Self::Sudo(call) => vec![("call", call.value())],
        }
    }
}

fn serve_axon(netid: u16, endpoint: &Endpoint) -> Vec<(&'static str, Value)> {
    let address = match endpoint.ip() {
        IpAddr::V4(ip) => Value::unnamed_variant("V4", [Value::from_bytes(ip.octets())]),
        IpAddr::V6(ip) => Value::unnamed_variant("V6", [Value::from_bytes(ip.octets())]),
    };
    let protocol = match endpoint.protocol {
        Protocol::GrpcTls => "GrpcTls",
        Protocol::GrpcPlain => "GrpcPlain",
    };
    let synapses = [
        ("text", endpoint.synapses.text),
        ("image", endpoint.synapses.image),
        ("tensor", endpoint.synapses.tensor),
    ];
    let synapses = synapses.map(|(name, is_served)| (name, Value::bool(is_served)));
    vec![
        ("netid", number(netid)),
        ("address", address),
        ("port", number(endpoint.address.port())),
        ("protocol", Value::unnamed_variant(protocol, [])),
        ("version", number(endpoint.version)),
        ("synapses", Value::named_composite(synapses)),
    ]
}

fn number(number: impl Into<u128>) -> Value {
    Value::u128(number.into())
}
