//! What an experiment is: arms that differ in their configuration, and what is measured on the trained networks.

use super::lab::Lab;
use super::statistics::{Interval, Verdict};
use crate::error::Result;
use crate::run::Config;
use crate::train::Trained;
use serde::{Deserialize, Serialize};

/// How large experiments are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Drawn images and the small networks: an hour on two cores.
    Small,
    /// The paper's networks, schedule and data.
    Paper,
    /// Four steps of each small run on a few images: whether all of it works.
    #[value(hide = true)]
    Trial,
}

impl Scale {
    /// Whether images are drawn and networks small.
    pub fn is_small(self) -> bool {
        self != Self::Paper
    }
}

/// Which images an arm trains on, and is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// Drawn, ten classes: most experiments at small scale. In as few steps as they take, no network learns all of it.
    Drawn,
    /// 36 training images of each of those classes; the same held-out images.
    Few,
    /// Drawn, hard, all twenty classes, other images: to train on first.
    More,
    /// `--data-2010`.
    Ilsvrc2010,
    /// `--data-2012`.
    Ilsvrc2012,
    /// `--data-pretrain`.
    Pretrain,
    /// `--data-cifar`.
    Cifar,
}

/// A configuration that is trained with every seed.
pub struct Arm {
    /// What tells it from the others.
    pub name: String,
    /// Name of the network's table.
    pub net: &'static str,
    /// Its images.
    pub source: Source,
    /// What differs from the network's own recipe at this scale; the seed is set before.
    pub set: Box<dyn Fn(&mut Config)>,
    /// The arm of the same seed with whose weights, but the last layer, it begins.
    pub after: Option<String>,
    /// Arms of one name here are tried with the first seed, where they may diverge, and the best of them alone goes on with
    /// the others.
    pub one_of: Option<&'static str>,
    /// Whether the experiment does without it where its images are not named.
    pub optional: bool,
}

impl Arm {
    /// An arm of the network's own recipe.
    pub fn new(name: impl Into<String>, net: &'static str, source: Source) -> Self {
        Self { name: name.into(), net, source, set: Box::new(|_| ()), after: None, one_of: None, optional: false }
    }

    /// The same with this difference, after what differs already.
    pub fn with(mut self, set: impl Fn(&mut Config) + 'static) -> Self {
        let before = self.set;
        self.set = Box::new(move |config| {
            before(config);
            set(config);
        });
        self
    }
}

/// An experiment of the paper.
pub struct Experiment {
    /// Its name on the command line.
    pub name: &'static str,
    /// The paper's section or figure.
    pub section: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// What the paper says, with its numbers.
    pub claim: &'static str,
    /// What is trained at a scale.
    pub arms: fn(Scale) -> Vec<Arm>,
    /// What is measured on it.
    pub measure: fn(&Lab, &Trials) -> Result<Outcome>,
    /// Of the arms that are tried, that with the lowest of this goes on.
    pub choose: fn(&Trained) -> f64,
    /// What else must be said of its small form.
    pub notes: &'static [&'static str],
}

/// Where there is nothing to choose.
pub fn no_choice(_: &Trained) -> f64 {
    0.0
}

/// The runs of an experiment: an arm with each of its seeds, or the first alone where another arm was chosen.
#[derive(Clone, Debug, Default)]
pub struct Trials {
    /// Seeds, ascending.
    pub seeds: Vec<u64>,
    /// Name of the arm, and its run with each seed.
    pub arms: Vec<(String, Vec<Trained>)>,
}

impl Trials {
    /// Whether an arm was trained.
    pub fn has(&self, name: &str) -> bool {
        self.arms.iter().any(|(own, _)| own == name)
    }

    /// Of arms that were tried beside each other, the one with the lowest score with the first seed; `None` where every
    /// one diverged.
    pub fn best<'a>(&self, arms: impl IntoIterator<Item = &'a str>, score: fn(&Trained) -> f64) -> Option<&'a str> {
        let first = |arm: &str| score(&self.arm(arm)[0]);
        arms.into_iter().filter(|arm| self.has(arm)).min_by(|a, b| first(a).total_cmp(&first(b)))
    }

    /// The runs of an arm, in the order of the seeds.
    ///
    /// # Panics
    /// The experiment has no such arm.
    pub fn arm(&self, name: &str) -> &[Trained] {
        let found = self.arms.iter().find(|(own, _)| own == name);
        &found.unwrap_or_else(|| panic!("no arm {name}")).1
    }
}

