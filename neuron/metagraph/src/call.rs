//! What a neuron or its owner can have the chain do.

use neuron_wallet::PublicKey;
use subxt::{ext::scale_decode::DecodeAsType, tx::Payload, utils::MultiAddress};

use crate::{
    ChainError, Endpoint, Hyperparameters, WeightRow,
    api::{
        self, Hyperparameter, NetId,
        runtime_types::{bounded_collections::bounded_vec::BoundedVec, incentive::uid::Uid},
    },
    chain::{AtBlock, account_id},
    error::Fault,
};

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
    /// Create a network. Only root may: see [`Call::Sudo`].
    CreateNetwork {
        /// What its neurons learn, at most 32 bytes.
        task: String,
        /// Who is paid the owner's cut.
        owner: Option<PublicKey>,
        /// All of them, each in its range.
        hyperparameters: Box<Hyperparameters>,
    },
    /// Set the blocks between two epochs of a network. Only root may: see [`Call::Sudo`].
    SetTempo {
        /// Of which network.
        netid: u16,
        /// Blocks.
        tempo: u32,
    },
    /// Do something as root. Signed by the sudo account, which on a development chain is Alice.
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
            Self::CreateNetwork { .. } => "Metagraph::create_network",
            Self::SetTempo { .. } => "Metagraph::set_hyperparameter",
            Self::Sudo(_) => "Sudo::sudo",
        }
    }

    /// Its bytes, for the runtime of a block.
    pub(crate) fn encode(&self, at: &AtBlock) -> Result<Vec<u8>, Fault> {
        let metagraph = api::tx().metagraph();
        match self {
            Self::Register {
                netid,
                hotkey,
                max_price,
            } => encode(
                at,
                &metagraph.register(NetId(*netid), account_id(hotkey), *max_price),
            ),
            Self::ServeAxon { netid, endpoint } => encode(
                at,
                &metagraph.serve_axon(
                    NetId(*netid),
                    endpoint.into(),
                    endpoint.address.port(),
                    endpoint.protocol.into(),
                    endpoint.version,
                    endpoint.synapses.into(),
                ),
            ),
            Self::WithdrawAxon { netid } => encode(at, &metagraph.withdraw_axon(NetId(*netid))),
            Self::SetWeights {
                netid,
                row,
                version,
            } => {
                let entry = |(uid, weight)| (Uid(uid), weight);
                let row = BoundedVec(row.entries().into_iter().map(entry).collect());
                encode(at, &metagraph.set_weights(NetId(*netid), row, *version))
            }
            Self::AddStake { hotkey, amount } => {
                encode(at, &metagraph.add_stake(account_id(hotkey), *amount))
            }
            Self::RemoveStake { hotkey, amount } => {
                encode(at, &metagraph.remove_stake(account_id(hotkey), *amount))
            }
            Self::Transfer { to, amount } => {
                let to = MultiAddress::Id(account_id(to));
                encode(at, &api::tx().balances().transfer_keep_alive(to, *amount))
            }
            Self::CreateNetwork {
                task,
                owner,
                hyperparameters,
            } => {
                let task = BoundedVec(task.clone().into_bytes());
                let owner = owner.as_ref().map(account_id);
                let hyperparameters = hyperparameters.as_ref().clone();
                encode(at, &metagraph.create_network(task, owner, hyperparameters))
            }
            Self::SetTempo { netid, tempo } => {
                let tempo = Hyperparameter::Tempo(*tempo);
                encode(at, &metagraph.set_hyperparameter(NetId(*netid), tempo))
            }
            Self::Sudo(inner) => encode(at, &api::tx().sudo().sudo(inner.runtime_call(at)?)),
        }
    }

    /// As the argument of another call.
    fn runtime_call(&self, at: &AtBlock) -> Result<api::Call, Fault> {
        let bytes = self.encode(at)?;
        let metadata = at.metadata_ref();
        let kind = metadata.outer_enums().call_enum_ty();
        let call = api::Call::decode_as_type(&mut &*bytes, kind, metadata.types());
        call.map_err(|error| {
            Fault::Chain(ChainError::Answer {
                what: "call of a call",
                message: error.to_string(),
            })
        })
    }
}

/// The bytes of a call, if the runtime means by it what this program does.
fn encode(at: &AtBlock, call: &impl Payload) -> Result<Vec<u8>, Fault> {
    at.tx().validate(call)?;
    Ok(at.tx().call_data(call)?)
}
