//! A canvas, and the plane figures and colours that are painted on it.
//!
//! Lengths are in units of the image's shorter side and the origin is its centre: the centre square, which training
//! sees, is `[-0.5, 0.5]²`. Figures are signed distances, negative inside.

use crate::random::hash;
use image::{Rgb, RgbImage};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, Normal};
use std::f32::consts::{PI, TAU};

/// A point or a vector.
pub type Point = [f32; 2];

/// Red, green, blue in 0-1.
pub type Colour = [f32; 3];

/// Mixes two colours: `a` at 0, `b` at 1.
pub fn mix(a: Colour, b: Colour, t: f32) -> Colour {
    std::array::from_fn(|i| a[i] + (b[i] - a[i]) * t)
}

/// Euclidean distance of two colours: 0 to √3.
pub fn contrast(a: Colour, b: Colour) -> f32 {
    (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f32>().sqrt()
}

/// A colour by hue (in turns), saturation and value.
pub fn hsv(hue: f32, saturation: f32, value: f32) -> Colour {
    [5.0, 3.0, 1.0].map(|n: f32| {
        let k = (n + hue * 6.0).rem_euclid(6.0);
        value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0)
    })
}

/// An image being painted.
pub struct Canvas {
    width: u32,
    height: u32,
    pixels: Vec<Colour>,
}

impl Canvas {
    /// A canvas of one colour.
    pub fn new(width: u32, height: u32, colour: Colour) -> Self {
        Self { width, height, pixels: vec![colour; (width * height) as usize] }
    }

    /// Side of a pixel.
    pub fn pixel(&self) -> f32 {
        1.0 / self.width.min(self.height) as f32
    }

    /// Half the extent of the image in each direction: 0.5 along the shorter side, more along the other.
    pub fn half(&self) -> Point {
        [self.width, self.height].map(|side| side as f32 * self.pixel() / 2.0)
    }

    /// Replaces the colour at every point.
    pub fn map(&mut self, mut paint: impl FnMut(Point, Colour) -> Colour) {
        let (pixel, half) = (self.pixel(), self.half());
        for (i, colour) in self.pixels.iter_mut().enumerate() {
            let (x, y) = (i as u32 % self.width, i as u32 / self.width);
            let point = [(x as f32 + 0.5) * pixel - half[0], (y as f32 + 0.5) * pixel - half[1]];
            *colour = paint(point, *colour);
        }
    }

    /// Fills a figure, with edges as sharp as the pixels allow.
    pub fn fill(&mut self, colour: Colour, distance: impl Fn(Point) -> f32) {
        let pixel = self.pixel();
        self.map(|point, under| mix(under, colour, cover(distance(point), pixel)));
    }

    /// Adds normal noise of standard deviation `deviation` to every value.
    pub fn grain(&mut self, deviation: f32, random: &mut impl Rng) {
        let normal = Normal::new(0.0, deviation).expect("a finite deviation");
        self.map(|_, colour| colour.map(|value| value + normal.sample(random)));
    }

    /// The finished image, values rounded to 8 bits.
    pub fn finish(self) -> RgbImage {
        let bytes = |colour: &Colour| Rgb(colour.map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8));
        let mut image = RgbImage::new(self.width, self.height);
        for (to, from) in image.pixels_mut().zip(&self.pixels) {
            *to = bytes(from);
        }
        image
    }
}

/// How much of a pixel a figure covers, 0 to 1, when its edge is `distance` away.
pub fn cover(distance: f32, pixel: f32) -> f32 {
    (0.5 - distance / pixel).clamp(0.0, 1.0)
}

/// Where a figure lies: its centre and how far it is turned.
#[derive(Clone, Copy)]
pub struct Frame {
    centre: Point,
    cos: f32,
    sin: f32,
}

impl Frame {
    /// A figure at `centre`, turned by `angle` radians.
    pub fn new(centre: Point, angle: f32) -> Self {
        Self { centre, cos: angle.cos(), sin: angle.sin() }
    }

