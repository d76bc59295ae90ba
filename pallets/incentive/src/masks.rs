//! Which votes and bonds count.
//!
//! | mask | what does not count | why |
//! |---|---|---|
//! | permit | rows of those without a permit from the previous epoch | only validators rate |
//! | self weight | a weight on oneself, except the owner's | nobody is judge in their own case |
//! | outdated weight | `updated_at ≤ registered_at[rated]` | the vote was for the neuron that had the uid before |
//! | commit window | `committed_at < registered_at[rated]` | so was the vote that is sealed since then |
//! | recent bond | `previous_epoch ≤ registered_at[rated]` | the bond was bought in the neuron before |
//!
//! A row counts while its rater is inactive: without voting stake it moves no score, but its bonds go on as they were
//! going (with the sigmoid it does not count, see [`crate::consensus::sigmoid`]).

use crate::{EpochInputs, WeightRow};

/// Blocks of registration up to which a rated neuron is the one that the row means: those *before* this block.
pub(crate) fn rates_those_registered_before(row: &WeightRow<'_>) -> u64 {
    let committed = row
        .committed_at
        .map_or(u64::MAX, |block| block.saturating_add(1));
    row.updated_at.min(committed)
}

/// Whether the row of `rater` counts as far as permits go.
pub(crate) fn is_permitted(inputs: &EpochInputs<'_>, rater: usize) -> bool {
    inputs.is_owner(rater) || inputs.permits.get(rater).copied().unwrap_or(false)
}

/// Whether bonds in the neuron with this block of registration are dropped.
#[inline]
pub(crate) fn is_new(inputs: &EpochInputs<'_>, registered_at: u64) -> bool {
    inputs.previous_epoch <= registered_at
}
