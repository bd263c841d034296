//! Short binary codes of features: the paper's closing idea (§6.1), since the Euclidean distance of 4,096 values is slow to
//! compute.
//!
//! An autoencoder with a narrow layer of bits learns to give back what it is given: full layers to [`HIDDEN`] units and to
//! the bits, and back. As in Krizhevsky and Hinton's of 2011, the forward pass rounds the bits and the backward pass goes on
//! as if it had not. Its layers are those of the networks; Adam learns its weights. A row's code is the signs of its bits,
//! two codes are as far apart as they have unequal bits, and the rows with the nearest codes are measured exactly.

mod file;
pub mod kernels;

use crate::column::{Parameter, StepUniform};
use crate::data::Shuffle;
use crate::error::Result;
use crate::features::Features;
use crate::gpu::{Device, Program, Recorder, Tensor};
use crate::layer::{Full, Layer};
use crate::layers::{self, Io};
use crate::optimizer::Sink;
use crate::plan;
use crate::products::{Needs, Scratch};
use crate::shape::Shape;
use crate::solo::step_uniform;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::sync::Arc;

pub use file::{Codes, Recall};

/// Units of the layers between the features and the bits.
pub const HIDDEN: usize = 512;
/// Steps of training.
pub const STEPS: u64 = 1500;
/// Rows a step, at least.
const BATCH: usize = 128;
/// First rate; it falls to 0 in a line.
const RATE: f64 = 1e-3;
/// Adam's factors of what was before.
const BETA: [f64; 2] = [0.9, 0.999];
/// Rows that the mean and the scale of the features are measured on, at most.
const SAMPLE: usize = 4096;
/// Seed of the first weights and of the order of the rows.
const SEED: u64 = 0;

/// What is done to a row before it is encoded: (value − mean) · scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    /// `[width]`
    pub mean: Vec<f32>,
    /// The same for all values, so that their mean square is 1.
    pub scale: f32,
}

impl Norm {
    /// Of a sample of the rows.
    fn measure(features: &Features) -> Result<Self> {
        let (width, all) = (features.info.width(), features.len());
        let rows = all.clamp(1, SAMPLE);
        let (mut sum, mut squares, mut row) = (vec![0f64; width], 0f64, Vec::new());
        for place in 0..rows.min(all) {
            let number = Shuffle::Full.image((SEED, u64::MAX), all, place);
            features.read(number..number + 1, &mut row)?;
            for (sum, &value) in sum.iter_mut().zip(&row) {
                *sum += f64::from(value);
                squares += f64::from(value).powi(2);
            }
        }
        let mean: Vec<f64> = sum.iter().map(|sum| sum / rows as f64).collect();
        let variance = (squares / rows as f64 - mean.iter().map(|m| m * m).sum::<f64>()) / width as f64;
        let scale = if variance > 0.0 { variance.sqrt().recip() } else { 1.0 };
        Ok(Self { mean: mean.into_iter().map(|m| m as f32).collect(), scale: scale as f32 })
    }

    fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let row = |row: &[f32]| row.iter().zip(&self.mean).map(|(value, mean)| (value - mean) * self.scale).collect();
        rows.chunks_exact(self.mean.len()).flat_map(|values| -> Vec<f32> { row(values) }).collect()
    }
}

/// One fully connected layer of the autoencoder.
struct Dense {
    layer: Layer,
    x_shape: Shape,
    y_shape: Shape,
    /// Whether a ReLU follows.
    relu: bool,
    /// Weight and bias.
    parameters: Vec<Parameter>,
    /// Adam's second moments of each.
    squares: Vec<Tensor>,
    x: Tensor,
    y: Tensor,
    dx: Tensor,
    dy: Tensor,
}

/// The autoencoder on a device.
pub struct Coder {
    device: Arc<Device>,
    /// Rows at once.
    batch: usize,
    bits: usize,
    norm: Norm,
    step: wgpu::Buffer,
    /// `[N, width]`, as they come.
    rows: Tensor,
    layers: Vec<Dense>,
    /// The bits before they are rounded, `[bits, N]`.
    code: Tensor,
    /// Gradient of the output, `[width, N]`.
    residual: Tensor,
    encode: Program,
    train: Program,
}

