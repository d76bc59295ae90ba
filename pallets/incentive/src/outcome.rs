//! What an epoch decides.

use alloc::vec::Vec;

use crate::{Entry, Uid};

/// Everything that an epoch decides. Each column has one value per neuron.
///
/// # Units
///
/// Scores are out of 65,535, rounded to the nearest. They are for display and for ranking; the payments are computed
/// from the exact fractions behind them, and are in the unit of [`crate::EpochInputs::emission`].
///
/// # Properties
///
/// * `Σ server_emission + Σ validator_emission + owner_emission + unpaid` is the emission, exactly.
/// * `unpaid` is either zero or all of it, the owner's cut included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochOutcome {
    /// Who was active within the cutoff.
    pub active: Vec<bool>,
    /// Who may set weights in the next epoch.
    pub permits: Vec<bool>,
    /// Rank R: the stake-weighted sum of weights, as a part of the sum over all servers.
    pub rank: Vec<u16>,
    /// Trust T. With the median: how much of a server's rank was left by clipping. With the sigmoid: the share of voting
    /// stake that rates it.
    pub trust: Vec<u16>,
    /// Consensus C. With the median: the greatest weight that a majority supports. With the sigmoid: the logistic
    /// function of trust.
    pub consensus: Vec<u16>,
    /// Incentive I: a server's part of what servers earn. Zero for whoever nobody rated.
    pub incentive: Vec<u16>,
    /// Dividends D: a validator's part of what validators earn.
    pub dividends: Vec<u16>,
    /// Validator trust: how much of a validator's row was left by clipping.
    pub validator_trust: Vec<u16>,
    /// Rows of those who keep a permit, ascending by rater and by uid, without zeros and without empty rows.
    pub bonds: Vec<(Uid, Vec<Entry>)>,
    /// What each neuron earns for being rated.
    pub server_emission: Vec<u64>,
    /// What each neuron earns for rating, or for its stake while nobody is rated.
    pub validator_emission: Vec<u64>,
    /// The owner's cut.
    pub owner_emission: u64,
    /// What could not be paid because there was nobody to pay it to: nobody was rated and nobody holds stake (or, with
    /// the sigmoid, nobody was rated). To be added to the next emission.
    pub unpaid: u64,
}

impl EpochOutcome {
    /// What `uid` earns in both roles together, without the owner's cut. Zero for a uid that is not a neuron.
    pub fn emission(&self, uid: Uid) -> u64 {
        let part = |column: &[u64]| column.get(uid.index()).copied().unwrap_or(0);
        // Both are parts of one u64, so that the sum is one as well.
        part(&self.server_emission).saturating_add(part(&self.validator_emission))
    }
}
