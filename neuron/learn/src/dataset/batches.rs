//! Batches in a seeded order, a new one for each epoch.
//!
//! The order of epoch *e* is a shuffle by ChaCha8 with the key `seed` and the stream *e*: it depends on nothing else, so
//! a [`Position`] (epoch and batch) is all that a checkpoint needs to go on where it stopped.

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{Augmentation, DatasetError, Examples};

/// What becomes of the examples of an epoch that do not fill a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LastBatch {
    /// They are a batch of their own, shorter than the others.
    Keep,
    /// They are left out of this epoch; which ones they are changes with each.
    Drop,
}

/// Where in the sequence of batches one is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Times that all examples have been drawn.
    pub epoch: u64,
    /// The batch within the epoch that comes next.
    pub batch: usize,
}

impl Position {
    /// The same place, or the beginning of the next epoch if that is past the end of its own, which has so many batches.
    pub(crate) fn within(self, per_epoch: usize) -> Position {
        match self.batch < per_epoch {
            true => self,
            false => Position {
                epoch: self.epoch + 1,
                batch: 0,
            },
        }
    }

    /// The place after this one.
    pub(crate) fn next(self, per_epoch: usize) -> Position {
        let next = Position {
            batch: self.batch + 1,
            ..self
        };
        next.within(per_epoch)
    }
}

/// One batch, `[batch, channels, side, side]` with labels `[batch]`.
pub type Batch = Examples;

/// An endless sequence of batches.
#[derive(Debug)]
pub struct Batches {
    examples: Examples,
    batch_size: usize,
    last: LastBatch,
    seed: u64,
    augmentation: Option<Augmentation>,
    position: Position,
    /// Order of the epoch of `position`.
    order: Vec<i64>,
}

impl Batches {
    /// Batches of `batch_size` from these examples.
    ///
    /// # Errors
    ///
    /// [`DatasetError::TooFew`] if an epoch would have no batch: without examples, with a batch size of zero, or if the
    /// last batch is dropped and is the only one.
    pub fn new(
        examples: Examples,
        batch_size: usize,
        last: LastBatch,
        seed: u64,
    ) -> Result<Self, DatasetError> {
        let needed = match last {
            LastBatch::Keep => 1,
            LastBatch::Drop => batch_size,
        };
        if batch_size == 0 || examples.len() < needed {
            return Err(DatasetError::TooFew {
                examples: examples.len(),
                batch: batch_size,
            });
        }
        let mut batches = Self {
            examples,
            batch_size,
            last,
            seed,
            augmentation: None,
            position: Position::default(),
            order: Vec::new(),
        };
        batches.go_to(Position::default());
        Ok(batches)
    }

    /// The same batches, with images changed at random: for training.
    pub fn augmented(self, augmentation: Augmentation) -> Self {
        Self {
            augmentation: Some(augmentation),
            ..self
        }
    }

    /// Batches of an epoch.
    pub fn per_epoch(&self) -> usize {
        match self.last {
            LastBatch::Keep => self.examples.len().div_ceil(self.batch_size),
            LastBatch::Drop => self.examples.len() / self.batch_size,
        }
    }

    /// The batch that comes next.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Goes on from there. A batch past the end of its epoch is the first of the next.
    pub fn go_to(&mut self, position: Position) {
        self.position = position.within(self.per_epoch());
        self.order = order(self.examples.len(), self.seed, self.position.epoch);
    }

    /// Every example once, in order and unchanged, a batch at a time: how an evaluation reads a held-out split.
    pub fn in_order(&self) -> impl Iterator<Item = Batch> + '_ {
        self.examples.in_order(self.batch_size)
    }

    /// The next batch, and where it stands.
    pub fn draw(&mut self) -> (Position, Batch) {
        let drawn = self.position;
        let from = drawn.batch * self.batch_size;
        let to = (from + self.batch_size).min(self.order.len());
        let selected = self.examples.select(&self.order[from..to]);
        let batch = match self.augmentation {
            Some(augmentation) => augmentation.apply(&selected, self.seed, drawn),
            None => selected,
        };
        let next = drawn.next(self.per_epoch());
        match next.epoch == drawn.epoch {
            true => self.position = next,
            false => self.go_to(next),
        }
        (drawn, batch)
    }
}

/// The order of `n` examples in an epoch.
pub(crate) fn order(n: usize, seed: u64, epoch: u64) -> Vec<i64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(epoch);
    let mut order: Vec<i64> = (0..).take(n).collect();
    order.shuffle(&mut rng);
    order
}

