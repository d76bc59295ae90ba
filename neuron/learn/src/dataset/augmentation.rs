//! Images of a training batch, changed at random so that no neuron learns them by heart.
//!
//! Each image is cropped to its own size at a random place after black was put around it, and flipped from left to right every
//! second time (K. He and others, *Deep Residual Learning for Image Recognition*, 2015, section 4.2). What is drawn depends on
//! the seed and the [`Position`] of the batch and on nothing else: it is resumed as the order of batches is.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

use super::{Batch, Examples, Position};

/// Added to the seed, so that crops are not drawn from the numbers that the order of batches is drawn from.
const KEY: u64 = u64::from_le_bytes(*b"augments");

/// Numbers that a batch can draw without coming to those of the next, as a power of two.
const LOG_WORDS_PER_BATCH: u32 = 32;

/// How images are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Augmentation {
    /// Pixels of black that are put around an image before it is cropped.
    pub padding: u8,
    /// Whether every second image is flipped. Not for what has a left and a right, such as digits.
    pub flips: bool,
}

impl Augmentation {
    /// For photographs of 32×32: four pixels, and flips.
    pub const COLOUR_32: Augmentation = Augmentation {
        padding: 4,
        flips: true,
    };

    /// The batch at this position of a seed's, with its images changed.
    pub fn apply(self, batch: &Batch, seed: u64, position: Position) -> Batch {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ KEY);
        rng.set_stream(position.epoch);
        rng.set_word_pos((position.batch as u128) << LOG_WORDS_PER_BATCH);
        let windows: Vec<Window> = (0..batch.len())
            .map(|_| Window::draw(self, &mut rng))
            .collect();
        Examples {
            images: self.cut(&batch.images, &windows),
            labels: batch.labels.shallow_clone(),
        }
    }

    /// What the windows show, `[batch, channels, height, width]`.
    fn cut(self, images: &Tensor, windows: &[Window]) -> Tensor {
        let size = images.size();
        let (channels, height, width) = (size[1], size[2], size[3]);
        let device = images.device();
        let places = |places: Vec<i64>, shape: [i64; 4]| {
            Tensor::from_slice(&places).view(shape).to_device(device)
        };
        let batch = windows.len() as i64;
        let rows = windows.iter().flat_map(|window| window.rows(height));
        let columns = windows.iter().flat_map(|window| window.columns(width));
        let padded = images.constant_pad_nd([i64::from(self.padding); 4]);
        padded.index(&[
            Some(places((0..batch).collect(), [batch, 1, 1, 1])),
            Some(places((0..channels).collect(), [1, channels, 1, 1])),
            Some(places(rows.collect(), [batch, 1, height, 1])),
            Some(places(columns.collect(), [batch, 1, 1, width])),
        ])
    }
}

/// Where one image is cut out of its padded self.
struct Window {
    top: i64,
    left: i64,
    is_flipped: bool,
}

impl Window {
    /// Three numbers, whatever is done with them.
    fn draw(augmentation: Augmentation, rng: &mut impl Rng) -> Window {
        let last = 2 * i64::from(augmentation.padding);
        Window {
            top: rng.random_range(0..=last),
            left: rng.random_range(0..=last),
            is_flipped: rng.random::<bool>() && augmentation.flips,
        }
    }

    fn rows(&self, height: i64) -> impl Iterator<Item = i64> + use<> {
        self.top..self.top + height
    }

