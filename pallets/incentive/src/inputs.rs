//! What an epoch is computed from: columns with one value per neuron, and two sparse matrices.
//!
//! Everything is checked here, once. Behind [`EpochInputs::check`] every uid is below `n`, every column is `n` long and
//! every row is sorted, and no step looks again.

use crate::{
    Entry, Error, Uid,
    error::{Column, Matrix},
};

/// Most neurons that one network can hold.
pub const MAX_NEURONS: usize = u16::MAX as usize;

/// A row of the bond matrix: what one validator holds in each server.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Row<'a> {
    /// Whose row this is.
    pub rater: Uid,
    /// Strictly ascending by uid. Leaving out a zero changes nothing.
    pub entries: &'a [Entry],
}

/// A row of the weight matrix: how one validator rates each server.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct WeightRow<'a> {
    /// Whose row this is.
    pub rater: Uid,
    /// Block at which the row was set. A neuron registered at that block or later is not the one that was rated.
    pub updated_at: u64,
    /// Block of the oldest commitment of this rater that is still open. A neuron registered after that block is not the
    /// one that the rater had in mind.
    pub committed_at: Option<u64>,
    /// Strictly ascending by uid. Leaving out a zero changes nothing. Only ratios within the row matter.
    pub entries: &'a [Entry],
}

/// Everything that an epoch is computed from, as plain values.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochInputs<'a> {
    /// Block of this epoch.
    pub block: u64,
    /// Block of the previous epoch. A bond on a uid that was registered at that block or later is dropped, since it was
    /// bought in the neuron that the uid belonged to before.
    pub previous_epoch: u64,
    /// Stake of each neuron, in any unit: only ratios matter. Its length is the number of neurons, `n`.
    pub stake: &'a [u64],
    /// Block of registration of each neuron.
    pub registered_at: &'a [u64],
    /// Block of the last activity of each neuron: of its registration, or of the last time it set weights.
    pub last_update: &'a [u64],
    /// Who may set weights, as the previous epoch decided.
    pub permits: &'a [bool],
    /// The owner of the network, if it has one: keeps its weight on itself, needs no minimum of stake, and is always
    /// permitted to set weights.
    pub owner: Option<Uid>,
    /// Strictly ascending by rater. A missing row is an empty one.
    pub weights: &'a [WeightRow<'a>],
    /// Strictly ascending by rater, as the previous [`crate::EpochOutcome::bonds`] had them. A missing row is an empty one.
    pub bonds: &'a [Row<'a>],
    /// What to pay out, in the smallest unit of currency. All of it is accounted for, see [`crate::EpochOutcome`].
    pub emission: u64,
}

impl EpochInputs<'_> {
    /// Number of neurons.
    pub const fn n(&self) -> usize {
        self.stake.len()
    }

    /// Whether `uid` is the owner of the network.
    pub(crate) fn is_owner(&self, uid: usize) -> bool {
        self.owner.is_some_and(|owner| owner.index() == uid)
    }

    /// Checks every condition that the fields above state.
    ///
    /// # Errors
    ///
    /// The first condition that does not hold, in the order of the fields.
    pub fn check(&self) -> Result<(), Error> {
        let n = self.n();
        if n > MAX_NEURONS {
            return Err(Error::TooManyNeurons { found: n });
        }
        let columns = [
            (Column::RegisteredAt, self.registered_at.len()),
            (Column::LastUpdate, self.last_update.len()),
            (Column::Permits, self.permits.len()),
        ];
        for (column, found) in columns {
            if found != n {
                return Err(Error::ColumnLength {
                    column,
                    expected: n,
                    found,
                });
            }
        }
        if let Some(owner) = self.owner
            && owner.index() >= n
        {
            return Err(Error::UnknownOwner(owner));
        }
        check_rows(
            Matrix::Weights,
            n,
            self.weights.iter().map(|row| (row.rater, row.entries)),
        )?;
        check_rows(
            Matrix::Bonds,
            n,
            self.bonds.iter().map(|row| (row.rater, row.entries)),
        )
    }
}

fn check_rows<'a>(
    matrix: Matrix,
    n: usize,
    rows: impl Iterator<Item = (Uid, &'a [Entry])>,
) -> Result<(), Error> {
    let mut previous = None;
    for (rater, entries) in rows {
        if rater.index() >= n {
            return Err(Error::UnknownRater { matrix, rater });
        }
        if previous.is_some_and(|previous| previous >= rater) {
            return Err(Error::RowOrder { matrix, rater });
        }
        previous = Some(rater);
        if !is_strictly_ascending(entries) {
            return Err(Error::EntryOrder { matrix, rater });
        }
        // The last uid of an ascending row is its greatest.
        if let Some(&(rated, _)) = entries.last()
            && rated.index() >= n
        {
            return Err(Error::UnknownRated {
                matrix,
                rater,
                rated,
            });
        }
    }
    Ok(())
}

/// Without an early return, so that the loop runs at the speed of memory: rows are sorted, except for a caller's mistake.
fn is_strictly_ascending(entries: &[Entry]) -> bool {
    let later = entries.get(1..).unwrap_or_default();
    // A difference is negative if a uid is below the next; their conjunction is, if all of them are.
    let differences = entries.iter().zip(later).fold(-1, |all, (a, b)| {
        all & (i32::from(a.0.0) - i32::from(b.0.0))
    });
    differences < 0
}
