//! The course of the demo, step by step.
//!
//! ```text
//! chain ─► register ─► train together ─► stop ─► train alone ─► done
//! ```
//!
//! Whatever goes wrong, processes die with the values that hold them. Who ends although nobody told it to, or does not when
//! it is told, is a failure of the demo: it is written down, and the others go on, as they would in a network.

use crate::{
    chain::{self, LocalChain, Member},
    neurons::{Setup, Trainee},
    observation::{Neuron, Phase, Role, Training},
    observe::{ChainObserver, complain, observe_neurons},
    options::Options,
    stage::{Interrupted, Stage},
};
use anyhow::{Result, bail};
use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    thread,
};

/// Runs all of it, with logs and databases in `folder`.
///
/// # Errors
///
/// [`Interrupted`] if somebody ended it, or what kept it from going on. What was measured until then is on the stage, and so
/// are failures that did not.
pub(crate) async fn run(options: &Options, folder: &Path, stage: &mut Stage) -> Result<()> {
    options.task.check(&options.text)?;
    let setup = Setup {
        worker: options.worker()?,
        task: options.task,
        text: options.text.clone(),
        folder: folder.to_owned(),
        n: options.neurons.into(),
        seed: options.seed,
    };
    let node = options.node()?;
    let mut chain = stage.during(LocalChain::start(&node, folder)).await?;
    stage.enter(Phase::Registering);
    let members = register(&chain, &setup, stage).await?;
    stage.enter(Phase::Training);
    let mut neurons = start(&setup, &chain, &members, stage)?;
    let trained = train_together(options, &mut chain, &mut neurons, stage).await;
    stage.enter(Phase::Stopping);
    let stopped = stop(neurons, chain, stage).await;
    trained?;
    stopped?;
    stage.enter(Phase::TrainingAlone);
    train_alone(&setup, stage).await?;
    stage.enter(Phase::Done);
    stage.show()
}

async fn register(chain: &LocalChain, setup: &Setup, stage: &mut Stage) -> Result<Vec<Member>> {
    let chain = &chain.chain;
    let members = (0..setup.n)
        .map(|index| Member::new(setup.seed, index))
        .collect::<Result<Vec<_>>>()?;
    stage.observation.note("the chain answers");
    stage.during(chain::network(chain, setup.task)).await?;
    stage.during(chain::fund(chain, &members)).await?;
    stage.observation.note("Alice has funded the neurons");
    let uids = stage
        .during(chain::register(chain, setup.task.netid(), &members))
        .await?;
    stage.observation.note("the neurons are registered");
    stage.during(chain::stake(chain, &members)).await?;
    stage.observation.note("each has staked on itself");
    stage.observation.neurons = members
        .iter()
        .zip(uids)
        .enumerate()
        .map(|(index, (member, uid))| neuron(index, setup.n, uid, member))
        .collect();
    Ok(members)
}

fn neuron(index: usize, n: usize, uid: u16, member: &Member) -> Neuron {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Neuron {
        uid,
        role: role(index, n),
        hotkey: member.hotkey().to_string(),
        shard: [count(index), count(n)],
        training: Training::default(),
        calls: BTreeMap::new(),
        rows: Vec::new(),
        ended: None,
    }
}

/// The first is the validator, the last answers noise.
fn role(index: usize, n: usize) -> Role {
    match index {
        0 => Role::Validator,
        last if last + 1 == n => Role::Garbage,
        _ => Role::Neuron,
    }
}

fn start(
    setup: &Setup,
    chain: &LocalChain,
    members: &[Member],
    stage: &Stage,
) -> Result<Vec<Trainee>> {
    members
        .iter()
        .zip(&stage.observation.neurons)
        .enumerate()
        .map(|(index, (member, neuron))| {
            setup.together(index, &chain.url, &member.uri, !neuron.is_honest())
        })
        .collect()
}

async fn train_together(
    options: &Options,
    chain: &mut LocalChain,
    neurons: &mut Vec<Trainee>,
    stage: &mut Stage,
) -> Result<()> {
    let mut observer = stage
        .during(ChainObserver::begin(&chain.chain, options.task.netid()))
        .await?;
    while !is_enough(options, stage) {
        stage.tick().await?;
        observe_neurons(neurons, &mut stage.observation, stage.began_ms)?;
        if neurons.is_empty() {
            bail!("no neuron is left");
        }
        if let Some(complaint) = chain.deserted()? {
            complain(&mut stage.observation, None, "the node", complaint);
            bail!("no chain is left");
        }
        observer.observe(&mut stage.observation).await?;
    }
    Ok(())
}

fn is_enough(options: &Options, stage: &Stage) -> bool {
    let observation = &stage.observation;
    let epochs = u32::try_from(observation.chain.epochs.len()).unwrap_or(u32::MAX);
    let steps = observation
        .neurons
        .iter()
        .map(|neuron| neuron.training.n_steps())
        .min();
    epochs >= options.epochs
        || options
            .steps
            .zip(steps)
            .is_some_and(|(wanted, done)| done >= wanted)
}

/// Stops the neurons, then the chain. A second interruption kills them.
async fn stop(neurons: Vec<Trainee>, chain: LocalChain, stage: &mut Stage) -> Result<()> {
    let all = futures::future::try_join_all(neurons.into_iter().map(Trainee::stop));
    let began = stage.began_ms;
    for last in stage.during(all).await? {
        let neuron = &mut stage.observation.neurons[last.index];
        for event in last.events {
            neuron.apply(event, began);
        }
        let (uid, name) = (neuron.uid, neuron.name());
        if let Some(complaint) = last.complaint {
            complain(&mut stage.observation, Some(uid), &name, complaint);
        }
    }
    if let Some(complaint) = stage.during(chain.stop()).await? {
        complain(&mut stage.observation, None, "the node", complaint);
    }
    Ok(())
}

/// Trains every model again without a network, as many at a time as there are processors.
async fn train_alone(setup: &Setup, stage: &mut Stage) -> Result<()> {
    let parallel = thread::available_parallelism().map_or(1, usize::from);
    stage.observation.alone = vec![Training::default(); setup.n];
    let mut waiting: VecDeque<usize> = (0..setup.n).collect();
    let mut running: Vec<Trainee> = Vec::new();
    while !(waiting.is_empty() && running.is_empty()) {
        while running.len() < parallel
            && let Some(index) = waiting.pop_front()
        {
            let steps = stage.observation.neurons[index].training.n_steps();
            if steps > 0 {
                running.push(setup.alone(index, steps)?);
            }
        }
        stage.tick().await?;
        for place in (0..running.len()).rev() {
            let trainee = &mut running[place];
            let ended = trainee.ended()?;
            let twin = &mut stage.observation.alone[trainee.index];
            for event in trainee.news()? {
                twin.apply(event, stage.began_ms);
            }
            if let Some(status) = ended {
                let trainee = running.swap_remove(place);
                if let Some(complaint) = trainee.failed(status) {
                    let name = stage.observation.neurons[trainee.index].name();
                    let twin = format!("the model of {name} that trained alone");
                    complain(&mut stage.observation, None, &twin, complaint);
                }
            }
        }
    }
    Ok(())
}

/// Whether somebody ended the demo.
pub(crate) fn was_interrupted(error: &anyhow::Error) -> bool {
    error.is::<Interrupted>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_the_validator_and_the_last_the_one_that_answers_noise() {
        let roles: Vec<Role> = (0..5).map(|index| role(index, 5)).collect();
        assert_eq!(
            roles,
            [
                Role::Validator,
                Role::Neuron,
                Role::Neuron,
                Role::Neuron,
                Role::Garbage
            ]
        );
    }
}