impl Coder {
    /// With weights of zero.
    fn new(device: &Arc<Device>, norm: Norm, bits: usize) -> Result<Self> {
        let width = norm.mean.len();
        let batch = BATCH.next_multiple_of(device.profile.family.images());
        let sides = [width, HIDDEN, bits, HIDDEN, width];
        let zeros = |name: &str, len: usize| Tensor::zeros(device, name, len);
        let values = sides.map(|side| zeros("activations", side * batch));
        let gradients = sides.map(|side| zeros("gradients", side * batch));
        let rounded = zeros("rounded bits", bits * batch);
        let dense = |number: usize| {
            let (inputs, units) = (sides[number], sides[number + 1]);
            let lengths = [inputs * units, units];
            let parameter = |len| {
                let [weight, gradient, momentum] = ["weight", "gradient", "momentum"].map(|name| zeros(name, len));
                Parameter { weight, gradient: Sink::Kept(gradient), momentum }
            };
            Dense {
                layer: Layer::Full(Full { units }),
                x_shape: Shape::new(inputs, 1, 1),
                y_shape: Shape::new(units, 1, 1),
                relu: number.is_multiple_of(2),
                parameters: lengths.map(parameter).into(),
                squares: lengths.map(|len| zeros("squares", len)).into(),
                x: if number == 2 { rounded.clone() } else { values[number].clone() },
                y: values[number + 1].clone(),
                dx: gradients[number].clone(),
                dy: gradients[number + 1].clone(),
            }
        };
        let all: Vec<_> = (0..sides.len() - 1).map(dense).collect();
        let needs =
            |dense: &Dense| plan::layer_needs(&dense.layer, &device.profile, dense.x_shape, dense.y_shape, batch);
        let scratch = Scratch::new(device, all.iter().map(needs).fold(Needs::default(), Needs::max));
        let unused = zeros("unused", 4);
        let step = step_uniform(device);
        let rows = zeros("rows", width * batch);
        let mut encode = Recorder::new(device, &step);
        let mut train = Recorder::new(device, &step);
        for rec in [&mut encode, &mut train] {
            layers::arrange(rec, width, batch, &rows, &values[0]);
        }
        for (number, dense) in all.iter().enumerate() {
            if number == 2 {
                kernels::binarize(&mut train, &values[2], &rounded);
            }
            let io = dense.io(batch, &scratch, &unused);
            layers::forward(&mut train, &io);
            if number < 2 {
                layers::forward(&mut encode, &io);
            }
        }
        kernels::residual(&mut train, batch, &values[0], &values[4], &gradients[4]);
        for (number, dense) in all.iter().enumerate().rev() {
            let io = dense.io(batch, &scratch, &unused);
            layers::backward_data(&mut train, &io, &dense.dy, (number > 0).then_some(&dense.dx));
            layers::backward_weights(&mut train, &io, &dense.dy);
            if number == 2 {
                kernels::binarize_backward(&mut train, &values[2], &dense.dx);
            }
        }
        for dense in &all {
            for (parameter, squares) in dense.parameters.iter().zip(&dense.squares) {
                kernels::adam(&mut train, BETA, parameter, squares);
            }
        }
        let (encode, train) = (encode.finish(), train.finish());
        let [_, _, code, _, _] = values;
        let [_, _, _, _, residual] = gradients;
        device.wait()?;
        Ok(Self {
            device: Arc::clone(device),
            batch,
            bits,
            norm,
            step,
            rows,
            layers: all,
            code,
            residual,
            encode,
            train,
        })
    }

