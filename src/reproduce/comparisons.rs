//! Experiments that compare errors of arms: §3.2 to §3.4, §4, §5, §7 and Table 1.

use super::experiment::{Arm, Experiment, Finding, Outcome, Scale, Side, Source, Trials, no_choice};
use super::lab::Lab;
use super::statistics::Interval;
use crate::data::{Augment, Split};
use crate::error::Result;
use crate::metrics::EvaluationLine;
use crate::run::Config;
use crate::schedule::{Place, Plateau, Schedule};
use crate::train::Trained;
use crate::variation::{Part, Talk};

/// Steps of a small comparison.
pub const STEPS: u64 = 240;
/// Steps of a small run on few images: 30 passes.
const FEW_STEPS: u64 = 360;
/// Rates that small networks with and without response normalisation are tried with: what it divides activations by is a
/// rate of its own.
const RATES: [f64; 4] = [0.00016, 0.0005, 0.0016, 0.005];
/// Error on the training images below which an arm has learned them.
const LEARNED: f64 = 0.02;

/// The network of an experiment at a scale.
pub fn net(scale: Scale, paper: &'static str) -> &'static str {
    match (scale, paper) {
        (Scale::Paper, name) => name,
        (_, "half") => "tiny-half",
        (_, "alexnet-6") => "tiny-6",
        _ => "tiny",
    }
}

/// An arm of the paper's own recipe, small or not; the same wherever it is an arm.
pub fn plain(scale: Scale, name: &str, paper_net: &'static str, paper_source: Source) -> Arm {
    let source = if scale.is_small() { Source::Drawn } else { paper_source };
    let arm = Arm::new(name, net(scale, paper_net), source);
    if scale.is_small() { arm.with(short(STEPS)) } else { arm }
}

/// So many steps, at the rate of the small runs, in thirds of falling rate. There is no dropout: in so few steps nothing is
/// overfitted, and it doubles them.
pub fn short(steps: u64) -> impl Fn(&mut Config) {
    move |config| {
        (config.steps, config.lr, config.dropout) = (steps, 0.005, 0.0);
        config.schedule = Schedule::Decay { factor: 10.0, levels: 3 };
    }
}

/// The last evaluation of a run on a split.
pub fn last(run: &Trained, split: Split) -> &EvaluationLine {
    let line = run.evaluations.iter().rev().find(|line| line.split == split);
    line.expect("every run of an experiment is evaluated at its end")
}

/// A number of each run's last evaluation, in percent.
pub fn percent(name: &str, runs: &[Trained], split: Split, of: fn(&EvaluationLine) -> f64) -> Side {
    Side::new(name, runs.iter().map(|run| 100.0 * of(last(run, split))).collect())
}

/// Held-out errors of `second` less those of `first`; `paper` has the paper's differences in points, top-1 and top-5.
fn held_out(trials: &Trials, first: &str, second: &str, paper: Option<[(f64, &str); 2]>) -> Vec<Finding> {
    let side = |arm, of| percent(arm, trials.arm(arm), Split::Val, of);
    let mut findings = Vec::new();
    for (i, name) in ["top-1", "top-5"].into_iter().enumerate() {
        let of = if i == 0 { |line: &EvaluationLine| line.top1_error } else { |line: &EvaluationLine| line.top5_error };
        let what = format!("held-out {name} error, {second} − {first}, points");
        findings.push(Finding::difference(what, side(first, of), side(second, of), paper.map(|paper| paper[i])));
    }
    findings
}

/// Training errors in use of `second` less those of `first`.
fn in_training(trials: &Trials, first: &str, second: &str, paper: Option<(f64, &str)>) -> Finding {
    let side = |arm| percent(arm, trials.arm(arm), Split::Train, |line| line.top1_error);
    let what = format!("training top-1 error in use, {second} − {first}, points");
    Finding::difference(what, side(first), side(second), paper)
}

fn without(part: Part) -> impl Fn(&mut Config) {
    move |config| {
        config.variation.without.insert(part);
    }
}

/// §3.2.
pub const TWO_GPUS: Experiment = Experiment {
    name: "two-gpus",
    section: "3.2",
    title: "Two columns against the one-column network",
    claim: "Two columns have 1.7 points less top-1 error and 1.2 less top-5 error than one with half the kernels in each \
            convolution, and take slightly less time.",
    arms: |scale| {
        vec![
            plain(scale, "one column", "half", Source::Ilsvrc2010),
            plain(scale, "two columns", "alexnet", Source::Ilsvrc2010),
        ]
    },
    measure: |lab, trials| {
        let paper = Some([(-1.7, "−1.7"), (-1.2, "−1.2")]);
        let mut outcome = Outcome::of(held_out(trials, "one column", "two columns", paper));
        let (half, two) = (&trials.arm("one column")[0], &trials.arm("two columns")[0]);
        let row = |what: &str, seconds: f64, paper: &str| {
            [what.to_owned(), format!("{:.1} ms", 1e3 * seconds), paper.to_owned()]
        };
        outcome.table.push(row(
            "a step of one column",
            lab.step_seconds(&half.config, 1)?,
            "slightly more than two columns on two GPUs",
        ));
        outcome.table.push(row("a step of two columns on one adapter", lab.step_seconds(&two.config, 1)?, "—"));
        outcome.table.push(row(
            "a step of two columns on two devices",
            lab.step_seconds(&two.config, 2)?,
            "the paper's way",
        ));
        outcome.remarks.push(lab.placement());
        Ok(outcome)
    },
    choose: no_choice,
    notes: &[
        "The one-column network has the same parameters in its last layers, so the comparison favours it, as in the paper.",
    ],
};

/// An arm at one of several rates.
fn at(side: &str, rate: f64) -> String {
    format!("{side} at {rate}")
}

/// Training error in use.
fn in_use(run: &Trained) -> f64 {
    last(run, Split::Train).top1_error
}

/// §3.3.
pub const LRN: Experiment = Experiment {
    name: "lrn",
    section: "3.3",
    title: "Local response normalisation",
    claim: "Normalisation lowers the errors by 1.4 and 1.2 points; on CIFAR-10 from 13 % to 11 %.",
    arms: |scale| {
        let plain = |name: &str| plain(scale, name, "alexnet", Source::Ilsvrc2012);
        if scale.is_small() {
            let arm = |side: &'static str, rate| {
                let arm = plain(&at(side, rate)).with(move |config| config.lr = rate);
                let arm = if side == "without" { arm.with(without(Part::Norm)) } else { arm };
                Arm { one_of: Some(side), ..arm }
            };
            return ["without", "with"].into_iter().flat_map(|side| RATES.map(|rate| arm(side, rate))).collect();
        }
        let cifar = |name, net| Arm { optional: true, ..Arm::new(name, net, Source::Cifar) };
        vec![
            plain("without").with(without(Part::Norm)),
            plain("with"),
            cifar("CIFAR-10 without", "cifar-13pct"),
            cifar("CIFAR-10 with", "cifar-11pct"),
        ]
    },
    measure: |lab, trials| {
        let tried = ["without", "with"].map(|side| {
            let arms = RATES.map(|rate| at(side, rate));
            trials.best(arms.iter().map(String::as_str), in_use).unwrap_or(side).to_owned()
        });
        let [first, second] = &tried;
        let mut outcome = Outcome::of(held_out(trials, first, second, Some([(-1.4, "−1.4"), (-1.2, "−1.2")])));
        if !trials.has("CIFAR-10 with") {
            let why = if lab.scale.is_small() {
                "its full recipes are of the paper's scale"
            } else {
                "--data-cifar names none"
            };
            outcome.remarks.push(format!("CIFAR-10: not run; {why}."));
        } else {
            let views = |arm: &str| -> Result<Side> {
                let errors =
                    trials.arm(arm).iter().map(|run| Ok(100.0 * lab.evaluate(Source::Cifar, run, 9)?.top1_error));
                Ok(Side::new(arm, errors.collect::<Result<_>>()?))
            };
            let what = "CIFAR-10: test error of nine views, with − without, points";
            let (first, second) = (views("CIFAR-10 without")?, views("CIFAR-10 with")?);
            outcome.findings.push(Finding::difference(what, first, second, Some((-2.0, "13 % → 11 %"))));
        }
        Ok(outcome)
    },
    choose: in_use,
    notes: &[
        "At small scale each network has the rate of one grid that gives the lowest training error in use with the first seed: \
         without normalisation the rate of the others may diverge.",
        "Changed after a first run (2026-11-25): at the others' rate, 0.005, the arm without diverged at step 7 and nothing was \
         measured; a grid from 0.0005 was put in after it, and 0.00016 when 0.0005 came out best without normalisation.",
    ],
};

