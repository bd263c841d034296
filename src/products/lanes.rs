//! Products for CPU adapters: `shaders/lanes/*.wgsl`. Operands are copied into textures, weights are packed with input
//! maps innermost; gradients of weights want dy with output maps innermost.

use super::{Needs, Product, Scratch, Window, ranges};
use crate::gpu::{Const, Recorder, Tensor};
use crate::optimizer::Sink;
use std::fmt;

/// Rows of a product that a workgroup may compute. Mesa unrolls no loops over more than 16, half of them.
const MAPS: [usize; 4] = [32, 24, 16, 8];

/// Images up to which a fully connected layer's weight gradient spends less on its products than on the weights it updates.
const FEW: usize = 64;

/// Slices of output pixels until about this many workgroups share a weight gradient.
const WORKGROUPS: usize = 16;

/// How a workgroup, which is one subgroup, shares a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Form {
    /// Lanes of a subgroup.
    pub lanes: usize,
    /// Output maps (rows of the product) a workgroup computes.
    pub maps: usize,
}

impl Form {
    /// Every form for a product with `rows` rows, the cheapest first.
    pub(super) fn all(lanes: usize, rows: usize) -> Vec<Self> {
        // Instructions of llvmpipe's code for four terms: 50 for each load, 48 for the sums of a row.
        let cost = |form: &Self| rows.div_ceil(form.maps) * (4 * 50 + 48 * form.maps);
        let mut forms = MAPS.map(|maps| Self { lanes, maps }).to_vec();
        forms.sort_by_key(cost);
        forms
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}", self.lanes, self.maps)
    }
}

/// vec4s of input maps.
fn c4(window: &Window) -> usize {
    window.x.c.div_ceil(4)
}

/// Values of the packed weights.
fn packed(window: &Window) -> usize {
    window.y.c * window.kernel * window.kernel * c4(window) * 4
}

/// Whether the parameter's own layout is the packed one: a fully connected layer with whole vec4s of inputs.
fn is_packed(window: &Window) -> bool {
    window.x.h * window.x.w * window.kernel == 1 && window.x.c.is_multiple_of(4)
}

/// Whether the forward product loads rows of windows where it would load input maps.
fn is_few(form: Form, window: &Window) -> bool {
    c4(window) == 1 && window.kernel > 1 && window.kernel.div_ceil(4) <= form.lanes
}

/// Values of the weights packed by rows of windows.
fn packed_rows(window: &Window) -> usize {
    window.y.c * window.x.c * window.kernel * window.kernel.next_multiple_of(4)
}

/// Rows of `product` as the kernels here compute it.
pub(super) fn rows(product: Product, window: &Window) -> usize {
    match product {
        Product::Forward => window.y.c,
        Product::BackwardData => window.x.c,
        Product::BackwardWeight if is_packed(window) => window.y.c,
        Product::BackwardWeight => window.rows(),
    }
}

/// Every form for `product` of `window`, the one that should be fastest first.
pub(super) fn forms(lanes: usize, product: Product, window: &Window) -> Vec<Form> {
    let mut forms = Form::all(lanes, rows(product, window));
    // Weights are updated in rows that lie far apart. A CPU's prefetcher follows a few of them, and in a sum over few images
    // the operands cost little beside: 1.5 times faster at 32 images.
    if product == Product::BackwardWeight && is_packed(window) && window.batch <= FEW {
        forms.sort_by_key(|form| form.maps);
    }
    forms
}

/// (output pixels a slice, slices) of the weight gradient with `rows` × `out` results.
fn slices(form: Form, rows: usize, out: usize, pixels: usize) -> (usize, usize) {
    let groups = rows.div_ceil(form.maps) * out.div_ceil(4 * form.lanes);
    let q_slice = pixels.div_ceil(WORKGROUPS.div_ceil(groups).min(pixels));
    (q_slice, pixels.div_ceil(q_slice))
}

