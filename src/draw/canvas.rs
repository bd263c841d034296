//! The ground of every picture: shapes, text and images, appended to an SVG.

use super::{FONT, INK, Picture, TEXT, png};
use crate::error::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{Rgb, RgbImage};
use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};
use std::fmt::Write;

/// Units that an image's pixel must cover for its pixels to be shown as squares, not smoothed.
const SQUARES: f64 = 3.0;

/// A rectangle of a picture, in units from its upper left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// To the right.
    pub width: f64,
    /// Downwards.
    pub height: f64,
}

impl Area {
    /// Right edge.
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    /// Lower edge.
    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stroke {
    /// Its colour.
    pub colour: Rgb<u8>,
    /// Its width in units.
    pub width: f64,
    /// From 0, nothing, to 1.
    pub opacity: f64,
    /// Lengths of dashes and gaps; empty: a whole line.
    pub dashes: &'static [f64],
}

impl Stroke {
    /// A whole line.
    pub fn new(colour: Rgb<u8>, width: f64) -> Self {
        Self { colour, width, opacity: 1.0, dashes: &[] }
    }
}

/// Which part of a text its place names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The left end.
    Start,
    /// The middle.
    Middle,
    /// The right end.
    End,
}

/// A picture in the making.
#[derive(Clone, Debug)]
pub struct Canvas {
    width: f64,
    height: f64,
    body: String,
}

// Writing to a string cannot fail.
macro_rules! put {
    ($canvas:expr, $($text:tt)*) => { let _ = writeln!($canvas.body, $($text)*); };
}

impl Canvas {
    /// A white ground of whole units.
    pub fn new(width: f64, height: f64) -> Self {
        let mut canvas = Self { width: width.ceil().max(1.0), height: height.ceil().max(1.0), body: String::new() };
        let all = Area { x: 0.0, y: 0.0, width: canvas.width, height: canvas.height };
        canvas.fill(all, super::WHITE);
        canvas
    }

    /// A filled rectangle.
    pub fn fill(&mut self, area: Area, colour: Rgb<u8>) {
        put!(self, "<rect {} fill=\"{}\"/>", place(area), hex(colour));
    }

    /// The outline of a rectangle.
    pub fn frame(&mut self, area: Area, stroke: Stroke) {
        put!(self, "<rect {} fill=\"none\" {}/>", place(area), drawn(stroke));
    }

    /// A filled circle with a white rim.
    pub fn dot(&mut self, (x, y): (f64, f64), radius: f64, colour: Rgb<u8>) {
        put!(
            self,
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{}\" stroke=\"#ffffff\"/>",
            short(x),
            short(y),
            short(radius),
            hex(colour)
        );
    }

    /// A line through `points`.
    pub fn line(&mut self, points: &[(f64, f64)], stroke: Stroke) {
        let mut path = String::new();
        for (x, y) in points {
            let _ = write!(path, "{},{} ", short(*x), short(*y));
        }
        put!(
            self,
            "<polyline points=\"{}\" fill=\"none\" stroke-linejoin=\"round\" {}/>",
            path.trim_end(),
            drawn(stroke)
        );
    }

    /// `text` on the base line `y`, `size` units high.
    pub fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, size: f64, colour: Rgb<u8>, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        put!(
            self,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\" font-size=\"{}\" fill=\"{}\">{}</text>",
            short(x),
            short(y),
            short(size),
            hex(colour),
            escaped(text)
        );
    }

    /// `text` that runs downwards from its beginning.
    pub fn turned(&mut self, (x, y): (f64, f64), size: f64, colour: Rgb<u8>, text: &str) {
        let [x, y] = [x, y].map(short);
        put!(self, "<g transform=\"translate({x} {y}) rotate(90)\">");
        self.text((0.0, 0.0), Anchor::Start, size, colour, text);
        put!(self, "</g>");
    }

    /// A text that begins at `place`, in the common size and colour.
    pub fn words(&mut self, place: (f64, f64), text: &str) {
        self.text(place, Anchor::Start, TEXT, INK, text);
    }

    /// An image that fills `area`; much enlarged, its pixels are squares.
    pub fn image(&mut self, area: Area, image: &RgbImage) -> Result<()> {
        let rendering = if area.width / f64::from(image.width()) >= SQUARES { "pixelated" } else { "auto" };
        put!(
            self,
            "<image {} preserveAspectRatio=\"none\" style=\"image-rendering:{rendering}\" \
             href=\"data:image/png;base64,{}\"/>",
            place(area),
            STANDARD.encode(png(image)?)
        );
        Ok(())
    }

    /// What `draw` draws, cut off at the edges of `area`.
    pub fn within(&mut self, area: Area, draw: impl FnOnce(&mut Self)) {
        let Area { x, y, width, height } = area;
        let [x, y, w, h] = [x, y, width, height].map(short);
        put!(self, "<svg {} viewBox=\"{x} {y} {w} {h}\">", place(area));
        draw(self);
        put!(self, "</svg>");
    }

    /// The picture.
    pub fn finish(self) -> Picture {
        let [w, h] = [self.width, self.height].map(short);
        let source = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" \
             font-family=\"{}\">\n{}</svg>\n",
            super::FAMILY,
            self.body
        );
        Picture { source, width: self.width as u32 }
    }
}

