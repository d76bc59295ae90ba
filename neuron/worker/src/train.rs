//! Training, one batch after the other, on a thread of its own.
//!
//! [`Trainer::step`] is what happens to the batches of a step; each part of it is a file here or a crate:
//!
//! | step | where |
//! | --- | --- |
//! | context | the synapse: what it perceives |
//! | routes, requests, answers, join | `consultation.rs`: router and dendrite |
//! | losses | the synapse: what it concludes; `step.rs` |
//! | backward, clipping, optimiser | `descent.rs` |
//! | gradients to peers | `consultation.rs`, `peers.rs` |
//! | scores → opinions → weight row → chain | `opinions.rs`, `weights.rs` |
//! | evaluation, checkpoints | `evaluate.rs`, `checkpoints.rs` |
//! | log, metrics, progress | `report.rs` |
//!
//! # Promised properties
//!
//! * Nothing that peers or the chain do stops training: peers that fail contribute zero, a chain that is gone is waited for
//!   by others.
//! * What is served is a copy, taken between two steps: the untrained model at first, then after each evaluation the best
//!   one. A run that is resumed serves what it served before.
//! * Numbers that are not finite never reach parameters that are saved, served or weighed by; see [`Trainer::descend`].
//! * Without others, one seed gives one model on the CPU, to the last bit, interrupted or not: alone, or by asking itself.

mod checkpoints;
mod consultation;
mod descent;
mod evaluate;
mod opinions;
mod peers;
mod report;
mod standing;
mod step;
#[cfg(test)]
mod tests;
mod weights;

use std::{path::PathBuf, time::Instant};

use neuron_learn::{
    checkpoint::CheckpointError,
    codistillation::Need,
    events::{self, Event},
    optim::GradScaler,
    parameters::{self, ParametersError},
    precision::Precision,
    router::{Router, RouterConfig, RouterError},
    source::{Source, SourceError},
    synapse::{Synapse, SynapseError},
    tensor::TensorError,
};
use neuron_peer::{axon::GradientReceiver, nucleus::Nucleus};
use tch::TchError;
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    checkpoints::{BEST, Earlier, LAST, Recipe, latest, served, set_aside},
    descent::DescentConfig,
    peers::{Asking, Peers},
    report::{Report, TrainingMetrics},
    weights::{Order, WeightSetter, weight_setter},
};
use self::{
    checkpoints::{Difference, Saved},
    descent::Descent,
    opinions::Opinions,
    standing::Standing,
};
use crate::nucleus_model::{Answers, Offer};

/// How training goes.
#[derive(Clone, Debug)]
pub(crate) struct TrainerConfig {
    /// What everything random is drawn from.
    pub(crate) seed: u64,
    /// Batches of a step, whose gradients are added up before the parameters are moved; at least one.
    pub(crate) accumulate: u32,
    /// Batches of an evaluation, if not all that are held out.
    pub(crate) evaluated: Option<usize>,
    /// Floating point operations per second that count as all that the device can do, if that is known.
    pub(crate) peak_flops: Option<f64>,
    /// The step after which it ends.
    pub(crate) steps: Option<u64>,
    /// The epoch after which it ends.
    pub(crate) epochs: Option<u64>,
    /// Steps between two evaluations.
    pub(crate) epoch_steps: u64,
    /// How parameters are moved.
    pub(crate) descent: DescentConfig,
    /// Length of keys, and how many peers get a row.
    pub(crate) key_dim: i64,
    /// Peers that each row is sent to.
    pub(crate) topk: i64,
    /// The largest share of the local loss that what peers predict has, in `0..=1`, where that is what they are asked for: see
    /// [`Need`].
    pub(crate) imitation: f64,
    /// Precision of forward passes.
    pub(crate) precision: Precision,
    /// Whether peers are sent the gradients of their answers.
    pub(crate) sends_gradients: bool,
}

/// What is served to peers, and with what it is replaced.
#[derive(Debug)]
pub(crate) struct Serving {
    /// Where it is served.
    pub(crate) nucleus: Nucleus,
    /// What peers are told.
    pub(crate) answers: Answers,
    /// What is offered with the model.
    pub(crate) offer: Offer,
    /// Gradients that peers send, if they are wanted.
    pub(crate) gradients: Option<GradientReceiver>,
}

/// What a trainer is put together from.
pub(crate) struct Parts {
    /// Where checkpoints go.
    pub(crate) folder: PathBuf,
    /// What a run must have in common with the checkpoint that it goes on from.
    pub(crate) recipe: Recipe,
    /// The first line of the run log.
    pub(crate) start: events::Start,
    /// What learns.
    pub(crate) synapse: Box<dyn Synapse>,
    /// What it learns from.
    pub(crate) batches: Box<dyn Source>,
    /// What it is measured by, in order.
    pub(crate) held_out: Box<dyn Source>,
    /// Whom it asks; none if it is alone.
    pub(crate) peers: Option<Peers>,
    /// Where it is served, if it is.
    pub(crate) serving: Option<Serving>,
    /// Where opinions of peers go, if they go anywhere.
    pub(crate) setter: Option<WeightSetter>,
    /// Who is told.
    pub(crate) report: Report,
    /// When to stop.
    pub(crate) stop: CancellationToken,
}

