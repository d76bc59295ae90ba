//! Processes of `neuron`: commands that are run to their end, and neurons that train until they are stopped or killed.

use crate::{
    Figures, Node,
    node::Signal,
    poll,
    process::{self, Process, built},
    run_log::{Event, RunLog},
};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::{
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    sync::Arc,
};
use tempfile::TempDir;

/// Names another `neuron` than the one beside the tests.
const BINARY_VARIABLE: &str = "CONNECTOME_NEURON";

/// What makes a neuron small enough to run several on two cores, each at any port that is free.
const SMALL: [&str; 3] = ["--device=cpu", "--threads=1", "--listen=127.0.0.1:0"];

/// What one learns, unless it is told otherwise.
const DIGITS: [&str; 2] = ["--dataset=digits", "--batch-size=16"];

/// The `neuron` to test: the one that `CONNECTOME_NEURON` names, or the one built into the folder where this test was built.
/// It needs `neuron-worker` beside it.
///
/// # Errors
///
/// If one of the two is missing; the message says how to build it.
pub fn binary() -> Result<PathBuf> {
    let neuron = built("neuron", BINARY_VARIABLE)?;
    process::there(&neuron.with_file_name("neuron-worker"))?;
    Ok(neuron)
}

/// Who runs a neuron: a key that is hotkey and coldkey in one, a chain, and a home that nobody else has. The home, with the
/// neuron's run folder in it, lives until the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Operator {
    uri: String,
    chain: String,
    task: Vec<String>,
    options: Vec<String>,
    home: Arc<TempDir>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Operator {
    /// Who has the key of `uri`, and speaks with `node`.
    ///
    /// # Errors
    ///
    /// If no home can be made.
    pub fn new(uri: &str, node: &Node) -> Result<Self> {
        Ok(Self {
            uri: uri.to_owned(),
            chain: node.url(),
            task: DIGITS.map(str::to_owned).into(),
            options: Vec::new(),
            home: Arc::new(tempfile::tempdir()?),
        })
    }

    /// Learns something else than digits: what these options say.
    #[must_use]
    pub fn learning<'a>(mut self, task: impl IntoIterator<Item = &'a str>) -> Self {
        self.task = task.into_iter().map(str::to_owned).collect();
        self
    }

    /// Trains with these options besides.
    #[must_use]
    pub fn with<'a>(mut self, options: impl IntoIterator<Item = &'a str>) -> Self {
        self.options.extend(options.into_iter().map(str::to_owned));
        self
    }

    /// Where the neuron keeps checkpoints and logs.
    pub fn run_folder(&self) -> PathBuf {
        self.home.path().join("run")
    }

    /// Runs `neuron <arguments>` to its end, with this operator's key and chain.
    ///
    /// # Errors
    ///
    /// If it cannot be run.
    pub async fn command(&self, arguments: &[&str]) -> Result<Ended> {
        let mut command = tokio::process::Command::from(self.neuron()?);
        command.args(arguments).stdin(Stdio::null());
        let output = command.kill_on_drop(true).output();
        let output = crate::within("a command", async { Ok(output.await?) }).await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Ended {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        })
    }

    /// What `neuron <arguments> --json` says, without asking anything.
    ///
    /// # Errors
    ///
    /// If it fails, or says no JSON.
    pub async fn ask(&self, arguments: &[&str]) -> Result<Value> {
        let ended = self
            .command(&[arguments, &["--json", "--yes"]].concat())
            .await?;
        ensure!(
            ended.code == Some(0),
            "neuron {arguments:?} ended with {:?}: {}{}",
            ended.code,
            ended.stdout,
            ended.stderr
        );
        let said = serde_json::from_str(&ended.stdout);
        said.with_context(|| format!("neuron {arguments:?} said {}", ended.stdout))
    }

    /// Starts `neuron train`. It has the same run folder each time.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn train(&self) -> Result<Training> {
        self.start(&[])
    }

    /// Starts `neuron train --resume`.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn resume(&self) -> Result<Training> {
        self.start(&["--resume"])
    }

    /// Starts `neuron serve`, with what was trained in the run folder, and waits until it is there.
    ///
    /// # Errors
    ///
    /// If it ends before that; the message has the end of its log.
    pub async fn serve(&self) -> Result<Serving> {
        self.serve_with(&[]).await
    }

    /// As [`Self::serve`], with these options.
    ///
    /// # Errors
    ///
    /// As [`Self::serve`].
    pub async fn serve_with(&self, more: &[&str]) -> Result<Serving> {
        let run = self.run_folder();
        let mut command = self.neuron()?;
        command
            .arg("serve")
            .args(SMALL)
            .arg(format!("--run={}", run.display()))
            .args(more);
        let process = Process::start("the neuron", &mut command)?;
        let present = |line: &str| line.contains("present in the network").then_some(());
        process.find("its presence", present).await?;
        Ok(Serving { process })
    }

    fn start(&self, more: &[&str]) -> Result<Training> {
        let run = self.run_folder();
        let log = RunLog::from_its_end(run.join("events.jsonl"))?;
        let mut command = self.neuron()?;
        command
            .arg("train")
            .args(SMALL)
            .args(&self.task)
            .arg(format!("--run={}", run.display()))
            .args(&self.options)
            .args(more);
        Ok(Training {
            process: Process::start("the neuron", &mut command)?,
            log,
            operator: self.clone(),
        })
    }

    /// The program, with what all commands have. Nothing that the environment says reaches it.
    fn neuron(&self) -> Result<Command> {
        let mut command = Command::new(binary()?);
        command.env_clear().env("HOME", self.home.path()).args([
            "--chain",
            &self.chain,
            "--uri",
            &self.uri,
        ]);
        Ok(command)
    }
}

