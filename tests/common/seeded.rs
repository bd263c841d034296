//! Weights and images as functions of a counter, so that no file has to hold them. `tests/golden/make.py` computes the
//! same values.

use alexnet::data::{Batch, Pixels};
use alexnet::machine::{Machine, Settings};
use alexnet::net::{Net, Tensor};
use alexnet::random::hash;
use alexnet::recipe;

/// First word of the counter for pixels; a tensor's is its place in [`Net::tensors`].
const PIXELS: u32 = u32::MAX;
const LABELS: u32 = u32::MAX - 1;

/// Uniform value of mean 0 and variance 1.
pub fn uniform(words: &[u32]) -> f64 {
    const SQRT_12: f64 = 3.464_101_615_137_754_4;
    (f64::from(hash(words)) / 4_294_967_296.0 - 0.5) * SQRT_12
}

/// Weights that keep the signal's size through the net and its logits small, with biases unlike zero.
pub fn weights(net: &Net) -> Vec<Vec<f32>> {
    let tensors = net.tensors();
    let last = tensors.len() - 2;
    let values = |(number, tensor): (usize, &Tensor)| {
        let fan_in: usize = tensor.dims[1..].iter().product();
        let scale = match tensor.place {
            0 if number == last => 0.1 * (2.0 / fan_in as f64).sqrt(),
            0 => (2.0 / fan_in as f64).sqrt(),
            _ => 0.1,
        };
        (0..tensor.len()).map(|i| (uniform(&[number as u32, i as u32]) * scale) as f32).collect()
    };
    tensors.iter().enumerate().map(values).collect()
}

/// A batch of noise, about as large as pixels less their mean.
pub fn batch(net: &Net, images: usize) -> Batch {
    let side = net.table.crop;
    let values = (images * 3 * side * side) as u32;
    Batch {
        side,
        pixels: Pixels::Floats((0..values).map(|i| (uniform(&[PIXELS, i]) * 64.0) as f32).collect()),
        labels: (0..images as u32).map(|n| hash(&[LABELS, n]) % net.classes as u32).collect(),
    }
}

/// f32 tensors as the reference takes them.
pub fn widen(tensors: &[Vec<f32>]) -> Vec<Vec<f64>> {
    tensors.iter().map(|t| t.iter().copied().map(f64::from).collect()).collect()
}

/// The gradients of a machine's first step at rate `rate` from `weights`, told by the velocities that it left:
/// v = -ε (λ w + g).
pub fn gradients(machine: &Machine, weights: &[Vec<f32>], rate: f64, settings: Settings) -> Vec<Vec<f32>> {
    let tensors = machine.net().tensors();
    let all = tensors.iter().zip(machine.momenta().unwrap()).zip(weights);
    all.map(|((tensor, momenta), weights)| {
        let (factor, decays) = recipe::factors(machine.net(), settings.figures, tensor);
        let (rate, decay) = (rate * f64::from(factor), f64::from(settings.decay * decays));
        let gradient = |(v, w): (&f32, &f32)| (-f64::from(*v) / rate - decay * f64::from(*w)) as f32;
        momenta.iter().zip(weights).map(gradient).collect()
    })
    .collect()
}
