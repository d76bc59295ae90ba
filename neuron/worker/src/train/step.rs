//! One step: of each of its batches, what the network says, what the model makes of both, and what is learned from that.

use std::time::{Duration, Instant};

use neuron_learn::{
    events::{self, Event},
    parameters,
    source::Batch,
    synapse::{Mode, Synapse, SynapseOutput},
    tensor,
};
use neuron_proto::Modality;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Serving, TrainError, Trainer, checkpoints::soundest, consultation::Consultation,
    descent::Outcome,
};

/// Gradients of peers that are applied in one step, at most.
const GRADIENTS_PER_STEP: usize = 8;

/// Steps without finite gradients after which the model is given up for the best checkpoint.
const MAX_SPOILT_STEPS: u32 = 10;

/// What came of the batches of a step.
#[derive(Default)]
struct Tally {
    loss: Mean,
    local_loss: Mean,
    network_loss: Mean,
    distillation_loss: Mean,
    lost_gate_mass: Mean,
    n_rows: u64,
    n_tokens: u64,
    flops: Option<f64>,
    remote: Duration,
    calls: Vec<events::Call>,
    n_peers: usize,
    n_ok: usize,
}

/// A mean of what there was.
#[derive(Default)]
struct Mean {
    sum: f64,
    n: f64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.n += 1.0;
    }

    fn get(&self) -> Option<f64> {
        (self.n > 0.0).then(|| self.sum / self.n)
    }
}

impl Tally {
    fn add(
        &mut self,
        synapse: &dyn Synapse,
        batch: &Batch,
        said: Option<&Consultation>,
        output: &SynapseOutput,
    ) {
        let size = batch.inputs.size();
        let n_rows = size.first().copied().unwrap_or(0);
        self.n_rows += n_rows.unsigned_abs();
        if synapse.modality() == Modality::Text {
            self.n_tokens += batch.inputs.numel() as u64;
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "a batch has fewer rows than 2^52"
        )]
        let flops = synapse
            .forward_flops(&size[1..])
            .map(|forward| match output.network_output {
                Some(_) => forward.step_with_network(),
                None => forward.step(),
            })
            .map(|flops| flops * n_rows as f64);
        if let Some(flops) = flops {
            *self.flops.get_or_insert(0.0) += flops;
        }
        let losses = [
            (&mut self.loss, &output.loss),
            (&mut self.local_loss, &output.local_target_loss),
            (&mut self.network_loss, &output.network_target_loss),
            (&mut self.distillation_loss, &output.distillation_loss),
        ];
        for (mean, loss) in losses {
            if let Some(loss) = loss {
                mean.add(loss.double_value(&[]));
            }
        }
        let Some(said) = said else { return };
        self.remote += said.remote;
        self.lost_gate_mass.add(said.lost_gate_mass());
        if said.is_with_others {
            let (n_asked, n_answered) = said.n_asked_and_answered();
            self.n_peers = self.n_peers.max(n_asked);
            self.n_ok = self.n_ok.max(n_answered);
        }
        self.calls
            .extend(said.calls().map(|(outcome, rows)| events::Call {
                uid: outcome.peer.uid,
                hotkey: outcome.peer.hotkey,
                code: outcome.code.to_string(),
                ms: milliseconds(outcome.elapsed),
                rows,
            }));
    }
}

impl Trainer {
    /// One step, of as many batches as are accumulated.
    pub(super) fn step(&mut self) -> Result<(), TrainError> {
        let started = Instant::now();
        let epoch = self.batches.position().epoch;
        let mut tally = Tally::default();
        self.descent.begin(&self.parameters());
        for part in 0..self.config.accumulate {
            let (_, batch) = self.batches.draw()?;
            self.sow(part);
            let precision = self.config.precision;
            let (said, output) = match precision.forward(|| self.forward(&batch)) {
                Err(error) if error.is_not_finite() => {
                    return self.spoilt(epoch, started.elapsed());
                }
                forward => forward?,
            };
            let loss = output
                .loss
                .as_ref()
                .expect("a batch of a source has labels");
            self.descent
                .add(&(loss / f64::from(self.config.accumulate)));
            if let (Some(said), Some(network)) = (&said, &self.peers) {
                if self.config.sends_gradients {
                    said.send_gradients(network, self.descent.scale())?;
                }
                if said.is_with_others {
                    self.opinions.blend(said.scores());
                }
            }
            self.need.learned(output.local_nll().unwrap_or(f64::NAN));
            tally.add(self.synapse.as_ref(), &batch, said.as_ref(), &output);
        }
        self.descend()?;
        self.step += 1;
        self.tell(epoch, tally, started.elapsed());
        Ok(())
    }

