//! The small two-column network learns one batch by heart: 32 drawn images, no data set, no files.
//!
//! `cargo run --release --example overfit [-- ADAPTERS]`, as in `alexnet train --adapters`.

use alexnet::alexnet::TINY;
use alexnet::data::{Batch, Pixels};
use alexnet::gpu;
use alexnet::machine::{Machine, Settings};
use alexnet::net::Net;
use alexnet::random;
use alexnet::recipe::Figures;
use alexnet::weights;

const CLASSES: usize = 10;
const IMAGES: usize = 32;
const STEPS: u64 = 40;
/// A third of the network's own rate, which overshoots on one batch without dropout.
const RATE: f32 = 0.001;

fn main() -> anyhow::Result<()> {
    // Dropout keeps a network from learning by heart, which is what is wanted here: none.
    let net = Net::resolve(&TINY, CLASSES, 0.0)?;
    let adapters = std::env::args().nth(1);
    let devices = gpu::select(adapters.as_deref(), net.table.columns)?;
    for device in &devices {
        println!("{}", device.describe());
    }

    // The paper's momentum and decay (§5).
    let settings =
        Settings { batch: IMAGES, accumulate: 1, figures: Figures::Source, momentum: 0.9, decay: 0.0005, seed: 0 };
    let mut machine = Machine::new(&net, &devices, settings)?;
    machine.set_weights(&weights::initial(&net, settings.figures, settings.seed))?;

    // Chance is ln 10 = 2.303 and nine errors in ten.
    let batch = stripes();
    let mut last = f64::NAN;
    for step in 1..=STEPS {
        let outcome = machine.step(&batch, step, RATE)?;
        if step == 1 || step % 10 == 0 {
            println!("step {step:2}  loss {:.4}  top-1 error {:5.1} %", outcome.loss, 100.0 * outcome.top1_error);
        }
        last = outcome.loss;
    }
    anyhow::ensure!(last < 0.1, "the loss is {last:.4} after {STEPS} steps, 0.1 or less was expected");
    println!("learned by heart");
    Ok(())
}

/// Stripes whose direction is the class, under noise that differs from image to image. As from the loader: RGB minus
/// the mean, `[N, 3, side, side]`.
fn stripes() -> Batch {
    let side = TINY.crop;
    let labels: Vec<u32> = (0..IMAGES).map(|n| (n % CLASSES) as u32).collect();
    let mut pixels = Vec::with_capacity(IMAGES * 3 * side * side);
    for (image, label) in labels.iter().enumerate() {
        let (sin, cos) = (std::f32::consts::PI * *label as f32 / CLASSES as f32).sin_cos();
        for place in 0..3 * side * side {
            let (x, y) = ((place % side) as f32, (place / side % side) as f32);
            let noise = (random::hash(&[image as u32, place as u32]) % 64) as f32 - 32.0;
            pixels.push(90.0 * (0.6 * (x * cos + y * sin)).sin() + noise);
        }
    }
    Batch { side, pixels: Pixels::Floats(pixels), labels }
}
