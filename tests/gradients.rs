//! The reference's gradients against central differences of its forward passes, in f64.

mod common;

use alexnet::alexnet::TINY;
use alexnet::layer::{Conv, Dropout, Full, Layer, Lrn, Over, Pool};
use alexnet::net::Net;
use alexnet::random::{Draw, hash};
use alexnet::reference::{Context, Values, backward, forward, loss, run};
use alexnet::shape::Shape;
use common::seeded;

const DRAW: Draw = Draw { seed: 7, step: 3, row: 17 };
const LABELS: [u32; 3] = [2, 0, 4];

/// Three images of a batch of 7, in the second column, so that no offset is zero.
const TRAIN: Context = Context { train: true, draw: DRAW, first_unit: 100, first_image: 4, total: 7, labels: &LABELS };
const USE: Context = Context { train: false, ..TRAIN };

fn random(salt: u32, len: usize) -> Vec<f64> {
    (0..len as u32).map(|i| seeded::uniform(&[salt, i])).collect()
}

fn input(shape: Shape) -> Values {
    Values { shape, images: LABELS.len(), data: random(1, shape.len() * LABELS.len()) }
}

/// Values at least 0.05 from zero, where ReLU has its kink.
fn away_from_zero(mut x: Values) -> Values {
    x.data.iter_mut().for_each(|v| *v += 0.05 * v.signum());
    x
}

/// Distinct values, 0.01 apart: no step swaps the largest of a window.
fn distinct(mut x: Values) -> Values {
    let mut order: Vec<usize> = (0..x.data.len()).collect();
    order.sort_by_key(|&i| hash(&[2, i as u32]));
    for (rank, i) in order.into_iter().enumerate() {
        x.data[i] = 0.01 * rank as f64 - 1.0;
    }
    x
}

/// What is differentiated: Σ dy · y for a random dy, or the loss.
fn objective(layer: &Layer, x: &Values, params: &[Vec<f64>], dy: &Values, ctx: &Context) -> f64 {
    if *layer == Layer::SoftmaxLoss {
        return loss::loss(x, ctx);
    }
    forward(layer, x, params, ctx).data.iter().zip(&dy.data).map(|(y, dy)| y * dy).sum()
}

/// Derivative of `f` in the value that `value` picks out of `state`.
fn difference<S>(state: &mut S, value: impl Fn(&mut S) -> &mut f64, step: f64, f: impl Fn(&S) -> f64) -> f64 {
    let middle = *value(state);
    let mut at = |v| {
        *value(state) = v;
        f(state)
    };
    let slope = (at(middle + step) - at(middle - step)) / (2.0 * step);
    *value(state) = middle;
    slope
}

fn assert_near(what: &str, got: f64, expected: f64) {
    let slack = 1e-7 * (1.0 + expected.abs());
    assert!((got - expected).abs() <= slack, "{what}: gradient {got}, difference {expected}");
}

/// Compares every value of dx and of the parameters' gradients.
fn check(layer: Layer, x: Values, ctx: &Context) {
    let params: Vec<Vec<f64>> =
        layer.params(x.shape).iter().zip(10..).map(|(p, salt)| random(salt, p.dims.iter().product())).collect();
    let y = forward(&layer, &x, &params, ctx);
    let dy = Values { data: random(3, y.data.len()), ..y.clone() };
    let got = backward(&layer, &x, &y, &dy, &params, ctx);
    assert_eq!((got.dx.shape, got.dx.data.len()), (x.shape, x.data.len()), "{layer:?}: shape of dx");
    assert!(got.dx.data.iter().any(|&g| g != 0.0), "{layer:?}: dx is zero");

    let mut state = (x, params);
    let f = |(x, params): &(Values, Vec<Vec<f64>>)| objective(&layer, x, params, &dy, ctx);
    for (i, &gradient) in got.dx.data.iter().enumerate() {
        let slope = difference(&mut state, |s| &mut s.0.data[i], 1e-4, f);
        assert_near(&format!("{layer:?} on {}: dx[{i}]", state.0.shape), gradient, slope);
    }
    assert_eq!(got.params.len(), state.1.len(), "{layer:?}: tensors");
    for (place, gradients) in got.params.iter().enumerate() {
        assert_eq!(gradients.len(), state.1[place].len(), "{layer:?}: length of tensor {place}");
        for (i, &gradient) in gradients.iter().enumerate() {
            let slope = difference(&mut state, |s| &mut s.1[place][i], 1e-4, f);
            assert_near(&format!("{layer:?} on {}: tensor {place} [{i}]", state.0.shape), gradient, slope);
        }
    }
}

#[test]
fn convolution() {
    // (out, kernel, stride, pad), input: one pixel, padding past a small image, overhang with and without padding.
    for ((out, kernel, stride, pad), (c, h, w)) in [
        ((1, 1, 1, 0), (1, 1, 1)),
        ((3, 3, 1, 1), (2, 5, 4)),
        ((2, 5, 1, 2), (3, 3, 2)),
        ((3, 3, 2, 0), (2, 6, 7)),
        ((2, 5, 4, 0), (1, 10, 8)),
        ((2, 4, 3, 1), (2, 7, 6)),
        ((3, 5, 2, 2), (1, 8, 5)),
    ] {
        check(Layer::Conv(Conv { out, kernel, stride, pad }), input(Shape::new(c, h, w)), &TRAIN);
    }
}

