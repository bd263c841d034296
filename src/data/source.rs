//! Images of one split, from whatever form they lie in.
//!
//! A [`Store`] holds images where they are: class folders, archives, shards. A [`DataSet`] numbers those of one split in
//! the canonical order, which is the same from every source: by class, then by file name without extension, as bytes. A
//! class's number is its place in [`DataSet::classes`]; for ILSVRC that is the place of the WordNet id in byte order.

mod archive;
mod archived;
mod cifar;
mod content;
mod devkit;
mod find;
mod folder;
mod ilsvrc;
mod index;
mod mat;
mod parquet;
mod pipe;
mod webdataset;

pub(in crate::data) use folder::{entries, read_file};
pub(in crate::data) use index::cache_folder;

use crate::data::augment::{Purpose, random};
use crate::data::decode::{self, Decoder, Exif, Square, SquareRef};
use crate::error::{Error, Result};
use find::Found;
use rand::seq::SliceRandom;
use std::collections::HashMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Decoded squares a set keeps in memory, in bytes; a larger set keeps none.
pub const CACHE_BYTES: usize = 512 << 20;

/// Part of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// To train on.
    Train,
    /// Held out.
    Val,
    /// A second held-out part, where a source has one with labels.
    Test,
}

impl Split {
    /// Its name in paths and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Val => "val",
            Split::Test => "test",
        }
    }
}

/// What can be said about a source beside its name.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Options {
    /// `--val-fraction`: part of the training images to hold out as the validation images; they are left out of the
    /// training images. A draw within each class by [`Options::seed`].
    pub val_fraction: Option<f64>,
    /// Seed of that draw; a run's own.
    #[serde(skip)]
    pub seed: u64,
    /// `--label-key`: the integer in a WebDataset sample's JSON that is its class (`None`: `label`).
    pub label_key: Option<String>,
    /// `--classes`: file that names the classes in the order of their numbers, a JSON list or a line each.
    pub classes: Option<PathBuf>,
}

/// Hears what opening a source finds and how far it is.
pub trait Watch {
    /// A line worth keeping.
    fn note(&mut self, text: &str);
    /// `text` says how far some work is; it is `done` of `all`.
    fn progress(&mut self, text: &str, done: u64, all: u64);
}

/// Hears nothing.
impl Watch for () {
    fn note(&mut self, _: &str) {}
    fn progress(&mut self, _: &str, _: u64, _: u64) {}
}

/// An image as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored<'a> {
    /// The bytes of a JPEG or PNG file.
    File(&'a [u8]),
    /// A square of RGB bytes, `[size, size, 3]`.
    Square {
        /// Side in pixels.
        size: usize,
        /// Its pixels.
        rgb: &'a [u8],
    },
}

/// Images where they lie, in whatever order; read by any number of threads at once.
pub trait Store: Debug + Send + Sync {
    /// Images.
    fn len(&self) -> usize;
    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Place of the image's class in the store's list of classes.
    fn class(&self, place: usize) -> u32;
    /// The image's file name, without folders; what the canonical order and fingerprints go by.
    fn name(&self, place: usize) -> &[u8];
    /// Bytes it takes where it lies; 0 where that cannot be known.
    fn bytes(&self, place: usize) -> u64;
    /// The file, or the archive and the name in it, for messages.
    fn path(&self, place: usize) -> PathBuf;
    /// Side of the squares it holds in pixels; `None` where it holds images of any size.
    fn side(&self) -> Option<usize> {
        None
    }
    /// Reads the image; `buffer` is the caller's to reuse, and what it held before is lost.
    ///
    /// # Errors
    /// [`Error::Image`] where this image cannot be read; anything else ends the work.
    fn read<'a>(&'a self, place: usize, buffer: &'a mut Vec<u8>) -> Result<Stored<'a>>;
}

/// The images of one split, numbered from 0 in the canonical order.
#[derive(Clone, Debug)]
pub struct DataSet {
    /// What was opened.
    pub root: PathBuf,
    /// Which part of it this is.
    pub split: Split,
    /// What kind of source it is, for people.
    pub kind: String,
    /// Whether the source tells its splits apart; where not, the same images are its train and its val.
    pub has_splits: bool,
    /// For a stream, the images within whose blocks training may shuffle: reads must stay near each other.
    pub window: Option<usize>,
    /// Classes in the order of the labels: WordNet ids, names of folders.
    pub classes: Vec<String>,
    /// Readable names of the classes in the same order, where the source has them.
    pub class_names: Option<Vec<String>>,
    store: Arc<dyn Store>,
    /// Place in the store, by number.
    places: Vec<u32>,
    /// By number.
    labels: Vec<u32>,
    cache: OnceLock<Cache>,
}

