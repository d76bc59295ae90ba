//! The image that is asked about, and what becomes of it for each peer.

use std::path::Path;

use image::{DynamicImage, ImageBuffer, ImageReader, Pixel, imageops};
use neuron_proto::{Code, DType, Tensor, TensorError, v1};

use super::{Absence, subject::Question};
use crate::exit::UsageError;

/// The most classes that an answer may have. What a peer says of itself must not decide how much is read from it.
const MAX_CLASSES: u32 = 1024;
/// The most pixels a side that a peer may want.
const MAX_SIDE: u32 = 1024;

/// Pixels a side of the largest image that is sent where a peer takes any size: more says nothing more of a digit.
const MAX_FREE_SIDE: u32 = 64;

/// An image: grey or in colours, as a peer wants it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Picture(DynamicImage);

/// Pixels that belong together: 1 channel of grey ones, 3 of red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channels {
    Grey,
    Colour,
}

impl Picture {
    /// Reads a PNG, PGM or PPM, by its content and not its name.
    ///
    /// # Errors
    ///
    /// If there is no such file, or it is no such image.
    pub(super) fn open(path: &Path, invert: bool) -> Result<Picture, UsageError> {
        let read = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
        let decoded = read.map_err(image::ImageError::from);
        let mut image = decoded.and_then(ImageReader::decode).map_err(|error| {
            UsageError(format!(
                "expected a PNG, PGM or PPM image at {}: {error}",
                path.display()
            ))
        })?;
        if invert {
            image.invert();
        }
        Ok(Picture(image))
    }

    /// What a peer is sent, and what it answers.
    pub(super) fn question(&self, synapse: &v1::SynapseDescription) -> Result<Question, Absence> {
        Ok(Question {
            row_shape: vec![n_classes(&synapse.prediction_shape)?],
            inputs: inputs(synapse, self)?,
        })
    }

    /// As floats in 0..=1, white is 1.
    ///
    /// # Shapes
    ///
    /// `[1, channels, height, width]`; a height or width of 0 is free
    fn floats(&self, channels: Channels, height: u32, width: u32) -> Result<Tensor, TensorError> {
        let (shape, bytes) = self.fit(channels, height, width);
        let values = bytes.iter().map(|&value| f32::from(value) / 255.0);
        Tensor::from_f32_vec(&shape, values.collect())
    }

    /// As bytes, white is 255.
    ///
    /// # Shapes
    ///
    /// As of [`floats`](Self::floats)
    fn bytes(&self, channels: Channels, height: u32, width: u32) -> Result<Tensor, TensorError> {
        let (shape, bytes) = self.fit(channels, height, width);
        Tensor::from_u8(&shape, &bytes)
    }

    /// The shape and the bytes of a tensor that shows the image in this size, one channel after the other.
    fn fit(&self, channels: Channels, height: u32, width: u32) -> ([u32; 4], Vec<u8>) {
        match channels {
            Channels::Grey => planes(&fit(&self.0.to_luma8(), height, width)),
            Channels::Colour => planes(&fit(&self.0.to_rgb8(), height, width)),
        }
    }
}

type Image<P> = ImageBuffer<P, Vec<u8>>;

fn planes<P: Pixel<Subpixel = u8>>(image: &Image<P>) -> ([u32; 4], Vec<u8>) {
    let channels = P::CHANNEL_COUNT;
    let plane = |channel| {
        let pixels = image.pixels();
        pixels.map(move |pixel| pixel.channels()[usize::from(channel)])
    };
    let shape = [1, channels.into(), image.height(), image.width()];
    (shape, (0..channels).flat_map(plane).collect())
}

/// Scaled into this size without distortion, in the middle of black. Where both sides are free, the result is square.
fn fit<P: Pixel<Subpixel = u8> + 'static>(image: &Image<P>, height: u32, width: u32) -> Image<P> {
    let free = image.height().max(image.width()).clamp(1, MAX_FREE_SIDE);
    let (height, width) = match (height, width) {
        (0, 0) => (free, free),
        (0, side) | (side, 0) => (side, side),
        given => given,
    };
    let scaled = scale_into(image, height, width);
    let mut fitted = Image::new(width, height);
    let (x, y) = ((width - scaled.width()) / 2, (height - scaled.height()) / 2);
    imageops::replace(&mut fitted, &scaled, x.into(), y.into());
    fitted
}

