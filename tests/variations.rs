//! Varied networks: their sizes against figures worked out by hand, a step of each against the reference, and what the
//! commands make of the options.

mod common;

use alexnet::alexnet::{ALEXNET, CIFAR_11PCT, CIFAR_13PCT, CIFAR_18PCT, FIG1, HALF, TINY, TINY_6, TINY_HALF};
use alexnet::check::nmse;
use alexnet::machine::{Machine, Settings};
use alexnet::net::{Net, Reads, Table};
use alexnet::products::Choices;
use alexnet::recipe::Figures;
use alexnet::reference;
use alexnet::shape::Shape;
use alexnet::variation::{Activation, Part, Talk, Variation};
use common::binary::{done, fails};
use common::golden::near;
use common::seeded;
use std::fs;

fn without(parts: &[Part]) -> Variation {
    Variation { without: parts.iter().copied().collect(), ..Variation::NONE }
}

fn talk(talk: Talk) -> Variation {
    Variation { talk, ..Variation::NONE }
}

fn tanh() -> Variation {
    Variation { activation: Activation::Tanh, ..Variation::NONE }
}

fn net(table: &Table, variation: Variation, classes: usize) -> Net {
    Net::resolve(&table.varied(variation).unwrap(), classes, 0.5).unwrap()
}

fn readers(net: &Net) -> Vec<&'static str> {
    net.rows.iter().filter(|row| row.reads == Reads::Both).map(|row| row.name).collect()
}

#[test]
fn parameters_at_a_thousand_classes() {
    // conv3 192 + 192 maps of 256, conv4 of 192, conv5 128 + 128 of 192, each 3×3 with a bias.
    let (conv3, conv4, conv5) = (384 * (256 * 9 + 1), 384 * (192 * 9 + 1), 256 * (192 * 9 + 1));
    let fc6 = 4096 * (9216 + 1);
    let all = 60_965_224;
    let cases = [
        (without(&[Part::Norm]), all),
        (without(&[Part::Overlap]), all),
        // conv4 reads pool2 of both columns.
        (without(&[Part::Conv3]), all - conv3 - conv4 + 384 * (256 * 9 + 1)),
        (without(&[Part::Conv4]), all - conv4),
        // fc6 has 13,824 inputs.
        (without(&[Part::Conv5]), all - conv5 - fc6 + 4096 * (13_824 + 1)),
        (talk(Talk::Fc), all - conv3 + 384 * (128 * 9 + 1)),
        (talk(Talk::Conv4), all - conv3 + 384 * (128 * 9 + 1) - conv4 + 384 * (384 * 9 + 1)),
        (talk(Talk::None), 33_259_880),
        (talk(Talk::Wide), 81_591_720),
        // The network ungrouped.
        (talk(Talk::All), 62_378_344),
        (tanh(), all),
    ];
    for (variation, parameters) in cases {
        let net = net(&ALEXNET, variation, 1000);
        assert_eq!(net.parameters(), parameters, "{}", net.table);
    }
    let expected = 59_798_312 - 192 * (192 * 9 + 1);
    assert_eq!(net(&HALF, without(&[Part::Conv3]), 1000).parameters(), expected);
}

/// Configuration 147 of the original: 55 → 28 → 26 → 13 → 11 → 6, as far as the paper's network comes.
#[test]
fn without_overlap_the_paddings_keep_the_sizes() {
    let sides = |table: &Table| -> Vec<usize> {
        let net = net(table, without(&[Part::Overlap]), 10);
        ["conv1", "pool1", "conv2", "pool2", "conv4", "conv5", "pool5"]
            .map(|name| net.rows.iter().find(|row| row.name == name).unwrap().y.h)
            .to_vec()
    };
    assert_eq!(sides(&ALEXNET), [55, 28, 26, 13, 13, 11, 6]);
    assert_eq!(sides(&HALF), sides(&ALEXNET));
    assert_eq!(sides(&TINY), [31, 16, 14, 7, 7, 5, 3]);
}

#[test]
fn columns_meet_where_the_option_says() {
    let cases = [
        (talk(Talk::Paper), "conv3 fc6 fc7 fc8"),
        (talk(Talk::Fc), "fc6 fc7 fc8"),
        (talk(Talk::Conv4), "conv4 fc6 fc7 fc8"),
        (talk(Talk::None), "fc8"),
        (talk(Talk::Wide), "fc8"),
        (talk(Talk::All), "conv2 conv3 conv4 conv5 fc6 fc7 fc8"),
        (without(&[Part::Conv3]), "conv4 fc6 fc7 fc8"),
        (without(&[Part::Conv3, Part::Conv4, Part::Conv5]), "fc6 fc7 fc8"),
        (Variation { talk: Talk::Fc, ..without(&[Part::Conv3]) }, "fc6 fc7 fc8"),
    ];
    for (variation, expected) in cases {
        let net = net(&ALEXNET, variation, 1000);
        assert_eq!(readers(&net).join(" "), expected, "{}", net.table);
    }
    let wide = net(&ALEXNET, talk(Talk::Wide), 1000);
    let y = |name: &str| wide.rows.iter().find(|row| row.name == name).unwrap().y;
    assert_eq!((y("conv2").c, y("fc6"), y("fc7").c), (160, Shape::new(4096, 1, 1), 4096));
}

