//! The tables against the numbers the paper prints.

use alexnet::alexnet::{
    ALEXNET, ALEXNET_6, ALEXNET_2012, CIFAR_11PCT, CIFAR_13PCT, CIFAR_18PCT, FIG1, HALF, TABLES, TINY, TINY_6,
    TINY_HALF, table,
};
use alexnet::layer::Layer;
use alexnet::net::{Net, On, Reads, Table};
use alexnet::shape::Shape;
use alexnet::variation::{Part, Variation};

fn net(table: &'static Table, classes: usize) -> Net {
    Net::resolve(table, classes, 0.5).unwrap()
}

/// Output of row `name` over all columns.
fn whole(net: &Net, name: &str) -> Shape {
    let row = net.rows.iter().position(|r| r.name == name).unwrap_or_else(|| panic!("no row {name}"));
    let y = net.rows[row].y;
    Shape { c: y.c * net.columns_of(row), ..y }
}

fn total(net: &Net, of_row: impl Fn(&Net, usize) -> usize) -> usize {
    (0..net.rows.len()).map(|row| of_row(net, row) * net.columns_of(row)).sum()
}

/// Parameters in one column.
fn parameters(net: &Net, column: usize) -> usize {
    let held = (0..net.rows.len()).filter(|&row| column < net.columns_of(row));
    held.flat_map(|row| net.params(row)).map(|p| p.dims.iter().product::<usize>()).sum()
}

/// Caption of Figure 2. "253,440" there is a slip: conv1 has 55 × 55 × 96 = 290,400, and what was
/// printed is 55 × 48 × 96.
#[test]
fn neurons_of_figure_2() {
    let printed = [
        ("conv1", 290_400),
        ("conv2", 186_624),
        ("conv3", 64_896),
        ("conv4", 64_896),
        ("conv5", 43_264),
        ("fc6", 4096),
        ("fc7", 4096),
        ("fc8", 1000),
    ];
    for table in [&ALEXNET, &ALEXNET_2012] {
        let net = net(table, 1000);
        assert_eq!(net.rows[0].x.len(), 150_528, "{}: input", table.name);
        for (name, neurons) in printed {
            assert_eq!(whole(&net, name).len(), neurons, "{}: {name}", table.name);
        }
    }
}

/// §3.5: the shape of every row, and the kernels that the text gives as kernel × kernel × input maps.
#[test]
fn shapes_and_kernels_of_section_3_5() {
    let net = net(&ALEXNET, 1000);
    let shapes: Vec<(&str, (usize, usize, usize))> = net.rows.iter().map(|r| (r.name, (r.y.c, r.y.h, r.y.w))).collect();
    #[rustfmt::skip]
    let expected = [
        ("conv1", (48, 55, 55)), ("relu1", (48, 55, 55)), ("norm1", (48, 55, 55)), ("pool1", (48, 27, 27)),
        ("conv2", (128, 27, 27)), ("relu2", (128, 27, 27)), ("norm2", (128, 27, 27)), ("pool2", (128, 13, 13)),
        ("conv3", (192, 13, 13)), ("relu3", (192, 13, 13)),
        ("conv4", (192, 13, 13)), ("relu4", (192, 13, 13)),
        ("conv5", (128, 13, 13)), ("relu5", (128, 13, 13)), ("pool5", (128, 6, 6)),
        ("fc6", (2048, 1, 1)), ("relu6", (2048, 1, 1)), ("drop6", (2048, 1, 1)),
        ("fc7", (2048, 1, 1)), ("relu7", (2048, 1, 1)), ("drop7", (2048, 1, 1)),
        ("fc8", (1000, 1, 1)), ("loss", (1000, 1, 1)),
    ];
    assert_eq!(shapes, expected);
    let weights: Vec<(String, Vec<usize>)> =
        net.tensors().into_iter().filter(|t| t.place == 0).map(|t| (t.name, t.dims)).collect();
    let expected: [(&str, &[usize]); 8] = [
        ("conv1.weight", &[96, 3, 11, 11]),
        ("conv2.weight", &[256, 48, 5, 5]),
        ("conv3.weight", &[384, 256, 3, 3]),
        ("conv4.weight", &[384, 192, 3, 3]),
        ("conv5.weight", &[256, 192, 3, 3]),
        ("fc6.weight", &[4096, 9216]),
        ("fc7.weight", &[4096, 4096]),
        ("fc8.weight", &[1000, 4096]),
    ];
    let expected: Vec<(String, Vec<usize>)> = expected.iter().map(|(n, d)| ((*n).to_owned(), d.to_vec())).collect();
    assert_eq!(weights, expected);
}

