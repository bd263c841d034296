//! WebDataset from commands: `pipe:curl https://…/train-{000..146}.tar`, a command for each shard.
//!
//! A first run counts the images and learns their classes. After that the shards stream past, pass by pass, and images that
//! were not asked for yet wait in memory; the training order shuffles within blocks of [`WINDOW`] images, so that few do.
//! Their numbers are their places in the stream.

use super::archive::{Entry, Forward, Walk};
use super::find::braces;
use super::folder::MAX_FILE;
use super::webdataset::{self, Label, is_image, label, split_key};
use super::{DataSet, Options, Split, Store, Stored, Watch};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, HashSet};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// Images among which the order of training is shuffled.
pub(super) const WINDOW: usize = 1024;
/// Most images of one pass that wait for being asked for.
const MAX_WAITING: usize = 4 * WINDOW;
/// Passes that stream at once: one ends while the next begins, and an evaluation.
const MAX_PASSES: usize = 3;

/// What streams past.
#[derive(Debug)]
struct Streamed {
    commands: Vec<String>,
    /// By number: class and name in the shard.
    images: Vec<(u32, Box<str>)>,
    passes: Mutex<Vec<Pass>>,
}

/// One run over all shards.
#[derive(Debug)]
struct Pass {
    samples: Samples,
    /// Number of the next image of the stream.
    next: usize,
    /// Images that went past.
    waiting: BTreeMap<usize, Vec<u8>>,
}

impl Store for Streamed {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn class(&self, place: usize) -> u32 {
        self.images[place].0
    }

    fn name(&self, place: usize) -> &[u8] {
        super::archived::file_name(&self.images[place].1).as_bytes()
    }

    fn bytes(&self, _: usize) -> u64 {
        0
    }

    fn path(&self, place: usize) -> PathBuf {
        Path::new("pipe:").join(&*self.images[place].1)
    }

    fn read<'a>(&'a self, place: usize, buffer: &'a mut Vec<u8>) -> Result<Stored<'a>> {
        let mut passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        // An image is the same in every pass, so whichever still has it serves.
        let has = |pass: &Pass| pass.waiting.contains_key(&place) || pass.next <= place;
        let at = passes.iter().position(has).unwrap_or_else(|| {
            if passes.len() == MAX_PASSES {
                passes.remove(0);
            }
            passes.push(Pass { samples: Samples::new(&self.commands), next: 0, waiting: BTreeMap::new() });
            passes.len() - 1
        });
        let pass = &mut passes[at];
        while pass.next <= place {
            let changed = || Error::Data {
                path: self.path(pass.next),
                why: format!("the commands gave {} images before and other ones now", self.images.len()),
            };
            let sample = pass.samples.next()?.filter(|s| *s.name == *self.images[pass.next].1).ok_or_else(changed)?;
            pass.waiting.insert(pass.next, sample.image);
            pass.next += 1;
            if pass.waiting.len() > MAX_WAITING {
                pass.waiting.pop_first();
            }
        }
        *buffer = pass.waiting.remove(&place).unwrap_or_default();
        if pass.next == self.images.len() && pass.waiting.is_empty() {
            passes.remove(at);
        }
        Ok(Stored::File(buffer))
    }
}

/// The images of a pipe's shards.
///
/// # Errors
/// [`Error::Data`] where a command fails, and for the samples that [`webdataset::open`] refuses.
pub(super) fn open(
    root: &Path,
    command: &str,
    split: Split,
    options: &Options,
    watch: &mut dyn Watch,
) -> Result<DataSet> {
    let error = |why: String| Error::Data { path: root.to_owned(), why };
    let commands = braces(command).map_err(error)?;
    let mut samples = Samples::new(&commands);
    let (mut images, mut labels): (Vec<(u32, Box<str>)>, Vec<Label>) = Default::default();
    while let Some(sample) = samples.next()? {
        let found = label(&sample.texts, options, |text| Ok(text.clone()));
        labels.push(found.map_err(|why| error(format!("key {}: {why}", sample.key)))?);
        images.push((0, sample.name));
        let text = format!("counting {}: {} images, shard {}", root.display(), images.len(), samples.shard);
        watch.progress(&text, samples.shard as u64, commands.len() as u64);
    }
    if images.is_empty() {
        return Err(error("no sample in its shards".to_owned()));
    }
    let classes = webdataset::classes(&labels, webdataset::listed(&[], options)?, split, |number| {
        (root.to_owned(), images[number].1.to_string())
    })?;
    for (image, label) in images.iter_mut().zip(labels) {
        image.0 = match label {
            Label::Number(class) => class as u32,
            Label::Name(name) => classes.iter().position(|c| *c == name).expect("every name is listed") as u32,
        };
    }
    let kind = format!("WebDataset through {} commands, shuffled within {WINDOW} images", commands.len());
    let store = Streamed { commands, images, passes: Mutex::default() };
    Ok(DataSet::in_stored_order(root, split, &kind, classes, Arc::new(store), Some(WINDOW)))
}