/// Everything that training holds.
pub(crate) struct Trainer {
    config: TrainerConfig,
    folder: PathBuf,
    recipe: Recipe,
    start: events::Start,
    synapse: Box<dyn Synapse>,
    router: Router,
    descent: Descent,
    batches: Box<dyn Source>,
    held_out: Box<dyn Source>,
    /// None: alone.
    peers: Option<Peers>,
    serving: Option<Serving>,
    setter: Option<WeightSetter>,
    opinions: Opinions,
    /// None: the chain was not looked at yet.
    standing: Option<Standing>,
    report: Report,
    step: u64,
    best_loss: Option<f64>,
    /// Of what peers predict.
    need: Need,
    /// None: not by this program.
    saved: Option<Saved>,
    spoilt_steps: u32,
    stop: CancellationToken,
}

/// Why training is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All steps or epochs that were asked for are done.
    Done,
    /// Somebody asked to stop.
    Stopped,
}

/// Why training cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrainError {
    /// There is no more to learn from.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The model does not take what it is given.
    #[error(transparent)]
    Synapse(#[from] SynapseError),
    /// The router does not.
    #[error(transparent)]
    Router(#[from] RouterError),
    /// A tensor does not fit the wire.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// libtorch failed.
    #[error(transparent)]
    Torch(#[from] TchError),
    /// A checkpoint can be neither written nor read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint is of another model.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// A checkpoint is of another run.
    #[error(
        "{} is of another run: {}. Leave that out to go on with the run as it is, or choose another folder with --run",
        path.display(),
        listed(differences)
    )]
    OtherRun {
        /// The checkpoint.
        path: PathBuf,
        /// In what this run differs from it; at least one thing.
        differences: Vec<Difference>,
    },
    /// A checkpoint does not say which run it is of.
    #[error(
        "{} does not say how it was trained: train anew, or choose another folder with --run",
        path.display()
    )]
    UnknownRun {
        /// The checkpoint.
        path: PathBuf,
    },
    /// Numbers are no longer finite, and there is nothing to go back to.
    #[error(
        "the model has diverged before the first checkpoint: use a lower --learning-rate, or --clip"
    )]
    Diverged,
}

fn listed(differences: &[Difference]) -> String {
    let each = differences.iter().map(Difference::to_string);
    each.collect::<Vec<_>>().join("; ")
}

impl TrainError {
    /// Whether the model gave numbers that are not finite, which nobody can be asked with.
    fn is_not_finite(&self) -> bool {
        matches!(self, Self::Router(RouterError::NotFinite))
    }
}

impl Trainer {
    /// A trainer before its first step.
    pub(crate) fn new(config: TrainerConfig, parts: Parts) -> Self {
        let Parts {
            folder,
            recipe,
            start,
            synapse,
            batches,
            held_out,
            peers,
            serving,
            setter,
            report,
            stop,
        } = parts;
        let widths = RouterConfig {
            x_dim: synapse.d_context(),
            key_dim: config.key_dim,
            topk: config.topk,
        };
        let scaler = (config.precision == Precision::Mixed).then(GradScaler::default);
        Self {
            router: Router::new(widths, config.seed, synapse.device()),
            descent: Descent::new(config.descent, scaler),
            opinions: Opinions::default(),
            standing: None,
            step: 0,
            best_loss: None,
            need: Need::default(),
            saved: None,
            spoilt_steps: 0,
            config,
            folder,
            recipe,
            start,
            synapse,
            batches,
            held_out,
            peers,
            serving,
            setter,
            report,
            stop,
        }
    }

    /// Goes on from the latest checkpoint in the run's folder, if there is one.
    pub(crate) fn resume_latest(&mut self) -> Result<(), TrainError> {
        match latest(&self.folder)? {
            Some((path, checkpoint)) => {
                // What it served, not where it stood: the one is not the other, unless the last evaluation was the best.
                let served = served(&self.folder, self.synapse.as_ref())?;
                self.resume(&path, &checkpoint)?;
                self.serve(served.as_ref());
                tracing::info!(path = %path.display(), step = self.step, "going on from a checkpoint");
            }
            None => tracing::info!("there is no checkpoint to go on from: beginning anew"),
        }
        Ok(())
    }

    /// Trains until everything is done or somebody asks to stop, and saves.
    pub(crate) fn run(mut self) -> Result<End, TrainError> {
        self.report.record(Event::Start(self.start.clone()));
        let ended = self.train();
        let reason = match &ended {
            Ok(End::Done) => "done".to_owned(),
            Ok(End::Stopped) => "stopped".to_owned(),
            Err(error) => error.to_string(),
        };
        let step = self.step;
        self.report.record(Event::End(events::End { step, reason }));
        ended
    }

