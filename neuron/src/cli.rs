//! The command line: every command, and every setting that a command can have.
//!
//! A *setting* is an option that can also come from the environment and the configuration file ([`crate::config`]): those
//! with an `env` here. Each has one name in three spellings, `--learning-rate`, `CONNECTOME_LEARNING_RATE` and
//! `learning-rate = 0.01`, and means the same in every command that has it.

mod architecture;
mod axon;
mod chain;
mod data;
mod dendrite;
mod device;
mod duration;
mod examples;
mod export;
mod global;
mod min_stake;
mod model;
mod nucleus;
mod query;
mod run;
mod secret;
mod settings;
mod shard;
mod stake;
mod task;
mod training;
mod wallet;
mod weights;

use std::net::SocketAddr;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

pub use architecture::{ArchitectureSettings, DpnName};
pub use axon::AxonSettings;
pub use chain::{CreateNetwork, Doctor, MetagraphCommand, NetworkCommand, Overrides, Register};
pub use data::{DataSettings, DatasetName};
pub use dendrite::{DendriteSettings, Wire};
pub use device::{Device, DeviceError};
pub use export::{CheckpointName, Export};
pub use global::{Global, LogFormat};
pub use min_stake::{MinStake, MinStakeError};
pub use model::{Answer, ModelSettings, SynapseName};
pub use nucleus::NucleusSettings;
pub use query::Query;
pub use run::RunSettings;
pub use secret::Secret;
pub(crate) use settings::{command, settings_command};
pub use shard::{Shard, ShardError};
pub use stake::{StakeAmount, StakeCommand};
pub use task::{TaskName, TaskNameError};
pub use training::{LearnFrom, ScheduleName, TrainingSettings};
pub use wallet::{Import, New, Scope, Show, WalletCommand};
pub use weights::{Opinion, OpinionError, WeightsCommand};

/// What `neuron export` writes.
const EXPORTED: &str = "\
Write what a run has learned as a model for other programs: transformers or PyTorch

What is written depends on the model:

  bert, gpt    A folder as Hugging Face has it: config.json, model.safetensors,
               tokenizer.json, tokenizer_config.json, and modeling_neuron.py,
               which is what a neuron adds to BERT and GPT-2. transformers reads
               it, with AutoTokenizer and AutoModelForMaskedLM (bert) or
               AutoModelForCausalLM (gpt), and --pretrained here. Given
               trust_remote_code=True, it says what the neuron says; otherwise
               BERT or GPT-2 is alone, and says less than was learned.
  mnist, cifar model.safetensors with all tensors by the names of a state_dict
               of PyTorch, and config.json with the shapes of what goes in and
               comes out. The same models in PyTorch are in the sources, in
               neuron/learn/parity.
  torchscript  model.pt with what the module has learned, for torch.jit.load
               and --torchscript, and model.json, which declares it; of text,
               tokenizer.json too.

What a neuron adds to a model is a student, and what joins it to the model: with bert and gpt its tensors are beside those of \
the model under names of their own, of modules it is not in model.pt. Numbers are single precision, \
whatever device they were learned on. Neither chain nor GPU is needed, nor a key where --run names the folder.";

