//! Fine-tuning: frozen rows, factors of the rate, a new last layer; and training errors in use.

mod common;

use alexnet::alexnet::TINY;
use alexnet::machine::{Machine, Settings};
use alexnet::net::Net;
use alexnet::plan::{Plan, phases};
use alexnet::recipe::Figures;
use alexnet::train;
use common::binary::{done, fails};
use common::{adapters, open, seeded};
use serde_json::Value;
use std::fs;
use std::path::Path;

const IMAGES: usize = 6;

fn net(freeze: &str, scale: &str) -> Net {
    let list = |text: &str| text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let rates = train::factors(&TINY, &list(freeze), &list(scale)).unwrap();
    Net::resolve(&TINY, 10, 0.5).unwrap().with_rates(&rates)
}

/// Velocities after the first step, and weights after `steps`.
fn trained(net: &Net, placement: &str, steps: u64) -> (Vec<Vec<f32>>, Vec<Vec<f32>>, Machine) {
    let settings =
        Settings { batch: IMAGES, accumulate: 1, figures: Figures::Source, momentum: 0.9, decay: 0.0005, seed: 3 };
    let mut machine = Machine::new(net, &open(placement, 2), settings).unwrap();
    machine.set_weights(&alexnet::bench::weights(net)).unwrap();
    let batch = seeded::batch(net, IMAGES);
    let mut gradients = Vec::new();
    for step in 1..=steps {
        machine.step(&batch, step, 1e-3).unwrap();
        if step == 1 {
            gradients = machine.momenta().unwrap();
        }
    }
    (gradients, machine.weights().unwrap(), machine)
}

#[test]
fn no_phase_computes_what_nothing_needs() {
    let words = |freeze: &str| {
        let net = net(freeze, "");
        phases(&net)
            .iter()
            .map(|phase| phase.name(&net))
            .filter(|name| !name.starts_with("forward"))
            .collect::<Vec<_>>()
    };
    let free = words("");
    assert!(free.contains(&"scatter conv3".to_owned()) && free.contains(&"backward conv1 to pool2".to_owned()));
    for freeze in ["conv1..conv2", "conv1..conv3"] {
        let frozen = words(freeze);
        assert!(!frozen.iter().any(|name| name.contains("scatter conv3") || name.contains("conv1")), "{frozen:?}");
        assert!(frozen.contains(&"backward conv3 to pool5".to_owned()), "{frozen:?}");
    }
    let head = words("conv1..fc7");
    assert_eq!(head[4..], ["backward fc8 to loss", "weights fc8 to loss", "update"]);
    let profile = alexnet::gpu::Profile::webgpu();
    let bytes = |freeze: &str| Plan::new(&net(freeze, ""), &[&profile], 64, 1).unwrap().bytes(0);
    assert!(bytes("conv1..fc7") < bytes(""), "no gradient of an activation, no space for it");
}

#[test]
fn frozen_rows_stay_and_the_others_learn_as_before() {
    let _alone = common::alone();
    let Some(row) = adapters().first().map(|row| row.index) else { return };
    let free = net("", "");
    let begun = alexnet::bench::weights(&free);
    let (gradients, ..) = trained(&free, &row.to_string(), 1);
    for freeze in ["conv1..conv2", "conv1..conv3", "conv4", "conv1,conv5..fc6", "conv1..fc7"] {
        for placement in [row.to_string(), format!("{row},{row}")] {
            let net = net(freeze, "");
            let (own, weights, _) = trained(&net, &placement, 2);
            for (i, tensor) in net.tensors().iter().enumerate() {
                let what = format!("{} with {freeze} frozen on {placement}", tensor.name);
                if net.learns(tensor.row) {
                    assert!(own[i] == gradients[i], "the velocity of {what}");
                    assert!(weights[i] != begun[i], "{what} did not learn");
                } else {
                    assert!(weights[i] == begun[i], "{what} learned");
                }
            }
        }
    }
}

