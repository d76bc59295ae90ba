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
use tch::{Device, Kind, Tensor};

use super::{EntryPoint, Synapse, SynapseError, SynapseOutput, expect_shape};
use crate::linear::Linear;
use crate::loss;
use crate::parameters::Parameters;

/// Mean of the pixels of MNIST's training set, in 0..=1. Subtracted by the model, so that peers send images as they are.
const MEAN: f64 = 0.1307;
/// Standard deviation of the pixels of MNIST's training set.
const STANDARD_DEVIATION: f64 = 0.3081;

/// The widths of an MNIST synapse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
        let (height, width) = match images.size()[..] {
            [_, 1, height, width] if height > 0 && width > 0 => (height, width),
            _ => {
                return Err(SynapseError::Shape {
                    what: "images",
                    expected: "[batch, 1, height, width]".into(),
                    arrived: images.size(),
                });
            }
        };
        let images = images.to_device(self.device);
        let unit = match images.kind() {
            Kind::Uint8 => images.to_kind(Kind::Float) / 255.0,
            Kind::Float | Kind::Half | Kind::BFloat16 | Kind::Double => images.to_kind(Kind::Float),
            arrived => {
                return Err(SynapseError::Kind {
                    what: "images",
                    expected: "floats in 0..=1 or bytes",
                    arrived,
                });
            }
        };
        let normalised = (unit - MEAN) / STANDARD_DEVIATION;
        let side = self.config.side;
        let pooled = if (height, width) == (side, side) {
            normalised
        } else {
            normalised.f_adaptive_avg_pool2d([side, side])?
        };
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

    /// The encoding, whoever the context is from: one function for the local and the network branch.
    ///
    /// # Shapes
    ///
    /// `pixels`: `[batch, side²]`, `context`: `[batch, d_model]` → `[batch, d_model]`
    fn main(&self, pixels: &Tensor, context: &Tensor) -> Tensor {
        let [first, second] = &self.main;
        let inputs = Tensor::cat(&[pixels, context], 1);
        second.forward(&first.forward(&inputs).relu()).relu()
    }

    /// Log-probabilities of the digits.
    ///
    /// # Shapes
    ///
    /// `[batch, d_model]` → `[batch, n_classes]`, f32
    fn target(&self, encoding: &Tensor) -> Tensor {
        let [first, second, logits] = &self.target;
        let hidden = second.forward(&first.forward(encoding).relu()).relu();
        logits.forward(&hidden).log_softmax(-1, Kind::Float)
    }

    /// The main model with the student, held constant, as context.
    fn local(&self, pixels: &Tensor, student: &Tensor) -> Tensor {
        self.main(pixels, &student.detach())
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
        let pixels = self.pixels(images)?;
        Ok(self.local(&pixels, &self.student(&pixels)))
    }

    /// # Shapes
    ///
    /// As of an image → `[batch, n_classes]`: the local target of training
    fn predict(&self, modality: Modality, inputs: &Tensor) -> Result<Tensor, SynapseError> {
        Ok(self.target(&self.encode(modality, inputs)?))
    }

    fn forward(
        &self,
        images: &Tensor,
        labels: Option<&Tensor>,
        network: Option<&Tensor>,
    ) -> Result<SynapseOutput, SynapseError> {
        let pixels = self.pixels(images)?;
        let batch = pixels.size()[0];
        if let Some(labels) = labels {
            expect_shape("labels", labels, &[batch])?;
        }
        if let Some(network) = network {
            expect_shape("network context", network, &[batch, self.config.d_model])?;
        }
        let labels = labels.map(|labels| labels.to_device(self.device));
        let network = network.map(|network| network.to_device(self.device));

        let student = self.student(&pixels);
        let local_output = self.local(&pixels, &student);
        let local_target = self.target(&local_output);
        let local = SynapseOutput::local(local_output, local_target, labels.as_ref())?;
        let Some(network) = network else {
            return Ok(local);
        };
        let network_output = self.main(&pixels, &network);
        let network_target = self.target(&network_output);
        let distillation_loss = loss::distillation(&student, &network)?;
        Ok(local.with_network(
            network_output,
            network_target,
            distillation_loss,
            labels.as_ref(),
        )?)
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
