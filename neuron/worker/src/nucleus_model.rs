//! What the nucleus serves: a copy of the synapse, or noise.

use std::{f32::consts::LN_2, num::NonZeroU32};

use neuron_learn::{
    precision::Precision,
    synapse::{Synapse, SynapseError},
};
use neuron_peer::nucleus::{Model, ModelError, SynapseSpec};
use neuron_proto::{Fingerprint, Likeliest, LikeliestError, Modality, Output, Tensor, TensorError};
use rand::{Rng, SeedableRng, seq::index::sample};
use rand_chacha::ChaCha8Rng;

/// What peers are answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    /// What the model says.
    Honest,
    /// Noise of the right shape: for development, to see how a network treats a neuron that is worth nothing.
    Garbage {
        /// What the noise is drawn from.
        seed: u64,
    },
}

impl Answers {
    /// The model for the nucleus: a copy of this synapse, which training does not touch, or noise in its place.
    pub(crate) fn model(self, synapse: &dyn Synapse, offer: Offer) -> Box<dyn Model> {
        let specs = specs(synapse, offer);
        match self {
            Self::Honest => Box::new(Honest {
                synapse: synapse.copy(),
                precision: offer.precision.on(synapse.device()),
                specs,
            }),
            Self::Garbage { seed } => Box::new(Garbage {
                rng: ChaCha8Rng::seed_from_u64(seed),
                specs,
            }),
        }
    }
}

/// What is offered with a model that the model itself does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Whose token ids it takes, if it takes any.
    pub(crate) tokenizer: Option<Fingerprint>,
    /// Whether peers may send gradients.
    pub(crate) accepts_gradients: bool,
    /// How precisely it is computed, where that can be.
    pub(crate) precision: Precision,
}

fn specs(synapse: &dyn Synapse, offer: Offer) -> Vec<SynapseSpec> {
    let entry_points = synapse.entry_points().into_iter();
    entry_points
        .map(|entry_point| SynapseSpec {
            modality: entry_point.modality,
            input_dtypes: entry_point.input_dtypes,
            input_shape: entry_point.input_shape,
            output_shape: entry_point.output_shape,
            prediction_shape: entry_point.prediction_shape,
            tokenizer: offer
                .tokenizer
                .filter(|_| entry_point.modality == Modality::Text),
            accepts_gradients: offer.accepts_gradients,
        })
        .collect()
}

struct Honest {
    synapse: Box<dyn Synapse>,
    precision: Precision,
    specs: Vec<SynapseSpec>,
}

impl Honest {
    fn answer(
        &self,
        modality: Modality,
        output: Output,
        inputs: &Tensor,
    ) -> Result<Tensor, ModelError> {
        let serve = || self.synapse.serve(modality, output, inputs);
        self.precision.forward(serve).map_err(of_synapse)
    }
}

/// Whose fault it is that a synapse does not answer.
fn of_synapse(error: SynapseError) -> ModelError {
    match error {
        SynapseError::NotImplemented(_) | SynapseError::NoPrediction(_) => {
            ModelError::NotImplemented(error.to_string())
        }
        SynapseError::Shape { .. } | SynapseError::Kind { .. } | SynapseError::Token { .. } => {
            ModelError::InvalidRequest(error.to_string())
        }
        SynapseError::Tensor(_) | SynapseError::Torch(_) => ModelError::Failed(error.to_string()),
    }
}

impl Model for Honest {
    fn synapses(&self) -> Vec<SynapseSpec> {
        self.specs.clone()
    }

    fn forward(&mut self, modality: Modality, inputs: &Tensor) -> Result<Tensor, ModelError> {
        self.answer(modality, Output::Encoding, inputs)
    }

    fn predict(&mut self, modality: Modality, inputs: &Tensor) -> Result<Tensor, ModelError> {
        self.answer(modality, Output::Prediction, inputs)
    }

    fn target(&mut self, modality: Modality, inputs: &Tensor) -> Result<Tensor, ModelError> {
        self.answer(modality, Output::Target, inputs)
    }

