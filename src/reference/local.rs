//! Locally connected: `y[o, p, q, n] = b[o, p, q] + Σ w[o, p, q, c, i, j] · x[c, S·p + i − pad, S·q + j − pad, n]`, with x
//! zero outside.

use super::{Gradients, Values};
use crate::layer::Conv;
use crate::shape::Shape;

pub(super) fn forward(layer: &Conv, x: &Values, w: &[f64], b: &[f64], y: &mut Values) {
    for (values, bias) in y.data.chunks_mut(x.images).zip(b) {
        values.fill(*bias);
    }
    let shape = y.shape;
    each_weight(layer, x.shape, shape, |index, (o, p, q), (c, h, k)| {
        for (y, x) in y.row_mut(o, p, q).iter_mut().zip(x.row(c, h, k)) {
            *y += w[index] * x;
        }
    });
}

pub(super) fn backward(layer: &Conv, x: &Values, dy: &Values, w: &[f64]) -> Gradients {
    let mut dx = Values::zeros(x.shape, x.images);
    let mut dw = vec![0.0; w.len()];
    each_weight(layer, x.shape, dy.shape, |index, (o, p, q), (c, h, k)| {
        let dx = dx.row_mut(c, h, k);
        for ((dx, x), dy) in dx.iter_mut().zip(x.row(c, h, k)).zip(dy.row(o, p, q)) {
            *dx += w[index] * dy;
            dw[index] += x * dy;
        }
    });
    let db = dy.data.chunks(x.images).map(|values| values.iter().sum()).collect();
    Gradients { dx, params: vec![dw, db] }
}

/// Calls `visit(place of the weight, its place in y, its place in x)` for each weight of `[out, p, q, C, kernel, kernel]`
/// whose pixel lies inside.
fn each_weight(
    layer: &Conv,
    x: Shape,
    y: Shape,
    mut visit: impl FnMut(usize, (usize, usize, usize), (usize, usize, usize)),
) {
    let &Conv { out, kernel, stride, pad } = layer;
    let pixel = |place: usize, tap: usize, side: usize| (place * stride + tap).checked_sub(pad).filter(|&p| p < side);
    let mut index = 0;
    for (o, p, q) in (0..out).flat_map(|o| (0..y.h).flat_map(move |p| (0..y.w).map(move |q| (o, p, q)))) {
        for (c, i, j) in (0..x.c).flat_map(|c| (0..kernel).flat_map(move |i| (0..kernel).map(move |j| (c, i, j)))) {
            if let (Some(h), Some(k)) = (pixel(p, i, x.h), pixel(q, j, x.w)) {
                visit(index, (o, p, q), (c, h, k));
            }
            index += 1;
        }
    }
}
