//! Plots as SVG, made to stand inside a page: colours and fonts are the page's (classes `s0`.., `garbage`, `muted`),
//! so that they follow it into the dark; no series is told by colour alone.

use super::html::escape;
use std::fmt::Write as _;

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// One of the colours, solid.
    Solid(usize),
    /// One of the colours, dashed.
    Dashed(usize),
    /// Grey, dotted: what others are compared with.
    Reference,
    /// The colour of the neuron that answers noise, dashed.
    Garbage,
}

/// How many colours there are for series.
const COLOURS: usize = 5;

impl Style {
    fn class(self) -> String {
        match self {
            Self::Solid(colour) => format!("line s{}", colour % COLOURS),
            Self::Dashed(colour) => format!("line s{} dashed", colour % COLOURS),
            Self::Reference => "line muted dotted".into(),
            Self::Garbage => "line garbage dashed".into(),
        }
    }
}

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// What stands at its end; nothing, where a legend elsewhere tells.
    pub(crate) label: String,
    /// How it is drawn.
    pub(crate) style: Style,
    /// `(x, y)`, by ascending x.
    pub(crate) points: Vec<(f64, f64)>,
}

/// The vertical axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// From `from` to `to`, as percentages of one.
    Percent { from: f64, to: f64 },
    /// Logarithmic, as wide as the values.
    Log,
}

/// Lines over a common horizontal axis that starts at zero.
#[derive(Clone, Debug)]
pub(crate) struct LinePlot {
    /// What a screen reader says that this is.
    pub(crate) name: String,
    /// Width and height, in units of the page's pixels.
    pub(crate) size: (f64, f64),
    /// Room at the right for labels of series.
    pub(crate) label_room: f64,
    /// What the horizontal axis counts.
    pub(crate) x_label: String,
    /// What the vertical axis measures.
    pub(crate) y_label: String,
    /// The vertical axis.
    pub(crate) scale: Scale,
    /// Whether each point gets a dot that shows its value under the pointer.
    pub(crate) dots: bool,
    /// The lines.
    pub(crate) series: Vec<Series>,
}

/// Space between the edge and the axes.
const LEFT: f64 = 62.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 44.0;
/// Least distance between two labels at the ends of lines.
const LABEL_HEIGHT: f64 = 15.0;

impl LinePlot {
    /// The plot as an `svg` element; `None` if there is not a single point.
    pub(crate) fn render(&self) -> Option<String> {
        let frame = Frame::of(self)?;
        let mut svg = open(&self.name, self.size);
        self.axes(&frame, &mut svg);
        for series in &self.series {
            Self::line(series, &frame, &mut svg);
            if self.dots {
                self.dots(series, &frame, &mut svg);
            }
        }
        self.labels(&frame, &mut svg);
        svg.push_str("</svg>");
        Some(svg)
    }

    fn axes(&self, frame: &Frame, svg: &mut String) {
        let (right, bottom) = (frame.right, frame.bottom);
        for tick in frame.y_ticks(self.scale) {
            let y = frame.y(tick);
            let text = match self.scale {
                Scale::Percent { .. } => format!("{}%", number(100.0 * tick)),
                Scale::Log => number(tick),
            };
            put!(
                svg,
                r#"<line class="grid" x1="{LEFT}" y1="{y:.1}" x2="{right:.1}" y2="{y:.1}"/>"#
            );
            put!(
                svg,
                r#"<text class="tick" x="{:.1}" y="{:.1}" text-anchor="end">{text}</text>"#,
                LEFT - 7.0,
                y + 4.0
            );
        }
        for tick in ticks(0.0, frame.x_max, 6) {
            let x = frame.x(tick);
            put!(
                svg,
                r#"<line class="axis" x1="{x:.1}" y1="{bottom:.1}" x2="{x:.1}" y2="{:.1}"/>"#,
                bottom + 4.0
            );
            put!(
                svg,
                r#"<text class="tick" x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
                bottom + 17.0,
                number(tick)
            );
        }
        put!(
            svg,
            r#"<line class="axis" x1="{LEFT}" y1="{bottom:.1}" x2="{right:.1}" y2="{bottom:.1}"/>"#
        );
        put!(
            svg,
            r#"<text class="label" x="{:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            (LEFT + right) / 2.0,
            bottom + 36.0,
            escape(&self.x_label)
        );
        let middle = (TOP + bottom) / 2.0;
        put!(
            svg,
            r#"<text class="label" x="14" y="{middle:.1}" text-anchor="middle" transform="rotate(-90 14 {middle:.1})">{}</text>"#,
            escape(&self.y_label)
        );
    }

