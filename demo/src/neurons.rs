//! The neurons as processes: how each is started, and what it writes.

use crate::{
    process::{Complaint, Process},
    run_log::{Event, RunLog},
    task::Task,
};
use anyhow::Result;
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

/// How long a neuron may take to finish its step and save its model.
const GRACE: Duration = Duration::from_secs(15);

/// Steps between two evaluations.
const EVALUATE_EVERY: u32 = 20;

/// What all neurons of a demo have in common.
pub(crate) struct Setup {
    /// The program that trains.
    pub(crate) worker: PathBuf,
    /// Where run folders and logs go.
    pub(crate) folder: PathBuf,
    /// What they learn.
    pub(crate) task: Task,
    /// The folder of text that they learn from, if they learn from text.
    pub(crate) text: PathBuf,
    /// How many neurons, hence shards, there are.
    pub(crate) n: usize,
    /// See [`Options`](crate::options::Options).
    pub(crate) seed: u64,
}

impl Setup {
    /// What both ways to train have in common: the `index`-th model, on its shard of the data, with one thread.
    fn arguments(&self, index: usize, run: &Path) -> Vec<String> {
        let seed = self.seed.wrapping_add(u64::try_from(index).unwrap_or(0));
        let mut arguments = vec![
            "train".into(),
            // Whatever else this user may have configured for neurons of theirs.
            "--config=/dev/null".into(),
            format!("--run={}", run.display()),
            format!("--shard={index}/{}", self.n),
            format!("--seed={seed}"),
            format!("--epoch-steps={EVALUATE_EVERY}"),
            "--device=cpu".into(),
            "--threads=1".into(),
        ];
        arguments.extend(self.task.arguments(&self.text));
        arguments
    }

    fn start(&self, name: &str, index: usize, more: Vec<String>) -> Result<Trainee> {
        let run = self.folder.join(name);
        fs::create_dir_all(&run)?;
        let mut arguments = self.arguments(index, &run);
        arguments.extend(more);
        let log = self.folder.join(format!("{name}.log"));
        Ok(Trainee {
            index,
            process: Process::start(&self.worker, arguments, log)?,
            log: RunLog::new(run.join("events.jsonl")),
        })
    }

    /// Starts the `index`-th neuron, with the key of `uri`, on the chain at `url`.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub(crate) fn together(
        &self,
        index: usize,
        url: &str,
        uri: &str,
        is_garbage: bool,
    ) -> Result<Trainee> {
        let mut more = vec![
            format!("--chain={url}"),
            format!("--netid={}", self.task.netid()),
            format!("--uri={uri}"),
            "--listen=127.0.0.1:0".into(),
        ];
        if is_garbage {
            more.push("--answer=garbage".into());
        }
        self.start(&format!("neuron-{index}"), index, more)
    }

    /// Trains the model of the `index`-th neuron without a network, for as many steps as it did with one.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub(crate) fn alone(&self, index: usize, steps: u64) -> Result<Trainee> {
        let more = vec!["--alone".into(), format!("--steps={steps}")];
        self.start(&format!("alone-{index}"), index, more)
    }
}

/// A process that trains.
pub(crate) struct Trainee {
    /// Its place among the neurons.
    pub(crate) index: usize,
    process: Process,
    log: RunLog,
}

impl Trainee {
    /// What it wrote since the last time.
    ///
    /// # Errors
    ///
    /// If that is not what a run log holds.
    pub(crate) fn news(&mut self) -> Result<Vec<Event>> {
        self.log.news()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// If the system does not say.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.process.ended()
    }

    /// What is wrong if it ended like that although nobody told it to.
    pub(crate) fn deserted(&self, status: ExitStatus) -> Complaint {
        self.process.deserted(status)
    }

    /// What is wrong if it ended like that by itself, as it was meant to.
    pub(crate) fn failed(&self, status: ExitStatus) -> Option<Complaint> {
        let complaint = || self.process.complaint(format!("ended with {status}"));
        (!status.success()).then(complaint)
    }

    /// Tells it to finish, and gives what it still wrote, and how it ended.
    ///
    /// # Errors
    ///
    /// If the system does not say how it ended.
    pub(crate) async fn stop(mut self) -> Result<Last> {
        let complaint = self.process.stop(GRACE).await?;
        Ok(Last {
            index: self.index,
            events: self.log.news()?,
            complaint,
        })
    }
}

/// The last that is heard of a neuron that was told to stop.
pub(crate) struct Last {
    /// Its place among the neurons.
    pub(crate) index: usize,
    /// What it still wrote.
    pub(crate) events: Vec<Event>,
    /// What is wrong with how it ended.
    pub(crate) complaint: Option<Complaint>,
}
