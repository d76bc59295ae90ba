//! A run of a module of PyTorch that has dropout and batch norm, interrupted and not, and what is not begun at all: processes of
//! their own, because what is dropped comes from a generator that all of a process share.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use crate::runs::{self, fixture, read, said, worker};

/// A module that learns digits alone.
const SMALL: &str = "train --config=/dev/null --alone --device=cpu --threads=1 --seed=3 --batch-size=16 --accumulate=2 \
    --epoch-steps=4 --evaluate=2";

/// What is declared of `classifier.pt`.
const DECLARED: &str =
    r#"{"modality": "image", "input": [1, 28, 28], "output": [10], "outputs": "logits"}"#;

fn trained(folder: &TempDir, name: &str, more: &[&str]) -> PathBuf {
    runs::trained(SMALL, folder.path().join(name), more)
}

fn refused(folder: &TempDir, more: &[&str]) -> String {
    let run = folder.path().join("refused");
    let output = worker(SMALL, &run, more);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let found = fs::read_dir(run).expect("it is claimed before anything is read");
    let found: Vec<_> = found.flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(found, ["lock"], "nothing is begun");
    said(&output)
}

#[test]
fn a_module_that_is_resumed_learns_what_it_would_have_learned() {
    let folder = tempfile::tempdir().expect("a folder");
    let module = format!("--torchscript={}", fixture("classifier.pt").display());
    let straight = trained(&folder, "straight", &[&module, "--steps=8"]);
    trained(&folder, "resumed", &[&module, "--steps=4"]);
    let resumed = trained(&folder, "resumed", &[&module, "--steps=8", "--resume"]);
    // The module is in the folder of the run: nobody has to name it again.
    trained(&folder, "unnamed", &[&module, "--steps=4"]);
    let unnamed = trained(&folder, "unnamed", &["--steps=8", "--resume"]);
    let last = read(&straight, "last.safetensors");
    assert!(last == read(&unnamed, "last.safetensors"));
    assert!(last == read(&resumed, "last.safetensors"));
    let names = String::from_utf8_lossy(&last);
    assert!(names.contains("module.norm.running_mean"));
}

#[test]
fn a_module_is_declared_on_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let alone = folder.path().join("alone.pt");
    fs::copy(fixture("classifier.pt"), &alone).expect("it is ours");
    let module = format!("--torchscript={}", alone.display());
    let declared = format!("--torchscript-declare={DECLARED}");
    trained(&folder, "run", &[&module, &declared, "--steps=1"]);
}

#[test]
fn what_does_not_go_with_a_module_is_refused_before_anything_is_begun() {
    let folder = tempfile::tempdir().expect("a folder");
    let of = |name: &str| format!("--torchscript={}", fixture(name).display());
    let classifier = of("classifier.pt");
    for (arguments, expected) in [
        (vec![&*classifier, "--synapse=gpt"], "--synapse gpt another"),
        (vec![&*classifier, "--pretrained=."], "cannot be used with"),
        (vec![&*classifier, "--dropout=0.5"], "cannot be used with"),
        (vec![&*classifier, "--dataset=synthetic"], "see --dataset"),
        (vec!["--torchscript-declare={}"], "needs the module"),
        (vec!["--torchscript-declare=10"], "an object of JSON"),
    ] {
        let said = refused(&folder, &arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}
