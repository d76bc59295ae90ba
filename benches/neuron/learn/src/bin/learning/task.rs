//! What is learned: a model, examples dealt to neurons, and held-out ones in two halves.
//!
//! | task | model | examples | batch |
//! | --- | --- | --- | --- |
//! | digits | MNIST synapse, 256 wide | `digits` | 32 images |
//! | synthetic | CIFAR synapse around a narrow dual path network, 16×16 pixels | `synthetic` | 32 images |
//! | text | GPT synapse, two blocks, 64 wide | passages of a folder | 8 rows of 32 tokens |
//! | little text | the same | an eighth of them | the same |
//! | masked text | BERT synapse, two blocks, 64 wide | pairs of sentences of the same eighth | 8 rows of at most 32 tokens |
//!
//! Each is narrow enough for one processor core. `docs/learning.md` says what other rates than these did.

use std::{path::Path, sync::Arc};

use anyhow::Result;
use clap::ValueEnum;
use neuron_learn::{
    dataset::{Batches, Examples, LastBatch, Shard, Synthetic, digits},
    source::{Batch, Source},
    synapse::{
        Bert, BertConfig, Cifar, CifarConfig, DpnConfig, Gpt, Gpt2Config, Mnist, MnistConfig,
        Synapse,
    },
    text::{CausalBatches, Corpus, MaskedBatches, Passages},
};
use neuron_text::{Special, Tokenizer};
use tch::Device;

/// Images of a batch that is measured by.
const EVALUATED: usize = 256;

/// Images of a step.
const IMAGES: usize = 32;

/// Rows and tokens of each, of a step.
const TEXT: [usize; 2] = [8, 32];

/// Tokens of the tokeniser that is trained on the folder.
const VOCABULARY: usize = 512;

/// One passage in so many is all that there is of little text.
const LITTLE: u32 = 8;

/// Images of the synthetic set.
const SYNTHETIC: Synthetic = Synthetic {
    n_train: 2_000,
    n_test: 1_000,
    seed: 0,
};

/// The tasks by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// Handwritten digits.
    Digits,
    /// Colour images of ten figures.
    Synthetic,
    /// The next token of text.
    Text,
    /// The same of so little text that a shard is soon learned by heart.
    LittleText,
    /// The words that are hidden in as little text.
    MaskedText,
}

/// One task.
pub(crate) struct Task {
    pub(crate) name: &'static str,
    pub(crate) steps: u64,
    pub(crate) learning_rate: f64,
    examples: Dealt,
    /// To choose by, and to measure by.
    pub(crate) held_out: [Vec<Batch>; 2],
}

/// Where examples are dealt from.
enum Dealt {
    Digits(Examples),
    Synthetic(Examples),
    Text(Text),
}

/// Text, and what is to be told of it.
struct Text {
    passages: Passages,
    tokenizer: Arc<Tokenizer>,
    is_masked: bool,
}

impl Text {
    /// Batches of some of it.
    fn batches(&self, passages: Passages, seed: u64) -> Result<Box<dyn Source>> {
        let tokenizer = self.tokenizer.clone();
        Ok(match self.is_masked {
            true => Box::new(MaskedBatches::new(passages, tokenizer, TEXT, seed)?),
            false => Box::new(CausalBatches::new(passages, tokenizer, TEXT, seed)?),
        })
    }

    /// An untrained model of it.
    fn model(&self, seed: u64) -> Box<dyn Synapse> {
        let vocab_size = i64::try_from(self.tokenizer.vocab_size()).expect("a vocabulary");
        let id = |special| {
            let id = self.tokenizer.special(special);
            i64::from(id.expect("it was trained with all of them"))
        };
        if self.is_masked {
            let config = BertConfig {
                hidden_size: 64,
                intermediate_size: 128,
                pad_token_id: id(Special::Pad),
                sep_token_id: Some(id(Special::Separator)),
                ..BertConfig::tiny(vocab_size)
            };
            Box::new(Bert::new(config, seed, Device::Cpu))
        } else {
            let config = Gpt2Config {
                n_embd: 64,
                ..Gpt2Config::tiny(vocab_size)
            };
            Box::new(Gpt::new(config, seed, Device::Cpu))
        }
    }
}

