//! What the neurons of a demo learn.

use anyhow::{Result, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What the neurons learn, and with which model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Task {
    /// To read handwritten digits, which come with the program.
    #[default]
    Digits,
    /// To fill gaps in text: BERT, small.
    Bert,
    /// To tell how text goes on: GPT-2, small.
    Gpt,
}

/// Models of text that five neurons on two processors make hundreds of steps with in a few minutes.
const SMALL: [&str; 7] = [
    "--width=64",
    "--layers=2",
    "--heads=4",
    "--sequence=32",
    "--vocabulary=1024",
    "--batch-size=16",
    "--evaluate=8",
];

impl Task {
    /// What a network of it is called on the chain.
    pub(crate) fn on_chain(self) -> &'static str {
        match self {
            Task::Digits => "digits",
            Task::Bert => "masked-text",
            Task::Gpt => "causal-text",
        }
    }

    /// The network that the neurons are in: the chain begins with one, for digits; another is made.
    pub(crate) fn netid(self) -> u16 {
        match self {
            Task::Digits => 0,
            Task::Bert | Task::Gpt => 1,
        }
    }

    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Task::Digits => "digits",
            Task::Bert => "bert",
            Task::Gpt => "gpt",
        }
    }

    /// What a neuron is told to learn; `text` is the folder of text.
    pub(crate) fn arguments(self, text: &Path) -> Vec<String> {
        let synapse = match self {
            Task::Digits => return vec!["--dataset=digits".into()],
            Task::Bert => "--synapse=bert",
            Task::Gpt => "--synapse=gpt",
        };
        let data = format!("--data={}", text.display());
        let rate = "--learning-rate=0.05";
        let small = SMALL.map(str::to_owned);
        [synapse.to_owned(), data, rate.to_owned()]
            .into_iter()
            .chain(small)
            .collect()
    }

    /// Whether there is what is needed.
    ///
    /// # Errors
    ///
    /// If there is no folder of text; the message says what to do.
    pub(crate) fn check(self, text: &Path) -> Result<()> {
        ensure!(
            self == Task::Digits || text.is_dir(),
            "there is no folder of text at {}; --text names another, with any UTF-8 files in it",
            text.display()
        );
        Ok(())
    }

    /// What each neuron trains its model to do.
    pub(crate) fn aim(self) -> &'static str {
        match self {
            Task::Digits => "read handwritten digits",
            Task::Bert => "fill gaps in text",
            Task::Gpt => "tell how text goes on",
        }
    }

    /// What is told right or wrong.
    pub(crate) fn told(self) -> &'static str {
        match self {
            Task::Digits => "digits",
            Task::Bert => "masked words",
            Task::Gpt => "next words",
        }
    }

    /// What there is to learn from, in parts.
    pub(crate) fn samples(self) -> &'static str {
        match self {
            Task::Digits => "samples",
            Task::Bert | Task::Gpt => "text",
        }
    }
}
