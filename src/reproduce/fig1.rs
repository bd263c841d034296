//! Figure 1: ReLU and tanh on the four-layer network, steps to 25 % training error.

use super::experiment::{Arm, Experiment, Finding, Outcome, Scale, Side, Source, Trials};
use super::lab::Lab;
use crate::data::Augment;
use crate::error::Result;
use crate::schedule::Schedule;
use crate::train::Trained;
use crate::variation::Activation;

/// Rates that each network is tried with.
const GRID: [f64; 3] = [0.0003, 0.001, 0.003];
/// Training error at which a run ends (the figure's dashed line).
const TARGET: f64 = 0.25;
/// Steps between evaluations.
const EVERY: u64 = 20;
/// Steps after which a run counts as one that never gets there.
const MOST: u64 = 240;
/// Images a step at small scale.
const BATCH: usize = 32;
const ACTIVATIONS: [Activation; 2] = [Activation::Relu, Activation::Tanh];

/// §3.1.
pub const FIG1: Experiment = Experiment {
    name: "fig1",
    section: "3.1, Figure 1",
    title: "ReLU against tanh",
    claim: "A four-layer network with ReLUs reaches 25 % training error on CIFAR-10 six times faster than one with tanh \
            units, each at the rate that suits it, without regularisation.",
    arms,
    measure,
    notes: &[
        "The four-layer network is cuda-convnet's 18pct net without normalisation, which the paper does not name. Rates are \
         chosen for each network from the same grid: the one that gets there first in the mean over the seeds.",
    ],
};

fn name(activation: Activation, rate: f64) -> String {
    format!("{} at {rate}", crate::run::word(&activation))
}

fn arms(scale: Scale) -> Vec<Arm> {
    let pairs = ACTIVATIONS.into_iter().flat_map(|activation| GRID.map(|rate| (activation, rate)));
    let arm = |(activation, rate)| {
        let source = if scale.is_small() { Source::Drawn } else { Source::Cifar };
        Arm::new(name(activation, rate), "fig1", source).with(move |config| {
            config.variation.activation = activation;
            (config.lr, config.schedule) = (rate, Schedule::Constant);
            (config.decay, config.dropout, config.augment) = (0.0, 0.0, Augment::None);
            (config.eval_every, config.until_train_error) = (EVERY, Some(TARGET));
            // Nothing is held out: what counts is the training error.
            config.data.val_images = 0;
            if scale.is_small() {
                (config.steps, config.batch, config.train_error) = (MOST, BATCH, 500);
            }
        })
    };
    pairs.map(arm).collect()
}

/// Step at which a run got there.
fn reached(run: &Trained) -> Option<u64> {
    run.evaluations.iter().find(|line| line.top1_error <= TARGET).map(|line| line.step)
}

fn measure(_: &Lab, trials: &Trials) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut sides = Vec::new();
    for activation in ACTIVATIONS {
        let tried = GRID.map(|rate| {
            let arm = name(activation, rate);
            let runs = trials.arm(&arm);
            Side::steps(&arm, &runs.iter().map(reached).collect::<Vec<_>>(), runs[0].config.steps)
        });
        for side in &tried {
            let steps: Vec<_> = (0..side.values.len()).map(|i| side.word(i)).collect();
            outcome.table.push([format!("steps of {}", side.name), steps.join(", "), "—".to_owned()]);
        }
        let mean =
            |side: &Side| side.values.iter().sum::<f64>() + side.at_least.iter().filter(|&&bound| bound).count() as f64;
        sides.extend(tried.into_iter().min_by(|a, b| mean(a).total_cmp(&mean(b))));
    }
    let [relu, tanh] = <[Side; 2]>::try_from(sides).expect("two activations");
    let what = format!("steps to 25 % training error, {} ÷ {}", tanh.name, relu.name);
    outcome.findings.push(Finding::ratio(what, relu, tanh, Some((6.0, "six"))));
    Ok(outcome)
}
