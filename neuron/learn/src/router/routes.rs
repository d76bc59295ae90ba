//! Which rows of a batch go to which peer, and how much each answer will count.

use neuron_wallet::PublicKey;
use tch::{Device, Kind, Tensor};

use super::RouterError;

/// The way of one batch through the network.
///
/// Holds for the batch it was made for: [`join`](super::Router::join) needs it to put the answers back in their places.
#[derive(Debug)]
pub struct Routes {
    peers: Vec<PublicKey>,
    /// `[batch, n_peers]`
    gates: Tensor,
    /// For every peer, the rows it gets, in increasing order.
    rows: Vec<Vec<i64>>,
    /// Of what they were chosen. None once a way around peers was found: there is no second.
    choice: Option<Choice>,
}

/// What peers are chosen by.
///
/// # Shapes
///
/// both: `[batch, n_peers]`
#[derive(Debug)]
struct Choice {
    /// What gates are made of.
    scores: Tensor,
    /// Who is chosen: those with the most.
    preferences: Tensor,
    topk: i64,
}

impl Routes {
    /// Gates from scores: a softmax over the `topk` best peers of each row, exactly zero for all others. The peer at position
    /// `tried` is selected for every row, whatever its score.
    ///
    /// # Shapes
    ///
    /// `scores`: `[batch, n_peers]`, n_peers = `peers.len()`
    pub(super) fn select(
        peers: &[PublicKey],
        scores: &Tensor,
        topk: i64,
        tried: Option<usize>,
    ) -> Result<Routes, RouterError> {
        let preferences = scores.detach();
        let preferences = match tried {
            Some(tried) => {
                let column = Tensor::from(tried as i64).to_device(scores.device());
                preferences.index_fill(1, &column, f64::INFINITY)
            }
            None => preferences,
        };
        let choice = Choice {
            scores: scores.shallow_clone(),
            preferences,
            topk,
        };
        let (gates, rows) = choice.among(peers.len())?;
        Ok(Routes {
            peers: peers.to_vec(),
            gates,
            rows,
            choice: Some(choice),
        })
    }

    /// The way around peers that failed: their places among the `topk` go to the next best, as if they had not been there.
    ///
    /// Every peer is there twice: first as it was asked, with the rows that it got, then with those that it gets besides. A gate
    /// is at the place that was asked about its row; those of peers that failed are zero.
    ///
    /// None where nobody is left to be asked, and of routes that are such a way themselves.
    pub(super) fn around(&self, has_failed: &[bool]) -> Result<Option<Routes>, RouterError> {
        let Some(choice) = &self.choice else {
            return Ok(None);
        };
        let (peers, choice) = (&self.peers, choice.without(has_failed));
        let n_left = has_failed.iter().filter(|failed| !**failed).count();
        let (gates, mut rows) = choice.among(n_left)?;
        for (rows, asked) in rows.iter_mut().zip(&self.rows) {
            rows.retain(|row| asked.binary_search(row).is_err());
        }
        if rows.iter().all(Vec::is_empty) {
            return Ok(None);
        }
        let was_asked = self.was_asked();
        let (first, then) = (&gates * &was_asked, &gates * was_asked.logical_not());
        Ok(Some(Routes {
            peers: [&peers[..], &peers[..]].concat(),
            gates: Tensor::cat(&[first, then], 1),
            rows: [&self.rows[..], &rows[..]].concat(),
            choice: None,
        }))
    }

    /// Which peers get which rows, as a mask of `[batch, n_peers]`.
    fn was_asked(&self) -> Tensor {
        let everyone: Vec<usize> = (0..self.peers.len()).collect();
        let (_, of_gates) = self.index(&everyone);
        let nobody = self.gates.zeros_like().to_kind(Kind::Bool).reshape(-1);
        nobody
            .index_fill(0, &of_gates, 1)
            .reshape(self.gates.size())
    }

    /// The peers, in the order of the gates' columns.
    pub fn peers(&self) -> &[PublicKey] {
        &self.peers
    }

    /// How much each peer's answer counts for each row: the origin's `scores`.
    ///
    /// # Shapes
    ///
    /// `[batch, n_peers]`; rows sum to one, at most `topk` entries of each are positive and the others exactly zero.
    pub fn gates(&self) -> &Tensor {
        &self.gates
    }

    /// The rows of the batch that the peer at this position gets, in increasing order.
    ///
    /// # Panics
    ///
    /// If there is no such position among the [peers](Self::peers).
    pub fn rows(&self, peer: usize) -> &[i64] {
        &self.rows[peer]
    }

