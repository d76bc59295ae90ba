//! `synthetic`: colour images of ten figures, drawn by a program, for machines without photographs.
//!
//! Each image shows one figure, of any size, place, turn and colours, before a background of any colours, with specks in
//! between and noise over it all. Figures and backgrounds are coloured alike, so that colours say nothing about the class.
//!
//! # Seed
//!
//! An image depends on the seed of the set, on its number and on whether it is held out, and on nothing else: a larger set begins
//! with a smaller one. Neurons that are compared draw with one seed, or what one holds out another may have learned.

mod figure;
mod picture;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

use self::figure::Figure;
use super::{Dataset, Examples, ImageShape};

/// How many images of which series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synthetic {
    /// Images to learn from.
    pub n_train: usize,
    /// Images that are held out.
    pub n_test: usize,
    /// What they are drawn from.
    pub seed: u64,
}

impl Default for Synthetic {
    /// 10,000 and 2,000 of the series 0.
    fn default() -> Self {
        Self {
            n_train: 10_000,
            n_test: 2_000,
            seed: 0,
        }
    }
}

impl Synthetic {
    /// Draws the set. Classes follow each other, so each has its tenth.
    pub fn draw(self) -> Dataset {
        Dataset {
            name: "synthetic",
            classes: Figure::ALL.map(Figure::name),
            train: self.examples((0..).take(self.n_train)),
            test: self.examples((0..=u64::MAX).rev().take(self.n_test)),
        }
    }

    /// One image from each of these streams of numbers.
    fn examples(self, streams: impl Iterator<Item = u64>) -> Examples {
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for (stream, (label, figure)) in streams.zip((0i64..).zip(Figure::ALL).cycle()) {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            rng.set_stream(stream);
            picture::draw(figure, &mut rng, &mut pixels);
            labels.push(label);
        }
        let shape = ImageShape::COLOUR_32;
        let images = Tensor::from_slice(&pixels).view([-1, shape.channels, shape.side, shape.side]);
        Examples::new(shape, images, Tensor::from_slice(&labels))
            .expect("pictures are of this shape, figures are classes")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tch::Kind;

    use super::*;
    use crate::dataset::N_CLASSES;

    fn few(seed: u64) -> Dataset {
        let few = Synthetic {
            n_train: 400,
            n_test: 200,
            seed,
        };
        few.draw()
    }

    #[test]
    fn classes_have_names_and_equal_shares() {
        let set = few(0);
        assert_eq!(set.name, "synthetic");
        assert_eq!(set.classes.iter().collect::<HashSet<_>>().len(), N_CLASSES);
        let counts = |examples: &Examples| {
            Vec::<i64>::try_from(examples.labels().bincount::<Tensor>(None, 10)).unwrap()
        };
        assert_eq!(counts(&set.train), [40; N_CLASSES]);
        assert_eq!(counts(&set.test), [20; N_CLASSES]);
    }

    #[test]
    fn images_are_the_seeds_own_and_a_larger_set_begins_with_a_smaller() {
        let (set, again, other) = (few(1), few(1), few(2));
        assert!(set.train.images().equal(again.train.images()));
        assert!(!set.train.images().equal(other.train.images()));
        let fewer = Synthetic {
            n_train: 15,
            n_test: 5,
            seed: 1,
        };
        let fewer = fewer.draw();
        let begins = |many: &Examples, few: &Examples| {
            let first = many.images().narrow(0, 0, few.len() as i64);
            first.equal(few.images())
        };
        assert!(begins(&set.train, &fewer.train) && begins(&set.test, &fewer.test));
    }

    #[test]
    fn no_image_is_there_twice_and_all_are_in_range() {
        let set = few(0);
        let mut seen = HashSet::new();
        for examples in [&set.train, &set.test] {
            let images = examples.images();
            assert_eq!(images.kind(), Kind::Float);
            assert!(images.min().double_value(&[]) >= 0.0);
            assert!(images.max().double_value(&[]) <= 1.0);
            let flat = Vec::<Vec<f32>>::try_from(images.flatten(1, -1)).unwrap();
            seen.extend(
                flat.into_iter()
                    .map(|image| image.into_iter().map(f32::to_bits).collect::<Vec<_>>()),
            );
        }
        assert_eq!(seen.len(), 600);
    }

    /// Mean and standard deviation of each colour of each image, `[n, 6]`.
    fn colours(examples: &Examples) -> Tensor {
        let planes = examples.images().flatten(2, -1);
        let mean = planes.mean_dim(2i64, false, Kind::Float);
        Tensor::cat(&[mean, planes.std_dim(2i64, true, false)], 1)
    }

    /// Share of held-out examples whose features are nearest to the mean of their class.
    fn nearest_mean(set: &Dataset, features: impl Fn(&Examples) -> Tensor) -> f64 {
        let (train, test) = (features(&set.train), features(&set.test));
        let means: Vec<Tensor> = (0..N_CLASSES as i64)
            .map(|class| {
                let of_class = set.train.labels().eq(class).nonzero().flatten(0, -1);
                train
                    .index_select(0, &of_class)
                    .mean_dim(0i64, false, Kind::Float)
            })
            .collect();
        let distances = test.unsqueeze(1) - Tensor::stack(&means, 0);
        let nearest = distances
            .square()
            .sum_dim_intlist(2i64, false, Kind::Float)
            .argmin(1, false);
        let is_right = nearest.eq_tensor(set.test.labels());
        is_right.to_kind(Kind::Double).mean(None).double_value(&[])
    }

    #[test]
    fn neither_colours_nor_single_pixels_tell_the_classes_apart() {
        // Chance is a tenth, give or take √(0.1 · 0.9 / 200) = 0.02.
        let set = few(0);
        let by_colour = nearest_mean(&set, colours);
        assert!(by_colour < 0.2, "{by_colour}");
        let by_pixel = nearest_mean(&set, |examples| examples.images().flatten(1, -1));
        assert!(by_pixel < 0.2, "{by_pixel}");
    }
}
