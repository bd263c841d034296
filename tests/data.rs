//! Folders → batches: what is in a batch is a function of the files and the settings, exactly.

use alexnet::Error;
use alexnet::data::augment::View;
use alexnet::data::augment::{Seen, part};
use alexnet::data::{
    Augment, Batch, Colour, DataSet, Details, Exif, Loader, LoaderSettings, MeanCrop, Order, Shuffle, Split, Square,
    Stats, evaluation, measure, steps_per_pass, views_of,
};
use image::{Rgb, RgbImage};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SIZE: usize = 9;
const CROP: usize = 6;

/// Image `number`: its first pixels hold the number, the rest differs from place to place.
fn picture(number: usize) -> RgbImage {
    RgbImage::from_fn(SIZE as u32, SIZE as u32, |x, y| {
        let mixed = alexnet::random::hash(&[number as u32, x, y]);
        Rgb([number as u8, mixed as u8, (mixed >> 8) as u8])
    })
}

/// A data folder with `images` pictures in each split, in classes a, b, c by turns; image numbers are those of the set.
fn folder(images: usize) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for split in ["train", "val"] {
        let per_class = images.div_ceil(3);
        for number in 0..images {
            let class = root.path().join(split).join(["a", "b", "c"][number / per_class]);
            fs::create_dir_all(&class).unwrap();
            picture(number).save(class.join(format!("{number:04}.png"))).unwrap();
        }
    }
    root
}

fn train_set(root: &Path) -> Arc<DataSet> {
    Arc::new(DataSet::open(root, Split::Train).unwrap())
}

/// A mean that differs from place to place, and colours.
fn stats() -> Arc<Stats> {
    let mean = (0..3 * SIZE * SIZE).map(|i| i as f32 / 4.0).collect();
    let components = [[0.6, 0.0, 0.8], [0.0, 1.0, 0.0], [-0.8, 0.0, 0.6]];
    Arc::new(Stats {
        size: SIZE,
        mean,
        mean_crop: MeanCrop::Own,
        colour: Some(Colour { stdev: [50.0, 20.0, 5.0], components }),
    })
}

/// The mean 0: a pixel is its value.
fn no_stats() -> Arc<Stats> {
    Arc::new(Stats { size: SIZE, mean: vec![0.0; 3 * SIZE * SIZE], mean_crop: MeanCrop::Own, colour: None })
}

fn settings() -> LoaderSettings {
    LoaderSettings {
        batch: 4,
        crop: CROP,
        details: Details::default(),
        order: Order::Shuffled,
        shuffle: Shuffle::Full,
        floats: false,
        seed: 7,
        workers: 2,
        exif: Exif::Apply,
        first_step: 1,
    }
}

fn plain_details() -> Details {
    Details { augment: Augment::None, ..Details::default() }
}

fn take(set: &Arc<DataSet>, stats: &Arc<Stats>, settings: LoaderSettings, steps: usize) -> Vec<(u64, Batch)> {
    let mut loader = Loader::train(set.clone(), stats.clone(), settings);
    (0..steps).map(|_| loader.next().map(|l| (l.epoch, l.batch)).unwrap()).collect()
}

fn bits(batches: &[(u64, Batch)]) -> Vec<(u64, Vec<u32>, Vec<u32>)> {
    let bits = |b: &Batch| b.floats().iter().map(|v| v.to_bits()).collect();
    batches.iter().map(|(epoch, batch)| (*epoch, bits(batch), batch.labels.clone())).collect()
}

/// Numbers of a batch's images, read from their pixels with [`no_stats`].
fn numbers(batch: &Batch) -> Vec<usize> {
    batch.floats().chunks_exact(3 * batch.side * batch.side).map(|image| image[0] as usize).collect()
}

