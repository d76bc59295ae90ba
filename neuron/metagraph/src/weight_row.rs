//! A row of the weight matrix: scores of peers, made into the integers that the chain takes.
//!
//! ```text
//! scores s_i ≥ 0, any scale
//!   u_i = ⌊s_i · (2³² − 1) / Σ s⌋      what is left over goes to the largest     Σ u_i = 2³² − 1
//!   w_i = round(u_i · 65535 / max u)   at least 1                                 what set_weights takes
//! ```
//!
//! The first line is how the origin of this design divides the whole among peers (there, what is left over went to whoever came
//! last, even if it was given nothing). The second is the form in which the chain keeps a row: only proportions count, so the
//! largest weight has all 16 bits. A row made here is stored as it was sent.

use serde::Serialize;

use crate::{Entry, Metagraph, Neuron};

/// What is divided among the peers of a row.
const WHOLE: u32 = u32::MAX;

/// A row of the weight matrix: ascending by uid, none zero, never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WeightRow {
    /// (uid, part of 2³² − 1).
    parts: Vec<(u16, u32)>,
}

/// Why scores are no row.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum WeightError {
    /// A score is NaN or infinite, or all of them together are.
    #[error(
        "expected finite scores, got {score} for uid {uid}; a model that has diverged should set no weights"
    )]
    NotFinite {
        /// Whose.
        uid: u16,
        /// The score.
        score: f64,
    },
    /// A score is below zero.
    #[error("expected scores of at least 0, got {score} for uid {uid}")]
    Negative {
        /// Whose.
        uid: u16,
        /// The score.
        score: f64,
    },
    /// A uid is there twice.
    #[error("expected one score for each peer, got two for uid {uid}")]
    Duplicate {
        /// Whose.
        uid: u16,
    },
    /// There is no score above zero.
    #[error("expected at least one score above 0, got none")]
    Nothing,
}

impl WeightRow {
    /// The row for `scores`, (uid, score) in any order and on any scale.
    ///
    /// # Rounding
    ///
    /// Down to 1/(2³² − 1), and what is left over goes to the largest (the lowest uid of several): the parts always sum to
    /// 2³² − 1. A peer whose score is zero, or less than 1/(2³² − 1) of the sum, has no entry.
    ///
    /// # Errors
    ///
    /// See [`WeightError`].
    pub fn quantise(scores: &[(u16, f64)]) -> Result<Self, WeightError> {
        let mut scores = scores.to_vec();
        scores.sort_by_key(|(uid, _)| *uid);
        let sum = checked_sum(&scores)?;
        let mut parts: Vec<_> = scores
            .into_iter()
            .map(|(uid, score)| (uid, part(score, sum)))
            .collect();
        give_leftover_to_largest(&mut parts);
        parts.retain(|(_, part)| *part > 0);
        Ok(Self { parts })
    }

    /// (uid, part of 2³² − 1), ascending by uid.
    pub fn parts(&self) -> &[(u16, u32)] {
        &self.parts
    }

    /// (uid, share of the row in 0..=1), ascending by uid.
    pub fn shares(&self) -> impl Iterator<Item = (u16, f64)> {
        let share = |(uid, part): &(u16, u32)| (*uid, f64::from(*part) / f64::from(WHOLE));
        self.parts.iter().map(share)
    }

    /// The row as `set_weights` takes it and the chain stores it: the largest weight is 65535, none is zero.
    ///
    /// # Rounding
    ///
    /// To the nearest, halves up, but never to zero: who was given something is not given nothing.
    pub fn entries(&self) -> Vec<Entry> {
        let largest = self
            .parts
            .iter()
            .map(|(_, part)| *part)
            .max()
            .unwrap_or(WHOLE);
        let largest = u64::from(largest);
        let scale = |part: u32| {
            let scaled = (u64::from(part) * u64::from(u16::MAX) + largest / 2) / largest;
            u16::try_from(scaled).unwrap_or(u16::MAX).max(1)
        };
        self.parts
            .iter()
            .map(|(uid, part)| (*uid, scale(*part)))
            .collect()
    }

