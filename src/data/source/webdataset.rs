//! WebDataset: tar archives, *shards*, whose files of one key are a sample.
//!
//! A file's key is its path up to the first dot of its name, and what follows the dot says what it is: `jpg`, `jpeg` or
//! `png` the image, `cls` its class as a number, `json` an object with the number, `txt` the number or the class's name.

use super::archive::{Member, Members};
use super::archived::{Archive, Archived, Image};
use super::ilsvrc::indexed;
use super::{DataSet, Options, Split, Watch};
use crate::error::{Error, Result};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most classes that numbers alone may state.
const MAX_CLASSES: usize = 1 << 20;
/// Most bytes of a label's file.
const MAX_LABEL: u64 = 1 << 20;
/// Files beside the shards that name the classes.
const NAMES: [&str; 2] = ["classes.json", "classes.txt"];

/// A class as a sample states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Label {
    Number(usize),
    Name(String),
}

/// A sample's files.
#[derive(Debug, Default)]
struct Sample<'a> {
    /// Its place among the members.
    image: Option<usize>,
    /// By what follows the first dot.
    texts: Vec<(&'a str, Member<'a>)>,
}

/// What an image's name may end with.
pub(super) fn is_image(extension: &str) -> bool {
    let last = extension.rsplit('.').next().unwrap_or(extension);
    ["jpg", "jpeg", "png"].iter().any(|e| last.eq_ignore_ascii_case(e))
}

/// A path's key and what follows the first dot of its name.
pub(super) fn split_key(name: &str) -> Option<(&str, &str)> {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = file + name[file..].find('.')?;
    // WebDataset's own notes begin with two underscores.
    (dot > file && !name[file..].starts_with("__")).then(|| (&name[..dot], &name[dot + 1..]))
}

/// The images of these shards, `root` what was opened.
///
/// # Errors
/// [`Error::Data`] that names shard and key where a sample lacks its image or label, a label is out of range or a key is
/// there twice.
pub(super) fn open(
    root: &Path,
    shards: &[PathBuf],
    split: Split,
    options: &Options,
    watch: &mut dyn Watch,
) -> Result<DataSet> {
    let mut store = Archived::default();
    let mut labels = Vec::new();
    for (number, path) in shards.iter().enumerate() {
        let text = format!("index of {}: {number} of {} shards", root.display(), shards.len());
        watch.progress(&text, number as u64, shards.len() as u64);
        let error = |why: String| Error::Data { path: path.clone(), why };
        let members = indexed(path, watch)?;
        let mut file = File::open(path).map_err(Error::io(path))?;
        let mut text = |member: &Member| text_of(member, &mut file);
        samples(&members, |key, sample| {
            let label = label(&sample.texts, options, &mut text).map_err(|why| format!("key {key}: {why}"))?;
            let member = sample.image.ok_or_else(|| format!("key {key}: no image, jpg, jpeg or png"))?;
            store.images.push(Image { class: 0, archive: number as u32, member: member as u32 });
            labels.push(label);
            Ok(())
        })
        .map_err(error)?;
        store.archives.push(Archive { path: path.clone(), members });
    }
    if store.images.is_empty() {
        return Err(Error::Data { path: root.to_owned(), why: "no sample in its shards".to_owned() });
    }
    let listed = listed(shards, options)?;
    let classes = classes(&labels, listed, split, |number| {
        (store.archive(number).to_owned(), store.member(number).name.to_owned())
    })?;
    let number: HashMap<&str, u32> = classes.iter().enumerate().map(|(i, c)| (c.as_str(), i as u32)).collect();
    for (image, label) in store.images.iter_mut().zip(&labels) {
        image.class = match label {
            Label::Number(class) => *class as u32,
            Label::Name(name) => number[name.as_str()],
        };
    }
    let kind = format!("WebDataset, {} shard{}", shards.len(), if shards.len() == 1 { "" } else { "s" });
    Ok(DataSet::new(root, split, &kind, classes, Arc::new(store)))
}

/// Gives `each` the samples of a shard, with their keys, in the order it holds them.
fn samples<'a>(
    members: &'a Members,
    mut each: impl FnMut(&str, &Sample<'a>) -> Result<(), String>,
) -> Result<(), String> {
    let mut seen = HashSet::new();
    let mut last = None;
    let mut sample = Sample::default();
    for (place, member) in members.iter().enumerate() {
        let Some((key, extension)) = split_key(member.name) else { continue };
        if last != Some(key) {
            if let Some(last) = last.replace(key) {
                each(last, &sample)?;
            }
            if !seen.insert(key) {
                return Err(format!("key {key}: there twice"));
            }
            sample.image = None;
            sample.texts.clear();
        }
        let twice = if is_image(extension) {
            sample.image.replace(place).is_some()
        } else {
            let twice = sample.texts.iter().any(|(e, _)| *e == extension);
            sample.texts.push((extension, member));
            twice
        };
        if twice {
            return Err(format!("key {key}: {} is there twice", member.name));
        }
    }
    last.map_or(Ok(()), |key| each(key, &sample))
}

/// The contents of a text, from the index where it holds them.
fn text_of(member: &Member, file: &mut File) -> Result<String, String> {
    if !member.text.is_empty() {
        return Ok(member.text.to_owned());
    }
    if member.length > MAX_LABEL {
        return Err(format!("{} has {} bytes; expected a label", member.name, member.length));
    }
    let mut text = String::new();
    let read =
        file.seek(SeekFrom::Start(member.offset)).and_then(|_| file.take(member.length).read_to_string(&mut text));
    read.map_err(|e| format!("{}: {e}", member.name))?;
    Ok(text)
}

