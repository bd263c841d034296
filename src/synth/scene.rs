//! One drawn image: a ground, distractors, and the figure that makes its class.
//!
//! Coordinates: the centre square, which training reads, is [−1, 1]², y downwards; the longer side lies beyond it.

use image::{Rgb, RgbImage};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::f32::consts::{PI, TAU};
use std::ops::Range;

/// The classes, textures first.
pub const CLASSES: [&str; 10] = [
    "stripes_horizontal",
    "stripes_vertical",
    "checks",
    "dots",
    "noise",
    "triangle",
    "cross",
    "ring",
    "warm_blob",
    "cool_blob",
];

/// Least Euclidean distance of a figure's colour from both colours of the ground, in 0-255.
const CONTRAST: f32 = 75.0;

type Point = [f32; 2];
type Colour = [f32; 3];

/// A picture before it is sampled.
#[derive(Debug)]
pub struct Scene {
    width: u32,
    height: u32,
    ground: Ground,
    /// Under the figure.
    behind: Vec<Speck>,
    figure: Figure,
    ink: Colour,
    /// Over it.
    before: Vec<Speck>,
    /// Standard deviation of the sensor's noise, in 0-255.
    grain: f32,
    rng: ChaCha8Rng,
}

/// Two colours and how one passes into the other.
#[derive(Debug)]
struct Ground {
    colours: [Colour; 2],
    /// Direction of the gradient in radians.
    turn: f32,
    /// Share of the smooth noise against the gradient.
    clouds: f32,
    field: Field,
}

/// A small thing that belongs to no class.
#[derive(Debug)]
struct Speck {
    at: Point,
    /// Half extents: equal for a disc.
    half: Point,
    turn: f32,
    round: bool,
    colour: Colour,
}

/// What the class is about.
#[derive(Debug)]
enum Figure {
    Stripes { turn: f32, period: f32, phase: f32 },
    Checks { turn: f32, period: f32, phase: Point },
    Dots { turn: f32, cell: f32, radius: f32, phase: Point },
    Noise { field: Field },
    Triangle { at: Point, radius: f32, turn: f32 },
    Cross { at: Point, radius: f32, turn: f32, width: f32 },
    Ring { at: Point, radius: f32, width: f32 },
    Blob { at: Point, half: Point, turn: f32 },
}

/// Random values on a grid, passing smoothly between its points.
#[derive(Debug)]
struct Field {
    cell: f32,
    values: Vec<f32>,
}

impl Scene {
    /// A random image of class `class` of [`CLASSES`].
    pub fn random(class: usize, rng: &mut ChaCha8Rng) -> Self {
        let width = rng.random_range(80..=160);
        let height = loop {
            let height = rng.random_range(80..=160);
            if height != width {
                break height;
            }
        };
        let ground = Ground::random(rng);
        let hue = match CLASSES[class] {
            "warm_blob" => Some(-0.05..0.13),
            "cool_blob" => Some(0.48..0.72),
            _ => None,
        };
        let ink = ground.contrasting(hue, rng);
        let behind = (0..rng.random_range(2..=5)).map(|_| Speck::random(rng)).collect();
        let before = (0..rng.random_range(0..=2)).map(|_| Speck::random(rng)).collect();
        let figure = Figure::random(class, rng);
        let grain = rng.random_range(0.0..9.0);
        Self { width, height, ground, behind, figure, ink, before, grain, rng: rng.clone() }
    }

    /// The image in pixels.
    pub fn render(mut self) -> RgbImage {
        let pixel = 2.0 / self.width.min(self.height) as f32;
        let mut image = RgbImage::new(self.width, self.height);
        for (x, y, out) in image.enumerate_pixels_mut() {
            let at = |i: u32, n: u32| (i as f32 + 0.5 - n as f32 / 2.0) * pixel;
            let colour = self.colour([at(x, self.width), at(y, self.height)], pixel);
            let grain: f32 = StandardNormal.sample(&mut self.rng);
            *out = Rgb(colour.map(|c| (c + self.grain * grain).round().clamp(0.0, 255.0) as u8));
        }
        image
    }