#[test]
fn locally_connected() {
    for ((out, kernel, stride, pad), (c, h, w)) in [
        ((1, 1, 1, 0), (1, 1, 1)),
        ((3, 3, 1, 1), (2, 4, 3)),
        ((2, 3, 2, 0), (2, 6, 5)),
        ((2, 5, 2, 2), (1, 6, 5)),
        ((2, 2, 3, 1), (2, 7, 5)),
    ] {
        check(Layer::Local(Conv { out, kernel, stride, pad }), input(Shape::new(c, h, w)), &TRAIN);
    }
}

#[test]
fn fully_connected() {
    for (units, (c, h, w)) in [(1, (1, 1, 1)), (5, (3, 2, 3)), (7, (11, 1, 1))] {
        check(Layer::Full(Full { units }), input(Shape::new(c, h, w)), &TRAIN);
    }
}

#[test]
fn relu() {
    check(Layer::Relu, away_from_zero(input(Shape::new(3, 5, 3))), &TRAIN);
}

#[test]
fn tanh() {
    check(Layer::Tanh, input(Shape::new(3, 5, 3)), &TRAIN);
}

/// With α large enough that the second term of the gradient counts, and as the paper has it.
#[test]
fn response_normalisation() {
    for over in [Over::Channels, Over::Space] {
        for (n, k, alpha, beta) in [(5, 2.0, 0.3, 0.75), (3, 1.0, 0.5, 1.25), (1, 2.0, 0.3, 0.5), (5, 2.0, 1e-4, 0.75)]
        {
            for (c, h, w) in [(7, 3, 6), (2, 1, 4), (11, 7, 1)] {
                check(Layer::Lrn(Lrn { over, n, k, alpha, beta }), input(Shape::new(c, h, w)), &TRAIN);
            }
        }
    }
}

#[test]
fn max_pooling() {
    for (window, stride, (c, h, w)) in
        [(3, 2, (2, 7, 5)), (3, 2, (3, 6, 8)), (2, 2, (1, 5, 5)), (3, 3, (2, 3, 7)), (2, 3, (1, 9, 6))]
    {
        check(Layer::MaxPool(Pool { window, stride }), distinct(input(Shape::new(c, h, w))), &TRAIN);
    }
}

#[test]
fn average_pooling() {
    for (window, stride, (c, h, w)) in
        [(3, 2, (2, 7, 5)), (3, 2, (3, 6, 8)), (2, 2, (1, 5, 5)), (3, 3, (2, 3, 7)), (2, 3, (1, 9, 6))]
    {
        check(Layer::AveragePool(Pool { window, stride }), input(Shape::new(c, h, w)), &TRAIN);
    }
}

#[test]
fn dropout() {
    for p in [0.0, 0.3, 0.5] {
        check(Layer::Dropout(Dropout { p }), input(Shape::new(5, 3, 2)), &TRAIN);
        check(Layer::Dropout(Dropout { p }), input(Shape::new(5, 3, 2)), &USE);
    }
}

#[test]
fn softmax_loss() {
    check(Layer::SoftmaxLoss, input(Shape::new(5, 1, 1)), &TRAIN);
}

/// A few coordinates of every tensor of `tiny`, through both columns, every crossing and both dropout rows.
#[test]
fn whole_net() {
    let net = Net::resolve(&TINY, 10, 0.5).unwrap();
    let batch = seeded::batch(&net, 2);
    let train = Some((DRAW.seed, DRAW.step));
    let mut weights = seeded::widen(&seeded::weights(&net));
    let gradients = run(&net, &weights, &batch, train, true).gradients;
    for (number, tensor) in net.tensors().iter().enumerate() {
        let root = (tensor.len() as f64).sqrt();
        let typical = gradients[number].iter().map(|g| g * g).sum::<f64>().sqrt() / root;
        assert!(typical > 0.0, "{}: a gradient of zero", tensor.name);
        for i in coordinates(&gradients[number], number as u32) {
            let loss = |w: &Vec<Vec<f64>>| run(&net, w, &batch, train, false).loss;
            let slope = difference(&mut weights, |w| &mut w[number][i], 1e-6, loss);
            let got = gradients[number][i];
            let slack = 1e-5 * (slope.abs() + typical);
            assert!((got - slope).abs() <= slack, "{}[{i}]: gradient {got}, difference {slope}", tensor.name);
        }
    }
}

/// Three places where the gradient is not zero (a dropped or silent unit has none), in different thirds of a tensor.
fn coordinates(gradient: &[f64], salt: u32) -> Vec<usize> {
    let third = gradient.len().div_ceil(3);
    let of = |part: usize| {
        let range = part * third..((part + 1) * third).min(gradient.len());
        let alive: Vec<usize> = range.filter(|&i| gradient[i] != 0.0).collect();
        assert!(!alive.is_empty(), "no gradient in a third of a tensor");
        alive[hash(&[salt, part as u32]) as usize % alive.len()]
    };
    (0..3).map(of).collect()
}