#[test]
fn a_factor_multiplies_the_rate_of_its_row_alone() {
    let _alone = common::alone();
    let Some(row) = adapters().first().map(|row| row.index.to_string()) else { return };
    let begun = alexnet::bench::weights(&net("", ""));
    let (_, plain, _) = trained(&net("", ""), &row, 1);
    let (_, scaled, _) = trained(&net("", "fc8=10"), &row, 1);
    for (i, tensor) in net("", "").tensors().iter().enumerate() {
        if tensor.name.starts_with("fc8") {
            for ((a, b), w) in plain[i].iter().zip(&scaled[i]).zip(&begun[i]) {
                let (a, b) = (f64::from(a - w), f64::from(b - w));
                assert!((b - 10.0 * a).abs() <= 1e-6 + 1e-3 * b.abs(), "{}: {a} became {b}", tensor.name);
            }
        } else {
            assert!(plain[i] == scaled[i], "{}", tensor.name);
        }
    }
}

fn lines(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn weights_of_other_classes_are_tuned_and_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let small = "--net tiny --batch 8 --checkpoint-every 2 --eval-every 2 --keep 9";
    done(folder, "synth first --classes 3 --train 8 --val 2");
    done(folder, "synth second --classes 4 --train 6 --val 2 --seed 1");
    done(folder, &format!("train first --run base --steps 2 {small}"));
    fails(folder, &format!("train second --weights base --steps 5 {small}"), 1, &["3 classes", "4"]);
    fails(folder, &format!("train second --freeze conv9 {small}"), 2, &["conv9", "conv1, conv2"]);
    fails(folder, "train second --new-head", 2, &["--weights"]);
    fails(folder, "train second --until-train-error 0.5", 2, &["--train-error"]);
    let tune =
        "train second --weights base --new-head --freeze conv1..conv5 --lr-scale fc8=10 --train-error 5 --steps 5";
    done(folder, &format!("{tune} --run tuned {small}"));
    let run = folder.join("tuned");
    let config: toml::Table = fs::read_to_string(run.join("config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["rates"]["conv3"].as_float(), Some(0.0));
    assert_eq!(config["rates"]["fc8"].as_float(), Some(10.0));
    let card = fs::read_to_string(run.join("README.md")).unwrap();
    for part in ["but their last layer", "conv1 frozen", "fc8 ×10", "--new-head", "on 5 training images"] {
        assert!(card.contains(part), "{part} in {card}");
    }
    // A line of either split an evaluation, in order.
    let evaluated: Vec<_> =
        lines(&run).iter().filter_map(|l| Some((l["step"].as_u64()?, l.get("split")?.as_str()?.to_owned()))).collect();
    let expected: Vec<_> =
        [2, 4, 5].iter().flat_map(|&step| [(step, "val".to_owned()), (step, "train".to_owned())]).collect();
    assert_eq!(evaluated, expected);

    // Cut back to the middle, it ends with the same bytes.
    let weights = |step: &str| fs::read(run.join(step).join("weights.safetensors")).unwrap();
    let (end, before) = (weights("step-0000005"), lines(&run).len());
    for step in ["step-0000004", "step-0000005"] {
        fs::remove_dir_all(run.join(step)).unwrap();
    }
    fails(folder, "train second --resume tuned --freeze conv1", 2, &["--freeze", "rates"]);
    fails(folder, "train second --resume tuned --train-error 9", 2, &["--train-error 9", "5"]);
    done(folder, "train second --resume tuned --freeze conv1..conv5 --lr-scale fc8=10");
    assert!(weights("step-0000005") == end, "another end");
    assert_eq!(lines(&run).len(), before);
}

#[test]
fn a_run_ends_at_its_training_error() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, "synth data --classes 2 --train 8 --val 2");
    let words =
        "train data --net tiny --batch 8 --steps 400 --eval-every 10 --dropout 0 --augment none --val-fraction 0";
    done(folder, &format!("{words} --train-error 16 --until-train-error 0.05 --run run --schedule constant"));
    let run = folder.join("run");
    let last = lines(&run).pop().unwrap();
    assert_eq!(last["split"], "train");
    let step = last["step"].as_u64().unwrap();
    assert!(last["top1_error"].as_f64().unwrap() <= 0.05 && step < 400, "{last}");
    assert!(run.join(format!("step-{step:07}")).is_dir());
    let out = done(folder, "train data --resume run --val-fraction 0");
    assert!(out.contains("finished"), "{out}");
}
