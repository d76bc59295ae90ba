//! `neuron export`: what a run has learned, as a model for other programs.

use std::path::{Path, PathBuf};

use anyhow::Context;
use neuron::{
    Output,
    cli::{CheckpointName, Export, Global},
    exit::UsageError,
};
use neuron_learn::{checkpoint::Checkpoint, export::Exported};
use neuron_text::Rows;
use serde::Serialize;
use tch::Device;

use crate::{
    blueprint::Blueprint,
    train::{BEST, LAST},
    trained::Trained,
};

/// What was written.
#[derive(Serialize)]
struct Summary {
    /// Which model it is, as on the command line.
    synapse: &'static str,
    /// The checkpoint that it is from.
    checkpoint: PathBuf,
    /// Optimiser steps that it has made.
    step: u64,
    /// Where it is.
    folder: PathBuf,
    /// In the order in which they were written.
    files: Vec<File>,
}

#[derive(Serialize)]
struct File {
    name: &'static str,
    bytes: usize,
}

/// Writes a checkpoint of a run as a model for other programs, and says what was written.
pub(crate) fn export(global: &Global, export: &Export) -> anyhow::Result<()> {
    let run = match &export.run.run {
        Some(run) => run.clone(),
        None => export.run.folder(&global.hotkey_address()?, global.netid),
    };
    let path = run.join(match export.checkpoint {
        CheckpointName::Best => BEST,
        CheckpointName::Last => LAST,
    });
    let checkpoint = Checkpoint::load(&path).context(
        "export needs a trained model: neuron train makes one, and --run names its folder. Before the first evaluation there is \
         only --checkpoint last",
    )?;
    let trained = Trained::of(&run, path, &checkpoint, Device::Cpu)?;
    let files = files(&trained)?;
    if !export.force {
        refuse_to_replace(&export.folder, &files)?;
    }
    files.write(&export.folder)?;
    let summary = Summary {
        synapse: trained.blueprint.name().name(),
        checkpoint: trained.path,
        step: trained.step,
        folder: export.folder.clone(),
        files: files
            .files()
            .map(|(name, bytes)| File {
                name,
                bytes: bytes.len(),
            })
            .collect(),
    };
    Output::new(global).show(&summary, Summary::told)?;
    Ok(())
}

/// The model in files, with its tokeniser in the form that who reads the model reads.
fn files(trained: &Trained) -> anyhow::Result<Exported> {
    let model = trained.synapse.export()?;
    let Some(tokenizer) = &trained.tokenizer else {
        return Ok(model);
    };
    let for_transformers = |rows, longest| tokenizer.export_for_transformers(rows, longest);
    Ok(match &trained.blueprint {
        Blueprint::Bert(config) => model.with(for_transformers(
            Rows::Sentences,
            config.max_position_embeddings,
        )?),
        Blueprint::Gpt(config) => model.with(for_transformers(Rows::Text, config.n_positions)?),
        _ => model.with(tokenizer.export()),
    })
}

/// # Errors
///
/// [`UsageError`] if there is a file of one of these names.
fn refuse_to_replace(folder: &Path, files: &Exported) -> Result<(), UsageError> {
    let there: Vec<_> = files
        .files()
        .map(|(name, _)| name)
        .filter(|name| folder.join(name).exists())
        .collect();
    if there.is_empty() {
        return Ok(());
    }
    Err(UsageError(format!(
        "{} has {} already: choose another folder, or replace that with --force",
        folder.display(),
        there.join(", ")
    )))
}

impl Summary {
    fn told(&self) -> String {
        let Self {
            synapse,
            checkpoint,
            step,
            folder,
            files,
        } = self;
        let names: Vec<_> = files.iter().map(|file| file.name).collect();
        format!(
            "{synapse} after {step} steps, from {}, is in {}: {}",
            checkpoint.display(),
            folder.display(),
            names.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_replaced_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let model = Blueprint::Mnist.build(Path::new(""), 0, Device::Cpu);
        let files = model.unwrap().export().unwrap();
        assert!(refuse_to_replace(folder.path(), &files).is_ok());
        assert!(refuse_to_replace(&folder.path().join("new"), &files).is_ok());
        std::fs::write(folder.path().join("README.md"), "").unwrap();
        assert!(refuse_to_replace(folder.path(), &files).is_ok());
        std::fs::write(folder.path().join("config.json"), "").unwrap();
        let refused = refuse_to_replace(folder.path(), &files).unwrap_err();
        let refused = refused.to_string();
        assert!(refused.contains("has config.json already"), "{refused}");
        assert!(refused.contains("--force"), "{refused}");
    }
}
