//! The tables: Krizhevsky, Sutskever, Hinton 2012, Figure 2. A row describes both columns.

use crate::layer::{Conv, Dropout, Full, Layer, Lrn, Over, Pool};
use crate::net::On::{Each, First};
use crate::net::Reads::{Both, Image, Own};
use crate::net::{On, Reads, Row, Table};
use crate::variation::Variation;
use std::borrow::Cow;

/// Every network, in the order `--help` lists them.
pub const TABLES: [&Table; 11] = [
    &ALEXNET,
    &ALEXNET_2012,
    &ALEXNET_6,
    &HALF,
    &TINY,
    &TINY_6,
    &TINY_HALF,
    &FIG1,
    &CIFAR_18PCT,
    &CIFAR_13PCT,
    &CIFAR_11PCT,
];

/// The table named `name` on the command line.
pub fn table(name: &str) -> Option<&'static Table> {
    TABLES.into_iter().find(|t| t.name == name)
}

const fn row(name: &'static str, on: On, reads: Reads, layer: Layer) -> Row {
    Row { name, on, reads, layer }
}

const fn conv(out: usize, kernel: usize, stride: usize, pad: usize) -> Layer {
    Layer::Conv(Conv { out, kernel, stride, pad })
}

const fn full(units: usize) -> Layer {
    Layer::Full(Full { units })
}

const fn local(out: usize, kernel: usize, stride: usize, pad: usize) -> Layer {
    Layer::Local(Conv { out, kernel, stride, pad })
}

const RELU: Layer = Layer::Relu;
/// §3.3: k = 2, n = 5, α = 1e-4, β = 0.75; α multiplies the sum and is not divided by n.
const LRN: Layer = Layer::Lrn(Lrn { over: Over::Channels, n: 5, k: 2.0, alpha: 1e-4, beta: 0.75 });
/// What the 2012 source ran: the same with α / n.
const LRN_2012: Layer = Layer::Lrn(Lrn { over: Over::Channels, n: 5, k: 2.0, alpha: 1e-4 / 5.0, beta: 0.75 });
/// The source's additional norm within each map, over 5×5 places: scale 0.001 / 25, constant 1.
const SPATIAL_2012: Layer = Layer::Lrn(Lrn { over: Over::Space, n: 5, k: 1.0, alpha: 1e-3 / 25.0, beta: 0.75 });
/// §3.4: overlapping pooling, z = 3, s = 2.
const POOL: Layer = Layer::MaxPool(Pool { window: 3, stride: 2 });
/// Average pooling as cuda-convnet has it, each window divided by its places inside.
const AVERAGE: Layer = Layer::AveragePool(Pool { window: 3, stride: 2 });
/// Of cuda-convnet's `18pct`: over 3×3 places of a map, scale 0.00005 / 9, constant 1.
const LRN_18PCT: Layer = Layer::Lrn(Lrn { over: Over::Space, n: 3, k: 1.0, alpha: 5e-5 / 9.0, beta: 0.75 });
/// Of its `11pct`: over 5 maps, scale 0.001 / 5, constant 1.
const LRN_11PCT: Layer = Layer::Lrn(Lrn { over: Over::Channels, n: 5, k: 1.0, alpha: 1e-3 / 5.0, beta: 0.75 });
/// §4.2. The probability is the recipe's.
const DROP: Layer = Layer::Dropout(Dropout { p: 0.5 });
/// As many units as the data has classes.
const CLASSES: Layer = full(0);
const LOSS: Layer = Layer::SoftmaxLoss;

