//! The report: one HTML file with everything that a run measured.
//!
//! A function of the [`Observation`] alone. The page holds its pictures and its style, and names nothing outside itself.

/// Appends formatted text: writing to a string cannot fail.
macro_rules! put {
    ($text:expr, $($argument:tt)*) => {
        let _ = write!($text, $($argument)*);
    };
}

mod figures;
mod html;
mod plots;

use crate::{
    findings::{self, ANSWERED, Accuracy, float, grouped, percent},
    observation::{Neuron, Observation},
};
use html::Page;
use std::collections::BTreeSet;

/// The report of a run, as HTML.
pub(crate) fn render(observation: &Observation) -> String {
    let plan = &observation.plan;
    let mut page = Page::new(
        "Neurons that teach each other",
        &format!(
            "A Connectome network of {} neurons on one machine, {}, seed {}",
            observation.neurons.len(),
            plan.began,
            plan.seed
        ),
    );
    page.findings(&findings::sentences(observation));
    failures(observation, &mut page);
    introduction(observation, &mut page);
    learning(observation, &mut page);
    incentive(observation, &mut page);
    calls(observation, &mut page);
    parameters(observation, &mut page);
    page.finish()
}

/// The logs of what failed; what that was is among the findings.
fn failures(observation: &Observation, page: &mut Page) {
    for failure in &observation.failures {
        if !failure.log.is_empty() {
            page.log(&failure.text, &failure.log);
        }
    }
}

fn introduction(observation: &Observation, page: &mut Page) {
    let plan = &observation.plan;
    page.paragraph(&format!(
        "Each neuron trains the same kind of model to {}, on a part of the {} that is its own. At \
         every step its router sends samples to peers, over mutual TLS, and joins what they predict; the model learns from \
         its labels and, as far as it learns its samples by heart, from that. The neuron also keeps a running opinion of its peers, and puts it on the chain as its row of \
         the weight matrix. Every {} blocks of {} s the chain turns all rows into incentive and pays by it.",
        plan.task.aim(),
        plan.task.samples(),
        plan.tempo,
        plan.block_time
    ));
    page.heading("The neurons at the end");
    let rows: Vec<_> = observation
        .neurons
        .iter()
        .map(|neuron| neuron_row(observation, neuron))
        .collect();
    page.table(
        &[
            "uid",
            "part",
            "hotkey",
            "shard",
            "steps",
            "stake / CTM",
            "incentive",
            "dividends",
            "paid / CTM",
        ],
        &rows,
    );
    page.paragraph(
        "Incentive is a neuron's part of what servers are paid, dividends its part of what validators are paid, both in the \
         last epoch; paid is what all epochs paid it. The garbage neuron trains and votes like the others, but answers its \
         peers with noise.",
    );
}

fn neuron_row(observation: &Observation, neuron: &Neuron) -> Vec<String> {
    let scores = observation.scores(neuron.uid);
    let score = |value: Option<f64>| value.map_or_else(nothing, percent);
    let paid: f64 = observation
        .chain
        .epochs
        .iter()
        .filter_map(|epoch| epoch.scores.get(&neuron.uid))
        .map(|scores| scores.emission)
        .sum();
    vec![
        neuron.uid.to_string(),
        neuron.role.to_string(),
        short(&neuron.hotkey),
        format!("{} of {}", neuron.shard[0] + 1, neuron.shard[1]),
        grouped(neuron.training.n_steps()),
        scores.map_or_else(nothing, |scores| findings::amount(scores.stake)),
        score(scores.map(|scores| scores.incentive)),
        score(scores.map(|scores| scores.dividends)),
        findings::amount(paid),
    ]
}