#[test]
fn same_batches_for_any_number_of_workers() {
    let root = folder(22);
    for order in [Order::Shuffled, Order::Sequential] {
        let of = |workers, first_step, steps| {
            // A set each: what one keeps in memory does not help the next.
            let set = train_set(root.path());
            bits(&take(&set, &stats(), LoaderSettings { workers, order, first_step, ..settings() }, steps))
        };
        let one = of(1, 1, 14);
        assert_eq!(one, of(2, 1, 14));
        assert_eq!(one, of(3, 1, 14));
        assert_eq!(one, of(40, 1, 14));
        assert_eq!(one[5..], of(2, 6, 9), "resumed at step 6");
        assert_eq!(one[13..], of(3, 14, 1), "resumed at step 14");
    }
}

#[test]
fn shuffled_passes_are_permutations() {
    let root = folder(22);
    let set = train_set(root.path());
    let plain = LoaderSettings { details: plain_details(), ..settings() };
    let steps = steps_per_pass(22, 4) as usize;
    assert_eq!(steps, 6);
    let batches = take(&set, &no_stats(), plain, 3 * steps);
    let passes: Vec<Vec<usize>> =
        batches.chunks(steps).map(|pass| pass.iter().flat_map(|(_, b)| numbers(b)).collect()).collect();
    for (pass, (order, batches)) in passes.iter().zip(batches.chunks(steps)).enumerate() {
        assert_eq!(order.iter().copied().collect::<BTreeSet<_>>(), (0..22).collect());
        assert_eq!(batches.iter().map(|(_, b)| b.len()).collect::<Vec<_>>(), [4, 4, 4, 4, 4, 2]);
        assert!(batches.iter().all(|(epoch, _)| *epoch == pass as u64));
    }
    assert!(passes[0] != passes[1] && passes[1] != passes[2] && passes[0] != (0..22).collect::<Vec<_>>());
    let other = take(&set, &no_stats(), LoaderSettings { seed: 8, ..plain }, steps);
    assert_ne!(bits(&other), bits(&batches[..steps]));
}

#[test]
fn sequential_wraps_around() {
    let root = folder(22);
    let set = train_set(root.path());
    let plain = LoaderSettings { details: plain_details(), order: Order::Sequential, ..settings() };
    let batches = take(&set, &no_stats(), plain, 13);
    let seen: Vec<usize> = batches.iter().flat_map(|(_, b)| numbers(b)).collect();
    assert_eq!(seen, (0..52).map(|i| i % 22).collect::<Vec<_>>());
    assert_eq!(batches.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>(), [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2]);
    for (_, batch) in &batches {
        let classes: Vec<u32> = numbers(batch).iter().map(|&n| set.label(n)).collect();
        assert_eq!(batch.labels, classes);
    }
}

/// value − mean at the crop's own place + noise, mirrored last, worked out pixel by pixel.
#[test]
fn views_are_exact() {
    let square = Square { size: SIZE, rgb: picture(3).into_raw() };
    let (stats, mean) = (stats(), &stats().mean);
    for view in [
        View::plain(0, 0, false),
        View::plain(3, 1, false),
        View { noise: [1.5, -2.0, 0.25], ..View::plain(2, 3, true) },
        View { noise: [1.5, -2.0, 0.25], mean: (1, 1), scale: 0.5, ..View::plain(2, 3, true) },
    ] {
        let mut out = vec![0.0; 3 * CROP * CROP];
        view.write(&square, &stats, CROP, &mut out);
        for c in 0..3 {
            for y in 0..CROP {
                for x in 0..CROP {
                    let (sx, sy) = (view.left + if view.mirror { CROP - 1 - x } else { x }, view.top + y);
                    let value = f32::from(square.rgb[3 * (sy * SIZE + sx) + c]);
                    let (mx, my) = (sx + view.mean.0 - view.left, sy + view.mean.1 - view.top);
                    let wanted = (value - mean[(c * SIZE + my) * SIZE + mx] + view.noise[c]) * view.scale;
                    assert_eq!(out[(c * CROP + y) * CROP + x], wanted, "{view:?} at {c}, {y}, {x}");
                }
            }
        }
    }
}

