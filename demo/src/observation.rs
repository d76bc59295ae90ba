//! Everything that a run of the demo measured, as one value.
//!
//! [`observe`](crate::observe) fills it from the neurons' run logs and from the chain; the live view, the summary and the
//! report are functions of it and of nothing else. As JSON it can be kept, and a report made of it again.
//!
//! # Units
//!
//! Amounts are in CTM, times in seconds since the demo began, shares and accuracies between 0 and 1.

use crate::task::Task;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// What one run measured so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Observation {
    /// What was decided beforehand.
    pub(crate) plan: Plan,
    /// What is going on.
    pub(crate) phase: Phase,
    /// Seconds since the demo began.
    pub(crate) elapsed: f64,
    /// What the chain says.
    pub(crate) chain: Chain,
    /// The neurons, in order of their shards.
    pub(crate) neurons: Vec<Neuron>,
    /// For each neuron, the same model with the same seed and shard, trained without a network for as many steps.
    pub(crate) alone: Vec<Training>,
    /// What happened, in the order in which it was seen.
    pub(crate) notes: Vec<Note>,
    /// What went wrong; not even one is a success.
    #[serde(default)]
    pub(crate) failures: Vec<Failure>,
}

/// The parameters of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// What is learned.
    #[serde(default)]
    pub(crate) task: Task,
    /// Of everything that is drawn: keys, initial parameters, the order of samples.
    pub(crate) seed: u64,
    /// Epochs of the chain for which the neurons train.
    pub(crate) epochs: u32,
    /// Blocks between two epochs.
    pub(crate) tempo: u32,
    /// Seconds between two blocks.
    pub(crate) block_time: f64,
    /// When the demo began, in UTC, as a person writes it.
    pub(crate) began: String,
    /// Programs with their versions, the machine, and whatever else it takes to do this again.
    pub(crate) facts: Vec<(String, String)>,
}

/// The stages of a run, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// The chain makes its first blocks.
    StartingChain,
    /// Neurons are funded, registered and staked on.
    Registering,
    /// The network trains.
    Training,
    /// The neurons were told to stop.
    Stopping,
    /// The same models train again, each alone.
    TrainingAlone,
    /// Everything was measured.
    Done,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StartingChain => "starting the chain",
            Self::Registering => "registering neurons",
            Self::Training => "training together",
            Self::Stopping => "stopping the neurons",
            Self::TrainingAlone => "training each model alone",
            Self::Done => "done",
        })
    }
}

/// The part that a neuron plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// It has the most stake, so that its opinion weighs most.
    Validator,
    /// One of the others.
    Neuron,
    /// It answers noise, on purpose.
    Garbage,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Validator => "validator",
            Self::Neuron => "neuron",
            Self::Garbage => "garbage",
        })
    }
}

/// One neuron: who it is, how it learns, what became of its calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Neuron {
    /// Its number in network 0.
    pub(crate) uid: u16,
    /// The part it plays.
    pub(crate) role: Role,
    /// Who signs for it, as an SS58 address.
    pub(crate) hotkey: String,
    /// Which part of the training samples it has: `[i, n]` is every n-th from the i-th on.
    pub(crate) shard: [u32; 2],
    /// How its model learns.
    pub(crate) training: Training,
    /// By peer, then by outcome, what became of the requests that it sent.
    pub(crate) calls: BTreeMap<u16, BTreeMap<String, Calls>>,
    /// The rows of the weight matrix that it set, and those that the chain refused.
    pub(crate) rows: Vec<RowSet>,
    /// Why it ended, once it has.
    pub(crate) ended: Option<String>,
}

impl Neuron {
    /// `uid 3 (garbage)`; for most neurons just `uid 3`.
    pub(crate) fn name(&self) -> String {
        match self.role {
            Role::Neuron => format!("uid {}", self.uid),
            role => format!("uid {} ({role})", self.uid),
        }
    }

    /// Whether it answers what its model says.
    pub(crate) fn is_honest(&self) -> bool {
        self.role != Role::Garbage
    }
}

/// Requests with one outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Calls {
    /// How many.
    pub(crate) n: u64,
    /// Samples in them.
    pub(crate) rows: u64,
    /// Milliseconds that they took, all together.
    pub(crate) ms: f64,
}

/// What a training process wrote about its model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Training {
    /// Parameters of the model; 0 before it has said so.
    pub(crate) n_parameters: u64,
    /// Where it computes: `cpu` or a CUDA device.
    pub(crate) device: String,
    /// Its steps.
    pub(crate) steps: Vec<Step>,
    /// Its evaluations on samples that nobody trains on.
    pub(crate) evaluations: Vec<Evaluation>,
}

impl Training {
    /// Steps done.
    pub(crate) fn n_steps(&self) -> u64 {
        self.steps.last().map_or(0, |step| step.step)
    }
}

