//! Overlapping max pooling (§3.4). The forward pass keeps each window's winner.

use super::Io;
use crate::gpu::{Const, Recorder, Tensor};
use crate::layer::Pool;

fn consts(io: &Io, pool: &Pool) -> Vec<(&'static str, Const)> {
    let mut consts = io.extents();
    consts.extend([("WINDOW", pool.window.into()), ("STRIDE", pool.stride.into())]);
    consts
}

/// Values that hold the winners of `len` outputs: a byte each, the four images of a vec4 in one u32.
pub(super) fn winners(len: usize) -> usize {
    len / 4
}

fn winner<'a>(io: &'a Io) -> &'a Tensor {
    io.saved.as_ref().expect("the plan gives a pool its winners")
}

pub(super) fn forward(rec: &mut Recorder, io: &Io, pool: &Pool) {
    let binds = [("x", (&io.x).into()), ("y", (&io.y).into()), ("winner", winner(io).into())];
    rec.each("pool/forward", io.y.len / 4, &consts(io, pool), &binds);
}

pub(super) fn backward(rec: &mut Recorder, io: &Io, pool: &Pool, dy: &Tensor, dx: &Tensor) {
    let binds = [("dy", dy.into()), ("winner", winner(io).into()), ("dx", dx.into())];
    rec.each("pool/backward", dx.len / 4, &consts(io, pool), &binds);
}
