//! What a user may choose.

use crate::task::Task;
use anyhow::{Context, Result, ensure};
use clap::Parser;
use std::{
    env,
    path::{Path, PathBuf},
};

/// Run a chain and a network of neurons on this machine, watch them teach each other, and write a report.
///
/// The first neuron is a validator, the last one answers noise on purpose. Nothing is left running, whatever happens.
///
/// Ends with 0 if all went as it should, with 1 if something failed, and be it that one neuron ended before its time, and with
/// 130 if somebody ended it.
#[derive(Clone, Debug, Parser)]
#[command(name = "connectome-demo", version, args_override_self = true)]
pub(crate) struct Options {
    /// What the neurons learn: to read digits, or, from the text in --text, to fill gaps or to tell how it goes on.
    #[arg(long, value_enum, default_value_t, value_name = "NAME")]
    pub(crate) task: Task,

    /// Folder of text to learn from, any UTF-8 files.
    #[arg(
        long,
        default_value = "/usr/share/common-licenses",
        value_name = "FOLDER"
    )]
    pub(crate) text: PathBuf,

    /// Decides keys, initial parameters and the order of samples. How many steps fall between two blocks, and so the last digits
    /// of every figure, depend on how fast the machine is at that moment.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub(crate) seed: u64,

    /// How many epochs of the chain the neurons train for; each takes 10 seconds.
    #[arg(long, default_value_t = 16, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) epochs: u32,

    /// End earlier, once every neuron has done this many steps.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) steps: Option<u64>,

    /// How many neurons, the validator and the one that answers noise included.
    #[arg(long, default_value_t = 5, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(3..=64))]
    pub(crate) neurons: u16,

    /// Where the report is written.
    #[arg(long, default_value = "connectome-demo.html", value_name = "FILE")]
    pub(crate) report: PathBuf,

    /// Print lines, even where there is a terminal for the dashboard.
    #[arg(long)]
    pub(crate) plain: bool,

    /// Print everything that was measured as JSON on stdout, instead of the summary.
    #[arg(long)]
    pub(crate) json: bool,

    /// Keep the folder with the chain's database and all logs, and say where it is.
    #[arg(long)]
    pub(crate) keep: bool,

    /// The node to run, if not the `connectome-node` beside this program.
    #[arg(long, value_name = "FILE")]
    pub(crate) node: Option<PathBuf>,

    /// The worker to run, if not the `neuron-worker` beside this program.
    #[arg(long, value_name = "FILE")]
    pub(crate) worker: Option<PathBuf>,

    /// Run nothing: write the report of what an earlier run printed with --json.
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
}

impl Options {
    /// The node to run.
    ///
    /// # Errors
    ///
    /// If there is none; the message says how to build it.
    pub(crate) fn node(&self) -> Result<PathBuf> {
        program(self.node.as_deref(), "connectome-node", "--node")
    }

    /// The worker to run.
    ///
    /// # Errors
    ///
    /// If there is none; the message says how to build it.
    pub(crate) fn worker(&self) -> Result<PathBuf> {
        program(self.worker.as_deref(), "neuron-worker", "--worker")
    }
}

/// The program that was named, or the one beside this one.
fn program(named: Option<&Path>, name: &str, option: &str) -> Result<PathBuf> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => env::current_exe()
            .context("the demo cannot find itself")?
            .with_file_name(name),
    };
    ensure!(
        path.is_file(),
        "there is no {name} at {}; `make demo` builds everything, {option} names another",
        path.display()
    );
    // A path without a folder would be looked for elsewhere.
    path.canonicalize()
        .with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn what_is_said_last_holds() {
        // The script says where the report goes; a user may say otherwise.
        let said = [
            "connectome-demo",
            "--report",
            "a.html",
            "--report",
            "b.html",
        ];
        let options = Options::parse_from(said);
        assert_eq!(options.report, Path::new("b.html"));
    }

    #[test]
    fn a_program_that_is_missing_is_named_with_what_to_do() {
        let error = program(
            Some(Path::new("/nowhere/node")),
            "connectome-node",
            "--node",
        );
        let error = error.expect_err("it is not there").to_string();
        assert!(
            error.contains("/nowhere/node") && error.contains("make demo"),
            "{error}"
        );
    }
}
