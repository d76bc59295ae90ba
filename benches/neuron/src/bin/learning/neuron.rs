//! A neuron that learns, step by step as `neuron train` does, without the wire.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use neuron_learn::{
    codistillation::{self, Need},
    dataset::Shard,
    loss::{self, IGNORED},
    optim::{Sgd, SgdConfig, clip_grad_norm, zero_gradients},
    router::{Joined, Router, RouterConfig, Routes},
    source::{Batch, Source},
    synapse::{Labels, Mode, Perception, Synapse, SynapseOutput},
};
use neuron_wallet::PublicKey;
use tch::{Kind, Tensor};

use crate::{processor, task::Task};

/// What `neuron train` has by default: the router's learning rate, of the model's.
const ROUTER_RATE: f64 = 10.0;
/// What `neuron train` has by default.
const MAX_NORM: f64 = 1.0;
/// What `neuron train` has by default.
const KEY_DIM: i64 = 100;
/// What `neuron train` has by default.
const TOPK: i64 = 10;
/// What `neuron train` has by default: the most that imitates of the local loss.
const IMITATION: f64 = 0.5;
/// Share of a smoothed label that is spread over all classes. (C. Szegedy and others, *Rethinking the Inception
/// architecture*, 2016, 7.)
const SMOOTHING: f64 = 0.1;

/// Everything that training holds.
pub(crate) struct Neuron {
    /// Places of those that it asks; none if it is alone.
    asked: Vec<usize>,
    seed: u64,
    step: u64,
    learning_rate: f64,
    synapse: Box<dyn Synapse>,
    router: Router,
    lesson: Lesson,
    need: Need,
    sgd: Sgd,
    stream: Box<dyn Source>,
    /// Training, without what others computed for it.
    pub(crate) own: Duration,
    /// What others computed for it while it trained.
    pub(crate) others: Duration,
}

/// What is learned from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lesson {
    /// Labels; those that are asked are asked when it is measured only, for what they predict.
    Labels,
    /// Labels that leave some probability to all other classes.
    Smoothed,
    /// Labels, and as far as that is needed what those that are asked predict.
    Predictions,
    /// Labels, and what those that are asked predict, as much from the first step to the last.
    Always,
    /// Labels, and how those that are asked encode.
    Encodings,
}

/// What was said about a batch.
struct Said {
    routes: Routes,
    joined: Joined,
}

/// What all neurons serve: copies, without gradients.
pub(crate) type Served = Vec<Box<dyn Synapse>>;

/// How good predictions are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quality {
    /// Mean negative log-likelihood, in nats.
    pub(crate) loss: f64,
    /// Share of those that are right, in 0..=1.
    pub(crate) accuracy: f64,
}

/// A neuron on both halves of what is held out: to choose by, and to measure by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evaluation {
    pub(crate) local: [Quality; 2],
    pub(crate) network: Option<[Quality; 2]>,
}

impl Neuron {
    /// The neuron at this place of so many, before its first step. Everything is drawn from the seed and the place, so that
    /// it begins alike in all arms and sees the same batches.
    pub(crate) fn new(task: &Task, place: usize, shard: Shard, seed: u64) -> Result<Neuron> {
        let seed = seed.wrapping_mul(1_000).wrapping_add(place as u64);
        let synapse = task.model(seed);
        let widths = RouterConfig {
            x_dim: synapse.d_context(),
            key_dim: KEY_DIM,
            topk: TOPK,
        };
        Ok(Neuron {
            asked: Vec::new(),
            seed,
            step: 0,
            learning_rate: task.learning_rate,
            router: Router::new(widths, seed, synapse.device()),
            synapse,
            lesson: Lesson::Labels,
            need: Need::default(),
            sgd: Sgd::new(SgdConfig::default()),
            stream: task.stream(shard, seed)?,
            own: Duration::ZERO,
            others: Duration::ZERO,
        })
    }

    /// Lets it ask those at these places.
    pub(crate) fn asking(self, asked: Vec<usize>) -> Neuron {
        Neuron { asked, ..self }
    }

    /// What it learns from.
    pub(crate) fn learning(self, lesson: Lesson) -> Neuron {
        Neuron { lesson, ..self }
    }

    /// What it would serve now.
    pub(crate) fn copy(&self) -> Box<dyn Synapse> {
        self.synapse.copy()
    }

    /// One batch.
    pub(crate) fn step(&mut self, served: &Served) -> Result<()> {
        let (started, others) = (processor::time()?, self.others);
        // The same numbers are dropped in all arms.
        tch::manual_seed(i64::try_from(self.seed * 1_000_000 + self.step)?);
        let (_, batch) = self.stream.draw()?;
        let perception = self.synapse.perceive(&batch.inputs, Mode::Training)?;
        let said = match self.lesson {
            Lesson::Labels | Lesson::Smoothed => None,
            Lesson::Predictions | Lesson::Always | Lesson::Encodings => {
                self.consult(served, &batch.inputs, &perception.context)?
            }
        };
        let output = self.conclude(&perception, Some(&batch.labels), said.as_ref())?;
        let of_labels = output.local_nll().context("the batch has labels")?;
        self.need.learned(of_labels);
        let mut loss = output.loss.context("the batch has labels")?;
        if self.lesson == Lesson::Smoothed {
            let target = &output.local_target;
            let all_alike = target.zeros_like().softmax(-1, Kind::Float);
            let smooth = loss::imitation(target, &all_alike, &batch.labels.targets)?;
            loss = loss * (1.0 - SMOOTHING) + smooth * SMOOTHING;
        }
        let mut parameters = self.synapse.parameters();
        if said.is_some() {
            parameters.append(&mut self.router.parameters());
        }
        zero_gradients(&parameters);
        loss.backward();
        let norm = clip_grad_norm(&parameters, MAX_NORM);
        ensure!(norm.is_finite(), "the model has diverged");
        let rate = self.learning_rate;
        self.sgd.step_each(&parameters, |name| {
            if name.starts_with("router.") {
                rate * ROUTER_RATE
            } else {
                rate
            }
        });
        self.step += 1;
        self.own += processor::time()? - started - (self.others - others);
        Ok(())
    }

