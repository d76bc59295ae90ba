//! `--shard`: a neuron's part of the data.

use std::{fmt, str::FromStr};

/// Part `index`, from 0, of `of` parts of about equal size.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0, below `of`.
    pub index: u32,
    /// At least 1.
    pub of: u32,
}

/// Why a text is not a shard.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected i/n with i below n, such as 0/5 for the first of five")]
pub struct ShardError;

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Shard, ShardError> {
        let (index, of) = text.split_once('/').ok_or(ShardError)?;
        let shard = Shard {
            index: index.parse().map_err(|_| ShardError)?,
            of: of.parse().map_err(|_| ShardError)?,
        };
        match shard.index < shard.of {
            true => Ok(shard),
            false => Err(ShardError),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_counted_from_zero() {
        for text in ["0/1", "0/5", "4/5"] {
            assert_eq!(text.parse::<Shard>().unwrap().to_string(), text);
        }
        for bad in ["", "5/5", "0/0", "-1/5", "1", "1/2/3", "a/b"] {
            assert_eq!(bad.parse::<Shard>(), Err(ShardError), "{bad}");
        }
    }
}
