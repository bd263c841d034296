//! Overlapping max pooling (§3.4): the largest value of each window. The first in scan order wins, also the gradient;
//! a NaN beats every number.

use super::Values;
use crate::layer::Pool;
use crate::shape::Shape;

pub(super) fn forward(layer: &Pool, x: &Values, y: &mut Values) {
    for (c, p, q, n) in places(y.shape, x.images) {
        let (h, w) = winner(layer, x, c, p, q, n);
        *y.at_mut(c, p, q, n) = x.at(c, h, w, n);
    }
}

pub(super) fn backward(layer: &Pool, x: &Values, dy: &Values) -> Values {
    let mut dx = Values::zeros(x.shape, x.images);
    for (c, p, q, n) in places(dy.shape, x.images) {
        let (h, w) = winner(layer, x, c, p, q, n);
        *dx.at_mut(c, h, w, n) += dy.at(c, p, q, n);
    }
    dx
}

/// Every place (c, h, w, n) of activations of this shape.
pub(super) fn places(shape: Shape, images: usize) -> impl Iterator<Item = (usize, usize, usize, usize)> {
    let Shape { c, h, w } = shape;
    (0..c).flat_map(move |c| (0..h).flat_map(move |h| (0..w).flat_map(move |w| (0..images).map(move |n| (c, h, w, n)))))
}

/// Place (h, w) of the value that wins the window of output place (p, q).
fn winner(layer: &Pool, x: &Values, c: usize, p: usize, q: usize, n: usize) -> (usize, usize) {
    let (top, left) = (p * layer.stride, q * layer.stride);
    let mut best = (top, left);
    for h in top..x.shape.h.min(top + layer.window) {
        for w in left..x.shape.w.min(left + layer.window) {
            let (value, largest) = (x.at(c, h, w, n), x.at(c, best.0, best.1, n));
            if value > largest || (value.is_nan() && !largest.is_nan()) {
                best = (h, w);
            }
        }
    }
    best
}