    fn likeliest(
        &mut self,
        modality: Modality,
        output: Output,
        n: NonZeroU32,
        inputs: &Tensor,
        max_bytes: usize,
    ) -> Result<Likeliest, ModelError> {
        let synapse = &self.synapse;
        let serve = || synapse.serve_likeliest(modality, output, n, inputs, max_bytes);
        self.precision.forward(serve).map_err(of_synapse)
    }
}

struct Garbage {
    rng: ChaCha8Rng,
    specs: Vec<SynapseSpec>,
}

impl Garbage {
    fn spec(&self, modality: Modality) -> Result<&SynapseSpec, ModelError> {
        self.specs
            .iter()
            .find(|spec| spec.modality == modality)
            .ok_or_else(|| ModelError::NotImplemented(modality.to_string()))
    }

    /// Of this output for these inputs.
    fn shape(
        &self,
        modality: Modality,
        output: Output,
        inputs: &Tensor,
    ) -> Result<Vec<u32>, ModelError> {
        let row_shape = self
            .spec(modality)?
            .row_shape(output, inputs.row_shape())
            .ok_or_else(|| no(modality, output))?;
        Ok([&[inputs.rows()], &row_shape[..]].concat())
    }

    /// Uniform in `[-1, 1)`, in the shape of this output for these inputs.
    fn noise(
        &mut self,
        modality: Modality,
        output: Output,
        inputs: &Tensor,
    ) -> Result<(Vec<u32>, Vec<f32>), ModelError> {
        let shape = self.shape(modality, output, inputs)?;
        let n_values = shape.iter().map(|&size| size as usize).product();
        let rng = &mut self.rng;
        let noise = (0..n_values).map(|_| rng.random_range(-1.0..1.0));
        Ok((shape, noise.collect()))
    }

    /// Probabilities drawn at random: a lie in good form, which nothing but others' opinions gives away.
    fn lie(
        &mut self,
        modality: Modality,
        output: Output,
        inputs: &Tensor,
    ) -> Result<Tensor, ModelError> {
        let (shape, mut noise) = self.noise(modality, output, inputs)?;
        let n_classes = shape.last().map_or(1, |&size| size as usize);
        for row in noise.chunks_mut(n_classes.max(1)) {
            let log_sum = row.iter().map(|logit| logit.exp()).sum::<f32>().ln();
            row.iter_mut().for_each(|logit| *logit -= log_sum);
        }
        Tensor::from_f32_vec(&shape, noise).map_err(failed)
    }
}

impl Model for Garbage {
    fn synapses(&self) -> Vec<SynapseSpec> {
        self.specs.clone()
    }

    /// Uniform in `[-1, 1)`.
    fn forward(&mut self, modality: Modality, inputs: &Tensor) -> Result<Tensor, ModelError> {
        let (shape, noise) = self.noise(modality, Output::Encoding, inputs)?;
        Tensor::from_f32_vec(&shape, noise).map_err(failed)
    }

    fn predict(&mut self, modality: Modality, inputs: &Tensor) -> Result<Tensor, ModelError> {
        self.lie(modality, Output::Prediction, inputs)
    }

    fn target(&mut self, modality: Modality, inputs: &Tensor) -> Result<Tensor, ModelError> {
        self.lie(modality, Output::Target, inputs)
    }

