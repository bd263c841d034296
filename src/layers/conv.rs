//! Convolution and fully connected layers: three products and the sum of dy. The ReLU above one, if there is one, is a part
//! of it.

use super::Io;
use crate::gpu::{Recorder, Tensor};
use crate::products::{self, Window};

fn window(io: &Io) -> Window {
    Window { relu: io.relu, ..Window::of(io.layer, io.x_shape, io.y_shape, io.batch) }
}

pub(super) fn forward(rec: &mut Recorder, io: &Io) {
    let [weight, bias] = io.parameters else { unreachable!("a weight and a bias") };
    products::forward(rec, io.scratch, &window(io), &io.x, &weight.weight, &bias.weight, &io.y);
}

/// dx and, because dy passes the ReLU in the same kernel, the bias's gradient. The row that reads the image has no dx.
pub(super) fn backward_data(rec: &mut Recorder, io: &Io, dy: &Tensor, dx: Option<&Tensor>) {
    let [weight, bias] = io.parameters else { unreachable!("a weight and a bias") };
    products::backward_bias(rec, &window(io), io.relu.then_some(&io.y), dy, bias.gradient.kept());
    if let Some(dx) = dx {
        products::backward_data(rec, io.scratch, &window(io), dy, &weight.weight, dx);
    }
}

pub(super) fn backward_weight(rec: &mut Recorder, io: &Io, dy: &Tensor) {
    products::backward_weight(rec, io.scratch, &window(io), dy, &io.x, &io.parameters[0].gradient);
}
