//! Convolutions by minimal filtering: `shaders/winograd/*.wgsl` (Winograd 1980; Lavin and Gray, *Fast Algorithms for
//! Convolutional Neural Networks*, 2016).
//!
//! A window of stride s is one of stride 1 over s² times as many maps, each of which holds every s-th pixel of every s-th
//! row. Windows are cut into tiles of m × m outputs. A tile's (m + r - 1)² inputs, the r × r weights and the outputs
//! are taken into another basis, in which a tile costs one multiply-add a value: (m + r - 1)² instead of m² · r². What
//! remains is (m + r - 1)² independent matrix products over maps, tiles and images.
//!
//! The tiles are worked off a few at a time, so that what is transformed stays in the caches and scratch memory small.

use super::{Form, Needs, Product, Scratch, Window};
use crate::gpu::{Bind, Const, Recorder, Tensor};
use crate::optimizer::Sink;
use std::fmt;

/// F(m × m, r × r).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Outputs along a side, m.
    pub outputs: usize,
    /// Weights along a side, r.
    pub kernel: usize,
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "F({0}×{0},{1}×{1})", self.outputs, self.kernel)
    }
}

/// Where the polynomials behind the transforms are evaluated, in this order; the last point is always infinity. Few and
/// small, because rounding errors grow with their powers.
const POINTS: [f64; 8] = [0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 0.25];

/// Values transformed at a time, at most where one row of tiles allows: what two cores' caches hold.
const CHUNK: usize = 1 << 20;

/// The tiles for `product` of `window`, the one with the fewest multiply-adds first.
pub(super) fn tiles(product: Product, window: &Window) -> Vec<Tile> {
    let kernel = window.kernel.div_ceil(window.stride);
    let turns = window.stride == 1 && window.pad < kernel;
    if ![3, 5].contains(&kernel) || (product == Product::BackwardData && !turns) {
        return Vec::new();
    }
    let most = POINTS.len() + 2 - kernel;
    let mut tiles: Vec<_> =
        (2..=most.min(window.y.h.max(window.y.w))).map(|outputs| Tile { outputs, kernel }).collect();
    // The largest transforms cost more, in time and in rounding, than a few multiply-adds.
    tiles.sort_by_key(|tile| tile.multiply_adds(window) * if tile.side() > 8 { 5 } else { 4 });
    tiles.truncate(3);
    tiles
}

/// Rows of the products behind `product`.
pub(super) fn rows(product: Product, window: &Window) -> usize {
    if product == Product::Forward { window.y.c } else { maps(window) }
}

/// Input maps of the window of stride 1.
fn maps(window: &Window) -> usize {
    window.x.c * window.stride.pow(2)
}

impl Tile {
    /// Values along a side of a transformed tile, m + r - 1.
    pub fn side(self) -> usize {
        self.outputs + self.kernel - 1
    }

    /// Largest normalised mean squared error beside the f64 reference. Measured: 1e-12 for a side of 6, 3e-11 for 8, 3e-9
    /// for 9, where the powers of 2 and 1/4 are far apart. TF32's is 1e-7.
    pub fn tolerance(self) -> f64 {
        if self.side() > 8 { 2e-8 } else { 2e-10 }
    }

    /// Multiply-adds of the products for `window`.
    pub fn multiply_adds(self, window: &Window) -> usize {
        self.side().pow(2) * self.tiles(window).product::<usize>() * maps(window) * window.y.c * window.batch
    }

    /// Tiles along each side of the output.
    fn tiles(self, window: &Window) -> impl Iterator<Item = usize> {
        [window.y.h, window.y.w].into_iter().map(move |side| side.div_ceil(self.outputs))
    }

    fn points(self) -> &'static [f64] {
        &POINTS[..self.side() - 1]
    }

    /// Aᵀ, m × side: the powers of each point; of infinity the last power alone.
    fn output(self) -> Vec<f64> {
        let last = |i: usize| f64::from(u8::from(i + 1 == self.outputs));
        let row = |i: usize| self.points().iter().map(move |p| p.powi(i as i32)).chain([last(i)]);
        (0..self.outputs).flat_map(row).collect()
    }

    /// G, side × r: the powers of each point over the product of its distances from the others.
    fn weight(self) -> Vec<f64> {
        let (r, points) = (self.kernel, self.points());
        let row = |j: usize| {
            let others = points.iter().enumerate().filter(|(l, _)| *l != j);
            let scale: f64 = others.map(|(_, p)| points[j] - p).product();
            (0..r).map(move |k| points[j].powi(k as i32) / scale)
        };
        (0..points.len()).flat_map(row).chain((0..r).map(|k| f64::from(u8::from(k + 1 == r)))).collect()
    }

    /// Bᵀ, side × side: for each point the coefficients of the product of (x - other point); for infinity of all.
    fn input(self) -> Vec<f64> {
        let (side, points) = (self.side(), self.points());
        let row = |without: usize| {
            let mut polynomial = vec![0.0; side];
            polynomial[0] = 1.0;
            for (_, p) in points.iter().enumerate().filter(|(l, _)| *l != without) {
                for k in (0..side).rev() {
                    polynomial[k] = if k > 0 { polynomial[k - 1] } else { 0.0 } - p * polynomial[k];
                }
            }
            polynomial
        };
        (0..side).flat_map(row).collect()
    }
}

