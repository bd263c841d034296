//! Products by implicit GEMM in workgroup memory: `shaders/conv/*.wgsl` over `shaders/shared/gemm.wgsl`.

use super::{Needs, Product, Scratch, Window, ranges};
use crate::gpu::{Const, Profile, Recorder, Tensor, grid};
use crate::optimizer::Sink;
use std::fmt;

/// Register tile TM×TN of a thread, WM×WN threads, TK of the sum staged at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Rows a thread computes.
    pub tm: u32,
    /// Columns a thread computes.
    pub tn: u32,
    /// Threads along the rows.
    pub wm: u32,
    /// Threads along the columns.
    pub wn: u32,
    /// Terms of the sum staged in workgroup memory at a time.
    pub tk: u32,
}

pub(super) const fn tile(tm: u32, tn: u32, wm: u32, wn: u32, tk: u32) -> Tile {
    Tile { tm, tn, wm, wn, tk }
}

/// Every tile keeps to WebGPU's default limits (256 threads, 16 KiB of workgroup memory); shipped defaults are [`super::Family`]'s.
pub const TILES: [Tile; 4] = [tile(4, 4, 8, 8, 8), tile(8, 8, 16, 16, 8), tile(4, 4, 16, 16, 16), tile(8, 4, 8, 8, 8)];

/// A sum is split until about this many workgroups run at once.
const WORKGROUPS: usize = 512;

impl Tile {
    /// Workgroups of an m × n product.
    pub(super) fn count(self, m: usize, n: usize) -> usize {
        m.div_ceil((self.tm * self.wm) as usize) * n.div_ceil((self.tn * self.wn) as usize)
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}/{}×{}/{}", self.tm, self.tn, self.wm, self.wn, self.tk)
    }
}

/// Depth of a slice where Σ over `k` for an m × n product is split: few output tiles and a long sum.
pub(super) fn slice(tile: Tile, m: usize, n: usize, k: usize, most: usize) -> usize {
    let depth = tile.tk as usize;
    let slices = WORKGROUPS.div_ceil(tile.count(m, n)).min(k.div_ceil(16 * depth)).min(most).max(1);
    k.div_ceil(slices).next_multiple_of(depth)
}

pub(super) fn needs(profile: &Profile, tile: Tile, product: Product, window: &Window) -> Needs {
    let ranges = ranges(window.y.c, window.rows(), profile);
    let partial = match product {
        Product::Forward => 0,
        Product::BackwardData if ranges.len() == 1 => 0,
        Product::BackwardData => ranges.len() * window.x.len() * window.batch,
        Product::BackwardWeight => {
            let slices = |maps: usize| weight_slices(profile, tile, window, maps).1 * maps * window.rows();
            ranges.iter().map(|maps| slices(maps.len())).max().unwrap_or(0)
        }
    };
    Needs { partial, ..Needs::default() }
}

/// The constants of a GEMM kernel over `window` in `tile`.
pub(super) fn consts(tile: Tile, window: &Window, k_slice: usize) -> Vec<(&'static str, Const)> {
    let mut consts = window.consts();
    consts.extend([("BATCH", Const::from(window.batch)), ("K_SLICE", k_slice.into())]);
    let Tile { tm, tn, wm, wn, tk } = tile;
    consts.extend([("TM", tm), ("TN", tn), ("WM", wm), ("WN", wn), ("TK", tk)].map(|(n, v)| (n, Const::from(v))));
    consts
}

/// Workgroups of an m × n product whose sum over `k` is cut into slices of `k_slice`.
pub(super) fn groups(profile: &Profile, tile: Tile, [m, n, k]: [usize; 3], k_slice: usize) -> [u32; 3] {
    let [x, y, _] = grid(tile.count(m, n) as u32, profile.max_groups);
    [x, y, k.div_ceil(k_slice) as u32]
}

fn gemm(
    rec: &mut Recorder,
    name: &'static str,
    tile: Tile,
    window: &Window,
    size: [usize; 3],
    k_slice: usize,
    binds: &[(&str, &Tensor)],
) {
    let binds: Vec<_> = binds.iter().map(|&(name, tensor)| (name, tensor.into())).collect();
    let groups = groups(&rec.device.profile, tile, size, k_slice);
    rec.dispatch(name, &consts(tile, window, k_slice), &binds, groups);
}

