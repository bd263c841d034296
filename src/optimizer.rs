//! The update: stochastic gradient descent with momentum and weight decay (§5), and what becomes of a gradient.

use crate::column::RESULTS;
use crate::gpu::{Bind, Const, Recorder, Tensor};
use std::ops::Range;

/// Constants of one tensor's update.
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    /// Factor of the velocity.
    pub momentum: f32,
    /// Factor of the step's rate.
    pub rate: f32,
    /// Weight decay of this tensor.
    pub decay: f32,
}

/// The update of one tensor: v ← μ v - λ ε w - ε g; w ← w + v.
#[derive(Clone)]
pub struct Update {
    /// w
    pub weight: Tensor,
    /// v, of the same shape.
    pub momentum: Tensor,
    /// Where a NaN or infinity is reported, as [`crate::column::Column::results`].
    pub results: Tensor,
    /// Its constants.
    pub sgd: Sgd,
}

/// Where a sum goes in its last pass.
#[derive(Clone)]
pub enum Sink {
    /// It is stored: no gradient, or a part of one.
    Stored(Tensor),
    /// A gradient that is stored, or added to what is there where the step accumulates.
    Kept(Tensor),
    /// A gradient that updates the weights at once and is stored nowhere: a pass over them less.
    Taken(Update),
}

impl Sink {
    /// The stored sum.
    ///
    /// # Panics
    /// On a gradient that is taken.
    pub fn kept(&self) -> &Tensor {
        match self {
            Self::Stored(tensor) | Self::Kept(tensor) => tensor,
            Self::Taken(_) => unreachable!("nothing reads a gradient that is taken"),
        }
    }

    /// Values.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Stored(tensor) | Self::Kept(tensor) => tensor.len,
            Self::Taken(update) => update.weight.len,
        }
    }

    /// A part of it.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        match self {
            Self::Stored(tensor) => Self::Stored(tensor.slice(range)),
            Self::Kept(tensor) => Self::Kept(tensor.slice(range)),
            Self::Taken(update) => Self::Taken(Update {
                weight: update.weight.slice(range.clone()),
                momentum: update.momentum.slice(range),
                ..update.clone()
            }),
        }
    }

    /// What a kernel that ends in `settle` knows: the file with that function, and what it needs.
    pub(crate) fn consts(&self) -> Vec<(&'static str, Const)> {
        match self {
            Self::Stored(_) => vec![("settle", Const::Import("sum")), ("ACCUMULATES", 0u32.into())],
            Self::Kept(_) => vec![("settle", Const::Import("sum")), ("ACCUMULATES", 1u32.into())],
            Self::Taken(update) => {
                let Sgd { momentum, rate, decay } = update.sgd;
                vec![
                    ("settle", Const::Import("descent")),
                    ("MOMENTUM", momentum.into()),
                    ("RATE", rate.into()),
                    ("DECAY", decay.into()),
                ]
            }
        }
    }

    /// What such a kernel binds.
    pub(crate) fn binds(&self) -> Vec<(&'static str, Bind<'_>)> {
        match self {
            Self::Stored(tensor) | Self::Kept(tensor) => vec![("sum", tensor.into())],
            Self::Taken(Update { weight, momentum, results, .. }) => {
                vec![("w", weight.into()), ("v", momentum.into()), ("results", results.into())]
            }
        }
    }
}

/// Ranges of `len` values that one binding can span: `half`'s fc6 passes it.
pub(crate) fn spans(rec: &Recorder, len: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let most = rec.device.profile.max_binding as usize / 4;
    (0..len).step_by(most).map(move |start| start..len.min(start + most))
}

/// Records the update by the kept gradient `dw`, which heeds the flags of overflow that `results` has room for.
pub fn update(rec: &mut Recorder, update: Update, dw: &Tensor) {
    let flags = update.results.len / RESULTS - 1;
    let taken = Sink::Taken(update);
    for range in spans(rec, dw.len) {
        let (taken, dw) = (taken.slice(range.clone()), dw.slice(range.clone()));
        let mut consts = taken.consts();
        consts.push(("FLAGS", flags.into()));
        let mut binds = taken.binds();
        binds.push(("gradient", (&dw).into()));
        rec.each("optimizer/sgd", range.len().div_ceil(4), &consts, &binds);
    }
}

/// Records the search for overflow in the kept gradient `dw`, which sets the column's flag in `results`.
pub fn find_overflow(rec: &mut Recorder, dw: &Tensor, results: &Tensor) {
    for range in spans(rec, dw.len) {
        let dw = dw.slice(range.clone());
        rec.each(
            "optimizer/overflow",
            range.len().div_ceil(4),
            &[],
            &[("dw", (&dw).into()), ("results", results.into())],
        );
    }
}
