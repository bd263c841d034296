//! Which variants of a product there are, which an adapter can run, and which of them runs.

use super::{Form, TILES, Tile, Window, lanes, wide, winograd};
use crate::check;
use crate::gpu::AdapterRow;
use std::collections::BTreeMap;
use std::fmt;
use wgpu::{DeviceType, Features};

/// One of the three products of a convolution or a fully connected layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Product {
    /// y from x and w.
    Forward,
    /// dx from dy and w.
    BackwardData,
    /// dw from dy and x.
    BackwardWeight,
}

impl Product {
    /// All three, in the order they run.
    pub const ALL: [Self; 3] = [Self::Forward, Self::BackwardData, Self::BackwardWeight];
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Forward => "forward",
            Self::BackwardData => "backward_data",
            Self::BackwardWeight => "backward_weight",
        })
    }
}

/// What the operands of the products are rounded to. Sums, activations, weights and gradients are f32 in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Nothing: f32 throughout.
    #[default]
    F32,
    /// f16 operands, on adapters that have it; the loss is scaled in training.
    Mixed,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::F32 => "f32",
            Self::Mixed => "mixed",
        })
    }
}

/// One form of kernels that computes a product. Its text is its name in caches and run folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// Workgroup memory and register tiles: runs on every adapter.
    Portable(Tile),
    /// Workgroup memory twice and vec4s: GPUs with memory of their own, and f16 operands everywhere.
    Wide(Tile, Precision),
    /// One subgroup a workgroup, lanes along images, textures read: CPU adapters.
    Lanes(Form),
    /// Minimal filtering over the products of lanes.
    Winograd(Form, winograd::Tile),
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Portable(tile) => write!(f, "portable {tile}"),
            Self::Wide(tile, Precision::F32) => write!(f, "wide {tile}"),
            Self::Wide(tile, Precision::Mixed) => write!(f, "wide f16 {tile}"),
            Self::Lanes(form) => write!(f, "lanes {form}"),
            Self::Winograd(form, tile) => write!(f, "winograd {tile} lanes {form}"),
        }
    }
}

/// Largest normalised mean squared error of f16 operands. An operand of 11 bits is off by 2⁻¹³ of itself on average, which
/// makes 1e-7 where nothing cancels.
const HALF_LIMIT: f64 = 4e-7;

impl Variant {
    /// The largest normalised mean squared error beside the f64 reference that is this variant's own rounding.
    pub fn tolerance(&self) -> f64 {
        match self {
            Self::Portable(_) | Self::Wide(_, Precision::F32) | Self::Lanes(_) => check::LIMIT,
            Self::Wide(_, Precision::Mixed) => HALF_LIMIT,
            Self::Winograd(_, tile) => tile.tolerance(),
        }
    }

    /// Whether it computes the product as it is defined, in f32: all that `--exact` allows.
    pub fn is_exact(&self) -> bool {
        match self {
            Self::Portable(_) | Self::Wide(_, Precision::F32) | Self::Lanes(_) => true,
            Self::Wide(_, Precision::Mixed) | Self::Winograd(..) => false,
        }
    }

    /// Multiply-adds it executes in its product kernel for `window`.
    pub fn multiply_adds(&self, window: &Window) -> usize {
        match self {
            Self::Portable(_) | Self::Wide(..) | Self::Lanes(_) => window.multiply_adds(),
            Self::Winograd(_, tile) => tile.multiply_adds(window),
        }
    }
}

/// Kinds of adapter with a shipped default of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Software.
    Cpu,
    /// Shares memory with the CPU; also what is not known.
    Integrated,
    /// Has memory of its own.
    Discrete,
}

/// The variants an adapter can run, and the layout they ask of everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// What runs on every adapter.
    Portable(Kind),
    /// f16 operands on an adapter of this kind: `--precision mixed`.
    Mixed(Kind),
    /// CPU adapters with subgroups and readable float textures.
    Lanes {
        /// Lanes of a subgroup.
        lanes: usize,
    },
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Portable(_) => write!(f, "portable"),
            Self::Mixed(_) => write!(f, "mixed"),
            Self::Lanes { lanes } => write!(f, "lanes {lanes}"),
        }
    }
}

/// Multiply-adds an image from which minimal filtering is the default: between `tiny`'s layers, which it slowed from 366 to
/// 285 images/s, and those of `alexnet`.
const WORTH_TRANSFORMING: usize = 10_000_000;

impl Family {
    /// The family that fits every adapter.
    pub const PORTABLE: Self = Self::Portable(Kind::Integrated);

