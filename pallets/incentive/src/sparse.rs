//! A sparse matrix as the steps pass it on: rows one after the other, uids and values side by side.

use alloc::{vec, vec::Vec};
use core::ops::Range;

/// Non-empty rows by ascending rater, each by ascending uid.
#[derive(Default)]
pub(crate) struct Sparse {
    rows: Vec<(usize, Range<usize>)>,
    uids: Vec<u16>,
    values: Vec<u32>,
    filled: usize,
}

/// One row of a [`Sparse`].
#[derive(Copy, Clone)]
pub(crate) struct SparseRow<'a> {
    pub(crate) rater: usize,
    pub(crate) uids: &'a [u16],
    pub(crate) values: &'a [u32],
}

impl<'a> SparseRow<'a> {
    /// Uids as positions, with their values.
    #[inline]
    pub(crate) fn iter(self) -> impl Iterator<Item = (usize, u32)> + 'a {
        self.uids
            .iter()
            .map(|&uid| usize::from(uid))
            .zip(self.values.iter().copied())
    }
}

impl Sparse {
    /// Room for `rows` rows of `entries` entries in all.
    pub(crate) fn with_capacity(rows: usize, entries: usize) -> Self {
        Self {
            rows: Vec::with_capacity(rows),
            uids: vec![0; entries],
            values: vec![0; entries],
            filled: 0,
        }
    }

    /// Appends a row of at most `room` entries, which `fill` writes to the start of the two slices, saying how many.
    /// Raters have to come in ascending order.
    pub(crate) fn push_row(
        &mut self,
        rater: usize,
        room: usize,
        fill: impl FnOnce(&mut [u16], &mut [u32]) -> usize,
    ) {
        let start = self.filled;
        let end = start + room;
        debug_assert!(end <= self.uids.len());
        let length = fill(&mut self.uids[start..end], &mut self.values[start..end]);
        debug_assert!(length <= room);
        if length > 0 {
            self.filled = start + length;
            self.rows.push((rater, start..self.filled));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Number of entries.
    pub(crate) fn entries(&self) -> usize {
        self.filled
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = SparseRow<'_>> {
        self.rows.iter().map(|(rater, range)| SparseRow {
            rater: *rater,
            uids: &self.uids[range.clone()],
            values: &self.values[range.clone()],
        })
    }

    /// Rows with their rater, their uids, and values that may be changed in place.
    pub(crate) fn rows_mut(&mut self) -> impl Iterator<Item = (usize, &[u16], &mut [u32])> {
        let (uids, mut values) = (&self.uids, self.values.as_mut_slice());
        let mut taken = 0;
        self.rows.iter().map(move |(rater, range)| {
            // Rows lie one after the other.
            let (row, rest) = core::mem::take(&mut values).split_at_mut(range.end - taken);
            values = rest;
            taken = range.end;
            (*rater, &uids[range.clone()], row)
        })
    }
}
