//! Rows: taking some of them, and putting several tensors' together.

use std::ops::Range;

use bytes::BytesMut;

use super::{Tensor, TensorError};

impl Tensor {
    /// Elements along the first axis; 1 for a scalar.
    pub fn rows(&self) -> u32 {
        self.shape().first().copied().unwrap_or(1)
    }

    /// Elements along each axis after the first.
    pub fn row_shape(&self) -> &[u32] {
        self.shape().get(1..).unwrap_or_default()
    }

    /// The rows of a range, sharing this tensor's bytes.
    ///
    /// # Errors
    ///
    /// The tensor is a scalar, or the range ends before it begins or beyond the rows.
    pub fn slice_rows(&self, range: Range<u32>) -> Result<Tensor, TensorError> {
        let (row_bytes, rows) = (self.row_bytes()?, self.rows());
        let Range { start, end } = range;
        if start > end || end > rows {
            return Err(TensorError::Rows { start, end, rows });
        }
        let data = self
            .data
            .slice(start as usize * row_bytes..end as usize * row_bytes);
        Tensor::new(self.dtype, &with_rows(end - start, self.row_shape()), data)
    }

    /// These rows in this order, copied; a row may be taken more than once.
    ///
    /// # Errors
    ///
    /// The tensor is a scalar, a row is beyond its rows, or the result would overflow.
    pub fn select_rows(&self, rows: &[u32]) -> Result<Tensor, TensorError> {
        let row_bytes = self.row_bytes()?;
        if let Some(&row) = rows.iter().find(|&&row| row >= self.rows()) {
            let end = row.saturating_add(1);
            return Err(TensorError::Rows {
                start: row,
                end,
                rows: self.rows(),
            });
        }
        let shape = with_rows(count(rows.len(), self.row_shape())?, self.row_shape());
        let capacity = rows.len().checked_mul(row_bytes);
        let overflow = || TensorError::Overflow {
            shape: shape.clone(),
        };
        let mut data = BytesMut::with_capacity(capacity.ok_or_else(overflow)?);
        for &row in rows {
            let start = row as usize * row_bytes;
            data.extend_from_slice(&self.data[start..start + row_bytes]);
        }
        Tensor::new(self.dtype, &shape, data.freeze())
    }

    /// The rows of all these tensors, in order, in one allocation; of a single tensor, a cheap clone.
    ///
    /// # Errors
    ///
    /// No tensor, a scalar, tensors whose type or row shape differ, or more rows than fit into 32 bits.
    pub fn concat_rows(tensors: &[Tensor]) -> Result<Tensor, TensorError> {
        let Some((first, others)) = tensors.split_first() else {
            let expected = "some type and shape".to_owned();
            return Err(TensorError::Concat {
                expected,
                actual: "no tensor at all".to_owned(),
            });
        };
        first.row_bytes()?;
        if others.is_empty() {
            return Ok(first.clone());
        }
        for other in others {
            if other.shape().is_empty() {
                return Err(TensorError::NoRows);
            }
            if (other.dtype, other.row_shape()) != (first.dtype, first.row_shape()) {
                let (expected, actual) = (first.row_type(), other.row_type());
                return Err(TensorError::Concat { expected, actual });
            }
        }
        let rows = tensors.iter().map(|tensor| tensor.rows() as usize).sum();
        let shape = with_rows(count(rows, first.row_shape())?, first.row_shape());
        let mut data = BytesMut::with_capacity(tensors.iter().map(Tensor::n_bytes).sum());
        tensors
            .iter()
            .for_each(|tensor| data.extend_from_slice(&tensor.data));
        Tensor::new(first.dtype, &shape, data.freeze())
    }

    /// Bytes of one row; those of a row that would be, if there is none.
    fn row_bytes(&self) -> Result<usize, TensorError> {
        match self.shape() {
            [] => Err(TensorError::NoRows),
            [0, ..] => Ok(0),
            &[rows, ..] => Ok(self.n_bytes() / rows as usize),
        }
    }

