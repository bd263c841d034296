//! Convolution and fully connected layers: three products and the sum of dy.

use super::Io;
use crate::gpu::{Recorder, Tensor};
use crate::products::{self, Window};

fn window(io: &Io) -> Window {
    Window::of(io.layer, io.x_shape, io.y_shape, io.batch)
}

pub(super) fn forward(rec: &mut Recorder, io: &Io) {
    let [weight, bias] = io.parameters else { unreachable!("a weight and a bias") };
    products::forward(rec, io.scratch, &window(io), &io.x, &weight.weight, &bias.weight, &io.y);
}

pub(super) fn backward(rec: &mut Recorder, io: &Io, dy: &Tensor, dx: Option<&Tensor>) {
    let [weight, bias] = io.parameters else { unreachable!("a weight and a bias") };
    let window = window(io);
    if let Some(dx) = dx {
        products::backward_data(rec, io.scratch, &window, dy, &weight.weight, dx);
    }
    products::backward_weight(rec, io.scratch, &window, dy, &io.x, &weight.gradient);
    products::backward_bias(rec, &window, dy, &bias.gradient);
}
