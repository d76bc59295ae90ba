//! The answers of peers, put back together.

use tch::{Device, Kind, Tensor};

use super::{RouterError, Routes};

/// What the network says about a batch.
#[derive(Debug)]
pub struct Joined {
    context: Tensor,
    lost_gate_mass: Tensor,
    /// One leaf for every answer that counts.
    leaves: Vec<Option<Tensor>>,
}

/// How loud answers are when they are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loudness {
    /// As they were given.
    Given,
    /// Each encoding divided by its root mean square.
    Level,
}

/// Below this root mean square, an answer is silence rather than a whisper to be raised.
const SILENCE: f64 = 1e-6;

impl Joined {
    /// `out_b = Σ_j g_bj · response_j[b]` over the peers that answered.
    pub(super) fn combine(
        routes: &Routes,
        responses: &[Option<Tensor>],
        response_shape: &[i64],
        loudness: Loudness,
    ) -> Result<Joined, RouterError> {
        check(routes, responses, response_shape)?;
        let device = routes.gates().device();
        let leaves: Vec<Option<Tensor>> = (0..responses.len())
            .map(|peer| {
                let response = responses[peer].as_ref()?;
                (!routes.rows(peer).is_empty()).then(|| leaf(response, device))
            })
            .collect();
        Ok(Joined {
            context: weighted_sum(routes, &leaves, response_shape, loudness),
            lost_gate_mass: routes.lost_gate_mass(&has_answered(responses)),
            leaves,
        })
    }

    /// Of answers that were put together elsewhere, which get no gradients.
    pub(crate) fn of_sum(context: Tensor, lost_gate_mass: Tensor) -> Joined {
        Joined {
            context,
            lost_gate_mass,
            leaves: Vec::new(),
        }
    }

    /// The gate-weighted sum of the answers; zeros for rows that nobody answered.
    ///
    /// # Shapes
    ///
    /// `[batch, ..response_shape]`, f32
    pub fn context(&self) -> &Tensor {
        &self.context
    }

    /// The gates of the peers that failed, summed for each row. What was lost is not shared out among the others, so the
    /// context of a row is as much smaller.
    ///
    /// # Shapes
    ///
    /// `[batch]`, each in 0..=1, without gradient
    pub fn lost_gate_mass(&self) -> &Tensor {
        &self.lost_gate_mass
    }

    /// The loss's gradient at the answer of the peer at this position, once `backward()` has run: what its peer is sent.
    ///
    /// None if the peer was not asked, did not answer, or its answer did not reach the loss.
    ///
    /// # Shapes
    ///
    /// `[rows_j, ..response_shape]`, f32
    pub fn gradient(&self, peer: usize) -> Option<Tensor> {
        let gradient = self.leaves.get(peer)?.as_ref()?.grad();
        gradient.defined().then_some(gradient)
    }
}

/// One answer, none or `[rows_j, ..response_shape]`, for every peer.
fn check(
    routes: &Routes,
    responses: &[Option<Tensor>],
    response_shape: &[i64],
) -> Result<(), RouterError> {
    if responses.len() != routes.peers().len() {
        return Err(RouterError::Responses {
            expected: routes.peers().len(),
            arrived: responses.len(),
        });
    }
    for (position, response) in responses.iter().enumerate() {
        let n_rows = routes.rows(position).len() as i64;
        let expected: Vec<i64> = [&[n_rows], response_shape].concat();
        match response {
            Some(response) if response.size() != expected => {
                return Err(RouterError::ResponseShape {
                    peer: routes.peers()[position],
                    expected,
                    arrived: response.size(),
                });
            }
            _ => {}
        }
    }
    Ok(())
}

/// The answer as a leaf of the local graph: gradients end here, so that nothing a peer sends reaches local parameters
/// except through the loss.
fn leaf(response: &Tensor, device: Device) -> Tensor {
    response
        .detach()
        .to_device(device)
        .to_kind(Kind::Float)
        .set_requires_grad(true)
}

/// `x / rms(x)` for each encoding, that is, along the last axis, where `rms(x)² = mean(x²)`. Differentiable: the gradient at an answer is that of the answer
/// as it was given. (The form is that of RMSNorm, B. Zhang and R. Sennrich 2019, without its gain.)
fn level(answers: &Tensor) -> Tensor {
    if answers.dim() < 2 {
        return answers.shallow_clone();
    }
    let mean_square = answers.square().mean_dim(-1, true, Kind::Float);
    answers / (mean_square + SILENCE * SILENCE).sqrt()
}

fn weighted_sum(
    routes: &Routes,
    leaves: &[Option<Tensor>],
    response_shape: &[i64],
    loudness: Loudness,
) -> Tensor {
    let gates = routes.gates();
    let shape: Vec<i64> = [&gates.size()[..1], response_shape].concat();
    let zeros = Tensor::zeros(&shape, (Kind::Float, gates.device()));
    let answered: Vec<usize> = (0..leaves.len()).filter(|&j| leaves[j].is_some()).collect();
    if answered.is_empty() {
        return zeros;
    }
    let (of_batch, of_gates) = routes.index(&answered);
    let answers: Vec<&Tensor> = leaves.iter().flatten().collect();
    let answers = match loudness {
        Loudness::Given => Tensor::cat(&answers, 0),
        Loudness::Level => level(&Tensor::cat(&answers, 0)),
    };
    let mut column = vec![1; shape.len()];
    column[0] = -1;
    let gates = gates
        .reshape(-1)
        .index_select(0, &of_gates)
        .reshape(&column);
    zeros.index_add(0, &of_batch, &(answers * gates))
}

fn has_answered(responses: &[Option<Tensor>]) -> Vec<bool> {
    responses.iter().map(Option::is_some).collect()
}