/// §3.4.
pub const OVERLAP: Experiment = Experiment {
    name: "overlap",
    section: "3.4",
    title: "Overlapping pooling",
    claim: "Windows of 3 at steps of 2 lower the errors by 0.4 and 0.3 points against windows of 2, and such networks are \
            slightly harder to overfit.",
    arms: |scale| {
        vec![
            plain(scale, "2/2", "alexnet", Source::Ilsvrc2012).with(without(Part::Overlap)),
            plain(scale, "3/2", "alexnet", Source::Ilsvrc2012),
        ]
    },
    measure: |_, trials| {
        let mut findings = held_out(trials, "2/2", "3/2", Some([(-0.4, "−0.4"), (-0.3, "−0.3")]));
        findings.push(in_training(trials, "2/2", "3/2", Some((1.0, "slightly more"))));
        Ok(Outcome::of(findings))
    },
    choose: no_choice,
    notes: &["Paddings are the original's: conv2 1, conv5 0, rounding up."],
};

/// An arm on few images, until they are learned; at the paper's scale its own recipe.
fn on_few(scale: Scale, name: &str, steps: u64) -> Arm {
    if scale == Scale::Paper {
        return plain(scale, name, "alexnet", Source::Ilsvrc2012);
    }
    Arm::new(name, net(scale, "alexnet"), Source::Few).with(move |config| {
        short(steps)(config);
        config.train_error_every = Some(30);
    })
}

