//! Checkpoints of a run: the best, and the last.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use neuron_learn::{
    checkpoint::{Checkpoint, CheckpointError, Progress},
    parameters::Parameters,
    synapse::Synapse,
};
use serde::{Deserialize, Serialize};

use super::{TrainError, Trainer, opinions::Opinions};
use crate::{
    blueprint::{Blueprint, MODULE},
    data::TOKENIZER,
};

/// The one with the lowest loss on held-out examples: what is served once there is one.
pub(crate) const BEST: &str = "best.safetensors";

/// The one of the end of a run.
pub(crate) const LAST: &str = "last.safetensors";

/// What a run must have in common with the checkpoint that it goes on from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recipe {
    /// The model.
    pub(crate) model: Blueprint,
    /// What its token ids are of.
    pub(crate) tokenizer: Option<String>,
    /// The data.
    pub(crate) dataset: String,
    /// Which part of it, and of how many.
    pub(crate) shard: [u32; 2],
    /// Examples of a batch.
    pub(crate) batch_size: usize,
    /// Batches of a step.
    pub(crate) accumulate: u32,
    /// Tokens of a text, if it is text.
    pub(crate) sequence: Option<u32>,
    /// Whether images are changed at random, if somebody said so.
    pub(crate) augment: Option<bool>,
}

/// The checkpoint in a run's folder that has made the most steps, if there is any.
pub(crate) fn latest(folder: &Path) -> Result<Option<(PathBuf, Checkpoint)>, CheckpointError> {
    let mut latest: Option<(PathBuf, Checkpoint)> = None;
    for name in [BEST, LAST] {
        let path = folder.join(name);
        match Checkpoint::load(&path) {
            Err(CheckpointError::Missing(_)) => {}
            Err(error) => return Err(error),
            Ok(found) => {
                let steps = |checkpoint: &Checkpoint| checkpoint.progress.step;
                if latest
                    .as_ref()
                    .is_none_or(|(_, latest)| steps(latest) <= steps(&found))
                {
                    latest = Some((path, found));
                }
            }
        }
    }
    Ok(latest)
}

/// Whether a run with this seed and recipe can go on from a checkpoint.
///
/// # Errors
///
/// [`TrainError::OtherRun`] if it cannot.
pub(crate) fn check(
    path: &Path,
    checkpoint: &Checkpoint,
    seed: u64,
    recipe: &Recipe,
) -> Result<(), TrainError> {
    let found: Option<Recipe> = serde_json::from_value(checkpoint.config.clone()).ok();
    let found = (checkpoint.progress.seed, found);
    let expected = (seed, Some(recipe.clone()));
    if found == expected {
        return Ok(());
    }
    Err(TrainError::OtherRun {
        path: path.to_owned(),
        expected: format!("{expected:?}"),
        found: format!("{found:?}"),
    })
}

/// What a run in this folder serves: its best model, or the untrained one as long as there is none.
pub(crate) fn served(
    folder: &Path,
    untrained: &dyn Synapse,
) -> Result<Box<dyn Synapse>, TrainError> {
    let mut served = untrained.copy();
    match Checkpoint::load(&folder.join(BEST)) {
        Err(CheckpointError::Missing(_)) => {}
        best => served.load(&best?.parameters)?,
    }
    Ok(served)
}

/// Puts the checkpoints of an earlier run, and what they are served with, out of the way of a new one, into a folder of their
/// own beside it. Gives the
/// folder, if there were any.
pub(crate) fn set_aside(folder: &Path) -> io::Result<Option<PathBuf>> {
    let found: Vec<_> = [BEST, LAST]
        .into_iter()
        .filter(|name| folder.join(name).exists())
        .collect();
    if found.is_empty() {
        return Ok(None);
    }
    let mut numbers = 1u32..;
    let aside = loop {
        let number = numbers.next().expect("fewer than 2^32 runs");
        let aside = folder.join(format!("earlier-{number}"));
        match fs::create_dir(&aside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => break made.map(|()| aside)?,
        }
    };
    let belongings = [TOKENIZER, MODULE].into_iter();
    let belongings = belongings.filter(|name| folder.join(name).exists());
    for name in found.into_iter().chain(belongings) {
        fs::rename(folder.join(name), aside.join(name))?;
    }
    Ok(Some(aside))
}

impl Trainer {
    /// Writes a checkpoint of this moment.
    pub(super) fn save(&mut self, name: &str) -> Result<PathBuf, TrainError> {
        let path = self.folder.join(name);
        let share = |tensors: &Parameters| -> Parameters {
            let shared = tensors
                .iter()
                .map(|(name, tensor)| (name.clone(), tensor.shallow_clone()));
            shared.collect()
        };
        let checkpoint = Checkpoint {
            progress: Progress {
                seed: self.config.seed,
                step: self.step,
                position: self.batches.position(),
                best_loss: self.best_loss,
                scaler: self.descent.scaler,
            },
            weights: self.opinions.by_hotkey().clone(),
            config: serde_json::to_value(&self.recipe).expect("strings and numbers"),
            parameters: self.state(),
            velocities: share(self.descent.sgd.state()),
        };
        checkpoint.save(&path)?;
        Ok(path)
    }

    /// Goes on from a checkpoint of the same run.
    pub(super) fn resume(
        &mut self,
        path: &Path,
        checkpoint: &Checkpoint,
    ) -> Result<(), TrainError> {
        check(path, checkpoint, self.config.seed, &self.recipe)?;
        self.restore(checkpoint)?;
        self.step = checkpoint.progress.step;
        self.best_loss = checkpoint.progress.best_loss;
        self.batches.go_to(checkpoint.progress.position);
        Ok(())
    }

    /// Takes over what was learned, and nothing of where training stood.
    pub(super) fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        self.synapse.load(&checkpoint.parameters)?;
        self.router.load(&checkpoint.parameters)?;
        let parameters = self.parameters();
        self.descent
            .sgd
            .restore(&checkpoint.velocities, &parameters)?;
        if let (Some(ours), Some(theirs)) = (&mut self.descent.scaler, checkpoint.progress.scaler) {
            *ours = theirs;
        }
        self.opinions = Opinions::restore(checkpoint.weights.clone());
        Ok(())
    }

    /// What is optimised: model and router together.
    pub(super) fn parameters(&self) -> Parameters {
        let mut parameters = self.synapse.parameters();
        parameters.append(&mut self.router.parameters());
        parameters
    }

    /// What is saved: the same, and what the model learns otherwise than by gradients.
    pub(super) fn state(&self) -> Parameters {
        let mut state = self.synapse.state();
        state.append(&mut self.router.parameters());
        state
    }
}
