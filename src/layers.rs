//! What each kind of layer records, forward beside backward, one file a kind.

mod average;
mod conv;
mod dropout;
mod local;
mod loss;
mod lrn;
mod pool;
mod relu;
mod tanh;

use crate::column::Parameter;
use crate::gpu::{Const, Recorder, Tensor};
use crate::layer::Layer;
use crate::plan::{Place, RowPlan};
use crate::products::Scratch;
use crate::shape::Shape;

/// The tensors of one row in one column, under their mathematical names.
pub struct Io<'a> {
    /// Place of the row in the network's table.
    pub row: usize,
    /// The layer with its settings.
    pub layer: &'a Layer,
    /// Shape of one image's x.
    pub x_shape: Shape,
    /// Shape of one image's y.
    pub y_shape: Shape,
    /// Whether the layer, a product, takes in the ReLU above it.
    pub relu: bool,
    /// Images on the device, padding included.
    pub batch: usize,
    /// `[C, H, W, batch]`
    pub x: Tensor,
    /// `[C, H, W, batch]`; for layers in place the same range as x.
    pub y: Tensor,
    /// What the forward pass kept for the backward pass.
    pub saved: Option<Tensor>,
    /// Weight and bias, where the layer has them.
    pub parameters: &'a [Parameter],
    /// Memory its products share with those of other rows.
    pub scratch: &'a Scratch,
    /// `[batch]`, u32
    pub labels: &'a Tensor,
    /// `[batch, 2]`: loss and rank of each image.
    pub scores: &'a Tensor,
    /// Sums over the batch.
    pub totals: &'a Tensor,
}

impl Io<'_> {
    /// vec4s of images.
    fn n4(&self) -> usize {
        self.batch / 4
    }

    /// Extents of input and output under the names the shaders use.
    fn extents(&self) -> Vec<(&'static str, Const)> {
        vec![
            ("C", self.x_shape.c.into()),
            ("H", self.x_shape.h.into()),
            ("W", self.x_shape.w.into()),
            ("OUT_H", self.y_shape.h.into()),
            ("OUT_W", self.y_shape.w.into()),
            ("N4", self.n4().into()),
        ]
    }
}

/// Whether the product of `layer` takes in the layer above it, which then records nothing of its own.
pub fn takes_in(layer: &Layer, above: Option<&Layer>) -> bool {
    layer.has_products() && matches!(above, Some(Layer::Relu))
}

/// Records y from x.
pub fn forward(rec: &mut Recorder, io: &Io) {
    match io.layer {
        Layer::Conv(_) | Layer::Full(_) => conv::forward(rec, io),
        Layer::Local(conv) => local::forward(rec, io, conv),
        Layer::Relu => relu::forward(rec, io),
        Layer::Tanh => tanh::forward(rec, io),
        Layer::Lrn(lrn) => lrn::forward(rec, io, lrn),
        Layer::MaxPool(pool) => pool::forward(rec, io, pool),
        Layer::AveragePool(pool) => average::forward(rec, io, pool),
        Layer::Dropout(dropout) => dropout::apply(rec, io, dropout, &io.y),
        Layer::SoftmaxLoss => loss::forward(rec, io),
    }
}

/// Values a layer with `len` values of output keeps for its backward pass, beside x and y.
pub fn saved(layer: &Layer, len: usize) -> Option<usize> {
    matches!(layer, Layer::MaxPool(_)).then(|| pool::winners(len))
}

/// What [`backward_data`] of a row touches. A product reads y as well, where it took in the ReLU above it.
pub fn touched_backward(layer: &Layer, row: &RowPlan) -> Vec<Place> {
    let &RowPlan { x, y, saved, dy, dx } = row;
    let mut touched = match layer {
        Layer::Conv(_) | Layer::Full(_) | Layer::Relu | Layer::Tanh => vec![y, dy],
        Layer::Lrn(_) => vec![x, dy],
        Layer::Local(_) | Layer::MaxPool(_) | Layer::AveragePool(_) | Layer::Dropout(_) | Layer::SoftmaxLoss => {
            vec![dy]
        }
    };
    touched.extend(saved.into_iter().chain(dx));
    touched
}

