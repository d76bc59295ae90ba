//! The router: learns which peers are worth asking about which rows.
//!
//! A gate projects the context of each row to a query; every peer has a trainable key; their products are scores, and the
//! `topk` best peers of a row are asked. Their answers come back weighted by a softmax over those scores, so that the
//! loss moves the gate and the keys towards peers whose answers help.
//!
//! ```text
//! q = context · Wᵀ + b              [batch, key_dim]
//! s = q · Kᵀ / √key_dim             [batch, n_peers]
//! g = softmax(s) over the topk best, 0 elsewhere
//! out_b = Σ_j g_bj · response_j[b]  [batch, ..]
//! ```
//!
//! Three things differ from the first router of this kind. It took the softmax over all peers, so that every row went to
//! every peer. It neither trained nor saved its keys. And it did not divide scores by √key_dim (A. Vaswani and others,
//! *Attention Is All You Need*, 2017, 3.2.1): as the context grows during training, gates then close on one favourite within
//! some 50 steps, and of the others nobody learns which help and which answer garbage.

mod joined;
mod keys;
mod routes;

use neuron_wallet::PublicKey;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, TchError, Tensor};

use self::{joined::Loudness, keys::PeerKeys};
use crate::linear::Linear;
use crate::parameters::{self, Parameters, ParametersError};

pub use self::joined::Joined;
pub use self::routes::Routes;

/// The widths of a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterConfig {
    /// Width of the context.
    pub x_dim: i64,
    /// Width of queries and of the peers' keys.
    pub key_dim: i64,
    /// At most this many peers are asked about a row, at least one. With one, its gate is always 1 and nothing is learnt.
    pub topk: i64,
}

impl Default for RouterConfig {
    /// `Router(x_dim = 1024, key_dim = 100, topk = 10)`, as the origin has it for MNIST.
    fn default() -> RouterConfig {
        RouterConfig {
            x_dim: 1024,
            key_dim: 100,
            topk: 10,
        }
    }
}

/// Sends the rows of a batch to peers and joins what they answer.
#[derive(Debug)]
pub struct Router {
    config: RouterConfig,
    device: Device,
    gate: Linear,
    keys: PeerKeys,
}

impl Router {
    /// A router that knows no peer yet. One seed gives the same gate and the same first key for each peer.
    ///
    /// # Panics
    ///
    /// If a width or `topk` is not positive.
    pub fn new(config: RouterConfig, seed: u64, device: Device) -> Router {
        let RouterConfig {
            x_dim,
            key_dim,
            topk,
        } = config;
        assert!(x_dim > 0 && key_dim > 0 && topk > 0, "{config:?}");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Router {
            config,
            device,
            gate: Linear::draw(x_dim, key_dim, &mut rng, device),
            keys: PeerKeys::new(key_dim, seed, device),
        }
    }

    /// Decides which peers are asked about which rows, and returns what to send to each.
    ///
    /// A peer that was never seen gets a key. A peer that no row selects is sent a tensor without rows; with no peers,
    /// nothing is sent.
    ///
    /// # Shapes
    ///
    /// `context`: `[batch, x_dim]`; `inputs`: `[batch, ..]`; each request: `[rows_j, ..]`
    ///
    /// # Errors
    ///
    /// [`RouterError::Context`] and [`RouterError::Inputs`] for shapes that do not fit, [`RouterError::NotFinite`] for a
    /// context or parameters with NaN or infinities.
    pub fn route(
        &mut self,
        peers: &[PublicKey],
        context: &Tensor,
        inputs: &Tensor,
    ) -> Result<(Vec<Tensor>, Routes), RouterError> {
        self.route_trying(None, peers, context, inputs)
    }

    /// As [`Router::route`], with every row sent to the peer at position `tried` besides: it takes the place of the worst of those
    /// selected, and counts for what its gate is worth beside theirs.
    ///
    /// Only peers that are asked show whether they help. Where there are more than `topk`, one whose first key happens to
    /// be unfavourable would never be, however good it is.
    ///
    /// # Errors
    ///
    /// As [`Router::route`].
    ///
    /// # Panics
    ///
    /// If there is no such position among the peers.
    pub fn route_trying(
        &mut self,
        tried: Option<usize>,
        peers: &[PublicKey],
        context: &Tensor,
        inputs: &Tensor,
    ) -> Result<(Vec<Tensor>, Routes), RouterError> {
        assert!(tried.is_none_or(|tried| tried < peers.len()), "{tried:?}");
        let batch = match context.size()[..] {
            [batch, x_dim] if x_dim == self.config.x_dim => batch,
            _ => {
                return Err(RouterError::Context {
                    x_dim: self.config.x_dim,
                    arrived: context.size(),
                });
            }
        };
        if inputs.size().first() != Some(&batch) {
            return Err(RouterError::Inputs {
                batch,
                arrived: inputs.size(),
            });
        }
        let queries = self.gate.forward(&context.to_device(self.device));
        let scale = (self.config.key_dim as f64).sqrt();
        let scores = queries.matmul(&self.keys.of(peers).tr()) / scale;
        let routes = Routes::select(peers, &scores, self.config.topk, tried)?;
        Ok((requests(&routes, 0, inputs), routes))
    }

