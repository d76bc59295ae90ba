//! What goes into a module and what comes out of it: `model.json` beside `model.pt`.
//!
//! ```json
//! { "modality": "image", "input": [1, 28, 28], "output": [10], "outputs": "logits" }
//! { "modality": "text", "input": [0], "output": [0, 384], "outputs": "encoding", "vocabulary": 30522 }
//! ```

use std::path::Path;

use neuron_proto::{DType, Modality};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::TorchScriptError;
use crate::synapse::{EntryPoint, SynapseError};

/// What is declared of a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TorchScriptConfig {
    /// What kind of input it takes.
    modality: Takes,
    /// Shape of one input, without the batch axis; 0 where any size will do.
    input: Vec<u32>,
    /// Shape of what it gives for one input, without the batch axis; 0 where an axis is as long as that of the input. The
    /// last is the width of an encoding.
    output: Vec<u32>,
    /// What that is.
    pub(super) outputs: Outputs,
    /// Tokens that it knows, of text: others are refused.
    #[serde(default)]
    vocabulary: Option<i64>,
}

/// A kind of input, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Takes {
    Text,
    Image,
    Tensor,
}

/// What a module gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outputs {
    /// An encoding: nothing is predicted from it, and so nothing is learned.
    Encoding,
    /// Logits of classes, along the last axis: what it predicts is their log softmax.
    Logits,
}

impl TorchScriptConfig {
    /// Reads the file that belongs to a module: of its name, with `.json` at the end.
    ///
    /// # Errors
    ///
    /// [`TorchScriptError::Unreadable`] and [`TorchScriptError::Declaration`].
    pub fn beside(module: &Path) -> Result<TorchScriptConfig, TorchScriptError> {
        let path = module.with_extension("json");
        let json = std::fs::read(&path).map_err(|error| TorchScriptError::Unreadable {
            path: path.clone(),
            error,
        })?;
        let config: Result<TorchScriptConfig, _> = serde_json::from_slice(&json);
        let checked = config
            .map_err(|error| error.to_string())
            .and_then(|config| config.check().map(|()| config));
        checked.map_err(|problem| TorchScriptError::Declaration { path, problem })
    }

    /// Whether it can be so.
    pub(super) fn check(&self) -> Result<(), String> {
        let (axes, names) = match self.modality {
            Takes::Text => (1, "[seq]"),
            Takes::Image => (3, "[channels, height, width]"),
            Takes::Tensor => (2, "[seq, width]"),
        };
        if self.input.len() != axes {
            let input = &self.input;
            return Err(format!("input is {input:?}, expected {names}"));
        }
        let width = self.output.last().copied().unwrap_or(0);
        let free = self.output.iter().enumerate();
        let is_free = |(axis, size): (usize, &u32)| *size == 0 && self.input.get(axis).is_none();
        if width == 0 || free.clone().any(is_free) {
            let output = &self.output;
            return Err(format!(
                "output is {output:?}, expected its last axis to have a size, and 0 only where the input has an axis"
            ));
        }
        if self.modality == Takes::Text && self.vocabulary.is_none_or(|size| size < 1) {
            return Err("vocabulary is missing: how many tokens it knows".into());
        }
        if self.modality != Takes::Text && self.vocabulary.is_some() {
            return Err("vocabulary is for text".into());
        }
        Ok(())
    }

    /// What kind of input it takes.
    pub fn modality(&self) -> Modality {
        match self.modality {
            Takes::Text => Modality::Text,
            Takes::Image => Modality::Image,
            Takes::Tensor => Modality::Tensor,
        }
    }

    /// Shape of one input, 0 where any size will do.
    pub fn input_shape(&self) -> &[u32] {
        &self.input
    }

    /// Tokens that it knows, if it takes text.
    pub fn vocabulary(&self) -> Option<i64> {
        self.vocabulary
    }

    /// Whether it predicts, and so can learn.
    pub fn predicts(&self) -> bool {
        self.outputs == Outputs::Logits
    }

    pub(super) fn d_model(&self) -> i64 {
        self.output.last().map_or(0, |&width| width.into())
    }

    pub(super) fn entry_point(&self) -> EntryPoint {
        EntryPoint {
            modality: self.modality(),
            input_dtypes: match self.modality {
                Takes::Text => vec![DType::I64],
                Takes::Image | Takes::Tensor => vec![DType::F32, DType::F16, DType::BF16],
            },
            input_shape: self.input.clone(),
            output_shape: self.output.clone(),
            prediction_shape: self.predicts().then(|| self.output.clone()),
        }
    }

    /// Inputs as the module takes them: checked, on its device, in its precision.
    pub(super) fn inputs(&self, inputs: &Tensor, device: Device) -> Result<Tensor, SynapseError> {
        let size = inputs.size();
        let fits = size.len() == self.input.len() + 1
            && self
                .input
                .iter()
                .zip(&size[1..])
                .all(|(&declared, &size)| match declared {
                    0 => size > 0,
                    declared => i64::from(declared) == size,
                });
        if !fits {
            return Err(SynapseError::Shape {
                what: "inputs",
                expected: format!("[batch, ..] with {:?}, 0 for any size but none", self.input),
                arrived: size,
            });
        }
        let Some(vocab_size) = self.vocabulary else {
            if !matches!(inputs.kind(), Kind::Float | Kind::Half | Kind::BFloat16) {
                return Err(SynapseError::Kind {
                    what: "inputs",
                    expected: "floats",
                    arrived: inputs.kind(),
                });
            }
            return Ok(inputs.f_to_kind(Kind::Float)?.f_to_device(device)?);
        };
        if inputs.kind() != Kind::Int64 {
            return Err(SynapseError::Kind {
                what: "tokens",
                expected: "Int64",
                arrived: inputs.kind(),
            });
        }
        if inputs.numel() > 0 {
            let outside = |token: i64| !(0..vocab_size).contains(&token);
            let ends = [inputs.f_min()?, inputs.f_max()?].map(|token| token.int64_value(&[]));
            if let Some(arrived) = ends.into_iter().find(|&token| outside(token)) {
                return Err(SynapseError::Token {
                    vocab_size,
                    arrived,
                });
            }
        }
        Ok(inputs.f_to_device(device)?)
    }

    /// Size of what is given for inputs of this size.
    pub(super) fn output_size(&self, inputs: &[i64]) -> Vec<i64> {
        let axes = self
            .output
            .iter()
            .enumerate()
            .map(|(axis, &size)| match size {
                0 => inputs[axis + 1],
                size => size.into(),
            });
        std::iter::once(inputs[0]).chain(axes).collect()
    }
}
