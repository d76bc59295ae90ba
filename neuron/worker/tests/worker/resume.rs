//! What it takes to go on with a run, and what of it is kept: processes of their own, as operators start, interrupt and resume
//! them.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Output, Stdio},
};

use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use crate::runs::{self, ALONE, data, folder_with_text as folder, read, said, worker};

/// A small language model that learns alone, in steps of two batches.
const SMALL: &str = "train --config=/dev/null --alone --device=cpu --threads=1 --seed=3 --synapse=gpt --width=32 --layers=1 \
    --sequence=16 --batch-size=4 --accumulate=2 --epoch-steps=4 --evaluate=2 --dropout=0.5";

fn run(folder: &TempDir, name: &str, more: &[&str]) -> (Output, PathBuf) {
    let run = folder.path().join(name);
    let output = worker(SMALL, &run, &[&[&data(folder)[..]], more].concat());
    (output, run)
}

fn trained(folder: &TempDir, name: &str, more: &[&str]) -> PathBuf {
    let data = data(folder);
    let more = [&[&data[..]], more].concat();
    runs::trained(SMALL, folder.path().join(name), &more)
}

/// Has the programs that this one starts end when their terminal does, also below `nohup`: what is caught here is not ignored there.
fn catch_hangups() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let _entered = runtime.enter();
    drop(signal(SignalKind::hangup()).expect("it may be caught"));
}

/// A worker that trains until it is told to stop, as soon as it has begun.
fn begun(run: &Path) -> (Child, BufReader<ChildStderr>) {
    catch_hangups();
    let mut child = runs::command(ALONE, run, &[])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the worker runs");
    let mut said = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut line = String::new();
    while !line.contains("training") {
        line.clear();
        let length = said.read_line(&mut line).expect("it is text");
        assert!(length > 0, "it ends before it trains");
    }
    (child, said)
}

fn hang_up(child: &Child) {
    let sent = Command::new("kill")
        .args(["-HUP", &child.id().to_string()])
        .status();
    assert!(sent.expect("there is kill").success());
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
    let said = said(&output);
    assert!(said.contains("another run: --tokenizer"), "{said}");
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

#[test]
fn a_run_that_is_resumed_is_what_it_was_where_nobody_says_otherwise() {
    let folder = folder();
    let vocabulary = "--vocabulary=300";
    let straight = trained(&folder, "straight", &[vocabulary, "--steps=8"]);
    let resumed = trained(&folder, "resumed", &[vocabulary, "--steps=4"]);
    let output = worker(ALONE, &resumed, &["--resume", "--steps=8"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(read(&straight, "last.safetensors") == read(&resumed, "last.safetensors"));
}

#[test]
fn what_would_make_it_another_run_is_named_and_nothing_else() {
    let folder = folder();
    let (vocabulary, steps) = ("--vocabulary=300", "--steps=1");
    let run = trained(&folder, "run", &[vocabulary, steps]);
    let refused = |more: &[&str]| {
        let output = worker(ALONE, &run, &[&["--resume"], more].concat());
        assert!(!output.status.success());
        let all = said(&output);
        let error = all.split("another run: ").nth(1);
        error
            .expect(&all)
            .split(". Leave")
            .next()
            .expect("one part")
            .to_owned()
    };
    for (said, expected) in [
        (
            &["--shard=0/2"][..],
            "--shard 0/2 is asked for, and the run has 0/1",
        ),
        (
            &["--width=64"],
            "--width 64 is asked for, and the run has 32",
        ),
        (
            &["--key-dim=9"],
            "--key-dim 9 is asked for, and the run has 100",
        ),
        (
            &["--synapse=bert"],
            "--synapse bert is asked for, and the run has gpt",
        ),
        (
            &["--seed=4", "--batch-size=2"],
            "--seed 4 is asked for, and the run has 3; --batch-size 2 is asked for, and the run has 4",
        ),
    ] {
        assert_eq!(refused(said), expected);
    }
}

#[test]
fn a_shard_is_gone_on_with_as_the_help_has_it() {
    let folder = folder();
    let run = folder.path().join("one");
    for more in [
        &["--shard=0/2", "--steps=1"][..],
        &["--resume", "--steps=2"],
    ] {
        let output = worker(ALONE, &run, more);
        assert!(output.status.success(), "{}", said(&output));
    }
    let log = fs::read_to_string(run.join("events.jsonl")).expect("the run wrote it");
    let starts: Vec<_> = log
        .lines()
        .filter(|line| line.contains("\"start\""))
        .collect();
    assert_eq!(starts.len(), 2);
    assert!(
        starts.iter().all(|line| line.contains("\"shard\":[0,2]")),
        "{starts:?}"
    );
}

#[test]
fn whoever_loses_its_terminal_saves() {
    let folder = folder();
    let run = folder.path().join("run");
    let (mut child, said) = begun(&run);
    // As it is where a terminal was.
    drop(said);
    hang_up(&child);
    assert!(child.wait().expect("it was started").success());
    assert!(run.join("last.safetensors").exists());
}

#[test]
fn a_folder_has_one_run_at_a_time() {
    let folder = folder();
    let run = folder.path().join("run");
    let (mut child, _said) = begun(&run);
    let second = worker(ALONE, &run, &["--steps=1"]);
    hang_up(&child);
    assert!(child.wait().expect("it was started").success());
    assert!(!second.status.success());
    let refused = said(&second);
    assert!(refused.contains("another neuron trains in"), "{refused}");
    assert!(refused.contains("--run"), "{refused}");
    assert!(
        worker(ALONE, &run, &["--resume", "--steps=1"])
            .status
            .success()
    );
}
