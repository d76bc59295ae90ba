//! The BERT synapse: encodings of text, learnt from masked words and from sentences that follow each other.
//!
//! ```text
//! x        = BERT(tokens)                               [batch, seq, d_model]
//! student  = layer(embeddings(tokens), held constant)   [batch, seq, d_model]
//! encoding = x + W·[x, context] + b                     [batch, seq, d_model]   zero at padding
//! pooled   = tanh(W·encoding[:, 0] + b)                 [batch, d_model]        what the router routes by
//! target   = log softmax(words(encoding))               [batch, seq, vocab]
//! loss     = nll(target, masked words) + nll(log softmax(next(pooled)), next sentence)
//! ```
//!
//! The parts of BERT are those of [`model::bert`](crate::model::bert). The student is one layer of its kind. What the network
//! says is added to what BERT says, so that a pre-trained encoder begins as it is: read from a folder that knows nothing of
//! a network, `W` and `b` are zero.
//!
//! # Corrected mistakes of the origin
//!
//! * It took a softmax before the cross entropy, which takes its own: over the two classes of the next sentence, and over
//!   the sequence instead of the vocabulary for words. Here logits go into one log softmax over classes.
//! * Its branches differed in layers, and one took its prediction from another's encoding. Here one function makes both.
//! * It clamped tokens to a vocabulary that was one too large. Here a token that is not known is refused.
//! * It sent texts as pickled objects. Here a request is token ids, and [masks and segments](crate::model::bert) follow.

use std::path::Path;

use neuron_proto::{DType, Modality};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use super::{
    Branches, EntryPoint, Labels, Mode, Perception, Synapse, SynapseError, SynapseOutput,
    expect_shape, perception::TargetLoss,
};
use crate::checkpoint::hugging_face::{self, HuggingFaceError, Modeling};
use crate::export::{ExportError, Exported};
use crate::flops;
use crate::linear::Linear;
use crate::loss;
use crate::model::bert::{BertForPreTraining, layer::Layer, stored, text::Texts};
use crate::parameters::Parameters;

pub use crate::model::bert::BertConfig;

/// The local branch in Python.
const MODELING: Modeling = Modeling {
    code: include_str!("bert/modeling.py"),
    classes: &[
        ("AutoModelForMaskedLM", "NeuronBertForMaskedLM"),
        ("AutoModelForPreTraining", "NeuronBertForPreTraining"),
    ],
};

/// An encoder of text with a student and a place for what the network says.
#[derive(Debug)]
pub struct Bert {
    config: BertConfig,
    device: Device,
    model: BertForPreTraining,
    student: Layer,
    join: Linear,
}

impl Bert {
    /// A model of these widths, drawn from the seed: the same on every device.
    ///
    /// # Panics
    ///
    /// Unless the configuration passes its [check](BertConfig::check).
    pub fn new(config: BertConfig, seed: u64, device: Device) -> Bert {
        if let Err(problem) = config.check() {
            panic!("{problem}");
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (width, deviation) = (config.hidden_size, config.initializer_range);
        Bert {
            model: BertForPreTraining::draw(&config, &mut rng, device),
            student: Layer::draw(&config, &mut rng, device),
            join: Linear::draw_normal(2 * width, width, deviation, &mut rng, device),
            config,
            device,
        }
    }

    /// Reads a model from a folder in Hugging Face's format, and tells the names of the parameters that are not there and
    /// were drawn from the seed instead: of the pooler, the heads and the student. What joins the network is zero then.
    ///
    /// The encoder may be stored alone, without the prefix `bert.`, as models for sentence embeddings are.
    ///
    /// # Errors
    ///
    /// [`HuggingFaceError::Missing`], [`HuggingFaceError::Damaged`] and [`HuggingFaceError::Format`] for files that cannot be
    /// used, [`HuggingFaceError::Misfit`] with the names of tensors that are missing, of another shape, or strange.
    pub fn read(
        folder: &Path,
        seed: u64,
        device: Device,
    ) -> Result<(Bert, Vec<String>), HuggingFaceError> {
        let config = BertConfig::read(folder)?;
        let stored = stored::renamed(hugging_face::read_parameters(folder)?);
        hugging_face::expect_shapes(&stored, stored::shapes(&config), folder)?;
        let bert = Bert::new(config, seed, device);
        let may_lack = |name: &str| !stored::is_of_encoder(name);
        let mut drawn = hugging_face::adopt(&bert.parameters(), &stored, may_lack, folder)?;
        let n_drawn = drawn.len();
        drawn.retain(|name| !name.starts_with("join."));
        if drawn.len() < n_drawn {
            bert.join.set_zero();
        }
        Ok((bert, drawn))
    }

    /// The widths.
    pub fn config(&self) -> &BertConfig {
        &self.config
    }
}

impl Branches for Bert {
    fn encoding(&self, states: &Tensor, context: &Tensor) -> Tensor {
        let inputs = Tensor::cat(&[states, context], -1);
        states + self.join.forward(&inputs)
    }

