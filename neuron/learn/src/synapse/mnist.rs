//! The MNIST synapse: a small feed-forward network over images of digits.
//!
//! ```text
//! pixels  = flatten(pool 28×28((images - 0.1307) / 0.3081))        [batch, 784]
//! student = relu(W₂·relu(W₁·pixels))                               [batch, 1024]   784 → 1024 → 1024
//! main    = relu(W₂·relu(W₁·[pixels, context]))                    [batch, 1024]  1808 → 1024 → 1024
//! target  = log softmax(W₃·relu(W₂·relu(W₁·main)))                 [batch, 10]    1024 → 512 → 256 → 10
//! ```
//!
//! The origin's model, with its mistakes corrected: there, a ReLU cut off negative logits before
//! the softmax; here, logits go into it as they are. Which branch learns from which loss, and what was corrected there, is
//! told at [`SynapseOutput`].

use neuron_proto::{DType, Modality};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use tch::{Device, Kind, Tensor};

use super::{
    Branches, EntryPoint, Labels, Mode, Perception, Synapse, SynapseError, SynapseOutput, images,
};
use crate::export::{ExportError, Exported};
use crate::flops;
use crate::linear::Linear;
use crate::parameters::Parameters;

/// Mean of the pixels of MNIST's training set, in 0..=1. Subtracted by the model, so that peers send images as they are.
const MEAN: f64 = 0.1307;
/// Standard deviation of the pixels of MNIST's training set.
const STANDARD_DEVIATION: f64 = 0.3081;

/// The widths of an MNIST synapse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MnistConfig {
    /// Images of other sizes are averaged to this many pixels a side.
    pub side: i64,
    /// Width of the student, of both main layers and so of every encoding.
    pub d_model: i64,
    /// Widths of the hidden layers of the target head.
    pub d_target: [i64; 2],
    /// Digits to tell apart.
    pub n_classes: i64,
}

impl Default for MnistConfig {
    /// 784, 1024, 512, 256, 10, as the origin has them.
    fn default() -> MnistConfig {
        MnistConfig {
            side: 28,
            d_model: 1024,
            d_target: [512, 256],
            n_classes: 10,
        }
    }
}

/// A classifier of digits with a student and a place for what the network says.
#[derive(Debug)]
pub struct Mnist {
    config: MnistConfig,
    device: Device,
    student: [Linear; 2],
    main: [Linear; 2],
    target: [Linear; 3],
}

impl Mnist {
    /// A model of these widths, drawn from the seed: the same on every device.
    pub fn new(config: MnistConfig, seed: u64, device: Device) -> Mnist {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut linear = |d_in, d_out| Linear::draw(d_in, d_out, &mut rng, device);
        let (d_pixels, d_model) = (config.side * config.side, config.d_model);
        let [d_first, d_second] = config.d_target;
        Mnist {
            student: [linear(d_pixels, d_model), linear(d_model, d_model)],
            main: [
                linear(d_pixels + d_model, d_model),
                linear(d_model, d_model),
            ],
            target: [
                linear(d_model, d_first),
                linear(d_first, d_second),
                linear(d_second, config.n_classes),
            ],
            config,
            device,
        }
    }

    /// Normalised pixels of images of any size.
    ///
    /// # Shapes
    ///
    /// `images`: `[batch, 1, height, width]`, floats in 0..=1 or bytes in 0..=255; result: `[batch, side²]`, f32
    fn pixels(&self, images: &Tensor) -> Result<Tensor, SynapseError> {
        let unit = images::unit(images, 1, self.device)?;
        let side = self.config.side;
        let pooled = images::pooled((unit - MEAN) / STANDARD_DEVIATION, side)?;
        Ok(pooled.reshape([-1, side * side]))
    }

    /// What the network would say, as far as the student knows.
    ///
    /// # Shapes
    ///
    /// `[batch, side²]` → `[batch, d_model]`
    fn student(&self, pixels: &Tensor) -> Tensor {
        let [first, second] = &self.student;
        second.forward(&first.forward(pixels).relu()).relu()
    }

