//! The summary for the terminal: a table of the neurons, then what was found, in sentences.

use crate::{
    findings::{self, ANSWERED, grouped, percent},
    observation::{Neuron, Observation},
};
use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};

/// The summary of a run.
pub(crate) fn render(observation: &Observation) -> String {
    let mut text = neurons(observation).to_string();
    text.push('\n');
    for sentence in findings::sentences(observation) {
        text.push_str("\n* ");
        text.push_str(&sentence);
    }
    text.push('\n');
    text
}

fn neurons(observation: &Observation) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_header([
        "uid",
        "part",
        "steps",
        "stake",
        "incentive",
        "dividends",
        "with",
        "without",
        "alone",
        "calls",
        "failed",
    ]);
    let accuracies = findings::accuracies(observation);
    for neuron in &observation.neurons {
        table.add_row(row(observation, neuron, &accuracies));
    }
    for column in table.column_iter_mut() {
        if column.index != 1 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn row(
    observation: &Observation,
    neuron: &Neuron,
    accuracies: &[findings::Accuracy],
) -> Vec<String> {
    let scores = observation.scores(neuron.uid);
    let share = |value: Option<f64>| value.map_or_else(|| "–".into(), percent);
    let accuracy = accuracies
        .iter()
        .find(|accuracy| accuracy.uid == Some(neuron.uid));
    let outcomes = || neuron.calls.values().flatten();
    let failed = outcomes().filter(|(outcome, _)| *outcome != ANSWERED);
    vec![
        neuron.uid.to_string(),
        neuron.role.to_string(),
        grouped(neuron.training.n_steps()),
        scores.map_or_else(|| "–".into(), |scores| findings::amount(scores.stake)),
        share(scores.map(|scores| scores.incentive)),
        share(scores.map(|scores| scores.dividends)),
        share(accuracy.and_then(|accuracy| accuracy.networked)),
        share(accuracy.and_then(|accuracy| accuracy.local)),
        share(accuracy.and_then(|accuracy| accuracy.alone)),
        grouped(outcomes().map(|(_, calls)| calls.n).sum()),
        grouped(failed.map(|(_, calls)| calls.n).sum()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::samples;

    #[test]
    fn every_neuron_has_a_row_and_the_garbage_neuron_is_named() {
        let text = render(&samples::finished());
        for part in ["validator", "neuron", "garbage"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(
            text.contains("uid 4, was given the least incentive of all"),
            "{text}"
        );
    }

    #[test]
    fn a_run_that_measured_nothing_claims_nothing() {
        let text = render(&samples::nothing());
        assert!(!text.contains('*'), "{text}");
    }
}
