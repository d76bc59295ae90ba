//! What everybody said, and what that comes to: the probabilities of each class, averaged over the neurons that answered,
//! each weighted by its incentive on the chain.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use neuron_metagraph::{Metagraph, Neuron, fraction};
use neuron_peer::dendrite::Outcome;
use neuron_proto::Code;
use neuron_wallet::PublicKey;
use serde::Serialize;

use super::Absence;
use crate::exit::UnansweredError;

/// How far the probabilities of an answer may be from 1 in sum: what half precision on the wire makes of them.
const TOLERANCE: f64 = 0.05;

/// Everybody's answer.
#[derive(Debug, Serialize)]
pub(super) struct Poll {
    pub(super) netid: u16,
    pub(super) block: u32,
    /// Who asked.
    hotkey: PublicKey,
    is_registered: bool,
    pub(super) votes: Vec<Vote>,
    /// There if anybody answered.
    pub(super) network: Option<Verdict>,
}

/// What one neuron said.
#[derive(Debug, Serialize)]
pub(super) struct Vote {
    pub(super) uid: u16,
    pub(super) hotkey: PublicKey,
    #[serde(serialize_with = "by_name")]
    pub(super) code: Code,
    /// Why there is no answer; empty if there is one.
    pub(super) message: String,
    /// Of each class.
    pub(super) probabilities: Option<Vec<f64>>,
    /// On the chain, 0..=1.
    pub(super) incentive: f64,
    /// Its part of the network's answer, 0..=1.
    pub(super) weight: f64,
    #[serde(rename = "elapsed_us", serialize_with = "micros")]
    pub(super) elapsed: Option<Duration>,
    #[serde(rename = "queue_us", serialize_with = "micros")]
    pub(super) queue: Option<Duration>,
    #[serde(rename = "compute_us", serialize_with = "micros")]
    pub(super) compute: Option<Duration>,
    pub(super) batch_rows: Option<u32>,
}

/// What the network said.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Verdict {
    /// The likeliest class.
    class: usize,
    pub(super) probabilities: Vec<f64>,
    pub(super) n_answers: usize,
    pub(super) weighted_by: Weighting,
}

/// What made some answers count more than others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Weighting {
    /// Incentive on the chain.
    Incentive,
    /// Nothing: nobody who answered has any incentive.
    Nothing,
}

impl Vote {
    /// The vote of a neuron that was asked.
    pub(super) fn new(neuron: &Neuron, outcome: Outcome) -> Vote {
        let mut vote = Vote::absent(neuron, Absence::new(outcome.code, outcome.message));
        vote.elapsed = Some(outcome.elapsed);
        vote.queue = outcome.queue;
        vote.compute = outcome.compute;
        vote.batch_rows = outcome.batch_rows;
        let Some(outputs) = outcome.outputs else {
            return vote;
        };
        // The dendrite gives f32.
        match probabilities(&outputs.to_f32().unwrap_or_default()) {
            Ok(probabilities) => vote.probabilities = Some(probabilities),
            Err(message) => (vote.code, vote.message) = (Code::InvalidResponse, message),
        }
        vote
    }

    /// The vote of a neuron that was not asked for a prediction.
    pub(super) fn absent(neuron: &Neuron, absence: Absence) -> Vote {
        Vote {
            uid: neuron.uid,
            hotkey: neuron.hotkey,
            code: absence.code,
            message: absence.message,
            probabilities: None,
            incentive: fraction(neuron.incentive),
            weight: 0.0,
            elapsed: None,
            queue: None,
            compute: None,
            batch_rows: None,
        }
    }
}

impl Poll {
    pub(super) fn new(metagraph: &Metagraph, caller: PublicKey, mut votes: Vec<Vote>) -> Poll {
        let weighted_by = weigh(&mut votes);
        Poll {
            netid: metagraph.netid,
            block: metagraph.block.number,
            hotkey: caller,
            is_registered: metagraph.by_hotkey(&caller).is_some(),
            network: Verdict::of(&votes, weighted_by),
            votes,
        }
    }

