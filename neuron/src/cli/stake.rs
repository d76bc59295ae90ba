//! `neuron stake`.

use std::str::FromStr;

use clap::Subcommand;
use neuron_wallet::PublicKey;

use crate::{Amount, AmountError};

/// `neuron stake`. The coldkey pays and is paid.
#[derive(Debug, Subcommand)]
pub enum StakeCommand {
    /// Move funds of the coldkey into stake on a hotkey
    Add {
        /// How much, in CTM
        #[arg(value_name = "CTM")]
        amount: Amount,
        /// Hotkey to stake on [default: your own]
        #[arg(long, value_name = "ADDRESS")]
        on: Option<PublicKey>,
    },
    /// Move stake on a hotkey back to the coldkey
    Remove {
        /// How much, in CTM, or all
        #[arg(value_name = "CTM")]
        amount: StakeAmount,
        /// Hotkey that it is on [default: your own]
        #[arg(long, value_name = "ADDRESS")]
        on: Option<PublicKey>,
    },
    /// Show balance and stake of the coldkey
    Show,
}

/// An amount, or all there is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum StakeAmount {
    /// That much.
    Exactly(Amount),
    /// All there is.
    All,
}

impl FromStr for StakeAmount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<StakeAmount, AmountError> {
        match text {
            "all" => Ok(StakeAmount::All),
            _ => text.parse().map(StakeAmount::Exactly),
        }
    }
}
