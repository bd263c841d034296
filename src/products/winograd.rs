//! Convolutions by minimal filtering: `shaders/winograd/*.wgsl` (Lavin and Gray, *Fast Algorithms for Convolutional Neural
//! Networks*, 2016; Winograd 1980).
//!
//! Windows of stride 1 are cut into tiles of m × m outputs. A tile's (m + r - 1)² inputs, the r × r weights and the
//! outputs are taken into another basis, where a tile costs one multiply-add a value: (m + r - 1)² instead of m² · r².
//! What remains is (m + r - 1)² independent matrix products over maps, tiles and images, and those are the family's.

use super::{Family, Needs, Scratch, Window};
use crate::gpu::{Const, Profile, Recorder, Tensor};

/// F(m × m, r × r).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    /// Outputs along a side, m.
    pub outputs: usize,
    /// Weights along a side, r.
    pub kernel: usize,
}

/// Where the polynomials behind the transforms are evaluated, in this order; the last point is always infinity.
const POINTS: [f64; 7] = [0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5];

impl Tile {
    /// Values along a side of a transformed tile, m + r - 1.
    pub fn side(self) -> usize {
        self.outputs + self.kernel - 1
    }

    fn points(self) -> &'static [f64] {
        &POINTS[..self.side() - 1]
    }

    /// Aᵀ, m × side: the powers of each point; of infinity the last power alone.
    fn output(self) -> Vec<f64> {
        let m = self.outputs;
        let power = |i: usize| self.points().iter().map(move |p| p.powi(i as i32)).chain([f64::from(u8::from(i == m - 1))]);
        (0..m).flat_map(power).collect()
    }

    /// G, side × r: the powers of each point over the product of its distances from the others.
    fn weight(self) -> Vec<f64> {
        let r = self.kernel;
        let points = self.points();
        let row = |j: usize| {
            let others = points.iter().enumerate().filter(move |(l, _)| *l != j);
            let scale: f64 = others.map(|(_, p)| points[j] - p).product();
            (0..r).map(move |k| points[j].powi(k as i32) / scale)
        };
        (0..points.len()).flat_map(row).chain((0..r).map(|k| f64::from(u8::from(k == r - 1)))).collect()
    }

    /// Bᵀ, side × side: for each point the coefficients of the product of (x - other point); for infinity of all.
    fn input(self) -> Vec<f64> {
        let side = self.side();
        let points = self.points();
        let product = |without: usize| {
            let mut polynomial = vec![0.0; side];
            polynomial[0] = 1.0;
            for (_, p) in points.iter().enumerate().filter(|(l, _)| *l != without) {
                for k in (0..side).rev() {
                    polynomial[k] = if k > 0 { polynomial[k - 1] } else { 0.0 } - p * polynomial[k];
                }
            }
            polynomial
        };
        (0..side).flat_map(product).collect()
    }
}

fn transform(columns: usize, values: &[f64]) -> Const {
    Const::Transform { columns, values: values.iter().map(|&v| v as f32).collect() }
}

/// A matrix of `columns` columns, transposed.
fn transposed(columns: usize, values: &[f64]) -> Vec<f64> {
    (0..columns).flat_map(|c| values.iter().skip(c).step_by(columns).copied()).collect()
}

/// What a product over a part of the batch knows.
struct Extents {
    tile: Tile,
    tiles: [usize; 2],
    /// Images of a part.
    part: usize,
}

impl Extents {
    fn new(profile: &Profile, tile: Tile, window: &Window) -> Self {
        let tiles = [window.y.h, window.y.w].map(|side| side.div_ceil(tile.outputs));
        Self { tile, tiles, part: part(profile, window.batch) }
    }

    fn tiles(&self) -> usize {
        self.tiles[0] * self.tiles[1]
    }

    /// Transformed places of a tile: independent products.
    fn products(&self) -> usize {
        self.tile.side().pow(2)
    }

    fn consts(&self, window: &Window) -> Vec<(&'static str, Const)> {
        let mut consts = window.consts();
        consts.extend([
            ("N4", Const::from(window.batch / 4)),
            ("G4", (self.part / 4).into()),
            ("TILE", self.tile.outputs.into()),
            ("SIDE", self.tile.side().into()),
            ("TILES_H", self.tiles[0].into()),
            ("TILES_W", self.tiles[1].into()),
        ]);
        consts
    }
}

