//! Hyperbolic tangent, which §3.1 compares ReLU with: y = tanh(x), dx = dy · (1 − y²).

use super::Values;

pub(super) fn forward(x: &Values, y: &mut Values) {
    for (y, x) in y.data.iter_mut().zip(&x.data) {
        *y = x.tanh();
    }
}

pub(super) fn backward(y: &Values, dy: &Values) -> Values {
    let mut dx = dy.clone();
    for (dx, y) in dx.data.iter_mut().zip(&y.data) {
        *dx *= 1.0 - y * y;
    }
    dx
}
