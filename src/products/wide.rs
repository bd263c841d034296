//! Products for GPUs with memory of their own: implicit GEMM in vec4s, `shaders/wide/*.wgsl` over
//! `shaders/shared/wide.wgsl`.
//!
//! Beside [`super::portable`]: vec4 loads, A with its terms outermost in workgroup memory, the next tile fetched while one
//! is multiplied, and long sums split in every product, in a fixed order. In mixed precision operands are rounded to f16
//! on their way into workgroup memory.

use super::portable::{Tile, consts, groups, slice, sum_slices, tile, with_maps};
use super::{Needs, Precision, Product, Scratch, Window, ranges};
use crate::gpu::{Const, Profile, Recorder, Tensor};
use crate::optimizer::Sink;
use std::ops::Range;

/// Every tile keeps to WebGPU's default limits: 256 threads, 16 KiB of workgroup memory for both operands, twice.
const TILES: [Tile; 4] = [tile(8, 8, 8, 8, 8), tile(8, 8, 16, 16, 8), tile(8, 4, 8, 8, 16), tile(4, 4, 8, 8, 16)];

/// Below about this many workgroups a large GPU has idle cores.
const WORKGROUPS: f64 = 256.0;

/// [m, n, k] of a product.
fn size(product: Product, window: &Window) -> [usize; 3] {
    let (maps, columns) = (window.y.c, window.pixels() * window.batch);
    match product {
        Product::Forward => [maps, columns, window.rows()],
        Product::BackwardData => {
            [window.x.c, window.x.h * window.x.w * window.batch, maps * window.kernel * window.kernel]
        }
        Product::BackwardWeight => [maps, window.rows(), columns],
    }
}

/// Every tile, the shipped default first: the least of what a large GPU would do, by a count of multiply-adds and loads.
pub(super) fn tiles(product: Product, window: &Window) -> Vec<Tile> {
    let [m, n, k] = size(product, window);
    let cost = |tile: &Tile| {
        let Tile { tm, tn, wm, wn, .. } = *tile;
        let computed = tile.count(m, n) * (tm * wm * tn * wn) as usize;
        let loads = f64::from(tm + tn) / f64::from(tm * tn);
        let workgroups = tile.count(m, n) * k.div_ceil(slice(*tile, m, n, k, usize::MAX));
        computed as f64 * (1.0 + loads) * (WORKGROUPS / workgroups as f64).max(1.0)
    };
    let mut tiles = TILES.to_vec();
    tiles.sort_by(|a, b| cost(a).total_cmp(&cost(b)));
    tiles
}

/// One range of output maps of a product.
struct Part {
    maps: Range<usize>,
    /// The window with these maps only.
    window: Window,
    size: [usize; 3],
    k_slice: usize,
    slices: usize,
}

impl Part {
    /// Values of a slice's result.
    fn len(&self) -> usize {
        self.size[0] * self.size[1]
    }
}

fn parts(profile: &Profile, tile: Tile, product: Product, window: &Window) -> Vec<Part> {
    let ranges = ranges(window.y.c, window.rows(), profile);
    // The sums over ranges of the data gradient are added together.
    let together = if product == Product::BackwardData { ranges.len() } else { 1 };
    let part = |maps: Range<usize>| {
        let window = with_maps(window, maps.len());
        let size = size(product, &window);
        let [m, n, k] = size;
        let k_slice = slice(tile, m, n, k, profile.max_binding as usize / 4 / (m * n * together));
        Part { maps, window, size, k_slice, slices: k.div_ceil(k_slice) }
    };
    ranges.into_iter().map(part).collect()
}

pub(super) fn needs(profile: &Profile, tile: Tile, product: Product, window: &Window) -> Needs {
    let parts = parts(profile, tile, product, window);
    let all: usize = parts.iter().map(|part| part.slices).sum();
    let partial = match product {
        Product::Forward => parts.iter().filter(|part| part.slices > 1).map(|part| part.slices * part.len()).max(),
        Product::BackwardData => Some(all).filter(|&all| all > 1).map(|all| all * parts[0].len()),
        Product::BackwardWeight => parts.iter().map(|part| part.slices * part.len()).max(),
    };
    Needs { partial: partial.unwrap_or(0), ..Needs::default() }
}

