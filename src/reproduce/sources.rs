//! The images of experiments: drawn at small scale, the user's at the paper's.

use super::experiment::{Scale, Source};
use crate::data::{DataSet, Options, Split, source};
use crate::error::{Error, Result};
use crate::run::Data;
use crate::synth::{self, Synth};
use crate::train::{Images, Progress};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Held-out images of every drawn set.
const HELD_OUT: usize = 5000;

/// Where images come from, and those that are open.
pub struct Sources {
    scale: Scale,
    /// Folder of what is drawn.
    folder: PathBuf,
    /// What the user named.
    named: BTreeMap<Source, PathBuf>,
    /// Whether the published sizes stand for sets that are not named: to plan, not to train.
    assume: bool,
    /// For the size in which their squares are kept.
    open: RefCell<HashMap<(Source, usize), Images>>,
}

/// What a set of the paper is: option, published training and held-out images and classes, and where it is found.
struct Published {
    option: &'static str,
    name: &'static str,
    train: usize,
    val: usize,
    classes: usize,
    fetch: &'static str,
}

fn published(source: Source) -> Published {
    let all = |option, name, train, val, classes, fetch| Published { option, name, train, val, classes, fetch };
    let image_net = "image-net.org gives its archives to researchers who register; the folder of the archives will do";
    match source {
        Source::Ilsvrc2010 => all("--data-2010", "ILSVRC-2010", 1_261_406, 50_000, 1000, image_net),
        Source::Ilsvrc2012 => all("--data-2012", "ILSVRC-2012", 1_281_167, 50_000, 1000, image_net),
        Source::Cifar => {
            let fetch = "cs.toronto.edu/~kriz/cifar.html has it: the binary version";
            all("--data-cifar", "CIFAR-10", 50_000, 10_000, 10, fetch)
        }
        _ => {
            let fetch = "the paper's is no longer given out; any source with more classes serves, as ImageNet-21k does";
            all("--data-pretrain", "a larger source (the paper: Fall 2011)", 15_000_000, 0, 22_000, fetch)
        }
    }
}

impl Sources {
    /// None open yet. What is drawn lies in `folder`.
    pub fn new(scale: Scale, folder: &Path, named: BTreeMap<Source, PathBuf>, assume: bool) -> Self {
        Self { scale, folder: folder.to_owned(), named, assume, open: RefCell::default() }
    }

    /// Whether a source is there, or taken to be.
    pub fn has(&self, source: Source) -> bool {
        self.scale.is_small() || self.assume || self.named.contains_key(&source)
    }

    /// Refuses a source that is not there, and says what to fetch.
    ///
    /// # Errors
    /// The user named none.
    pub fn ensure(&self, source: Source) -> Result<()> {
        if self.has(source) {
            return Ok(());
        }
        let Published { option, name, fetch, .. } = published(source);
        Err(Error::Usage(format!(
            "{option}: --scale paper needs {name}; {fetch}. Or leave such experiments out by name"
        )))
    }

    /// Draws a set that is missing, and opens it with its squares kept at `size` pixels.
    ///
    /// # Errors
    /// A set that is not there or cannot be read.
    pub fn images(&self, source: Source, size: usize, progress: &mut Progress) -> Result<Images> {
        if let Some(images) = self.open.borrow().get(&(source, size)) {
            return Ok(images.clone());
        }
        self.ensure(source)?;
        let images = match drawn(source) {
            Some(settings) => {
                let few = Synth { train: 2, val: 1, ..settings };
                let settings = if self.scale == Scale::Trial { few } else { settings };
                let train = self.draw(source, &settings, progress)?;
                // The held-out images are those of the first set wherever they are the same.
                let val = if source == Source::Few {
                    self.images(Source::Drawn, size, progress)?.val
                } else {
                    open(&train, Split::Val)?
                };
                Images { train: open(&train, Split::Train)?, val }
            }
            None => {
                let path = &self.named[&source];
                let train = source::open(path, Split::Train, &Options::default(), progress)?;
                let val =
                    source::open(path, Split::Val, &Options::default(), progress)?.with_classes(&train.classes)?;
                Images { train: Arc::new(train), val: Arc::new(val) }
            }
        };
        self.open.borrow_mut().insert((source, size), images.clone());
        Ok(images)
    }

    /// A set as a configuration describes it, its classes and their readable names.
    ///
    /// # Errors
    /// Those of [`Sources::images`].
    pub fn describe(
        &self,
        source: Source,
        size: usize,
        progress: &mut Progress,
    ) -> Result<(Data, Vec<String>, Option<Vec<String>>)> {
        if self.assume && drawn(source).is_none() && !self.named.contains_key(&source) {
            let Published { name, train, val, classes, .. } = published(source);
            let data = Data {
                path: PathBuf::from(name),
                val: None,
                train_images: train,
                val_images: val,
                train_fingerprint: String::new(),
                val_fingerprint: String::new(),
                options: Options::default(),
            };
            return Ok((data, (0..classes).map(|class| class.to_string()).collect(), None));
        }
        let images = self.images(source, size, progress)?;
        let (path, val) = match drawn(source) {
            Some(_) => (self.place(source), (source == Source::Few).then(|| self.place(Source::Drawn))),
            None => (self.named[&source].clone(), None),
        };
        let data = Data::new(&path, val.as_deref(), &Options::default(), &images.train, &images.val);
        Ok((data, images.train.classes.clone(), images.train.class_names.clone()))
    }

    fn place(&self, source: Source) -> PathBuf {
        self.folder.join(match source {
            Source::Few => "few",
            Source::More => "more",
            _ => "drawn",
        })
    }

    fn draw(&self, source: Source, settings: &Synth, progress: &mut Progress) -> Result<PathBuf> {
        let path = self.place(source);
        let watch = Mutex::new(progress);
        synth::generate(&path, settings, |done, all| {
            watch.lock().expect("no holder panics").count("drawing", done, all);
        })?;
        Ok(path)
    }
}

fn open(path: &Path, split: Split) -> Result<Arc<DataSet>> {
    DataSet::open(path, split).map(Arc::new)
}

/// What is drawn for a source; `None` for those of the user.
fn drawn(source: Source) -> Option<Synth> {
    let easy = Synth { classes: 10, train: 400, val: HELD_OUT / 10, seed: 1, hard: false };
    match source {
        Source::Drawn => Some(easy),
        Source::Few => Some(Synth { train: 36, val: 1, ..easy }),
        Source::More => Some(Synth { classes: 20, train: 300, val: 1, seed: 2, hard: true }),
        _ => None,
    }
}
