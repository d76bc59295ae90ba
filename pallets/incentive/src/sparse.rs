//! Both matrices as the steps pass them on: one row after the other, weights and old bonds side by side.

use alloc::vec::Vec;
use core::ops::Range;

use crate::{Entry, Uid};

/// Entries that are looked at together for a gap between their uids.
const CHUNK: usize = 64;

/// A row is filled up to at most this many times its entries, the greater number of weights and bonds. About as much as
/// going through neighbours is faster than looking each of them up.
pub(crate) const FILL: usize = 3;

/// Rows by ascending rater, each by ascending uid. A zero means the same as no entry.
///
/// Where a rater rates, or holds bonds in, a good part of the uids between its first and its last, its row is filled up
/// with zeros: more is visited then, but one after the other. Such rows are the largest.
#[derive(Default)]
pub(crate) struct Sparse {
    rows: Vec<Header>,
    /// Of rows that are not filled up.
    uids: Vec<u16>,
    opinions: Vec<Opinion>,
}

/// What a rater has to do with one neuron.
#[derive(Copy, Clone, Default)]
pub(crate) struct Opinion {
    /// The weight, until it becomes the new bond.
    pub(crate) value: u32,
    /// The old bond.
    pub(crate) bond: u16,
}

struct Header {
    rater: usize,
    /// Of the first opinion, if the row is filled up.
    first: Option<usize>,
    /// In `uids`, if it is not.
    uids: Range<usize>,
    opinions: Range<usize>,
}

/// Whom the opinions of a row are about.
#[derive(Copy, Clone)]
enum Rated<'a> {
    /// Neighbours, from this position on.
    From(usize),
    /// One uid per opinion.
    These(&'a [u16]),
}

/// One row of a [`Sparse`].
#[derive(Copy, Clone)]
pub(crate) struct SparseRow<'a> {
    pub(crate) rater: usize,
    rated: Rated<'a>,
    pub(crate) opinions: &'a [Opinion],
}

/// One row of a [`Sparse`], to be changed in place.
pub(crate) struct SparseRowMut<'a> {
    pub(crate) rater: usize,
    rated: Rated<'a>,
    pub(crate) opinions: &'a mut [Opinion],
}

impl Rated<'_> {
    #[inline]
    fn for_each<C, O>(
        self,
        columns: &mut [C],
        opinions: impl Iterator<Item = O>,
        mut visit: impl FnMut(&mut C, O),
    ) {
        match self {
            Self::From(first) => columns[first..]
                .iter_mut()
                .zip(opinions)
                .for_each(|(column, opinion)| visit(column, opinion)),
            Self::These(uids) => uids
                .iter()
                .zip(opinions)
                .for_each(|(&uid, opinion)| visit(&mut columns[usize::from(uid)], opinion)),
        }
    }
}

impl SparseRow<'_> {
    /// `visit(column, opinion)` for each opinion, with what `columns` has for the neuron that it is about.
    #[inline]
    pub(crate) fn for_each<C>(self, columns: &mut [C], visit: impl FnMut(&mut C, &Opinion)) {
        self.rated.for_each(columns, self.opinions.iter(), visit);
    }

    /// Opinions about neurons in this range.
    pub(crate) fn within(self, uids: Range<usize>) -> Self {
        let (rated, range) = match self.rated {
            Rated::From(first) => {
                let position = |uid: usize| uid.saturating_sub(first).min(self.opinions.len());
                let range = position(uids.start)..position(uids.end);
                (Rated::From(first + range.start), range)
            }
            Rated::These(rated) => {
                let position = |end: usize| rated.partition_point(|&uid| usize::from(uid) < end);
                let range = position(uids.start)..position(uids.end);
                (Rated::These(&rated[range.clone()]), range)
            }
        };
        Self {
            rater: self.rater,
            rated,
            opinions: &self.opinions[range],
        }
    }
}

impl SparseRowMut<'_> {
    /// As [`SparseRow::for_each`], with opinions that may be changed.
    #[inline]
    pub(crate) fn for_each<C>(
        &mut self,
        columns: &mut [C],
        visit: impl FnMut(&mut C, &mut Opinion),
    ) {
        self.rated
            .for_each(columns, self.opinions.iter_mut(), visit);
    }

    /// The opinion about `uid`, if there is one.
    pub(crate) fn get_mut(&mut self, uid: Uid) -> Option<&mut Opinion> {
        let position = match self.rated {
            Rated::From(first) => uid.index().checked_sub(first),
            Rated::These(uids) => uids.binary_search(&uid.0).ok(),
        };
        self.opinions.get_mut(position?)
    }
}

impl Sparse {
    /// Room for `rows` rows of `opinions` opinions in all.
    pub(crate) fn with_capacity(rows: usize, opinions: usize) -> Self {
        Self {
            rows: Vec::with_capacity(rows),
            uids: Vec::new(),
            opinions: Vec::with_capacity(opinions),
        }
    }

