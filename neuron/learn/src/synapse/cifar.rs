//! The CIFAR synapse: a dual path network over small colour images.
//!
//! ```text
//! transform = pool 4×4(DPN((images − mean) / deviation))           [batch, 9728]     of DPN-26
//! student   = W₃·W₂·W₁·transform, held constant                    [batch, 512]      9728 → 512 → 256 → 512
//! hidden    = W₃·W₂·W₁·[transform, context]                        [batch, 512]     10240 → 512 → 256 → 512
//! target    = log softmax(W₂·W₁·hidden)                            [batch, 10]        512 → 128 → 10
//! ```
//!
//! The router routes by the transform. The network itself is told in `cifar/dpn.rs`, its widths in [`DpnConfig`].
//!
//! The origin's model: its strides, and its heads, which are linear maps of bounded rank, since nothing is between their
//! layers. Its mistakes are corrected:
//!
//! * It learned from the network's branch and from distillation, never from the local branch, which is what peers are served.
//!   Here the loss is the sum of all three.
//! * Its student moved what it looked at. Here it sees the transform as a constant, so that the network over the images
//!   learns to classify, and not to be imitated.
//! * It was given normalised images. Here the model normalises, so that peers send images as they are.
//!
//! Which branch learns from which loss is told at [`SynapseOutput`].

mod config;
mod dpn;

use neuron_proto::{DType, Modality};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use self::dpn::{COLOURS, Dpn, Draw};
use super::{
    Branches, EntryPoint, Labels, Mode, Perception, Synapse, SynapseError, SynapseOutput, images,
};
use crate::export::{ExportError, Exported};
use crate::flops;
use crate::linear::Linear;
use crate::nn::Layout;
use crate::parameters::Parameters;

pub use self::config::{CifarConfig, DpnConfig};

/// Mean of the pixels of CIFAR-10's training set, red, green and blue, in 0..=1.
const MEAN: [f32; 3] = [0.4914, 0.4822, 0.4465];
/// Standard deviation of the pixels of CIFAR-10's training set.
const STANDARD_DEVIATION: [f32; 3] = [0.2470, 0.2435, 0.2616];

/// A classifier of colour images with a student and a place for what the network says.
#[derive(Debug)]
pub struct Cifar {
    config: CifarConfig,
    device: Device,
    /// `[3, 1, 1]`
    mean: Tensor,
    /// `[3, 1, 1]`
    deviation: Tensor,
    transform: Dpn,
    student: [Linear; 3],
    hidden: [Linear; 3],
    target: [Linear; 2],
}

impl Cifar {
    /// A model of these widths, drawn from the seed: the same on every device.
    ///
    /// # Panics
    ///
    /// If the widths make no network: channels that are not multiples of the groups, or images too small to be pooled.
    pub fn new(config: CifarConfig, seed: u64, device: Device) -> Cifar {
        Cifar::laid_out(config, seed, Layout::on(device), device)
    }

    fn laid_out(config: CifarConfig, seed: u64, layout: Layout, device: Device) -> Cifar {
        let d_transform = config.d_transform();
        let groups = config.dpn.groups;
        let is_grouped = |planes: &i64| groups > 0 && planes % groups == 0;
        assert!(
            d_transform > 0 && config.dpn.in_planes.iter().all(is_grouped),
            "{config:?}"
        );
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = Draw {
            rng: &mut rng,
            layout,
            device,
        };
        let transform = Dpn::draw(&config.dpn, &mut draw);
        let mut linear = |d_in, d_out| Linear::draw(d_in, d_out, &mut rng, device);
        let (d_model, d_target) = (config.d_model, config.d_target);
        let [d_first, d_second] = config.d_hidden;
        let mut head = |d_in| {
            [
                linear(d_in, d_first),
                linear(d_first, d_second),
                linear(d_second, d_model),
            ]
        };
        let (student, hidden) = (head(d_transform), head(d_transform + d_model));
        let channels = |values: [f32; 3]| {
            Tensor::from_slice(&values)
                .view([COLOURS, 1, 1])
                .to_device(device)
        };
        Cifar {
            mean: channels(MEAN),
            deviation: channels(STANDARD_DEVIATION),
            transform,
            student,
            hidden,
            target: [
                linear(d_model, d_target),
                linear(d_target, config.n_classes),
            ],
            config,
            device,
        }
    }

    /// What the network over the images makes of images of any size.
    ///
    /// # Shapes
    ///
    /// `images`: `[batch, 3, height, width]`, floats in 0..=1 or bytes in 0..=255; result: `[batch, d_transform]`
    fn transform(&self, images: &Tensor, mode: Mode) -> Result<Tensor, SynapseError> {
        let unit = images::unit(images, COLOURS, self.device)?;
        let normalised = (unit - &self.mean) / &self.deviation;
        let pooled = images::pooled(normalised, self.config.side)?;
        Ok(self.transform.forward(&pooled, mode))
    }

