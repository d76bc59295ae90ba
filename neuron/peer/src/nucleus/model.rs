//! What the nucleus runs: a model, and what it says that it serves.

use neuron_proto::{Code, Modality, Tensor};

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