    /// Appends a row with everything that is in `weights` or in `bonds`, both ascending, and returns it. Raters have to
    /// come in ascending order.
    pub(crate) fn push_row(
        &mut self,
        rater: Uid,
        weights: &[Entry],
        bonds: &[Entry],
    ) -> SparseRowMut<'_> {
        let (uids, start) = (self.uids.len(), self.opinions.len());
        let filled_up =
            span(weights, bonds).filter(|span| span.len() <= FILL * weights.len().max(bonds.len()));
        if let Some(span) = &filled_up {
            self.opinions.resize(start + span.len(), Opinion::default());
            let row = &mut self.opinions[start..];
            fill(row, span.start, weights, |opinion, weight| {
                opinion.value = weight.into();
            });
            fill(row, span.start, bonds, |opinion, bond| opinion.bond = bond);
        } else {
            union(weights, bonds, |uid, weight, bond| {
                self.uids.push(uid.0);
                self.opinions.push(Opinion {
                    value: weight.into(),
                    bond,
                });
            });
        }
        let header = Header {
            rater: rater.index(),
            first: filled_up.map(|span| span.start),
            uids: uids..self.uids.len(),
            opinions: start..self.opinions.len(),
        };
        let row = SparseRowMut {
            rater: header.rater,
            rated: header.rated(&self.uids),
            opinions: &mut self.opinions[start..],
        };
        self.rows.push(header);
        row
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = SparseRow<'_>> {
        self.rows.iter().map(|row| SparseRow {
            rater: row.rater,
            rated: row.rated(&self.uids),
            opinions: &self.opinions[row.opinions.clone()],
        })
    }

    pub(crate) fn rows_mut(&mut self) -> impl Iterator<Item = SparseRowMut<'_>> {
        let uids = &self.uids;
        let mut opinions = self.opinions.as_mut_slice();
        self.rows.iter().map(move |row| {
            // Rows lie one after the other, without gaps.
            let (own, rest) = core::mem::take(&mut opinions).split_at_mut(row.opinions.len());
            opinions = rest;
            SparseRowMut {
                rater: row.rater,
                rated: row.rated(uids),
                opinions: own,
            }
        })
    }
}

impl Header {
    fn rated<'a>(&self, uids: &'a [u16]) -> Rated<'a> {
        self.first
            .map_or_else(|| Rated::These(&uids[self.uids.clone()]), Rated::From)
    }
}

/// From the first uid in either row to the last one.
fn span(a: &[Entry], b: &[Entry]) -> Option<Range<usize>> {
    let ends = |row: &[Entry]| Some((row.first()?.0.index(), row.last()?.0.index()));
    let (a, b) = (ends(a).or(ends(b))?, ends(b).or(ends(a))?);
    Some(a.0.min(b.0)..a.1.max(b.1) + 1)
}

/// `write(opinion, value)` for every entry, in a row that starts at position `first`.
///
/// Uids mostly follow one another, so that only a chunk with a gap has to look for the place of each entry.
fn fill(row: &mut [Opinion], first: usize, entries: &[Entry], write: impl Fn(&mut Opinion, u16)) {
    for chunk in entries.chunks(CHUNK) {
        let (start, end) = (chunk[0].0.index(), chunk[chunk.len() - 1].0.index());
        let places = &mut row[start - first..=end - first];
        if places.len() == chunk.len() {
            for (opinion, &(_, value)) in places.iter_mut().zip(chunk) {
                write(opinion, value);
            }
        } else {
            for &(uid, value) in chunk {
                write(&mut places[uid.index() - start], value);
            }
        }
    }
}

/// `visit(uid, a, b)` for every uid in either row, ascending, with zero for what is in one row only.
fn union(mut a: &[Entry], mut b: &[Entry], mut visit: impl FnMut(Uid, u16, u16)) {
    while let Some(uid) = [a.first(), b.first()]
        .into_iter()
        .flatten()
        .map(|&(uid, _)| uid)
        .min()
    {
        visit(uid, take(&mut a, uid), take(&mut b, uid));
    }
}

/// Takes the first entry of a row, if it is about `uid`.
fn take(row: &mut &[Entry], uid: Uid) -> u16 {
    match row.split_first() {
        Some((&(first, value), rest)) if first == uid => {
            *row = rest;
            value
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// Every `step`-th uid from `first` on, with its position as the value.
    fn entries(first: u16, step: usize, count: u16) -> Vec<Entry> {
        (first..)
            .step_by(step)
            .zip(1..=count)
            .map(|(uid, value)| (Uid(uid), value))
            .collect()
    }

    #[test]
    fn a_row_has_what_is_in_either_list_whether_filled_up_or_not() {
        let lists = [
            entries(0, 1, 0),
            entries(3, 1, 200),
            entries(0, 2, 150),
            entries(100, 3, 100),
            entries(399, 1, 1),
        ];
        for weights in &lists {
            for bonds in &lists {
                let mut expected = vec![(0, 0); 400];
                for &(uid, weight) in weights {
                    expected[uid.index()].0 = u32::from(weight);
                }
                for &(uid, bond) in bonds {
                    expected[uid.index()].1 = bond;
                }

                let mut sparse = Sparse::default();
                sparse.push_row(Uid(0), weights, bonds);

                let mut found = vec![(0, 0); 400];
                for row in sparse.rows() {
                    // In two parts, of which each begins and ends anywhere.
                    for part in [row.within(0..150), row.within(150..400)] {
                        part.for_each(&mut found, |found, opinion| {
                            *found = (opinion.value, opinion.bond);
                        });
                    }
                }
                assert_eq!(found, expected);
            }
        }
    }
}
