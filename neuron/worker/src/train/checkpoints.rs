//! Checkpoints of a run: the best, and the last.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
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

/// The one of the last evaluation, unless that was the best, or of the end of a run.
pub(crate) const LAST: &str = "last.safetensors";

/// Of the time that passes, what saving takes is at most one part of so many, as far as it can be put off: of 36 MB after every
/// half a second, as of the default model and data, it would take a tenth.
const SAVING_OF: u32 = 20;

/// When the last checkpoint was written, and how long that took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Saved {
    at: Instant,
    took: Duration,
}

impl Saved {
    /// Just now.
    pub(super) fn since(began: Instant) -> Self {
        let at = Instant::now();
        Self {
            at,
            took: at.duration_since(began),
        }
    }

    /// Whether another one that is not the best takes no more time than it may.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) >= self.took * SAVING_OF
    }
}

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
    /// Whether images are changed at random, if it is images.
    pub(crate) augment: Option<bool>,
    /// What else it was set to, by the names of settings: what counts, where nobody says otherwise, when it is gone on with.
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, String>,
}

/// Settings that make a run another one and show in nothing else that a recipe has.
const OF_THE_RUN: [&str; 2] = ["key-dim", "vocabulary"];

/// A setting that is another than that of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Its name.
    setting: String,
    /// What it is.
    asked: String,
    /// What it was.
    found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            setting,
            asked,
            found,
        } = self;
        write!(
            f,
            "--{setting} {asked} is asked for, and the run has {found}"
        )
    }
}

/// What differs. The setting has no value where it says nothing, or the checkpoint is of a version that did not keep it.
fn difference(setting: &str, asked: Option<String>, found: Option<String>) -> Option<Difference> {
    let (asked, found) = asked.zip(found)?;
    (asked != found).then(|| Difference {
        setting: setting.to_owned(),
        asked,
        found,
    })
}

impl Recipe {
    /// In what it differs from the recipe of the run, as an operator would say it. What follows from another model or from
    /// other data is not told beside those.
    fn differences(&self, run: &Recipe) -> Vec<Difference> {
        let of =
            |setting, of: fn(&Recipe) -> Option<String>| difference(setting, of(self), of(run));
        let first = of("synapse", |recipe| {
            Some(recipe.model.name().name().to_owned())
        })
        .or_else(|| of("dataset", |recipe| Some(recipe.dataset.clone())));
        if let Some(first) = first {
            return vec![first];
        }
        let shown = |number: Option<u32>| number.map(|number| number.to_string());
        let data = [
            of("shard", |recipe| {
                Some(recipe.shard.map(|n| n.to_string()).join("/"))
            }),
            of("batch-size", |recipe| Some(recipe.batch_size.to_string())),
            of("accumulate", |recipe| Some(recipe.accumulate.to_string())),
            difference("sequence", shown(self.sequence), shown(run.sequence)),
            of("augment", |recipe| Some(recipe.augment?.to_string())),
            of("tokenizer", |recipe| recipe.tokenizer.clone()),
        ];
        let kept = OF_THE_RUN.map(|name| {
            let of = |recipe: &Recipe| recipe.settings.get(name).cloned();
            difference(name, of(self), of(run))
        });
        let model = self.model.differences(&run.model).into_iter();
        let model = model
            .filter_map(|(setting, asked, found)| difference(&setting, Some(asked), Some(found)));
        let mut all: Vec<Difference> = Vec::new();
        for found in data.into_iter().chain(kept).flatten().chain(model) {
            if all.iter().all(|known| known.setting != found.setting) {
                all.push(found);
            }
        }
        all
    }
}

/// Which run a checkpoint is of.
#[derive(Clone, Debug)]
pub(crate) struct Earlier {
    path: PathBuf,
    seed: u64,
    recipe: Option<Recipe>,
}

impl Earlier {
    /// The run of this checkpoint.
    pub(crate) fn of(path: &Path, checkpoint: &Checkpoint) -> Self {
        Self {
            path: path.to_owned(),
            seed: checkpoint.progress.seed,
            recipe: serde_json::from_value(checkpoint.config.clone()).ok(),
        }
    }

    /// What it is made of.
    ///
    /// # Errors
    ///
    /// [`TrainError::UnknownRun`] if the checkpoint does not say.
    pub(crate) fn recipe(&self) -> Result<&Recipe, TrainError> {
        let unknown = || TrainError::UnknownRun {
            path: self.path.clone(),
        };
        self.recipe.as_ref().ok_or_else(unknown)
    }

    /// Whether a run with this seed and recipe can go on from it.
    ///
    /// # Errors
    ///
    /// [`TrainError::OtherRun`] if it cannot, and as [`Self::recipe`].
    pub(crate) fn check(&self, seed: u64, recipe: &Recipe) -> Result<(), TrainError> {
        let shown = |seed: u64| Some(seed.to_string());
        let of_seed = difference("seed", shown(seed), shown(self.seed));
        let differences = recipe.differences(self.recipe()?);
        let differences: Vec<_> = of_seed.into_iter().chain(differences).collect();
        match differences.is_empty() {
            true => Ok(()),
            false => Err(TrainError::OtherRun {
                path: self.path.clone(),
                differences,
            }),
        }
    }
}

/// The checkpoint in a run's folder that has made the most steps, if there is any.
pub(crate) fn latest(folder: &Path) -> Result<Option<(PathBuf, Checkpoint)>, CheckpointError> {
    let found = [named(folder, BEST)?, named(folder, LAST)?];
    // The last of those that have made as many.
    let found = found.into_iter().flatten();
    Ok(found.max_by_key(|(_, checkpoint)| checkpoint.progress.step))
}

/// The best checkpoint in a run's folder, or the last as long as none was found good.
pub(super) fn soundest(folder: &Path) -> Result<Option<(PathBuf, Checkpoint)>, CheckpointError> {
    match named(folder, BEST)? {
        None => named(folder, LAST),
        best => Ok(best),
    }
}

fn named(folder: &Path, name: &str) -> Result<Option<(PathBuf, Checkpoint)>, CheckpointError> {
    let path = folder.join(name);
    match Checkpoint::load(&path) {
        Err(CheckpointError::Missing(_)) => Ok(None),
        found => Ok(Some((path, found?))),
    }
}

/// What a run in this folder serves: its best model, or the untrained one as long as there is none.
pub(crate) fn served(
    folder: &Path,
    untrained: &dyn Synapse,
) -> Result<Box<dyn Synapse>, TrainError> {
    let mut served = untrained.copy();
    if let Some((_, best)) = named(folder, BEST)? {
        served.load(&best.parameters)?;
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
                need: self.need,
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
        Earlier::of(path, checkpoint).check(self.config.seed, &self.recipe)?;
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
        self.need = checkpoint.progress.need;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saving_takes_a_twentieth_of_the_time() {
        let at = Instant::now();
        let took = Duration::from_millis(90);
        let saved = Saved { at, took };
        assert!(!saved.is_due(at + Duration::from_millis(1_799)));
        assert!(saved.is_due(at + Duration::from_millis(1_800)));
    }
}
