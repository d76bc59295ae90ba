//! The dashboard: the neurons in a table, their incentive and accuracy as curves, the weight matrix, what happened.

use crate::{
    findings::{ANSWERED, amount, average, float, grouped, percent},
    observation::{Neuron, Observation, Phase, Role, Training},
};
use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    symbols::Marker,
    text::{Line, Span},
    widgets::{Axis, Block, Cell, Chart, Dataset, Gauge, GraphType, Paragraph, Row, Table},
};

/// One colour for each neuron that is honest, apart from red and green.
const COLOURS: [Color; 5] = [
    Color::Cyan,
    Color::LightBlue,
    Color::Magenta,
    Color::White,
    Color::LightYellow,
];
/// The colour of the neuron that answers noise.
const GARBAGE: Color = Color::LightRed;
const QUIET: Style = Style::new().fg(Color::DarkGray);

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, observation: &Observation) {
    let n_neurons = u16::try_from(observation.neurons.len()).unwrap_or(u16::MAX);
    let [head, progress, table, middle, notes] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(n_neurons.saturating_add(3)),
        Constraint::Fill(1),
        Constraint::Length(6),
    ])
    .areas(frame.area());
    frame.render_widget(title(observation), head);
    frame.render_widget(gauge(observation), progress);
    frame.render_widget(neurons(observation, table.width), table);
    let matrix_width = match 6 + 7 * n_neurons.max(3) {
        // Curves first.
        width if 2 * width > middle.width => 0,
        width => width,
    };
    let [left, centre, right] = Layout::horizontal([
        Constraint::Fill(1),
        Constraint::Fill(1),
        Constraint::Length(matrix_width),
    ])
    .areas(middle);
    incentive(frame, left, observation);
    accuracy(frame, centre, observation);
    frame.render_widget(weights(observation), right);
    frame.render_widget(happened(observation, notes.height), notes);
}

fn title(observation: &Observation) -> Line<'static> {
    let chain = &observation.chain;
    let mut spans = vec![
        Span::styled(" Connectome ", Style::new().add_modifier(Modifier::BOLD)),
        Span::raw(format!("{}  ", observation.phase)),
    ];
    if chain.block > 0 {
        let left = chain.next_epoch.saturating_sub(chain.block);
        spans.push(Span::raw(format!(
            "block {}  next epoch in {left} blocks  ",
            chain.block
        )));
    }
    spans.push(Span::styled(
        format!(
            "{:.0} s  seed {}  q ends",
            observation.elapsed, observation.plan.seed
        ),
        QUIET,
    ));
    Line::from(spans)
}

/// How many of the epochs have passed; while models train alone, how many of their steps.
fn gauge(observation: &Observation) -> Gauge<'static> {
    let (done, all, what) = match observation.phase {
        Phase::TrainingAlone | Phase::Done => {
            let steps =
                |runs: &mut dyn Iterator<Item = &Training>| runs.map(Training::n_steps).sum();
            let alone: u64 = steps(&mut observation.alone.iter());
            let together: u64 = steps(&mut observation.neurons.iter().map(|n| &n.training));
            (alone, together, "steps alone")
        }
        _ => {
            let epochs = u64::try_from(observation.chain.epochs.len()).unwrap_or(0);
            (epochs, observation.plan.epochs.into(), "epochs")
        }
    };
    let ratio = float(done) / float(all.max(1));
    Gauge::default()
        .gauge_style(Style::new().fg(Color::Blue).bg(Color::Black))
        .label(format!("{} of {} {what}", grouped(done), grouped(all)))
        .ratio(ratio.clamp(0.0, 1.0))
}

/// The columns of the table: name, width, and from what width of the table on there is room for it.
const COLUMNS: [(&str, u16, u16); 15] = [
    ("uid", 3, 0),
    ("part", 11, 0),
    ("step", 6, 0),
    ("loss", 6, 0),
    ("local", 6, 110),
    ("network", 7, 110),
    ("with", 6, 0),
    ("without", 7, 0),
    ("alone", 6, 0),
    ("stake", 8, 100),
    ("incentive", 9, 0),
    ("dividends", 9, 90),
    ("calls", 7, 0),
    ("failed", 6, 78),
    ("ms", 4, 125),
];

