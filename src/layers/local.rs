//! Locally connected layers: a convolution whose weights differ from place to place, so that no product of matrices
//! computes it.

use super::Io;
use crate::gpu::{Const, Recorder, Tensor};
use crate::layer::{Conv, Full, Layer};
use crate::products::{self, Window};
use crate::shape::Shape;

fn consts(io: &Io, conv: &Conv) -> Vec<(&'static str, Const)> {
    let mut consts = io.extents();
    consts.extend([
        ("OUT", conv.out.into()),
        ("KERNEL", conv.kernel.into()),
        ("STRIDE", conv.stride.into()),
        ("PAD", conv.pad.into()),
    ]);
    consts
}

pub(super) fn forward(rec: &mut Recorder, io: &Io, conv: &Conv) {
    let [weight, bias] = io.parameters else { unreachable!("a weight and a bias") };
    let items = conv.out.div_ceil(4) * io.y_shape.h * io.y_shape.w * io.n4();
    let (w, b) = (&weight.weight, &bias.weight);
    let binds = [("x", (&io.x).into()), ("w", w.into()), ("b", b.into()), ("y", (&io.y).into())];
    rec.each("local/forward", items, &consts(io, conv), &binds);
}

/// The row that reads the image has no dx.
pub(super) fn backward_data(rec: &mut Recorder, io: &Io, conv: &Conv, dy: &Tensor, dx: Option<&Tensor>) {
    let Some(dx) = dx else { return };
    let items = io.x_shape.c.div_ceil(4) * io.x_shape.h * io.x_shape.w * io.n4();
    let binds = [("dy", dy.into()), ("w", (&io.parameters[0].weight).into()), ("dx", dx.into())];
    rec.each("local/backward_data", items, &consts(io, conv), &binds);
}

pub(super) fn backward_weight(rec: &mut Recorder, io: &Io, conv: &Conv, dy: &Tensor) {
    let [weight, bias] = io.parameters else { unreachable!("a weight and a bias") };
    // Every place has a bias of its own, as if it were a unit.
    let places = io.y_shape.len();
    let units = Window::of(&Layer::Full(Full { units: places }), io.x_shape, Shape::new(places, 1, 1), io.batch);
    products::backward_bias(rec, &units, None, dy, bias.gradient.kept());
    let rows = io.x_shape.c * conv.kernel * conv.kernel;
    let items = conv.out.div_ceil(4) * io.y_shape.h * io.y_shape.w * rows;
    let binds = [("dy", dy.into()), ("x", (&io.x).into()), ("dw", weight.gradient.kept().into())];
    rec.each("local/backward_weight", items, &consts(io, conv), &binds);
}
