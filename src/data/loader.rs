//! Worker threads that read, decode and augment while the adapters compute, and hand out batches in order.
//!
//! The memory is bounded by a queue: 2 batches a worker and the one in use, whose buffers go round. What is in a batch
//! depends on its number alone.

use crate::data::augment::{Augment, Details, Seen, View, part, places_of};
use crate::data::decode::{Exif, SquareRef};
use crate::data::order::{Order, Shuffle, within};
use crate::data::queue::Queue;
use crate::data::skip::{Ledger, Skipped};
use crate::data::source::{DataSet, Held, Reader};
use crate::data::stats::Stats;
use crate::data::{Batch, Crops, Pixels};
use crate::error::{Error, Result};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What a training run reads.
#[derive(Clone, Copy, Debug)]
pub struct LoaderSettings {
    /// Images a batch; not 0.
    pub batch: usize,
    /// Side of the crop in pixels, at most that of the mean image.
    pub crop: usize,
    /// What is drawn anew each time an image is seen.
    pub details: Details,
    /// Order of the images.
    pub order: Order,
    /// Which permutations a shuffled order draws from.
    pub shuffle: Shuffle,
    /// Whether batches are finished on the host, not handed out as bytes.
    pub floats: bool,
    /// Seed of order and augmentation.
    pub seed: u64,
    /// Threads; 0 counts as 1.
    pub workers: usize,
    /// What to do with EXIF orientation.
    pub exif: Exif,
    /// Step of the first batch handed out; steps count from 1.
    pub first_step: u64,
}

/// Steps a pass takes: the fewest in which every image of a set is seen.
pub fn steps_per_pass(images: usize, batch: usize) -> u64 {
    images.div_ceil(batch) as u64
}

/// Bytes of batches that `workers` threads have on the host at most: two a worker and the one in use, as bytes of crops.
pub const fn batch_bytes(batch: usize, crop: usize, workers: usize) -> usize {
    let workers = if workers == 0 { 1 } else { workers };
    (2 * workers + 1) * batch * Crops::stride(crop)
}

/// A batch of training.
#[derive(Debug)]
pub struct Loaded {
    /// Its pixels and labels.
    pub batch: Batch,
    /// Pass of its first image, from 0.
    pub epoch: u64,
    /// How long [`Loader::next`] waited for it.
    pub wait: Duration,
}

/// Training batches without end. Dropping it ends its threads.
#[derive(Debug)]
pub struct Loader {
    set: Arc<DataSet>,
    queue: Queue<Built, Batch>,
    ledger: Ledger,
}

impl Loader {
    /// Starts the threads. Unreadable images are left out of their batch, which is then smaller; a batch without a
    /// readable image takes the next readable one of the set.
    ///
    /// # Panics
    /// A batch of 0, a step 0, or a crop larger than the mean image.
    pub fn train(set: Arc<DataSet>, stats: Arc<Stats>, settings: LoaderSettings) -> Self {
        assert!(settings.batch > 0 && settings.first_step > 0, "a batch and a first step from 1");
        assert!(settings.crop <= stats.size, "crop {} of an image of {}", settings.crop, stats.size);
        let plan = || Training { set: set.clone(), stats: stats.clone(), settings, reader: Reader::new(settings.exif) };
        let queue = Queue::start(settings.workers, settings.first_step - 1..u64::MAX, plan, Training::build);
        Self { ledger: Ledger::new(&set), set, queue }
    }

    /// The batch of the next step.
    ///
    /// # Errors
    /// More than ten images and more than 1 % of the set cannot be read, or a class has none left.
    #[expect(clippy::should_implement_trait, reason = "it never ends and it fails")]
    pub fn next(&mut self) -> Result<Loaded> {
        let start = Instant::now();
        let built = self.queue.next().expect("training has no last batch");
        let wait = start.elapsed();
        for (number, why) in built.bad {
            self.ledger.add(&self.set, number, why)?;
        }
        Ok(Loaded { batch: built.batch, epoch: built.epoch, wait })
    }

