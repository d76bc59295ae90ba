//! One image: a figure before a background, with specks in between and noise over it all.

use std::f32::consts::TAU;

use rand::Rng;

use super::figure::Figure;
use crate::dataset::ImageShape;

/// Red, green and blue, each in 0..=1.
type Colour = [f32; 3];

/// Pixels of a side.
const SIDE: u8 = 32;

/// Points of a side of a pixel at which it is looked up whether the figure is there.
const POINTS: u8 = 2;

/// How far the mean colours of figure and background are apart at least, summed over red, green and blue.
const CONTRAST: f32 = 0.6;

/// How far noise moves a number at most.
const NOISE: f32 = 0.08;

/// Specks of an image.
const N_SPECKS: usize = 3;

/// Appends a picture of the figure, `[3, 32, 32]`, with values in 0..=1.
pub(super) fn draw(figure: Figure, rng: &mut impl Rng, into: &mut Vec<f32>) {
    let background = Shade::draw(rng);
    let foreground = std::iter::repeat_with(|| Shade::draw(rng))
        .find(|shade| shade.distance(&background) > CONTRAST)
        .expect("colours are drawn until they differ");
    let placement = Placement::draw(rng);
    let specks: [Speck; N_SPECKS] = std::array::from_fn(|_| Speck::draw(rng));

    let pixels: Vec<Colour> = (0..SIDE)
        .flat_map(|y| (0..SIDE).map(move |x| (x, y)))
        .map(|(x, y)| {
            let (x, y) = (f32::from(x), f32::from(y));
            let (middle_x, middle_y) = (x + 0.5, y + 0.5);
            let speck = specks.iter().find(|speck| speck.covers(middle_x, middle_y));
            let behind = match speck {
                Some(speck) => speck.colour,
                None => background.at(middle_x, middle_y),
            };
            let before = foreground.at(middle_x, middle_y);
            mix(behind, before, placement.coverage(figure, x, y))
        })
        .collect();
    into.reserve(ImageShape::COLOUR_32.numel());
    for channel in 0..3 {
        let plane = pixels.iter().map(|colour| colour[channel]);
        into.extend(plane.map(|value| (value + rng.random_range(-NOISE..NOISE)).clamp(0.0, 1.0)));
    }
}

/// `share` of the second, the rest of the first.
fn mix(first: Colour, second: Colour, share: f32) -> Colour {
    std::array::from_fn(|channel| first[channel] + share * (second[channel] - first[channel]))
}

fn colour(rng: &mut impl Rng) -> Colour {
    std::array::from_fn(|_| rng.random_range(0.0..1.0))
}

/// A colour that becomes another across the image.
struct Shade {
    from: Colour,
    to: Colour,
    /// In which direction, a unit vector.
    direction: (f32, f32),
}

impl Shade {
    fn draw(rng: &mut impl Rng) -> Shade {
        let (from, other) = (colour(rng), colour(rng));
        let angle = rng.random_range(0.0..TAU);
        Shade {
            from,
            to: mix(from, other, 0.4),
            direction: (angle.cos(), angle.sin()),
        }
    }

    fn at(&self, x: f32, y: f32) -> Colour {
        let half = f32::from(SIDE) / 2.0;
        let along = (x - half) * self.direction.0 + (y - half) * self.direction.1;
        mix(
            self.from,
            self.to,
            (0.5 + along / f32::from(SIDE)).clamp(0.0, 1.0),
        )
    }

    fn distance(&self, other: &Shade) -> f32 {
        let middle = |shade: &Shade| mix(shade.from, shade.to, 0.5);
        let differences = middle(self).into_iter().zip(middle(other));
        differences
            .map(|(ours, theirs)| (ours - theirs).abs())
            .sum()
    }
}

/// Where a figure is in the image, how large, and how it is turned and stretched.
struct Placement {
    /// In pixels from the left and from the top.
    middle: (f32, f32),
    /// Pixels to one unit of the figure's plane, along both of its axes.
    radius: (f32, f32),
    /// Cosine and sine of the angle that it is turned by.
    turn: (f32, f32),
}

impl Placement {
    /// Large enough to be seen, and inside of the image but for corners.
    fn draw(rng: &mut impl Rng) -> Placement {
        let half = f32::from(SIDE) / 2.0;
        let radius = rng.random_range(8.0..14.0);
        let stretch: f32 = rng.random_range(0.85..1.15);
        let mut away = || half + rng.random_range(radius - half..half - radius);
        let middle = (away(), away());
        let angle = rng.random_range(0.0..TAU);
        Placement {
            middle,
            radius: (radius * stretch, radius / stretch),
            turn: (angle.cos(), angle.sin()),
        }
    }

    /// How much of the pixel to the right of and below a point the figure covers.
    fn coverage(&self, figure: Figure, x: f32, y: f32) -> f32 {
        let steps = || (0..POINTS).map(|step| (f32::from(step) + 0.5) / f32::from(POINTS));
        let points = steps().flat_map(|down| steps().map(move |right| (x + right, y + down)));
        let covered = points.filter(|&(x, y)| {
            let (right, down) = (x - self.middle.0, y - self.middle.1);
            let (cos, sin) = self.turn;
            let u = (right * cos + down * sin) / self.radius.0;
            let v = (down * cos - right * sin) / self.radius.1;
            figure.covers(u, v)
        });
        covered.count() as f32 / f32::from(POINTS * POINTS)
    }
}

/// A small disc that has nothing to do with the figure.
struct Speck {
    middle: (f32, f32),
    radius: f32,
    colour: Colour,
}

impl Speck {
    fn draw(rng: &mut impl Rng) -> Speck {
        let mut anywhere = || rng.random_range(0.0..f32::from(SIDE));
        Speck {
            middle: (anywhere(), anywhere()),
            radius: rng.random_range(1.0..3.0),
            colour: colour(rng),
        }
    }

    fn covers(&self, x: f32, y: f32) -> bool {
        (x - self.middle.0).hypot(y - self.middle.1) < self.radius
    }
}
