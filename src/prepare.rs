//! `alexnet prepare`: a source decoded and resized once, in shards that are read faster than any network trains.
//!
//! Shard k is made of images k · S to (k + 1) · S of its split, and shards are written one after the other, each aside
//! and renamed when it is whole. What is needed to go on, the list of shards, the images skipped and the exact sums
//! behind the statistics, is written after each. So a set ends with the same bytes wherever it was interrupted and
//! whatever the number of workers.

mod chunk;
mod shard;
mod verify;

pub use verify::verify;

use crate::data::prepared::{Figures, Form, MANIFEST, Manifest, Part, SKIPPED, STATS, Settings, Shard};
use crate::data::queue::Queue;
use crate::data::skip::Ledger;
use crate::data::stats::{Colour, Sums};
use crate::data::{DataSet, Split};
use crate::durable;
use crate::error::{Error, Result};
use crate::weights::Weights;
use chunk::{Chunk, Maker};
use shard::ShardWriter;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is known of an unfinished set.
const STATE: &str = ".tmp-progress";
/// Images encoded to estimate the size of a set of JPEGs.
const SAMPLE: usize = 32;
/// Left free on the disk.
const SPARE: u64 = 64 << 20;

/// What is to be prepared.
pub struct Work {
    /// Training and validation images.
    pub sets: Vec<Arc<DataSet>>,
    /// What they were opened as, for the manifest.
    pub source: PathBuf,
    /// The folder to write.
    pub out: PathBuf,
    /// What decides the bytes.
    pub settings: Settings,
    /// Threads that decode.
    pub workers: usize,
}

/// An image that was left out.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Bad {
    split: Split,
    number: usize,
    path: PathBuf,
    why: String,
}

/// Where an unfinished set stands.
#[derive(Clone, Debug)]
struct State {
    manifest: Manifest,
    skipped: Vec<Bad>,
    sums: Sums,
}

/// What [`Work::begin`] found.
pub struct Begun {
    work: Work,
    state: State,
    /// Whether nothing is left to do.
    pub finished: bool,
    /// Images done already.
    pub done: usize,
    /// Bytes the whole set will take; of JPEGs an estimate.
    pub bytes: u64,
}

impl Work {
    /// Looks at what there is, and whether the rest fits on the disk. Writes nothing but the folder.
    ///
    /// # Errors
    /// A folder that holds something else or another set, one that cannot be written, a disk that is too small.
    pub fn begin(self) -> Result<Begun> {
        let settings = self.settings.clone();
        let state = self.found()?;
        let finished = state.manifest.stats.is_some();
        let all: usize = self.sets.iter().map(|set| set.len()).sum();
        let done = state.manifest.splits.values().map(|part| part.images + part.skipped).sum();
        let each = match settings.form {
            Form::Raw => 3 * (settings.size * settings.size) as u64 + 4,
            form => chunk::mean_bytes(&self.sets[0], &settings, SAMPLE)? + if form == Form::Jpeg { 12 } else { 2048 },
        };
        let bytes = each * all as u64;
        if !finished {
            fs::create_dir_all(&self.out).map_err(Error::io(&self.out))?;
            let free = fs4::available_space(&self.out).map_err(Error::io(&self.out))?;
            let needed = each * (all - done) as u64 + SPARE;
            if free < needed {
                let why = format!(
                    "{needed} bytes are needed for {} images and {free} are free; name a folder on a larger disk, a \
                     smaller --size, or --form jpeg",
                    all - done
                );
                return Err(Error::Data { path: self.out, why });
            }
        }
        Ok(Begun { work: self, state, finished, done, bytes })
    }