    fn line(series: &Series, frame: &Frame, svg: &mut String) {
        let points: Vec<String> = frame
            .visible(series)
            .map(|(x, y)| format!("{:.1},{:.1}", frame.x(x), frame.y(y)))
            .collect();
        if !points.is_empty() {
            let class = series.style.class();
            put!(
                svg,
                r#"<polyline class="{class}" points="{}"/>"#,
                points.join(" ")
            );
        }
    }

    fn dots(&self, series: &Series, frame: &Frame, svg: &mut String) {
        let class = series.style.class();
        for (x, y) in frame.visible(series) {
            let value = match self.scale {
                Scale::Percent { .. } => format!("{:.1}%", 100.0 * y),
                Scale::Log => number(y),
            };
            put!(
                svg,
                r#"<circle class="{class} dot" cx="{:.1}" cy="{:.1}" r="2.6"><title>{}, {} {}: {value}</title></circle>"#,
                frame.x(x),
                frame.y(y),
                escape(&series.label),
                escape(&self.x_label),
                number(x),
            );
        }
    }

    /// Each series is named where it ends; names that would cover each other are moved apart.
    fn labels(&self, frame: &Frame, svg: &mut String) {
        let mut labels: Vec<(f64, &Series)> = self
            .series
            .iter()
            .filter(|series| !series.label.is_empty())
            .filter_map(|series| Some((frame.y(frame.visible(series).last()?.1), series)))
            .collect();
        labels.sort_by(|a, b| a.0.total_cmp(&b.0));
        let ends: Vec<f64> = labels.iter().map(|(y, _)| *y).collect();
        let places = spread(&ends, TOP, frame.bottom);
        for ((_, series), y) in labels.iter().zip(places) {
            put!(
                svg,
                r#"<text class="name {}" x="{:.1}" y="{:.1}">{}</text>"#,
                series.style.class(),
                frame.right + 8.0,
                y + 4.0,
                escape(&series.label),
            );
        }
    }
}

/// Where the values of a plot lie on its picture.
struct Frame {
    right: f64,
    bottom: f64,
    x_max: f64,
    y_range: (f64, f64),
    log: bool,
}

impl Frame {
    fn of(plot: &LinePlot) -> Option<Self> {
        let points = || plot.series.iter().flat_map(|series| &series.points);
        let x_max = points().map(|(x, _)| *x).fold(f64::NAN, f64::max);
        if !(x_max.is_finite() && x_max > 0.0) {
            return None;
        }
        let y_range = match plot.scale {
            Scale::Percent { from, to } => (from, to),
            Scale::Log => decades(points().map(|(_, y)| *y))?,
        };
        Some(Self {
            right: plot.size.0 - plot.label_room,
            bottom: plot.size.1 - BOTTOM,
            x_max,
            y_range,
            log: plot.scale == Scale::Log,
        })
    }

    fn visible<'a>(&self, series: &'a Series) -> impl Iterator<Item = (f64, f64)> + 'a {
        let log = self.log;
        series
            .points
            .iter()
            .copied()
            .filter(move |(_, y)| y.is_finite() && (!log || *y > 0.0))
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (self.right - LEFT) * value / self.x_max
    }

    fn y(&self, value: f64) -> f64 {
        let (from, to) = self.y_range;
        let place = if self.log {
            (value / from).ln() / (to / from).ln()
        } else {
            (value - from) / (to - from)
        };
        self.bottom - (self.bottom - TOP) * place.clamp(0.0, 1.0)
    }

    fn y_ticks(&self, scale: Scale) -> Vec<f64> {
        let (from, to) = self.y_range;
        match scale {
            Scale::Percent { .. } => ticks(from, to, 5),
            Scale::Log => log_ticks(from, to),
        }
    }
}

