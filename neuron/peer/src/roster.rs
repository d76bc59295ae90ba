//! Who the neurons of a network are, as the chain said at one block.
//!
//! The axon asks it who may call and with what stake, the dendrite where a peer is. What follows the chain sends a new
//! [`Roster`] through a [`RosterWatch`] for each block; this crate knows nothing else of the chain.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use neuron_wallet::PublicKey;
use tokio::sync::watch;

/// One registered neuron.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its position in the network, reused when a neuron is replaced.
    pub uid: u16,
    /// Who it is. What its certificates are signed with.
    pub hotkey: PublicKey,
    /// In units of 10⁻⁹ CTM.
    pub stake: u64,
    /// Whether its weights count.
    pub validator_permit: bool,
    /// Where its axon is, if it serves one.
    pub address: Option<SocketAddr>,
    /// Whether its axon speaks without TLS, as only development networks do.
    pub plaintext: bool,
}

/// All neurons of a network at one block. Immutable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    block: u32,
    members: HashMap<PublicKey, Member>,
}

/// The latest roster.
pub type RosterWatch = watch::Receiver<Arc<Roster>>;

impl Roster {
    /// Of what the chain said at `block`. Of two members with one hotkey, which a chain does not have, the later counts.
    pub fn new(block: u32, members: impl IntoIterator<Item = Member>) -> Roster {
        let members = members.into_iter().map(|member| (member.hotkey, member));
        Roster {
            block,
            members: members.collect(),
        }
    }

    /// The block that this is of.
    pub fn block(&self) -> u32 {
        self.block
    }

    /// The neuron with this hotkey, if it is registered.
    pub fn member(&self, hotkey: &PublicKey) -> Option<&Member> {
        self.members.get(hotkey)
    }

    /// All neurons, in no order.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// Number of neurons.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody is registered.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(uid: u16, hotkey: u8) -> Member {
        Member {
            uid,
            hotkey: PublicKey([hotkey; 32]),
            stake: 5,
            validator_permit: false,
            address: None,
            plaintext: false,
        }
    }

    #[test]
    fn members_are_found_by_hotkey() {
        let roster = Roster::new(7, [member(0, 1), member(1, 2)]);
        assert_eq!(roster.block(), 7);
        assert_eq!(roster.len(), 2);
        assert_eq!(roster.member(&PublicKey([2; 32])), Some(&member(1, 2)));
        assert_eq!(roster.member(&PublicKey([3; 32])), None);
    }
}
