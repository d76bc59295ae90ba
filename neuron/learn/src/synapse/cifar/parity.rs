//! The CIFAR synapse against PyTorch, number by number: two steps with momentum from the same weights and images, on the
//! statistics of the batch, and an evaluation on what was learned of them.
//!
//! `parity/cifar.py` computed the numbers, with `torch.nn` and `torch.optim` alone.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;
use crate::optim::{Sgd, SgdConfig, zero_gradients};
use crate::parameters::n_parameters;
use crate::synapse::parity::{Kept, expect_all, formula, gradients, named};

/// How far a number may be from PyTorch's: what is rounded in one layer is divided by small deviations in the next norms.
const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Recorded {
    batch: i64,
    learning_rate: f64,
    momentum: f64,
    config: Widths,
    small: Run,
    originals: BTreeMap<String, Size>,
}

#[derive(Deserialize)]
struct Widths {
    side: i64,
    stem: i64,
    in_planes: [i64; 4],
    out_planes: [i64; 4],
    dense_depth: [i64; 4],
    n_blocks: [i64; 4],
    groups: i64,
    d_model: i64,
    d_hidden: [i64; 2],
    d_target: i64,
    n_classes: i64,
}

#[derive(Deserialize)]
struct Run {
    image: [i64; 2],
    steps: Vec<Step>,
    evaluation: Evaluation,
}

#[derive(Deserialize)]
struct Step {
    output: BTreeMap<String, Kept>,
    context: Kept,
    gradients: BTreeMap<String, Kept>,
    buffers: BTreeMap<String, Kept>,
    network_gradient: Kept,
}

#[derive(Deserialize)]
struct Evaluation {
    output: BTreeMap<String, Kept>,
    context: Kept,
}

#[derive(Deserialize)]
struct Size {
    d_transform: i64,
    n_parameters: usize,
}

fn recorded() -> Recorded {
    serde_json::from_str(include_str!("../../../parity/cifar.json")).unwrap()
}

fn config(widths: &Widths) -> CifarConfig {
    CifarConfig {
        side: widths.side,
        dpn: DpnConfig {
            stem: widths.stem,
            in_planes: widths.in_planes,
            out_planes: widths.out_planes,
            dense_depth: widths.dense_depth,
            n_blocks: widths.n_blocks,
            groups: widths.groups,
        },
        d_model: widths.d_model,
        d_hidden: widths.d_hidden,
        d_target: widths.d_target,
        n_classes: widths.n_classes,
    }
}

/// A model of the recorded widths and weights: those of norms around one, others within ±1/√fan-in.
fn model(widths: &Widths, layout: Layout) -> Cifar {
    let mut cifar = Cifar::laid_out(config(widths), 0, layout, Device::Cpu);
    let mut state = cifar.parameters();
    let fans_in: BTreeMap<String, i64> = state
        .iter()
        .filter_map(|(name, tensor)| {
            let layer = name.strip_suffix(".weight")?;
            Some((layer.into(), tensor.size()[1..].iter().product()))
        })
        .collect();
    for (phase, (name, tensor)) in state.iter_mut().enumerate() {
        let (layer, kind) = name.rsplit_once('.').unwrap();
        let (middle, bound) = match layer.ends_with(".norm") {
            true => (f64::from(u8::from(kind == "weight")), 0.5),
            false => (0.0, 1.0 / (fans_in[layer] as f64).sqrt()),
        };
        *tensor = formula(&tensor.size(), bound, phase as f64) + middle;
    }
    state.append(&mut cifar.buffers());
    cifar.load(&state).unwrap();
    cifar
}

#[test]
fn a_small_model_learns_as_in_pytorch() {
    let recorded = recorded();
    let run = &recorded.small;
    let cifar = model(&recorded.config, Layout::Contiguous);
    let (batch, [height, width]) = (recorded.batch, run.image);
    let images = formula(&[batch, COLOURS, height, width], 0.5, 0.1) + 0.5;
    let n_classes = recorded.config.n_classes;
    let classes = (Tensor::arange(batch, (Kind::Int64, Device::Cpu)) * 3).remainder(n_classes);
    let labels = Labels::from(&classes);
    let network = formula(&[batch, recorded.config.d_model], 0.5, 0.2) + 0.5;
    let mut network = network.set_requires_grad(true);
    let mut sgd = Sgd::new(SgdConfig {
        momentum: recorded.momentum,
        weight_decay: 0.0,
    });
    let parameters = cifar.parameters();
    assert!(run.steps.len() > 1, "momentum shows in the second step");
    for (step, position) in run.steps.iter().zip(1..) {
        let of = |what: &str| format!("{what} of step {position}");
        zero_gradients(&parameters);
        network.zero_grad();
        let perception = cifar.perceive(&images, Mode::Training).unwrap();
        step.context
            .expect(&of("context"), &perception.context, TOLERANCE);
        let output = cifar
            .conclude(&perception, Some(&labels), Some(&network))
            .unwrap();
        output.loss.as_ref().unwrap().backward();
        expect_all(&step.output, &named(output), &of("output"), TOLERANCE);
        expect_all(
            &step.gradients,
            &gradients(&parameters),
            &of("gradient"),
            TOLERANCE,
        );
        expect_all(
            &step.buffers,
            &cifar.buffers(),
            &of("statistics"),
            TOLERANCE,
        );
        step.network_gradient.expect(
            &of("gradient at the network context"),
            &network.grad(),
            TOLERANCE,
        );
        sgd.step(&parameters, recorded.learning_rate);
    }
    let perception = cifar.perceive(&images, Mode::Evaluation).unwrap();
    let (expected, when) = (&run.evaluation, "in evaluation");
    expected
        .context
        .expect(when, &perception.context, TOLERANCE);
    let output = cifar
        .conclude(&perception, Some(&labels), Some(&network))
        .unwrap();
    expect_all(&expected.output, &named(output), when, TOLERANCE);
}

#[test]
fn channels_last_change_no_answer() {
    let recorded = recorded();
    let [contiguous, last] =
        [Layout::Contiguous, Layout::ChannelsLast].map(|layout| model(&recorded.config, layout));
    let [height, width] = recorded.small.image;
    let images = formula(&[recorded.batch, COLOURS, height, width], 0.5, 0.1) + 0.5;
    // Forward only, as `Layout` has it.
    let _no_grad = tch::no_grad_guard();
    for mode in [Mode::Training, Mode::Evaluation] {
        let encode = |cifar: &Cifar| cifar.perceive(&images, mode).unwrap().local_output;
        let (ours, theirs) = (encode(&last), encode(&contiguous));
        assert!(
            ours.allclose(&theirs, TOLERANCE, TOLERANCE, false),
            "{mode:?}"
        );
    }
    let statistics = contiguous.buffers();
    for (name, ours) in last.buffers() {
        assert!(
            ours.allclose(&statistics[&name], TOLERANCE, TOLERANCE, false),
            "{name}"
        );
    }
}

#[test]
fn the_networks_of_the_paper_are_as_large_as_in_pytorch() {
    let originals = recorded().originals;
    for (name, dpn) in [
        ("dpn_26", DpnConfig::DPN_26),
        ("dpn_92", DpnConfig::DPN_92),
        ("dpn_98", DpnConfig::DPN_98),
    ] {
        let expected = &originals[name];
        let config = CifarConfig::of(dpn);
        assert_eq!(config.d_transform(), expected.d_transform, "{name}");
        let parameters = Cifar::new(config, 0, Device::Cpu).parameters();
        assert_eq!(n_parameters(&parameters), expected.n_parameters, "{name}");
    }
}
