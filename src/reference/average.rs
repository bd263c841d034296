//! Average pooling: the mean over what of the window lies inside.

use super::Values;
use super::pool::places;
use crate::layer::Pool;
use crate::shape::Shape;

pub(super) fn forward(layer: &Pool, x: &Values, y: &mut Values) {
    for (c, p, q, n) in places(y.shape, x.images) {
        let window = window(layer, x.shape, p, q);
        *y.at_mut(c, p, q, n) = window.iter().map(|&(h, w)| x.at(c, h, w, n)).sum::<f64>() / window.len() as f64;
    }
}

pub(super) fn backward(layer: &Pool, x: &Values, dy: &Values) -> Values {
    let mut dx = Values::zeros(x.shape, x.images);
    for (c, p, q, n) in places(dy.shape, x.images) {
        let window = window(layer, x.shape, p, q);
        for &(h, w) in &window {
            *dx.at_mut(c, h, w, n) += dy.at(c, p, q, n) / window.len() as f64;
        }
    }
    dx
}

/// The places of the window of output place (p, q).
fn window(layer: &Pool, x: Shape, p: usize, q: usize) -> Vec<(usize, usize)> {
    let (top, left) = (p * layer.stride, q * layer.stride);
    let across = left..x.w.min(left + layer.window);
    (top..x.h.min(top + layer.window)).flat_map(|h| across.clone().map(move |w| (h, w))).collect()
}
