//! What whoever waits sees, on stderr: a bar on a terminal, lines elsewhere.

use crate::data::{Skipped, Split, Watch};
use crate::metrics::{EvaluationLine, StepLine};
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use std::collections::HashSet;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Between two lines where there is no terminal.
const PAUSE: Duration = Duration::from_secs(1);
/// Share of a new step in the running mean of the seconds a step takes.
const FRESH: f64 = 0.05;

/// Progress of a run.
pub struct Progress {
    bar: Option<ProgressBar>,
    spoke: Instant,
    since: Mean,
    seconds_a_step: Option<f64>,
    skipped: HashSet<PathBuf>,
    /// What the run is, where it is one of many: only its steps are shown then, and rarely.
    one_of_many: Option<String>,
}

/// Means over the steps since the last line.
#[derive(Clone, Copy, Default)]
struct Mean {
    steps: f64,
    loss: f64,
    top1_error: f64,
    top5_error: f64,
    images_per_second: f64,
}

impl Progress {
    /// Speaks on stderr.
    pub fn stderr() -> Self {
        let style =
            ProgressStyle::with_template("{bar:12} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(0).with_style(style));
        Self {
            bar,
            spoke: Instant::now(),
            since: Mean::default(),
            seconds_a_step: None,
            skipped: HashSet::new(),
            one_of_many: None,
        }
    }

    /// Goes on to the run named `name`, one of many: a word now and then is enough, and images that are skipped.
    pub fn next_run(&mut self, name: &str) {
        (self.since, self.seconds_a_step) = (Mean::default(), None);
        self.one_of_many = Some(name.to_owned());
    }

    /// No run is on.
    pub fn end_of_run(&mut self) {
        self.one_of_many = None;
    }

    /// A line that stays, but among many runs.
    pub fn note(&self, text: &str) {
        if self.one_of_many.is_none() {
            self.tell(text);
        }
    }

    /// A line that stays.
    pub fn tell(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// A step is done.
    pub fn step(&mut self, line: &StepLine, steps: u64) {
        self.since.add(line);
        let mean = self.seconds_a_step.unwrap_or(line.seconds);
        let mean = mean + FRESH * (line.seconds - mean);
        self.seconds_a_step = Some(mean);
        let last = line.step == steps && self.one_of_many.is_none();
        if !self.may_speak(last) {
            return;
        }
        let left = Duration::from_secs_f64((mean * (steps - line.step) as f64).min(1e9));
        let text = format!(
            "step {}/{steps}  pass {}  {}  rate {}  {}",
            line.step,
            line.epoch,
            std::mem::take(&mut self.since).words(),
            short(line.lr),
            if last { "done".to_owned() } else { format!("{} left", HumanDuration(left)) },
        );
        self.show(line.step, steps, &text);
    }

    /// An evaluation is done.
    pub fn evaluation(&mut self, line: &EvaluationLine) {
        self.note(&format!(
            "step {}  pass {}  {}: loss {:.4}  top-1 error {:.2} %  top-5 error {:.2} %",
            line.step,
            line.epoch,
            if line.split == Split::Train { "training images in use" } else { "validation" },
            line.loss,
            100.0 * line.top1_error,
            100.0 * line.top5_error
        ));
    }

    /// `done` of `all` images of some work beside the training.
    pub fn count(&mut self, what: &str, done: usize, all: usize) {
        if self.may_speak(false) {
            self.show(done as u64, all as u64, &format!("{what}: {done} of {all} images"));
        }
    }

    /// What is at work after `done` of `all` parts of something.
    pub fn work(&mut self, done: usize, all: usize, text: &str) {
        if self.may_speak(false) {
            self.show(done as u64, all as u64, &format!("{done}/{all}  {text}"));
        }
    }

    /// Names images that were left out, each once.
    pub fn skipped(&mut self, images: &[Skipped]) {
        for Skipped { path, why, .. } in images {
            if self.skipped.insert(path.clone()) {
                self.tell(&format!("skipped {}: {why}", path.display()));
            }
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn may_speak(&mut self, always: bool) -> bool {
        let pause = match (&self.bar, &self.one_of_many) {
            (Some(_), _) => PAUSE / 10,
            (None, None) => PAUSE,
            (None, Some(_)) => 30 * PAUSE,
        };
        let speaks = always || self.spoke.elapsed() >= pause;
        if speaks {
            self.spoke = Instant::now();
        }
        speaks
    }

    fn show(&self, done: u64, all: u64, text: &str) {
        let text = &self.one_of_many.as_ref().map_or_else(|| text.to_owned(), |run| format!("{run}  {text}"));
        match &self.bar {
            Some(bar) => {
                bar.set_length(all);
                bar.set_position(done);
                bar.set_message(text.clone());
            }
            None => eprintln!("{text}"),
        }
    }
}

impl Watch for Progress {
    fn note(&mut self, text: &str) {
        Self::note(self, text);
    }

    fn progress(&mut self, text: &str, done: u64, all: u64) {
        if self.may_speak(false) {
            self.show(done, all, text);
        }
    }
}

impl Mean {
    fn add(&mut self, line: &StepLine) {
        self.steps += 1.0;
        self.loss += line.loss;
        self.top1_error += line.top1_error;
        self.top5_error += line.top5_error;
        self.images_per_second += line.images_per_second;
    }

    fn words(&self) -> String {
        format!(
            "loss {:.4}  top-1 error {:.1} %  top-5 error {:.1} %  {:.1} images/s",
            self.loss / self.steps,
            100.0 * self.top1_error / self.steps,
            100.0 * self.top5_error / self.steps,
            self.images_per_second / self.steps
        )
    }
}

/// A rate without the digits that division leaves behind.
fn short(rate: f64) -> String {
    let digits = format!("{rate:.3e}");
    digits.parse::<f64>().map_or(digits, |r| r.to_string())
}
