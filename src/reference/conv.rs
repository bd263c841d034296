//! Convolution: `y[o, p, q, n] = b[o] + Σ w[o, c, i, j] · x[c, S·p + i − pad, S·q + j − pad, n]`, with x zero outside.

use super::{Gradients, Values};
use crate::layer::Conv;
use crate::shape::Shape;

pub(super) fn forward(layer: &Conv, x: &Values, w: &[f64], b: &[f64], y: &mut Values) {
    let map = y.shape.h * y.shape.w * y.images;
    for (values, bias) in y.data.chunks_mut(map).zip(b) {
        values.fill(*bias);
    }
    for (tap, weight) in taps(layer, x.shape.c).zip(w) {
        tap.each_place(layer, x.shape, y.shape, |(p, q), (h, k)| {
            for (y, x) in y.row_mut(tap.o, p, q).iter_mut().zip(x.row(tap.c, h, k)) {
                *y += weight * x;
            }
        });
    }
}

pub(super) fn backward(layer: &Conv, x: &Values, dy: &Values, w: &[f64]) -> Gradients {
    let mut dx = Values::zeros(x.shape, x.images);
    let mut dw = vec![0.0; w.len()];
    for ((tap, weight), dw) in taps(layer, x.shape.c).zip(w).zip(&mut dw) {
        tap.each_place(layer, x.shape, dy.shape, |(p, q), (h, k)| {
            let dx = dx.row_mut(tap.c, h, k);
            for ((dx, x), dy) in dx.iter_mut().zip(x.row(tap.c, h, k)).zip(dy.row(tap.o, p, q)) {
                *dx += weight * dy;
                *dw += x * dy;
            }
        });
    }
    let map = dy.shape.h * dy.shape.w * dy.images;
    let db = dy.data.chunks(map).map(|values| values.iter().sum()).collect();
    Gradients { dx, params: vec![dw, db] }
}

/// One weight: from input map `c` to output map `o`, at (i, j) of the window.
#[derive(Clone, Copy)]
struct Tap {
    o: usize,
    c: usize,
    i: usize,
    j: usize,
}

/// Every weight, in the order of `[out, C, kernel, kernel]`.
fn taps(layer: &Conv, channels: usize) -> impl Iterator<Item = Tap> + use<> {
    let &Conv { out, kernel, .. } = layer;
    (0..out).flat_map(move |o| {
        (0..channels).flat_map(move |c| (0..kernel).flat_map(move |i| (0..kernel).map(move |j| Tap { o, c, i, j })))
    })
}

impl Tap {
    /// Calls `visit((p, q), (h, k))` for each output place (p, q) whose pixel (h, k) under this tap lies inside.
    fn each_place(self, layer: &Conv, x: Shape, y: Shape, mut visit: impl FnMut((usize, usize), (usize, usize))) {
        let pixel = |place: usize, tap: usize, side: usize| {
            (place * layer.stride + tap).checked_sub(layer.pad).filter(|&pixel| pixel < side)
        };
        for p in 0..y.h {
            let Some(h) = pixel(p, self.i, x.h) else { continue };
            for q in 0..y.w {
                if let Some(k) = pixel(q, self.j, x.w) {
                    visit((p, q), (h, k));
                }
            }
        }
    }
}
