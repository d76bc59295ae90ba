//! A whole network at one block: who its neurons are, where they are reached, and what the last epoch said of them.

use std::collections::HashMap;

use neuron_wallet::PublicKey;
use serde::Serialize;

use crate::{BlockRef, Endpoint};

/// A network and its neurons in the state after one block. Never changes; cheap to share in an `Arc`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Metagraph {
    /// The block.
    pub block: BlockRef,
    /// The network's id.
    pub netid: u16,
    /// What its neurons learn, for instance `digits`.
    pub task: String,
    /// Who is paid the owner's cut.
    pub owner: Option<PublicKey>,
    /// Neurons that it can have.
    pub max_neurons: u16,
    /// What a registration in the next block costs at most, in units, if nobody else registers before.
    pub registration_price: u64,
    /// Emission gathered since the last epoch, in units.
    pub pending: u64,
    /// Block of the last epoch; that of the network's creation before the first.
    pub previous_epoch: u32,
    /// First block in which the next epoch is due.
    pub next_epoch: u32,
    /// The neurons, in uid order: a neuron's place is its uid.
    pub neurons: Vec<Neuron>,
    #[serde(skip)]
    pub(crate) by_hotkey: HashMap<PublicKey, u16>,
}

/// A neuron, with what the last epoch said of it. Fractions are in 1/65535: see [`fraction`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Neuron {
    /// Its place in the network.
    pub uid: u16,
    /// Signs for it.
    pub hotkey: PublicKey,
    /// Owns its stake.
    pub coldkey: PublicKey,
    /// Where it is reached, if it serves.
    pub endpoint: Option<Endpoint>,
    /// Its stake as an epoch would see it now, settled and earned here, in units.
    pub stake: u64,
    /// The part of `stake` that it earned here and that is not settled yet, in units.
    pub earned: u64,
    /// Block of its registration.
    pub registered_at: u32,
    /// Block of its last weights; of its registration if it set none.
    pub last_update: u32,
    /// Whether it is within the activity cutoff.
    pub active: bool,
    /// Whether it may weigh others.
    pub validator_permit: bool,
    /// How the others value it, by stake.
    pub rank: u16,
    /// How much of the stake values it at all.
    pub trust: u16,
    /// What the validators agree it is worth.
    pub consensus: u16,
    /// Its part of what servers are paid.
    pub incentive: u16,
    /// Its part of what validators are paid.
    pub dividends: u16,
    /// How much of its own weights the consensus kept.
    pub validator_trust: u16,
    /// What the last epoch paid it, in units.
    pub emission: u64,
}

impl Neuron {
    /// A neuron that has done nothing but register.
    ///
    /// `registered_at`: the block of that
    pub fn new(uid: u16, hotkey: PublicKey, coldkey: PublicKey, registered_at: u32) -> Neuron {
        Neuron {
            uid,
            hotkey,
            coldkey,
            endpoint: None,
            stake: 0,
            earned: 0,
            registered_at,
            last_update: registered_at,
            active: true,
            validator_permit: false,
            rank: 0,
            trust: 0,
            consensus: 0,
            incentive: 0,
            dividends: 0,
            validator_trust: 0,
            emission: 0,
        }
    }
}

impl Metagraph {
    /// The neuron at `uid`.
    pub fn neuron(&self, uid: u16) -> Option<&Neuron> {
        self.neurons.get(usize::from(uid))
    }

    /// The neuron of `hotkey`, in constant time.
    pub fn by_hotkey(&self, hotkey: &PublicKey) -> Option<&Neuron> {
        self.neuron(*self.by_hotkey.get(hotkey)?)
    }
}

/// A fraction of the metagraph as a number in 0..=1.
pub fn fraction(of_65535: u16) -> f64 {
    f64::from(of_65535) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api;
    use codec::Encode;
    use subxt::{
        Metadata,
        ext::{frame_decode::runtime_apis::decode_runtime_api_response, scale_decode::IntoVisitor},
        utils::{AccountId32, H256},
    };

    /// What this answers is decoded as by a node's metadata: the file's.
    fn decode(mut bytes: &[u8]) -> Result<Metagraph, String> {
        type Answer = Option<api::Metagraph<AccountId32>>;
        let metadata = Metadata::decode_from(include_bytes!("../metadata.scale")).unwrap();
        let answer = decode_runtime_api_response(
            "MetagraphApi",
            "metagraph",
            &mut bytes,
            &metadata,
            metadata.types(),
            Answer::into_visitor(),
        );
        let answer = answer.map_err(|error| error.to_string())?;
        Ok(answer.ok_or("none")?.at(H256::repeat_byte(1)))
    }

    /// What a node answers for a network of two neurons, encoded field by field, as SCALE says.
    fn answer() -> Vec<u8> {
        let mut bytes = vec![1]; // Some
        (77u32, 3u16, b"digits".to_vec()).encode_to(&mut bytes);
        (
            Some([9u8; 32]),
            2u16,
            256u16,
            500_000u64,
            12u64,
            60u32,
            80u32,
        )
            .encode_to(&mut bytes);
        bytes.push(2 << 2); // two neurons
        for uid in 0..2u16 {
            (uid, [u8::try_from(uid).unwrap() + 1; 32], [7u8; 32]).encode_to(&mut bytes);
            match uid {
                0 => bytes.push(0),
                _ => {
                    // Some, V4, address, port, GrpcPlain, version, image only
                    bytes.extend([1, 0, 10, 0, 0, 1]);
                    (8091u16, 1u8, 4u32, (false, true, false)).encode_to(&mut bytes);
                }
            }
            (5u64, 2u64, 10u32, 11u32, true, uid == 1).encode_to(&mut bytes);
            (1u16, 2u16, 3u16, 4u16, 5u16, 6u16, 99u64).encode_to(&mut bytes);
        }
        bytes
    }

    #[test]
    fn an_answer_of_the_runtime_becomes_a_metagraph() {
        let metagraph = decode(&answer()).unwrap();
        assert_eq!(metagraph.block.number, 77);
        assert_eq!((metagraph.netid, metagraph.task.as_str()), (3, "digits"));
        assert_eq!(metagraph.owner, Some(PublicKey([9; 32])));
        assert_eq!((metagraph.previous_epoch, metagraph.next_epoch), (60, 80));
        let [first, second] = &metagraph.neurons[..] else {
            panic!("two neurons");
        };
        assert_eq!((first.uid, first.endpoint), (0, None));
        let endpoint = second.endpoint.unwrap();
        assert_eq!(endpoint.to_string(), "plain://10.0.0.1:8091");
        assert_eq!(
            (endpoint.version, endpoint.synapses.to_string()),
            (4, "image".into())
        );
        assert_eq!((second.stake, second.earned, second.emission), (5, 2, 99));
        assert!(second.validator_permit && !first.validator_permit);
        assert_eq!((second.rank, second.validator_trust), (1, 6));
    }

    #[test]
    fn a_neuron_is_found_by_its_hotkey() {
        let metagraph = decode(&answer()).unwrap();
        let found = metagraph.by_hotkey(&PublicKey([2; 32])).unwrap();
        assert_eq!(found.uid, 1);
        assert_eq!(metagraph.by_hotkey(&PublicKey([3; 32])), None);
        assert_eq!(metagraph.neuron(2), None);
    }

    #[test]
    fn an_answer_that_ends_too_early_is_refused() {
        let mut bytes = answer();
        bytes.truncate(bytes.len() - 1);
        assert!(decode(&bytes).is_err());
    }
}
