//! Settings of the model: which, where it computes, where it is kept.

use std::{num::NonZeroU16, path::PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::{Device, RunSettings, global::path};

/// What `--torchscript` takes.
const TORCHSCRIPT: &str = "\
Module of PyTorch to serve or train, as torch.jit.save writes it, with a .json beside it that declares it

A file of the module's name, with .json at the end, says what goes into it and comes out of it, such as
{\"modality\": \"image\", \"input\": [1, 28, 28], \"output\": [10], \"outputs\": \"logits\"}
for digits, and for a language model
{\"modality\": \"text\", \"input\": [0], \"output\": [0, 50257], \"outputs\": \"logits\",
\"vocabulary\": 50257, \"longest\": 1024, \"causal\": true}

  modality    text, image or tensor
  input       Shape of one input, without the batch axis; 0 for any size
  output      Shape of what it gives for one; 0 for the size of the input
  outputs     \"logits\" are learned, an \"encoding\" is only served
  vocabulary  Of text: how many tokens it knows
  longest     Of text of any length: the most tokens that it takes
  causal      Of text: each place tells the token that comes next, having
              seen none after; only such modules learn from text

A tokenizer.json beside a module of text tells peers whose tokens it takes. In training it is in training mode, and its buffers \
are kept with its parameters.";

/// What `--torchscript-declare` takes.
const DECLARE: &str = "\
What goes into the module of --torchscript and comes out of it, as JSON: instead of the .json beside it, or some keys of it

Keys that are here take the place of those in the file, such as {\"longest\": 512}; with all that is needed, no file is. A run \
that is gone on with (--resume) needs the same.";

/// Which model, where it computes, and where it is kept.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Model")]
pub struct ModelSettings {
    /// Model that learns and is served [default: that of the run's checkpoint, or mnist]
    #[arg(long, env = "CONNECTOME_SYNAPSE", value_name = "NAME", value_enum)]
    pub synapse: Option<SynapseName>,
    /// Folder of a bert or gpt to begin with, as Hugging Face has it: config.json, model.safetensors, tokenizer.json
    #[arg(long, env = "CONNECTOME_PRETRAINED", value_name = "FOLDER", value_parser = path)]
    pub pretrained: Option<PathBuf>,
    /// Module of PyTorch to serve or train, as `torch.jit.save` writes it.
    #[arg(
        long,
        env = "CONNECTOME_TORCHSCRIPT",
        value_name = "FILE",
        value_parser = path,
        conflicts_with = "pretrained",
        help = "Module of PyTorch to serve or train, as torch.jit.save writes it, with a .json beside it that declares it",
        long_help = TORCHSCRIPT
    )]
    pub torchscript: Option<PathBuf>,
    /// What goes into the module of --torchscript and comes out of it, key by key: before the file beside it.
    #[arg(
        long,
        env = "CONNECTOME_TORCHSCRIPT_DECLARE",
        value_name = "JSON",
        value_parser = object,
        help = "What goes into the module of --torchscript and comes out of it, as JSON: before the .json beside it",
        long_help = DECLARE
    )]
    pub torchscript_declare: Option<Map<String, Value>>,
    /// Where it computes: auto, cpu, cuda or cuda:1
    #[arg(
        long,
        env = "CONNECTOME_DEVICE",
        value_name = "DEVICE",
        default_value = "auto"
    )]
    pub device: Device,
    /// Threads that the model computes with on the CPU [default: one for each core]
    #[arg(long, env = "CONNECTOME_THREADS", value_name = "NUMBER")]
    pub threads: Option<NonZeroU16>,
    /// Compute forward passes on a GPU in half precision
    #[arg(long, env = "CONNECTOME_MIXED_PRECISION")]
    pub mixed_precision: bool,
    /// Where it is kept.
    #[command(flatten)]
    pub run: RunSettings,
    /// What everything random is drawn from: a run on the CPU repeats itself
    #[arg(
        long,
        env = "CONNECTOME_SEED",
        value_name = "NUMBER",
        default_value = "0"
    )]
    pub seed: u64,
    /// Development: what peers are answered, the model's output or noise of the same shape
    #[arg(
        long,
        env = "CONNECTOME_ANSWER",
        value_name = "KIND",
        value_enum,
        default_value = "honest"
    )]
    pub answer: Answer,
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| {
        format!("expected an object of JSON, such as {{\"longest\": 512}}: {error}")
    })
}

/// A model that there is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub enum SynapseName {
    /// Tells handwritten digits apart: a small feed-forward network
    Mnist,
    /// Tells colour images of 32×32 apart: a dual path network
    Cifar,
    /// Fills gaps in text: an encoder
    Bert,
    /// Tells how text goes on: GPT-2
    Gpt,
    /// The module of --torchscript
    Torchscript,
}

impl SynapseName {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mnist => "mnist",
            Self::Cifar => "cifar",
            Self::Bert => "bert",
            Self::Gpt => "gpt",
            Self::Torchscript => "torchscript",
        }
    }
}

/// What peers are answered.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub enum Answer {
    /// What the model says
    Honest,
    /// Noise, to see what becomes of those who answer so
    Garbage,
}
