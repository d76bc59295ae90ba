//! The neuron command: wallets, stake, weights, the metagraph, queries; serve, train and export start the worker.
//!
//! `neuron-worker` takes its command line, configuration, keys, logs and exit codes from here too, so that both programs
//! are one to their user. Nothing here names libtorch.

mod advertise;
mod amount;
mod chain;
pub mod cli;
pub mod commands;
pub mod config;
pub mod exit;
mod keys;
pub mod metrics;
mod output;
mod prompt;
pub mod roster;
pub mod task;
pub mod telemetry;

pub use advertise::{AdvertiseError, advertised};
pub use amount::{Amount, AmountError};
pub use keys::KeysError;
pub use output::{Output, table};
pub use prompt::PromptError;

/// Version of the rules by which this program values peers. A network may ask for a newer one (its hyperparameter
/// `weights_version`); it is raised when weights come to mean something else.
pub const WEIGHTS_VERSION: u64 = 1;
