//! A synapse as a nucleus serves it: a copy, asked for encodings, without gradients.

use neuron_learn::synapse::Synapse;
use neuron_peer::nucleus::{Model, ModelError, SynapseSpec};
use neuron_proto::{Modality, Output, Tensor};

/// What a nucleus owns.
pub struct Served(Box<dyn Synapse>);

impl Served {
    /// A model that training does not touch.
    pub fn copy_of(synapse: &dyn Synapse) -> Served {
        Served(synapse.copy())
    }
}

impl Model for Served {
    fn synapses(&self) -> Vec<SynapseSpec> {
        let entry_points = self.0.entry_points().into_iter();
        entry_points
            .map(|entry_point| SynapseSpec {
                modality: entry_point.modality,
                input_dtypes: entry_point.input_dtypes,
                input_shape: entry_point.input_shape,
                output_shape: entry_point.output_shape,
                prediction_shape: None,
                tokenizer: None,
                accepts_gradients: false,
            })
            .collect()
    }

    fn forward(&mut self, modality: Modality, inputs: &Tensor) -> Result<Tensor, ModelError> {
        self.0
            .serve(modality, Output::Encoding, inputs)
            .map_err(|error| ModelError::Failed(error.to_string()))
    }
}
