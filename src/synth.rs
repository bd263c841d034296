//! The built-in data set: ten drawn classes that need shape, texture and colour, as JPEGs of varying size.
//!
//! Colours come from one distribution for every class but the two blobs, so that mean colour tells nothing. Each image
//! is a function of (seed, split, class, place), drawn by [`scene`].

pub mod scene;

use crate::data::augment::{Purpose, random};
use crate::data::folder::Split;
use crate::error::{Error, Result};
use image::codecs::jpeg::JpegEncoder;
use scene::{CLASSES, Scene};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Quality of the JPEGs, of 100.
const QUALITY: u8 = 90;

/// File in the data folder that says what made it; it comes last, so a folder that has it is complete.
const MARKER: &str = "synth.json";

/// How many images are drawn, and from which seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Synth {
    /// The first so many of [`CLASSES`]; 2 to 10.
    pub classes: usize,
    /// Training images a class.
    pub train: usize,
    /// Held-out images a class.
    pub val: usize,
    pub seed: u64,
}

impl Default for Synth {
    fn default() -> Self {
        Self { classes: 10, train: 300, val: 50, seed: 0 }
    }
}

/// One image to draw.
struct Task {
    split: Split,
    class: usize,
    place: usize,
}

/// Writes the data set to `dir`, on every core; `progress` is called with the images written and the images in all.
/// A finished set of the same settings is left as it is.
///
/// The set is drawn beside `dir` and renamed, so `dir` is never half-written.
///
/// # Errors
/// [`Error::Usage`] for a number of classes or images that cannot be; [`Error::Data`] where `dir` holds something else;
/// [`Error::Io`] where writing fails.
pub fn generate(dir: &Path, settings: Synth, progress: impl FnMut(usize, usize)) -> Result<()> {
    check(settings)?;
    if holds(dir, settings)? {
        return Ok(());
    }
    let aside = aside(dir)?;
    let made = write_all(&aside, settings, progress).and_then(|()| {
        if dir.exists() {
            fs::remove_dir(dir).map_err(Error::io(dir))?;
        }
        fs::rename(&aside, dir).map_err(Error::io(dir))
    });
    if made.is_err() {
        // The first failure is the one to report; what is left beside is only in the way.
        let _ = fs::remove_dir_all(&aside);
    }
    made
}

/// Image `place` of `class` in `split`, as the data set has it before JPEG.
pub fn draw(settings: Synth, split: Split, class: usize, place: usize) -> image::RgbImage {
    let part = ((split == Split::Val) as u64) << 32 | class as u64;
    Scene::random(class, &mut random(Purpose::Synth, settings.seed, part, place as u64)).render()
}

fn check(settings: Synth) -> Result<()> {
    if !(2..=CLASSES.len()).contains(&settings.classes) {
        let why =
            format!("--classes {}: 2 to {}, in this order: {}", settings.classes, CLASSES.len(), CLASSES.join(", "));
        return Err(Error::Usage(why));
    }
    for (option, images) in [("--train", settings.train), ("--val", settings.val)] {
        if !(1..=99_999).contains(&images) {
            return Err(Error::Usage(format!("{option} {images}: 1 to 99999 images a class")));
        }
    }
    Ok(())
}

/// Whether `dir` is a finished set of these settings; anything else in it is an error.
fn holds(dir: &Path, settings: Synth) -> Result<bool> {
    if !dir.exists() {
        return Ok(false);
    }
    if !dir.is_dir() {
        return Err(Error::Data { path: dir.to_owned(), why: "is a file; name a new folder".into() });
    }
    if fs::read_dir(dir).map_err(Error::io(dir))?.next().is_none() {
        return Ok(false);
    }
    let marker = fs::read(dir.join(MARKER)).ok().and_then(|bytes| serde_json::from_slice::<Synth>(&bytes).ok());
    match marker {
        Some(found) if found == settings => Ok(true),
        Some(Synth { classes, train, val, seed }) => {
            let why = format!(
                "already holds a set with --classes {classes} --train {train} --val {val} --seed {seed}; name another \
                 folder or remove this one"
            );
            Err(Error::Data { path: dir.to_owned(), why })
        }
        None => {
            let why = "already holds something else; name a new or empty folder".into();
            Err(Error::Data { path: dir.to_owned(), why })
        }
    }
}

/// A new folder beside `dir`, made with its parents.
fn aside(dir: &Path) -> Result<PathBuf> {
    let Some(name) = dir.file_name() else {
        return Err(Error::Data { path: dir.to_owned(), why: "does not name a new folder".into() });
    };
    let mut name = name.to_owned();
    name.push(format!(".tmp-{}", std::process::id()));
    let aside = dir.with_file_name(name);
    fs::create_dir_all(&aside).map_err(Error::io(&aside))?;
    Ok(aside)
}

fn write_all(root: &Path, settings: Synth, mut progress: impl FnMut(usize, usize)) -> Result<()> {
    let mut tasks = Vec::new();
    for (split, images) in [(Split::Train, settings.train), (Split::Val, settings.val)] {
        for class in 0..settings.classes {
            let folder = root.join(split.name()).join(CLASSES[class]);
            fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
            tasks.extend((0..images).map(|place| Task { split, class, place }));
        }
    }
    let next = AtomicUsize::new(0);
    thread::scope(|scope| -> Result<()> {
        let (done, results) = crossbeam_channel::bounded(64);
        for _ in 0..thread::available_parallelism().map_or(1, |n| n.get()) {
            let (done, next, tasks) = (done.clone(), &next, &tasks);
            scope.spawn(move || {
                while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if done.send(write(root, settings, task)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        for (written, result) in results.iter().enumerate() {
            result?;
            progress(written + 1, tasks.len());
        }
        Ok(())
    })?;
    let marker = root.join(MARKER);
    let text = serde_json::to_string_pretty(&settings).expect("four numbers") + "\n";
    fs::write(&marker, text).map_err(Error::io(&marker))
}

fn write(root: &Path, settings: Synth, task: &Task) -> Result<()> {
    let name = format!("{:05}.jpg", task.place);
    let path = root.join(task.split.name()).join(CLASSES[task.class]).join(name);
    let mut jpeg = Vec::new();
    draw(settings, task.split, task.class, task.place)
        .write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, QUALITY))
        .expect("JPEG holds RGB of this size, and memory takes it");
    fs::write(&path, jpeg).map_err(Error::io(&path))
}
