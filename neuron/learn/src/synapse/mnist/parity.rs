//! The MNIST synapse against PyTorch, number by number: two steps with momentum from the same weights and images.
//!
//! `parity/mnist.py` computed the numbers, with `torch.nn` and `torch.optim` alone.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;
use crate::optim::{Sgd, SgdConfig, zero_gradients};
use crate::synapse::parity::{Kept, expect_all, formula, gradients, named};

/// How far a number may be from PyTorch's.
const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
struct Recorded {
    batch: i64,
    learning_rate: f64,
    momentum: f64,
    narrow: Run,
    wide: Run,
}

#[derive(Deserialize)]
struct Run {
    side: i64,
    d_model: i64,
    d_target: [i64; 2],
    n_classes: i64,
    image: [i64; 2],
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    output: BTreeMap<String, Kept>,
    gradients: BTreeMap<String, Kept>,
    parameters: BTreeMap<String, Kept>,
    network_gradient: Kept,
}

fn recorded() -> Recorded {
    serde_json::from_str(include_str!("../../../parity/mnist.json")).unwrap()
}

/// A model of the recorded widths and weights.
fn model(run: &Run) -> Mnist {
    let config = MnistConfig {
        side: run.side,
        d_model: run.d_model,
        d_target: run.d_target,
        n_classes: run.n_classes,
    };
    let mut mnist = Mnist::new(config, 0, Device::Cpu);
    let mut weights = mnist.parameters();
    let widths: BTreeMap<String, i64> = weights
        .iter()
        .filter_map(|(name, tensor)| Some((name.strip_suffix(".weight")?.into(), tensor.size()[1])))
        .collect();
    for (phase, (name, tensor)) in weights.iter_mut().enumerate() {
        let (layer, _) = name.rsplit_once('.').unwrap();
        let bound = 1.0 / (widths[layer] as f64).sqrt();
        *tensor = formula(&tensor.size(), bound, phase as f64);
    }
    mnist.load(&weights).unwrap();
    mnist
}

fn repeat(recorded: &Recorded, run: &Run) {
    let mnist = model(run);
    let (batch, [height, width]) = (recorded.batch, run.image);
    let images = formula(&[batch, 1, height, width], 0.5, 0.1) + 0.5;
    let classes = (Tensor::arange(batch, (Kind::Int64, Device::Cpu)) * 3).remainder(run.n_classes);
    let labels = Labels::from(&classes);
    let mut network = (formula(&[batch, run.d_model], 0.5, 0.2) + 0.5).set_requires_grad(true);
    let mut sgd = Sgd::new(SgdConfig {
        momentum: recorded.momentum,
        weight_decay: 0.0,
    });
    let parameters = mnist.parameters();
    assert!(run.steps.len() > 1, "momentum shows in the second step");
    for (step, position) in run.steps.iter().zip(1..) {
        zero_gradients(&parameters);
        network.zero_grad();
        let output = mnist
            .forward(&images, Some(&labels), Some(&network), Mode::Training)
            .unwrap();
        output.loss.as_ref().unwrap().backward();
        expect_all(
            &step.output,
            &named(output),
            &format!("output of step {position}"),
            TOLERANCE,
        );
        expect_all(
            &step.gradients,
            &gradients(&parameters),
            &format!("gradient of step {position}"),
            TOLERANCE,
        );
        step.network_gradient.expect(
            "gradient at the network context",
            &network.grad(),
            TOLERANCE,
        );
        sgd.step(&parameters, recorded.learning_rate);
        expect_all(
            &step.parameters,
            &parameters,
            &format!("parameters after step {position}"),
            TOLERANCE,
        );
    }
}

#[test]
fn a_narrow_model_learns_as_in_pytorch() {
    let recorded = recorded();
    assert!(
        recorded.narrow.steps[0]
            .gradients
            .values()
            .all(|kept| kept.stride == 1)
    );
    repeat(&recorded, &recorded.narrow);
}

#[test]
fn a_model_of_the_default_widths_learns_as_in_pytorch() {
    let recorded = recorded();
    assert_eq!(recorded.wide.d_model, MnistConfig::default().d_model);
    repeat(&recorded, &recorded.wide);
}