/// What a thread that reads images keeps from one to the next.
pub struct Reader {
    file: Vec<u8>,
    decoder: Decoder,
}

impl Reader {
    /// One that turns images as their EXIF orientation says, or not.
    pub fn new(exif: Exif) -> Self {
        Self { file: Vec::new(), decoder: Decoder::new(exif) }
    }
}

/// A square that a [`Reader`] or its set holds.
pub enum Held<'a> {
    /// The set.
    Set(Arc<Square>),
    /// The reader.
    Reader(SquareRef<'a>),
}

impl Held<'_> {
    /// The square.
    pub fn square(&self) -> SquareRef<'_> {
        match self {
            Held::Set(square) => (&**square).into(),
            Held::Reader(square) => *square,
        }
    }
}

/// Squares already decoded, for the first (size, exif) asked for.
#[derive(Clone, Debug)]
struct Cache {
    key: (usize, Exif),
    /// Empty where the set is larger than [`CACHE_BYTES`].
    squares: Vec<OnceLock<Arc<Square>>>,
}

impl DataSet {
    /// [`open`] without options and in silence.
    ///
    /// # Errors
    /// Those of [`open`].
    pub fn open(source: &Path, split: Split) -> Result<Self> {
        open(source, split, &Options::default(), &mut ())
    }

    /// Numbers the images of a store.
    pub(crate) fn new(root: &Path, split: Split, kind: &str, classes: Vec<String>, store: Arc<dyn Store>) -> Self {
        let mut places: Vec<u32> = (0..store.len() as u32).collect();
        let key = |place: u32| {
            let name = store.name(place as usize);
            (store.class(place as usize), stem(name), name)
        };
        places.sort_by(|&a, &b| key(a).cmp(&key(b)));
        let labels = places.iter().map(|&place| store.class(place as usize)).collect();
        Self { places, labels, ..Self::in_stored_order(root, split, kind, classes, store, None) }
    }

    /// Numbers the images of a store as it holds them; `window` is that of a stream.
    fn in_stored_order(
        root: &Path,
        split: Split,
        kind: &str,
        classes: Vec<String>,
        store: Arc<dyn Store>,
        window: Option<usize>,
    ) -> Self {
        let places: Vec<u32> = (0..store.len() as u32).collect();
        let labels = places.iter().map(|&place| store.class(place as usize)).collect();
        let (root, kind) = (root.to_owned(), kind.to_owned());
        Self {
            root,
            split,
            kind,
            has_splits: true,
            window,
            classes,
            class_names: None,
            store,
            places,
            labels,
            cache: OnceLock::new(),
        }
    }

    /// The same images with the classes, and their order, of a network: a class of `classes` may lack images.
    ///
    /// # Errors
    /// [`Error::Data`] where an image's class is not among `classes`.
    pub fn with_classes(mut self, classes: &[String]) -> Result<Self> {
        if self.classes == classes {
            return Ok(self);
        }
        let known: HashMap<&str, u32> =
            classes.iter().enumerate().map(|(number, name)| (name.as_str(), number as u32)).collect();
        let number: Vec<Option<u32>> = self.classes.iter().map(|name| known.get(name.as_str()).copied()).collect();
        let mut images = Vec::with_capacity(self.len());
        for (&place, &label) in self.places.iter().zip(&self.labels) {
            let Some(class) = number[label as usize] else {
                let why = format!(
                    "class \"{}\" is not among the {} classes of the training set ({}); rename or remove its images",
                    self.classes[label as usize],
                    classes.len(),
                    shortened(classes)
                );
                return Err(Error::Data { path: self.root.join(self.split.name()), why });
            };
            images.push((class, place));
        }
        // Within a class the order stays as it is; a stream's is the stream's.
        if self.window.is_none() {
            images.sort_by_key(|&(class, _)| class);
        }
        (self.labels, self.places) = images.into_iter().unzip();
        self.class_names = self.class_names.take().map(|names| {
            let own: HashMap<&str, String> = self.classes.iter().map(String::as_str).zip(names).collect();
            classes.iter().map(|class| own.get(class.as_str()).unwrap_or(class).clone()).collect()
        });
        self.classes = classes.to_vec();
        self.cache = OnceLock::new();
        Ok(self)
    }