/// The paper as written (§3.5, Figure 2): 60,965,224 parameters at 1,000 classes.
#[rustfmt::skip]
pub static ALEXNET: Table = Table {
    name: "alexnet", image: 256, crop: 224, columns: 2,
    variation: Variation::NONE,
    rows: Cow::Borrowed(&[
        //   name     on     reads  layer (per column)
        row("conv1", Each,  Image, conv(48, 11, 4, 0)),
        row("relu1", Each,  Own,   RELU),
        row("norm1", Each,  Own,   LRN),
        row("pool1", Each,  Own,   POOL),
        row("conv2", Each,  Own,   conv(128, 5, 1, 2)),
        row("relu2", Each,  Own,   RELU),
        row("norm2", Each,  Own,   LRN),
        row("pool2", Each,  Own,   POOL),
        row("conv3", Each,  Both,  conv(192, 3, 1, 1)),
        row("relu3", Each,  Own,   RELU),
        row("conv4", Each,  Own,   conv(192, 3, 1, 1)),
        row("relu4", Each,  Own,   RELU),
        row("conv5", Each,  Own,   conv(128, 3, 1, 1)),
        row("relu5", Each,  Own,   RELU),
        row("pool5", Each,  Own,   POOL),
        row("fc6",   Each,  Both,  full(2048)),
        row("relu6", Each,  Own,   RELU),
        row("drop6", Each,  Own,   DROP),
        row("fc7",   Each,  Both,  full(2048)),
        row("relu7", Each,  Own,   RELU),
        row("drop7", Each,  Own,   DROP),
        row("fc8",   First, Both,  CLASSES),
        row("loss",  First, Own,   LOSS),
    ]),
};

/// What the paper's source ran (`layers-145.cfg`): conv1 is linear with its ReLU after pool1, α / n, and one more
/// normalisation, within each map, after norm2.
#[rustfmt::skip]
pub static ALEXNET_2012: Table = Table {
    name: "alexnet-2012", image: 256, crop: 224, columns: 2,
    variation: Variation::NONE,
    rows: Cow::Borrowed(&[
        row("conv1",  Each,  Image, conv(48, 11, 4, 0)),
        row("norm1",  Each,  Own,   LRN_2012),
        row("pool1",  Each,  Own,   POOL),
        row("relu1",  Each,  Own,   RELU),
        row("conv2",  Each,  Own,   conv(128, 5, 1, 2)),
        row("relu2",  Each,  Own,   RELU),
        row("norm2",  Each,  Own,   LRN_2012),
        row("norm2s", Each,  Own,   SPATIAL_2012),
        row("pool2",  Each,  Own,   POOL),
        row("conv3",  Each,  Both,  conv(192, 3, 1, 1)),
        row("relu3",  Each,  Own,   RELU),
        row("conv4",  Each,  Own,   conv(192, 3, 1, 1)),
        row("relu4",  Each,  Own,   RELU),
        row("conv5",  Each,  Own,   conv(128, 3, 1, 1)),
        row("relu5",  Each,  Own,   RELU),
        row("pool5",  Each,  Own,   POOL),
        row("fc6",    Each,  Both,  full(2048)),
        row("relu6",  Each,  Own,   RELU),
        row("drop6",  Each,  Own,   DROP),
        row("fc7",    Each,  Both,  full(2048)),
        row("relu7",  Each,  Own,   RELU),
        row("drop7",  Each,  Own,   DROP),
        row("fc8",    First, Both,  CLASSES),
        row("loss",   First, Own,   LOSS),
    ]),
};

/// The network of the paper's `1 CNN*` and `7 CNNs*` (§6): a sixth convolution on the 6×6 maps of pool5, of both columns
/// (the original's configuration 146). 61,555,304 parameters at 1,000 classes. `relu6c` follows conv6, `relu6` fc6.
#[rustfmt::skip]
pub static ALEXNET_6: Table = Table {
    name: "alexnet-6", image: 256, crop: 224, columns: 2,
    variation: Variation::NONE,
    rows: Cow::Borrowed(&[
        row("conv1", Each,  Image, conv(48, 11, 4, 0)),
        row("relu1", Each,  Own,   RELU),
        row("norm1", Each,  Own,   LRN),
        row("pool1", Each,  Own,   POOL),
        row("conv2", Each,  Own,   conv(128, 5, 1, 2)),
        row("relu2", Each,  Own,   RELU),
        row("norm2", Each,  Own,   LRN),
        row("pool2", Each,  Own,   POOL),
        row("conv3", Each,  Both,  conv(192, 3, 1, 1)),
        row("relu3", Each,  Own,   RELU),
        row("conv4", Each,  Own,   conv(192, 3, 1, 1)),
        row("relu4", Each,  Own,   RELU),
        row("conv5", Each,  Own,   conv(128, 3, 1, 1)),
        row("relu5", Each,  Own,   RELU),
        row("pool5", Each,  Own,   POOL),
        row("conv6", Each,  Both,  conv(128, 3, 1, 1)),
        row("relu6c", Each, Own,   RELU),
        row("fc6",   Each,  Both,  full(2048)),
        row("relu6", Each,  Own,   RELU),
        row("drop6", Each,  Own,   DROP),
        row("fc7",   Each,  Both,  full(2048)),
        row("relu7", Each,  Own,   RELU),
        row("drop7", Each,  Own,   DROP),
        row("fc8",   First, Both,  CLASSES),
        row("loss",  First, Own,   LOSS),
    ]),
};

