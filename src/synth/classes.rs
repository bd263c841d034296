//! The classes and the scene around them.

use super::paint::*;
use image::RgbImage;
use rand::{Rng, RngExt};
use std::f32::consts::TAU;
use std::ops::{Range, RangeInclusive};

/// Sides of the images, in pixels.
const SIDES: RangeInclusive<u32> = 80..=160;
/// How far a colour's values are from its grey, at most.
const TINT: f32 = 0.25;

/// How hard the images are.
pub struct Style {
    /// Least and greatest distance between colours that must be told apart. Each range of colours reaches further than twice
    /// the least, so that it has some at that distance from any colour.
    contrast: RangeInclusive<f32>,
    /// Distractors under what makes the class, and over it.
    under: RangeInclusive<u32>,
    over: RangeInclusive<u32>,
    /// Their size, in that of an easy image's.
    clutter: f32,
    /// Size of what makes the class, in that of an easy image's.
    size: f32,
    /// Least number of the kinds of patches: from 2 on, no texture fills the image.
    patch: u32,
    /// Saturation and value of the colour of a blob.
    saturation: Range<f32>,
    value: Range<f32>,
    /// Most slope of the light, and most deviation of the grain.
    light: f32,
    grain: f32,
}

/// The built-in set's own.
pub const EASY: Style = Style {
    contrast: 0.45..=2.0,
    under: 2..=5,
    over: 0..=2,
    clutter: 1.0,
    size: 1.0,
    patch: 0,
    saturation: 0.6..1.0,
    value: 0.6..1.0,
    light: 0.3,
    grain: 0.025,
};

/// `--hard`.
pub const HARD: Style = Style {
    contrast: 0.3..=0.8,
    under: 4..=9,
    over: 1..=4,
    clutter: 1.2,
    size: 0.95,
    patch: 1,
    saturation: 0.4..0.9,
    value: 0.45..0.95,
    light: 0.45,
    grain: 0.045,
};

/// A class of the data set.
pub struct Class {
    /// Its folder.
    pub name: &'static str,
    kind: Kind,
}

/// What makes an image one of its class.
#[derive(Clone, Copy)]
enum Kind {
    /// One figure in one colour.
    Shape(Shape),
    /// A patch, or the whole image, in two colours.
    Texture(Texture),
    /// A patch with soft edges, its hue between two others (in turns).
    Blob(f32, f32),
}

#[derive(Clone, Copy)]
enum Shape {
    Triangle,
    Cross,
    Ring,
    Square,
    Star,
    Crescent,
    Corner,
}

#[derive(Clone, Copy)]
enum Texture {
    Horizontal,
    Vertical,
    Checks,
    Dots,
    Noise,
    Zigzag,
    Circles,
    Spokes,
    Bricks,
}

/// Classes of an easy set at most; a hard one has all.
pub const EASY_CLASSES: usize = 10;

/// Every class, in the order in which `--classes` takes them. None becomes another in a mirror. Of the first ten, the eight
/// that mean colour cannot tell come first.
#[rustfmt::skip]
pub const CLASSES: [Class; 20] = [
    Class { name: "stripes_horizontal", kind: Kind::Texture(Texture::Horizontal) },
    Class { name: "stripes_vertical",   kind: Kind::Texture(Texture::Vertical) },
    Class { name: "checks",             kind: Kind::Texture(Texture::Checks) },
    Class { name: "dots",               kind: Kind::Texture(Texture::Dots) },
    Class { name: "noise",              kind: Kind::Texture(Texture::Noise) },
    Class { name: "triangle",           kind: Kind::Shape(Shape::Triangle) },
    Class { name: "cross",              kind: Kind::Shape(Shape::Cross) },
    Class { name: "ring",               kind: Kind::Shape(Shape::Ring) },
    Class { name: "warm_blob",          kind: Kind::Blob(-0.06, 0.14) },
    Class { name: "cool_blob",          kind: Kind::Blob(0.46, 0.70) },
    Class { name: "zigzag",             kind: Kind::Texture(Texture::Zigzag) },
    Class { name: "circles",            kind: Kind::Texture(Texture::Circles) },
    Class { name: "spokes",             kind: Kind::Texture(Texture::Spokes) },
    Class { name: "bricks",             kind: Kind::Texture(Texture::Bricks) },
    Class { name: "square",             kind: Kind::Shape(Shape::Square) },
    Class { name: "star",               kind: Kind::Shape(Shape::Star) },
    Class { name: "crescent",           kind: Kind::Shape(Shape::Crescent) },
    Class { name: "corner",             kind: Kind::Shape(Shape::Corner) },
    Class { name: "green_blob",         kind: Kind::Blob(0.22, 0.40) },
    Class { name: "violet_blob",        kind: Kind::Blob(0.75, 0.90) },
];

