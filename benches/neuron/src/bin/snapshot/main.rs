//! Reading a network of the chain, whole, beside one read for each neuron.
//!
//! ```sh
//! make bench BENCH=snapshot    # a table; ARGS=--json for scripts
//! ```
//!
//! A real node, a development chain whose genesis has 256 neurons, and another with 4,096:
//!
//! * *snapshot*: `Chain::metagraph`: the head of the chain, then the whole network in one call, decoded and indexed.
//! * *one by one*: one storage item of each neuron (its hotkey: the smallest there is), one question after the other at one
//!   block over one connection, undecoded: the least that a client does that reads neurons singly.
//!
//! Both over WebSocket on loopback. A round is some snapshots and once through all neurons; figures are medians over
//! rounds, and the ratio is the median of each round's. Bytes are of the answer in SCALE, as the runtime gives it; JSON-RPC
//! sends twice as many, in hexadecimal. The neurons of a genesis have no endpoints, which are 12 to 24 bytes each.

mod node;
mod one_by_one;

use std::{path::PathBuf, time::Instant};

use anyhow::{Result, ensure};
use clap::Parser;
use neuron_benches::{
    programs,
    statistics::{median, milliseconds, quantile},
    table::table,
};
use neuron_metagraph::{At, Chain};
use serde_json::json;

use self::{node::Node, one_by_one::OneByOne};

/// The network that is read.
const NETID: u16 = 0;
/// Neurons of the chains.
const SIZES: [u16; 2] = [256, 4_096];
/// Snapshots before all measurements that do not count.
const WARM_UP: usize = 3;

#[derive(Parser)]
#[command(about = "Measures reading a network of the chain whole, beside one read for each neuron")]
struct Arguments {
    /// The node, if it is not beside this program.
    #[arg(long, value_name = "PATH")]
    node: Option<PathBuf>,
    /// Rounds; figures are medians over them.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Snapshots of each round.
    #[arg(long, default_value_t = 20)]
    snapshots: usize,
    /// Print one JSON object per line instead of a table.
    #[arg(long)]
    json: bool,
}

/// Milliseconds of one round.
struct Round {
    p50: f64,
    p99: f64,
    one_by_one: f64,
}

struct Measured {
    n_neurons: u16,
    bytes: usize,
    rounds: Vec<Round>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let node = programs::find(arguments.node.as_deref(), "connectome-node")?;
    let mut measured = Vec::new();
    for n_neurons in SIZES {
        eprintln!("a chain of {n_neurons} neurons");
        let node = Node::start(&node, n_neurons).await?;
        measured.push(measure(&node, n_neurons, &arguments).await?);
    }
    if arguments.json {
        measured.iter().for_each(|one| println!("{}", one.json()));
    } else {
        println!("{}", in_a_table(&measured));
    }
    Ok(())
}

async fn measure(node: &Node, n_neurons: u16, arguments: &Arguments) -> Result<Measured> {
    let chain = Chain::connect(&[node.url()]).await?;
    let others = OneByOne::connect(&node.url(), n_neurons.into()).await?;
    for _ in 0..WARM_UP {
        let metagraph = chain.metagraph(NETID, At::Best).await?;
        let found = metagraph.neurons.len();
        ensure!(
            found == usize::from(n_neurons),
            "expected {n_neurons} neurons in the snapshot, got {found}"
        );
    }
    let mut rounds = Vec::new();
    for _ in 0..arguments.rounds.max(1) {
        let mut times = Vec::new();
        for _ in 0..arguments.snapshots.max(1) {
            let start = Instant::now();
            chain.metagraph(NETID, At::Best).await?;
            times.push(start.elapsed());
        }
        rounds.push(Round {
            p50: quantile(&mut times, 0.5),
            p99: quantile(&mut times, 0.99),
            one_by_one: milliseconds(others.read_all().await?),
        });
    }
    Ok(Measured {
        n_neurons,
        bytes: others.snapshot_bytes(NETID).await?,
        rounds,
    })
}

impl Measured {
    fn of(&self, figure: fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(figure))
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "neurons": self.n_neurons,
            "bytes": self.bytes,
            "p50_ms": self.of(|round| round.p50),
            "p99_ms": self.of(|round| round.p99),
            "one_by_one_ms": self.of(|round| round.one_by_one),
            "ratio": self.of(|round| round.one_by_one / round.p50),
        })
    }
}

fn in_a_table(measured: &[Measured]) -> String {
    let headers = [
        "neurons",
        "bytes",
        "snapshot p50 ms",
        "p99 ms",
        "one by one ms",
        "ratio",
    ];
    let rows = measured.iter().map(|one| {
        [
            one.n_neurons.to_string(),
            one.bytes.to_string(),
            format!("{:.2}", one.of(|round| round.p50)),
            format!("{:.2}", one.of(|round| round.p99)),
            format!("{:.0}", one.of(|round| round.one_by_one)),
            format!("{:.1}", one.of(|round| round.one_by_one / round.p50)),
        ]
    });
    table(headers, 0, rows)
}
