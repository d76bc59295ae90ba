//! A batch through the router, from its scores to the sum of the answers.
//!
//! ```sh
//! make bench BENCH=router    # a table; ARGS=--json for scripts
//! ```
//!
//! Sixteen neurons in this process give back what they are sent, each behind an axon of its own: mutual TLS on loopback,
//! the roster, the nucleus, every check. A batch of 16 rows of 512 values is routed, each row to its best four peers or to
//! its best one; the rows are sent to all those peers at once; the answers are joined.
//!
//! As the gates of a row sum up to one, and rows have a root mean square of one, which is what answers are brought to, what is
//! joined has to be what was sent: that is checked every time. Which rows go where depends on the seed alone. Rounds are interleaved; figures are medians over rounds. Peers and asker share the
//! processors, which peers on machines of their own would not.

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;
use neuron_benches::{
    neurons::{Echo, Neurons},
    statistics::{median, milliseconds, quantile},
    table::{met, table},
};
use neuron_learn::router::{Router, RouterConfig};
use neuron_learn_benches::consultation::{Consultation, consult};
use neuron_peer::{
    dendrite::{Dendrite, Finish},
    nucleus::Model,
};
use neuron_proto::{Modality, Output};
use serde_json::json;
use tch::{Device, Kind, Tensor};
use tokio::runtime::Runtime;

const N_PEERS: usize = 16;
/// Peers that each row goes to.
const TOPKS: [i64; 2] = [4, 1];
/// Rows of a batch.
const BATCH: i64 = 16;
/// Values in a row.
const WIDTH: u32 = 512;
/// Batches that are sent in turn.
const N_BATCHES: usize = 32;
/// Batches before each measurement that do not count.
const WARM_UP: usize = 20;
/// Milliseconds that half of the batches may take with four peers for each row.
const GOAL: f64 = 10.0;
/// Longer than any call takes.
const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Parser)]
#[command(about = "Measures a batch through the router, from its scores to the sum of the answers")]
struct Arguments {
    /// Rounds; figures are medians over them.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Batches of each round.
    #[arg(long, default_value_t = 200)]
    batches: usize,
    /// What routers and batches are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Print one JSON object per line instead of a table.
    #[arg(long)]
    json: bool,
}

/// Milliseconds of one round.
struct Round {
    p50: f64,
    p99: f64,
    route: f64,
    ask: f64,
    join: f64,
    /// Peers asked about a batch, on average.
    asked: f64,
}

struct Measured {
    topk: i64,
    rounds: Vec<Round>,
}

fn main() -> Result<()> {
    // As neuron-worker does.
    neuron_memory::keep_freed();
    let arguments = Arguments::parse();
    let measured = measure(&arguments)?;
    if arguments.json {
        measured.iter().for_each(|one| println!("{}", one.json()));
    } else {
        println!("{}", in_a_table(&measured));
    }
    Ok(())
}

fn measure(arguments: &Arguments) -> Result<Vec<Measured>> {
    let runtime = Runtime::new()?;
    let echo = || Echo {
        width: WIDTH,
        delay: Duration::ZERO,
    };
    let models = (0..N_PEERS).map(|_| Box::new(echo()) as Box<dyn Model>);
    let start = Neurons::start(Modality::Tensor, models.collect());
    let neurons = runtime.block_on(start)?;
    let asker = Asker {
        runtime: &runtime,
        neurons: &neurons,
        dendrite: neurons.dendrite()?,
        batches: batches(arguments.seed),
    };
    let mut routers = TOPKS.map(|topk| router(topk, arguments.seed));
    let mut measured = TOPKS.map(|topk| Measured {
        topk,
        rounds: Vec::new(),
    });
    for number in 0..arguments.rounds.max(1) {
        for (router, measured) in routers.iter_mut().zip(&mut measured) {
            measured
                .rounds
                .push(asker.round(router, arguments.batches)?);
        }
        eprintln!("round {} of {}", number + 1, arguments.rounds.max(1));
    }
    Ok(measured.into())
}

fn router(topk: i64, seed: u32) -> Router {
    let config = RouterConfig {
        x_dim: WIDTH.into(),
        topk,
        ..RouterConfig::default()
    };
    Router::new(config, seed.into(), Device::Cpu)
}