    /// Whether the chain has this row already, `stored` being what it has.
    ///
    /// That alone is no reason not to set it again: see [`WeightRow::counts_already`].
    pub fn is_unchanged(&self, stored: &[Entry]) -> bool {
        self.entries() == stored
    }

    /// Whether setting this row for `rater` would change nothing: the chain has the same, and what it has counts.
    ///
    /// A stored row stops to count in two ways, and setting it again is what mends both:
    ///
    /// * an entry for a neuron that took its uid after the row was set, or in the same block, means the one before: it counts for nothing;
    /// * a rater whose row is older than `activity_cutoff` blocks is inactive, and its stake does not vote. A row is renewed when
    ///   half of that has passed, so that it is never missed by who sets rows a few blocks late.
    pub fn counts_already(
        &self,
        rater: &Neuron,
        stored: &[Entry],
        metagraph: &Metagraph,
        activity_cutoff: u32,
    ) -> bool {
        let set_at = rater.last_update;
        let age = metagraph.block.number.saturating_sub(set_at);
        let means_those_there_now = self.parts.iter().all(|(uid, _)| {
            let rated = metagraph.neuron(*uid);
            rated.is_some_and(|rated| set_at > rated.registered_at)
        });
        self.is_unchanged(stored) && means_those_there_now && age < activity_cutoff / 2
    }
}

/// The sum of sorted scores that make a row.
fn checked_sum(scores: &[(u16, f64)]) -> Result<f64, WeightError> {
    let mut sum = 0.0;
    let mut previous = None;
    for &(uid, score) in scores {
        sum += score;
        match score {
            _ if previous == Some(uid) => return Err(WeightError::Duplicate { uid }),
            _ if !score.is_finite() || !f64::is_finite(sum) => {
                return Err(WeightError::NotFinite { uid, score });
            }
            _ if score < 0.0 => return Err(WeightError::Negative { uid, score }),
            _ => previous = Some(uid),
        }
    }
    match sum > 0.0 {
        true => Ok(sum),
        false => Err(WeightError::Nothing),
    }
}

/// `score` of `sum` in parts of the whole, rounded down.
fn part(score: f64, sum: f64) -> u32 {
    // First the product, so that thirds and other shares that binary fractions miss come out whole where they are whole. It
    // overflows only for scores that are far beyond any meaning; then first the quotient.
    let product = score * f64::from(WHOLE);
    let part = match product.is_finite() {
        true => product / sum,
        false => score / sum * f64::from(WHOLE),
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rounding down is what is wanted; the cast saturates, and nothing here is negative"
    )]
    let part = part.floor() as u32;
    part
}

