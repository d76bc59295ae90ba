//! The logistic function σ(x) = 1 / (1 + e⁻ˣ) in integers.
//!
//! Linear interpolation in a table with a step of 1/128, computed when this crate is compiled. As in the origin, |x| is
//! at most 20.
//!
//! # Rounding
//!
//! Within 10⁻⁶ of the exact value, and below one half within 10⁻⁵ of it relatively: what is small is not inexact.

use crate::fixed::low_u32;

/// One, with 63 fractional bits.
const ONE_63: u64 = 1 << 63;

/// Steps of the table per unit of x.
const STEPS: u32 = 128;
/// Greatest |x|.
const LIMIT: u32 = 20;
const ENTRIES: usize = (STEPS * LIMIT) as usize;

/// `e^(-1/128)` with 63 fractional bits: the sum of `(-1/128)ᵏ / k!`, which at k = 9 is below the last bit.
const fn ratio() -> u64 {
    let one: i128 = 1 << 80;
    let (mut term, mut sum, mut k) = (one, one, 1);
    while k < 12 {
        term = -term / (STEPS as i128 * k);
        sum += term;
        k += 1;
    }
    let ratio = sum >> (80 - 63);
    assert!(0 < ratio && ratio < 1 << 63);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "asserted above"
    )]
    {
        ratio as u64
    }
}

/// `σ(-i / 128)` with 63 fractional bits.
static TABLE: [u64; ENTRIES + 1] = {
    let mut table = [0; ENTRIES + 1];
    let ratio = ratio() as u128;
    let one = ONE_63 as u128;
    let (mut exp, mut i) = (one, 0);
    while i <= ENTRIES {
        #[expect(clippy::cast_possible_truncation, reason = "a quotient of at most 2⁶²")]
        {
            table[i] = ((exp << 63) / (one + exp)) as u64;
        }
        exp = (exp * ratio) >> 63;
        i += 1;
    }
    table
};

/// The logistic function of `slope · (x - midpoint)`.
#[derive(Copy, Clone)]
pub(crate) struct Logistic {
    /// Steps of the table per unit of x, with 16 fractional bits. At most 2³⁹.
    slope: u64,
    /// With 31 fractional bits.
    midpoint: u32,
}

impl Logistic {
    /// `slope` is in hundredths; `midpoint` has 31 fractional bits and is at most one.
    pub(crate) const fn new(slope_hundredths: u32, midpoint: u32) -> Self {
        debug_assert!(slope_hundredths <= 100 * u16::MAX as u32);
        // 65,535 · 128 · 2¹⁶ < 2³⁹
        let slope = (slope_hundredths as u64 * STEPS as u64 * (1 << 16)) / 100;
        Self { slope, midpoint }
    }

    /// σ at `x`, a fraction with 31 fractional bits, as one with 63. Neither zero nor one.
    #[inline]
    pub(crate) fn at(self, x: u32) -> u64 {
        let distance = u64::from(x.abs_diff(self.midpoint));
        // Steps with 16 fractional bits: the two halves of a product of up to 2³¹ · 2³⁹.
        let steps = (distance * (self.slope >> 16)) >> 15;
        let steps = steps + ((distance * (self.slope & 0xffff)) >> 31);
        let lower = Self::below_midpoint(steps);
        if x >= self.midpoint {
            ONE_63 - lower
        } else {
            lower
        }
    }

    /// σ of a negative number of steps with 16 fractional bits.
    #[inline]
    fn below_midpoint(steps: u64) -> u64 {
        const LAST: u64 = (STEPS * LIMIT) as u64;
        let index = low_u32((steps >> 16).min(LAST)) as usize;
        let fraction = steps & 0xffff;
        let (from, to) = (TABLE[index], TABLE[(index + 1).min(ENTRIES)]);
        // The table descends.
        from - ((from - to) >> 16) * fraction
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::ONE;

    #[test]
    fn it_is_within_a_millionth_of_the_exact_function() {
        for slope in [0_u32, 1, 10, 100, 1_000, 3_000, 65_535, 6_553_500] {
            for midpoint in [0, 1, ONE / 2, ONE / 3, ONE] {
                let logistic = Logistic::new(slope, midpoint);
                for k in 0..=5_000_u32 {
                    let x = u32::try_from(u64::from(ONE) * u64::from(k) / 5_000).unwrap();
                    let (x_real, middle) = (
                        f64::from(x) / f64::from(ONE),
                        f64::from(midpoint) / f64::from(ONE),
                    );
                    let t = (f64::from(slope) / 100.0 * (x_real - middle)).clamp(-20.0, 20.0);
                    let exact = 1.0 / (1.0 + (-t).exp());
                    let found = logistic.at(x) as f64 / ONE_63 as f64;
                    assert!(
                        (found - exact).abs() < 1e-6,
                        "σ({t}) = {exact}, not {found}"
                    );
                }
            }
        }
    }

    #[test]
    fn it_is_never_zero_and_never_one() {
        let steep = Logistic::new(6_553_500, ONE / 2);
        assert!(steep.at(0) > 0 && steep.at(ONE) < ONE_63);
    }
}
