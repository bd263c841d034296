//! Figure 3: whether one column's filters are for colour and the other's are not.

use super::comparisons::plain;
use super::experiment::{Experiment, Finding, Outcome, Side, Source, Trials, no_choice};
use super::lab::Lab;
use super::statistics::{permutation_test, short};
use crate::draw;
use crate::error::Result;
use crate::filters;
use crate::run::Config;
use crate::train::Trained;
use crate::variation::Talk;
use crate::weights::{self, Array, Weights};
use std::fs;

/// Permutations of each test.
const DRAWS: usize = 10_000;

/// Figure 3.
pub const FIG3: Experiment = Experiment {
    name: "fig3",
    section: "6.1, Figure 3",
    title: "Colour in one column",
    claim: "The filters on GPU 1 are largely colour-agnostic, those on GPU 2 largely colour-specific, in every run and whatever \
            the initial weights.",
    arms: |scale| {
        let arm = |name, talk| {
            plain(scale, name, "alexnet", Source::Ilsvrc2012).with(move |c: &mut Config| c.variation.talk = talk)
        };
        vec![arm("paper", Talk::Paper), arm("all", Talk::All)]
    },
    measure,
    choose: no_choice,
    notes: &[
        "The colour index of a filter is the share of its energy outside the grey direction. Compared is the absolute \
         difference of the two columns' means, beside that of the weights each run began with.",
    ],
};

/// Share of each filter's energy that is not grey; of `[maps, 3, k, k]`.
fn colour(weight: &Array) -> Vec<f64> {
    let place = weight.dims[2] * weight.dims[3];
    let index = |filter: &[f32]| {
        let at = |channel: usize, i: usize| f64::from(filter[channel * place + i]);
        let (mut all, mut grey) = (0.0, 0.0);
        for i in 0..place {
            let [r, g, b] = [0, 1, 2].map(|channel| at(channel, i));
            all += r * r + g * g + b * b;
            grey += (r + g + b).powi(2) / 3.0;
        }
        1.0 - grey / f64::max(all, f64::MIN_POSITIVE)
    };
    weight.data.chunks_exact(3 * place).map(index).collect()
}

fn apart(indices: &[f64]) -> f64 {
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (first, second) = indices.split_at(indices.len() / 2);
    (mean(first) - mean(second)).abs()
}

fn first_layer(run: &Trained) -> Result<Array> {
    let net = run.config.network()?;
    let tensor = net.tensors().swap_remove(0);
    let data = Weights::read(&run.run)?.take(&net)?.swap_remove(0);
    Ok(Array { dims: tensor.dims, data })
}

fn measure(lab: &Lab, trials: &Trials) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut trained = Vec::new();
    for arm in ["paper", "all"] {
        let mut indices = Vec::new();
        let mut untrained = Vec::new();
        for (run, seed) in trials.arm(arm).iter().zip(&trials.seeds) {
            let weight = first_layer(run)?;
            let own = colour(&weight);
            let net = run.config.network()?;
            let begun = weights::initial_as(&net, run.config.recipe, run.config.init, run.config.seed).swap_remove(0);
            untrained.push(apart(&colour(&Array { dims: weight.dims.clone(), data: begun })));
            let p = permutation_test(&own, own.len() / 2, DRAWS, *seed);
            let means = own.chunks(own.len() / 2).map(|part| part.iter().sum::<f64>() / part.len() as f64);
            let words: Vec<_> = means.map(short).collect();
            outcome.table.push([
                format!("--talk {arm}, seed {seed}: colour index of the columns; p of the permutation test"),
                format!("{}; p = {}", words.join(" and "), short(p)),
                "—".to_owned(),
            ]);
            indices.push(apart(&own));
            if arm == "paper" && *seed == trials.seeds[0] {
                let folder = lab.folder.join("pictures");
                fs::create_dir_all(&folder).map_err(crate::Error::io(&folder))?;
                draw::write_png(&filters::draw(&weight, net.table.columns)?, &folder.join("fig3.png"))?;
                outcome
                    .pictures
                    .push(("fig3.png".to_owned(), "Filters of conv1, first column above, second below.".to_owned()));
            }
        }
        let untrained = Side::new("untrained", untrained);
        let own = Side::new(format!("--talk {arm}"), indices);
        let what = format!("difference of the columns' mean colour indices, --talk {arm} − untrained");
        let paper = (arm == "paper").then_some((1.0, "one column is for colour"));
        outcome.findings.push(Finding::difference(what, untrained, own.clone(), paper));
        trained.push(own);
    }
    let what = "difference of the columns' mean colour indices, --talk paper − --talk all";
    let [paper, all] = <[Side; 2]>::try_from(trained).expect("two arms");
    outcome.findings.push(Finding::difference(what, all, paper, None));
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_has_no_colour_and_opposites_have_nothing_else() {
        let array = |data: &[f32]| Array { dims: vec![data.len() / 3, 3, 1, 1], data: data.to_vec() };
        let indices = colour(&array(&[1.0, 1.0, 1.0, 1.0, -1.0, 0.0, 3.0, 0.0, 0.0]));
        for (index, expected) in indices.iter().zip([0.0, 1.0, 2.0 / 3.0]) {
            assert!((index - expected).abs() < 1e-12, "{indices:?}");
        }
        assert!((apart(&[0.0, 0.2, 0.5, 0.7]) - 0.5).abs() < 1e-12);
    }
}
