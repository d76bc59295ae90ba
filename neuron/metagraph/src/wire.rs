//! What the runtime's answers are in bytes, and what they become here.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use codec::{Decode, DecodeAll};
use neuron_wallet::PublicKey;
use serde::Serialize;
use subxt::utils::H256;

use crate::{BlockRef, error::Fault};

/// `T` from all of `bytes`.
pub(crate) fn decode<T: Decode>(bytes: &[u8]) -> Result<T, Fault> {
    T::decode_all(&mut &*bytes).map_err(Fault::Undecodable)
}

type AccountId = [u8; 32];

#[derive(Decode)]
pub(crate) struct NetworkInfo {
    netid: u16,
    task: Vec<u8>,
    owner: Option<AccountId>,
    n_neurons: u16,
    max_neurons: u16,
    registration_price: u64,
    pending: u64,
    previous_epoch: u32,
    next_epoch: u32,
}

#[derive(Decode)]
pub(crate) struct NeuronInfo {
    uid: u16,
    hotkey: AccountId,
    coldkey: AccountId,
    endpoint: Option<Endpoint>,
    stake: u64,
    earned: u64,
    registered_at: u32,
    last_update: u32,
    active: bool,
    validator_permit: bool,
    rank: u16,
    trust: u16,
    consensus: u16,
    incentive: u16,
    dividends: u16,
    validator_trust: u16,
    emission: u64,
}

#[derive(Decode)]
pub(crate) struct Metagraph {
    block: u32,
    network: NetworkInfo,
    neurons: Vec<NeuronInfo>,
}

#[derive(Decode)]
pub(crate) struct StakeInfo {
    coldkey: AccountId,
    settled: u64,
    earned: u64,
    neurons: Vec<(u16, u16)>,
}

#[derive(Decode)]
enum Address {
    V4([u8; 4]),
    V6([u8; 16]),
}

#[derive(Decode)]
enum Protocol {
    GrpcTls,
    GrpcPlain,
}

#[derive(Decode)]
struct Synapses {
    text: bool,
    image: bool,
    tensor: bool,
}

#[derive(Decode)]
struct Endpoint {
    address: Address,
    port: u16,
    protocol: Protocol,
    version: u32,
    synapses: Synapses,
}

/// Which consensus a network's epoch uses.
#[derive(Clone, Debug, PartialEq, Eq, Decode, Serialize)]
#[expect(missing_docs, reason = "named as in the pallet, which documents them")]
pub enum ConsensusMode {
    Median,
    Sigmoid,
}

/// What moves a validator's bonds.
#[derive(Clone, Debug, PartialEq, Eq, Decode, Serialize)]
#[expect(missing_docs, reason = "named as in the pallet, which documents them")]
pub enum Bonds {
    Relative,
    Absolute,
    Liquid { low: u16, high: u16, steepness: u16 },
}

/// All hyperparameters of one network.
#[derive(Clone, Debug, PartialEq, Eq, Decode, Serialize)]
#[expect(missing_docs, reason = "named as in the pallet, which documents them")]
pub struct Hyperparameters {
    pub tempo: u32,
    pub consensus: ConsensusMode,
    pub kappa: u16,
    pub rho: u16,
    pub immunity_period: u32,
    pub activity_cutoff: u32,
    pub max_neurons: u16,
    pub max_validators: u16,
    pub min_weights: u16,
    pub max_weight: u16,
    pub weights_rate_limit: u32,
    pub weights_version: u64,
    pub serving_rate_limit: u32,
    pub min_stake: u64,
    pub registration: bool,
    pub max_registrations_per_block: u16,
    pub price_min: u64,
    pub price_max: u64,
    pub price_half_life: u32,
    pub price_step: u32,
    pub bonds: Bonds,
    pub bonds_moving_average: u32,
    pub bonds_penalty: u16,
    pub emission_share: u16,
    pub server_share: u32,
    pub owner_cut: u32,
}

impl Metagraph {
    /// The snapshot that this is, of the block with this hash.
    pub(crate) fn at(self, hash: H256) -> crate::Metagraph {
        let neurons: Vec<crate::Neuron> = self.neurons.into_iter().map(Into::into).collect();
        let by_hotkey: HashMap<_, _> = neurons.iter().map(|it| (it.hotkey, it.uid)).collect();
        let network = crate::Network::from(self.network);
        crate::Metagraph {
            block: BlockRef {
                number: self.block,
                hash,
            },
            netid: network.netid,
            task: network.task,
            owner: network.owner,
            max_neurons: network.max_neurons,
            registration_price: network.registration_price,
            pending: network.pending,
            previous_epoch: network.previous_epoch,
            next_epoch: network.next_epoch,
            neurons,
            by_hotkey,
        }
    }
}

impl From<NetworkInfo> for crate::Network {
    fn from(info: NetworkInfo) -> Self {
        Self {
            netid: info.netid,
            task: String::from_utf8_lossy(&info.task).into_owned(),
            owner: info.owner.map(PublicKey),
            n_neurons: info.n_neurons,
            max_neurons: info.max_neurons,
            registration_price: info.registration_price,
            pending: info.pending,
            previous_epoch: info.previous_epoch,
            next_epoch: info.next_epoch,
        }
    }
}

impl From<NeuronInfo> for crate::Neuron {
    fn from(info: NeuronInfo) -> Self {
        Self {
            uid: info.uid,
            hotkey: PublicKey(info.hotkey),
            coldkey: PublicKey(info.coldkey),
            endpoint: info.endpoint.map(Into::into),
            stake: info.stake,
            earned: info.earned,
            registered_at: info.registered_at,
            last_update: info.last_update,
            active: info.active,
            validator_permit: info.validator_permit,
            rank: info.rank,
            trust: info.trust,
            consensus: info.consensus,
            incentive: info.incentive,
            dividends: info.dividends,
            validator_trust: info.validator_trust,
            emission: info.emission,
        }
    }
}

impl From<Endpoint> for crate::Endpoint {
    fn from(endpoint: Endpoint) -> Self {
        let ip = match endpoint.address {
            Address::V4(octets) => Ipv4Addr::from(octets).into(),
            Address::V6(octets) => Ipv6Addr::from(octets).into(),
        };
        Self {
            address: SocketAddr::new(ip, endpoint.port),
            protocol: match endpoint.protocol {
                Protocol::GrpcTls => crate::Protocol::GrpcTls,
                Protocol::GrpcPlain => crate::Protocol::GrpcPlain,
            },
            version: endpoint.version,
            synapses: crate::Synapses {
                text: endpoint.synapses.text,
                image: endpoint.synapses.image,
                tensor: endpoint.synapses.tensor,
            },
        }
    }
}

impl From<StakeInfo> for crate::Stake {
    fn from(info: StakeInfo) -> Self {
        Self {
            coldkey: PublicKey(info.coldkey),
            settled: info.settled,
            earned: info.earned,
            neurons: info.neurons,
        }
    }
}