    /// The state that the folder is in.
    fn found(&self) -> Result<State> {
        let (out, train) = (&self.out, &self.sets[0]);
        let error = |path: &Path, why: String| Err(Error::Data { path: path.to_owned(), why });
        let mut fresh = Manifest::new(self.settings.clone(), &self.source, train);
        for set in &self.sets {
            let fingerprint = format!("{:016x}", set.fingerprint());
            let part = Part { fingerprint, source_images: set.len(), ..Part::default() };
            fresh.splits.insert(set.split.name().to_owned(), part);
        }
        let fresh = State { manifest: fresh, skipped: Vec::new(), sums: Sums::new(self.settings.size) };
        if out.exists() && !out.is_dir() {
            return error(out, "is a file; expected a folder, which may be new".to_owned());
        }
        let state = if out.join(MANIFEST).exists() {
            State { manifest: Manifest::read(out)?, ..fresh.clone() }
        } else if out.join(STATE).exists() {
            State::read(&out.join(STATE))?
        } else {
            // A kill before the first state leaves what was being written.
            let entries = if out.exists() { Some(fs::read_dir(out).map_err(Error::io(out))?) } else { None };
            let is_ours = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(durable::TMP);
            if entries.into_iter().flatten().any(|entry| !entry.is_ok_and(|entry| is_ours(&entry))) {
                return error(out, "holds something else; name a folder that is new or empty".to_owned());
            }
            return Ok(fresh);
        };
        if let Some(why) = differs(&state.manifest, &fresh.manifest) {
            return error(out, format!("holds a prepared set of {why}; name another folder, or remove this one"));
        }
        Ok(state)
    }
}

/// What tells two sets apart, the first's before the second's.
fn differs(one: &Manifest, other: &Manifest) -> Option<String> {
    let (a, b) = (&one.settings, &other.settings);
    let pairs = [
        ("size", a.size.to_string(), b.size.to_string()),
        ("form", crate::run::word(&a.form), crate::run::word(&b.form)),
        ("quality", a.quality.to_string(), b.quality.to_string()),
        ("subsampling", crate::run::word(&a.subsampling), crate::run::word(&b.subsampling)),
        ("images a shard", a.shard.to_string(), b.shard.to_string()),
        ("exif", crate::run::word(&a.exif), crate::run::word(&b.exif)),
        ("decoding", a.decoding.to_string(), b.decoding.to_string()),
    ];
    if let Some((what, a, b)) = pairs.into_iter().find(|(_, a, b)| a != b) {
        return Some(format!("{what} {a}, not {b}"));
    }
    let images = |manifest: &Manifest| -> Vec<_> {
        manifest.splits.iter().map(|(split, part)| (split.clone(), part.fingerprint.clone())).collect()
    };
    (one.classes != other.classes || images(one) != images(other)).then(|| "other images".to_owned())
}

impl Begun {
    /// Makes what is missing; `progress` is told the images done and all there are.
    ///
    /// # Errors
    /// Too many unreadable images, a full disk: what is done stays, and the same call goes on from there.
    pub fn run(mut self, mut progress: impl FnMut(usize, usize)) -> Result<Manifest> {
        if self.finished {
            // The last kill may have come between the manifest and this.
            let _ = fs::remove_file(self.work.out.join(STATE));
            return Ok(self.state.manifest);
        }
        // Before the first shard: from here on whatever the folder holds is known to be its own.
        self.state.write(&self.work.out.join(STATE))?;
        let all = self.work.sets.iter().map(|set| set.len()).sum();
        for set in self.work.sets.clone() {
            self.split(&set, |done| progress(done, all))?;
        }
        self.finish()
    }

    fn split(&mut self, set: &Arc<DataSet>, mut progress: impl FnMut(usize)) -> Result<()> {
        let (settings, out) = (self.work.settings.clone(), self.work.out.clone());
        let name = set.split.name();
        let mut ledger = Ledger::new(set);
        for bad in self.state.skipped.iter().filter(|bad| bad.split == set.split) {
            ledger.add(set, bad.number, Error::Image { path: bad.path.clone(), why: bad.why.clone() })?;
        }
        let first = self.state.manifest.splits[name].shards.len();
        let shards = set.len().div_ceil(settings.shard);
        let chunks = settings.shard.div_ceil(chunk::IMAGES);
        let maker = || Maker::new(set.clone(), settings.clone());
        let mut queue: Queue<Chunk, Chunk> =
            Queue::start(self.work.workers, (first * chunks) as u64..(shards * chunks) as u64, maker, Maker::work);
        for number in first..shards {
            let file = format!("{name}-{number:06}.{}", settings.form.extension());
            let mut writer = ShardWriter::create(&out.join(&file), &settings)?;
            let (mut skipped, mut images) = (0, 0);
            for _ in 0..chunks {
                let mut chunk = queue.next().expect("every shard has its chunks");
                for (number, why) in chunk.bad.drain(..) {
                    let text = if let Error::Image { why, .. } = &why { why.clone() } else { String::new() };
                    self.state.skipped.push(Bad { split: set.split, number, path: set.path(number), why: text });
                    skipped += 1;
                    ledger.add(set, number, why)?;
                }
                for (image, &number) in chunk.numbers.iter().enumerate() {
                    if set.split == Split::Train {
                        self.state.sums.add(chunk.square(image, settings.size));
                    }
                    writer.push(chunk.stored(image, &settings), number, set.label(number))?;
                }
                images += chunk.numbers.len();
                self.done += chunk.numbers.len();
                queue.recycle(chunk);
                progress(self.done);
            }
            self.done += skipped;
            let (bytes, crc32) = writer.finish()?;
            let part = self.state.manifest.splits.get_mut(name).expect("made at the beginning");
            part.shards.push(Shard { file, images, bytes, crc32: format!("{crc32:08x}") });
            part.images += images;
            part.skipped += skipped;
            self.state.write(&out.join(STATE))?;
        }
        Ok(())
    }

