//! What an autoencoder records beside the layers it shares with the networks.

use crate::column::Parameter;
use crate::gpu::{Recorder, Tensor};
use crate::optimizer;

/// Records y = ±1, the sign of x.
pub fn binarize(rec: &mut Recorder, x: &Tensor, y: &Tensor) {
    rec.each("codes/binarize", x.len.div_ceil(4), &[], &[("x", x.into()), ("y", y.into())]);
}

/// Records dy · (1 − tanh² x), in the place of dy.
pub fn binarize_backward(rec: &mut Recorder, x: &Tensor, dy: &Tensor) {
    rec.each("codes/binarize_backward", x.len.div_ceil(4), &[], &[("x", x.into()), ("dy", dy.into())]);
}

/// Records dy = (y − x) / `batch`.
pub fn residual(rec: &mut Recorder, batch: usize, x: &Tensor, y: &Tensor, dy: &Tensor) {
    let binds = [("x", x.into()), ("y", y.into()), ("dy", dy.into())];
    rec.each("codes/residual", x.len.div_ceil(4), &[("N4", (batch / 4).into())], &binds);
}

/// Records Adam's update of one parameter, whose momentum is the mean of its gradients, `squares` that of their squares.
pub fn adam(rec: &mut Recorder, beta: [f64; 2], parameter: &Parameter, squares: &Tensor) {
    let consts = [("BETA_1", (beta[0] as f32).into()), ("BETA_2", (beta[1] as f32).into())];
    for range in optimizer::spans(rec, parameter.weight.len) {
        let Parameter { weight, gradient, momentum } = parameter;
        let [w, m, dw, v] = [weight, momentum, gradient.kept(), squares].map(|tensor| tensor.slice(range.clone()));
        let binds = [("dw", (&dw).into()), ("m", (&m).into()), ("v", (&v).into()), ("w", (&w).into())];
        rec.each("codes/adam", range.len().div_ceil(4), &consts, &binds);
    }
}
