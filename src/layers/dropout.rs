//! Dropout (§4.2), in place; forward and backward are the same kernel.

use super::Io;
use crate::gpu::{Recorder, Tensor};
use crate::layer::Dropout;
use crate::random;

pub(super) fn apply(rec: &mut Recorder, io: &Io, dropout: &Dropout, x: &Tensor) {
    let consts = [
        ("N4", io.n4().into()),
        ("ROW", io.row.into()),
        ("UNITS", io.y_shape.len().into()),
        ("THRESHOLD", random::threshold(dropout.p).into()),
        ("KEEP", (1.0 - dropout.p).into()),
    ];
    rec.each("dropout/apply", x.len / 4, &consts, &[("x", x.into())]);
}