/// As large as fits. Bilinear; where it shrinks, each pixel is a mean of those it stands for.
fn scale_into<P: Pixel<Subpixel = u8> + 'static>(
    image: &Image<P>,
    height: u32,
    width: u32,
) -> Image<P> {
    let (own_height, own_width) = (image.height().max(1), image.width().max(1));
    let is_wide =
        u64::from(own_width) * u64::from(height) >= u64::from(own_height) * u64::from(width);
    let (width, height) = match is_wide {
        true => (width, proportional(own_height, width, own_width, height)),
        false => (proportional(own_width, height, own_height, width), height),
    };
    if (width, height) == image.dimensions() {
        return image.clone();
    }
    imageops::resize(image, width, height, imageops::FilterType::Triangle)
}

/// `side · new_other / other`, rounded; at least one pixel, and no more than `room`.
fn proportional(side: u32, new_other: u32, other: u32, room: u32) -> u32 {
    let other = u64::from(other);
    let scaled = (u64::from(side) * u64::from(new_other) + other / 2) / other;
    u32::try_from(scaled).unwrap_or(room).clamp(1, room)
}

fn n_classes(prediction_shape: &[u32]) -> Result<u32, Absence> {
    match *prediction_shape {
        [n_classes @ 2..=MAX_CLASSES] => Ok(n_classes),
        [] => Err(Absence::new(
            Code::NotImplemented,
            "it offers encodings only, no predictions",
        )),
        _ => {
            let message = format!(
                "expected predictions of 2 to {MAX_CLASSES} classes, it offers {prediction_shape:?}"
            );
            Err(Absence::new(Code::ResponseShapeException, message))
        }
    }
}

