//! What the measurements say: the sentences and figures that the summary and the report share.

use crate::{
    observation::{Evaluation, Failure, Neuron, Observation, Role},
    task::Task,
};
use std::{cmp::Reverse, collections::BTreeMap};

/// The incentive of the neuron that answers noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fall {
    /// Its uid.
    pub(crate) uid: u16,
    /// The most that an epoch gave it.
    pub(crate) highest: f64,
    /// What the last epoch gave it.
    pub(crate) last: f64,
    /// The number, from 1, of the epoch since which every epoch gave it less than everybody else.
    pub(crate) bottom_since: Option<usize>,
    /// How many epochs there were.
    pub(crate) n_epochs: usize,
    /// What every neuron would be given if all were the same.
    pub(crate) equal_share: f64,
}

/// How well one neuron's model tells what nobody trained on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Accuracy {
    /// Its uid; `None` for the mean of several.
    pub(crate) uid: Option<u16>,
    /// After this many steps.
    pub(crate) step: u64,
    /// With its peers' answers.
    pub(crate) networked: Option<f64>,
    /// The same model, without their answers.
    pub(crate) local: Option<f64>,
    /// The model that was trained without a network, after as many steps.
    pub(crate) alone: Option<f64>,
}

/// How the requests of all neurons ended.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct CallTotals {
    /// All.
    pub(crate) n: u64,
    /// Those that were answered.
    pub(crate) answered: u64,
    /// Milliseconds that an answer took on average.
    pub(crate) mean_ms: f64,
}

/// The outcome of a request that was answered, by name.
pub(crate) const ANSWERED: &str = "Success";

/// How the neuron that answers noise fared, if there is one and an epoch has paid somebody by weights.
pub(crate) fn fall(observation: &Observation) -> Option<Fall> {
    let garbage = observation
        .neurons
        .iter()
        .find(|neuron| neuron.role == Role::Garbage)?;
    let incentives: Vec<(f64, f64)> = observation
        .chain
        .epochs
        .iter()
        .map(|epoch| {
            let own = epoch.scores.get(&garbage.uid).map_or(0.0, |s| s.incentive);
            let others = epoch
                .scores
                .iter()
                .filter(|(uid, _)| **uid != garbage.uid)
                .map(|(_, scores)| scores.incentive)
                .fold(f64::INFINITY, f64::min);
            (own, others)
        })
        .collect();
    let at_bottom = incentives
        .iter()
        .rev()
        .take_while(|(own, others)| own < others)
        .count();
    let n_epochs = incentives.len();
    let (last, _) = *incentives.last()?;
    let highest = incentives.iter().map(|(own, _)| *own).fold(0.0, f64::max);
    let anybody_paid = observation
        .chain
        .epochs
        .iter()
        .any(|epoch| epoch.scores.values().any(|scores| scores.incentive > 0.0));
    anybody_paid.then_some(Fall {
        uid: garbage.uid,
        highest,
        last,
        bottom_since: (at_bottom > 0).then(|| n_epochs - at_bottom + 1),
        n_epochs,
        equal_share: 1.0 / float(u64::try_from(observation.neurons.len()).unwrap_or(u64::MAX)),
    })
}

/// The last accuracy of each honest neuron, beside that of its twin that trained alone.
pub(crate) fn accuracies(observation: &Observation) -> Vec<Accuracy> {
    observation
        .neurons
        .iter()
        .enumerate()
        .filter(|(_, neuron)| neuron.is_honest())
        .filter_map(|(index, neuron)| accuracy(observation, index, neuron))
        .collect()
}

fn accuracy(observation: &Observation, index: usize, neuron: &Neuron) -> Option<Accuracy> {
    let last = neuron.training.evaluations.last()?;
    let twin = observation.alone.get(index);
    let alone = twin.and_then(|twin| at_step(&twin.evaluations, last.step));
    Some(Accuracy {
        uid: Some(neuron.uid),
        step: last.step,
        networked: last.network_accuracy,
        local: last.local_accuracy,
        alone: alone.and_then(|evaluation| evaluation.local_accuracy),
    })
}

/// The evaluation after exactly `step` steps: a model that has learned longer would be no fair comparison.
fn at_step(evaluations: &[Evaluation], step: u64) -> Option<&Evaluation> {
    evaluations.iter().rfind(|other| other.step == step)
}

/// The mean over neurons, of each column over those that have it.
pub(crate) fn mean(accuracies: &[Accuracy]) -> Option<Accuracy> {
    let column = |value: fn(&Accuracy) -> Option<f64>| average(accuracies.iter().filter_map(value));
    Some(Accuracy {
        uid: None,
        step: accuracies.iter().map(|accuracy| accuracy.step).min()?,
        networked: column(|accuracy| accuracy.networked),
        local: column(|accuracy| accuracy.local),
        alone: column(|accuracy| accuracy.alone),
    })
}