    /// Takes back a batch that is no longer needed: its memory becomes that of another.
    pub fn recycle(&self, batch: Batch) {
        self.queue.recycle(batch);
    }

    /// The images that could not be read so far, each once, in the order they were met.
    pub fn skipped(&self) -> &[Skipped] {
        self.ledger.skipped()
    }
}

/// A validation set in order, once. Dropping it ends its threads.
#[derive(Debug)]
pub struct Evaluation {
    set: Arc<DataSet>,
    queue: Queue<Built, Batch>,
    ledger: Ledger,
}

/// The images of `set` in order, in use: `views` views of each, 1 (the centre), 9 or 10, consecutive in the batch and each
/// with its label. A batch holds the views of as many whole images as fit in `batch` places, at least one; the last may
/// be smaller. Unreadable images are left out by the rule of training, but that a class may have none left.
///
/// # Panics
/// Another number of views, a batch of 0, or a crop larger than the mean image.
pub fn evaluation(
    set: Arc<DataSet>,
    stats: Arc<Stats>,
    views: usize,
    crop: usize,
    batch: usize,
    workers: usize,
    exif: Exif,
) -> Evaluation {
    assert!(matches!(views, 1 | 9 | 10) && batch > 0, "1, 9 or 10 views, a batch from 1");
    assert!(crop <= stats.size, "crop {crop} of an image of {}", stats.size);
    let images = (batch / views).max(1);
    let views = places_of(&stats, crop, views);
    let plan = || Viewing {
        set: set.clone(),
        stats: stats.clone(),
        views: views.clone(),
        crop,
        images,
        reader: Reader::new(exif),
    };
    let queue = Queue::start(workers, 0..steps_per_pass(set.len(), images), plan, Viewing::build);
    Evaluation { ledger: Ledger::new(&set), set, queue }
}

impl Evaluation {
    /// Takes back a batch that is no longer needed: its memory becomes that of another.
    pub fn recycle(&self, batch: Batch) {
        self.queue.recycle(batch);
    }

    /// The images that could not be read so far.
    pub fn skipped(&self) -> &[Skipped] {
        self.ledger.skipped()
    }
}

impl Iterator for Evaluation {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let built = self.queue.next()?;
            for (number, why) in built.bad {
                if let Err(error) = self.ledger.add(&self.set, number, why) {
                    return Some(Err(error));
                }
            }
            if !built.batch.is_empty() {
                return Some(Ok(built.batch));
            }
        }
    }
}

/// A batch as a worker made it.
#[derive(Debug)]
struct Built {
    batch: Batch,
    epoch: u64,
    /// Unreadable images by number.
    bad: Vec<(usize, Error)>,
}

impl Built {
    /// Nothing yet, in the memory of `old`.
    fn new(side: usize, epoch: u64, stats: &Arc<Stats>, floats: bool, old: Option<Batch>) -> Self {
        let (old, mut labels) = old.map_or((None, Vec::new()), |old| (Some(old.pixels), old.labels));
        labels.clear();
        let mut crops = Crops::new(stats.clone());
        let pixels = match old {
            Some(Pixels::Floats(mut values)) if floats => {
                values.clear();
                Pixels::Floats(values)
            }
            _ if floats => Pixels::Floats(Vec::new()),
            Some(Pixels::Crops(Crops { rgb, mut views, .. })) => {
                // What was there is overwritten, not cleared.
                views.clear();
                (crops.rgb, crops.views) = (rgb, views);
                Pixels::Crops(crops)
            }
            _ => Pixels::Crops(crops),
        };
        Self { batch: Batch { side, pixels, labels }, epoch, bad: Vec::new() }
    }

