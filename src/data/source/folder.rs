//! Class folders: `DATA/train/CLASS/*` and `DATA/val/CLASS/*`.

use super::{DataSet, Split, Store, Stored};
use crate::error::{Error, Result};
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
    /// By class.
    folders: Vec<PathBuf>,
    /// Class and file name.
    files: Vec<(u32, Box<OsStr>)>,
}

impl Store for Folders {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn class(&self, place: usize) -> u32 {
        self.files[place].0
    }

    fn name(&self, place: usize) -> &[u8] {
        self.files[place].1.as_encoded_bytes()
    }

    fn bytes(&self, place: usize) -> u64 {
        fs::metadata(self.path(place)).map_or(0, |m| m.len())
    }

    fn path(&self, place: usize) -> PathBuf {
        let (class, name) = &self.files[place];
        self.folders[*class as usize].join(&**name)
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
    let folders = class_folders(root, split)?;
    let data = |path: &Path, why: String| Err(Error::Data { path: path.to_owned(), why });
    let (classes, folders): (Vec<_>, Vec<_>) = folders.into_iter().unzip();
    if split == Split::Train && classes.len() == 1 {
        let why = format!("one class only (\"{}\"): training needs at least two; {LAYOUT}", classes[0]);
        return data(&root.join(split.name()), why);
    }
    let mut images = Vec::new();
    for (class, folder) in folders.iter().enumerate() {
        let files = files(folder)?;
        if files.is_empty() && split == Split::Train {
            let name = &classes[class];
            return data(folder, format!("class \"{name}\" has no image; add JPEG or PNG files or remove the folder"));
        }
        let name = |path: PathBuf| path.file_name().unwrap_or_default().into();
        images.extend(files.into_iter().map(|path| (class as u32, name(path))));
    }
    if images.is_empty() {
        return data(&root.join(split.name()), format!("no image in it; {LAYOUT}"));
    }
    let store = Arc::new(Folders { folders, files: images });
    Ok(DataSet::new(root, split, "class folders", classes, store))
}

/// The class folders of `root`'s `split` by name; at least one.
fn class_folders(root: &Path, split: Split) -> Result<Vec<(String, PathBuf)>> {
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
    let mut classes = Vec::new();
    for path in entries(&folder)?.into_iter().filter(|path| path.is_dir()) {
        match path.file_name().and_then(|name| name.to_str()) {
            Some(name) => classes.push((name.to_owned(), path)),
            None => return Err(data(&path, "the name of a class folder must be UTF-8; rename it".into())),
        }
    }
    if classes.is_empty() {
        return Err(data(&folder, format!("no class folder in it; {LAYOUT}")));
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

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
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