/// M X Mᵀ for `matrix` of `columns` columns.
fn transform(columns: usize, matrix: &[f64]) -> Const {
    Const::Transform { columns, values: matrix.iter().map(|&v| v as f32).collect() }
}

/// A matrix of `columns` columns, transposed.
fn transposed(columns: usize, matrix: &[f64]) -> Vec<f64> {
    (0..columns).flat_map(|c| matrix.iter().skip(c).step_by(columns).copied()).collect()
}

/// A convolution cut into tiles.
struct Tiling<'a> {
    form: Form,
    tile: Tile,
    window: &'a Window,
    tiles_h: usize,
    tiles_w: usize,
    /// Rows of tiles of a chunk, a divisor of all: chunks run the same kernels.
    rows: usize,
}

impl<'a> Tiling<'a> {
    fn new(form: Form, tile: Tile, window: &'a Window, most: usize) -> Self {
        let [tiles_h, tiles_w] = [window.y.h, window.y.w].map(|side| side.div_ceil(tile.outputs));
        let row = tile.side().pow(2) * tiles_w * maps(window).max(window.y.c) * 4 * form.lanes;
        let fits = |rows: &usize| tiles_h.is_multiple_of(*rows) && (*rows == 1 || rows * row <= most);
        let rows = (1..=tiles_h).rev().find(fits).expect("one row fits");
        Self { form, tile, window, tiles_h, tiles_w, rows }
    }

    /// Products: transformed values of a tile.
    fn products(&self) -> usize {
        self.tile.side().pow(2)
    }

    /// Tiles of a chunk.
    fn tiles(&self) -> usize {
        self.rows * self.tiles_w
    }

    /// vec4s of a subgroup's images.
    fn g4(&self) -> usize {
        self.form.lanes
    }

    /// First row of tiles and first vec4 of images of every chunk, as the kernels read them.
    fn chunks(&self) -> impl Iterator<Item = [u32; 4]> {
        let images = (0..self.window.batch / 4).step_by(self.g4());
        let rows = self.rows;
        images.flat_map(move |n| (0..self.tiles_h).step_by(rows).map(move |row| [row as u32, n as u32, 0, 0]))
    }

    fn consts(&self) -> Vec<(&'static str, Const)> {
        let mut consts = self.window.consts();
        consts.extend([
            ("N4", Const::from(self.window.batch / 4)),
            ("G4", self.g4().into()),
            ("TILE", self.tile.outputs.into()),
            ("SIDE", self.tile.side().into()),
            ("TILES", self.tiles().into()),
            ("TILES_W", self.tiles_w.into()),
            ("LANES", self.form.lanes.into()),
            ("TM", self.form.maps.into()),
        ]);
        consts
    }

    /// Values of a chunk with `maps` maps, transformed.
    fn transformed(&self, maps: usize) -> usize {
        self.products() * self.tiles() * maps * 4 * self.g4()
    }

    /// Transforms the inputs of a chunk, which lie in the texture of images, into the texture of transformed images.
    fn load_input(&self, rec: &mut Recorder, scratch: &Scratch, chunk: [u32; 4]) {
        let v = scratch.packed.slice(0..self.transformed(maps(self.window)));
        let mut consts = self.consts();
        consts.push(("b_t", transform(self.tile.side(), &self.tile.input())));
        let items = self.tiles() * maps(self.window) * self.g4();
        let binds = [("x", scratch.textures().0.into()), ("v", (&v).into()), ("chunk", chunk.into())];
        rec.each("winograd/input", items, &consts, &binds);
        rec.load(&v, scratch.transformed());
    }