/// Why an experiment about overfitting tells nothing: its plain arm has not learned its images.
fn unlearned(lab: &Lab, runs: &[Trained]) -> Option<String> {
    let worst = runs.iter().map(|run| last(run, Split::Train).top1_error).fold(0.0, f64::max);
    let limit = LEARNED;
    (lab.scale.is_small() && worst >= limit)
        .then(|| format!("the plain arm's training error is {:.1} %, not below {:.0} %", 100.0 * worst, 100.0 * limit))
}

fn tested(outcome: Outcome, why: Option<String>) -> Outcome {
    let Some(why) = why else { return outcome };
    Outcome { findings: outcome.findings.into_iter().map(|finding| finding.untested(why.clone())).collect(), ..outcome }
}

/// The arm whose ten views are averaged.
const TEN_VIEWS: &str = "for ten views";

/// §4.1.
pub const AUGMENTATION: Experiment = Experiment {
    name: "augmentation",
    section: "4.1",
    title: "Crops, mirror images, colour, ten views",
    claim: "Without crops and reflections the network overfits substantially; colour noise lowers the top-1 error by more \
            than 1 point; averaging ten views lowers 39.0 % to 37.5 %.",
    arms: |scale| {
        let arm = |name, augment| on_few(scale, name, FEW_STEPS).with(move |config| config.augment = augment);
        vec![
            arm("none", Augment::None),
            arm("crops", Augment::Crop),
            arm("crops and mirror", Augment::CropMirror),
            arm("with colour", Augment::Full),
            plain(scale, TEN_VIEWS, "alexnet", Source::Ilsvrc2010),
        ]
    },
    measure: |lab, trials| {
        let mut findings = held_out(trials, "none", "crops", Some([(-1.0, "less"), (-1.0, "less")]));
        findings.extend(held_out(trials, "crops", "crops and mirror", Some([(-1.0, "less"), (-1.0, "less")])));
        let colour =
            held_out(trials, "crops and mirror", "with colour", Some([(-1.0, "more than −1"), (-1.0, "less")]));
        findings.extend(colour.into_iter().take(1));
        let mut outcome = tested(Outcome::of(findings), unlearned(lab, trials.arm("none")));
        outcome.findings.extend(views(lab, trials.arm(TEN_VIEWS), -1.5, -1.3)?);
        Ok(outcome)
    },
    choose: no_choice,
    notes: &[
        "At small scale on 360 training images without dropout, which the plain arm can learn by heart; ten views are those of \
              the plain network on all images.",
    ],
};

