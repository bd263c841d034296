//! Measuring one row: every variant of its products beside the reference, then timed in turns.

use super::{Measured, Task, Trial};
use crate::check::nmse;
use crate::error::Result;
use crate::gpu::{Device, Program};
use crate::products::{Choices, Product, Variant};
use crate::random::Draw;
use crate::reference::{self, Context, Values};
use crate::shape::Shape;
use crate::solo::Solo;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A round of one variant takes at least this long: short products run several times.
const ROUND: Duration = Duration::from_millis(10);
/// Rounds of each variant; the fastest counts.
const ROUNDS: usize = 5;
/// No more rounds than [`LEAST`] once a product's rounds took this long.
const LONG: Duration = Duration::from_secs(5);
const LEAST: usize = 3;
/// A variant that is slower than the fastest by this factor, twice, has lost: no rounds.
const LOST: f64 = 1.5;

/// What happens while a row is measured.
#[derive(Clone, Debug)]
pub enum Event {
    /// The reference is computed.
    Reference,
    /// This variant is compared and run once.
    Variant(Product, Variant),
    /// The variants still in the running are timed.
    Rounds(Product),
    /// A variant cannot be used.
    Fault(Product, Trial),
    /// A product is measured and kept.
    Done,
}

/// What the reference gives for the first and the last image of the batch, where only these two have a gradient.
struct Expected {
    /// `[C, H, W, 2]`
    y: Vec<f64>,
    /// `[C, H, W, 2]`
    dx: Vec<f64>,
    dw: Vec<f64>,
}

/// `[…, batch]` to `[…, 2]`: the first and the last image.
fn ends(values: &[f32], batch: usize) -> Vec<f32> {
    values.chunks_exact(batch).flat_map(|row| [row[0], row[batch - 1]]).collect()
}

fn expected(solo: &Solo, task: &Task) -> Expected {
    let layer = &task.case.layer;
    let batch = task.window.batch;
    let draw = Draw { seed: 0, step: 0, row: 0 };
    let context = Context { train: true, draw, first_unit: 0, first_image: 0, total: 2, labels: &[] };
    let two = |shape: Shape, values: &[f32]| Values::from_f32(shape, 2, &ends(values, batch));
    let (x, dy) = (two(task.case.x, &solo.x_values), two(solo.y_shape, &solo.dy_values));
    let params: Vec<Vec<f64>> =
        solo.parameter_values.iter().map(|p| p.iter().copied().map(f64::from).collect()).collect();
    let y = reference::forward(layer, &x, &params, &context);
    let mut gradients = reference::backward(layer, &x, &y, &dy, &params, &context);
    Expected { y: y.data, dx: gradients.dx.data, dw: gradients.params.swap_remove(0) }
}

/// A program that was compared and may be timed.
struct Running {
    device: Arc<Device>,
    program: Program,
    trial: usize,
    repeats: u32,
}

impl Running {
    fn round(&self) -> Result<f64> {
        self.device.wait()?;
        let start = Instant::now();
        for _ in 0..self.repeats {
            self.program.submit(&self.device)?;
        }
        self.device.wait()?;
        Ok(start.elapsed().as_secs_f64() / f64::from(self.repeats))
    }
}

/// Measures the products of `task` and hands each to `keep`. Variants of a more general family are tried where none of
/// the adapter's own is usable.
///
/// # Errors
/// The device was lost, or `keep` failed.
pub fn measure(
    device: &Arc<Device>,
    task: &Task,
    stop: &dyn Fn() -> bool,
    each: &mut dyn FnMut(Event),
    mut keep: impl FnMut(Measured) -> Result<()>,
) -> Result<()> {
    each(Event::Reference);
    let solo = Solo::with_batch(device, &task.case, task.window.batch)?;
    let expected = expected(&solo, task);
    for &product in &task.products {
        let mut trials: Vec<Trial> = Vec::new();
        let mut running: Vec<Running> = Vec::new();
        for family in device.profile.family.all().iter().rev() {
            for variant in family.variants(product, &task.window) {
                if stop() {
                    return Ok(());
                }
                each(Event::Variant(product, variant));
                let (trial, program) = try_variant(&solo, device, task, product, variant, &expected)?;
                match program {
                    Some((device, program)) => {
                        running.push(Running { device, program, trial: trials.len(), repeats: 1 });
                    }
                    None => each(Event::Fault(product, trial.clone())),
                }
                trials.push(trial);
            }
            if !running.is_empty() {
                break;
            }
        }
        each(Event::Rounds(product));
        if !time(&mut running, &mut trials, stop)? {
            return Ok(());
        }
        keep(Measured { product: Choices::key(product, &task.window), row: task.case.name.clone(), trials })?;
        each(Event::Done);
    }
    Ok(())
}

