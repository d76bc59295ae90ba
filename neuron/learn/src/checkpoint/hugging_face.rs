//! Models as Hugging Face keeps them: a folder with `config.json` and `model.safetensors`.
//!
//! A model that is split over several files is read through `model.safetensors.index.json`. Floats of any precision become
//! `f32`. What are not floats is not read: those are buffers that a model makes anew, such as the numbers of positions.
//!
//! What is exported is one file in `f32`, which `transformers` reads, and beside it, of a model that is more than those that it knows,
//! what that computes in Python.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs, io,
    path::{Path, PathBuf},
};

use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use tch::{Kind, TchError};

use super::stored::{Stored, tensor};
use crate::export::{ExportError, Exported};
use crate::parameters::Parameters;

#[cfg(test)]
pub(crate) mod corrupted;
mod fit;

pub use fit::{Misfit, Misshapen};
pub(crate) use fit::{adopt, expect_shapes};

/// The widths of a model.
const CONFIG: &str = "config.json";

/// All tensors of a model.
const MODEL: &str = "model.safetensors";

/// Which file has which tensor.
const INDEX: &str = "model.safetensors.index.json";

/// What of a model `transformers` has to be told in Python.
const CODE: &str = "modeling_neuron.py";

/// What a model computes that `transformers` does not know. It runs that only for who says `trust_remote_code=True`.
pub(crate) struct Modeling {
    /// The classes in Python.
    pub(crate) code: &'static str,
    /// Which of them is the model, by the class that chooses one, such as `AutoModelForCausalLM`.
    pub(crate) classes: &'static [(&'static str, &'static str)],
}

/// Reads one of the folder's JSON files.
///
/// # Errors
///
/// [`HuggingFaceError::Missing`] if it is not there, [`HuggingFaceError::Format`] if it says something else.
pub(crate) fn read_json<T: DeserializeOwned>(
    folder: &Path,
    name: &str,
) -> Result<T, HuggingFaceError> {
    let path = folder.join(name);
    serde_json::from_slice(&read_bytes(&path)?).map_err(|error| HuggingFaceError::Format {
        path,
        problem: error.to_string(),
    })
}

/// Reads the configuration of the model in the folder, and has it checked.
///
/// # Errors
///
/// As [`read_json`], and [`HuggingFaceError::Format`] for what `check` finds.
pub(crate) fn read_config<T: DeserializeOwned>(
    folder: &Path,
    check: impl FnOnce(&T) -> Result<(), String>,
) -> Result<T, HuggingFaceError> {
    let config = read_json(folder, CONFIG)?;
    check(&config).map_err(|problem| HuggingFaceError::Format {
        path: folder.join(CONFIG),
        problem,
    })?;
    Ok(config)
}

/// The largest size of anything in a model: a vocabulary, a width, a text. Larger than of any model that there is, and small
/// enough for the product of two to be a number.
const LARGEST: i64 = 1 << 24;

/// Refuses a configuration with a size that no model has.
///
/// # Errors
///
/// What was expected and what is there.
pub(crate) fn check_sizes<const N: usize>(sizes: [(&str, i64); N]) -> Result<(), String> {
    let none = sizes
        .into_iter()
        .find(|(_, size)| !(1..=LARGEST).contains(size));
    match none {
        Some((name, size)) if size < 1 => Err(format!("{name} is {size}, expected at least 1")),
        Some((name, size)) => Err(format!("{name} is {size}, expected at most {LARGEST}")),
        None => Ok(()),
    }
}

/// Refuses what cannot be a deviation, or cannot be added to a variance.
///
/// # Errors
///
/// What was expected and what is there.
pub(crate) fn check_scales<const N: usize>(scales: [(&str, f64); N]) -> Result<(), String> {
    let none = scales
        .into_iter()
        .find(|(_, scale)| !(scale.is_finite() && *scale >= 0.0));
    match none {
        Some((name, scale)) => Err(format!("{name} is {scale}, expected at least 0")),
        None => Ok(()),
    }
}

