//! `data`: what a source holds, and what the network will see of it.

use super::commands::{say, workers};
use super::net::tables;
use super::values::{below_one, count, png};
use crate::data::source::{self, Options};
use crate::data::{
    Asked, Augment, DataSet, Details, Exif, Loader, LoaderSettings, Order, Reader, Shuffle, Split, Stats, basis::Basis,
    verify,
};
use crate::draw;
use crate::net::Table;
use crate::train::Progress;
use anyhow::Result;
use clap::Args;
use image::{Rgb, RgbImage};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// What can be said about a source of images beside its name.
#[derive(Args, Clone, Debug, Default)]
pub struct SourceArgs {
    /// Hold out this part of the training images as validation images, drawn by --seed; 0: none.
    #[arg(long, value_name = "PART", value_parser = below_one, allow_negative_numbers = true)]
    pub val_fraction: Option<f64>,
    /// WebDataset: the integer in a sample's .json that is its class [default: label].
    #[arg(long, value_name = "KEY")]
    pub label_key: Option<String>,
    /// The classes in the order of their numbers, where labels are numbers: a JSON list, or a name a line.
    #[arg(long, value_name = "FILE")]
    pub classes: Option<PathBuf>,
}

impl SourceArgs {
    /// What was said, and the seed of the draw.
    pub fn options(&self, seed: u64) -> Options {
        let Self { val_fraction, label_key, classes } = self.clone();
        Options { val_fraction, seed, label_key, classes }
    }
}

/// Options of `data`.
#[derive(Args, Debug)]
pub struct DataArgs {
    /// The images.
    pub source: PathBuf,
    /// Another source of the validation images.
    #[arg(long, value_name = "SOURCE", conflicts_with = "val_fraction")]
    pub val: Option<PathBuf>,
    /// The source.
    #[command(flatten)]
    pub said: SourceArgs,
    /// A picture to write: mean image, colour components and augmented samples.
    #[arg(value_name = "OUT.png", value_parser = png)]
    pub out: Option<PathBuf>,
    /// The network whose image size and crop count.
    #[arg(long, default_value = "alexnet", value_parser = tables())]
    pub net: &'static Table,
    /// What the mean, the colours and the sizes are measured on: full, sample:IMAGES or published.
    #[arg(long, value_name = "BASIS", default_value_t = Basis::default())]
    pub stats: Basis,
    /// Augmentation of the samples.
    #[arg(long, value_enum, default_value = "full")]
    pub augment: Augment,
    /// Seed of the samples.
    #[arg(long, default_value = "0")]
    pub seed: u64,
    /// What to do with EXIF orientation.
    #[arg(long, value_enum, default_value = "apply")]
    pub exif: Exif,
    /// Only compare ILSVRC's archives with the published MD5 sums.
    #[arg(long)]
    pub verify: bool,
    /// Threads that load images [default: one a core].
    #[arg(long, value_parser = count())]
    pub workers: Option<usize>,
}

/// Samples on the sheet.
const ACROSS: usize = 8;
const DOWN: usize = 4;
/// Pixels between pictures.
const GAP: usize = 4;
/// Classes that are all named.
const FEW: usize = 20;

