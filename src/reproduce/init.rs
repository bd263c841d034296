//! §5: the standard deviation at which training stalls.

use super::comparisons::net;
use super::experiment::{Arm, Experiment, Finding, Outcome, Scale, Side, Source, Trials, no_choice};
use super::lab::Lab;
use crate::error::Result;
use crate::recipe::Start;
use crate::schedule::Schedule;
use crate::train::Trained;

/// Steps of a small run.
const STEPS: u64 = 240;
/// Steps over which the loss is averaged.
const WINDOW: usize = 50;
/// Share of ln(classes) under which a run has left it.
const LEFT: f64 = 0.9;

/// §5.
pub const INIT: Experiment = Experiment {
    name: "init",
    section: "5",
    title: "The stall: standard deviation 0.01 against 0.03",
    claim: "The paper says 0.01 in every layer and biases 1; its source has 0.03 in conv3-5. With 0.01 many replications never \
            left ln(classes).",
    arms,
    measure,
    choose: no_choice,
    notes: &[
        "At small scale each layer has the standard deviation for which fan-in × σ² equals the paper's layer.",
        "A run has left ln(classes) once its mean loss over 50 steps is under 0.9 of it.",
    ],
};

fn arms(scale: Scale) -> Vec<Arm> {
    let arm = |name: &str, init| {
        let source = if scale.is_small() { Source::Drawn } else { Source::Ilsvrc2012 };
        Arm::new(name, net(scale, "alexnet"), source).with(move |config| {
            config.init = init;
            if scale.is_small() {
                (config.steps, config.lr, config.schedule) = (STEPS, 0.005, Schedule::Constant);
                (config.data.val_images, config.train_error) = (0, 0);
            }
        })
    };
    vec![arm("0.01", Start::Paper), arm("0.03", Start::Source)]
}

/// The step at which a run left ln(classes).
fn left(run: &Trained) -> Option<u64> {
    let limit = LEFT * (run.config.classes.len() as f64).ln();
    let mean =
        |steps: &[crate::metrics::StepLine]| steps.iter().map(|line| line.loss).sum::<f64>() / steps.len() as f64;
    run.steps.windows(WINDOW).find(|steps| mean(steps) < limit).map(|steps| steps[WINDOW - 1].step)
}

fn measure(_: &Lab, trials: &Trials) -> Result<Outcome> {
    let side = |arm: &str| {
        let runs = trials.arm(arm);
        Side::steps(arm, &runs.iter().map(left).collect::<Vec<_>>(), runs[0].config.steps)
    };
    let (small, large) = (side("0.01"), side("0.03"));
    let mut outcome = Outcome::default();
    for side in [&small, &large] {
        let steps: Vec<_> = (0..side.values.len()).map(|i| side.word(i)).collect();
        outcome.table.push([format!("step of leaving ln(classes), σ {}", side.name), steps.join(", "), "—".to_owned()]);
    }
    let what = "steps to leave ln(classes), σ 0.01 ÷ σ 0.03 in conv3-5";
    outcome.findings.push(Finding::ratio(what, large, small, Some((2.0, "many with 0.01 never leave it"))));
    Ok(outcome)
}