fn learning(observation: &Observation, page: &mut Page) {
    page.heading("Does the network help?");
    let accuracies = findings::accuracies(observation);
    let mut rows: Vec<_> = accuracies.iter().map(accuracy_row).collect();
    rows.extend(findings::mean(&accuracies).as_ref().map(accuracy_row));
    page.table(
        &[
            "uid",
            "step",
            "with the network",
            "without its answers",
            "trained alone",
            "gain over alone",
        ],
        &rows,
    );
    page.paragraph(&format!(
        "Accuracy on {} that nobody trains on, the same ones for all, at each neuron's last evaluation. With the network: \
         its predictions and its peers', joined. Without its answers: the same model at the same moment, by itself. Trained \
         alone: another model with the same seed, the same samples in the same order and as many steps, that never had a \
         peer. Some of the gain is that of softer labels, which docs/learning.md tells apart.",
        observation.plan.task.told()
    ));
    figures::mean_accuracy(observation, page);
    figures::each_accuracy(observation, page);
    figures::losses(observation, page);
}

fn accuracy_row(accuracy: &Accuracy) -> Vec<String> {
    let value = |share: Option<f64>| share.map_or_else(nothing, percent);
    let gain = accuracy.networked.zip(accuracy.alone);
    vec![
        accuracy
            .uid
            .map_or_else(|| "mean".into(), |uid| uid.to_string()),
        match accuracy.uid {
            Some(_) => grouped(accuracy.step),
            None => String::new(),
        },
        value(accuracy.networked),
        value(accuracy.local),
        value(accuracy.alone),
        gain.map_or_else(nothing, |(with, alone)| {
            format!("{:+.1} points", 100.0 * (with - alone))
        }),
    ]
}

fn incentive(observation: &Observation, page: &mut Page) {
    page.heading("Who is worth asking?");
    figures::incentive(observation, page);
    figures::weights(observation, page);
}

fn calls(observation: &Observation, page: &mut Page) {
    page.heading("What became of the calls");
    let codes: BTreeSet<&str> = observation
        .neurons
        .iter()
        .flat_map(|neuron| neuron.calls.values())
        .flat_map(|outcomes| outcomes.keys().map(String::as_str))
        .filter(|code| *code != ANSWERED)
        .collect();
    let mut heads = vec!["caller", "calls", "samples", "mean time / ms", ANSWERED];
    heads.extend(&codes);
    let rows: Vec<_> = observation
        .neurons
        .iter()
        .map(|neuron| calls_row(neuron, &codes))
        .collect();
    page.table(&heads, &rows);
    page.paragraph(
        "A call is one request to one peer with all the samples that the router sends it. The mean time is that of answered \
         calls, from the request to the checked answer.",
    );
    figures::samples_sent(observation, page);
}

fn calls_row(neuron: &Neuron, codes: &BTreeSet<&str>) -> Vec<String> {
    let all = || neuron.calls.values().flatten();
    let count = |code: &str| -> u64 {
        all()
            .filter(|(outcome, _)| *outcome == code)
            .map(|(_, calls)| calls.n)
            .sum()
    };
    let answered = count(ANSWERED);
    let ms: f64 = all()
        .filter(|(outcome, _)| *outcome == ANSWERED)
        .map(|(_, calls)| calls.ms)
        .sum();
    let mut row = vec![
        neuron.name(),
        grouped(all().map(|(_, calls)| calls.n).sum()),
        grouped(all().map(|(_, calls)| calls.rows).sum()),
        if answered > 0 {
            format!("{:.1}", ms / float(answered))
        } else {
            nothing()
        },
        grouped(answered),
    ];
    row.extend(codes.iter().map(|code| grouped(count(code))));
    row
}

