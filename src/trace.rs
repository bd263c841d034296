//! What ran when during a step: a row for each adapter, each link and the host's thread of each adapter.

use crate::error::{Error, Result};
use serde::Serialize;
use serde_json::json;
use std::fmt::Write;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

/// One piece of work.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Span {
    /// Who worked: `adapter 0`, `host of adapter 0`, `link 0 to 1`.
    pub row: String,
    /// At what.
    pub name: String,
    /// Seconds after the step's begin.
    pub start: f64,
    /// Seconds after the step's begin.
    pub end: f64,
}

/// Where spans are noted while a trace is made; elsewhere nothing is kept.
pub struct Spans(Option<(Instant, Mutex<Vec<Span>>)>);

impl Spans {
    /// Keeps nothing.
    pub fn off() -> Self {
        Self(None)
    }

    /// Keeps spans, in seconds after `origin`.
    pub fn since(origin: Instant) -> Self {
        Self(Some((origin, Mutex::new(Vec::new()))))
    }

    /// Notes work that began at `start` and ends now.
    pub fn note(&self, row: &str, name: &str, start: Instant) {
        if let Some((origin, spans)) = &self.0 {
            let seconds = |at: Instant| at.saturating_duration_since(*origin).as_secs_f64();
            let (start, end) = (seconds(start), seconds(Instant::now()));
            let span = Span { row: row.to_owned(), name: name.to_owned(), start, end };
            spans.lock().expect("no holder panics").push(span);
        }
    }

    /// What was noted.
    pub fn finish(self) -> Vec<Span> {
        self.0.map_or_else(Vec::new, |(_, spans)| spans.into_inner().expect("no holder panicked"))
    }
}

fn rows(spans: &[Span]) -> Vec<&str> {
    let mut rows: Vec<_> = spans.iter().map(|span| span.row.as_str()).collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// Writes spans in Chrome's trace event format, which chrome://tracing and ui.perfetto.dev show.
///
/// # Errors
/// The file cannot be written.
pub fn write(spans: &[Span], path: &Path) -> Result<()> {
    let rows = rows(spans);
    let names = rows
        .iter()
        .enumerate()
        .map(|(row, name)| json!({ "ph": "M", "pid": 1, "tid": row, "name": "thread_name", "args": { "name": name } }));
    let events = spans.iter().map(|span| {
        let row = rows.iter().position(|name| *name == span.row);
        let (start, length) = (span.start * 1e6, (span.end - span.start) * 1e6);
        json!({ "ph": "X", "pid": 1, "tid": row, "name": span.name, "ts": start, "dur": length })
    });
    let all = json!({ "traceEvents": names.chain(events).collect::<Vec<_>>(), "displayTimeUnit": "ms" });
    std::fs::write(path, format!("{all}\n")).map_err(Error::io(path))
}

/// Columns of a printed timeline.
const WIDTH: usize = 60;

/// The same in a few lines: when each row worked, and its share of the whole.
pub fn timeline(spans: &[Span]) -> String {
    let begin = spans.iter().map(|span| span.start).fold(f64::INFINITY, f64::min);
    let whole = spans.iter().map(|span| span.end).fold(0.0, f64::max) - begin;
    let mut text = format!("a step of {:.1} ms, {:.2} ms a character", whole * 1e3, whole * 1e3 / WIDTH as f64);
    for row in rows(spans) {
        let mut line = ['·'; WIDTH];
        let mut own: Vec<_> =
            spans.iter().filter(|span| span.row == row).map(|span| (span.start - begin, span.end - begin)).collect();
        own.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut busy, mut until) = (0.0, 0.0);
        for (start, end) in own {
            let place = |seconds: f64| (seconds / whole * WIDTH as f64) as usize;
            line[place(start).min(WIDTH - 1)..(place(end) + 1).min(WIDTH)].fill('█');
            busy += (end - f64::max(start, until)).max(0.0);
            until = f64::max(until, end);
        }
        let line: String = line.iter().collect();
        write!(text, "\n{row:<17} {line} {:>3.0} %", 100.0 * busy / whole).expect("writing to a string");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_counts_overlapping_work_once() {
        let span = |row: &str, start: f64, end: f64| Span { row: row.to_owned(), name: String::new(), start, end };
        let text = timeline(&[span("adapter 0", 1.0, 2.0), span("adapter 0", 1.5, 3.0), span("link 0 to 1", 3.0, 5.0)]);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].contains("4000.0 ms") && lines.len() == 3, "{text}");
        assert!(lines[1].ends_with(" 50 %") && lines[2].ends_with(" 50 %"), "{text}");
    }
}
