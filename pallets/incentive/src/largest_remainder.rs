//! Splitting an amount so that the parts add up to it.
//!
//! Everyone gets `⌊total · share / Σ shares⌋`; the units that are left, fewer than there are shares, go one each to those
//! with the largest remainders. (Hare's method. The origin rounded down and kept what was left.)

use alloc::vec::Vec;
use core::cmp::Reverse;

use crate::Error;

/// Splits `total` in proportion to `shares`.
///
/// # Rounding
///
/// Each part is the exact one, rounded down or up; together they are `total`, exactly. Of equal remainders, those at the
/// lower index are rounded up. A share of zero gets zero.
///
/// # Errors
///
/// [`Error::NoShares`] if there is something to split and every share is zero.
///
/// # Examples
///
/// ```
/// // 10 · 1/3, three times: 3 each, and the unit that is left goes to the first.
/// assert_eq!(incentive::largest_remainder(10, &[1, 1, 1]), Ok(vec![4, 3, 3]));
/// assert_eq!(incentive::largest_remainder(10, &[0]), Err(incentive::Error::NoShares));
/// ```
pub fn largest_remainder(total: u64, shares: &[u64]) -> Result<Vec<u64>, Error> {
    // At most as many summands as memory holds: far below 2⁶⁴ of them.
    let sum: u128 = shares.iter().copied().map(u128::from).sum();
    if sum == 0 {
        return if total == 0 {
            Ok(alloc::vec![0; shares.len()])
        } else {
            Err(Error::NoShares)
        };
    }
    let mut parts = Vec::with_capacity(shares.len());
    let mut remainders: Vec<(Reverse<u128>, usize)> = Vec::new();
    let mut left = total;
    for (index, &share) in shares.iter().enumerate() {
        if share == 0 {
            parts.push(0);
            continue;
        }
        let exact = u128::from(total) * u128::from(share);
        let (part, remainder) = (exact / sum, exact % sum);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "share ≤ sum, so the part is at most total"
        )]
        let part = part as u64;
        // Parts that are rounded down add up to at most the total.
        left -= part;
        parts.push(part);
        if remainder > 0 {
            remainders.push((Reverse(remainder), index));
        }
    }
    // What is left is the sum of the remainders over `sum`, each less than one: fewer units than remainders.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "fewer than remainders.len()"
    )]
    let left = left as usize;
    if 0 < left && left < remainders.len() {
        remainders.select_nth_unstable(left);
    }
    for &(_, index) in remainders.iter().take(left) {
        parts[index] += 1; // a position in `shares`
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_left_go_to_the_largest_remainders() {
        // 7 · (5, 3, 2) / 10 = 3.5, 2.1, 1.4
        assert_eq!(largest_remainder(7, &[5, 3, 2]).unwrap(), [4, 2, 1]);
    }

    #[test]
    fn of_equal_remainders_the_lower_index_is_rounded_up() {
        assert_eq!(largest_remainder(2, &[1, 1, 1]).unwrap(), [1, 1, 0]);
    }

    #[test]
    fn the_greatest_amounts_are_split_exactly() {
        let parts = largest_remainder(u64::MAX, &[u64::MAX; 7]).unwrap();
        assert_eq!(
            parts.iter().map(|&part| u128::from(part)).sum::<u128>(),
            u64::MAX.into()
        );
        assert_eq!(
            largest_remainder(u64::MAX, &[u64::MAX, 0]).unwrap(),
            [u64::MAX, 0]
        );
    }

    #[test]
    fn nothing_is_split_over_nobody() {
        assert_eq!(largest_remainder(0, &[]).unwrap(), [0; 0]);
        assert_eq!(largest_remainder(0, &[0, 0]).unwrap(), [0, 0]);
        assert_eq!(largest_remainder(1, &[]), Err(Error::NoShares));
    }
}
