//! Every kernel × case × variant against the CPU reference, on the user's adapter: the first thing a bug report holds.

mod features;

use crate::cases::{self, Case};
use crate::column::{Parameter, RESULTS, StepUniform, ViewUniform};
use crate::data::{Crops, MeanCrop, Square, Stats, View};
use crate::error::Result;
use crate::gpu::{Device, Recorder, Tensor};
use crate::layer::Layer;
use crate::layers;
use crate::optimizer::{self, Sgd, Sink};
use crate::products::{Choices, Precision, Product, Window};
use crate::random::{self, Draw};
use crate::reference::{self, Context, Values};
use crate::solo::{SGD, Solo, step_uniform, values};
use std::fmt;
use std::sync::Arc;

/// Largest normalised mean squared error of a kernel that computes in f32 what is defined: rounding gives about 1e-13.
/// Variants of products have limits of their own, [`crate::products::Variant::tolerance`].
pub const LIMIT: f64 = 1e-10;

/// Learning rate where a gradient updates the weights at once.
const RATE: f32 = 0.02;

/// One kernel's result beside the reference's.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The variant of the product, elsewhere the family of kernels.
    pub variant: String,
    /// Name of the case.
    pub case: String,
    /// `y`, `dx`, `dw`, `db`, …
    pub what: &'static str,
    /// Σ (kernel − reference)² / Σ reference².
    pub error: f64,
    /// The largest error allowed.
    pub limit: f64,
    /// What the driver refused, where the case did not run at all.
    pub fault: Option<String>,
}

impl Checked {
    /// Whether the error is within the limit; NaN is not.
    pub fn passed(&self) -> bool {
        self.error <= self.limit
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.passed() { "ok" } else { "WRONG" };
        write!(f, "{:<5} {:<9.1e} {:<24} {:<28} {}", verdict, self.error, self.variant, self.case, self.what)?;
        self.fault.as_ref().map_or(Ok(()), |fault| write!(f, ": {fault}"))
    }
}

/// Normalised mean squared error of `found` beside `expected`; the plain one where `expected` is all zero.
pub fn nmse(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len(), "as many values as the reference");
    let (mut error, mut power) = (0.0, 0.0);
    for (&f, &e) in found.iter().zip(expected) {
        error += (f64::from(f) - e).powi(2);
        power += e * e;
    }
    if power == 0.0 { error } else { error / power }
}

/// Runs `case` on `device` and compares everything it computes with the reference.
///
/// # Errors
/// The device was lost.
pub fn run(device: &Arc<Device>, case: &Case) -> Result<Vec<Checked>> {
    let modes: &[bool] = if matches!(case.layer, Layer::Dropout(_)) { &[true, false] } else { &[true] };
    let mut all = Vec::new();
    for &train in modes {
        run_mode(device, case, train, &mut all)?;
    }
    Ok(all)
}

