//! Who has shown a sign of life.
//!
//! A neuron is active unless its last update is more than the cutoff ago. The stake of an inactive validator does not
//! vote, but it earns while nobody is rated and no active stake is there to earn instead.

use alloc::vec::Vec;

use crate::EpochInputs;

/// `active_i = last_update_i + cutoff ≥ block`. A block beyond the last possible one counts as that one.
pub(crate) fn active(inputs: &EpochInputs<'_>, cutoff: u64) -> Vec<bool> {
    inputs
        .last_update
        .iter()
        .map(|last_update| last_update.saturating_add(cutoff) >= inputs.block)
        .collect()
}
