//! Images as they arrive, brought to what a model computes with.

use tch::{Device, Kind, TchError, Tensor};

use super::SynapseError;

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
