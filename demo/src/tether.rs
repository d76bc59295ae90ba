//! Children that end when the demo ends, however it ends.
//!
//! A [`Process`](crate::process::Process) is killed when it is dropped, which covers errors, signals and panics. What it does
//! not cover is a demo that is itself killed (SIGKILL, out of memory). For that, Linux can send a process a signal when its
//! parent dies; a process has to ask for it, and keeps it when it becomes another program. So the demo starts itself as a
//! *tether*, which asks, and then becomes the program that was meant:
//!
//! ```text
//! connectome-demo tethered <pid of the demo> <program> <arguments>
//! ```
//!
//! The signal comes when the *thread* that started the child ends. The demo starts children on its main thread only.

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, getppid};
use std::{
    convert::Infallible,
    env,
    ffi::{OsStr, OsString},
    os::unix::process::CommandExt,
    path::Path,
    process::Command,
};

/// The first argument of a tether.
const ARGUMENT: &str = "tethered";

/// The command that runs `program` and ends it with this process.
///
/// # Errors
///
/// If this program does not know where it is.
pub(crate) fn command(program: &Path) -> Result<tokio::process::Command> {
    let this = env::current_exe().context("the demo cannot find itself")?;
    let mut command = tokio::process::Command::new(this);
    command
        .arg(ARGUMENT)
        .arg(std::process::id().to_string())
        .arg(program);
    Ok(command)
}

/// Whether this process was started as a tether; if so, the arguments that follow.
pub(crate) fn requested(arguments: impl IntoIterator<Item = OsString>) -> Option<Vec<OsString>> {
    let mut arguments = arguments.into_iter().skip(1);
    let is_tether = arguments.next().as_deref() == Some(OsStr::new(ARGUMENT));
    is_tether.then(|| arguments.collect())
}

/// Becomes the program that `arguments` name, after the process id of the parent.
///
/// # Errors
///
/// If it does not come back, it became the program; whatever comes back is why not.
pub(crate) fn run(arguments: &[OsString]) -> Result<Infallible> {
    let [parent, program, arguments @ ..] = arguments else {
        anyhow::bail!("expected `{ARGUMENT} <pid> <program> [<argument>..]`");
    };
    let parent: i32 = parent
        .to_str()
        .and_then(|pid| pid.parse().ok())
        .context("expected the parent's process id")?;
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .context("this process cannot be tied to its parent")?;
    // Who died before the line above sends no signal any more.
    ensure!(
        getppid().map(Pid::as_raw_pid) == Some(parent),
        "the demo has ended already"
    );
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("{} cannot be run", Path::new(program).display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_argument_makes_a_tether() {
        let arguments = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        assert_eq!(
            requested(arguments(&["demo", "tethered", "12", "ls"])),
            Some(arguments(&["12", "ls"]))
        );
        assert_eq!(requested(arguments(&["demo", "--seed", "tethered"])), None);
        assert_eq!(requested(arguments(&["demo"])), None);
    }
}
