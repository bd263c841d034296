//! Two columns on one device, on two devices of one adapter, and on two adapters.
//!
//! `make test` runs this file once more with `ALEXNET_TWO_ADAPTERS=1` and two copies of the software driver, each with
//! one thread: two adapters of one driver.

mod common;

use alexnet::alexnet::TINY;
use alexnet::gpu::Device;
use alexnet::machine::{Machine, Settings};
use alexnet::net::Net;
use alexnet::plan::{Phase, crosses};
use alexnet::products::Choices;
use alexnet::random::hash;
use alexnet::recipe::{self, Figures};
use common::{adapters, open, seeded};
use std::sync::Arc;

fn net() -> Net {
    Net::resolve(&TINY, 10, 0.5).unwrap()
}

fn machine(devices: &[Arc<Device>], images: usize, accumulate: usize) -> Machine {
    let settings =
        Settings { batch: images, accumulate, figures: Figures::Source, momentum: 0.9, decay: 0.0005, seed: 11 };
    let mut machine = Machine::new(&net(), devices, settings).unwrap();
    machine.set_weights(&alexnet::bench::weights(&net())).unwrap();
    machine
}

/// Losses of some steps and the weights after them.
fn train(placement: &str, images: usize, steps: u64) -> (Vec<f64>, Vec<Vec<f32>>) {
    train_on(&open(placement, 2), images, steps)
}

/// The losses with the kernels of `--exact`, which differ only in the order of their sums.
fn train_exactly(placement: &str, images: usize, steps: u64) -> Vec<f64> {
    let exact = Choices { exact: true, ..Choices::default() };
    let devices: Vec<_> = open(placement, 2).iter().map(|device| device.with_choices(exact.clone())).collect();
    train_on(&devices, images, steps).0
}

fn train_on(devices: &[Arc<Device>], images: usize, steps: u64) -> (Vec<f64>, Vec<Vec<f32>>) {
    let mut machine = machine(devices, images, 1);
    let batch = seeded::batch(&net(), images);
    let losses = (1..=steps).map(|step| machine.step(&batch, step, recipe::TINY.lr as f32).unwrap().loss).collect();
    (losses, machine.weights().unwrap())
}

fn bits(weights: &[Vec<f32>]) -> Vec<u32> {
    weights.iter().flatten().map(|w| w.to_bits()).collect()
}

#[test]
fn one_adapter_gives_the_same_bytes_with_one_device_and_two() {
    let _alone = common::alone();
    for row in adapters() {
        let (one, two) = (row.index.to_string(), format!("{0},{0}", row.index));
        let (a, b) = (train(&one, 10, 3), train(&two, 10, 3));
        assert!(bits(&a.1) == bits(&b.1), "{one} and {two} differ on {}: {:?}, {:?}", row.info.name, a.0, b.0);
        assert_eq!(a.0, b.0);
    }
}

/// What is really allocated stays within what the plan prints, and the loop makes nothing.
#[test]
fn everything_is_made_before_the_first_step() {
    let _alone = common::alone();
    let Some(row) = adapters().first().map(|row| row.index) else { return };
    for placement in [row.to_string(), format!("{row},{row}")] {
        let devices = open(&placement, 2);
        let mut machine = machine(&devices, 10, 2);
        for (index, device) in devices.iter().enumerate() {
            let (made, planned) = (device.account.bytes(), machine.plan().bytes(index));
            assert!(made <= planned && planned - made < 1 << 16, "{placement}: {made} bytes, {planned} planned");
        }
        let count = || devices.iter().map(|device| device.account.made()).sum::<u64>();
        let (before, batch) = (count(), seeded::batch(&net(), 10));
        for step in 1..=4 {
            machine.step(&batch, step, 1e-3).unwrap();
        }
        assert!(before > 0);
        assert_eq!(before, count(), "{placement}: buffers, bind groups or pipelines were made in the loop");
    }
}

/// A step that is begun before the one before it is finished ends with the same bytes.
#[test]
fn steps_ahead_change_nothing() {
    let _alone = common::alone();
    let Some(row) = adapters().first().map(|row| row.index) else { return };
    for placement in [row.to_string(), format!("{row},{row}")] {
        let mut machine = machine(&open(&placement, 2), 10, 1);
        let batch = seeded::batch(&net(), 10);
        let rate = recipe::TINY.lr as f32;
        machine.begin(&batch, 1, rate).unwrap();
        machine.begin(&batch, 2, rate).unwrap();
        let mut losses = vec![machine.finish().unwrap().loss];
        machine.begin(&batch, 3, rate).unwrap();
        losses.extend([machine.finish().unwrap().loss, machine.finish().unwrap().loss]);
        assert_eq!(machine.pending(), 0);
        let (expected, weights) = train(&placement, 10, 3);
        assert_eq!(losses, expected, "{placement}");
        assert!(bits(&machine.weights().unwrap()) == bits(&weights), "{placement}");
    }
}

