//! The figures of the report: which measurements each shows, and what one sees in it.

use super::{
    html::Page,
    plots::{HeatMap, LinePlot, Scale, Series, Style, thin},
};
use crate::{
    findings::{average, float},
    observation::{Epoch, Evaluation, Neuron, Observation, Role, Step, Training},
};
use std::collections::BTreeMap;

/// How many points a curve of steps has: enough to see its noise.
const POINTS: usize = 160;

/// Size of a plot that has the page's width, and of one of several.
const WIDE: (f64, f64) = (940.0, 360.0);
const SMALL: (f64, f64) = (300.0, 230.0);

/// The ways to tell that are compared, each with how it is drawn.
const WITH: (&str, Style) = ("with the network", Style::Solid(0));
const WITHOUT: (&str, Style) = ("without its answers", Style::Dashed(1));
const ALONE: (&str, Style) = ("trained alone", Style::Reference);
const LEGEND: [(&str, &str); 3] = [
    ("line s0", WITH.0),
    ("line s1 dashed", WITHOUT.0),
    ("line muted dotted", ALONE.0),
];

/// Mean accuracy of the honest neurons over steps.
pub(super) fn mean_accuracy(observation: &Observation, page: &mut Page) {
    let honest: Vec<(&Neuron, Option<&Training>)> = with_twins(observation)
        .filter(|(neuron, _)| observation.counts(neuron))
        .collect();
    let together: Vec<_> = honest.iter().map(|(neuron, _)| &neuron.training).collect();
    let alone: Vec<_> = honest.iter().filter_map(|(_, twin)| *twin).collect();
    let series = vec![
        series(WITH, common(&together, |e| e.network_accuracy)),
        series(WITHOUT, common(&together, |e| e.local_accuracy)),
        series(ALONE, common(&alone, |e| e.local_accuracy)),
    ];
    let plot = accuracy_plot("Mean accuracy over steps", WIDE, 150.0, series);
    if let Some(svg) = plot.render() {
        page.figure(
            &[(String::new(), svg)],
            &[],
            &format!(
                "Accuracy on held-out {} while training, mean of the honest neurons, as far as all of them came. Where the \
             solid line is above the dashed one, the answers help at that moment; where it is above the dotted one, a neuron \
             does better than its twin that trained alone.",
                observation.plan.task.told()
            ),
        );
    }
}

/// Accuracy of each neuron over steps.
pub(super) fn each_accuracy(observation: &Observation, page: &mut Page) {
    let pictures: Vec<_> = with_twins(observation)
        .filter_map(|(neuron, twin)| {
            let of = |training: &Training, value| curve(&training.evaluations, value);
            let mut lines = vec![
                (
                    WITH,
                    of(&neuron.training, |e: &Evaluation| e.network_accuracy),
                ),
                (WITHOUT, of(&neuron.training, |e| e.local_accuracy)),
            ];
            lines.extend(twin.map(|twin| (ALONE, of(twin, |e| e.local_accuracy))));
            let series = lines
                .into_iter()
                .map(|((_, style), points)| series(("", style), points))
                .collect();
            let name = format!("Accuracy of {}", neuron.name());
            let svg = accuracy_plot(&name, SMALL, 12.0, series).render()?;
            Some((neuron.name(), svg))
        })
        .collect();
    if !pictures.is_empty() {
        page.figure(
            &pictures,
            &LEGEND,
            "The same for each neuron. The garbage neuron answers its peers with noise, but they answer it as they answer \
             anybody.",
        );
    }
}