    /// Each peer's gate, averaged over the batch: what is blended into the weight row.
    ///
    /// Sums to one over the peers, unless there are none or the batch is empty (all zero).
    pub fn mean_gates(&self) -> Vec<f64> {
        let n_rows = self.gates.size()[0].max(1);
        let sums = self
            .gates
            .detach()
            .sum_dim_intlist(0i64, false, Kind::Double);
        let sums: Vec<f64> = (&sums.to_device(Device::Cpu))
            .try_into()
            .expect("one dimension of doubles, as requested above");
        sums.into_iter().map(|sum| sum / n_rows as f64).collect()
    }

    /// The gates of the peers that did not answer, summed for each row.
    ///
    /// # Shapes
    ///
    /// `has_answered`: one for each peer; result: `[batch]`, each in 0..=1, without gradient
    pub fn lost_gate_mass(&self, has_answered: &[bool]) -> Tensor {
        let gates = self.gates.detach();
        let failed = has_answered
            .iter()
            .map(|&answered| if answered { 0.0 } else { 1.0 });
        let failed: Vec<f32> = failed.collect();
        gates.matmul(&Tensor::from_slice(&failed).to_device(gates.device()))
    }

    /// The same averaged over the batch, in 0..=1; 0 for an empty batch.
    pub fn mean_lost_gate_mass(&self, has_answered: &[bool]) -> f64 {
        let lost = self.lost_gate_mass(has_answered);
        lost.sum(Kind::Double).double_value(&[]) / lost.numel().max(1) as f64
    }

    /// The rows of all peers among these positions, as one index: first of the batch, then of the flattened gates.
    pub(crate) fn index(&self, answered: &[usize]) -> (Tensor, Tensor) {
        let n_peers = self.peers.len() as i64;
        let (mut of_batch, mut of_gates) = (Vec::new(), Vec::new());
        for &peer in answered {
            of_batch.extend_from_slice(&self.rows[peer]);
            of_gates.extend(
                self.rows[peer]
                    .iter()
                    .map(|row| row * n_peers + peer as i64),
            );
        }
        let device = self.gates.device();
        (
            Tensor::from_slice(&of_batch).to_device(device),
            Tensor::from_slice(&of_gates).to_device(device),
        )
    }
}

impl Choice {
    /// Gates and rows of the best of so many peers.
    fn among(&self, n_peers: usize) -> Result<(Tensor, Vec<Vec<i64>>), RouterError> {
        let scores = &self.scores;
        let n_chosen = self.topk.min(n_peers as i64);
        let (_, columns) = self.preferences.topk(n_chosen, 1, true, true);
        // g_bj = exp(s_bj) / Σ_i exp(s_bi), i over the chosen
        let weights = scores.gather(1, &columns, false).softmax(-1, Kind::Float);
        let gates = Tensor::zeros(scores.size(), (Kind::Float, scores.device()))
            .scatter(1, &columns, &weights);
        let rows = dispatch(self.scores.size()[1], n_chosen, &columns, &weights)?;
        Ok((gates, rows))
    }

    /// The same, in which these are the worst.
    fn without(&self, has_failed: &[bool]) -> Choice {
        let failed = (0..).zip(has_failed).filter(|(_, failed)| **failed);
        let failed: Vec<i64> = failed.map(|(column, _)| column).collect();
        let failed = Tensor::from_slice(&failed).to_device(self.preferences.device());
        Choice {
            scores: self.scores.shallow_clone(),
            preferences: self.preferences.index_fill(1, &failed, f64::NEG_INFINITY),
            topk: self.topk,
        }
    }
}

/// Gives every peer the rows that selected it. A gate that underflows to zero asks nothing of its peer.
///
/// # Shapes
///
/// `columns`, `weights`: `[batch, n_chosen]`
fn dispatch(
    n_peers: i64,
    n_chosen: i64,
    columns: &Tensor,
    weights: &Tensor,
) -> Result<Vec<Vec<i64>>, RouterError> {
    let mut rows: Vec<Vec<i64>> = (0..n_peers).map(|_| Vec::new()).collect();
    let columns = Vec::<i64>::try_from(columns.reshape(-1))?;
    let weights = Vec::<f32>::try_from(weights.detach().reshape(-1))?;
    for ((position, column), weight) in (0..).zip(columns).zip(weights) {
        if !weight.is_finite() {
            return Err(RouterError::NotFinite);
        }
        if weight > 0.0 {
            let column = usize::try_from(column).expect("topk returns positions");
            rows[column].push(position / n_chosen);
        }
    }
    Ok(rows)
}
