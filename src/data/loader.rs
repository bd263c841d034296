//! Worker threads that read, decode and augment while the adapters compute, and hand out batches in order.
//!
//! Worker w of W builds batches w, w + W, w + 2W, … and waits when two of its batches are not yet taken, so the order
//! needs no sorting and the memory is bounded: 2 W + 1 batches. What is in a batch depends on its number alone.

use crate::data::Batch;
use crate::data::augment::{Augment, Purpose, View, random, views_of};
use crate::data::decode::Exif;
use crate::data::skip::{Ledger, Skipped};
use crate::data::source::DataSet;
use crate::data::stats::Stats;
use crate::error::{Error, Result};
use crossbeam_channel::{Receiver, Sender};
use rand::seq::SliceRandom;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Order of the training images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Another permutation each pass, a function of (seed, pass); the last batch of a pass may be smaller.
    #[default]
    Shuffled,
    /// The order of the set, wrapping around: every batch is full, and a pass may end within one.
    Sequential,
}

/// What a training run reads.
#[derive(Clone, Copy, Debug)]
pub struct LoaderSettings {
    /// Images a batch; not 0.
    pub batch: usize,
    /// Side of the crop in pixels, at most that of the mean image.
    pub crop: usize,
    /// What is drawn anew each time an image is seen.
    pub augment: Augment,
    /// Order of the images.
    pub order: Order,
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
    queue: Queue,
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
        let plan = Training { set: set.clone(), stats, settings, order: None };
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

    /// The images that could not be read so far, each once, in the order they were met.
    pub fn skipped(&self) -> &[Skipped] {
        self.ledger.skipped()
    }
}

/// A validation set in order, once. Dropping it ends its threads.
#[derive(Debug)]
pub struct Evaluation {
    set: Arc<DataSet>,
    queue: Queue,
    ledger: Ledger,
}

/// The images of `set` in order, in use: `views` views of each, 1 (the centre) or 10, consecutive in the batch and each
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
    assert!(matches!(views, 1 | 10) && batch > 0, "1 or 10 views, a batch from 1");
    assert!(crop <= stats.size, "crop {crop} of an image of {}", stats.size);
    let images = (batch / views).max(1);
    let plan = Viewing { set: set.clone(), stats, views, crop, images, exif };
    let queue = Queue::start(workers, 0..steps_per_pass(set.len(), images), plan, Viewing::build);
    Evaluation { ledger: Ledger::new(&set), set, queue }
}

impl Evaluation {
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
struct Built {
    batch: Batch,
    epoch: u64,
    /// Unreadable images by number.
    bad: Vec<(usize, Error)>,
}

impl Built {
    fn new(side: usize, epoch: u64, images: usize) -> Self {
        let pixels = Vec::with_capacity(images * 3 * side * side);
        Self { batch: Batch { side, pixels, labels: Vec::with_capacity(images) }, epoch, bad: Vec::new() }
    }
}

/// How training batches are made; each worker has its own.
#[derive(Clone)]
struct Training {
    set: Arc<DataSet>,
    stats: Arc<Stats>,
    settings: LoaderSettings,
    /// The permutation of the pass last used.
    order: Option<(u64, Vec<u32>)>,
}

impl Training {
    /// Batch `index` from 0, or `None` where `stop` was set meanwhile.
    fn build(&mut self, index: u64, stop: &AtomicBool) -> Option<Built> {
        let places = self.places(index);
        let (epoch, last) = (places[0].0, places[places.len() - 1]);
        let mut built = Built::new(self.settings.crop, epoch, places.len());
        for (pass, number) in places {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            self.add(&mut built, pass, number);
        }
        // Never an empty batch, whose mean loss would be 0 / 0.
        for further in 1..self.set.len() {
            if !built.batch.is_empty() || stop.load(Ordering::Relaxed) {
                break;
            }
            self.add(&mut built, last.0, (last.1 + further) % self.set.len());
        }
        Some(built)
    }

    /// Pass and number of each image of batch `index`.
    fn places(&mut self, index: u64) -> Vec<(u64, usize)> {
        let images = self.set.len() as u64;
        let batch = self.settings.batch as u64;
        match self.settings.order {
            Order::Sequential => {
                let place = |i: u64| (i / images, (i % images) as usize);
                (index * batch..(index + 1) * batch).map(place).collect()
            }
            Order::Shuffled => {
                let steps = steps_per_pass(self.set.len(), self.settings.batch);
                let (pass, first) = (index / steps, (index % steps * batch) as usize);
                let last = (first + self.settings.batch).min(self.set.len());
                self.order(pass)[first..last].iter().map(|&number| (pass, number as usize)).collect()
            }
        }
    }

