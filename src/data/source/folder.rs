//! Class folders: `DATA/train/CLASS/*` and `DATA/val/CLASS/*`, or `DATA/CLASS/*` alone; and held-out images in one folder
//! whose classes a file beside it tells, as ILSVRC's are unpacked and as Kaggle has them.

use super::devkit::{self, Devkit};
use super::{DataSet, Split, Store, Stored, content, ilsvrc, stem};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a data folder looks like, for messages.
const LAYOUT: &str =
    "expected DATA/train/CLASS/* and DATA/val/CLASS/*: a folder for each class, JPEG or PNG files in it";

/// Most bytes an image file may have.
pub(super) const MAX_FILE: u64 = 1 << 28;

/// Files in class folders. Every file counts but hidden ones; whether it is an image is found when it is read.
#[derive(Debug)]
struct Folders {
    folders: Vec<PathBuf>,
    files: Vec<Entry>,
}

/// A file.
#[derive(Debug)]
struct Entry {
    class: u32,
    /// Place in [`Folders::folders`].
    folder: u32,
    name: Box<OsStr>,
}

impl Store for Folders {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn class(&self, place: usize) -> u32 {
        self.files[place].class
    }

    fn name(&self, place: usize) -> &[u8] {
        self.files[place].name.as_encoded_bytes()
    }

    fn bytes(&self, place: usize) -> u64 {
        fs::metadata(self.path(place)).map_or(0, |m| m.len())
    }

    fn path(&self, place: usize) -> PathBuf {
        let Entry { folder, name, .. } = &self.files[place];
        self.folders[*folder as usize].join(&**name)
    }

    fn read<'a>(&'a self, place: usize, buffer: &'a mut Vec<u8>) -> Result<Stored<'a>> {
        let path = self.path(place);
        read_file(&path, buffer).map_err(|why| Error::Image { path, why })?;
        Ok(Stored::File(buffer))
    }
}

/// A whole image file into `buffer`.
pub(in crate::data) fn read_file(path: &Path, buffer: &mut Vec<u8>) -> Result<(), String> {
    buffer.clear();
    let mut read = || File::open(path)?.take(MAX_FILE + 1).read_to_end(buffer);
    match read() {
        Err(e) => Err(format!("cannot be read: {e}")),
        Ok(bytes) if bytes as u64 > MAX_FILE => Err(format!("larger than {MAX_FILE} bytes, the limit of an image")),
        Ok(_) => Ok(()),
    }
}

/// The images of `root`'s `split`; the class folders are the classes. Links are followed.
///
/// # Errors
/// [`Error::Data`] where the folder is missing, empty or without the split, where a training class has no image or is
/// the only one, and where a class name is not UTF-8.
pub(super) fn open(root: &Path, split: Split) -> Result<DataSet> {
    let base = base(root);
    let folder = split_folder(&base, split)?;
    let kind = if base == root { "class folders" } else { "class folders as Kaggle has them" };
    if split != Split::Train && class_folders(&folder)?.is_empty() {
        return open_flat(root, &base, &folder, split, kind);
    }
    let set = open_classes(root, &folder, split, kind)?;
    let words = words(&base, root)?;
    Ok(DataSet { class_names: devkit::names(&set.classes, &words), ..set })
}

/// The images of a folder of classes alone, whatever split is asked for.
///
/// # Errors
/// Those of [`open`].
pub(super) fn open_alone(root: &Path, split: Split) -> Result<DataSet> {
    open_classes(root, root, split, "a folder of classes")
}

/// Whether a folder's own folders are classes, not splits.
pub(super) fn is_of_classes(root: &Path) -> Result<bool> {
    let splits = [Split::Train, Split::Val, Split::Test].iter().any(|split| root.join(split.name()).is_dir());
    Ok(!splits && base(root) == root && !class_folders(root)?.is_empty())
}

/// The folder that holds the splits: that of Kaggle's download, else `root` itself.
fn base(root: &Path) -> PathBuf {
    let kaggle = ["ILSVRC/Data/CLS-LOC", "Data/CLS-LOC"].map(|inner| root.join(inner));
    kaggle.into_iter().find(|folder| folder.is_dir()).unwrap_or_else(|| root.to_owned())
}

fn open_classes(root: &Path, folder: &Path, split: Split, kind: &str) -> Result<DataSet> {
    let data = |path: &Path, why: String| Err(Error::Data { path: path.to_owned(), why });
    let (classes, folders): (Vec<_>, Vec<_>) = class_folders(folder)?.into_iter().unzip();
    if classes.is_empty() {
        return data(folder, format!("no class folder in it; {LAYOUT}"));
    }
    if split == Split::Train && classes.len() == 1 {
        let why = format!("one class only (\"{}\"): training needs at least two; {LAYOUT}", classes[0]);
        return data(folder, why);
    }
    let mut images = Vec::new();
    for (class, folder) in folders.iter().enumerate() {
        let files = files(folder)?;
        if files.is_empty() && split == Split::Train {
            let name = &classes[class];
            return data(folder, format!("class \"{name}\" has no image; add JPEG or PNG files or remove the folder"));
        }
        let class = class as u32;
        images.extend(files.into_iter().map(|path| Entry { class, folder: class, name: name_of(&path) }));
    }
    if images.is_empty() {
        return data(folder, format!("no image in it; {LAYOUT}"));
    }
    let store = Arc::new(Folders { folders, files: images });
    Ok(DataSet::new(root, split, kind, classes, store))
}