/// "60 million parameters" (abstract), and what each GPU holds.
#[test]
fn parameters_of_the_paper() {
    for table in [&ALEXNET, &ALEXNET_2012] {
        let net = net(table, 1000);
        assert_eq!(net.parameters(), 60_965_224, "{}", table.name);
        assert_eq!([parameters(&net, 0), parameters(&net, 1)], [32_531_112, 28_434_112], "{}", table.name);
    }
    assert_eq!(net(&HALF, 1000).parameters(), 59_798_312);
    // conv6 has 256 maps of 256, 3×3, and a bias each.
    assert_eq!(net(&ALEXNET_6, 1000).parameters(), 61_555_304);
    assert_eq!(61_555_304 - 60_965_224, 256 * (256 * 9 + 1));
}

#[test]
fn parameters_of_the_small_networks() {
    let tiny = net(&TINY, 10).parameters();
    assert_eq!(net(&TINY_6, 10).parameters(), tiny + 64 * (64 * 9 + 1));
    let convs = 16 * (3 * 25 + 1) + 32 * (16 * 25 + 1) + 2 * 32 * (32 * 9 + 1) + 64 * (32 * 9 + 1);
    let full = 256 * (64 * 3 * 3 + 1) + 256 * (256 + 1) + 10 * (256 + 1);
    assert_eq!(net(&TINY_HALF, 10).parameters(), convs + full);
}

/// cuda-convnet's networks for CIFAR-10 (§3.1, §3.3): their sizes, and that those without normalisation are nothing else.
#[test]
fn networks_for_cifar_10() {
    let small = 32 * (3 * 25 + 1) + 32 * (32 * 25 + 1) + 64 * (32 * 25 + 1) + 10 * (64 * 4 * 4 + 1);
    // Locally connected: 6×6 places with weights and biases of their own.
    let local = 36 * (32 * (64 * 9 + 1) + 32 * (32 * 9 + 1));
    let large = 64 * (3 * 25 + 1) + 64 * (64 * 25 + 1) + local + 10 * (32 * 6 * 6 + 1);
    assert_eq!((small, large), (89_578, 1_116_490));
    for (table, parameters) in [(&FIG1, small), (&CIFAR_18PCT, small), (&CIFAR_13PCT, large), (&CIFAR_11PCT, large)] {
        assert_eq!(net(table, 10).parameters(), parameters, "{}", table.name);
    }
    let sides = |table, names: &[&str]| names.iter().map(|name| whole(&net(table, 10), name).h).collect::<Vec<_>>();
    assert_eq!(sides(&CIFAR_18PCT, &["conv1", "pool1", "conv2", "pool2", "conv3", "pool3"]), [32, 16, 16, 8, 8, 4]);
    assert_eq!(sides(&CIFAR_11PCT, &["conv1", "pool1", "conv2", "pool2", "local3", "local4"]), [24, 12, 12, 6, 6, 6]);
    let without = Variation { without: [Part::Norm].into(), ..Variation::NONE };
    for (plain, normalised) in [(&FIG1, &CIFAR_18PCT), (&CIFAR_13PCT, &CIFAR_11PCT)] {
        let varied = normalised.varied(without.clone()).unwrap();
        assert_eq!((plain.rows.clone(), plain.image, plain.crop), (varied.rows, varied.image, varied.crop));
    }
}