/// The one-GPU network of the paper's comparison (§3.2, footnote 2): one column, 59,798,312 parameters at 1,000
/// classes. The last convolution and the fully connected layers are as wide as two columns'.
#[rustfmt::skip]
pub static HALF: Table = Table {
    name: "half", image: 256, crop: 224, columns: 1,
    variation: Variation::NONE,
    rows: Cow::Borrowed(&[
        row("conv1", Each,  Image, conv(48, 11, 4, 0)),
        row("relu1", Each,  Own,   RELU),
        row("norm1", Each,  Own,   LRN),
        row("pool1", Each,  Own,   POOL),
        row("conv2", Each,  Own,   conv(128, 5, 1, 2)),
        row("relu2", Each,  Own,   RELU),
        row("norm2", Each,  Own,   LRN),
        row("pool2", Each,  Own,   POOL),
        row("conv3", Each,  Own,   conv(192, 3, 1, 1)),
        row("relu3", Each,  Own,   RELU),
        row("conv4", Each,  Own,   conv(192, 3, 1, 1)),
        row("relu4", Each,  Own,   RELU),
        row("conv5", Each,  Own,   conv(256, 3, 1, 1)),
        row("relu5", Each,  Own,   RELU),
        row("pool5", Each,  Own,   POOL),
        row("fc6",   Each,  Own,   full(4096)),
        row("relu6", Each,  Own,   RELU),
        row("drop6", Each,  Own,   DROP),
        row("fc7",   Each,  Own,   full(4096)),
        row("relu7", Each,  Own,   RELU),
        row("drop7", Each,  Own,   DROP),
        row("fc8",   Each,  Own,   CLASSES),
        row("loss",  Each,  Own,   LOSS),
    ]),
};

/// The paper's network made small: every layer, crossing, norm, pool and dropout in its place, 64×64 crops of 72×72
/// images. As in the paper, conv1's last window overhangs the image (64 → 31).
#[rustfmt::skip]
pub static TINY: Table = Table {
    name: "tiny", image: 72, crop: 64, columns: 2,
    variation: Variation::NONE,
    rows: Cow::Borrowed(&[
        row("conv1", Each,  Image, conv(16, 5, 2, 0)),
        row("relu1", Each,  Own,   RELU),
        row("norm1", Each,  Own,   LRN),
        row("pool1", Each,  Own,   POOL),
        row("conv2", Each,  Own,   conv(32, 5, 1, 2)),
        row("relu2", Each,  Own,   RELU),
        row("norm2", Each,  Own,   LRN),
        row("pool2", Each,  Own,   POOL),
        row("conv3", Each,  Both,  conv(32, 3, 1, 1)),
        row("relu3", Each,  Own,   RELU),
        row("conv4", Each,  Own,   conv(32, 3, 1, 1)),
        row("relu4", Each,  Own,   RELU),
        row("conv5", Each,  Own,   conv(32, 3, 1, 1)),
        row("relu5", Each,  Own,   RELU),
        row("pool5", Each,  Own,   POOL),
        row("fc6",   Each,  Both,  full(128)),
        row("relu6", Each,  Own,   RELU),
        row("drop6", Each,  Own,   DROP),
        row("fc7",   Each,  Both,  full(128)),
        row("relu7", Each,  Own,   RELU),
        row("drop7", Each,  Own,   DROP),
        row("fc8",   First, Both,  CLASSES),
        row("loss",  First, Own,   LOSS),
    ]),
};