    /// Classes drawn at random, each half as likely as the one before.
    fn likeliest(
        &mut self,
        modality: Modality,
        output: Output,
        n: NonZeroU32,
        inputs: &Tensor,
        _max_bytes: usize,
    ) -> Result<Likeliest, ModelError> {
        let shape = self.shape(modality, output, inputs)?;
        let (&n_classes, places) = shape.split_last().ok_or_else(|| no(modality, output))?;
        let n_places: usize = places.iter().map(|&size| size as usize).product();
        let halves = std::iter::successors(Some(-LN_2), |logarithm| Some(logarithm - LN_2));
        // No lower than every precision has it.
        let logarithms: Vec<f32> = halves
            .map(|logarithm| logarithm.max(-1e4))
            .take(n.get() as usize)
            .collect();
        let mut classes = Vec::with_capacity(n_places * n.get() as usize);
        for _ in 0..n_places {
            let drawn = sample(&mut self.rng, n_classes as usize, n.get() as usize);
            classes.extend(drawn.into_iter().map(|class| class as i64));
        }
        let shape = [places, &[n.get()]].concat();
        let logarithms = Tensor::from_f32_vec(&shape, logarithms.repeat(n_places));
        let classes = Tensor::from_i64(&shape, &classes);
        let (logarithms, classes) = (logarithms.map_err(failed)?, classes.map_err(failed)?);
        let lie = Likeliest::new(logarithms, classes, n_classes);
        lie.map_err(|error: LikeliestError| ModelError::Failed(error.to_string()))
    }
}

fn failed(error: TensorError) -> ModelError {
    ModelError::Failed(error.to_string())
}

fn no(modality: Modality, output: Output) -> ModelError {
    ModelError::NotImplemented(format!("no {output} for {modality}"))
}

#[cfg(test)]
mod tests {
    use neuron_learn::{
        synapse::{Bert, BertConfig, Gpt, Gpt2Config, Mnist, MnistConfig},
        tensor::to_torch,
    };
    use neuron_proto::DType;
    use tch::Device;

    use super::*;

    fn mnist() -> Mnist {
        let narrow = MnistConfig {
            d_model: 8,
            ..MnistConfig::default()
        };
        Mnist::new(narrow, 0, Device::Cpu)
    }

    fn images(rows: u32) -> Tensor {
        let pixels = vec![0.5; rows as usize * 784];
        Tensor::from_f32(&[rows, 1, 28, 28], &pixels).unwrap()
    }

    #[test]
    fn an_honest_answer_is_that_of_the_copy() {
        let synapse = mnist();
        let mut model = Answers::Honest.model(&synapse, Offer::default());
        let expected = |output| synapse.serve(Modality::Image, output, &images(3)).unwrap();
        assert_eq!(
            model.forward(Modality::Image, &images(3)).unwrap(),
            expected(Output::Encoding)
        );
        assert_eq!(
            model.predict(Modality::Image, &images(3)).unwrap(),
            expected(Output::Prediction)
        );
        assert_eq!(
            model.target(Modality::Image, &images(3)).unwrap(),
            expected(Output::Target)
        );
    }

    #[test]
    fn a_processor_answers_in_full_whatever_is_asked_for() {
        let answer = |precision| {
            let offer = Offer {
                precision,
                ..Offer::default()
            };
            let mut model = Answers::Honest.model(&mnist(), offer);
            model.target(Modality::Image, &images(3)).unwrap()
        };
        assert_eq!(answer(Precision::Mixed), answer(Precision::Full));
    }

    #[test]
    fn garbage_has_the_shape_of_an_answer_and_repeats_with_its_seed() {
        let answer = |seed| {
            let mut model = Answers::Garbage { seed }.model(&mnist(), Offer::default());
            model.forward(Modality::Image, &images(3)).unwrap()
        };
        assert_eq!(
            (answer(1).shape(), answer(1).dtype()),
            (&[3, 8][..], DType::F32)
        );
        assert!(answer(1).is_finite());
        assert_eq!(answer(1), answer(1));
        assert_ne!(answer(1), answer(2));
    }

    #[test]
    fn garbage_predicts_with_probabilities_that_sum_to_one() {
        let mut model = Answers::Garbage { seed: 1 }.model(&mnist(), Offer::default());
        let prediction = model.predict(Modality::Image, &images(3)).unwrap();
        assert_eq!(prediction.shape(), [3, 10]);
        for row in prediction.to_f32().unwrap().chunks(10) {
            let sum: f32 = row.iter().map(|log_p| log_p.exp()).sum();
            assert!((sum - 1.0).abs() < 1e-5, "{row:?}");
        }
    }

