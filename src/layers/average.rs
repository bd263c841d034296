//! Average pooling.

use super::Io;
use crate::gpu::{Const, Recorder, Tensor};
use crate::layer::Pool;

fn consts(io: &Io, pool: &Pool) -> Vec<(&'static str, Const)> {
    let mut consts = io.extents();
    consts.extend([("WINDOW", pool.window.into()), ("STRIDE", pool.stride.into())]);
    consts
}

pub(super) fn forward(rec: &mut Recorder, io: &Io, pool: &Pool) {
    let binds = [("x", (&io.x).into()), ("y", (&io.y).into())];
    rec.each("average/forward", io.y.len / 4, &consts(io, pool), &binds);
}

pub(super) fn backward(rec: &mut Recorder, io: &Io, pool: &Pool, dy: &Tensor, dx: &Tensor) {
    rec.each("average/backward", dx.len / 4, &consts(io, pool), &[("dy", dy.into()), ("dx", dx.into())]);
}