fn run_mode(device: &Arc<Device>, case: &Case, train: bool, all: &mut Vec<Checked>) -> Result<()> {
    let solo = Solo::new(device, case)?;
    let draw = Draw { seed: 0x0123_4567_89AB_CDEF, step: 7, row: crate::solo::ROW as u32 };
    let uniform = StepUniform {
        seed_low: draw.seed as u32,
        seed_high: (draw.seed >> 32) as u32,
        step: draw.step,
        column: 1,
        valid: case.images as u32,
        first: 2,
        total: case.images as u32 + 5,
        train: train.into(),
        rate: RATE,
        ..StepUniform::default()
    };
    device.queue.write_buffer(&solo.step, 0, bytemuck::bytes_of(&uniform));
    solo.forward().submit(device)?;
    let y_found = solo.download(&solo.y)?;
    solo.backward().submit(device)?;
    let dx_found = solo.download(&solo.dx)?;

    let context = Context {
        train,
        draw,
        first_unit: uniform.column as usize * solo.y_shape.len(),
        first_image: uniform.first as usize,
        total: uniform.total as usize,
        labels: &solo.label_values,
    };
    let x = Values::from_f32(case.x, case.images, &solo.x_values);
    let params: Vec<Vec<f64>> =
        solo.parameter_values.iter().map(|p| p.iter().copied().map(f64::from).collect()).collect();
    let mut y = reference::forward(&case.layer, &x, &params, &context);
    let mut dy = Values::from_f32(solo.y_shape, case.images, &solo.dy_values);
    if case.relu {
        let above = reference::forward(&Layer::Relu, &y, &[], &context);
        dy = reference::backward(&Layer::Relu, &y, &above, &dy, &[], &context).dx;
        y = above;
    }
    let gradients = reference::backward(&case.layer, &x, &y, &dy, &params, &context);
    let window = window(device, case);
    let mut add = |what, error| {
        let product = match what {
            "y" => Some(Product::Forward),
            "dx" => Some(Product::BackwardData),
            "dw" | "w" | "v" => Some(Product::BackwardWeight),
            _ => None,
        };
        let variant = window.zip(product).map(|(window, product)| device.profile.variant(product, &window));
        let (variant, limit) = match variant {
            Some(variant) => (variant.to_string(), variant.tolerance()),
            None => (device.profile.family.to_string(), LIMIT),
        };
        all.push(Checked { variant, case: case.name.clone(), what, error, limit, fault: None });
    };
    add(if train { "y" } else { "y in use" }, nmse(&y_found, &y.data));
    add(if train { "dx" } else { "dx in use" }, nmse(&dx_found, &gradients.dx.data));
    for ((what, parameter), expected) in ["dw", "db"].into_iter().zip(&solo.parameters).zip(&gradients.params) {
        add(what, nmse(&parameter.gradient.kept().read(device)?, expected));
    }
    if case.layer.has_products() && device.profile.family.precision() == Precision::F32 {
        let velocity = values(20, solo.parameters[0].momentum.len);
        solo.parameters[0].momentum.write(device, &velocity);
        solo.descend().submit(device)?;
        let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
        let (mut w, mut v) = (wide(&solo.parameter_values[0]), wide(&velocity));
        let [momentum, decay] = [SGD.momentum, SGD.decay].map(f64::from);
        reference::sgd(&mut w, &mut v, &gradients.params[0], f64::from(RATE), momentum, decay);
        add("w", nmse(&solo.parameters[0].weight.read(device)?, &w));
        add("v", nmse(&solo.parameters[0].momentum.read(device)?, &v));
    }
    if case.layer == Layer::SoftmaxLoss {
        add("loss and errors", nmse(&solo.totals.read(device)?[..3], &sums(&y, &solo.label_values)));
    }
    Ok(())
}

/// Sums of loss, top-1 and top-5 error over the images, from the reference's probabilities.
fn sums(y: &Values, labels: &[u32]) -> [f64; 3] {
    let mut sums = [0.0; 3];
    for (n, &label) in labels.iter().enumerate() {
        let at = |c: usize| y.at(c, 0, 0, n);
        let label = label as usize;
        let before = |&c: &usize| at(c) > at(label) || (at(c) == at(label) && c < label);
        let rank = (0..y.shape.c).filter(before).count();
        sums[0] -= at(label).ln();
        sums[1] += f64::from(u8::from(rank >= 1));
        sums[2] += f64::from(u8::from(rank >= 5));
    }
    sums
}

