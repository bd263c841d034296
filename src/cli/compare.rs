//! How `bench` prints: text or JSON lines, beside an earlier run where one is given.

use super::commands::say;
use crate::bench::{Baseline, median};
use anyhow::Result;
use clap::Args;
use serde::Serialize;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// How measured lines are printed.
#[derive(Args, Debug)]
pub struct PrintArgs {
    /// Beside what an earlier --json run printed into FILE, or several: the ratio of each pair, and their median.
    #[arg(long, value_name = "FILE")]
    pub compare: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Where lines go.
pub(super) struct Report {
    json: bool,
    baseline: Option<(PathBuf, Baseline)>,
    speedups: Vec<f64>,
}

impl Report {
    /// Reads what `--compare` names.
    pub(super) fn new(json: bool, compare: Option<&Path>) -> Result<Self> {
        let baseline = compare.map(|path| Baseline::read(path).map(|read| (path.to_owned(), read))).transpose()?;
        Ok(Self { json, baseline, speedups: Vec::new() })
    }

    /// Prints a line.
    pub(super) fn line(&mut self, line: &(impl Serialize + Display)) -> Result<()> {
        let mut value = serde_json::to_value(line)?;
        let speedup = self.baseline.as_ref().and_then(|(_, baseline)| baseline.speedup(&value));
        self.speedups.extend(speedup);
        if !self.json {
            return say(&format!("{line}{}", speedup.map_or_else(String::new, |ratio| format!("  ×{ratio:.3}"))));
        }
        if let (Some(object), Some(speedup)) = (value.as_object_mut(), speedup) {
            object.insert("speedup".to_owned(), speedup.into());
        }
        say(&value.to_string())
    }

    /// Prints the median of the pairs, on stderr where stdout holds JSON.
    pub(super) fn end(self) -> Result<()> {
        let Some((path, _)) = self.baseline else { return Ok(()) };
        let path = path.display();
        let pairs = self.speedups.len();
        let text = match pairs {
            0 => format!("nothing in {path} was measured for the same network, batch and adapter"),
            _ => format!("×{:.3} as fast as {path}: the median of {pairs} pairs", median(self.speedups)),
        };
        if self.json {
            eprintln!("{text}");
            return Ok(());
        }
        say(&text)
    }
}
