//! A neuron that learns, step by step as `neuron train` does, without the wire.

use std::{num::NonZeroU32, time::Duration};

use anyhow::{Context as _, Result, ensure};
use neuron_learn::{
    codistillation::{self, Need},
    dataset::Shard,
    likeliest::Likeliest,
    loss::{self, IGNORED},
    optim::{Sgd, SgdConfig, clip_grad_norm, zero_gradients},
    router::{Joined, Router, RouterConfig, Routes},
    source::{Batch, Source},
    synapse::{Labels, Mode, Perception, Synapse, SynapseOutput},
};
use neuron_proto::Output;
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
/// Classes that are told where not all are.
const LIKELIEST: NonZeroU32 = NonZeroU32::new(16).expect("it is not zero");
/// What the nucleus has by default: bytes of distributions that are there at once.
const MAX_BYTES: usize = 32 << 20;
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
    /// The same, of the likeliest classes.
    Likeliest,
    /// Labels, and what those that are asked predict, as much from the first step to the last.
    Always,
    /// Labels, and how those that are asked encode.
    Encodings,
}

/// What was said about a batch.
struct Said {
    routes: Routes,
    told: Told,
}

/// What those said that were asked.
enum Told {
    /// How they encode, put together.
    Encodings(Joined),
    /// What they predict, put together.
    Predictions(Joined),
    /// The likeliest classes of what each predicts.
    Likeliest(Vec<Option<Likeliest>>),
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
            Lesson::Predictions | Lesson::Likeliest | Lesson::Always | Lesson::Encodings => {
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
        let context = match self.lesson {
            Lesson::Encodings => context.shallow_clone(),
            _ => context.detach(),
        };
        let (requests, routes) = self.router.route(&hotkeys, &context, inputs)?;
        let modality = self.synapse.modality();
        let told = match self.lesson {
            Lesson::Encodings => {
                let answer = |one: &dyn Synapse, rows: &Tensor| Ok(one.encode(modality, rows)?);
                let answers = self.answers(served, &requests, answer)?;
                let shape = shape_of(&answers)?;
                Told::Encodings(self.router.join_level(&routes, &answers, &shape[1..])?)
            }
            Lesson::Likeliest => {
                let n = LIKELIEST
                    .min(NonZeroU32::new(self.synapse.n_classes(modality)?).context("no classes")?);
                let answer = |one: &dyn Synapse, rows: &Tensor| {
                    Ok(one.likeliest(modality, Output::Target, n, rows, MAX_BYTES)?)
                };
                Told::Likeliest(self.answers(served, &requests, answer)?)
            }
            Lesson::Labels | Lesson::Smoothed | Lesson::Predictions | Lesson::Always => {
                let answer =
                    |one: &dyn Synapse, rows: &Tensor| Ok(one.local_target(modality, rows)?);
                let answers = self.answers(served, &requests, answer)?;
                let shape = shape_of(&answers)?;
                let joined = codistillation::join(&self.router, &routes, &answers, &shape[1..])?;
                Told::Predictions(joined)
            }
        };
        Ok(Some(Said { routes, told }))
    }

    /// What those that it asks answer to their rows, if they are sent some.
    fn answers<A>(
        &mut self,
        served: &Served,
        requests: &[Tensor],
        answer: impl Fn(&dyn Synapse, &Tensor) -> Result<A>,
    ) -> Result<Vec<Option<A>>> {
        let asked = processor::time()?;
        let _no_grad = tch::no_grad_guard();
        let of_each = self.asked.iter().zip(requests).map(|(&place, rows)| {
            let is_asked = rows.size()[0] > 0;
            is_asked
                .then(|| answer(served[place].as_ref(), rows))
                .transpose()
        });
        let answers = of_each.collect::<Result<Vec<_>>>()?;
        self.others += processor::time()? - asked;
        Ok(answers)
    }

    /// What it makes of a batch with what was said, as `neuron train` does.
    fn conclude(
        &self,
        perception: &Perception,
        labels: Option<&Labels>,
        said: Option<&Said>,
    ) -> Result<SynapseOutput> {
        let alone = || self.synapse.conclude(perception, labels, None);
        let Some(Said { routes, told }) = said else {
            return Ok(alone()?);
        };
        let need = match self.lesson {
            Lesson::Always => Need::WHOLE,
            _ => self.need,
        };
        let imitation = need.share(IMITATION);
        Ok(match told {
            Told::Encodings(joined) => {
                let context = Some(joined.context());
                self.synapse.conclude(perception, labels, context)?
            }
            Told::Predictions(joined) => {
                codistillation::conclude(alone()?, routes, joined, labels, imitation)?
            }
            Told::Likeliest(told) => {
                let alone = alone()?;
                let joined = codistillation::join_likeliest(routes, told, &alone.local_target)?;
                codistillation::conclude(alone, routes, &joined, labels, imitation)?
            }
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

/// Of an answer, whoever gave it.
fn shape_of(answers: &[Option<Tensor>]) -> Result<Vec<i64>> {
    let first = answers.iter().flatten().next();
    Ok(first.context("each row is asked of somebody")?.size())
}

/// By which the router knows the neuron at a place.
fn hotkey(place: usize) -> PublicKey {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&(place as u64 + 1).to_le_bytes());
    PublicKey(key)
}
