//! The ten figures: six outlines, and four patterns on a disc.

use std::f32::consts::{PI, TAU};

/// What an image shows. Its place in [`Figure::ALL`] is its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    Disc,
    Ring,
    Square,
    Triangle,
    Cross,
    Star,
    Stripes,
    Checks,
    Dots,
    Ripples,
}

/// Periods of a pattern from the middle of its disc to the edge.
const PERIODS: f32 = 2.25;

impl Figure {
    pub(super) const ALL: [Figure; 10] = [
        Figure::Disc,
        Figure::Ring,
        Figure::Square,
        Figure::Triangle,
        Figure::Cross,
        Figure::Star,
        Figure::Stripes,
        Figure::Checks,
        Figure::Dots,
        Figure::Ripples,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Figure::Disc => "disc",
            Figure::Ring => "ring",
            Figure::Square => "square",
            Figure::Triangle => "triangle",
            Figure::Cross => "cross",
            Figure::Star => "star",
            Figure::Stripes => "stripes",
            Figure::Checks => "checks",
            Figure::Dots => "dots",
            Figure::Ripples => "ripples",
        }
    }

    /// Whether the figure is at a point of its own plane, where it fills the disc of radius one as well as it can.
    pub(super) fn covers(self, u: f32, v: f32) -> bool {
        let radius = u.hypot(v);
        let is_on_disc = radius < 1.0;
        // The place within a period, in 0..1.
        let phase = |x: f32| (x * PERIODS).rem_euclid(1.0);
        match self {
            Figure::Disc => is_on_disc,
            Figure::Ring => is_on_disc && radius > 0.6,
            Figure::Square => u.abs().max(v.abs()) < 0.8,
            // Three sides at a distance of a half from the middle.
            Figure::Triangle => v > -0.5 && 3f32.sqrt() * u.abs() + v < 1.0,
            Figure::Cross => u.abs().min(v.abs()) < 0.25 && u.abs().max(v.abs()) < 0.95,
            Figure::Star => radius < spike(v.atan2(u)),
            Figure::Stripes => is_on_disc && phase(u) < 0.5,
            Figure::Checks => is_on_disc && (phase(u) < 0.5) == (phase(v) < 0.5),
            Figure::Dots => is_on_disc && (phase(u) - 0.5).hypot(phase(v) - 0.5) < 0.35,
            Figure::Ripples => is_on_disc && phase(radius) < 0.5,
        }
    }
}

/// Radius of a star with five points in a direction: one at a point, 0.35 between two.
fn spike(angle: f32) -> f32 {
    const POINT: f32 = TAU / 5.0;
    // 1 at a point, 0 between two.
    let nearness = ((angle + PI).rem_euclid(POINT) / POINT - 0.5).abs() * 2.0;
    0.35 + 0.65 * nearness * nearness
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points of the square around the disc, closer to each other than pixels.
    fn points() -> impl Iterator<Item = (f32, f32)> {
        let places = || (-20i8..=20).map(|step| f32::from(step) / 20.0);
        places().flat_map(move |u| places().map(move |v| (u, v)))
    }

    #[test]
    fn figures_differ_from_each_other_however_they_are_turned() {
        for (number, figure) in Figure::ALL.into_iter().enumerate() {
            for other in &Figure::ALL[..number] {
                for turn in (0u8..36).map(|step| f32::from(step) * TAU / 36.0) {
                    let (sin, cos) = turn.sin_cos();
                    let differs = |&(u, v): &(f32, f32)| {
                        figure.covers(u, v) != other.covers(u * cos - v * sin, u * sin + v * cos)
                    };
                    let share = points().filter(differs).count() as f64 / points().count() as f64;
                    assert!(
                        share > 0.1,
                        "{figure:?}, {other:?} turned by {turn}: {share}"
                    );
                }
            }
        }
    }

    #[test]
    fn figures_fill_a_part_of_their_disc_and_nothing_beyond_a_square_around_it() {
        for figure in Figure::ALL {
            // Twice as far as the square, to see that nothing is there.
            let wide = points().map(|(u, v)| (2.0 * u, 2.0 * v));
            assert!(
                wide.filter(|(u, v)| u.abs().max(v.abs()) > 1.0)
                    .all(|(u, v)| !figure.covers(u, v)),
                "{figure:?}"
            );
            let covered = points().filter(|&(u, v)| figure.covers(u, v)).count();
            let on_disc = points().filter(|(u, v)| u.hypot(*v) < 1.0).count();
            let share = covered as f64 / on_disc as f64;
            assert!((0.2..=1.0).contains(&share), "{figure:?}: {share}");
        }
    }
}
