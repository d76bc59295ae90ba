//! Scaling a row so that it makes use of all 16 bits.

use alloc::vec::Vec;

/// Scales values so that the greatest of them is 65,535. Only ratios within a row of weights mean anything, and so they
/// lose the least.
///
/// # Rounding
///
/// To the nearest, halves up. A row of zeros stays one.
///
/// # Examples
///
/// ```
/// assert_eq!(incentive::max_upscale_to_u16(&[0_u16, 1, 3]), [0, 21_845, 65_535]);
/// ```
pub fn max_upscale_to_u16<T: Copy + Into<u64>>(values: &[T]) -> Vec<u16> {
    let greatest = values.iter().map(|&value| value.into()).max().unwrap_or(0);
    if greatest == 0 {
        return alloc::vec![0; values.len()];
    }
    let scale = |&value: &T| {
        let exact = u128::from(value.into()) * u128::from(u16::MAX);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "value ≤ greatest, so at most 65,535"
        )]
        let scaled = ((exact + u128::from(greatest / 2)) / u128::from(greatest)) as u16;
        scaled
    };
    values.iter().map(scale).collect()
}