/// A neuron that serves and learns nothing more. Dropping it kills it (SIGKILL).
#[derive(Debug)]
pub struct Serving {
    process: Process,
}

impl Serving {
    /// Tells it to stop, and waits until it has. Gives how it ended.
    ///
    /// # Errors
    ///
    /// If it does not stop.
    pub async fn stop(self, signal: Signal) -> Result<ExitStatus> {
        let (status, _) = self.process.stop(signal).await?;
        Ok(status)
    }
}

/// A neuron that trains. Dropping it kills it (SIGKILL).
#[derive(Debug)]
pub struct Training {
    process: Process,
    log: RunLog,
    operator: Operator,
}

impl Training {
    /// What it has written to its run log since it started.
    ///
    /// # Errors
    ///
    /// If that is not what a run log holds.
    pub fn events(&mut self) -> Result<&[Event]> {
        self.log.events()
    }

    /// Steps that it has made, those before a checkpoint that it went on from included.
    ///
    /// # Errors
    ///
    /// As [`Self::events`].
    pub fn steps(&mut self) -> Result<u64> {
        let last = self.events()?.iter().rev().find_map(Event::step);
        Ok(last.unwrap_or_default())
    }

    /// What `find` finds in its events since it started, now or later.
    ///
    /// # Errors
    ///
    /// If it ends before, or that takes too long; the message has the end of its log.
    pub async fn until<T>(
        &mut self,
        what: &str,
        find: impl Fn(&[Event]) -> Option<T>,
    ) -> Result<T> {
        let found = poll(what, async || {
            let ended = self.process.ended()?;
            match (find(self.log.events()?), ended) {
                (Some(found), _) => Ok(Some(found)),
                (None, None) => Ok(None),
                (None, Some(status)) => bail!("the neuron has ended with {status}"),
            }
        })
        .await;
        found.with_context(|| self.process.tail())
    }

    /// Waits until it says `what` on standard error, if it has not.
    ///
    /// # Errors
    ///
    /// If it ends before, or that takes too long; the message has the end of its log.
    pub async fn until_said(&self, what: &str) -> Result<()> {
        let said = |line: &str| line.contains(what).then_some(());
        self.process.find(what, said).await
    }

    /// Waits until it has made `steps` more steps than now. Gives what has happened meanwhile.
    ///
    /// # Errors
    ///
    /// As [`Self::until`].
    pub async fn go_on(&mut self, steps: u64) -> Result<Vec<Event>> {
        let (goal, before) = (self.steps()? + steps, self.events()?.len());
        self.until(&format!("step {goal}"), |events| {
            let reached = events.iter().rev().find_map(Event::step) >= Some(goal);
            reached.then(|| events[before..].to_vec())
        })
        .await
    }

    /// Waits until `uid` answers it, counted from now.
    ///
    /// # Errors
    ///
    /// As [`Self::until`].
    pub async fn until_answered_by(&mut self, uid: u16) -> Result<()> {
        let before = self.events()?.len();
        self.until(&format!("an answer of neuron {uid}"), |events| {
            let mut codes = events[before..].iter().filter_map(|it| it.code_of(uid));
            codes.any(|code| code == "Success").then_some(())
        })
        .await
    }

    /// What it tells Prometheus; it has to be started with `--metrics`.
    ///
    /// # Errors
    ///
    /// If it does not say where, or tells nothing.
    pub async fn figures(&self) -> Result<Figures> {
        let what = "the address of its figures";
        let address = self.process.find(what, metrics_address).await?;
        Figures::of(&address).await
    }

    /// Stops it where it is (SIGSTOP), in the middle of whatever it does. Killing it is all that can be done then.
    ///
    /// # Errors
    ///
    /// If it cannot be stopped.
    pub fn pause(&self) -> Result<()> {
        self.process.pause()
    }

    /// Kills it (SIGKILL), as a power cut would. Gives what it takes to start it again.
    pub fn kill(self) -> Operator {
        self.operator.clone()
    }

    /// Tells it to stop, and waits until it has. Gives how it ended and all that happened since it started.
    ///
    /// # Errors
    ///
    /// If it does not stop.
    pub async fn stop(self, signal: Signal) -> Result<(ExitStatus, Vec<Event>)> {
        let Self { process, log, .. } = self;
        let (status, _) = process.stop(signal).await?;
        written(status, log)
    }

    /// Waits until it ends by itself. Gives how it ended and all that happened since it started.
    ///
    /// # Errors
    ///
    /// If it does not end.
    pub async fn end(self) -> Result<(ExitStatus, Vec<Event>)> {
        let Self { process, log, .. } = self;
        let (status, _) = process.end().await?;
        written(status, log)
    }
}

fn written(status: ExitStatus, mut log: RunLog) -> Result<(ExitStatus, Vec<Event>)> {
    Ok((status, log.events()?.to_vec()))
}

/// `… metrics under /metrics address=127.0.0.1:40745`
fn metrics_address(line: &str) -> Option<String> {
    let (_, address) = line.split_once("under /metrics address=")?;
    Some(address.trim().to_owned())
}