    fn perception(&self, images: &Tensor) -> Result<Perception, SynapseError> {
        let pixels = self.pixels(images)?;
        let student = self.student(&pixels);
        let local_output = self.local(&pixels, &student);
        Ok(Perception {
            context: local_output.shallow_clone(),
            features: pixels,
            student,
            local_output,
            real: None,
        })
    }
}

impl Branches for Mnist {
    fn encoding(&self, pixels: &Tensor, context: &Tensor) -> Tensor {
        let [first, second] = &self.main;
        let inputs = Tensor::cat(&[pixels, context], 1);
        second.forward(&first.forward(&inputs).relu()).relu()
    }

    fn target(&self, encoding: &Tensor) -> Tensor {
        let [first, second, logits] = &self.target;
        let hidden = second.forward(&first.forward(encoding).relu()).relu();
        logits.forward(&hidden).log_softmax(-1, Kind::Float)
    }
}

impl Synapse for Mnist {
    fn entry_points(&self) -> Vec<EntryPoint> {
        let width = |size| u32::try_from(size).expect("a width of a layer that was allocated");
        vec![EntryPoint {
            modality: Modality::Image,
            input_dtypes: vec![DType::F32, DType::F16, DType::BF16, DType::U8],
            input_shape: vec![1, 0, 0],
            output_shape: vec![width(self.config.d_model)],
            prediction_shape: Some(vec![width(self.config.n_classes)]),
        }]
    }

    fn modality(&self) -> Modality {
        Modality::Image
    }

    fn d_model(&self) -> i64 {
        self.config.d_model
    }

    fn device(&self) -> Device {
        self.device
    }

    /// # Shapes
    ///
    /// `[batch, 1, height, width]`, floats in 0..=1 or bytes in 0..=255 → `[batch, d_model]`
    fn forward_image(&self, images: &Tensor) -> Result<Tensor, SynapseError> {
        Ok(self.perception(images)?.local_output)
    }

    fn tell(&self, _: Modality, encodings: &Tensor) -> Result<Tensor, SynapseError> {
        Ok(self.target(encodings))
    }

    /// The router routes by the local encoding; the modes are one.
    fn perceive(&self, images: &Tensor, _mode: Mode) -> Result<Perception, SynapseError> {
        self.perception(images)
    }

    fn conclude(
        &self,
        perception: &Perception,
        labels: Option<&Labels>,
        network: Option<&Tensor>,
    ) -> Result<SynapseOutput, SynapseError> {
        self.branches(perception, labels, network)
    }

    fn forward_flops(&self, _: &[i64]) -> Option<flops::Forward> {
        let MnistConfig {
            side,
            d_model,
            d_target: [d_first, d_second],
            n_classes,
        } = self.config;
        let d_pixels = side * side;
        let student = [[d_pixels, d_model], [d_model, d_model]];
        let branch = [
            [d_pixels + d_model, d_model],
            [d_model, d_model],
            [d_model, d_first],
            [d_first, d_second],
            [d_second, n_classes],
        ];
        Some(flops::Forward::of_products(&student, 0.0, &branch))
    }

    fn parameters(&self) -> Parameters {
        let mut parameters = Parameters::new();
        let modules: [(&str, &[Linear]); 3] = [
            ("student", &self.student),
            ("main", &self.main),
            ("target", &self.target),
        ];
        for (module, layers) in modules {
            for (layer, position) in layers.iter().zip(1..) {
                layer.list(&format!("{module}.layer{position}"), &mut parameters);
            }
        }
        parameters
    }

    /// All that was learned, as `load_state_dict` of the same model in `parity/mnist.py` takes it, and the widths of that model.
    fn export(&self) -> Result<Exported, ExportError> {
        images::export("mnist", self, &self.config)
    }

    fn copy(&self) -> Box<dyn Synapse> {
        Box::new(Mnist {
            config: self.config,
            device: self.device,
            student: self.student.each_ref().map(Linear::frozen_copy),
            main: self.main.each_ref().map(Linear::frozen_copy),
            target: self.target.each_ref().map(Linear::frozen_copy),
        })
    }
}

#[cfg(test)]
mod parity;
#[cfg(test)]
mod tests;