/// A matrix whose cells are the darker the more they hold.
#[derive(Clone, Debug)]
pub(crate) struct HeatMap {
    /// What a screen reader says that this is.
    pub(crate) name: String,
    /// What a row is.
    pub(crate) row_label: String,
    /// What a column is.
    pub(crate) column_label: String,
    /// Names of rows and columns alike.
    pub(crate) names: Vec<String>,
    /// By row; `None` where there is nothing by definition. Shares of one.
    pub(crate) cells: Vec<Vec<Option<f64>>>,
}

const CELL: f64 = 46.0;
const HEAD: f64 = 44.0;

impl HeatMap {
    /// The matrix as an `svg` element. The darkest colour is one half.
    pub(crate) fn render(&self) -> String {
        let side = CELL * len(&self.names);
        let mut svg = open(&self.name, (HEAD + side + 4.0, HEAD + side + 4.0));
        let middle = HEAD + side / 2.0;
        put!(
            svg,
            r#"<text class="label" x="{middle:.1}" y="13" text-anchor="middle">{}</text>"#,
            escape(&self.column_label)
        );
        put!(
            svg,
            r#"<text class="label" x="11" y="{middle:.1}" text-anchor="middle" transform="rotate(-90 11 {middle:.1})">{}</text>"#,
            escape(&self.row_label)
        );
        for (place, name) in places(&self.names) {
            let centre = HEAD + CELL * (place + 0.5);
            let name = escape(name);
            put!(
                svg,
                r#"<text class="tick" x="{centre:.1}" y="{:.1}" text-anchor="middle">{name}</text>"#,
                HEAD - 9.0
            );
            put!(
                svg,
                r#"<text class="tick" x="{:.1}" y="{:.1}" text-anchor="end">{name}</text>"#,
                HEAD - 8.0,
                centre + 4.0
            );
        }
        for (i, row) in places(&self.cells) {
            for (j, cell) in places(row) {
                Self::cell(HEAD + CELL * j, HEAD + CELL * i, *cell, &mut svg);
            }
        }
        svg.push_str("</svg>");
        svg
    }

    fn cell(x: f64, y: f64, value: Option<f64>, svg: &mut String) {
        let side = CELL - 2.0;
        let (class, depth, text) = match value {
            Some(value) => {
                let depth = (value / 0.5).clamp(0.0, 1.0);
                let class = if depth > 0.55 { "on-dark" } else { "on-light" };
                (class, depth, format!("{:.1}", 100.0 * value))
            }
            None => ("on-light", 0.0, "–".into()),
        };
        put!(
            svg,
            r#"<rect class="cell" x="{x:.1}" y="{y:.1}" width="{side}" height="{side}" rx="3" fill-opacity="{depth:.3}"/>"#
        );
        put!(
            svg,
            r#"<text class="value {class}" x="{:.1}" y="{:.1}" text-anchor="middle">{text}</text>"#,
            x + side / 2.0,
            y + side / 2.0 + 4.0
        );
    }
}

fn open(name: &str, (width, height): (f64, f64)) -> String {
    format!(
        r#"<svg role="img" aria-label="{}" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}">"#,
        escape(name)
    )
}

/// Each element with its position.
fn places<T>(items: &[T]) -> impl Iterator<Item = (f64, &T)> {
    (0_u32..).map(f64::from).zip(items)
}

fn len<T>(items: &[T]) -> f64 {
    u32::try_from(items.len()).map_or(f64::MAX, f64::from)
}

/// Round numbers between `from` and `to`, about `n` of them.
fn ticks(from: f64, to: f64, n: u32) -> Vec<f64> {
    let raw = (to - from) / f64::from(n);
    if !(raw.is_finite() && raw > 0.0) {
        return Vec::new();
    }
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= 0.999 * raw)
        .unwrap_or(10.0 * power);
    let first = (from / step - 1e-9).ceil();
    (0_u32..1_000)
        .map(|i| (first + f64::from(i)) * step)
        .take_while(|tick| *tick <= to + 1e-9 * step)
        .collect()
}

