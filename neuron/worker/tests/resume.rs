//! A run of a model that drops numbers at random, interrupted and not: processes of their own, because what is dropped comes
//! from a generator that all of a process share.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// A small language model that learns alone, in steps of two batches.
const SMALL: &str = "train --config=/dev/null --alone --device=cpu --threads=1 --seed=3 --synapse=gpt --width=32 --layers=1 \
    --sequence=16 --batch-size=4 --accumulate=2 --epoch-steps=4 --evaluate=2 --dropout=0.5";

/// A folder with a text, `text/prose.txt`.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let prose: String = (0..4_000)
        .map(|number| format!("Sentence {number} tells of {} apples.\n\n", number % 7))
        .collect();
    fs::create_dir(folder.path().join("text")).expect("it is ours");
    fs::write(folder.path().join("text/prose.txt"), prose).expect("it is ours");
    folder
}

fn run(folder: &TempDir, name: &str, more: &[&str]) -> (Output, PathBuf) {
    let run = folder.path().join(name);
    let output = Command::new(env!("CARGO_BIN_EXE_neuron-worker"))
        .env_clear()
        .args(SMALL.split_whitespace())
        .arg(format!("--data={}", folder.path().join("text").display()))
        .arg(format!("--run={}", run.display()))
        .args(more)
        .output()
        .expect("the worker runs");
    (output, run)
}

fn trained(folder: &TempDir, name: &str, more: &[&str]) -> PathBuf {
    let (output, run) = run(folder, name, more);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    run
}

fn read(run: &Path, name: &str) -> Vec<u8> {
    fs::read(run.join(name)).expect("the run wrote it")
}

#[test]
fn a_run_that_is_resumed_drops_what_it_would_have_dropped() {
    let folder = folder();
    let straight = trained(&folder, "straight", &["--vocabulary=300", "--steps=8"]);
    trained(&folder, "resumed", &["--vocabulary=300", "--steps=4"]);
    let more = ["--vocabulary=300", "--steps=8", "--resume"];
    let resumed = trained(&folder, "resumed", &more);
    assert!(read(&straight, "last.safetensors") == read(&resumed, "last.safetensors"));
}

#[test]
fn a_run_that_cannot_be_resumed_keeps_what_it_has() {
    let folder = folder();
    let kept = trained(&folder, "kept", &["--vocabulary=300", "--steps=1"]);
    let other = trained(&folder, "other", &["--vocabulary=280", "--steps=1"]);
    let tokenizer = read(&kept, "tokenizer.json");
    assert!(tokenizer != read(&other, "tokenizer.json"));
    let named = format!("--tokenizer={}", other.display());
    let (output, _) = run(&folder, "kept", &["--resume", &named]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("another run"));
    assert!(tokenizer == read(&kept, "tokenizer.json"));
}

#[test]
fn a_new_run_has_a_tokeniser_of_its_own_and_keeps_that_of_the_earlier_one() {
    let folder = folder();
    let run = trained(&folder, "run", &["--vocabulary=300", "--steps=1"]);
    let first = read(&run, "tokenizer.json");
    trained(&folder, "run", &["--vocabulary=280", "--steps=1"]);
    assert!(first != read(&run, "tokenizer.json"));
    assert!(first == read(&run.join("earlier-1"), "tokenizer.json"));
}
