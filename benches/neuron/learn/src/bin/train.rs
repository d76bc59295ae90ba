//! A training step with the network, beside the same model alone.
//!
//! ```sh
//! make bench BENCH=train    # a table; ARGS=--json for scripts
//! ```
//!
//! The MNIST synapse at its full width over batches of 64 digits: forward, losses, backward, clipping, SGD with momentum.
//!
//! * *alone*: without a network: the local branch only.
//! * *itself*: as a neuron that knows no peer: the whole batch goes through the router to a copy of the model in its own
//!   nucleus, whose predictions are imitated.
//! * *4 peers*: the same with four neurons that serve models of their own, each asked about every row over mutual TLS.
//! * *4 peers, encodings*: they are asked how they encode, as `--learn-from encodings` does: the batch is concluded a second
//!   time with that as context, and the student imitates it.
//!
//! All start from one seed and see the same batches. Rounds are interleaved; figures are medians over rounds, and a ratio
//! is the median of each round's ratio to *alone*. The four peers compute on the processors of the one that trains, which
//! peers on machines of their own would not; *ask* is the part of the step that waits for them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use neuron_benches::{
    neurons::Neurons,
    statistics::{median, quantile},
    table::table,
};
use neuron_learn::{
    codistillation,
    dataset::{Batches, LastBatch, digits},
    optim::{Sgd, SgdConfig, clip_grad_norm, zero_gradients},
    router::{Router, RouterConfig},
    synapse::{Mnist, MnistConfig, Mode, Synapse},
};
use neuron_learn_benches::{
    consultation::{Consultation, consult},
    served::Served,
};
use neuron_peer::{
    dendrite::{Call, Dendrite, Finish, Outcome, Peer, loopback},
    nucleus::{JoinGuard, Model, Nucleus, NucleusConfig},
};
use neuron_proto::{Modality, Output};
use neuron_wallet::Keypair;
use serde_json::json;
use tch::{Device, Tensor};
use tokio::runtime::Runtime;

/// Examples of a step.
const BATCH: usize = 64;
const N_PEERS: u64 = 4;
/// What `neuron train` has by default.
const LEARNING_RATE: f64 = 0.01;
/// What `neuron train` has by default: the router's learning rate, of the model's.
const ROUTER_RATE: f64 = 10.0;
/// What `neuron train` has by default.
const MAX_NORM: f64 = 1.0;
/// What `neuron train` has by default: the share of the local loss that imitates.
const IMITATION: f64 = 0.5;
/// Digits.
const N_CLASSES: i64 = 10;
/// Longer than any call takes.
const DEADLINE: Duration = Duration::from_secs(30);
/// Steps before each measurement that do not count.
const WARM_UP: usize = 3;

#[derive(Parser)]
#[command(about = "Measures a training step with the network, beside the same model alone")]
struct Arguments {
    /// Rounds; figures are medians over them.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Steps of each round, of each network.
    #[arg(long, default_value_t = 30)]
    steps: usize,
    /// What models, routers and the order of examples are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON object per line instead of a table.
    #[arg(long)]
    json: bool,
}

/// Milliseconds of one round.
struct Round {
    p50: f64,
    p99: f64,
    /// Half of the steps wait less than that for answers.
    ask: f64,
}

struct Measured {
    network: &'static str,
    rounds: Vec<Round>,
}

fn main() -> Result<()> {
    // As neuron-worker does.
    neuron_memory::keep_freed();
    let arguments = Arguments::parse();
    let measured = measure(&arguments)?;
    if arguments.json {
        let lines = measured.iter().map(|one| one.json(&measured[0]));
        lines.for_each(|line| println!("{line}"));
    } else {
        println!("{}", in_a_table(&measured));
    }
    Ok(())
}