/// Reads every float tensor of the model in the folder, on the CPU, as `f32`.
///
/// # Errors
///
/// [`HuggingFaceError::Missing`] if there is no model, [`HuggingFaceError::Damaged`] if it is not whole.
pub(crate) fn read_parameters(folder: &Path) -> Result<Parameters, HuggingFaceError> {
    let mut parameters = Parameters::new();
    for file in files(folder)? {
        let path = folder.join(file);
        let bytes = read_bytes(&path)?;
        let tensors = SafeTensors::deserialize(&bytes)
            .map_err(|error| HuggingFaceError::Damaged { path, error })?;
        for (name, view) in tensors.iter().filter(|(_, view)| is_float(view.dtype())) {
            let value = tensor(&view)?.f_to_kind(Kind::Float)?;
            parameters.insert(name.to_owned(), value);
        }
    }
    Ok(parameters)
}

/// A model as such a folder. It is known by its configuration.
///
/// # Errors
///
/// [`ExportError::Torch`].
pub(crate) fn export(
    config: &impl Serialize,
    parameters: &Parameters,
) -> Result<Exported, ExportError> {
    let tensors = parameters
        .iter()
        .map(|(name, tensor)| Ok((name, Stored::of(&tensor.f_to_kind(Kind::Float)?)?)))
        .collect::<Result<Vec<_>, TchError>>()?;
    // Without it, `transformers` does not know that the tensors are PyTorch's.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let model = safetensors::serialize(tensors, Some(metadata))
        .expect("shape and length of each tensor are torch's own");
    let config =
        serde_json::to_vec_pretty(config).expect("a configuration is made of numbers and names");
    Ok(Exported::new([(MODEL, model), (CONFIG, config)]))
}

/// The same of a model that is more than its configuration says.
///
/// # Errors
///
/// As [`export`].
pub(crate) fn export_with(
    modeling: &Modeling,
    mut config: Value,
    parameters: &Parameters,
) -> Result<Exported, ExportError> {
    let module = CODE.trim_end_matches(".py");
    config["auto_map"] = modeling
        .classes
        .iter()
        .map(|(auto, class)| ((*auto).to_owned(), format!("{module}.{class}").into()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let code = (CODE, modeling.code.as_bytes().to_vec());
    Ok(export(&config, parameters)?.with([code]))
}

/// The files that the tensors are in, by name.
fn files(folder: &Path) -> Result<BTreeSet<String>, HuggingFaceError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    if folder.join(MODEL).exists() || !folder.join(INDEX).exists() {
        return Ok(BTreeSet::from([MODEL.to_owned()]));
    }
    let Index { weight_map } = read_json(folder, INDEX)?;
    let files: BTreeSet<String> = weight_map.into_values().collect();
    match files.iter().find(|file| !is_beside(file)) {
        Some(elsewhere) => Err(HuggingFaceError::Format {
            path: folder.join(INDEX),
            problem: format!("{elsewhere:?} is not the name of a file beside it"),
        }),
        None => Ok(files),
    }
}

/// Whether this is a plain name, which leads nowhere else.
fn is_beside(file: &str) -> bool {
    Path::new(file).file_name() == Some(file.as_ref())
}

fn is_float(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64)
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, HuggingFaceError> {
    fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => HuggingFaceError::Missing(path.to_owned()),
        _ => HuggingFaceError::Read {
            path: path.to_owned(),
            error,
        },
    })
}

/// Why a model in Hugging Face's format cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HuggingFaceError {
    /// It is not there.
    #[error(
        "there is no {}: expected a folder with {CONFIG} and {MODEL}, as Hugging Face keeps a model",
        .0.display()
    )]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is cut or overwritten.
    #[error("{} is damaged ({error}): fetch it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What safetensors says.
        error: SafeTensorError,
    },
    /// It is of a model that is not known here.
    #[error("{} is not what this model reads: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected and what is there.
        problem: String,
    },
    /// Its tensors are not those of its configuration.
    #[error("the tensors in {} do not fit its {CONFIG}: {misfit}", folder.display())]
    Misfit {
        /// The folder.
        folder: PathBuf,
        /// Which of them.
        misfit: Misfit,
    },
    /// libtorch refused a tensor.
    #[error(transparent)]
    Torch(#[from] TchError),
}

#[cfg(test)]
mod tests;
