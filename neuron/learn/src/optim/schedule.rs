//! The learning rate of each step.

use std::f64::consts::PI;

/// How the learning rate goes with the number of optimiser steps. Steps are counted from 0, over all epochs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// Always the same.
    Constant {
        /// Learning rate.
        rate: f64,
    },
    /// Multiplied by `gamma` every `every` steps: `rate · gamma^⌊step / every⌋`.
    Step {
        /// Learning rate at first.
        rate: f64,
        /// Steps between two changes; zero means never.
        every: u64,
        /// Factor of each change.
        gamma: f64,
    },
    /// Rises linearly to `rate` in `warmup` steps, then falls along half a cosine to zero at step `total`.
    ///
    /// `rate · (step + 1) / warmup`, then `rate · ½ · (1 + cos(π · (step − warmup) / (total − warmup)))`.
    WarmupCosine {
        /// Learning rate at its highest.
        rate: f64,
        /// Steps of the rise.
        warmup: u64,
        /// Steps of everything. From there on the rate is zero.
        total: u64,
    },
}

impl Schedule {
    /// The learning rate of a step.
    #[expect(clippy::cast_precision_loss, reason = "nobody makes 2^52 steps")]
    pub fn rate(&self, step: u64) -> f64 {
        match *self {
            Self::Constant { rate } => rate,
            Self::Step { rate, every, gamma } => {
                let changes = step.checked_div(every).unwrap_or(0);
                rate * gamma.powf(changes as f64)
            }
            Self::WarmupCosine { rate, warmup, .. } if step < warmup => {
                rate * (step + 1) as f64 / warmup as f64
            }
            Self::WarmupCosine { total, .. } if step >= total => 0.0,
            Self::WarmupCosine {
                rate,
                warmup,
                total,
            } => {
                // warmup ≤ step < total, so there is something to divide by.
                let done = (step - warmup) as f64 / (total - warmup) as f64;
                rate * 0.5 * (1.0 + (PI * done).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_rates(schedule: Schedule, expected: &[(u64, f64)]) {
        for &(step, rate) in expected {
            let got = schedule.rate(step);
            assert!(
                (got - rate).abs() < 1e-12,
                "step {step}: expected {rate}, got {got}"
            );
        }
    }

    #[test]
    fn a_constant_rate_stays() {
        assert_rates(
            Schedule::Constant { rate: 0.01 },
            &[(0, 0.01), (u64::MAX, 0.01)],
        );
    }

    #[test]
    fn a_rate_falls_in_steps() {
        let schedule = Schedule::Step {
            rate: 0.1,
            every: 10,
            gamma: 0.5,
        };
        assert_rates(
            schedule,
            &[
                (0, 0.1),
                (9, 0.1),
                (10, 0.05),
                (29, 0.025),
                (1_000_000, 0.0),
            ],
        );
        let never = Schedule::Step {
            rate: 0.1,
            every: 0,
            gamma: 0.5,
        };
        assert_rates(never, &[(1_000, 0.1)]);
    }

    #[test]
    fn a_rate_warms_up_and_falls_along_a_cosine() {
        let schedule = Schedule::WarmupCosine {
            rate: 0.8,
            warmup: 4,
            total: 12,
        };
        // Rise by 0.2 a step; then cos 0, cos π/4, cos π/2, cos 3π/4.
        let quarter = std::f64::consts::FRAC_1_SQRT_2;
        assert_rates(
            schedule,
            &[
                (0, 0.2),
                (3, 0.8),
                (4, 0.8),
                (6, 0.4 * (1.0 + quarter)),
                (8, 0.4),
                (10, 0.4 * (1.0 - quarter)),
                (12, 0.0),
                (99, 0.0),
            ],
        );
    }
}
