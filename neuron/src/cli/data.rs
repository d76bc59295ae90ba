//! Settings of the data that a neuron learns from.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
};

use clap::{Args, ValueEnum};

use super::{Shard, SynapseName, global::path};

/// What is learned from.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Data")]
pub struct DataSettings {
    /// Data to learn from [default: digits for mnist, synthetic for cifar, text for bert and gpt]
    #[arg(long, env = "CONNECTOME_DATASET", value_name = "NAME", value_enum)]
    pub dataset: Option<DatasetName>,
    /// Folder of the data, for data that does not come with the program: the files of mnist or cifar, or any text
    #[arg(long, env = "CONNECTOME_DATA", value_name = "FOLDER", value_parser = path)]
    pub data: Option<PathBuf>,
    /// Part of the data that this neuron learns from: 0/5 is the first of five
    #[arg(
        long,
        env = "CONNECTOME_SHARD",
        value_name = "I/N",
        default_value = "0/1"
    )]
    pub shard: Shard,
    /// Examples of a batch [default: 64 images, 16 texts]
    #[arg(long, env = "CONNECTOME_BATCH_SIZE", value_name = "NUMBER")]
    pub batch_size: Option<NonZeroU32>,
    /// Batches of a step, for steps of more examples than memory has room for
    #[arg(
        long,
        env = "CONNECTOME_ACCUMULATE",
        value_name = "NUMBER",
        default_value = "1"
    )]
    pub accumulate: NonZeroU32,
    /// Batches of an evaluation [default: all that is held out]
    #[arg(long, env = "CONNECTOME_EVALUATE", value_name = "NUMBER")]
    pub evaluate: Option<NonZeroUsize>,
    /// Change images at random: crop, and flip colour images [default: colour images are, digits are not]
    #[arg(
        long,
        env = "CONNECTOME_AUGMENT",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        value_parser = clap::builder::BoolishValueParser::new(),
        default_missing_value = "true",
        hide_possible_values = true
    )]
    pub augment: Option<bool>,
    /// Tokens of a text, at most
    #[arg(
        long,
        env = "CONNECTOME_SEQUENCE",
        value_name = "NUMBER",
        default_value = "64"
    )]
    pub sequence: NonZeroU32,
    /// Tokeniser, a tokenizer.json or the folder that holds one [default: that of --pretrained, or one trained on --data]
    ///
    /// Neurons of one network need the same one: those of another refuse what they are asked. One that is trained here follows
    /// from the text in --data and --vocabulary, and is kept in the folder of --run.
    #[arg(long, env = "CONNECTOME_TOKENIZER", value_name = "FILE", value_parser = path)]
    pub tokenizer: Option<PathBuf>,
    /// Tokens of a tokeniser that is trained here, at most
    #[arg(
        long,
        env = "CONNECTOME_VOCABULARY",
        value_name = "NUMBER",
        default_value = "4096"
    )]
    pub vocabulary: NonZeroU32,
}

impl DataSettings {
    /// The data that is learned from, by this model; a module of the operator's own learns from digits unless it is told.
    pub fn dataset(&self, synapse: SynapseName) -> DatasetName {
        self.dataset.unwrap_or(match synapse {
            SynapseName::Mnist | SynapseName::Torchscript => DatasetName::Digits,
            SynapseName::Cifar => DatasetName::Synthetic,
            SynapseName::Bert | SynapseName::Gpt => DatasetName::Text,
        })
    }

    /// Examples of a batch of this data.
    pub fn batch_size(&self, dataset: DatasetName) -> usize {
        let set = self
            .batch_size
            .map(|size| usize::try_from(size.get()).unwrap_or(usize::MAX));
        set.unwrap_or(match dataset {
            DatasetName::Text => 16,
            _ => 64,
        })
    }
}

/// Data that there is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub enum DatasetName {
    /// 1,797 real handwritten digits, which come with the program
    Digits,
    /// 70,000 handwritten digits, from the four idx files in --data
    Mnist,
    /// 60,000 small photographs in ten classes: CIFAR-10, from its binary files in --data
    Cifar,
    /// 12,000 colour images of ten figures, drawn by the program: synthetic, for machines without photographs
    Synthetic,
    /// All UTF-8 text in --data
    Text,
}

impl DatasetName {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Mnist => "mnist",
            Self::Cifar => "cifar",
            Self::Synthetic => "synthetic",
            Self::Text => "text",
        }
    }
}
