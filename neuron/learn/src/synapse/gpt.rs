//! The GPT synapse: encodings of text up to each place, learnt from the token that comes next.
//!
//! ```text
//! x        = GPT-2(tokens)                                     [batch, seq, d_model]
//! student  = norm(block(embeddings(tokens), held constant))    [batch, seq, d_model]
//! encoding = x + W·[x, context] + b                            [batch, seq, d_model]
//! pooled   = tanh(W·encoding[:, −1] + b)                       [batch, d_model]   what the router routes by
//! target   = log softmax(logits(encoding))                     [batch, seq, vocab]
//! loss     = nll(target, the token after each place)          none is known after the last
//! ```
//!
//! The parts of GPT-2 are those of [`model::gpt2`](crate::model::gpt2). The student is one block of its kind. What the
//! network says is added to what GPT-2 says, so that a pre-trained model begins as it is: read from a folder that knows
//! nothing of a network, `W` and `b` are zero.
//!
//! # Who sees what
//!
//! At each place, the model, its student and its peers, which are causal as well, have seen the tokens up to that place. The
//! router decides about a text as a whole, by its **last** place, the only one that has seen all of it. In training, its
//! choice of peers thus knows tokens that are still to be told; the answers that it chooses among do not, and the local
//! branch, which is measured and served, knows nothing of the choice.
//!
//! # Corrected mistakes of the origin
//!
//! * It routed by the first place, as an encoder does that looks at both sides. In a causal model the first place has seen
//!   nothing but the first token, so texts that begin alike went the same way.
//! * It took the prediction of the network branch from the local encoding. Here one function makes both.

use std::path::Path;

use neuron_proto::{DType, Modality};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, TchError, Tensor};

use super::{Branches, EntryPoint, Labels, Mode, Perception, Synapse, SynapseError, SynapseOutput};
use crate::checkpoint::hugging_face::{self, HuggingFaceError, Modeling};
use crate::export::{ExportError, Exported};
use crate::flops;
use crate::linear::Linear;
use crate::model::gpt2::{
    Cache, GenerateError, Generation, Gpt2, generate::generate, layer::Block, stored,
};
use crate::nn::layer_norm::LayerNorm;
use crate::parameters::Parameters;

pub use crate::model::gpt2::Gpt2Config;

/// The local branch in Python.
const MODELING: Modeling = Modeling {
    code: include_str!("gpt/modeling.py"),
    classes: &[
        ("AutoModelForCausalLM", "NeuronGPT2LMHeadModel"),
        ("AutoModelForPreTraining", "NeuronGPT2LMHeadModel"),
    ],
};

/// A causal language model with a student and a place for what the network says.
#[derive(Debug)]
pub struct Gpt {
    config: Gpt2Config,
    device: Device,
    model: Gpt2,
    student: Student,
    join: Linear,
    pooler: Linear,
}

/// One block over the embeddings of the model, and a norm, as the model has one over its own.
#[derive(Debug)]
struct Student {
    block: Block,
    norm: LayerNorm,
}

/// What was computed of a text that goes on.
struct Memory {
    model: Cache,
    student: Cache,
}