/// Prints what there is and draws the sheet.
pub(super) fn run(args: &DataArgs) -> Result<ExitCode> {
    let mut progress = Progress::stderr();
    if args.verify {
        return verify_archives(args, &mut progress);
    }
    let said = args.said.options(args.seed);
    let train = source::open(&args.source, Split::Train, &said, &mut progress)?;
    // A source may lack images to validate.
    if train.has_splits || args.val.is_some() || said.val_fraction.is_some() {
        let val = source::open(args.val.as_ref().unwrap_or(&args.source), Split::Val, &said, &mut progress);
        match val.and_then(|val| val.with_classes(&train.classes)) {
            Ok(val) => say(&counts(&val))?,
            Err(e) => say(&format!("val: {e}"))?,
        }
    }
    say(&counts(&train))?;
    say(&sizes(&train, args))?;
    let (basis, seed, size, exif, workers) = (args.stats, args.seed, args.net.image, args.exif, workers(args.workers));
    let (stats, skipped) = Asked { basis, seed, size, exif, workers }.stats(&train, &mut progress)?;
    progress.finish();
    for bad in &skipped {
        say(&format!("unreadable: {}: {}", bad.path.display(), bad.why))?;
    }
    if basis != Basis::Published {
        let all = if basis.images(train.len()) < train.len() { "a sample" } else { "all" };
        say(&format!("{} unreadable of {all} of the training images", skipped.len()))?;
    }
    let [r, g, b] = stats.channels();
    say(&format!("mean R {r:.2}  G {g:.2}  B {b:.2}"))?;
    if let Some(colour) = &stats.colour {
        say(super::prepare::components(colour).trim_end())?;
    }
    if let Some(out) = &args.out {
        draw::write_png(&sheet(train, stats, args, workers)?, out)?;
        say(&out.display().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Says of each archive whether it is the one published; 1 where one is not.
fn verify_archives(args: &DataArgs, progress: &mut Progress) -> Result<ExitCode> {
    let mut whole = true;
    let result = verify::archives(&args.source, progress, |line, good| {
        whole &= good;
        say(line)
    });
    progress.finish();
    result?;
    Ok(ExitCode::from(u8::from(!whole)))
}

/// Images of each class; of many classes the extremes.
fn counts(set: &DataSet) -> String {
    let mut images = vec![0usize; set.classes.len()];
    (0..set.len()).for_each(|number| images[set.label(number) as usize] += 1);
    let mut text = format!("{}: {} images of {} classes", set.split.name(), set.len(), images.len());
    let name = |class: usize| match &set.class_names {
        Some(names) if names[class] != set.classes[class] => format!("{} ({})", set.classes[class], names[class]),
        _ => set.classes[class].clone(),
    };
    if images.len() <= FEW {
        images.iter().enumerate().for_each(|(class, count)| text += &format!("\n  {count:>7}  {}", name(class)));
        return text;
    }
    let mut order: Vec<usize> = (0..images.len()).collect();
    order.sort_by_key(|&class| (images[class], class));
    for (what, class) in [("fewest", order[0]), ("median", order[order.len() / 2]), ("most", order[order.len() - 1])] {
        text += &format!("\n  {what} {:>7}  {}", images[class], name(class));
    }
    text
}

/// Smallest, median and largest of the images' sides and bytes, from at most as many as are measured.
fn sizes(set: &DataSet, args: &DataArgs) -> String {
    let images = args.stats.images(set.len()).max(1);
    let mut reader = Reader::new(args.exif);
    let (mut widths, mut heights, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for place in 0..images {
        let number = Shuffle::Full.image((args.seed, u64::MAX), set.len(), place);
        // What cannot be read is named below.
        if let Ok((width, height)) = set.dimensions(number, &mut reader) {
            widths.push(u64::from(width));
            heights.push(u64::from(height));
        }
        bytes.push(set.bytes(number));
    }
    let spread = |what: &str, mut values: Vec<u64>| {
        values.sort_unstable();
        match values.len() {
            0 => String::new(),
            n => format!("{what} {} to {}, median {}", values[0], values[n - 1], values[n / 2]),
        }
    };
    format!("{}\n{}\n{}", spread("width", widths), spread("height", heights), spread("bytes", bytes))
}

/// Mean image, colour components and the first batch of a run, its mean put back.
fn sheet(set: DataSet, stats: Stats, args: &DataArgs, workers: usize) -> Result<RgbImage> {
    let &Table { image: size, crop, .. } = args.net;
    let cell = crop + GAP;
    let width = ACROSS * cell + GAP;
    let top = size + 2 * GAP;
    let mut picture =
        RgbImage::from_pixel(width.max(2 * size + 3 * GAP) as u32, (top + DOWN * cell) as u32, Rgb([255; 3]));
    for y in 0..size {
        for x in 0..size {
            let value = [0, 1, 2].map(|c| stats.mean[(c * size + y) * size + x] as u8);
            picture.put_pixel((GAP + x) as u32, (GAP + y) as u32, Rgb(value));
        }
    }
    // Each component as a bar, from a standard deviation below the mean colour to one above.
    let mean = stats.channels();
    if let Some(colour) = &stats.colour {
        let height = size / 3;
        for (i, component) in colour.components.iter().enumerate() {
            for x in 0..size {
                let along = (2.0 * x as f32 / size as f32 - 1.0) * colour.stdev[i];
                let value = [0, 1, 2].map(|c| (mean[c] + along * component[c]) as u8);
                let left = 2 * GAP + size + x;
                (0..height - GAP)
                    .for_each(|y| picture.put_pixel(left as u32, (GAP + i * height + y) as u32, Rgb(value)));
            }
        }
    }
    let settings = LoaderSettings {
        batch: ACROSS * DOWN,
        crop,
        details: Details { augment: args.augment, ..Details::default() },
        order: Order::Shuffled,
        shuffle: Shuffle::Full,
        floats: true,
        seed: args.seed,
        workers,
        exif: args.exif,
        first_step: 1,
    };
    let batch = Loader::train(Arc::new(set), Arc::new(stats), settings).next()?.batch;
    for (n, view) in batch.floats().chunks_exact(3 * crop * crop).enumerate() {
        let (left, above) = (GAP + n % ACROSS * cell, top + n / ACROSS * cell);
        for y in 0..crop {
            for x in 0..crop {
                let value = [0, 1, 2].map(|c| (view[(c * crop + y) * crop + x] + mean[c]) as u8);
                picture.put_pixel((left + x) as u32, (above + y) as u32, Rgb(value));
            }
        }
    }
    Ok(picture)
}
