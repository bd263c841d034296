//! Whole training steps on every adapter: against the reference, against PyTorch, over ten steps, and when they fail.

mod common;

use alexnet::alexnet::{ALEXNET, HALF, TINY};
use alexnet::check::nmse;
use alexnet::data::{Batch, Crops, Pixels, Square, Stats, View};
use alexnet::error::Error;
use alexnet::gpu::Device;
use alexnet::machine::{Machine, Settings};
use alexnet::net::{Net, Table};
use alexnet::products::Choices;
use alexnet::recipe::Figures;
use alexnet::reference;
use common::golden::{Golden, near};
use common::{adapters, devices, seeded};
use std::sync::Arc;

/// Seed and step of the masks in the golden file.
const TRAIN: (u64, u32) = (7 + (5 << 32), 3);

fn settings(batch: usize) -> Settings {
    Settings { batch, accumulate: 1, figures: Figures::Source, momentum: 0.9, decay: 0.0005, seed: TRAIN.0 }
}

fn machine(net: &Net, device: &Arc<Device>, batch: usize) -> Machine {
    let mut machine = Machine::new(net, std::slice::from_ref(device), settings(batch)).unwrap();
    machine.set_weights(&seeded::weights(net)).unwrap();
    machine
}

/// Weights as training begins with them.
fn begun(net: &Net, device: &Arc<Device>, batch: usize) -> Machine {
    let mut machine = machine(net, device, batch);
    machine.set_weights(&alexnet::bench::weights(net)).unwrap();
    machine
}

/// Bytes that the device finishes train as the floats that the host finishes, in micro-batches too and after another
/// batch with another mean.
#[test]
fn crops_train_as_their_floats() {
    let _alone = common::alone();
    let net = Net::resolve(&TINY, 10, 0.5).unwrap();
    let (size, side, images) = (TINY.image, TINY.crop, 6);
    let batch = |salt: u32| {
        let mut stats = Stats::published(size);
        stats.mean.iter_mut().enumerate().for_each(|(i, mean)| *mean += (i as u32 * salt % 7) as f32);
        let mut crops = Crops::new(Arc::new(stats));
        for n in 0..images {
            let rgb = (0..3 * size * size).map(|i| alexnet::random::hash(&[salt, n, i as u32]) as u8).collect();
            let view = View { noise: [1.5, -3.0, n as f32], ..View::plain(n as usize, 8 - n as usize, n % 2 == 0) };
            crops.push(&Square { size, rgb }, view, side);
        }
        Batch { side, pixels: Pixels::Crops(crops), labels: (0..images).map(|n| n % 10).collect() }
    };
    let floats = |batch: &Batch| Batch { pixels: Pixels::Floats(batch.floats().into_owned()), ..batch.clone() };
    for device in devices() {
        let train = |as_floats: bool| {
            let settings = Settings { accumulate: 2, ..settings(images as usize) };
            let mut machine = Machine::new(&net, std::slice::from_ref(&device), settings).unwrap();
            machine.set_weights(&alexnet::bench::weights(&net)).unwrap();
            let step = |(step, salt): (u64, u32)| {
                let batch = if as_floats { floats(&batch(salt)) } else { batch(salt) };
                machine.step(&batch, step, 0.001).unwrap().loss
            };
            [(1, 1), (2, 2), (3, 1)].map(step)
        };
        let (bytes, floats) = (train(false), train(true));
        for (a, b) in bytes.into_iter().zip(floats) {
            assert!((a - b).abs() <= 1e-5 * b.abs(), "{bytes:?}, not {floats:?}, on {}", device.describe());
        }
    }
}

/// The device with the kernels of `--exact`.
fn exact(device: &Arc<Device>) -> Arc<Device> {
    device.with_choices(Choices { exact: true, ..Choices::default() })
}

