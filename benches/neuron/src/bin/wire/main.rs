//! The round trip of a tensor through dendrite and axon, beside bare gRPC.
//!
//! ```sh
//! make bench BENCH=wire    # a table; ARGS=--json for scripts
//! ```
//!
//! Three servers give back the tensor that they are sent, each in a process of its own:
//!
//! * `axon`: this project's, all of it on: mutual TLS, the roster, the rate of each caller, the nucleus, every check of
//!   both tensors.
//! * `tls`: the same messages through tonic's server and client as they come, over TLS 1.3 with the same cipher.
//! * `plain`: the same without TLS.
//!
//! Rounds are interleaved, so that whatever else the machine does is shared; figures are medians over rounds, and a ratio
//! is the median of each round's ratio. Processor time is of both processes. All of them keep the memory that they free, as a
//! neuron does.
//!
//! Then a health check is asked over the connection on which a forward of 1.5 s runs. Memory is that of the axon's process, as
//! Linux counts it: resident before the first round, and the most until the last.

mod client;
mod measure;
mod report;
mod server;

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use clap::Parser;
use neuron_proto::Tensor;

use self::{
    client::Target,
    measure::Round,
    report::{Health, Report},
    server::{Kind, Server},
};

/// Values in a row.
const WIDTH: u32 = 512;
/// Rows of the tensors that are sent: 4 KiB and 128 KiB of f32.
const ROWS: [u32; 2] = [2, 64];

#[derive(Parser)]
#[command(
    about = "Measures the round trip of a tensor through dendrite and axon, beside bare gRPC"
)]
struct Arguments {
    /// Rounds; figures are medians over them.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Calls one after the other in each round, of each server and size.
    #[arg(long, default_value_t = 300)]
    calls: usize,
    /// Seconds with many calls in flight in each round, of each server and size.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// How many calls are in flight then.
    #[arg(long, default_value_t = 32)]
    in_flight: usize,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
    /// Be a server: how this program starts its servers.
    #[arg(long, hide = true)]
    serve: Option<Kind>,
}

fn main() -> Result<()> {
    // As neuron-worker does. Client and servers, which are this program as well, are alike in this.
    neuron_memory::keep_freed();
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new().context("no runtime")?;
    match arguments.serve {
        Some(kind) => runtime.block_on(server::serve(kind)),
        None => {
            let report = runtime.block_on(measure_all(&arguments))?;
            print!(
                "{}",
                if arguments.json {
                    report.json()
                } else {
                    report.table()
                }
            );
            Ok(())
        }
    }
}

async fn measure_all(arguments: &Arguments) -> Result<Report> {
    let mut targets = Vec::new();
    for kind in Kind::ECHOES {
        targets.push(Arc::new(Target::connect(Server::start(kind).await?).await?));
    }
    let axon = targets[0].server.process;
    let idle_bytes = measure::memory(axon, "VmRSS")?;
    let mut rounds: Vec<Vec<Vec<Round>>> = vec![vec![Vec::new(); targets.len()]; ROWS.len()];
    for number in 0..arguments.rounds {
        for (rows, of_size) in ROWS.into_iter().zip(&mut rounds) {
            let tensor = tensor(rows)?;
            for place in 0..targets.len() {
                // Each goes first as often as the others.
                let place = (place + number) % targets.len();
                let round = measure::round(&targets[place], &tensor, arguments).await?;
                of_size[place].push(round);
            }
        }
        eprintln!("round {} of {}", number + 1, arguments.rounds);
    }
    Ok(Report {
        in_flight: arguments.in_flight,
        rounds,
        memory: [idle_bytes, measure::memory(axon, "VmHWM")?],
        health: health().await?,
    })
}

/// Health while a long forward runs on the same connection.
async fn health() -> Result<Health> {
    let server = Server::start(Kind::Slow).await?;
    let target = Arc::new(Target::connect(server).await?);
    let tensor = tensor(ROWS[0])?;
    // Connects, which is not what is measured.
    target.health().await?;
    let forward = tokio::spawn({
        let target = target.clone();
        async move { target.echo(&tensor).await }
    });
    let mut checks: Vec<Duration> = Vec::new();
    while !forward.is_finished() {
        checks.push(target.health().await?);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let forward = forward.await??;
    anyhow::ensure!(forward >= server::SLOW, "the forward took {forward:?} only");
    Ok(Health { forward, checks })
}

fn tensor(rows: u32) -> Result<Tensor> {
    let values = (0..rows * WIDTH).map(|i| (i % 251) as f32 / 251.0);
    Ok(Tensor::from_f32_vec(&[rows, WIDTH], values.collect())?)
}
