//! One score per server out of many opinions.
//!
//! Two forms, one file each. Both take the normalised weights W and the voting stake; rows without voting stake have no
//! say in either.

pub mod median;
pub mod sigmoid;

use alloc::{vec, vec::Vec};

use crate::{sparse::Sparse, stake::Voting};

/// Who rates a server at all.
#[derive(Copy, Clone, Default)]
pub(crate) struct Support {
    /// Voting stake of its raters, at most all of it.
    pub(crate) stake: u64,
    /// How many they are.
    pub(crate) raters: u32,
}

/// `T_j = Σ_i s_i · [w_ij > 0]`, in units of stake, with the number of raters that have a say.
pub(crate) fn support(weights: &Sparse, voting: &Voting) -> Vec<Support> {
    let mut support = vec![Support::default(); voting.votes.len()];
    for row in weights.rows() {
        let vote = voting.votes[row.rater];
        if vote == 0 {
            continue;
        }
        for (rated, _) in row.iter() {
            let column = &mut support[rated];
            // Raters are distinct, and all votes together fit.
            column.stake += vote;
            column.raters += 1;
        }
    }
    support
}
