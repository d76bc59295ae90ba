//! Whom a dendrite asks, and what.

use std::{fmt, net::SocketAddr};

use neuron_proto::Tensor;
use neuron_wallet::PublicKey;

/// A neuron that may be asked, as the metagraph has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Its position in the network.
    pub uid: u16,
    /// Who it is. Whoever cannot prove to be that is not asked.
    pub hotkey: PublicKey,
    /// Where its axon is.
    pub address: SocketAddr,
    /// Whether its axon speaks without TLS. Such a peer is asked on loopback only, and only where the dendrite's
    /// configuration allows it.
    pub plaintext: bool,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Peer {
            uid,
            hotkey,
            address,
            ..
        } = self;
        write!(f, "neuron {uid} ({}) at {address}", hotkey.short())
    }
}

/// Where a peer is and who must answer there: what a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) hotkey: PublicKey,
    pub(super) address: SocketAddr,
    pub(super) plaintext: bool,
}

impl From<Peer> for Endpoint {
    fn from(peer: Peer) -> Endpoint {
        Endpoint {
            hotkey: peer.hotkey,
            address: peer.address,
            plaintext: peer.plaintext,
        }
    }
}

/// All the rows that one peer is to be asked.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who is asked.
    pub peer: Peer,
    /// `[rows, ..]`.
    pub inputs: Tensor,
}
