//! What a neuron needs to go on where it stopped, in one file.
//!
//! The file is in the format of safetensors, so that others can read it: parameters and buffers are there by their names,
//! `velocity.*` the optimiser's. What are not tensors is JSON in the file's metadata, under `connectome`: where
//! training stands, the running opinion of each peer, and the configuration.
//!
//! # Promised properties
//!
//! * A neuron that is resumed computes on the CPU what it would have computed without the interruption, to the last bit.
//! * A checkpoint is written beside the old one and takes its place only when it is whole and on the disk: whatever
//!   interrupts the writing, the path holds a valid one.
//! * A file that is cut, damaged or of another model is an error that says so, and changes nothing.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use neuron_text::atomic;
use neuron_wallet::PublicKey;
use safetensors::{SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize};
use tch::TchError;

use crate::{codistillation::Need, dataset::Position, optim::GradScaler, parameters::Parameters};

pub(crate) mod exact;
pub mod hugging_face;
mod stored;

pub(crate) use stored::holds;
use stored::{Stored, tensor};

/// Version of what is in the metadata. One that is not known is refused.
const FORMAT: u32 = 1;

/// Key of the metadata.
const METADATA: &str = "connectome";

/// Prefix of the names of the optimiser's tensors.
const VELOCITY: &str = "velocity.";

/// Where training stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What everything random is drawn from: first parameters, first keys, and the order of batches.
    pub seed: u64,
    /// Optimiser steps made.
    pub step: u64,
    /// The batch that comes next. With the seed, it is the whole state of the order of batches.
    pub position: Position,
    /// The lowest loss on held-out examples so far; none before the first evaluation.
    #[serde(with = "exact::option")]
    pub best_loss: Option<f64>,
    /// Scaling of the loss, in mixed precision.
    pub scaler: Option<GradScaler>,
    /// How much peers are listened to; nothing is known of that in checkpoints of older versions.
    #[serde(default)]
    pub need: Need,
}

/// Everything that is in the file.
#[derive(Debug)]
pub struct Checkpoint {
    /// Where training stands.
    pub progress: Progress,
    /// Running opinion of each peer, of which the chain's weight row is made.
    pub weights: BTreeMap<PublicKey, f64>,
    /// What the neuron was configured with, for people and for checks; this crate does not interpret it.
    pub config: serde_json::Value,
    /// Model and router, and what the model learned otherwise than by gradients.
    pub parameters: Parameters,
    /// The optimiser's state, by the name of the parameter.
    pub velocities: Parameters,
}

/// The part of a checkpoint that is not tensors.
#[derive(Serialize, Deserialize)]
struct Metadata {
    format: u32,
    progress: Progress,
    #[serde(with = "exact::map")]
    weights: BTreeMap<PublicKey, f64>,
    config: serde_json::Value,
}

impl Checkpoint {
    /// Writes the checkpoint to `path`, in place of what is there.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Write`]; what was at `path` before is there still.
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        let metadata = Metadata {
            format: FORMAT,
            progress: self.progress.clone(),
            weights: self.weights.clone(),
            config: self.config.clone(),
        };
        let metadata = serde_json::to_string(&metadata)
            .expect("its keys are strings and its numbers are numbers");
        let velocities = self
            .velocities
            .iter()
            .map(|(name, tensor)| (format!("{VELOCITY}{name}"), tensor));
        let tensors = self
            .parameters
            .iter()
            .map(|(name, tensor)| (name.clone(), tensor))
            .chain(velocities)
            .map(|(name, tensor)| Ok((name, Stored::of(tensor)?)))
            .collect::<Result<Vec<_>, CheckpointError>>()?;
        let bytes = safetensors::serialize(
            tensors,
            Some(HashMap::from([(METADATA.to_owned(), metadata)])),
        )
        .expect("shape and length of each tensor are torch's own");
        atomic::write(path, &bytes).map_err(|error| CheckpointError::Write {
            path: path.to_owned(),
            error,
        })
    }

    /// Reads a checkpoint. Its tensors are on the CPU.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Missing`] if there is no such file, [`CheckpointError::Damaged`] if it is not whole,
    /// [`CheckpointError::Format`] if it is a safetensors file of something else.
    pub fn load(path: &Path) -> Result<Self, CheckpointError> {
        let bytes = std::fs::read(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => CheckpointError::Missing(path.to_owned()),
            _ => CheckpointError::Read {
                path: path.to_owned(),
                error,
            },
        })?;
        let damaged = |error: SafeTensorError| CheckpointError::Damaged {
            path: path.to_owned(),
            error,
        };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
        let metadata = metadata(path, header.metadata().as_ref())?;
        let mut checkpoint = Self {
            progress: metadata.progress,
            weights: metadata.weights,
            config: metadata.config,
            parameters: Parameters::new(),
            velocities: Parameters::new(),
        };
        for (name, view) in SafeTensors::deserialize(&bytes).map_err(damaged)?.iter() {
            let tensor = tensor(&view)?;
            match name.strip_prefix(VELOCITY) {
                Some(name) => checkpoint.velocities.insert(name.to_owned(), tensor),
                None => checkpoint.parameters.insert(name.to_owned(), tensor),
            };
        }
        Ok(checkpoint)
    }
}

/// The metadata of a file, if it is a checkpoint's.
fn metadata(
    path: &Path,
    header: Option<&HashMap<String, String>>,
) -> Result<Metadata, CheckpointError> {
    let not_ours = |problem: String| CheckpointError::Format {
        path: path.to_owned(),
        problem,
    };
    let json = header
        .and_then(|header| header.get(METADATA))
        .ok_or_else(|| not_ours(format!("it has no metadata named {METADATA:?}")))?;

    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let parse =
        |error: serde_json::Error| not_ours(format!("its metadata cannot be read: {error}"));
    let Version { format } = serde_json::from_str(json).map_err(parse)?;
    if format != FORMAT {
        return Err(not_ours(format!(
            "it is of version {format}, this program reads version {FORMAT}"
        )));
    }
    serde_json::from_str(json).map_err(parse)
}

/// Why a checkpoint can be neither written nor read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// There is none.
    #[error("there is no checkpoint {}", .0.display())]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("cannot read the checkpoint {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It cannot be written.
    #[error("cannot write the checkpoint {}: {error}; what was there before is unchanged", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is cut or overwritten.
    #[error("the checkpoint {} is damaged ({error}): use another, or begin anew without one", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What safetensors says.
        error: SafeTensorError,
    },
    /// It is not a checkpoint of this program.
    #[error("{} is not a checkpoint of a neuron: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected and what is there.
        problem: String,
    },
    /// libtorch refused a tensor.
    #[error(transparent)]
    Torch(#[from] TchError),
}

#[cfg(test)]
mod tests;