/// The window with only some of its output maps.
pub(super) fn with_maps(window: &Window, maps: usize) -> Window {
    let mut part = *window;
    part.y.c = maps;
    part
}

pub(super) fn forward(rec: &mut Recorder, tile: Tile, window: &Window, x: &Tensor, w: &Tensor, b: &Tensor, y: &Tensor) {
    let columns = window.pixels() * window.batch;
    for maps in ranges(window.y.c, window.rows(), &rec.device.profile) {
        let part = with_maps(window, maps.len());
        let k_slice = window.rows().next_multiple_of(tile.tk as usize);
        let w = w.slice(maps.start * window.rows()..maps.end * window.rows());
        let y = y.slice(maps.start * columns..maps.end * columns);
        let b = b.slice(maps.clone());
        let binds = [("x", x), ("w", &w), ("b", &b), ("y", &y)];
        gemm(rec, "conv/forward", tile, &part, [maps.len(), columns, window.rows()], k_slice, &binds);
    }
}

pub(super) fn backward_data(
    rec: &mut Recorder,
    tile: Tile,
    scratch: &Scratch,
    window: &Window,
    dy: &Tensor,
    w: &Tensor,
    dx: &Tensor,
) {
    let columns = window.pixels() * window.batch;
    let ranges = ranges(window.y.c, window.rows(), &rec.device.profile);
    let len = window.x.len() * window.batch;
    for (i, maps) in ranges.iter().enumerate() {
        let part = with_maps(window, maps.len());
        let k = maps.len() * window.kernel * window.kernel;
        let dy = dy.slice(maps.start * columns..maps.end * columns);
        let w = w.slice(maps.start * window.rows()..maps.end * window.rows());
        let to = if ranges.len() == 1 { dx.clone() } else { scratch.partial.slice(i * len..(i + 1) * len) };
        let size = [window.x.c, window.x.h * window.x.w * window.batch, k];
        let k_slice = k.next_multiple_of(tile.tk as usize);
        gemm(rec, "conv/backward_data", tile, &part, size, k_slice, &[("dy", &dy), ("w", &w), ("dx", &to)]);
    }
    if ranges.len() > 1 {
        sum_slices(rec, scratch, ranges.len(), &Sink::Stored(dx.clone()));
    }
}

/// (depth of a slice, slices) of the weight gradient of `maps` output maps.
fn weight_slices(profile: &Profile, tile: Tile, window: &Window, maps: usize) -> (usize, usize) {
    let k = window.pixels() * window.batch;
    let most = profile.max_binding as usize / 4 / (maps * window.rows());
    let k_slice = slice(tile, maps, window.rows(), k, most);
    (k_slice, k.div_ceil(k_slice))
}

pub(super) fn backward_weight(
    rec: &mut Recorder,
    tile: Tile,
    scratch: &Scratch,
    window: &Window,
    dy: &Tensor,
    x: &Tensor,
    gradient: &Sink,
) {
    let columns = window.pixels() * window.batch;
    for maps in ranges(window.y.c, window.rows(), &rec.device.profile) {
        let part = with_maps(window, maps.len());
        let (k_slice, slices) = weight_slices(&rec.device.profile, tile, window, maps.len());
        let len = maps.len() * window.rows();
        let partial = scratch.partial.slice(0..slices * len);
        let dy = dy.slice(maps.start * columns..maps.end * columns);
        let gradient = gradient.slice(maps.start * window.rows()..maps.end * window.rows());
        let binds = [("dy", &dy), ("x", x), ("partial", &partial)];
        gemm(rec, "conv/backward_weight", tile, &part, [maps.len(), window.rows(), columns], k_slice, &binds);
        sum_slices(rec, scratch, slices, &gradient);
    }
}

/// Adds the first `slices` partial sums, in order.
pub(super) fn sum_slices(rec: &mut Recorder, scratch: &Scratch, slices: usize, to: &Sink) {
    let partial = scratch.partial.slice(0..slices * to.len());
    let (mut consts, mut binds) = (to.consts(), to.binds());
    consts.push(("SLICES", slices.into()));
    binds.push(("partial", (&partial).into()));
    rec.each("conv/sum_slices", to.len(), &consts, &binds);
}
