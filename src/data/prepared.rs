//! A prepared set: what `alexnet prepare` writes, and reading it.
//!
//! ```text
//! OUT/manifest.json        form, size, classes, shards with their checksums, statistics
//! OUT/stats.safetensors    mean image and colour components
//! OUT/skipped.txt          images that could not be read: split, number, path, reason
//! OUT/train-000000.raw     squares; then each image's class, u32
//! OUT/train-000000.jpegs   JPEG files; then where each ends, u64, and its class, u32
//! OUT/train-000000.tar     WebDataset: NUMBER.jpg and NUMBER.cls
//! ```
//!
//! Numbers are little-endian. Squares are read, not mapped: a copy costs less than the faults of a mapping, and a file
//! that was cut short is an error and not a signal.

mod shards;

pub(crate) use shards::{fuzz, read_at};

use crate::data::Decoding;
use crate::data::decode::Exif;
use crate::data::source::{DataSet, Split};
use crate::data::stats::{Colour, Stats};
use crate::error::{Error, Result};
use crate::weights::Weights;
use shards::Shards;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file that says what a prepared set is.
pub const MANIFEST: &str = "manifest.json";
/// The file with its statistics.
pub const STATS: &str = "stats.safetensors";
/// The file that names what could not be read.
pub const SKIPPED: &str = "skipped.txt";
/// Version of the layout.
const FORMAT: u32 = 1;
/// Most bytes a manifest may have: 1.28 million images in shards of ten are 13 MB.
const MAX_MANIFEST: u64 = 64 << 20;

/// How squares are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Pixels: size² · 3 bytes an image, nothing to decode.
    #[default]
    Raw,
    /// JPEG files.
    Jpeg,
    /// JPEG files in tar archives, with names and labels as the `webdataset` package reads them.
    Webdataset,
}

impl Form {
    /// What the names of its shards end in.
    pub const fn extension(self) -> &'static str {
        match self {
            Form::Raw => "raw",
            Form::Jpeg => "jpegs",
            Form::Webdataset => "tar",
        }
    }
}

/// Resolution of the colours of a JPEG.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
pub enum Subsampling {
    /// Full.
    #[value(name = "4:4:4")]
    #[serde(rename = "4:4:4")]
    None,
    /// Half across.
    #[value(name = "4:2:2")]
    #[serde(rename = "4:2:2")]
    Across,
    /// Half across and down.
    #[default]
    #[value(name = "4:2:0")]
    #[serde(rename = "4:2:0")]
    Both,
}

/// What decides the bytes of a prepared set beside its source.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Settings {
    /// Side of the squares in pixels.
    pub size: usize,
    /// How they are stored.
    pub form: Form,
    /// Quality of JPEGs, 1 to 100.
    pub quality: u8,
    /// Resolution of their colours.
    pub subsampling: Subsampling,
    /// Images of the source a shard is made of.
    pub shard: usize,
    /// What was done about EXIF orientation.
    pub exif: Exif,
    /// How files became pixels.
    pub decoding: Decoding,
}

/// `manifest.json`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Manifest {
    /// Version of this layout.
    pub format: u32,
    /// Version of the program that wrote it.
    pub version: String,
    /// How it was made.
    pub settings: Settings,
    /// What it was made of.
    pub source: PathBuf,
    /// Classes in the order of the labels.
    pub classes: Vec<String>,
    /// Readable names of the classes, where the source has them.
    pub class_names: Option<Vec<String>>,
    /// What there is of each split.
    pub splits: BTreeMap<String, Part>,
    /// Of the training images; absent until all are there.
    pub stats: Option<Figures>,
}

/// One split of a prepared set.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Part {
    /// Hash of the source's images, hexadecimal.
    pub fingerprint: String,
    /// Images of the source.
    pub source_images: usize,
    /// Images.
    pub images: usize,
    /// Images of the source that could not be read.
    pub skipped: usize,
    /// Its files.
    pub shards: Vec<Shard>,
}

/// A file of a prepared set.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Shard {
    /// Its name.
    pub file: String,
    /// Images in it.
    pub images: usize,
    /// Its size.
    pub bytes: u64,
    /// CRC-32 of the whole file, hexadecimal.
    pub crc32: String,
}

/// Statistics of the training images as they were before any compression.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Figures {
    /// Images they were measured on.
    pub images: u64,
    /// Mean of R, G and B, in 0-255.
    pub mean: [f64; 3],
    /// Covariance of R, G and B over all pixels.
    pub covariance: [[f64; 3]; 3],
    /// Its principal components.
    pub components: Colour,
    /// ILSVRC's, as they were published.
    pub published: Colour,
    /// CRC-32 of `stats.safetensors`, hexadecimal.
    pub crc32: String,
}

