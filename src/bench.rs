//! Rates of a training step, of each kernel and of the exchange. Random input; every layer and the update are included.

use crate::cases::{self, Case};
use crate::check;
use crate::data::{Batch, Pixels};
use crate::error::{Error, Result};
use crate::gpu::Device;
use crate::layer::Layer;
use crate::machine::{Machine, Outcome, Settings};
use crate::net::Net;
use crate::random;
use crate::recipe::{self, Figures, Init};
use crate::solo::Solo;
use crate::trace::Span;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

mod exchange;
pub use exchange::{ExchangeReport, exchange};

/// A training step's rate.
#[derive(Clone, Debug, Serialize)]
pub struct StepReport {
    /// Name of the network's table.
    pub net: String,
    /// Images a step.
    pub batch: usize,
    /// Name, backend and driver of each.
    pub adapters: Vec<String>,
    /// Kernel family of each adapter.
    pub kernels: Vec<String>,
    /// Steps timed, after one that compiles the kernels and one that settles.
    pub steps: usize,
    /// Images a second, at the median step.
    pub images_per_second: f64,
    /// Seconds of the median, the fastest and the slowest step.
    pub seconds: f64,
    /// Seconds of the fastest step.
    pub fastest: f64,
    /// Seconds of the slowest step.
    pub slowest: f64,
    /// Seconds a step the host carried data between devices, most of it while they computed.
    pub exchange: f64,
    /// Seconds a step the host recorded commands, the next step's while this one ran.
    pub recording: f64,
    /// Seconds a step the host handed commands to the driver; a software adapter's may compute meanwhile.
    pub submitting: f64,
    /// Bytes each adapter holds; nothing more is allocated once the first step begins.
    pub bytes: Vec<u64>,
    /// Seconds from the start to the end of the first step.
    pub first_step: f64,
}

impl fmt::Display for StepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, batch {}, {} steps timed", self.net, self.batch, self.steps)?;
        for ((adapter, kernels), bytes) in self.adapters.iter().zip(&self.kernels).zip(&self.bytes) {
            writeln!(f, "{adapter}, {kernels} kernels, {} MiB", bytes >> 20)?;
        }
        writeln!(
            f,
            "{:.1} images/s: {:.1} ms a step ({:.1} to {:.1})",
            self.images_per_second,
            self.seconds * 1e3,
            self.fastest * 1e3,
            self.slowest * 1e3,
        )?;
        writeln!(
            f,
            "host: recording {:.1} ms a step, submitting {:.1}, carrying between adapters {:.1}",
            self.recording * 1e3,
            self.submitting * 1e3,
            self.exchange * 1e3,
        )?;
        write!(f, "first step after {:.1} s", self.first_step)
    }
}

/// Pseudo-random pixels and labels.
pub fn batch(net: &Net, images: usize) -> Batch {
    let len = images * net.rows[0].x.len();
    Batch {
        side: net.table.crop,
        pixels: Pixels::Floats((0..len as u32).map(|i| (random::hash(&[1, i]) % 256) as f32 - 128.0).collect()),
        labels: (0..images as u32).map(|n| random::hash(&[2, n]) % net.classes as u32).collect(),
    }
}