    /// The part of a training set that `fraction` leaves to train on or holds out: of each class as many images, drawn by
    /// `seed`, as its share rounded, but never all.
    fn held_out(self, split: Split, fraction: f64, seed: u64) -> Self {
        let mut held_out = vec![false; self.len()];
        let mut of_class = vec![Vec::new(); self.classes.len()];
        (0..self.len()).for_each(|number| of_class[self.labels[number] as usize].push(number));
        for (class, mut numbers) in of_class.into_iter().enumerate() {
            numbers.shuffle(&mut random(Purpose::HoldOut, seed, 0, class as u64));
            let count = (numbers.len() as f64 * fraction).round() as usize;
            numbers.iter().take(count.min(numbers.len().saturating_sub(1))).for_each(|&n| held_out[n] = true);
        }
        let keep = |number: &usize| held_out[*number] == (split != Split::Train);
        let kept: Vec<usize> = (0..self.len()).filter(keep).collect();
        Self { split, ..self.chosen(&kept) }
    }

    /// So many of the images, or all where there are fewer, drawn by `seed`; in their order. What is decoded already is
    /// not decoded again.
    pub fn sample(&self, images: usize, seed: u64) -> Self {
        let mut random = random(Purpose::Sample, seed, 0, 0);
        let mut numbers = rand::seq::index::sample(&mut random, self.len(), images.min(self.len())).into_vec();
        numbers.sort_unstable();
        self.chosen(&numbers)
    }

    /// The images with these numbers, in this order.
    fn chosen(&self, numbers: &[usize]) -> Self {
        let mut set = self.clone();
        set.places = numbers.iter().map(|&n| self.places[n]).collect();
        set.labels = numbers.iter().map(|&n| self.labels[n]).collect();
        set.cache = OnceLock::new();
        if let Some(Cache { key, squares }) = self.cache.get()
            && !squares.is_empty()
        {
            let squares = numbers.iter().map(|&n| squares[n].clone()).collect();
            set.cache = OnceLock::from(Cache { key: *key, squares });
        }
        set
    }

    /// The same images, read and decoded each time.
    pub fn uncached(mut self) -> Self {
        self.cache = OnceLock::from(Cache { key: (0, Exif::Apply), squares: Vec::new() });
        self
    }

    /// Images in the set.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image: only where `--val-fraction 0` asks for that.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The classes that have images.
    pub fn used_classes(&self) -> impl Iterator<Item = &str> {
        let mut used = vec![false; self.classes.len()];
        self.labels.iter().for_each(|&label| used[label as usize] = true);
        self.classes.iter().zip(used).filter(|(_, used)| *used).map(|(class, _)| class.as_str())
    }

    /// Class of image `number`, its place in [`DataSet::classes`].
    pub fn label(&self, number: usize) -> u32 {
        self.labels[number]
    }

    /// File name of image `number`, as bytes.
    pub fn name(&self, number: usize) -> &[u8] {
        self.store.name(self.places[number] as usize)
    }

    /// Where image `number` lies: a file, or an archive and the name in it.
    pub fn path(&self, number: usize) -> PathBuf {
        self.store.path(self.places[number] as usize)
    }

    /// Bytes image `number` takes where it lies; 0 where that cannot be known.
    pub fn bytes(&self, number: usize) -> u64 {
        self.store.bytes(self.places[number] as usize)
    }

    /// Image `number` as it is stored; `buffer` is the caller's to reuse.
    ///
    /// # Errors
    /// [`Error::Image`] where it cannot be read.
    pub fn read<'a>(&'a self, number: usize, buffer: &'a mut Vec<u8>) -> Result<Stored<'a>> {
        self.store.read(self.places[number] as usize, buffer)
    }

