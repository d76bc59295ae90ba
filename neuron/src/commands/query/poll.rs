//! What everybody said, and what that comes to: the probabilities of each class at each place, averaged over the neurons that
//! answered, each weighted by its incentive on the chain.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use neuron_metagraph::{Metagraph, Neuron, fraction};
use neuron_peer::dendrite::Outcome;
use neuron_proto::Code;
use neuron_wallet::PublicKey;
use serde::Serialize;

use super::{
    Absence,
    answer::{Answer, Distribution, distributions, likeliest_distributions},
    subject::Subject,
};
use crate::exit::UnansweredError;

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
    /// One for each place.
    #[serde(skip)]
    pub(super) distributions: Option<Vec<Distribution>>,
    /// What they say.
    #[serde(flatten)]
    pub(super) answer: Option<Answer>,
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
    #[serde(flatten)]
    pub(super) answer: Answer,
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
    /// The vote of a neuron that was asked for a prediction of this shape.
    pub(super) fn new(
        neuron: &Neuron,
        outcome: Outcome,
        subject: &Subject,
        row_shape: &[u32],
    ) -> Vote {
        let mut vote = Vote::absent(neuron, Absence::new(outcome.code, outcome.message));
        vote.elapsed = Some(outcome.elapsed);
        vote.queue = outcome.queue;
        vote.compute = outcome.compute;
        vote.batch_rows = outcome.batch_rows;
        let Some(outputs) = outcome.outputs else {
            return vote;
        };
        // The dendrite gives f32 of the shape that it was told, and classes where only the likeliest were asked for.
        let values = outputs.to_f32().unwrap_or_default();
        let n_classes = row_shape.last().map_or(0, |&size| size as usize);
        let places = subject.places(row_shape);
        let read = match outcome.classes {
            None => distributions(&values, n_classes, places),
            Some(classes) => {
                let n = classes.shape().last().map_or(0, |&size| size as usize);
                let classes = classes.to_i64().unwrap_or_default();
                likeliest_distributions(&values, &classes, n, n_classes, places)
            }
        };
        match read {
            Ok(distributions) => {
                vote.answer = Some(subject.read(&distributions));
                vote.distributions = Some(distributions);
            }
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
            distributions: None,
            answer: None,
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
    pub(super) fn new(
        metagraph: &Metagraph,
        caller: PublicKey,
        mut votes: Vec<Vote>,
        subject: &Subject,
    ) -> Poll {
        let weighted_by = weigh(&mut votes);
        Poll {
            netid: metagraph.netid,
            block: metagraph.block.number,
            hotkey: caller,
            is_registered: metagraph.by_hotkey(&caller).is_some(),
            network: Verdict::of(&votes, weighted_by, |mean| subject.read(mean)),
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
        let has_another_tokenizer = |vote: &Vote| vote.code == Code::TokenizerMismatch;
        let (netid, hotkey) = (self.netid, self.hotkey);
        let advice = if self.votes.iter().any(has_another_tokenizer) {
            "their model has another tokeniser; name the tokenizer.json of its checkpoint or run: --tokenizer"
                .to_owned()
        } else if !self.votes.iter().any(is_refused) {
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
    /// The mean of all answers, as `read` reads it.
    fn of(
        votes: &[Vote],
        weighted_by: Weighting,
        read: impl FnOnce(&[Distribution]) -> Answer,
    ) -> Option<Verdict> {
        let answers: Vec<(&Vec<Distribution>, f64)> = votes
            .iter()
            .filter_map(|vote| Some((vote.distributions.as_ref()?, vote.weight)))
            .collect();
        let (first, _) = answers.first()?;
        let mut mean: Vec<Distribution> = first.iter().map(|it| vec![0.0; it.len()]).collect();
        for (answer, weight) in &answers {
            let sums = mean.iter_mut().flatten();
            for (sum, probability) in sums.zip(answer.iter().flatten()) {
                *sum += weight * probability;
            }
        }
        Some(Verdict {
            answer: read(&mean),
            n_answers: answers.len(),
            weighted_by,
        })
    }
}

/// The shape of predictions that most of the network offers: by incentive, then by heads.
pub(super) fn agreed_shape<'a>(
    offers: impl IntoIterator<Item = (&'a [u32], u16)>,
) -> Option<&'a [u32]> {
    let mut backing = BTreeMap::<&[u32], (u64, usize)>::new();
    for (row_shape, incentive) in offers {
        let (sum, heads) = backing.entry(row_shape).or_default();
        *sum += u64::from(incentive);
        *heads += 1;
    }
    let agreed = backing
        .into_iter()
        .max_by_key(|&(row_shape, backing)| (backing, Reverse(row_shape)));
    agreed.map(|(row_shape, _)| row_shape)
}

/// Gives each answer its part: of the incentive of all that answered, or the same to each if they have none.
fn weigh(votes: &mut [Vote]) -> Weighting {
    let answers = || votes.iter().filter(|vote| vote.answer.is_some());
    let total: f64 = answers().map(|vote| vote.incentive).sum();
    #[expect(clippy::cast_precision_loss, reason = "at most 65,536 neurons")]
    let n_answers = answers().count() as f64;
    for vote in votes.iter_mut().filter(|vote| vote.answer.is_some()) {
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
            distributions: probabilities.map(|it| vec![it.to_vec()]),
            answer: probabilities.map(|it| Answer::of_classes(&[it.to_vec()])),
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
            network: Verdict::of(&votes, weighted_by, Answer::of_classes),
            votes,
        }
    }

    /// That the network says this class, with this probability.
    fn assert_says(verdict: &Verdict, expected: usize, probability: f64) {
        let Answer::Class {
            class,
            probabilities,
        } = &verdict.answer
        else {
            panic!("{verdict:?}");
        };
        assert_eq!(*class, expected);
        assert!(
            (probabilities[*class] - probability).abs() < 1e-12,
            "{verdict:?}"
        );
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
        assert_says(verdict, 0, 0.7);
        assert_eq!(verdict.n_answers, 2);
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
        assert_says(&verdict, 1, 0.55);
        assert_eq!(verdict.weighted_by, Weighting::Nothing);
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
    fn each_place_has_a_mean_of_its_own() {
        let mut votes = vec![vote(1, 0.5, Some(&[])), vote(2, 0.5, Some(&[]))];
        votes[0].distributions = Some(vec![vec![0.75, 0.25], vec![0.25, 0.75]]);
        votes[1].distributions = Some(vec![vec![0.25, 0.75], vec![0.25, 0.75]]);
        let weighted_by = weigh(&mut votes);
        let mut means = Vec::new();
        let verdict = Verdict::of(&votes, weighted_by, |mean| {
            means = mean.to_vec();
            Answer::of_classes(mean)
        });
        assert!(verdict.is_some());
        assert_eq!(means, [[0.5, 0.5], [0.25, 0.75]]);
    }

    #[test]
    fn who_has_another_tokeniser_than_all_is_told_to_name_theirs() {
        let mut other = vote(1, 0.0, None);
        other.code = Code::TokenizerMismatch;
        let advice = poll(vec![other], true).check().unwrap_err().to_string();
        assert!(advice.ends_with("--tokenizer"), "{advice}");
    }

    #[test]
    fn the_shape_is_that_which_incentive_backs_and_then_heads() {
        let (ten, two, text) = (&[10][..], &[2][..], &[7, 10][..]);
        assert_eq!(agreed_shape([]), None);
        assert_eq!(agreed_shape([(ten, 5), (two, 3), (two, 1)]), Some(ten));
        assert_eq!(agreed_shape([(text, 0), (two, 0), (text, 0)]), Some(text));
        assert_eq!(agreed_shape([(ten, 0), (two, 0)]), Some(two));
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
        assert_eq!(json["votes"][0]["probabilities"][1], 0.1);
        assert_eq!(json["votes"][1]["code"], "SenderUnknown");
        assert_eq!(json["votes"][1]["probabilities"], serde_json::Value::Null);
        assert_eq!(json["network"]["class"], 0);
        assert_eq!(json["network"]["weighted_by"], "incentive");
    }
}
