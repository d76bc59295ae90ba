//! What a run has learned, exported, and read again as others read it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use neuron_learn::{
    checkpoint::Checkpoint,
    parameters::Parameters,
    synapse::{Bert, Gpt, Synapse, TorchScript, TorchScriptConfig},
};
use neuron_proto::Modality;
use neuron_text::Tokenizer;
use serde_json::Value;
use tch::{Device, Tensor};
use tempfile::TempDir;

use crate::runs::{ALONE, data, fixture, folder_with_text, read, said, trained, worker};

/// A small model of text after a few steps.
pub(crate) const TEXT: &str = "train --config=/dev/null --alone --device=cpu --threads=1 --width=32 --layers=1 --sequence=16 \
    --batch-size=4 --vocabulary=300 --steps=4 --epoch-steps=2 --evaluate=2";

/// A model of digits after a step.
const DIGITS: &str = "train --config=/dev/null --alone --device=cpu --threads=1 --batch-size=16 --steps=1 --evaluate=1";

fn export(run: &Path, model: &Path, more: &[&str]) -> Output {
    let model = model.to_str().expect("UTF-8");
    worker("export --config=/dev/null", run, &[&[model], more].concat())
}

/// The folder of a model that was exported.
pub(crate) fn exported(folder: &TempDir, run: &Path) -> PathBuf {
    let model = folder.path().join("new/model");
    let output = export(run, &model, &[]);
    assert!(output.status.success(), "{}", said(&output));
    model
}

/// What a run has learned.
pub(crate) fn learned<S: Synapse>(run: &Path, mut untrained: S) -> S {
    let best = Checkpoint::load(&run.join("best.safetensors")).expect("the run wrote it");
    untrained
        .load(&best.parameters)
        .expect("it is of the model");
    untrained
}

fn tokens() -> Tensor {
    Tensor::from_slice(&[1i64, 270, 3, 280, 281, 2, 290, 9]).reshape([2, 4])
}

/// Whether two models say the same of texts.
pub(crate) fn agree(one: &impl Synapse, other: &impl Synapse, texts: &Tensor) -> bool {
    let target = |synapse: &dyn Synapse| synapse.local_target(Modality::Text, texts);
    let [one, other] = [target(one), target(other)].map(|target| target.expect("it takes text"));
    one.equal(&other)
}

fn fingerprint(folder: &Path) -> String {
    let tokenizer = Tokenizer::load(&folder.join("tokenizer.json")).expect("it was written");
    tokenizer.fingerprint().to_string()
}

#[test]
fn a_language_model_is_read_again_as_it_was() {
    let folder = folder_with_text();
    let run = folder.path().join("run");
    let run = trained(TEXT, run, &["--synapse=gpt", &data(&folder)]);
    let model = exported(&folder, &run);
    let (read, drawn) = Gpt::read(&model, 7, Device::Cpu).expect("it was written");
    assert!(drawn.is_empty(), "{drawn:?}");
    let untrained = Gpt::new(*read.config(), 8, Device::Cpu);
    assert!(!agree(&read, &untrained, &tokens()));
    assert!(agree(&read, &learned(&run, untrained), &tokens()));
    assert_eq!(fingerprint(&model), fingerprint(&run));
}

#[test]
fn an_encoder_is_read_again_as_it_was_and_gone_on_with() {
    let folder = folder_with_text();
    let run = folder.path().join("run");
    let run = trained(TEXT, run, &["--synapse=bert", &data(&folder)]);
    let model = exported(&folder, &run);
    let (read, drawn) = Bert::read(&model, 7, Device::Cpu).expect("it was written");
    assert!(drawn.is_empty(), "{drawn:?}");
    let untrained = Bert::new(*read.config(), 8, Device::Cpu);
    assert!(!agree(&read, &untrained, &tokens()));
    assert!(agree(&read, &learned(&run, untrained), &tokens()));

    let pretrained = format!("--pretrained={}", model.display());
    let more = ["--synapse=bert", &data(&folder), &pretrained];
    let next = trained(TEXT, folder.path().join("next"), &more);
    assert_eq!(fingerprint(&next), fingerprint(&run));
}

#[test]
fn a_module_has_in_it_what_it_learned() {
    let folder = tempfile::tempdir().expect("a folder");
    let module = format!("--torchscript={}", fixture("classifier.pt").display());
    let run = trained(DIGITS, folder.path().join("run"), &[&module]);
    let model = exported(&folder, &run).join("model.pt");
    let open = |path: &Path| {
        let config = TorchScriptConfig::beside(path, None).expect("it is declared");
        TorchScript::open(path, config, 7, Device::Cpu).expect("it is a module")
    };
    let best = Checkpoint::load(&run.join("best.safetensors")).expect("the run wrote it");
    let of_module = |mut state: Parameters| {
        state.retain(|name, _| name.starts_with("module."));
        state
    };
    let learned = of_module(best.parameters);
    let [read, untrained] =
        [&model, &fixture("classifier.pt")].map(|path| of_module(open(path).state()));
    assert!(read.keys().eq(learned.keys()));
    for (name, tensor) in &read {
        assert!(tensor.equal(&learned[name]), "{name}");
    }
    for moved in ["module.head.weight", "module.norm.running_mean"] {
        assert!(!read[moved].equal(&untrained[moved]), "{moved}");
    }
}

#[test]
fn what_is_written_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = trained(DIGITS, folder.path().join("run"), &[]);
    let model = folder.path().join("model");
    let output = export(&run, &model, &["--json"]);
    let told: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(told["synapse"], "mnist");
    assert_eq!(told["step"], 1);
    let names = |told: &Value| {
        let files = told["files"].as_array().expect("a list").iter();
        files.map(|file| file["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&told), ["model.safetensors", "config.json"]);
    let config: Value = serde_json::from_slice(&read(&model, "config.json")).expect("it is JSON");
    assert_eq!(config["model_type"], "mnist");
    assert_eq!(config["prediction_shape"][0], 10);
    for file in told["files"].as_array().expect("a list") {
        let name = file["name"].as_str().expect("a name");
        assert_eq!(file["bytes"], read(&model, name).len());
    }
}

#[test]
fn a_model_is_replaced_only_if_that_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = trained(DIGITS, folder.path().join("run"), &[]);
    let model = exported(&folder, &run);
    let first = read(&model, "model.safetensors");
    trained(
        ALONE,
        run.clone(),
        &["--resume", "--steps=2", "--evaluate=1"],
    );

    let refused = export(&run, &model, &["--checkpoint=last"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("--force"), "{}", said(&refused));
    assert!(first == read(&model, "model.safetensors"));

    let replaced = export(&run, &model, &["--checkpoint=last", "--force"]);
    assert!(replaced.status.success(), "{}", said(&replaced));
    assert!(first != read(&model, "model.safetensors"));
    assert_eq!(fs::read_dir(&model).expect("it is there").count(), 2);
}

#[test]
fn a_run_that_has_learned_nothing_is_not_exported() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("model");
    let refused = export(&folder.path().join("run"), &model, &[]);
    assert_eq!(refused.status.code(), Some(1));
    for expected in ["neuron train makes one", "best.safetensors"] {
        assert!(said(&refused).contains(expected), "{}", said(&refused));
    }
    assert!(!model.exists());
}
