//! Against PyTorch: one training step of `tiny`, and what the full nets answer. `tests/golden/make.py` made the files.

mod common;

use alexnet::alexnet::{ALEXNET, ALEXNET_2012, HALF, TINY};
use alexnet::net::{Net, Table};
use alexnet::reference::run;
use common::golden::{Golden, near};
use common::seeded;

/// Seed and step of the masks; the seed needs more than 32 bits.
const TRAIN: (u64, u32) = (7 + (5 << 32), 3);
/// f64 against f64: the order of sums differs, nothing else.
const TOLERANCE: f64 = 1e-9;

fn check_probabilities(what: &str, got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        near(&format!("{what}[{i}]"), *got, *expected, tolerance * expected);
    }
}

#[test]
fn step_of_tiny_in_the_reference() {
    let golden = Golden::open("tiny.safetensors");
    for (case, p) in [("plain", 0.0), ("dropout", 0.5)] {
        let net = Net::resolve(&TINY, 10, p).unwrap();
        let weights = seeded::widen(&seeded::weights(&net));
        let pass = run(&net, &weights, &seeded::batch(&net, 8), Some(TRAIN), true);
        let loss = golden.scalar(&format!("{case}.loss"));
        near(&format!("{case}.loss"), pass.loss, loss, TOLERANCE * loss);
        let key = format!("{case}.probabilities");
        check_probabilities(&key, &pass.probabilities, &golden.get(&key), TOLERANCE);
        for (tensor, gradient) in net.tensors().iter().zip(&pass.gradients) {
            golden.check_gradient(&format!("{case}.{}", tensor.name), gradient, TOLERANCE);
        }
    }
}

fn check_answers(table: &'static Table) {
    let net = Net::resolve(table, 1000, 0.5).unwrap();
    let weights = seeded::widen(&seeded::weights(&net));
    let pass = run(&net, &weights, &seeded::batch(&net, 2), None, false);
    let expected = Golden::open("full.safetensors").get(table.name);
    check_probabilities(table.name, &pass.probabilities, &expected, TOLERANCE);
}

#[test]
fn answers_of_alexnet_in_the_reference() {
    check_answers(&ALEXNET);
}

#[test]
fn answers_of_alexnet_2012_in_the_reference() {
    check_answers(&ALEXNET_2012);
}

#[test]
fn answers_of_half_in_the_reference() {
    check_answers(&HALF);
}