    /// What is dropped at random in a batch follows from the seed and the step, so that a run that is resumed drops the same.
    fn sow(&self, part: u32) {
        let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
        rng.set_stream(self.step);
        rng.set_word_pos(2 * u128::from(part));
        tch::manual_seed(rng.next_u64().cast_signed());
    }

    /// What the network says about a batch, and what the model makes of both.
    fn forward(
        &mut self,
        batch: &Batch,
    ) -> Result<(Option<Consultation>, SynapseOutput), TrainError> {
        let perception = self.synapse.perceive(&batch.inputs, Mode::Training)?;
        let synapse = self.synapse.as_ref();
        let Some(network) = &self.peers else {
            let alone = synapse.conclude(&perception, Some(&batch.labels), None)?;
            return Ok((None, alone));
        };
        let (router, context) = (&mut self.router, &perception.context);
        let (inputs, device) = (&batch.inputs, synapse.device());
        let said = Consultation::hold(network, router, inputs, context, device, Some(self.step))?;
        let imitation = self.need.share(self.config.imitation);
        let output = said.conclude(synapse, &perception, &batch.labels, imitation)?;
        Ok((Some(said), output))
    }

    /// Moves the parameters, unless gradients are not finite.
    fn descend(&mut self) -> Result<(), TrainError> {
        // Those of peers that were met in this step are among them.
        let parameters = self.parameters();
        let (synapse, serving) = (&self.synapse, &mut self.serving);
        let more = || apply_gradients(synapse.as_ref(), serving.as_mut());
        let outcome = self.descent.finish(self.step, &parameters, more)?;
        self.count(outcome)
    }

    /// A step in which the model gave numbers that are not finite: nobody can be asked with them, and nothing is learned.
    fn spoilt(&mut self, epoch: u64, elapsed: Duration) -> Result<(), TrainError> {
        self.count(Outcome::NotFinite)?;
        self.step += 1;
        self.tell(epoch, Tally::default(), elapsed);
        Ok(())
    }

    /// Counts a step that moved the parameters, or did not. Where too many did not, or what was learned is itself not finite
    /// any more, goes back to what was learned by the best checkpoint.
    pub(super) fn count(&mut self, outcome: Outcome) -> Result<(), TrainError> {
        match outcome {
            Outcome::Moved => self.spoilt_steps = 0,
            // As it should be, until the scale is found that the model's gradients fit into.
            Outcome::Rescaled => {}
            Outcome::NotFinite => self.spoilt_steps += 1,
        }
        let is_lost = outcome != Outcome::Moved && !parameters::are_finite(&self.state());
        if is_lost || self.spoilt_steps >= MAX_SPOILT_STEPS {
            self.go_back()?;
        }
        Ok(())
    }

    /// Takes over what the best checkpoint had learned: the last may have been on its way to where this one is. Steps and
    /// batches are not repeated, nor is what spoilt it.
    pub(super) fn go_back(&mut self) -> Result<(), TrainError> {
        let (path, checkpoint) = soundest(&self.folder)?.ok_or(TrainError::Diverged)?;
        tracing::warn!(step = self.step, path = %path.display(), "the model has diverged: back to its checkpoint");
        self.restore(&checkpoint)?;
        self.spoilt_steps = 0;
        Ok(())
    }

    fn tell(&mut self, epoch: u64, tally: Tally, elapsed: Duration) {
        let step_ms = milliseconds(elapsed);
        let utilisation = tally
            .flops
            .zip(self.config.peak_flops)
            .map(|(flops, peak)| flops / (elapsed.as_secs_f64() * peak));
        self.report.record(Event::Step(events::Step {
            step: self.step,
            epoch,
            loss: tally.loss.get().unwrap_or(f64::NAN),
            local_loss: tally.local_loss.get().unwrap_or(f64::NAN),
            network_loss: tally.network_loss.get(),
            distillation_loss: tally.distillation_loss.get(),
            n_peers: tally.n_peers,
            n_ok: tally.n_ok,
            lost_gate_mass: tally.lost_gate_mass.get().unwrap_or(0.0),
            n_rows: tally.n_rows,
            n_tokens: tally.n_tokens,
            utilisation,
            step_ms,
            remote_ms: milliseconds(tally.remote),
        }));
        if !tally.calls.is_empty() {
            let (step, outcomes) = (self.step, tally.calls);
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