fn parameters(observation: &Observation, page: &mut Page) {
    page.heading("How to do this again");
    let plan = &observation.plan;
    let model = observation
        .neurons
        .first()
        .map(|neuron| &neuron.training)
        .filter(|training| training.n_parameters > 0);
    let mut rows = vec![
        vec!["seed".into(), plan.seed.to_string()],
        vec![
            "epochs".into(),
            format!(
                "{} watched, {} asked for",
                observation.chain.epochs.len(),
                plan.epochs
            ),
        ],
        vec![
            "tempo".into(),
            format!("{} blocks of {} s", plan.tempo, plan.block_time),
        ],
        vec!["took".into(), format!("{:.0} s", observation.elapsed)],
    ];
    if let Some(model) = model {
        rows.push(vec![
            "model".into(),
            format!(
                "{} parameters, on {}",
                grouped(model.n_parameters),
                model.device
            ),
        ]);
    }
    rows.extend(
        plan.facts
            .iter()
            .map(|(name, value)| vec![name.clone(), value.clone()]),
    );
    page.table(&["parameter", "value"], &rows);
    page.paragraph(
        "The seed decides keys, initial parameters and the order of samples. How many steps fit between two blocks depends \
         on the machine, so that figures of two runs differ a little.",
    );
}

fn nothing() -> String {
    "–".into()
}

/// `5Grw…utQY`.
fn short(address: &str) -> String {
    match (
        address.get(..4),
        address.get(address.len().saturating_sub(4)..),
    ) {
        (Some(head), Some(tail)) if address.len() > 9 => format!("{head}…{tail}"),
        _ => address.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::samples;

    /// Names of the elements that are open at the end of `html`, which has to be well-formed.
    fn open_elements(html: &str) -> Vec<String> {
        let mut open = Vec::new();
        let mut rest = html;
        while let Some((_, tail)) = rest.split_once('<') {
            let (tag, after) = tail.split_once('>').expect("a tag ends");
            rest = after;
            assert_eq!(tag.matches('"').count() % 2, 0, "quotes of <{tag}>");
            let name: String = tag
                .trim_start_matches('/')
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            if tag.starts_with('/') {
                assert_eq!(open.pop().as_ref(), Some(&name), "</{name}>");
            } else if !tag.starts_with('!') && !tag.ends_with('/') {
                open.push(name);
            }
        }
        open
    }

    #[test]
    fn every_element_is_closed_where_it_should_be() {
        for observation in samples::all() {
            assert_eq!(open_elements(&render(&observation)), [""; 0]);
        }
    }

    #[test]
    fn the_page_names_nothing_outside_itself() {
        for observation in samples::all() {
            let html = render(&observation);
            for outside in [
                "://", "src=", "href=", "url(", "@import", "<script", "<link", "<iframe",
            ] {
                assert!(!html.contains(outside), "{outside}");
            }
        }
    }

    #[test]
    fn no_picture_holds_a_value_that_is_no_number() {
        for observation in samples::all() {
            let html = render(&observation);
            assert!(
                !html.contains("NaN") && !html.contains("inf"),
                "see the sample"
            );
        }
    }

    #[test]
    fn the_garbage_neuron_is_named_where_incentive_is_shown() {
        let html = render(&samples::finished());
        let figure = html
            .split("Who is worth asking?")
            .nth(1)
            .expect("a section");
        let figure = figure.split("</figure>").next().expect("a figure");
        assert!(figure.contains(">uid 4 (garbage)</text>"));
    }

    #[test]
    fn what_failed_is_there_with_the_end_of_its_log() {
        let html = render(&samples::failed());
        let said = "uid 2 ended with signal: 9 (SIGKILL), although nobody told it to";
        assert!(html.contains(&format!("<li>After 40 s: {said}.</li>")));
        assert!(html.contains(&format!("{said}. Its log ends with</p>")));
        assert!(html.contains("<pre>step 60\nstep &lt;61&gt;</pre>"));
        assert!(!render(&samples::finished()).contains("<pre>"));
    }

    #[test]
    fn a_hotkey_cannot_write_into_the_page() {
        let mut observation = samples::finished();
        observation.neurons[0].hotkey = "<b>".into();
        observation.plan.facts = vec![("<i>".into(), "\"&".into())];
        let html = render(&observation);
        assert!(
            html.contains("&lt;b&gt;") && html.contains("<td>&lt;i&gt;</td><td>&quot;&amp;</td>")
        );
    }
}