pub(super) fn needs(form: Form, product: Product, window: &Window) -> Needs {
    let x = window.x.len() * window.batch;
    let y = window.y.len() * window.batch;
    if product != Product::BackwardWeight {
        // The last workgroup's rows reach past the last map.
        let values = match product {
            Product::Forward if is_few(form, window) => packed_rows(window),
            _ => packed(window),
        };
        let other = values / window.y.c * window.y.c.next_multiple_of(form.maps.max(form.lanes));
        let packed = if is_packed(window) { 0 } else { values };
        return Needs { packed, images: if product == Product::Forward { x } else { y }, other, ..Needs::default() };
    }
    if is_packed(window) {
        return Needs { packed: x, images: y, other: x, ..Needs::default() };
    }
    let turned = window.y.c.next_multiple_of(4) * window.pixels() * window.batch;
    let (_, slices) = slices(form, window.rows(), window.y.c, window.pixels());
    let partial = slices * window.rows() * window.y.c.next_multiple_of(4);
    Needs { partial, packed: turned, images: x, other: turned, ..Needs::default() }
}

fn consts(window: &Window, form: Form) -> Vec<(&'static str, Const)> {
    let mut consts = window.consts();
    consts.extend([
        ("N4", Const::from(window.batch / 4)),
        ("C4", c4(window).into()),
        ("LANES", form.lanes.into()),
        ("TM", form.maps.into()),
    ]);
    consts
}

/// Copies the weights into a texture, packed.
fn load_weights(rec: &mut Recorder, scratch: &Scratch, window: &Window, w: &Tensor) {
    let (_, other) = scratch.textures();
    if is_packed(window) {
        rec.load(w, other);
        return;
    }
    let to = scratch.packed.slice(0..packed(window));
    let consts = [("C", Const::from(window.x.c)), ("C4", c4(window).into()), ("KERNEL", window.kernel.into())];
    // Only a fully connected layer's weights pass a binding, and those are packed as they are, or few.
    for maps in ranges(window.y.c, window.rows().max(packed(window) / window.y.c), &rec.device.profile) {
        let per_map = packed(window) / window.y.c;
        let w = w.slice(maps.start * window.rows()..maps.end * window.rows());
        let to = to.slice(maps.start * per_map..maps.end * per_map);
        rec.each("lanes/pack_weight", to.len / 4, &consts, &[("w", (&w).into()), ("packed", (&to).into())]);
    }
    rec.load(&to, other);
}

#[expect(clippy::too_many_arguments, reason = "a variant, its memory and the four tensors of the product")]
pub(super) fn forward(
    rec: &mut Recorder,
    form: Form,
    scratch: &Scratch,
    window: &Window,
    x: &Tensor,
    w: &Tensor,
    b: &Tensor,
    y: &Tensor,
) {
    let (images, other) = scratch.textures();
    let few = is_few(form, window);
    if few {
        let packed = scratch.packed.slice(0..packed_rows(window));
        let binds = [("w", w.into()), ("packed", (&packed).into())];
        rec.each("lanes/pack_rows", packed.len / 4, &[("KERNEL", window.kernel.into())], &binds);
        rec.load(&packed, other);
    } else {
        load_weights(rec, scratch, window, w);
    }
    rec.load(x, images);
    let size = [window.pixels() * (window.batch / 4 / form.lanes), window.y.c.div_ceil(form.maps), 1].map(|s| s as u32);
    let binds = [("x", images.into()), ("w", other.into()), ("b", b.into()), ("y", y.into())];
    let kernel = if few { "lanes/forward_few" } else { "lanes/forward" };
    rec.dispatch(kernel, &consts(window, form), &binds, size);
}

pub(super) fn backward_data(
    rec: &mut Recorder,
    form: Form,
    scratch: &Scratch,
    window: &Window,
    dy: &Tensor,
    w: &Tensor,
    dx: &Tensor,
) {
    let (images, other) = scratch.textures();
    load_weights(rec, scratch, window, w);
    rec.load(dy, images);
    let pixels = window.x.h * window.x.w;
    let size = [pixels * (window.batch / 4 / form.lanes), window.x.c.div_ceil(form.maps), 1].map(|s| s as u32);
    let binds = [("dy", images.into()), ("w", other.into()), ("dx", dx.into())];
    rec.dispatch("lanes/backward_data", &consts(window, form), &binds, size);
}

