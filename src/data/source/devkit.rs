//! ILSVRC's development kits: which WordNet id an image of the validation set has.
//!
//! `meta.mat` lists 1,860 synsets (2012), inner nodes of the tree among them; the classes are its leaves. Its numbers,
//! `ILSVRC2012_ID`, are an order of their own, in which the ground truth counts. Both end here: everything else knows
//! WordNet ids alone.

use super::archive::{Forward, Walk};
use super::mat;
use crate::error::{Error, Result};
use flate2::read::GzDecoder;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Most bytes a development kit may hold unpacked, and any one file that is read from it.
const MAX_KIT: u64 = 1 << 28;
const MAX_ONE: u64 = 1 << 26;
/// Where it lies in the download, by year.
const META: &str = "data/meta.mat";
const TRUTH: &str = "validation_ground_truth.txt";

/// What a development kit says.
#[derive(Clone, Debug, Default)]
pub(super) struct Devkit {
    /// Where it was read.
    pub path: PathBuf,
    /// The leaves, in the byte order of their WordNet ids, with their readable names.
    pub words: BTreeMap<String, String>,
    /// WordNet ids by ILSVRC id.
    by_id: HashMap<u32, String>,
    /// The ILSVRC ids of the validation images, in their order.
    truth: Vec<u32>,
    /// 2010 or 2012, by the ground truth's name.
    pub year: u32,
}

impl Devkit {
    /// Reads a kit: the tar.gz as it is downloaded, or the folder it unpacks to.
    ///
    /// # Errors
    /// [`Error::Data`] where it is damaged or lacks `meta.mat` or the ground truth.
    pub fn open(path: &Path) -> Result<Self> {
        let files = if path.is_dir() { files_of_folder(path)? } else { files_of_archive(path)? };
        let error = |why: String| Error::Data { path: path.to_owned(), why };
        let lacks = |what: &str| {
            error(format!(
                "it lacks {what}; expected a development kit as ILSVRC2012_devkit_t12.tar.gz is, or unpacked"
            ))
        };
        let meta = files.meta.ok_or_else(|| lacks(META))?;
        let (name, truth) = files.truth.ok_or_else(|| lacks(&format!("data/ILSVRC2012_{TRUTH}")))?;
        let synsets = mat::synsets(&meta).map_err(|why| error(format!("{META}: {why}")))?;
        let mut kit = Self { path: path.to_owned(), year: year(&name).unwrap_or(2012), ..Self::default() };
        for synset in synsets.into_iter().filter(|s| s.num_children == 0) {
            if !is_wnid(&synset.wnid) || synset.id == 0 {
                return Err(error(format!("{META}: synset {} has WordNet id \"{}\"", synset.id, synset.wnid)));
            }
            kit.by_id.insert(synset.id, synset.wnid.clone());
            kit.words.insert(synset.wnid, synset.words);
        }
        if kit.by_id.len() != kit.words.len() || kit.words.is_empty() {
            let (ids, leaves) = (kit.by_id.len(), kit.words.len());
            return Err(error(format!("{META}: {leaves} leaves with {ids} numbers; expected a number each")));
        }
        kit.truth = ids(&truth).map_err(|why| error(format!("{name}: {why}")))?;
        Ok(kit)
    }

    /// The classes: WordNet ids in byte order.
    pub fn classes(&self) -> Vec<String> {
        self.words.keys().cloned().collect()
    }

    /// Their readable names.
    pub fn class_names(&self) -> Vec<String> {
        self.words.values().cloned().collect()
    }

    /// The WordNet id of each validation image, in their order; `count` of them are there.
    ///
    /// # Errors
    /// Another number of images, or an id that is no leaf of `meta.mat`.
    pub fn validation(&self, count: usize) -> Result<Vec<&str>> {
        self.resolve(&self.truth, count, &format!("ILSVRC{}_{TRUTH}", self.year))
    }

    /// The same for a ground truth of its own, as ILSVRC 2010 has for its test images.
    ///
    /// # Errors
    /// Besides those of [`Devkit::validation`], a file that cannot be read.
    pub fn ground_truth(&self, path: &Path, count: usize) -> Result<Vec<&str>> {
        let text = fs::read(path).map_err(Error::io(path))?;
        let ids = ids(&text).map_err(|why| Error::Data { path: path.to_owned(), why })?;
        self.resolve(&ids, count, &path.display().to_string())
    }

    fn resolve(&self, ids: &[u32], count: usize, name: &str) -> Result<Vec<&str>> {
        let error = |why: String| Err(Error::Data { path: self.path.clone(), why });
        if ids.len() != count {
            let has = ids.len();
            return error(format!("{name} has {has} lines, but there are {count} images; are they of the same year?"));
        }
        let mut all = Vec::with_capacity(count);
        for (line, id) in ids.iter().enumerate() {
            match self.by_id.get(id) {
                Some(wnid) => all.push(wnid.as_str()),
                None => return error(format!("{name}, line {}: {id} is no class of {META}", line + 1)),
            }
        }
        Ok(all)
    }