/// Training losses over steps, mean of the honest neurons.
pub(super) fn losses(observation: &Observation, page: &mut Page) {
    let honest: Vec<&[Step]> = observation
        .neurons
        .iter()
        .filter(|neuron| observation.counts(neuron))
        .map(|neuron| neuron.training.steps.as_slice())
        .collect();
    let alone: Vec<&[Step]> = with_twins(observation)
        .filter(|(neuron, _)| observation.counts(neuron))
        .filter_map(|(_, twin)| Some(twin?.steps.as_slice()))
        .collect();
    let mean =
        |runs: &[&[Step]], value: fn(&Step) -> Option<f64>| thin(&mean_steps(runs, value), POINTS);
    let plot = LinePlot {
        name: "Losses over steps".into(),
        size: WIDE,
        label_room: 150.0,
        x_label: "step".into(),
        y_label: "loss (logarithmic)".into(),
        scale: Scale::Log,
        dots: false,
        series: vec![
            series(
                ("network", Style::Solid(0)),
                mean(&honest, |s| s.network_loss),
            ),
            series(("local", Style::Dashed(1)), mean(&honest, |s| s.local_loss)),
            series(
                ("distillation", Style::Dashed(2)),
                mean(&honest, |s| s.distillation_loss),
            ),
            series(
                ("local, trained alone", Style::Reference),
                mean(&alone, |s| s.local_loss),
            ),
        ],
    };
    if let Some(svg) = plot.render() {
        page.figure(
            &[(String::new(), svg)],
            &[],
            "What each neuron minimises, mean of the honest neurons, in nats. Network and local: cross-entropy of the labels \
             with the predictions of all joined, by which the router learns, and of the model itself. Distillation: \
             cross-entropy of its predictions with those of its peers. Dotted: the local loss of the models that trained \
             alone.",
        );
    }
}

/// Incentive of each neuron, epoch by epoch.
pub(super) fn incentive(observation: &Observation, page: &mut Page) {
    let mut honest = 0..;
    let lines: Vec<_> = observation
        .neurons
        .iter()
        .map(|neuron| {
            let style = match neuron.role {
                Role::Garbage => Style::Garbage,
                _ => Style::Solid(honest.next().unwrap_or(0)),
            };
            let points = (1_u32..)
                .map(f64::from)
                .zip(&observation.chain.epochs)
                .filter_map(|(number, epoch)| {
                    Some((number, epoch.scores.get(&neuron.uid)?.incentive))
                })
                .collect();
            Series {
                label: neuron.name(),
                style,
                points,
            }
        })
        .collect();
    let highest = lines
        .iter()
        .flat_map(|line| line.points.iter().map(|(_, y)| *y))
        .fold(0.1, f64::max);
    let plot = LinePlot {
        name: "Incentive over epochs".into(),
        size: WIDE,
        label_room: 150.0,
        x_label: "epoch".into(),
        y_label: "incentive".into(),
        scale: Scale::Percent {
            from: 0.0,
            to: 1.08 * highest,
        },
        dots: true,
        series: lines,
    };
    if let Some(svg) = plot.render() {
        page.figure(
            &[(String::new(), svg)],
            &[],
            "What part of the servers' pay each epoch gave each neuron. The neurons do not know which of them answers noise: \
             each finds out from what the answers do to its own loss, and the chain finds out from the neurons. Before the \
             first rows of weights count, nobody has any incentive.",
        );
    }
}

/// The weight matrix in an early, a middle and the last epoch.
pub(super) fn weights(observation: &Observation, page: &mut Page) {
    let rated: Vec<(usize, &Epoch)> = (1..)
        .zip(&observation.chain.epochs)
        .filter(|(_, epoch)| !epoch.weights.is_empty())
        .collect();
    let mut chosen = vec![0, rated.len() / 2, rated.len().saturating_sub(1)];
    chosen.dedup();
    let pictures: Vec<_> = chosen
        .into_iter()
        .filter_map(|place| rated.get(place))
        .map(|(number, epoch)| {
            let name = format!("Epoch {number}, block {}", epoch.block);
            let map = matrix(
                observation,
                &format!("Weights in epoch {number}"),
                ["rater", "rated"],
                |rater, rated| epoch.weights.get(&rater)?.get(&rated).copied(),
            );
            (name, map.render())
        })
        .collect();
    if !pictures.is_empty() {
        page.figure(
            &pictures,
            &[],
            &format!(
                "The weight matrix: what part of its row each neuron (rater) gives each other (rated), in percent.{} Nobody \
                 weighs itself.",
                garbage_columns(observation)
            ),
        );
    }
}

