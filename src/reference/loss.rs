//! Softmax and the multinomial log-loss: `y[k] = exp(x[k]) / Σ exp(x)`, and the loss is the mean of `−ln y[label]`.

use super::{Context, Values};

pub(super) fn forward(x: &Values, y: &mut Values) {
    for n in 0..x.images {
        let (largest, sum) = exponentials(x, n);
        for k in 0..x.shape.len() {
            y.data[k * x.images + n] = (logit(x, k, n) - largest).exp() / sum;
        }
    }
}

/// Gradient of the mean loss in the logits: (y − onehot) / total.
pub(super) fn backward(y: &Values, ctx: &Context) -> Values {
    let mut dx = y.clone();
    for (n, label) in ctx.labels.iter().enumerate() {
        dx.data[*label as usize * y.images + n] -= 1.0;
    }
    dx.data.iter_mut().for_each(|v| *v /= ctx.total as f64);
    dx
}

/// Σ −ln p(label) / `ctx.total` over the images of the logits `x`, in nats.
///
/// It is computed from the logits, as a probability may vanish in f64 where its logarithm does not.
pub fn loss(x: &Values, ctx: &Context) -> f64 {
    let of_image = |(n, &label): (usize, &u32)| {
        let (largest, sum) = exponentials(x, n);
        largest - logit(x, label as usize, n) + sum.ln()
    };
    ctx.labels.iter().enumerate().map(of_image).sum::<f64>() / ctx.total as f64
}

/// Images of the logits (or probabilities) `x` for which at least `k` classes come before the label: larger, or equal
/// with a smaller index.
pub fn errors(x: &Values, labels: &[u32], k: usize) -> usize {
    let before = |n: usize, label: usize| {
        let own = logit(x, label, n);
        (0..x.shape.len()).filter(|&j| logit(x, j, n) > own || (logit(x, j, n) == own && j < label)).count()
    };
    labels.iter().enumerate().filter(|&(n, &label)| before(n, label as usize) >= k).count()
}

fn logit(x: &Values, class: usize, n: usize) -> f64 {
    x.data[class * x.images + n]
}

/// The largest logit of image `n`, and Σ exp(logit − largest).
fn exponentials(x: &Values, n: usize) -> (f64, f64) {
    let logits = || (0..x.shape.len()).map(|k| logit(x, k, n));
    let largest = logits().fold(f64::NEG_INFINITY, f64::max);
    (largest, logits().map(|v| (v - largest).exp()).sum())
}