    /// What those that it asks say, joined.
    fn consult(
        &mut self,
        served: &Served,
        inputs: &Tensor,
        context: &Tensor,
    ) -> Result<Option<Said>> {
        if self.asked.is_empty() {
            return Ok(None);
        }
        let hotkeys: Vec<PublicKey> = self.asked.iter().map(|&place| hotkey(place)).collect();
        let wants_encodings = self.lesson == Lesson::Encodings;
        let context = match wants_encodings {
            true => context.shallow_clone(),
            false => context.detach(),
        };
        let (requests, routes) = self.router.route(&hotkeys, &context, inputs)?;
        let asked = processor::time()?;
        let modality = self.synapse.modality();
        let answer = |place: usize, rows: &Tensor| match wants_encodings {
            true => served[place].encode(modality, rows),
            false => served[place].local_target(modality, rows),
        };
        let answers = self
            .asked
            .iter()
            .zip(&requests)
            .map(|(&place, rows)| {
                let _no_grad = tch::no_grad_guard();
                let is_asked = rows.size()[0] > 0;
                Ok(is_asked.then(|| answer(place, rows)).transpose()?)
            })
            .collect::<Result<Vec<_>>>()?;
        self.others += processor::time()? - asked;
        let shape = answers
            .iter()
            .flatten()
            .next()
            .context("each row is asked of somebody")?
            .size();
        let joined = match wants_encodings {
            true => self.router.join_level(&routes, &answers, &shape[1..])?,
            false => codistillation::join(&self.router, &routes, &answers, &shape[1..])?,
        };
        Ok(Some(Said { routes, joined }))
    }

    /// What it makes of a batch with what was said, as `neuron train` does.
    fn conclude(
        &self,
        perception: &Perception,
        labels: Option<&Labels>,
        said: Option<&Said>,
    ) -> Result<SynapseOutput> {
        let wants_encodings = self.lesson == Lesson::Encodings;
        let context = said.filter(|_| wants_encodings);
        let context = context.map(|said| said.joined.context());
        let need = match self.lesson {
            Lesson::Always => Need::WHOLE,
            _ => self.need,
        };
        let output = self.synapse.conclude(perception, labels, context)?;
        Ok(match said {
            Some(Said { routes, joined }) if !wants_encodings => {
                codistillation::conclude(output, routes, joined, labels, need.share(IMITATION))?
            }
            _ => output,
        })
    }

    /// Measures both branches on what is held out.
    pub(crate) fn evaluate(&mut self, task: &Task, served: &Served) -> Result<Evaluation> {
        let _no_grad = tch::no_grad_guard();
        let others = self.others;
        let mut halves = Vec::new();
        for half in &task.held_out {
            halves.push(self.measure(half, served)?);
        }
        self.others = others;
        self.need.measured(halves[0].0.loss);
        let [(local_choice, choice), (local_measure, measure)] = halves[..] else {
            unreachable!("there are two halves");
        };
        Ok(Evaluation {
            local: [local_choice, local_measure],
            network: choice
                .zip(measure)
                .map(|(choice, measure)| [choice, measure]),
        })
    }

    fn measure(
        &mut self,
        held_out: &[Batch],
        served: &Served,
    ) -> Result<(Quality, Option<Quality>)> {
        let (mut local, mut network) = (Sum::default(), Sum::default());
        let is_network = !self.asked.is_empty();
        for batch in held_out {
            let perception = self.synapse.perceive(&batch.inputs, Mode::Evaluation)?;
            let said = self.consult(served, &batch.inputs, &perception.context)?;
            let output = self.conclude(&perception, None, said.as_ref())?;
            local.add(batch, &output.local_target)?;
            if let Some(target) = &output.network_target {
                network.add(batch, target)?;
            }
        }
        Ok((local.mean(), is_network.then(|| network.mean())))
    }
}

/// Sums over examples that come in batches.
#[derive(Default)]
struct Sum {
    loss: f64,
    n_right: f64,
    n: f64,
}

impl Sum {
    fn add(&mut self, batch: &Batch, target: &Tensor) -> Result<()> {
        let labels = &batch.labels.targets;
        let n = labels.ne(IGNORED).sum(Kind::Double).double_value(&[]);
        self.loss += loss::nll(target, labels)?.double_value(&[]) * n;
        self.n_right += loss::accuracy(target, labels) * n;
        self.n += n;
        Ok(())
    }

    fn mean(&self) -> Quality {
        Quality {
            loss: self.loss / self.n,
            accuracy: self.n_right / self.n,
        }
    }
}

/// By which the router knows the neuron at a place.
fn hotkey(place: usize) -> PublicKey {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&(place as u64 + 1).to_le_bytes());
    PublicKey(key)
}
