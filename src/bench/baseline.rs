//! What `bench --json` printed before, to compare with: lines are paired by what they measure.

use super::median;
use crate::error::{Error, Result};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;

/// What says what a line measures; everything else in it is a result, the variants of kernels among them.
const KEY: [&str; 11] =
    ["what", "net", "batch", "accumulate", "adapter", "adapters", "row", "pass", "product", "kernel", "exact"];

/// Seconds of an earlier run, or their medians over several.
pub struct Baseline {
    seconds: HashMap<String, f64>,
}

fn key(line: &Value) -> String {
    KEY.iter().filter_map(|field| Some(format!("{field} {}; ", line.get(field)?))).collect()
}

fn seconds(line: &Value) -> Option<f64> {
    line.get("seconds")?.as_f64().filter(|seconds| *seconds > 0.0)
}

impl Baseline {
    /// Reads the JSON lines of one run, or of several one after the other.
    ///
    /// # Errors
    /// No such file, or not what `bench --json` prints.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        let mut all: HashMap<String, Vec<f64>> = HashMap::new();
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let value: Value = serde_json::from_str(line).ok().filter(Value::is_object).ok_or_else(|| {
                Error::Usage(format!(
                    "--compare {}: line {} is not one that `alexnet bench … --json` prints",
                    path.display(),
                    i + 1
                ))
            })?;
            if let Some(seconds) = seconds(&value) {
                all.entry(key(&value)).or_default().push(seconds);
            }
        }
        if all.is_empty() {
            let path = path.display();
            return Err(Error::Usage(format!("--compare {path}: no line of `alexnet bench … --json` in it")));
        }
        Ok(Self { seconds: all.into_iter().map(|(key, seconds)| (key, median(seconds))).collect() })
    }

    /// How many times as fast `line` is as its pair in the file.
    pub fn speedup(&self, line: &Value) -> Option<f64> {
        Some(self.seconds.get(&key(line))? / seconds(line)?)
    }
}