/// Width of `text` in units. Letters that the embedded font lacks count as squares.
pub fn text_width(text: &str, size: f64) -> f64 {
    let Ok(font) = FontRef::new(FONT) else { return text.chars().count() as f64 * size };
    let (letters, metrics) = (font.charmap(), font.glyph_metrics(Size::new(size as f32), LocationRef::default()));
    let width = |letter| letters.map(letter).and_then(|glyph| metrics.advance_width(glyph)).map_or(size, f64::from);
    text.chars().map(width).sum()
}

/// `text`, or as much of its beginning as fits `width` units, with an ellipsis.
pub fn fit(text: &str, size: f64, width: f64) -> String {
    if text_width(text, size) <= width {
        return text.to_owned();
    }
    let mut cut = String::new();
    for letter in text.chars() {
        cut.push(letter);
        if text_width(&cut, size) + text_width("…", size) > width {
            cut.pop();
            break;
        }
    }
    format!("{}…", cut.trim_end())
}

fn place(area: Area) -> String {
    let Area { x, y, width, height } = area;
    let [x, y, width, height] = [x, y, width.max(0.0), height.max(0.0)].map(short);
    format!("x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"")
}

fn drawn(stroke: Stroke) -> String {
    let mut text = format!("stroke=\"{}\" stroke-width=\"{}\"", hex(stroke.colour), short(stroke.width));
    if stroke.opacity < 1.0 {
        let _ = write!(text, " stroke-opacity=\"{}\"", short(stroke.opacity));
    }
    if !stroke.dashes.is_empty() {
        let dashes: Vec<_> = stroke.dashes.iter().map(|&dash| short(dash)).collect();
        let _ = write!(text, " stroke-dasharray=\"{}\"", dashes.join(" "));
    }
    text
}

/// Two decimals are finer than any screen.
fn short(value: f64) -> String {
    ((value * 100.0).round() / 100.0 + 0.0).to_string()
}

fn hex(Rgb([r, g, b]): Rgb<u8>) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Without what XML gives a meaning, or does not take.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{PIXELS, WHITE, colour};

    #[test]
    fn what_is_drawn_is_where_it_was_put() {
        let mut canvas = Canvas::new(40.0, 30.0);
        let area = Area { x: 10.0, y: 5.0, width: 8.0, height: 6.0 };
        canvas.fill(area, colour(0));
        let checks = RgbImage::from_fn(2, 1, |x, _| if x == 0 { colour(1) } else { colour(2) });
        canvas.image(Area { x: 20.0, y: 10.0, width: 12.0, height: 6.0 }, &checks).unwrap();
        canvas.within(Area { x: 0.0, y: 20.0, width: 5.0, height: 5.0 }, |canvas| {
            canvas.fill(Area { x: 0.0, y: 0.0, width: 40.0, height: 30.0 }, colour(3));
        });
        let image = canvas.finish().raster().unwrap();
        assert_eq!(image.dimensions(), (40 * PIXELS, 30 * PIXELS));
        let at = |x: u32, y: u32| *image.get_pixel(x * PIXELS, y * PIXELS);
        assert_eq!([at(9, 6), at(10, 6), at(17, 10), at(18, 10)], [WHITE, colour(0), colour(0), WHITE]);
        assert_eq!([at(21, 12), at(25, 12), at(26, 12), at(31, 12)], [colour(1), colour(1), colour(2), colour(2)]);
        assert_eq!([at(4, 24), at(5, 24), at(4, 19), at(4, 25)], [colour(3), WHITE, WHITE, WHITE]);
    }

    #[test]
    fn text_is_as_wide_as_measured_and_any_name_can_be_drawn() {
        let (text, size) = ("step 1,128 & <loss>\u{7}", 20.0);
        let width = text_width(text, size);
        let mut canvas = Canvas::new(width + 20.0, 40.0);
        canvas.text((10.0, 30.0), Anchor::Start, size, INK, text);
        let picture = canvas.finish();
        let image = picture.raster().unwrap();
        let inked: Vec<_> = image.enumerate_pixels().filter(|(_, _, p)| p.0[0] < 128).map(|(x, _, _)| x).collect();
        let (left, right) = (inked.iter().min().unwrap() / PIXELS, inked.iter().max().unwrap() / PIXELS);
        // The last letter is a control sign, drawn as a space.
        assert!((10..13).contains(&left) && (right as f64) < 10.0 + width, "{left} {right} {width}");
        assert!(right as f64 > 10.0 + width - 25.0, "{right} {width}");
        assert!(picture.source().contains("step 1,128 &amp; &lt;loss&gt; <"));
        let paths = picture.svg().unwrap();
        assert!(paths.contains("<path") && !paths.contains("<text"));
    }

    #[test]
    fn long_texts_are_cut_to_fit() {
        assert_eq!(fit("short", 15.0, 100.0), "short");
        let cut = fit("a very long name of a class", 15.0, 100.0);
        assert!(cut.starts_with("a very") && cut.ends_with('…') && text_width(&cut, 15.0) <= 100.0, "{cut}");
    }
}
