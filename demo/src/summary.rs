//! The summary for the terminal: a table of the neurons, then what was found, in sentences. It fits 80 columns.

use crate::{
    findings::{self, ANSWERED, grouped, percent},
    observation::{Neuron, Observation},
};
use comfy_table::{CellAlignment, Table};

/// Columns of the terminals that it is written for.
const WIDTH: usize = 80;

/// A line below the heads and one below the table, in the order of comfy-table's components.
const RULES: &str = "   ─ ══       ─    ";

/// The summary of a run.
pub(crate) fn render(observation: &Observation) -> String {
    let mut text = neurons(observation).to_string();
    text.push('\n');
    for sentence in findings::sentences(observation) {
        bullet(&mut text, &sentence);
    }
    text.push('\n');
    text
}

/// Appends an item of a list, in lines that break between words.
fn bullet(text: &mut String, sentence: &str) {
    text.push_str("\n*");
    let mut width = 1;
    for word in sentence.split(' ') {
        let n = word.chars().count();
        if width + 1 + n > WIDTH {
            text.push_str("\n ");
            width = 1;
        }
        text.push(' ');
        text.push_str(word);
        width += 1 + n;
    }
}

fn neurons(observation: &Observation) -> Table {
    let mut table = Table::new();
    table.load_preset(RULES);
    table.set_header([
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
        column.set_padding((0, 0));
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
        scores.map_or_else(|| "–".into(), |scores| findings::whole(scores.stake)),
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
        assert!(text.contains("uid 4, was given"), "{text}");
    }

    #[test]
    fn it_fits_the_smallest_usual_terminal() {
        for observation in samples::all() {
            let text = render(&observation);
            for line in text.lines() {
                assert!(line.chars().count() <= WIDTH, "{line}\n{text}");
            }
        }
        let text = render(&samples::finished());
        let found = text.split_once("* The neurons asked").expect("a finding").1;
        let one_line = found.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(
            one_line,
            "each other 10,440 times over mutual TLS; 99.4% was answered, in 46 ms on average."
        );
    }

    #[test]
    fn a_run_that_measured_nothing_claims_nothing() {
        let text = render(&samples::nothing());
        assert!(!text.contains('*'), "{text}");
    }
}