/// Ten views less the centre, of each run.
fn views(lab: &Lab, runs: &[Trained], top1: f64, top5: f64) -> Result<Vec<Finding>> {
    let source = if lab.scale.is_small() { Source::Drawn } else { Source::Ilsvrc2010 };
    let ten = runs.iter().map(|run| lab.evaluate(source, run, 10)).collect::<Result<Vec<_>>>()?;
    let side =
        |of: fn(&crate::eval::Evaluation) -> f64| Side::new("ten views", ten.iter().map(|e| 100.0 * of(e)).collect());
    let centre = |of| percent("centre", runs, Split::Val, of);
    let words = [format!("{top1:+}").replace('-', "−"), format!("{top5:+}").replace('-', "−")];
    Ok(vec![
        Finding::difference(
            "held-out top-1 error, ten views − centre, points",
            centre(|line| line.top1_error),
            side(|e| e.top1_error),
            Some((top1, &words[0])),
        ),
        Finding::difference(
            "held-out top-5 error, ten views − centre, points",
            centre(|line| line.top5_error),
            side(|e| e.top5_error),
            Some((top5, &words[1])),
        ),
    ])
}

/// §4.2.
pub const DROPOUT: Experiment = Experiment {
    name: "dropout",
    section: "4.2",
    title: "Dropout",
    claim: "Without dropout the network overfits substantially; dropout roughly doubles the steps to converge.",
    arms: |scale| {
        let arm = |name, dropout| {
            on_few(scale, name, 2 * FEW_STEPS).with(move |config| {
                config.dropout = dropout;
                if scale.is_small() {
                    config.augment = Augment::None;
                }
            })
        };
        vec![arm("without", 0.0), arm("with", 0.5)]
    },
    measure: |lab, trials| {
        let mut findings = held_out(trials, "without", "with", Some([(-1.0, "less"), (-1.0, "less")]));
        let steps = |arm: &str| {
            let runs = trials.arm(arm);
            let first = |run: &Trained| {
                let there = |line: &&EvaluationLine| line.split == Split::Train && line.top1_error <= 0.05;
                run.evaluations.iter().find(there).map(|line| line.step)
            };
            Side::steps(arm, &runs.iter().map(first).collect::<Vec<_>>(), runs[0].config.steps)
        };
        let what = "steps to 5 % training error in use, with ÷ without";
        findings.push(Finding::ratio(what, steps("without"), steps("with"), Some((2.0, "about 2"))));
        Ok(tested(Outcome::of(findings), unlearned(lab, trials.arm("without"))))
    },
    choose: no_choice,
    notes: &[
        "At small scale on 360 training images without augmentation, for twice the steps of the experiment on augmentation: \
         dropout is said to need twice as many.",
        "Changed after a first run (2026-11-25), whose result was known: with 360 steps the arm with dropout ended at 5 to 11 % \
         training error, 1.95 [−5.48, 9.37] points of held-out top-1 error above the one without (not resolved), and took at \
         least 1.64 [1.35, 1.99] times the steps (seen). What stands here is the second of two tries.",
    ],
};

/// Sum of the rates of a small run's steps, whose schedule is not one of passes.
fn rates(config: &Config) -> f64 {
    let place = |done| Place { done, total: config.steps, passes: 0 };
    (0..config.steps).map(|step| config.schedule.rate(config.lr, place(step), &Plateau::default())).sum()
}

/// Steps of the paper's first stage: 24 passes over ILSVRC-2012 in batches of 128.
const FIRST_STAGE: f64 = 24.0 * 10_010.0;

/// §5.
pub const DECAY: Experiment = Experiment {
    name: "decay",
    section: "5",
    title: "Weight decay",
    claim: "Decay of 0.0005 is not merely a regulariser: it lowers the training error.",
    arms: |scale| {
        let arm = |name, decays: bool| {
            plain(scale, name, "alexnet", Source::Ilsvrc2012).with(move |config| {
                config.decay = match (decays, scale) {
                    (false, _) => 0.0,
                    (true, Scale::Paper) => 0.0005,
                    (true, _) => 0.01 * 0.0005 * FIRST_STAGE / rates(config),
                };
            })
        };
        vec![arm("without", false), arm("with", true)]
    },
    measure: |_, trials| {
        let mut findings = vec![in_training(trials, "without", "with", Some((-1.0, "lower")))];
        findings.extend(held_out(trials, "without", "with", None));
        Ok(Outcome::of(findings))
    },
    choose: no_choice,
    notes: &[
        "At small scale the decay is scaled so that rate × decay × steps ÷ (1 − momentum) is that of the paper's first \
              stage, at a constant rate. It is 12: a weight that no gradient holds shrinks by e^12 within the run, however \
              short the run is.",
    ],
};

