//! `neuron serve`, `neuron train` and `neuron export`: this program becomes `neuron-worker`, which links libtorch.

use std::{env, io, os::unix::process::CommandExt, path::PathBuf, process::Command};

/// The program beside this one that has models.
const WORKER: &str = "neuron-worker";

#[derive(Debug, thiserror::Error)]
enum WorkerError {
    #[error("cannot tell where this program lies, and so not where {WORKER} does")]
    Lost(#[source] io::Error),
    #[error("{} is missing: serve, train and export need it beside neuron; build both in its sources: make neuron", path.display())]
    Missing { path: PathBuf },
    #[error("cannot start {}", path.display())]
    Start { path: PathBuf, source: io::Error },
}

/// Does not return, unless it fails. The worker gets the same arguments, environment and terminal.
pub(super) fn become_worker() -> anyhow::Result<()> {
    let path = env::current_exe()
        .map_err(WorkerError::Lost)?
        .with_file_name(WORKER);
    let source = Command::new(&path).args(env::args_os().skip(1)).exec();
    Err(match source.kind() {
        io::ErrorKind::NotFound => WorkerError::Missing { path },
        _ => WorkerError::Start { path, source },
    }
    .into())
}