    /// Refuses classes that the kit does not know, which are of another year.
    ///
    /// # Errors
    /// [`Error::Data`] that names the first.
    pub fn ensure_known(&self, classes: &[String], of: &Path) -> Result<()> {
        match classes.iter().find(|&class| !self.words.contains_key(class)) {
            None => Ok(()),
            Some(class) => Err(Error::Data {
                path: of.to_owned(),
                why: format!(
                    "class {class} is no leaf of {}; is the development kit of the same year?",
                    self.path.display()
                ),
            }),
        }
    }
}

/// Whether a name is a WordNet id: n and eight digits.
pub(super) fn is_wnid(name: &str) -> bool {
    name.len() == 9 && name.starts_with('n') && name[1..].bytes().all(|b| b.is_ascii_digit())
}

/// The readable names of a Kaggle download: `n01440764 tench, Tinca tinca` a line.
pub(super) fn synset_mapping(path: &Path) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    let pair = |line: &str| line.split_once(' ').map(|(id, words)| (id.to_owned(), words.trim().to_owned()));
    Ok(text.lines().filter_map(pair).collect())
}

/// The WordNet id of each image of a Kaggle download's `LOC_val_solution.csv`, by the image's name: a column ImageId, and a
/// column PredictionString whose first word it is.
///
/// # Errors
/// [`Error::Data`] with the line that is of another form.
pub(super) fn solution(path: &Path) -> Result<HashMap<String, String>> {
    let error = |why: String| Error::Data { path: path.to_owned(), why };
    let mut reader = csv::Reader::from_path(path).map_err(|e| error(e.to_string()))?;
    let expected = "expected the columns ImageId and PredictionString, as Kaggle's LOC_val_solution.csv has";
    let header = reader.headers().map_err(|e| error(e.to_string()))?.clone();
    let column = |name: &str| header.iter().position(|h| h.trim() == name).ok_or_else(|| error(expected.to_owned()));
    let (image, prediction) = (column("ImageId")?, column("PredictionString")?);
    let mut all = HashMap::new();
    for (line, record) in reader.records().enumerate() {
        let record = record.map_err(|e| error(e.to_string()))?;
        let wnid = record.get(prediction).and_then(|p| p.split_whitespace().next());
        match (record.get(image), wnid) {
            (Some(image), Some(wnid)) => all.insert(image.to_owned(), wnid.to_owned()),
            _ => return Err(error(format!("line {}: {expected}", line + 2))),
        };
    }
    Ok(all)
}

/// The year in a name like `ILSVRC2012_val_00000001.JPEG`.
pub(super) fn year(name: &str) -> Option<u32> {
    name.split("ILSVRC").nth(1)?.get(..4)?.parse().ok()
}

#[derive(Debug, Default)]
struct Files {
    meta: Option<Vec<u8>>,
    truth: Option<(String, Vec<u8>)>,
}

impl Files {
    /// Whether a file of this name, with folders, is wanted.
    fn wants(name: &str) -> bool {
        name.ends_with(META) || (name.ends_with(TRUTH) && name.contains("ILSVRC"))
    }

    fn take(&mut self, name: &str, bytes: Vec<u8>) {
        let file = name.rsplit('/').next().unwrap_or(name);
        if file == "meta.mat" {
            self.meta = Some(bytes);
        } else {
            self.truth = Some((file.to_owned(), bytes));
        }
    }
}

fn files_of_archive(path: &Path) -> Result<Files> {
    let error = |why: String| Error::Data { path: path.to_owned(), why };
    let stream = GzDecoder::new(File::open(path).map_err(Error::io(path))?).take(MAX_KIT);
    let mut stream = Forward::new(stream);
    let (mut walk, mut files) = (Walk::new(0, u64::MAX), Files::default());
    while files.meta.is_none() || files.truth.is_none() {
        let Some(member) = walk.next(&mut stream).map_err(error)? else { break };
        if Files::wants(&member.name) {
            if member.length > MAX_ONE {
                return Err(error(format!("{} has {} bytes; expected some megabytes", member.name, member.length)));
            }
            let mut bytes = Vec::new();
            let read = stream.by_ref().take(member.length).read_to_end(&mut bytes);
            read.map_err(|e| error(format!("{}: {e}", member.name)))?;
            files.take(&member.name, bytes);
        }
    }
    Ok(files)
}

fn files_of_folder(path: &Path) -> Result<Files> {
    let mut files = Files::default();
    for folder in [path.to_owned(), path.join("data")] {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let file = entry.map_err(Error::io(&folder))?.path();
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if Files::wants(&format!("data/{name}")) {
                files.take(&name, fs::read(&file).map_err(Error::io(&file))?);
            }
        }
    }
    Ok(files)
}

/// A number a line.
fn ids(text: &[u8]) -> Result<Vec<u32>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "not text".to_owned())?;
    let number = |(line, text): (usize, &str)| {
        text.trim().parse().map_err(|_| format!("line {}: `{text}` where a class's number is expected", line + 1))
    };
    text.trim_end().lines().enumerate().map(number).collect()
}

/// The names of a set of classes, where any of them has a name; a class without one keeps its own.
pub(super) fn names(classes: &[String], words: &BTreeMap<String, String>) -> Option<Vec<String>> {
    let known = classes.iter().any(|class| words.contains_key(class));
    known.then(|| classes.iter().map(|class| words.get(class).unwrap_or(class).clone()).collect())
}
