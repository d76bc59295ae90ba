//! Each model beside the same model in PyTorch, and what serving costs it.
//!
//! ```sh
//! make bench BENCH=models    # a table; ARGS=--json for scripts
//! ```
//!
//! * *train*: a step of the local branch with its student: forward, loss, backward, SGD with momentum.
//! * *infer*: a prediction of the same batch, without gradients.
//! * *served*: the same batch asked over mutual TLS on loopback, sixteen times by four callers at once, beside as many answers
//!   of the nucleus' model without a wire: from tensor of the wire to tensor of the wire, both.
//!
//! PyTorch runs eagerly in a process of its own (`models.py`), which does one step when this one has done one, so that rounds
//! are interleaved, both on the device of `--device`, which is waited for; figures are medians over rounds, and a ratio is the median of each round's ratio. Memory is what steps need:
//! the most that was resident while they were made, less what was before there was a model (libtorch, Python). It holds
//! parameters, gradients, momentum and everything that a step computes. On a GPU, libtorch tells Python alone what it took there.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use neuron_benches::{neurons::Neurons, statistics::median, table::table};
use neuron_learn::{
    device::{self, DeviceChoice},
    optim::{Sgd, SgdConfig, zero_gradients},
    source::Batch,
    synapse::{
        Bert, BertConfig, Cifar, CifarConfig, Gpt, Gpt2Config, Labels, Mnist, MnistConfig, Mode,
        Synapse,
    },
    tensor,
};
use neuron_learn_benches::served::Served;
use neuron_peer::{
    dendrite::{Call, Dendrite, Finish, Peer},
    nucleus::{Model, NucleusConfig},
};
use neuron_proto::{DType, Modality, Output};
use serde_json::{Value, json};
use tch::{Cuda, Device, Kind, Tensor, no_grad};
use tokio::runtime::Runtime;

/// Tokens of the vocabulary, of a text, texts, digits and colour images of a batch: as models.py has them.
const VOCAB: i64 = 4096;
const SEQ: i64 = 64;
const TEXTS: i64 = 16;
const IMAGES: i64 = 64;
const COLOURS: i64 = 16;

/// The same models in Python. The program has it within, so that the two are of one clone wherever that lies.
const MODELS: &str = include_str!("../../models.py");

const LEARNING_RATE: f64 = 0.01;
/// Requests in flight: enough that the nucleus always has the next batch.
const IN_FLIGHT: usize = 4;
/// Requests of each of these, one after the other: enough that the first and the last, during which the model has nothing
/// to do, are few.
const EACH: usize = 4;
/// Longer than any call takes.
const DEADLINE: Duration = Duration::from_secs(60);
/// Rounds that do not count.
const WARM_UP: usize = 2;

#[derive(Parser)]
#[command(
    about = "Measures each model beside the same model in PyTorch, and what serving costs it"
)]
struct Arguments {
    /// Models to measure, each in a process of its own.
    #[arg(long, overrides_with = "models", value_delimiter = ',', default_values_t = ["mnist", "cifar", "bert", "gpt"].map(str::to_owned))]
    models: Vec<String>,
    /// Rounds; figures are medians over them.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Threads that each computes with.
    #[arg(long, default_value_t = 2)]
    threads: u32,
    /// Where both compute: auto, cpu, cuda or cuda:N.
    #[arg(long, default_value_t)]
    device: DeviceChoice,
    /// The Python that has PyTorch: by default that of LIBTORCH, or python3.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Print one JSON object per line instead of a table.
    #[arg(long, overrides_with = "json")]
    json: bool,
}

