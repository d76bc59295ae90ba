//! How good the model is, on examples that nobody trained on.

use neuron_learn::{
    events,
    loss::{self, IGNORED},
    source::Batch,
    synapse::Mode,
};
use tch::{Kind, Tensor, no_grad_guard};

use super::{TrainError, Trainer, consultation::Consultation};

/// A mean over what is to be told, which comes in batches.
#[derive(Default)]
struct Mean {
    sum: f64,
    n: f64,
}

impl Mean {
    fn add(&mut self, mean: f64, n: f64) {
        self.sum += mean * n;
        self.n += n;
    }

    fn get(&self) -> Option<f64> {
        (self.n > 0.0).then(|| self.sum / self.n)
    }
}

/// Loss and accuracy of one branch.
#[derive(Default)]
struct Branch {
    loss: Mean,
    accuracy: Mean,
}

impl Branch {
    fn add(&mut self, target: &Tensor, labels: &Tensor) -> Result<(), TrainError> {
        let n = labels.ne(IGNORED).sum(Kind::Double).double_value(&[]);
        let loss = loss::nll(target, labels)?.double_value(&[]);
        self.loss.add(loss, n);
        self.accuracy.add(loss::accuracy(target, labels), n);
        Ok(())
    }

    /// This branch if it told as much as the other, or one that told nothing: only then can they be compared.
    fn beside(self, other: &Branch) -> Branch {
        match self.loss.n == other.loss.n {
            true => self,
            false => Branch::default(),
        }
    }
}

impl Trainer {
    /// Runs the model over the held-out examples: alone, and with the network where others answer.
    pub(super) fn evaluate(&mut self) -> Result<events::Evaluation, TrainError> {
        let _no_grad = no_grad_guard();
        let (mut local, mut network) = (Branch::default(), Branch::default());
        let limit = self.config.evaluated.unwrap_or(usize::MAX);
        let device = self.synapse.device();
        let imitation = self.need.share(self.config.imitation);
        let Self {
            synapse,
            router,
            peers,
            config,
            ..
        } = self;
        let synapse = synapse.as_ref();
        for batch in self.held_out.in_order().take(limit) {
            let Batch { inputs, labels } = batch?.to_device(device);
            let output = config.precision.forward(|| {
                let perception = synapse.perceive(&inputs, Mode::Evaluation)?;
                let Some(network) = peers.as_ref().filter(|network| network.has_others()) else {
                    return Ok(synapse.conclude(&perception, Some(&labels), None)?);
                };
                let context = &perception.context;
                let said = Consultation::hold(network, router, &inputs, context, device, None)?;
                said.conclude(synapse, &perception, &labels, imitation)
            });
            let output = output?;
            local.add(&output.local_target, &labels.targets)?;
            if let Some(target) = &output.network_target {
                network.add(target, &labels.targets)?;
            }
        }
        let network = network.beside(&local);
        Ok(events::Evaluation {
            step: self.step,
            local_loss: local.loss.get().unwrap_or(f64::NAN),
            local_accuracy: local.accuracy.get().unwrap_or(f64::NAN),
            network_loss: network.loss.get(),
            network_accuracy: network.accuracy.get(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branch(batches: usize) -> Branch {
        let target = Tensor::from_slice2(&[[-0.1f32, -2.4], [-0.1, -2.4]]);
        let labels = Tensor::from_slice(&[0i64, 1]);
        let mut branch = Branch::default();
        (0..batches).for_each(|_| branch.add(&target, &labels).unwrap());
        branch
    }

    #[test]
    fn branches_are_compared_over_the_same_examples_only() {
        let local = branch(3);
        assert_eq!(branch(3).beside(&local).accuracy.get(), Some(0.5));
        assert_eq!(branch(2).beside(&local).accuracy.get(), None);
        assert_eq!(branch(2).beside(&local).loss.get(), None);
    }
}
