//! A network to watch: a chain, five neurons that teach each other, and a report.
//!
//! ```text
//! chain.rs, neurons.rs      processes: connectome-node, neuron-worker     process.rs, tether.rs: they end with the demo
//!     │ run logs, chain
//!     ▼
//! observe.rs ──► Observation                                               observation.rs: all that was measured
//!                    │
//!                    ├──► view      dashboard or lines, while it runs
//!                    ├──► summary   table and sentences, at the end
//!                    └──► report    HTML
//! ```
//!
//! `run.rs` is the course of it, step by step.

mod chain;
mod findings;
mod neurons;
mod observation;
mod observe;
mod options;
mod process;
mod report;
mod run;
mod run_log;
mod stage;
mod summary;
mod task;
mod tether;
mod view;

use anyhow::{Context, Result};
use clap::Parser;
use observation::{Observation, Plan};
use options::Options;
use stage::Stage;
use std::{
    env, fs,
    path::Path,
    process::{Command, ExitCode},
    thread,
};
use task::Task;

/// What shells give for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let result = match tether::requested(env::args_os()) {
        Some(arguments) => tether::run(&arguments).map(|never| match never {}),
        None => demo(&Options::parse()),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

// One thread: what is started ends with the thread that started it (see tether.rs).
#[tokio::main(flavor = "current_thread")]
async fn demo(options: &Options) -> Result<ExitCode> {
    if let Some(path) = &options.from {
        let json = fs::read(path).with_context(|| path.display().to_string())?;
        let observation = serde_json::from_slice(&json)
            .with_context(|| format!("{} is not what --json prints", path.display()))?;
        finish(options, &observation)?;
        return Ok(ExitCode::SUCCESS);
    }
    let folder = tempfile::Builder::new()
        .prefix("connectome-demo-")
        .disable_cleanup(options.keep)
        .tempdir()?;
    if options.keep {
        eprintln!("logs and databases are kept in {}", folder.path().display());
    }
    let mut stage = Stage::open(plan(options)?, options.plain || options.json)?;
    let result = run::run(options, folder.path(), &mut stage).await;
    // From here on the terminal is the user's again.
    let mut observation = stage.close();
    let is_interrupted = match result {
        Ok(()) => false,
        Err(error) if run::was_interrupted(&error) => {
            eprintln!("{error} while {}", observation.phase);
            true
        }
        Err(error) => {
            observation.fail(None, format!("{error:#}"), String::new());
            false
        }
    };
    let finished = match observation.has_measurements() {
        true => finish(options, &observation),
        false => Ok(()),
    };
    // Last, so that nobody has to look for it above the summary.
    tell_failures(&observation);
    finished?;
    Ok(match observation.failures.is_empty() {
        _ if is_interrupted => ExitCode::from(INTERRUPTED),
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn tell_failures(observation: &Observation) {
    for failure in &observation.failures {
        eprintln!("error: {}", failure.text);
        if !failure.log.is_empty() {
            eprintln!("its log ends with\n{}", failure.log);
        }
    }
}

/// Prints the summary, and writes the report.
fn finish(options: &Options, observation: &Observation) -> Result<()> {
    write_report(&options.report, observation)?;
    if options.json {
        println!("{}", serde_json::to_string(observation)?);
    } else {
        print!("{}", summary::render(observation));
        println!("\nThe report: {}", options.report.display());
    }
    Ok(())
}

fn write_report(path: &Path, observation: &Observation) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    fs::write(path, report::render(observation)).with_context(|| path.display().to_string())
}

fn plan(options: &Options) -> Result<Plan> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let facts = [
        (
            "machine",
            format!(
                "{processors} processors, {} {}",
                env::consts::OS,
                env::consts::ARCH
            ),
        ),
        (
            "demo",
            format!("connectome-demo {}", env!("CARGO_PKG_VERSION")),
        ),
        ("node", version(&options.node()?)),
        ("worker", version(&options.worker()?)),
        (
            "neurons",
            format!("{}, each a process with one thread", options.neurons),
        ),
        ("command", command(options)),
    ];
    Ok(Plan {
        task: options.task,
        seed: options.seed,
        epochs: options.epochs,
        tempo: chain::TEMPO,
        block_time: chain::BLOCK_TIME,
        began: jiff::Timestamp::now()
            .strftime("%Y-%m-%d %H:%M UTC")
            .to_string(),
        facts: facts
            .into_iter()
            .map(|(name, value)| (name.into(), value))
            .collect(),
    })
}

/// What does the same again.
fn command(options: &Options) -> String {
    let mut command = format!(
        "connectome-demo --task {} --seed {} --epochs {} --neurons {}",
        options.task.name(),
        options.seed,
        options.epochs,
        options.neurons
    );
    if options.task != Task::Digits {
        command.push_str(&format!(" --text {:?}", options.text));
    }
    if let Some(steps) = options.steps {
        command.push_str(&format!(" --steps {steps}"));
    }
    command
}

/// What `program --version` prints.
fn version(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output();
    let output = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    output.unwrap_or_else(|error| format!("unknown: {error}"))
}
