//! Line charts.

use super::scale::Span;
use super::{
    Anchor, Area, Axis, Canvas, GREY, INK, PALE, PALETTE, Picture, SMALL, Stroke, TEXT, TITLE, colour, fit, text_width,
};

/// Size of a chart in units.
const WIDTH: f64 = 720.0;
/// Of one among others in a row.
const NARROW: f64 = 560.0;
const HEIGHT: f64 = 420.0;
/// Between a chart and the picture's edge, and between parts.
const MARGIN: f64 = 16.0;
const LINE: f64 = 24.0;
/// Length of a line in the legend.
const SAMPLE: f64 = 26.0;
/// Radius of a dot.
const DOT: f64 = 4.5;

/// How a series is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// A line.
    #[default]
    Line,
    /// A thin, pale line behind the others: raw values of a smoothed series. The axes do not make room for its peaks.
    Faint,
    /// A line with a dot at each point.
    Dots,
    /// A broken line: a level to compare with.
    Dashed,
}

/// One line of a chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// In the legend; empty: not there.
    pub name: String,
    /// x and y. What is not finite breaks the line.
    pub points: Vec<(f64, f64)>,
    /// How it is drawn.
    pub style: Style,
    /// Which colour, as [`colour`] numbers them. Past the palette's end, lines are dashed.
    pub colour: usize,
}

/// Lines over two axes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// Above it; empty: none.
    pub title: String,
    /// To the right.
    pub x: Axis,
    /// Upwards.
    pub y: Axis,
    /// The lines, the last on top.
    pub series: Vec<Series>,
}

impl Chart {
    /// The chart alone.
    pub fn picture(&self) -> Picture {
        side_by_side(std::slice::from_ref(self), WIDTH)
    }

    /// Draws the chart into `area`.
    pub fn draw(&self, canvas: &mut Canvas, area: Area) {
        let mut y = area.y;
        if !self.title.is_empty() {
            canvas.text((area.x, y + TITLE), Anchor::Start, TITLE, INK, &fit(&self.title, TITLE, area.width));
            y += TITLE + 12.0;
        }
        y = self.legend(canvas, Area { y, ..area });
        canvas.text((area.x, y + TEXT), Anchor::Start, TEXT, INK, &fit(&self.y.label, TEXT, area.width));
        y += LINE + 4.0;

        let (across, up) = self.spans();
        let rows = up.ticks(((area.bottom() - y - 2.0 * LINE) / 50.0).max(2.0) as usize);
        let gutter = rows.iter().map(|(_, label)| text_width(label, SMALL)).fold(0.0, f64::max) + 10.0;
        let plot = Area {
            x: area.x + gutter,
            y,
            width: (area.width - gutter - 8.0).max(1.0),
            height: (area.bottom() - y - 2.0 * LINE).max(1.0),
        };
        let columns = across.ticks((plot.width / 95.0).round().max(2.0) as usize);
        let at = |(x, y): (f64, f64)| {
            Some((plot.x + across.place(x)? * plot.width, plot.bottom() - up.place(y)? * plot.height))
        };
        for (value, label) in &rows {
            let Some((_, y)) = at((across.low, *value)) else { continue };
            canvas.line(&[(plot.x, y), (plot.right(), y)], Stroke::new(PALE, 1.0));
            canvas.text((plot.x - 8.0, y + SMALL * 0.35), Anchor::End, SMALL, GREY, label);
        }
        for (value, label) in &columns {
            let Some((x, _)) = at((*value, up.low)) else { continue };
            canvas.line(&[(x, plot.bottom()), (x, plot.bottom() + 5.0)], Stroke::new(GREY, 1.0));
            // A label at the right end ends there.
            let half = text_width(label, SMALL) / 2.0;
            let x = x.min(area.right() - half);
            canvas.text((x, plot.bottom() + 21.0), Anchor::Middle, SMALL, GREY, label);
        }
        canvas.line(&[(plot.x, plot.bottom()), (plot.right(), plot.bottom())], Stroke::new(GREY, 1.0));
        let middle = plot.x + plot.width / 2.0;
        canvas.text((middle, area.bottom() - 5.0), Anchor::Middle, TEXT, INK, &fit(&self.x.label, TEXT, plot.width));

        // Half a line's width more, so that lines along an edge are whole.
        let cut = Area { x: plot.x - 2.0, y: plot.y - 5.0, width: plot.width + 4.0, height: plot.height + 7.0 };
        canvas.within(cut, |canvas| {
            for series in &self.series {
                for points in broken(series.points.iter().map(|&point| at(point))) {
                    canvas.line(&thinned(&points), stroke(series));
                }
            }
        });
        for series in self.series.iter().filter(|s| s.style == Style::Dots) {
            let places = series.points.iter().filter_map(|&point| at(point));
            // Many dots are small, so that they stay apart.
            let radius = (plot.width / series.points.len().max(1) as f64 / 3.0).clamp(1.5, DOT);
            for place in
                places.filter(|&(x, y)| (plot.x..=plot.right()).contains(&x) && (plot.y..=plot.bottom()).contains(&y))
            {
                canvas.dot(place, radius, colour(series.colour));
            }
        }
    }

