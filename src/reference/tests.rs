//! Values worked out by hand, for what neither a finite difference nor PyTorch settles: borders, ties, NaN, extremes.

use super::*;
use crate::layer::{Conv, Dropout, Lrn, Over, Pool};

const DRAW: Draw = Draw { seed: 1, step: 2, row: 3 };
const TRAIN: Context = Context { train: true, draw: DRAW, first_unit: 0, first_image: 0, total: 1, labels: &[0] };

fn values(c: usize, h: usize, w: usize, data: &[f64]) -> Values {
    let shape = Shape::new(c, h, w);
    Values { shape, images: data.len() / shape.len(), data: data.to_vec() }
}

/// y and dx of a layer without parameters.
fn both(layer: Layer, x: &Values, dy: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let y = forward(&layer, x, &[], &TRAIN);
    let dy = Values { data: dy.to_vec(), ..y.clone() };
    let dx = backward(&layer, x, &y, &dy, &[], &TRAIN).dx.data;
    (y.data, dx)
}

/// NaN beside numbers, by their text.
fn assert_same(got: &[f64], expected: &[f64]) {
    assert_eq!(format!("{got:?}"), format!("{expected:?}"));
}

#[test]
fn the_last_window_of_a_convolution_overhangs_into_zeros() {
    let layer = Layer::Conv(Conv { out: 1, kernel: 2, stride: 2, pad: 0 });
    let x = values(1, 3, 3, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
    let y = forward(&layer, &x, &[vec![1.0, 10.0, 100.0, 1000.0], vec![0.5]], &TRAIN);
    assert_eq!(y.data, [5421.5, 603.5, 87.5, 9.5]);
}

#[test]
fn padding_of_a_convolution_is_zeros_on_every_side() {
    let layer = Layer::Conv(Conv { out: 1, kernel: 3, stride: 1, pad: 1 });
    let x = values(1, 1, 2, &[1.0, 2.0]);
    let w: Vec<f64> = (1..=9).map(f64::from).collect();
    assert_eq!(forward(&layer, &x, &[w, vec![0.0]], &TRAIN).data, [5.0 + 12.0, 4.0 + 10.0]);
}

#[test]
fn windows_of_a_response_norm_are_clipped() {
    let layer = |over| Layer::Lrn(Lrn { over, n: 3, k: 2.0, alpha: 0.5, beta: 1.0 });
    let x = values(4, 1, 1, &[1.0, 2.0, 3.0, 4.0]);
    let expected = [1.0 / 4.5, 2.0 / 9.0, 3.0 / 16.5, 4.0 / 14.5];
    assert_eq!(forward(&layer(Over::Channels), &x, &[], &TRAIN).data, expected);
    let x = values(1, 2, 3, &[1.0, 2.0, 3.0, 0.0, 1.0, 0.0]);
    let sums = [6.0, 15.0, 14.0];
    let expected: Vec<f64> = (0..6).map(|i| x.data[i] / (2.0 + 0.5 * sums[i % 3])).collect();
    assert_eq!(forward(&layer(Over::Space), &x, &[], &TRAIN).data, expected);
}

#[test]
fn the_first_of_equal_maxima_takes_the_gradient() {
    let layer = Layer::MaxPool(Pool { window: 3, stride: 2 });
    let x = values(1, 3, 5, &[0.0, 5.0, 5.0, 5.0, 0.0, 5.0, 5.0, 0.0, 5.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let (y, dx) = both(layer, &x, &[1.0, 10.0]);
    assert_eq!(y, [5.0, 5.0]);
    assert_eq!(dx, [0.0, 1.0, 10.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn the_last_window_of_a_pool_is_clipped() {
    let layer = Layer::MaxPool(Pool { window: 2, stride: 2 });
    let (y, dx) =
        both(layer, &values(1, 3, 3, &[1.0, 2.0, -3.0, 4.0, 5.0, -6.0, -7.0, -8.0, -9.0]), &[1.0, 2.0, 3.0, 4.0]);
    assert_eq!(y, [5.0, -3.0, -7.0, -9.0]);
    assert_eq!(dx, [0.0, 0.0, 2.0, 0.0, 1.0, 0.0, 3.0, 0.0, 4.0]);
    // A stride longer than the window begins no window outside.
    assert_eq!(Layer::MaxPool(Pool { window: 2, stride: 3 }).output(Shape::new(1, 9, 10)), Some(Shape::new(1, 3, 4)));
}

#[test]
fn pooling_passes_the_first_nan_on() {
    let nan = f64::NAN;
    let layer = Layer::MaxPool(Pool { window: 2, stride: 1 });
    let (y, dx) = both(layer, &values(1, 2, 2, &[9.0, nan, f64::INFINITY, nan]), &[1.0]);
    assert_same(&y, &[nan]);
    assert_same(&dx, &[0.0, 1.0, 0.0, 0.0]);
    let (y, _) = both(layer, &values(1, 2, 2, &[f64::NEG_INFINITY; 4]), &[1.0]);
    assert_same(&y, &[f64::NEG_INFINITY]);
}

#[test]
fn relu_passes_nan_on_and_stops_zero() {
    let (y, dx) = both(Layer::Relu, &values(1, 1, 4, &[f64::NAN, 0.0, -1.0, 2.0]), &[1.0; 4]);
    assert_same(&y, &[f64::NAN, 0.0, 0.0, 2.0]);
    assert_same(&dx, &[1.0, 0.0, 0.0, 1.0]);
}

#[test]
fn dropout_keeps_units_unscaled_in_training_and_scales_all_in_use() {
    let layer = Layer::Dropout(Dropout { p: 0.25 });
    let x = values(1000, 1, 1, &[3.0; 4000]);
    let y = forward(&layer, &x, &[], &TRAIN);
    let dropped = y.data.iter().filter(|&&v| v == 0.0).count();
    assert!(y.data.iter().all(|&v| v == 0.0 || v == 3.0));
    assert!((900..1100).contains(&dropped), "{dropped} of 4000 dropped at p = 0.25");
    let used = forward(&layer, &x, &[], &Context { train: false, ..TRAIN });
    assert!(used.data.iter().all(|&v| v == 2.25));
}

/// A column's half, or a micro-batch, draws what the whole draws at that place.
#[test]
fn a_part_of_a_dropout_row_draws_the_whole_row_s_mask() {
    let layer = Layer::Dropout(Dropout { p: 0.5 });
    let ones = |c: usize, images: usize| values(c, 2, 3, &vec![1.0; c * 6 * images]);
    let whole = forward(&layer, &ones(4, 5), &[], &TRAIN);
    let part = forward(&layer, &ones(2, 3), &[], &Context { first_unit: 12, first_image: 2, ..TRAIN });
    for c in 0..2 {
        for place in 0..6 {
            for n in 0..3 {
                let (h, w) = (place / 3, place % 3);
                assert_eq!(part.at(c, h, w, n), whole.at(c + 2, h, w, n + 2));
            }
        }
    }
}

#[test]
fn softmax_and_loss_stand_large_logits() {
    let x = values(3, 1, 1, &[10_000.0, 0.0, 10_000.0]);
    let y = forward(&Layer::SoftmaxLoss, &x, &[], &TRAIN);
    assert_eq!(y.data, [0.5, 0.0, 0.5]);
    let at = |label: u32| loss::loss(&x, &Context { labels: &[label], ..TRAIN });
    assert!((at(0) - 2.0_f64.ln()).abs() < 1e-12);
    assert_eq!(at(1), 10_000.0 + 2.0_f64.ln());
}

#[test]
fn equal_logits_count_in_the_order_of_the_classes() {
    // One image a column: logits 2, 3, 3 and 1, 1, 1.
    let x = values(3, 1, 1, &[2.0, 1.0, 3.0, 1.0, 3.0, 1.0]);
    let errors = |labels: [u32; 2], k| loss::errors(&x, &labels, k);
    assert_eq!([errors([1, 0], 1), errors([2, 0], 1), errors([2, 1], 1)], [0, 1, 2]);
    assert_eq!([errors([2, 1], 2), errors([0, 1], 2), errors([0, 2], 2), errors([0, 2], 3)], [0, 1, 2, 0]);
}

#[test]
fn one_update_of_section_5() {
    let (mut w, mut v) = ([1.0], [0.5]);
    sgd(&mut w, &mut v, &[2.0], 0.125, 0.5, 0.25);
    assert_eq!((v, w), ([0.25 - 0.03125 - 0.25], [1.0 - 0.03125]));
}