    /// Transforms the weights into the texture of the other operand; `turned` for the data gradient.
    fn load_weights(&self, rec: &mut Recorder, scratch: &Scratch, turned: bool, w: &Tensor) {
        let (results, sum) = (self.window.y.c, maps(self.window));
        let sum4 = sum.div_ceil(4);
        let u = scratch.packed.slice(0..self.products() * results * sum4 * 4);
        let [result_stride, sum_stride] = if turned { [1, results] } else { [self.window.x.c, 1] };
        let consts = [
            ("KERNEL", Const::from(self.window.kernel)),
            ("STRIDE", self.window.stride.into()),
            ("SIDE", self.tile.side().into()),
            ("RESULTS", results.into()),
            ("RESULT_STRIDE", result_stride.into()),
            ("SUM", sum.into()),
            ("SUM4", sum4.into()),
            ("SUM_STRIDE", sum_stride.into()),
            ("TURNED", usize::from(turned).into()),
            ("g", transform(self.tile.kernel, &self.tile.weight())),
        ];
        rec.each("winograd/weight", results * sum4, &consts, &[("w", w.into()), ("u", (&u).into())]);
        rec.load(&u, scratch.textures().1);
    }

    /// y, or with turned weights the data gradient: x as the texture of images, transform, multiply, transform back.
    fn convolve(&self, rec: &mut Recorder, scratch: &Scratch, x: &Tensor, w: &Tensor, b: Option<&Tensor>, y: &Tensor) {
        let (images, other) = scratch.textures();
        rec.load(x, images);
        self.load_weights(rec, scratch, b.is_none(), w);
        let (results, sum) = (self.window.y.c, maps(self.window));
        let m = scratch.partial.slice(0..self.transformed(results));
        let mut product = self.consts();
        product.extend([("SUM", Const::from(sum)), ("SUM4", sum.div_ceil(4).into()), ("ROWS", results.into())]);
        let size = [self.tiles(), results.div_ceil(self.form.maps), self.products()].map(|s| s as u32);
        let mut output = self.consts();
        output.push(("a_t", transform(self.tile.side(), &self.tile.output())));
        output.push(("BIAS", usize::from(b.is_some()).into()));
        // Where nothing is added any tensor stands in for the bias.
        let b = b.unwrap_or(w);
        for chunk in self.chunks() {
            self.load_input(rec, scratch, chunk);
            let binds = [("v", scratch.transformed().into()), ("u", other.into()), ("m", (&m).into())];
            rec.dispatch("lanes/product", &product, &binds, size);
            let binds = [("m", (&m).into()), ("b", b.into()), ("y", y.into()), ("chunk", chunk.into())];
            rec.each("winograd/output", self.tiles() * results * self.g4(), &output, &binds);
        }
    }

    /// dw: the adjoint of the weights' transform of the products of the transformed x and dy.
    fn weight(&self, rec: &mut Recorder, scratch: &Scratch, dy: &Tensor, x: &Tensor, gradient: &Sink) {
        let (images, other) = scratch.textures();
        rec.load(x, images);
        let (c, o4) = (maps(self.window), self.window.y.c.div_ceil(4));
        let z = scratch.packed.slice(0..self.transformed(4 * o4));
        let du = scratch.partial.slice(0..self.products() * c * o4 * 4);
        // Behind du, at an aligned offset.
        let turned = du.len.next_multiple_of(ALIGNED);
        let turned = scratch.partial.slice(turned..turned + self.turned());
        let inner4 = 4 * self.g4() * o4;
        let mut adjoint = self.consts();
        adjoint.extend([("INNER4", inner4.into()), ("ROWS", self.rows.into())]);
        adjoint.push(("O4", o4.into()));
        adjoint.push(("IMAGES", (4 * self.g4()).into()));
        let mut transforms = adjoint.clone();
        transforms.push(("a", transform(self.tile.outputs, &transposed(self.tile.side(), &self.tile.output()))));
        let size = [o4.div_ceil(self.form.lanes), c.div_ceil(self.form.maps), self.products()].map(|s| s as u32);
        for (i, chunk) in self.chunks().enumerate() {
            self.load_input(rec, scratch, chunk);
            let binds: [(&str, Bind); 3] = [("dy", dy.into()), ("turned", (&turned).into()), ("chunk", chunk.into())];
            rec.each("winograd/transpose", turned.len / 4, &adjoint, &binds);
            let binds = [("dy", (&turned).into()), ("z", (&z).into())];
            rec.each("winograd/output_adjoint", self.tiles() * inner4, &transforms, &binds);
            rec.load(&z, other);
            let mut product = self.consts();
            product.extend([("ROWS", Const::from(c)), ("O4", o4.into()), ("ADDS", usize::from(i > 0).into())]);
            product.push(("IMAGES", (4 * self.g4()).into()));
            let binds = [("v", scratch.transformed().into()), ("z", other.into()), ("du", (&du).into())];
            rec.dispatch("lanes/product_weight", &product, &binds, size);
        }
        let mut consts = self.consts();
        consts.push(("O4", o4.into()));
        consts.push(("g_t", transform(self.tile.side(), &transposed(self.tile.kernel, &self.tile.weight()))));
        consts.extend(gradient.consts());
        let mut binds = gradient.binds();
        binds.push(("du", (&du).into()));
        rec.each("winograd/weight_adjoint", o4 * c, &consts, &binds);
    }

