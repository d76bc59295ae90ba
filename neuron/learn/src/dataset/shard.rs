//! Dealing examples to neurons, so that each learns from its own and all of them together from everything.
//!
//! Examples are laid out by label, in their order within each label, and dealt like cards: the one at position *p* goes
//! to shard *p* mod *n*. So shards are disjoint, cover everything, differ by at most one example in size and by at most
//! one in each class. (Dealing in file order would not do: digits were written down in the order 0, 1, … 9, and five
//! neurons would learn two digits each.)

use std::{fmt, str::FromStr};

use super::{DatasetError, Examples};

/// One part of several, `index` of `of`, numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    of: u32,
}

impl Shard {
    /// All of it.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// Shard `index` of `of`.
    ///
    /// # Errors
    ///
    /// [`DatasetError::NoSuchShard`] unless `index < of`.
    pub fn new(index: u32, of: u32) -> Result<Self, DatasetError> {
        if index < of {
            Ok(Self { index, of })
        } else {
            Err(DatasetError::NoSuchShard { index, of })
        }
    }

    /// Which one, from 0.
    pub fn index(self) -> u32 {
        self.index
    }

    /// Of how many.
    pub fn of(self) -> u32 {
        self.of
    }

    /// Positions of this shard's examples, given all labels: by label, then by position.
    pub(super) fn positions(self, labels: &[i64]) -> Vec<i64> {
        let mut dealt: Vec<(i64, i64)> = labels.iter().copied().zip(0..).collect();
        dealt.sort_unstable();
        dealt
            .into_iter()
            .map(|(_, position)| position)
            .skip(self.index as usize)
            .step_by(self.of as usize)
            .collect()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = DatasetError;

    /// Reads `INDEX/OF`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let syntax = || DatasetError::ShardSyntax(text.to_owned());
        let (index, of) = text.split_once('/').ok_or_else(syntax)?;
        Self::new(
            index.parse().map_err(|_| syntax())?,
            of.parse().map_err(|_| syntax())?,
        )
    }
}

impl Examples {
    /// The examples of one shard.
    pub fn shard(&self, shard: Shard) -> Self {
        self.select(&shard.positions(&self.label_values()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shards_are_disjoint_balanced_and_cover_everything(
            labels in prop::collection::vec(0i64..10, 0..200),
            of in 1u32..12,
        ) {
            let shards: Vec<Vec<i64>> =
                (0..of).map(|index| Shard::new(index, of).unwrap().positions(&labels)).collect();

            let mut all: Vec<i64> = shards.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..labels.len() as i64).collect::<Vec<_>>());

            let spread = |counts: Vec<usize>| counts.iter().max().unwrap() - counts.iter().min().unwrap();
            prop_assert!(spread(shards.iter().map(Vec::len).collect()) <= 1);
            for class in 0..10 {
                let of_class = |shard: &Vec<i64>| {
                    let label = |&position: &i64| labels[usize::try_from(position).unwrap()];
                    shard.iter().map(label).filter(|&label| label == class).count()
                };
                prop_assert!(spread(shards.iter().map(of_class).collect()) <= 1);
            }
        }
    }

    #[test]
    fn a_shard_is_read_as_it_is_written() {
        assert_eq!("3/5".parse::<Shard>().unwrap(), Shard::new(3, 5).unwrap());
        assert_eq!(Shard::new(3, 5).unwrap().to_string(), "3/5");
        assert!(matches!(
            "5/5".parse::<Shard>(),
            Err(DatasetError::NoSuchShard { index: 5, of: 5 })
        ));
        assert!(matches!(
            "0/0".parse::<Shard>(),
            Err(DatasetError::NoSuchShard { .. })
        ));
        assert!(matches!(
            "five".parse::<Shard>(),
            Err(DatasetError::ShardSyntax(_))
        ));
        assert!(matches!(
            "-1/5".parse::<Shard>(),
            Err(DatasetError::ShardSyntax(_))
        ));
    }
}
