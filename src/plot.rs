//! Curves of runs: loss and error over the steps.

use crate::data::Split;
use crate::draw::{Axis, Chart, Series, Style};
use crate::error::{Error, Result};
use crate::metrics::{self, EvaluationLine, Line, StepLine};
use crate::run::Run;
use std::path::Path;

/// The training curve is a mean over this part of the steps.
const SMOOTH: usize = 50;

/// What a run has measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves {
    /// What its lines are called.
    pub name: String,
    /// Each step, in order.
    pub steps: Vec<StepLine>,
    /// Each evaluation on validation images, in order.
    pub evaluations: Vec<EvaluationLine>,
    /// Each evaluation on training images, in use.
    pub in_use: Vec<EvaluationLine>,
}

impl Curves {
    /// Reads the metrics of the run in `folder`.
    ///
    /// # Errors
    /// Not a run's folder, or one whose training has not done a step.
    pub fn read(folder: &Path) -> Result<Self> {
        let run = Run::open(folder)?;
        let path = run.metrics();
        let nothing = |why: &str| Error::Checkpoint { path: path.clone(), why: why.to_owned() };
        if !path.is_file() {
            return Err(nothing("there is no such file: the run has not begun to train"));
        }
        let curves = Self::of(run.name(), &metrics::read(&path)?);
        if curves.steps.is_empty() {
            return Err(nothing("there is no step in it yet"));
        }
        Ok(curves)
    }

    /// The curves of `lines`.
    pub fn of(name: String, lines: &[Line]) -> Self {
        let mut curves = Self { name, ..Self::default() };
        for line in lines {
            match line {
                Line::Step(line) => curves.steps.push(*line),
                Line::Evaluation(line) if line.split == Split::Train => curves.in_use.push(*line),
                Line::Evaluation(line) => curves.evaluations.push(*line),
            }
        }
        curves
    }

    fn series(
        &self,
        run: usize,
        runs: usize,
        step: fn(&StepLine) -> f64,
        evaluation: fn(&EvaluationLine) -> f64,
    ) -> Vec<Series> {
        let named = |what: &str| if runs == 1 { what.to_owned() } else { format!("{}, {what}", self.name) };
        let at = |values: Vec<f64>| self.steps.iter().map(|l| l.step as f64).zip(values).collect();
        let mut series = vec![
            Series {
                points: at(self.steps.iter().map(step).collect()),
                style: Style::Faint,
                colour: run,
                ..Series::default()
            },
            Series { name: named("training"), points: at(means(&self.steps, step)), colour: run, ..Series::default() },
        ];
        // Alone, a run's curves have a colour each; among others, they share their run's.
        for (i, (what, lines)) in
            [("validation", &self.evaluations), ("training in use", &self.in_use)].into_iter().enumerate()
        {
            if !lines.is_empty() {
                let points = lines.iter().map(|l| (l.step as f64, evaluation(l))).collect();
                let colour = if runs == 1 { 1 + i } else { run };
                series.push(Series { name: named(what), points, style: Style::Dots, colour });
            }
        }
        series
    }
}

/// Loss and top-1 error over the steps of `runs`: each training curve as the mean over a fiftieth of its steps, with the
/// raw one faint, and the evaluations as dots. `log`: the loss on a logarithmic axis.
pub fn charts(runs: &[Curves], log: bool) -> Vec<Chart> {
    let last = runs.iter().filter_map(|run| Some(run.steps.last()?.step)).max().unwrap_or(1);
    let chart = |y: Axis, step: fn(&StepLine) -> f64, evaluation: fn(&EvaluationLine) -> f64| Chart {
        x: Axis { range: Some((0.0, last as f64)), ..Axis::linear("step") },
        y,
        series: runs.iter().enumerate().flat_map(|(i, run)| run.series(i, runs.len(), step, evaluation)).collect(),
        ..Chart::default()
    };
    let loss = if log { Axis::log("loss (nats)") } else { Axis::linear("loss (nats)") };
    let error = Axis::linear("top-1 error (%)");
    vec![chart(loss, |l| l.loss, |l| l.loss), chart(error, |l| 100.0 * l.top1_error, |l| 100.0 * l.top1_error)]
}

/// The means of `value` that the curves of `steps` show.
pub fn means(steps: &[StepLine], value: fn(&StepLine) -> f64) -> Vec<f64> {
    smoothed(&steps.iter().map(value).collect::<Vec<_>>(), reach(steps))
}

/// Half of [`SMOOTH`]'s part.
fn reach(steps: &[StepLine]) -> usize {
    steps.len() / SMOOTH / 2
}

/// The mean over each value and its neighbours, `reach` to either side, as far as there are any.
pub fn smoothed(values: &[f64], reach: usize) -> Vec<f64> {
    let sums: Vec<f64> = std::iter::once(0.0)
        .chain(values.iter().scan(0.0, |sum, value| {
            *sum += value;
            Some(*sum)
        }))
        .collect();
    let mean = |place: usize| {
        let (from, to) = (place.saturating_sub(reach), (place + reach + 1).min(values.len()));
        (sums[to] - sums[from]) / (to - from) as f64
    };
    (0..values.len()).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_centred_and_shrink_at_the_ends() {
        assert_eq!(smoothed(&[1.0, 2.0, 6.0, 3.0], 1), [1.5, 3.0, 11.0 / 3.0, 4.5]);
        assert_eq!(smoothed(&[1.0, 5.0], 0), [1.0, 5.0]);
        assert!(smoothed(&[], 3).is_empty());
    }
}