/// Makes the parts sum to the whole. Each was rounded down, so fewer are left over than there are parts; where floating point
/// rounded up before, the difference is as small and is taken away.
fn give_leftover_to_largest(parts: &mut [(u16, u32)]) {
    let given: i64 = parts.iter().map(|(_, part)| i64::from(*part)).sum();
    let leftover = i64::from(WHOLE) - given;
    // The first of several: `max_by_key` would take the last.
    let largest = parts.iter_mut().rev().max_by_key(|(_, part)| *part);
    if let Some((_, part)) = largest {
        *part = u32::try_from(i64::from(*part) + leftover).unwrap_or(WHOLE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BlockRef;
    use neuron_wallet::PublicKey;
    use proptest::prelude::*;

    fn parts(scores: &[f64]) -> Vec<(u16, u32)> {
        let scores: Vec<_> = (0..).zip(scores.iter().copied()).collect();
        WeightRow::quantise(&scores).unwrap().parts().to_vec()
    }

    /// The vectors of the origin (A5.2).
    #[test]
    fn the_whole_is_divided_as_the_origin_did() {
        assert_eq!(
            parts(&[0.1, 0.2, 0.3, 0.4]),
            [
                (0, 429_496_729),
                (1, 858_993_459),
                (2, 1_288_490_188),
                (3, 1_717_986_919)
            ]
        );
        let third = 1_431_655_765;
        assert_eq!(
            parts(&[1.0, 1.0, 1.0]),
            [(0, third), (1, third), (2, third)]
        );
        assert_eq!(
            parts(&[0.0, 1.0, 0.0, 3.0]),
            [(1, 1_073_741_823), (3, 3_221_225_472)]
        );
    }

    #[test]
    fn what_is_left_over_goes_to_the_largest_and_never_to_one_with_nothing() {
        // ⌊(2³² − 1) / 7⌋ = 613566756, thrice; ⌊· 4 / 7⌋ = 2454267025 (2454267025.71); left over: 4294967295 − 4294967293.
        assert_eq!(
            parts(&[1.0, 4.0, 1.0, 1.0, 0.0]),
            [
                (0, 613_566_756),
                (1, 2_454_267_027),
                (2, 613_566_756),
                (3, 613_566_756)
            ]
        );
    }

    #[test]
    fn of_several_largest_the_first_has_what_is_left_over() {
        // (2³² − 1) / 2 = 2147483647.5
        assert_eq!(parts(&[2.0, 2.0]), [(0, 2_147_483_648), (1, 2_147_483_647)]);
    }

    #[test]
    fn a_row_is_sorted_whatever_the_order_of_the_scores() {
        let row = WeightRow::quantise(&[(7, 1.0), (2, 3.0)]).unwrap();
        assert_eq!(row.entries(), [(2, 65_535), (7, 21_845)]);
    }

    #[test]
    fn a_peer_with_hardly_anything_is_kept() {
        let row = WeightRow::quantise(&[(0, 1.0), (1, 1e-7)]).unwrap();
        assert_eq!(row.entries(), [(0, 65_535), (1, 1)]);
    }

    #[test]
    fn a_row_that_the_chain_has_is_unchanged() {
        let row = WeightRow::quantise(&[(0, 0.25), (3, 0.75)]).unwrap();
        assert!(row.is_unchanged(&row.entries()));
        assert!(!row.is_unchanged(&[(0, 21_845)]));
        assert!(!row.is_unchanged(&[]));
        // The same on another scale is the same.
        assert!(
            WeightRow::quantise(&[(3, 3.0), (0, 1.0)])
                .unwrap()
                .is_unchanged(&row.entries())
        );
    }

    fn neuron(uid: u16, registered_at: u32) -> Neuron {
        Neuron::new(uid, PublicKey([1; 32]), PublicKey([2; 32]), registered_at)
    }

    /// The one that rates, as uid 2.
    fn rater(set_at: u32) -> Neuron {
        Neuron {
            last_update: set_at,
            ..neuron(2, 0)
        }
    }

    /// A network in block 1,000 in which these are registered, by uid.
    fn metagraph(registered_at: &[u32]) -> Metagraph {
        let neurons = (0..).zip(registered_at);
        Metagraph {
            block: BlockRef {
                number: 1_000,
                hash: Default::default(),
            },
            netid: 0,
            task: "digits".into(),
            owner: None,
            max_neurons: 256,
            registration_price: 0,
            pending: 0,
            previous_epoch: 980,
            next_epoch: 1_000,
            neurons: neurons.map(|(uid, at)| neuron(uid, *at)).collect(),
            by_hotkey: [].into(),
        }
    }

    #[test]
    fn a_row_is_renewed_before_its_rater_is_inactive() {
        let row = WeightRow::quantise(&[(0, 0.25), (1, 0.75)]).unwrap();
        let metagraph = metagraph(&[10, 20]);
        let counts =
            |set_at, cutoff| row.counts_already(&rater(set_at), &row.entries(), &metagraph, cutoff);
        assert!(counts(1_000, 100));
        assert!(counts(951, 100));
        assert!(!counts(950, 100));
        assert!(counts(950, 102));
    }

    #[test]
    fn a_row_is_renewed_for_who_took_the_place_of_another() {
        let row = WeightRow::quantise(&[(0, 0.25), (1, 0.75)]).unwrap();
        let counts = |registered_at: &[u32]| {
            let metagraph = metagraph(registered_at);
            row.counts_already(&rater(990), &row.entries(), &metagraph, 5_000)
        };
        assert!(counts(&[10, 989]));
        assert!(!counts(&[10, 990]), "of the same block it does not count");
        assert!(!counts(&[991, 10]));
        assert!(!counts(&[10]), "who is gone is not rated");
    }

    #[test]
    fn another_row_never_counts_already() {
        let row = WeightRow::quantise(&[(0, 0.25), (1, 0.75)]).unwrap();
        let (rater, metagraph) = (rater(990), metagraph(&[0, 0]));
        for stored in [&[(0, 65_535)][..], &[]] {
            assert!(!row.counts_already(&rater, stored, &metagraph, 5_000));
        }
    }

    #[test]
    fn what_is_no_score_is_refused_by_name() {
        let refused = |scores: &[(u16, f64)]| WeightRow::quantise(scores).unwrap_err();
        assert!(matches!(
            refused(&[(3, f64::NAN)]),
            WeightError::NotFinite { uid: 3, .. }
        ));
        assert!(matches!(
            refused(&[(0, 1.0), (4, f64::INFINITY)]),
            WeightError::NotFinite { uid: 4, .. }
        ));
        assert!(matches!(
            refused(&[(0, f64::MAX), (1, f64::MAX)]),
            WeightError::NotFinite { uid: 1, .. }
        ));
        assert_eq!(
            refused(&[(0, 1.0), (5, -0.5)]),
            WeightError::Negative {
                uid: 5,
                score: -0.5
            }
        );
        assert_eq!(
            refused(&[(1, 0.5), (2, 0.1), (1, 0.5)]),
            WeightError::Duplicate { uid: 1 }
        );
        assert_eq!(refused(&[]), WeightError::Nothing);
        assert_eq!(refused(&[(0, 0.0), (1, 0.0)]), WeightError::Nothing);
    }

    fn scores() -> impl Strategy<Value = Vec<(u16, f64)>> {
        let score = prop_oneof![Just(0.0), 1e-12..1.0f64, 0.0..1e300f64];
        proptest::collection::btree_map(any::<u16>(), score, 1..300)
            .prop_map(|row| row.into_iter().collect())
    }

    proptest! {
        #[test]
        fn every_row_sums_to_the_whole_and_has_no_zero(scores in scores()) {
            prop_assume!(scores.iter().any(|(_, score)| *score > 0.0));
            let row = WeightRow::quantise(&scores).unwrap();
            let sum: u64 = row.parts().iter().map(|(_, part)| u64::from(*part)).sum();
            prop_assert_eq!(sum, u64::from(u32::MAX));
            prop_assert!(row.parts().iter().all(|(_, part)| *part > 0));
            prop_assert!(row.parts().windows(2).all(|pair| pair[0].0 < pair[1].0));
        }

        #[test]
        fn every_part_is_within_its_rounding_of_the_exact_share(scores in scores()) {
            prop_assume!(scores.iter().any(|(_, score)| *score > 0.0));
            let sum: f64 = scores.iter().map(|(_, score)| score).sum();
            let row = WeightRow::quantise(&scores).unwrap();
            for (uid, share) in row.shares() {
                let (_, score) = scores.iter().find(|(of, _)| *of == uid).unwrap();
                // 1 for rounding down, and up to one for each peer that is left over.
                let allowed = (scores.len() as f64 + 2.0) / f64::from(u32::MAX);
                prop_assert!((share - score / sum).abs() <= allowed, "{} {} {}", uid, share, score / sum);
            }
        }

        #[test]
        fn entries_keep_the_order_of_the_parts(scores in scores()) {
            prop_assume!(scores.iter().any(|(_, score)| *score > 0.0));
            let row = WeightRow::quantise(&scores).unwrap();
            let entries = row.entries();
            prop_assert_eq!(entries.iter().map(|(_, weight)| *weight).max(), Some(u16::MAX));
            for (a, x) in row.parts().iter().zip(&entries) {
                prop_assert_eq!(a.0, x.0);
                for (b, y) in row.parts().iter().zip(&entries) {
                    prop_assert!(a.1 < b.1 || x.1 >= y.1);
                }
            }
        }
    }
}
