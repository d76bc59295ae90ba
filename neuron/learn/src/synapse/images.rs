//! What models of images share: images as they arrive, brought to what a model computes with, and what a model is exported as.

use serde::Serialize;
use serde_json::json;
use tch::{Device, Kind, TchError, Tensor};

use super::{Synapse, SynapseError};
use crate::checkpoint::hugging_face;
use crate::export::{ExportError, Exported};

/// Images of so many channels with values in 0..=1, whatever they arrived as.
///
/// # Shapes
///
/// `images`: `[batch, channels, height, width]`, floats in 0..=1 or bytes in 0..=255; result: the same, f32
pub(super) fn unit(images: &Tensor, channels: i64, device: Device) -> Result<Tensor, SynapseError> {
    match images.size()[..] {
        [_, arrived, height, width] if arrived == channels && height > 0 && width > 0 => {}
        _ => {
            return Err(SynapseError::Shape {
                what: "images",
                expected: format!("[batch, {channels}, height, width]"),
                arrived: images.size(),
            });
        }
    }
    let images = images.to_device(device);
    match images.kind() {
        Kind::Uint8 => Ok(images.to_kind(Kind::Float) / 255.0),
        Kind::Float | Kind::Half | Kind::BFloat16 | Kind::Double => Ok(images.to_kind(Kind::Float)),
        arrived => Err(SynapseError::Kind {
            what: "images",
            expected: "floats in 0..=1 or bytes",
            arrived,
        }),
    }
}

/// Images averaged to so many pixels a side; as they are if they have them.
///
/// # Shapes
///
/// `[batch, channels, height, width]` → `[batch, channels, side, side]`
pub(super) fn pooled(images: Tensor, side: i64) -> Result<Tensor, TchError> {
    match images.size()[2..] == [side, side] {
        true => Ok(images),
        false => images.f_adaptive_avg_pool2d([side, side]),
    }
}

/// A model of images for PyTorch: all that it learned by the names of a `state_dict` in `model.safetensors`, and in `config.json`
/// which model it is, the shapes of what goes into it and comes out (without the batch axis; 0 for any size), and its widths.
///
/// # Errors
///
/// [`ExportError::Torch`].
pub(super) fn export(
    name: &str,
    synapse: &dyn Synapse,
    widths: &impl Serialize,
) -> Result<Exported, ExportError> {
    let [entry_point] = &synapse.entry_points()[..] else {
        unreachable!("a model of images takes images");
    };
    let config = json!({
        "model_type": name,
        "input_shape": entry_point.input_shape,
        "output_shape": entry_point.output_shape,
        "prediction_shape": entry_point.prediction_shape,
        "widths": widths,
    });
    hugging_face::export(&config, &synapse.state())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::synapse::{Cifar, CifarConfig, DpnConfig, Mnist, MnistConfig};

    /// The configuration of an exported model, if all that it learned is beside it.
    fn exported(synapse: &dyn Synapse) -> Value {
        let folder = tempfile::tempdir().unwrap();
        synapse.export().unwrap().write(folder.path()).unwrap();
        let stored = hugging_face::read_parameters(folder.path()).unwrap();
        let state = synapse.state();
        assert!(stored.keys().eq(state.keys()), "{:?}", stored.keys());
        for (name, tensor) in state {
            assert!(stored[&name].equal(&tensor), "{name}");
        }
        hugging_face::read_config(folder.path(), |_| Ok(())).unwrap()
    }

    #[test]
    fn a_model_of_digits_is_exported_with_its_shapes_and_widths() {
        let mnist = Mnist::new(MnistConfig::default(), 3, Device::Cpu);
        let expected = json!({
            "model_type": "mnist",
            "input_shape": [1, 0, 0],
            "output_shape": [1024],
            "prediction_shape": [10],
            "widths": {"side": 28, "d_model": 1024, "d_target": [512, 256], "n_classes": 10},
        });
        assert_eq!(exported(&mnist), expected);
    }

    #[test]
    fn a_model_of_colour_images_is_exported_with_its_statistics() {
        let narrow = CifarConfig::of(DpnConfig::NARROW);
        let cifar = Cifar::new(narrow, 3, Device::Cpu);
        assert!(!cifar.buffers().is_empty());
        let config = exported(&cifar);
        assert_eq!(config["input_shape"], json!([3, 0, 0]));
        let widths = &config["widths"];
        assert_eq!(widths["d_hidden"], json!(narrow.d_hidden));
        assert_eq!(widths["in_planes"], json!(narrow.dpn.in_planes));
    }
}
