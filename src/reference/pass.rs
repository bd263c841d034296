//! One pass through a whole network, every column.

use super::{Context, Values, backward, forward, loss};
use crate::data::Batch;
use crate::net::{Net, Reads};
use crate::random::Draw;
use crate::shape::Shape;

/// What one pass gives.
#[derive(Clone, Debug)]
pub struct Pass {
    /// Mean log-loss in nats, without decay.
    pub loss: f64,
    /// Fraction of the images whose label is not the likeliest class.
    pub top1_error: f64,
    /// Fraction of the images whose label is not among the five likeliest.
    pub top5_error: f64,
    /// `[N, classes]`.
    pub probabilities: Vec<f64>,
    /// Gradient of the loss in each of [`Net::tensors`], whole; empty when not asked for.
    pub gradients: Vec<Vec<f64>>,
}

/// Runs `batch` through `net` with `weights` in the order of [`Net::tensors`], in training at (seed, step) or in use,
/// and back where `gradients` asks for it.
///
/// # Panics
/// Where a tensor, the pixels or a label do not fit `net`, or the batch is empty.
pub fn run(net: &Net, weights: &[Vec<f64>], batch: &Batch, train: Option<(u64, u32)>, gradients: bool) -> Pass {
    let walk = Walk::new(net, weights, batch, train);
    let outputs = walk.forward();
    let last = net.rows.len() - 1;
    let (logits, ctx) = (walk.input(last, 0, &outputs), walk.context(last, 0));
    let fraction = |k| loss::errors(&logits, &batch.labels, k) as f64 / batch.len() as f64;
    Pass {
        loss: loss::loss(&logits, &ctx),
        top1_error: fraction(1),
        top5_error: fraction(5),
        probabilities: by_image(&outputs[last][0]),
        gradients: if gradients { walk.backward(&outputs) } else { Vec::new() },
    }
}

/// The last row's output in use, every column's channels joined: `[N, C, H, W]`, what
/// [`crate::machine::Machine::output`] gives.
///
/// # Panics
/// As [`run`].
pub fn output(net: &Net, weights: &[Vec<f64>], batch: &Batch) -> Vec<f64> {
    let outputs = Walk::new(net, weights, batch, None).forward();
    by_image(&gather(outputs.last().expect("a net has rows")))
}

/// y of each row, per column that holds it.
type Outputs = Vec<Vec<Values>>;

struct Walk<'a> {
    net: &'a Net,
    weights: &'a [Vec<f64>],
    images: Values,
    labels: &'a [u32],
    train: Option<(u64, u32)>,
}

impl<'a> Walk<'a> {
    fn new(net: &'a Net, weights: &'a [Vec<f64>], batch: &'a Batch, train: Option<(u64, u32)>) -> Self {
        let wanted: Vec<usize> = net.tensors().iter().map(crate::net::Tensor::len).collect();
        let given: Vec<usize> = weights.iter().map(Vec::len).collect();
        assert_eq!(wanted, given, "lengths of the tensors of {}", net.table);
        assert_eq!(batch.side, net.table.crop, "side of the images for {}", net.table);
        assert!(!batch.is_empty(), "a batch without images");
        assert!(
            batch.labels.iter().all(|&label| (label as usize) < net.classes),
            "a label past {} classes",
            net.classes
        );
        Self { net, weights, images: images(batch), labels: &batch.labels, train }
    }

    fn forward(&self) -> Outputs {
        let mut outputs = Outputs::new();
        for (row, r) in self.net.rows.iter().enumerate() {
            let column = |column| {
                let (x, params) = (self.input(row, column, &outputs), self.params(row, column));
                forward(&r.layer, &x, &params, &self.context(row, column))
            };
            let all = (0..self.net.columns_of(row)).map(column).collect();
            outputs.push(all);
        }
        outputs
    }