/// Seconds of each round.
#[derive(Default)]
struct Rounds {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Rounds {
    /// Ours of theirs: below one where we are faster.
    fn ratio(&self) -> f64 {
        let pairs = self.ours.iter().zip(&self.theirs);
        median(pairs.map(|(ours, theirs)| ours / theirs))
    }
}

struct Measured {
    model: String,
    n_parameters: usize,
    train: Rounds,
    infer: Rounds,
    /// Seconds of a batch: served, and without a wire.
    served: Rounds,
    /// MiB that steps need: ours, which only Linux tells, theirs.
    memory: (Option<f64>, f64),
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let [name] = &arguments.models[..] {
        return one(name, &arguments);
    }
    // Each in a process of its own, so that none has the memory of another.
    let mut lines = Vec::new();
    for name in &arguments.models {
        let line = alone(name)?;
        if arguments.json {
            println!("{line}");
        }
        lines.push(line);
        eprintln!("{name} is measured");
    }
    if !arguments.json {
        println!("{}", in_a_table(&lines));
    }
    Ok(())
}

/// Measures one model in this process.
fn one(name: &str, arguments: &Arguments) -> Result<()> {
    neuron_memory::keep_freed();
    tch::set_num_threads(i32::try_from(arguments.threads)?);
    // Before anything else of libtorch: it looks for CUDA once.
    let device = device::open(arguments.device)?;
    let line = measure(name, arguments, device, &Runtime::new()?)?.json();
    match arguments.json {
        true => println!("{line}"),
        false => println!("{}", in_a_table(&[line])),
    }
    Ok(())
}

/// What a process says that measures this model and no other.
fn alone(name: &str) -> Result<Value> {
    let others = std::env::args_os().skip(1);
    let output = Command::new(std::env::current_exe()?)
        .args(others)
        .args(["--models", name, "--json"])
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "{name} could not be measured");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What is learned, and from what.
struct Learner {
    synapse: Box<dyn Synapse>,
    inputs: Tensor,
    labels: Labels,
    sgd: Sgd,
}

impl Learner {
    fn new(name: &str, device: Device) -> Result<Learner> {
        let images =
            |n, channels, side| Tensor::rand([n, channels, side, side], (Kind::Float, Device::Cpu));
        let classes =
            |n| Labels::from(&Tensor::arange(n, (Kind::Int64, Device::Cpu)).remainder(10));
        let tokens = (Tensor::arange(TEXTS * SEQ, (Kind::Int64, Device::Cpu)) * 7919)
            .remainder(VOCAB - 1)
            .reshape([TEXTS, SEQ]);
        let (synapse, inputs, labels): (Box<dyn Synapse>, _, _) = match name {
            "mnist" => (
                Box::new(Mnist::new(MnistConfig::default(), 1, device)),
                images(IMAGES, 1, 28),
                classes(IMAGES),
            ),
            "cifar" => (
                Box::new(Cifar::new(CifarConfig::default(), 1, device)),
                images(COLOURS, 3, 32),
                classes(COLOURS),
            ),
            "bert" => {
                let config = BertConfig {
                    vocab_size: VOCAB,
                    max_position_embeddings: SEQ,
                    pad_token_id: VOCAB - 1,
                    ..BertConfig::default()
                };
                let place = Tensor::arange(SEQ, (Kind::Int64, Device::Cpu)).remainder(7);
                let ignored = tokens.full_like(neuron_learn::loss::IGNORED);
                let gaps = tokens.where_self(&place.eq(0), &ignored);
                let bert = Bert::new(config, 1, device);
                (Box::new(bert), tokens, Labels::from(&gaps))
            }
            "gpt" => {
                let config = Gpt2Config {
                    vocab_size: VOCAB,
                    n_positions: SEQ,
                    eos_token_id: None,
                    ..Gpt2Config::default()
                };
                let labels = Labels::of_next(&tokens);
                (Box::new(Gpt::new(config, 1, device)), tokens, labels)
            }
            other => anyhow::bail!("there is no model {other}: there are mnist, cifar, bert, gpt"),
        };
        let Batch { inputs, labels } = Batch { inputs, labels }.to_device(device);
        Ok(Learner {
            synapse,
            inputs,
            labels,
            sgd: Sgd::new(SgdConfig::default()),
        })
    }

    fn train(&mut self) -> Result<f64> {
        let began = Instant::now();
        let parameters = self.synapse.parameters();
        zero_gradients(&parameters);
        let output =
            self.synapse
                .forward(&self.inputs, Some(&self.labels), None, Mode::Training)?;
        let loss = output.loss.context("there are labels")?;
        loss.backward();
        self.sgd.step(&parameters, LEARNING_RATE);
        wait_for(self.synapse.device());
        let seconds = began.elapsed().as_secs_f64();
        ensure!(
            loss.double_value(&[]).is_finite(),
            "the model has diverged: that is no step to be measured"
        );
        Ok(seconds)
    }