    /// Learns to code the rows of `features` in `bits` bits. `progress` is told each step and the share of the variance
    /// that its batch, given back from its codes, lacked.
    ///
    /// # Errors
    /// The features cannot be read; a lost device.
    pub fn learn(
        device: &Arc<Device>,
        features: &Features,
        bits: usize,
        mut progress: impl FnMut(u64, f64),
    ) -> Result<Self> {
        let coder = Self::new(device, Norm::measure(features)?, bits)?;
        for (stream, dense) in coder.layers.iter().enumerate() {
            let mut random = ChaCha8Rng::seed_from_u64(SEED);
            random.set_stream(stream as u64);
            let gain = if dense.relu { 2.0 } else { 1.0 };
            let deviation = (gain / dense.x_shape.len() as f32).sqrt();
            let mut normal = || -> f32 { StandardNormal.sample(&mut random) };
            let weight = &dense.parameters[0].weight;
            let values: Vec<f32> = (0..weight.len).map(|_| deviation * normal()).collect();
            weight.write(device, &values);
        }
        let (all, mut batch, mut row) = (features.len(), Vec::new(), Vec::new());
        for step in 1..=STEPS {
            batch.clear();
            for place in (step - 1) * coder.batch as u64..step * coder.batch as u64 {
                let (pass, place) = (place / all as u64, place % all as u64);
                let number = Shuffle::Full.image((SEED, pass), all, place as usize);
                features.read(number..number + 1, &mut row)?;
                batch.extend_from_slice(&row);
            }
            // Both moments begin at zero: as much less do they count at first.
            let [first, second] = BETA.map(|beta| 1.0 - beta.powf(step as f64));
            let rate = RATE * (1.0 - (step - 1) as f64 / STEPS as f64) * second.sqrt() / first;
            // What is written waits in memory until it is submitted.
            device.wait()?;
            coder.load(&batch, rate as f32);
            coder.train.submit(device)?;
            if step % 50 == 0 || step == STEPS {
                let residual = coder.residual.read(device)?;
                let squares: f64 = residual.iter().map(|&r| f64::from(r).powi(2)).sum();
                progress(step, squares * coder.batch as f64 / coder.norm.mean.len() as f64);
            }
        }
        device.wait()?;
        Ok(coder)
    }

    /// Brings rows to the device, and what a step is told.
    fn load(&self, rows: &[f32], rate: f32) {
        let valid = (rows.len() / self.norm.mean.len()) as u32;
        let uniform = StepUniform { valid, total: valid, train: 1, rate, ..StepUniform::default() };
        self.device.queue.write_buffer(&self.step, 0, bytemuck::bytes_of(&uniform));
        self.rows.write(&self.device, &self.norm.apply(rows));
    }

    /// Name and tensor of every parameter up to the bits.
    fn encoder(&self) -> impl Iterator<Item = (String, &Tensor)> {
        self.layers[..2].iter().enumerate().flat_map(|(number, dense)| {
            let names = ["weight", "bias"].map(|name| format!("{number}.{name}"));
            names.into_iter().zip(dense.parameters.iter().map(|parameter| &parameter.weight))
        })
    }

    /// The codes of `rows`, `[N, width]`: `[N, bits / 8]` bytes, the first bit the lowest of the first byte.
    ///
    /// # Errors
    /// A lost device.
    pub fn encode(&self, rows: &[f32]) -> Result<Vec<u8>> {
        let width = self.norm.mean.len();
        let mut codes = Vec::with_capacity(rows.len() / width * self.bits / 8);
        for part in rows.chunks(self.batch * width) {
            self.load(part, 0.0);
            self.encode.submit(&self.device)?;
            let bits = self.code.read(&self.device)?;
            for row in 0..part.len() / width {
                let byte = |byte: usize| {
                    let is_set = |bit: usize| bits[(8 * byte + bit) * self.batch + row] > 0.0;
                    (0..8).fold(0, |value, bit| value | u8::from(is_set(bit)) << bit)
                };
                codes.extend((0..self.bits / 8).map(byte));
            }
        }
        Ok(codes)
    }
}

impl Dense {
    fn io<'a>(&'a self, batch: usize, scratch: &'a Scratch, unused: &'a Tensor) -> Io<'a> {
        Io {
            row: 0,
            layer: &self.layer,
            x_shape: self.x_shape,
            y_shape: self.y_shape,
            relu: self.relu,
            batch,
            x: self.x.clone(),
            y: self.y.clone(),
            saved: None,
            parameters: &self.parameters,
            scratch,
            labels: unused,
            scores: unused,
            totals: unused,
        }
    }
}