fn measure(arguments: &Arguments) -> Result<Vec<Measured>> {
    let runtime = Runtime::new()?;
    let seed = arguments.seed;
    let peers = || Network::peers(&runtime, seed);
    let networks = [
        ("alone", Output::Target, None),
        ("itself", Output::Target, Some(Network::itself(seed)?)),
        ("4 peers", Output::Target, Some(peers()?)),
        ("4 peers, encodings", Output::Encoding, Some(peers()?)),
    ];
    let mut learners = Vec::new();
    for (name, output, network) in networks {
        let measured = Measured {
            network: name,
            rounds: Vec::new(),
        };
        learners.push((Learner::new(network, output, seed)?, measured));
    }
    let n_rounds = arguments.rounds.max(1);
    for number in 0..n_rounds {
        for place in 0..learners.len() {
            // Each goes first as often as the others.
            let place = (place + number) % learners.len();
            let (learner, measured) = &mut learners[place];
            measured
                .rounds
                .push(learner.round(&runtime, arguments.steps)?);
        }
        eprintln!("round {} of {n_rounds}", number + 1);
    }
    Ok(learners.into_iter().map(|(_, measured)| measured).collect())
}

/// Everything that training holds.
struct Learner {
    synapse: Mnist,
    router: Router,
    sgd: Sgd,
    batches: Batches,
    network: Option<Network>,
    /// What it asks for.
    output: Output,
}

impl Learner {
    fn new(network: Option<Network>, output: Output, seed: u64) -> Result<Learner> {
        Ok(Learner {
            synapse: Mnist::new(MnistConfig::default(), seed, Device::Cpu),
            router: Router::new(RouterConfig::default(), seed, Device::Cpu),
            sgd: Sgd::new(SgdConfig::default()),
            batches: Batches::new(digits()?.train, BATCH, LastBatch::Drop, seed)?,
            network,
            output,
        })
    }

    fn round(&mut self, runtime: &Runtime, n_steps: usize) -> Result<Round> {
        let (mut steps, mut asks) = (Vec::new(), Vec::new());
        for number in 0..WARM_UP + n_steps.max(1) {
            let start = Instant::now();
            let said = self.step(runtime)?;
            let elapsed = start.elapsed();
            if number >= WARM_UP {
                steps.push(elapsed);
                asks.push(said.map_or(Duration::ZERO, |said| said.ask));
            }
        }
        Ok(Round {
            p50: quantile(&mut steps, 0.5),
            p99: quantile(&mut steps, 0.99),
            ask: quantile(&mut asks, 0.5),
        })
    }

    /// One batch, in the order in which `neuron train` does it.
    fn step(&mut self, runtime: &Runtime) -> Result<Option<Consultation>> {
        let (_, batch) = self.batches.draw();
        let perception = self.synapse.perceive(batch.images(), Mode::Training)?;
        let said = self.consult(runtime, batch.images(), &perception.context)?;
        let labels = batch.labels().into();
        let encodings = said.as_ref().filter(|_| self.output == Output::Encoding);
        let context = encodings.map(|said| said.joined.context());
        let mut output = self.synapse.conclude(&perception, Some(&labels), context)?;
        if let (Some(said), Output::Target) = (&said, self.output) {
            output = codistillation::conclude(
                output,
                &said.routes,
                &said.joined,
                Some(&labels),
                IMITATION,
            )?;
        }
        let loss = output.loss.context("a batch of a dataset has labels")?;
        let mut parameters = self.synapse.parameters();
        if said.is_some() {
            parameters.append(&mut self.router.parameters());
        }
        zero_gradients(&parameters);
        loss.backward();
        let norm = clip_grad_norm(&parameters, MAX_NORM);
        self.sgd.step_each(&parameters, |name| {
            if name.starts_with("router.") {
                LEARNING_RATE * ROUTER_RATE
            } else {
                LEARNING_RATE
            }
        });
        ensure!(
            norm.is_finite() && loss.double_value(&[]).is_finite(),
            "the model has diverged: that is no step to be measured"
        );
        Ok(said)
    }

