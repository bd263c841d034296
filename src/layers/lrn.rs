//! Local response normalisation: over maps (§3.3), or over places of a map (the 2012 source).

use super::Io;
use crate::gpu::{Const, Recorder, Tensor};
use crate::layer::{Lrn, Over};

fn consts(io: &Io, lrn: &Lrn) -> Vec<(&'static str, Const)> {
    let mut consts = io.extents();
    let plane = io.x_shape.h * io.x_shape.w * io.n4();
    consts.extend([("MAPS", lrn.n.into()), ("SIDE", lrn.n.into()), ("PLANE", plane.into())]);
    consts.extend([("K", lrn.k), ("ALPHA", lrn.alpha), ("BETA", lrn.beta)].map(|(n, v)| (n, Const::F(v))));
    consts
}

pub(super) fn forward(rec: &mut Recorder, io: &Io, lrn: &Lrn) {
    let consts = consts(io, lrn);
    let binds = [("x", (&io.x).into()), ("y", (&io.y).into())];
    match lrn.over {
        Over::Channels => rec.each("lrn/forward", io.y.len / 4 / io.x_shape.c, &consts, &binds),
        Over::Space => rec.each("lrn_space/forward", io.y.len / 4, &consts, &binds),
    }
}

pub(super) fn backward(rec: &mut Recorder, io: &Io, lrn: &Lrn, dy: &Tensor) {
    let consts = consts(io, lrn);
    let x = ("x", (&io.x).into());
    match lrn.over {
        Over::Channels => rec.each("lrn/backward", dy.len / 4 / io.x_shape.c, &consts, &[x, ("dy", dy.into())]),
        Over::Space => {
            let ratio = io.scratch.partial.slice(0..dy.len);
            let (dy, ratio) = (("dy", dy.into()), ("ratio", (&ratio).into()));
            rec.each("lrn_space/ratio", io.y.len / 4, &consts, &[x, dy, ratio]);
            rec.each("lrn_space/backward", io.y.len / 4, &consts, &[x, ratio, dy]);
        }
    }
}