/// A sample as it streams past.
#[derive(Debug)]
struct Sample {
    key: String,
    /// The image's name in the shard.
    name: Box<str>,
    image: Vec<u8>,
    texts: Vec<(&'static str, String)>,
}

/// The samples of the commands' shards, in order.
#[derive(Debug)]
struct Samples {
    commands: Vec<String>,
    /// The command that runs, from 1.
    shard: usize,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    stream: Forward<BufReader<ChildStdout>>,
    walk: Walk,
    /// The first file of the sample after the one handed out.
    ahead: Option<(Entry, Vec<u8>)>,
    seen: HashSet<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // A command that is not read to its end is not waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Samples {
    fn new(commands: &[String]) -> Self {
        Self { commands: commands.to_vec(), shard: 0, running: None }
    }

    fn next(&mut self) -> Result<Option<Sample>> {
        loop {
            let Some(running) = &mut self.running else {
                let Some(command) = self.commands.get(self.shard) else { return Ok(None) };
                self.running = Some(Running::start(command).map_err(|why| failed(command, why))?);
                self.shard += 1;
                continue;
            };
            let command = &self.commands[self.shard - 1];
            match running.sample().map_err(|why| failed(command, why))? {
                Some(sample) => return Ok(Some(sample)),
                None => self.running = None,
            }
        }
    }
}

fn failed(command: &str, why: String) -> Error {
    Error::Data { path: PathBuf::from(format!("pipe:{command}")), why }
}

impl Running {
    fn start(command: &str) -> Result<Self, String> {
        let (shell, option) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
        let child = Command::new(shell).args([option, command]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|e| format!("the command cannot be run: {e}"))?;
        let stream = child.stdout.take().ok_or("the command has no output")?;
        let stream = Forward::new(BufReader::with_capacity(1 << 18, stream));
        Ok(Self { child, stream, walk: Walk::new(0, u64::MAX), ahead: None, seen: HashSet::new() })
    }

    /// The next file of the shard that belongs to a sample, and its contents.
    fn file(&mut self) -> Result<Option<(Entry, Vec<u8>)>, String> {
        if let Some(file) = self.ahead.take() {
            return Ok(Some(file));
        }
        while let Some(member) = self.walk.next(&mut self.stream)? {
            if split_key(&member.name).is_none() || member.length > MAX_FILE {
                continue;
            }
            let mut bytes = Vec::new();
            let read = self.stream.by_ref().take(member.length).read_to_end(&mut bytes);
            if read.map_err(|e| e.to_string())? as u64 != member.length {
                return Err(format!("{} is cut short", member.name));
            }
            return Ok(Some((member, bytes)));
        }
        Ok(None)
    }

    fn sample(&mut self) -> Result<Option<Sample>, String> {
        let mut sample: Option<Sample> = None;
        let mut image = false;
        while let Some((member, bytes)) = self.file()? {
            let (key, extension) = split_key(&member.name).ok_or("a file without a key")?;
            if sample.as_ref().is_some_and(|s| s.key != key) {
                self.ahead = Some((member, bytes));
                break;
            }
            let sample = sample.get_or_insert_with(|| Sample {
                key: key.to_owned(),
                name: Box::default(),
                image: Vec::new(),
                texts: Vec::new(),
            });
            if is_image(extension) {
                if std::mem::replace(&mut image, true) {
                    return Err(format!("key {key}: {} is there twice", member.name));
                }
                (sample.image, sample.name) = (bytes, member.name.clone());
            } else if let Some(known) = ["cls", "json", "txt"].into_iter().find(|known| *known == extension) {
                sample.texts.push((known, String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
        match sample {
            None => {
                // The rest of the output is padding; a command that fails may have ended early.
                let _ = std::io::copy(&mut self.stream, &mut std::io::sink());
                let status = self.child.wait().map_err(|e| e.to_string())?;
                if status.success() { Ok(None) } else { Err(format!("the command failed: {status}")) }
            }
            Some(sample) if !image => Err(format!("key {}: no image, jpg, jpeg or png", sample.key)),
            Some(sample) if !self.seen.insert(sample.key.clone()) => Err(format!("key {}: there twice", sample.key)),
            Some(sample) => Ok(Some(sample)),
        }
    }
}