/// Draws one image of a class: background, a few distractors, what makes the class, one or two distractors over it,
/// then light and grain.
pub fn draw(class: &Class, style: &Style, random: &mut impl Rng) -> RgbImage {
    let (width, height) = sides(random);
    let ground = any_colour(random);
    let mut canvas = Canvas::new(width, height, ground);
    background(&mut canvas, ground, random);
    for _ in 0..random.random_range(style.under.clone()) {
        distractor(&mut canvas, style, random);
    }
    match class.kind {
        Kind::Shape(shape) => paint_shape(&mut canvas, shape, ground, style, random),
        Kind::Texture(texture) => paint_texture(&mut canvas, texture, ground, style, random),
        Kind::Blob(low, high) => paint_blob(&mut canvas, (low, high), ground, style, random),
    }
    for _ in 0..random.random_range(style.over.clone()) {
        distractor(&mut canvas, style, random);
    }
    light(&mut canvas, style, random);
    canvas.grain(between(random, 0.0, style.grain), random);
    canvas.finish()
}

/// Two unequal sides; the longer is at most 1.6 times the shorter, so that the centre square shows most of the image.
fn sides(random: &mut impl Rng) -> (u32, u32) {
    loop {
        let (width, height) = (random.random_range(SIDES), random.random_range(SIDES));
        let ratio = width.max(height) as f32 / width.min(height) as f32;
        if width != height && ratio <= 1.6 {
            return (width, height);
        }
    }
}

/// A tinted grey.
fn any_colour(random: &mut impl Rng) -> Colour {
    let grey = between(random, 0.0, 1.0);
    std::array::from_fn(|_| (grey + between(random, -TINT, TINT)).clamp(0.0, 1.0))
}

/// A colour that can be told from `other`.
fn unlike(other: Colour, style: &Style, random: &mut impl Rng) -> Colour {
    loop {
        let colour = any_colour(random);
        if style.contrast.contains(&contrast(colour, other)) {
            return colour;
        }
    }
}

/// A colour near `other`.
fn near(other: Colour, random: &mut impl Rng) -> Colour {
    other.map(|value| (value + between(random, -0.15, 0.15)).clamp(0.0, 1.0))
}

/// Flat, shaded from side to side, or clouded.
fn background(canvas: &mut Canvas, ground: Colour, random: &mut impl Rng) {
    let second = near(ground, random);
    let frame = Frame::new([0.0, 0.0], any_angle(random));
    match random.random_range(0..3) {
        0 => {}
        1 => canvas.map(|point, _| mix(ground, second, (frame.local(point)[0] + 0.5).clamp(0.0, 1.0))),
        _ => {
            let (cell, seed) = (between(random, 0.25, 0.6), random.random());
            canvas.map(|point, _| mix(ground, second, noise(frame.local(point), cell, seed)));
        }
    }
}

/// A dash, a speck or a small square, anywhere: the same for all classes, and smaller than what makes a class.
fn distractor(canvas: &mut Canvas, style: &Style, random: &mut impl Rng) {
    let half = canvas.half();
    let centre = half.map(|h| between(random, -h, h));
    let frame = Frame::new(centre, any_angle(random));
    let colour = any_colour(random);
    match random.random_range(0..3) {
        0 => {
            let half = [between(random, 0.05, 0.14), between(random, 0.006, 0.014)].map(|side| side * style.clutter);
            canvas.fill(colour, |point| rectangle(frame.local(point), half));
        }
        1 => {
            let radius = style.clutter * between(random, 0.015, 0.04);
            canvas.fill(colour, |point| disc(frame.local(point), radius));
        }
        _ => {
            let half = [between(random, 0.015, 0.045), between(random, 0.015, 0.045)].map(|side| side * style.clutter);
            canvas.fill(colour, |point| rectangle(frame.local(point), half));
        }
    }
}

