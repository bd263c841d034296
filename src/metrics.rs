//! `metrics.jsonl`: a line a step and a line an evaluation, appended.

use crate::data::Split;
use crate::durable;
use crate::error::{Error, Result};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// One step of training.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct StepLine {
    /// From 1.
    pub step: u64,
    /// Pass over the training set, from 1.
    pub epoch: u64,
    /// Batch mean of the log-loss in nats, before the update and without decay.
    pub loss: f64,
    /// Fraction of the batch.
    pub top1_error: f64,
    /// Fraction of the batch.
    pub top5_error: f64,
    /// Learning rate ε.
    pub lr: f64,
    /// Images of the batch over `seconds`; 0 where the step was seen to end together with the one before it.
    pub images_per_second: f64,
    /// Seconds the step took, waiting included.
    pub seconds: f64,
    /// Seconds of them spent waiting for the loader.
    pub data_wait: f64,
    /// Seconds the host spent carrying data between devices, most of it while they computed.
    pub exchange: f64,
    /// What the loss's gradient was multiplied by in mixed precision, a power of two; 1 in f32.
    #[serde(default = "one")]
    pub scale: f64,
    /// Steps so far that a gradient's overflow in mixed precision made skip, this one among them.
    #[serde(default)]
    pub skipped: u64,
    /// Seconds the host spent recording the step's commands.
    #[serde(default)]
    pub host: f64,
}

fn one() -> f64 {
    1.0
}

/// One evaluation, in use, after the update of its step: on the validation images, or on the sample of training images that
/// `--train-error` asks for.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EvaluationLine {
    /// Steps done.
    pub step: u64,
    /// Pass over the training set, from 1.
    pub epoch: u64,
    /// `val`, or `train`.
    pub split: Split,
    /// Mean of −log p over the images, in nats.
    pub loss: f64,
    /// Fraction of the images.
    pub top1_error: f64,
    /// Fraction of the images.
    pub top5_error: f64,
}

/// Either line.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// An evaluation; tried first, since only it has `split`.
    Evaluation(EvaluationLine),
    /// A step.
    Step(StepLine),
}

/// The open `metrics.jsonl` of a run.
pub struct Metrics {
    path: PathBuf,
    file: File,
    evaluations: Vec<EvaluationLine>,
    epoch: u64,
}

impl Metrics {
    /// Opens `path` for a run that goes on after `step` steps and an evaluation at `evaluated`: later lines go.
    pub fn open(path: &Path, step: u64, evaluated: u64) -> Result<Self> {
        let mut kept = if path.exists() { read_lines(path)? } else { Vec::new() };
        kept.retain(|(_, line)| match line {
            Line::Step(l) => l.step <= step,
            Line::Evaluation(l) => l.step <= evaluated,
        });
        let text: String = kept.iter().flat_map(|(text, _)| [text.as_str(), "\n"]).collect();
        durable::write(path, text.as_bytes())?;
        let file = OpenOptions::new().append(true).open(path).map_err(Error::io(path))?;
        let mut metrics = Self { path: path.to_owned(), file, evaluations: Vec::new(), epoch: 1 };
        kept.iter().for_each(|(_, line)| metrics.note(line));
        Ok(metrics)
    }

    /// Every evaluation in the file, on whichever images.
    pub fn evaluations(&self) -> &[EvaluationLine] {
        &self.evaluations
    }

    /// Pass of the last step, from 1.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    fn note(&mut self, line: &Line) {
        match line {
            Line::Step(line) => self.epoch = line.epoch,
            Line::Evaluation(line) => self.evaluations.push(*line),
        }
    }

    /// Appends a line.
    pub fn push(&mut self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_string(line).map_err(|e| Error::io(&self.path)(e.into()))?;
        text.push('\n');
        self.file.write_all(text.as_bytes()).map_err(Error::io(&self.path))?;
        self.note(line);
        Ok(())
    }

    /// Makes what was appended last: before a checkpoint claims these steps.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(Error::io(&self.path))
    }
}

/// Every line of a metrics file. A last line that kill -9 or a full disk cut short is left out.
pub fn read(path: &Path) -> Result<Vec<Line>> {
    Ok(read_lines(path)?.into_iter().map(|(_, line)| line).collect())
}

fn read_lines(path: &Path) -> Result<Vec<(String, Line)>> {
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    let count = text.lines().count();
    let mut lines = Vec::with_capacity(count);
    for (number, line) in text.lines().enumerate() {
        match parse(path, number + 1, line.as_bytes()) {
            Ok(parsed) => lines.push((line.to_owned(), parsed)),
            Err(_) if number + 1 == count && !text.ends_with('\n') => {}
            Err(e) => return Err(e),
        }
    }
    Ok(lines)
}

/// Line `number`, from 1, of the metrics file `path`.
///
/// # Errors
/// Something else.
pub fn parse(path: &Path, number: usize, line: &[u8]) -> Result<Line> {
    serde_json::from_slice(line).map_err(|e| {
        let why = format!("line {number} is not a line of metrics: {e}; remove or mend it");
        Error::Checkpoint { path: path.to_owned(), why }
    })
}