    fn row_type(&self) -> String {
        format!("{} {:?}", self.dtype, self.row_shape())
    }
}

fn with_rows(rows: u32, row_shape: &[u32]) -> Vec<u32> {
    [&[rows], row_shape].concat()
}

fn count(rows: usize, row_shape: &[u32]) -> Result<u32, TensorError> {
    u32::try_from(rows).map_err(|_| TensorError::Overflow {
        shape: with_rows(u32::MAX, row_shape),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::DType;

    /// `[rows, 2]`, row i holding 2i and 2i + 1.
    fn counting(rows: u8) -> Tensor {
        Tensor::from_u8(&[rows.into(), 2], &(0..rows * 2).collect::<Vec<_>>()).unwrap()
    }

    proptest! {
        #[test]
        fn concatenated_slices_are_the_whole(rows in 0u8..100, cuts in prop::collection::vec(0u8..100, 0..6)) {
            let whole = counting(rows);
            let mut cuts: Vec<u32> = cuts.into_iter().map(|cut| u32::from(cut.min(rows))).collect();
            cuts.extend([0, rows.into()]);
            cuts.sort_unstable();
            let slices: Vec<Tensor> =
                cuts.windows(2).map(|cut| whole.slice_rows(cut[0]..cut[1]).unwrap()).collect();
            prop_assert_eq!(Tensor::concat_rows(&slices).unwrap(), whole);
        }

        #[test]
        fn selected_rows_are_those_sliced(rows in prop::collection::vec(0u32..9, 1..20)) {
            let whole = counting(9);
            let slices: Vec<Tensor> =
                rows.iter().map(|&row| whole.slice_rows(row..row + 1).unwrap()).collect();
            prop_assert_eq!(whole.select_rows(&rows).unwrap(), Tensor::concat_rows(&slices).unwrap());
        }
    }

    #[test]
    fn slicing_shares_the_bytes() {
        let whole = counting(4);
        let slice = whole.slice_rows(1..3).unwrap();
        assert_eq!(slice.data().as_ptr(), whole.data()[2..].as_ptr());
        assert_eq!(slice.data()[..], [2, 3, 4, 5]);
        assert_eq!(slice.shape(), [2, 2]);
    }

    #[test]
    fn rows_that_are_not_there_are_refused() {
        let whole = counting(4);
        assert!(whole.slice_rows(3..5).is_err());
        #[expect(clippy::reversed_empty_ranges, reason = "what is refused")]
        let reversed = whole.slice_rows(3..2);
        assert_eq!(
            reversed,
            Err(TensorError::Rows {
                start: 3,
                end: 2,
                rows: 4
            })
        );
        assert!(whole.select_rows(&[0, 4]).is_err());
        assert!(whole.select_rows(&[u32::MAX]).is_err());
    }

    #[test]
    fn only_rows_of_one_type_and_shape_concatenate() {
        let floats = Tensor::from_f32(&[1, 2], &[0.0; 2]).unwrap();
        let halves = floats.cast(DType::F16).unwrap();
        let wider = Tensor::from_f32(&[1, 3], &[0.0; 3]).unwrap();
        let scalar = Tensor::from_f32(&[], &[0.0]).unwrap();
        for odd in [halves, wider, scalar] {
            assert!(Tensor::concat_rows(&[floats.clone(), odd]).is_err());
        }
        assert!(Tensor::concat_rows(&[]).is_err());
    }

    #[test]
    fn a_tensor_without_rows_has_a_row_shape() {
        let none = Tensor::from_f32(&[0, 3], &[]).unwrap();
        assert_eq!((none.rows(), none.row_shape()), (0, &[3][..]));
        assert_eq!(none.select_rows(&[]).unwrap(), none);
        assert_eq!(none.slice_rows(0..0).unwrap(), none);
        let one = Tensor::from_f32(&[1, 3], &[0.0; 3]).unwrap();
        assert_eq!(Tensor::concat_rows(&[none, one.clone()]).unwrap(), one);
    }
}
