//! The case list: one list of layers and shapes for the tests, `alexnet check` and the benchmarks.

use crate::layer::{Conv, Dropout, Full, Layer, Lrn, Over, Pool};
use crate::layers;
use crate::net::{Net, Resolved};
use crate::shape::Shape;

/// A layer on an input, with a number of images that a tile need not divide.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// As `alexnet check` prints it; in a network the row's name.
    pub name: String,
    /// The layer with its settings.
    pub layer: Layer,
    /// Shape of one image's input.
    pub x: Shape,
    /// Images N.
    pub images: usize,
    /// Whether the layer, a product, takes in a ReLU above it.
    pub relu: bool,
}

fn case(name: &str, layer: Layer, [c, h, w]: [usize; 3], images: usize) -> Case {
    Case { name: name.to_owned(), layer, x: Shape::new(c, h, w), images, relu: false }
}

/// The case with the ReLU above it.
fn with_relu(case: Case) -> Case {
    Case { name: format!("{}, relu", case.name), relu: true, ..case }
}

fn conv(out: usize, kernel: usize, stride: usize, pad: usize) -> Layer {
    Layer::Conv(Conv { out, kernel, stride, pad })
}

fn full(units: usize) -> Layer {
    Layer::Full(Full { units })
}

fn lrn(over: Over, n: usize, k: f32, alpha: f32, beta: f32) -> Layer {
    Layer::Lrn(Lrn { over, n, k, alpha, beta })
}

fn local(out: usize, kernel: usize, stride: usize, pad: usize) -> Layer {
    Layer::Local(Conv { out, kernel, stride, pad })
}

fn average(window: usize, stride: usize) -> Layer {
    Layer::AveragePool(Pool { window, stride })
}

fn pool(window: usize, stride: usize) -> Layer {
    Layer::MaxPool(Pool { window, stride })
}

/// Small cases at odd sizes: every kind of layer, every border a kernel has.
#[rustfmt::skip]
pub fn odd() -> Vec<Case> {
    vec![
        case("conv 3×3",                   conv(5, 3, 1, 1),    [3, 13, 11], 5),
        case("conv 11×11 /4, overhanging", conv(7, 11, 4, 0),   [3, 24, 25], 3),
        case("conv 5×5 pad 2",             conv(16, 5, 1, 2),   [4, 9, 7],   33),
        case("conv 5×5, 48 maps",          conv(40, 5, 1, 2),   [48, 7, 7],  32),
        case("conv 3×3, 33 maps",          conv(17, 3, 1, 1),   [33, 5, 6],  2),
        case("conv 3×3 /2",                conv(48, 3, 2, 1),   [32, 6, 6],  37),
        case("conv 1×1",                   conv(19, 1, 1, 0),   [20, 4, 4],  4),
        case("conv 5×5 /2, long sum",      conv(8, 5, 2, 0),    [3, 32, 32], 40),
        case("conv, window of the image",  conv(6, 4, 1, 0),    [2, 4, 4],   1),
        case("conv 2×2 /3 pad 1",          conv(3, 2, 3, 1),    [5, 7, 8],   6),
        case("full",                       full(17),            [6, 3, 3],   5),
        case("full, one image",            full(3),             [7, 1, 1],   1),
        case("full, 65 images",            full(100),           [64, 2, 2],  65),
        case("full, whole tiles",          full(128),           [256, 1, 1], 32),
        with_relu(case("conv 11×11 /4",    conv(7, 11, 4, 0),   [3, 19, 23], 3)),
        with_relu(case("conv 5×5 pad 2",   conv(18, 5, 1, 2),   [17, 9, 7],  5)),
        with_relu(case("conv 3×3",         conv(5, 3, 1, 1),    [20, 5, 6],  33)),
        with_relu(case("full",             full(17),            [6, 3, 3],   5)),
        case("local 3×3 pad 1",            local(6, 3, 1, 1),   [5, 4, 5],   5),
        case("local 3×3, whole vectors",   local(8, 3, 1, 1),   [8, 6, 6],   32),
        case("local 5×5 /2, overhanging",  local(3, 5, 2, 1),   [3, 8, 7],   33),
        case("local 2×2 /3 pad 1",         local(1, 2, 3, 1),   [2, 7, 8],   2),
        case("relu",                       Layer::Relu,         [3, 5, 7],   5),
        case("tanh",                       Layer::Tanh,         [3, 5, 7],   5),
        case("norm 5 maps",                lrn(Over::Channels, 5, 2.0, 1e-4, 0.75), [7, 3, 4], 5),
        case("norm 5 of 2 maps",           lrn(Over::Channels, 5, 2.0, 0.5, 0.75),  [2, 3, 3], 3),
        case("norm 3 maps, β 0.6",         lrn(Over::Channels, 3, 1.0, 0.2, 0.6),   [6, 2, 5], 33),
        case("norm 5×5",                   lrn(Over::Space, 5, 1.0, 0.04, 0.75),    [3, 7, 6], 5),
        case("max 3×3 /2",                 pool(3, 2),          [3, 13, 9],  5),
        case("max 3×3 /2, overhanging",    pool(3, 2),          [2, 8, 10],  33),
        case("max 2×2 /2, overhanging",    pool(2, 2),          [3, 5, 7],   5),
        case("max 2×2 /2",                 pool(2, 2),          [3, 6, 4],   3),
        case("max 2×2 /3, gaps",           pool(2, 3),          [2, 8, 9],   4),
        case("average 3×3 /2",             average(3, 2),       [3, 13, 9],  5),
        case("average 3×3 /2, overhanging", average(3, 2),      [2, 8, 10],  33),
        case("average 2×2 /3, gaps",       average(2, 3),       [2, 8, 9],   4),
        case("dropout 0.5",                Layer::Dropout(Dropout { p: 0.5 }), [37, 1, 1], 33),
        case("dropout 0",                  Layer::Dropout(Dropout { p: 0.0 }), [8, 1, 1],  4),
        case("softmax 10",                 Layer::SoftmaxLoss,  [10, 1, 1],  7),
        case("softmax 1000",               Layer::SoftmaxLoss,  [1000, 1, 1], 3),
        case("softmax 2",                  Layer::SoftmaxLoss,  [2, 1, 1],   1),
    ]
}

/// Every row of `net` with `images` images, as one column runs it.
pub fn of(net: &Net, images: usize) -> Vec<Case> {
    let relu = |i: usize| layers::takes_in(&net.rows[i].layer, net.rows.get(i + 1).map(|r| &r.layer));
    let case =
        |(i, r): (usize, &Resolved)| Case { name: r.name.to_owned(), layer: r.layer, x: r.x, images, relu: relu(i) };
    net.rows.iter().enumerate().map(case).collect()
}