/// Run a neuron: a model that serves its peers, asks its peers, and is paid for being worth asking.
///
/// A neuron lives in a network on a chain, under a coldkey that owns its funds and a hotkey
/// that signs for it. To start:
///
///   neuron wallet new                 make the two keys
///   neuron register                   become a neuron (costs a fee, paid by the coldkey)
///   neuron doctor                     test whether all is there that it needs
///   neuron train                      serve, ask and learn, until Ctrl-C
///   neuron stake add 100              stake, for a say in what others are worth
///   neuron metagraph --watch          see what everybody is worth
///   neuron query digit.png            ask everybody what an image shows
///   neuron export model               take what it has learned elsewhere
///
/// On a development chain, --uri //Alice stands for both keys.
///
/// Every option below, and those of serve and train, can also be set in the environment and in
/// a file. Options count before the environment, the environment before the file, the file
/// before the defaults; `neuron config show` lists all, and where each comes from.
#[derive(Debug, Parser)]
#[command(
    name = "neuron",
    version,
    verbatim_doc_comment,
    arg_required_else_help = true,
    after_help = crate::exit::HELP,
    max_term_width = 110
)]
pub struct Cli {
    /// What every command has.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Every command. Each is carried out by the file of its name in `commands/`, except `serve`, `train` and `export`, which
/// start `neuron-worker`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make, import and look at keys
    ///
    /// A wallet is a folder with one coldkey, which owns funds and pays, and any number of hotkeys, of which each signs for
    /// neurons.
    #[command(subcommand, after_help = examples::WALLET)]
    Wallet(WalletCommand),
    /// Become a neuron of a network; the coldkey pays
    #[command(after_help = examples::REGISTER)]
    Register(Register),
    /// Serve a trained model to peers, without learning
    ///
    /// The model is the best one in the folder of --run, where neuron train puts it.
    #[command(after_help = examples::SERVE)]
    Serve(Box<Serve>),
    /// Serve, ask peers, and learn
    ///
    /// Learns from its data and from what peers answer, serves its best model so far, and tells the chain where it is and
    /// what its peers are worth, until Ctrl-C, --steps or --epochs. Checkpoints and logs are in the folder of --run.
    #[command(after_help = examples::TRAIN)]
    Train(Box<Train>),
    /// Write what a run has learned as a model for other programs: transformers or PyTorch
    #[command(after_help = examples::EXPORT, long_about = EXPORTED)]
    Export(Export),
    /// Ask the network what an image shows, or how a text goes on
    ///
    /// Shows what each neuron answers, and the mean, in which each counts by its incentive on the chain. Neurons answer
    /// neurons: register first.
    #[command(after_help = examples::QUERY)]
    Query(Query),
    /// Put funds on hotkeys, take them back, see them
    ///
    /// The coldkey pays and is paid. The neurons with the most stake on their hotkeys get a validator permit at the next
    /// epoch: then their weights count.
    #[command(subcommand, after_help = examples::STAKE)]
    Stake(StakeCommand),
    /// See what validators value their peers at, or set your own values
    #[command(subcommand, after_help = examples::WEIGHTS)]
    Weights(WeightsCommand),
    /// See who is there and what everybody is worth
    ///
    /// Incentive is a neuron's share of what is paid for being worth asking, dividends its share of what validators are paid
    /// for their weights; both are of the last epoch, as are rank, trust and consensus, which they come of. Updated tells how
    /// many blocks ago its weights were set, permit whether they count.
    #[command(after_help = examples::METAGRAPH)]
    Metagraph(MetagraphCommand),
    /// See the networks of the chain, or create one
    #[command(subcommand, after_help = examples::NETWORK)]
    Network(NetworkCommand),
    /// Test everything that a neuron needs, and say what to do about what is missing
    #[command(after_help = examples::DOCTOR)]
    Doctor(Doctor),
    /// See what is configured, and where it comes from
    ///
    /// The configuration file is TOML, with a line for each setting, which is named as its option: learning-rate = 0.02 is
    /// --learning-rate 0.02.
    #[command(subcommand, after_help = examples::CONFIG)]
    Config(ConfigCommand),
    /// Write completions for a shell to standard output
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// `neuron config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// List every setting, its value, and where that comes from
    Show,
    /// Say where the configuration file is looked for
    Path,
}

/// `neuron serve`.
#[derive(Clone, Debug, Args)]
pub struct Serve {
    /// How peers reach it.
    #[command(flatten)]
    pub axon: AxonSettings,
    /// How requests become batches.
    #[command(flatten)]
    pub nucleus: NucleusSettings,
    /// What is served.
    #[command(flatten)]
    pub model: ModelSettings,
    /// What is measured.
    #[command(flatten)]
    pub metrics: MetricsSettings,
}

/// `neuron train`.
#[derive(Clone, Debug, Args)]
pub struct Train {
    /// What it learns from.
    #[command(flatten)]
    pub data: DataSettings,
    /// How it learns.
    #[command(flatten)]
    pub training: TrainingSettings,
    /// What learns and is served.
    #[command(flatten)]
    pub model: ModelSettings,
    /// How wide and deep that is, if it is new.
    #[command(flatten)]
    pub architecture: ArchitectureSettings,
    /// How peers are asked.
    #[command(flatten)]
    pub dendrite: DendriteSettings,
    /// How peers reach it.
    #[command(flatten)]
    pub axon: AxonSettings,
    /// How requests become batches.
    #[command(flatten)]
    pub nucleus: NucleusSettings,
    /// What is measured.
    #[command(flatten)]
    pub metrics: MetricsSettings,
}

/// Where measurements are had.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Metrics")]
pub struct MetricsSettings {
    /// Serve Prometheus metrics on this address, under /metrics
    #[arg(long, env = "CONNECTOME_METRICS", value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
}

impl Cli {
    /// The definition, for completions and tests.
    pub fn definition() -> clap::Command {
        command(Cli::command())
    }
}
