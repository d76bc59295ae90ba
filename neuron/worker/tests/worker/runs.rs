//! Runs of the worker, what they leave in their folders, and what they learn from.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// What says nothing of what is learned.
pub(crate) const ALONE: &str = "train --config=/dev/null --alone --device=cpu --threads=1";

/// The worker with this command line and folder.
pub(crate) fn command(line: &str, run: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neuron-worker"));
    command
        .env_clear()
        .args(line.split_whitespace())
        .arg(format!("--run={}", run.display()))
        .args(more);
    command
}

pub(crate) fn worker(line: &str, run: &Path, more: &[&str]) -> Output {
    command(line, run, more).output().expect("the worker runs")
}

/// The folder of a run that has ended well.
pub(crate) fn trained(line: &str, run: PathBuf, more: &[&str]) -> PathBuf {
    let output = worker(line, &run, more);
    assert!(output.status.success(), "{}", said(&output));
    run
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn read(run: &Path, name: &str) -> Vec<u8> {
    fs::read(run.join(name)).expect("the run wrote it")
}

/// A folder with a text, `text/prose.txt`.
pub(crate) fn folder_with_text() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let prose: String = (0..4_000)
        .map(|number| format!("Sentence {number} tells of {} apples.\n\n", number % 7))
        .collect();
    fs::create_dir(folder.path().join("text")).expect("it is ours");
    fs::write(folder.path().join("text/prose.txt"), prose).expect("it is ours");
    folder
}

/// The option that names the text in such a folder.
pub(crate) fn data(folder: &TempDir) -> String {
    format!("--data={}", folder.path().join("text").display())
}

/// A module that Python exported, or what is beside it.
pub(crate) fn fixture(name: &str) -> PathBuf {
    parity("torchscript").join(name)
}

/// A file that holds models against Python's.
pub(crate) fn parity(name: &str) -> PathBuf {
    let here = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it for tests");
    Path::new(&here).join("../learn/parity").join(name)
}
