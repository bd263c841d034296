//! Rectified linear unit (§3.1): y = max(0, x); a NaN stays one.

use super::Values;

pub(super) fn forward(x: &Values, y: &mut Values) {
    for (y, x) in y.data.iter_mut().zip(&x.data) {
        *y = if *x <= 0.0 { 0.0 } else { *x };
    }
}

pub(super) fn backward(x: &Values, dy: &Values) -> Values {
    let mut dx = dy.clone();
    for (dx, x) in dx.data.iter_mut().zip(&x.data) {
        if *x <= 0.0 {
            *dx = 0.0;
        }
    }
    dx
}