#[test]
fn ten_views_are_corners_centre_and_mirrors() {
    let square = Square { size: SIZE, rgb: picture(1).into_raw() };
    let all = views_of(&square, &stats(), CROP, 10);
    let len = 3 * CROP * CROP;
    let places = [(0, 0), (3, 0), (0, 3), (3, 3), (1, 1)];
    for (i, found) in all.chunks_exact(len).enumerate() {
        let (left, top) = places[i % 5];
        let mut wanted = vec![0.0; len];
        View::plain(left, top, i >= 5).write(&square, &stats(), CROP, &mut wanted);
        assert_eq!(found, wanted, "view {i}");
    }
    assert_eq!(views_of(&square, &stats(), CROP, 1), all[4 * len..5 * len]);
}

#[test]
fn nine_views_are_three_across_and_three_down() {
    let square = Square { size: SIZE, rgb: picture(1).into_raw() };
    let stats = Stats { mean_crop: MeanCrop::Centre, ..Stats::clone(&stats()) };
    let all = views_of(&square, &stats, CROP, 9);
    let len = 3 * CROP * CROP;
    let places = [(0, 0), (0, 1), (0, 3), (1, 0), (1, 1), (1, 3), (3, 0), (3, 1), (3, 3)];
    assert_eq!(all.len(), 9 * len);
    for ((left, top), found) in places.into_iter().zip(all.chunks_exact(len)) {
        let mut wanted = vec![0.0; len];
        let view = View { mean: (1, 1), ..View::plain(left, top, false) };
        view.write(&square, &stats, CROP, &mut wanted);
        assert_eq!(found, wanted, "view at {left}, {top}");
    }
}

#[test]
fn random_views_reach_every_place() {
    let stats = stats();
    let draw = |augment, pass, number| {
        let details = Details { augment, ..Details::default() };
        View::random(&details, &stats, CROP, Seen { seed: 7, pass, place: 0, number })
    };
    let views: Vec<View> = (0..4000).map(|i| draw(Augment::Full, i / 100, i % 100)).collect();
    let places: BTreeSet<_> = views.iter().map(|v| (v.left, v.top)).collect();
    assert_eq!(places.len(), 16, "(9 − 6 + 1)² places");
    let mirrored = views.iter().filter(|v| v.mirror).count();
    assert!((1800..2200).contains(&mirrored), "{mirrored} of 4000");
    // Along the first component, (0.6, 0, 0.8), the noise has a tenth of 50.
    let along: Vec<f32> = views.iter().map(|v| 0.6 * v.noise[0] + 0.8 * v.noise[2]).collect();
    let stdev = (along.iter().map(|a| a * a).sum::<f32>() / 4000.0).sqrt();
    assert!((4.7..5.3).contains(&stdev), "{stdev}");
    let second = (views.iter().map(|v| v.noise[1].powi(2)).sum::<f32>() / 4000.0).sqrt();
    assert!((1.9..2.1).contains(&second), "{second}");
    for i in 0..100 {
        let full = draw(Augment::Full, 3, i);
        assert_eq!(full, draw(Augment::Full, 3, i));
        assert_ne!(full, draw(Augment::Full, 4, i), "drawn anew each pass");
        let plain = View { noise: [0.0; 3], ..full };
        assert_eq!(draw(Augment::CropMirror, 3, i), plain);
        assert_eq!(draw(Augment::Crop, 3, i), View { mirror: false, ..plain });
        assert_eq!(draw(Augment::None, 3, i), View::centre(SIZE, CROP));
    }
}

