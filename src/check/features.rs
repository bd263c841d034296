//! The kernels of `similar`: distances, and what an autoencoder runs beside its layers.

use super::{Checked, LIMIT, nmse};
use crate::column::{Parameter, StepUniform};
use crate::error::Result;
use crate::gpu::{Device, Recorder, Tensor};
use crate::optimizer::Sink;
use crate::similar::{self, codes::kernels};
use crate::solo::{step_uniform, values};
use std::sync::Arc;

/// Compares them with the reference.
///
/// # Errors
/// The device was lost.
pub(super) fn run(device: &Arc<Device>) -> Result<Vec<Checked>> {
    let mut all = Vec::new();
    let mut add = |case: &str, what, found: Vec<f32>, expected: Vec<f64>| {
        let (variant, error) = (device.profile.family.to_string(), nmse(&found, &expected));
        all.push(Checked { variant, case: case.to_owned(), what, error, limit: LIMIT, fault: None });
    };
    let tensor = |salt: u32, len: usize| {
        let tensor = Tensor::zeros(device, "operand", len);
        tensor.write(device, &values(salt, len));
        tensor
    };
    let doubles = |salt, len| values(salt, len).into_iter().map(f64::from).collect::<Vec<_>>();
    let step = step_uniform(device);
    let rate = 0.02;
    device.queue.write_buffer(&step, 0, bytemuck::bytes_of(&StepUniform { rate, ..StepUniform::default() }));

    // Width and counts that no tile divides, but for the padding the kernel asks for.
    let [tr, tq] = similar::TILE;
    let (width4, rows, queries) = (7 * 13, 5 * tr, 3 * tq);
    let (x, q, found) = (tensor(1, rows * width4 * 4), tensor(2, queries * width4 * 4), tensor(3, queries * rows));
    let mut rec = Recorder::new(device, &step);
    similar::distances(&mut rec, width4, &q, &x, &found);
    rec.finish().submit(device)?;
    let (x, q) = (values(1, rows * width4 * 4), values(2, queries * width4 * 4));
    let of_query = |query| x.chunks(width4 * 4).map(|row| similar::squared(row, query)).collect::<Vec<_>>();
    add("similar", "distances", found.read(device)?, q.chunks(width4 * 4).flat_map(of_query).collect());

    let (len, batch) = (4 * 251, 4);
    let (x, y, dy) = (tensor(1, len), tensor(2, len), tensor(3, len));
    let mut rec = Recorder::new(device, &step);
    kernels::binarize(&mut rec, &x, &y);
    kernels::binarize_backward(&mut rec, &x, &dy);
    rec.finish().submit(device)?;
    let (x64, dy64) = (doubles(1, len), doubles(3, len));
    add("codes", "bits", y.read(device)?, x64.iter().map(|&x| if x > 0.0 { 1.0 } else { -1.0 }).collect());
    let through = |(x, dy): (&f64, &f64)| dy * (1.0 - x.tanh().powi(2));
    add("codes", "gradient of the bits", dy.read(device)?, x64.iter().zip(&dy64).map(through).collect());

    let y = tensor(2, len);
    let mut rec = Recorder::new(device, &step);
    kernels::residual(&mut rec, batch, &x, &y, &dy);
    rec.finish().submit(device)?;
    let residual = |(x, y): (&f64, f64)| (y - x) / batch as f64;
    add("codes", "residual", dy.read(device)?, x64.iter().zip(doubles(2, len)).map(residual).collect());

    let len = 1021;
    let parameter =
        Parameter { weight: tensor(1, len), gradient: Sink::Kept(tensor(2, len)), momentum: tensor(3, len) };
    let squares = Tensor::zeros(device, "squares", len);
    squares.write(device, &values(4, len).iter().map(|v| v.abs()).collect::<Vec<_>>());
    let beta = [0.75, 0.875];
    let mut rec = Recorder::new(device, &step);
    kernels::adam(&mut rec, beta, &parameter, &squares);
    rec.finish().submit(device)?;
    let (mut w, mut m, mut v) = (doubles(1, len), doubles(3, len), doubles(4, len));
    for (i, g) in doubles(2, len).into_iter().enumerate() {
        m[i] = beta[0] * m[i] + (1.0 - beta[0]) * g;
        v[i] = beta[1] * v[i].abs() + (1.0 - beta[1]) * g * g;
        w[i] -= f64::from(rate) * m[i] / (v[i].sqrt() + 1e-8);
    }
    add("codes", "Adam's w", parameter.weight.read(device)?, w);
    add("codes", "Adam's moments", [parameter.momentum.read(device)?, squares.read(device)?].concat(), [m, v].concat());
    Ok(all)
}
