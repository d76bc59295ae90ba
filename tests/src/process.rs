//! Processes that the tests start: read, told to stop, and killed when they are dropped.

use crate::within;
use anyhow::{Context, Result, bail, ensure};
use std::{
    env,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};
use tokio::sync::watch;

/// How many lines of its log are shown when something goes wrong with a process.
const TAIL: usize = 15;

/// The program of this `name`: the one that the environment's `variable` names, or the one built into the folder where this
/// test was built.
///
/// # Errors
///
/// If there is none; the message says how to build it.
pub fn built(name: &str, variable: &str) -> Result<PathBuf> {
    let path = match env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        // target/release/deps/chain-0123456789abcdef
        None => env::current_exe()?
            .parent()
            .and_then(Path::parent)
            .context("a test lies two folders below the target folder")?
            .join(name),
    };
    there(&path)?;
    Ok(path)
}

/// Whether the program at `path` was built.
pub(crate) fn there(path: &Path) -> Result<()> {
    let name = path.file_name().unwrap_or_default().display();
    ensure!(
        path.is_file(),
        "there is no {name} at {}; build it: cargo build --release --workspace --bin {name}, or all that tests need: \
         cargo build --release --workspace --all-targets",
        path.display(),
    );
    Ok(())
}

/// How an operator stops a process.
#[derive(Clone, Copy, Debug)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// What service managers send.
    Terminate,
}

/// A running process, and what it has logged to standard error so far. Dropping it kills it (SIGKILL).
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: watch::Receiver<Vec<String>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // What fails here has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// Starts `command`, which messages call `name`, and reads its log until it ends.
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{name} cannot be run"))?;
        let log = follow(child.stderr.take().context("stderr was asked for")?);
        Ok(Self { name, child, log })
    }

    /// What `parse` finds in the first line in which it finds anything, now or later.
    pub(crate) async fn find<T>(&self, what: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
        let mut log = self.log.clone();
        let found = within(what, async {
            match log
                .wait_for(|lines| lines.iter().any(|line| parse(line).is_some()))
                .await
            {
                Ok(lines) => Ok(lines.iter().find_map(|line| parse(line))),
                Err(_) => bail!("{} has ended", self.name),
            }
        })
        .await
        .with_context(|| self.tail())?;
        found.context("it was there a moment ago")
    }

    /// Tells it to stop, and waits until it has. Gives how it ended and all that it logged.
    pub(crate) async fn stop(self, signal: Signal) -> Result<(ExitStatus, Vec<String>)> {
        let name = match signal {
            Signal::Interrupt => "INT",
            Signal::Terminate => "TERM",
        };
        self.tell(name)?;
        self.end().await
    }

    /// Stops it where it is (SIGSTOP): it answers nothing more, and its connections stay.
    pub(crate) fn pause(&self) -> Result<()> {
        self.tell("STOP")
    }

    fn tell(&self, signal: &str) -> Result<()> {
        let kill = format!("kill -{signal} {}", self.child.id());
        let told = Command::new("sh").args(["-c", &kill]).status()?;
        ensure!(told.success(), "`{kill}` failed");
        Ok(())
    }

    /// Waits until it ends by itself. Gives how it ended and all that it logged.
    pub(crate) async fn end(mut self) -> Result<(ExitStatus, Vec<String>)> {
        let mut log = self.log.clone();
        within(&format!("{} to end", self.name), async {
            while log.changed().await.is_ok() {}
            Ok(())
        })
        .await
        .with_context(|| self.tail())?;
        let status = self.child.wait()?;
        let lines = self.log.borrow().clone();
        Ok((status, lines))
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// The end of its log, for messages.
    pub(crate) fn tail(&self) -> String {
        let lines = self.log.borrow();
        let tail = &lines[lines.len().saturating_sub(TAIL)..];
        format!("the log of {} ends with\n{}", self.name, tail.join("\n"))
    }
}

/// Reads lines until there are no more, which is when the process has ended.
fn follow(stderr: impl Read + Send + 'static) -> watch::Receiver<Vec<String>> {
    let (sender, receiver) = watch::channel(Vec::new());
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            sender.send_modify(|lines| lines.push(line));
        }
    });
    receiver
}