#[test]
fn a_step_of_tiny_equals_the_reference_and_pytorch() {
    let _alone = common::alone();
    let golden = Golden::open("tiny.safetensors");
    // Winograd's rounding is larger, and where it moves a value past zero ReLU makes it a whole gradient.
    let forms = devices().into_iter().flat_map(|device| [(exact(&device), 1e-9), (device, 1e-7)]);
    for (device, limit) in forms {
        for (case, p) in [("plain", 0.0), ("dropout", 0.5)] {
            let net = Net::resolve(&TINY, 10, p).unwrap();
            let batch = seeded::batch(&net, 8);
            let mut machine = machine(&net, &device, 8);
            let outcome = machine.step(&batch, u64::from(TRAIN.1), 1e-3).unwrap();
            let weights = seeded::widen(&seeded::weights(&net));
            let pass = reference::run(&net, &weights, &batch, Some(TRAIN), true);
            near("loss", outcome.loss, pass.loss, 1e-5 * pass.loss);
            near("top-1 error", outcome.top1_error, pass.top1_error, 1e-12);
            near("top-5 error", outcome.top5_error, pass.top5_error, 1e-12);
            near("PyTorch's loss", outcome.loss, golden.scalar(&format!("{case}.loss")), 1e-5 * pass.loss);
            let found = seeded::gradients(&machine, &seeded::weights(&net), 1e-3, settings(8));
            for ((tensor, found), expected) in net.tensors().iter().zip(&found).zip(&pass.gradients) {
                let error = nmse(found, expected);
                assert!(error < limit, "{case}, {} on {}: {error:e}", tensor.name, device.describe());
                let wide: Vec<f64> = found.iter().copied().map(f64::from).collect();
                golden.check_gradient(&format!("{case}.{}", tensor.name), &wide, 1e-3);
            }
            let (mut w, mut v) = (weights[0].clone(), vec![0.0; weights[0].len()]);
            reference::sgd(&mut w, &mut v, &pass.gradients[0], 1e-3, 0.9, 0.0005);
            assert!(nmse(&machine.weights().unwrap()[0], &w) < 1e-12);
            assert!(nmse(&machine.momenta().unwrap()[0], &v) < limit);
        }
    }
}

#[test]
fn alexnet_answers_as_in_pytorch() {
    let _alone = common::alone();
    for device in devices() {
        let net = Net::resolve(&ALEXNET, 1000, 0.5).unwrap();
        let mut machine = machine(&net, &device, 2);
        let found = machine.probabilities(&seeded::batch(&net, 2)).unwrap();
        let expected = Golden::open("full.safetensors").get("alexnet");
        let error = nmse(&found, &expected);
        assert!(error < 1e-8, "{}: {error:e}", device.describe());
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            near(&format!("probability {i}"), f64::from(*found), *expected, 1e-4 * expected);
        }
    }
}

/// Ten steps on one batch, pinned: what the exact kernels gave on the day they were written, on llvmpipe.
#[test]
fn ten_losses() {
    let _alone = common::alone();
    const LOSSES: [f64; 10] =
        [2.461092, 2.316708, 2.282580, 2.250046, 2.214520, 2.166927, 2.118883, 2.089887, 2.093979, 2.118249];
    for device in devices() {
        let net = Net::resolve(&TINY, 10, 0.5).unwrap();
        let batch = seeded::batch(&net, 32);
        let mut machine = begun(&net, &exact(&device), 32);
        let losses: Vec<_> = (1..=10).map(|step| machine.step(&batch, step, 3e-3).unwrap().loss).collect();
        for (step, (found, pinned)) in (1..).zip(losses.iter().zip(LOSSES)) {
            assert!((found - pinned).abs() < 1e-3 * pinned, "step {step} on {}: {losses:?}", device.describe());
        }
    }
}

#[test]
fn one_batch_is_overfitted() {
    let _alone = common::alone();
    for device in devices() {
        let net = Net::resolve(&TINY, 10, 0.0).unwrap();
        let batch = seeded::batch(&net, 8);
        let mut machine = begun(&net, &device, 8);
        let first = machine.step(&batch, 1, 1e-3).unwrap().loss;
        let last = (2..=50).map(|step| machine.step(&batch, step, 1e-3).unwrap()).last().unwrap();
        assert!(last.loss < 0.05 && last.top1_error == 0.0, "{}: {first} to {last:?}", device.describe());
        // In use, too: the probabilities are those of the images learned.
        let probabilities = machine.probabilities(&batch).unwrap();
        for (image, &label) in probabilities.chunks(10).zip(&batch.labels) {
            assert!(image[label as usize] > 0.9, "{image:?} for {label}");
        }
    }
}