    /// The permutation of pass `pass`.
    fn order(&mut self, pass: u64) -> &[u32] {
        if self.order.as_ref().is_none_or(|(of, _)| *of != pass) {
            let mut order: Vec<u32> = (0..self.set.len() as u32).collect();
            order.shuffle(&mut random(Purpose::Order, self.settings.seed, pass, 0));
            self.order = Some((pass, order));
        }
        &self.order.as_ref().expect("made above").1
    }

    fn add(&self, built: &mut Built, pass: u64, number: usize) {
        let LoaderSettings { crop, augment, seed, exif, .. } = self.settings;
        match self.set.square(number, self.stats.size, exif) {
            Ok(square) => {
                let sizes = (square.size, crop);
                let view = View::random(augment, self.stats.colour.as_ref(), sizes, (seed, pass, number as u64));
                let pixels = &mut built.batch.pixels;
                let start = pixels.len();
                pixels.resize(start + 3 * crop * crop, 0.0);
                view.write(&square, &self.stats.mean, crop, &mut pixels[start..]);
                built.batch.labels.push(self.set.label(number));
            }
            Err(why) => built.bad.push((number, why)),
        }
    }
}

/// How evaluation batches are made.
#[derive(Clone)]
struct Viewing {
    set: Arc<DataSet>,
    stats: Arc<Stats>,
    views: usize,
    crop: usize,
    /// Images a batch.
    images: usize,
    exif: Exif,
}

impl Viewing {
    fn build(&mut self, index: u64, stop: &AtomicBool) -> Option<Built> {
        let first = index as usize * self.images;
        let numbers = first..(first + self.images).min(self.set.len());
        let mut built = Built::new(self.crop, 0, numbers.len() * self.views);
        for number in numbers {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            match self.set.square(number, self.stats.size, self.exif) {
                Ok(square) => {
                    built.batch.pixels.extend(views_of(&square, &self.stats, self.crop, self.views));
                    let class = self.set.label(number);
                    built.batch.labels.extend(std::iter::repeat_n(class, self.views));
                }
                Err(why) => built.bad.push((number, why)),
            }
        }
        Some(built)
    }
}

/// Workers and what they have built.
#[derive(Debug)]
struct Queue {
    next: u64,
    /// The first batch that does not exist.
    end: u64,
    first: u64,
    /// A worker each.
    results: Vec<Receiver<Built>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Queue {
    /// Builds the batches of `range` with `build` on `workers` threads, each with its own `maker`.
    fn start<M: Clone + Send + 'static>(
        workers: usize,
        range: std::ops::Range<u64>,
        maker: M,
        build: fn(&mut M, u64, &AtomicBool) -> Option<Built>,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let workers = workers.max(1);
        let mut queue = Self {
            next: range.start,
            end: range.end,
            first: range.start,
            results: Vec::new(),
            stop: stop.clone(),
            threads: Vec::new(),
        };
        for worker in 0..workers as u64 {
            let (sender, receiver): (Sender<Built>, _) = crossbeam_channel::bounded(1);
            let (mut maker, stop, end) = (maker.clone(), stop.clone(), range.end);
            let mine = (range.start + worker..end).step_by(workers);
            let run = move || {
                for index in mine {
                    let Some(built) = build(&mut maker, index, &stop) else { return };
                    if sender.send(built).is_err() {
                        return;
                    }
                }
            };
            let name = format!("loader-{worker}");
            queue.threads.push(std::thread::Builder::new().name(name).spawn(run).expect("a thread can be started"));
            queue.results.push(receiver);
        }
        queue
    }

    /// The next batch; `None` after the last.
    fn next(&mut self) -> Option<Built> {
        if self.next == self.end {
            return None;
        }
        let worker = (self.next - self.first) as usize % self.results.len();
        self.next += 1;
        Some(self.results[worker].recv().expect("a worker ends only after its last batch"))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.results.clear();
        for thread in self.threads.drain(..) {
            // A worker that panicked has said so; there is nothing left to do with its result.
            let _ = thread.join();
        }
    }
}
