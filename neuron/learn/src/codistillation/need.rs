//! When to listen to peers: as far as a neuron's own examples leave something to be learned.

use serde::{Deserialize, Serialize};

use crate::checkpoint::exact;

/// How much lower, as a share, the loss in training is than on held-out examples, where peers are listened to as much as may be.
const WHOLE_GAP: f64 = 0.1;

/// How much a neuron needs to learn from its peers.
///
/// As long as its loss is as high on the examples that it learns from as on those that are held out, more steps on its own
/// labels teach it fastest, and peers who made as many know no more than it does. When it begins to learn its shard by heart, they know
/// what is not in there. So α of the [loss](super) is a share of the most that it may be:
///
/// ```text
/// need = clamp((1 − trained / held out) / 0.1, 0, 1)        trained: mean over the steps since the evaluation before
/// α    = need · most
/// ```
///
/// The mean lags behind while a model learns fast: need is low then, as it should be. It is 0 before the first evaluation.
///
/// Anil and others ([above](super)) wait for a fixed number of steps instead, which has to be found anew for every task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Need {
    #[serde(with = "exact::number")]
    need: f64,
    /// Of the losses since the last evaluation.
    #[serde(with = "exact::number")]
    sum: f64,
    n_steps: u64,
}

impl Need {
    /// As much as there can be, until the next evaluation.
    pub const WHOLE: Need = Need {
        need: 1.0,
        sum: 0.0,
        n_steps: 0,
    };

    /// The share of the local loss that peers have, in `0..=most`.
    pub fn share(&self, most: f64) -> f64 {
        self.need * most
    }

    /// Takes notice of a step: the loss of the local branch by its labels, in nats.
    pub fn learned(&mut self, loss: f64) {
        self.sum += loss;
        self.n_steps += 1;
    }

    /// Takes notice of an evaluation: the same loss on held-out examples. One that is not finite, or no step since the one
    /// before, says nothing.
    pub fn measured(&mut self, held_out: f64) {
        #[expect(clippy::cast_precision_loss, reason = "fewer steps than 2^52")]
        let trained = self.sum / self.n_steps as f64;
        let gap = 1.0 - trained / held_out;
        if gap.is_finite() {
            self.need = (gap / WHOLE_GAP).clamp(0.0, 1.0);
        }
        (self.sum, self.n_steps) = (0.0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After steps with these losses, and an evaluation.
    fn after(losses: &[f64], held_out: f64) -> Need {
        let mut need = Need::default();
        losses.iter().for_each(|loss| need.learned(*loss));
        need.measured(held_out);
        need
    }

    #[test]
    fn nobody_is_imitated_before_the_first_evaluation() {
        let mut need = Need::default();
        assert_eq!(need.share(0.5), 0.0);
        need.learned(0.1);
        assert_eq!(need.share(0.5), 0.0);
    }

    #[test]
    fn peers_are_needed_as_far_as_a_shard_is_learned_by_heart() {
        assert_eq!(after(&[5.0, 4.0], 4.0).share(0.5), 0.0);
        assert_eq!(after(&[4.0], 4.0).share(0.5), 0.0);
        assert!((after(&[3.9, 3.7], 4.0).share(0.5) - 0.25).abs() < 1e-12);
        assert_eq!(after(&[3.5], 4.0).share(0.5), 0.5);
        assert_eq!(after(&[0.1], 4.0).share(0.8), 0.8);
    }

    #[test]
    fn each_evaluation_is_of_the_steps_before_it() {
        let mut need = after(&[0.1], 4.0);
        need.learned(4.0);
        need.measured(4.0);
        assert_eq!(need.share(1.0), 0.0);
    }

    #[test]
    fn what_says_nothing_changes_nothing() {
        let whole = after(&[0.1], 4.0);
        for (losses, held_out) in [
            (&[1.0][..], f64::NAN),
            (&[f64::NAN], 4.0),
            (&[], 4.0),
            (&[0.0], 0.0),
        ] {
            let mut need = whole;
            losses.iter().for_each(|loss| need.learned(*loss));
            need.measured(held_out);
            assert_eq!(need, whole, "{losses:?} {held_out}");
        }
    }

    #[test]
    fn it_is_kept_to_the_last_bit() {
        let mut need = after(&[3.9], 4.0);
        need.learned(0.1 + 0.2);
        let json = serde_json::to_string(&need).unwrap();
        assert_eq!(serde_json::from_str::<Need>(&json).unwrap(), need);
    }
}