/// Images transformed at a time: the fewest whose parts of a tensor begin at aligned offsets. What is transformed takes
/// up to four times the memory of the tensor itself.
fn part(profile: &Profile, batch: usize) -> usize {
    let aligned = (profile.alignment / 4) as usize;
    if batch.is_multiple_of(aligned.max(profile.family.images())) { aligned.max(profile.family.images()) } else { batch }
}

/// Places where the parts of a batch begin.
fn parts(extents: &Extents, window: &Window) -> impl Iterator<Item = usize> {
    (0..window.batch).step_by(extents.part)
}

/// The window of the data gradient: a convolution of dy with the turned weights.
fn turned(window: &Window) -> Window {
    Window { x: window.y, y: window.x, pad: window.kernel - 1 - window.pad, ..*window }
}

fn lanes(profile: &Profile) -> (usize, usize) {
    let Family::Lanes { lanes, maps } = profile.family else { unreachable!("the adapter runs lanes") };
    (lanes as usize, maps as usize)
}

pub(super) fn needs(profile: &Profile, tile: Tile, window: &Window) -> Needs {
    let (_, maps) = lanes(profile);
    let mut needs = Needs::default();
    for window in [*window, turned(window)] {
        let extents = Extents::new(profile, tile, &window);
        let (p, t) = (extents.products(), extents.tiles() * extents.part);
        let (c4, o4) = (window.x.c.next_multiple_of(4), window.y.c.next_multiple_of(4));
        let v = p * window.x.c * t;
        let z = p * t * o4;
        let u = p * (window.y.c.next_multiple_of(maps)) * c4;
        let du = p * window.x.c * o4;
        let dy = window.pixels() * extents.part * o4;
        let m = p * window.y.c * t;
        needs = needs.max(Needs { partial: m.max(du), packed: v.max(u).max(z), images: v, other: u.max(z) });
        needs.partial = needs.partial.max(du.next_multiple_of(64) + dy);
    }
    needs
}

