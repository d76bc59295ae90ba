//! Numbers from a normal distribution, by the transform of G. Box and M. Muller (1958):
//!
//! ```text
//! √(-2·ln u)·(cos 2πv, sin 2πv)        u uniform in (0, 1], v in [0, 1)
//! ```

use std::f64::consts::TAU;

use rand::Rng;

/// So many numbers of mean zero and this standard deviation.
pub(crate) fn normal(standard_deviation: f64, n: usize, rng: &mut impl Rng) -> Vec<f32> {
    let mut numbers = Vec::with_capacity(n + 1);
    while numbers.len() < n {
        let [u, v]: [f64; 2] = [1.0 - rng.random::<f64>(), rng.random()];
        let radius = standard_deviation * (-2.0 * u.ln()).sqrt();
        let (sine, cosine) = (TAU * v).sin_cos();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "rounded to the precision of parameters"
        )]
        numbers.extend([radius * cosine, radius * sine].map(|number| number as f32));
    }
    numbers.truncate(n);
    numbers
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn numbers_have_the_moments_of_a_normal_distribution() {
        const N: usize = 100_001;
        let numbers = normal(0.5, N, &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(numbers.len(), N);
        let moment = |power: i32| {
            let powers = numbers.iter().map(|&x| f64::from(x / 0.5).powi(power));
            powers.sum::<f64>() / N as f64
        };
        // Each within five standard errors, √(1, 2, 15, 96) / √N.
        for (power, expected, error) in [
            (1, 0.0, 0.0032),
            (2, 1.0, 0.0045),
            (3, 0.0, 0.0123),
            (4, 3.0, 0.0310),
        ] {
            let arrived = moment(power);
            assert!(
                (arrived - expected).abs() < 5.0 * error,
                "{power}: {arrived}"
            );
        }
    }
}
