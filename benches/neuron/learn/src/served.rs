//! A synapse as a nucleus serves it: a copy, without gradients.

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

    fn serve(
        &self,
        modality: Modality,
        output: Output,
        inputs: &Tensor,
    ) -> Result<Tensor, ModelError> {
        let answer = self.0.serve(modality, output, inputs);
        answer.map_err(|error| ModelError::Failed(error.to_string()))
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
                prediction_shape: entry_point.prediction_shape,
                tokenizer: None,
                accepts_gradients: false,
            })
            .collect()
    }

    fn forward(&mut self, modality: Modality, inputs: &Tensor) -> Result<Tensor, ModelError> {
        self.serve(modality, Output::Encoding, inputs)
    }

    fn target(&mut self, modality: Modality, inputs: &Tensor) -> Result<Tensor, ModelError> {
        self.serve(modality, Output::Target, inputs)
    }
}
