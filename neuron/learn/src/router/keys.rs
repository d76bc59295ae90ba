//! A trainable key for every peer, kept by its hotkey.
//!
//! Uids are reused when a neuron is replaced, hotkeys are not: what was learnt about a peer never passes to its successor.

use std::collections::{BTreeMap, BTreeSet};

use neuron_wallet::PublicKey;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use crate::parameters::{self, Parameters, ParametersError, parameter};

/// Where the keys of peers are found among parameters; the hotkey in SS58 follows.
const PREFIX: &str = "router.keys.";

/// The keys of all peers seen so far.
#[derive(Debug)]
pub(super) struct PeerKeys {
    key_dim: i64,
    seed: u64,
    device: Device,
    /// `[key_dim]` each.
    keys: BTreeMap<PublicKey, Tensor>,
}

impl PeerKeys {
    pub(super) fn new(key_dim: i64, seed: u64, device: Device) -> PeerKeys {
        PeerKeys {
            key_dim,
            seed,
            device,
            keys: BTreeMap::new(),
        }
    }

    /// The keys of these peers, one a row; drawn for those that are seen for the first time.
    ///
    /// # Shapes
    ///
    /// `[n_peers, key_dim]`
    pub(super) fn of(&mut self, peers: &[PublicKey]) -> Tensor {
        for peer in peers {
            if !self.keys.contains_key(peer) {
                let key = self.draw(peer);
                self.keys.insert(*peer, key);
            }
        }
        if peers.is_empty() {
            return Tensor::zeros([0, self.key_dim], (Kind::Float, self.device));
        }
        let rows: Vec<&Tensor> = peers.iter().map(|peer| &self.keys[peer]).collect();
        Tensor::stack(&rows, 0)
    }

    /// A first key, uniform in [0, 1).
    ///
    /// Drawn from the seed and the hotkey alone: a run repeats whatever the order in which peers appear, and no state of a
    /// generator has to be kept.
    fn draw(&self, peer: &PublicKey) -> Tensor {
        let mut seed = peer.0;
        for (byte, ours) in seed.iter_mut().zip(self.seed.to_le_bytes()) {
            *byte ^= ours;
        }
        let mut rng = ChaCha8Rng::from_seed(seed);
        let values: Vec<f32> = (0..self.key_dim).map(|_| rng.random()).collect();
        parameter(&values, &[self.key_dim], self.device)
    }

    /// Forgets all peers but these, and returns the names of the parameters that are gone.
    pub(super) fn retain(&mut self, peers: &[PublicKey]) -> Vec<String> {
        let present: BTreeSet<&PublicKey> = peers.iter().collect();
        let gone = self.keys.extract_if(.., |peer, _| !present.contains(peer));
        gone.map(|(peer, _)| name(&peer)).collect()
    }

    pub(super) fn list(&self, into: &mut Parameters) {
        for (peer, key) in &self.keys {
            into.insert(name(peer), key.shallow_clone());
        }
    }

    /// The keys that are stored, in place of these.
    pub(super) fn read(&self, stored: &Parameters) -> Result<PeerKeys, ParametersError> {
        let mut read = PeerKeys::new(self.key_dim, self.seed, self.device);
        for name in stored.keys().filter(|name| name.starts_with(PREFIX)) {
            let peer = name[PREFIX.len()..]
                .parse()
                .map_err(|_| ParametersError::Hotkey { name: name.clone() })?;
            let key = read.draw(&peer);
            read.keys.insert(peer, key);
        }
        let mut own = Parameters::new();
        read.list(&mut own);
        parameters::load(&own, stored)?;
        Ok(read)
    }
}

/// The name under which a peer's key is optimised and checkpointed.
fn name(peer: &PublicKey) -> String {
    format!("{PREFIX}{peer}")
}