    fn columns(&self, width: i64) -> impl Iterator<Item = i64> + use<> {
        let (left, right, is_flipped) = (self.left, self.left + width - 1, self.is_flipped);
        (0..width).map(move |x| if is_flipped { right - x } else { left + x })
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::dataset::{Batches, ImageShape, LastBatch};

    /// Twelve images whose every number is another, none of them black.
    fn twelve() -> Examples {
        let shape = ImageShape::COLOUR_32;
        let numbers = Tensor::arange(12 * shape.numel() as i64, (Kind::Float, Device::Cpu)) + 1;
        let images = numbers.view([12, shape.channels, shape.side, shape.side]);
        let labels = Tensor::arange(12, (Kind::Int64, Device::Cpu)).remainder(10);
        Examples::new(shape, images, labels).unwrap()
    }

    fn at(epoch: u64, batch: usize) -> Position {
        Position { epoch, batch }
    }

    fn apply(augmentation: Augmentation, seed: u64, position: Position) -> Tensor {
        augmentation.apply(&twelve(), seed, position).images
    }

    /// Where an image was cut from, if it is a crop of its padded original, flipped or not.
    fn found(changed: &Tensor, original: &Tensor, padding: i64) -> Option<(i64, i64, bool)> {
        let padded = original.constant_pad_nd([padding; 4]);
        let places = (0..=2 * padding).flat_map(|y| (0..=2 * padding).map(move |x| (y, x)));
        places
            .flat_map(|(y, x)| [(y, x, false), (y, x, true)])
            .find(|&(y, x, is_flipped)| {
                let crop = padded.narrow(1, y, 32).narrow(2, x, 32);
                let crop = if is_flipped { crop.flip([2]) } else { crop };
                crop.equal(changed)
            })
    }

    #[test]
    fn every_image_is_a_crop_of_itself_half_of_them_flipped() {
        let (original, changed) = (twelve(), apply(Augmentation::COLOUR_32, 1, at(0, 0)));
        let found: Vec<_> = (0..12)
            .map(|image| found(&changed.get(image), &original.images().get(image), 4))
            .map(|window| window.expect("it is a crop"))
            .collect();
        let flips = found.iter().filter(|(_, _, is_flipped)| *is_flipped);
        assert!((2..=10).contains(&flips.count()), "{found:?}");
        let mut places: Vec<_> = found.iter().map(|(y, x, _)| (y, x)).collect();
        places.sort_unstable();
        places.dedup();
        assert!(places.len() > 6, "{found:?}");
    }

    #[test]
    fn what_is_not_asked_for_is_not_done() {
        let none = Augmentation {
            padding: 0,
            flips: false,
        };
        assert!(apply(none, 1, at(0, 0)).equal(twelve().images()));
        let still = Augmentation {
            flips: false,
            ..Augmentation::COLOUR_32
        };
        let (original, changed) = (twelve(), apply(still, 1, at(0, 0)));
        for image in 0..12 {
            let window = found(&changed.get(image), &original.images().get(image), 4);
            assert!(matches!(window, Some((_, _, false))), "{window:?}");
        }
    }

    #[test]
    fn seed_and_position_say_it_all() {
        let apply = |seed, position| apply(Augmentation::COLOUR_32, seed, position);
        let first = apply(1, at(2, 3));
        assert!(apply(1, at(2, 3)).equal(&first));
        for (seed, position) in [(2, at(2, 3)), (1, at(3, 3)), (1, at(2, 4))] {
            assert!(!apply(seed, position).equal(&first), "{seed} {position:?}");
        }
    }

    #[test]
    fn augmented_batches_go_on_from_any_position() {
        let batches = || {
            let batches = Batches::new(twelve(), 5, LastBatch::Keep, 7).unwrap();
            batches.augmented(Augmentation::COLOUR_32)
        };
        let mut straight = batches();
        let plain = Batches::new(twelve(), 5, LastBatch::Keep, 7)
            .unwrap()
            .draw()
            .1;
        let first = straight.draw().1;
        assert_eq!(first.label_values(), plain.label_values());
        assert!(!first.images().equal(plain.images()));
        straight.draw();
        straight.draw();
        let mut resumed = batches();
        resumed.go_to(straight.position());
        for _ in 0..4 {
            let ((_, ours), (_, theirs)) = (straight.draw(), resumed.draw());
            assert!(ours.images().equal(theirs.images()));
            assert!(ours.labels().equal(theirs.labels()));
        }
    }

    #[test]
    fn a_batch_without_images_stays_one() {
        let none = twelve().select(&[]);
        let changed = Augmentation::COLOUR_32.apply(&none, 1, at(0, 0));
        assert_eq!(changed.images().size(), [0, 3, 32, 32]);
    }
}