/// 1, 2 and 5 times the powers of ten between `from` and `to`.
fn log_ticks(from: f64, to: f64) -> Vec<f64> {
    (-12..=12)
        .flat_map(|exponent| [1.0, 2.0, 5.0].map(|factor| factor * 10_f64.powi(exponent)))
        .filter(|tick| (from..=to).contains(tick))
        .collect()
}

/// The range of positive values, with some air.
fn decades(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) = values
        .filter(|value| value.is_finite() && *value > 0.0)
        .fold((f64::INFINITY, 0.0_f64), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    (high > 0.0).then_some((low / 1.25, high * 1.25))
}

/// Moves sorted places apart until neighbours are [`LABEL_HEIGHT`] from each other, within `top..bottom` if they fit.
fn spread(sorted: &[f64], top: f64, bottom: f64) -> Vec<f64> {
    let mut places = sorted.to_vec();
    let mut least = top;
    for place in &mut places {
        *place = place.max(least);
        least = *place + LABEL_HEIGHT;
    }
    let mut most = bottom;
    for place in places.iter_mut().rev() {
        *place = place.min(most);
        most = *place - LABEL_HEIGHT;
    }
    places
}

/// A tick's number without noise: `0.05`, `40`, `1.2k`.
fn number(value: f64) -> String {
    if value.abs() >= 10_000.0 {
        return format!("{}k", number(value / 1_000.0));
    }
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() || text == "-0" {
        "0".into()
    } else {
        text.into()
    }
}

/// The means of about `n` groups of neighbours: what a curve of thousands of points shows anyway.
pub(crate) fn thin(points: &[(f64, f64)], n: usize) -> Vec<(f64, f64)> {
    let size = points.len().div_ceil(n.max(1)).max(1);
    points
        .chunks(size)
        .map(|group| {
            let count = len(group);
            let (x, y) = group
                .iter()
                .fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
            (x / count, y / count)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_axis() {
        assert_eq!(ticks(0.0, 100.0, 5), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(ticks(0.0, 18.0, 6), [0.0, 5.0, 10.0, 15.0]);
        assert_eq!(ticks(0.0, 0.0, 5), [0.0; 0]);
        assert_eq!(log_ticks(0.04, 3.0), [0.05, 0.1, 0.2, 0.5, 1.0, 2.0]);
    }

    #[test]
    fn numbers_on_axes_have_no_noise() {
        assert_eq!(
            [0.0, 0.05, 20.0, 1_500.0, 12_000.0].map(number),
            ["0", "0.05", "20", "1500", "12k"]
        );
    }

    #[test]
    fn names_at_the_ends_of_lines_never_cover_each_other() {
        let places = spread(&[100.0, 101.0, 102.0, 103.0], 0.0, 104.0);
        assert_eq!(places, [59.0, 74.0, 89.0, 104.0]);
        assert_eq!(spread(&[10.0, 90.0], 0.0, 104.0), [10.0, 90.0]);
    }

    #[test]
    fn thinning_keeps_the_mean_and_the_order() {
        let points: Vec<_> = (0..1_000).map(|i| (f64::from(i), 2.0)).collect();
        let thinned = thin(&points, 100);
        assert_eq!(thinned.len(), 100);
        assert_eq!(thinned[0], (4.5, 2.0));
        assert!(thinned.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(thin(&points[..3], 100), points[..3]);
    }

    #[test]
    fn a_plot_of_nothing_is_no_plot() {
        let plot = LinePlot {
            name: "nothing".into(),
            size: (100.0, 100.0),
            label_room: 0.0,
            x_label: "steps".into(),
            y_label: "loss".into(),
            scale: Scale::Log,
            dots: false,
            series: vec![Series {
                label: "a".into(),
                style: Style::Solid(0),
                points: vec![(f64::NAN, 1.0), (0.0, -1.0)],
            }],
        };
        assert_eq!(plot.render(), None);
    }
}
