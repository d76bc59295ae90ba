//! A shape held in place, so that checking and cloning a tensor allocates nothing.

use std::ops::Deref;

use super::TensorError;
use crate::MAX_RANK;

/// Elements along each axis, outermost first. Derefs to the slice of them.
///
/// The volume, which counts an empty axis as one element, fits into a `usize`: so does the number of elements, and so
/// does the size of a row of an empty tensor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    dims: [u32; MAX_RANK],
    rank: usize,
}

impl Shape {
    pub(super) fn new(shape: &[u32]) -> Result<Shape, TensorError> {
        let rank = shape.len();
        let mut dims = [0; MAX_RANK];
        let Some(held) = dims.get_mut(..rank) else {
            return Err(TensorError::Rank {
                rank,
                max: MAX_RANK,
            });
        };
        held.copy_from_slice(shape);
        volume(shape).ok_or_else(|| TensorError::Overflow {
            shape: shape.to_vec(),
        })?;
        Ok(Shape { dims, rank })
    }

    /// The number of elements if every empty axis had one.
    pub(super) fn volume(&self) -> usize {
        volume(self).expect("checked when the shape was made")
    }

    pub(super) fn n_elements(&self) -> usize {
        if self.contains(&0) { 0 } else { self.volume() }
    }
}

/// Π max(dim, 1), unless that overflows.
fn volume(shape: &[u32]) -> Option<usize> {
    shape.iter().try_fold(1usize, |product, &dim| {
        product.checked_mul(usize::try_from(dim.max(1)).ok()?)
    })
}

impl Deref for Shape {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        &self.dims[..self.rank]
    }
}