    /// Hash of the classes, the images' names without extension and their sizes, in order: whether a run resumes on the
    /// data it began with. Not of the contents; a file that cannot be read counts as empty. The same on every platform,
    /// and from folders and archives of the same files.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Fnv::default();
        for class in &self.classes {
            hash.field(class.as_bytes());
        }
        for number in 0..self.len() {
            hash.field(&self.label(number).to_le_bytes());
            hash.field(stem(self.name(number)));
            hash.field(&self.bytes(number).to_le_bytes());
        }
        hash.0
    }

    /// Image `number` as a square of `size` pixels. Small sets (512 MiB of squares at most) are decoded once and kept;
    /// what is stored as such a square is not kept again.
    ///
    /// # Errors
    /// [`Error::Image`] where it cannot be read or decoded.
    pub fn square<'a>(&'a self, number: usize, size: usize, reader: &'a mut Reader) -> Result<Held<'a>> {
        let key = (size, reader.decoder.exif());
        let cache = self.cache.get_or_init(|| {
            let keeps = self.len().saturating_mul(3 * size * size) <= CACHE_BYTES;
            let slots = if keeps { self.len() } else { 0 };
            Cache { key, squares: (0..slots).map(|_| OnceLock::new()).collect() }
        });
        let slot = cache.squares.get(number).filter(|_| cache.key == key);
        if let Some(square) = slot.and_then(OnceLock::get) {
            return Ok(Held::Set(square.clone()));
        }
        let stored = self.read(number, &mut reader.file)?;
        if let Stored::Square { size: own, rgb } = stored
            && own == size
        {
            return Ok(Held::Reader(SquareRef { size, rgb }));
        }
        let square = reader.decoder.square(stored, size).map_err(|why| self.unreadable(number, why))?;
        Ok(match slot {
            Some(slot) => Held::Set(slot.get_or_init(|| Arc::new(square.clone())).clone()),
            None => Held::Reader(square.into()),
        })
    }

    /// The part of image `number` that `choose` names (left, top, width, height) for its width and height, resized to a
    /// square of `size` pixels.
    ///
    /// # Errors
    /// [`Error::Image`] where it cannot be read or decoded.
    pub fn part<'a>(
        &'a self,
        number: usize,
        size: usize,
        reader: &'a mut Reader,
        choose: impl FnOnce(u32, u32) -> [u32; 4],
    ) -> Result<Held<'a>> {
        let stored = self.read(number, &mut reader.file)?;
        let part = reader.decoder.part(stored, size, None, choose);
        part.map(|square| Held::Reader(square.into())).map_err(|why| self.unreadable(number, why))
    }

    /// Width and height of image `number` in pixels, as it is stored; only its header is looked at.
    ///
    /// # Errors
    /// [`Error::Image`] where it cannot be read.
    pub fn dimensions(&self, number: usize, reader: &mut Reader) -> Result<(u32, u32)> {
        match self.read(number, &mut reader.file)? {
            Stored::File(bytes) => decode::dimensions(bytes).map_err(|why| self.unreadable(number, why)),
            Stored::Square { size, .. } => Ok((size as u32, size as u32)),
        }
    }

    fn unreadable(&self, number: usize, why: String) -> Error {
        Error::Image { path: self.path(number), why }
    }

    /// Side of the squares it holds in pixels; `None` where it holds images of any size.
    pub fn side(&self) -> Option<usize> {
        self.store.side()
    }
}

/// Opens the images of one split of a source, whose kind is found from its content. `watch` is told what was found.
///
/// # Errors
/// [`Error::Data`] where there is no such source, where it has no such split, is damaged or lacks a part, where a
/// training class has no image or is the only one.
pub fn open(source: &Path, split: Split, options: &Options, watch: &mut dyn Watch) -> Result<DataSet> {
    let found = Found::of(source)?;
    let (has_splits, held_out) = (found.has_splits(), options.val_fraction);
    // Held-out images are training images, whatever else the source holds.
    let opened = if held_out.is_some() { Split::Train } else { split };
    let mut set = found.open(source, opened, options, watch)?;
    set.has_splits = has_splits;
    if let Some(fraction) = held_out {
        set = set.held_out(split, fraction, options.seed);
    }
    watch.note(&format!(
        "{}: {}, {} {} images of {} classes",
        source.display(),
        set.kind,
        set.len(),
        split.name(),
        set.classes.len()
    ));
    Ok(set)
}

/// A source's absolute path; a pipe's command stays as it is.
pub fn absolute(source: &Path) -> PathBuf {
    match pipe_command(source) {
        Some(_) => source.to_owned(),
        None => std::path::absolute(source).unwrap_or_else(|_| source.to_owned()),
    }
}

/// What follows `pipe:`, a command whose output is WebDataset's shards.
fn pipe_command(source: &Path) -> Option<&str> {
    source.to_str()?.strip_prefix("pipe:")
}

/// A file name without its extension: what lies before its last dot, if anything does.
fn stem(name: &[u8]) -> &[u8] {
    match name.iter().rposition(|&b| b == b'.') {
        Some(dot) if dot > 0 => &name[..dot],
        _ => name,
    }
}

/// The first few names of a list.
fn shortened(names: &[String]) -> String {
    let shown = names.iter().take(10).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > 10 { format!("{shown}, …") } else { shown }
}

/// FNV-1a, 64 bits: written to a run's folder and in its name, so it must not change with the standard library.
pub(crate) struct Fnv(pub u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// Mixes in a field and its length.
    pub fn field(&mut self, bytes: &[u8]) {
        for &byte in bytes.iter().chain(&(bytes.len() as u64).to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// The parsers, for [`crate::fuzz`].
pub(crate) mod fuzz {
    pub(crate) use super::{
        cifar::fuzz as cifar, index::fuzz as archive, mat::fuzz as mat, webdataset::fuzz as webdataset,
    };
}