impl Gpt {
    /// A model of these widths, drawn from the seed: the same on every device.
    ///
    /// # Panics
    ///
    /// Unless the configuration passes its [check](Gpt2Config::check).
    pub fn new(config: Gpt2Config, seed: u64, device: Device) -> Gpt {
        if let Err(problem) = config.check() {
            panic!("{problem}");
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (width, deviation) = (config.n_embd, config.initializer_range);
        Gpt {
            model: Gpt2::draw(&config, &mut rng, device),
            student: Student::draw(&config, &mut rng, device),
            join: Linear::draw_normal(2 * width, width, deviation, &mut rng, device),
            pooler: Linear::draw_normal(width, width, deviation, &mut rng, device),
            config,
            device,
        }
    }

    /// Reads a model from a folder in Hugging Face's format, and tells the names of the parameters that are not there and
    /// were drawn from the seed instead: of the pooler and the student. What joins the network is zero then.
    ///
    /// # Errors
    ///
    /// [`HuggingFaceError::Missing`], [`HuggingFaceError::Damaged`] and [`HuggingFaceError::Format`] for files that cannot be
    /// used, [`HuggingFaceError::Misfit`] with the names of tensors that are missing, of another shape, or strange.
    pub fn read(
        folder: &Path,
        seed: u64,
        device: Device,
    ) -> Result<(Gpt, Vec<String>), HuggingFaceError> {
        let config = Gpt2Config::read(folder)?;
        let stored = hugging_face::read_parameters(folder)?;
        let stored = stored::renamed(stored, config.tie_word_embeddings);
        hugging_face::expect_shapes(&stored, stored::shapes(&config), folder)?;
        let gpt = Gpt::new(config, seed, device);
        let may_lack = |name: &str| !stored::is_of_model(name);
        let mut drawn = hugging_face::adopt(&gpt.parameters(), &stored, may_lack, folder)?;
        let n_drawn = drawn.len();
        drawn.retain(|name| !name.starts_with("join."));
        if drawn.len() < n_drawn {
            gpt.join.set_zero();
        }
        Ok((gpt, drawn))
    }

    /// The widths.
    pub fn config(&self) -> &Gpt2Config {
        &self.config
    }

    /// Goes on with texts, by the local branch. Each token is computed once.
    ///
    /// # Shapes
    ///
    /// `prompt`: `[batch, seq]`, i64; result: `[batch, seq..=seq + max_new_tokens]`, on the model's device
    ///
    /// # Errors
    ///
    /// [`GenerateError::Sampling`] for settings by which nothing can be drawn, [`GenerateError::TooLong`] if the longest text
    /// of the model is too short, [`GenerateError::Synapse`] for a prompt that is no text of it.
    pub fn generate(
        &self,
        prompt: &Tensor,
        generation: &Generation,
    ) -> Result<Tensor, GenerateError> {
        let size = |size: i64| usize::try_from(size).expect("sizes are not negative");
        let new = generation.max_new_tokens;
        let (longest, seq) = (size(self.config.n_positions), prompt.size().get(1).copied());
        if let Some(prompt) = seq.map(size).filter(|seq| seq + new > longest) {
            return Err(GenerateError::TooLong {
                prompt,
                new,
                longest,
            });
        }
        self.model.check(prompt, 0)?;
        let mut memory = Memory {
            model: Cache::new(self.config.n_layer),
            student: Cache::new(1),
        };
        generate(&prompt.to_device(self.device), generation, |tokens| {
            Ok(self.next(tokens, &mut memory)?)
        })
    }

    /// Logits of the token after these, which follow those in the memory.
    ///
    /// # Shapes
    ///
    /// `[batch, new]` → `[batch, vocab]`
    fn next(&self, tokens: &Tensor, memory: &mut Memory) -> Result<Tensor, TchError> {
        let mode = Mode::Evaluation;
        let embedded = self.model.embed(tokens, memory.model.n_seen(), mode)?;
        let student = self
            .student
            .forward(&embedded, Some(&mut memory.student), mode)?;
        let features = self.model.encode(embedded, Some(&mut memory.model), mode)?;
        let [features, student] = [features, student].map(|states| states.select(1, -1));
        Ok(self.model.logits(&self.encoding(&features, &student)))
    }

    /// One vector for each text, made of its last place.
    ///
    /// # Shapes
    ///
    /// `[batch, seq, d_model]` → `[batch, d_model]`
    fn pool(&self, encoding: &Tensor) -> Tensor {
        self.pooler.forward(&encoding.select(1, -1)).tanh()
    }
}

impl Branches for Gpt {
    fn encoding(&self, states: &Tensor, context: &Tensor) -> Tensor {
        let inputs = Tensor::cat(&[states, context], -1);
        states + self.join.forward(&inputs)
    }

    fn target(&self, encoding: &Tensor) -> Tensor {
        self.model.logits(encoding).log_softmax(-1, Kind::Float)
    }
}

impl Synapse for Gpt {
    fn entry_points(&self) -> Vec<EntryPoint> {
        let width = |size| u32::try_from(size).expect("a width of a layer that was allocated");
        vec![EntryPoint {
            modality: Modality::Text,
            input_dtypes: vec![DType::I64],
            input_shape: vec![0],
            output_shape: vec![0, width(self.config.n_embd)],
            prediction_shape: Some(vec![width(self.config.vocab_size)]),
        }]
    }

    fn modality(&self) -> Modality {
        Modality::Text
    }

