//! What the nucleus runs: a model, and what it says that it serves.

use std::num::NonZeroU32;

use neuron_proto::{Code, Likeliest, Modality, Output, Tensor};

use super::SynapseSpec;

/// A model that answers rows with rows.
///
/// The nucleus owns it on one thread, so it needs no locks of its own, and it may keep buffers in `self`.
pub trait Model: Send + 'static {
    /// The entry points that this model has; asked once, when the model is handed to the nucleus.
    fn synapses(&self) -> Vec<SynapseSpec>;

    /// Encodes a batch of rows, which may come from several callers.
    ///
    /// # Shapes
    ///
    /// `inputs` is `[rows, ..]` as the synapse of `modality` declares it, at least one row, floats finite. The outputs are
    /// `[rows, ..]` of type F32, as declared: a row for each row, in order, each depending on its own inputs only.
    ///
    /// # Errors
    ///
    /// If a batch of several requests fails, or panics, or gives something else than was declared, the nucleus asks
    /// again for each of its requests alone, and only those that fail alone are refused.
    fn forward(&mut self, modality: Modality, inputs: &Tensor) -> Result<Tensor, ModelError>;

    /// Predicts for a batch of rows: log-probabilities along the last axis. Called only for synapses that declare a
    /// [`prediction_shape`](SynapseSpec::prediction_shape).
    ///
    /// # Shapes
    ///
    /// As of [`forward`](Self::forward), the outputs as declared for predictions.
    ///
    /// # Errors
    ///
    /// As of [`forward`](Self::forward).
    fn predict(&mut self, modality: Modality, inputs: &Tensor) -> Result<Tensor, ModelError> {
        let _ = inputs;
        let message = format!("this model predicts nothing for {modality}");
        Err(ModelError::NotImplemented(message))
    }

    /// What the model is trained to tell of a batch of rows: log-probabilities along the last axis, wherever it has an
    /// encoding. Called only for synapses that declare a [`prediction_shape`](SynapseSpec::prediction_shape).
    ///
    /// # Shapes
    ///
    /// As of [`forward`](Self::forward), with the classes of the predictions along the last axis.
    ///
    /// # Errors
    ///
    /// As of [`forward`](Self::forward).
    fn target(&mut self, modality: Modality, inputs: &Tensor) -> Result<Tensor, ModelError> {
        let _ = inputs;
        let message = format!("this model tells nothing for {modality}");
        Err(ModelError::NotImplemented(message))
    }

    /// Of the prediction or target of a batch of rows, the `n` likeliest classes of each distribution. Called only for synapses
    /// that declare a [`prediction_shape`](SynapseSpec::prediction_shape), of no more classes than those have.
    ///
    /// # Memory
    ///
    /// Whole distributions take at most `max_bytes` at a time, or one of them if it has more: the model computes its encodings,
    /// and tells some of them after the other.
    ///
    /// # Shapes
    ///
    /// As of [`predict`](Self::predict) or [`target`](Self::target), with `n` classes along the last axis, the likeliest first;
    /// in F32.
    ///
    /// # Errors
    ///
    /// As of [`forward`](Self::forward).
    fn likeliest(
        &mut self,
        modality: Modality,
        output: Output,
        n: NonZeroU32,
        inputs: &Tensor,
        max_bytes: usize,
    ) -> Result<Likeliest, ModelError> {
        let _ = (n, inputs, max_bytes);
        let message = format!("this model tells no likeliest classes of a {output} for {modality}");
        Err(ModelError::NotImplemented(message))
    }
}

/// What a model gave to a batch.
#[derive(Clone, Debug)]
pub(super) enum Given {
    /// All that was asked for, of every class.
    Whole(Tensor),
    /// The likeliest classes.
    Likeliest(Likeliest),
}

impl Given {
    /// Encodings, or log-probabilities of the classes that are told of.
    pub(super) fn outputs(&self) -> &Tensor {
        match self {
            Given::Whole(outputs) => outputs,
            Given::Likeliest(likeliest) => likeliest.log_probabilities(),
        }
    }

    /// Of which classes they are, where those are the likeliest.
    pub(super) fn classes(&self) -> Option<&Tensor> {
        match self {
            Given::Whole(_) => None,
            Given::Likeliest(likeliest) => Some(likeliest.classes()),
        }
    }
}

/// Why a model gave no outputs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The values of the inputs are unusable, such as a token outside the vocabulary. The caller's fault, and the caller is
    /// told these words.
    #[error("the inputs are unusable: {0}")]
    InvalidRequest(String),
    /// The model has no such entry point. The caller is told these words.
    #[error("not implemented: {0}")]
    NotImplemented(String),
    /// Anything else. The model's fault: these words are for the log, and the caller is told that it failed.
    #[error("the model failed: {0}")]
    Failed(String),
}

impl ModelError {
    /// The code that refuses the request.
    pub fn code(&self) -> Code {
        match self {
            ModelError::InvalidRequest(_) => Code::InvalidRequest,
            ModelError::NotImplemented(_) => Code::NotImplemented,
            ModelError::Failed(_) => Code::UnknownException,
        }
    }
}
