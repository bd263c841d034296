//! Local response normalisation (§3.3).

use super::Io;
use crate::gpu::{Const, Recorder, Tensor};
use crate::layer::{Lrn, Over};

fn consts(io: &Io, lrn: &Lrn) -> Vec<(&'static str, Const)> {
    let (maps, side) = match lrn.over {
        Over::Channels => (lrn.n, 1),
        Over::Space => (1, lrn.n),
    };
    let mut consts = io.extents();
    consts.extend([("MAPS", maps.into()), ("SIDE", side.into())]);
    consts.extend([("K", lrn.k), ("ALPHA", lrn.alpha), ("BETA", lrn.beta)].map(|(n, v)| (n, Const::F(v))));
    consts
}

pub(super) fn forward(rec: &mut Recorder, io: &Io, lrn: &Lrn) {
    rec.each("lrn/forward", io.y.len / 4, &consts(io, lrn), &[("x", (&io.x).into()), ("y", (&io.y).into())]);
}

pub(super) fn backward(rec: &mut Recorder, io: &Io, lrn: &Lrn, dy: &Tensor) {
    let consts = consts(io, lrn);
    let ratio = io.scratch.partial.slice(0..io.y.len);
    let x = ("x", (&io.x).into());
    rec.each("lrn/backward_ratio", io.y.len / 4, &consts, &[x, ("dy", dy.into()), ("ratio", (&ratio).into())]);
    rec.each("lrn/backward", io.y.len / 4, &consts, &[x, ("ratio", (&ratio).into()), ("dy", dy.into())]);
}