fn neurons(observation: &Observation, width: u16) -> Table<'static> {
    let shown = || COLUMNS.iter().map(|(_, _, room)| *room <= width);
    let row = |cells: Vec<Cell<'static>>| {
        let cells = cells.into_iter().zip(shown());
        Row::new(cells.filter_map(|(cell, shown)| shown.then_some(cell)))
    };
    let rows = observation
        .neurons
        .iter()
        .enumerate()
        .map(|(index, neuron)| {
            row(cells(observation, index, neuron)).style(Style::new().fg(colour(neuron, index)))
        });
    let heads = COLUMNS.map(|(name, _, _)| right(name.into())).into();
    let widths = COLUMNS
        .iter()
        .zip(shown())
        .filter_map(|((_, width, _), shown)| shown.then_some(Constraint::Length(*width)));
    Table::new(rows, widths)
        .header(row(heads).style(QUIET))
        .column_spacing(1)
        .block(Block::bordered().title(" neurons ").border_style(QUIET))
}

fn cells(observation: &Observation, index: usize, neuron: &Neuron) -> Vec<Cell<'static>> {
    let training = &neuron.training;
    let step = training.steps.last();
    let loss = |value: Option<f64>| value.map_or_else(nothing, |loss| format!("{loss:.3}"));
    let share = |value: Option<f64>| value.map_or_else(nothing, percent);
    let evaluation = training.evaluations.last();
    let twin = observation
        .alone
        .get(index)
        .and_then(|twin| twin.evaluations.last());
    let scores = observation.scores(neuron.uid);
    let stake = observation
        .chain
        .stakes
        .get(&neuron.uid)
        .copied()
        .or(scores.map(|scores| scores.stake));
    let (mut n, mut answered, mut ms) = (0, 0, 0.0);
    for (outcome, calls) in neuron.calls.values().flatten() {
        n += calls.n;
        if outcome == ANSWERED {
            answered += calls.n;
            ms += calls.ms;
        }
    }
    let mean_ms = (answered > 0).then(|| ms / float(answered));
    let part = match &neuron.ended {
        Some(_) if observation.phase == Phase::Training => format!("{} †", neuron.role),
        _ => neuron.role.to_string(),
    };
    [
        neuron.uid.to_string(),
        part,
        grouped(training.n_steps()),
        loss(step.and_then(|step| step.loss)),
        loss(step.and_then(|step| step.local_loss)),
        loss(step.and_then(|step| step.network_loss)),
        share(evaluation.and_then(|evaluation| evaluation.network_accuracy)),
        share(evaluation.and_then(|evaluation| evaluation.local_accuracy)),
        share(twin.and_then(|twin| twin.local_accuracy)),
        stake.map_or_else(nothing, amount),
        share(scores.map(|scores| scores.incentive)),
        share(scores.map(|scores| scores.dividends)),
        grouped(n),
        grouped(n - answered),
        mean_ms.map_or_else(nothing, |ms| format!("{ms:.0}")),
    ]
    .map(right)
    .into()
}

fn right(text: String) -> Cell<'static> {
    Cell::from(Line::from(text).alignment(Alignment::Right))
}

fn nothing() -> String {
    "–".into()
}

fn colour(neuron: &Neuron, index: usize) -> Color {
    match neuron.role {
        Role::Garbage => GARBAGE,
        _ => COLOURS[index % COLOURS.len()],
    }
}

