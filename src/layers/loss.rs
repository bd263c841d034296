//! Softmax, the multinomial log-loss, top-1 and top-5.

use super::Io;
use crate::gpu::{Recorder, Tensor};

/// Threads that share one image's classes.
const THREADS: u32 = 64;

pub(super) fn forward(rec: &mut Recorder, io: &Io) {
    let consts = [("CLASSES", io.x_shape.len().into()), ("N", io.batch.into()), ("THREADS", THREADS.into())];
    let binds =
        [("x", (&io.x).into()), ("labels", io.labels.into()), ("y", (&io.y).into()), ("scores", io.scores.into())];
    rec.dispatch("loss/forward", &consts, &binds, [io.batch as u32, 1, 1]);
    rec.dispatch("loss/sum", &[], &[("scores", io.scores.into()), ("totals", io.totals.into())], [1, 1, 1]);
}

pub(super) fn backward(rec: &mut Recorder, io: &Io, dx: &Tensor) {
    let consts = [("N", io.batch.into())];
    let binds = [("y", (&io.y).into()), ("labels", io.labels.into()), ("dx", dx.into())];
    rec.each("loss/backward", dx.len, &consts, &binds);
}