    fn d_model(&self) -> i64 {
        self.config.n_embd
    }

    fn device(&self) -> Device {
        self.device
    }

    /// # Shapes
    ///
    /// `[batch, seq]` → `[batch, seq, d_model]`
    fn forward_text(&self, tokens: &Tensor) -> Result<Tensor, SynapseError> {
        Ok(self.perceive(tokens, Mode::Evaluation)?.local_output)
    }

    /// Of the token after each place.
    fn tell(&self, _: Modality, encodings: &Tensor) -> Result<Tensor, SynapseError> {
        Ok(self.target(encodings))
    }

    /// What is predicted is the token after the last.
    fn predicts_by_last_place(&self) -> bool {
        true
    }

    fn perceive(&self, tokens: &Tensor, mode: Mode) -> Result<Perception, SynapseError> {
        self.model.check(tokens, 0)?;
        let tokens = tokens.to_device(self.device);
        let embedded = self.model.embed(&tokens, 0, mode)?;
        let student = self.student.forward(&embedded.detach(), None, mode)?;
        let features = self.model.encode(embedded, None, mode)?;
        let local_output = self.local(&features, &student);
        Ok(Perception {
            context: self.pool(&local_output),
            features,
            student,
            local_output,
            real: None,
        })
    }

    fn conclude(
        &self,
        perception: &Perception,
        labels: Option<&Labels>,
        network: Option<&Tensor>,
    ) -> Result<SynapseOutput, SynapseError> {
        self.branches(perception, labels, network)
    }

    fn forward_flops(&self, row_shape: &[i64]) -> Option<flops::Forward> {
        let &[seq] = row_shape else { return None };
        let Gpt2Config {
            n_embd, vocab_size, ..
        } = self.config;
        let shape = flops::Blocks {
            width: n_embd,
            between: self.config.d_between(),
        };
        let heads = flops::product(2 * n_embd, n_embd) + flops::product(n_embd, vocab_size);
        let student = seq as f64 * shape.of_token(seq);
        Some(flops::Forward {
            student,
            features: self.config.n_layer as f64 * student,
            branch: seq as f64 * heads,
        })
    }

    fn parameters(&self) -> Parameters {
        let mut parameters = Parameters::new();
        self.model.list(&mut parameters);
        self.student.list("student", &mut parameters);
        self.join.list("join", &mut parameters);
        self.pooler.list("pooler", &mut parameters);
        parameters
    }

    /// A folder in Hugging Face's format: as `GPT2LMHeadModel` of `transformers` reads it, with the student, the pooler and what
    /// joins the network under names of their own, which it leaves alone. With the code that is there too it computes those but
    /// for the pooler, and says what the local branch says.
    fn export(&self) -> Result<Exported, ExportError> {
        hugging_face::export_with(&MODELING, self.config.to_json(), &self.parameters())
    }

    fn copy(&self) -> Box<dyn Synapse> {
        Box::new(Gpt {
            config: self.config,
            device: self.device,
            model: self.model.frozen_copy(),
            student: self.student.frozen_copy(),
            join: self.join.frozen_copy(),
            pooler: self.pooler.frozen_copy(),
        })
    }
}

impl Student {
    fn draw(config: &Gpt2Config, rng: &mut impl Rng, device: Device) -> Student {
        Student {
            block: Block::draw(config, rng, device),
            norm: LayerNorm::new(config.n_embd, config.layer_norm_epsilon, device),
        }
    }

    /// # Shapes
    ///
    /// `embedded`: `[batch, seq, d_model]` → the same
    fn forward(
        &self,
        embedded: &Tensor,
        cache: Option<&mut Cache>,
        mode: Mode,
    ) -> Result<Tensor, TchError> {
        let cache = cache.map(|cache| cache.of_block(0));
        Ok(self
            .norm
            .forward(&self.block.forward(embedded, cache, mode)?))
    }

    fn frozen_copy(&self) -> Student {
        Student {
            block: self.block.frozen_copy(),
            norm: self.norm.frozen_copy(),
        }
    }

    fn list(&self, path: &str, into: &mut Parameters) {
        self.block.list(&format!("{path}.h.0"), into);
        self.norm.list(&format!("{path}.ln_f"), into);
    }
}

#[cfg(test)]
mod tests;
