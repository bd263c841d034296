//! Local response normalisation (§3.3): y = x · d^−β with d = k + α · Σ x² over a window clipped at the borders.

use super::Values;
use crate::layer::{Lrn, Over};
use crate::shape::Shape;
use std::ops::Range;

pub(super) fn forward(layer: &Lrn, x: &Values, y: &mut Values) {
    let d = denominator(layer, x);
    for ((y, x), d) in y.data.iter_mut().zip(&x.data).zip(&d.data) {
        *y = x * d.powf(-f64::from(layer.beta));
    }
}

/// dx_i = dy_i · d_i^−β − 2αβ · x_i · Σ dy_j · y_j / d_j over the j whose window holds i. As n is odd, those are the j
/// in the window of i.
pub(super) fn backward(layer: &Lrn, x: &Values, y: &Values, dy: &Values) -> Values {
    let d = denominator(layer, x);
    let (alpha, beta) = (f64::from(layer.alpha), f64::from(layer.beta));
    let mut ratio = Values::zeros(x.shape, x.images);
    for (i, ratio) in ratio.data.iter_mut().enumerate() {
        *ratio = dy.data[i] * y.data[i] / d.data[i];
    }
    let mut dx = window_sums(layer, &ratio);
    for (i, dx) in dx.data.iter_mut().enumerate() {
        *dx = dy.data[i] * d.data[i].powf(-beta) - 2.0 * alpha * beta * x.data[i] * *dx;
    }
    dx
}

fn denominator(layer: &Lrn, x: &Values) -> Values {
    let mut squares = x.clone();
    squares.data.iter_mut().for_each(|v| *v *= *v);
    let mut d = window_sums(layer, &squares);
    d.data.iter_mut().for_each(|v| *v = f64::from(layer.k) + f64::from(layer.alpha) * *v);
    d
}

/// Sum of `x` over the window around each place.
fn window_sums(layer: &Lrn, x: &Values) -> Values {
    assert!(layer.n % 2 == 1, "{layer:?}: its window has no middle");
    let Shape { c: channels, h: height, w: width } = x.shape;
    let around = |place: usize, extent: usize| -> Range<usize> {
        place.saturating_sub(layer.n / 2)..(place + layer.n / 2 + 1).min(extent)
    };
    let mut sums = Values::zeros(x.shape, x.images);
    for c in 0..channels {
        for h in 0..height {
            for w in 0..width {
                let (cs, hs, ws) = match layer.over {
                    Over::Channels => (around(c, channels), h..h + 1, w..w + 1),
                    Over::Space => (c..c + 1, around(h, height), around(w, width)),
                };
                let sum = sums.row_mut(c, h, w);
                for c in cs {
                    for h in hs.clone() {
                        for w in ws.clone() {
                            sum.iter_mut().zip(x.row(c, h, w)).for_each(|(sum, x)| *sum += x);
                        }
                    }
                }
            }
        }
    }
    sums
}