/// Rows with a root mean square of one.
fn batches(seed: u32) -> Vec<Tensor> {
    tch::manual_seed(seed.into());
    let batch = || {
        let rows = Tensor::randn([BATCH, WIDTH.into()], (Kind::Float, Device::Cpu));
        let mean_square = rows.square().mean_dim(1, true, Kind::Float);
        rows / mean_square.sqrt()
    };
    std::iter::repeat_with(batch).take(N_BATCHES).collect()
}

/// The neuron that routes.
struct Asker<'a> {
    runtime: &'a Runtime,
    neurons: &'a Neurons,
    dendrite: Dendrite,
    batches: Vec<Tensor>,
}

impl Asker<'_> {
    fn round(&self, router: &mut Router, n_batches: usize) -> Result<Round> {
        let mut said = Vec::with_capacity(n_batches);
        for (number, batch) in self
            .batches
            .iter()
            .cycle()
            .take(WARM_UP + n_batches.max(1))
            .enumerate()
        {
            let one = self.ask(router, batch)?;
            if number >= WARM_UP {
                said.push(one);
            }
        }
        let mut total: Vec<Duration> = said
            .iter()
            .map(|one| one.route + one.ask + one.join)
            .collect();
        let half = |time: fn(&Consultation) -> Duration| {
            median(said.iter().map(|one| milliseconds(time(one))))
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "sixteen peers, some thousand batches"
        )]
        let asked = said.iter().map(|one| one.n_asked as f64).sum::<f64>() / said.len() as f64;
        Ok(Round {
            p50: quantile(&mut total, 0.5),
            p99: quantile(&mut total, 0.99),
            route: half(|one| one.route),
            ask: half(|one| one.ask),
            join: half(|one| one.join),
            asked,
        })
    }

    fn ask(&self, router: &mut Router, batch: &Tensor) -> Result<Consultation> {
        let send = |calls| {
            let row_shape = [WIDTH];
            let asked =
                self.dendrite
                    .forward(Modality::Tensor, calls, &row_shape, DEADLINE, Finish::All);
            self.runtime.block_on(asked)
        };
        let said = consult(
            router,
            Output::Encoding,
            self.neurons.peers(),
            batch,
            batch,
            WIDTH.into(),
            send,
        )?;
        ensure!(
            said.joined.context().allclose(batch, 1e-4, 1e-5, false),
            "what was joined is not what was sent"
        );
        Ok(said)
    }
}

impl Measured {
    fn of(&self, figure: fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(figure))
    }

    /// Only the larger fan-out has one.
    fn goal(&self) -> Option<f64> {
        (self.topk == TOPKS[0]).then_some(GOAL)
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "peers": N_PEERS,
            "batch": BATCH,
            "width": WIDTH,
            "topk": self.topk,
            "asked": self.of(|round| round.asked),
            "p50_ms": self.of(|round| round.p50),
            "p99_ms": self.of(|round| round.p99),
            "route_p50_ms": self.of(|round| round.route),
            "ask_p50_ms": self.of(|round| round.ask),
            "join_p50_ms": self.of(|round| round.join),
            "goal_p50_ms": self.goal(),
        })
    }
}

fn in_a_table(measured: &[Measured]) -> String {
    let headers = [
        "k",
        "peers asked",
        "p50 ms",
        "p99 ms",
        "route ms",
        "ask ms",
        "join ms",
        "goal p50 ms",
    ];
    let rows = measured.iter().map(|one| {
        let ms = |figure| format!("{:.3}", one.of(figure));
        let is_met = |goal| met(one.of(|round| round.p50) <= goal);
        [
            one.topk.to_string(),
            format!("{:.1}", one.of(|round| round.asked)),
            ms(|round| round.p50),
            ms(|round| round.p99),
            ms(|round| round.route),
            ms(|round| round.ask),
            ms(|round| round.join),
            one.goal()
                .map_or_else(String::new, |goal| format!("{goal:.0}: {}", is_met(goal))),
        ]
    });
    table(headers, 0, rows)
}
