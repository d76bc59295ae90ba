use serde_json::json;
use tch::{Device, Kind, Tensor, nn, nn::Module};

use super::*;
use crate::{
    dataset::{Batches, Examples, LastBatch, digits},
    optim::{Schedule, Sgd, SgdConfig, clip_grad_norm, zero_gradients},
    parameters,
};

/// A small classifier, its optimiser and its batches: as much of a trainer as resuming depends on.
struct Training {
    model: nn::Linear,
    parameters: Parameters,
    sgd: Sgd,
    batches: Batches,
    progress: Progress,
}

const SEED: u64 = 17;

const SCHEDULE: Schedule = Schedule::WarmupCosine {
    rate: 0.1,
    warmup: 5,
    total: 40,
};

impl Training {
    /// The same each time: from the seed, never from torch's own generator.
    fn new() -> Self {
        let store = nn::VarStore::new(Device::Cpu);
        let model = nn::linear(store.root(), 784, 10, nn::LinearConfig::default());
        let parameters: Parameters = store
            .variables()
            .into_iter()
            .map(|(name, tensor)| (format!("model.{name}"), tensor))
            .collect();
        let _no_grad = tch::no_grad_guard();
        for parameter in parameters.values() {
            let _ = parameter.shallow_clone().fill_(0.001);
        }
        Self {
            model,
            parameters,
            sgd: Sgd::new(SgdConfig {
                momentum: 0.9,
                weight_decay: 1e-4,
            }),
            batches: Batches::new(few(), 8, LastBatch::Keep, SEED).unwrap(),
            progress: Progress {
                seed: SEED,
                step: 0,
                position: Position::default(),
                best_loss: None,
                scaler: None,
                need: Default::default(),
            },
        }
    }

    /// Trains so many steps and returns the loss of each.
    fn train(&mut self, steps: usize) -> Vec<f64> {
        (0..steps)
            .map(|_| {
                let (_, batch) = self.batches.draw();
                let logits = self.model.forward(&batch.images().flatten(1, -1));
                let loss = logits.cross_entropy_for_logits(batch.labels());
                zero_gradients(&self.parameters);
                loss.backward();
                clip_grad_norm(&self.parameters, 1.0);
                self.sgd
                    .step(&self.parameters, SCHEDULE.rate(self.progress.step));
                self.progress.step += 1;
                self.progress.position = self.batches.position();
                loss.double_value(&[])
            })
            .collect()
    }

    fn checkpoint(&self) -> Checkpoint {
        let shared = |tensors: &Parameters| -> Parameters {
            tensors
                .iter()
                .map(|(name, tensor)| (name.clone(), tensor.shallow_clone()))
                .collect()
        };
        Checkpoint {
            progress: self.progress.clone(),
            weights: BTreeMap::from([
                (PublicKey([1; 32]), 0.1 + 0.2),
                (PublicKey([2; 32]), 1.0 / 3.0),
            ]),
            config: json!({"batch_size": 8}),
            parameters: shared(&self.parameters),
            velocities: shared(self.sgd.state()),
        }
    }

    fn resume(checkpoint: &Checkpoint) -> Self {
        let mut training = Self::new();
        parameters::load(&training.parameters, &checkpoint.parameters).unwrap();
        training
            .sgd
            .restore(&checkpoint.velocities, &training.parameters)
            .unwrap();
        training.batches.go_to(checkpoint.progress.position);
        training.progress = checkpoint.progress.clone();
        training
    }

    fn bits(&self) -> Vec<Vec<u32>> {
        let bits = |tensor: &Tensor| -> Vec<u32> {
            let values = Vec::<f32>::try_from(tensor.flatten(0, -1)).unwrap();
            values.into_iter().map(f32::to_bits).collect()
        };
        self.parameters
            .values()
            .chain(self.sgd.state().values())
            .map(bits)
            .collect()
    }
}

/// Forty digits: five batches an epoch.
fn few() -> Examples {
    digits().unwrap().train.select(&(0..40).collect::<Vec<_>>())
}

#[test]
fn resuming_is_training_without_interruption() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");

    let mut straight = Training::new();
    let losses = straight.train(20);

    let mut interrupted = Training::new();
    let before = interrupted.train(7);
    interrupted.checkpoint().save(&path).unwrap();
    drop(interrupted);
    let mut resumed = Training::resume(&Checkpoint::load(&path).unwrap());
    let after = resumed.train(13);

    assert_eq!([before, after].concat(), losses);
    assert_eq!(resumed.bits(), straight.bits());
    assert_eq!(resumed.progress, straight.progress);
    assert!(losses[19] < losses[0], "it learns: {losses:?}");
}

