//! The cache of measurements: one JSON file an adapter, which holds everything that was measured on it.

use super::Task;
use crate::durable;
use crate::error::{Error, Result};
use crate::gpu::{Device, SHADERS};
use crate::products::{Choices, Precision, Product, Window};
use crate::random;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// Changes when the file's structure does.
const FORMAT: u32 = 1;
/// A variant must be this much faster than the default to be chosen: below lies noise.
const GAIN: f64 = 0.95;

/// One variant of one product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Name of the variant.
    pub variant: String,
    /// Whether `--exact` allows it.
    pub exact: bool,
    /// Normalised mean squared error beside the reference; absent where it did not run or gave NaN.
    pub error: Option<f64>,
    /// The variant's tolerance.
    pub limit: f64,
    /// Why it cannot be used: it does not compile, or gives wrong numbers.
    pub fault: Option<String>,
    /// Seconds of the product, once a round.
    pub rounds: Vec<f64>,
}

impl Trial {
    /// Seconds of the fastest round, since other work can only make one slow; `None` where it was not timed.
    pub fn seconds(&self) -> Option<f64> {
        self.rounds.iter().copied().min_by(f64::total_cmp)
    }
}

/// What was measured for one product of one window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// [`Choices::key`].
    pub product: String,
    /// The row it was measured for.
    pub row: String,
    /// Every variant, the shipped default first.
    pub trials: Vec<Trial>,
}

impl Measured {
    /// The variant to run: the fastest usable one, but the default where that is as fast.
    pub fn best(&self, exact: bool) -> Option<&Trial> {
        let usable = || self.trials.iter().filter(|t| t.fault.is_none() && (t.exact || !exact));
        let seconds = |trial: &&Trial| trial.seconds().unwrap_or(f64::INFINITY);
        let fastest = usable().min_by(|a, b| seconds(a).total_cmp(&seconds(b)))?;
        let default = usable().next().filter(|default| seconds(&fastest) > GAIN * seconds(default));
        Some(default.unwrap_or(fastest))
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct File {
    format: u32,
    version: String,
    /// Hash of every shader's text, hexadecimal.
    shaders: String,
    /// Name, backend and driver.
    adapter: String,
    /// The family whose variants were tried.
    family: String,
    measured: Vec<Measured>,
}

impl File {
    fn of(device: &Device) -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            shaders: shaders(),
            adapter: device.describe(),
            family: device.profile.family.to_string(),
            measured: Vec::new(),
        }
    }

    /// Why a file that was read says nothing about what `self` was made for.
    fn differs(&self, read: &Self) -> Option<String> {
        let pairs = [
            ("format", self.format.to_string(), read.format.to_string()),
            ("adapter", self.adapter.clone(), read.adapter.clone()),
            ("kernels", self.family.clone(), read.family.clone()),
            ("version", self.version.clone(), read.version.clone()),
            ("shaders", self.shaders.clone(), read.shaders.clone()),
        ];
        let (what, ours, theirs) = pairs.into_iter().find(|(_, ours, theirs)| ours != theirs)?;
        Some(format!("it was measured for {what} `{theirs}`, not `{ours}`"))
    }
}

/// The measurements of one adapter.
#[derive(Clone, Debug)]
pub struct Cache {
    path: PathBuf,
    file: File,
}

impl Cache {
    /// What `folder` holds for `device`; where that cannot be used, an empty cache and a line that says why.
    pub fn open(folder: &Path, device: &Device) -> (Self, Option<String>) {
        let path = folder.join(file_name(device));
        let mut cache = Self { path, file: File::of(device) };
        let text = match fs::read_to_string(&cache.path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return (cache, None),
            Err(e) => {
                let note = cache.passed_over(&e.to_string());
                return (cache, Some(note));
            }
        };
        let why = match serde_json::from_str::<File>(&text) {
            Ok(read) => match cache.file.differs(&read) {
                None => {
                    cache.file = read;
                    return (cache, None);
                }
                Some(why) => why,
            },
            Err(e) => format!("not a cache of `alexnet tune`: {e}"),
        };
        let note = cache.passed_over(&why);
        (cache, Some(note))
    }

    fn passed_over(&self, why: &str) -> String {
        format!("note: {} is passed over: {why}; `alexnet tune` writes it anew", self.path.display())
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was measured for a product.
    pub fn get(&self, product: Product, window: &Window) -> Option<&Measured> {
        let key = Choices::key(product, window);
        self.file.measured.iter().find(|measured| measured.product == key)
    }

    /// Forgets what was measured for `tasks`; the file keeps it until something new is written.
    pub fn forget(&mut self, tasks: &[Task]) {
        let keys: Vec<_> =
            super::products(tasks).iter().map(|(product, window)| Choices::key(*product, window)).collect();
        self.file.measured.retain(|measured| !keys.contains(&measured.product));
    }

    /// Adds a measurement and writes the file.
    ///
    /// # Errors
    /// The folder cannot be made or written.
    pub fn put(&mut self, measured: Measured) -> Result<()> {
        self.file.measured.retain(|old| measured.product != old.product);
        self.file.measured.push(measured);
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(Error::io(folder))?;
        }
        let io = Error::io(&self.path);
        let text = serde_json::to_string_pretty(&self.file).map_err(|e| io(e.into()))?;
        durable::write(&self.path, text.as_bytes())
    }

    /// The fastest usable variant of everything measured.
    pub fn choices(&self, exact: bool) -> Choices {
        let best = |measured: &Measured| Some((measured.product.clone(), measured.best(exact)?.variant.clone()));
        Choices { exact, variants: self.file.measured.iter().filter_map(best).collect() }
    }
}

/// The folder of caches: `--cache`, else `alexnet` in the user's cache folder.
///
/// # Errors
/// The user has no cache folder.
pub fn folder(option: Option<&Path>) -> Result<PathBuf> {
    use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};
    match option {
        Some(folder) => Ok(folder.to_owned()),
        None => choose_native_strategy().map(|dirs| dirs.cache_dir().join("alexnet")).map_err(|e| {
            Error::Usage(format!("there is no cache folder of this user ({e}); name one with --cache DIR"))
        }),
    }
}

/// Letters and digits of the adapter's name, then a hash of all of it; of mixed precision by itself.
fn file_name(device: &Device) -> String {
    let adapter = &device.describe();
    let mixed = if device.profile.family.precision() == Precision::Mixed { "-mixed" } else { "" };
    let words: Vec<_> =
        adapter.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).take(8).collect();
    format!("tune-{}-{:08x}{mixed}.json", words.join("-").to_lowercase(), hash(0, adapter))
}

fn hash(salt: u32, text: &str) -> u32 {
    text.bytes().fold(salt, |hash, byte| random::mix(hash, byte.into()))
}

/// Of every shader's name and text.
fn shaders() -> String {
    let all = |salt| SHADERS.iter().fold(salt, |salt, (name, text)| hash(hash(salt, name), text));
    format!("{:08x}{:08x}", all(1), all(2))
}
