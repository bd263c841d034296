//! What statistics are measured on, and where they come from: the set itself where it was prepared, an earlier
//! measurement that was kept, or its images.

use crate::data::decode::{Decoding, Exif};
use crate::data::prepared;
use crate::data::skip::Skipped;
use crate::data::source::{DataSet, Fnv, Reader, Watch, cache_folder};
use crate::data::stats::{Stats, measure};
use crate::error::Result;
use crate::weights::Weights;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// Images from which on it is said how long measuring will take, and the result is kept.
const MANY: usize = 2_000;
/// Images that are timed for that.
const TIMED: usize = 16;

/// What statistics are measured on; in words `full`, `sample:IMAGES` or `published`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Basis {
    /// Every training image.
    Full,
    /// So many of them, drawn by the seed; all where there are no more.
    Sample(usize),
    /// Nothing: ILSVRC's published channel means and components.
    Published,
}

impl Default for Basis {
    fn default() -> Self {
        Basis::Sample(20_000)
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Basis::Full => write!(f, "full"),
            Basis::Sample(images) => write!(f, "sample:{images}"),
            Basis::Published => write!(f, "published"),
        }
    }
}

impl FromStr for Basis {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sample = || text.strip_prefix("sample:")?.parse().ok().filter(|&images| images > 0).map(Basis::Sample);
        match text {
            "full" => Ok(Basis::Full),
            "published" => Ok(Basis::Published),
            _ => sample().ok_or_else(|| "expected full, published, or sample:IMAGES as in sample:20000".to_owned()),
        }
    }
}

impl From<Basis> for String {
    fn from(basis: Basis) -> Self {
        basis.to_string()
    }
}

impl TryFrom<String> for Basis {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// On what.
    pub basis: Basis,
    /// Seed of a sample.
    pub seed: u64,
    /// Side of the squares in pixels.
    pub size: usize,
    /// What to do with EXIF orientation.
    pub exif: Exif,
    /// Threads that decode.
    pub workers: usize,
}

impl Basis {
    /// Images of a set of `images` that are measured.
    pub fn images(self, images: usize) -> usize {
        match self {
            Basis::Full => images,
            Basis::Sample(sample) => sample.min(images),
            Basis::Published => 0,
        }
    }
}

impl Asked {
    /// The statistics of `set`, and the images that could not be read while they were measured.
    ///
    /// # Errors
    /// Those of [`measure`]; a prepared set whose statistics cannot be read.
    pub fn stats(&self, set: &DataSet, watch: &mut dyn Watch) -> Result<(Stats, Vec<Skipped>)> {
        if self.basis == Basis::Published {
            return Ok((Stats::published(self.size), Vec::new()));
        }
        // Measured on every image when it was prepared.
        if let Some(stats) = prepared::stats(&set.root, self.size)? {
            return Ok((stats, Vec::new()));
        }
        let images = self.basis.images(set.len());
        let kept = if images >= MANY { self.kept(set) } else { None };
        if let Some(stats) = kept.as_ref().and_then(|path| Weights::read(path).ok()?.stats_of(self.size).ok()?) {
            return Ok((stats, Vec::new()));
        }
        if images >= MANY {
            watch.note(&format!(
                "mean image and colours of {images} of {} images, {}",
                set.len(),
                self.time(set, images)
            ));
        }
        let sample = if let Basis::Sample(images) = self.basis { Some((images, self.seed)) } else { None };
        let (stats, skipped) = measure(set, self.size, self.exif, self.workers, sample, |done, all| {
            watch.progress(&format!("mean image: {done} of {all} images"), done as u64, all as u64);
        })?;
        if let Some(path) = kept {
            // A cache that cannot be written costs the same time again, no more.
            let folder = path.parent().map(std::fs::create_dir_all);
            let _ = folder.map(|_| Weights::of_stats(&stats).write(&path));
        }
        Ok((stats, skipped))
    }

    /// How long the measurement will take, from some images.
    fn time(&self, set: &DataSet, images: usize) -> String {
        let mut reader = Reader::new(self.exif);
        let start = Instant::now();
        for number in (0..set.len()).step_by(set.len().div_ceil(TIMED)) {
            // An unreadable image takes its time, too.
            let _ = set.square(number, self.size, &mut reader);
        }
        let each = start.elapsed().as_secs_f64() / TIMED as f64;
        let time = Duration::from_secs_f64(each * images as f64 / self.workers.max(1) as f64);
        format!("about {} s", time.as_secs().max(1))
    }

    /// Where the result is kept: in the user's cache folder, under a name that says what it was measured on.
    fn kept(&self, set: &DataSet) -> Option<PathBuf> {
        let mut hash = Fnv::default();
        hash.field(&set.fingerprint().to_le_bytes());
        hash.field(std::path::absolute(&set.root).ok()?.as_os_str().as_encoded_bytes());
        hash.field(
            format!("{} {} {} {:?} {}", self.basis, self.seed, self.size, self.exif, Decoding::own()).as_bytes(),
        );
        Some(cache_folder()?.join(format!("stats-{:016x}.safetensors", hash.0)))
    }
}