    fn consult(
        &mut self,
        runtime: &Runtime,
        images: &Tensor,
        context: &Tensor,
    ) -> Result<Option<Consultation>> {
        let Some(network) = &self.network else {
            return Ok(None);
        };
        let output = self.output;
        let (width, context) = match output {
            Output::Encoding => (self.synapse.d_model(), context.shallow_clone()),
            Output::Prediction | Output::Target => (N_CLASSES, context.detach()),
        };
        let row_shape = [u32::try_from(width)?];
        let ask = |calls| network.ask(runtime, output, calls, &row_shape);
        let router = &mut self.router;
        let peers = network.known();
        consult(router, output, peers, &context, images, width, ask).map(Some)
    }
}

/// Whom a neuron asks.
enum Network {
    Itself {
        own: [Peer; 1],
        nucleus: Nucleus,
        _guard: JoinGuard,
    },
    Peers {
        neurons: Neurons,
        dendrite: Dendrite,
    },
}

impl Network {
    fn itself(seed: u64) -> Result<Network> {
        let (nucleus, guard) = Nucleus::start(served(seed), NucleusConfig::default())?;
        let own = Peer {
            uid: 0,
            hotkey: Keypair::from_uri("//Alice")?.public(),
            // It is not asked there, nor anywhere: loop-back needs no network.
            address: ([127, 0, 0, 1], 0).into(),
            plaintext: false,
        };
        Ok(Network::Itself {
            own: [own],
            nucleus,
            _guard: guard,
        })
    }

    fn peers(runtime: &Runtime, seed: u64) -> Result<Network> {
        let models = (1..=N_PEERS).map(|uid| served(seed.wrapping_add(uid)));
        let neurons = runtime.block_on(Neurons::start(Modality::Image, models.collect()))?;
        let dendrite = neurons.dendrite()?;
        Ok(Network::Peers { neurons, dendrite })
    }

    fn known(&self) -> &[Peer] {
        match self {
            Network::Itself { own, .. } => own,
            Network::Peers { neurons, .. } => neurons.peers(),
        }
    }

    fn ask(
        &self,
        runtime: &Runtime,
        output: Output,
        calls: Vec<Call>,
        row_shape: &[u32],
    ) -> Vec<Outcome> {
        match self {
            Network::Itself { nucleus, .. } => calls
                .into_iter()
                .map(|call| {
                    let answer =
                        loopback(nucleus, Modality::Image, output, call, row_shape, DEADLINE);
                    runtime.block_on(answer)
                })
                .collect(),
            Network::Peers { dendrite, .. } => {
                let finish = Finish::All;
                let modality = Modality::Image;
                let asked = dendrite.ask(modality, output, calls, row_shape, DEADLINE, finish);
                runtime.block_on(asked)
            }
        }
    }
}

/// A model as a nucleus serves it: a copy, without gradients.
fn served(seed: u64) -> Box<dyn Model> {
    let synapse = Mnist::new(MnistConfig::default(), seed, Device::Cpu);
    Box::new(Served::copy_of(&synapse))
}

impl Measured {
    fn of(&self, figure: fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(figure))
    }

    fn ratio(&self, alone: &Measured) -> f64 {
        let pairs = self.rounds.iter().zip(&alone.rounds);
        median(pairs.map(|(round, alone)| round.p50 / alone.p50))
    }

    fn json(&self, alone: &Measured) -> serde_json::Value {
        json!({
            "batch": BATCH,
            "network": self.network,
            "p50_ms": self.of(|round| round.p50),
            "p99_ms": self.of(|round| round.p99),
            "ask_p50_ms": self.of(|round| round.ask),
            "ratio_to_alone": self.ratio(alone),
        })
    }
}

fn in_a_table(measured: &[Measured]) -> String {
    let headers = ["network", "p50 ms", "p99 ms", "ask ms", "ratio to alone"];
    let rows = measured.iter().map(|one| {
        let ms = |figure| format!("{:.2}", one.of(figure));
        [
            one.network.to_owned(),
            ms(|round| round.p50),
            ms(|round| round.p99),
            ms(|round| round.ask),
            format!("{:.2}", one.ratio(&measured[0])),
        ]
    });
    table(headers, 1, rows)
}