/// The label of a sample: that of `.cls`, else `.json`, else `.txt`; `--label-key` asks for `.json`.
pub(super) fn label<T>(
    texts: &[(&str, T)],
    options: &Options,
    mut text: impl FnMut(&T) -> Result<String, String>,
) -> Result<Label, String> {
    let mut of = |extension: &str| {
        let found = texts.iter().find(|(e, _)| *e == extension);
        found.map(|(_, at)| text(at)).transpose()
    };
    let key = options.label_key.as_deref();
    if key.is_none()
        && let Some(text) = of("cls")?
    {
        let number = text.trim().parse().map_err(|_| format!("its .cls holds `{}`, not a number", text.trim()))?;
        return Ok(Label::Number(number));
    }
    if let Some(text) = of("json")? {
        let value: serde_json::Value = serde_json::from_str(&text).map_err(|e| format!("its .json: {e}"))?;
        let wanted = key.unwrap_or("label");
        match value.get(wanted).and_then(serde_json::Value::as_u64) {
            Some(number) => return Ok(Label::Number(number as usize)),
            None if key.is_some() => {
                return Err(format!("its .json has no integer `{wanted}`, which --label-key names"));
            }
            None => {}
        }
    } else if let Some(key) = key {
        return Err(format!("no .json, in which --label-key {key} is looked up"));
    }
    match of("txt")? {
        Some(text) if text.trim().is_empty() => Err("its .txt is empty; expected a class".to_owned()),
        Some(text) => Ok(text.trim().parse().map_or_else(|_| Label::Name(text.trim().to_owned()), Label::Number)),
        None => Err("no label: .cls, .json with an integer `label` (or --label-key), or .txt".to_owned()),
    }
}

/// The classes that a list names: `--classes`, else a file beside the shards.
pub(super) fn listed(shards: &[PathBuf], options: &Options) -> Result<Option<Vec<String>>> {
    let beside = || NAMES.iter().filter_map(|name| Some(shards.first()?.with_file_name(name))).find(|p| p.is_file());
    options.classes.clone().or_else(beside).map(|path| read_classes(&path)).transpose()
}

/// A list of classes: JSON's, or a line each.
pub(super) fn read_classes(path: &Path) -> Result<Vec<String>> {
    let error = |why: String| Error::Data { path: path.to_owned(), why };
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    let names: Vec<String> = if text.trim_start().starts_with('[') {
        serde_json::from_str(&text).map_err(|e| error(format!("{e}; expected a JSON list of names")))?
    } else {
        text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
    };
    let mut seen = BTreeSet::new();
    if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(error(format!("class \"{twice}\" is there twice")));
    }
    if names.is_empty() { Err(error("it names no class".to_owned())) } else { Ok(names) }
}

/// The classes of labels, those listed or as many as the labels need; `at` says in which shard and file a label is.
pub(super) fn classes(
    labels: &[Label],
    listed: Option<Vec<String>>,
    split: Split,
    at: impl Fn(usize) -> (PathBuf, String),
) -> Result<Vec<String>> {
    let error = |number: usize, why: String| {
        let (path, name) = at(number);
        let key = split_key(&name).map_or(name.as_str(), |(key, _)| key);
        Err(Error::Data { path, why: format!("key {key}: {why}") })
    };
    if let Some(listed) = listed {
        let known: HashSet<&str> = listed.iter().map(String::as_str).collect();
        let unknown = labels.iter().position(|label| match label {
            Label::Number(class) => *class >= listed.len(),
            Label::Name(name) => !known.contains(name.as_str()),
        });
        return match unknown.map(|number| (number, &labels[number])) {
            None => Ok(listed),
            Some((number, Label::Number(class))) => {
                error(number, format!("label {class}, but {} classes are listed, from 0", listed.len()))
            }
            Some((number, Label::Name(name))) => error(number, format!("class \"{name}\", which is not listed")),
        };
    }
    let mut names = BTreeSet::new();
    let mut used = Vec::new();
    for (number, label) in labels.iter().enumerate() {
        match label {
            Label::Name(name) => _ = names.insert(name.clone()),
            Label::Number(class) if *class >= MAX_CLASSES => {
                return error(number, format!("label {class} is out of range, the limit is {MAX_CLASSES}"));
            }
            Label::Number(class) => {
                used.resize(used.len().max(class + 1), false);
                used[*class] = true;
            }
        }
    }
    let mixed = |label: &Label| matches!(label, Label::Number(_)) != names.is_empty();
    if let Some(number) = labels.iter().position(mixed) {
        return error(
            number,
            "a number where other samples have a class's name; name all classes with --classes".into(),
        );
    }
    if let (Some(gap), Split::Train) = (used.iter().position(|&u| !u), split) {
        let last = used.len() - 1;
        let number = labels.iter().position(|l| *l == Label::Number(last)).unwrap_or_default();
        return error(
            number,
            format!(
                "label {last}, but no sample has label {gap}; labels count from 0, or --classes FILE names them all"
            ),
        );
    }
    Ok(if names.is_empty() { (0..used.len()).map(|n| n.to_string()).collect() } else { names.into_iter().collect() })
}

/// For the fuzzer: the samples and labels of an archive.
pub(crate) fn fuzz(bytes: &[u8]) {
    let mut file = std::io::Cursor::new(bytes);
    let Ok((members, _)) = super::archive::members(&mut file, bytes.len() as u64, |_, _| {}) else { return };
    let options = Options::default();
    let text = |member: &Member| Some(member.text.to_owned()).filter(|text| !text.is_empty()).ok_or_else(String::new);
    let mut labels = Vec::new();
    let read = samples(&members, |_, sample| {
        labels.extend(label(&sample.texts, &options, text).ok());
        Ok(())
    });
    if read.is_ok() {
        let _ = classes(&labels, None, Split::Train, |_| (PathBuf::new(), String::new()));
    }
}
