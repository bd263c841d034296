//! The built-in data set: ten classes of drawn images, so that training can be tried with nothing downloaded.
//!
//! Eight classes need shape or texture: their colours, and those of their backgrounds, all come from the same
//! distributions, so that the mean colour of an image says nothing about its class. The two blobs share one shape and
//! need colour. A hard set (`--hard`) has twenty classes, less contrast and more clutter. Every image is a function of (seed, split, class, number) alone, never of threads.

mod classes;
mod paint;

use crate::error::{Error, Result};
use classes::{CLASSES, EASY, EASY_CLASSES, HARD};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, RgbImage};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// The file that marks a finished set and holds its settings.
pub const MARKER: &str = "synth.toml";

/// Raised whenever the same settings draw other images, so that an older set is not taken for a current one.
const VERSION: u32 = 2;
/// JPEG quality, 1 to 100.
const QUALITY: u8 = 90;
/// The most images of one class in one split: their names have five digits.
const MOST: usize = 100_000;

/// What to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Synth {
    /// Classes, 2 to 10, or 20 where it is hard: the first ones of [`class_names`].
    pub classes: usize,
    /// Training images a class.
    pub train: usize,
    /// Held-out images a class.
    pub val: usize,
    /// Seed of every draw.
    pub seed: u64,
    /// More classes and clutter, less contrast.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hard: bool,
}

impl Default for Synth {
    fn default() -> Self {
        Self { classes: EASY_CLASSES, train: 300, val: 50, seed: 0, hard: false }
    }
}

/// Which part of the data set an image belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// For training.
    Train,
    /// Held out.
    Val,
}

impl Split {
    /// Name of its folder.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
        }
    }
}

/// Classes that a set has at most.
pub const fn most_classes(hard: bool) -> usize {
    if hard { CLASSES.len() } else { EASY_CLASSES }
}

/// Names of all twenty classes, which are the names of their folders.
pub fn class_names() -> impl ExactSizeIterator<Item = &'static str> {
    CLASSES.iter().map(|class| class.name)
}

/// Draws image `number` of class `class` (its place in [`class_names`]): sides of 80 to 160 pixels, not equal; what
/// makes the class lies in the centre square.
///
/// # Panics
/// There is no such class.
pub fn draw(settings: &Synth, split: Split, class: usize, number: usize) -> RgbImage {
    let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
    // A stream of its own for every image: no two images, and so no two splits, share a draw.
    random.set_stream((split as u64) << 63 | (class as u64) << 32 | number as u64);
    classes::draw(&CLASSES[class], if settings.hard { &HARD } else { &EASY }, &mut random)
}

/// Writes the data set into `dir` as `train/CLASS/NNNNN.jpg` and `val/CLASS/NNNNN.jpg`, on as many threads as the
/// machine has cores. `progress` is called from any of them after each image with how many are done, and how many
/// there will be.
///
/// `dir` appears only when the set is complete. Equal settings give equal bytes on one platform (sines and cosines are
/// the platform's); a finished set with these settings is left as it is.
///
/// # Errors
/// [`Error::Usage`] for settings out of range; [`Error::Data`] where `dir` holds anything else; [`Error::Io`].
pub fn generate(dir: &Path, settings: &Synth, progress: impl Fn(usize, usize) + Sync) -> Result<()> {
    generate_on(thread::available_parallelism().unwrap_or(NonZeroUsize::MIN), dir, settings, progress)
}

/// [`generate`] on a given number of threads; the files do not depend on it.
///
/// # Errors
/// Those of [`generate`].
pub fn generate_on(
    threads: NonZeroUsize,
    dir: &Path,
    settings: &Synth,
    progress: impl Fn(usize, usize) + Sync,
) -> Result<()> {
    settings.check()?;
    let dir = std::path::absolute(dir).map_err(Error::io(dir))?;
    if is_finished(&dir, settings)? {
        return Ok(());
    }
    let unfinished = Unfinished::beside(&dir)?;
    write_images(threads, &unfinished.0, settings, &progress)?;
    write_marker(&unfinished.0, settings)?;
    unfinished.finish(&dir)
}

impl Synth {
    fn check(&self) -> Result<()> {
        let range = |option: &str, value: usize, allowed: std::ops::RangeInclusive<usize>| {
            if allowed.contains(&value) {
                return Ok(());
            }
            let (least, most) = allowed.into_inner();
            Err(Error::Usage(format!("--{option} {value}: give a number from {least} to {most}")))
        };
        range("classes", self.classes, 2..=most_classes(self.hard))?;
        range("train", self.train, 1..=MOST)?;
        range("val", self.val, 1..=MOST)
    }

    /// All images of the set, by place: training first, then class by class.
    fn image(&self, place: usize) -> (Split, usize, usize) {
        let train = self.classes * self.train;
        let (split, place, each) =
            if place < train { (Split::Train, place, self.train) } else { (Split::Val, place - train, self.val) };
        (split, place / each, place % each)
    }

