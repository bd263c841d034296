//! Mixed precision, on every adapter here that has f16: steps beside the reference, overflows, and whole runs.

mod common;

use alexnet::alexnet::TINY;
use alexnet::check::nmse;
use alexnet::gpu::Device;
use alexnet::machine::{Machine, Scale, Settings};
use alexnet::net::Net;
use alexnet::plan::Phase;
use alexnet::products::Precision;
use alexnet::recipe::Figures;
use alexnet::reference;
use common::binary::{fail, succeed, with_own_cache};
use common::seeded;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::Arc;

fn net(dropout: f32) -> Net {
    Net::resolve(&TINY, 10, dropout).unwrap()
}

fn mixed(device: &Arc<Device>) -> Option<Arc<Device>> {
    device.with_precision(Precision::Mixed).ok()
}

/// The adapters with f16, by number.
fn adapters() -> Vec<usize> {
    let rows = common::adapters().iter().filter(|row| row.features.contains(wgpu::Features::SHADER_F16));
    rows.map(|row| row.index).collect()
}

fn settings(batch: usize) -> Settings {
    Settings { batch, accumulate: 1, figures: Figures::Source, momentum: 0.9, decay: 0.0005, seed: 5 }
}

fn machine(devices: &[Arc<Device>], net: &Net, images: usize) -> Machine {
    let devices: Vec<_> = devices.iter().map(|device| mixed(device).unwrap()).collect();
    let mut machine = Machine::new(net, &devices, settings(images)).unwrap();
    machine.set_weights(&alexnet::bench::weights(net)).unwrap();
    machine
}

fn scale(exponent: u32) -> Scale {
    serde_json::from_value(json!({"exponents": [exponent, exponent], "clean": 0, "skipped": 0})).unwrap()
}

fn bits(tensors: &[Vec<f32>]) -> Vec<u32> {
    tensors.iter().flatten().map(|v| v.to_bits()).collect()
}

#[test]
fn a_step_is_near_the_reference_at_every_scale() {
    let _alone = common::alone();
    let net = net(0.0);
    for index in adapters() {
        let batch = seeded::batch(&net, 8);
        let mut machine = machine(&common::open(&index.to_string(), 2), &net, 8);
        let weights = seeded::widen(&alexnet::bench::weights(&net));
        let pass = reference::run(&net, &weights, &batch, Some((5, 1)), true);
        for exponent in [16, 8] {
            let start = alexnet::bench::weights(&net);
            machine.set_weights(&start).unwrap();
            machine.set_momenta(&start.iter().map(|tensor| vec![0.0; tensor.len()]).collect::<Vec<_>>()).unwrap();
            machine.set_scale(scale(exponent));
            let outcome = machine.step(&batch, 1, 1e-3).unwrap();
            assert!((outcome.loss - pass.loss).abs() < 1e-3 * pass.loss, "{} and {}", outcome.loss, pass.loss);
            assert!(outcome.scale == 2f64.powi(exponent as i32) && !outcome.skipped, "{outcome:?}");
            let gradients = seeded::gradients(&machine, &start, 1e-3, settings(8));
            for ((tensor, found), expected) in net.tensors().iter().zip(&gradients).zip(&pass.gradients) {
                let error = nmse(found, expected);
                // Below fc8, rounding turns a ReLU on or off and moves a pool's maximum here and there.
                let limit = if tensor.name.starts_with("fc8") { 1e-5 } else { 1e-2 };
                assert!(error < limit, "scale 2^{exponent}: {} by {error:e}", tensor.name);
            }
        }
    }
}

#[test]
fn one_batch_is_learned() {
    let _alone = common::alone();
    let net = net(0.0);
    for index in adapters() {
        let batch = seeded::batch(&net, 8);
        let mut machine = machine(&common::open(&index.to_string(), 2), &net, 8);
        let first = machine.step(&batch, 1, 1e-3).unwrap().loss;
        let last = (2..=40).map(|step| machine.step(&batch, step, 1e-3).unwrap().loss).last().unwrap();
        assert!(last < 0.2 * first, "{first} to {last}");
    }
}

#[test]
fn an_overflow_is_skipped_counted_and_halves_the_scale() {
    let _alone = common::alone();
    let net = net(0.5);
    for index in adapters() {
        let batch = seeded::batch(&net, 8);
        let mut ends = Vec::new();
        for placement in [index.to_string(), format!("{index},{index}")] {
            let mut machine = machine(&common::open(&placement, 2), &net, 8);
            machine.step(&batch, 1, 1e-3).unwrap();
            let before = [machine.weights().unwrap(), machine.momenta().unwrap()].map(|t| bits(&t));
            machine.set_scale(scale(60));
            // Two steps in the queue, begun at one scale.
            machine.begin(&batch, 2, 1e-3).unwrap();
            machine.begin(&batch, 3, 1e-3).unwrap();
            for _ in 0..2 {
                let outcome = machine.finish().unwrap();
                assert!(outcome.skipped && outcome.loss.is_finite(), "{outcome:?}");
            }
            let after = [machine.weights().unwrap(), machine.momenta().unwrap()].map(|t| bits(&t));
            assert!(before == after, "{placement}: a skipped step changed something");
            let now = machine.scale().unwrap();
            assert_eq!((now.skipped, now.exponent(0), now.exponent(1)), (2, 59, 59));
            machine.set_scale(scale(16));
            assert!(!machine.step(&batch, 4, 1e-3).unwrap().skipped);
            ends.push(bits(&machine.weights().unwrap()));
            assert!(ends[0] != before[0]);
        }
        assert!(ends[0] == ends[1], "one device and two end with other bytes");
    }
}

