//! Hyperbolic tangent (§3.1), in place.

use super::Io;
use crate::gpu::{Recorder, Tensor};

pub(super) fn forward(rec: &mut Recorder, io: &Io) {
    rec.each("tanh/forward", io.y.len / 4, &[], &[("y", (&io.y).into())]);
}

pub(super) fn backward(rec: &mut Recorder, io: &Io, dy: &Tensor) {
    rec.each("tanh/backward", io.y.len / 4, &[], &[("y", (&io.y).into()), ("dy", dy.into())]);
}