#[test]
fn nan_stops_the_step_and_is_named() {
    let _alone = common::alone();
    for device in devices() {
        let net = Net::resolve(&TINY, 10, 0.5).unwrap();
        let batch = seeded::batch(&net, 4);
        let mut broken = seeded::weights(&net);
        broken[0][5] = f32::NAN;
        let mut machine = machine(&net, &device, 4);
        machine.set_weights(&broken).unwrap();
        let error = machine.step(&batch, 7, 0.01).unwrap_err();
        assert!(matches!(&error, Error::Diverged(why) if why.contains("step 7") && why.contains("1e-2")), "{error}");
        // The step that is queued behind it is not blamed.
        let mut machine = self::machine(&net, &device, 4);
        machine.set_weights(&broken).unwrap();
        machine.begin(&batch, 7, 0.01).unwrap();
        machine.begin(&batch, 8, 0.01).unwrap();
        let error = machine.finish().unwrap_err();
        assert!(matches!(&error, Error::Diverged(why) if why.contains("step 7")), "{error}");
        assert_eq!(machine.pending(), 0);
        // A rate that throws the weights to infinity.
        let mut machine = self::machine(&net, &device, 4);
        let error = (1..20).find_map(|step| machine.step(&batch, step, 1e30).err()).expect("it diverges");
        assert!(matches!(error, Error::Diverged(_)), "{error}");
    }
}

/// `half`'s fc6 (151 MB) and fc8 of 16,000 classes (262 MB) under WebGPU's default limits: 128 MiB a binding, 256 MiB a
/// buffer. More classes than a buffer holds are refused in words.
#[test]
fn half_runs_within_default_limits() {
    let _alone = common::alone();
    let Some(row) = adapters().first() else { return };
    let net = Net::resolve(&HALF, 16_000, 0.5).unwrap();
    let device = row.open_with_default_limits().unwrap();
    assert_eq!(device.raw.limits().max_storage_buffer_binding_size, 128 << 20);
    let batch = seeded::batch(&net, 2);
    let weights = seeded::weights(&net);
    let mut machine = machine(&net, &device, 2);
    let outcome = machine.step(&batch, 1, 1e-3).unwrap();
    let pass = reference::run(&net, &seeded::widen(&weights), &batch, Some((TRAIN.0, 1)), false);
    near("loss", outcome.loss, pass.loss, 1e-4 * pass.loss);
    let after = machine.weights().unwrap();
    for (i, tensor) in net.tensors().iter().enumerate() {
        if !["fc6.weight", "fc8.weight"].contains(&&*tensor.name) {
            continue;
        }
        assert!(4 * weights[i].len() > 128 << 20 && after[i].iter().all(|w| w.is_finite()), "{}", tensor.name);
        // Both ends of the tensor moved: every range was bound.
        let moved = |range: std::ops::Range<usize>| range.clone().any(|at| after[i][at] != weights[i][at]);
        let len = weights[i].len();
        assert!(moved(0..len / 8) && moved(len - len / 8..len), "{}", tensor.name);
    }
    let more = Net::resolve(&HALF, 22_000, 0.5).unwrap();
    let refused = Machine::new(&more, &[device], settings(2)).err().expect("360 MB").to_string();
    assert!(refused.contains("fc8.weight") && refused.contains("360448000"), "{refused}");
}

/// A batch that no binding could hold whole still runs, as micro-batches.
#[test]
fn large_batches_run_as_micro_batches() {
    let _alone = common::alone();
    fn net(table: &'static Table) -> Net {
        Net::resolve(table, 10, 0.5).unwrap()
    }
    let Some(device) = devices().into_iter().next() else { return };
    let small = alexnet::gpu::Profile { max_binding: 4 << 20, ..device.profile.clone() };
    let device = device.with_profile(small);
    let machine = machine(&net(&TINY), &device, 200);
    assert!(machine.plan().micro_batches > 1);
    drop(machine);
    let batch: Batch = seeded::batch(&net(&TINY), 200);
    let mut machine = self::machine(&net(&TINY), &device, 200);
    assert!(machine.step(&batch, 1, 1e-3).unwrap().loss.is_finite());
}
