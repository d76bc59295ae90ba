//! How long `neuron` takes for what needs neither chain nor model.
//!
//! ```sh
//! make bench BENCH=startup    # a table; ARGS=--json for scripts
//! ```
//!
//! Each command is run as a process, from its start to its end, its output thrown away. `wallet list` reads three wallets
//! with two hotkeys each, made for the occasion; no wallet or configuration of the user's is read. Commands take turns.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use neuron_benches::{
    programs,
    statistics::quantile,
    table::{met, table},
};
use neuron_wallet::{Existing, KeyFile, Keypair, Wallet};
use serde_json::json;
use tempfile::TempDir;

const COMMANDS: [&str; 3] = ["wallet list", "--version", "--help"];
/// Milliseconds that half of the runs may take.
const GOAL: f64 = 50.0;
/// Runs of each command that do not count: the program comes from the disk.
const WARM_UP: usize = 3;

#[derive(Parser)]
#[command(about = "Measures how long `neuron` takes for what needs neither chain nor model")]
struct Arguments {
    /// The program, if it is not beside this one.
    #[arg(long, value_name = "PATH")]
    neuron: Option<PathBuf>,
    /// Runs of each command.
    #[arg(long, default_value_t = 50)]
    runs: usize,
    /// Print one JSON object per line instead of a table.
    #[arg(long)]
    json: bool,
}

/// Milliseconds of one command.
struct Measured {
    command: &'static str,
    p50: f64,
    max: f64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let neuron = programs::find(arguments.neuron.as_deref(), "neuron")?;
    let measured = measure(&neuron, arguments.runs.max(1))?;
    if arguments.json {
        measured.iter().for_each(|one| println!("{}", one.json()));
    } else {
        println!("{}", in_a_table(&measured));
    }
    Ok(())
}

fn measure(neuron: &Path, n_runs: usize) -> Result<Vec<Measured>> {
    let home = home()?;
    let mut times = COMMANDS.map(|_| Vec::with_capacity(n_runs));
    for number in 0..WARM_UP + n_runs {
        for (command, times) in COMMANDS.into_iter().zip(&mut times) {
            let time = run(neuron, command, home.path())?;
            if number >= WARM_UP {
                times.push(time);
            }
        }
    }
    let measured = COMMANDS.into_iter().zip(&mut times);
    Ok(measured
        .map(|(command, times)| Measured {
            command,
            p50: quantile(times, 0.5),
            max: quantile(times, 1.0),
        })
        .collect())
}

/// A user's folder with three wallets.
fn home() -> Result<TempDir> {
    let home = tempfile::tempdir()?;
    let root = home.path().join(".connectome/wallets");
    for name in ["one", "two", "three"] {
        let wallet = Wallet::new(&root, name.parse()?);
        let seal = |uri: String| anyhow::Ok(KeyFile::unencrypted(&Keypair::from_uri(&uri)?, name));
        wallet.store_coldkey(&seal(format!("//{name}"))?, Existing::Keep)?;
        for hotkey in ["first", "second"] {
            let key = seal(format!("//{name}//{hotkey}"))?;
            wallet.store_hotkey(&hotkey.parse()?, &key, Existing::Keep)?;
        }
    }
    Ok(home)
}

fn run(neuron: &Path, command: &str, home: &Path) -> Result<Duration> {
    let mut process = Command::new(neuron);
    process
        .args(command.split(' '))
        .env_clear()
        .env("HOME", home)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let start = Instant::now();
    let status = process
        .status()
        .with_context(|| format!("{} cannot be run", neuron.display()))?;
    let elapsed = start.elapsed();
    ensure!(status.success(), "neuron {command}: {status}");
    Ok(elapsed)
}

impl Measured {
    fn json(&self) -> serde_json::Value {
        json!({
            "command": format!("neuron {}", self.command),
            "p50_ms": self.p50,
            "max_ms": self.max,
            "goal_p50_ms": GOAL,
        })
    }
}

fn in_a_table(measured: &[Measured]) -> String {
    let headers = ["command", "p50 ms", "max ms", "goal p50 ms"];
    let rows = measured.iter().map(|one| {
        [
            format!("neuron {}", one.command),
            format!("{:.1}", one.p50),
            format!("{:.1}", one.max),
            format!("{GOAL:.0}: {}", met(one.p50 <= GOAL)),
        ]
    });
    table(headers, 1, rows)
}
