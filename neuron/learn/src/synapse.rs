//! A synapse: a model with a place for what the network says.
//!
//! It has an entry point for each kind of input that it understands, and answers those it lacks with
//! [`SynapseError::NotImplemented`]. Peers are answered with an encoding, a prediction or a target, from a [copy](Synapse::copy) of the model and
//! without the network, so that answering never asks anybody else. Training runs three branches over one batch, see
//! [`SynapseOutput`], and in two steps, since the network is asked between them:
//!
//! ```text
//! perceive(inputs)   → context of the router, features, student, local encoding
//! conclude(network)  → predictions, network encoding, losses
//! ```

pub mod bert;
pub mod cifar;
pub mod gpt;
mod images;
mod labels;
pub mod mnist;
mod mode;
mod output;
#[cfg(test)]
mod parity;
mod perception;
#[cfg(test)]
mod promises;
pub mod torchscript;

use std::num::NonZeroU32;

use neuron_proto::{DType, Modality, Output};
use tch::{Device, Kind, TchError, Tensor};

use crate::export::{ExportError, Exported};
use crate::flops::Forward;
use crate::likeliest::Likeliest;
use crate::parameters::{self, Parameters, ParametersError};
use crate::tensor::{self, TensorError};

use self::perception::Branches;

pub use self::bert::{Bert, BertConfig};
pub use self::cifar::{Cifar, CifarConfig, DpnConfig};
pub use self::gpt::{Gpt, Gpt2Config};
pub use self::labels::Labels;
pub use self::mnist::{Mnist, MnistConfig};
pub use self::mode::Mode;
pub use self::output::SynapseOutput;
pub use self::perception::Perception;
pub use self::torchscript::{TorchScript, TorchScriptConfig, TorchScriptError};

/// A model that serves peers and learns from them.
///
/// # Shapes
///
/// What goes into an entry point, and what comes out: the same first axis, and last an encoding of `d_model`, a constant of
/// the network that every answer is checked against. What is padding in a text follows from its tokens; an encoding is zero
/// there.
///
/// | modality | inputs | encodings |
/// | --- | --- | --- |
/// | text | `[batch, seq]` token ids, i64 | `[batch, seq, d_model]` |
/// | image | `[batch, channels, height, width]` in 0..=1 | `[batch, d_model]` |
/// | tensor | `[batch, seq, d_model]` | `[batch, seq, d_model]` |
///
/// # Modes
///
/// Entry points, predictions and all that is made of them compute in [`Mode::Evaluation`]: what a peer is answered depends
/// on its own rows alone, and so do the gradients that it returns. Only [`perceive`](Self::perceive) is told its mode, and
/// what it perceived in one mode is concluded in the same.
pub trait Synapse: Send {
    /// What this synapse serves, for the axon to advertise and to check requests against.
    fn entry_points(&self) -> Vec<EntryPoint>;

    /// The entry point that the synapse is trained through.
    fn modality(&self) -> Modality;

    /// Width of an encoding.
    fn d_model(&self) -> i64;

    /// Width of what the router routes by.
    fn d_context(&self) -> i64 {
        self.d_model()
    }

    /// Where the parameters are. Inputs may be elsewhere.
    fn device(&self) -> Device;

    /// Encodes text with the student as context.
    ///
    /// # Errors
    ///
    /// [`SynapseError::NotImplemented`] unless the synapse understands text.
    fn forward_text(&self, _tokens: &Tensor) -> Result<Tensor, SynapseError> {
        Err(SynapseError::NotImplemented(Modality::Text))
    }

    /// Encodes images with the student as context.
    ///
    /// # Errors
    ///
    /// [`SynapseError::NotImplemented`] unless the synapse understands images.
    fn forward_image(&self, _images: &Tensor) -> Result<Tensor, SynapseError> {
        Err(SynapseError::NotImplemented(Modality::Image))
    }