/// The kernels that belong to no layer: the update, the exchange's addition, the arrangement of the image batch.
///
/// # Errors
/// The device was lost.
pub fn run_others(device: &Arc<Device>) -> Result<Vec<Checked>> {
    let mut all = Vec::new();
    let mut add = |case: &str, what, error| {
        let variant = device.profile.family.to_string();
        all.push(Checked { variant, case: case.to_owned(), what, error, limit: LIMIT, fault: None });
    };
    let step = step_uniform(device);
    let tensor = |salt: u32, len: usize| {
        let tensor = Tensor::zeros(device, "operand", len);
        tensor.write(device, &values(salt, len));
        tensor
    };
    let doubles = |salt, len| values(salt, len).into_iter().map(f64::from).collect::<Vec<_>>();
    let len = 1021;
    let images = 5;
    // The update divides by 8.
    let uniform = StepUniform { rate: RATE, valid: images as u32, scale: 3, ..StepUniform::default() };
    device.queue.write_buffer(&step, 0, bytemuck::bytes_of(&uniform));

    let gradient = tensor(2, len);
    let parameter =
        Parameter { weight: tensor(1, len), gradient: Sink::Kept(gradient.clone()), momentum: tensor(3, len) };
    let results = Tensor::zeros(device, "results", RESULTS);
    let sgd = Sgd { momentum: 0.9, rate: 2.0, decay: 0.05 };
    let mut rec = Recorder::new(device, &step);
    optimizer::update(&mut rec, parameter.update(sgd, &results), &gradient);
    rec.finish().submit(device)?;
    let (mut w, mut v, mut g) = (doubles(1, len), doubles(3, len), doubles(2, len));
    g.iter_mut().for_each(|g| *g /= 8.0);
    reference::sgd(&mut w, &mut v, &g, f64::from(RATE) * 2.0, 0.9, 0.05);
    add("update", "w", nmse(&parameter.weight.read(device)?, &w));
    add("update", "v", nmse(&parameter.momentum.read(device)?, &v));
    // A NaN in one gradient must be reported, and nothing else.
    let clean = results.read(device)?[3].to_bits();
    gradient.slice(len - 1..len).write(device, &[f32::NAN]);
    let mut rec = Recorder::new(device, &step);
    optimizer::update(&mut rec, parameter.update(sgd, &results), &gradient);
    rec.finish().submit(device)?;
    let found = results.read(device)?[3].to_bits();
    let flags = Tensor::zeros(device, "flags", 2 * RESULTS);
    let mut rec = Recorder::new(device, &step);
    optimizer::find_overflow(&mut rec, &gradient, &flags);
    rec.finish().submit(device)?;
    let overflow = flags.read(device)?[RESULTS].to_bits();
    add("update", "overflow is seen", if overflow == 1 { 0.0 } else { f64::NAN });
    add("update", "NaN is seen", if (clean, found) == (0, 3) { 0.0 } else { f64::NAN });

    let (incoming, dx) = (tensor(4, 1024), tensor(5, 1024));
    let mut rec = Recorder::new(device, &step);
    layers::add(&mut rec, &incoming, &dx);
    rec.finish().submit(device)?;
    let sum: Vec<_> = doubles(4, 1024).iter().zip(doubles(5, 1024)).map(|(a, b)| a + b).collect();
    add("exchange", "dx", nmse(&dx.read(device)?, &sum));

    let (values_per_image, batch) = (3 * 7 * 5, device.profile.family.images());
    let pixels = tensor(6, values_per_image * batch.max(8));
    let batch = batch.max(8);
    let image = Tensor::zeros(device, "image", values_per_image * batch);
    let mut rec = Recorder::new(device, &step);
    layers::arrange(&mut rec, values_per_image, batch, &pixels, &image);
    rec.finish().submit(device)?;
    let source = doubles(6, values_per_image * batch);
    let place = |i: usize| if i % batch < images { source[i % batch * values_per_image + i / batch] } else { 0.0 };
    let expected: Vec<_> = (0..values_per_image * batch).map(place).collect();
    add("image", "x", nmse(&image.read(device)?, &expected));
    let (found, expected) = crops(device, &step, images)?;
    add("image", "views", nmse(&found, &expected));
    Ok(all)
}

