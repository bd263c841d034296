//! `DATA/train/CLASS/*` and `DATA/val/CLASS/*` → a numbered list of image files.

use crate::data::decode::{Exif, Square, load};
use crate::error::{Error, Result};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Decoded squares a set keeps in memory, in bytes; a larger set keeps none.
const CACHE_BYTES: usize = 512 << 20;

/// What a data folder looks like, for messages.
const LAYOUT: &str =
    "expected DATA/train/CLASS/* and DATA/val/CLASS/*: a folder for each class, JPEG or PNG files in it";

/// One half of a data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// `DATA/train`
    Train,
    /// `DATA/val`, held out.
    Val,
}

impl Split {
    /// Name of the folder.
    pub const fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Val => "val",
        }
    }
}

/// A file of a [`DataSet`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Place of its class in [`DataSet::classes`].
    pub class: u32,
}

/// The images of one split. An image's number is its place in [`DataSet::images`]: class folders by name, then files
/// by name, both compared as bytes. Every file counts but hidden ones; whether it is an image is found when it is read.
#[derive(Debug)]
pub struct DataSet {
    /// The data folder itself, `DATA`.
    pub root: PathBuf,
    /// Which half of the data it is.
    pub split: Split,
    /// Names of the class folders, in the order of the labels.
    pub classes: Vec<String>,
    /// The files; an image's number is its place here.
    pub images: Vec<ImageFile>,
    cache: OnceLock<Cache>,
}

/// Squares already decoded, for the first (size, exif) asked for.
#[derive(Debug)]
struct Cache {
    key: (usize, Exif),
    /// Empty where the set is larger than [`CACHE_BYTES`].
    squares: Vec<OnceLock<Arc<Square>>>,
}

impl DataSet {
    /// The images of `root`'s `split`; the class folders are the classes. Links are followed.
    ///
    /// # Errors
    /// [`Error::Data`] where the folder is missing, empty or without the split, where a training class has no image or
    /// is the only one, and where a class name is not UTF-8.
    pub fn open(root: &Path, split: Split) -> Result<Self> {
        let folders = class_folders(root, split)?;
        if split == Split::Train && folders.len() == 1 {
            let why = format!("one class only (\"{}\"): training needs at least two; {LAYOUT}", folders[0].0);
            return Err(Error::Data { path: root.join(split.name()), why });
        }
        let classes: Vec<String> = folders.iter().map(|(name, _)| name.clone()).collect();
        Self::list(root, split, classes, &folders)
    }

    /// Like [`DataSet::open`] with the classes, and their order, of a network: a class of `classes` may lack a folder.
    ///
    /// # Errors
    /// Besides those of [`DataSet::open`], a class folder that is not among `classes`.
    pub fn open_with_classes(root: &Path, split: Split, classes: &[String]) -> Result<Self> {
        let folders = class_folders(root, split)?;
        if let Some((name, path)) = folders.iter().find(|(name, _)| !classes.contains(name)) {
            let why = format!(
                "class \"{name}\" is not among the {} classes of the training set ({}); rename or remove the folder",
                classes.len(),
                shortened(classes)
            );
            return Err(Error::Data { path: path.clone(), why });
        }
        Self::list(root, split, classes.to_vec(), &folders)
    }

    fn list(root: &Path, split: Split, classes: Vec<String>, folders: &[(String, PathBuf)]) -> Result<Self> {
        let mut images = Vec::new();
        for (name, folder) in folders {
            let class = classes.iter().position(|c| c == name).expect("every folder is a class") as u32;
            let files = files(folder)?;
            if files.is_empty() && split == Split::Train {
                let why = format!("class \"{name}\" has no image; add JPEG or PNG files or remove the folder");
                return Err(Error::Data { path: folder.clone(), why });
            }
            images.extend(files.into_iter().map(|path| ImageFile { path, class }));
        }
        if images.is_empty() {
            return Err(Error::Data { path: root.join(split.name()), why: format!("no image in it; {LAYOUT}") });
        }
        Ok(Self { root: root.to_owned(), split, classes, images, cache: OnceLock::new() })
    }

