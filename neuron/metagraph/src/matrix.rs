//! Weights and bonds: sparse matrices by rows.

use serde::Serialize;

/// What one neuron says of another: (uid, value), the value in 1/65535 of the row's largest for weights, of one for bonds.
pub type Entry = (u16, u16);

/// A sparse matrix by rows. Who has no row has said nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// (rater, entries), ascending by rater, each row ascending by uid.
    pub rows: Vec<(u16, Vec<Entry>)>,
}

impl Matrix {
    /// What `rater` says; nothing if it has no row.
    pub fn row(&self, rater: u16) -> &[Entry] {
        match self.rows.binary_search_by_key(&rater, |(uid, _)| *uid) {
            Ok(place) => self.rows.get(place).map_or(&[], |(_, row)| row),
            Err(_) => &[],
        }
    }

    /// What `rater` says of `rated`; 0 where it says nothing.
    pub fn entry(&self, rater: u16, rated: u16) -> u16 {
        let row = self.row(rater);
        match row.binary_search_by_key(&rated, |(uid, _)| *uid) {
            Ok(place) => row.get(place).map_or(0, |(_, value)| *value),
            Err(_) => 0,
        }
    }

    /// What `rater` says of `rated` as a share of everything it says, 0..1; 0 where it says nothing.
    pub fn share(&self, rater: u16, rated: u16) -> f64 {
        let sum: u64 = self
            .row(rater)
            .iter()
            .map(|(_, value)| u64::from(*value))
            .sum();
        match u32::try_from(sum) {
            // At most 65,536 values of 16 bits: 32 bits hold their sum.
            Ok(sum) if sum > 0 => f64::from(self.entry(rater, rated)) / f64::from(sum),
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_and_absence_is_zero() {
        let matrix = Matrix {
            rows: vec![(1, vec![(0, 30), (2, 10)]), (4, vec![(1, 5)])],
        };
        assert_eq!(matrix.entry(1, 2), 10);
        assert_eq!(matrix.entry(1, 1), 0);
        assert_eq!(matrix.entry(2, 1), 0);
        assert_eq!(matrix.row(4), [(1, 5)]);
        assert_eq!(matrix.share(1, 0), 0.75);
        assert_eq!(matrix.share(3, 0), 0.0);
    }
}