/// The details of the original: 32 images share a crop, the mean's centre everywhere, division by 1.1, noise to a pass.
#[test]
fn details_of_the_original() {
    let stats = Stats { mean_crop: MeanCrop::Centre, ..(*stats()).clone() };
    let details = Details { crop_chunk: 32, colour_divide: true, colour_until: Some(5), ..Details::default() };
    let draw = |pass, place| View::random(&details, &stats, CROP, Seen { seed: 7, pass, place, number: 1000 - place });
    let view = |place| draw(3, place);
    let place = |v: View| (v.left, v.top, v.mirror);
    assert!((0..32).all(|i| place(view(i)) == place(view(0)) && place(view(32 + i)) == place(view(32))));
    assert!((0..20).any(|chunk| place(view(32 * chunk)) != place(view(0))));
    assert!((0..32).all(|i| view(i).mean == (1, 1) && view(i).scale == 1.0 / 1.1));
    assert_ne!(view(0).noise, view(1).noise, "the colours are each image's own");
    assert!(draw(4, 0).noise != [0.0; 3]);
    assert_eq!((draw(5, 0).noise, draw(5, 0).scale), ([0.0; 3], 1.0));
    let ten = views_of(&Square { size: SIZE, rgb: picture(1).into_raw() }, &stats, CROP, 10);
    let value = f32::from(picture(1).get_pixel(0, 0)[0]) - stats.mean[SIZE + 1];
    assert_eq!(ten[0], value, "the corner, less the mean of the centre");
}

/// torchvision's rule: 8 to 100 % of the area, 3:4 to 4:3, and for what is too long the largest part of the centre.
#[test]
fn resized_crops() {
    let seen = |number| Seen { seed: 7, pass: 0, place: 0, number };
    let parts: Vec<[u32; 4]> = (0..2000).map(|n| part(500, 375, seen(n))).collect();
    for &[left, top, width, height] in &parts {
        assert!(left + width <= 500 && top + height <= 375);
        let (area, shape) = (f64::from(width * height) / 187_500.0, f64::from(width) / f64::from(height));
        assert!((0.078..=1.0).contains(&area) && (0.74..1.35).contains(&shape), "{width}×{height}");
    }
    let mean = parts.iter().map(|p| f64::from(p[2] * p[3]) / 187_500.0).sum::<f64>() / 2000.0;
    assert!((0.42..0.56).contains(&mean), "{mean}: uniform, less what did not fit");
    assert_eq!(part(1000, 2, seen(1)), [498, 0, 3, 2]);
    let root = folder(9);
    let details = Details { augment: Augment::ResizedCrop, ..Details::default() };
    let batches = take(&train_set(root.path()), &stats(), LoaderSettings { details, ..settings() }, 6);
    assert!(batches.iter().all(|(_, b)| b.floats().len() == b.len() * 3 * CROP * CROP));
    assert_eq!(
        bits(&batches),
        bits(&take(&train_set(root.path()), &stats(), LoaderSettings { details, workers: 5, ..settings() }, 6))
    );
}

/// Batches finished on the host are those that travel as bytes, and memory that goes round keeps nothing of its last use.
#[test]
fn bytes_are_the_floats() {
    let root = folder(22);
    let (bytes, floats) = (settings(), LoaderSettings { floats: true, ..settings() });
    let fresh = take(&train_set(root.path()), &stats(), bytes, 12);
    assert_eq!(bits(&fresh), bits(&take(&train_set(root.path()), &stats(), floats, 12)));
    for settings in [bytes, floats] {
        let mut loader = Loader::train(train_set(root.path()), stats(), settings);
        for (_, batch) in &fresh {
            let again = loader.next().unwrap().batch;
            assert_eq!((again.floats(), &again.labels), (batch.floats(), &batch.labels));
            loader.recycle(again);
        }
    }
}

