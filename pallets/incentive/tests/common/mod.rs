//! A network as values that are owned, so that a test can build it piece by piece.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

pub mod json;
pub mod oracle;
pub mod random;

use incentive::{
    BondsMode, Consensus, Entry, EpochInputs, EpochOutcome, EpochParams, Row, Uid, WeightRow, epoch,
};

/// Everything that [`EpochInputs`] borrows, with a row for every neuron.
#[derive(Clone, Debug, Default)]
pub struct Network {
    pub block: u64,
    pub previous_epoch: u64,
    pub stake: Vec<u64>,
    pub registered_at: Vec<u64>,
    pub last_update: Vec<u64>,
    pub permits: Vec<bool>,
    pub owner: Option<Uid>,
    pub updated_at: Vec<u64>,
    pub committed_at: Vec<Option<u64>>,
    pub weights: Vec<Vec<Entry>>,
    pub bonds: Vec<Vec<Entry>>,
    pub emission: u64,
}

impl Network {
    /// Neurons that were registered at block 1, all of them permitted, active and silent.
    pub fn new(stake: &[u64]) -> Self {
        let n = stake.len();
        Self {
            block: 100,
            previous_epoch: 50,
            stake: stake.to_vec(),
            registered_at: vec![1; n],
            last_update: vec![60; n],
            permits: vec![true; n],
            owner: None,
            updated_at: vec![60; n],
            committed_at: vec![None; n],
            weights: vec![vec![]; n],
            bonds: vec![vec![]; n],
            emission: 1_000_000_000,
        }
    }

    pub fn n(&self) -> usize {
        self.stake.len()
    }

    pub fn with_weights(mut self, rater: usize, entries: &[(u16, u16)]) -> Self {
        self.weights[rater] = row(entries);
        self
    }

    pub fn with_bonds(mut self, rater: usize, entries: &[(u16, u16)]) -> Self {
        self.bonds[rater] = row(entries);
        self
    }

    /// Calls `use_it` with borrowed inputs.
    pub fn inputs<T>(&self, use_it: impl FnOnce(&EpochInputs<'_>) -> T) -> T {
        let uids = || (0..self.n()).map(uid);
        let weights: Vec<WeightRow<'_>> = uids()
            .zip(&self.weights)
            .zip(self.updated_at.iter().zip(&self.committed_at))
            .map(
                |((rater, entries), (&updated_at, &committed_at))| WeightRow {
                    rater,
                    updated_at,
                    committed_at,
                    entries,
                },
            )
            .collect();
        let bonds: Vec<Row<'_>> = uids()
            .zip(&self.bonds)
            .map(|(rater, entries)| Row { rater, entries })
            .collect();
        use_it(&EpochInputs {
            block: self.block,
            previous_epoch: self.previous_epoch,
            stake: &self.stake,
            registered_at: &self.registered_at,
            last_update: &self.last_update,
            permits: &self.permits,
            owner: self.owner,
            weights: &weights,
            bonds: &bonds,
            emission: self.emission,
        })
    }

    pub fn epoch(&self, params: &EpochParams) -> EpochOutcome {
        self.inputs(|inputs| epoch(inputs, params)).unwrap()
    }

    /// Takes over bonds and permits, as a chain does between epochs.
    pub fn carry(&mut self, outcome: &EpochOutcome) {
        self.permits.clone_from(&outcome.permits);
        self.bonds = dense_bonds(outcome);
    }
}

pub fn uid(position: usize) -> Uid {
    Uid(u16::try_from(position).unwrap())
}

pub fn row(entries: &[(u16, u16)]) -> Vec<Entry> {
    entries
        .iter()
        .map(|&(uid, value)| (Uid(uid), value))
        .collect()
}

/// To the nearest integer.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "asserted"
)]
pub fn rounded(value: f64) -> u16 {
    assert!((0.0..=65_535.0).contains(&value));
    value.round() as u16
}

/// A row of bonds for every neuron, empty ones included.
pub fn dense_bonds(outcome: &EpochOutcome) -> Vec<Vec<Entry>> {
    let mut rows = vec![vec![]; outcome.permits.len()];
    for (rater, entries) in &outcome.bonds {
        rows[rater.index()].clone_from(entries);
    }
    rows
}

/// The bond of `rater` in `rated`.
pub fn bond(outcome: &EpochOutcome, rater: u16, rated: u16) -> u16 {
    outcome
        .bonds
        .iter()
        .filter(|(uid, _)| *uid == Uid(rater))
        .flat_map(|(_, entries)| entries)
        .find(|(uid, _)| *uid == Uid(rated))
        .map_or(0, |&(_, bond)| bond)
}

/// Everything that was paid, and what was not.
pub fn paid(outcome: &EpochOutcome) -> u128 {
    let columns = outcome
        .server_emission
        .iter()
        .chain(&outcome.validator_emission);
    columns
        .chain([&outcome.owner_emission, &outcome.unpaid])
        .map(|&amount| u128::from(amount))
        .sum()
}

/// The median with just under one half, and these bonds.
pub fn median(bonds: BondsMode) -> EpochParams {
    EpochParams {
        consensus: Consensus::Median { kappa: 32_767 },
        bonds,
        ..EpochParams::default()
    }
}

#[track_caller]
pub fn assert_close<T: Copy + Into<u64> + std::fmt::Debug>(
    what: &str,
    found: &[T],
    expected: &[T],
    tolerance: u64,
) {
    assert_eq!(found.len(), expected.len(), "{what}: length");
    for (uid, (&f, &e)) in found.iter().zip(expected).enumerate() {
        assert!(
            f.into().abs_diff(e.into()) <= tolerance,
            "{what} of {uid} is {f:?}, not {e:?}\n   found {found:?}\nexpected {expected:?}"
        );
    }
}
