//! `config.toml`: everything that decides a run's bytes, resolved, and what it ran on.

use crate::alexnet;
use crate::data::{
    self, Augment, Basis, DataSet, Decoding, Details, Exif, Mean, MeanCrop, Options, Order, Shuffle, Split,
};
use crate::error::{Error, Result};
use crate::gpu::Device;
use crate::machine;
use crate::net::{Net, Table};
use crate::products::Precision;
use crate::recipe::{self, Figures, Start};
use crate::schedule::Schedule;
use crate::variation::Variation;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The configuration of a run.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Config {
    /// Version of this program that began the run.
    pub version: String,
    /// Name of the network's table.
    pub net: String,
    /// How the network differs from that table.
    #[serde(default, skip_serializing_if = "Variation::is_none")]
    pub variation: Variation,
    /// Whose figures are followed where the paper and its source differ.
    pub recipe: Figures,
    /// Standard deviations and biases that it begins with.
    #[serde(default, skip_serializing_if = "Start::is_own")]
    pub init: Start,
    /// Seed of every random draw.
    pub seed: u64,
    /// Images a step.
    pub batch: usize,
    /// Micro-batches a step.
    pub accumulate: usize,
    /// Of the products' operands.
    #[serde(default)]
    pub precision: Precision,
    /// Passes over the training set; absent where the run is measured in steps.
    pub epochs: Option<u64>,
    /// Steps of the whole run.
    pub steps: u64,
    /// First learning rate.
    pub lr: f64,
    /// Factor of the velocity.
    pub momentum: f64,
    /// Weight decay.
    pub decay: f64,
    /// Probability of dropping a unit.
    pub dropout: f64,
    /// Learning-rate schedule.
    pub schedule: Schedule,
    /// Augmentation of the training images.
    pub augment: Augment,
    /// Standard deviation of the colour noise, in standard deviations of the data.
    pub colour: f32,
    /// Passes with colour noise; absent: all.
    pub colour_until: Option<u64>,
    /// Whether images with colour noise are divided by 1 + `colour`.
    pub colour_divide: bool,
    /// Consecutive images that share crop and mirror.
    pub crop_chunk: u64,
    /// What is subtracted from an image.
    pub mean: Mean,
    /// Where the mean image is read.
    pub mean_crop: MeanCrop,
    /// What the mean and the colours are measured on.
    pub stats: Basis,
    /// Order of the training images.
    pub order: Order,
    /// Which permutations a shuffled order draws from.
    pub shuffle: Shuffle,
    /// What to do with EXIF orientation.
    pub exif: Exif,
    /// Threads that decode.
    pub workers: usize,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Steps between evaluations.
    pub eval_every: u64,
    /// Training images of each evaluation, in use; 0: none.
    #[serde(default)]
    pub train_error: usize,
    /// Steps between evaluations on these images, where not those of the validation images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_error_every: Option<u64>,
    /// Error on these images at which the run ends before its last step, a fraction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_train_error: Option<f64>,
    /// Newest checkpoints kept.
    pub keep: usize,
    /// Weights the run began with, where it did not begin at random.
    pub weights: Option<PathBuf>,
    /// Whether their last layer was left out for one of the data's classes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub new_head: bool,
    /// Factors of the learning rate by row, where they are not 1; 0 for a frozen row.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rates: BTreeMap<String, f64>,
    /// Class names in the order of the network's last units.
    pub classes: Vec<String>,
    /// Their readable names, where the data has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_names: Option<Vec<String>>,
    /// How files become pixels.
    pub decoding: Decoding,
    /// The images.
    pub data: Data,
    /// Only kernels that compute each product as it is defined, in f32.
    #[serde(default)]
    pub exact: bool,
    /// The machine.
    pub adapters: Adapters,
    /// For each adapter the variant of every product, by its key ([`crate::products::Choices`]).
    #[serde(default)]
    pub kernels: BTreeMap<String, BTreeMap<String, String>>,
}

/// The data set of a run.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Data {
    /// The source of the training images, and of the validation images where `val` names no other.
    pub path: PathBuf,
    /// The source of the validation images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val: Option<PathBuf>,
    /// Training images.
    pub train_images: usize,
    /// Validation images.
    pub val_images: usize,
    /// Of the training images' names and sizes, hexadecimal.
    pub train_fingerprint: String,
    /// Of the validation images' names and sizes, hexadecimal.
    pub val_fingerprint: String,
    /// What was said about the source.
    #[serde(default)]
    pub options: Options,
}

/// The adapters of a run.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Adapters {
    /// `--adapters` as given.
    pub option: Option<String>,
    /// Name, backend and driver of each.
    pub devices: Vec<String>,
}