    #[test]
    fn both_say_that_they_serve_the_same() {
        let synapse = mnist();
        let offer = Offer {
            accepts_gradients: true,
            ..Offer::default()
        };
        let [honest, garbage] = [Answers::Honest, Answers::Garbage { seed: 1 }]
            .map(|answers| answers.model(&synapse, offer));
        assert_eq!(honest.synapses(), garbage.synapses());
        assert!(honest.synapses()[0].accepts_gradients);
    }

    #[test]
    fn garbage_of_text_is_as_long_as_the_text() {
        let gpt = Gpt::new(Gpt2Config::tiny(20), 0, Device::Cpu);
        let offer = Offer {
            tokenizer: Some(Fingerprint([7; 32])),
            ..Offer::default()
        };
        let mut model = Answers::Garbage { seed: 1 }.model(&gpt, offer);
        assert_eq!(model.synapses()[0].tokenizer, offer.tokenizer);
        let texts = Tensor::from_i64(&[2, 5], &[3; 10]).unwrap();
        let encoding = model.forward(Modality::Text, &texts).unwrap();
        assert_eq!(encoding.shape(), [2, 5, 32]);
        let prediction = model.predict(Modality::Text, &texts).unwrap();
        assert_eq!(prediction.shape(), [2, 20]);
        let target = model.target(Modality::Text, &texts).unwrap();
        assert_eq!(target.shape(), [2, 5, 20]);
    }

    #[test]
    fn the_likeliest_classes_are_those_of_the_whole_distribution() {
        const CPU: Device = Device::Cpu;
        let texts = Tensor::from_i64(&[2, 4], &[2, 7, 9, 3, 2, 4, 11, 3]).unwrap();
        let synapses: [Box<dyn Synapse>; 2] = [
            Box::new(Bert::new(BertConfig::tiny(30), 0, CPU)),
            Box::new(Gpt::new(Gpt2Config::tiny(30), 0, CPU)),
        ];
        for synapse in &synapses {
            let mut model = Answers::Honest.model(synapse.as_ref(), Offer::default());
            let whole = model.target(Modality::Text, &texts).unwrap();
            let whole = to_torch(&whole, CPU).unwrap();
            for (n, max_bytes) in [(1, 1), (5, 3 * 30 * 4), (30, 1 << 20)] {
                let n = NonZeroU32::new(n).unwrap();
                let output = Output::Target;
                let told = model.likeliest(Modality::Text, output, n, &texts, max_bytes);
                let (logarithms, classes) = told.unwrap().into_parts();
                let expected = whole.topk(n.get().into(), -1, true, true);
                let logarithms = to_torch(&logarithms, CPU).unwrap();
                assert!(logarithms.allclose(&expected.0, 1e-5, 1e-6, false));
                assert!(to_torch(&classes, CPU).unwrap().equal(&expected.1));
            }
        }
    }

    #[test]
    fn garbage_tells_classes_that_there_are() {
        let gpt = Gpt::new(Gpt2Config::tiny(20), 0, Device::Cpu);
        let texts = Tensor::from_i64(&[2, 5], &[3; 10]).unwrap();
        let told = |seed, output| {
            let mut model = Answers::Garbage { seed }.model(&gpt, Offer::default());
            let n = NonZeroU32::new(6).unwrap();
            model.likeliest(Modality::Text, output, n, &texts, 1 << 20)
        };
        let target = told(1, Output::Target).unwrap();
        assert_eq!(target.classes().shape(), [2, 5, 6]);
        let prediction = told(1, Output::Prediction).unwrap();
        assert_eq!(prediction.classes().shape(), [2, 6]);
        assert_eq!(target, told(1, Output::Target).unwrap());
        assert_ne!(target, told(2, Output::Target).unwrap());
    }

    #[test]
    fn what_is_not_served_is_not_implemented() {
        for answers in [Answers::Honest, Answers::Garbage { seed: 1 }] {
            let error = answers
                .model(&mnist(), Offer::default())
                .forward(Modality::Text, &images(1))
                .unwrap_err();
            assert!(matches!(error, ModelError::NotImplemented(_)), "{error}");
        }
    }
}
