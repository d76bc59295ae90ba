//! What the comparisons of synapses with PyTorch share.

use std::collections::BTreeMap;

use super::SynapseOutput;
use crate::parameters::Parameters;

pub(super) use crate::parity::{Kept, formula};

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