/// What overflows in one column stops the update of all.
#[test]
fn columns_skip_together() {
    let _alone = common::alone();
    let net = net(0.5);
    for index in adapters() {
        let batch = seeded::batch(&net, 8);
        for placement in [index.to_string(), format!("{index},{index}")] {
            let mut machine = machine(&common::open(&placement, 2), &net, 8);
            machine.step(&batch, 1, 1e-3).unwrap();
            for broken in [Some(0), Some(1), None] {
                let before = bits(&machine.weights().unwrap());
                if let Some(column) = broken {
                    let column = &machine.columns()[column];
                    let gradient = column.parameters[0][0].gradient.kept();
                    gradient.slice(gradient.len - 1..gradient.len).write(&column.device, &[f32::INFINITY]);
                }
                machine.run(&[Phase::Update]).unwrap();
                let same = before == bits(&machine.weights().unwrap());
                assert_eq!(same, broken.is_some(), "{placement}, {broken:?}");
                // For the next round.
                if let Some(column) = broken {
                    let column = &machine.columns()[column];
                    let gradient = column.parameters[0][0].gradient.kept();
                    gradient.slice(gradient.len - 1..gradient.len).write(&column.device, &[0.0f32]);
                }
            }
        }
    }
}

#[test]
fn adapters_without_f16_are_named() {
    for device in common::devices().iter().filter(|device| !device.profile.half) {
        let error = device.with_precision(Precision::Mixed).err().expect("it has no f16").to_string();
        assert!(error.contains(&device.info.name) && error.contains("SHADER_F16"), "{error}");
    }
}

fn done(folder: &Path, words: &[&str]) -> (String, String) {
    succeed(with_own_cache(folder, words))
}

#[test]
fn runs_keep_their_precision_and_their_scale() {
    let _alone = common::alone();
    let Some(adapter) = adapters().first().map(ToString::to_string) else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    done(path, &["synth", "data", "--classes", "2", "--train", "8", "--val", "2"]);
    let words = ["train", "data", "--net", "tiny", "--batch", "4", "--checkpoint-every", "2", "--adapters", &adapter];
    let more = ["--steps", "5", "--run", "run", "--precision", "mixed"];
    let (_, said) = done(path, &[&words[..], &more].concat());
    assert!(said.contains("precision: mixed"), "{said}");
    let config = fs::read_to_string(path.join("run/config.toml")).unwrap();
    assert!(config.contains("precision = \"mixed\"") && config.contains("wide f16"), "{config}");
    let read = |file: &str| fs::read(path.join("run").join(file)).unwrap();
    let ended = ["step-0000005/weights.safetensors", "step-0000005/momentum.safetensors", "step-0000005/state.json"];
    let first = ended.map(read);
    // Without its last checkpoint it goes on to the same bytes.
    fs::remove_dir_all(path.join("run/step-0000005")).unwrap();
    done(path, &["train", "data", "--resume", "run"]);
    assert!(first == ended.map(read), "a resumed run ended with other bytes");
    // With another scale in its checkpoint it begins with that one.
    fs::remove_dir_all(path.join("run/step-0000005")).unwrap();
    let state = path.join("run/step-0000004/state.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&state).unwrap()).unwrap();
    json["scale"]["exponents"] = json!([60, 60]);
    fs::write(&state, json.to_string()).unwrap();
    let (_, said) = done(path, &["train", "data", "--resume", "run", "--precision", "mixed"]);
    assert!(said.contains("step 5: a gradient overflowed at loss scale"), "{said}");
    let metrics = fs::read_to_string(path.join("run/metrics.jsonl")).unwrap();
    let lines: Vec<Value> = metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.iter().rfind(|line| line["step"] == 5 && line["split"].is_null()).unwrap();
    assert_eq!((&last["skipped"], &last["scale"]), (&json!(1), &json!(2f64.powi(60))));
    let after: Value = serde_json::from_slice(&read("step-0000005/state.json")).unwrap();
    assert_eq!(after["scale"], json!({"exponents": [60, 59], "clean": 0, "skipped": 1}));
    assert!(read("step-0000004/weights.safetensors") == read("step-0000005/weights.safetensors"));
    // Use and speed.
    let (found, said) = done(path, &["eval", "run", "data", "--precision", "mixed", "--adapters", &adapter]);
    assert!(found.contains("4 images") && said.contains("precision: mixed"), "{found}{said}");
    let bench = ["bench", "step", "--net", "tiny", "--batch", "4", "--steps", "1", "--adapters", &adapter];
    assert!(done(path, &[&bench[..], &["--precision", "mixed"]].concat()).0.contains("mixed"));
    // Refusals.
    fail(
        with_own_cache(path, &["train", "data", "--resume", "run", "--precision", "f32"]),
        2,
        &["--precision f32", "mixed"],
    );
    fail(
        with_own_cache(path, &[&words[..], &["--precision", "mixed", "--exact"]].concat()),
        2,
        &["--exact", "--precision mixed"],
    );
}
