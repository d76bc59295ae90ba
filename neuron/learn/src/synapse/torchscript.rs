//! Any PyTorch module as a synapse: a file of TorchScript, exported from Python.
//!
//! ```text
//! x        = module(inputs)                     [batch, .., d_model]
//! student  = W₂·W₁·x, x held constant           [batch, .., d_model]
//! encoding = x + W₂·W₁·[x, context]             [batch, .., d_model]
//! pooled   = mean of the encodings of an input  [batch, d_model]       what the router routes by
//! target   = log softmax(encoding)              [batch, .., n_classes] if the module's outputs are logits
//! ```
//!
//! What the network says is added to what the module says, and is zero at first: a module is served exactly as it was
//! exported. Both maps are of bounded rank, so that logits over a large vocabulary do not ask for its square. What goes into a
//! module and what comes out of it says a small file beside it, see [`TorchScriptConfig`]; whether that is so is tried when
//! the module is opened.
//!
//! # Modes
//!
//! A module learns in training mode and is served in evaluation mode, as in Python. Its buffers, such as running statistics,
//! are learned like its parameters: copies and checkpoints have them. A batch of one row, of whose numbers batch norm has no
//! variance, passes in evaluation mode where the module refuses it in training.

mod archive;
mod config;
mod module;
mod trial;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use blake2::{Blake2b, Digest, digest::consts::U32};
use neuron_proto::Modality;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, TchError, Tensor};

use super::{
    Branches, EntryPoint, Labels, Mode, Perception, Synapse, SynapseError, SynapseOutput,
    expect_shape,
};
use crate::export::{ExportError, Exported};
use crate::linear::Linear;
use crate::parameters::Parameters;

pub use self::config::{Outputs, TorchScriptConfig};
use self::module::Module;

/// A module of PyTorch with a student and a place for what the network says.
pub struct TorchScript {
    config: TorchScriptConfig,
    module: Module,
    student: Narrow,
    join: Narrow,
}

/// Rank of a map that is added to a module, at most.
const RANK: i64 = 256;

/// A linear map of bounded rank, with biases: `y = W₂·(W₁·x + b₁) + b₂`.
struct Narrow {
    down: Linear,
    up: Linear,
}

impl Narrow {
    fn draw(d_in: i64, d_out: i64, rng: &mut impl Rng, device: Device) -> Narrow {
        let rank = RANK.min(d_out);
        Narrow {
            down: Linear::draw(d_in, rank, rng, device),
            up: Linear::draw(rank, d_out, rng, device),
        }
    }

    /// # Shapes
    ///
    /// `[.., d_in]` → `[.., d_out]`
    fn forward(&self, inputs: &Tensor) -> Tensor {
        self.up.forward(&self.down.forward(inputs))
    }

    fn frozen_copy(&self) -> Narrow {
        Narrow {
            down: self.down.frozen_copy(),
            up: self.up.frozen_copy(),
        }
    }

    fn list(&self, path: &str, into: &mut Parameters) {
        self.down.list(&format!("{path}.down"), into);
        self.up.list(&format!("{path}.up"), into);
    }
}