    /// Encodes the encodings of others with the student as context.
    ///
    /// # Errors
    ///
    /// [`SynapseError::NotImplemented`] unless the synapse understands encodings.
    fn forward_tensor(&self, _encodings: &Tensor) -> Result<Tensor, SynapseError> {
        Err(SynapseError::NotImplemented(Modality::Tensor))
    }

    /// Log-probabilities of the classes, told from encodings of the local branch: the head.
    ///
    /// # Shapes
    ///
    /// `[.., d_model]` → `[.., n_classes]`, f32
    ///
    /// # Errors
    ///
    /// [`SynapseError::NoPrediction`] unless the entry point offers it.
    fn tell(&self, modality: Modality, _encodings: &Tensor) -> Result<Tensor, SynapseError> {
        Err(SynapseError::NoPrediction(modality))
    }

    /// Whether a prediction is told from the encoding of the last place alone, as that of how a text goes on is.
    fn predicts_by_last_place(&self) -> bool {
        false
    }

    /// The encodings that this output is, or is told from.
    ///
    /// # Shapes
    ///
    /// As encodings; of a prediction [by the last place](Self::predicts_by_last_place), without the axis of places
    ///
    /// # Errors
    ///
    /// As the entry points.
    fn encodings_of(
        &self,
        modality: Modality,
        output: Output,
        inputs: &Tensor,
    ) -> Result<Tensor, SynapseError> {
        let encodings = self.encode(modality, inputs)?;
        match output {
            Output::Prediction if self.predicts_by_last_place() => Ok(encodings.f_select(1, -1)?),
            Output::Encoding | Output::Prediction | Output::Target => Ok(encodings),
        }
    }

    /// Log-probabilities of the classes, by the local branch.
    ///
    /// # Shapes
    ///
    /// `inputs`: as of the modality; result: as [`EntryPoint::prediction_shape`] has it
    ///
    /// # Errors
    ///
    /// As [`tell`](Self::tell) and the entry points.
    fn predict(&self, modality: Modality, inputs: &Tensor) -> Result<Tensor, SynapseError> {
        let encodings = self.encodings_of(modality, Output::Prediction, inputs)?;
        self.tell(modality, &encodings)
    }

    /// What the synapse is trained to tell, as [`SynapseOutput::local_target`] has it: log-probabilities wherever there is
    /// an encoding. A [prediction](Self::predict), unless that is of less.
    ///
    /// # Shapes
    ///
    /// `inputs`: as of the modality; result: as encodings, with classes along the last axis
    ///
    /// # Errors
    ///
    /// As [`predict`](Self::predict).
    fn local_target(&self, modality: Modality, inputs: &Tensor) -> Result<Tensor, SynapseError> {
        let encodings = self.encodings_of(modality, Output::Target, inputs)?;
        self.tell(modality, &encodings)
    }

    /// Of a [prediction](Self::predict) or a [target](Self::local_target), the `n` likeliest classes of each distribution, of which
    /// as many are there at once as have `max_bytes`, at least one.
    ///
    /// # Shapes
    ///
    /// `inputs`: as of the modality; result: as the prediction or the target, with `n` classes along the last axis
    ///
    /// # Errors
    ///
    /// As [`predict`](Self::predict), and those of libtorch if there are fewer classes than `n`.
    fn likeliest(
        &self,
        modality: Modality,
        output: Output,
        n: NonZeroU32,
        inputs: &Tensor,
        max_bytes: usize,
    ) -> Result<Likeliest, SynapseError> {
        let n_classes = self.n_classes(modality)?;
        let encodings = self.encodings_of(modality, output, inputs)?;
        let head = |some: &Tensor| self.tell(modality, some);
        Likeliest::of(&encodings, n, n_classes, max_bytes, head)
    }

    /// How many classes there are.
    ///
    /// # Errors
    ///
    /// [`SynapseError::NotImplemented`] or [`SynapseError::NoPrediction`] if there are none.
    fn n_classes(&self, modality: Modality) -> Result<u32, SynapseError> {
        let mut entry_points = self.entry_points().into_iter();
        let entry_point = entry_points
            .find(|entry_point| entry_point.modality == modality)
            .ok_or(SynapseError::NotImplemented(modality))?;
        let classes = entry_point
            .prediction_shape
            .and_then(|shape| shape.last().copied());
        classes.ok_or(SynapseError::NoPrediction(modality))
    }

