//! The registration price: it jumps at each registration and decays continuously in between.
//!
//! ```text
//! price(t)  = max(min, level · 2^(-(t - at) / half_life))     between registrations
//! level'    = min(max, price(t) · step)                        at a registration
//! ```
//!
//! There is no interval at whose edge it would pay to wait: every block lowers the price by the same factor.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

use crate::hyperparameters::{Hyperparameters, MILLION};

/// Where the price stood when it last changed by hand of a registration.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct Price {
    /// Units.
    pub level: u64,
    /// Block.
    pub at: u32,
}

impl Price {
    /// The price in block `now`, within the network's bounds.
    ///
    /// # Rounding
    /// To at most 1.06 · 10⁻⁵ of the exact price above it, since time counts in steps of 2⁻¹⁶ half-lives, rounded down; and
    /// to at most 2⁻²⁶ of it and one unit below, since products are rounded down.
    pub fn at_block(&self, now: u32, params: &Hyperparameters) -> u64 {
        let elapsed = now.saturating_sub(self.at);
        decay(self.level, elapsed, params.price_half_life)
            .clamp(params.price_min, params.price_max.max(params.price_min))
    }

    /// The price after one registration in block `now`.
    ///
    /// # Rounding
    /// Up, so that a price that can rise does.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "128 bits for a product of 64 and 32"
    )]
    pub fn after_registration(&self, now: u32, params: &Hyperparameters) -> Self {
        let raised = (u128::from(self.at_block(now, params)) * u128::from(params.price_step))
            .div_ceil(u128::from(MILLION));
        let level = u64::try_from(raised)
            .unwrap_or(u64::MAX)
            .min(params.price_max);
        Self { level, at: now }
    }
}

/// `2^(-2^-k)` for k = 1..=16, in Q32: the factors whose products make every binary fraction of a half-life.
const HALVING_ROOTS: [u64; 16] = [
    0xB504_F333,
    0xD744_FCCA,
    0xEAC0_C6E7,
    0xF525_7D15,
    0xFA83_B2DB,
    0xFD3E_0C0C,
    0xFE9E_115C,
    0xFF4E_CB59,
    0xFFA7_5652,
    0xFFD3_A751,
    0xFFE9_D2B2,
    0xFFF4_E91B,
    0xFFFA_747E,
    0xFFFD_3A3B,
    0xFFFE_9D1C,
    0xFFFF_4E8E,
];

/// `level · 2^(-elapsed / half_life)`.
///
/// The fraction of a half-life is cut off after 16 binary places, so prices move at every block for half-lives up to
/// 65,536 blocks; the range of the hyperparameter stays below that. Less time than has elapsed gives a price too high, by
/// a factor of at most `2^(2^-16) = 1 + 1.06 · 10⁻⁵`. Everything after that is rounded down.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a half-life of at least 1; each product stays within the bits that its comment states"
)]
fn decay(level: u64, elapsed: u32, half_life: u32) -> u64 {
    let half_life = half_life.max(1);
    let halvings = elapsed / half_life;
    if halvings >= u64::BITS {
        return 0;
    }
    // 16 binary places of the fraction; below 2^16 because the remainder is below the half-life.
    let fraction = (u64::from(elapsed % half_life) << 16) / u64::from(half_life);
    // Roots are below 2^32, and so is every product but the first factor, which is 2^32.
    let factor = HALVING_ROOTS
        .iter()
        .enumerate()
        .filter(|(k, _)| fraction >> (15 - k) & 1 == 1)
        .fold(1u64 << 32, |product, (_, root)| (product * root) >> 32);
    // level · factor ≤ 2^64 · 2^32, and what is shifted out brings it back to at most `level`.
    let decayed = (u128::from(level) * u128::from(factor)) >> (32 + halvings);
    u64::try_from(decayed).unwrap_or(level)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bounds(min: u64, max: u64, half_life: u32, step: u32) -> Hyperparameters {
        Hyperparameters {
            price_min: min,
            price_max: max,
            price_half_life: half_life,
            price_step: step,
            ..Default::default()
        }
    }

    #[test]
    fn price_halves_in_a_half_life() {
        let params = bounds(1, u64::MAX, 360, 2 * MILLION);
        let price = Price {
            level: 1_000_000_000,
            at: 10,
        };
        assert_eq!(price.at_block(10, &params), 1_000_000_000);
        assert_eq!(price.at_block(370, &params), 500_000_000);
        assert_eq!(price.at_block(730, &params), 250_000_000);
        // 10^9 / √2 = 707,106,781.2
        let after_half = price.at_block(190, &params);
        assert!(after_half.abs_diff(707_106_781) <= 16, "{after_half}");
    }

    #[test]
    fn price_jumps_by_its_step_and_stays_within_bounds() {
        let params = bounds(100, 1_000, 10, 1_260_000);
        let price = Price { level: 100, at: 0 };
        assert_eq!(
            price.after_registration(0, &params),
            Price { level: 126, at: 0 }
        );
        let high = Price { level: 900, at: 0 };
        assert_eq!(high.after_registration(0, &params).level, 1_000);
        assert_eq!(high.at_block(1_000_000, &params), 100);
    }

    #[test]
    fn a_price_of_one_still_rises() {
        let params = bounds(1, 10, 1, MILLION + 1);
        assert_eq!(
            Price { level: 1, at: 0 }
                .after_registration(0, &params)
                .level,
            2
        );
    }

    proptest! {
        #[test]
        fn decay_agrees_with_the_exponential(level in 1u64..1 << 50, elapsed in 0u32..100_000, half_life in 1u32..36_100) {
            let expected = level as f64 * (-f64::from(elapsed) / f64::from(half_life)).exp2();
            let got = decay(level, elapsed, half_life) as f64;
            // 2^(2^-16) = 1 + 1.0577e-5
            prop_assert!(got <= expected * (1.0 + 1.06e-5), "{got} above {expected}");
            prop_assert!(got >= expected * (1.0 - f64::from(1 << 26).recip()) - 1.0, "{got} below {expected}");
        }

        #[test]
        fn decay_never_rises_with_time(level: u64, elapsed in 0u32..u32::MAX, half_life in 1u32..36_101) {
            prop_assert!(decay(level, elapsed + 1, half_life) <= decay(level, elapsed, half_life));
        }

        #[test]
        fn price_is_always_within_its_bounds(level: u64, at: u32, now: u32, min in 1u64.., span: u64, half_life in 1u32..36_101, step in MILLION..=3 * MILLION) {
            let params = bounds(min, min.saturating_add(span), half_life, step);
            let price = Price { level, at };
            let here = price.at_block(now, &params);
            prop_assert!((params.price_min..=params.price_max).contains(&here));
            let next = price.after_registration(now, &params).level;
            prop_assert!((here..=params.price_max).contains(&next));
        }
    }
}
