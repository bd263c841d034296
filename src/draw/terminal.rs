//! Charts in letters, for terminals.

use super::scale::Span;
use super::{Chart, Scale, Series, Style, number};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span as Words};
use ratatui::widgets::{self, Dataset, GraphType, Widget};
use std::fmt::Write;

/// Of [`super::PALETTE`], the nearest of the 256 colours that terminals have, on light and dark grounds.
const COLOURS: [u8; 7] = [33, 202, 35, 175, 214, 81, 245];
/// Marks of series where there are no colours.
const MARKS: [char; 6] = ['·', '+', 'x', 'o', '*', '#'];

/// Charts one below the other in `width` columns and `height` rows each. In colour where the reader shows colours, else
/// with a mark of its own for each line.
pub fn in_letters(charts: &[Chart], width: u16, height: u16, coloured: bool) -> String {
    let mut text = String::new();
    for chart in charts {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        render(chart, area, &mut buffer, coloured);
        for y in 0..height {
            text.push_str(row(&buffer, y).trim_end());
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

/// Draws `chart` into `area`: the y axis's label and the legend above, then the lines.
pub fn render(chart: &Chart, area: Rect, buffer: &mut Buffer, coloured: bool) {
    if area.height < 4 || area.width < 20 {
        return;
    }
    let shown: Vec<_> = chart.series.iter().filter(|series| series.style != Style::Faint).collect();
    let mut head = vec![Words::raw(chart.y.label.clone())];
    for (index, series) in shown.iter().enumerate().filter(|(_, series)| !series.name.is_empty()) {
        let mark = if coloured { '●' } else { mark(index) };
        head.push(Words::styled(format!("  {mark} {}", series.name), colour(series, coloured)));
    }
    Line::from(head).render(Rect { height: 1, ..area }, buffer);

    let (across, up) = chart.spans();
    let up = up.to_ticks(usize::from(area.height) / 4);
    let lines: Vec<Vec<_>> = shown.iter().map(|series| placed(series, chart)).collect();
    let sets = shown.iter().zip(&lines).enumerate().map(|(index, (series, points))| {
        let (kind, marker) = match points.len() {
            // A line of one point would not be seen.
            0 | 1 => (GraphType::Scatter, Marker::Dot),
            _ if coloured => (GraphType::Line, Marker::Braille),
            _ => (GraphType::Line, Marker::Custom(mark(index))),
        };
        let set = Dataset::default().data(points).graph_type(kind).marker(marker);
        set.style(colour(series, coloured))
    });
    let bounds = |span: Span, scale: Scale| [span.low, span.high].map(|end| at(scale, end));
    // Labels lie evenly: the y axis ends at ticks, and the x axis names its ends and its middle.
    let rows = up.ticks(usize::from(area.height) / 4).into_iter().map(|(_, label)| label);
    let middle = match chart.x.scale {
        Scale::Linear => (across.low + across.high) / 2.0,
        Scale::Log => (across.low * across.high).sqrt(),
    };
    let columns = [across.low, middle, across.high].map(|value| number(value, 0));
    widgets::Chart::new(sets.collect())
        .legend_position(None)
        .x_axis(
            widgets::Axis::default().bounds(bounds(across, chart.x.scale)).labels(columns).title(chart.x.label.clone()),
        )
        .y_axis(widgets::Axis::default().bounds(bounds(up, chart.y.scale)).labels(rows.collect::<Vec<_>>()))
        .render(Rect { y: area.y + 1, height: area.height - 1, ..area }, buffer);
}

fn placed(series: &Series, chart: &Chart) -> Vec<(f64, f64)> {
    let points = series.points.iter().map(|&(x, y)| (at(chart.x.scale, x), at(chart.y.scale, y)));
    points.filter(|(x, y)| x.is_finite() && y.is_finite()).collect()
}

fn at(scale: Scale, value: f64) -> f64 {
    match scale {
        Scale::Linear => value,
        Scale::Log => value.log10(),
    }
}

fn mark(index: usize) -> char {
    MARKS[index % MARKS.len()]
}

fn colour(series: &Series, coloured: bool) -> Color {
    if coloured { Color::Indexed(COLOURS[series.colour % COLOURS.len()]) } else { Color::Reset }
}

/// A row with the codes of its colours.
fn row(buffer: &Buffer, y: u16) -> String {
    let (mut text, mut now) = (String::new(), Color::Reset);
    for x in 0..buffer.area.width {
        let Some(cell) = buffer.cell((x, y)) else { continue };
        if cell.fg != now {
            now = cell.fg;
            let _ = match now {
                Color::Indexed(index) => write!(text, "\u{1b}[38;5;{index}m"),
                _ => write!(text, "\u{1b}[0m"),
            };
        }
        text.push_str(cell.symbol());
    }
    if now != Color::Reset {
        text.push_str("\u{1b}[0m");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Axis;

    #[test]
    fn lines_axes_and_names_are_there_with_and_without_colour() {
        let line = |name: &str, up: bool, colour| Series {
            name: name.to_owned(),
            points: (0..=100).map(|i| (f64::from(i), f64::from(if up { i } else { 100 - i }))).collect(),
            colour,
            ..Series::default()
        };
        let chart = Chart {
            x: Axis::linear("step"),
            y: Axis::linear("loss (nats)"),
            series: vec![line("falls", false, 0), line("rises", true, 1)],
            ..Chart::default()
        };
        let plain = in_letters(std::slice::from_ref(&chart), 60, 16, false);
        let rows: Vec<_> = plain.lines().collect();
        assert_eq!(rows[0], "loss (nats)  · falls  + rises");
        assert!(plain.contains("step") && plain.contains("100") && !plain.contains('\u{1b}'), "{plain}");
        // One begins where the other ends.
        let place = |row: &str, mark: char| row.chars().position(|c| c == mark);
        let (top, bottom) = (rows[2..8].join("\n"), rows[10..14].join("\n"));
        for part in [&top, &bottom] {
            assert!(part.contains('·') && part.contains('+'), "{plain}");
        }
        let first = rows[2..].iter().find(|r| r.contains('·') && r.contains('+')).unwrap();
        assert!(place(first, '·') < place(first, '+'), "{plain}");
        assert!(in_letters(std::slice::from_ref(&chart), 60, 16, true).contains("\u{1b}[38;5;33m"));
        // One point is seen, too.
        let mut single = chart;
        single.series[1].points.truncate(1);
        assert!(in_letters(&[single], 60, 16, true).contains('•'));
    }
}
