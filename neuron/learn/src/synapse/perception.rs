//! What a synapse makes of a batch before the network is asked, and what it makes of both.

use tch::{TchError, Tensor};

use super::{Labels, SynapseError, SynapseOutput, expect_shape};
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
    /// What the network would say, as far as the student knows, `[batch, .., d_model]`.
    pub(super) student: Tensor,
    /// Encoding with the student, held constant, as context, `[batch, .., d_model]`.
    pub(super) local_output: Tensor,
    /// Where there is something to encode and not padding, `[batch, ..]`, bool; none if that is everywhere.
    pub(super) real: Option<Tensor>,
}

impl Perception {
    /// An encoding that is zero where there is nothing.
    fn blanked(&self, encoding: Tensor) -> Tensor {
        match &self.real {
            Some(real) => encoding * real.unsqueeze(-1),
            None => encoding,
        }
    }

    /// How far the student is from the network, where there is something.
    fn distillation(&self, network: &Tensor) -> Result<Tensor, TchError> {
        match &self.real {
            Some(real) => loss::distillation_where(&self.student, network, real),
            None => loss::distillation(&self.student, network),
        }
    }
}

/// What a branch learns from its labels.
#[derive(Debug)]
pub(super) struct TargetLoss {
    /// Of its targets.
    pub(super) targets: Tensor,
    /// Of whether the second sentence is the next one, where texts are pairs.
    pub(super) next_sentence: Option<Tensor>,
}

impl TargetLoss {
    /// Both together, with coefficients of one.
    pub(super) fn total(&self) -> Tensor {
        match &self.next_sentence {
            Some(next_sentence) => &self.targets + next_sentence,
            None => self.targets.shallow_clone(),
        }
    }
}

/// A model whose branches differ in nothing but their context.
pub(super) trait Branches {
    /// The encoding, whoever the context is from: one function for the local and the network branch.
    ///
    /// # Shapes
    ///
    /// `features`: as the model has them, `context`: `[batch, .., d_model]` → `[batch, .., d_model]`
    fn encoding(&self, features: &Tensor, context: &Tensor) -> Tensor;

    /// Log-probabilities of the classes.
    ///
    /// # Shapes
    ///
    /// `[batch, .., d_model]` → `[batch, .., n_classes]`, f32
    fn target(&self, encoding: &Tensor) -> Tensor;

    /// What the branch learns from, whoever the context is from.
    ///
    /// # Shapes
    ///
    /// `encoding`: `[batch, .., d_model]`, `target`: `[batch, .., n_classes]` → scalars
    fn target_loss(
        &self,
        _encoding: &Tensor,
        target: &Tensor,
        labels: &Labels,
    ) -> Result<TargetLoss, SynapseError> {
        Ok(TargetLoss {
            targets: loss::nll(target, &labels.targets)?,
            next_sentence: None,
        })
    }

    /// The model with the student, held constant, as context.
    fn local(&self, features: &Tensor, student: &Tensor) -> Tensor {
        self.encoding(features, &student.detach())
    }

    /// Both branches and their losses, as [`Synapse::conclude`](super::Synapse::conclude) has it.
    fn branches(
        &self,
        perception: &Perception,
        labels: Option<&Labels>,
        network: Option<&Tensor>,
    ) -> Result<SynapseOutput, SynapseError> {
        let encoding = &perception.local_output;
        let size = encoding.size();
        if let Some(labels) = labels {
            expect_shape("labels", &labels.targets, &size[..size.len() - 1])?;
        }
        if let Some(network) = network {
            expect_shape("network context", network, &size)?;
        }
        let labels = labels.map(|labels| labels.to_device(encoding.device()));
        let network = network.map(|network| network.to_device(encoding.device()));
        let loss = |encoding: &Tensor, target: &Tensor| {
            let labels = labels.as_ref();
            labels
                .map(|labels| self.target_loss(encoding, target, labels))
                .transpose()
        };

        let local_target = self.target(encoding);
        let local_loss = loss(encoding, &local_target)?;
        let local = SynapseOutput::local(encoding.shallow_clone(), local_target, local_loss);
        let Some(network) = network else {
            return Ok(local);
        };
        let network_output = perception.blanked(self.encoding(&perception.features, &network));
        let network_target = self.target(&network_output);
        let network_loss = loss(&network_output, &network_target)?.map(|loss| loss.total());
        let distillation_loss = perception.distillation(&network)?;
        Ok(local.with_network(
            network_output,
            network_target,
            network_loss,
            distillation_loss,
        ))
    }
}
