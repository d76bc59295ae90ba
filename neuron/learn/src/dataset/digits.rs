//! `digits`: real handwritten digits, in the program, so that a neuron trains without a download.
//!
//! 1,797 images of 8×8 (E. Alpaydin, C. Kaynak: *Optical Recognition of Handwritten Digits*, UCI 1998, CC BY 4.0; see
//! `data/README.md`), values 0 to 16 brought to `[0, 1]` and scaled up to 28×28.
//!
//! # Scaling
//!
//! Bilinear, with the centres of pixels as the grid (`align_corners = False` in PyTorch): the pixel at `y` of the result
//! lies at `max(0, (y + ½) · 8/28 − ½)` of the image, and is weighted from the two rows around that, the last row being
//! its own neighbour; the same for columns.
//!
//! # Split
//!
//! Examples are laid out by label and dealt to five hands as in [`super::shard`]; the fifth hand, 359 examples, is held
//! out, and 1,438 are trained on. Every class is in both, and so is every writer.

use std::io::Read;

use flate2::read::GzDecoder;
use tch::Tensor;

use super::{DIGITS, Dataset, DatasetError, Examples, ImageShape, Shard};

/// The file: 65 columns, the last is the label.
const CSV: &[u8] = include_bytes!("../../data/digits.csv.gz");

/// Pixels of a side of an image in the file.
const FILE_SIDE: i64 = 8;

/// Columns of the file: the pixels of an image, then its label.
const COLUMNS: usize = 65;

/// The largest value of a pixel in the file.
const FILE_WHITE: f32 = 16.0;

/// Hands that examples are dealt to; the last is held out.
const HANDS: u32 = 5;

/// Handwritten digits, split into 1,438 to learn from and 359 held out.
///
/// # Errors
///
/// None, unless the program was built with another file.
pub fn digits() -> Result<Dataset, DatasetError> {
    let (pixels, labels) = parse(CSV)?;
    let images =
        Tensor::from_slice(&pixels).view([-1, 1, FILE_SIDE, FILE_SIDE]) / f64::from(FILE_WHITE);
    let shape = ImageShape::GREY_28;
    let images = images.upsample_bilinear2d([shape.side, shape.side], false, None, None);
    let all = Examples::new(shape, images, Tensor::from_slice(&labels))?;
    let hands = (0..HANDS)
        .map(|index| Ok(Shard::new(index, HANDS)?.positions(&labels)))
        .collect::<Result<Vec<_>, DatasetError>>()?;
    let (held_out, dealt) = hands.split_last().expect("there are five hands");
    let mut train = dealt.concat();
    train.sort_unstable();
    Ok(Dataset {
        name: "digits",
        classes: DIGITS,
        train: all.select(&train),
        test: all.select(held_out),
    })
}

/// Pixels of all images, and their labels.
fn parse(csv: &[u8]) -> Result<(Vec<f32>, Vec<i64>), DatasetError> {
    let malformed = |problem: String| DatasetError::Malformed {
        path: "digits.csv.gz".into(),
        problem,
    };
    let mut text = String::new();
    GzDecoder::new(csv)
        .read_to_string(&mut text)
        .map_err(|error| malformed(error.to_string()))?;
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for (line, row) in (1..).zip(text.lines()) {
        let row: Vec<u8> = row
            .split(',')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|error| malformed(format!("line {line}: {error}")))?;
        let [image @ .., label] = row.as_slice() else {
            return Err(malformed(format!("line {line} is empty")));
        };
        if row.len() != COLUMNS {
            return Err(malformed(format!(
                "line {line}: expected {COLUMNS} columns, got {}",
                row.len()
            )));
        }
        pixels.extend(image.iter().copied().map(f32::from));
        labels.push(i64::from(*label));
    }
    Ok((pixels, labels))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tch::Kind;

    use super::*;

    fn counts(examples: &Examples) -> Vec<i64> {
        Vec::try_from(examples.labels().bincount::<Tensor>(None, 10)).unwrap()
    }

    #[test]
    fn every_class_is_trained_on_and_held_out() {
        let digits = digits().unwrap();
        assert_eq!((digits.train.len(), digits.test.len()), (1_438, 359));
        assert_eq!(digits.test.images().size(), [359, 1, 28, 28]);
        assert!(
            counts(&digits.test)
                .iter()
                .all(|&count| (34..=37).contains(&count)),
            "{:?}",
            counts(&digits.test)
        );
        assert!(
            counts(&digits.train).iter().all(|&count| count >= 139),
            "{:?}",
            counts(&digits.train)
        );
    }

    #[test]
    fn values_are_between_zero_and_one() {
        let digits = digits().unwrap();
        assert_eq!(digits.train.images().min().double_value(&[]), 0.0);
        assert_eq!(digits.train.images().max().double_value(&[]), 1.0);
        assert_eq!(digits.train.images().kind(), Kind::Float);
    }

    #[test]
    fn no_image_is_both_trained_on_and_held_out() {
        let digits = digits().unwrap();
        let images = |examples: &Examples| -> Vec<Vec<u32>> {
            let flat = examples.images().flatten(1, -1);
            Vec::<Vec<f32>>::try_from(flat)
                .unwrap()
                .into_iter()
                .map(|image| image.into_iter().map(f32::to_bits).collect())
                .collect()
        };
        let train: HashSet<_> = images(&digits.train).into_iter().collect();
        assert_eq!(train.len(), 1_438, "no image is there twice");
        assert!(
            images(&digits.test)
                .iter()
                .all(|image| !train.contains(image))
        );
    }

    #[test]
    fn an_image_is_scaled_by_the_stated_formula() {
        // The first image of the file is a zero, so it is dealt first and trained on.
        let (pixels, labels) = parse(CSV).unwrap();
        assert_eq!(labels[0], 0);
        let at = |y: usize, x: usize| f64::from(pixels[y * 8 + x]) / 16.0;
        let scaled = digits().unwrap().train.images().get(0).get(0);

        // (y + ½) · 8/28 − ½ = (4y − 5) / 14
        let source = |place: usize| {
            let numerator = (4 * place).saturating_sub(5);
            (numerator / 14, (numerator % 14) as f64 / 14.0)
        };
        for (y, x) in [(0, 0), (3, 11), (14, 14), (13, 9), (27, 27), (27, 10)] {
            let ((top, down), (left, right)) = (source(y), source(x));
            let (bottom, other) = ((top + 1).min(7), (left + 1).min(7));
            let expected = (1.0 - down) * ((1.0 - right) * at(top, left) + right * at(top, other))
                + down * ((1.0 - right) * at(bottom, left) + right * at(bottom, other));
            let got = scaled.double_value(&[y as i64, x as i64]);
            assert!(
                (got - expected).abs() < 1e-6,
                "({y}, {x}): expected {expected}, got {got}"
            );
        }
    }

    #[test]
    fn a_line_of_another_length_is_refused() {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"1,2,3\n").unwrap();
        let error = parse(&encoder.finish().unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "digits.csv.gz is not the file it should be: line 1: expected 65 columns, got 3"
        );
    }
}