/// Why a module cannot be a synapse.
#[derive(Debug, thiserror::Error)]
pub enum TorchScriptError {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// What is declared makes no sense.
    #[error("what goes into a module and comes out of it is not declared for {}: {problem}", path.display())]
    Declaration {
        /// The module, or the file beside it.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// It is no module of TorchScript.
    #[error("{} is no module that torch.jit.save wrote: {error}", path.display())]
    NoModule {
        /// The file.
        path: PathBuf,
        /// What libtorch says.
        error: TchError,
    },
    /// It does something else than it is declared to do.
    #[error("{} is not what is declared of it: {problem}", path.display())]
    Trial {
        /// The file.
        path: PathBuf,
        /// What was expected, and what came.
        problem: String,
    },
}

impl TorchScript {
    /// Opens a module and tries whether it does what is declared: what comes out is of the declared shape, finite, of each
    /// row the same whatever other rows there are, and the same whenever it is asked.
    ///
    /// # Errors
    ///
    /// [`TorchScriptError`], with what was expected and what came.
    pub fn open(
        path: &Path,
        config: TorchScriptConfig,
        seed: u64,
        device: Device,
    ) -> Result<TorchScript, TorchScriptError> {
        let file = std::fs::read(path).map_err(|error| TorchScriptError::Unreadable {
            path: path.to_owned(),
            error,
        })?;
        config
            .check()
            .map_err(|problem| TorchScriptError::Declaration {
                path: path.to_owned(),
                problem,
            })?;
        let module =
            Module::read(file.into(), device).map_err(|error| TorchScriptError::NoModule {
                path: path.to_owned(),
                error,
            })?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let width = config.d_model();
        let opened = TorchScript {
            student: Narrow::draw(width, width, &mut rng, device),
            join: Narrow::draw(2 * width, width, &mut rng, device),
            config,
            module,
        };
        opened.join.up.set_zero();
        let tried = tch::no_grad(|| trial::of_answers(&opened));
        tried.map_err(|problem| TorchScriptError::Trial {
            path: path.to_owned(),
            problem,
        })?;
        Ok(opened)
    }

    /// Tries whether it can be trained: in training mode it gives what is declared as well, and a copy of what it has become
    /// answers the same.
    ///
    /// # Errors
    ///
    /// [`TorchScriptError::Trial`], with what was expected and what came.
    pub fn try_learning(&self, path: &Path) -> Result<(), TorchScriptError> {
        let tried = tch::no_grad(|| trial::of_learning(self));
        tried.map_err(|problem| TorchScriptError::Trial {
            path: path.to_owned(),
            problem,
        })
    }

    /// What is declared of the module.
    pub fn config(&self) -> &TorchScriptConfig {
        &self.config
    }

    /// The file that it was read from, byte by byte.
    pub fn file(&self) -> Arc<[u8]> {
        self.module.file().clone()
    }

    /// What tells modules apart: BLAKE2b-256 of the file, in hexadecimal.
    pub fn fingerprint(&self) -> String {
        let hash = Blake2b::<U32>::digest(self.module.file());
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What the module makes of inputs.
    ///
    /// # Shapes
    ///
    /// As declared: `[batch, ..]` → `[batch, .., d_model]`, f32
    fn features(&self, inputs: &Tensor, mode: Mode) -> Result<Tensor, SynapseError> {
        let inputs = self.config.inputs(inputs, self.device())?;
        let outputs = match (mode, self.module.forward(&inputs, mode)) {
            (Mode::Training, Err(_)) if inputs.size()[0] == 1 => {
                self.module.forward(&inputs, Mode::Evaluation)?
            }
            (_, outputs) => outputs?,
        };
        if !matches!(
            outputs.kind(),
            Kind::Float | Kind::Half | Kind::BFloat16 | Kind::Double
        ) {
            return Err(SynapseError::Kind {
                what: "what the module gave",
                expected: "floats",
                arrived: outputs.kind(),
            });
        }
        let outputs = outputs.f_to_kind(Kind::Float)?;
        let expected = self.config.output_size(&inputs.size());
        expect_shape("what the module gave", &outputs, &expected)?;
        Ok(outputs)
    }

    /// The same in memory of its own.
    ///
    /// # Errors
    ///
    /// If a buffer has become of another shape.
    fn copied(&self) -> Result<TorchScript, TchError> {
        Ok(TorchScript {
            config: self.config.clone(),
            module: self.module.copy()?,
            student: self.student.frozen_copy(),
            join: self.join.frozen_copy(),
        })
    }
}

/// Under the names that they have in a checkpoint.
fn of_module(tensors: Parameters) -> impl Iterator<Item = (String, Tensor)> {
    let named = |(name, tensor)| (format!("module.{name}"), tensor);
    tensors.into_iter().map(named)
}

impl Branches for TorchScript {
    fn encoding(&self, states: &Tensor, context: &Tensor) -> Tensor {
        let inputs = Tensor::cat(&[states, context], -1);
        states + self.join.forward(&inputs)
    }

