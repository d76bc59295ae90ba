//! What goes into a module and what comes out of it: `model.json` beside `model.pt`, or what is declared otherwise.
//!
//! ```json
//! { "modality": "image", "input": [1, 28, 28], "output": [10], "outputs": "logits" }
//! { "modality": "text", "input": [0], "output": [0, 384], "outputs": "encoding", "vocabulary": 30522, "longest": 512 }
//! { "modality": "text", "input": [0], "output": [0, 50257], "outputs": "logits", "vocabulary": 50257, "longest": 1024,
//!   "causal": true }
//! ```

use std::{io, path::Path};

use neuron_proto::{DType, Modality};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tch::{Device, Kind, Tensor};

use super::TorchScriptError;
use crate::synapse::{EntryPoint, SynapseError, images};

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
    /// Tokens of the longest text that it takes, where any length will do: longer ones are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    longest: Option<u32>,
    /// Whether it tells at each place of a text the token that comes next, having seen none after: it predicts at the last
    /// place alone.
    #[serde(default, skip_serializing_if = "is_false")]
    causal: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(flag: &bool) -> bool {
    !flag
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
    /// Reads the file that belongs to a module: of its name, with `.json` at the end. What is declared `besides`, key by key,
    /// takes the place of what the file says; if that is all, there need be no file.
    ///
    /// # Errors
    ///
    /// [`TorchScriptError::Unreadable`] and [`TorchScriptError::Declaration`].
    pub fn beside(
        module: &Path,
        besides: Option<&Map<String, Value>>,
    ) -> Result<TorchScriptConfig, TorchScriptError> {
        let mut declared = read(&module.with_extension("json"), besides.is_some())?;
        for (key, value) in besides.into_iter().flatten() {
            declared.insert(key.clone(), value.clone());
        }
        let config: Result<TorchScriptConfig, _> = serde_json::from_value(declared.into());
        let checked = config
            .map_err(|error| error.to_string())
            .and_then(|config| config.check().map(|()| config));
        checked.map_err(|problem| TorchScriptError::Declaration {
            path: module.to_owned(),
            problem,
        })
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
        self.check_text()
    }

    /// Whether what is said of texts can be so.
    fn check_text(&self) -> Result<(), String> {
        let is_free = self.modality == Takes::Text && self.input == [0];
        match self.longest {
            Some(_) if !is_free => {
                Err("longest is for texts of any length, of which the input is [0]".into())
            }
            Some(0) => Err("longest is 0, expected at least 1 token".into()),
            _ if !self.causal => Ok(()),
            _ if self.modality != Takes::Text || !self.predicts() => {
                Err("causal is for text of which the outputs are logits".into())
            }
            _ if self.output.len() != 2 || ![0, self.input[0]].contains(&self.output[0]) => {
                Err(format!(
                    "output is {:?}, expected of a causal module [seq, vocabulary], with the seq of its input",
                    self.output
                ))
            }
            _ => Ok(()),
        }
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

    /// Tokens of the longest text that it takes, if that is declared.
    pub fn longest(&self) -> Option<u32> {
        let fixed = self.input.first().copied().filter(|&size| size > 0);
        self.longest
            .or(fixed.filter(|_| self.modality == Takes::Text))
    }

    /// Whether it tells at each place of a text the token that comes next.
    pub fn is_causal(&self) -> bool {
        self.causal
    }

    /// Shape of what it gives for one input, 0 where an axis is as long as that of the input. The last is the width.
    pub fn output_shape(&self) -> &[u32] {
        &self.output
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
                Takes::Image => vec![DType::F32, DType::F16, DType::BF16, DType::U8],
                Takes::Tensor => vec![DType::F32, DType::F16, DType::BF16],
            },
            input_shape: self.input.clone(),
            output_shape: self.output.clone(),
            prediction_shape: self.prediction_shape(),
        }
    }

    fn prediction_shape(&self) -> Option<Vec<u32>> {
        let predicted = match self.causal {
            true => self.output.last().into_iter().copied().collect(),
            false => self.output.clone(),
        };
        self.predicts().then_some(predicted)
    }

    /// Inputs as the module takes them: checked, on its device, in its precision.
    ///
    /// # Errors
    ///
    /// [`SynapseError::Shape`] for another shape or a text that is too long, [`SynapseError::Kind`] for other numbers,
    /// [`SynapseError::Token`] for a token that it does not know.
    pub(super) fn inputs(&self, inputs: &Tensor, device: Device) -> Result<Tensor, SynapseError> {
        self.check_size(&inputs.size())?;
        match (self.vocabulary, self.modality) {
            (Some(vocab_size), _) => {
                check_tokens(inputs, vocab_size)?;
                Ok(inputs.f_to_device(device)?)
            }
            (None, Takes::Image) => {
                let channels = inputs.size()[1];
                images::unit(inputs, channels, device)
            }
            (None, _) if is_float(inputs) => {
                Ok(inputs.f_to_kind(Kind::Float)?.f_to_device(device)?)
            }
            (None, _) => Err(SynapseError::Kind {
                what: "inputs",
                expected: "floats",
                arrived: inputs.kind(),
            }),
        }
    }

    fn check_size(&self, size: &[i64]) -> Result<(), SynapseError> {
        let longest = self.longest.map_or(i64::MAX, i64::from);
        let fits = size.len() == self.input.len() + 1
            && self
                .input
                .iter()
                .zip(&size[1..])
                .all(|(&declared, &size)| match declared {
                    0 => (1..=longest).contains(&size),
                    declared => i64::from(declared) == size,
                });
        if fits {
            return Ok(());
        }
        let any = match self.longest {
            Some(longest) => format!("any size of at most {longest}"),
            None => "any size but none".to_owned(),
        };
        Err(SynapseError::Shape {
            what: "inputs",
            expected: format!("[batch, ..] with {:?}, 0 for {any}", self.input),
            arrived: size.to_owned(),
        })
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

/// The object in a file; an empty one if there is no file and `may_lack`.
fn read(path: &Path, may_lack: bool) -> Result<Map<String, Value>, TorchScriptError> {
    let json = match std::fs::read(path) {
        Ok(json) => json,
        Err(error) if may_lack && error.kind() == io::ErrorKind::NotFound => return Ok(Map::new()),
        Err(error) => {
            return Err(TorchScriptError::Unreadable {
                path: path.to_owned(),
                error,
            });
        }
    };
    serde_json::from_slice(&json).map_err(|error| TorchScriptError::Declaration {
        path: path.to_owned(),
        problem: error.to_string(),
    })
}

fn is_float(tensor: &Tensor) -> bool {
    matches!(tensor.kind(), Kind::Float | Kind::Half | Kind::BFloat16)
}

/// Refuses what are no ids, and ids that are not in the vocabulary.
fn check_tokens(tokens: &Tensor, vocab_size: i64) -> Result<(), SynapseError> {
    if tokens.kind() != Kind::Int64 {
        return Err(SynapseError::Kind {
            what: "tokens",
            expected: "Int64",
            arrived: tokens.kind(),
        });
    }
    if tokens.numel() == 0 {
        return Ok(());
    }
    let ends = [tokens.f_min()?, tokens.f_max()?].map(|token| token.int64_value(&[]));
    match ends.into_iter().find(|id| !(0..vocab_size).contains(id)) {
        Some(arrived) => Err(SynapseError::Token {
            vocab_size,
            arrived,
        }),
        None => Ok(()),
    }
}