    /// Finds a way around the peers that failed: the rows that they got go to those that would have been asked if they had not
    /// been there. Gates are as they would have been then; what the others answered counts on.
    ///
    /// Where there is one, every peer is twice in it: as it was asked, then with what it is sent besides, which is returned. So the
    /// responses to be joined are those that there are, followed by those to come. Peers that failed again count as failed.
    ///
    /// None where nobody is left to be asked, and of routes that are such a way themselves.
    ///
    /// # Shapes
    ///
    /// `has_failed`: one for each peer of the routes; `inputs`: as they were routed; each request: `[rows_j, ..]`
    ///
    /// # Errors
    ///
    /// [`RouterError::Responses`] if `has_failed` is of other routes.
    pub fn reroute(
        &self,
        routes: &Routes,
        has_failed: &[bool],
        inputs: &Tensor,
    ) -> Result<Option<(Vec<Tensor>, Routes)>, RouterError> {
        let n_peers = routes.peers().len();
        if has_failed.len() != n_peers {
            return Err(RouterError::Responses {
                expected: n_peers,
                arrived: has_failed.len(),
            });
        }
        let around = routes.around(has_failed)?;
        Ok(around.map(|around| (requests(&around, n_peers, inputs), around)))
    }

    /// Puts the answers back in their places, weighted by the gates. Differentiable in the gates and in the answers.
    ///
    /// A peer that failed (`None`) contributes zero and its gates are reported as
    /// [lost](Joined::lost_gate_mass); the others are not scaled up. What a peer without rows answers is ignored.
    ///
    /// # Shapes
    ///
    /// `responses`: one for each peer of the routes, `[rows_j, ..response_shape]`; result: `[batch, ..response_shape]`
    ///
    /// # Errors
    ///
    /// [`RouterError::Responses`] and [`RouterError::ResponseShape`].
    pub fn join(
        &self,
        routes: &Routes,
        responses: &[Option<Tensor>],
        response_shape: &[i64],
    ) -> Result<Joined, RouterError> {
        Joined::combine(routes, responses, response_shape, Loudness::Given)
    }

    /// As [`Router::join`], of answers that are equally loud: each encoding, along the last axis, is
    /// divided by its root mean square first.
    ///
    /// Peers choose the scale of what they answer. Summed as they are given, a loud answer drowns the others and moves the
    /// gates by its scale instead of its worth, and one of noise that is small passes for an honest silence.
    ///
    /// # Errors
    ///
    /// As [`Router::join`].
    pub fn join_level(
        &self,
        routes: &Routes,
        responses: &[Option<Tensor>],
        response_shape: &[i64],
    ) -> Result<Joined, RouterError> {
        Joined::combine(routes, responses, response_shape, Loudness::Level)
    }

    /// Forgets the keys of all peers but these, and returns the names of the parameters that are gone, for the optimiser
    /// to forget as well. A peer that returns later starts from its first key.
    pub fn retain(&mut self, peers: &[PublicKey]) -> Vec<String> {
        self.keys.retain(peers)
    }

    /// `router.gate.weight`, `router.gate.bias`, and `router.keys.<hotkey>` for every peer seen.
    pub fn parameters(&self) -> Parameters {
        let mut parameters = Parameters::new();
        self.gate.list("router.gate", &mut parameters);
        self.keys.list(&mut parameters);
        parameters
    }

    /// Takes over the stored gate and the stored keys; peers that are not stored are forgotten.
    ///
    /// # Errors
    ///
    /// If something of the gate is missing, a width differs, or a key is not stored by hotkey. Nothing is changed then.
    pub fn load(&mut self, stored: &Parameters) -> Result<(), ParametersError> {
        let mut gate = Parameters::new();
        self.gate.list("router.gate", &mut gate);
        let keys = self.keys.read(stored)?;
        parameters::load(&gate, stored)?;
        self.keys = keys;
        Ok(())
    }
}

/// The rows of each peer of these routes from that position on.
fn requests(routes: &Routes, first: usize, inputs: &Tensor) -> Vec<Tensor> {
    let select = |peer| {
        let rows = Tensor::from_slice(routes.rows(peer)).to_device(inputs.device());
        inputs.index_select(0, &rows)
    };
    (first..routes.peers().len()).map(select).collect()
}

/// Why a batch cannot be routed or joined.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// The context does not fit the gate.
    #[error("the router takes a context of [batch, {x_dim}], not {arrived:?}")]
    Context {
        /// The width the router was built for.
        x_dim: i64,
        /// The context's shape.
        arrived: Vec<i64>,
    },
    /// Inputs and context are of different batches.
    #[error("the context has {batch} rows, the inputs are {arrived:?}")]
    Inputs {
        /// Rows of the context.
        batch: i64,
        /// The inputs' shape.
        arrived: Vec<i64>,
    },
    /// Gates came out as NaN.
    #[error(
        "the gates are not finite: the context or the router's parameters hold NaN or infinities"
    )]
    NotFinite,
    /// Not one answer, or none, for each peer.
    #[error("{expected} peers were routed to, {arrived} answers are to be joined")]
    Responses {
        /// Peers of the routes.
        expected: usize,
        /// Answers given.
        arrived: usize,
    },
    /// A peer answered in another shape.
    #[error("{peer} answered with {arrived:?} where {expected:?} was asked for")]
    ResponseShape {
        /// Who answered.
        peer: PublicKey,
        /// What was asked for.
        expected: Vec<i64>,
        /// What arrived.
        arrived: Vec<i64>,
    },
    /// A peer told of a class that there is not.
    #[error("{peer} told of classes, not all of which are in 0..{n_classes}")]
    Class {
        /// Who told.
        peer: PublicKey,
        /// How many there are.
        n_classes: i64,
    },
    /// libtorch failed.
    #[error(transparent)]
    Torch(#[from] TchError),
}

#[cfg(test)]
mod tests;