    /// Images in the set.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether there is no image; never so for an opened set.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// Hash of the class names, the files' names and their sizes, in order: whether a run resumes on the data it began
    /// with. Not of the files' contents; a file that cannot be read counts as empty. The same on every platform.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Fnv::default();
        for class in &self.classes {
            hash.field(class.as_bytes());
        }
        for image in &self.images {
            hash.field(&image.class.to_le_bytes());
            hash.field(image.path.file_name().unwrap_or_default().as_encoded_bytes());
            hash.field(&fs::metadata(&image.path).map_or(0, |m| m.len()).to_le_bytes());
        }
        hash.0
    }

    /// Image `number` as a square of `size` pixels. Small sets (512 MiB of squares at most) are decoded once and kept.
    ///
    /// # Errors
    /// Those of [`load`].
    pub fn square(&self, number: usize, size: usize, exif: Exif) -> Result<Arc<Square>> {
        let read = || load(&self.images[number].path, size, exif).map(Arc::new);
        let cache = self.cache.get_or_init(|| {
            let keeps = self.len().saturating_mul(3 * size * size) <= CACHE_BYTES;
            let slots = if keeps { self.len() } else { 0 };
            Cache { key: (size, exif), squares: (0..slots).map(|_| OnceLock::new()).collect() }
        });
        match cache.squares.get(number) {
            Some(slot) if cache.key == (size, exif) => match slot.get() {
                Some(square) => Ok(square.clone()),
                None => read().map(|square| slot.get_or_init(|| square).clone()),
            },
            _ => read(),
        }
    }
}

/// The class folders of `root`'s `split` by name; at least one.
fn class_folders(root: &Path, split: Split) -> Result<Vec<(String, PathBuf)>> {
    let data = |path: &Path, why: String| Error::Data { path: path.to_owned(), why };
    if !root.is_dir() {
        let why = if root.exists() { "not a folder" } else { "no such folder" };
        return Err(data(root, format!("{why}; {LAYOUT}")));
    }
    if entries(root)?.is_empty() {
        return Err(data(root, format!("the folder is empty; {LAYOUT}")));
    }
    let folder = root.join(split.name());
    if !folder.is_dir() {
        return Err(data(root, format!("no folder \"{}\" in it; {LAYOUT}", split.name())));
    }
    let mut classes = Vec::new();
    for path in entries(&folder)?.into_iter().filter(|path| path.is_dir()) {
        match path.file_name().and_then(|name| name.to_str()) {
            Some(name) => classes.push((name.to_owned(), path)),
            None => return Err(data(&path, "the name of a class folder must be UTF-8; rename it".into())),
        }
    }
    if classes.is_empty() {
        return Err(data(&folder, format!("no class folder in it; {LAYOUT}")));
    }
    Ok(classes)
}

/// The files of a class folder by name; a link that leads nowhere counts, so that it is named when it is read.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_file = |entry: &fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_symlink() => !entry.path().is_dir(),
        Ok(kind) => kind.is_file(),
        Err(_) => true,
    };
    listed(folder, is_file)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    listed(folder, |_| true)
}

/// What is in a folder and `wanted`, but what is hidden, by name as bytes.
fn listed(folder: &Path, wanted: impl Fn(&fs::DirEntry) -> bool) -> Result<Vec<PathBuf>> {
    let read = || -> io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if !hidden && wanted(&entry) {
                paths.push(entry.path());
            }
        }
        Ok(paths)
    };
    let mut paths = read().map_err(Error::io(folder))?;
    paths.sort_by(|a, b| {
        let name = |p: &PathBuf| p.file_name().map(|n| n.as_encoded_bytes().to_vec());
        name(a).cmp(&name(b))
    });
    Ok(paths)
}

/// The first few names of a list.
fn shortened(names: &[String]) -> String {
    let shown = names.iter().take(10).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > 10 { format!("{shown}, …") } else { shown }
}

/// FNV-1a, 64 bits: written to a run's folder, so it must not change with the standard library.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// Mixes in a field and its length.
    fn field(&mut self, bytes: &[u8]) {
        for &byte in bytes.iter().chain(&(bytes.len() as u64).to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