/// Held-out images side by side in one folder, with their classes in Kaggle's `LOC_val_solution.csv` or a development kit.
fn open_flat(root: &Path, base: &Path, folder: &Path, split: Split, kind: &str) -> Result<DataSet> {
    let data = |path: &Path, why: String| Error::Data { path: path.to_owned(), why };
    let paths = files(folder)?;
    if paths.is_empty() {
        return Err(data(folder, format!("no class folder in it; {LAYOUT}")));
    }
    let names = || paths.iter().map(|path| path.file_name().unwrap_or_default().to_string_lossy());
    let solution = beside(base, "LOC_val_solution.csv").filter(|_| split == Split::Val);
    let (classes, of_image): (Vec<String>, Vec<String>) = if let Some(path) = solution {
        let solution = devkit::solution(&path)?;
        let class = |name: std::borrow::Cow<'_, str>| {
            let class = std::str::from_utf8(stem(name.as_bytes())).ok().and_then(|stem| solution.get(stem)).cloned();
            class.ok_or_else(|| data(&path, format!("it has no line for {name}")))
        };
        let mut classes: Vec<String> = solution.values().cloned().collect();
        classes.sort();
        classes.dedup();
        (classes, names().map(class).collect::<Result<_>>()?)
    } else if let Some(kit) = kit(&[base, folder, root])?.filter(|_| split == Split::Val) {
        let truth = kit.validation(paths.len())?;
        let class = |name: std::borrow::Cow<'_, str>| ilsvrc::class_of(&name, &truth).map(str::to_owned);
        let of_image = names().map(class).collect::<Result<_, _>>().map_err(|why| data(folder, why))?;
        (kit.classes(), of_image)
    } else {
        let why = format!(
            "images without class folders; expected their classes beside them (ILSVRC2012_devkit_t12.tar.gz, or \
             LOC_val_solution.csv from Kaggle), or {} folders for each class",
            split.name()
        );
        return Err(data(folder, why));
    };
    let number = |class: &String| classes.binary_search(class).expect("every class is listed") as u32;
    let entry = |(path, class): (&PathBuf, _)| Entry { class: number(class), folder: 0, name: name_of(path) };
    let files = paths.iter().zip(&of_image).map(entry).collect();
    let words = words(base, root)?;
    let class_names = devkit::names(&classes, &words);
    let store = Arc::new(Folders { folders: vec![folder.to_owned()], files });
    Ok(DataSet { class_names, ..DataSet::new(root, split, kind, classes, store) })
}

/// The readable names of WordNet ids that lie beside the images.
fn words(base: &Path, root: &Path) -> Result<BTreeMap<String, String>> {
    if let Some(path) = beside(base, "LOC_synset_mapping.txt") {
        return devkit::synset_mapping(&path);
    }
    Ok(kit(&[base, root])?.map(|kit| kit.words).unwrap_or_default())
}

/// A file in a folder or in one of the three above it, as Kaggle's lie.
fn beside(folder: &Path, name: &str) -> Option<PathBuf> {
    folder.ancestors().take(4).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// A development kit in one of these folders, as it is downloaded or unpacked.
fn kit(folders: &[&Path]) -> Result<Option<Devkit>> {
    for folder in folders {
        let all = entries(folder)?;
        let unpacked = all.iter().find(|path| path.join("data/meta.mat").is_file());
        // Images may be many; only what is named as an archive is opened to see whether it is a kit.
        let named = |path: &&PathBuf| path.extension().is_some_and(|e| e == "gz" || e == "tgz");
        let packed = all.iter().filter(named).find(|path| content::Content::of(path).is_ok_and(|c| c.is_devkit()));
        if let Some(path) = unpacked.or(packed) {
            return Devkit::open(path).map(Some);
        }
    }
    Ok(None)
}

fn name_of(path: &Path) -> Box<OsStr> {
    path.file_name().unwrap_or_default().into()
}

/// The folder of a split.
fn split_folder(root: &Path, split: Split) -> Result<PathBuf> {
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
    Ok(folder)
}

/// The folders in a folder, by name.
fn class_folders(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let data = |path: &Path, why: String| Error::Data { path: path.to_owned(), why };
    let mut classes = Vec::new();
    for path in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        match path.file_name().and_then(|name| name.to_str()) {
            Some(name) => classes.push((name.to_owned(), path)),
            None => return Err(data(&path, "the name of a class folder must be UTF-8; rename it".into())),
        }
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

/// What is in a folder but what is hidden, by name as bytes.
pub(in crate::data) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
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
