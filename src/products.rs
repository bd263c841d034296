//! The three products of a convolution, each in one of several variants.
//!
//! A layer asks for a product by name: [`forward`], [`backward_data`], [`backward_weight`]. The profile of the adapter
//! says which [`Variant`] of it runs for which window, and so which kernels, which layouts and how long sums are split. A
//! fully connected layer is a convolution over a 1×1 image with one channel a value. Nothing above this module knows
//! which variant runs.

mod family;
mod lanes;
mod portable;
mod wide;
mod winograd;

use crate::gpu::{Const, Device, Profile, Recorder, Tensor, Texture};
use crate::layer::Layer;
use crate::optimizer::Sink;
use crate::shape::Shape;
use std::fmt;
use wide::Wide;

pub use family::{Choices, Family, Kind, Precision, Product, Variant};
pub use lanes::Form;
pub use portable::{TILES, Tile};

/// The kernels with the multiply-adds of a product; what else a variant runs brings operands into its layouts.
pub const KERNELS: &[&str] = &[
    "conv/forward",
    "conv/backward_data",
    "conv/backward_weight",
    "lanes/forward",
    "lanes/forward_few",
    "lanes/backward_data",
    "lanes/backward_weight",
    "lanes/product",
    "lanes/product_weight",
];

/// Extents of a convolution on one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Shape of one image's input.
    pub x: Shape,
    /// Shape of one image's output.
    pub y: Shape,
    /// Side of the square window in pixels.
    pub kernel: usize,
    /// Pixels from one window to the next.
    pub stride: usize,
    /// Zeros on every side.
    pub pad: usize,
    /// Images on the device, padding included.
    pub batch: usize,
    /// Whether the forward product takes in the ReLU above it.
    pub relu: bool,
}

/// The key of a window in caches and run folders: all extents, the batch among them.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { x, y, kernel, stride, pad, batch, relu: _ } = self;
        write!(f, "{x} to {y}, {kernel}×{kernel} /{stride} pad {pad}, batch {batch}")
    }
}

impl Window {
    /// Of a convolution or a fully connected layer.
    ///
    /// # Panics
    /// On a layer without a product.
    pub fn of(layer: &Layer, x: Shape, y: Shape, batch: usize) -> Self {
        match layer {
            Layer::Conv(conv) => {
                Self { x, y, kernel: conv.kernel, stride: conv.stride, pad: conv.pad, batch, relu: false }
            }
            Layer::Full(_) => {
                Self { x: Shape::new(x.len(), 1, 1), y, kernel: 1, stride: 1, pad: 0, batch, relu: false }
            }
            other => unreachable!("{other:?} has no product"),
        }
    }

    /// Weights of one output map.
    fn rows(&self) -> usize {
        self.x.c * self.kernel * self.kernel
    }

    /// Output pixels.
    fn pixels(&self) -> usize {
        self.y.h * self.y.w
    }

    /// Multiply-adds of a product as it is defined, over the whole batch.
    pub fn multiply_adds(&self) -> usize {
        self.y.len() * self.rows() * self.batch
    }

    /// The constants every kernel of a product knows.
    fn consts(&self) -> Vec<(&'static str, Const)> {
        vec![
            ("C", self.x.c.into()),
            ("H", self.x.h.into()),
            ("W", self.x.w.into()),
            ("OUT", self.y.c.into()),
            ("OUT_H", self.y.h.into()),
            ("OUT_W", self.y.w.into()),
            ("KERNEL", self.kernel.into()),
            ("STRIDE", self.stride.into()),
            ("PAD", self.pad.into()),
            ("RELU", usize::from(self.relu).into()),
        ]
    }
}

/// Memory the products of a column share, in f32 values: each product's own needs, the largest of all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Partial sums.
    pub partial: usize,
    /// An operand in another layout.
    pub packed: usize,
    /// Texture of the operand with images innermost.
    pub images: usize,
    /// Texture of the other operand.
    pub other: usize,
    /// Texture of transformed images.
    pub transformed: usize,
}

impl Needs {
    /// What serves both.
    pub fn max(self, other: Self) -> Self {
        Self {
            partial: self.partial.max(other.partial),
            packed: self.packed.max(other.packed),
            images: self.images.max(other.images),
            other: self.other.max(other.other),
            transformed: self.transformed.max(other.transformed),
        }
    }

    /// Bytes of the buffers and textures.
    pub fn bytes(&self) -> u64 {
        let texture = |values| if values == 0 { 0 } else { Texture::bytes(values) };
        let textures = [self.images, self.other, self.transformed].map(texture);
        ((self.partial + self.packed) * 4) as u64 + textures.iter().sum::<u64>()
    }
}

/// The shared memory itself.
pub struct Scratch {
    /// Partial sums, `[slices, …]`.
    pub partial: Tensor,
    packed: Tensor,
    images: Option<Texture>,
    other: Option<Texture>,
    transformed: Option<Texture>,
}

impl Scratch {
    /// Allocates `needs`.
    pub fn new(device: &Device, needs: Needs) -> Self {
        let texture = |label, values| (values > 0).then(|| Texture::new(device, label, values));
        Self {
            partial: Tensor::zeros(device, "partial sums", needs.partial.max(4)),
            packed: Tensor::zeros(device, "packed operand", needs.packed.max(4)),
            images: texture("operand: images", needs.images),
            other: texture("operand: other", needs.other),
            transformed: texture("operand: transformed images", needs.transformed),
        }
    }

    /// The textures of the two operands of a variant that reads textures.
    fn textures(&self) -> (&Texture, &Texture) {
        let [images, other] = [&self.images, &self.other].map(|t| t.as_ref().expect("this variant needs textures"));
        (images, other)
    }

