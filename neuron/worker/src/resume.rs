//! What a run was set to, and `--resume`: what nobody says is as the run has it.
//!
//! Options, environment and configuration file count first, then what the run was set to, then the defaults. What makes it
//! another run is refused, by [`Earlier::check`]; all else, such as a learning rate, may be said anew.

use std::{collections::BTreeMap, path::Path};

use neuron::{
    cli::{Cli, Command, SynapseName, Train},
    config::Config,
};

use crate::{
    blueprint::Blueprint,
    train::{Earlier, latest},
};

/// Settings that are kept with a run. Not when it ends, where it computes, and how it is reached: these are of the machine and
/// of the day. A tokeniser and a module are in its folder.
const KEPT: [&str; 31] = [
    "synapse",
    "mixed-precision",
    "seed",
    "dpn",
    "width",
    "layers",
    "heads",
    "dropout",
    "dataset",
    "data",
    "shard",
    "batch-size",
    "accumulate",
    "evaluate",
    "augment",
    "sequence",
    "vocabulary",
    "epoch-steps",
    "learning-rate",
    "router-rate",
    "momentum",
    "clip",
    "schedule",
    "schedule-steps",
    "gamma",
    "topk",
    "key-dim",
    "learn-from",
    "imitation",
    "send-gradients",
    "apply-gradients",
];

/// Settings that say what a model is like, and not only which it is.
const DESCRIBING: [&str; 6] = ["dpn", "width", "layers", "heads", "dropout", "pretrained"];

/// How a run is begun or gone on with.
pub(crate) struct Plan {
    /// What it is set to.
    pub(crate) train: Train,
    /// What of that is kept with it, by the names of settings.
    pub(crate) settings: BTreeMap<String, String>,
    /// The run that it goes on with, if there is one.
    pub(crate) earlier: Option<Earlier>,
    /// Whether somebody says what the model is like.
    is_described: bool,
}

impl Plan {
    /// Of what the operator set, and what the run in this folder was set to if it is to be gone on with.
    ///
    /// # Errors
    ///
    /// If there is a checkpoint that cannot be read or does not say how it was trained.
    pub(crate) fn new(train: &Train, config: &Config, folder: &Path) -> anyhow::Result<Plan> {
        let found = match train.training.resume {
            true => latest(folder)?,
            false => None,
        };
        let earlier = found.map(|(path, checkpoint)| Earlier::of(&path, &checkpoint));
        let (train, settings) = match &earlier {
            None => (train.clone(), config.values(&KEPT)),
            Some(earlier) => {
                let recipe = earlier.recipe()?;
                let (cli, config) = config.after(&recipe.settings)?;
                let mut train = train_of(cli);
                let model = &mut train.model;
                // A module names itself: of its run, no setting says which model it is.
                if model.synapse.is_none() && model.torchscript.is_none() {
                    model.synapse = Some(recipe.model.name());
                }
                (train, config.values(&KEPT))
            }
        };
        Ok(Plan {
            settings: absolute(settings),
            is_described: DESCRIBING.iter().any(|name| config.is_said(name)),
            train,
            earlier,
        })
    }

    /// The model of the run that is gone on with, if it is of this kind and nobody says what it should be like.
    pub(crate) fn model(&self, name: SynapseName) -> anyhow::Result<Option<Blueprint>> {
        let Some(earlier) = self.earlier.as_ref().filter(|_| !self.is_described) else {
            return Ok(None);
        };
        let model = &earlier.recipe()?.model;
        Ok((model.name() == name).then(|| model.clone()))
    }
}

fn train_of(cli: Cli) -> Train {
    match cli.command {
        Command::Train(train) => *train,
        _ => unreachable!("the same command line was understood as neuron train before"),
    }
}

/// With the folder of the data as it is found from anywhere.
fn absolute(mut settings: BTreeMap<String, String>) -> BTreeMap<String, String> {
    if let Some(data) = settings.get_mut("data")
        && let Ok(path) = std::path::absolute(&*data)
        && let Some(path) = path.to_str()
    {
        *data = path.to_owned();
    }
    settings
}

#[cfg(test)]
mod tests {
    use neuron::config;

    use super::*;

    #[test]
    fn what_is_kept_are_settings_of_training() {
        let (_, config) = config::parse(["neuron", "train"].map(Into::into)).unwrap();
        let known: Vec<_> = config.settings().unwrap();
        for name in KEPT.iter().chain(&DESCRIBING) {
            assert!(known.iter().any(|setting| setting.name == *name), "{name}");
        }
        assert_eq!(config.values(&KEPT)["learning-rate"], "0.01");
    }
}
