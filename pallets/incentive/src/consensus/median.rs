//! The stake-weighted median.
//!
//! `C_j` is the greatest weight `v` such that the voting stake of those with `W_ij ≥ v` is at least κ of all voting
//! stake; zero if there is none. Who does not rate a server counts as rating it zero. Source: the origin's second
//! design, of March 2023.
//!
//! # What it guarantees
//!
//! Stakes are added and compared as integers, so that these hold without a tolerance. Let `F` be a set of validators, `s`
//! their voting stake, `t` all voting stake, and let "the others" be everybody else with voting stake.
//!
//! * If `s < κ·t`, whatever `F` does, `C_j` is at most the greatest weight that any of the others gives `j`. More
//!   precisely: `C_j ≥ v > 0` takes others of at least `κ·t - s` who give `j` a weight of at least `v`.
//! * If `s ≤ (1 - κ)·t`, whatever `F` does, `C_j` is at least the least weight that any of the others gives `j`. More
//!   precisely: `C_j < v` takes others of more than `(1 - κ)·t - s` who give `j` a weight below `v`.
//!
//! # Cost
//!
//! Linear in the number of entries: they are brought into column order a block
//! of columns at a time, small enough to stay in the cache, and each column is searched digit by digit, of which a weight
//! has six. So there is no input that is slow to search.

use alloc::{vec, vec::Vec};

use crate::{
    fixed::low_u32,
    sparse::{Sparse, SparseRow},
    stake::{Voting, majority},
};

/// Entries of a block of columns: 64 KiB of keys.
const BLOCK: usize = 8_192;
/// Keys left free between columns. Rows are as good as full, so that one row's keys go to each column in turn; at
/// distances of a power of two they would compete for the same few places in the cache.
const GAP: usize = 8;
/// Columns this short are sorted.
const SHORT: usize = 8;
/// Bits of a weight that one round of a search looks at.
const DIGIT: u32 = 6;
const BUCKETS: usize = 1 << DIGIT;

/// `C_j` for every neuron, with 31 fractional bits.
pub(crate) fn consensus(weights: &Sparse, voting: &Voting, kappa: u16) -> Vec<u32> {
    let n = voting.votes.len();
    let mut consensus = vec![0; n];
    if voting.is_empty() {
        return consensus;
    }
    // What may lie below a weight that a majority supports. A majority is at most everybody.
    let minority = voting.total - majority(voting.total, kappa);
    let voters: Vec<SparseRow<'_>> = weights
        .rows()
        .filter(|row| voting.votes[row.rater] > 0)
        .collect();
    let votes: Vec<u64> = voters.iter().map(|row| voting.votes[row.rater]).collect();
    let mut present = vec![0_u64; n];
    let mut lengths = vec![0_u32; n];
    for (row, &vote) in voters.iter().zip(&votes) {
        // Raters are distinct, and all votes together fit.
        row.for_each(&mut present, |stake, _| *stake += vote);
        row.for_each(&mut lengths, |length, _| *length += 1);
    }
    let mut columns = Columns::new(&voters, &lengths);
    while let Some(block) = columns.next_block() {
        block.for_each(|uid, keys| {
            // The first to lie below are those who do not rate it at all.
            let absent = voting.total - present[uid];
            if let Some(rest) = minority.checked_sub(absent) {
                consensus[uid] = select(keys, &votes, rest);
            }
        });
    }
    consensus
}

/// Transposes rows into columns, block by block.
///
/// A key is the weight, and below it the position of its row among the voters: keys of one column are distinct.
struct Columns<'a> {
    voters: &'a [SparseRow<'a>],
    /// How many keys each column has.
    lengths: &'a [u32],
    /// First column of the next block.
    first: usize,
    keys: Vec<u64>,
    /// For each column of the block, where its next key goes.
    slots: Vec<usize>,
}

/// Some neighbouring columns.
struct Block<'a> {
    first: usize,
    keys: &'a mut [u64],
    /// For each column, where its keys end.
    ends: &'a [usize],
}

impl<'a> Columns<'a> {
    fn new(voters: &'a [SparseRow<'a>], lengths: &'a [u32]) -> Self {
        // A block is at least half full unless it is the last, so that looking into each row once per block takes no
        // longer than reading all entries.
        let capacity = BLOCK.max(2 * voters.len());
        Self {
            voters,
            lengths,
            first: 0,
            keys: vec![0; capacity],
            slots: vec![0; lengths.len()],
        }
    }

    fn next_block(&mut self) -> Option<Block<'_>> {
        let first = self.first;
        if first == self.lengths.len() {
            return None;
        }
        let (mut filled, mut last) = (0, first);
        for &length in &self.lengths[first..] {
            // A column has at most one entry per voter, so that the first always fits.
            let end = filled + length as usize;
            if end > self.keys.len() {
                break;
            }
            self.slots[last] = filled;
            filled = end + GAP;
            last += 1;
        }
        self.first = last;
        for (position, row) in (0_u64..).zip(self.voters) {
            let row = row.within(first..last);
            row.for_each(&mut self.slots, |slot, opinion| {
                self.keys[*slot] = u64::from(opinion.value) << 32 | position;
                *slot += 1;
            });
        }
        Some(Block {
            first,
            keys: &mut self.keys,
            ends: &self.slots[first..last],
        })
    }
}