    /// The first half of a batch, before the network is asked: the context of the router, and all that both branches share.
    ///
    /// # Shapes
    ///
    /// `inputs`: as of the [modality](Self::modality)
    ///
    /// # Errors
    ///
    /// As the entry points.
    fn perceive(&self, inputs: &Tensor, mode: Mode) -> Result<Perception, SynapseError>;

    /// The second half: predictions and losses of the local branch, and of the network's where the network said something.
    ///
    /// # Shapes
    ///
    /// `labels`: one for each target, see [`Labels`]; `network`: as an encoding
    ///
    /// # Errors
    ///
    /// [`SynapseError::Shape`] for what does not fit.
    fn conclude(
        &self,
        perception: &Perception,
        labels: Option<&Labels>,
        network: Option<&Tensor>,
    ) -> Result<SynapseOutput, SynapseError>;

    /// Both halves, where what the network says is known beforehand.
    ///
    /// # Errors
    ///
    /// As [`perceive`](Self::perceive) and [`conclude`](Self::conclude).
    fn forward(
        &self,
        inputs: &Tensor,
        labels: Option<&Labels>,
        network: Option<&Tensor>,
        mode: Mode,
    ) -> Result<SynapseOutput, SynapseError> {
        self.conclude(&self.perceive(inputs, mode)?, labels, network)
    }

    /// Floating point operations of the matrix products and convolutions in a forward pass of one input; a multiplication with
    /// its addition is two. None where it is not known.
    ///
    /// `row_shape`: of the input, without the batch axis
    fn forward_flops(&self, _row_shape: &[i64]) -> Option<Forward> {
        None
    }

    /// Every trainable tensor by its path in the model, sharing memory with the model.
    fn parameters(&self) -> Parameters;

    /// What a model learns otherwise than by gradients, such as running statistics: by path, sharing memory with the model.
    fn buffers(&self) -> Parameters {
        Parameters::new()
    }

    /// All that was learned, parameters and buffers: what is checkpointed.
    fn state(&self) -> Parameters {
        let mut state = self.parameters();
        state.append(&mut self.buffers());
        state
    }

    /// The model for other programs, as those of its kind keep one.
    ///
    /// # Errors
    ///
    /// [`ExportError::Module`] and [`ExportError::Torch`].
    fn export(&self) -> Result<Exported, ExportError>;

    /// The same model in memory of its own, to be served: training never changes it, and it collects no gradients.
    fn copy(&self) -> Box<dyn Synapse>;

    /// Encodes as peers are answered, with gradients.
    ///
    /// # Errors
    ///
    /// As the entry points.
    fn encode(&self, modality: Modality, inputs: &Tensor) -> Result<Tensor, SynapseError> {
        match modality {
            Modality::Text => self.forward_text(inputs),
            Modality::Image => self.forward_image(inputs),
            Modality::Tensor => self.forward_tensor(inputs),
        }
    }

    /// Answers a peer with what it wants: from the wire to the wire, without gradients.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode) or [`predict`](Self::predict).
    fn serve(
        &self,
        modality: Modality,
        output: Output,
        inputs: &neuron_proto::Tensor,
    ) -> Result<neuron_proto::Tensor, SynapseError> {
        let _no_grad = tch::no_grad_guard();
        let inputs = tensor::to_torch(inputs, self.device())?;
        let outputs = match output {
            Output::Encoding => self.encode(modality, &inputs)?,
            Output::Prediction => self.predict(modality, &inputs)?,
            Output::Target => self.local_target(modality, &inputs)?,
        };
        Ok(tensor::to_wire(&outputs, DType::F32)?)
    }

