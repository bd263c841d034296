//! Fully connected: `y[o, n] = b[o] + Σ w[o, i] · x[i, n]`, where i counts the input in C, H, W order.

use super::{Gradients, Values};

pub(super) fn forward(x: &Values, w: &[f64], b: &[f64], y: &mut Values) {
    let inputs = x.shape.len();
    for (o, y) in y.data.chunks_mut(x.images).enumerate() {
        y.fill(b[o]);
        for (weight, x) in w[o * inputs..(o + 1) * inputs].iter().zip(x.data.chunks(x.images)) {
            for (y, x) in y.iter_mut().zip(x) {
                *y += weight * x;
            }
        }
    }
}

pub(super) fn backward(x: &Values, dy: &Values, w: &[f64]) -> Gradients {
    let (inputs, images) = (x.shape.len(), x.images);
    let mut dx = Values::zeros(x.shape, images);
    let mut dw = vec![0.0; w.len()];
    for (o, dy) in dy.data.chunks(images).enumerate() {
        for i in 0..inputs {
            let place = i * images..(i + 1) * images;
            for ((dx, x), dy) in dx.data[place.clone()].iter_mut().zip(&x.data[place]).zip(dy) {
                *dx += w[o * inputs + i] * dy;
                dw[o * inputs + i] += x * dy;
            }
        }
    }
    let db = dy.data.chunks(images).map(|values| values.iter().sum()).collect();
    Gradients { dx, params: vec![dw, db] }
}
