//! The arms of the comparison: neurons of one seed that learn alone, and the same neurons that ask each other.

use std::time::Duration;

use anyhow::{Context as _, Result};
use neuron_learn::dataset::Shard;

use crate::{
    neuron::{Evaluation, Neuron, Quality, Served},
    task::Task,
};

/// How long is learned, by how many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) neurons: u32,
    /// Steps of each neuron.
    pub(crate) steps: u64,
    /// How many times as many steps *longer* makes.
    pub(crate) longer: u64,
    /// Steps between two evaluations.
    pub(crate) every: u64,
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

/// All neurons of one seed, by their places.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    pub(crate) alone: Vec<Outcome>,
    pub(crate) longer: Vec<Outcome>,
    /// Among others: the local branch.
    pub(crate) local: Vec<Outcome>,
    /// Among others: the network branch.
    pub(crate) network: Vec<Outcome>,
    /// A neuron alone that has all shards.
    pub(crate) whole: Vec<Outcome>,
}

/// All arms of one seed.
pub(crate) fn run(task: &Task, extent: Extent, seed: u64) -> Result<Outcomes> {
    let mut outcomes = Outcomes::default();
    for place in 0..extent.neurons {
        let shard = Shard::new(place, extent.neurons)?;
        let [alone, longer] = alone(task, extent, place as usize, shard, seed)?;
        outcomes.alone.push(alone);
        outcomes.longer.push(longer);
    }
    let brief = Extent {
        longer: 1,
        ..extent
    };
    let [whole, _] = alone(task, brief, 0, Shard::WHOLE, seed)?;
    outcomes.whole.push(whole);
    together(task, extent, seed, &mut outcomes)?;
    Ok(outcomes)
}

/// One neuron without others: after `steps`, and after as many times that as `longer` says.
fn alone(
    task: &Task,
    extent: Extent,
    place: usize,
    shard: Shard,
    seed: u64,
) -> Result<[Outcome; 2]> {
    let mut neuron = Neuron::new(task, place, shard, seed)?;
    let mut evaluations = Vec::new();
    let mut until = |steps: u64| -> Result<Outcome> {
        while (evaluations.len() as u64) < steps / extent.every {
            for _ in 0..extent.every {
                neuron.step(None)?;
            }
            evaluations.push(neuron.evaluate(task, None)?);
        }
        outcome(&neuron, evaluations.iter().map(|each| each.local))
    };
    Ok([until(extent.steps)?, until(extent.steps * extent.longer)?])
}

/// All neurons, a step each in turn. What is served changes between two rounds only, so turns do not matter.
fn together(task: &Task, extent: Extent, seed: u64, outcomes: &mut Outcomes) -> Result<()> {
    let mut neurons = (0..extent.neurons)
        .map(|place| {
            let shard = Shard::new(place, extent.neurons)?;
            Neuron::new(task, place as usize, shard, seed)
        })
        .collect::<Result<Vec<_>>>()?;
    let mut evaluations: Vec<Vec<Evaluation>> = neurons.iter().map(|_| Vec::new()).collect();
    // Untrained at first, then the best of each so far.
    let mut served: Served = neurons.iter().map(Neuron::copy).collect();
    let mut best = vec![f64::INFINITY; neurons.len()];
    for _ in 0..extent.steps / extent.every {
        for _ in 0..extent.every {
            for neuron in &mut neurons {
                neuron.step(Some(&served))?;
            }
        }
        for (neuron, evaluations) in neurons.iter_mut().zip(&mut evaluations) {
            evaluations.push(neuron.evaluate(task, Some(&served))?);
        }
        for (place, neuron) in neurons.iter().enumerate() {
            let loss = evaluations[place].last().context("just pushed")?.local[0].loss;
            if loss < best[place] {
                best[place] = loss;
                served[place] = neuron.copy();
            }
        }
    }
    for (neuron, evaluations) in neurons.iter().zip(&evaluations) {
        let local = evaluations.iter().map(|each| each.local);
        outcomes.local.push(outcome(neuron, local)?);
        let network = evaluations.iter().filter_map(|each| each.network);
        outcomes.network.push(outcome(neuron, network)?);
    }
    Ok(())
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
