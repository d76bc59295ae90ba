//! One batch: what the network says of it, what the model makes of both, and what is learned from that.

use std::time::{Duration, Instant};

use neuron_learn::{
    dataset::{Batch, Position},
    events::{self, Event},
    parameters,
    synapse::{Mode, Synapse, SynapseOutput},
    tensor,
};

use super::{Serving, TrainError, Trainer, checkpoints::latest, consultation::Consultation};

/// Gradients of peers that are applied in one step, at most.
const GRADIENTS_PER_STEP: usize = 8;

/// Steps without finite gradients after which the model is given up for the last checkpoint.
const MAX_SPOILT_STEPS: u32 = 10;

impl Trainer {
    /// One batch.
    pub(super) fn step(&mut self) -> Result<(), TrainError> {
        let started = Instant::now();
        let (position, batch) = self.batches.draw();
        let precision = self.config.precision;
        let (said, output) = match precision.forward(|| self.forward(&batch)) {
            Err(error) if error.is_not_finite() => return self.spoilt(position, started.elapsed()),
            forward => forward?,
        };
        let loss = self.descend(&output)?;
        self.step += 1;
        if let (Some(said), Some(network)) = (&said, &self.peers) {
            if self.config.sends_gradients {
                said.send_gradients(network)?;
            }
            if said.is_with_others {
                self.opinions.blend(said.scores());
            }
        }
        self.tell(position, said.as_ref(), &output, loss, started.elapsed());
        Ok(())
    }

    /// What the network says about a batch, and what the model makes of both.
    fn forward(
        &mut self,
        batch: &Batch,
    ) -> Result<(Option<Consultation>, SynapseOutput), TrainError> {
        let perception = self.synapse.perceive(batch.images(), Mode::Training)?;
        let said = self.consult(batch.images(), &perception.context)?;
        // Where nobody answers, there is nothing to imitate: zeros would be learned as if somebody had said them.
        let answers = said.as_ref().filter(|said| said.is_answered());
        let network = answers.map(Consultation::context);
        let output = self
            .synapse
            .conclude(&perception, Some(&batch.labels().into()), network)?;
        Ok((said, output))
    }

    /// Moves the parameters, unless gradients are not finite. Gives the loss.
    fn descend(&mut self, output: &SynapseOutput) -> Result<f64, TrainError> {
        let loss = output
            .loss
            .as_ref()
            .expect("a batch of a dataset has labels");
        let parameters = self.parameters();
        let (synapse, serving) = (&self.synapse, &mut self.serving);
        let more = || apply_gradients(synapse.as_ref(), serving.as_mut());
        let has_moved = self.descent.descend(self.step, &parameters, loss, more)?;
        self.count(has_moved)?;
        Ok(loss.double_value(&[]))
    }

    /// A step in which the model gave numbers that are not finite: nobody can be asked with them, and nothing is learned.
    fn spoilt(&mut self, position: Position, elapsed: Duration) -> Result<(), TrainError> {
        self.count(false)?;
        self.step += 1;
        self.report.record(Event::Step(events::Step {
            step: self.step,
            epoch: position.epoch,
            loss: f64::NAN,
            local_loss: f64::NAN,
            network_loss: None,
            distillation_loss: None,
            n_peers: 0,
            n_ok: 0,
            lost_gate_mass: 0.0,
            step_ms: milliseconds(elapsed),
            remote_ms: 0.0,
        }));
        Ok(())
    }

    /// Counts a step that moved the parameters, or did not. Where too many did not, or what was learned is itself not finite
    /// any more, goes back to what was learned by the last checkpoint.
    fn count(&mut self, has_moved: bool) -> Result<(), TrainError> {
        self.spoilt_steps = if has_moved { 0 } else { self.spoilt_steps + 1 };
        let is_lost = !has_moved && !parameters::are_finite(&self.state());
        if is_lost || self.spoilt_steps >= MAX_SPOILT_STEPS {
            self.go_back()?;
        }
        Ok(())
    }

    /// Takes over what the latest checkpoint had learned. Steps and batches are not repeated, nor is what spoilt it.
    pub(super) fn go_back(&mut self) -> Result<(), TrainError> {
        let (path, checkpoint) = latest(&self.folder)?.ok_or(TrainError::Diverged)?;
        tracing::warn!(step = self.step, path = %path.display(), "the model has diverged: back to the last checkpoint");
        self.restore(&checkpoint)?;
        self.spoilt_steps = 0;
        Ok(())
    }

    fn tell(
        &mut self,
        position: Position,
        said: Option<&Consultation>,
        output: &SynapseOutput,
        loss: f64,
        elapsed: Duration,
    ) {
        let value =
            |tensor: &Option<tch::Tensor>| tensor.as_ref().map(|tensor| tensor.double_value(&[]));
        let others = said.filter(|said| said.is_with_others);
        self.report.record(Event::Step(events::Step {
            step: self.step,
            epoch: position.epoch,
            loss,
            local_loss: value(&output.local_target_loss).unwrap_or(f64::NAN),
            network_loss: value(&output.network_target_loss),
            distillation_loss: value(&output.distillation_loss),
            n_peers: others.map_or(0, |said| said.calls().count()),
            n_ok: others.map_or(0, |said| {
                said.calls()
                    .filter(|(outcome, _)| outcome.is_success())
                    .count()
            }),
            lost_gate_mass: said.map_or(0.0, Consultation::lost_gate_mass),
            step_ms: milliseconds(elapsed),
            remote_ms: said.map_or(0.0, |said| milliseconds(said.remote)),
        }));
        if let Some(said) = said {
            let outcomes = said.calls().map(|(outcome, rows)| events::Call {
                uid: outcome.peer.uid,
                hotkey: outcome.peer.hotkey,
                code: outcome.code.to_string(),
                ms: milliseconds(outcome.elapsed),
                rows,
            });
            let (step, outcomes) = (self.step, outcomes.collect());
            self.report
                .record(Event::Calls(events::Calls { step, outcomes }));
        }
    }
}

/// Adds what peers sent to the gradients of this step. What does not fit the model is dropped: it is from strangers.
fn apply_gradients(synapse: &dyn Synapse, serving: Option<&mut Serving>) -> Result<(), TrainError> {
    let Some(gradients) = serving.and_then(|serving| serving.gradients.as_mut()) else {
        return Ok(());
    };
    for _ in 0..GRADIENTS_PER_STEP {
        let Some(gradient) = gradients.try_next() else {
            break;
        };
        let device = synapse.device();
        let inputs = tensor::to_torch(&gradient.inputs, device)?;
        let outputs = tensor::to_torch(&gradient.gradients, device)?;
        if let Err(error) = synapse.accumulate(gradient.modality, &inputs, &outputs) {
            tracing::debug!(from = ?gradient.from, %error, "a gradient does not fit");
        }
    }
    Ok(())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
