//! `neuron weights`.

use std::str::FromStr;

use clap::Subcommand;

/// `neuron weights`.
#[derive(Debug, Subcommand)]
pub enum WeightsCommand {
    /// Show what validators value their peers at
    Show {
        /// Show the row of this neuron only
        #[arg(long, value_name = "UID")]
        uid: Option<u16>,
        /// Show bonds, which dividends are paid by, instead of weights
        #[arg(long)]
        bonds: bool,
    },
    /// Set your row by hand; training does it by what it learns
    Set {
        /// What each peer is worth to you: 1=0.7 2=0.3; only the ratios count
        #[arg(value_name = "UID=WEIGHT", required = true)]
        opinions: Vec<Opinion>,
    },
}

/// What one peer is worth.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Opinion {
    /// The peer.
    pub uid: u16,
    /// At least 0, in no unit.
    pub weight: f64,
}

/// Why a text is not an opinion.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a uid, '=' and a weight of at least 0, such as 3=0.25")]
pub struct OpinionError;

impl FromStr for Opinion {
    type Err = OpinionError;

    fn from_str(text: &str) -> Result<Opinion, OpinionError> {
        let (uid, weight) = text.split_once('=').ok_or(OpinionError)?;
        let opinion = Opinion {
            uid: uid.parse().map_err(|_| OpinionError)?,
            weight: weight.parse().map_err(|_| OpinionError)?,
        };
        match opinion.weight.is_finite() && opinion.weight >= 0.0 {
            true => Ok(opinion),
            false => Err(OpinionError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opinions_have_a_uid_and_a_weight() {
        let expected = Opinion {
            uid: 3,
            weight: 0.25,
        };
        assert_eq!("3=0.25".parse(), Ok(expected));
        for bad in ["", "3", "3=", "=1", "3=-1", "3=nan", "3=inf", "65536=1"] {
            assert_eq!(bad.parse::<Opinion>(), Err(OpinionError), "{bad}");
        }
    }
}
