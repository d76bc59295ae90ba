//! What a batch gives: the branches of a synapse and their losses.

use tch::Tensor;

use super::perception::TargetLoss;
use crate::loss;

/// The three branches of a synapse over one batch.
///
/// 1. The **student** imitates what the network says, from the inputs alone.
/// 2. The **local** branch is the model with the student as context: what peers are served.
/// 3. The **network** branch is the same model with the network as context. Absent without a network.
///
/// Losses are absent without what they compare: the target losses without labels, the network's and the distillation
/// loss without a network.
///
/// # Gradients
///
/// The student is held constant in the local branch, so that it learns from distillation only; the network is held
/// constant in the distillation loss only. In the network branch it is not: through it the router, and each
/// [answer of a peer](crate::router::Joined::gradient), get their gradients. (The origin held it constant there too, and
/// its router never learnt.)
#[derive(Debug)]
pub struct SynapseOutput {
    /// Encoding of the inputs with the student as context, `[batch, .., d_model]`.
    pub local_output: Tensor,
    /// Log-probabilities from the local encoding, `[batch, .., n_classes]`.
    pub local_target: Tensor,
    /// Negative log-likelihood of the labels under the local branch: of the targets, and of the next sentence where there is one.
    pub local_target_loss: Option<Tensor>,
    /// The part of it that is of the next sentence, of which peers say nothing; none where texts are no pairs.
    pub local_next_sentence_loss: Option<Tensor>,
    /// Encoding of the inputs with the network as context, `[batch, .., d_model]`.
    pub network_output: Option<Tensor>,
    /// Log-probabilities from the network encoding, `[batch, .., n_classes]`.
    pub network_target: Option<Tensor>,
    /// Negative log-likelihood of the labels under the network branch.
    pub network_target_loss: Option<Tensor>,
    /// Mean squared difference between the student and the network; among peers that
    /// [predict](crate::codistillation::conclude), the cross entropy with their predictions.
    pub distillation_loss: Option<Tensor>,
    /// What is minimised: the sum of the losses that exist, with coefficients of one, and none if none does; among peers that
    /// predict, as [`codistillation`](crate::codistillation) has it.
    pub loss: Option<Tensor>,
}

impl SynapseOutput {
    /// The local branch alone.
    pub(super) fn local(
        local_output: Tensor,
        local_target: Tensor,
        loss: Option<TargetLoss>,
    ) -> SynapseOutput {
        let local_target_loss = loss.as_ref().map(TargetLoss::total);
        SynapseOutput {
            loss: local_target_loss.as_ref().map(Tensor::shallow_clone),
            local_output,
            local_target,
            local_target_loss,
            local_next_sentence_loss: loss.and_then(|loss| loss.next_sentence),
            network_output: None,
            network_target: None,
            network_target_loss: None,
            distillation_loss: None,
        }
    }

    /// The negative log-likelihood of the targets under the local branch, of nothing else: what is comparable with a measurement.
    pub fn local_nll(&self) -> Option<f64> {
        let total = self.local_target_loss.as_ref()?.double_value(&[]);
        let next_sentence = self.local_next_sentence_loss.as_ref();
        Some(total - next_sentence.map_or(0.0, |loss| loss.double_value(&[])))
    }

    /// With the network branch and the student's distance from the network.
    pub(super) fn with_network(
        self,
        network_output: Tensor,
        network_target: Tensor,
        network_target_loss: Option<Tensor>,
        distillation_loss: Tensor,
    ) -> SynapseOutput {
        SynapseOutput {
            loss: loss::total([
                self.local_target_loss.as_ref(),
                network_target_loss.as_ref(),
                Some(&distillation_loss),
            ]),
            network_output: Some(network_output),
            network_target: Some(network_target),
            network_target_loss,
            distillation_loss: Some(distillation_loss),
            ..self
        }
    }
}