/// §3.2, Figure 2 and the original's configurations 127, 132 and 150.
pub const TALK: Experiment = Experiment {
    name: "talk",
    section: "3.2, Figure 2",
    title: "Where the columns talk",
    claim: "The columns talk at some layers only, a pattern found by cross-validation. The original's notes have a network \
            whose columns do not talk before the last layer (150): 1.16 and 1.12 points worse.",
    arms: |scale| {
        let arm = |name, talk| {
            plain(scale, name, "alexnet", Source::Ilsvrc2012).with(move |config| config.variation.talk = talk)
        };
        vec![
            arm("paper", Talk::Paper),
            arm("fc", Talk::Fc),
            arm("conv4", Talk::Conv4),
            arm("none", Talk::None),
            arm("150", Talk::Wide),
            arm("all", Talk::All),
        ]
    },
    measure: |_, trials| {
        let mut findings = Vec::new();
        for arm in ["fc", "conv4", "none", "all"] {
            findings.extend(held_out(trials, "paper", arm, None).into_iter().take(1));
        }
        findings.extend(held_out(trials, "paper", "150", Some([(1.16, "+1.16"), (1.12, "+1.12")])));
        Ok(Outcome::of(findings))
    },
    choose: no_choice,
    notes: &[
        "fc: conv3 reads its own column (127). conv4: conv4 reads both instead of conv3 (132). none: nothing before the \
              last layer, the paper's widths. 150: the same with wider layers. all: every layer reads both.",
    ],
};

/// §7.
pub const DEPTH: Experiment = Experiment {
    name: "depth",
    section: "7",
    title: "Without a middle layer",
    claim: "Removing any of the middle layers costs about 2 points of top-1 error.",
    arms: |scale| {
        let arm = |name: &str| plain(scale, name, "alexnet", Source::Ilsvrc2012);
        let mut arms = vec![arm("whole"), arm("no conv3").with(without(Part::Conv3))];
        if !scale.is_small() {
            arms.push(arm("no conv4").with(without(Part::Conv4)));
            arms.push(arm("no conv5").with(without(Part::Conv5)));
        }
        arms
    },
    measure: |_, trials| {
        let paper = Some([(2.0, "about +2"), (2.0, "more")]);
        let arms = ["no conv3", "no conv4", "no conv5"].into_iter().filter(|arm| trials.has(arm));
        Ok(Outcome::of(arms.flat_map(|arm| held_out(trials, "whole", arm, paper).into_iter().take(1)).collect()))
    },
    choose: no_choice,
    notes: &[
        "The layer after one that is missing reads what it read: conv4 both pool2, fc6 both pools of 192 maps.",
        "The small network's conv3, conv4 and conv5 are equally wide: the same network remains whichever is left out.",
    ],
};

/// Table 1.
pub const TABLE1: Experiment = Experiment {
    name: "table1",
    section: "6, Table 1",
    title: "One network on ILSVRC-2010",
    claim: "37.5 % top-1 and 17.0 % top-5 with ten views; 39.0 % and 18.3 % with the centre alone.",
    arms: |scale| vec![plain(scale, "CNN", "alexnet", Source::Ilsvrc2010)],
    measure: |lab, trials| {
        let runs = trials.arm("CNN");
        let findings = views(lab, runs, -1.5, -1.3)?;
        let mean = |side: &Side| Interval::of(&side.values).map_or(side.values[0], |interval| interval.mean);
        let row = |what: &str, errors: [f64; 2], paper: &str| {
            [what.to_owned(), format!("{:.1} % / {:.1} %", errors[0], errors[1]), paper.to_owned()]
        };
        let sides = |i: usize| [mean(&findings[0].sides[i]), mean(&findings[1].sides[i])];
        let table = vec![
            row("CNN, centre: top-1 / top-5 error", sides(0), "39.0 % / 18.3 %"),
            row("CNN, ten views: top-1 / top-5 error", sides(1), "37.5 % / 17.0 %"),
        ];
        Ok(Outcome { findings, table, ..Outcome::default() })
    },
    choose: no_choice,
    notes: &[
        "At small scale the numbers are those of drawn images of ten classes; only the gain of ten views compares.",
    ],
};