    fn target(&self, encoding: &Tensor) -> Tensor {
        self.model.words(encoding).log_softmax(-1, Kind::Float)
    }

    /// Of the masked words and, where the texts are pairs, of the next sentence.
    fn target_loss(
        &self,
        encoding: &Tensor,
        target: &Tensor,
        labels: &Labels,
    ) -> Result<TargetLoss, SynapseError> {
        let of_pairs = |follows: &Tensor| {
            expect_shape("next sentence", follows, &encoding.size()[..1])?;
            let logits = self.model.next_sentence(&self.model.pool(encoding));
            let told = logits.log_softmax(-1, Kind::Float);
            Ok::<_, SynapseError>(loss::nll(&told, follows)?)
        };
        Ok(TargetLoss {
            targets: loss::nll(target, &labels.targets)?,
            next_sentence: labels.next_sentence.as_ref().map(of_pairs).transpose()?,
        })
    }
}

impl Synapse for Bert {
    fn entry_points(&self) -> Vec<EntryPoint> {
        let width = |size| u32::try_from(size).expect("a width of a layer that was allocated");
        vec![EntryPoint {
            modality: Modality::Text,
            input_dtypes: vec![DType::I64],
            input_shape: vec![0],
            output_shape: vec![0, width(self.config.hidden_size)],
            prediction_shape: Some(vec![0, width(self.config.vocab_size)]),
        }]
    }

    fn modality(&self) -> Modality {
        Modality::Text
    }

    fn d_model(&self) -> i64 {
        self.config.hidden_size
    }

    fn device(&self) -> Device {
        self.device
    }

    /// # Shapes
    ///
    /// `[batch, seq]` → `[batch, seq, d_model]`, zero at padding
    fn forward_text(&self, tokens: &Tensor) -> Result<Tensor, SynapseError> {
        Ok(self.perceive(tokens, Mode::Evaluation)?.local_output)
    }

    /// Of the token at each place.
    fn tell(&self, _: Modality, encodings: &Tensor) -> Result<Tensor, SynapseError> {
        Ok(self.target(encodings))
    }

    fn perceive(&self, tokens: &Tensor, mode: Mode) -> Result<Perception, SynapseError> {
        let texts = Texts::new(tokens, &self.config, self.device)?;
        let embedded = self.model.embed(&texts, mode)?;
        let student = self
            .student
            .forward(&embedded.detach(), texts.visible(), mode)?;
        let features = self.model.encode(embedded, &texts, mode)?;
        let local_output = self.local(&features, &student) * texts.real().unsqueeze(-1);
        Ok(Perception {
            context: self.model.pool(&local_output),
            features,
            student,
            local_output,
            real: Some(texts.real().shallow_clone()),
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
        let BertConfig {
            hidden_size: width,
            vocab_size,
            ..
        } = self.config;
        let shape = flops::Blocks {
            width,
            between: self.config.intermediate_size,
        };
        let heads = flops::product(2 * width, width)
            + flops::product(width, width)
            + flops::product(width, vocab_size);
        let student = seq as f64 * shape.of_token(seq);
        Some(flops::Forward {
            student,
            features: self.config.num_hidden_layers as f64 * student,
            branch: seq as f64 * heads,
        })
    }

    fn parameters(&self) -> Parameters {
        let mut parameters = Parameters::new();
        self.model.list(&mut parameters);
        self.student.list("student", &mut parameters);
        self.join.list("join", &mut parameters);
        parameters
    }

    /// A folder in Hugging Face's format: as `BertForPreTraining` of `transformers` reads it, with the student and what joins the
    /// network under names of their own, which it leaves alone. With the code that is there too it computes those, and says what the
    /// local branch says.
    fn export(&self) -> Result<Exported, ExportError> {
        hugging_face::export_with(&MODELING, self.config.to_json(), &self.parameters())
    }

    fn copy(&self) -> Box<dyn Synapse> {
        Box::new(Bert {
            config: self.config,
            device: self.device,
            model: self.model.frozen_copy(),
            student: self.student.frozen_copy(),
            join: self.join.frozen_copy(),
        })
    }
}

#[cfg(test)]
mod minilm;
#[cfg(test)]
mod tests;