/// A variant's tile and operands, and the recorder it runs on.
pub(super) struct Wide<'a, 'b> {
    pub(super) rec: &'a mut Recorder<'b>,
    pub(super) tile: Tile,
    pub(super) precision: Precision,
    pub(super) scratch: &'a Scratch,
    pub(super) window: &'a Window,
}

impl Wide<'_, '_> {
    fn parts(&self, product: Product) -> Vec<Part> {
        parts(&self.rec.device.profile, self.tile, product, self.window)
    }

    /// Values of `tensor`, a row a map of `row` values, for the maps of `part`.
    fn rows(part: &Part, tensor: &Tensor, row: usize) -> Tensor {
        tensor.slice(part.maps.start * row..part.maps.end * row)
    }

    /// Output values of a map.
    fn columns(&self) -> usize {
        self.window.pixels() * self.window.batch
    }

    fn run(&mut self, name: &'static str, part: &Part, first: usize, binds: &[(&str, &Tensor)]) {
        let half = self.precision == Precision::Mixed;
        let mut consts = consts(self.tile, &part.window, part.k_slice);
        consts.extend([("Operand", Const::Half(half)), ("HALF", usize::from(half).into()), ("FIRST", first.into())]);
        let binds: Vec<_> = binds.iter().map(|&(name, tensor)| (name, tensor.into())).collect();
        let groups = groups(&self.rec.device.profile, self.tile, part.size, part.k_slice);
        self.rec.dispatch(name, &consts, &binds, groups);
    }

    pub(super) fn forward(&mut self, x: &Tensor, w: &Tensor, b: &Tensor, y: &Tensor) {
        for part in self.parts(Product::Forward) {
            let (w, b) = (Self::rows(&part, w, self.window.rows()), Self::rows(&part, b, 1));
            let y = Self::rows(&part, y, self.columns());
            let split = part.slices > 1;
            let to = if split { self.scratch.partial.slice(0..part.slices * part.len()) } else { y.clone() };
            self.run("wide/forward", &part, 0, &[("x", x), ("w", &w), ("b", &b), ("y", &to)]);
            if split {
                sum_slices(self.rec, self.scratch, part.slices, &Sink::Stored(y.clone()));
                // A part of a sum is no place for it.
                if self.window.relu {
                    self.rec.each("relu/forward", y.len / 4, &[], &[("y", (&y).into())]);
                }
            }
        }
    }

    pub(super) fn backward_data(&mut self, dy: &Tensor, w: &Tensor, dx: &Tensor) {
        let parts = self.parts(Product::BackwardData);
        let all = parts.iter().map(|part| part.slices).sum();
        let to = if all > 1 { self.scratch.partial.slice(0..all * dx.len) } else { dx.clone() };
        let mut first = 0;
        for part in &parts {
            let (w, dy) = (Self::rows(part, w, self.window.rows()), Self::rows(part, dy, self.columns()));
            self.run("wide/backward_data", part, first, &[("dy", &dy), ("w", &w), ("dx", &to)]);
            first += part.slices;
        }
        if all > 1 {
            sum_slices(self.rec, self.scratch, all, &Sink::Stored(dx.clone()));
        }
    }

    pub(super) fn backward_weight(&mut self, dy: &Tensor, x: &Tensor, gradient: &Sink) {
        for part in self.parts(Product::BackwardWeight) {
            let (dy, rows) = (Self::rows(&part, dy, self.columns()), self.window.rows());
            let gradient = gradient.slice(part.maps.start * rows..part.maps.end * rows);
            let partial = self.scratch.partial.slice(0..part.slices * part.len());
            self.run("wide/backward_weight", &part, 0, &[("dy", &dy), ("x", x), ("partial", &partial)]);
            sum_slices(self.rec, self.scratch, part.slices, &gradient);
        }
    }
}