/// The arithmetic mean of finite values; `None` of none.
pub(crate) fn average(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values
        .into_iter()
        .filter(|value| value.is_finite())
        .fold((0.0, 0.0), |(n, sum), value| (n + 1.0, sum + value));
    (n > 0.0).then(|| sum / n)
}

/// How all requests ended.
pub(crate) fn calls(observation: &Observation) -> CallTotals {
    let all = observation
        .neurons
        .iter()
        .flat_map(|neuron| neuron.calls.values().flatten());
    let (mut totals, mut ms) = (CallTotals::default(), 0.0);
    for (outcome, calls) in all {
        totals.n += calls.n;
        if outcome == ANSWERED {
            totals.answered += calls.n;
            ms += calls.ms;
        }
    }
    totals.mean_ms = ms / float(totals.answered.max(1));
    totals
}

/// How often the requests of all neurons ended in which way: answered first, then what happened most.
pub(crate) fn outcomes(observation: &Observation) -> Vec<(&str, u64)> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for neuron in &observation.neurons {
        for (outcome, calls) in neuron.calls.values().flatten() {
            *counts.entry(outcome).or_default() += calls.n;
        }
    }
    let mut outcomes: Vec<(&str, u64)> = counts.into_iter().collect();
    outcomes.sort_by_key(|(outcome, n)| (*outcome != ANSWERED, Reverse(*n)));
    outcomes
}

/// What was found, in sentences; each says no more than the measurements do. What went wrong comes first.
pub(crate) fn sentences(observation: &Observation) -> Vec<String> {
    let failures = observation.failures.iter().map(failure_sentence);
    let findings = [
        fall(observation).map(|fall| fall_sentence(&fall)),
        accuracy_sentence(observation.plan.task, &accuracies(observation)),
        calls_sentence(&calls(observation)),
    ];
    failures.chain(findings.into_iter().flatten()).collect()
}

fn failure_sentence(failure: &Failure) -> String {
    format!("After {:.0} s: {}.", failure.time, failure.text)
}

fn fall_sentence(fall: &Fall) -> String {
    let Fall { uid, n_epochs, .. } = *fall;
    let (last, equal) = (percent(fall.last), percent(fall.equal_share));
    match fall.bottom_since {
        Some(since) => format!(
            "The neuron that answers noise, uid {uid}, was given the least incentive of all in every epoch from the {} of \
             {n_epochs} on; the last gave it {last}, where an equal share is {equal}.",
            ordinal(since),
        ),
        None => format!(
            "The neuron that answers noise, uid {uid}, did not stay at the bottom: the last of {n_epochs} epochs gave it \
             {last} of the incentive, where an equal share is {equal}.",
        ),
    }
}

fn accuracy_sentence(task: Task, accuracies: &[Accuracy]) -> Option<String> {
    let mean = mean(accuracies)?;
    let (n, told) = (accuracies.len(), task.told());
    let (networked, local) = (mean.networked?, mean.local?);
    let Some(alone) = mean.alone else {
        return Some(format!(
            "With their peers' answers the {n} honest neurons tell {} of the held-out {told}, without them {}.",
            percent(networked),
            percent(local),
        ));
    };
    let better = accuracies
        .iter()
        .filter(|one| matches!((one.networked, one.alone), (Some(a), Some(b)) if a > b))
        .count();
    let points = 100.0 * (networked - alone);
    let verdict = match points {
        points if points > 0.05 => format!("{points:.1} points more than"),
        points if points < -0.05 => format!("{:.1} points less than", -points),
        _ => "as much as".into(),
    };
    Some(format!(
        "With their peers' answers the {n} honest neurons tell {} of the held-out {told} on average, {verdict} the same \
         models trained alone for as many steps ({}); {better} of {n} did better than their twin. Without the answers \
         they tell {}.",
        percent(networked),
        percent(alone),
        percent(local),
    ))
}

fn calls_sentence(calls: &CallTotals) -> Option<String> {
    (calls.n > 0).then(|| {
        format!(
            "The neurons asked each other {} times over mutual TLS; {} was answered, in {:.0} ms on average.",
            grouped(calls.n),
            percent(float(calls.answered) / float(calls.n)),
            calls.mean_ms,
        )
    })
}

/// `97.2%`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}

/// `12,345`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// CTM with one decimal: `3,000.5`.
pub(crate) fn amount(ctm: f64) -> String {
    let text = format!("{ctm:.1}");
    match text.split_once('.') {
        Some((whole, tenths)) => match whole.parse() {
            Ok(whole) => format!("{}.{tenths}", grouped(whole)),
            Err(_) => text,
        },
        None => text,
    }
}