    /// # Errors
    ///
    /// If nobody answered; says what to do about it.
    pub(super) fn check(&self) -> Result<(), UnansweredError> {
        if self.network.is_some() {
            return Ok(());
        }
        let is_refused =
            |vote: &Vote| matches!(vote.code, Code::SenderUnknown | Code::Unauthenticated);
        let (netid, hotkey) = (self.netid, self.hotkey);
        let advice = if !self.votes.iter().any(is_refused) {
            "ask again, give them longer (--deadline 10s), or see who serves: neuron metagraph --serving".to_owned()
        } else if self.is_registered {
            format!("they refuse {hotkey}; more stake may help: neuron stake add")
        } else {
            format!(
                "they answer neurons only, and {hotkey} has none in network {netid}; first: neuron register"
            )
        };
        Err(UnansweredError(format!(
            "none of the neurons that were asked answered; {advice}"
        )))
    }
}

impl Verdict {
    fn of(votes: &[Vote], weighted_by: Weighting) -> Option<Verdict> {
        let answers: Vec<(&Vec<f64>, f64)> = votes
            .iter()
            .filter_map(|vote| Some((vote.probabilities.as_ref()?, vote.weight)))
            .collect();
        let (first, _) = answers.first()?;
        let mut probabilities = vec![0.0; first.len()];
        for (answer, weight) in &answers {
            for (sum, probability) in probabilities.iter_mut().zip(*answer) {
                *sum += weight * probability;
            }
        }
        Some(Verdict {
            class: likeliest(&probabilities).first()?.0,
            probabilities,
            n_answers: answers.len(),
            weighted_by,
        })
    }
}

/// Classes by probability, the likeliest first.
pub(super) fn likeliest(probabilities: &[f64]) -> Vec<(usize, f64)> {
    let mut classes: Vec<_> = probabilities.iter().copied().enumerate().collect();
    classes.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    classes
}

/// How many classes most of the network tells apart: by incentive, then by heads.
pub(super) fn agreed_classes(offers: impl IntoIterator<Item = (u32, u16)>) -> Option<u32> {
    let mut backing = BTreeMap::<u32, (u64, usize)>::new();
    for (n_classes, incentive) in offers {
        let (sum, heads) = backing.entry(n_classes).or_default();
        *sum += u64::from(incentive);
        *heads += 1;
    }
    let agreed = backing
        .into_iter()
        .max_by_key(|&(n_classes, backing)| (backing, Reverse(n_classes)));
    agreed.map(|(n_classes, _)| n_classes)
}

/// Probabilities out of log-probabilities, which must sum to 1.
fn probabilities(log_probabilities: &[f32]) -> Result<Vec<f64>, String> {
    let probabilities: Vec<f64> = log_probabilities
        .iter()
        .map(|&log_probability| f64::from(log_probability).exp())
        .collect();
    let sum: f64 = probabilities.iter().sum();
    if (sum - 1.0).abs() > TOLERANCE || sum.is_nan() {
        return Err(format!(
            "expected probabilities that sum to 1, got {sum:.3}"
        ));
    }
    Ok(probabilities.into_iter().map(|p| p / sum).collect())
}

/// Gives each answer its part: of the incentive of all that answered, or the same to each if they have none.
fn weigh(votes: &mut [Vote]) -> Weighting {
    let answers = || votes.iter().filter(|vote| vote.probabilities.is_some());
    let total: f64 = answers().map(|vote| vote.incentive).sum();
    #[expect(clippy::cast_precision_loss, reason = "at most 65,536 neurons")]
    let n_answers = answers().count() as f64;
    for vote in votes.iter_mut().filter(|vote| vote.probabilities.is_some()) {
        vote.weight = match total > 0.0 {
            true => vote.incentive / total,
            false => 1.0 / n_answers,
        };
    }
    match total > 0.0 {
        true => Weighting::Incentive,
        false => Weighting::Nothing,
    }
}

fn by_name<S: serde::Serializer>(code: &Code, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(code)
}