/// [`ALEXNET_6`] made small, as [`TINY`] is.
#[rustfmt::skip]
pub static TINY_6: Table = Table {
    name: "tiny-6", image: 72, crop: 64, columns: 2,
    variation: Variation::NONE,
    rows: Cow::Borrowed(&[
        row("conv1", Each,  Image, conv(16, 5, 2, 0)),
        row("relu1", Each,  Own,   RELU),
        row("norm1", Each,  Own,   LRN),
        row("pool1", Each,  Own,   POOL),
        row("conv2", Each,  Own,   conv(32, 5, 1, 2)),
        row("relu2", Each,  Own,   RELU),
        row("norm2", Each,  Own,   LRN),
        row("pool2", Each,  Own,   POOL),
        row("conv3", Each,  Both,  conv(32, 3, 1, 1)),
        row("relu3", Each,  Own,   RELU),
        row("conv4", Each,  Own,   conv(32, 3, 1, 1)),
        row("relu4", Each,  Own,   RELU),
        row("conv5", Each,  Own,   conv(32, 3, 1, 1)),
        row("relu5", Each,  Own,   RELU),
        row("pool5", Each,  Own,   POOL),
        row("conv6", Each,  Both,  conv(32, 3, 1, 1)),
        row("relu6c", Each, Own,   RELU),
        row("fc6",   Each,  Both,  full(128)),
        row("relu6", Each,  Own,   RELU),
        row("drop6", Each,  Own,   DROP),
        row("fc7",   Each,  Both,  full(128)),
        row("relu7", Each,  Own,   RELU),
        row("drop7", Each,  Own,   DROP),
        row("fc8",   First, Both,  CLASSES),
        row("loss",  First, Own,   LOSS),
    ]),
};

/// [`HALF`] made small, as [`TINY`] is.
#[rustfmt::skip]
pub static TINY_HALF: Table = Table {
    name: "tiny-half", image: 72, crop: 64, columns: 1,
    variation: Variation::NONE,
    rows: Cow::Borrowed(&[
        row("conv1", Each,  Image, conv(16, 5, 2, 0)),
        row("relu1", Each,  Own,   RELU),
        row("norm1", Each,  Own,   LRN),
        row("pool1", Each,  Own,   POOL),
        row("conv2", Each,  Own,   conv(32, 5, 1, 2)),
        row("relu2", Each,  Own,   RELU),
        row("norm2", Each,  Own,   LRN),
        row("pool2", Each,  Own,   POOL),
        row("conv3", Each,  Own,   conv(32, 3, 1, 1)),
        row("relu3", Each,  Own,   RELU),
        row("conv4", Each,  Own,   conv(32, 3, 1, 1)),
        row("relu4", Each,  Own,   RELU),
        row("conv5", Each,  Own,   conv(64, 3, 1, 1)),
        row("relu5", Each,  Own,   RELU),
        row("pool5", Each,  Own,   POOL),
        row("fc6",   Each,  Own,   full(256)),
        row("relu6", Each,  Own,   RELU),
        row("drop6", Each,  Own,   DROP),
        row("fc7",   Each,  Own,   full(256)),
        row("relu7", Each,  Own,   RELU),
        row("drop7", Each,  Own,   DROP),
        row("fc8",   Each,  Own,   CLASSES),
        row("loss",  Each,  Own,   LOSS),
    ]),
};