    /// Answers a peer with the `n` likeliest classes of each distribution, as [`likeliest`](Self::likeliest) has them: from the
    /// wire to the wire, without gradients.
    ///
    /// # Errors
    ///
    /// As [`likeliest`](Self::likeliest), and [`SynapseError::Tensor`] if they are no numbers.
    fn serve_likeliest(
        &self,
        modality: Modality,
        output: Output,
        n: NonZeroU32,
        inputs: &neuron_proto::Tensor,
        max_bytes: usize,
    ) -> Result<neuron_proto::Likeliest, SynapseError> {
        let _no_grad = tch::no_grad_guard();
        let inputs = tensor::to_torch(inputs, self.device())?;
        let likeliest = self.likeliest(modality, output, n, &inputs, max_bytes)?;
        Ok(likeliest.to_wire(self.n_classes(modality)?)?)
    }

    /// Adds to the gradients of the parameters what a peer's loss makes of the answer it was given to these inputs.
    ///
    /// # Shapes
    ///
    /// `gradients`: as the encodings of `inputs`
    ///
    /// # Errors
    ///
    /// As the entry points, and [`SynapseError::Shape`] if the gradients are not of the answer's shape.
    fn accumulate(
        &self,
        modality: Modality,
        inputs: &Tensor,
        gradients: &Tensor,
    ) -> Result<(), SynapseError> {
        let encodings = self.encode(modality, inputs)?;
        expect_shape("gradients", gradients, &encodings.size())?;
        let gradients = gradients.to_device(self.device()).to_kind(encodings.kind());
        // d(Σ y·dy)/dθ = Σ dy·dy/dθ, with dy constant
        let product: Tensor = encodings * gradients.detach();
        Ok(product.sum(product.kind()).f_backward()?)
    }

    /// Takes over a stored [state](Self::state).
    ///
    /// # Errors
    ///
    /// If something is missing or of another shape; nothing is changed then.
    fn load(&mut self, stored: &Parameters) -> Result<(), ParametersError> {
        parameters::load(&self.state(), stored)
    }
}

/// One entry point, as an axon advertises it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPoint {
    /// Which one.
    pub modality: Modality,
    /// Precisions in which inputs may arrive.
    pub input_dtypes: Vec<DType>,
    /// Shape of one input, without the batch axis; 0 where any size will do.
    pub input_shape: Vec<u32>,
    /// Shape of its encoding, without the batch axis; 0 where it follows from the input's.
    pub output_shape: Vec<u32>,
    /// Shape of its prediction, without the batch axis, if there is one; 0 where it follows from the input's. The last axis
    /// counts classes.
    pub prediction_shape: Option<Vec<u32>>,
}