/// Who sent how many samples to whom.
pub(super) fn samples_sent(observation: &Observation, page: &mut Page) {
    let rows = |neuron: &Neuron, peer: u16| -> u64 {
        neuron.calls.get(&peer).map_or(0, |outcomes| {
            outcomes.values().map(|calls| calls.rows).sum()
        })
    };
    let total =
        |neuron: &Neuron| -> u64 { neuron.calls.keys().map(|peer| rows(neuron, *peer)).sum() };
    if observation.neurons.iter().all(|neuron| total(neuron) == 0) {
        return;
    }
    let map = matrix(
        observation,
        "Samples sent",
        ["caller", "asked"],
        |caller, asked| {
            let caller = observation.neuron(caller)?;
            let all = total(caller);
            (all > 0).then(|| float(rows(caller, asked)) / float(all))
        },
    );
    page.figure(
        &[(String::new(), map.render())],
        &[],
        &format!(
            "Where routers sent samples over the whole run: what part of all that a neuron (caller) sent went to each peer \
             (asked), in percent.{}",
            garbage_columns(observation)
        ),
    );
}

fn garbage_columns(observation: &Observation) -> String {
    observation
        .neurons
        .iter()
        .find(|neuron| neuron.role == Role::Garbage)
        .map_or_else(String::new, |neuron| {
            format!(
                " The column of uid {} is the neuron that answers noise.",
                neuron.uid
            )
        })
}

fn matrix(
    observation: &Observation,
    name: &str,
    [row_label, column_label]: [&str; 2],
    value: impl Fn(u16, u16) -> Option<f64>,
) -> HeatMap {
    let uids: Vec<u16> = observation
        .neurons
        .iter()
        .map(|neuron| neuron.uid)
        .collect();
    let cell = |row: u16, column: u16| (row != column).then(|| value(row, column).unwrap_or(0.0));
    HeatMap {
        name: name.into(),
        row_label: row_label.into(),
        column_label: column_label.into(),
        names: uids.iter().map(u16::to_string).collect(),
        cells: uids
            .iter()
            .map(|row| uids.iter().map(|column| cell(*row, *column)).collect())
            .collect(),
    }
}

fn accuracy_plot(name: &str, size: (f64, f64), label_room: f64, series: Vec<Series>) -> LinePlot {
    let values = || {
        let points = series.iter().flat_map(|series| &series.points);
        points.map(|(_, accuracy)| 10.0 * accuracy)
    };
    // Between round numbers: a bar of a histogram would have to start at zero, a line need not.
    let from = values().fold(10.0, f64::min).floor();
    let to = values().fold(from + 1.0, f64::max).ceil();
    LinePlot {
        name: name.into(),
        size,
        label_room,
        x_label: "step".into(),
        y_label: "accuracy".into(),
        scale: Scale::Percent {
            from: from / 10.0,
            to: to / 10.0,
        },
        dots: false,
        series,
    }
}

fn series((label, style): (&str, Style), points: Vec<(f64, f64)>) -> Series {
    Series {
        label: label.into(),
        style,
        points,
    }
}

fn with_twins(observation: &Observation) -> impl Iterator<Item = (&Neuron, Option<&Training>)> {
    observation
        .neurons
        .iter()
        .enumerate()
        .map(|(index, neuron)| (neuron, observation.alone.get(index)))
}

fn curve(evaluations: &[Evaluation], value: fn(&Evaluation) -> Option<f64>) -> Vec<(f64, f64)> {
    evaluations
        .iter()
        .filter_map(|evaluation| Some((float(evaluation.step), value(evaluation)?)))
        .collect()
}

/// The mean over runs at those steps where each of them has a value.
fn common(runs: &[&Training], value: fn(&Evaluation) -> Option<f64>) -> Vec<(f64, f64)> {
    let points = runs.iter().flat_map(|run| &run.evaluations);
    mean_where_all(runs.len(), points.map(|e| (e.step, value(e))))
}

fn mean_steps(runs: &[&[Step]], value: fn(&Step) -> Option<f64>) -> Vec<(f64, f64)> {
    let points = runs.iter().copied().flatten();
    mean_where_all(runs.len(), points.map(|step| (step.step, value(step))))
}

fn mean_where_all(
    n_runs: usize,
    points: impl Iterator<Item = (u64, Option<f64>)>,
) -> Vec<(f64, f64)> {
    let mut by_step: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for (step, value) in points {
        by_step.entry(step).or_default().extend(value);
    }
    by_step
        .into_iter()
        .filter(|(_, values)| values.len() == n_runs)
        .filter_map(|(step, values)| Some((float(step), average(values)?)))
        .collect()
}