/// One step of `net` from `weights`, forward and backward, with the exact kernels of every device here.
fn step_equals_the_reference(net: &Net, weights: &[Vec<f32>]) {
    let (seed, step) = (11, 3);
    let batch = seeded::batch(net, 4);
    let pass = reference::run(net, &seeded::widen(weights), &batch, Some((seed, step)), true);
    for device in common::devices() {
        let device = device.with_choices(Choices { exact: true, ..Choices::default() });
        let settings =
            Settings { batch: 4, accumulate: 1, figures: Figures::Source, momentum: 0.9, decay: 0.0005, seed };
        let mut machine = Machine::new(net, std::slice::from_ref(&device), settings).unwrap();
        machine.set_weights(weights).unwrap();
        let outcome = machine.step(&batch, u64::from(step), 1e-3).unwrap();
        near(&net.table.to_string(), outcome.loss, pass.loss, 1e-5 * pass.loss);
        let found = seeded::gradients(&machine, weights, 1e-3, settings);
        for ((tensor, found), expected) in net.tensors().iter().zip(&found).zip(&pass.gradients) {
            let error = nmse(found, expected);
            assert!(error < 1e-9, "{}, {} on {}: {error:e}", net.table, tensor.name, device.describe());
        }
    }
}

/// Each of `tiny`'s, and two together.
#[test]
fn a_step_of_each_equals_the_reference() {
    let _alone = common::alone();
    let parts = [Part::Norm, Part::Overlap, Part::Conv3, Part::Conv4, Part::Conv5].map(|part| without(&[part]));
    let talks = [Talk::Fc, Talk::Conv4, Talk::None, Talk::Wide, Talk::All].map(talk);
    let both = Variation { activation: Activation::Tanh, talk: Talk::All, ..without(&[Part::Overlap, Part::Conv4]) };
    for variation in parts.into_iter().chain(talks).chain([tanh(), both]) {
        let net = net(&TINY, variation, 10);
        let mut weights = seeded::weights(&net);
        if net.table.variation.activation == Activation::Tanh {
            // Pixels are tens: tanh would be 1 in f32, where 1 − y² and a pool's winner are rounding.
            weights[0].iter_mut().for_each(|w| *w /= 64.0);
        }
        step_equals_the_reference(&net, &weights);
    }
}

/// The small networks beside `tiny`: with average pools, norms within a map and locally connected layers.
#[test]
fn a_step_of_the_others_equals_the_reference() {
    let _alone = common::alone();
    for table in [&TINY_6, &TINY_HALF, &FIG1, &CIFAR_18PCT, &CIFAR_13PCT, &CIFAR_11PCT] {
        let net = net(table, Variation::NONE, 10);
        step_equals_the_reference(&net, &seeded::weights(&net));
    }
}

/// The variation of a run is found again by every command, and weights of another are refused by name.
#[test]
fn a_run_keeps_its_variation() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, "synth data --classes 3 --train 8 --val 2");
    let options = "--net tiny --without overlap,conv4 --talk fc --activation tanh";
    done(folder, &format!("train data --run run {options} --batch 8 --steps 3 --checkpoint-every 2"));
    let config: toml::Table = fs::read_to_string(folder.join("run/config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["net"].as_str(), Some("tiny"));
    assert_eq!(config["variation"]["talk"].as_str(), Some("fc"));
    let card = fs::read_to_string(folder.join("run/README.md")).unwrap();
    for part in [options, "do not overlap", "without conv4", "fully connected layers alone", "tanh where"] {
        assert!(card.contains(part), "{part} in {card}");
    }
    let found = done(folder, "eval run data --json");
    assert_eq!(done(folder, &format!("eval run data --json {options}")), found);
    assert_eq!(done(folder, "filters run out.png"), "out.png\n");
    fails(folder, "eval run data --net tiny", 1, &[&options[6..], "not `tiny`", "conv3.weight has shape"]);
    let other = "--net tiny --without overlap,conv4 --talk fc";
    fails(folder, &format!("eval run data {other}"), 1, &["compute differently", options]);
    fails(folder, &format!("train data --run other --weights run {other}"), 1, &["of net `tiny --without overlap"]);
    fails(folder, "train data --resume run --talk none", 2, &["--talk none", "begun with fc"]);
    fails(folder, "train data --resume run --without norm", 2, &["--without norm", "begun with overlap,conv4"]);
    fs::remove_dir_all(folder.join("run/step-0000003")).unwrap();
    done(folder, "train data --resume run --without conv4,overlap");
    assert_eq!(done(folder, "eval run data --json"), found, "resumed to the same end");
}

#[test]
fn describe_prints_each_and_says_what_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let text = done(folder.path(), "describe --without conv3 --talk all --activation tanh");
    assert!(text.starts_with("alexnet --without conv3 --talk all --activation tanh: 1,000 classes"), "{text}");
    assert!(!text.contains("\nconv3") && text.contains("tanh4   tanh"), "{text}");
    fails(folder.path(), "describe --net half --talk fc", 2, &["--talk fc: half", "--without norm|overlap|conv3"]);
    fails(folder.path(), "describe --without pool", 2, &["norm, overlap, conv3, conv4, conv5"]);
    fails(folder.path(), "describe --talk 127", 2, &["paper, fc, conv4, none, 150, all"]);
}