/// Uniform weights with the recipe's standard deviations, by a counter: equal on every machine.
pub fn weights(net: &Net) -> Vec<Vec<f32>> {
    let tensor = |(salt, tensor): (usize, &crate::net::Tensor)| {
        let value = |i: usize| match recipe::init(net, Figures::Source, tensor) {
            Init::Constant(value) => value,
            Init::Normal(deviation) => {
                let unit = f64::from(random::hash(&[salt as u32, i as u32])) / 2_147_483_648.0 - 1.0;
                (unit * 3f64.sqrt() * f64::from(deviation)) as f32
            }
        };
        (0..tensor.len()).map(value).collect()
    };
    net.tensors().iter().enumerate().map(tensor).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Times `steps` training steps of `net`, each begun before the one before it is finished, as in training. With `trace`,
/// also what ran when during one step more.
///
/// # Errors
/// As [`Machine::new`] and [`Machine::step`].
pub fn step(
    net: &Net,
    devices: &[Arc<Device>],
    images: usize,
    accumulate: usize,
    steps: usize,
    trace: bool,
) -> Result<(StepReport, Vec<Span>)> {
    let start = Instant::now();
    let recipe = recipe::defaults(net.table);
    let settings = Settings {
        batch: images,
        accumulate,
        figures: Figures::Source,
        momentum: recipe.momentum as f32,
        decay: recipe.decay as f32,
        seed: 0,
    };
    let mut machine = Machine::new(net, devices, settings)?;
    machine.set_weights(&weights(net))?;
    let batch = batch(net, images);
    // Pure noise teaches nothing: a small rate keeps every value finite, at the same cost.
    let rate = 1e-5;
    machine.step(&batch, 1, rate)?;
    let first_step = start.elapsed().as_secs_f64();
    let mut last = machine.step(&batch, 2, rate)?.ended;
    let mut seconds = Vec::with_capacity(steps);
    let mut outcomes = Vec::with_capacity(steps);
    machine.begin(&batch, 3, rate)?;
    for step in 0..steps as u64 {
        if step + 1 < steps as u64 {
            machine.begin(&batch, step + 4, rate)?;
        }
        let outcome = machine.finish()?;
        seconds.push((outcome.ended - last).as_secs_f64());
        last = outcome.ended;
        outcomes.push(outcome);
    }
    let spans = if trace { machine.trace(&batch, steps as u64 + 3, rate)?.1 } else { Vec::new() };
    let middle = median(seconds.clone());
    let of = |part: fn(&Outcome) -> f64| median(outcomes.iter().map(part).collect());
    let report = StepReport {
        net: net.table.name.to_owned(),
        batch: images,
        adapters: devices.iter().map(|d| d.describe()).collect(),
        kernels: devices.iter().map(|d| d.profile.family.to_string()).collect(),
        steps,
        images_per_second: images as f64 / middle,
        seconds: middle,
        fastest: seconds.iter().copied().fold(f64::INFINITY, f64::min),
        slowest: seconds.iter().copied().fold(0.0, f64::max),
        exchange: of(|outcome| outcome.exchange),
        recording: of(|outcome| outcome.host.recording),
        submitting: of(|outcome| outcome.host.submitting),
        bytes: (0..devices.len()).map(|device| machine.plan().bytes(device)).collect(),
        first_step,
    };
    Ok((report, spans))
}

/// One kernel of one row.
#[derive(Clone, Debug, Serialize)]
pub struct KernelReport {
    /// Name of the row.
    pub row: String,
    /// `forward` or `backward`.
    pub pass: &'static str,
    /// Name of the kernel, or what kind of copy.
    pub kernel: &'static str,
    /// Median seconds of one run, submission included.
    pub seconds: f64,
    /// 2 · multiply-adds / second / 1e9, where the kernel is a product.
    pub gflops: Option<f64>,
    /// Bytes bound or copied / second / 1e9.
    pub gigabytes: f64,
}

impl fmt::Display for KernelReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gflops = self.gflops.map_or_else(String::new, |rate| format!("{rate:.1} GFLOP/s"));
        write!(
            f,
            "{:<7} {:<9} {:<22} {:>9.3} ms {:>15} {:>8.1} GB/s",
            self.row,
            self.pass,
            self.kernel,
            self.seconds * 1e3,
            gflops,
            self.gigabytes
        )
    }
}

/// Checks every row of one column of `net` against the reference, then times its kernels `repeats` times.
///
/// # Errors
/// A kernel that gives wrong numbers: its time would mean nothing.
pub fn kernels(
    net: &Net,
    device: &Arc<Device>,
    images: usize,
    repeats: usize,
    mut each: impl FnMut(&KernelReport),
) -> Result<()> {
    let mut seen: Vec<(Layer, crate::shape::Shape)> = Vec::new();
    for case in cases::of(net, images) {
        if seen.contains(&(case.layer, case.x)) {
            continue;
        }
        seen.push((case.layer, case.x));
        if let Ok(rows) = std::env::var("ROW") {
            if !rows.split(',').any(|r| r == case.name) {
                continue;
            }
        }
        for checked in check::run(device, &Case { images: 1, ..case.clone() })? {
            if !checked.passed() {
                return Err(Error::Limit(format!("{checked}\nrun `alexnet check` and report its output")));
            }
        }
        let solo = Solo::new(device, &case)?;
        let adds = (case.layer.multiply_adds(case.x, solo.y_shape) * images) as f64;
        for (pass, program) in [("forward", solo.forward()), ("backward", solo.backward())] {
            program.submit(device)?;
            let runs = (0..repeats).map(|_| program.time(device)).collect::<Result<Vec<_>>>()?;
            for (i, timed) in runs[0].iter().enumerate() {
                let seconds = median(runs.iter().map(|run| run[i].seconds).collect());
                let (folder, name) = timed.name.split_once('/').unwrap_or((timed.name, ""));
                let products = ["forward", "forward_few", "backward_data", "backward_weight"];
                let product = ["conv", "lanes"].contains(&folder) && products.contains(&name);
                each(&KernelReport {
                    row: case.name.clone(),
                    pass,
                    kernel: timed.name,
                    seconds,
                    gflops: product.then(|| 2.0 * adds / seconds / 1e9),
                    gigabytes: timed.bytes as f64 / seconds / 1e9,
                });
            }
        }
    }
    Ok(())
}