#[test]
fn two_adapters_agree() {
    let _alone = common::alone();
    let rows = adapters();
    let driver = |i: usize| (rows[i].info.backend, rows[i].info.driver.clone(), rows[i].info.driver_info.clone());
    let mut equal_pairs = 0;
    for i in 0..rows.len() {
        for j in i + 1..rows.len() {
            let pair = format!("{i},{j}");
            if driver(i) == driver(j) {
                equal_pairs += 1;
                let (alone, both) = (train(&i.to_string(), 10, 3), train(&pair, 10, 3));
                assert!(bits(&alone.1) == bits(&both.1), "{i} and {pair} differ: {:?}, {:?}", alone.0, both.0);
            } else {
                let (alone, both) = (train_exactly(&i.to_string(), 8, 20), train_exactly(&pair, 8, 20));
                for (step, (a, b)) in (1..).zip(alone.iter().zip(&both)) {
                    assert!((a - b).abs() <= 1e-4 * a.abs(), "{i} and {pair}, step {step}: losses {a} and {b}");
                }
            }
        }
    }
    let promised = std::env::var("ALEXNET_TWO_ADAPTERS").is_ok();
    assert!(!promised || equal_pairs > 0, "ALEXNET_TWO_ADAPTERS is set, and no two adapters share a driver");
}

/// ⟨gather(x), y⟩ = ⟨x, scatter(y)⟩ for every crossing, on one device and on two.
#[test]
fn gather_and_scatter_are_adjoint() {
    let _alone = common::alone();
    let net = net();
    let random = |salt: u32, len: usize| -> Vec<f32> {
        (0..len as u32).map(|i| hash(&[salt, i]) as f32 / 2_147_483_648.0 - 1.0).collect()
    };
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let Some(row) = adapters().first().map(|row| row.index) else { return };
    for placement in [row.to_string(), format!("{row},{row}")] {
        let mut machine = machine(&open(&placement, 2), 5, 1);
        for before in (0..net.rows.len()).filter(|&r| crosses(&net, r)) {
            let mut xs = Vec::new();
            let mut ys = Vec::new();
            for column in machine.columns() {
                let cut = column.cut(before).unwrap();
                let x = random(column.index as u32, cut.output.len);
                cut.output.write(&column.device, &x);
                xs.push(x);
                ys.push(cut.input_gradient.as_ref().map(|tensor| {
                    let y = random(7 + column.index as u32, tensor.len);
                    tensor.write(&column.device, &y);
                    y
                }));
            }
            machine.run(&[Phase::Gather { before }]).unwrap();
            let gathered: f64 = machine
                .columns()
                .iter()
                .zip(&ys)
                .filter_map(|(column, y)| {
                    let input = column.cut(before).unwrap().input.as_ref()?;
                    Some(dot(&input.read(&column.device).unwrap(), y.as_ref()?))
                })
                .sum();
            machine.run(&[Phase::Scatter { before }, Phase::Add { before }]).unwrap();
            let scattered: f64 = machine
                .columns()
                .iter()
                .zip(&xs)
                .map(|(column, x)| dot(&column.cut(before).unwrap().output_gradient.read(&column.device).unwrap(), x))
                .sum();
            assert!(gathered.abs() > 0.1, "{gathered} checks nothing");
            let error = (gathered - scattered).abs();
            let row = net.rows[before].name;
            assert!(error < 1e-3 * gathered.abs(), "{placement}, {row}: {gathered} and {scattered}");
        }
    }
}

/// Micro-batches and a batch smaller than the machine's give the whole batch's gradients, masks included.
#[test]
fn accumulation_and_partial_batches_equal_the_whole() {
    let _alone = common::alone();
    let batch = seeded::batch(&net(), 10);
    let Some(row) = adapters().first().map(|row| row.index.to_string()) else { return };
    // The velocity after a first step is its gradient, scaled.
    let gradients = |images: usize, accumulate: usize| {
        let mut machine = machine(&open(&row, 2), images, accumulate);
        let loss = machine.step(&batch, 1, 1e-3).unwrap().loss;
        (loss, machine.momenta().unwrap())
    };
    let (loss, whole) = gradients(10, 1);
    for (images, accumulate) in [(10, 3), (10, 10), (45, 1), (64, 2)] {
        let (other_loss, other) = gradients(images, accumulate);
        assert!((loss - other_loss).abs() < 1e-5 * loss, "{images}/{accumulate}: {loss} and {other_loss}");
        for ((tensor, a), b) in net().tensors().iter().zip(&whole).zip(&other) {
            let wide: Vec<f64> = a.iter().copied().map(f64::from).collect();
            let error = alexnet::check::nmse(b, &wide);
            assert!(error < 1e-10, "{images} images, {accumulate} micro-batches: {} by {error:e}", tensor.name);
        }
    }
}
