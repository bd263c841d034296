//! Table 2: one network, five averaged, and networks that were trained on more classes first.

use super::comparisons::{STEPS, last, net, percent, plain, short};
use super::experiment::{Arm, Experiment, Finding, Outcome, Scale, Side, Source, Trials, no_choice};
use super::lab::Lab;
use super::statistics::Interval;
use crate::data::Split;
use crate::error::Result;
use crate::eval::Evaluation;
use crate::run::Config;
use crate::train::Trained;

/// Networks that are averaged.
const MEMBERS: usize = 5;
/// Networks that were trained on more classes first.
const TUNED: usize = 2;
/// From one member's seed to the next one's.
const APART: u64 = 1000;

/// Nothing is evaluated of what is only a beginning.
fn unwatched(config: &mut Config) {
    (config.data.val_images, config.train_error) = (0, 0);
}

/// Table 2.
pub const TABLE2: Experiment = Experiment {
    name: "table2",
    section: "6, Table 2",
    title: "Ensembles, and networks trained on more classes first",
    claim: "On ILSVRC-2012: one CNN 40.7 % / 18.2 %, five averaged 38.1 % / 16.4 %; one with a sixth convolution, trained on \
            Fall 2011 first, 39.0 % / 16.6 %; seven averaged, two such among them, 36.7 % / 15.4 %.",
    arms,
    measure,
    choose: no_choice,
    notes: &[
        "Fall 2011 is no longer given out: the larger source is another, at small scale drawn images of twenty classes, ten \
         of which the others do not know, fainter and more cluttered.",
    ],
};

fn member(i: usize) -> String {
    format!("CNN {}", i + 1)
}

fn tuned(i: usize) -> String {
    format!("CNN* {}", i + 1)
}

fn arms(scale: Scale) -> Vec<Arm> {
    let apart = |arm: Arm, i: usize| if i == 0 { arm } else { arm.with(move |config| config.seed += APART * i as u64) };
    let mut arms: Vec<_> =
        (0..MEMBERS).map(|i| apart(plain(scale, &member(i), "alexnet", Source::Ilsvrc2012), i)).collect();
    for i in 0..TUNED {
        let first = format!("pre-trained {}", i + 1);
        let more = if scale.is_small() { Source::More } else { Source::Pretrain };
        let arm = Arm::new(&first, net(scale, "alexnet-6"), more);
        let arm = if scale.is_small() { arm.with(short(STEPS)).with(unwatched) } else { arm };
        arms.push(apart(arm, i));
        let arm = apart(plain(scale, &tuned(i), "alexnet-6", Source::Ilsvrc2012), i);
        arms.push(Arm { after: Some(first), ..arm });
    }
    arms
}

fn measure(lab: &Lab, trials: &Trials) -> Result<Outcome> {
    let source = if lab.scale.is_small() { Source::Drawn } else { Source::Ilsvrc2012 };
    let names: Vec<_> = (0..MEMBERS).map(member).chain((0..TUNED).map(tuned)).collect();
    let mut averaged = [Vec::new(), Vec::new()];
    for seed in 0..trials.seeds.len() {
        let members: Vec<&Trained> = names.iter().map(|name| &trials.arm(name)[seed]).collect();
        let results = lab.ensembles(source, &members, &[MEMBERS, MEMBERS + TUNED], 1)?;
        averaged[0].push(results[0]);
        averaged[1].push(results[1]);
    }
    let of = |name: &str, list: &[Evaluation]| Side::new(name, list.iter().map(|e| 100.0 * e.top1_error).collect());
    // Of each seed the mean member, which no luck of one decides.
    let mean = |seed: usize| {
        let errors = (0..MEMBERS).map(|i| last(&trials.arm(&member(i))[seed], Split::Val).top1_error);
        100.0 * errors.sum::<f64>() / MEMBERS as f64
    };
    let one = Side::new("1 CNN (mean of five)", (0..trials.seeds.len()).map(mean).collect());
    let five = of("5 CNNs", &averaged[0]);
    let seven = of("7 CNNs*", &averaged[1]);
    let star = percent("1 CNN*", trials.arm(&tuned(0)), Split::Val, |line| line.top1_error);
    let centre = |side: &Side| Interval::of(&side.values).map_or(side.values[0], |interval| interval.mean);
    let row = |side: &Side, paper: &str| [side.name.clone(), format!("{:.1} %", centre(side)), paper.to_owned()];
    let table = vec![row(&one, "40.7 %"), row(&five, "38.1 %"), row(&star, "39.0 %"), row(&seven, "36.7 %")];
    let finding = |what: &str, a: &Side, b: &Side, paper| {
        Finding::difference(format!("held-out top-1 error, {what}, points"), a.clone(), b.clone(), Some(paper))
    };
    let findings = vec![
        finding("5 CNNs − 1 CNN", &one, &five, (-2.6, "−2.6")),
        finding("1 CNN* − 1 CNN", &one, &star, (-1.7, "−1.7")),
        finding("7 CNNs* − 5 CNNs", &five, &seven, (-1.4, "−1.4")),
    ];
    Ok(Outcome { findings, table, ..Outcome::default() })
}
