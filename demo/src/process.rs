//! A process that the demo started, and that does not outlive it.

use crate::tether;
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{process::Child, time::timeout};

/// How many lines of its log are shown when something is wrong with a process.
const TAIL: usize = 12;

/// What a process is sent that has to stop.
const STOP: Signal = Signal::INT;

/// A running process. Dropping it kills it (SIGKILL); [`Process::stop`] is kinder.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

/// What is wrong with how a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// What follows its name in a sentence: `ended with exit status: 1`.
    pub(crate) what: String,
    /// The end of what it printed.
    pub(crate) log: String,
}

/// How a process ended that was told to stop.
#[derive(Clone, Copy, Debug)]
enum End {
    /// In time.
    InTime(ExitStatus),
    /// It was killed, after this much grace.
    Killed(Duration),
}

impl End {
    /// What is wrong with it. Who knew nothing yet of signals is allowed to die of the one that it was sent.
    fn complaint(self) -> Option<String> {
        match self {
            Self::InTime(status) if status.success() => None,
            Self::InTime(status) if status.signal() == Some(STOP.as_raw()) => None,
            Self::InTime(status) => Some(format!("was told to stop, and ended with {status}")),
            Self::Killed(grace) => Some(format!(
                "was told to stop, did not within {grace:?}, and was killed"
            )),
        }
    }
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
        Ok(Self { child, log })
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// If the system does not say.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Tells it to stop, as Ctrl-C would, and kills it after `grace`. Gives what is wrong with how it ended; nothing, where
    /// [`ended`](Self::ended) has told that already.
    ///
    /// # Errors
    ///
    /// If the system does not say how it ended.
    pub(crate) async fn stop(&mut self, grace: Duration) -> Result<Option<Complaint>> {
        let Some(pid) = self.child.id() else {
            return Ok(None);
        };
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        // What cannot be told any more has ended; the wait below finds out.
        let _ = pid.map(|pid| kill_process(pid, STOP));
        let end = match timeout(grace, self.child.wait()).await {
            Ok(status) => End::InTime(status?),
            Err(_) => {
                self.child.kill().await?;
                End::Killed(grace)
            }
        };
        Ok(end.complaint().map(|what| self.complaint(what)))
    }

    /// What is wrong if it ended like that although nobody told it to.
    pub(crate) fn deserted(&self, status: ExitStatus) -> Complaint {
        self.complaint(format!("ended with {status}, although nobody told it to"))
    }

    /// What is wrong with it, with the end of what it printed.
    pub(crate) fn complaint(&self, what: String) -> Complaint {
        let log = self.tail();
        Complaint { what, log }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Lower byte: the signal that ended it; the byte above: its exit code.
    fn in_time(wait_status: i32) -> End {
        End::InTime(ExitStatus::from_raw(wait_status))
    }

    #[test]
    fn who_stops_when_told_gives_no_reason_to_complain() {
        assert_eq!(in_time(0).complaint(), None);
        // SIGINT
        assert_eq!(in_time(2).complaint(), None);
    }

    #[test]
    fn who_fails_dies_or_hangs_when_told_to_stop_is_complained_about() {
        let complaint = |end: End| end.complaint().expect("something is wrong");
        let failed = "was told to stop, and ended with exit status: 3";
        assert_eq!(complaint(in_time(3 << 8)), failed);
        let died = "was told to stop, and ended with signal: 11 (SIGSEGV)";
        assert_eq!(complaint(in_time(11)), died);
        let hung = "was told to stop, did not within 15s, and was killed";
        assert_eq!(complaint(End::Killed(Duration::from_secs(15))), hung);
    }
}