/// §6's sixth convolution lies over pool5, reads both columns and keeps the maps' size.
#[test]
fn a_sixth_convolution() {
    for (table, base) in [(&ALEXNET_6, &ALEXNET), (&TINY_6, &TINY)] {
        let place = table.rows.iter().position(|r| r.name == "conv6").unwrap();
        assert_eq!((table.rows[place - 1].name, table.rows[place].reads), ("pool5", Reads::Both));
        let mut rows = table.rows.to_vec();
        rows.drain(place..place + 2);
        assert_eq!(rows, *base.rows, "{}", table.name);
        let net = net(table, 10);
        assert_eq!(whole(&net, "conv6"), whole(&net, "pool5"));
    }
}

#[test]
fn multiply_adds_of_one_image() {
    for table in [&ALEXNET, &ALEXNET_2012] {
        assert_eq!(total(&net(table, 1000), Net::multiply_adds), 724_406_816, "{}", table.name);
    }
}

/// §3.5: data crosses before conv3 and before every fully connected layer; the last of them is not split.
#[test]
fn columns_meet_only_where_figure_2_draws_it() {
    for table in [&ALEXNET, &ALEXNET_2012, &TINY] {
        let names = |of: &dyn Fn(&alexnet::net::Row) -> bool| -> Vec<&str> {
            table.rows.iter().filter(|r| of(r)).map(|r| r.name).collect()
        };
        assert_eq!(table.columns, 2);
        assert_eq!(names(&|r| r.reads == Reads::Image), ["conv1"], "{}", table.name);
        assert_eq!(names(&|r| r.reads == Reads::Both), ["conv3", "fc6", "fc7", "fc8"], "{}", table.name);
        assert_eq!(names(&|r| r.on == On::First), ["fc8", "loss"], "{}", table.name);
    }
    assert_eq!(HALF.columns, 1);
    assert!(HALF.rows.iter().all(|r| r.reads != Reads::Both));
}

/// §3.2, footnote 2: the one-GPU net has the kernels of one column, except that its last convolution and its fully
/// connected layers are as wide as two columns'.
#[test]
fn half_is_one_column_with_the_width_of_two_at_its_end() {
    for (half, full) in [(&HALF, &ALEXNET), (&TINY_HALF, &TINY)] {
        assert_eq!((half.columns, half.image, half.crop), (1, full.image, full.crop));
        for (half, full) in net(half, 1000).rows.iter().zip(&net(full, 1000).rows) {
            let wide = half.name.ends_with(['5', '6', '7']);
            assert_eq!((half.name, half.y.c), (full.name, full.y.c * if wide { 2 } else { 1 }));
        }
    }
}

#[test]
fn tiny_is_the_paper_network_made_small() {
    let (tiny, big) = (net(&TINY, 10), net(&ALEXNET, 1000));
    assert!(tiny.parameters() <= 500_000, "{} parameters", tiny.parameters());
    let kinds = |table: &Table| -> Vec<_> {
        table.rows.iter().map(|r| (r.name, r.on, r.reads, std::mem::discriminant(&r.layer))).collect()
    };
    assert_eq!(kinds(&TINY), kinds(&ALEXNET));
    let settings = |net: &Net| -> Vec<Layer> {
        let same = |l: &Layer| matches!(l, Layer::Lrn(_) | Layer::MaxPool(_) | Layer::Dropout(_));
        net.rows.iter().map(|r| r.layer).filter(same).collect()
    };
    assert_eq!(settings(&tiny), settings(&big));
    let sides: Vec<usize> = ["conv1", "pool1", "pool2", "pool5"].map(|name| whole(&tiny, name).h).to_vec();
    assert_eq!((TINY.image, TINY.crop, sides), (72, 64, vec![31, 15, 7, 3]));
}

#[test]
fn images_and_crops() {
    for table in [&ALEXNET, &ALEXNET_2012, &HALF] {
        assert_eq!((table.image, table.crop), (256, 224), "{}", table.name);
    }
}

#[test]
fn tables_are_found_by_name() {
    for listed in TABLES {
        assert_eq!(table(listed.name).map(|t| t.name), Some(listed.name));
    }
    assert!(table("alexnet-2013").is_none());
}