impl Examples {
    /// Every example once, in order, `batch_size` at a time: how an evaluation reads a held-out split.
    pub fn in_order(&self, batch_size: usize) -> impl Iterator<Item = Batch> + '_ {
        let batch_size = i64::try_from(batch_size.max(1)).expect("a batch fits in memory");
        let n = i64::try_from(self.len()).expect("a dataset fits in memory");
        (0..n)
            .step_by(usize::try_from(batch_size).expect("positive"))
            .map(move |from| {
                let length = batch_size.min(n - from);
                let part = |tensor: &Tensor| tensor.narrow(0, from, length);
                Examples {
                    images: part(&self.images),
                    labels: part(&self.labels),
                }
            })
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::dataset::ImageShape;

    /// Ten examples, whose label is their position.
    fn ten() -> Examples {
        let images = Tensor::zeros([10, 1, 28, 28], (Kind::Float, Device::Cpu));
        let labels = Tensor::arange(10, (Kind::Int64, Device::Cpu));
        Examples::new(ImageShape::GREY_28, images, labels).unwrap()
    }

    fn batches(size: usize, last: LastBatch, seed: u64) -> Batches {
        Batches::new(ten(), size, last, seed).unwrap()
    }

    fn draw_labels(batches: &mut Batches, n: usize) -> Vec<Vec<i64>> {
        (0..n).map(|_| batches.draw().1.label_values()).collect()
    }

    #[test]
    fn after_the_last_batch_of_an_epoch_comes_the_first_of_the_next() {
        let at = |epoch, batch| Position { epoch, batch };
        assert_eq!(at(1, 1).next(3), at(1, 2));
        assert_eq!(at(1, 2).next(3), at(2, 0));
        assert_eq!(at(1, 2).within(3), at(1, 2));
        assert_eq!(at(1, 9).within(3), at(2, 0));
    }

    #[test]
    fn an_epoch_draws_every_example_once_and_the_next_in_another_order() {
        let mut batches = batches(4, LastBatch::Keep, 7);
        let first = draw_labels(&mut batches, 3);
        assert_eq!(first.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
        let second = draw_labels(&mut batches, 3);
        assert_ne!(first, second);
        for epoch in [first, second] {
            let mut all = epoch.concat();
            all.sort_unstable();
            assert_eq!(all, (0..10).collect::<Vec<_>>());
        }
        assert_eq!(batches.position(), Position { epoch: 2, batch: 0 });
    }

    #[test]
    fn a_short_last_batch_is_dropped_when_asked() {
        let mut batches = batches(4, LastBatch::Drop, 7);
        assert_eq!(batches.per_epoch(), 2);
        assert_eq!(
            draw_labels(&mut batches, 4)
                .iter()
                .map(Vec::len)
                .collect::<Vec<_>>(),
            [4, 4, 4, 4]
        );
        assert_eq!(batches.position(), Position { epoch: 2, batch: 0 });
    }

    #[test]
    fn an_order_is_the_seeds_own() {
        let draw = |seed| draw_labels(&mut batches(10, LastBatch::Keep, seed), 1).concat();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        // Written down, so that a change of the generator is seen: it would break resuming from older checkpoints.
        assert_eq!(draw(0), [2, 8, 6, 1, 9, 5, 7, 4, 0, 3]);
    }

    #[test]
    fn batches_go_on_from_any_position() {
        let mut straight = batches(3, LastBatch::Keep, 5);
        draw_labels(&mut straight, 6);
        let position = straight.position();
        let mut resumed = batches(3, LastBatch::Keep, 5);
        resumed.go_to(position);
        assert_eq!(draw_labels(&mut straight, 9), draw_labels(&mut resumed, 9));
    }

    #[test]
    fn batches_that_could_not_be_drawn_are_refused() {
        let refused = |size, last| Batches::new(ten(), size, last, 0).is_err();
        assert!(refused(0, LastBatch::Keep));
        assert!(refused(11, LastBatch::Drop));
        assert!(!refused(11, LastBatch::Keep));
        assert!(Batches::new(ten().select(&[]), 1, LastBatch::Keep, 0).is_err());
    }

    #[test]
    fn reading_in_order_covers_everything_once() {
        let read: Vec<Vec<i64>> = ten()
            .in_order(4)
            .map(|batch| batch.label_values())
            .collect();
        assert_eq!(read, [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9]]);
    }
}