    fn perception(&self, images: &Tensor, mode: Mode) -> Result<Perception, SynapseError> {
        let features = self.transform(images, mode)?;
        let student = one_by_one(&self.student, &features.detach());
        let local_output = self.local(&features, &student);
        Ok(Perception {
            context: features.shallow_clone(),
            features,
            student,
            local_output,
            real: None,
        })
    }
}

/// # Shapes
///
/// `[batch, d_in]` of the first layer → `[batch, d_out]` of the last
fn one_by_one(layers: &[Linear], inputs: &Tensor) -> Tensor {
    layers.iter().fold(inputs.shallow_clone(), |hidden, layer| {
        layer.forward(&hidden)
    })
}

impl Branches for Cifar {
    fn encoding(&self, transform: &Tensor, context: &Tensor) -> Tensor {
        one_by_one(&self.hidden, &Tensor::cat(&[transform, context], 1))
    }

    fn target(&self, encoding: &Tensor) -> Tensor {
        one_by_one(&self.target, encoding).log_softmax(-1, Kind::Float)
    }
}

impl Synapse for Cifar {
    fn entry_points(&self) -> Vec<EntryPoint> {
        let width = |size| u32::try_from(size).expect("a width of a layer that was allocated");
        vec![EntryPoint {
            modality: Modality::Image,
            input_dtypes: vec![DType::F32, DType::F16, DType::BF16, DType::U8],
            input_shape: vec![width(COLOURS), 0, 0],
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

    fn d_context(&self) -> i64 {
        self.config.d_transform()
    }

    fn device(&self) -> Device {
        self.device
    }

    /// # Shapes
    ///
    /// `[batch, 3, height, width]`, floats in 0..=1 or bytes in 0..=255 → `[batch, d_model]`
    fn forward_image(&self, images: &Tensor) -> Result<Tensor, SynapseError> {
        Ok(self.perception(images, Mode::Evaluation)?.local_output)
    }

    fn tell(&self, _: Modality, encodings: &Tensor) -> Result<Tensor, SynapseError> {
        Ok(self.target(encodings))
    }

    /// The router routes by the transform. In training, the running statistics of every norm move.
    fn perceive(&self, images: &Tensor, mode: Mode) -> Result<Perception, SynapseError> {
        self.perception(images, mode)
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
        let CifarConfig {
            side,
            dpn,
            d_model,
            d_hidden: [d_first, d_second],
            d_target,
            n_classes,
        } = self.config;
        let d_transform = self.config.d_transform();
        let student = [
            [d_transform, d_first],
            [d_first, d_second],
            [d_second, d_model],
        ];
        let branch = [
            [d_transform + d_model, d_first],
            [d_first, d_second],
            [d_second, d_model],
            [d_model, d_target],
            [d_target, n_classes],
        ];
        let features = dpn.flops(side);
        Some(flops::Forward::of_products(&student, features, &branch))
    }

    fn parameters(&self) -> Parameters {
        let mut parameters = Parameters::new();
        self.transform.list("transform", &mut parameters);
        let heads: [(&str, &[Linear]); 3] = [
            ("student", &self.student),
            ("hidden", &self.hidden),
            ("target", &self.target),
        ];
        for (head, layers) in heads {
            for (layer, position) in layers.iter().zip(1..) {
                layer.list(&format!("{head}.layer{position}"), &mut parameters);
            }
        }
        parameters
    }

    fn buffers(&self) -> Parameters {
        let mut buffers = Parameters::new();
        self.transform.list_buffers("transform", &mut buffers);
        buffers
    }

    /// All that was learned, as `load_state_dict` of the same model in `parity/cifar.py` takes it, and the widths of that model.
    fn export(&self) -> Result<Exported, ExportError> {
        images::export("cifar", self, &self.config)
    }

    fn copy(&self) -> Box<dyn Synapse> {
        Box::new(Cifar {
            config: self.config,
            device: self.device,
            mean: self.mean.shallow_clone(),
            deviation: self.deviation.shallow_clone(),
            transform: self.transform.frozen_copy(),
            student: self.student.each_ref().map(Linear::frozen_copy),
            hidden: self.hidden.each_ref().map(Linear::frozen_copy),
            target: self.target.each_ref().map(Linear::frozen_copy),
        })
    }
}

#[cfg(test)]
mod parity;
#[cfg(test)]
mod tests;
