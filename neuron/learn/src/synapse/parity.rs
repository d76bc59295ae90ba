//! What the comparisons with PyTorch share: tensors as the programs in `parity/` keep them, and the formula of their inputs.

use std::collections::BTreeMap;

use serde::Deserialize;
use tch::{Device, Kind, Tensor};

use super::SynapseOutput;
use crate::parameters::Parameters;

/// Every `stride`-th number of a tensor.
#[derive(Deserialize)]
pub(super) struct Kept {
    shape: Vec<i64>,
    norm: f64,
    pub(super) stride: usize,
    values: Vec<f64>,
}

impl Kept {
    /// `tolerance`: how far a number may be from PyTorch's, absolutely, and relative to the norm of its tensor where that is
    /// below one.
    pub(super) fn expect(&self, what: &str, tensor: &Tensor, tolerance: f64) {
        assert_eq!(tensor.size(), self.shape, "{what}");
        let values =
            Vec::<f64>::try_from(tensor.detach().to_kind(Kind::Double).reshape(-1)).unwrap();
        let norm = values.iter().map(|x| x * x).sum::<f64>().sqrt();
        assert!(
            (norm - self.norm).abs() < tolerance * self.norm,
            "norm of {what}: {norm}, not {}",
            self.norm
        );
        let sampled = values.iter().step_by(self.stride);
        assert_eq!(sampled.len(), self.values.len(), "{what}");
        for (ours, theirs) in sampled.zip(&self.values) {
            assert!(
                (ours - theirs).abs() < tolerance * self.norm.min(1.0),
                "{what}: {ours}, not {theirs}"
            );
        }
    }
}

/// As `formula` of the programs: `bound·sin(0.7·k² + phase)` at the k-th place.
pub(super) fn formula(shape: &[i64], bound: f64, phase: f64) -> Tensor {
    let k = Tensor::arange(shape.iter().product::<i64>(), (Kind::Double, Device::Cpu));
    let values = (&k * 0.7 * &k + phase).sin() * bound;
    values.reshape(shape).to_kind(Kind::Float)
}

/// [`Kept::expect`] of all of them, which must be the same.
pub(super) fn expect_all(
    recorded: &BTreeMap<String, Kept>,
    ours: &Parameters,
    when: &str,
    tolerance: f64,
) {
    assert!(recorded.keys().eq(ours.keys()), "{when}: {:?}", ours.keys());
    for (name, kept) in recorded {
        kept.expect(&format!("{when}, {name}"), &ours[name], tolerance);
    }
}

/// The gradients of parameters, by their names.
pub(super) fn gradients(parameters: &Parameters) -> Parameters {
    parameters
        .iter()
        .map(|(name, parameter)| (name.clone(), parameter.grad()))
        .collect()
}

/// What all three branches gave.
pub(super) fn named(output: SynapseOutput) -> Parameters {
    [
        ("local_output", Some(output.local_output)),
        ("local_target", Some(output.local_target)),
        ("local_target_loss", output.local_target_loss),
        ("network_output", output.network_output),
        ("network_target", output.network_target),
        ("network_target_loss", output.network_target_loss),
        ("distillation_loss", output.distillation_loss),
        ("loss", output.loss),
    ]
    .into_iter()
    .map(|(name, tensor)| (name.to_owned(), tensor.expect(name)))
    .collect()
}
