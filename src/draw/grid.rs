//! Images in rows, with captions and bars below, as in the paper's Figure 4.

use super::{Anchor, Area, Canvas, GREY, INK, Picture, SMALL, Stroke, TITLE, WHITE, colour, fit};
use crate::error::Result;
use image::{Rgb, RgbImage};

const MARGIN: f64 = 16.0;
const GAP: f64 = 12.0;
/// Between the first column and the rest, where it is set apart.
const APART: f64 = 34.0;
const LINE: f64 = 20.0;
/// Height of a bar with its name on it.
const BAR: f64 = 22.0;
/// Of bars that are not marked.
const PALE_BAR: Rgb<u8> = Rgb([0x9c, 0xcb, 0xe6]);
const MARKED_BAR: Rgb<u8> = Rgb([0xf0, 0xa0, 0x70]);

/// An image of a grid.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// Shown as a square.
    pub image: RgbImage,
    /// Below it, a line each; what is too long is cut.
    pub captions: Vec<String>,
    /// Frame in this colour of [`colour`]; `None`: no frame.
    pub frame: Option<usize>,
    /// Below the captions: a name, a share from 0 to 1, and whether it is marked as the right one.
    pub bars: Vec<(String, f64, bool)>,
}

/// Images in rows.
#[derive(Clone, Debug)]
pub struct Grid {
    /// Above them; empty: none.
    pub title: String,
    /// Images a row.
    pub columns: usize,
    /// Side of an image in units.
    pub side: f64,
    /// Whether the first column stands apart, as the queries of Figure 4 do.
    pub first_apart: bool,
    /// The images, row by row.
    pub cells: Vec<Cell>,
}

impl Grid {
    /// The picture.
    ///
    /// # Errors
    /// An image that cannot be encoded.
    pub fn picture(&self) -> Result<Picture> {
        let columns = self.columns.clamp(1, self.cells.len().max(1));
        let apart = if self.first_apart { APART - GAP } else { 0.0 };
        let most = |count: &dyn Fn(&Cell) -> usize| self.cells.iter().map(count).max().unwrap_or(0) as f64;
        let (captions, bars) = (most(&|c| c.captions.len()), most(&|c| c.bars.len()));
        let height = self.side + captions * LINE + bars * BAR + GAP + 6.0;
        let width = columns as f64 * (self.side + GAP) - GAP + apart;
        let top = MARGIN + if self.title.is_empty() { 0.0 } else { TITLE + 14.0 };
        let rows = self.cells.len().div_ceil(columns) as f64;
        let mut canvas = Canvas::new(width + 2.0 * MARGIN, top + rows * height + MARGIN - GAP);
        canvas.text((MARGIN, MARGIN + TITLE * 0.8), Anchor::Start, TITLE, INK, &fit(&self.title, TITLE, width));
        for (place, cell) in self.cells.iter().enumerate() {
            let (column, row) = (place % columns, place / columns);
            let x = MARGIN + column as f64 * (self.side + GAP) + if column > 0 { apart } else { 0.0 };
            let area = Area { x, y: top + row as f64 * height, width: self.side, height: self.side };
            canvas.image(area, &cell.image)?;
            if let Some(frame) = cell.frame {
                canvas.frame(area, Stroke::new(colour(frame), 4.0));
            }
            self.below(&mut canvas, cell, area, captions);
        }
        Ok(canvas.finish())
    }

    fn below(&self, canvas: &mut Canvas, cell: &Cell, area: Area, lines: f64) {
        let middle = area.x + area.width / 2.0;
        for (line, caption) in cell.captions.iter().enumerate() {
            let y = area.bottom() + (line + 1) as f64 * LINE - 3.0;
            canvas.text((middle, y), Anchor::Middle, SMALL, INK, &fit(caption, SMALL, area.width));
        }
        let top = area.bottom() + lines * LINE + 4.0;
        if !cell.bars.is_empty() {
            let all = Area { y: top, height: cell.bars.len() as f64 * BAR, ..area };
            canvas.fill(all, WHITE);
            canvas.frame(all, Stroke::new(GREY, 1.0));
        }
        for (row, (name, share, marked)) in cell.bars.iter().enumerate() {
            let y = top + row as f64 * BAR;
            let length = share.clamp(0.0, 1.0) * area.width;
            let colour = if *marked { MARKED_BAR } else { PALE_BAR };
            canvas.fill(Area { x: area.x, y: y + 2.0, width: length, height: BAR - 4.0 }, colour);
            let name = fit(name, SMALL, area.width - 8.0);
            canvas.text((area.x + 4.0, y + BAR / 2.0 + SMALL * 0.35), Anchor::Start, SMALL, INK, &name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::PIXELS;

    #[test]
    fn images_captions_and_bars_are_in_their_places() {
        let cell = |c: usize| Cell {
            image: RgbImage::from_pixel(3, 3, colour(c)),
            captions: vec![format!("class {c}")],
            frame: (c == 1).then_some(2),
            bars: vec![("right".to_owned(), 0.5, true), ("wrong".to_owned(), 0.25, false)],
        };
        let grid = Grid {
            title: String::new(),
            columns: 2,
            side: 100.0,
            first_apart: true,
            cells: (0..3).map(cell).collect(),
        };
        let picture = grid.picture().unwrap();
        let image = picture.raster().unwrap();
        let at = |x: f64, y: f64| *image.get_pixel((x * f64::from(PIXELS)) as u32, (y * f64::from(PIXELS)) as u32);
        assert_eq!(image.width(), (2.0 * MARGIN + 200.0 + APART) as u32 * PIXELS);
        let second = MARGIN + 100.0 + APART;
        assert_eq!([at(MARGIN + 50.0, MARGIN + 50.0), at(second + 50.0, MARGIN + 50.0)], [colour(0), colour(1)]);
        assert_eq!([at(second, MARGIN + 50.0), at(MARGIN + 1.0, MARGIN + 50.0)], [colour(2), colour(0)]);
        // Below the first image: the caption, then a marked bar of half the width and one of a quarter.
        let bar = MARGIN + 100.0 + LINE + 4.0;
        assert_eq!([at(MARGIN + 49.0, bar + 4.0), at(MARGIN + 52.0, bar + 4.0)], [MARKED_BAR, WHITE]);
        assert_eq!([at(MARGIN + 24.0, bar + BAR + 4.0), at(MARGIN + 27.0, bar + BAR + 4.0)], [PALE_BAR, WHITE]);
        let height = 100.0 + LINE + 2.0 * BAR + GAP + 6.0;
        assert_eq!(at(MARGIN + 50.0, MARGIN + height + 50.0), colour(2));
        assert!(picture.source().contains("class 2"));
    }
}