/// Compares one variant with the reference; its program, on a device that runs the variant, where it may be used.
#[expect(clippy::type_complexity, reason = "a device and its program, named where they are taken apart")]
fn try_variant(
    solo: &Solo,
    device: &Arc<Device>,
    task: &Task,
    product: Product,
    variant: Variant,
    expected: &Expected,
) -> Result<(Trial, Option<(Arc<Device>, Program)>)> {
    let mut choices = Choices::default();
    choices.set(product, &task.window, variant);
    let device = device.with_choices(choices);
    let mut masked = solo.dy_values.clone();
    masked.chunks_exact_mut(solo.batch).for_each(|row| row[1..solo.batch - 1].fill(0.0));
    solo.dy.write(&device, &masked);
    let tried = device.attempt(|| {
        let program = solo.product(&device, product);
        let error = compare(solo, &device, product, &program, expected)?;
        Ok((program, error))
    })?;
    solo.dy.write(&device, &solo.dy_values);
    let (limit, exact) = (variant.tolerance(), variant.is_exact());
    let mut trial = Trial { variant: variant.to_string(), exact, error: None, limit, fault: None, rounds: Vec::new() };
    match tried {
        Ok((program, error)) => {
            trial.error = Some(error).filter(|error| error.is_finite());
            if error <= limit {
                return Ok((trial, Some((device, program))));
            }
            trial.fault = Some(format!("gives wrong numbers: error {error:.1e}, {limit:.0e} is allowed"));
        }
        Err(refused) => trial.fault = Some(format!("does not run here: {}", refused.trim())),
    }
    Ok((trial, None))
}

/// Times what is `running`; whether it came to the end before `stop`.
fn time(running: &mut Vec<Running>, trials: &mut [Trial], stop: &dyn Fn() -> bool) -> Result<bool> {
    let mut best = f64::INFINITY;
    for runs in &mut *running {
        let mut once = runs.round()?;
        runs.repeats = (ROUND.as_secs_f64() / once.max(1e-6)).ceil().clamp(1.0, 100.0) as u32;
        if runs.repeats > 1 {
            once = runs.round()?;
        }
        trials[runs.trial].rounds = vec![once];
        best = best.min(once);
    }
    // One slow run may be another program's doing.
    for runs in &*running {
        if trials[runs.trial].rounds[0] <= LOST * best {
            continue;
        }
        let again = runs.round()?;
        trials[runs.trial].rounds.push(again);
    }
    running.retain(|runs| trials[runs.trial].seconds().is_some_and(|seconds| seconds <= LOST * best));
    let start = Instant::now();
    // In turns, so that a busy moment meets every variant alike.
    for round in 0..ROUNDS {
        if round >= LEAST && start.elapsed() >= LONG {
            break;
        }
        for runs in &*running {
            if stop() {
                return Ok(false);
            }
            let seconds = runs.round()?;
            let rounds = &mut trials[runs.trial].rounds;
            // The first run alone only told who is in the running.
            if round == 0 {
                rounds.clear();
            }
            rounds.push(seconds);
        }
    }
    Ok(true)
}

/// Runs `program` and returns the error of what it computes beside the reference.
fn compare(solo: &Solo, device: &Device, product: Product, program: &Program, expected: &Expected) -> Result<f64> {
    let [weight, _] = &solo.parameters[..] else { unreachable!("a layer with products has a weight and a bias") };
    let result = match product {
        Product::Forward => &solo.y,
        Product::BackwardData => &solo.dx,
        Product::BackwardWeight => weight.gradient.kept(),
    };
    // What another variant left there must not pass for this one's.
    result.write(device, &vec![f32::NAN; result.len]);
    program.submit(device)?;
    let found = result.read(device)?;
    Ok(match product {
        Product::Forward => nmse(&ends(&found, solo.batch), &expected.y),
        Product::BackwardData => {
            let elsewhere = found.chunks_exact(solo.batch).flat_map(|row| &row[1..solo.batch - 1]);
            let zero = elsewhere.into_iter().all(|&dx| dx == 0.0);
            if zero { nmse(&ends(&found, solo.batch), &expected.dx) } else { f64::NAN }
        }
        Product::BackwardWeight => nmse(&found, &expected.dw),
    })
}
