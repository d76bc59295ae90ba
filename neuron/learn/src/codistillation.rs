//! Codistillation: neurons that learn from each other's predictions, beside their labels.
//!
//! Every neuron has another shard and other first weights, so their mistakes differ, and what they predict together is
//! better than what most of them predict alone. Encodings cannot be added up like that: each neuron has its own, and who
//! hears them has to learn what they mean. Classes mean the same to all.
//!
//! ```text
//! p_j      = softmax(what peer j told)                            a peer's words are a distribution, whatever it sent; of a peer
//!                                                                 that told its likeliest classes, completed: join_likeliest
//! p_peers  = Σ_j g_j·p_j / Σ_j g_j                                over those that answered; g are the router's gates
//! p_net    = (Σ_j g_j·p_j + v·p_own) / (Σ_j g_j + v)              v = 1 / peers of the row: one voice among them
//! loss     = (1 − α)·target loss − α·Σ p_peers·ln p_own − ln p_net(label) + β·KL(g ‖ equal gates)
//! ```
//!
//! The first two terms move the model: labels, and what peers think of the classes that are not the right one. What it learns
//! beside, such as whether a sentence is the next one, peers say nothing of: that loss is added as it is. The last two terms
//! move the router only, since `p_own` is held constant there: gates grow for peers whose predictions are better than what is
//! known without them, which is what the neuron pays them for. They grow until
//!
//! ```text
//! g_j ∝ exp(u_j / β)        u_j = −∂(−ln p_net(label)) / ∂g_j = p_j(label) / (Σ g·p + v·p_own)(label) · const
//! ```
//!
//! so that a peer that knows nothing (u about 0, where others have about 1) gets next to nothing, and two that are nearly as good
//! nearly the same. Without β, the best by a hair would in time get everything, and with it all that they know who are wrong
//! elsewhere than it is.
//!
//! R. Anil and others, *Large scale distributed neural network training through online distillation*, 2018; Y. Zhang and
//! others, *Deep mutual learning*, 2018. Both have every model hear every other; here, the router chooses.

mod completion;
mod need;

use tch::{Kind, Tensor};

use crate::{
    loss,
    router::{Joined, Router, RouterError, Routes},
    synapse::{Labels, SynapseError, SynapseOutput, expect_shape},
};

pub use self::{completion::join_likeliest, need::Need};

/// β: the utility, in nats of loss for a whole gate, that makes a gate e times as large.
const TEMPERATURE: f64 = 0.25;

/// Below this probability, of something that nobody holds possible, the router learns nothing more.
const SMALLEST: f64 = 1e-9;

/// Puts together what peers [told](crate::synapse::Synapse::local_target): the gate-weighted sum of their probabilities.
///
/// Whatever a peer sent, a softmax makes a distribution of it: nobody is heard more by shouting.
///
/// # Shapes
///
/// `responses`: one for each peer of the routes, `[rows_j, ..response_shape]`, classes along the last axis, finite; result:
/// `[batch, ..response_shape]`
///
/// # Errors
///
/// As [`Router::join`].
pub fn join(
    router: &Router,
    routes: &Routes,
    responses: &[Option<Tensor>],
    response_shape: &[i64],
) -> Result<Joined, RouterError> {
    let probabilities: Vec<Option<Tensor>> = responses
        .iter()
        .map(|response| Some(response.as_ref()?.softmax(-1, Kind::Float)))
        .collect();
    router.join(routes, &probabilities, response_shape)
}

/// What a neuron makes of a batch that it concluded alone, among peers that told what they think of it.
///
/// `told`: as [`join`] or [`join_likeliest`] gave it for these routes. `imitation`: α above, in `0..=1`, the share of the local loss that peers have:
/// see [`Need`].
///
/// The network branch of the result has no encoding; its distillation loss is how far the local branch is from its peers, the
/// cross entropy without α.
///
/// # Errors
///
/// [`SynapseError::Shape`] if `told` is of another batch or of other classes.
pub fn conclude(
    alone: SynapseOutput,
    routes: &Routes,
    told: &Joined,
    labels: Option<&Labels>,
    imitation: f64,
) -> Result<SynapseOutput, SynapseError> {
    let local = &alone.local_target;
    let shape = local.size();
    let sum = told.context().to_device(local.device());
    expect_shape("what peers told", &sum, &shape)?;
    let of_each_row = |tensor: Tensor| {
        let mut column = vec![1; shape.len()];
        column[0] = -1;
        tensor.to_device(local.device()).reshape(&column)
    };
    let heard = of_each_row(1.0 - told.lost_gate_mass());
    let n_asked = routes
        .gates()
        .gt(0.0)
        .sum_dim_intlist(-1i64, false, Kind::Float);
    let n_asked = n_asked.clamp_min(1.0);
    let voice = of_each_row(n_asked.reciprocal());

    let own = local.detach().exp();
    let network = ((&sum + &own * &voice) / (&heard + &voice))
        .clamp_min(SMALLEST)
        .log();
    let (network_loss, imitated) = match labels {
        None => (None, None),
        Some(labels) => {
            let targets = labels.targets.to_device(local.device());
            // A row that nobody answered is imitated as it is, which moves nothing.
            let peers = (sum.detach() / heard.clamp_min(SMALLEST)).where_self(&heard.gt(0.0), &own);
            (
                Some(loss::nll(&network, &targets)?),
                Some(loss::imitation(local, &peers, &targets)?),
            )
        }
    };
    let learned = imitated
        .as_ref()
        .and_then(|imitated| mixed(&alone, imitated, imitation));
    let uneven = inequality(routes.gates(), &n_asked).to_device(local.device());
    let loss = learned
        .zip(network_loss.as_ref())
        .map(|(learned, network)| learned + network + uneven * TEMPERATURE);
    Ok(SynapseOutput {
        loss,
        network_output: None,
        network_target: Some(network),
        network_target_loss: network_loss,
        distillation_loss: imitated,
        ..alone
    })
}

/// What moves the model: its loss by the labels, of which that of the targets gives this share to what is imitated. None
/// without labels.
fn mixed(alone: &SynapseOutput, imitated: &Tensor, share: f64) -> Option<Tensor> {
    let of_labels = alone.local_target_loss.as_ref()?;
    // (1 − α)·targets + α·imitated + next = (1 − α)·(targets + next) + α·(imitated + next)
    let instead = match &alone.local_next_sentence_loss {
        Some(next_sentence) => imitated + next_sentence,
        None => imitated.shallow_clone(),
    };
    Some(of_labels * (1.0 - share) + instead * share)
}

/// `KL(g ‖ 1/n) = Σ_j g_j·ln(n·g_j)` of the gates of those that were asked, mean over the rows: 0 if all are the same.
///
/// # Shapes
///
/// `gates`: `[batch, n_peers]`, `n_asked`: `[batch]` → scalar
fn inequality(gates: &Tensor, n_asked: &Tensor) -> Tensor {
    let logs = (gates.clamp_min(SMALLEST) * n_asked.unsqueeze(-1)).log();
    let of_each_row = (gates * logs).sum_dim_intlist(-1i64, false, Kind::Float);
    of_each_row.mean(Kind::Float)
}

#[cfg(test)]
mod tests;
