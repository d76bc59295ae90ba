//! The commands: one file each. Every one takes what was parsed and says what came of it.

mod completions;
mod config;
mod doctor;
mod metagraph;
mod network;
mod query;
mod register;
mod stake;
mod wallet;
mod weights;
mod worker;

use crate::{
    cli::{Cli, Command},
    config::Config,
    telemetry,
};

/// Carries a command out.
///
/// # Errors
///
/// If it fails; [`crate::exit`] says how each failure ends the program.
pub fn run(cli: Cli, config: &Config) -> anyhow::Result<()> {
    let global = &cli.global;
    if let Command::Serve(_) | Command::Train(_) | Command::Export(_) = cli.command {
        return worker::become_worker();
    }
    telemetry::start(global, "warn")?;
    match cli.command {
        Command::Wallet(command) => wallet::run(global, command),
        Command::Register(register) => register::run(global, &register),
        Command::Stake(command) => stake::run(global, command),
        Command::Weights(command) => weights::run(global, command),
        Command::Metagraph(command) => metagraph::run(global, &command),
        Command::Network(command) => network::run(global, command),
        Command::Query(query) => query::run(global, &query),
        Command::Doctor(doctor) => doctor::run(global, config, &doctor),
        Command::Config(command) => config::run(global, config, command),
        Command::Completions { shell } => completions::run(shell),
        Command::Serve(_) | Command::Train(_) | Command::Export(_) => worker::become_worker(),
    }
}