/// The centre of something that reaches `radius` far, so that it stays in the centre square.
fn place(radius: f32, random: &mut impl Rng) -> Point {
    let free = (0.47 - radius).max(0.01);
    [between(random, -free, free), between(random, -free, free)]
}

fn paint_shape(canvas: &mut Canvas, shape: Shape, ground: Colour, style: &Style, random: &mut impl Rng) {
    let radius = style.size * between(random, 0.25, 0.42);
    let frame = Frame::new(place(radius, random), any_angle(random));
    let ink = unlike(ground, style, random);
    match shape {
        Shape::Triangle => canvas.fill(ink, |point| triangle(frame.local(point), radius / 2.0)),
        Shape::Cross => {
            let half_width = radius * between(random, 0.18, 0.3);
            canvas.fill(ink, |point| cross(frame.local(point), radius, half_width));
        }
        Shape::Ring => {
            let half_width = radius * between(random, 0.12, 0.22);
            canvas.fill(ink, |point| ring(frame.local(point), radius - half_width, half_width));
        }
        Shape::Square => canvas.fill(ink, |point| rectangle(frame.local(point), [0.75 * radius; 2])),
        Shape::Star => canvas.fill(ink, |point| star(frame.local(point), radius)),
        Shape::Crescent => canvas.fill(ink, |point| crescent(frame.local(point), radius)),
        Shape::Corner => {
            let half_width = radius * between(random, 0.18, 0.28);
            canvas.fill(ink, |point| corner(frame.local(point), radius, half_width));
        }
    }
}

/// A texture's inks: one unlike the ground and one unlike the first, which may be the ground's own colour.
fn inks(ground: Colour, style: &Style, random: &mut impl Rng) -> (Colour, Colour) {
    let ink = unlike(ground, style, random);
    let paper = if random.random_bool(0.5) { ground } else { unlike(ink, style, random) };
    (ink, paper)
}

fn paint_texture(canvas: &mut Canvas, texture: Texture, ground: Colour, style: &Style, random: &mut impl Rng) {
    let (ink, paper) = inks(ground, style, random);
    let patch = patch(style, random);
    let strength = strength(texture, canvas.pixel(), random);
    let pixel = canvas.pixel();
    canvas.map(|point, under| mix(under, mix(paper, ink, strength(point)), cover(patch(point), pixel)));
}

/// Where a texture is: the whole image, a disc or a rectangle.
fn patch(style: &Style, random: &mut impl Rng) -> Box<dyn Fn(Point) -> f32> {
    let kind = random.random_range(style.patch..4);
    let half = [between(random, 0.3, 0.45), between(random, 0.3, 0.45)].map(|side| side * style.size);
    let radius = style.size * between(random, 0.36, 0.46);
    let reach = if kind == 2 { radius } else { half[0].max(half[1]) };
    let frame = Frame::new(place(reach, random), any_angle(random));
    match kind {
        0 | 1 => Box::new(|_| -1.0),
        2 => Box::new(move |point| disc(frame.local(point), radius)),
        _ => Box::new(move |point| rectangle(frame.local(point), half)),
    }
}

