//! What a run has learned, read from its folder: what is served and exported.

use std::path::{Path, PathBuf};

use neuron_learn::{checkpoint::Checkpoint, synapse::Synapse};
use neuron_proto::Modality;
use neuron_text::Tokenizer;
use serde_json::Value;
use tch::Device;

use crate::{blueprint::Blueprint, data::TOKENIZER};

/// A model that was trained, with what it cannot be used without.
pub(crate) struct Trained {
    /// The checkpoint that it is from.
    pub(crate) path: PathBuf,
    /// Optimiser steps made.
    pub(crate) step: u64,
    /// Which model it is.
    pub(crate) blueprint: Blueprint,
    /// The model.
    pub(crate) synapse: Box<dyn Synapse>,
    /// What its token ids are of, if it takes text.
    pub(crate) tokenizer: Option<Tokenizer>,
}

/// What makes a new model, all of which is replaced by what was learned.
const SEED: u64 = 0;

impl Trained {
    /// What a checkpoint of a run is of, which was read from `path`.
    ///
    /// # Errors
    ///
    /// If it does not say which model it is of, or the run's folder lacks the module or the tokeniser that it needs.
    pub(crate) fn of(
        run: &Path,
        path: PathBuf,
        checkpoint: &Checkpoint,
        device: Device,
    ) -> anyhow::Result<Trained> {
        let blueprint = Blueprint::of_checkpoint(&checkpoint.config)?;
        let mut synapse = blueprint.build(run, SEED, device)?;
        synapse.load(&checkpoint.parameters)?;
        let tokenizer = match synapse.modality() {
            Modality::Text => Some(tokenizer_of(run, &path, checkpoint)?),
            Modality::Image | Modality::Tensor => None,
        };
        Ok(Trained {
            step: checkpoint.progress.step,
            path,
            blueprint,
            synapse,
            tokenizer,
        })
    }
}

/// The tokeniser in a run's folder, if it is the one that the checkpoint is of, as far as that says.
fn tokenizer_of(run: &Path, path: &Path, checkpoint: &Checkpoint) -> anyhow::Result<Tokenizer> {
    let beside = run.join(TOKENIZER);
    let tokenizer = Tokenizer::load(&beside)?;
    let expected = checkpoint.config.get("tokenizer").and_then(Value::as_str);
    let fingerprint = tokenizer.fingerprint().to_string();
    anyhow::ensure!(
        expected.is_none_or(|expected| expected == fingerprint),
        "{} is not the tokeniser that {} is of",
        beside.display(),
        path.display()
    );
    Ok(tokenizer)
}