/// Copies `t`, `[maps, pixels · batch]`, into a texture with maps innermost.
fn load_turned(rec: &mut Recorder, form: Form, scratch: &Scratch, t: &Tensor, maps: usize, batch: usize) {
    let columns = t.len / maps;
    let o4 = maps.div_ceil(4);
    let turned = scratch.packed.slice(0..columns * o4 * 4);
    let consts = [("OUT", maps.into()), ("QN", columns.into()), ("O4", o4.into())];
    let blocks = [("LANES", form.lanes.into()), ("IMAGES", batch.into())];
    let consts = [&consts[..], &blocks].concat();
    rec.each("lanes/transpose", columns * o4, &consts, &[("dy", t.into()), ("turned", (&turned).into())]);
    rec.load(&turned, scratch.textures().1);
}

pub(super) fn backward_weight(
    rec: &mut Recorder,
    form: Form,
    scratch: &Scratch,
    window: &Window,
    dy: &Tensor,
    x: &Tensor,
    gradient: &Sink,
) {
    if is_packed(window) {
        return full_weight(rec, form, scratch, window, dy, x, gradient);
    }
    rec.load(x, scratch.textures().0);
    load_turned(rec, form, scratch, dy, window.y.c, window.batch);
    let o4 = window.y.c.div_ceil(4);
    let (q_slice, slices) = slices(form, window.rows(), window.y.c, window.pixels());
    let partial = scratch.partial.slice(0..slices * window.rows() * o4 * 4);
    weight(rec, form, scratch, window, window.rows(), 0, q_slice, slices, &Sink::Stored(partial.clone()));
    let (mut consts, mut binds) = (gradient.consts(), gradient.binds());
    consts.extend([("SLICES", Const::from(slices)), ("ROWS", window.rows().into()), ("O4", o4.into())]);
    binds.push(("partial", (&partial).into()));
    rec.each("lanes/unpack_weight", gradient.len(), &consts, &binds);
}

/// A fully connected layer's weight gradient with the operands swapped: rows are output units, lanes are inputs.
fn full_weight(
    rec: &mut Recorder,
    form: Form,
    scratch: &Scratch,
    window: &Window,
    dy: &Tensor,
    x: &Tensor,
    gradient: &Sink,
) {
    rec.load(dy, scratch.textures().0);
    load_turned(rec, form, scratch, x, window.x.c, window.batch);
    let swapped = Window { x: window.y, y: window.x, ..*window };
    for rows in ranges(window.y.c, window.x.c, &rec.device.profile) {
        let gradient = gradient.slice(rows.start * window.x.c..rows.end * window.x.c);
        weight(rec, form, scratch, &swapped, rows.len(), rows.start, 1, 1, &gradient);
    }
}

#[expect(clippy::too_many_arguments, reason = "the extents of one dispatch, named at its two calls")]
fn weight(
    rec: &mut Recorder,
    form: Form,
    scratch: &Scratch,
    window: &Window,
    rows: usize,
    row_0: usize,
    q_slice: usize,
    slices: usize,
    to: &Sink,
) {
    let (images, other) = scratch.textures();
    let o4 = window.y.c.div_ceil(4);
    let mut consts = consts(window, form);
    consts.extend([
        ("O4", Const::from(o4)),
        ("IMAGES", window.batch.into()),
        ("ROWS", rows.into()),
        ("ROW_0", row_0.into()),
        ("Q_SLICE", q_slice.into()),
    ]);
    consts.extend(to.consts());
    let size = [o4.div_ceil(form.lanes), rows.div_ceil(form.maps), slices].map(|s| s as u32);
    let mut binds = to.binds();
    binds.extend([("x", images.into()), ("dy", other.into())]);
    rec.dispatch("lanes/backward_weight", &consts, &binds, size);
}