/// Version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Config {
    /// The network's own recipe on these images: what `train` does where nothing else is said. No machine is named yet.
    ///
    /// # Errors
    /// Only a recipe that this program itself states wrongly.
    pub fn new(table: &Table, data: Data, classes: Vec<String>, class_names: Option<Vec<String>>) -> Result<Self> {
        let own = recipe::defaults(table);
        let images = data.train_images;
        let pass = data::steps_per_pass(images, own.batch);
        Ok(Self {
            version: VERSION.to_owned(),
            net: table.name.to_owned(),
            variation: table.variation.clone(),
            recipe: Figures::Source,
            init: Start::Own,
            seed: 0,
            batch: own.batch,
            accumulate: 1,
            precision: Precision::default(),
            epochs: Some(own.epochs),
            steps: steps_of(own.epochs, images, own.batch, Order::Shuffled),
            lr: own.lr,
            momentum: own.momentum,
            decay: own.decay,
            dropout: own.dropout,
            schedule: own.schedule.parse().map_err(Error::Usage)?,
            augment: own.augment,
            colour: 0.1,
            colour_until: None,
            colour_divide: false,
            crop_chunk: 1,
            mean: Mean::Image,
            mean_crop: own.mean_crop,
            stats: Basis::default(),
            order: Order::Shuffled,
            shuffle: Shuffle::Full,
            exif: Exif::Apply,
            workers: std::thread::available_parallelism().map_or(1, Into::into),
            checkpoint_every: pass,
            eval_every: pass,
            train_error: 0,
            train_error_every: None,
            until_train_error: None,
            keep: 3,
            weights: None,
            new_head: false,
            rates: BTreeMap::new(),
            classes,
            class_names,
            decoding: Decoding::own(),
            data,
            exact: false,
            adapters: Adapters { option: None, devices: Vec::new() },
            kernels: BTreeMap::new(),
        })
    }

    /// The network's table.
    pub fn table(&self) -> Result<Table> {
        let table = alexnet::table(&self.net);
        let table = table.ok_or_else(|| Error::Usage(format!("config.toml: there is no net `{}`", self.net)))?;
        table.varied(self.variation.clone())
    }

    /// The network.
    pub fn network(&self) -> Result<Net> {
        Ok(Net::resolve(&self.table()?, self.classes.len(), self.dropout as f32)?.with_rates(&self.rates))
    }

    /// What the machine must know.
    pub fn machine(&self) -> machine::Settings {
        machine::Settings {
            batch: self.batch,
            accumulate: self.accumulate,
            figures: self.recipe,
            momentum: self.momentum as f32,
            decay: self.decay as f32,
            seed: self.seed,
        }
    }

    /// What the loader must know to begin with step `first_step`.
    pub fn loader(&self, crop: usize, first_step: u64) -> data::LoaderSettings {
        data::LoaderSettings {
            batch: self.batch,
            crop,
            details: Details {
                augment: self.augment,
                colour: self.colour,
                colour_until: self.colour_until,
                colour_divide: self.colour_divide,
                crop_chunk: self.crop_chunk,
            },
            order: self.order,
            shuffle: self.shuffle,
            floats: false,
            seed: self.seed,
            workers: self.workers,
            exif: self.exif,
            first_step,
        }
    }

    /// Whether an evaluation follows step `step`; none does where there is no image for it.
    pub fn evaluates(&self, step: u64) -> bool {
        self.evaluates_on(Split::Val, step) || self.evaluates_on(Split::Train, step)
    }

    /// Whether an evaluation on this split follows step `step`.
    pub fn evaluates_on(&self, split: Split, step: u64) -> bool {
        let (images, every) = match split {
            Split::Train => (self.train_error, self.train_error_every.unwrap_or(self.eval_every)),
            _ => (self.data.val_images, self.eval_every),
        };
        images > 0 && due(step, every, self.steps)
    }

    /// Whether a checkpoint follows step `step`.
    pub fn saves(&self, step: u64) -> bool {
        due(step, self.checkpoint_every, self.steps)
    }

    pub(super) fn to_toml(&self, folder: &Path) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::io(folder)(std::io::Error::other(e)))
    }
}

impl Data {
    /// Describes the images of a source, or of two.
    pub fn new(path: &Path, val_path: Option<&Path>, options: &Options, train: &DataSet, val: &DataSet) -> Self {
        let absolute = data::source::absolute;
        Self {
            path: absolute(path),
            val: val_path.map(absolute),
            options: Options { classes: options.classes.as_deref().map(absolute), ..options.clone() },
            train_images: train.len(),
            val_images: val.len(),
            train_fingerprint: format!("{:016x}", train.fingerprint()),
            val_fingerprint: format!("{:016x}", val.fingerprint()),
        }
    }

    /// Whether both hold the same images, wherever they lie.
    pub fn same_images(&self, other: &Self) -> bool {
        self.train_fingerprint == other.train_fingerprint && self.val_fingerprint == other.val_fingerprint
    }
}

impl Adapters {
    /// Describes what `--adapters` led to.
    pub fn new(option: Option<&str>, devices: &[Arc<Device>]) -> Self {
        Self { option: option.map(str::to_owned), devices: devices.iter().map(|d| d.describe()).collect() }
    }
}

/// Every so many steps, and after the last one always.
fn due(step: u64, every: u64, last: u64) -> bool {
    step > 0 && (step.is_multiple_of(every) || step == last)
}

/// Steps that `epochs` passes over `images` take.
///
/// Shuffled, a pass ends with a smaller batch; sequential, batches run over its end.
pub fn steps_of(epochs: u64, images: usize, batch: usize, order: Order) -> u64 {
    match order {
        Order::Shuffled => epochs.saturating_mul(data::steps_per_pass(images, batch)),
        Order::Sequential => epochs.saturating_mul(images as u64).div_ceil(batch as u64),
    }
}