/// The four layers of Figure 1 (§3.1), which the paper does not list: [`CIFAR_18PCT`] without its normalisations, on images
/// of 32×32 pixels.
#[rustfmt::skip]
pub static FIG1: Table = Table {
    name: "fig1", image: 32, crop: 32, columns: 1,
    variation: Variation::NONE,
    rows: Cow::Borrowed(&[
        row("conv1", Each, Image, conv(32, 5, 1, 2)),
        row("pool1", Each, Own,   POOL),
        row("relu1", Each, Own,   RELU),
        row("conv2", Each, Own,   conv(32, 5, 1, 2)),
        row("relu2", Each, Own,   RELU),
        row("pool2", Each, Own,   AVERAGE),
        row("conv3", Each, Own,   conv(64, 5, 1, 2)),
        row("relu3", Each, Own,   RELU),
        row("pool3", Each, Own,   AVERAGE),
        row("fc4",   Each, Own,   CLASSES),
        row("loss",  Each, Own,   LOSS),
    ]),
};

/// cuda-convnet's `layers-18pct.cfg` for CIFAR-10, on whole images: 89,578 parameters at 10 classes.
#[rustfmt::skip]
pub static CIFAR_18PCT: Table = Table {
    name: "cifar-18pct", image: 32, crop: 32, columns: 1,
    variation: Variation::NONE,
    rows: Cow::Borrowed(&[
        row("conv1", Each, Image, conv(32, 5, 1, 2)),
        row("pool1", Each, Own,   POOL),
        row("relu1", Each, Own,   RELU),
        row("norm1", Each, Own,   LRN_18PCT),
        row("conv2", Each, Own,   conv(32, 5, 1, 2)),
        row("relu2", Each, Own,   RELU),
        row("pool2", Each, Own,   AVERAGE),
        row("norm2", Each, Own,   LRN_18PCT),
        row("conv3", Each, Own,   conv(64, 5, 1, 2)),
        row("relu3", Each, Own,   RELU),
        row("pool3", Each, Own,   AVERAGE),
        row("fc4",   Each, Own,   CLASSES),
        row("loss",  Each, Own,   LOSS),
    ]),
};

/// cuda-convnet's `layers-conv-local-13pct.cfg`, on crops of 24×24: the network without normalisation of §3.3's comparison;
/// 1,116,490 parameters at 10 classes.
#[rustfmt::skip]
pub static CIFAR_13PCT: Table = Table {
    name: "cifar-13pct", image: 32, crop: 24, columns: 1,
    variation: Variation::NONE,
    rows: Cow::Borrowed(&[
        row("conv1",  Each, Image, conv(64, 5, 1, 2)),
        row("relu1",  Each, Own,   RELU),
        row("pool1",  Each, Own,   POOL),
        row("conv2",  Each, Own,   conv(64, 5, 1, 2)),
        row("relu2",  Each, Own,   RELU),
        row("pool2",  Each, Own,   POOL),
        row("local3", Each, Own,   local(32, 3, 1, 1)),
        row("relu3",  Each, Own,   RELU),
        row("local4", Each, Own,   local(32, 3, 1, 1)),
        row("relu4",  Each, Own,   RELU),
        row("fc5",    Each, Own,   CLASSES),
        row("loss",   Each, Own,   LOSS),
    ]),
};

/// cuda-convnet's `layers-conv-local-11pct.cfg`: [`CIFAR_13PCT`] with the normalisations of §3.3's comparison.
#[rustfmt::skip]
pub static CIFAR_11PCT: Table = Table {
    name: "cifar-11pct", image: 32, crop: 24, columns: 1,
    variation: Variation::NONE,
    rows: Cow::Borrowed(&[
        row("conv1",  Each, Image, conv(64, 5, 1, 2)),
        row("relu1",  Each, Own,   RELU),
        row("norm1",  Each, Own,   LRN_11PCT),
        row("pool1",  Each, Own,   POOL),
        row("conv2",  Each, Own,   conv(64, 5, 1, 2)),
        row("relu2",  Each, Own,   RELU),
        row("norm2",  Each, Own,   LRN_11PCT),
        row("pool2",  Each, Own,   POOL),
        row("local3", Each, Own,   local(32, 3, 1, 1)),
        row("relu3",  Each, Own,   RELU),
        row("local4", Each, Own,   local(32, 3, 1, 1)),
        row("relu4",  Each, Own,   RELU),
        row("fc5",    Each, Own,   CLASSES),
        row("loss",   Each, Own,   LOSS),
    ]),
};