/// One step of the optimiser.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    /// Counts from 1.
    pub(crate) step: u64,
    /// Seconds since the demo began.
    pub(crate) time: f64,
    /// The sum that is minimised.
    pub(crate) loss: Option<f64>,
    /// Of the model's own predictions.
    pub(crate) local_loss: Option<f64>,
    /// Of predictions with those of the peers.
    pub(crate) network_loss: Option<f64>,
    /// Between the model's predictions and those of its peers.
    pub(crate) distillation_loss: Option<f64>,
    /// Milliseconds that it took.
    pub(crate) step_ms: f64,
    /// Milliseconds of these in which peers were waited for.
    pub(crate) remote_ms: f64,
}

/// One evaluation on the held-out samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Evaluation {
    /// After this step.
    pub(crate) step: u64,
    /// Seconds since the demo began.
    pub(crate) time: f64,
    /// Without the network's answers.
    pub(crate) local_loss: Option<f64>,
    /// Without the network's answers.
    pub(crate) local_accuracy: Option<f64>,
    /// With the network's answers, where there were any.
    pub(crate) network_loss: Option<f64>,
    /// With the network's answers, where there were any.
    pub(crate) network_accuracy: Option<f64>,
}

/// A row of the weight matrix as its neuron sent it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RowSet {
    /// Its step then.
    pub(crate) step: u64,
    /// The block at which it was due.
    pub(crate) block: Option<u32>,
    /// `included`, `unchanged`, `no permit`, `waits` for an earlier one, or why it was refused.
    pub(crate) result: String,
}

/// What the chain says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Chain {
    /// The best block.
    pub(crate) block: u32,
    /// The block of the next epoch.
    pub(crate) next_epoch: u32,
    /// Stake of each uid now.
    pub(crate) stakes: BTreeMap<u16, f64>,
    /// Epochs that ran while the demo watched.
    pub(crate) epochs: Vec<Epoch>,
}

/// What an epoch of the chain made of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Epoch {
    /// The block in which it ran.
    pub(crate) block: u32,
    /// Seconds since the demo began.
    pub(crate) time: f64,
    /// What it said of each uid.
    pub(crate) scores: BTreeMap<u16, Scores>,
    /// The weight matrix when it was seen: by rater, what part of the row each rated uid has.
    pub(crate) weights: BTreeMap<u16, BTreeMap<u16, f64>>,
}

/// What an epoch said of one neuron.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scores {
    /// CTM staked on it, what it was paid included.
    pub(crate) stake: f64,
    /// Whether it may weigh others.
    pub(crate) permit: bool,
    /// Its part of what servers are paid.
    pub(crate) incentive: f64,
    /// Its part of what validators are paid.
    pub(crate) dividends: f64,
    /// How much of what others gave it consensus left.
    pub(crate) trust: f64,
    /// CTM that it was paid.
    pub(crate) emission: f64,
}

/// Something worth telling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// Seconds since the demo began.
    pub(crate) time: f64,
    /// One line.
    pub(crate) text: String,
}

/// Something that should not have happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// Seconds since the demo began.
    pub(crate) time: f64,
    /// The neuron that did not do what it should, if it was one.
    pub(crate) uid: Option<u16>,
    /// What, as a sentence without its full stop.
    pub(crate) text: String,
    /// The end of the log that may say why; empty where there is none.
    pub(crate) log: String,
}

impl Observation {
    /// Nothing but a plan.
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            plan,
            phase: Phase::StartingChain,
            elapsed: 0.0,
            chain: Chain::default(),
            neurons: Vec::new(),
            alone: Vec::new(),
            notes: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Remembers something worth telling.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        let (time, text) = (self.elapsed, text.into());
        self.notes.push(Note { time, text });
    }

    /// Remembers that something went wrong.
    pub(crate) fn fail(&mut self, uid: Option<u16>, text: impl Into<String>, log: String) {
        let (time, text) = (self.elapsed, text.into());
        self.note(text.clone());
        self.failures.push(Failure {
            time,
            uid,
            text,
            log,
        });
    }

    /// Whether the neuron of that uid did something that it should not have.
    pub(crate) fn has_failed(&self, uid: u16) -> bool {
        self.failures.iter().any(|failure| failure.uid == Some(uid))
    }

    /// Whether a neuron counts in means over time: it answers what its model says, and did not end before the others.
    pub(crate) fn counts(&self, neuron: &Neuron) -> bool {
        neuron.is_honest() && !self.has_failed(neuron.uid)
    }

    /// Whether there is anything to show.
    pub(crate) fn has_measurements(&self) -> bool {
        let has_learned = |neuron: &Neuron| neuron.training.n_steps() > 0;
        !self.chain.epochs.is_empty() || self.neurons.iter().any(has_learned)
    }

    /// The neuron of that uid.
    pub(crate) fn neuron(&self, uid: u16) -> Option<&Neuron> {
        self.neurons.iter().find(|neuron| neuron.uid == uid)
    }

    /// What the last epoch said of `uid`.
    pub(crate) fn scores(&self, uid: u16) -> Option<&Scores> {
        self.chain.epochs.last()?.scores.get(&uid)
    }
}

#[cfg(test)]
pub(crate) mod samples;