    fn colour(&self, p: Point, pixel: f32) -> Colour {
        let mut colour = self.ground.colour(p);
        for speck in &self.behind {
            colour = mix(colour, speck.colour, speck.cover(p, pixel));
        }
        colour = mix(colour, self.ink, self.figure.cover(p, pixel));
        for speck in &self.before {
            colour = mix(colour, speck.colour, speck.cover(p, pixel));
        }
        colour
    }
}

impl Ground {
    fn random(rng: &mut ChaCha8Rng) -> Self {
        let first = any_colour(None, rng);
        let second = first.map(|c| (c + rng.random_range(-60.0..60.0)).clamp(0.0, 255.0));
        let cell = rng.random_range(0.5..1.2);
        Self {
            colours: [first, second],
            turn: rng.random_range(0.0..TAU),
            clouds: rng.random(),
            field: Field::random(cell, rng),
        }
    }

    fn colour(&self, p: Point) -> Colour {
        let gradient = (turned(p, self.turn)[0] / 2.0 + 0.5).clamp(0.0, 1.0);
        let t = gradient + (self.field.at(p) - gradient) * self.clouds;
        mix(self.colours[0], self.colours[1], t)
    }

    /// A colour that stands out from the ground.
    fn contrasting(&self, hue: Option<Range<f32>>, rng: &mut ChaCha8Rng) -> Colour {
        loop {
            let colour = any_colour(hue.clone(), rng);
            let distance = |other: &Colour| (0..3).map(|c| (colour[c] - other[c]).powi(2)).sum::<f32>().sqrt();
            if self.colours.iter().all(|other| distance(other) >= CONTRAST) {
                return colour;
            }
        }
    }
}

impl Speck {
    fn random(rng: &mut ChaCha8Rng) -> Self {
        let round = rng.random();
        let size = rng.random_range(0.04..0.12);
        let long = if round { size } else { size * rng.random_range(1.0..6.0) };
        Self {
            at: [rng.random_range(-1.1..1.1), rng.random_range(-1.1..1.1)],
            half: [long, if round { size } else { size / 2.0 }],
            turn: rng.random_range(0.0..TAU),
            round,
            colour: any_colour(None, rng),
        }
    }

    fn cover(&self, p: Point, pixel: f32) -> f32 {
        let q = turned(minus(p, self.at), self.turn);
        let distance = if self.round { length(q) - self.half[0] } else { outside(q, self.half) };
        edge(distance, pixel)
    }
}

impl Figure {
    fn random(class: usize, rng: &mut ChaCha8Rng) -> Self {
        let upright = rng.random_range(-0.22..0.22);
        let turn = rng.random_range(0.0..TAU);
        let at = [rng.random_range(-0.25..0.25), rng.random_range(-0.25..0.25)];
        let phase = [rng.random_range(0.0..TAU), rng.random_range(0.0..TAU)];
        let radius = rng.random_range(0.38..0.68);
        let period = rng.random_range(0.22..0.5);
        match CLASSES[class] {
            "stripes_horizontal" => Self::Stripes { turn: upright, period, phase: phase[0] },
            "stripes_vertical" => Self::Stripes { turn: upright + PI / 2.0, period, phase: phase[0] },
            "checks" => Self::Checks { turn, period: period * 1.3, phase },
            "dots" => Self::Dots { turn, cell: period, radius: period * rng.random_range(0.22..0.36), phase },
            "noise" => Self::Noise { field: Field::random(rng.random_range(0.07..0.14), rng) },
            "triangle" => Self::Triangle { at, radius, turn },
            "cross" => Self::Cross { at, radius, turn, width: radius * rng.random_range(0.2..0.34) },
            "ring" => Self::Ring { at, radius, width: radius * rng.random_range(0.14..0.26) },
            _ => Self::Blob { at, half: [radius, radius * rng.random_range(0.6..1.0)], turn },
        }
    }