    /// Values of a chunk's dy with maps innermost.
    fn turned(&self) -> usize {
        self.rows * self.tile.outputs * self.window.y.w * 4 * self.g4() * self.window.y.c.next_multiple_of(4)
    }
}

/// An offset of so many values is aligned for every adapter.
const ALIGNED: usize = 64;

pub(super) fn needs(form: Form, tile: Tile, product: Product, window: &Window) -> Needs {
    let window = if product == Product::BackwardData { turned(window) } else { *window };
    let tiling = match product {
        Product::BackwardWeight => weight_tiling(form, tile, &window),
        _ => Tiling::new(form, tile, &window, CHUNK),
    };
    let (c, o) = (maps(&window), window.y.c);
    let (c4, o4) = (c.next_multiple_of(4), o.next_multiple_of(4));
    let (v, m) = (tiling.transformed(c), tiling.transformed(o4));
    let images = window.x.len() * window.batch;
    if product == Product::BackwardWeight {
        let du = tiling.products() * c * o4;
        let partial = du.next_multiple_of(ALIGNED) + tiling.turned();
        return Needs { partial, packed: v.max(m), images, other: m, transformed: v };
    }
    // The last workgroup's rows reach past the last map.
    let u = tiling.products() * o.next_multiple_of(form.maps) * c4;
    Needs { partial: m, packed: v.max(u), images, other: u, transformed: v }
}

/// The tiling of a weight gradient. Each chunk reads and writes all of du, so the chunk is no smaller.
fn weight_tiling(form: Form, tile: Tile, window: &Window) -> Tiling<'_> {
    let du = tile.side().pow(2) * maps(window) * window.y.c;
    Tiling::new(form, tile, window, CHUNK.max(du))
}

/// The window of the data gradient: a convolution of dy with the weights turned by half a turn.
fn turned(window: &Window) -> Window {
    Window { x: window.y, y: window.x, pad: window.kernel - 1 - window.pad, relu: false, ..*window }
}

#[expect(clippy::too_many_arguments, reason = "the operands under their names, as every variant takes them")]
pub(super) fn forward(
    rec: &mut Recorder,
    form: Form,
    tile: Tile,
    scratch: &Scratch,
    window: &Window,
    x: &Tensor,
    w: &Tensor,
    b: &Tensor,
    y: &Tensor,
) {
    Tiling::new(form, tile, window, CHUNK).convolve(rec, scratch, x, w, Some(b), y);
}

#[expect(clippy::too_many_arguments, reason = "the operands under their names, as every variant takes them")]
pub(super) fn backward_data(
    rec: &mut Recorder,
    form: Form,
    tile: Tile,
    scratch: &Scratch,
    window: &Window,
    dy: &Tensor,
    w: &Tensor,
    dx: &Tensor,
) {
    Tiling::new(form, tile, &turned(window), CHUNK).convolve(rec, scratch, dy, w, None, dx);
}

#[expect(clippy::too_many_arguments, reason = "the operands under their names, as every variant takes them")]
pub(super) fn backward_weight(
    rec: &mut Recorder,
    form: Form,
    tile: Tile,
    scratch: &Scratch,
    window: &Window,
    dy: &Tensor,
    x: &Tensor,
    gradient: &Sink,
) {
    weight_tiling(form, tile, window).weight(rec, scratch, dy, x, gradient);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Aᵀ [(G g) ⊙ (Bᵀ d)] is the correlation of d and g, exactly but for f64's rounding.
    #[test]
    fn the_transforms_compute_a_correlation() {
        for tile in (2..=7).map(|m| (m, 3)).chain((2..=5).map(|m| (m, 5))) {
            let tile = Tile { outputs: tile.0, kernel: tile.1 };
            let side = tile.side();
            let d: Vec<_> = (0..side).map(|i| ((i * 7 + 3) % 11) as f64 - 5.0).collect();
            let g: Vec<_> = (0..tile.kernel).map(|i| ((i * 5 + 2) % 7) as f64 - 3.0).collect();
            let apply = |matrix: &[f64], x: &[f64]| -> Vec<f64> {
                matrix.chunks(x.len()).map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum()).collect()
            };
            let products: Vec<_> =
                apply(&tile.weight(), &g).iter().zip(apply(&tile.input(), &d)).map(|(a, b)| a * b).collect();
            for (i, y) in apply(&tile.output(), &products).iter().enumerate() {
                let expected: f64 = g.iter().zip(&d[i..]).map(|(a, b)| a * b).sum();
                assert!((y - expected).abs() < 1e-9, "{tile}: {y} for {expected}");
            }
        }
    }
}
