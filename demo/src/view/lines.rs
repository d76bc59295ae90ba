//! Progress as lines of text, for logs and pipes: what is new since the last time.

use crate::{
    findings::percent,
    observation::{Epoch, Observation, Phase},
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
        for (index, epoch) in observation
            .chain
            .epochs
            .iter()
            .enumerate()
            .skip(self.n_epochs)
        {
            line(
                &mut text,
                epoch.time,
                &epoch_line(observation, index + 1, epoch),
            );
        }
        self.n_epochs = observation.chain.epochs.len();
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

/// `epoch 3 of 18, block 30: incentive 0 24.1%, 1 25.0%, .., 4 (garbage) 0.2%; accuracy 91.2% with, 90.0% without`
fn epoch_line(observation: &Observation, number: usize, epoch: &Epoch) -> String {
    let incentives: Vec<String> = observation
        .neurons
        .iter()
        .map(|neuron| {
            let incentive = epoch.scores.get(&neuron.uid).map_or(0.0, |s| s.incentive);
            format!("{} {}", neuron.name(), percent(incentive))
        })
        .collect();
    format!(
        "epoch {number} of {}, block {}: incentive {}",
        observation.plan.epochs,
        epoch.block,
        incentives.join(", ")
    )
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
            13,
            "a phase and twelve epochs: {rest}"
        );
        assert!(
            rest.contains("epoch 12 of 12, block 120: incentive uid 0 (validator) 25.0%"),
            "{rest}"
        );
        assert!(rest.contains("uid 4 (garbage) 0.1%"), "{rest}");
    }
}