    /// Share of the ink at `p`, for a pixel of side `pixel`.
    fn cover(&self, p: Point, pixel: f32) -> f32 {
        match *self {
            Self::Stripes { turn, period, phase } => {
                wave((TAU * turned(p, turn)[1] / period + phase).sin(), TAU / period * pixel)
            }
            Self::Checks { turn, period, phase } => {
                let q = turned(p, turn);
                let s = |i: usize| (TAU * q[i] / period + phase[i]).sin();
                wave(s(0) * s(1), TAU / period * pixel)
            }
            Self::Dots { turn, cell, radius, phase } => {
                let q = turned(p, turn);
                let in_cell = [0, 1].map(|i| (q[i] / cell + phase[i]).rem_euclid(1.0) - 0.5);
                edge(length(in_cell) * cell - radius, pixel)
            }
            Self::Noise { ref field } => ((field.at(p) - 0.5) * 5.0 + 0.5).clamp(0.0, 1.0),
            Self::Triangle { at, radius, turn } => {
                let q = turned(minus(p, at), turn);
                let side = |i: usize| turned(q, i as f32 * TAU / 3.0)[0];
                edge(side(0).max(side(1)).max(side(2)) - radius * 0.6, pixel)
            }
            Self::Cross { at, radius, turn, width } => {
                let q = turned(minus(p, at), turn);
                edge(outside(q, [radius, width]).min(outside(q, [width, radius])), pixel)
            }
            Self::Ring { at, radius, width } => edge((length(minus(p, at)) - radius).abs() - width, pixel),
            Self::Blob { at, half, turn } => {
                let q = turned(minus(p, at), turn);
                let r = (q[0] / half[0]).powi(2) + (q[1] / half[1]).powi(2);
                (-1.2 * r * r).exp()
            }
        }
    }
}

impl Field {
    /// Points a side: enough for the longer side of an image, 160 / 80 times the square.
    fn side(cell: f32) -> usize {
        (4.4 / cell).ceil() as usize + 2
    }

    fn random(cell: f32, rng: &mut ChaCha8Rng) -> Self {
        let values = (0..Self::side(cell).pow(2)).map(|_| rng.random()).collect();
        Self { cell, values }
    }

    /// Value at `p` in 0-1.
    fn at(&self, p: Point) -> f32 {
        let side = Self::side(self.cell);
        let [x, y] = p.map(|v| (v + 2.2) / self.cell);
        let smooth = |v: f32| v.fract().powi(2) * (3.0 - 2.0 * v.fract());
        let value = |dx: usize, dy: usize| self.values[(y as usize + dy) * side + x as usize + dx];
        let row = |dy: usize| value(0, dy) + (value(1, dy) - value(0, dy)) * smooth(x);
        row(0) + (row(1) - row(0)) * smooth(y)
    }
}

/// Any colour, or one of a range of hues (1 is the whole circle) that shows it.
fn any_colour(hue: Option<Range<f32>>, rng: &mut ChaCha8Rng) -> Colour {
    let Some(hue) = hue else {
        return [0; 3].map(|_| rng.random_range(0.0..255.0));
    };
    let (hue, saturation, value) = (rng.random_range(hue), rng.random_range(0.6..1.0), rng.random_range(0.6..1.0));
    [5.0, 3.0, 1.0].map(|n: f32| {
        let k = (n + hue * 6.0).rem_euclid(6.0);
        255.0 * value * (1.0 - saturation * k.min(4.0 - k).clamp(0.0, 1.0))
    })
}

fn mix(a: Colour, b: Colour, t: f32) -> Colour {
    [0, 1, 2].map(|c| a[c] + (b[c] - a[c]) * t)
}

fn minus(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1]]
}

fn turned([x, y]: Point, angle: f32) -> Point {
    let (s, c) = angle.sin_cos();
    [c * x + s * y, c * y - s * x]
}

fn length([x, y]: Point) -> f32 {
    x.hypot(y)
}

/// Distance from a rectangle around the origin, negative inside.
fn outside(q: Point, half: Point) -> f32 {
    (q[0].abs() - half[0]).max(q[1].abs() - half[1])
}

/// Share of a pixel inside an edge at a distance.
fn edge(distance: f32, pixel: f32) -> f32 {
    (0.5 - distance / pixel).clamp(0.0, 1.0)
}

/// Share of a pixel on the positive side of a wave that changes by `slope` a pixel at its zeros.
fn wave(value: f32, slope: f32) -> f32 {
    (0.5 + value / slope).clamp(0.0, 1.0)
}
