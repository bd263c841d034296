//! Local response normalisation: over maps (§3.3), or over places of a map (the 2012 source).

use super::Io;
use crate::gpu::{Const, Recorder, Tensor};
use crate::layer::{Lrn, Over};
use crate::products::Family;

/// Places a thread of the kernels over maps walks.
fn block(rec: &Recorder) -> usize {
    match rec.device.profile.family {
        Family::Lanes { .. } => 4,
        Family::Portable(_) | Family::Mixed(_) => 1,
    }
}

/// Threads of those kernels, in whole workgroups: a workgroup's places are BLOCK · WORKGROUP in a row.
fn threads(rec: &Recorder, io: &Io) -> usize {
    let (plane, workgroup) = (io.y.len / 4 / io.x_shape.c, rec.device.profile.workgroup as usize);
    plane.div_ceil(workgroup * block(rec)) * workgroup
}

fn consts(rec: &Recorder, io: &Io, lrn: &Lrn) -> Vec<(&'static str, Const)> {
    let mut consts = io.extents();
    let plane = io.x_shape.h * io.x_shape.w * io.n4();
    consts.extend([
        ("MAPS", lrn.n.into()),
        ("SIDE", lrn.n.into()),
        ("PLANE", plane.into()),
        ("BLOCK", block(rec).into()),
    ]);
    consts.extend([("K", lrn.k), ("ALPHA", lrn.alpha), ("BETA", lrn.beta)].map(|(n, v)| (n, Const::F(v))));
    consts
}

pub(super) fn forward(rec: &mut Recorder, io: &Io, lrn: &Lrn) {
    let consts = consts(rec, io, lrn);
    let binds = [("x", (&io.x).into()), ("y", (&io.y).into())];
    match lrn.over {
        Over::Channels => rec.each("lrn/forward", threads(rec, io), &consts, &binds),
        Over::Space => rec.each("lrn_space/forward", io.y.len / 4, &consts, &binds),
    }
}

pub(super) fn backward(rec: &mut Recorder, io: &Io, lrn: &Lrn, dy: &Tensor) {
    let consts = consts(rec, io, lrn);
    let x = ("x", (&io.x).into());
    match lrn.over {
        Over::Channels => rec.each("lrn/backward", threads(rec, io), &consts, &[x, ("dy", dy.into())]),
        Over::Space => {
            let ratio = io.scratch.partial.slice(0..dy.len);
            let (dy, ratio) = (("dy", dy.into()), ("ratio", (&ratio).into()));
            rec.each("lrn_space/ratio", io.y.len / 4, &consts, &[x, dy, ratio]);
            rec.each("lrn_space/backward", io.y.len / 4, &consts, &[x, ratio, dy]);
        }
    }
}
