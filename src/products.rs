//! The three products of a convolution, by family of kernels.
//!
//! A layer asks for a product by name: [`forward`], [`backward_data`], [`backward_weight`]. The family of the adapter
//! decides which kernels run, which layouts they want and how long sums are split. A fully connected layer is a
//! convolution over a 1×1 image with one channel a value. Nothing above this module knows which family runs.

mod lanes;
mod portable;
mod winograd;

use crate::gpu::{AdapterRow, Const, Device, Profile, Recorder, Tensor, Texture};
use crate::layer::Layer;
use crate::shape::Shape;
use std::fmt;
use wgpu::Features;

pub use portable::{TILES, Tile};

/// Kernels that belong together, with their tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Workgroup memory and register tiles: runs on every adapter.
    Portable(Tile),
    /// One subgroup a workgroup, lanes along images, textures read: CPU adapters.
    Lanes {
        /// Lanes of a subgroup.
        lanes: u32,
        /// Output maps (rows of the product) a workgroup computes.
        maps: u32,
    },
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Family::Portable(tile) => write!(f, "portable {tile}"),
            Family::Lanes { lanes, maps } => write!(f, "lanes {lanes}×{maps}"),
        }
    }
}

impl Family {
    /// The family that fits every adapter.
    pub const PORTABLE: Self = Self::Portable(TILES[0]);

    /// The family an adapter runs when it is opened with `features`.
    pub fn of(row: &AdapterRow, features: Features) -> Self {
        let info = &row.info;
        let wanted = Features::SUBGROUP | Features::TEXTURE_ADAPTER_SPECIFIC_FORMAT_FEATURES;
        let fixed = info.subgroup_min_size == info.subgroup_max_size && (4..=32).contains(&info.subgroup_max_size);
        if info.device_type == wgpu::DeviceType::Cpu && features.contains(wanted) && fixed {
            return Self::Lanes { lanes: info.subgroup_max_size, maps: lanes::MAPS[0] };
        }
        let discrete = info.device_type == wgpu::DeviceType::DiscreteGpu;
        Self::Portable(if discrete { portable::DISCRETE } else { TILES[0] })
    }

    /// Every family and tile the adapter can run: what `check` compares with the reference.
    pub fn all(profile: &Profile) -> Vec<Self> {
        let mut all: Vec<_> = TILES.iter().map(|&tile| Self::Portable(tile)).collect();
        if let Self::Lanes { lanes, .. } = profile.family {
            all.extend(lanes::MAPS.map(|maps| Self::Lanes { lanes, maps }));
        }
        all
    }

    /// (threads of a workgroup, items of a thread) in elementwise kernels.
    pub fn spread(&self) -> (u32, u32) {
        match self {
            // On a CPU a thread of a workgroup is a lane, and few fat workgroups cost least.
            Family::Lanes { lanes, .. } => (*lanes, 64),
            Family::Portable(_) => (64, 4),
        }
    }

    /// The batch on the device is a multiple of this many images.
    pub fn images(&self) -> usize {
        match self {
            Family::Portable(_) => 4,
            Family::Lanes { lanes, .. } => 4 * *lanes as usize,
        }
    }
}

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
}