    fn target(&self, encoding: &Tensor) -> Tensor {
        encoding.log_softmax(-1, Kind::Float)
    }
}

impl Synapse for TorchScript {
    fn entry_points(&self) -> Vec<EntryPoint> {
        vec![self.config.entry_point()]
    }

    fn modality(&self) -> Modality {
        self.config.modality()
    }

    fn d_model(&self) -> i64 {
        self.config.d_model()
    }

    fn device(&self) -> Device {
        self.module.device()
    }

    fn forward_text(&self, tokens: &Tensor) -> Result<Tensor, SynapseError> {
        self.encoding_of(Modality::Text, tokens)
    }

    fn forward_image(&self, images: &Tensor) -> Result<Tensor, SynapseError> {
        self.encoding_of(Modality::Image, images)
    }

    fn forward_tensor(&self, encodings: &Tensor) -> Result<Tensor, SynapseError> {
        self.encoding_of(Modality::Tensor, encodings)
    }

    fn tell(&self, modality: Modality, encodings: &Tensor) -> Result<Tensor, SynapseError> {
        match self.config.outputs {
            Outputs::Logits => Ok(self.target(encodings)),
            Outputs::Encoding => Err(SynapseError::NoPrediction(modality)),
        }
    }

    /// A causal module predicts the token after the last.
    fn predicts_by_last_place(&self) -> bool {
        self.config.is_causal()
    }

    fn perceive(&self, inputs: &Tensor, mode: Mode) -> Result<Perception, SynapseError> {
        let features = self.features(inputs, mode)?;
        let student = self.student.forward(&features.detach());
        let local_output = self.local(&features, &student);
        let width = self.d_model();
        let pooled = local_output.reshape([features.size()[0], -1, width]);
        Ok(Perception {
            context: pooled.mean_dim(1, false, Kind::Float),
            features,
            student,
            local_output,
            real: None,
        })
    }

    /// # Errors
    ///
    /// [`SynapseError::NoPrediction`] if there are labels and the module's outputs are no logits.
    fn conclude(
        &self,
        perception: &Perception,
        labels: Option<&Labels>,
        network: Option<&Tensor>,
    ) -> Result<SynapseOutput, SynapseError> {
        if labels.is_some() && self.config.outputs == Outputs::Encoding {
            return Err(SynapseError::NoPrediction(self.modality()));
        }
        self.branches(perception, labels, network)
    }

    fn parameters(&self) -> Parameters {
        let mut parameters = of_module(self.module.parameters()).collect();
        self.student.list("student", &mut parameters);
        self.join.list("join", &mut parameters);
        parameters
    }

    fn buffers(&self) -> Parameters {
        of_module(self.module.buffers()).collect()
    }

    /// The module alone, without what takes in what the network says, in `model.pt` as `torch.jit.save` would write it, and what is
    /// declared of it in `model.json`.
    fn export(&self) -> Result<Exported, ExportError> {
        let declared = serde_json::to_vec_pretty(&self.config).expect("its keys are strings");
        let module = self.module.export()?;
        Ok(Exported::new([
            ("model.json", declared),
            ("model.pt", module),
        ]))
    }

    fn copy(&self) -> Box<dyn Synapse> {
        let copied = self.copied();
        Box::new(copied.expect("its buffers keep their shapes: learning was tried"))
    }
}

impl TorchScript {
    fn encoding_of(&self, modality: Modality, inputs: &Tensor) -> Result<Tensor, SynapseError> {
        if modality != self.modality() {
            return Err(SynapseError::NotImplemented(modality));
        }
        Ok(self.perceive(inputs, Mode::Evaluation)?.local_output)
    }
}

impl fmt::Debug for TorchScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TorchScript")
            .field("config", &self.config)
            .field("device", &self.device())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
