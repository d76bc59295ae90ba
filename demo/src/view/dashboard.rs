//! The dashboard: the neurons in a table, what became of their calls, incentive and accuracy as curves, the weight matrix,
//! what happened.
//!
//! A terminal of 80 columns and 24 lines has all of it but the weight matrix.

use crate::{
    findings::{self, ANSWERED, average, float, grouped},
    observation::{Neuron, Observation, Phase, Role, Training},
};
use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    symbols::Marker,
    text::{Line, Span},
    widgets::{
        Axis, Block, Borders, Cell, Chart, Dataset, Gauge, GraphType, Paragraph, Row, Table,
    },
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
/// What became of calls that were not answered.
const FAILED: Style = Style::new().fg(Color::Yellow);

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, observation: &Observation) {
    let n_neurons = u16::try_from(observation.neurons.len()).unwrap_or(u16::MAX);
    let outcomes = outcomes(observation, frame.area().width);
    let [head, progress, table, calls, middle, notes] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(n_neurons.saturating_add(2)),
        Constraint::Length(u16::try_from(outcomes.len()).unwrap_or(u16::MAX)),
        Constraint::Fill(1),
        Constraint::Length(6),
    ])
    .areas(frame.area());
    frame.render_widget(title(observation), head);
    frame.render_widget(gauge(observation), progress);
    frame.render_widget(neurons(observation, table.width), table);
    frame.render_widget(Paragraph::new(outcomes), calls);
    let matrix_width = match 6 + 7 * n_neurons {
        // Curves first.
        width if 2 * width > middle.width || n_neurons == 0 => 0,
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
    // Before there is one, and after it, there is nothing to say of it.
    if chain.block > 0 && observation.phase < Phase::Stopping {
        let left = chain.next_epoch.saturating_sub(chain.block);
        spans.push(Span::raw(format!(
            "block {}, epoch in {left}  ",
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

/// The columns of the table: name, a shorter name where there is no room for it, and the width of what stands below.
///
/// Short names and what stands below them take 80 columns.
const COLUMNS: [(&str, &str, u16); 14] = [
    ("uid", "uid", 3),
    ("part", "part", 9),
    ("steps", "steps", 5),
    ("loss", "loss", 5),
    ("local", "local", 5),
    ("network", "net", 5),
    ("with", "with", 4),
    ("without", "w/o", 4),
    ("alone", "alone", 5),
    ("stake", "stake", 5),
    ("incentive", "inc", 4),
    ("dividends", "div", 4),
    ("calls", "calls", 5),
    ("failed", "fail", 4),
];

/// The heads of the columns and their widths in a table of that width, and the space between two of them.
///
/// A number of which a part is missing is worse than none: where there is no room for a column, it is left out with those
/// after it.
fn columns(room: u16) -> (Vec<(&'static str, u16)>, u16) {
    let named = |names: fn(&(&'static str, &'static str, u16)) -> &'static str| {
        COLUMNS.map(|column| {
            let name = names(&column);
            let of_name = u16::try_from(name.len()).unwrap_or(u16::MAX);
            (name, column.2.max(of_name))
        })
    };
    let width =
        |columns: &[(&str, u16)]| columns.iter().map(|(_, width)| width + 1).sum::<u16>() - 1;
    let mut columns = named(|(name, _, _)| name).to_vec();
    if width(&columns) > room {
        columns = named(|(_, short, _)| short).to_vec();
    }
    while columns.len() > 1 && width(&columns) > room {
        columns.pop();
    }
    let left = room.saturating_sub(width(&columns));
    let gaps = u16::try_from(columns.len()).unwrap_or(u16::MAX);
    (columns, 1 + (left / gaps).min(3))
}

fn neurons(observation: &Observation, width: u16) -> Table<'static> {
    let (columns, spacing) = columns(width);
    let n = columns.len();
    let rows = observation
        .neurons
        .iter()
        .enumerate()
        .map(|(index, neuron)| {
            let cells = cells(observation, index, neuron).into_iter().take(n);
            Row::new(cells.map(right)).style(Style::new().fg(colour(neuron, index)))
        });
    let heads = columns.iter().map(|(name, _)| right((*name).into()));
    let title = " neurons: losses; accuracies, %; stake, CTM; incentive, dividends, % ";
    let widths = columns.iter().map(|(_, width)| Constraint::Length(*width));
    Table::new(rows, widths)
        .header(Row::new(heads).style(QUIET))
        .column_spacing(spacing)
        .block(
            Block::new()
                .borders(Borders::TOP)
                .title(title)
                .border_style(QUIET),
        )
}

fn cells(observation: &Observation, index: usize, neuron: &Neuron) -> [String; 14] {
    let training = &neuron.training;
    let step = training.steps.last();
    let loss = |value: Option<f64>| value.map_or_else(nothing, short_loss);
    let share = |value: Option<f64>| value.map_or_else(nothing, short_percent);
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
    let (mut n, mut answered) = (0, 0);
    for (outcome, calls) in neuron.calls.values().flatten() {
        n += calls.n;
        if outcome == ANSWERED {
            answered += calls.n;
        }
    }
    let mark = match observation.has_failed(neuron.uid) {
        true => "†",
        false => "",
    };
    [
        format!("{mark}{}", neuron.uid),
        neuron.role.to_string(),
        short_count(training.n_steps()),
        loss(step.and_then(|step| step.loss)),
        loss(step.and_then(|step| step.local_loss)),
        loss(step.and_then(|step| step.network_loss)),
        share(evaluation.and_then(|evaluation| evaluation.network_accuracy)),
        share(evaluation.and_then(|evaluation| evaluation.local_accuracy)),
        share(twin.and_then(|twin| twin.local_accuracy)),
        stake.map_or_else(nothing, short_amount),
        share(scores.map(|scores| scores.incentive)),
        share(scores.map(|scores| scores.dividends)),
        short_count(n),
        short_count(n - answered),
    ]
}

/// At most five characters, up to ten million.
fn short_count(count: u64) -> String {
    match count {
        0..10_000 => grouped(count),
        10_000..100_000 => count.to_string(),
        _ => format!("{}k", count / 1_000),
    }
}

/// Whole CTM, as [`short_count`].
fn short_amount(ctm: f64) -> String {
    let whole = format!("{ctm:.0}").parse();
    whole.map_or_else(|_| nothing(), short_count)
}

/// Four characters at most: `97.2`, of a hundred.
fn short_percent(share: f64) -> String {
    match 100.0 * share {
        all if all >= 99.95 => format!("{all:.0}"),
        part => format!("{part:.1}"),
    }
}

/// Five characters at most.
fn short_loss(loss: f64) -> String {
    match loss {
        loss if loss < 9.9995 => format!("{loss:.3}"),
        loss if loss < 999.95 => format!("{loss:.1}"),
        loss => format!("{loss:.0e}"),
    }
}

/// What became of the calls of all neurons: `calls 1,381: Success 1,380, 85 ms on average; Timeout 1`, in as many lines as
/// that takes.
fn outcomes(observation: &Observation, width: u16) -> Vec<Line<'static>> {
    let totals = findings::calls(observation);
    let mut lines = vec![Line::styled(format!(" calls {}", grouped(totals.n)), QUIET)];
    for (outcome, n) in findings::outcomes(observation) {
        let (text, style) = match outcome {
            ANSWERED => (
                format!(
                    "{outcome} {} ({:.0} ms on average)",
                    grouped(n),
                    totals.mean_ms
                ),
                Style::new(),
            ),
            _ => (format!("{outcome} {}", grouped(n)), FAILED),
        };
        let item = Span::styled(format!("  {text}"), style);
        match lines.last_mut() {
            Some(line) if line.width() + item.width() <= usize::from(width) => line.push_span(item),
            _ => lines.push(Line::from(item)),
        }
    }
    lines
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
            .filter(|neuron| observation.counts(neuron))
    };
    let together: Vec<&Training> = honest().map(|neuron| &neuron.training).collect();
    let alone: Vec<&Training> = observation
        .alone
        .iter()
        .zip(&observation.neurons)
        .filter(|(_, neuron)| observation.counts(neuron))
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
    let title = " accuracy by step, %, honest mean ";
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

    /// The row of the neuron that plays this part.
    fn row<'a>(screen: &'a str, part: &str) -> &'a str {
        let found = screen.lines().find(|line| line.contains(part));
        found.unwrap_or_else(|| panic!("no {part} in\n{screen}"))
    }

    #[test]
    fn every_neuron_is_in_the_table_with_its_part_and_its_incentive() {
        let screen = drawn(&samples::finished(), 140, 40);
        assert!(row(&screen, " validator ").contains(" 25.0 "), "{screen}");
        assert!(row(&screen, " garbage ").contains(" 0.1 "), "{screen}");
        assert!(
            screen.contains("2,400 of") || screen.contains("3,000 of 3,000 steps alone"),
            "{screen}"
        );
    }

    #[test]
    fn the_smallest_usual_terminal_has_everything_whole() {
        let screen = drawn(&samples::finished(), 80, 24);
        for (_, head, _) in COLUMNS {
            assert!(screen.contains(&format!("{head} ")) || head == "fail");
        }
        let cells: Vec<&str> = row(&screen, " validator ").split_whitespace().collect();
        // After the quote that begins a line of the screen: uid, part, steps, three losses, accuracy with, without and
        // alone, stake, incentive, dividends, calls, failed.
        assert_eq!(cells[1..4], ["0", "validator", "600"], "{screen}");
        assert!(cells[4..7].iter().all(|loss| loss.len() == 5), "{screen}");
        // The formula of the sample: errors of 0.03 + 0.87 · e^(−0.02 · 600), a fifth less with the network, and of
        // 0.03 + 0.87 · e^(−0.012 · 600) alone.
        assert_eq!(cells[7..10], ["97.6", "97.0", "96.9"], "{screen}");
        assert_eq!(cells[10..12], ["3,000", "25.0"], "{screen}");
        // 3 / 11; see the test of `findings::outcomes`
        assert_eq!(cells[12..14], ["27.3", "2,010"], "{screen}");
        assert!(cells[14].starts_with("12"), "{screen}");
        assert!(
            screen.contains(" calls 10,440  Success 10,380 (46 ms on average)  Timeout 60 "),
            "{screen}"
        );
    }

    #[test]
    fn columns_take_the_room_that_there_is() {
        let heads = |room: u16| -> Vec<&str> {
            let (columns, spacing) = columns(room);
            let n = u16::try_from(columns.len()).expect("few columns");
            let widths: u16 = columns.iter().map(|(_, width)| *width).sum();
            assert!(n == 1 || widths + spacing * (n - 1) <= room, "{room}");
            columns.into_iter().map(|(name, _)| name).collect()
        };
        for room in 0..300 {
            heads(room);
        }
        let (long, short): (Vec<_>, Vec<_>) = COLUMNS
            .iter()
            .map(|(long, short, _)| (*long, *short))
            .unzip();
        assert_eq!(heads(100), long);
        assert_eq!(heads(80), short);
        assert_eq!(heads(79), short[..13]);
    }

    #[test]
    fn cells_fit_their_columns() {
        let counts = [9_999, 10_000, 99_999, 100_000, 9_999_999].map(short_count);
        assert_eq!(counts, ["9,999", "10000", "99999", "100k", "9999k"]);
        let shares = [0.0, 0.999_4, 0.999_6, 1.0].map(short_percent);
        assert_eq!(shares, ["0.0", "99.9", "100", "100"]);
        let losses = [0.0, 9.999_4, 9.999_6, 999.94, 1_234.0].map(short_loss);
        assert_eq!(losses, ["0.000", "9.999", "10.0", "999.9", "1e3"]);
    }

    #[test]
    fn outcomes_take_as_many_lines_as_they_need() {
        let observation = samples::finished();
        assert_eq!(outcomes(&observation, 80).len(), 1);
        assert_eq!(outcomes(&observation, 50).len(), 2);
        assert_eq!(outcomes(&samples::nothing(), 80).len(), 1);
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
    fn a_neuron_that_failed_is_marked() {
        let screen = drawn(&samples::failed(), 80, 24);
        assert!(screen.contains("†2    neuron "), "{screen}");
        assert!(screen.contains("uid 2 ended with signal: 9"), "{screen}");
        assert!(!drawn(&samples::training(), 80, 24).contains('†'));
    }
}