impl Manifest {
    /// An empty set.
    pub(crate) fn new(settings: Settings, source: &Path, train: &DataSet) -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings,
            source: std::path::absolute(source).unwrap_or_else(|_| source.to_owned()),
            classes: train.classes.clone(),
            class_names: train.class_names.clone(),
            splits: BTreeMap::new(),
            stats: None,
        }
    }

    /// Reads the manifest of the set in `folder`.
    ///
    /// # Errors
    /// [`Error::Data`] where there is none, it cannot be understood or is of another version.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let error = |why: String| Error::Data { path: path.clone(), why };
        let mut text = String::new();
        let file = File::open(&path).map_err(|e| error(format!("cannot be read: {e}")))?;
        let read = file.take(MAX_MANIFEST).read_to_string(&mut text);
        read.map_err(|e| error(format!("cannot be read: {e}")))?;
        Self::parse(&text).map_err(error)
    }

    /// A manifest from its text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        #[derive(serde::Deserialize)]
        struct Version {
            format: u32,
        }
        let not = |e: serde_json::Error| format!("not the manifest of a prepared set: {e}; prepare the set again");
        let Version { format } = serde_json::from_str(text).map_err(not)?;
        if format != FORMAT {
            return Err(format!(
                "version {format} of a prepared set; this program reads version {FORMAT}: prepare it again"
            ));
        }
        let manifest: Self = serde_json::from_str(text).map_err(not)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// What no later code should have to doubt.
    fn check(&self) -> Result<(), String> {
        let Settings { size, form, .. } = self.settings;
        if !(1..=1 << 14).contains(&size) {
            return Err(format!("squares of {size} pixels; expected 1 to 16384"));
        }
        for (split, part) in &self.splits {
            let wrong = |shard: &Shard, why: &str| Err(format!("{split}, shard {}: {why}", shard.file));
            let mut images = 0usize;
            for shard in &part.shards {
                let name = Path::new(&shard.file);
                if name.file_name() != Some(name.as_os_str()) {
                    return wrong(shard, "its name is not that of a file in this folder");
                }
                images = images.saturating_add(shard.images);
                let least = match form {
                    Form::Raw => shard.images.checked_mul(3 * size * size + 4),
                    Form::Jpeg => shard.images.checked_mul(12),
                    Form::Webdataset => shard.images.checked_mul(2048),
                };
                let fits = least.is_some_and(|least| match form {
                    Form::Raw => shard.bytes == least as u64,
                    _ => shard.bytes >= least as u64,
                });
                if !fits {
                    return wrong(shard, &format!("{} bytes do not hold {} images", shard.bytes, shard.images));
                }
            }
            if images != part.images {
                return Err(format!("{split}: {} images, but {images} in its shards", part.images));
            }
        }
        Ok(())
    }
}

/// Whether a folder holds a prepared set of this program's own forms.
pub fn is_prepared(folder: &Path) -> bool {
    folder.join(MANIFEST).is_file()
}

/// The images of one split of the prepared set in `folder`.
///
/// # Errors
/// [`Error::Data`] where the manifest is not understood, has no such split, or a shard is missing or short.
pub(crate) fn open(folder: &Path, split: Split) -> Result<DataSet> {
    let manifest = Manifest::read(folder)?;
    let Some(part) = manifest.splits.get(split.name()) else {
        let why = format!("a prepared set without a \"{}\" part", split.name());
        return Err(Error::Data { path: folder.to_owned(), why });
    };
    for shard in &part.shards {
        check_size(folder, shard)?;
    }
    let store = Shards::open(folder, &manifest.settings, part, manifest.classes.len())?;
    let Settings { size, form, .. } = manifest.settings;
    let kind = format!("prepared, {} of {size} pixels", if form == Form::Raw { "squares" } else { "JPEGs" });
    let mut set = DataSet::new(folder, split, &kind, manifest.classes, Arc::new(store));
    set.class_names = manifest.class_names;
    Ok(set)
}

/// The statistics of the prepared set in `folder`, measured on all its training images; `None` where it is none, or one
/// of another size.
///
/// # Errors
/// A manifest or a file of statistics that cannot be read.
pub fn stats(folder: &Path, size: usize) -> Result<Option<Stats>> {
    if !is_prepared(folder) || Manifest::read(folder)?.settings.size != size {
        return Ok(None);
    }
    Weights::read(&folder.join(STATS))?.stats_of(size)
}

/// Whether a shard has the size that the manifest says.
pub(crate) fn check_size(folder: &Path, shard: &Shard) -> Result<()> {
    let path = folder.join(&shard.file);
    let error = |why: String| Error::Data { path: path.clone(), why };
    let meta = fs::metadata(&path).map_err(|e| error(format!("shard of a prepared set: {e}; copy it again")))?;
    if meta.len() != shard.bytes {
        return Err(error(format!("{} bytes, the manifest says {}; copy it again", meta.len(), shard.bytes)));
    }
    Ok(())
}