    /// Statistics, the list of what was skipped and, last of all, the manifest.
    fn finish(mut self) -> Result<Manifest> {
        let (out, size) = (&self.work.out, self.work.settings.size);
        let State { manifest, skipped, sums } = &mut self.state;
        sums.settle();
        let stats = sums.stats(size);
        let components = stats.colour.expect("measured");
        Weights::of_stats(&stats).write(&out.join(STATS))?;
        let crc32 = verify::crc32(&out.join(STATS))?;
        let covariance = sums.covariance(size * size);
        let pixels = sums.images as f64 * (size * size) as f64;
        let mean = [0, 1, 2].map(|c| {
            let sum: u64 = sums.values.iter().skip(c).step_by(3).sum();
            sum as f64 / pixels
        });
        manifest.stats =
            Some(Figures { images: sums.images, mean, covariance, components, published: Colour::PUBLISHED, crc32 });
        let mut text = String::new();
        for Bad { split, number, path, why } in skipped.iter() {
            text += &format!("{}\t{number}\t{}\t{why}\n", split.name(), path.display());
        }
        durable::write(&out.join(SKIPPED), text.as_bytes())?;
        if manifest.settings.form == Form::Webdataset {
            durable::write(&out.join("classes.json"), json(&out.join("classes.json"), &manifest.classes)?.as_bytes())?;
        }
        durable::write(&out.join(MANIFEST), json(&out.join(MANIFEST), manifest)?.as_bytes())?;
        fs::remove_file(out.join(STATE)).map_err(Error::io(out.join(STATE)))?;
        Ok(self.state.manifest)
    }
}

fn json(path: &Path, value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(|e| Error::io(path)(e.into()))
}

impl State {
    /// A line of JSON, then the sums as u64, little-endian: images, products, values.
    fn write(&mut self, path: &Path) -> Result<()> {
        self.sums.settle();
        let head = serde_json::to_string(&(&self.manifest, &self.skipped)).map_err(|e| Error::io(path)(e.into()))?;
        let mut bytes = head.into_bytes();
        bytes.push(b'\n');
        let words = std::iter::once(&self.sums.images).chain(&self.sums.products).chain(&self.sums.values);
        words.for_each(|word| bytes.extend(word.to_le_bytes()));
        durable::write(path, &bytes)
    }

    fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(Error::io(path))?;
        let parse = || -> Option<Self> {
            let end = bytes.iter().position(|&b| b == b'\n')?;
            let (manifest, skipped): (Manifest, Vec<Bad>) = serde_json::from_slice(&bytes[..end]).ok()?;
            let mut words = bytes[end + 1..].chunks_exact(8).map(|w| u64::from_le_bytes(w.try_into().expect("eight")));
            let mut sums = Sums::new(manifest.settings.size);
            sums.images = words.next()?;
            for word in sums.products.iter_mut().chain(&mut sums.values) {
                *word = words.next()?;
            }
            words.next().is_none().then_some(Self { manifest, skipped, sums })
        };
        let why = "not the state of an unfinished set; remove the folder and prepare it again".to_owned();
        parse().ok_or(Error::Data { path: path.to_owned(), why })
    }
}