    /// Gradients of the loss in every tensor, whole.
    fn backward(&self, outputs: &Outputs) -> Vec<Vec<f64>> {
        let tensors = self.net.tensors();
        let mut gradients: Vec<Vec<f64>> = tensors.iter().map(|_| Vec::new()).collect();
        // The gradient in the loss layer's output is not read.
        let mut dys: Vec<Values> = outputs.last().expect("a net has rows").clone();
        for (row, r) in self.net.rows.iter().enumerate().rev() {
            let mut dxs = Vec::new();
            for (column, dy) in dys.iter().enumerate() {
                let (x, params) = (self.input(row, column, outputs), self.params(row, column));
                let y = &outputs[row][column];
                let got = backward(&r.layer, &x, y, dy, &params, &self.context(row, column));
                // Columns split dimension 0, the outermost: the whole is their parts in order.
                for (tensor, part) in tensors.iter().zip(&mut gradients).filter(|(t, _)| t.row == row) {
                    part.extend_from_slice(&got.params[tensor.place]);
                }
                dxs.push(got.dx);
            }
            dys = match r.reads {
                Reads::Image => break,
                Reads::Own => dxs,
                Reads::Both => scatter(&dxs, self.net.columns_of(row - 1)),
            };
        }
        gradients
    }

    /// What `row` reads in `column`.
    fn input(&self, row: usize, column: usize, outputs: &[Vec<Values>]) -> Values {
        match self.net.rows[row].reads {
            Reads::Image => self.images.clone(),
            Reads::Own => outputs[row - 1][column].clone(),
            Reads::Both => gather(&outputs[row - 1]),
        }
    }

    /// The column's part of the row's parameters.
    fn params(&self, row: usize, column: usize) -> Vec<Vec<f64>> {
        let tensors = self.net.tensors().into_iter().zip(self.weights).filter(|(t, _)| t.row == row);
        tensors
            .map(|(_, whole)| {
                let part = whole.len() / self.net.columns_of(row);
                whole[column * part..(column + 1) * part].to_vec()
            })
            .collect()
    }

    fn context(&self, row: usize, column: usize) -> Context<'_> {
        let (seed, step) = self.train.unwrap_or_default();
        Context {
            train: self.train.is_some(),
            draw: Draw { seed, step, row: row as u32 },
            first_unit: column * self.net.rows[row].y.len(),
            first_image: 0,
            total: self.labels.len(),
            labels: self.labels,
        }
    }
}

/// Every column's channels, first column's first.
fn gather(parts: &[Values]) -> Values {
    let Shape { h, w, .. } = parts[0].shape;
    let shape = Shape::new(parts.iter().map(|p| p.shape.c).sum(), h, w);
    let data = parts.iter().flat_map(|p| p.data.iter().copied()).collect();
    Values { shape, images: parts[0].images, data }
}

/// The adjoint of every column's [`gather`]: the sum of `dxs`, cut into `columns` ranges of channels.
fn scatter(dxs: &[Values], columns: usize) -> Vec<Values> {
    let mut sum = dxs[0].clone();
    for dx in &dxs[1..] {
        sum.data.iter_mut().zip(&dx.data).for_each(|(sum, dx)| *sum += dx);
    }
    let shape = Shape { c: sum.shape.c / columns, ..sum.shape };
    let part = |data: &[f64]| Values { shape, images: sum.images, data: data.to_vec() };
    sum.data.chunks(shape.len() * sum.images).map(part).collect()
}

/// `[N, 3, side, side]` → `[3, side, side, N]`.
fn images(batch: &Batch) -> Values {
    let shape = Shape::new(3, batch.side, batch.side);
    let pixels = batch.floats();
    assert_eq!(pixels.len(), shape.len() * batch.len(), "pixels of {} images of {shape}", batch.len());
    let mut x = Values::zeros(shape, batch.len());
    for (n, image) in pixels.chunks(shape.len()).enumerate() {
        for (i, pixel) in image.iter().enumerate() {
            x.data[i * batch.len() + n] = f64::from(*pixel);
        }
    }
    x
}

/// `[C, H, W, N]` → `[N, C, H, W]`.
fn by_image(y: &Values) -> Vec<f64> {
    (0..y.images).flat_map(|n| y.data.iter().copied().skip(n).step_by(y.images)).collect()
}
