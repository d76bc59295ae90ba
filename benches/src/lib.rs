//! Networks to measure on: made from a seed, the same on every machine and in WebAssembly.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(all(target_arch = "wasm32", not(feature = "std")))]
mod wasm;

#[cfg(feature = "std")]
mod wasm_binary {
    #![allow(
        missing_docs,
        dead_code,
        unreachable_pub,
        reason = "written by the build script"
    )]
    include!(concat!(env!("OUT_DIR"), "/wasm_binary.rs"));
}

/// This crate as wasm, with an export `measure`: see `src/wasm.rs`. Missing if it was built with `SKIP_WASM_BUILD`.
#[cfg(feature = "std")]
pub const WASM: Option<&[u8]> = wasm_binary::WASM_BINARY;

use alloc::{vec, vec::Vec};

use incentive::{
    BondsMode, Entry, EpochInputs, EpochOutcome, EpochParams, Error, LiquidAlpha, Row, Uid,
    WeightRow, epoch,
};

/// Names of the bonds modes, at the positions that [`params`] takes.
pub const MODES: [&str; 3] = ["relative", "absolute", "liquid"];

/// Parameters with the bonds mode at this position of [`MODES`], modulo their number.
pub fn params(mode: usize) -> EpochParams {
    let bonds = match mode % MODES.len() {
        0 => BondsMode::Relative,
        1 => BondsMode::Absolute,
        _ => BondsMode::Liquid(LiquidAlpha::default()),
    };
    EpochParams {
        bonds,
        max_validators: u16::MAX,
        ..EpochParams::default()
    }
}

/// A network in which every validator rates every other neuron and holds a bond in it.
#[derive(Clone, Debug)]
pub struct Network {
    stake: Vec<u64>,
    blocks: Vec<u64>,
    permits: Vec<bool>,
    weights: Vec<(Uid, Vec<Entry>)>,
    bonds: Vec<(Uid, Vec<Entry>)>,
}

impl Network {
    /// `n` neurons, the first `validators` of which have stake. Weights, bonds and stakes are uniformly random.
    pub fn dense(n: u16, validators: u16, seed: u64) -> Self {
        Self::new(n, validators, n, seed)
    }

    /// As [`Self::dense`], but every validator rates about `rated` others, and holds bonds in about as many.
    pub fn new(n: u16, validators: u16, rated: u16, seed: u64) -> Self {
        let mut random = SplitMix64(seed);
        let row = |random: &mut SplitMix64, rater: u16| {
            (0..n)
                .filter(|&uid| uid != rater)
                .filter_map(|uid| {
                    let counts = rated >= n || random.below(n) < rated;
                    counts.then(|| (Uid(uid), random.below(u16::MAX) + 1))
                })
                .collect()
        };
        let mut rows = || {
            (0..validators)
                .map(|rater| (Uid(rater), row(&mut random, rater)))
                .collect()
        };
        let (weights, bonds) = (rows(), rows());
        let stake = |uid| {
            if uid < validators {
                1_000_000_000 + random.next() % (1 << 43)
            } else {
                0
            }
        };
        Self {
            stake: (0..n).map(stake).collect(),
            blocks: vec![1; n.into()],
            permits: (0..n).map(|uid| uid < validators).collect(),
            weights,
            bonds,
        }
    }

    /// Computes an epoch of this network.
    ///
    /// # Errors
    ///
    /// None, unless `incentive` has one.
    pub fn epoch(&self, params: &EpochParams) -> Result<EpochOutcome, Error> {
        let weights: Vec<WeightRow<'_>> = self
            .weights
            .iter()
            .map(|(rater, entries)| WeightRow {
                rater: *rater,
                updated_at: 90,
                committed_at: None,
                entries,
            })
            .collect();
        let bonds: Vec<Row<'_>> = self
            .bonds
            .iter()
            .map(|(rater, entries)| Row {
                rater: *rater,
                entries,
            })
            .collect();
        epoch(
            &EpochInputs {
                block: 100,
                previous_epoch: 50,
                stake: &self.stake,
                registered_at: &self.blocks,
                last_update: &self.blocks,
                permits: &self.permits,
                owner: None,
                weights: &weights,
                bonds: &bonds,
                emission: 1_000_000_000,
            },
            params,
        )
    }
}

/// What an outcome boils down to, to compare two machines by.
pub fn checksum(outcome: &EpochOutcome) -> u64 {
    let scores = [
        &outcome.rank,
        &outcome.trust,
        &outcome.consensus,
        &outcome.incentive,
        &outcome.dividends,
        &outcome.validator_trust,
    ];
    let scores = scores.into_iter().flatten().copied().map(u64::from);
    let bonds = outcome
        .bonds
        .iter()
        .flat_map(|(_, row)| row.iter().map(|entry| u64::from(entry.1)));
    let amounts = outcome
        .server_emission
        .iter()
        .chain(&outcome.validator_emission)
        .copied();
    scores
        .chain(bonds)
        .chain(amounts)
        .fold(0, |sum: u64, value| {
            sum.wrapping_mul(0x0000_0100_0000_01b3).wrapping_add(value)
        })
}

/// The generator of that name by Steele, Lea and Flood: one addition and two multiplications, good enough for inputs.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `limit`, by the high bits.
    fn below(&mut self, limit: u16) -> u16 {
        let high = self.next() >> 48;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a product of 16-bit values, shifted by 16"
        )]
        {
            ((high * u64::from(limit)) >> 16) as u16
        }
    }
}