    /// A point of the image as the figure sees it.
    pub fn local(&self, point: Point) -> Point {
        let [x, y] = [point[0] - self.centre[0], point[1] - self.centre[1]];
        [x * self.cos + y * self.sin, y * self.cos - x * self.sin]
    }
}

/// A disc about the origin.
pub fn disc([x, y]: Point, radius: f32) -> f32 {
    x.hypot(y) - radius
}

/// A rectangle about the origin, by half its sides.
pub fn rectangle([x, y]: Point, half: Point) -> f32 {
    (x.abs() - half[0]).max(y.abs() - half[1])
}

/// A ring about the origin, by the radius of its middle line and half its width.
pub fn ring(point: Point, radius: f32, half_width: f32) -> f32 {
    disc(point, radius).abs() - half_width
}

/// Two bars that cross at the origin, by half their length and half their width.
pub fn cross([x, y]: Point, half_length: f32, half_width: f32) -> f32 {
    rectangle([x, y], [half_length, half_width]).min(rectangle([y, x], [half_length, half_width]))
}

/// An equilateral triangle about the origin, by its inner radius.
pub fn triangle([x, y]: Point, inner: f32) -> f32 {
    let side = |turn: f32| {
        let (sin, cos) = (PI / 2.0 + turn * TAU / 3.0).sin_cos();
        x * cos + y * sin
    };
    side(0.0).max(side(1.0)).max(side(2.0)) - inner
}

/// A star of five points about the origin, by its outer radius.
pub fn star([x, y]: Point, radius: f32) -> f32 {
    // One tenth of it: from an inner corner, on the axis, to a tip.
    let turn = TAU / 5.0;
    let (length, angle) = (x.hypot(y), (y.atan2(x).rem_euclid(turn) - turn / 2.0).abs());
    let (inner, tip) = (0.45 * radius, [radius * (turn / 2.0).cos(), radius * (turn / 2.0).sin()]);
    let edge = [tip[0] - inner, tip[1]];
    ((length * angle.cos() - inner) * edge[1] - length * angle.sin() * edge[0]) / edge[0].hypot(edge[1])
}

/// A disc about the origin without another one beside it, by its radius.
pub fn crescent([x, y]: Point, radius: f32) -> f32 {
    disc([x, y], radius).max(-disc([x - 0.5 * radius, y], 0.8 * radius))
}

/// Two equal bars from one corner, by the reach of their ends and half their width.
pub fn corner([x, y]: Point, reach: f32, half_width: f32) -> f32 {
    let shift = 0.6 * reach;
    rectangle([x + shift, y], [half_width, shift + half_width])
        .min(rectangle([x, y + shift], [shift + half_width, half_width]))
}

/// Distance to the lines of a wave across `x`: negative in the first half of each period.
pub fn wave(x: f32, period: f32) -> f32 {
    -(x / period * TAU).sin() * period / TAU
}

/// Smooth noise in 0-1: a random value for each point of a grid with step `cell`, bilinear between them.
pub fn noise([x, y]: Point, cell: f32, seed: u32) -> f32 {
    let at = |i: i32, j: i32| hash(&[seed, i as u32, j as u32]) as f32 / u32::MAX as f32;
    let (u, v) = (x / cell, y / cell);
    let (i, j) = (u.floor() as i32, v.floor() as i32);
    let (s, t) = (u - u.floor(), v - v.floor());
    let row = |j| at(i, j) * (1.0 - s) + at(i + 1, j) * s;
    row(j) * (1.0 - t) + row(j + 1) * t
}

/// A number between two others.
pub fn between(random: &mut impl Rng, low: f32, high: f32) -> f32 {
    random.random_range(low..high)
}

/// Any direction, in radians.
pub fn any_angle(random: &mut impl Rng) -> f32 {
    between(random, 0.0, TAU)
}
