//! A process that the demo started, and that does not outlive it.

use crate::tether;
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{process::Child, time::timeout};

/// How many lines of its log are shown when something is wrong with a process.
const TAIL: usize = 12;

/// A running process. Dropping it kills it (SIGKILL); [`Process::stop`] is kinder.
#[derive(Debug)]
pub(crate) struct Process {
    /// What a person calls it.
    pub(crate) name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program`, and writes whatever it prints to `log`. Settings that the environment holds do not reach it.
    ///
    /// It has a process group of its own: Ctrl-C in a terminal reaches the demo alone, which then stops things in order.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub(crate) fn start(
        name: impl Into<String>,
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        log: PathBuf,
    ) -> Result<Self> {
        let output =
            File::create(&log).with_context(|| format!("{} cannot be written", log.display()))?;
        let mut command = tether::command(program)?;
        for (name, _) in env::vars_os().filter(|(name, _)| is_setting(name)) {
            command.env_remove(name);
        }
        let child = command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let name = name.into();
        Ok(Self { name, child, log })
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// If the system does not say.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until it ends.
    ///
    /// # Errors
    ///
    /// If the system does not say.
    pub(crate) async fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    /// Tells it to stop, as Ctrl-C would, and kills it after `grace`. Gives how it ended.
    ///
    /// # Errors
    ///
    /// If the system does not say.
    pub(crate) async fn stop(mut self, grace: Duration) -> Result<ExitStatus> {
        if let Some(pid) = self.child.id() {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            // What cannot be told any more has ended; the wait below finds out.
            let _ = pid.map(|pid| kill_process(pid, Signal::INT));
        }
        match timeout(grace, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => {
                self.child.kill().await?;
                self.wait().await
            }
        }
    }

    /// The end of what it printed.
    pub(crate) fn tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }

    /// What it printed so far.
    pub(crate) fn printed(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }
}

/// Whether an environment variable is a setting of a neuron, or of logs.
fn is_setting(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b"CONNECTOME_") || name == b"RUST_LOG"
}