/// Why a synapse does not answer.
#[derive(Debug, thiserror::Error)]
pub enum SynapseError {
    /// There is no such entry point.
    #[error("this synapse does not understand the modality {0}")]
    NotImplemented(Modality),
    /// The entry point encodes and predicts nothing.
    #[error("this synapse predicts nothing for the modality {0}")]
    NoPrediction(Modality),
    /// Something has another shape.
    #[error("{what}: expected {expected}, got {arrived:?}")]
    Shape {
        /// What has it.
        what: &'static str,
        /// Its axes by name or size.
        expected: String,
        /// Its shape.
        arrived: Vec<i64>,
    },
    /// Something has another kind of numbers.
    #[error("{what}: expected {expected}, got {arrived:?}")]
    Kind {
        /// What has it.
        what: &'static str,
        /// The kinds that will do.
        expected: &'static str,
        /// Its kind.
        arrived: Kind,
    },
    /// A token is not in the vocabulary: it comes from another tokeniser.
    #[error("tokens: expected 0..{vocab_size}, got {arrived}")]
    Token {
        /// Tokens that the model knows.
        vocab_size: i64,
        /// The token.
        arrived: i64,
    },
    /// Inputs or encodings do not fit the wire.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// libtorch failed.
    #[error(transparent)]
    Torch(#[from] TchError),
}

/// Refuses a tensor of another shape.
pub(crate) fn expect_shape(
    what: &'static str,
    tensor: &Tensor,
    shape: &[i64],
) -> Result<(), SynapseError> {
    if tensor.size() == shape {
        return Ok(());
    }
    Err(SynapseError::Shape {
        what,
        expected: format!("{shape:?}"),
        arrived: tensor.size(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// y = 2x
    struct Doubling;

    impl Synapse for Doubling {
        fn entry_points(&self) -> Vec<EntryPoint> {
            Vec::new()
        }
        fn modality(&self) -> Modality {
            Modality::Tensor
        }
        fn d_model(&self) -> i64 {
            3
        }
        fn device(&self) -> Device {
            Device::Cpu
        }
        fn forward_tensor(&self, encodings: &Tensor) -> Result<Tensor, SynapseError> {
            Ok(encodings * 2.0)
        }
        fn perceive(&self, _: &Tensor, _: Mode) -> Result<Perception, SynapseError> {
            Err(SynapseError::NotImplemented(Modality::Tensor))
        }
        fn conclude(
            &self,
            _: &Perception,
            _: Option<&Labels>,
            _: Option<&Tensor>,
        ) -> Result<SynapseOutput, SynapseError> {
            Err(SynapseError::NotImplemented(Modality::Tensor))
        }
        fn parameters(&self) -> Parameters {
            Parameters::new()
        }
        fn export(&self) -> Result<Exported, ExportError> {
            Ok(Exported::new([]))
        }
        fn copy(&self) -> Box<dyn Synapse> {
            Box::new(Doubling)
        }
    }

    #[test]
    fn entry_points_that_a_synapse_lacks_are_not_implemented() {
        let inputs = Tensor::from_slice(&[1.0f32, 2.0, 3.0]).reshape([1, 1, 3]);
        for modality in [Modality::Text, Modality::Image] {
            assert!(matches!(
                Doubling.encode(modality, &inputs),
                Err(SynapseError::NotImplemented(named)) if named == modality
            ));
        }
        assert!(Doubling.encode(Modality::Tensor, &inputs).is_ok());
    }

    #[test]
    fn a_peers_gradient_flows_back_through_the_model() {
        let inputs = Tensor::from_slice(&[1.0f32, 2.0, 3.0])
            .reshape([1, 1, 3])
            .set_requires_grad(true);
        let ones = inputs.detach().ones_like();
        Doubling
            .accumulate(Modality::Tensor, &inputs, &ones)
            .unwrap();
        // y = 2x and dy = 1, so dx = 2 everywhere
        let dx = Vec::<f32>::try_from(inputs.grad().reshape(-1)).unwrap();
        assert_eq!(dx, [2.0, 2.0, 2.0]);
    }

    #[test]
    fn gradients_of_another_shape_than_the_answer_are_refused() {
        let inputs = Tensor::from_slice(&[1.0f32, 2.0, 3.0]).reshape([1, 1, 3]);
        let gradients = Tensor::from_slice(&[1.0f32]);
        assert!(matches!(
            Doubling.accumulate(Modality::Tensor, &inputs, &gradients),
            Err(SynapseError::Shape {
                what: "gradients",
                ..
            })
        ));
    }

    #[test]
    fn serving_keeps_no_graph_and_restores_gradients_afterwards() {
        let inputs = neuron_proto::Tensor::from_f32(&[1, 1, 3], &[1.0, 2.0, 3.0]).unwrap();
        let serve = |modality, output| Doubling.serve(modality, output, &inputs);
        let answer = serve(Modality::Tensor, Output::Encoding).unwrap();
        assert_eq!(answer.to_f32().unwrap(), [2.0, 4.0, 6.0]);
        assert!(serve(Modality::Text, Output::Encoding).is_err());
        assert!(matches!(
            serve(Modality::Tensor, Output::Prediction),
            Err(SynapseError::NoPrediction(Modality::Tensor))
        ));
        let leaf = Tensor::from_slice(&[1.0f32]).set_requires_grad(true);
        assert!((&leaf * 2.0).requires_grad());
    }
}