    /// Draws the legend from the top of `area`, as many rows as it takes; returns where it ends.
    fn legend(&self, canvas: &mut Canvas, area: Area) -> f64 {
        let named: Vec<_> = self.series.iter().filter(|series| !series.name.is_empty()).collect();
        let (mut x, mut y) = (area.x, area.y);
        for series in &named {
            let name = fit(&series.name, TEXT, area.width - SAMPLE - 8.0);
            let width = SAMPLE + 8.0 + text_width(&name, TEXT);
            if x > area.x && x + width > area.right() {
                (x, y) = (area.x, y + LINE);
            }
            let middle = y + LINE / 2.0;
            canvas.line(&[(x, middle), (x + SAMPLE, middle)], stroke(series));
            if series.style == Style::Dots {
                canvas.dot((x + SAMPLE / 2.0, middle), DOT, colour(series.colour));
            }
            canvas.words((x + SAMPLE + 8.0, middle + TEXT * 0.35), &name);
            x += width + 22.0;
        }
        if named.is_empty() { y } else { y + LINE + 6.0 }
    }

    /// Both axes over the data.
    pub(super) fn spans(&self) -> (Span, Span) {
        // Peaks of raw values leave the axes alone, unless there is nothing else.
        let firm = self.series.iter().any(|s| s.style != Style::Faint && !s.points.is_empty());
        let counted = || self.series.iter().filter(move |s| !firm || s.style != Style::Faint).flat_map(|s| &s.points);
        let (across, up) = (self.x.span(counted().map(|p| p.0)), self.y.span(counted().map(|p| p.1)));
        (across, if self.y.range.is_some() { up } else { up.with_room() })
    }
}

/// Charts side by side.
pub fn row(charts: &[Chart]) -> Picture {
    side_by_side(charts, NARROW)
}

fn side_by_side(charts: &[Chart], width: f64) -> Picture {
    let mut canvas = Canvas::new(width * charts.len() as f64, HEIGHT);
    for (place, chart) in charts.iter().enumerate() {
        let area = Area {
            x: place as f64 * width + MARGIN,
            y: MARGIN,
            width: width - 2.0 * MARGIN,
            height: HEIGHT - 2.0 * MARGIN,
        };
        chart.draw(&mut canvas, area);
    }
    canvas.finish()
}

fn stroke(series: &Series) -> Stroke {
    let base = Stroke::new(colour(series.colour), 2.5);
    match series.style {
        Style::Faint => Stroke { width: 1.0, opacity: 0.3, ..base },
        Style::Dashed => Stroke { width: 2.0, dashes: &[6.0, 5.0], ..base },
        _ if series.colour >= PALETTE.len() => Stroke { dashes: &[9.0, 3.0], ..base },
        _ => base,
    }
}

