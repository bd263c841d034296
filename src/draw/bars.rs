//! Bars with their intervals, one below the other.

use super::{
    Anchor, Area, Axis, Canvas, GREY, INK, PALE, Picture, SMALL, Stroke, TEXT, TITLE, colour, fit, text_width,
};

/// Width of a picture whose words leave enough for the bars.
const WIDTH: f64 = 720.0;
/// The least that the bars have of it.
const LENGTH: f64 = 320.0;
const MARGIN: f64 = 16.0;
const ROW: f64 = 32.0;

/// One bar.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bar {
    /// Left of it.
    pub name: String,
    /// Its length from 0.
    pub value: f64,
    /// Lowest and highest value that it may really have.
    pub interval: Option<(f64, f64)>,
    /// Right of it, as the value for people.
    pub note: String,
    /// Which colour, as [`colour`] numbers them.
    pub colour: usize,
}

/// Bars over one axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bars {
    /// Above them; empty: none.
    pub title: String,
    /// What their length measures, with its unit.
    pub axis: Axis,
    /// The bars, the first above.
    pub bars: Vec<Bar>,
}

impl Bars {
    /// The picture.
    pub fn picture(&self) -> Picture {
        let top = MARGIN + if self.title.is_empty() { 0.0 } else { TITLE + 14.0 };
        let rows = self.bars.len() as f64 * ROW;
        let widest = |texts: &mut dyn Iterator<Item = &String>| texts.map(|t| text_width(t, TEXT)).fold(0.0, f64::max);
        let names = widest(&mut self.bars.iter().map(|bar| &bar.name));
        let notes = widest(&mut self.bars.iter().map(|bar| &bar.note));
        let width = WIDTH.max(names + LENGTH + notes + 22.0 + 2.0 * MARGIN);
        let within = width - 2.0 * MARGIN;
        let mut canvas = Canvas::new(width, top + rows + 56.0 + MARGIN);
        canvas.text((MARGIN, MARGIN + TITLE * 0.8), Anchor::Start, TITLE, INK, &fit(&self.title, TITLE, within));
        let plot = Area { x: MARGIN + names + 12.0, y: top, width: within - names - 12.0 - notes - 10.0, height: rows };
        let ends = self.bars.iter().flat_map(|bar| {
            let (low, high) = bar.interval.unwrap_or((bar.value, bar.value));
            [0.0, bar.value, low, high]
        });
        let span = self.axis.span(ends);
        let at = |value: f64| plot.x + span.place(value).unwrap_or(0.0).clamp(0.0, 1.0) * plot.width;
        for (value, label) in span.ticks((plot.width / 60.0) as usize) {
            canvas.line(&[(at(value), plot.y), (at(value), plot.bottom())], Stroke::new(PALE, 1.0));
            canvas.text((at(value), plot.bottom() + 19.0), Anchor::Middle, SMALL, GREY, &label);
        }
        for (bar, row) in self.bars.iter().zip(0u32..) {
            let (y, middle) = (plot.y + f64::from(row) * ROW, plot.y + (f64::from(row) + 0.5) * ROW);
            let (from, to) = (at(0.0).min(at(bar.value)), at(0.0).max(at(bar.value)));
            canvas.fill(Area { x: from, y: y + 6.0, width: to - from, height: ROW - 12.0 }, colour(bar.colour));
            if let Some((low, high)) = bar.interval {
                let whisker = Stroke::new(INK, 2.0);
                canvas.line(&[(at(low), middle), (at(high), middle)], whisker);
                for end in [low, high] {
                    canvas.line(&[(at(end), middle - 6.0), (at(end), middle + 6.0)], whisker);
                }
            }
            let base = middle + TEXT * 0.35;
            canvas.text((plot.x - 12.0, base), Anchor::End, TEXT, INK, &bar.name);
            canvas.text((width - MARGIN, base), Anchor::End, TEXT, INK, &bar.note);
        }
        canvas.line(&[(at(0.0), plot.y), (at(0.0), plot.bottom())], Stroke::new(GREY, 1.5));
        let middle = plot.x + plot.width / 2.0;
        canvas.text((middle, plot.bottom() + 44.0), Anchor::Middle, TEXT, INK, &self.axis.label);
        canvas.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::PIXELS;

    #[test]
    fn bars_are_as_long_as_their_values() {
        let bar = |name: &str, value, colour| Bar { name: name.to_owned(), value, colour, ..Bar::default() };
        let bars = Bars {
            title: "Errors".to_owned(),
            axis: Axis::linear("top-1 error (%)"),
            bars: vec![bar("one", 10.0, 0), Bar { interval: Some((-2.0, 7.0)), ..bar("two", 5.0, 1) }],
        };
        let picture = bars.picture();
        let image = picture.raster().unwrap();
        let length = |c| image.rows().map(|row| row.filter(|p| **p == c).count()).max().unwrap() as f64;
        let ratio = length(colour(0)) / length(colour(1));
        assert!((1.95..2.05).contains(&ratio), "{ratio}");
        assert!(picture.source().contains("top-1 error (%)") && picture.source().contains(">one<"));
        assert!(image.width() == WIDTH as u32 * PIXELS);

        // A long name is never cut: the picture is wider.
        let name = "held-out top-1 error of a network, less that of another whose name is even longer";
        let long = Bars { bars: vec![bar(name, 10.0, 0)], ..bars }.picture();
        assert!(long.source().contains(name));
        let image = long.raster().unwrap();
        let length = image.rows().map(|row| row.filter(|p| **p == colour(0)).count()).max().unwrap() as f64;
        assert!(image.width() > WIDTH as u32 * PIXELS && length > 0.9 * LENGTH * f64::from(PIXELS), "{length}");
    }
}
