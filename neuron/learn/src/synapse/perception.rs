//! What a synapse makes of a batch before the network is asked, and what it makes of both.

use tch::Tensor;

use super::{SynapseError, SynapseOutput, expect_shape};
use crate::loss;

/// What a synapse makes of a batch by itself.
///
/// Everything that costs much is in here, once: the router reads the context, and both branches go on from the features.
#[derive(Debug)]
pub struct Perception {
    /// What the router routes by, `[batch, d_context]`.
    pub context: Tensor,
    /// What both branches begin with, as the model has it.
    pub(super) features: Tensor,
    /// What the network would say, as far as the student knows, `[batch, d_model]`.
    pub(super) student: Tensor,
    /// Encoding with the student, held constant, as context, `[batch, d_model]`.
    pub(super) local_output: Tensor,
}

/// A model whose branches differ in nothing but their context.
pub(super) trait Branches {
    /// The encoding, whoever the context is from: one function for the local and the network branch.
    ///
    /// # Shapes
    ///
    /// `features`: as the model has them, `context`: `[batch, d_model]` → `[batch, d_model]`
    fn encoding(&self, features: &Tensor, context: &Tensor) -> Tensor;

    /// Log-probabilities of the classes.
    ///
    /// # Shapes
    ///
    /// `[batch, d_model]` → `[batch, n_classes]`, f32
    fn target(&self, encoding: &Tensor) -> Tensor;

    /// The model with the student, held constant, as context.
    fn local(&self, features: &Tensor, student: &Tensor) -> Tensor {
        self.encoding(features, &student.detach())
    }

    /// Both branches and their losses, as [`Synapse::conclude`](super::Synapse::conclude) has it.
    fn branches(
        &self,
        perception: &Perception,
        labels: Option<&Tensor>,
        network: Option<&Tensor>,
    ) -> Result<SynapseOutput, SynapseError> {
        let encoding = &perception.local_output;
        if let Some(labels) = labels {
            expect_shape("labels", labels, &encoding.size()[..1])?;
        }
        if let Some(network) = network {
            expect_shape("network context", network, &encoding.size())?;
        }
        let labels = labels.map(|labels| labels.to_device(encoding.device()));
        let network = network.map(|network| network.to_device(encoding.device()));

        let local_target = self.target(encoding);
        let local = SynapseOutput::local(encoding.shallow_clone(), local_target, labels.as_ref())?;
        let Some(network) = network else {
            return Ok(local);
        };
        let network_output = self.encoding(&perception.features, &network);
        let network_target = self.target(&network_output);
        let distillation_loss = loss::distillation(&perception.student, &network)?;
        Ok(local.with_network(
            network_output,
            network_target,
            distillation_loss,
            labels.as_ref(),
        )?)
    }
}
