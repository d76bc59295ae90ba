//! Progress as lines of text, for logs and pipes: what is new since the last time.

use crate::{
    findings::{self, average, grouped, percent},
    observation::{Epoch, Observation, Phase, Step},
};
use std::fmt::Write as _;

/// What has been said already.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    phase: Option<Phase>,
    n_notes: usize,
    n_epochs: usize,
}

impl Lines {
    /// What there is to say that was not said yet; empty, where there is nothing.
    pub(crate) fn news(&mut self, observation: &Observation) -> String {
        let mut text = String::new();
        for note in observation.notes.iter().skip(self.n_notes) {
            line(&mut text, note.time, &note.text);
        }
        self.n_notes = observation.notes.len();
        let epochs = &observation.chain.epochs;
        for (index, epoch) in epochs.iter().enumerate().skip(self.n_epochs) {
            let of_epoch = epoch_line(observation, index + 1, epoch);
            line(&mut text, epoch.time, &of_epoch);
        }
        if epochs.len() > self.n_epochs {
            self.n_epochs = epochs.len();
            line(&mut text, observation.elapsed, &learning_line(observation));
            line(&mut text, observation.elapsed, &calls_line(observation));
        }
        if self.phase != Some(observation.phase) {
            self.phase = Some(observation.phase);
            line(
                &mut text,
                observation.elapsed,
                &observation.phase.to_string(),
            );
        }
        text
    }
}

fn line(text: &mut String, time: f64, what: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{time:>6.1} s  {what}");
}

/// `epoch 3 of 16, block 30: incentive (dividends) uid 0 (validator) 24.1% (27.2%), uid 1 25.0% (18.2%), ..`
fn epoch_line(observation: &Observation, number: usize, epoch: &Epoch) -> String {
    let paid: Vec<String> = observation
        .neurons
        .iter()
        .filter_map(|neuron| Some((neuron, epoch.scores.get(&neuron.uid)?)))
        .map(|(neuron, scores)| {
            let (incentive, dividends) = (percent(scores.incentive), percent(scores.dividends));
            format!("{} {incentive} ({dividends})", neuron.name())
        })
        .collect();
    format!(
        "epoch {number} of {}, block {}: incentive (dividends) {}",
        observation.plan.epochs,
        epoch.block,
        paid.join(", ")
    )
}

/// `step 52, means of the honest: accuracy 91.2% with the network, 90.0% without; loss 1.234, local 0.517, network 0.503`
fn learning_line(observation: &Observation) -> String {
    let honest = || {
        let neurons = observation.neurons.iter();
        neurons.filter(|neuron| observation.counts(neuron))
    };
    let accuracy = findings::mean(&findings::accuracies(observation));
    let share = |value: Option<f64>| value.map_or_else(nothing, percent);
    let loss = |of: fn(&Step) -> Option<f64>| {
        let last = honest().filter_map(|neuron| neuron.training.steps.last());
        average(last.filter_map(of)).map_or_else(nothing, |mean| format!("{mean:.3}"))
    };
    let step = honest().map(|neuron| neuron.training.n_steps()).min();
    format!(
        "step {}, means of the honest: accuracy {} with the network, {} without; loss {}, local {}, network {}",
        grouped(step.unwrap_or(0)),
        share(accuracy.and_then(|mean| mean.networked)),
        share(accuracy.and_then(|mean| mean.local)),
        loss(|step| step.loss),
        loss(|step| step.local_loss),
        loss(|step| step.network_loss),
    )
}

/// `1,381 calls: Success 1,380, Timeout 1`
fn calls_line(observation: &Observation) -> String {
    let outcomes: Vec<String> = findings::outcomes(observation)
        .into_iter()
        .map(|(outcome, n)| format!("{outcome} {}", grouped(n)))
        .collect();
    let n = grouped(findings::calls(observation).n);
    match outcomes.is_empty() {
        true => format!("{n} calls"),
        false => format!("{n} calls: {}", outcomes.join(", ")),
    }
}

fn nothing() -> String {
    "–".into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::samples;

    #[test]
    fn everything_is_said_once() {
        let mut lines = Lines::default();
        let first = lines.news(&samples::beginning());
        assert_eq!(
            first,
            "   0.0 s  the chain makes blocks\n   0.0 s  registering neurons\n"
        );
        assert_eq!(lines.news(&samples::beginning()), "");

        let rest = lines.news(&samples::finished());
        assert_eq!(
            rest.lines().count(),
            15,
            "twelve epochs, what was learned, calls, a phase: {rest}"
        );
        for said in [
            "epoch 12 of 12, block 120: incentive (dividends) uid 0 (validator) 25.0% (27.3%), uid 1 ",
            "uid 4 (garbage) 0.1% (18.2%)",
        ] {
            assert!(rest.contains(said), "{said}\n{rest}");
        }
    }

    #[test]
    fn an_epoch_comes_with_what_was_learned_and_what_became_of_calls() {
        let rest = Lines::default().news(&samples::finished());
        let said = "step 600, means of the honest: accuracy 97.6% with the network, 97.0% without; loss 0.";
        assert!(rest.contains(said), "{rest}");
        // See the test of `findings::outcomes`.
        let said = "10,440 calls: Success 10,380, Timeout 60\n";
        assert!(rest.contains(said), "{rest}");

        let rest = Lines::default().news(&samples::training());
        assert!(rest.contains("0 calls\n"), "{rest}");
    }

    #[test]
    fn what_went_wrong_is_said() {
        let text = Lines::default().news(&samples::failed());
        let said = "40.0 s  uid 2 ended with signal: 9 (SIGKILL), although nobody told it to\n";
        assert!(text.contains(said), "{text}");
    }
}
