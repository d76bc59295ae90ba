//! A run that is interrupted and gone on with learns what it would have learned, to the last bit, whatever its task: processes
//! of their own, because what is dropped comes from a generator that all of a process share.

use std::path::Path;

use neuron_learn::{
    checkpoint::{Checkpoint, Progress},
    events::{self, Event},
    parameters::Parameters,
};
use tch::Tensor;

use crate::runs::{data, folder_with_text, trained};

/// A model that learns alone, in steps of two batches.
const ALONE: &str = "train --config=/dev/null --alone --device=cpu --threads=1 --seed=3 --accumulate=2 --epoch-steps=3 --evaluate=2";

/// A text model that drops half of what it can, on a passage of the text.
const NARROW: &str =
    "--width=32 --layers=1 --sequence=16 --vocabulary=300 --dropout=0.5 --shard=0/60";

/// When it is interrupted, which is not when it is measured, and when it ends.
const STEPS: (&str, &str) = ("--steps=4", "--steps=8");

/// Steps in their order, each with the epoch of its data and with its loss.
fn steps(run: &Path) -> Vec<(u64, u64, f64)> {
    let records = events::read(&run.join(events::FILE_NAME)).expect("the run wrote it");
    let steps = records.into_iter().filter_map(|record| match record.event {
        Event::Step(step) => Some((step.step, step.epoch, step.loss)),
        _ => None,
    });
    steps.collect()
}

fn last(run: &Path) -> Checkpoint {
    Checkpoint::load(&run.join("last.safetensors")).expect("the run wrote it")
}

/// Not the numbers: zeros of either sign are equal, and what is no number is never equal to itself.
fn bits(tensor: &Tensor) -> Vec<u8> {
    let n = tensor.numel();
    let mut bytes = vec![0; n * tensor.kind().elt_size_in_bytes()];
    tensor.copy_data_u8(&mut bytes, n);
    bytes
}

fn check_same_bits(one: &Parameters, other: &Parameters) {
    assert!(one.keys().eq(other.keys()));
    for (name, tensor) in one {
        assert!(bits(tensor) == bits(&other[name]), "{name}");
    }
}

/// Where training stands. The best loss is left out: a run that has all its steps is measured at its end as well, before the
/// time.
fn standing(checkpoint: &Checkpoint) -> Progress {
    Progress {
        best_loss: None,
        ..checkpoint.progress.clone()
    }
}

/// Trains a model at one go, and with an interruption.
fn check_resumed_to_the_bit(model: &str, more: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let line = format!("{ALONE} {model}");
    let (interrupted, done) = STEPS;
    let train = |name: &str, last: &[&str]| {
        trained(&line, folder.path().join(name), &[more, last].concat())
    };
    let straight = train("straight", &[done]);
    let position = last(&train("resumed", &[interrupted])).progress.position;
    assert!(position.batch > 0, "it is in the midst of the data");
    let resumed = train("resumed", &[done, "--resume"]);

    // None is made twice.
    let made = steps(&resumed);
    assert_eq!(made, steps(&straight));
    let epochs = (made[0].1, made[7].1);
    assert!(epochs.0 < epochs.1, "the data come in another order");

    let [straight, resumed] = [straight, resumed].map(|run| last(&run));
    assert!(straight.parameters.contains_key("router.gate.weight"));
    check_same_bits(&straight.parameters, &resumed.parameters);
    assert!(!straight.velocities.is_empty());
    check_same_bits(&straight.velocities, &resumed.velocities);
    assert_eq!(standing(&straight), standing(&resumed));
}

#[test]
fn digits_that_are_cropped_at_random() {
    check_resumed_to_the_bit("--synapse=mnist --augment --batch-size=128", &[]);
}

#[test]
fn colour_images_that_are_flipped_and_cropped_at_random() {
    let model = "--synapse=cifar --dpn=narrow --batch-size=8 --shard=0/200";
    check_resumed_to_the_bit(model, &[]);
}

#[test]
fn text_whose_words_are_masked_at_random() {
    let text = folder_with_text();
    let model = format!("--synapse=bert --batch-size=6 {NARROW}");
    check_resumed_to_the_bit(&model, &[&data(&text)]);
}

#[test]
fn text_that_goes_on() {
    let text = folder_with_text();
    let model = format!("--synapse=gpt --batch-size=4 {NARROW}");
    check_resumed_to_the_bit(&model, &[&data(&text)]);
}
