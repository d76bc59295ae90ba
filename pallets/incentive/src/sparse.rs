//! A sparse matrix as the steps pass it on: rows one after the other, uids and values side by side.

use alloc::vec::Vec;
use core::ops::Range;

/// Rows by ascending rater, each by ascending uid. A value may be zero, which means the same as no entry.
#[derive(Default)]
pub(crate) struct Sparse {
    rows: Vec<(usize, Range<usize>)>,
    uids: Vec<u16>,
    values: Vec<u32>,
}

/// One row of a [`Sparse`]: as many values as uids.
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
            uids: Vec::with_capacity(entries),
            values: Vec::with_capacity(entries),
        }
    }

    /// Appends a row, which `fill` adds to the ends of both lists, as many values as uids. Raters have to come in
    /// ascending order.
    #[inline]
    pub(crate) fn push_row(
        &mut self,
        rater: usize,
        fill: impl FnOnce(&mut Vec<u16>, &mut Vec<u32>),
    ) {
        let start = self.values.len();
        fill(&mut self.uids, &mut self.values);
        debug_assert_eq!(self.uids.len(), self.values.len());
        if start < self.values.len() {
            self.rows.push((rater, start..self.values.len()));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Number of entries.
    pub(crate) fn entries(&self) -> usize {
        self.values.len()
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
        self.rows.iter().map(move |(rater, range)| {
            // Rows lie one after the other, without gaps.
            let (row, rest) = core::mem::take(&mut values).split_at_mut(range.len());
            values = rest;
            (*rater, &uids[range.clone()], row)
        })
    }
}