    /// The family an adapter runs when it is opened with `features`.
    pub fn of(row: &AdapterRow, features: Features) -> Self {
        let info = &row.info;
        let wanted = Features::SUBGROUP | Features::TEXTURE_ADAPTER_SPECIFIC_FORMAT_FEATURES;
        let fixed = info.subgroup_min_size == info.subgroup_max_size && (4..=32).contains(&info.subgroup_max_size);
        match info.device_type {
            DeviceType::Cpu if features.contains(wanted) && fixed => {
                Self::Lanes { lanes: info.subgroup_max_size as usize }
            }
            DeviceType::Cpu => Self::Portable(Kind::Cpu),
            DeviceType::DiscreteGpu => Self::Portable(Kind::Discrete),
            _ => Self::Portable(Kind::Integrated),
        }
    }

    /// This family and those that run on every adapter it runs on, the most general first.
    pub fn all(self) -> Vec<Self> {
        match self {
            Self::Portable(_) | Self::Mixed(_) => vec![self],
            Self::Lanes { .. } => vec![Self::Portable(Kind::Cpu), self],
        }
    }

    /// The family for mixed precision on an adapter of this one.
    pub fn mixed(self) -> Self {
        match self {
            Self::Portable(kind) | Self::Mixed(kind) => Self::Mixed(kind),
            Self::Lanes { .. } => Self::Mixed(Kind::Cpu),
        }
    }

    /// What its variants round operands to.
    pub fn precision(&self) -> Precision {
        match self {
            Self::Portable(_) | Self::Lanes { .. } => Precision::F32,
            Self::Mixed(_) => Precision::Mixed,
        }
    }

    /// The variants of `product` that were made for this family and fit `window`, the shipped default first.
    pub fn variants(&self, product: Product, window: &Window) -> Vec<Variant> {
        let wide = |precision| wide::tiles(product, window).into_iter().map(move |tile| Variant::Wide(tile, precision));
        match *self {
            Self::Portable(kind) => {
                let mut variants = TILES.map(Variant::Portable).to_vec();
                variants.extend(wide(Precision::F32));
                if kind == Kind::Discrete {
                    variants.rotate_left(TILES.len());
                }
                variants
            }
            Self::Mixed(_) => wide(Precision::Mixed).collect(),
            Self::Lanes { lanes } => {
                let direct = lanes::forms(lanes, product, window).into_iter().map(Variant::Lanes);
                let form = Form::all(lanes, winograd::rows(product, window))[0];
                let minimal = winograd::tiles(product, window).into_iter().map(|tile| Variant::Winograd(form, tile));
                // In a small product the transforms, dispatches of their own, cost more than they save.
                if window.multiply_adds() >= WORTH_TRANSFORMING * window.batch {
                    minimal.chain(direct).collect()
                } else {
                    direct.chain(minimal).collect()
                }
            }
        }
    }

    /// (threads of a workgroup, items of a thread) in elementwise kernels.
    pub fn spread(&self) -> (u32, u32) {
        match self {
            // On a CPU a thread of a workgroup is a lane, and few fat workgroups cost least.
            Self::Lanes { lanes } => (*lanes as u32, 64),
            Self::Portable(_) | Self::Mixed(_) => (64, 4),
        }
    }

    /// The batch on the device is a multiple of this many images.
    pub fn images(&self) -> usize {
        match self {
            Self::Portable(_) | Self::Mixed(_) => 4,
            Self::Lanes { lanes } => 4 * lanes,
        }
    }
}

/// Which variant runs for which product and window, by their names: what a tuner found, or a run recorded. What is
/// missing runs the family's default. The batch is a part of the window and the placement of columns is not, so equal
/// choices give equal bytes in every placement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// Only variants that compute the product as it is defined.
    pub exact: bool,
    /// Product and window to variant.
    pub variants: BTreeMap<String, String>,
}

impl Choices {
    /// The key of a product of a window.
    pub fn key(product: Product, window: &Window) -> String {
        format!("{product} {window}")
    }

    /// Chooses `variant`.
    pub fn set(&mut self, product: Product, window: &Window, variant: Variant) {
        self.variants.insert(Self::key(product, window), variant.to_string());
    }

    fn allows(&self, variant: &Variant) -> bool {
        variant.is_exact() || !self.exact
    }

    /// The chosen variant; `None` where none is, or one that does not fit.
    pub fn get(&self, family: Family, product: Product, window: &Window) -> Option<Variant> {
        let name = self.variants.get(&Self::key(product, window))?;
        let all = family.all().into_iter().flat_map(|family| family.variants(product, window));
        all.filter(|variant| self.allows(variant)).find(|variant| variant.to_string() == *name)
    }

    /// The chosen variant, else the default.
    pub fn variant(&self, family: Family, product: Product, window: &Window) -> Variant {
        let default = || family.variants(product, window).into_iter().find(|variant| self.allows(variant));
        self.get(family, product, window).or_else(default).expect("every product has an exact variant")
    }
}
