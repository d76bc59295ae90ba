//! The arms of the comparison: neurons of one seed that learn alone, and the same neurons that ask each other.

use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use neuron_learn::dataset::Shard;

use crate::{
    neuron::{Evaluation, Lesson, Neuron, Quality, Served},
    task::Task,
};

/// How long is learned, by how many.
#[derive(Clone, Debug)]
pub(crate) struct Extent {
    pub(crate) neurons: u32,
    /// Steps of each neuron.
    pub(crate) steps: u64,
    /// How many times as many steps *longer* makes.
    pub(crate) longer: u64,
    /// Steps between two evaluations.
    pub(crate) every: u64,
    /// What is compared with neurons alone.
    pub(crate) ways: Vec<Name>,
}

/// What became of one neuron.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Measured where it was best on the half of the held-out examples that is chosen by.
    pub(crate) quality: Quality,
    /// What it computed for itself, by itself.
    pub(crate) own: Duration,
    /// What others computed for it.
    pub(crate) others: Duration,
}

/// What became of the neurons of one seed in one arm, by their places.
#[derive(Debug)]
pub(crate) struct Arm {
    pub(crate) name: &'static str,
    pub(crate) outcomes: Vec<Outcome>,
}

/// How neurons learn that are compared with those alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    Smoothed,
    Asking,
    Encodings,
    Predictions,
    Likeliest,
    Always,
    Itself,
}

/// Neurons that learn the same way.
struct Way {
    name: Name,
    /// The arms of its branches; none for one that says nothing new.
    local: Option<&'static str>,
    network: Option<&'static str>,
    asked: Asked,
    lesson: Lesson,
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nobody,
    /// The copy that it serves.
    Itself,
    Others,
}

const WAYS: [Way; 7] = [
    Way {
        name: Name::Smoothed,
        local: Some("smoothed"),
        network: None,
        asked: Asked::Nobody,
        lesson: Lesson::Smoothed,
    },
    Way {
        name: Name::Asking,
        // Learns as one alone.
        local: None,
        network: Some("asking, network"),
        asked: Asked::Others,
        lesson: Lesson::Labels,
    },
    Way {
        name: Name::Encodings,
        local: Some("encodings, local"),
        network: Some("encodings, network"),
        asked: Asked::Others,
        lesson: Lesson::Encodings,
    },
    Way {
        name: Name::Predictions,
        local: Some("predictions, local"),
        network: Some("predictions, network"),
        asked: Asked::Others,
        lesson: Lesson::Predictions,
    },
    Way {
        name: Name::Likeliest,
        local: Some("likeliest, local"),
        network: Some("likeliest, network"),
        asked: Asked::Others,
        lesson: Lesson::Likeliest,
    },
    Way {
        name: Name::Always,
        local: Some("always, local"),
        network: Some("always, network"),
        asked: Asked::Others,
        lesson: Lesson::Always,
    },
    Way {
        name: Name::Itself,
        local: Some("itself, local"),
        network: Some("itself, network"),
        asked: Asked::Itself,
        lesson: Lesson::Predictions,
    },
];

/// The arm that others are compared with.
pub(crate) const ALONE: &str = "alone";

/// A neuron alone that has all shards: the one arm whose neurons are not those of the others.
pub(crate) const ALL_DATA: &str = "all data";