#[test]
fn what_is_read_is_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let mut training = Training::new();
    training.train(3);
    training.progress.best_loss = Some(0.1 + 0.2);
    training.progress.scaler = Some(GradScaler::default());
    let written = training.checkpoint();
    written.save(&path).unwrap();

    let read = Checkpoint::load(&path).unwrap();
    assert_eq!(read.progress, written.progress);
    assert_eq!(read.weights, written.weights);
    assert_eq!(read.config, written.config);
    for (read, written) in [
        (&read.parameters, &written.parameters),
        (&read.velocities, &written.velocities),
    ] {
        assert_eq!(
            read.keys().collect::<Vec<_>>(),
            written.keys().collect::<Vec<_>>()
        );
        assert!(
            read.iter()
                .all(|(name, tensor)| tensor.equal(&written[name]))
        );
    }
}

#[test]
fn parameters_that_were_sliced_or_transposed_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let mut checkpoint = Training::new().checkpoint();
    let transposed = Tensor::arange(6, (Kind::Float, Device::Cpu))
        .view([2, 3])
        .tr();
    checkpoint.parameters = Parameters::from([("model.t".into(), transposed.shallow_clone())]);
    checkpoint.save(&path).unwrap();
    assert!(Checkpoint::load(&path).unwrap().parameters["model.t"].equal(&transposed));
}

#[test]
fn a_missing_file_is_missing() {
    let error = Checkpoint::load(Path::new("/nowhere/at/all")).unwrap_err();
    assert!(matches!(error, CheckpointError::Missing(_)), "{error}");
}

#[test]
fn a_file_that_is_cut_anywhere_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    Training::new().checkpoint().save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let header = 8 + usize::from_le_bytes(whole[..8].try_into().unwrap());
    for length in [0, 7, 8, header / 2, header, header + 1, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = Checkpoint::load(&path).unwrap_err();
        assert!(
            matches!(error, CheckpointError::Damaged { .. }),
            "cut to {length}: {error}"
        );
    }
    std::fs::write(&path, [&whole[..], b"more"].concat()).unwrap();
    assert!(matches!(
        Checkpoint::load(&path),
        Err(CheckpointError::Damaged { .. })
    ));
    std::fs::write(&path, [&[0xff; 8], &whole[8..]].concat()).unwrap();
    assert!(matches!(
        Checkpoint::load(&path),
        Err(CheckpointError::Damaged { .. })
    ));
}

/// What loading says of a safetensors file with this metadata.
fn format_error(metadata: Option<(&str, &str)>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let metadata = metadata.map(|(key, value)| HashMap::from([(key.to_owned(), value.to_owned())]));
    let bytes = safetensors::serialize(Vec::<(String, Stored)>::new(), metadata).unwrap();
    std::fs::write(&path, bytes).unwrap();
    match Checkpoint::load(&path).unwrap_err() {
        CheckpointError::Format { problem, .. } => problem,
        other => panic!("{other}"),
    }
}

#[test]
fn a_file_of_another_program_or_version_is_refused() {
    assert_eq!(
        format_error(None),
        r#"it has no metadata named "connectome""#
    );
    assert_eq!(
        format_error(Some(("format", "pt"))),
        r#"it has no metadata named "connectome""#
    );
    assert_eq!(
        format_error(Some(("connectome", r#"{"format": 9}"#))),
        "it is of version 9, this program reads version 1"
    );
    let incomplete = format_error(Some(("connectome", r#"{"format": 1}"#)));
    assert!(incomplete.contains("missing field"), "{incomplete}");
}

#[test]
fn a_checkpoint_of_another_model_changes_nothing() {
    let training = Training::new();
    let before = training.bits();
    let mut other = training.checkpoint();
    other.parameters.insert(
        "model.weight".into(),
        Tensor::zeros([10, 100], (Kind::Float, Device::Cpu)),
    );
    assert!(parameters::load(&training.parameters, &other.parameters).is_err());
    assert_eq!(training.bits(), before);
}

#[test]
fn saving_replaces_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let mut training = Training::new();
    training.checkpoint().save(&path).unwrap();
    training.train(1);
    training.checkpoint().save(&path).unwrap();
    assert_eq!(Checkpoint::load(&path).unwrap().progress.step, 1);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