/// Records dx from dy. The row that reads the image has no dx.
pub fn backward_data(rec: &mut Recorder, io: &Io, dy: &Tensor, dx: Option<&Tensor>) {
    match (io.layer, dx) {
        (Layer::Conv(_) | Layer::Full(_), dx) => conv::backward_data(rec, io, dy, dx),
        (Layer::Local(conv), dx) => local::backward_data(rec, io, conv, dy, dx),
        (Layer::Relu, _) => relu::backward(rec, io, dy),
        (Layer::Tanh, _) => tanh::backward(rec, io, dy),
        (Layer::Lrn(lrn), _) => lrn::backward(rec, io, lrn, dy),
        (Layer::MaxPool(pool), Some(dx)) => pool::backward(rec, io, pool, dy, dx),
        (Layer::AveragePool(pool), Some(dx)) => average::backward(rec, io, pool, dy, dx),
        (Layer::Dropout(dropout), _) => dropout::apply(rec, io, dropout, dy),
        (Layer::SoftmaxLoss, Some(dx)) => loss::backward(rec, io, dx),
        (Layer::MaxPool(_) | Layer::AveragePool(_) | Layer::SoftmaxLoss, None) => {
            unreachable!("a network begins with a layer that has weights")
        }
    }
}

/// Records the gradients of the weights from dy, as [`backward_data`] left it.
pub fn backward_weights(rec: &mut Recorder, io: &Io, dy: &Tensor) {
    match io.layer {
        Layer::Conv(_) | Layer::Full(_) => conv::backward_weight(rec, io, dy),
        Layer::Local(conv) => local::backward_weight(rec, io, conv, dy),
        _ => {}
    }
}

/// Whether dx takes the place of dy.
pub fn backward_in_place(layer: &Layer) -> bool {
    layer.in_place() || matches!(layer, Layer::Lrn(_))
}

/// Records the image batch in the order of the device: `[N, LEN]` to `[LEN, batch]`, `len` values an image.
pub fn arrange(rec: &mut Recorder, len: usize, batch: usize, pixels: &Tensor, image: &Tensor) {
    let consts = [("LEN", len.into()), ("N4", (batch / 4).into())];
    rec.each("image/arrange", len * batch / 4, &consts, &[("pixels", pixels.into()), ("x", image.into())]);
}

/// Images as bytes, on their device.
pub struct Crops<'a> {
    /// `[N, words]` u32: bytes of `[side, side, 3]` an image.
    pub rgb: &'a Tensor,
    /// `[N]` [`crate::column::ViewUniform`].
    pub views: &'a Tensor,
    /// `[3, size, size]`
    pub mean: &'a Tensor,
    /// Side of a crop in pixels.
    pub side: usize,
    /// Side of the mean image in pixels.
    pub size: usize,
}

/// Records the views of an image batch in the order of the device: `[3, side, side, batch]`.
pub fn views(rec: &mut Recorder, crops: &Crops, batch: usize, image: &Tensor) {
    let len = 3 * crops.side * crops.side;
    let consts = [
        ("SIDE", crops.side.into()),
        ("SIZE", crops.size.into()),
        ("WORDS", len.div_ceil(4).into()),
        ("N4", (batch / 4).into()),
    ];
    let binds =
        [("crops", crops.rgb.into()), ("views", crops.views.into()), ("mean", crops.mean.into()), ("x", image.into())];
    rec.each("image/views", len * batch / 4, &consts, &binds);
}

/// Records dx += incoming.
pub fn add(rec: &mut Recorder, incoming: &Tensor, dx: &Tensor) {
    rec.each("exchange/add", dx.len / 4, &[], &[("incoming", incoming.into()), ("dx", dx.into())]);
}