#[test]
fn mean_and_colours_are_exact() {
    let root = folder(22);
    let (stats, skipped) = measure(&train_set(root.path()), SIZE, Exif::Apply, 1, None, |_, _| {}).unwrap();
    assert!(skipped.is_empty());
    for c in 0..3 {
        for y in 0..SIZE {
            for x in 0..SIZE {
                let sum: u32 = (0..22).map(|n| u32::from(picture(n).get_pixel(x as u32, y as u32)[c])).sum();
                assert_eq!(stats.mean[(c * SIZE + y) * SIZE + x], (f64::from(sum) / 22.0) as f32);
            }
        }
    }
    let mut calls = Vec::new();
    let again =
        measure(&train_set(root.path()), SIZE, Exif::Apply, 3, None, |done, of| calls.push((done, of))).unwrap().0;
    assert_eq!(again, stats, "whatever the number of workers");
    assert_eq!(calls, (1..=22).map(|done| (done, 22)).collect::<Vec<_>>());
    // The variance along each component is its stdev², and components are orthogonal unit vectors.
    let colour = stats.colour.unwrap();
    let pixels: Vec<[f64; 3]> =
        (0..22).flat_map(|n| picture(n).pixels().map(|p| p.0.map(f64::from)).collect::<Vec<_>>()).collect();
    for (i, component) in colour.components.iter().enumerate() {
        let along = |p: &[f64; 3]| (0..3).map(|c| p[c] * f64::from(component[c])).sum::<f64>();
        let mean = pixels.iter().map(along).sum::<f64>() / pixels.len() as f64;
        let variance = pixels.iter().map(|p| (along(p) - mean).powi(2)).sum::<f64>() / pixels.len() as f64;
        assert!((variance.sqrt() / f64::from(colour.stdev[i]) - 1.0).abs() < 1e-5);
        for (j, other) in colour.components.iter().enumerate() {
            let dot: f32 = (0..3).map(|c| component[c] * other[c]).sum();
            assert!((dot - if i == j { 1.0 } else { 0.0 }).abs() < 1e-5);
        }
    }
    assert!(colour.stdev[0] >= colour.stdev[1] && colour.stdev[1] >= colour.stdev[2]);
}

#[test]
fn evaluation_is_in_order_with_views_together() {
    let root = folder(22);
    let set = Arc::new(DataSet::open(root.path(), Split::Val).unwrap());
    let run = |views, batch, workers| -> Vec<Batch> {
        evaluation(set.clone(), stats(), views, CROP, batch, workers, Exif::Apply).map(|b| b.unwrap()).collect()
    };
    for (views, batch, rows) in [(1, 8, vec![8, 8, 6]), (10, 40, vec![40, 40, 40, 40, 40, 20]), (10, 3, vec![10; 22])] {
        let batches = run(views, batch, 2);
        assert_eq!(batches.iter().map(Batch::len).collect::<Vec<_>>(), rows);
        let pixels: Vec<f32> = batches.iter().flat_map(|b| b.floats().to_vec()).collect();
        let square = |n| Square { size: SIZE, rgb: picture(n).into_raw() };
        assert_eq!(pixels, (0..22).flat_map(|n| views_of(&square(n), &stats(), CROP, views)).collect::<Vec<_>>());
        let labels: Vec<u32> = batches.iter().flat_map(|b| b.labels.clone()).collect();
        assert_eq!(labels, (0..set.len()).flat_map(|n| vec![set.label(n); views]).collect::<Vec<_>>());
        assert_eq!(run(views, batch, 5).iter().flat_map(|b| b.floats().to_vec()).collect::<Vec<_>>(), pixels);
    }
}

fn spoil(set: &DataSet, numbers: &[usize]) {
    numbers.iter().for_each(|&n| fs::write(set.path(n), b"spoilt").unwrap());
}

