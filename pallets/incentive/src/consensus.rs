//! One score per server out of many opinions.
//!
//! Two forms, one file each. Both take the normalised weights W and the voting stake; rows without voting stake have no
//! say in either.

pub mod median;
pub mod sigmoid;

use alloc::{vec, vec::Vec};

use crate::{sparse::Sparse, stake::Voting};

/// Who has a say about a server.
#[derive(Copy, Clone, Default)]
pub(crate) struct Support {
    /// Voting stake of those whose entry counts, at most all of it.
    pub(crate) stake: u64,
    /// How many entries its column has in rows with voting stake.
    pub(crate) entries: u32,
}

/// `Σ_i s_i` over raters with an entry that `counts`, in units of stake, and the number of all entries.
#[inline]
pub(crate) fn support(
    weights: &Sparse,
    voting: &Voting,
    counts: impl Fn(u32) -> bool,
) -> Vec<Support> {
    let mut support = vec![Support::default(); voting.votes.len()];
    for row in weights.rows() {
        let vote = voting.votes[row.rater];
        if vote == 0 {
            continue;
        }
        row.for_each(&mut support, |column, opinion| {
            // Raters are distinct, and all votes together fit.
            column.stake += if counts(opinion.value) { vote } else { 0 };
            column.entries += 1;
        });
    }
    support
}