fn incentive(frame: &mut Frame<'_>, area: Rect, observation: &Observation) {
    let lines: Vec<(Color, Vec<(f64, f64)>)> = observation
        .neurons
        .iter()
        .enumerate()
        .map(|(index, neuron)| {
            let points = (1_u32..)
                .map(f64::from)
                .zip(&observation.chain.epochs)
                .filter_map(|(number, epoch)| {
                    Some((number, 100.0 * epoch.scores.get(&neuron.uid)?.incentive))
                })
                .collect();
            (colour(neuron, index), points)
        })
        .collect();
    let most = lines
        .iter()
        .flat_map(|(_, points)| points.iter().map(|(_, y)| *y))
        .fold(30.0, f64::max);
    let epochs = f64::from(observation.plan.epochs.max(2));
    let datasets = lines.iter().map(|(colour, points)| {
        Dataset::default()
            .graph_type(GraphType::Line)
            .marker(Marker::Braille)
            .style(Style::new().fg(*colour))
            .data(points)
    });
    let chart = chart(
        " incentive by epoch, % ",
        datasets.collect(),
        [1.0, epochs],
        [0.0, most],
    );
    frame.render_widget(chart, area);
}

/// Means over the honest neurons, over time: those of the network, and those of the models that train alone.
fn accuracy(frame: &mut Frame<'_>, area: Rect, observation: &Observation) {
    let honest = || {
        observation
            .neurons
            .iter()
            .filter(|neuron| neuron.is_honest())
    };
    let together: Vec<&Training> = honest().map(|neuron| &neuron.training).collect();
    let alone: Vec<&Training> = observation
        .alone
        .iter()
        .zip(&observation.neurons)
        .filter(|(_, neuron)| neuron.is_honest())
        .map(|(twin, _)| twin)
        .collect();
    let with = mean_curve(&together, |evaluation| evaluation.network_accuracy);
    let without = mean_curve(&together, |evaluation| evaluation.local_accuracy);
    let alone = mean_curve(&alone, |evaluation| evaluation.local_accuracy);
    let curves = [
        ("with", Color::Cyan, &with),
        ("without", Color::Magenta, &without),
        ("alone", Color::Gray, &alone),
    ];
    let steps = curves
        .iter()
        .flat_map(|(_, _, points)| points.iter().map(|(x, _)| *x))
        .fold(1.0, f64::max);
    let lowest = curves
        .iter()
        .flat_map(|(_, _, points)| points.iter().map(|(_, y)| *y))
        .fold(90.0, f64::min);
    let lowest = 10.0 * (lowest / 10.0).floor();
    let datasets = curves
        .into_iter()
        .filter(|(_, _, points)| !points.is_empty())
        .map(|(name, colour, points)| {
            Dataset::default()
                .name(name)
                .graph_type(GraphType::Line)
                .marker(Marker::Braille)
                .style(Style::new().fg(colour))
                .data(points)
        })
        .collect();
    let title = " accuracy by step, %, mean of the honest ";
    frame.render_widget(chart(title, datasets, [0.0, steps], [lowest, 100.0]), area);
}

fn mean_curve(
    runs: &[&Training],
    value: fn(&crate::observation::Evaluation) -> Option<f64>,
) -> Vec<(f64, f64)> {
    let n = runs
        .iter()
        .map(|run| run.evaluations.len())
        .min()
        .unwrap_or(0);
    (0..n)
        .filter_map(|i| {
            let at = || runs.iter().filter_map(|run| run.evaluations.get(i));
            let mean = average(at().filter_map(value))?;
            Some((
                float(at().map(|evaluation| evaluation.step).min()?),
                100.0 * mean,
            ))
        })
        .collect()
}

fn chart<'a>(title: &'a str, datasets: Vec<Dataset<'a>>, x: [f64; 2], y: [f64; 2]) -> Chart<'a> {
    let labels = |[from, to]: [f64; 2]| [from, to].map(|end| format!("{end:.0}"));
    Chart::new(datasets)
        .block(Block::bordered().title(title).border_style(QUIET))
        .x_axis(Axis::default().style(QUIET).bounds(x).labels(labels(x)))
        .y_axis(Axis::default().style(QUIET).bounds(y).labels(labels(y)))
        .legend_position(Some(ratatui::widgets::LegendPosition::BottomRight))
}

