//! Every kernel × every tile × every case against the CPU reference, on every adapter here.

mod common;

use alexnet::cases;
use alexnet::check;
use alexnet::gpu::{Device, Profile};
use alexnet::layer::{Layer, Pool};
use alexnet::products::{Family, Kind, Product, Window};
use std::collections::BTreeSet;
use std::sync::Arc;

fn check_all(device: &Arc<Device>) {
    let mut wrong = Vec::new();
    let mut ran = BTreeSet::new();
    let passed = check::all(device, |checked| {
        ran.insert((checked.case.clone(), checked.variant.clone(), checked.what));
        if !checked.passed() {
            wrong.push(checked.to_string());
        }
    })
    .unwrap();
    for family in device.profile.families() {
        for case in cases::odd().iter().filter(|case| case.layer.has_products()) {
            let y = case.layer.output(case.x).unwrap();
            let window = Window::of(&case.layer, case.x, y, case.images.next_multiple_of(family.images()));
            for (product, what) in Product::ALL.into_iter().zip(["y", "dx", "dw"]) {
                for variant in family.variants(product, &window) {
                    let wanted = (case.name.clone(), variant.to_string(), what);
                    assert!(ran.contains(&wanted), "{wanted:?} was not compared");
                }
            }
        }
    }
    assert!(passed && wrong.is_empty(), "{}:\n{}", device.describe(), wrong.join("\n"));
}

#[test]
fn every_kernel_equals_the_reference() {
    let _alone = common::alone();
    for device in common::devices() {
        check_all(&device);
    }
}

/// The lanes' default kernels where there are no 64-bit integers, and vec4s lie in buffers as they are.
#[test]
fn kernels_without_64_bit_integers_equal_the_reference() {
    let _alone = common::alone();
    for device in common::devices().iter().filter(|device| device.profile.long) {
        let device = device.with_profile(Profile { long: false, ..device.profile.clone() });
        for case in cases::odd() {
            for checked in check::run(&device, &case).unwrap() {
                assert!(checked.passed(), "{checked}");
            }
        }
    }
}

/// Lanes on an adapter without subgroups do not compile, with twice the adapter's lanes they are wrong: both are named,
/// and the device goes on.
#[test]
fn variants_that_fail_are_named() {
    let _alone = common::alone();
    for device in common::devices() {
        let (family, what) = match device.profile.family {
            Family::Portable(_) | Family::Mixed(_) => (Family::Lanes { lanes: 8 }, "does not run here"),
            Family::Lanes { lanes } => (Family::Lanes { lanes: 2 * lanes }, "WRONG"),
        };
        for name in ["conv 3×3 /2", "full, 65 images"] {
            let case = cases::odd().into_iter().find(|case| case.name == name).unwrap();
            let failed = check::attempt(&device.with_family(family), &case).unwrap();
            let wrong: Vec<_> = failed.iter().filter(|checked| !checked.passed()).map(ToString::to_string).collect();
            assert!(!wrong.is_empty() && wrong.iter().all(|w| w.contains(what) && w.contains("lanes")), "{wrong:?}");
            assert!(check::attempt(&device, &case).unwrap().iter().all(check::Checked::passed), "{name}");
        }
    }
}

/// A binding too small for the weights, as `half`'s fc6 is for 128 MiB: products run over ranges of output maps.
#[test]
fn products_over_ranges_equal_the_reference() {
    let _alone = common::alone();
    let with_wide = |device: Arc<Device>| [Arc::clone(&device), device.with_family(Family::Portable(Kind::Discrete))];
    for device in common::devices().into_iter().flat_map(with_wide) {
        let small = Profile { max_binding: 448 << 10, ..device.profile.clone() };
        let device = device.with_profile(small);
        for name in ["full, 65 images", "full, whole tiles", "conv 5×5, 48 maps"] {
            let mut case = cases::odd().into_iter().find(|c| c.name == name).unwrap();
            case.images = case.images.min(8);
            match &mut case.layer {
                Layer::Full(full) => full.units = 600,
                Layer::Conv(conv) => conv.out = 200,
                other => panic!("{other:?} has no weights"),
            }
            let weights: usize = case.layer.params(case.x)[0].dims.iter().product();
            assert!((weights * 4) as u64 > device.profile.max_binding, "{name} is bound whole");
            for checked in check::run(&device, &case).unwrap() {
                assert!(checked.passed(), "{}: {checked}", device.describe());
            }
        }
    }
}

/// NaN and infinity pass activations and pooling, whatever a compiler thinks of them.
#[test]
fn nan_is_passed_on() {
    let _alone = common::alone();
    use alexnet::cases::Case;
    use alexnet::shape::Shape;
    use alexnet::solo::Solo;
    for device in common::devices() {
        for layer in [Layer::Relu, Layer::Tanh, Layer::MaxPool(Pool { window: 3, stride: 2 })] {
            let case = Case { name: "nan".to_owned(), layer, x: Shape::new(1, 3, 3), images: 2, relu: false };
            let solo = Solo::new(&device, &case).unwrap();
            // Image 0 holds a NaN in the middle, image 1 an infinity.
            let mut x = vec![0.5f32; 9 * solo.batch];
            x[4 * solo.batch] = f32::NAN;
            x[4 * solo.batch + 1] = f32::INFINITY;
            solo.x.write(&device, &x);
            solo.forward().submit(&device).unwrap();
            let y = solo.download(&solo.y).unwrap();
            let middle = if layer.in_place() { 8 } else { 0 };
            assert!(y[middle].is_nan(), "{layer:?} on {}: {y:?}", device.describe());
            let infinite = if layer == Layer::Tanh { 1.0 } else { f32::INFINITY };
            assert_eq!(y[middle + 1], infinite, "{layer:?} on {}", device.describe());
        }
    }
}