    fn transformed(&self) -> &Texture {
        self.transformed.as_ref().expect("this variant transforms images")
    }
}

/// What all three products of `window` need in the variants that `profile` chooses.
pub fn needs(profile: &Profile, window: &Window) -> Needs {
    let of = |product| match profile.variant(product, window) {
        Variant::Portable(tile) => portable::needs(profile, tile, product, window),
        Variant::Wide(tile, _) => wide::needs(profile, tile, product, window),
        Variant::Lanes(form) => lanes::needs(form, product, window),
        Variant::Winograd(form, tile) => winograd::needs(form, tile, product, window),
    };
    Product::ALL.into_iter().map(of).fold(Needs::default(), Needs::max)
}

/// y = w ∗ x + b, or max(y, 0) where the window says so. Shapes: x `[C, H, W, N]`, w `[OUT, C, KERNEL, KERNEL]`, b `[OUT]`, y `[OUT, OUT_H, OUT_W, N]`.
pub fn forward(rec: &mut Recorder, scratch: &Scratch, window: &Window, x: &Tensor, w: &Tensor, b: &Tensor, y: &Tensor) {
    match rec.device.profile.variant(Product::Forward, window) {
        Variant::Portable(tile) => portable::forward(rec, tile, window, x, w, b, y),
        Variant::Wide(tile, precision) => Wide { rec, tile, precision, scratch, window }.forward(x, w, b, y),
        Variant::Lanes(form) => lanes::forward(rec, form, scratch, window, x, w, b, y),
        Variant::Winograd(form, tile) => winograd::forward(rec, form, tile, scratch, window, x, w, b, y),
    }
}

/// dx, the gradient of x, from dy.
pub fn backward_data(rec: &mut Recorder, scratch: &Scratch, window: &Window, dy: &Tensor, w: &Tensor, dx: &Tensor) {
    match rec.device.profile.variant(Product::BackwardData, window) {
        Variant::Portable(tile) => portable::backward_data(rec, tile, scratch, window, dy, w, dx),
        Variant::Wide(tile, precision) => Wide { rec, tile, precision, scratch, window }.backward_data(dy, w, dx),
        Variant::Lanes(form) => lanes::backward_data(rec, form, scratch, window, dy, w, dx),
        Variant::Winograd(form, tile) => winograd::backward_data(rec, form, tile, scratch, window, dy, w, dx),
    }
}

/// The gradient of w, from dy and x.
pub fn backward_weight(rec: &mut Recorder, scratch: &Scratch, window: &Window, dy: &Tensor, x: &Tensor, to: &Sink) {
    match rec.device.profile.variant(Product::BackwardWeight, window) {
        Variant::Portable(tile) => portable::backward_weight(rec, tile, scratch, window, dy, x, to),
        Variant::Wide(tile, precision) => Wide { rec, tile, precision, scratch, window }.backward_weight(dy, x, to),
        Variant::Lanes(form) => lanes::backward_weight(rec, form, scratch, window, dy, x, to),
        Variant::Winograd(form, tile) => winograd::backward_weight(rec, form, tile, scratch, window, dy, x, to),
    }
}

/// db, the gradient of b: the sum of dy over pixels and images. Where the forward product took in a ReLU, whose output is
/// `relu`, dy passes it backward first, in place. The same kernels beside every variant.
pub fn backward_bias(rec: &mut Recorder, window: &Window, relu: Option<&Tensor>, dy: &Tensor, db: &Tensor) {
    let per_map = window.pixels() * window.batch;
    // A subgroup a map on a software adapter.
    let consts = [("LEN", (per_map / 4).into()), ("THREADS", rec.device.profile.workgroup.into())];
    for maps in ranges(window.y.c, per_map, &rec.device.profile) {
        let part = |tensor: &Tensor| tensor.slice(maps.start * per_map..maps.end * per_map);
        let (dy, sum) = (part(dy), db.slice(maps.clone()));
        let size = [maps.len() as u32, 1, 1];
        let binds = [("dy", (&dy).into()), ("sum", (&sum).into())];
        match relu.map(part) {
            None => rec.dispatch("conv/backward_bias", &consts, &binds, size),
            Some(y) => {
                let [dy, sum] = binds;
                rec.dispatch("relu/backward_bias", &consts, &[("y", (&y).into()), dy, sum], size);
            }
        }
    }
}

/// Splits `count` rows of `row` f32s into ranges that one binding can span, each beginning at an aligned offset
/// whatever a row's length, and no longer than a dimension of a grid.
fn ranges(count: usize, row: usize, profile: &Profile) -> Vec<std::ops::Range<usize>> {
    // A multiple of as many rows as one alignment holds f32s begins at an aligned byte.
    let step = (profile.alignment / 4) as usize;
    let fit = (profile.max_binding as usize / 4 / row).min(profile.max_groups as usize);
    if count <= fit {
        return std::iter::once(0..count).collect();
    }
    let fit = fit / step * step;
    assert!(fit > 0, "{step} rows of {row} values pass a binding of {} bytes", profile.max_binding);
    (0..count).step_by(fit).map(|start| start..(start + fit).min(count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_each_row_once_at_aligned_offsets() {
        let profile = Profile::webgpu();
        for (count, row) in [(1, 5), (4096, 9216), (4096, 4096), (70_000, 3), (1000, 4097)] {
            let ranges = ranges(count, row, &profile);
            assert_eq!(ranges.iter().map(ExactSizeIterator::len).sum::<usize>(), count);
            assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
            for range in ranges {
                assert_eq!((range.start * row * 4) as u64 % profile.alignment, 0);
                assert!((range.len() * row * 4) as u64 <= profile.max_binding);
                assert!(range.len() <= profile.max_groups as usize);
            }
        }
    }
}