fn inputs(synapse: &v1::SynapseDescription, picture: &Picture) -> Result<Tensor, Absence> {
    let unfit = |message| Absence::new(Code::RequestShapeException, message);
    let other = || {
        unfit(format!(
            "an image, grey or of three colours, of at most {MAX_SIDE} pixels a side is sent, it takes {:?}",
            synapse.input_shape
        ))
    };
    let [channels, height @ 0..=MAX_SIDE, width @ 0..=MAX_SIDE] = synapse.input_shape[..] else {
        return Err(other());
    };
    let channels = match channels {
        0 | 1 => Channels::Grey,
        3 => Channels::Colour,
        _ => return Err(other()),
    };
    let takes = |dtype: DType| synapse.input_dtypes.contains(&dtype.into());
    let inputs = if [DType::F32, DType::F16, DType::BF16].into_iter().any(takes) {
        picture.floats(channels, height, width)
    } else if takes(DType::U8) {
        picture.bytes(channels, height, width)
    } else {
        return Err(unfit(
            "it takes pixels neither as floats nor as bytes".to_owned(),
        ));
    };
    inputs.map_err(|error| unfit(error.to_string()))
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Luma, Rgb, RgbImage};
    use neuron_proto::Modality;

    use super::*;

    fn white(width: u32, height: u32) -> Picture {
        Picture(GrayImage::from_pixel(width, height, Luma([255])).into())
    }

    #[test]
    fn an_image_of_the_right_size_is_sent_as_it_is() {
        let image = GrayImage::from_fn(28, 28, |x, y| Luma([u8::try_from(x * 9 + y % 9).unwrap()]));
        let bytes = Picture(image.clone().into())
            .bytes(Channels::Grey, 28, 28)
            .unwrap();
        assert_eq!(bytes.shape(), [1, 1, 28, 28]);
        assert_eq!(bytes.data()[..], image.into_raw());
    }

    #[test]
    fn floats_are_from_black_at_0_to_white_at_1() {
        let image = GrayImage::from_raw(3, 1, vec![0, 51, 255]).unwrap();
        let floats = Picture(image.into()).floats(Channels::Grey, 1, 3).unwrap();
        assert_eq!(floats.to_f32().unwrap(), [0.0, 0.2, 1.0]);
    }

    #[test]
    fn colours_are_sent_one_after_the_other_and_turned_to_grey_for_who_wants_that() {
        let image = RgbImage::from_fn(2, 1, |x, _| Rgb([u8::try_from(x).unwrap(), 100, 200]));
        let picture = Picture(image.into());
        let colours = picture.bytes(Channels::Colour, 1, 2).unwrap();
        assert_eq!(colours.shape(), [1, 3, 1, 2]);
        assert_eq!(colours.data()[..], [0, 1, 100, 100, 200, 200]);
        let grey = picture.bytes(Channels::Grey, 1, 2).unwrap();
        assert_eq!(grey.shape(), [1, 1, 1, 2]);
        let asked = picture.question(&v1::SynapseDescription {
            input_shape: vec![3, 32, 32],
            ..synapse()
        });
        assert_eq!(asked.unwrap().inputs.shape(), [1, 3, 32, 32]);
    }

    #[test]
    fn nothing_is_distorted_and_what_is_left_is_black() {
        // Half of 28 columns or rows, from the 7th on.
        let upright = fit(&white(20, 40).0.to_luma8(), 28, 28);
        for (x, _, Luma([value])) in upright.enumerate_pixels() {
            assert_eq!(*value == 255, (7..21).contains(&x), "column {x}");
        }
        let lying = fit(&white(40, 20).0.to_luma8(), 28, 28);
        for (_, y, Luma([value])) in lying.enumerate_pixels() {
            assert_eq!(*value == 255, (7..21).contains(&y), "row {y}");
        }
    }

    #[test]
    fn where_a_peer_takes_any_size_it_gets_a_square_that_is_not_too_large() {
        let shape = |picture: Picture, height, width| {
            picture
                .bytes(Channels::Grey, height, width)
                .unwrap()
                .shape()[2..]
                .to_vec()
        };
        assert_eq!(shape(white(28, 28), 0, 0), [28, 28]);
        assert_eq!(shape(white(8, 5), 0, 0), [8, 8]);
        assert_eq!(shape(white(400, 300), 0, 0), [64, 64]);
        assert_eq!(shape(white(400, 300), 0, 28), [28, 28]);
        assert_eq!(shape(white(1, 900), 16, 32), [16, 32]);
    }

    #[test]
    fn a_missing_file_and_one_that_is_no_image_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("digit.png");
        let message = Picture::open(&path, false).unwrap_err().to_string();
        assert!(message.contains("digit.png"), "{message}");
        std::fs::write(&path, "a digit").unwrap();
        let message = Picture::open(&path, false).unwrap_err().to_string();
        assert!(message.contains("PNG, PGM or PPM"), "{message}");
    }

    #[test]
    fn a_pgm_is_read_whatever_its_name_and_its_negative_if_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("digit");
        std::fs::write(&path, b"P5 2 1 255\n\x00\xc8").unwrap();
        let open = |invert| {
            Picture::open(&path, invert)
                .unwrap()
                .0
                .into_luma8()
                .into_raw()
        };
        assert_eq!(open(false), [0, 200]);
        assert_eq!(open(true), [255, 55]);
    }

    fn synapse() -> v1::SynapseDescription {
        v1::SynapseDescription {
            modality: Modality::Image.into(),
            input_dtypes: vec![DType::F32.into(), DType::U8.into()],
            input_shape: vec![1, 28, 28],
            prediction_shape: vec![10],
            ..Default::default()
        }
    }

    #[test]
    fn a_peer_is_sent_what_it_takes() {
        let floats = white(1, 1).question(&synapse()).unwrap();
        assert_eq!(floats.inputs.shape(), [1, 1, 28, 28]);
        assert_eq!(floats.inputs.dtype(), DType::F32);
        assert_eq!(floats.row_shape, [10]);
        let bytes = white(1, 1).question(&v1::SynapseDescription {
            input_dtypes: vec![DType::U8.into()],
            input_shape: vec![1, 0, 0],
            ..synapse()
        });
        let bytes = bytes.unwrap().inputs;
        assert_eq!(
            (bytes.dtype(), bytes.shape()),
            (DType::U8, &[1, 1, 1, 1][..])
        );
    }

    #[test]
    fn a_peer_that_cannot_help_says_why() {
        let why = |synapse| white(1, 1).question(&synapse).unwrap_err().code;
        let predicts = |prediction_shape: &[u32]| {
            why(v1::SynapseDescription {
                prediction_shape: prediction_shape.to_vec(),
                ..synapse()
            })
        };
        assert_eq!(predicts(&[]), Code::NotImplemented);
        for shape in [&[u32::MAX][..], &[1], &[0], &[10, 10]] {
            assert_eq!(predicts(shape), Code::ResponseShapeException, "{shape:?}");
        }
        for input_shape in [vec![2, 28, 28], vec![784], vec![1, u32::MAX, 1]] {
            let other = v1::SynapseDescription {
                input_shape,
                ..synapse()
            };
            assert_eq!(why(other), Code::RequestShapeException);
        }
        let tokens = v1::SynapseDescription {
            input_dtypes: vec![DType::I64.into()],
            ..synapse()
        };
        assert_eq!(why(tokens), Code::RequestShapeException);
    }
}