    fn len(&self) -> usize {
        self.classes * (self.train + self.val)
    }
}

impl std::fmt::Display for Synth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { classes, train, val, seed, hard } = self;
        let hard = if *hard { " --hard" } else { "" };
        write!(f, "--classes {classes} --train {train} --val {val} --seed {seed}{hard}")
    }
}

/// What [`MARKER`] holds.
#[derive(Serialize, Deserialize)]
struct Marker {
    version: u32,
    #[serde(flatten)]
    settings: Synth,
}

/// Whether `dir` already holds the set these settings make; an error where it holds anything else.
fn is_finished(dir: &Path, settings: &Synth) -> Result<bool> {
    let refuse = |why: String| Err(Error::Data { path: dir.to_owned(), why });
    if !dir.try_exists().map_err(Error::io(dir))? {
        return Ok(false);
    }
    if !dir.is_dir() {
        return refuse("is a file; expected a new folder for the data set: name another one".into());
    }
    if fs::read_dir(dir).map_err(Error::io(dir))?.next().is_none() {
        return Ok(false);
    }
    let path = dir.join(MARKER);
    if !path.is_file() {
        return refuse("the folder holds something else already: name a new or an empty one".into());
    }
    let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
    let marker: Marker = match toml::from_str(&text) {
        Ok(marker) => marker,
        Err(why) => {
            let why = format!("is not the mark of a built-in data set ({}): name a new folder", why.message());
            return Err(Error::Data { path, why });
        }
    };
    if marker.version != VERSION {
        return refuse("holds the built-in data set of another version: remove it or name a new folder".into());
    }
    if marker.settings != *settings {
        return refuse(format!(
            "holds the built-in data set made with {}, not {settings}: remove it or name a new folder",
            marker.settings
        ));
    }
    Ok(true)
}

/// A set being written, in a folder of its own beside the one it will become; removed where it does not get there.
struct Unfinished(PathBuf);

impl Unfinished {
    /// A folder on the same disk, since a rename cannot leave it.
    fn beside(dir: &Path) -> Result<Self> {
        let Some(name) = dir.file_name() else {
            return Err(Error::Usage(format!("{}: name a new folder for the data set", dir.display())));
        };
        let mut name = name.to_owned();
        name.push(format!(".tmp-{}", std::process::id()));
        let unfinished = Self(dir.with_file_name(name));
        fs::create_dir_all(&unfinished.0).map_err(Error::io(&unfinished.0))?;
        Ok(unfinished)
    }

    /// Gives the folder its name: all of the set appears at once.
    fn finish(self, dir: &Path) -> Result<()> {
        if dir.is_dir() {
            // Empty, or this fails; Windows renames onto no folder at all.
            fs::remove_dir(dir).map_err(Error::io(dir))?;
        }
        fs::rename(&self.0, dir).map_err(Error::io(dir))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Renamed when all went well; else the error that ended the writing is the one to report.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Draws and writes every image; the first failure stops all threads.
fn write_images(
    threads: NonZeroUsize,
    root: &Path,
    settings: &Synth,
    progress: &(impl Fn(usize, usize) + Sync),
) -> Result<()> {
    for split in [Split::Train, Split::Val] {
        for name in class_names().take(settings.classes) {
            let folder = root.join(split.folder()).join(name);
            fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        }
    }
    let (next, done, failed) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let work = || -> Result<()> {
        while !failed.load(Ordering::Relaxed) {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= settings.len() {
                break;
            }
            write_image(root, settings, place).inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, settings.len());
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.get()).map(|_| scope.spawn(work)).collect();
        // A worker that panics is this file's own fault.
        workers.into_iter().try_for_each(|worker| worker.join().expect("a thread that draws images"))
    })
}

fn write_image(root: &Path, settings: &Synth, place: usize) -> Result<()> {
    let (split, class, number) = settings.image(place);
    let image = draw(settings, split, class, number);
    let path = root.join(split.folder()).join(CLASSES[class].name).join(format!("{number:05}.jpg"));
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode(image.as_raw(), image.width(), image.height(), ExtendedColorType::Rgb8)
        .map_err(|why| Error::Image { path: path.clone(), why: why.to_string() })?;
    fs::write(&path, bytes).map_err(Error::io(&path))
}

fn write_marker(root: &Path, settings: &Synth) -> Result<()> {
    let path = root.join(MARKER);
    let marker = Marker { version: VERSION, settings: *settings };
    let text = toml::to_string(&marker).map_err(|why| Error::Data { path: path.clone(), why: why.to_string() })?;
    fs::write(&path, format!("# The built-in data set, complete, and the settings that made it.\n{text}"))
        .map_err(Error::io(&path))
}