impl Window {
    /// Of a convolution or a fully connected layer.
    ///
    /// # Panics
    /// On a layer without a product.
    pub fn of(layer: &Layer, x: Shape, y: Shape, batch: usize) -> Self {
        match layer {
            Layer::Conv(conv) => Self { x, y, kernel: conv.kernel, stride: conv.stride, pad: conv.pad, batch },
            Layer::Full(_) => Self { x: Shape::new(x.len(), 1, 1), y, kernel: 1, stride: 1, pad: 0, batch },
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
}

impl Needs {
    /// What serves both.
    pub fn max(self, other: Self) -> Self {
        Self {
            partial: self.partial.max(other.partial),
            packed: self.packed.max(other.packed),
            images: self.images.max(other.images),
            other: self.other.max(other.other),
        }
    }

    /// Bytes of the buffers and textures.
    pub fn bytes(&self) -> u64 {
        let texture = |values| if values == 0 { 0 } else { Texture::bytes(values) };
        ((self.partial + self.packed) * 4) as u64 + texture(self.images) + texture(self.other)
    }
}

/// The shared memory itself.
pub struct Scratch {
    /// Partial sums, `[slices, …]`.
    pub partial: Tensor,
    packed: Tensor,
    textures: Option<(Texture, Texture)>,
}

impl Scratch {
    /// Allocates `needs`.
    pub fn new(device: &Device, needs: Needs) -> Self {
        let textures = (needs.images > 0).then(|| {
            (Texture::new(device, "operand: images", needs.images), Texture::new(device, "operand: other", needs.other))
        });
        Self {
            partial: Tensor::zeros(device, "partial sums", needs.partial.max(4)),
            packed: Tensor::zeros(device, "packed operand", needs.packed.max(4)),
            textures,
        }
    }

    fn textures(&self) -> (&Texture, &Texture) {
        let (images, other) = self.textures.as_ref().expect("the needs of this family name textures");
        (images, other)
    }
}

/// What all three products of `window` need on an adapter of this profile.
pub fn needs(profile: &Profile, window: &Window) -> Needs {
    match profile.family {
        Family::Portable(tile) => portable::needs(profile, tile, window),
        Family::Lanes { .. } => match wino(window, 7) {
            Some(tile) => lanes::needs(profile, window).max(winograd::needs(profile, tile, window)),
            None => lanes::needs(profile, window),
        },
    }
}

/// y = w ∗ x + b. Shapes: x `[C, H, W, N]`, w `[OUT, C, KERNEL, KERNEL]`, b `[OUT]`, y `[OUT, OUT_H, OUT_W, N]`.
pub fn forward(rec: &mut Recorder, scratch: &Scratch, window: &Window, x: &Tensor, w: &Tensor, b: &Tensor, y: &Tensor) {
    match rec.device.profile.family {
        Family::Portable(tile) => portable::forward(rec, tile, window, x, w, b, y),
        Family::Lanes { .. } => match wino(window, 1) {
            Some(tile) => winograd::forward(rec, tile, scratch, window, x, w, Some(b), y),
            None => lanes::forward(rec, scratch, window, x, w, b, y),
        },
    }
}

/// dx, the gradient of x, from dy.
pub fn backward_data(rec: &mut Recorder, scratch: &Scratch, window: &Window, dy: &Tensor, w: &Tensor, dx: &Tensor) {
    match rec.device.profile.family {
        Family::Portable(tile) => portable::backward_data(rec, tile, scratch, window, dy, w, dx),
        Family::Lanes { .. } => match wino(window, 2) {
            Some(tile) => winograd::backward_data(rec, tile, scratch, window, dy, w, dx),
            None => lanes::backward_data(rec, scratch, window, dy, w, dx),
        },
    }
}

/// dw, the gradient of w, from dy and x; added to what is there where the step accumulates.
pub fn backward_weight(rec: &mut Recorder, scratch: &Scratch, window: &Window, dy: &Tensor, x: &Tensor, dw: &Tensor) {
    match rec.device.profile.family {
        Family::Portable(tile) => portable::backward_weight(rec, tile, scratch, window, dy, x, dw),
        Family::Lanes { .. } => match wino(window, 4) {
            Some(tile) => winograd::backward_weight(rec, tile, scratch, window, dy, x, dw),
            None => lanes::backward_weight(rec, scratch, window, dy, x, dw),
        },
    }
}

/// db, the gradient of b: the sum of dy over pixels and images. The same kernel in every family.
pub fn backward_bias(rec: &mut Recorder, window: &Window, dy: &Tensor, db: &Tensor) {
    let len = window.pixels() * window.batch / 4;
    let threads = 64u32;
    for maps in ranges(window.y.c, window.pixels() * window.batch, &rec.device.profile) {
        let per_map = window.pixels() * window.batch;
        let dy = dy.slice(maps.start * per_map..maps.end * per_map);
        let db = db.slice(maps.clone());
        rec.dispatch(
            "conv/backward_bias",
            &[("LEN", len.into()), ("THREADS", threads.into())],
            &[("dy", (&dy).into()), ("db", (&db).into())],
            [maps.len() as u32, 1, 1],
        );
    }
}

fn wino(window: &Window, bit: u32) -> Option<winograd::Tile> {
    let mask: u32 = std::env::var("WINO").ok().and_then(|v| v.parse().ok()).unwrap_or(7);
    if window.stride != 1 || mask & bit == 0 { return None; }
    let m = std::env::var("WINO_M").ok().and_then(|v| v.parse().ok());
    match window.kernel {
        3 => Some(winograd::Tile { outputs: m.unwrap_or(4), kernel: 3 }),
        5 => Some(winograd::Tile { outputs: m.unwrap_or(4), kernel: 5 }),
        _ => None,
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