fn micros<S: serde::Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let micros = duration.map(|it| u64::try_from(it.as_micros()).unwrap_or(u64::MAX));
    micros.serialize(serializer)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An answer, or none, of a neuron of this incentive.
    pub(in crate::commands::query) fn vote(
        uid: u8,
        incentive: f64,
        probabilities: Option<&[f64]>,
    ) -> Vote {
        Vote {
            uid: uid.into(),
            hotkey: PublicKey([uid; 32]),
            code: probabilities.map_or(Code::SenderUnknown, |_| Code::Success),
            message: probabilities.map_or("register first".into(), |_| String::new()),
            probabilities: probabilities.map(<[f64]>::to_vec),
            incentive,
            weight: 0.0,
            elapsed: probabilities.map(|_| Duration::from_micros(1500)),
            queue: None,
            compute: probabilities.map(|_| Duration::from_micros(400)),
            batch_rows: probabilities.map(|_| 1),
        }
    }

    pub(in crate::commands::query) fn poll(mut votes: Vec<Vote>, is_registered: bool) -> Poll {
        let weighted_by = weigh(&mut votes);
        Poll {
            netid: 0,
            block: 7,
            hotkey: PublicKey([9; 32]),
            is_registered,
            network: Verdict::of(&votes, weighted_by),
            votes,
        }
    }

    #[test]
    fn answers_count_by_incentive() {
        let votes = vec![
            vote(1, 0.3, Some(&[0.9, 0.1])),
            vote(2, 0.1, Some(&[0.1, 0.9])),
            vote(3, 0.6, None),
        ];
        let poll = poll(votes, true);
        let weights: Vec<f64> = poll.votes.iter().map(|vote| vote.weight).collect();
        // 0.3 and 0.1 of 0.4; who did not answer has no part.
        assert!((weights[0] - 0.75).abs() < 1e-12 && (weights[1] - 0.25).abs() < 1e-12);
        assert_eq!(weights[2], 0.0);
        let verdict = poll.network.as_ref().unwrap();
        // 0.75 · 0.9 + 0.25 · 0.1 = 0.7
        assert!((verdict.probabilities[0] - 0.7).abs() < 1e-12);
        assert_eq!((verdict.class, verdict.n_answers), (0, 2));
        assert_eq!(verdict.weighted_by, Weighting::Incentive);
        assert!(poll.check().is_ok());
    }

    #[test]
    fn without_any_incentive_all_answers_count_the_same() {
        let votes = vec![
            vote(1, 0.0, Some(&[0.8, 0.2])),
            vote(2, 0.0, Some(&[0.1, 0.9])),
        ];
        let verdict = poll(votes, true).network.unwrap();
        // (0.2 + 0.9) / 2 = 0.55
        assert!((verdict.probabilities[1] - 0.55).abs() < 1e-12);
        assert_eq!(
            (verdict.class, verdict.weighted_by),
            (1, Weighting::Nothing)
        );
    }

    #[test]
    fn who_is_refused_by_all_is_told_to_register_or_to_add_stake() {
        let refused = |is_registered| {
            let poll = poll(vec![vote(1, 0.0, None)], is_registered);
            poll.check().unwrap_err().to_string()
        };
        assert!(refused(false).ends_with("first: neuron register"));
        assert!(refused(true).ends_with("neuron stake add"));
        let mut silent = vote(1, 0.0, None);
        silent.code = Code::Timeout;
        let advice = poll(vec![silent], false).check().unwrap_err().to_string();
        assert!(advice.contains("--deadline"), "{advice}");
    }

    #[test]
    fn log_probabilities_that_are_none_are_not_believed() {
        let halves = probabilities(&[0.5_f32.ln(); 2]).unwrap();
        assert!(halves.iter().all(|p| (p - 0.5).abs() < 1e-6));
        for lie in [&[0.0, 0.0][..], &[-9.0, -9.0], &[800.0, 0.0], &[]] {
            assert!(probabilities(lie).is_err(), "{lie:?}");
        }
    }

    #[test]
    fn the_classes_are_those_that_incentive_backs_and_then_heads() {
        assert_eq!(agreed_classes([]), None);
        assert_eq!(agreed_classes([(10, 5), (2, 3), (2, 1)]), Some(10));
        assert_eq!(agreed_classes([(10, 0), (2, 0), (10, 0)]), Some(10));
        assert_eq!(agreed_classes([(10, 0), (2, 0)]), Some(2));
    }

    #[test]
    fn scripts_get_names_and_numbers() {
        let poll = poll(
            vec![vote(1, 0.5, Some(&[0.9, 0.1])), vote(2, 0.5, None)],
            true,
        );
        let json = serde_json::to_value(&poll).unwrap();
        assert_eq!(json["votes"][0]["code"], "Success");
        assert_eq!(json["votes"][0]["elapsed_us"], 1500);
        assert_eq!(json["votes"][0]["queue_us"], serde_json::Value::Null);
        assert_eq!(json["votes"][1]["code"], "SenderUnknown");
        assert_eq!(json["network"]["class"], 0);
        assert_eq!(json["network"]["weighted_by"], "incentive");
    }
}