    fn push(&mut self, square: SquareRef, view: View, stats: &Stats, label: u32) {
        let side = self.batch.side;
        match &mut self.batch.pixels {
            Pixels::Crops(crops) => crops.push(square, view, side),
            Pixels::Floats(values) => {
                let start = values.len();
                values.resize(start + 3 * side * side, 0.0);
                view.write(square, stats, side, &mut values[start..]);
            }
        }
        self.batch.labels.push(label);
    }
}

/// How training batches are made; each worker has its own.
struct Training {
    set: Arc<DataSet>,
    stats: Arc<Stats>,
    settings: LoaderSettings,
    reader: Reader,
}

impl Training {
    /// Batch `index` from 0, or `None` where `stop` was set meanwhile.
    fn build(&mut self, index: u64, old: Option<Batch>, stop: &AtomicBool) -> Option<Built> {
        let places = self.places(index);
        let images = self.set.len() as u64;
        let mut built = Built::new(self.settings.crop, places.start / images, &self.stats, self.settings.floats, old);
        for place in places.clone() {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            self.add(&mut built, self.seen(place));
        }
        // Never an empty batch, whose mean loss would be 0 / 0.
        let last = self.seen(places.end - 1);
        for further in 1..images {
            if !built.batch.is_empty() || stop.load(Ordering::Relaxed) {
                break;
            }
            self.add(&mut built, Seen { number: (last.number + further) % images, ..last });
        }
        Some(built)
    }

    /// Places of batch `index`, counted from the first pass on.
    fn places(&self, index: u64) -> Range<u64> {
        let (images, batch) = (self.set.len() as u64, self.settings.batch as u64);
        match self.settings.order {
            Order::Sequential => index * batch..(index + 1) * batch,
            Order::Shuffled => {
                let steps = steps_per_pass(self.set.len(), self.settings.batch);
                let (pass, first) = (index / steps * images, index % steps * batch);
                pass + first..pass + (first + batch).min(images)
            }
        }
    }

    /// What stands at `place`, counted from the first pass on.
    fn seen(&self, place: u64) -> Seen {
        let images = self.set.len() as u64;
        let (pass, place) = (place / images, place % images);
        let LoaderSettings { order, shuffle, seed, .. } = self.settings;
        let number = match (order, self.set.window) {
            (Order::Sequential, _) => place,
            (Order::Shuffled, Some(window)) => within(window, (seed, pass), self.set.len(), place as usize) as u64,
            (Order::Shuffled, None) => shuffle.image((seed, pass), self.set.len(), place as usize) as u64,
        };
        Seen { seed, pass, place, number }
    }

    fn add(&mut self, built: &mut Built, seen: Seen) {
        let LoaderSettings { crop, details, .. } = self.settings;
        let number = seen.number as usize;
        let held = if details.augment == Augment::ResizedCrop {
            self.set.part(number, crop, &mut self.reader, |width, height| part(width, height, seen))
        } else {
            self.set.square(number, self.stats.size, &mut self.reader)
        };
        match held {
            Ok(held) => {
                let view = View::random(&details, &self.stats, crop, seen);
                built.push(held.square(), view, &self.stats, self.set.label(number));
            }
            Err(why) => built.bad.push((number, why)),
        }
    }
}

/// How evaluation batches are made; each worker has its own.
struct Viewing {
    set: Arc<DataSet>,
    stats: Arc<Stats>,
    views: Vec<View>,
    crop: usize,
    /// Images a batch.
    images: usize,
    reader: Reader,
}

impl Viewing {
    fn build(&mut self, index: u64, old: Option<Batch>, stop: &AtomicBool) -> Option<Built> {
        let first = index as usize * self.images;
        let mut built = Built::new(self.crop, 0, &self.stats, false, old);
        for number in first..(first + self.images).min(self.set.len()) {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            let held: Result<Held> = self.set.square(number, self.stats.size, &mut self.reader);
            match held {
                Ok(held) => {
                    for &view in &self.views {
                        built.push(held.square(), view, &self.stats, self.set.label(number));
                    }
                }
                Err(why) => built.bad.push((number, why)),
            }
        }
        Some(built)
    }
}
