//! The neuron command: wallets, stake, weights, the metagraph, queries; serve, train and export start the worker.

use std::process::ExitCode;

fn main() -> ExitCode {
    let (cli, config) = match neuron::config::parse(std::env::args_os()) {
        Ok(parsed) => parsed,
        Err(error) => return neuron::exit::report_config(error),
    };
    let is_json = cli.global.json;
    neuron::exit::report(neuron::commands::run(cli, &config), is_json)
}