impl Task {
    /// Reads or draws what a task learns from. Text is read from `folder`.
    pub(crate) fn new(name: Name, folder: &Path) -> Result<Task> {
        match name {
            Name::Digits => {
                let set = digits()?;
                Ok(Task {
                    name: "digits",
                    steps: 600,
                    learning_rate: 0.02,
                    held_out: halves(&set.test)?,
                    examples: Dealt::Digits(set.train),
                })
            }
            Name::Synthetic => {
                let set = SYNTHETIC.draw();
                Ok(Task {
                    name: "synthetic",
                    steps: 600,
                    learning_rate: 0.1,
                    held_out: halves(&set.test)?,
                    examples: Dealt::Synthetic(set.train),
                })
            }
            Name::Text => Task::text("text", folder, Shard::WHOLE, false),
            Name::LittleText => Task::text("little text", folder, Shard::new(0, LITTLE)?, false),
            Name::MaskedText => Task::text("masked text", folder, Shard::new(0, LITTLE)?, true),
        }
    }

    /// From this part of the folder's passages.
    fn text(name: &'static str, folder: &Path, part: Shard, is_masked: bool) -> Result<Task> {
        let corpus = Corpus::open(folder)?;
        let specials: &[Special] = match is_masked {
            true => &[
                Special::Pad,
                Special::Class,
                Special::Separator,
                Special::Mask,
            ],
            false => &[Special::End],
        };
        let tokenizer = Tokenizer::train(corpus.train.texts(), VOCABULARY, specials)?;
        let text = Text {
            passages: corpus.train.shard(part),
            tokenizer: Arc::new(tokenizer),
            is_masked,
        };
        let half = |index| {
            let passages = corpus.held_out.shard(Shard::new(index, 2)?);
            read(text.batches(passages, 0)?.as_ref())
        };
        Ok(Task {
            name,
            steps: 600,
            learning_rate: 0.02,
            held_out: [half(0)?, half(1)?],
            examples: Dealt::Text(text),
        })
    }

    /// An untrained model.
    pub(crate) fn model(&self, seed: u64) -> Box<dyn Synapse> {
        match &self.examples {
            Dealt::Digits(_) => {
                let config = MnistConfig {
                    d_model: 256,
                    d_target: [128, 64],
                    ..MnistConfig::default()
                };
                Box::new(Mnist::new(config, seed, Device::Cpu))
            }
            Dealt::Synthetic(_) => {
                let dpn = DpnConfig {
                    stem: 8,
                    in_planes: [8, 16, 32, 32],
                    out_planes: [16, 32, 64, 64],
                    dense_depth: [4, 8, 8, 8],
                    n_blocks: [1, 1, 1, 1],
                    groups: 1,
                };
                let config = CifarConfig {
                    side: 16,
                    d_model: 128,
                    d_hidden: [128, 64],
                    d_target: 64,
                    ..CifarConfig::of(dpn)
                };
                Box::new(Cifar::new(config, seed, Device::Cpu))
            }
            Dealt::Text(text) => text.model(seed),
        }
    }

    /// The batches of one shard.
    pub(crate) fn stream(&self, shard: Shard, seed: u64) -> Result<Box<dyn Source>> {
        Ok(match &self.examples {
            Dealt::Digits(examples) | Dealt::Synthetic(examples) => Box::new(Batches::new(
                examples.shard(shard),
                IMAGES,
                LastBatch::Drop,
                seed,
            )?),
            Dealt::Text(text) => text.batches(text.passages.shard(shard), seed)?,
        })
    }
}

/// All batches of a source, in order.
fn read(source: &dyn Source) -> Result<Vec<Batch>> {
    source.in_order().map(|batch| Ok(batch?)).collect()
}

/// Each class is in both.
fn halves(test: &Examples) -> Result<[Vec<Batch>; 2]> {
    let half = |index| -> Result<Vec<Batch>> {
        let half = test.shard(Shard::new(index, 2)?);
        read(&Batches::new(half, EVALUATED, LastBatch::Keep, 0)?)
    };
    Ok([half(0)?, half(1)?])
}
