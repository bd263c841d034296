//! `bench loader`: how fast image files become batches.

use crate::data::{
    DataSet, Details, Exif, Loader, LoaderSettings, Options, Order, Shuffle, Split, Stats, source, steps_per_pass,
};
use crate::error::{Error, Result};
use crate::net::Table;
use crate::random;
use crate::train::Progress;
use image::codecs::jpeg::JpegEncoder;
use std::f32::consts::TAU;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Photographs drawn where no folder is given: as many as a second should load.
const COUNT: u32 = 300;
/// Size and quality of them, which make about 48 kB, as ILSVRC's images of 500 pixels have.
const SIZE: (u32, u32) = (500, 375);
const QUALITY: u8 = 88;

/// One pass over a set, every file read and decoded once.
#[derive(Clone, Debug, serde::Serialize)]
pub(super) struct Report {
    net: &'static str,
    workers: usize,
    images: usize,
    /// Mean size of the files.
    bytes_per_image: u64,
    /// To normalised f32 batches in host memory.
    images_per_second: f64,
    /// To batches of u8 crops, ready for upload: what training reads.
    images_per_second_u8: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} images/s as f32, {:.1} as u8: {} images of {:.1} kB for {}, {} workers",
            self.images_per_second,
            self.images_per_second_u8,
            self.images,
            self.bytes_per_image as f64 / 1e3,
            self.net,
            self.workers
        )
    }
}

/// Loads the images of `data` once, or those of a drawn set of photographs.
pub(super) fn measure(
    data: Option<&Path>,
    split: Split,
    options: &Options,
    table: &'static Table,
    workers: usize,
) -> Result<Report> {
    if let Some(data) = data {
        return load(source::open(data, split, options, &mut Progress::stderr())?, table, workers);
    }
    let folder = std::env::temp_dir().join(format!("alexnet-photographs-{}", std::process::id()));
    let report = draw_all(&folder).and_then(|()| load(DataSet::open(&folder, Split::Train)?, table, workers));
    // Only drawings; what cannot be removed is the system's to clear.
    let _ = fs::remove_dir_all(&folder);
    report
}

fn load(set: DataSet, table: &'static Table, workers: usize) -> Result<Report> {
    let images = set.len();
    let bytes: u64 = (0..images).map(|number| set.bytes(number)).sum();
    let rate = |floats| rate(set.clone(), table, workers, floats);
    Ok(Report {
        net: table.name,
        workers,
        images,
        bytes_per_image: bytes / images as u64,
        images_per_second: rate(true)?,
        images_per_second_u8: rate(false)?,
    })
}

/// Images a second over one pass, each read and decoded once; more passes where one is over in a moment.
fn rate(set: DataSet, table: &Table, workers: usize, floats: bool) -> Result<f64> {
    let set = Arc::new(set.uncached());
    let stats = Arc::new(Stats::published(table.image));
    let settings = LoaderSettings {
        // Small, so that workers share the last images evenly.
        batch: 16,
        crop: table.crop,
        details: Details::default(),
        order: Order::Shuffled,
        shuffle: Shuffle::Full,
        floats,
        seed: 0,
        workers,
        exif: Exif::Apply,
        first_step: 1,
    };
    let steps = steps_per_pass(set.len(), settings.batch);
    let begin = Instant::now();
    let mut loader = Loader::train(set, stats, settings);
    let mut loaded = 0;
    loop {
        for _ in 0..steps {
            let batch = loader.next()?.batch;
            loaded += batch.len();
            loader.recycle(batch);
        }
        let seconds = begin.elapsed().as_secs_f64();
        if seconds > 0.5 {
            return Ok(loaded as f64 / seconds);
        }
    }
}

fn draw_all(folder: &Path) -> Result<()> {
    for number in 0..COUNT {
        let class = folder.join(["train/a", "train/b"][number as usize % 2]);
        fs::create_dir_all(&class).map_err(Error::io(&class))?;
        write(&class.join(format!("{number:03}.jpg")), &photograph(number))?;
    }
    Ok(())
}

fn write(path: &PathBuf, image: &image::RgbImage) -> Result<()> {
    let mut jpeg = Vec::new();
    let encoded = JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode_image(image);
    encoded.map_err(|e| Error::Image { path: path.clone(), why: e.to_string() })?;
    fs::write(path, jpeg).map_err(Error::io(path))
}

/// Smooth waves with some grain: as hard to decode as a photograph.
fn photograph(number: u32) -> image::RgbImage {
    let draw = |word: u32| random::hash(&[number, word]) as f32 / 4_294_967_296.0;
    let waves: Vec<[f32; 4]> = (0..6)
        .map(|w| [0, 1, 2, 3].map(|k| draw(4 * w + k)))
        .map(|[a, b, c, d]| [a * 0.1, b * 0.1, c * TAU, d])
        .collect();
    image::RgbImage::from_fn(SIZE.0, SIZE.1, |x, y| {
        let grain = (random::hash(&[number, x, y]) % 16) as f32;
        let channel = |shift: f32| {
            let wave = |[u, v, phase, height]: &[f32; 4]| {
                height * (u * x as f32 + v * y as f32 + phase + shift * height).sin()
            };
            (116.0 + 30.0 * waves.iter().map(wave).sum::<f32>() + grain) as u8
        };
        image::Rgb([channel(0.0), channel(1.0), channel(2.0)])
    })
}
