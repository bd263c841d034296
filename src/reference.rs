//! The CPU reference: the network's mathematics in f64, as plain loops over the table.
//!
//! It knows rows and columns, but no plan, device, tile or exchange, so a mistake made there cannot also be made here.
//! The tests check it by finite differences and against PyTorch, and the kernels against it.

pub mod average;
pub mod conv;
pub mod dropout;
pub mod full;
pub mod local;
pub mod loss;
pub mod lrn;
mod pass;
pub mod pool;
pub mod relu;
pub mod tanh;
#[cfg(test)]
mod tests;

pub use pass::{Pass, output, run};

use crate::layer::Layer;
use crate::random::Draw;
use crate::shape::Shape;

/// Activations `[C, H, W, N]`, images innermost.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// Shape of one image's activations.
    pub shape: Shape,
    /// Images N.
    pub images: usize,
    /// `[C, H, W, N]`.
    pub data: Vec<f64>,
}

impl Values {
    /// All values zero.
    pub fn zeros(shape: Shape, images: usize) -> Self {
        Self { shape, images, data: vec![0.0; shape.len() * images] }
    }

    /// Values in `[C, H, W, N]` order, as a device holds them.
    ///
    /// # Panics
    /// Where `data` does not hold C·H·W·N values.
    pub fn from_f32(shape: Shape, images: usize, data: &[f32]) -> Self {
        assert_eq!(data.len(), shape.len() * images, "{shape} of {images} images");
        Self { shape, images, data: data.iter().copied().map(f64::from).collect() }
    }

    /// Every image at one place of one channel; `[N]`.
    pub fn row(&self, c: usize, h: usize, w: usize) -> &[f64] {
        let start = self.start(c, h, w);
        &self.data[start..start + self.images]
    }

    /// Like [`Values::row`], to write.
    pub fn row_mut(&mut self, c: usize, h: usize, w: usize) -> &mut [f64] {
        let start = self.start(c, h, w);
        &mut self.data[start..start + self.images]
    }

    /// One value.
    pub fn at(&self, c: usize, h: usize, w: usize, n: usize) -> f64 {
        self.row(c, h, w)[n]
    }

    /// One value, to write.
    pub fn at_mut(&mut self, c: usize, h: usize, w: usize, n: usize) -> &mut f64 {
        &mut self.row_mut(c, h, w)[n]
    }

    fn start(&self, c: usize, h: usize, w: usize) -> usize {
        let Shape { c: channels, h: height, w: width } = self.shape;
        assert!(c < channels && h < height && w < width, "({c}, {h}, {w}) outside {}", self.shape);
        ((c * height + h) * width + w) * self.images
    }
}

/// What a layer may look at beside its input.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Training, or use: dropout differs.
    pub train: bool,
    /// Where dropout draws its mask.
    pub draw: Draw,
    /// Units of the columns before this one, for dropout.
    pub first_unit: usize,
    /// Place of the first image in the whole batch, for dropout.
    pub first_image: usize,
    /// Images in the whole batch: the divisor of the mean loss.
    pub total: usize,
    /// Class of each image; `[N]`. Read by the loss alone.
    pub labels: &'a [u32],
}

/// What a layer's backward pass gives.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// Gradient of the loss in the input, of x's shape.
    pub dx: Values,
    /// Gradients in the column's parameters, in the order of [`Layer::params`].
    pub params: Vec<Vec<f64>>,
}

impl Gradients {
    fn without_params(dx: Values) -> Self {
        Self { dx, params: Vec::new() }
    }
}

/// y of one column's `layer` for input `x` and the column's parameters, weight before bias.
///
/// For [`Layer::SoftmaxLoss`] y holds the probabilities; the loss itself is [`loss::loss`].
///
/// # Panics
/// Where the window does not fit `x`, or a parameter has another length than [`Layer::params`] says.
pub fn forward(layer: &Layer, x: &Values, params: &[Vec<f64>], ctx: &Context) -> Values {
    check(layer, x.shape, params);
    let shape = layer.output(x.shape).unwrap_or_else(|| panic!("{layer:?} does not fit {}", x.shape));
    let mut y = Values::zeros(shape, x.images);
    match layer {
        Layer::Conv(l) => conv::forward(l, x, &params[0], &params[1], &mut y),
        Layer::Local(l) => local::forward(l, x, &params[0], &params[1], &mut y),
        Layer::Full(_) => full::forward(x, &params[0], &params[1], &mut y),
        Layer::Relu => relu::forward(x, &mut y),
        Layer::Tanh => tanh::forward(x, &mut y),
        Layer::Lrn(l) => lrn::forward(l, x, &mut y),
        Layer::MaxPool(l) => pool::forward(l, x, &mut y),
        Layer::AveragePool(l) => average::forward(l, x, &mut y),
        Layer::Dropout(l) => dropout::forward(l, x, ctx, &mut y),
        Layer::SoftmaxLoss => loss::forward(x, &mut y),
    }
    y
}

/// Gradients of one column's `layer`, from its input `x`, its output `y` and the gradient `dy` in the output.
///
/// [`Layer::SoftmaxLoss`] does not read `dy`: its gradient is that of the mean loss over `ctx.total` images.
///
/// # Panics
/// As [`forward`] does.
pub fn backward(layer: &Layer, x: &Values, y: &Values, dy: &Values, params: &[Vec<f64>], ctx: &Context) -> Gradients {
    check(layer, x.shape, params);
    assert_eq!((layer.output(x.shape), y.images), (Some(y.shape), x.images), "{layer:?}: y beside x");
    assert_eq!((dy.shape, dy.images), (y.shape, y.images), "{layer:?}: dy beside y");
    match layer {
        Layer::Conv(l) => conv::backward(l, x, dy, &params[0]),
        Layer::Local(l) => local::backward(l, x, dy, &params[0]),
        Layer::Full(_) => full::backward(x, dy, &params[0]),
        Layer::Relu => Gradients::without_params(relu::backward(x, dy)),
        Layer::Tanh => Gradients::without_params(tanh::backward(y, dy)),
        Layer::Lrn(l) => Gradients::without_params(lrn::backward(l, x, y, dy)),
        Layer::MaxPool(l) => Gradients::without_params(pool::backward(l, x, dy)),
        Layer::AveragePool(l) => Gradients::without_params(average::backward(l, x, dy)),
        Layer::Dropout(l) => Gradients::without_params(dropout::backward(l, dy, ctx)),
        Layer::SoftmaxLoss => Gradients::without_params(loss::backward(y, ctx)),
    }
}

fn check(layer: &Layer, x: Shape, params: &[Vec<f64>]) {
    let wanted: Vec<usize> = layer.params(x).iter().map(|p| p.dims.iter().product()).collect();
    let given: Vec<usize> = params.iter().map(Vec::len).collect();
    assert_eq!(wanted, given, "{layer:?} on {x}: lengths of its parameters");
}

/// The update of §5: v ← momentum · v − decay · rate · w − rate · g, then w ← w + v.
pub fn sgd(w: &mut [f64], v: &mut [f64], g: &[f64], rate: f64, momentum: f64, decay: f64) {
    assert!(w.len() == v.len() && w.len() == g.len(), "weights, momenta and gradients differ in length");
    for ((w, v), g) in w.iter_mut().zip(v).zip(g) {
        *v = momentum * *v - decay * rate * *w - rate * g;
        *w += *v;
    }
}