/// Unbroken pieces of a line.
fn broken(places: impl Iterator<Item = Option<(f64, f64)>>) -> Vec<Vec<(f64, f64)>> {
    let mut pieces = vec![Vec::new()];
    for place in places {
        match (place, pieces.last_mut()) {
            (Some(place), Some(piece)) => piece.push(place),
            _ => pieces.push(Vec::new()),
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// The same line with at most four points a half unit: the first, the lowest, the highest and the last. A run of half a
/// million steps makes a small file.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut kept = Vec::new();
    for near in points.chunk_by(|a, b| (a.0 * 2.0).floor() == (b.0 * 2.0).floor()) {
        let by_y = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let ends = [near.first(), near.iter().min_by(by_y), near.iter().max_by(by_y), near.last()];
        kept.extend(if near.len() > 4 { ends.into_iter().flatten().copied().collect() } else { near.to_vec() });
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::PIXELS;

    fn chart(points: Vec<(f64, f64)>) -> Chart {
        Chart {
            title: "Training".to_owned(),
            x: Axis::linear("step"),
            y: Axis { range: Some((0.0, 4.0)), ..Axis::linear("loss (nats)") },
            series: vec![Series { name: "tiny-1".to_owned(), points, ..Series::default() }],
        }
    }

    #[test]
    fn a_line_is_where_its_values_are() {
        let picture = chart(vec![(0.0, 2.0), (100.0, 2.0)]).picture();
        let image = picture.raster().unwrap();
        assert_eq!(image.dimensions(), (WIDTH as u32 * PIXELS, HEIGHT as u32 * PIXELS));
        // Half of the axis is half way between the lines of 0 and 4.
        let middle = image.width() / 2;
        let rows: Vec<_> = (0..image.height()).filter(|&y| *image.get_pixel(middle, y) == colour(0)).collect();
        let grid: Vec<_> = (0..image.height()).filter(|&y| *image.get_pixel(middle, y) == PALE).collect();
        assert!(!rows.is_empty(), "no line");
        let (line, top) = ((rows[0] + rows[rows.len() - 1]) as f64 / 2.0, grid[0] as f64);
        let plot =
            picture.source().lines().rev().find(|l| l.contains(&format!("stroke=\"#{:02x}", GREY.0[0]))).unwrap();
        let bottom: f64 = plot.split(',').nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!((line - (top + bottom * f64::from(PIXELS)) / 2.0).abs() < 3.0, "{line} {top} {bottom}");
        for word in ["Training", "step", "loss (nats)", "tiny-1", ">100<"] {
            assert!(picture.source().contains(word), "{word}");
        }
    }

    #[test]
    fn lines_break_where_there_is_no_value_and_peaks_survive_thinning() {
        let gap = chart(vec![(0.0, 1.0), (1.0, 1.0), (2.0, f64::NAN), (3.0, 1.0), (4.0, 1.0)]);
        let lines = |c: &Chart| c.picture().source().matches("stroke-linejoin=\"round\" stroke=\"#0072b2\"").count();
        // One of them is the legend's.
        assert_eq!(lines(&gap), 3);
        let many: Vec<_> = (0..200_000).map(|i| (i as f64, if i == 777 { 3.5 } else { 1.0 })).collect();
        let picture = chart(many).picture();
        assert!(picture.source().len() < 200_000, "{}", picture.source().len());
        let image = picture.raster().unwrap();
        let highest = |c| image.enumerate_pixels().filter(|p| *p.2 == c).map(|p| p.1).min().unwrap();
        let (peak, top) = (highest(colour(0)), highest(PALE));
        // The legend's line lies above the plot; the peak must be in its upper quarter.
        assert!(peak < top || image.rows().skip(top as usize).take(80).flatten().any(|p| *p == colour(0)));
    }

    #[test]
    fn long_legends_take_more_rows() {
        let series = (0..9).map(|i| Series {
            name: format!("a run with a long name, number {i}"),
            colour: i,
            ..Series::default()
        });
        let long = Chart { series: series.collect(), ..chart(Vec::new()) };
        assert!(long.picture().source().contains("number 8"));
    }
}