    /// The local target of every place, as models.py computes it.
    fn infer(&self) -> Result<f64> {
        let began = Instant::now();
        let sum = no_grad(|| {
            let output = self
                .synapse
                .forward(&self.inputs, None, None, Mode::Evaluation)?;
            anyhow::Ok(output.local_target.sum(Kind::Float).double_value(&[]))
        })?;
        ensure!(sum.is_finite(), "the model has diverged");
        Ok(began.elapsed().as_secs_f64())
    }
}

/// Until a device has done what it was told to.
fn wait_for(device: Device) {
    if let Device::Cuda(number) = device {
        Cuda::synchronize(i64::try_from(number).expect("a handful of devices"));
    }
}

/// The same in PyTorch.
struct Python {
    child: Child,
    tell: ChildStdin,
    hear: BufReader<ChildStdout>,
}

impl Python {
    fn start(name: &str, arguments: &Arguments, device: Device) -> Result<Python> {
        let mut child = Command::new(python(arguments))
            .args(["-c", MODELS])
            .args([name, &arguments.threads.to_string(), &device::name(device)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start Python; --python names one that has PyTorch")?;
        let tell = child.stdin.take().context("it was asked for")?;
        let hear = BufReader::new(child.stdout.take().context("it was asked for")?);
        let mut python = Python { child, tell, hear };
        let said = python.line()?;
        ensure!(said == "ready", "models.py said {said:?}");
        Ok(python)
    }

    fn does(&mut self, work: &str) -> Result<f64> {
        writeln!(self.tell, "{work}")?;
        let said = self.line()?;
        said.parse()
            .with_context(|| format!("models.py said {said:?}"))
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.hear.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // It has nothing to save, and may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The Python that libtorch is of (lib/python3.x/site-packages/torch), or `python3`.
fn python(arguments: &Arguments) -> PathBuf {
    let of_libtorch =
        std::env::var_os("LIBTORCH").map(|it| Path::new(&it).join("../../../../bin/python3"));
    let named = arguments.python.clone();
    named
        .or(of_libtorch.filter(|python| python.exists()))
        .unwrap_or_else(|| "python3".into())
}

fn measure(
    name: &str,
    arguments: &Arguments,
    device: Device,
    runtime: &Runtime,
) -> Result<Measured> {
    let before = of_memory("VmRSS")?;
    let mut learner = Learner::new(name, device)?;
    let mut python = Python::start(name, arguments, device)?;
    let (mut train, mut infer) = (Rounds::default(), Rounds::default());
    for round in 0..WARM_UP + arguments.rounds.max(1) {
        let trained = [learner.train()?, python.does("train")?];
        let inferred = [learner.infer()?, python.does("infer")?];
        if round >= WARM_UP {
            for (rounds, [ours, theirs]) in [(&mut train, trained), (&mut infer, inferred)] {
                rounds.ours.push(ours);
                rounds.theirs.push(theirs);
            }
        }
    }
    let ours = (device == Device::Cpu).then(|| of_memory("VmHWM"));
    let ours = ours.transpose()?.map(|most| most - before);
    let memory = (ours, python.does("memory")?);
    drop(python);
    Ok(Measured {
        model: name.to_owned(),
        n_parameters: neuron_learn::parameters::n_parameters(&learner.synapse.parameters()),
        train,
        infer,
        served: serve(&learner, arguments, runtime)?,
        memory,
    })
}

/// What Linux says of the memory of this process, in MiB: `VmRSS` is what is resident now, `VmHWM` the most that has been.
fn of_memory(what: &str) -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(what));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kib
        .with_context(|| format!("Linux says {what}"))?
        .parse::<f64>()?
        / 1024.0)
}

/// Batches of encodings over the wire, beside those of the same model without.
fn serve(learner: &Learner, arguments: &Arguments, runtime: &Runtime) -> Result<Rounds> {
    let modality = learner.synapse.modality();
    let dtype = match modality {
        Modality::Text => DType::I64,
        Modality::Image | Modality::Tensor => DType::F32,
    };
    let inputs = tensor::to_wire(&learner.inputs.to_device(Device::Cpu), dtype)?;
    let direct = learner.synapse.copy();
    let model: Box<dyn Model> = Box::new(Served::copy_of(learner.synapse.as_ref()));
    let spec = model.synapses().remove(0);
    let row_shape = spec
        .row_shape(Output::Encoding, inputs.row_shape())
        .context("everything has an encoding")?;
    // A batch is a request: what fills the device is compared with the same.
    let config = NucleusConfig {
        max_batch_rows: inputs.rows(),
        max_request_rows: inputs.rows(),
        ..NucleusConfig::default()
    };
    let neurons = runtime.block_on(Neurons::start_with(modality, vec![model], config))?;
    let dendrite = neurons.dendrite()?;
    let peer = neurons.peers()[0];
    let mut rounds = Rounds::default();
    for round in 0..WARM_UP + arguments.rounds.max(1) {
        let asked = runtime.block_on(ask(&dendrite, modality, peer, &inputs, &row_shape))?;
        let began = Instant::now();
        for _ in 0..IN_FLIGHT * EACH {
            direct.serve(modality, Output::Encoding, &inputs)?;
        }
        let computed = began.elapsed().as_secs_f64();
        if round >= WARM_UP {
            #[expect(clippy::cast_precision_loss, reason = "a few")]
            let n_requests = (IN_FLIGHT * EACH) as f64;
            rounds.ours.push(asked / n_requests);
            rounds.theirs.push(computed / n_requests);
        }
    }
    Ok(rounds)
}

/// Seconds of [`EACH`] requests one after the other, in as many lanes as are in flight.
async fn ask(
    dendrite: &Dendrite,
    modality: Modality,
    peer: Peer,
    inputs: &neuron_proto::Tensor,
    row_shape: &[u32],
) -> Result<f64> {
    let began = Instant::now();
    let lanes = (0..IN_FLIGHT).map(|_| async {
        for _ in 0..EACH {
            let call = Call {
                peer,
                inputs: inputs.clone(),
            };
            let outcomes = dendrite
                .forward(modality, vec![call], row_shape, DEADLINE, Finish::All)
                .await;
            let outcome = &outcomes[0];
            ensure!(
                outcome.is_success(),
                "{}: {}",
                outcome.code,
                outcome.message
            );
        }
        Ok(())
    });
    futures::future::try_join_all(lanes).await?;
    Ok(began.elapsed().as_secs_f64())
}

impl Measured {
    fn json(&self) -> Value {
        let ms = |seconds: &[f64]| 1e3 * median(seconds.iter().copied());
        json!({
            "model": self.model,
            "n_parameters": self.n_parameters,
            "train_ms": ms(&self.train.ours),
            "train_pytorch_ms": ms(&self.train.theirs),
            "train_ratio": self.train.ratio(),
            "infer_ms": ms(&self.infer.ours),
            "infer_pytorch_ms": ms(&self.infer.theirs),
            "infer_ratio": self.infer.ratio(),
            "served_ms": ms(&self.served.ours),
            "direct_ms": ms(&self.served.theirs),
            "served_rate_of_direct": 1.0 / self.served.ratio(),
            "memory_mib": self.memory.0,
            "memory_pytorch_mib": self.memory.1,
        })
    }
}

fn in_a_table(lines: &[Value]) -> String {
    let headers = [
        "model",
        "parameters",
        "train ms",
        "PyTorch",
        "ratio",
        "infer ms",
        "PyTorch",
        "ratio",
        "served ms",
        "direct",
        "rate",
        "memory MiB",
        "PyTorch",
    ];
    let rows = lines.iter().map(|line| {
        let number = |name: &str| line[name].as_f64().unwrap_or(f64::NAN);
        let ms = |name: &str| format!("{:.1}", number(name));
        let ratio = |name: &str| format!("{:.2}", number(name));
        let mib = |name: &str| match line[name].as_f64() {
            Some(mib) => format!("{mib:.0}"),
            None => "–".to_owned(),
        };
        [
            line["model"].as_str().unwrap_or_default().to_owned(),
            line["n_parameters"].to_string(),
            ms("train_ms"),
            ms("train_pytorch_ms"),
            ratio("train_ratio"),
            ms("infer_ms"),
            ms("infer_pytorch_ms"),
            ratio("infer_ratio"),
            ms("served_ms"),
            ms("direct_ms"),
            format!("{:.0} %", 100.0 * number("served_rate_of_direct")),
            mib("memory_mib"),
            mib("memory_pytorch_mib"),
        ]
    });
    table(headers, 1, rows)
}