/// Whole CTM: `3,000`.
pub(crate) fn whole(ctm: f64) -> String {
    let text = format!("{ctm:.0}");
    text.parse().map_or(text, grouped)
}

/// `1st`, `2nd`, `3rd`, `4th`.
fn ordinal(number: usize) -> String {
    let suffix = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

/// Counts here stay far below 2⁵³, to which floats are exact.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::samples;

    #[test]
    fn the_garbage_neuron_is_at_the_bottom_since_it_was_strictly_last_for_good() {
        // Epoch 1 pays nobody by weights, in epoch 2 all are equal.
        let fall = fall(&samples::finished()).expect("there were epochs");
        assert_eq!(
            (fall.uid, fall.bottom_since, fall.n_epochs),
            (4, Some(3), 12)
        );
        assert!(
            fall.last < 0.01 && (fall.highest - 0.2).abs() < 1e-9,
            "{fall:?}"
        );
    }

    #[test]
    fn one_epoch_above_another_neuron_starts_the_count_again() {
        let mut observation = samples::finished();
        let scores = &mut observation.chain.epochs[8].scores;
        scores.get_mut(&2).expect("it is there").incentive = 0.0;
        let fall = fall(&observation).expect("there were epochs");
        assert_eq!(fall.bottom_since, Some(10));

        let scores = &mut observation.chain.epochs[11].scores;
        scores.get_mut(&2).expect("it is there").incentive = 0.0;
        assert_eq!(
            super::fall(&observation)
                .expect("there were epochs")
                .bottom_since,
            None
        );
    }

    #[test]
    fn before_anybody_was_paid_by_weights_nobody_fell() {
        assert_eq!(fall(&samples::training()), None);
    }

    #[test]
    fn a_twin_is_compared_after_exactly_as_many_steps_or_not_at_all() {
        let mut observation = samples::finished();
        observation.alone[0].evaluations.pop();
        let accuracies = accuracies(&observation);
        assert_eq!(accuracies.len(), 4, "the garbage neuron is not compared");
        assert_eq!(accuracies[0].alone, None);
        // 1 − (0.03 + 0.87 · e^−7.2)
        let alone = accuracies[1].alone.expect("it has one");
        assert!((alone - 0.969_35).abs() < 1e-4, "{alone}");
    }

    #[test]
    fn a_network_that_does_worse_is_said_to() {
        let mut observation = samples::finished();
        for neuron in &mut observation.neurons {
            for evaluation in &mut neuron.training.evaluations {
                evaluation.network_accuracy = Some(0.5);
            }
        }
        let sentences = sentences(&observation).join("\n");
        assert!(
            sentences.contains("points less than the same models trained alone"),
            "{sentences}"
        );
        assert!(sentences.contains("0 of 4 did better"), "{sentences}");
    }

    #[test]
    fn a_recorded_run_is_told_as_it_was() {
        let said = sentences(&samples::recorded());
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(
            said[0].ends_with("the last gave it 19.3%, where an equal share is 20.0%."),
            "{said:?}"
        );
        assert!(
            said[2].starts_with("The neurons asked each other 1,381 times"),
            "{said:?}"
        );
    }

    #[test]
    fn what_went_wrong_is_said_first() {
        let said = sentences(&samples::failed());
        assert_eq!(
            said[0],
            "After 40 s: uid 2 ended with signal: 9 (SIGKILL), although nobody told it to."
        );
    }

    #[test]
    fn outcomes_are_counted_over_all_neurons_with_the_answered_first() {
        let observation = samples::finished();
        // Each of five asks the four others 600 times, 3 of them too late, but the garbage neuron 210 times.
        let n = 5 * 4 * 600 - 4 * (600 - 210);
        let counted = outcomes(&observation);
        assert_eq!(counted, [("Success", n - 60), ("Timeout", 60)]);
        assert_eq!(outcomes(&samples::nothing()), []);
    }

    #[test]
    fn a_mean_of_nothing_is_nothing() {
        assert_eq!(average([]), None);
        assert_eq!(average([f64::NAN, 3.0, 1.0]), Some(2.0));
        assert_eq!(mean(&[]), None);
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!([0.04, 3_000.46].map(amount), ["0.0", "3,000.5"]);
        assert_eq!([0.6, 2_999.7].map(whole), ["1", "3,000"]);
        assert_eq!(
            [1, 2, 3, 4, 11, 12, 21].map(ordinal),
            ["1st", "2nd", "3rd", "4th", "11th", "12th", "21st"]
        );
    }
}