#[test]
fn unreadable_images_are_skipped_and_renumber_nothing() {
    let root = folder(22);
    let good = take(&train_set(root.path()), &no_stats(), settings(), 12);
    let set = train_set(root.path());
    spoil(&set, &[3, 12]);
    for workers in [1, 3] {
        let mut loader = Loader::train(set.clone(), no_stats(), LoaderSettings { workers, ..settings() });
        for (_, whole) in &good {
            let batch = loader.next().unwrap().batch;
            let len = 3 * CROP * CROP;
            let kept = numbers(whole).into_iter().enumerate().filter(|(_, n)| ![3, 12].contains(n));
            let wanted: Vec<f32> = kept.flat_map(|(i, _)| whole.floats()[i * len..][..len].to_vec()).collect();
            assert_eq!(*batch.floats(), wanted);
            assert_eq!(batch.labels.len() * len, wanted.len());
        }
        let mut named: Vec<_> = loader.skipped().iter().map(|s| (s.number, s.path.clone())).collect();
        named.sort();
        assert_eq!(named, [3, 12].map(|n| (n, set.path(n))), "each once");
        assert!(loader.skipped()[0].why.contains("not a JPEG or PNG"));
    }
    let (_, skipped) = measure(&set, SIZE, Exif::Apply, 2, None, |_, _| {}).unwrap();
    assert_eq!(skipped.iter().map(|s| s.number).collect::<Vec<_>>(), [3, 12]);
}

/// A batch that would be empty takes the next image instead.
#[test]
fn no_batch_is_empty() {
    let root = folder(9);
    let set = train_set(root.path());
    spoil(&set, &[1, 2, 8]);
    let one = LoaderSettings { batch: 1, order: Order::Sequential, details: plain_details(), ..settings() };
    let seen: Vec<usize> = take(&set, &no_stats(), one, 9).iter().flat_map(|(_, b)| numbers(b)).collect();
    assert_eq!(seen, [0, 3, 3, 3, 4, 5, 6, 7, 0]);
}

#[test]
fn many_unreadable_images_are_an_error() {
    let root = folder(60);
    let set = train_set(root.path());
    let ten: Vec<usize> = (0..10).collect();
    spoil(&set, &ten);
    assert_eq!(measure(&set, SIZE, Exif::Apply, 2, None, |_, _| {}).unwrap().1.len(), 10, "ten are not more than ten");
    spoil(&set, &[30]);
    // Read anew: the set keeps what it has decoded.
    let set = train_set(root.path());
    for workers in [1, 2] {
        let error = measure(&set, SIZE, Exif::Apply, workers, None, |_, _| {}).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Data { .. }) && text.contains("11 of 60"), "{text}");
    }
    let mut loader = Loader::train(set.clone(), no_stats(), settings());
    let error = (0..15).find_map(|_| loader.next().err()).expect("a pass meets all eleven");
    assert!(error.to_string().contains("11 of 60"), "{error}");
    let val = Arc::new(DataSet::open(root.path(), Split::Val).unwrap());
    spoil(&val, &(0..20).collect::<Vec<_>>());
    let error = evaluation(val, no_stats(), 1, CROP, 4, 2, Exif::Apply).find_map(Result::err).unwrap();
    assert!(error.to_string().contains("val"), "{error}");
}

/// Eleven of 1,200 are less than 1 %.
#[test]
fn one_percent_may_be_unreadable() {
    let root = folder(1200);
    let set = train_set(root.path());
    spoil(&set, &(0..11).collect::<Vec<_>>());
    assert_eq!(measure(&set, SIZE, Exif::Apply, 2, None, |_, _| {}).unwrap().1.len(), 11);
    spoil(&set, &[500, 900]);
    let error = measure(&train_set(root.path()), SIZE, Exif::Apply, 2, None, |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("13 of 1200"), "{error}");
}

#[test]
fn a_class_with_no_readable_image_is_an_error() {
    let root = folder(9);
    let set = train_set(root.path());
    spoil(&set, &[3, 4, 5]);
    let text = measure(&set, SIZE, Exif::Apply, 2, None, |_, _| {}).unwrap_err().to_string();
    assert!(text.contains("class \"b\"") && text.contains("train"), "{text}");
}

#[test]
fn dropping_ends_the_threads() {
    let root = folder(22);
    let start = Instant::now();
    for _ in 0..20 {
        let mut loader = Loader::train(train_set(root.path()), stats(), settings());
        loader.next().unwrap();
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