/// How much of the ink there is at a point, 0 to 1.
fn strength(texture: Texture, pixel: f32, random: &mut impl Rng) -> Box<dyn Fn(Point) -> f32> {
    let tilt = between(random, -0.2, 0.2);
    let turned = any_angle(random);
    let origin = [between(random, -0.5, 0.5), between(random, -0.5, 0.5)];
    let upright = Frame::new(origin, tilt);
    let frame = Frame::new(origin, turned);
    match texture {
        Texture::Horizontal => {
            let period = between(random, 0.1, 0.2);
            Box::new(move |point| cover(wave(upright.local(point)[1], period), pixel))
        }
        Texture::Vertical => {
            let period = between(random, 0.1, 0.2);
            Box::new(move |point| cover(wave(upright.local(point)[0], period), pixel))
        }
        Texture::Checks => {
            let period = between(random, 0.22, 0.4);
            Box::new(move |point| {
                let [across, down] = upright.local(point).map(|x| wave(x, period));
                cover(across * down / across.abs().max(down.abs()).max(f32::MIN_POSITIVE), pixel)
            })
        }
        Texture::Dots => {
            let step = between(random, 0.13, 0.22);
            let radius = step * between(random, 0.22, 0.3);
            Box::new(move |point| cover(dots(frame.local(point), step, radius), pixel))
        }
        Texture::Noise => {
            let (cell, seed) = (between(random, 0.02, 0.035), random.random());
            // Steeper than the plain noise, whose bilinear means crowd about a half.
            Box::new(move |point| ((noise(frame.local(point), cell, seed) - 0.5) * 2.0 + 0.5).clamp(0.0, 1.0))
        }
        Texture::Zigzag => {
            let (period, teeth) = (between(random, 0.1, 0.18), between(random, 0.12, 0.2));
            Box::new(move |point| {
                let [x, y] = frame.local(point);
                let tooth = (x.rem_euclid(teeth) - teeth / 2.0).abs();
                cover(wave(y + tooth, period), pixel)
            })
        }
        Texture::Circles => {
            let period = between(random, 0.1, 0.2);
            Box::new(move |point| cover(wave(disc(frame.local(point), 0.0), period), pixel))
        }
        Texture::Spokes => {
            let turn = TAU / f32::from(random.random_range(7u8..=12));
            Box::new(move |point| {
                let [x, y] = frame.local(point);
                cover(wave(y.atan2(x), turn) * x.hypot(y), pixel)
            })
        }
        Texture::Bricks => {
            let height = between(random, 0.1, 0.16);
            let joint = height * between(random, 0.1, 0.16);
            Box::new(move |point| cover(joints(frame.local(point), height) - joint, pixel))
        }
    }
}

/// Discs in rows, every other row shifted by half a step.
fn dots([x, y]: Point, step: f32, radius: f32) -> f32 {
    let row = (y / step).floor();
    let x = x + (row.rem_euclid(2.0)) * step / 2.0;
    disc([x.rem_euclid(step) - step / 2.0, y - row * step - step / 2.0], radius)
}

/// Distance to the joints of a wall whose bricks are twice as long as high.
fn joints([x, y]: Point, height: f32) -> f32 {
    let row = (y / height).floor();
    let to_line = |x: f32, step: f32| (step / 2.0 - (x.rem_euclid(step) - step / 2.0).abs()).abs();
    to_line(x + row.rem_euclid(2.0) * height, 2.0 * height).min(to_line(y, height))
}

/// A patch with three random bulges and soft edges, its hue in a range.
fn paint_blob(canvas: &mut Canvas, hues: (f32, f32), ground: Colour, style: &Style, random: &mut impl Rng) {
    let radius = style.size * between(random, 0.18, 0.34);
    let frame = Frame::new(place(radius, random), any_angle(random));
    let softness = radius * between(random, 0.25, 0.5);
    let bulges: [f32; 3] = std::array::from_fn(|_| between(random, -0.12, 0.12));
    let colour = blob_colour(hues, ground, style, random);
    canvas.map(|point, under| {
        let [x, y] = frame.local(point);
        let angle = y.atan2(x);
        let bulge: f32 = (2u8..).zip(bulges).map(|(k, bulge)| bulge * (f32::from(k) * angle).cos()).sum();
        mix(under, colour, cover(disc([x, y], radius * (1.0 + bulge)), softness))
    });
}

fn blob_colour((low, high): (f32, f32), ground: Colour, style: &Style, random: &mut impl Rng) -> Colour {
    loop {
        let [saturation, value] = [&style.saturation, &style.value];
        let hue = between(random, low, high);
        let colour =
            hsv(hue, between(random, saturation.start, saturation.end), between(random, value.start, value.end));
        if contrast(colour, ground) >= *style.contrast.start() {
            return colour;
        }
    }
}

/// Light that falls off from one side to the other.
fn light(canvas: &mut Canvas, style: &Style, random: &mut impl Rng) {
    let frame = Frame::new([0.0, 0.0], any_angle(random));
    let slope = between(random, 0.0, style.light);
    canvas.map(|point, colour| {
        let factor = 1.0 + slope * frame.local(point)[0];
        colour.map(|value| value * factor)
    });
}
