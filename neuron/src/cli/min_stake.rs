//! `--min-stake`: for every synapse, or for one.

use std::str::FromStr;

use neuron_proto::Modality;

use crate::{Amount, AmountError};

/// What a caller needs.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct MinStake {
    /// For what. None for all that is not said of.
    pub modality: Option<Modality>,
    /// How much.
    pub amount: Amount,
}

/// Why a text is not a minimum stake.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MinStakeError {
    /// Not a synapse.
    #[error("expected text, image or tensor before '=', got {0:?}")]
    Synapse(String),
    /// Not an amount.
    #[error(transparent)]
    Amount(#[from] AmountError),
}

impl FromStr for MinStake {
    type Err = MinStakeError;

    fn from_str(text: &str) -> Result<MinStake, MinStakeError> {
        let Some((synapse, amount)) = text.split_once('=') else {
            return Ok(MinStake {
                modality: None,
                amount: text.parse()?,
            });
        };
        let modality = Modality::ALL
            .into_iter()
            .find(|modality| modality.name() == synapse)
            .ok_or_else(|| MinStakeError::Synapse(synapse.to_owned()))?;
        Ok(MinStake {
            modality: Some(modality),
            amount: amount.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::*;
    use crate::cli::AxonSettings;

    fn settings(args: &[&str]) -> AxonSettings {
        let command = AxonSettings::augment_args(Command::new("axon").no_binary_name(true));
        AxonSettings::from_arg_matches(&command.get_matches_from(args)).unwrap()
    }

    #[test]
    fn a_minimum_of_one_synapse_counts_before_that_of_all() {
        let axon = settings(&["--min-stake", "image=5,1", "--min-stake", "tensor=0.5,2"]);
        assert_eq!(axon.min_stake(Modality::Image), "5".parse().unwrap());
        assert_eq!(axon.min_stake(Modality::Tensor), "0.5".parse().unwrap());
        assert_eq!(axon.min_stake(Modality::Text), "2".parse().unwrap());
        assert_eq!(settings(&[]).min_stake(Modality::Text), Amount(0));
    }

    #[test]
    fn what_is_no_minimum_is_refused() {
        for bad in ["", "picture=1", "image=", "image=-1", "image"] {
            assert!(bad.parse::<MinStake>().is_err(), "{bad}");
        }
    }
}
