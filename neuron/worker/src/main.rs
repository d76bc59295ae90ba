//! The part of a neuron that holds a model: serve, train and export.
//!
//! `neuron serve`, `neuron train` and `neuron export` become this program, with the same command line. It is one of its own so
//! that all other commands start without libtorch.

mod blueprint;
mod claim;
mod data;
mod export;
mod module;
mod nucleus_model;
mod presence;
mod progress;
mod resume;
mod run;
mod serve;
mod settings;
mod stop;
mod train;
mod trained;

use std::{io, process::ExitCode};

use anyhow::Context;
use neuron::{
    cli::{Cli, Command},
    config::{self, Config},
    exit, telemetry,
};

use progress::Progress;

fn main() -> ExitCode {
    neuron_memory::keep_freed();
    let (cli, config) = match config::parse(std::env::args_os()) {
        Ok(parsed) => parsed,
        Err(error) => return exit::report_config(error),
    };
    let is_json = cli.global.json;
    exit::report(work(cli, &config), is_json)
}

fn work(cli: Cli, config: &Config) -> anyhow::Result<()> {
    if let Command::Export(export) = &cli.command {
        telemetry::start(&cli.global, "warn")?;
        return export::export(&cli.global, export);
    }
    let progress = Progress::new(!cli.global.json);
    let log = progress.clone();
    telemetry::start_through(&cli.global, "info", move || log.past(io::stderr()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the threads of the network")?;
    runtime.block_on(async {
        match cli.command {
            Command::Serve(serve) => serve::serve(&cli.global, &serve, stop::on_signal()?).await,
            Command::Train(train) => {
                run::train(&cli.global, &train, config, progress, stop::on_signal()?).await
            }
            _ => anyhow::bail!(
                "neuron-worker only serves, trains and exports; everything else is done by neuron"
            ),
        }
    })
}
