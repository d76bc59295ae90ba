//! Fractions as integers.
//!
//! A fraction in `[0, 1]` is held with 31 fractional bits in a `u32`, where [`ONE`] = 2³¹ stands for one. The product of
//! two has 62 fractional bits and fits a `u64` with room for the sum of a whole row or column. Nothing here is wider
//! than 64 bits in a loop over entries, since WebAssembly has no wider multiplication.
//!
//! # Rounding
//!
//! Stake shares and weights are rounded up to the next 2⁻³¹: what is not zero stays so, and equal fractions stay equal.
//! A sum of `k` of them exceeds the exact one by at most `k`·2⁻³¹, with `k` ≤ 65,535; the widths below count that in.

/// One, with 31 fractional bits.
pub(crate) const ONE: u32 = 1 << 31;

/// One, with 32 fractional bits: for factors that scale a product back by a shift of 32.
pub(crate) const ONE_32: u64 = 1 << 32;

/// `value`, which a caller has shown to fit 32 bits.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "every caller states why its value fits"
)]
pub(crate) const fn low_u32(value: u64) -> u32 {
    debug_assert!(value <= u32::MAX as u64);
    value as u32
}

/// `value`, which a caller has shown to fit 16 bits.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "every caller states why its value fits"
)]
pub(crate) const fn low_u16(value: u64) -> u16 {
    debug_assert!(value <= u16::MAX as u64);
    value as u16
}

/// `x · f / 2³²`, rounded down, for a factor of at most one. Exact over all of `u64` without a wider product.
#[inline]
pub(crate) const fn scale_down(x: u64, f: u64) -> u64 {
    debug_assert!(f <= ONE_32);
    // Each product is at most (2³² - 1) · 2³², and the whole is at most x.
    (x >> 32) * f + (((x & 0xffff_ffff) * f) >> 32)
}

/// A fraction out of 65,535 with 32 fractional bits, rounded up, so that 65,535 is exactly one.
#[inline]
pub(crate) const fn from_u16(fraction: u16) -> u64 {
    // fraction · 2³² < 2⁴⁸
    ((fraction as u64) << 32).div_ceil(u16::MAX as u64)
}

/// A fraction in parts per million with 32 fractional bits, rounded up, so that 1,000,000 is exactly one.
#[inline]
pub(crate) const fn from_ppm(fraction: u32) -> u64 {
    // fraction · 2³² ≤ 2⁵²
    ((fraction as u64) << 32).div_ceil(crate::params::ONE_PPM as u64)
}

/// A fraction with 31 fractional bits as one out of 65,535, to the nearest. More than one counts as one.
#[inline]
pub(crate) fn to_u16(fraction: u32) -> u16 {
    let one = u64::from(ONE);
    // min(..) · 65,535 + 2³⁰ < 2⁴⁷ + 2³⁰, and divided by 2³¹ at most 65,535.
    low_u16((u64::from(fraction).min(one) * u64::from(u16::MAX) + (one >> 1)) >> 31)
}

/// The fractions `value / total`, for one total and many values of at most that total.
#[derive(Copy, Clone)]
pub(crate) struct Of {
    total: u64,
    shift: u32,
}

impl Of {
    /// Fractions of `total`. Of zero, every fraction is zero: there is nothing to have a part of.
    pub(crate) fn new(total: u128) -> Self {
        // Leave 48 bits, so that a product with 16 more fits 64.
        let shift = (u128::BITS - total.leading_zeros()).saturating_sub(48);
        #[expect(clippy::cast_possible_truncation, reason = "shifted to 48 bits")]
        let total = (total >> shift) as u64;
        Self { total, shift }
    }

    /// `value / total` out of 65,535, to the nearest.
    pub(crate) fn as_u16(self, value: u128) -> u16 {
        if self.total == 0 {
            return 0;
        }
        let value = self.shifted(value);
        // value ≤ total < 2⁴⁸
        low_u16((value * u64::from(u16::MAX) + self.total / 2) / self.total)
    }

    /// `value / total` with 31 fractional bits, rounded up.
    pub(crate) fn as_q31(self, value: u128) -> u32 {
        if self.total == 0 || value == 0 {
            return 0;
        }
        // Down to 32 bits, so that a product with 31 more fits 64.
        let shift = (u64::BITS - self.total.leading_zeros()).saturating_sub(32);
        let total = self.total >> shift;
        let value = self.shifted(value) >> shift;
        low_u32((value << 31).div_ceil(total).max(1))
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most total, which fits 48 bits"
    )]
    fn shifted(self, value: u128) -> u64 {
        ((value >> self.shift) as u64).min(self.total)
    }
}
