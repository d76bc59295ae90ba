//! What the runtime's answers become here: from the types that are generated to those of this crate.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use neuron_wallet::PublicKey;
use subxt::utils::{AccountId32, H256};

use crate::{
    BlockRef, Entry, Matrix,
    api::{
        Address, Endpoint, Metagraph, NetworkInfo, NeuronInfo, Protocol, StakeInfo, Synapses,
        runtime_types::incentive::uid::Uid,
    },
};

fn public(account: AccountId32) -> PublicKey {
    PublicKey(account.0)
}

impl Metagraph<AccountId32> {
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

impl From<NetworkInfo<AccountId32>> for crate::Network {
    fn from(info: NetworkInfo<AccountId32>) -> Self {
        Self {
            netid: info.netid.0,
            task: String::from_utf8_lossy(&info.task).into_owned(),
            owner: info.owner.map(public),
            n_neurons: info.n_neurons,
            max_neurons: info.max_neurons,
            registration_price: info.registration_price,
            pending: info.pending,
            previous_epoch: info.previous_epoch,
            next_epoch: info.next_epoch,
        }
    }
}

impl From<NeuronInfo<AccountId32>> for crate::Neuron {
    fn from(info: NeuronInfo<AccountId32>) -> Self {
        Self {
            uid: info.uid.0,
            hotkey: public(info.hotkey),
            coldkey: public(info.coldkey),
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

impl From<&crate::Endpoint> for Address {
    fn from(endpoint: &crate::Endpoint) -> Self {
        match endpoint.ip() {
            IpAddr::V4(ip) => Self::V4(ip.octets()),
            IpAddr::V6(ip) => Self::V6(ip.octets()),
        }
    }
}

impl From<crate::Protocol> for Protocol {
    fn from(protocol: crate::Protocol) -> Self {
        match protocol {
            crate::Protocol::GrpcTls => Self::GrpcTls,
            crate::Protocol::GrpcPlain => Self::GrpcPlain,
        }
    }
}

impl From<crate::Synapses> for Synapses {
    fn from(synapses: crate::Synapses) -> Self {
        let crate::Synapses {
            text,
            image,
            tensor,
        } = synapses;
        Self {
            text,
            image,
            tensor,
        }
    }
}

impl From<StakeInfo<AccountId32>> for crate::Stake {
    fn from(info: StakeInfo<AccountId32>) -> Self {
        Self {
            coldkey: public(info.coldkey),
            settled: info.settled,
            earned: info.earned,
            neurons: info
                .neurons
                .into_iter()
                .map(|(netid, uid)| (netid.0, uid.0))
                .collect(),
        }
    }
}

/// A matrix as the runtime's interface gives it.
pub(crate) fn matrix(rows: Vec<(Uid, Vec<(Uid, u16)>)>) -> Matrix {
    let rows = rows.into_iter().map(|(rater, row)| (rater.0, entries(row)));
    Matrix {
        rows: rows.collect(),
    }
}

/// A row as the runtime has it.
pub(crate) fn entries(row: Vec<(Uid, u16)>) -> Vec<Entry> {
    row.into_iter().map(|(uid, value)| (uid.0, value)).collect()
}