/// All arms of one seed.
pub(crate) fn run(task: &Task, extent: &Extent, seed: u64) -> Result<Vec<Arm>> {
    let places = 0..extent.neurons as usize;
    let shards = (0..extent.neurons)
        .map(|place| Shard::new(place, extent.neurons))
        .collect::<Result<Vec<_>, _>>()?;
    let neuron = |place: usize| Neuron::new(task, place, shards[place], seed);

    let both = places
        .clone()
        .map(|place| alone(task, extent, neuron(place)?))
        .collect::<Result<Vec<_>>>()?;
    let arm = |name, outcomes| Arm { name, outcomes };
    let mut arms = vec![
        arm(ALONE, both.iter().map(|[alone, _]| *alone).collect()),
        arm("longer", both.iter().map(|[_, longer]| *longer).collect()),
    ];
    for way in WAYS.iter().filter(|way| extent.ways.contains(&way.name)) {
        let neurons = places.clone().map(|place| {
            let asked = match way.asked {
                Asked::Nobody => Vec::new(),
                Asked::Itself => vec![place],
                Asked::Others => places.clone().filter(|&other| other != place).collect(),
            };
            Ok(neuron(place)?.asking(asked).learning(way.lesson))
        });
        let branches = together(task, extent, neurons)?;
        let [local, network] = [branches.local, branches.network];
        arms.extend(way.local.map(|name| arm(name, local)));
        arms.extend(way.network.map(|name| arm(name, network)));
    }
    let brief = Extent {
        longer: 1,
        ..extent.clone()
    };
    let [whole, _] = alone(task, &brief, Neuron::new(task, 0, Shard::WHOLE, seed)?)?;
    arms.push(arm(ALL_DATA, vec![whole]));
    Ok(arms)
}

/// Both branches of all neurons of one seed; none of the network for those who ask nobody.
#[derive(Debug, Default)]
struct Branches {
    local: Vec<Outcome>,
    network: Vec<Outcome>,
}

/// One neuron without others: after `steps`, and after as many times that as `longer` says.
fn alone(task: &Task, extent: &Extent, mut neuron: Neuron) -> Result<[Outcome; 2]> {
    let nobody = Served::new();
    let mut evaluations = Vec::new();
    let mut until = |steps: u64| -> Result<Outcome> {
        while (evaluations.len() as u64) < steps / extent.every {
            for _ in 0..extent.every {
                neuron.step(&nobody)?;
            }
            evaluations.push(neuron.evaluate(task, &nobody)?);
        }
        outcome(&neuron, evaluations.iter().map(|each| each.local))
    };
    Ok([until(extent.steps)?, until(extent.steps * extent.longer)?])
}

/// All neurons, a step each in turn. What is served changes between two rounds only, so turns do not matter.
fn together(
    task: &Task,
    extent: &Extent,
    neurons: impl Iterator<Item = Result<Neuron>>,
) -> Result<Branches> {
    let mut neurons = neurons.collect::<Result<Vec<_>>>()?;
    let mut evaluations: Vec<Vec<Evaluation>> = neurons.iter().map(|_| Vec::new()).collect();
    // Untrained at first, then the best of each so far.
    let mut served: Served = neurons.iter().map(Neuron::copy).collect();
    let mut best = vec![f64::INFINITY; neurons.len()];
    for _ in 0..extent.steps / extent.every {
        for _ in 0..extent.every {
            for neuron in &mut neurons {
                neuron.step(&served)?;
            }
        }
        for (neuron, evaluations) in neurons.iter_mut().zip(&mut evaluations) {
            evaluations.push(neuron.evaluate(task, &served)?);
        }
        for (place, neuron) in neurons.iter().enumerate() {
            let loss = evaluations[place].last().context("just pushed")?.local[0].loss;
            if loss < best[place] {
                best[place] = loss;
                served[place] = neuron.copy();
            }
        }
    }
    let mut branches = Branches::default();
    for (neuron, evaluations) in neurons.iter().zip(&evaluations) {
        let local = evaluations.iter().map(|each| each.local);
        branches.local.push(outcome(neuron, local)?);
        let network: Vec<_> = evaluations.iter().filter_map(|each| each.network).collect();
        if !network.is_empty() {
            branches.network.push(outcome(neuron, network.into_iter())?);
        }
    }
    Ok(branches)
}

/// The evaluation that is best on the half that is chosen by, as the other half has it.
fn outcome(neuron: &Neuron, halves: impl Iterator<Item = [Quality; 2]>) -> Result<Outcome> {
    let [_, quality] = halves
        .min_by(|[one, _], [other, _]| one.loss.total_cmp(&other.loss))
        .context("there is an evaluation: steps are at least those between two")?;
    Ok(Outcome {
        quality,
        own: neuron.own,
        others: neuron.others,
    })
}