pub(super) fn forward(
    rec: &mut Recorder,
    tile: Tile,
    scratch: &Scratch,
    window: &Window,
    x: &Tensor,
    w: &Tensor,
    b: Option<&Tensor>,
    y: &Tensor,
) {
    let extents = Extents::new(&rec.device.profile, tile, window);
    let flip = b.is_none();
    let strides = if flip { [1, window.y.c] } else { [window.x.c, 1] };
    load_weights(rec, scratch, &extents, window, strides, flip, w);
    let (lanes, maps) = lanes(&rec.device.profile);
    let (images, other) = scratch.textures();
    let columns4 = extents.tiles() * extents.part / 4;
    let sum4 = window.x.c.div_ceil(4);
    let chunk = (0..=lanes.ilog2()).rev().map(|i| 1 << i).find(|chunk| sum4.is_multiple_of(*chunk));
    let m = scratch.partial.slice(0..extents.products() * window.y.c * columns4 * 4);
    for first in parts(&extents, window) {
        load_input(rec, scratch, &extents, window, x, first);
        let consts = [
            ("SUM", Const::from(window.x.c)),
            ("SUM4", sum4.into()),
            ("CHUNK", chunk.expect("1 divides").into()),
            ("ROWS", window.y.c.into()),
            ("PRODUCTS", extents.products().into()),
            ("TILES", extents.tiles().into()),
            ("G4", (extents.part / 4).into()),
            ("LANES", lanes.into()),
            ("TM", maps.into()),
        ];
        let size = [columns4 / lanes, window.y.c.div_ceil(maps), extents.products()].map(|s| s as u32);
        rec.dispatch("lanes/product", &consts, &[("v", images.into()), ("u", other.into()), ("m", (&m).into())], size);
        let mut consts = extents.consts(window);
        consts.extend([("a_t", transform(tile.side(), &tile.output())), ("BIAS", Const::F(if flip { 0.0 } else { 1.0 }))]);
        let y = y.slice(first..y.len);
        // Where there is no bias any tensor stands in for it.
        let b = b.unwrap_or(&m);
        let items = window.y.c * columns4;
        rec.each("winograd/output", items, &consts, &[("m", (&m).into()), ("b", b.into()), ("y", (&y).into())]);
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
    forward(rec, tile, scratch, &turned(window), dy, w, None, dx);
}

fn load_weights(
    rec: &mut Recorder,
    scratch: &Scratch,
    extents: &Extents,
    window: &Window,
    [results, sum]: [usize; 2],
    flip: bool,
    w: &Tensor,
) {
    let sum4 = window.x.c.div_ceil(4);
    let u = scratch.packed.slice(0..extents.products() * window.y.c * sum4 * 4);
    let consts = [
        ("KERNEL", Const::from(window.kernel)),
        ("SIDE", extents.tile.side().into()),
        ("RESULTS", window.y.c.into()),
        ("RESULT_STRIDE", results.into()),
        ("SUM", window.x.c.into()),
        ("SUM4", sum4.into()),
        ("SUM_STRIDE", sum.into()),
        ("FLIP", usize::from(flip).into()),
        ("g", transform(window.kernel, &extents.tile.weight())),
    ];
    rec.each("winograd/weight", window.y.c * sum4, &consts, &[("w", w.into()), ("u", (&u).into())]);
    rec.load(&u, scratch.textures().1);
}

fn load_input(rec: &mut Recorder, scratch: &Scratch, extents: &Extents, window: &Window, x: &Tensor, first: usize) {
    let items = window.x.c * extents.tiles() * extents.part / 4;
    let v = scratch.packed.slice(0..extents.products() * items * 4);
    let mut consts = extents.consts(window);
    consts.push(("b_t", transform(extents.tile.side(), &extents.tile.input())));
    let x = x.slice(first..x.len);
    rec.each("winograd/input", items, &consts, &[("x", (&x).into()), ("v", (&v).into())]);
    rec.load(&v, scratch.textures().0);
}

pub(super) fn backward_weight(
    rec: &mut Recorder,
    tile: Tile,
    scratch: &Scratch,
    window: &Window,
    dy: &Tensor,
    x: &Tensor,
    dw: &Tensor,
) {
    let extents = Extents::new(&rec.device.profile, tile, window);
    let (lanes, maps) = lanes(&rec.device.profile);
    let (images, other) = scratch.textures();
    let o4 = window.y.c.div_ceil(4);
    let du = scratch.partial.slice(0..extents.products() * window.x.c * o4 * 4);
    for first in parts(&extents, window) {
        load_input(rec, scratch, &extents, window, x, first);
        // dy with maps innermost, then transformed.
        let start = du.len.next_multiple_of(64);
        let inner4 = extents.part * o4;
        let maps_innermost = scratch.partial.slice(start..start + window.pixels() * inner4 * 4);
        let part = dy.slice(first..dy.len);
        let columns = window.pixels() * extents.part;
        let consts = [("OUT", window.y.c.into()), ("PIXELS", window.pixels().into()), ("N", window.batch.into()), ("G", extents.part.into()), ("O4", o4.into())];
        rec.each("winograd/transpose", columns * o4, &consts, &[("dy", (&part).into()), ("turned", (&maps_innermost).into())]);
        let z = scratch.packed.slice(0..extents.products() * extents.tiles() * inner4 * 4);
        let mut consts = extents.consts(window);
        consts.extend([("INNER4", inner4.into()), ("a", transform(tile.outputs, &transposed(tile.side(), &tile.output())))]);
        rec.each("winograd/output_adjoint", extents.tiles() * inner4, &consts, &[("dy", (&maps_innermost).into()), ("z", (&z).into())]);
        rec.load(&z, other);
        let consts = [
            ("ROWS", Const::from(window.x.c)),
            ("PRODUCTS", extents.products().into()),
            ("TILES", extents.tiles().into()),
            ("G4", (extents.part / 4).into()),
            ("O4", o4.into()),
            ("ADDS", usize::from(first > 0).into()),
            ("LANES", lanes.into()),
            ("TM", maps.into()),
        ];
        let size = [o4.div_ceil(lanes), window.x.c.div_ceil(maps), extents.products()].map(|s| s as u32);
        rec.dispatch("lanes/product_weight", &consts, &[("v", images.into()), ("z", other.into()), ("du", (&du).into())], size);
    }
    let consts = [
        ("C", Const::from(window.x.c)),
        ("OUT", window.y.c.into()),
        ("O4", o4.into()),
        ("KERNEL", window.kernel.into()),
        ("SIDE", tile.side().into()),
        ("g_t", transform(tile.side(), &transposed(window.kernel, &tile.weight()))),
    ];
    rec.each("winograd/weight_adjoint", o4 * window.x.c, &consts, &[("du", (&du).into()), ("dw", dw.into())]);
}