/// Views of odd sizes on the device, and as the host writes them.
fn crops(device: &Arc<Device>, step: &wgpu::Buffer, images: usize) -> Result<(Vec<f32>, Vec<f64>)> {
    let (size, side, batch) = (11, 7, device.profile.family.images().max(8));
    let mean = values(7, 3 * size * size).into_iter().map(|v| 100.0 + 50.0 * v).collect();
    let stats = Arc::new(Stats { size, mean, mean_crop: MeanCrop::Own, colour: None });
    let mut crops = Crops::new(stats);
    for n in 0..images {
        let rgb = (0..3 * size * size).map(|i| random::hash(&[n as u32, i as u32]) as u8).collect();
        let noise = [n as f32, -2.5, 0.125];
        let view =
            View { mirror: n % 2 == 1, noise, scale: 1.0 / (1.0 + n as f32), ..View::plain(n % 5, 4 - n % 5, false) };
        crops.push(&Square { size, rgb }, View { mean: (n % 3, 3), ..view }, side);
    }
    let tensor = |name, len| Tensor::zeros(device, name, len);
    let (rgb, views) = (tensor("crops", Crops::stride(side) / 4 * batch), tensor("views", 8 * batch));
    let (mean, image) = (tensor("mean", 3 * size * size), tensor("image", 3 * side * side * batch));
    rgb.write(device, &crops.rgb);
    views.write(device, &crops.views.iter().map(ViewUniform::from).collect::<Vec<_>>());
    mean.write(device, &crops.stats.mean);
    let mut rec = Recorder::new(device, step);
    layers::views(&mut rec, &layers::Crops { rgb: &rgb, views: &views, mean: &mean, side, size }, batch, &image);
    rec.finish().submit(device)?;
    let (host, len) = (crops.floats(side), 3 * side * side);
    let place = |i: usize| if i % batch < images { f64::from(host[i % batch * len + i / batch]) } else { 0.0 };
    Ok((image.read(device)?, (0..len * batch).map(place).collect()))
}

/// A device and the cases to run on it.
pub struct Round {
    /// The adapter with the variants of this round.
    pub device: Arc<Device>,
    /// Every case in a family's first round, later those with a variant that has not run.
    pub cases: Vec<Case>,
}

/// Rounds in which every case of [`cases::odd`] runs every variant of its products that `device` can run: in round k of
/// a family each product runs its k-th variant.
pub fn rounds(device: &Arc<Device>) -> Vec<Round> {
    let mut rounds = Vec::new();
    for family in device.profile.families() {
        let device = device.with_family(family);
        for k in 0.. {
            let mut choices = Choices::default();
            let mut all = cases::odd();
            all.retain(|case| {
                let Some(window) = window(&device, case) else { return k == 0 };
                let mut is_new = k == 0;
                for product in Product::ALL {
                    let variants = family.variants(product, &window);
                    is_new |= k < variants.len();
                    choices.set(product, &window, variants[k.min(variants.len() - 1)]);
                }
                is_new
            });
            if all.is_empty() {
                break;
            }
            rounds.push(Round { device: device.with_choices(choices), cases: all });
        }
    }
    rounds
}

/// The window of the products of `case`, where it has any.
fn window(device: &Device, case: &Case) -> Option<Window> {
    let batch = case.images.next_multiple_of(device.profile.family.images());
    let y = case.layer.output(case.x)?;
    case.layer.has_products().then(|| Window::of(&case.layer, case.x, y, batch))
}

/// Like [`run`], but where the driver refuses kernels of the case, that is the result.
///
/// # Errors
/// The device was lost.
pub fn attempt(device: &Arc<Device>, case: &Case) -> Result<Vec<Checked>> {
    let refused = match device.attempt(|| run(device, case))? {
        Ok(results) => return Ok(results),
        Err(refused) => refused,
    };
    // Which of the case's kernels it was is not known.
    let mut variants: Vec<_> = match window(device, case) {
        Some(window) => Product::ALL.map(|product| device.profile.variant(product, &window).to_string()).to_vec(),
        None => vec![device.profile.family.to_string()],
    };
    variants.dedup();
    let fault = Some(format!("does not run here: {}", refused.trim()));
    let (variant, case) = (variants.join(" or "), case.name.clone());
    Ok(vec![Checked { variant, case, what: "all of it", error: f64::NAN, limit: LIMIT, fault }])
}

/// Every case on every variant `device` can run, those that the driver refuses named and passed over; `each` sees each result as it comes. Whether all passed.
///
/// # Errors
/// The device was lost.
pub fn all(device: &Arc<Device>, mut each: impl FnMut(&Checked)) -> Result<bool> {
    let mut passed = true;
    let mut report = |results: Vec<Checked>| {
        for checked in results {
            passed &= checked.passed();
            each(&checked);
        }
    };
    let mut family = None;
    for Round { device, cases } in rounds(device) {
        for case in cases {
            report(attempt(&device, &case)?);
        }
        if family.replace(device.profile.family) != Some(device.profile.family) {
            report(run_others(&device)?);
            report(features::run(&device)?);
        }
    }
    Ok(passed)
}
