//! Rates of a training step or its forward pass, of each kernel and of the exchange. Random input; every layer is included,
//! and in a step the update.

use crate::data::{Batch, Pixels};
use crate::error::Result;
use crate::gpu::Device;
use crate::machine::{Machine, Outcome, Settings};
use crate::net::Net;
use crate::products::Precision;
use crate::random;
use crate::recipe::{self, Figures, Init};
use crate::trace::Span;
use crate::tune;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

mod baseline;
mod ceiling;
mod exchange;
mod kernels;

pub use baseline::Baseline;
pub use ceiling::{Ceiling, Kernels, ceiling};
pub use exchange::{ExchangeReport, exchange};
pub use kernels::{KernelReport, Line, Of, ProductReport, Total, kernels};

/// What the host did during a median step.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct HostReport {
    /// Seconds the host carried data between devices, most of it while they computed.
    pub exchange: f64,
    /// Seconds the host recorded commands, the next step's while this one ran.
    pub recording: f64,
    /// Seconds the host handed commands to the driver; a software adapter's may compute meanwhile.
    pub submitting: f64,
}

/// The rate of a training step, or of the forward pass alone.
#[derive(Clone, Debug, Serialize)]
pub struct StepReport {
    /// Name of the network's table.
    pub net: String,
    /// `training` or `forward`.
    pub pass: &'static str,
    /// Images a step.
    pub batch: usize,
    /// Name, backend and driver of each.
    pub adapters: Vec<String>,
    /// Kernel family of each adapter, and how many of its products run as they were tuned.
    pub kernels: Vec<String>,
    /// Micro-batches a step.
    pub accumulate: usize,
    /// Of the products' operands.
    pub precision: Precision,
    /// Whether only kernels ran that compute each product as it is defined, in f32.
    pub exact: bool,
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
    /// In training.
    #[serde(flatten)]
    pub host: Option<HostReport>,
    /// Bytes each adapter holds; nothing more is allocated once the first step begins.
    pub bytes: Vec<u64>,
    /// Seconds from the start to the end of the first step.
    pub first_step: f64,
}

impl fmt::Display for StepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { net, pass, batch, precision, steps, .. } = self;
        writeln!(f, "{net}, {pass}, batch {batch}, {precision}, {steps} steps timed")?;
        for ((adapter, kernels), bytes) in self.adapters.iter().zip(&self.kernels).zip(&self.bytes) {
            writeln!(f, "{adapter}: {kernels}, {} MiB", bytes >> 20)?;
        }
        writeln!(
            f,
            "{:.1} images/s: {:.1} ms a step ({:.1} to {:.1})",
            self.images_per_second,
            self.seconds * 1e3,
            self.fastest * 1e3,
            self.slowest * 1e3,
        )?;
        if let Some(host) = self.host {
            writeln!(
                f,
                "host: recording {:.1} ms a step, submitting {:.1}, carrying between adapters {:.1}",
                host.recording * 1e3,
                host.submitting * 1e3,
                host.exchange * 1e3,
            )?;
        }
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

/// The family of kernels, and how many products run as they were tuned.
fn words(device: &Device, tasks: &[tune::Task]) -> String {
    let (chosen, all) = tune::count(device, tasks);
    format!("{} kernels, {chosen} of {all} products as tuned", device.profile.family)
}

/// The middle one of an odd number of values.
pub fn median(mut values: Vec<f64>) -> f64 {
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
    let recipe = recipe::defaults(&net.table);
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
    let of = |part: fn(&Outcome) -> f64| median(outcomes.iter().map(part).collect());
    let host = HostReport {
        exchange: of(|outcome| outcome.exchange),
        recording: of(|outcome| outcome.host.recording),
        submitting: of(|outcome| outcome.host.submitting),
    };
    Ok((report(&machine, devices, settings, &seconds, first_step, Some(host)), spans))
}

/// Times `steps` forward passes of `net`, as in use: images go in, probabilities come out, one batch after the other.
///
/// # Errors
/// As [`Machine::new`] and [`Machine::probabilities`].
pub fn forward(net: &Net, devices: &[Arc<Device>], images: usize, steps: usize) -> Result<StepReport> {
    let start = Instant::now();
    let settings = Settings::inference(images);
    let mut machine = Machine::in_use(net, devices, images)?;
    machine.set_weights(&weights(net))?;
    let batch = batch(net, images);
    machine.probabilities(&batch)?;
    let first_step = start.elapsed().as_secs_f64();
    machine.probabilities(&batch)?;
    let mut pass = || {
        let start = Instant::now();
        machine.probabilities(&batch)?;
        Ok(start.elapsed().as_secs_f64())
    };
    let seconds = (0..steps).map(|_| pass()).collect::<Result<Vec<_>>>()?;
    Ok(report(&machine, devices, settings, &seconds, first_step, None))
}

/// Of passes that took `seconds` each; of training where the host's part is known.
fn report(
    machine: &Machine,
    devices: &[Arc<Device>],
    settings: Settings,
    seconds: &[f64],
    first_step: f64,
    host: Option<HostReport>,
) -> StepReport {
    let (net, plan) = (machine.net(), machine.plan());
    let middle = median(seconds.to_vec());
    StepReport {
        net: net.table.to_string(),
        pass: if host.is_some() { "training" } else { "forward" },
        batch: settings.batch,
        adapters: devices.iter().map(|d| d.describe()).collect(),
        kernels: devices.iter().map(|device| words(device, &tune::tasks(net, plan.batch))).collect(),
        accumulate: settings.accumulate,
        precision: devices[0].profile.family.precision(),
        exact: devices.iter().all(|device| device.profile.choices.exact),
        steps: seconds.len(),
        images_per_second: settings.batch as f64 / middle,
        seconds: middle,
        fastest: seconds.iter().copied().fold(f64::INFINITY, f64::min),
        slowest: seconds.iter().copied().fold(0.0, f64::max),
        host,
        bytes: (0..devices.len()).map(|device| plan.bytes(device)).collect(),
        first_step,
    }
}