/// One comparison with its verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What is compared, and in which unit: `top-1 error with − without, points`.
    pub what: String,
    /// What the paper says of it, as printed there.
    pub paper: Option<String>,
    /// The two sides, one value a seed.
    pub sides: Vec<Side>,
    /// Second less first side, or the logarithm of second over first, one a seed.
    pub differences: Vec<f64>,
    /// Where their mean lies; of ratios, the ratio.
    pub interval: Option<Interval>,
    /// What follows.
    pub verdict: Verdict,
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// What was measured.
    pub name: String,
    /// One a seed.
    pub values: Vec<f64>,
    /// Whether each is only a lower bound: steps of a run that never got there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at_least: Vec<bool>,
}

impl Side {
    /// Values that are what they say.
    pub fn new(name: impl Into<String>, values: Vec<f64>) -> Self {
        Self { name: name.into(), values, at_least: Vec::new() }
    }

    /// Steps, `None` where a run of `most` steps never got there.
    pub fn steps(name: impl Into<String>, steps: &[Option<u64>], most: u64) -> Self {
        let values = steps.iter().map(|step| step.unwrap_or(most) as f64).collect();
        Self { name: name.into(), values, at_least: steps.iter().map(Option::is_none).collect() }
    }

    /// Value `i` in words.
    pub fn word(&self, i: usize) -> String {
        let bound = if self.at_least.get(i) == Some(&true) { "> " } else { "" };
        let value = self.values[i];
        // Steps are whole.
        let words = if self.at_least.is_empty() { super::statistics::short(value) } else { format!("{value:.0}") };
        format!("{bound}{words}")
    }
}

impl Finding {
    /// Second less first, paired by seed; `paper` is the paper's difference, and how it prints it.
    pub fn difference(what: impl Into<String>, first: Side, second: Side, paper: Option<(f64, &str)>) -> Self {
        let differences: Vec<f64> = first.values.iter().zip(&second.values).map(|(a, b)| b - a).collect();
        Self {
            what: what.into(),
            paper: paper.map(|(_, text)| text.to_owned()),
            verdict: Verdict::of(&differences, paper.map(|(value, _)| value)),
            interval: Interval::of(&differences),
            differences,
            sides: vec![first, second],
        }
    }

    /// Second over first, paired by seed, by their logarithms. Where a value is a lower bound, so is what is made of it.
    pub fn ratio(what: impl Into<String>, first: Side, second: Side, paper: Option<(f64, &str)>) -> Self {
        let differences: Vec<f64> = first.values.iter().zip(&second.values).map(|(a, b)| (b / a).ln()).collect();
        let interval = Interval::of(&differences);
        // A bound below another bound says nothing.
        let none_there = |side: &Side| side.at_least.iter().any(|&bound| bound);
        let verdict = if none_there(&first) && none_there(&second) {
            Verdict::NotTested { why: "neither side got there with every seed".to_owned() }
        } else {
            match Verdict::of(&differences, paper.map(|(value, _)| value.ln())) {
                Verdict::NotResolved { smallest } => Verdict::NotResolved { smallest: smallest.exp() },
                other => other,
            }
        };
        let exp = |Interval { mean, low, high }| Interval { mean: mean.exp(), low: low.exp(), high: high.exp() };
        Self {
            what: what.into(),
            paper: paper.map(|(_, text)| text.to_owned()),
            sides: vec![first, second],
            differences,
            interval: interval.map(exp),
            verdict,
        }
    }

    /// The same, not tested, because a condition was not met.
    pub fn untested(self, why: impl Into<String>) -> Self {
        Self { verdict: Verdict::NotTested { why: why.into() }, ..self }
    }
}

/// What an experiment found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Comparisons.
    pub findings: Vec<Finding>,
    /// Numbers beside the paper's: what, here, there.
    #[serde(default)]
    pub table: Vec<[String; 3]>,
    /// Pictures, by their names in the folder `pictures`, with a caption.
    #[serde(default)]
    pub pictures: Vec<(String, String)>,
    /// What must be said beside them.
    #[serde(default)]
    pub remarks: Vec<String>,
}

impl Outcome {
    /// Comparisons alone.
    pub fn of(findings: Vec<Finding>) -> Self {
        Self { findings, ..Self::default() }
    }
}