/// The weight matrix of the last epoch, each cell the brighter the more it holds.
fn weights(observation: &Observation) -> Paragraph<'static> {
    let uids: Vec<u16> = observation
        .neurons
        .iter()
        .map(|neuron| neuron.uid)
        .collect();
    let mut lines = vec![Line::styled(
        uids.iter()
            .fold("    ".to_owned(), |head, uid| format!("{head}{uid:^7}")),
        QUIET,
    )];
    if let Some(epoch) = observation.chain.epochs.last() {
        for rater in &uids {
            let mut spans = vec![Span::styled(format!("{rater:>3} "), QUIET)];
            spans.extend(uids.iter().map(|rated| {
                if rater == rated {
                    return Span::styled("   ·   ", QUIET);
                }
                let weight = epoch
                    .weights
                    .get(rater)
                    .map_or(0.0, |row| row.get(rated).copied().unwrap_or(0.0));
                shaded(weight)
            }));
            lines.push(Line::from(spans));
        }
    }
    let title = " weights, %, rater by rated ";
    Paragraph::new(lines).block(Block::bordered().title(title).border_style(QUIET))
}

fn shaded(weight: f64) -> Span<'static> {
    let style = match weight {
        weight if weight >= 0.4 => Style::new().fg(Color::Black).bg(Color::Cyan),
        weight if weight >= 0.2 => Style::new().fg(Color::White).bg(Color::Blue),
        weight if weight >= 0.05 => Style::new().fg(Color::Cyan),
        _ => QUIET,
    };
    Span::styled(format!("{:^7.1}", 100.0 * weight), style)
}

fn happened(observation: &Observation, height: u16) -> Paragraph<'static> {
    let room = usize::from(height.saturating_sub(2));
    let notes = &observation.notes;
    let lines: Vec<Line<'static>> = notes[notes.len().saturating_sub(room)..]
        .iter()
        .map(|note| {
            Line::from(vec![
                Span::styled(format!("{:>6.1} s  ", note.time), QUIET),
                Span::raw(note.text.clone()),
            ])
        })
        .collect();
    Paragraph::new(lines).block(
        Block::bordered()
            .title(" what happened ")
            .border_style(QUIET),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::samples;
    use ratatui::{Terminal, backend::TestBackend};

    fn drawn(observation: &Observation, width: u16, height: u16) -> String {
        let mut terminal =
            Terminal::new(TestBackend::new(width, height)).expect("a terminal in memory");
        terminal
            .draw(|frame| draw(frame, observation))
            .expect("memory takes everything");
        terminal.backend().to_string()
    }

    #[test]
    fn every_neuron_is_in_the_table_with_its_part_and_its_incentive() {
        let screen = drawn(&samples::finished(), 140, 40);
        let row = |part: &str| {
            let found = screen.lines().find(|line| line.contains(part));
            found
                .unwrap_or_else(|| panic!("no {part} in\n{screen}"))
                .to_owned()
        };
        assert!(row(" validator ").contains("25.0%"), "{screen}");
        assert!(row(" garbage ").contains(" 0.1%"), "{screen}");
        assert!(
            screen.contains("2,400 of") || screen.contains("3,000 of 3,000 steps alone"),
            "{screen}"
        );
    }

    #[test]
    fn what_fits_no_narrow_screen_is_left_out_whole() {
        let screen = drawn(&samples::finished(), 80, 30);
        for kept in ["incentive", "without", "25.0%", "97.0%", "garbage"] {
            assert!(screen.contains(kept), "{kept}\n{screen}");
        }
        assert!(!screen.contains("dividends"), "{screen}");
    }

    #[test]
    fn every_stage_can_be_drawn_on_any_screen() {
        for observation in samples::all() {
            for (width, height) in [(1, 1), (20, 5), (80, 24), (300, 100)] {
                drawn(&observation, width, height);
            }
        }
    }

    #[test]
    fn a_neuron_that_ended_while_the_others_train_is_marked() {
        let mut observation = samples::training();
        assert!(!drawn(&observation, 140, 40).contains('†'));
        observation.neurons[2].ended = Some("it was killed".into());
        assert!(drawn(&observation, 140, 40).contains("neuron †"));
    }
}
