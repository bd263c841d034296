//! A matrix as colours: who is taken for whom.

use super::{Anchor, Area, Canvas, GREY, INK, Picture, SMALL, Stroke, TEXT, TITLE, WHITE, fit, number, text_width};
use crate::error::Result;
use image::{Rgb, RgbImage};

const MARGIN: f64 = 16.0;
/// The least and most side of a matrix in units.
const SIDE: f64 = 640.0;
/// The largest cell.
const LARGEST: f64 = 56.0;
/// The smallest cell that has its name beside it.
const NAMED: f64 = 17.0;
/// The smallest cell that has its number in it.
const NUMBERED: f64 = 30.0;
/// The most of the width that names take.
const NAMES: f64 = 190.0;
/// Of the highest value.
const DEEP: Rgb<u8> = Rgb([0x00, 0x3f, 0x66]);

/// A square matrix of shares, rows by columns, with the names of both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeatMap {
    /// Above it; empty: none.
    pub title: String,
    /// What a row is, as in `class`.
    pub rows: String,
    /// What a column is, as in `predicted`.
    pub columns: String,
    /// Names of the rows, and of the columns.
    pub names: Vec<String>,
    /// `[names, names]`, each 0 to 1: white to deep blue.
    pub shares: Vec<f64>,
    /// Of each cell, shown in it where there is room; empty: nothing is.
    pub notes: Vec<String>,
}

impl HeatMap {
    /// The picture. Many classes have small cells, numbered at the edge instead of named.
    ///
    /// # Errors
    /// An image that cannot be encoded.
    pub fn picture(&self) -> Result<Picture> {
        let count = self.names.len().max(1);
        let cell = (SIDE / count as f64).min(LARGEST);
        let side = cell * count as f64;
        let named = cell >= NAMED;
        let label = |index: usize| if named { fit(&self.names[index], SMALL, NAMES) } else { number(index as f64, 0) };
        // Where cells are too small for names, about ten of them are numbered.
        let every = if named { 1 } else { count.div_ceil(10).next_power_of_two().max(1) };
        let labelled: Vec<_> = (0..self.names.len()).step_by(every).map(|i| (i, label(i))).collect();
        let gutter = labelled.iter().map(|(_, label)| text_width(label, SMALL)).fold(0.0, f64::max) + 10.0;
        let top = MARGIN + if self.title.is_empty() { 0.0 } else { TITLE + 14.0 } + 28.0;
        let matrix = Area { x: MARGIN + gutter, y: top, width: side, height: side };
        let width = matrix.right() + MARGIN;
        let legend = text_width(&self.columns, TEXT) + 2.0 * MARGIN;
        // Names of columns run downwards from their cells, so that none is in another's way.
        let mut canvas = Canvas::new(width.max(legend).max(360.0), matrix.bottom() + gutter + 40.0 + MARGIN);
        canvas.text((MARGIN, MARGIN + TITLE * 0.8), Anchor::Start, TITLE, INK, &fit(&self.title, TITLE, width));
        canvas.text((MARGIN, top - 10.0), Anchor::Start, TEXT, INK, &self.rows);
        // An image, not rectangles: a thousand classes are a million cells.
        let size = count as u32;
        let image = RgbImage::from_fn(size, size, |x, y| {
            shade(self.shares.get(y as usize * count + x as usize).copied().unwrap_or(0.0))
        });
        canvas.image(matrix, &image)?;
        canvas.frame(matrix, Stroke::new(GREY, 1.0));
        for (index, label) in &labelled {
            let middle = (*index as f64 + 0.5) * cell;
            canvas.text((matrix.x - 8.0, matrix.y + middle + SMALL * 0.35), Anchor::End, SMALL, INK, label);
            canvas.turned((matrix.x + middle - SMALL * 0.35, matrix.bottom() + 8.0), SMALL, INK, label);
        }
        let below = matrix.bottom() + gutter + 30.0;
        canvas.text((matrix.x + side / 2.0, below), Anchor::Middle, TEXT, INK, &self.columns);
        if cell >= NUMBERED {
            for (place, note) in self.notes.iter().enumerate() {
                let (x, y) = ((place % count) as f64 + 0.5, (place / count) as f64 + 0.5);
                let ink = if self.shares.get(place).is_some_and(|s| *s > 0.45) { WHITE } else { INK };
                let at = (matrix.x + x * cell, matrix.y + y * cell + SMALL * 0.35);
                canvas.text(at, Anchor::Middle, SMALL, ink, &fit(note, SMALL, cell));
            }
        }
        Ok(canvas.finish())
    }
}

fn shade(share: f64) -> Rgb<u8> {
    // The root shows the few mistakes of a good network.
    let share = share.clamp(0.0, 1.0).sqrt();
    let mix = |i: usize| (f64::from(WHITE.0[i]) + share * (f64::from(DEEP.0[i]) - f64::from(WHITE.0[i]))).round() as u8;
    Rgb([mix(0), mix(1), mix(2)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(count: usize, shares: Vec<f64>) -> HeatMap {
        HeatMap {
            title: "Confusion".to_owned(),
            rows: "class".to_owned(),
            columns: "predicted".to_owned(),
            names: (0..count).map(|i| format!("name{i}")).collect(),
            notes: shares.iter().map(|s| format!("{s}")).collect(),
            shares,
        }
    }

    #[test]
    fn cells_have_the_colour_of_their_share() {
        let picture = matrix(2, vec![1.0, 0.0, 0.25, 0.0]).picture().unwrap();
        let image = picture.raster().unwrap();
        let share = |c| image.pixels().filter(|p| **p == c).count() as f64 / (2.0 * LARGEST).powi(2);
        // Less what the notes cover.
        assert!((0.8..=1.0).contains(&share(DEEP)), "{}", share(DEEP));
        assert!((0.8..=1.0).contains(&share(shade(0.25))), "{}", share(shade(0.25)));
        assert_eq!((shade(0.0), shade(1.0)), (WHITE, DEEP));
        for word in ["name1", ">class<", "predicted", ">0.25<"] {
            assert!(picture.source().contains(word), "{word}");
        }
    }

    #[test]
    fn a_thousand_classes_fit() {
        let shares = (0..1_000_000).map(|i| f64::from(u8::from(i % 1001 == 0))).collect();
        let picture = matrix(1000, shares).picture().unwrap();
        let image = picture.raster().unwrap();
        assert!(image.width() < 1600 && image.height() < 1700, "{:?}", image.dimensions());
        assert!(!picture.source().contains("name1") && picture.source().contains(">512<"));
    }
}