    fn train(&mut self) -> Result<End, TrainError> {
        let ended = self.learn();
        // Where text is gone that is learned from or measured by, nothing is wrong with what was learned.
        let is_worth_it = matches!(ended, Ok(_) | Err(TrainError::Source(_)));
        if is_worth_it && parameters::are_finite(&self.state()) {
            self.checkpoint(LAST, None)?;
        }
        ended
    }

    fn learn(&mut self) -> Result<End, TrainError> {
        let mut evaluated = self.step;
        let end = loop {
            if self.is_done() {
                break End::Done;
            }
            if self.stop.is_cancelled() {
                break End::Stopped;
            }
            self.step()?;
            self.look_around();
            if self.step.is_multiple_of(self.config.epoch_steps) {
                evaluated = self.step;
                self.conclude_epoch()?;
            }
        };
        if end == End::Done && evaluated < self.step {
            self.conclude_epoch()?;
        }
        Ok(end)
    }

    /// Takes notice of what happened on the chain, and sets weights when they are due.
    fn look_around(&mut self) {
        let Some(network) = &mut self.peers else {
            return;
        };
        let (view, is_news) = network.look();
        let standing = Standing::of(&view, &network.own.hotkey);
        let before = self.standing.replace(standing);
        if let Some(lost) = before.and_then(|before| before.lost(standing)) {
            tracing::warn!(block = view.block, "{lost}");
        }
        if is_news {
            let registered: Vec<_> = view.uids.keys().copied().collect();
            self.router.retain(&registered);
            self.opinions.retain(&view.uids);
            network
                .dendrite
                .retain(|hotkey| view.uids.contains_key(hotkey));
            // Who moved or withdrew is not kept a connection to.
            network.dendrite.keep(&view.peers);
        }
        let own = view.uids.get(&network.own.hotkey).copied();
        let Some(setter) = &mut self.setter else {
            return;
        };
        let mut known = setter.results();
        if let (Some(uid), true) = (own, setter.is_due(&view) && self.spoilt_steps == 0) {
            let (step, block) = (self.step, view.block);
            // No row: nobody has answered yet.
            let order = self.opinions.row(&view.uids).ok().map(|row| Order {
                uid,
                row,
                step,
                block,
            });
            known.extend(order.and_then(|order| setter.set(order, &view)));
        }
        known
            .into_iter()
            .for_each(|event| self.report.record(Event::Weights(event)));
    }

    /// Measures the model, and saves it. If it is better than ever, as the best, of which a copy is served; else as the last, if
    /// that is [due](Saved::is_due), so that whatever ends the program costs little.
    fn conclude_epoch(&mut self) -> Result<(), TrainError> {
        let evaluation = match self.evaluate() {
            Err(error) if error.is_not_finite() => return self.go_back(),
            evaluation => evaluation?,
        };
        let loss = evaluation.local_loss;
        // One at the end of a run may be before its time: the run that goes on from there is as if it had not ended.
        if self.step.is_multiple_of(self.config.epoch_steps) {
            self.need.measured(loss);
        }
        self.report.record(Event::Evaluation(evaluation));
        if !parameters::are_finite(&self.state()) {
            return self.go_back();
        }
        if loss.is_finite() && self.best_loss.is_none_or(|best| loss < best) {
            self.best_loss = Some(loss);
            self.checkpoint(BEST, Some(loss))?;
            self.serve(self.synapse.as_ref());
            return Ok(());
        }
        match self
            .saved
            .as_ref()
            .is_none_or(|saved| saved.is_due(Instant::now()))
        {
            true => self.checkpoint(LAST, Some(loss)),
            false => Ok(()),
        }
    }

    fn checkpoint(&mut self, name: &str, loss: Option<f64>) -> Result<(), TrainError> {
        let began = Instant::now();
        let path = self.save(name)?;
        self.saved = Some(Saved::since(began));
        self.report.record(Event::Checkpoint(events::Checkpoint {
            step: self.step,
            path: path.display().to_string(),
            loss,
        }));
        Ok(())
    }

    /// Has peers answered by a copy of this model from now on.
    fn serve(&self, synapse: &dyn Synapse) {
        if let Some(serving) = &self.serving {
            let model = serving.answers.model(synapse, serving.offer);
            if let Err(error) = serving.nucleus.swap(model) {
                tracing::error!(%error, "the model that is served cannot be replaced");
            }
        }
    }

    fn is_done(&self) -> bool {
        let is_over = |limit: Option<u64>, at: u64| limit.is_some_and(|limit| at >= limit);
        is_over(self.config.steps, self.step)
            || is_over(self.config.epochs, self.batches.position().epoch)
    }
}
