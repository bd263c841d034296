//! Features: a layer's activations in use, for every image of a set, and the files that hold them.
//!
//! A file is a matrix, a row an image, in the safetensors or the npy format, written as the images go through the
//! network: memory does not grow with their number, their names apart. Beside it stands what the rows are ([`Info`]): in
//! a safetensors file as its metadata and two more tensors, for `NAME.npy` in `NAME.json`.

mod file;

use crate::data::{self, Batch, DataSet, Exif, Pixels, Skipped, Split, Stats};
use crate::error::{Error, Result};
use crate::eval::Views;
use crate::machine::Machine;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use file::{Features, Form, write};

/// What a file's rows are.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Info {
    /// Version of this description.
    pub format: String,
    /// The network: its table's name, and what is varied in it.
    pub net: String,
    /// The layer whose output a row is, after the ReLU that belongs to it and without what follows.
    pub layer: String,
    /// Channels of all columns, height, width: a row is `[C, H, W]`.
    pub shape: [usize; 3],
    /// [`digest`] of the weights file.
    pub weights: String,
    /// Where the images come from, absolute.
    pub source: PathBuf,
    /// Which of its images.
    pub split: Split,
    /// Class names in the order of their numbers.
    pub classes: Vec<String>,
    /// Readable names of the classes, where those are WordNet ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_names: Option<Vec<String>>,
    /// What each row is of.
    #[serde(flatten)]
    pub rows: Rows,
}

/// What each row is of, in their order.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Rows {
    /// Numbers of the classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<u32>,
    /// Files, beneath the source where they lie there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

impl Info {
    /// Values of a row.
    pub fn width(&self) -> usize {
        self.shape.iter().product()
    }

    /// Where the image of row `row` lies.
    pub fn path(&self, row: usize) -> PathBuf {
        self.source.join(&self.rows.files[row])
    }

    /// The class of row `row`, as the data calls it.
    pub fn class(&self, row: usize) -> &str {
        &self.classes[self.rows.labels[row] as usize]
    }
}

/// SHA-256 of a file's bytes, `sha256:` and hexadecimal.
pub fn digest(path: &Path) -> Result<String> {
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    let mut file = File::open(path).map_err(Error::io(path))?;
    loop {
        let read = file.read(&mut buffer).map_err(Error::io(path))?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
    }
    Ok(hash.finalize().iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}")))
}

/// The rows of a set: files and labels of all images but those left out.
pub fn rows(set: &DataSet, skipped: &[Skipped]) -> Rows {
    let root = data::source::absolute(&set.root);
    let left_out: std::collections::HashSet<usize> = skipped.iter().map(|image| image.number).collect();
    let kept = || (0..set.len()).filter(|number| !left_out.contains(number));
    let file = |number: usize| {
        let path = data::source::absolute(&set.path(number));
        path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned()
    };
    Rows { labels: kept().map(|number| set.label(number)).collect(), files: kept().map(file).collect() }
}

/// Gives `take` the rows of every image of `set`, a batch at a time, in its order: the output of the machine's last row
/// ([`crate::net::Net::until`]) for the centre crop. Returns the images that could not be read, which have no row.
///
/// # Errors
/// Those of loading, of the machine and of `take`.
pub fn extract(
    machine: &mut Machine,
    set: &Arc<DataSet>,
    stats: &Arc<Stats>,
    how: Views,
    mut take: impl FnMut(&[f32]) -> Result<()>,
) -> Result<Vec<Skipped>> {
    let crop = machine.net().table.crop;
    let mut batches = data::evaluation(set.clone(), stats.clone(), 1, crop, how.batch, how.workers, how.exif);
    while let Some(batch) = batches.next() {
        let mut batch = batch?;
        // The data may have classes that the network does not.
        batch.labels.fill(0);
        take(&machine.output(&batch)?)?;
        batches.recycle(batch);
    }
    Ok(batches.skipped().to_vec())
}

/// The rows of single image files, `[images, values]`.
///
/// # Errors
/// A file that is not a readable JPEG or PNG.
pub fn of_files<P: AsRef<Path>>(machine: &mut Machine, stats: &Stats, images: &[P], exif: Exif) -> Result<Vec<f32>> {
    let (side, size) = (machine.net().table.crop, machine.net().table.image);
    let mut pixels = Vec::new();
    for image in images {
        pixels.extend(data::views_of(&data::load(image.as_ref(), size, exif)?, stats, side, 1));
    }
    machine.output(&Batch { side, pixels: Pixels::Floats(pixels), labels: vec![0; images.len()] })
}
