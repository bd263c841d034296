//! Dropout (§4.2): in training a dropped unit is zero and a kept one unscaled; in use every unit is multiplied by 1 − p.

use super::{Context, Values};
use crate::layer::Dropout;

pub(super) fn forward(layer: &Dropout, x: &Values, ctx: &Context, y: &mut Values) {
    y.data.copy_from_slice(&x.data);
    apply(layer, ctx, y);
}

pub(super) fn backward(layer: &Dropout, dy: &Values, ctx: &Context) -> Values {
    let mut dx = dy.clone();
    apply(layer, ctx, &mut dx);
    dx
}

/// The layer is linear and diagonal: its adjoint is itself.
fn apply(layer: &Dropout, ctx: &Context, values: &mut Values) {
    let images = values.images;
    for (unit, row) in values.data.chunks_mut(images).enumerate() {
        for (n, value) in row.iter_mut().enumerate() {
            if !ctx.train {
                *value *= 1.0 - f64::from(layer.p);
            } else if !ctx.draw.keeps(layer.p, (ctx.first_unit + unit) as u32, (ctx.first_image + n) as u32) {
                *value = 0.0;
            }
        }
    }
}