impl Block<'_> {
    /// Columns with at least one key.
    fn for_each(self, mut visit: impl FnMut(usize, &mut [u64])) {
        let mut start = 0;
        for (uid, &end) in (self.first..).zip(self.ends) {
            if start < end {
                visit(uid, &mut self.keys[start..end]);
            }
            start = end + GAP;
        }
    }
}

/// The weight that is reached once more than `rest` stake lies at or below it, of ascending weights.
///
/// `rest` is below the stake of all keys: a majority is at least one unit of stake.
///
/// Sorts keys into buckets by the highest bits in which any of them differ, goes on in the bucket where the stake is
/// reached, and is done after at most six rounds, since each settles [`DIGIT`] bits of a weight.
fn select(mut keys: &mut [u64], votes: &[u64], mut rest: u64) -> u32 {
    let vote = |key: u64| votes[(key & 0xffff_ffff) as usize];
    while keys.len() > SHORT {
        let first = keys[0];
        let differing = keys.iter().fold(0, |bits, &key| bits | (key ^ first)) >> 32;
        if differing == 0 {
            break;
        }
        // At least DIGIT bits, so that the digit does not reach below the weight, which starts at bit 32.
        let bits = (u64::BITS - differing.leading_zeros()).max(DIGIT);
        let shift = u32::BITS + bits - DIGIT;
        let digit = |key: u64| low_u32(key >> shift) as usize % BUCKETS;
        let mut stake = [0_u64; BUCKETS];
        for &key in keys.iter() {
            stake[digit(key)] += vote(key);
        }
        let mut reached = 0;
        for &stake in &stake {
            match rest.checked_sub(stake) {
                Some(less) => rest = less,
                None => break,
            }
            reached += 1;
        }
        // What lies above the digit is the same for all.
        let prefix = (((first >> shift) & !(BUCKETS as u64 - 1)) | reached) << shift;
        let mut kept = 0;
        for i in 0..keys.len() {
            let key = keys[i];
            keys[kept] = key;
            kept += usize::from(key ^ prefix < 1 << shift);
        }
        keys = &mut keys[..kept];
    }
    keys.sort_unstable();
    let mut reached = 0;
    for &key in keys.iter() {
        reached = key;
        match rest.checked_sub(vote(key)) {
            Some(less) => rest = less,
            None => break,
        }
    }
    low_u32(reached >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entry, Uid};

    /// Every weight in ascending order, until the stake at or below it is more than `rest`.
    fn select_by_sorting(keys: &[u64], votes: &[u64], mut rest: u64) -> u32 {
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        for key in keys {
            let vote = votes[usize::try_from(key & 0xffff_ffff).unwrap()];
            if rest < vote {
                return u32::try_from(key >> 32).unwrap();
            }
            rest -= vote;
        }
        panic!("rest is below the sum of votes");
    }

    /// One validator that rates some of `n`: with gaps between columns, every size ends a block somewhere else.
    #[test]
    fn every_column_is_visited_whatever_the_size_of_a_block() {
        for n in (1..2_000).step_by(7).chain([8_191, 8_192, 8_193, 65_535]) {
            for step in [1, 2, 37] {
                let rated = (0..=u16::MAX).take(n).step_by(step);
                let entries: Vec<Entry> = rated.map(|uid| (Uid(uid), uid)).collect();
                let mut weights = Sparse::with_capacity(1, n);
                weights.push_row(Uid(0), &entries, &[]);
                let mut votes = vec![0; n];
                votes[0] = 1;
                let voting = Voting {
                    shares: vec![0; n],
                    total: 1,
                    votes,
                };
                let mut expected = vec![0; n];
                for (uid, weight) in entries {
                    expected[uid.index()] = u32::from(weight);
                }
                assert_eq!(
                    consensus(&weights, &voting, 32_767),
                    expected,
                    "{n}, {step}"
                );
            }
        }
    }

    #[test]
    fn selection_agrees_with_sorting() {
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for round in 0..2_000 {
            let length = random(200) + 1;
            let distinct = [2, 10, 1 << 31][round % 3];
            let votes: Vec<u64> = (0..length).map(|_| random(1_000) + 1).collect();
            let mut keys: Vec<u64> = (0..length).map(|i| random(distinct) << 32 | i).collect();
            let rest = random(votes.iter().sum());
            let expected = select_by_sorting(&keys, &votes, rest);
            assert_eq!(select(&mut keys, &votes, rest), expected);
        }
    }
}
