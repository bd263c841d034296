//! What a source is, from its content.

use super::content::{self, Content};
use super::ilsvrc::Parts;
use super::{DataSet, Options, Split, Watch, cifar, folder, pipe, pipe_command, webdataset};
use crate::data::prepared;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// Most files that a pattern may stand for.
const MAX_FILES: usize = 1 << 20;
/// What is accepted, for messages.
const ACCEPTED: &str = "expected class folders (DATA/train/CLASS/*, DATA/val/CLASS/*), ILSVRC's archives, Kaggle's \
                        ILSVRC, WebDataset shards (a folder or a pattern like 'train-{000..146}.tar'), parquet files, \
                        CIFAR-10's binary version or what `prepare` writes";

/// What a source was found to be.
#[derive(Debug)]
pub(super) enum Found {
    /// A folder with `train`, `val`, or both, and class folders in them.
    Folders,
    /// A folder of classes; it has no splits.
    Classes,
    Ilsvrc(Parts),
    /// Files of shards, and whether their names tell splits apart.
    WebDataset(Files),
    /// Commands whose output is shards.
    Pipe(String),
    Parquet(Files),
    Cifar,
    /// What `prepare` wrote.
    Prepared,
}

/// Files that hold images, and the splits their names tell.
#[derive(Debug)]
pub(super) struct Files {
    paths: Vec<PathBuf>,
}

impl Files {
    /// The split that a file's name begins with, as `train-00001.tar` or `validation-00000-of-00014.parquet` does.
    fn split_of(path: &Path) -> Option<Split> {
        let name = path.file_name()?.to_string_lossy().to_lowercase();
        let begins = |word: &str| name.starts_with(word) || name.contains(&format!("-{word}-"));
        let splits = [("train", Split::Train), ("val", Split::Val), ("test", Split::Test)];
        splits.into_iter().find(|(word, _)| begins(word)).map(|(_, split)| split)
    }

    /// Whether the files are of several splits, as their names say.
    fn have_splits(&self) -> bool {
        let first = self.paths.first().and_then(|p| Self::split_of(p));
        self.paths.iter().any(|p| Self::split_of(p) != first)
    }

    /// The files of a split, or all where they are of one.
    fn of(self, root: &Path, split: Split) -> Result<Vec<PathBuf>> {
        if !self.have_splits() {
            return Ok(self.paths);
        }
        let own: Vec<PathBuf> = self.paths.into_iter().filter(|p| Self::split_of(p) == Some(split)).collect();
        if own.is_empty() {
            let split = split.name();
            let why = format!("no file of the split {split} in it; expected names like {split}-00000");
            return Err(Error::Data { path: root.to_owned(), why });
        }
        Ok(own)
    }
}

impl Found {
    /// Finds out what `source` is.
    ///
    /// # Errors
    /// [`Error::Data`] where it is nothing, or something that has to be converted first.
    pub fn of(source: &Path) -> Result<Self> {
        let error = |why: String| Error::Data { path: source.to_owned(), why };
        if let Some(command) = pipe_command(source) {
            return Ok(Self::Pipe(command.to_owned()));
        }
        if source.is_dir() {
            return Self::of_folder(source);
        }
        let files = if source.is_file() { vec![source.to_owned()] } else { expand(source)? };
        let Some(first) = files.first() else {
            let text = source.to_string_lossy();
            let is_pattern = text.contains(['*', '?', '[', '{']);
            let why = if is_pattern { "no file matches the pattern" } else { "no such folder or file" };
            return Err(error(format!("{why}; {ACCEPTED}")));
        };
        if let Some(missing) = files.iter().find(|file| !file.is_file()) {
            return Err(error(format!("{} is not there", missing.display())));
        }
        let content = Content::of(first)?;
        if Parts::has(first, &content) {
            let folder = first.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            if let Some(parts) = Parts::find(folder, &content::files(folder)?)? {
                return Ok(Self::Ilsvrc(parts));
            }
        }
        match content {
            Content::Tar(_) => Ok(Self::WebDataset(Files { paths: files })),
            Content::Parquet => Ok(Self::Parquet(Files { paths: files })),
            Content::Cifar | Content::TarGz(_) if is_cifar(&content) => Ok(Self::Cifar),
            other => Err(refused(source, &other)),
        }
    }

    fn of_folder(root: &Path) -> Result<Self> {
        if prepared::is_prepared(root) {
            return Ok(Self::Prepared);
        }
        let files = content::files(root)?;
        if let Some(parts) = Parts::find(root, &files)? {
            return Ok(Self::Ilsvrc(parts));
        }
        if files.iter().any(|(_, content)| is_cifar(content)) {
            return Ok(Self::Cifar);
        }
        let mut all = files;
        // Shards by split, and where Hugging Face's files lie.
        for inner in ["data", "train", "val", "validation", "test"].map(|inner| root.join(inner)) {
            if inner.is_dir() && looks_like_shards(&inner)? {
                all.extend(content::files(&inner)?);
            }
        }
        let of = |wanted: fn(&Content) -> bool| -> Vec<PathBuf> {
            all.iter().filter(|(_, content)| wanted(content)).map(|(path, _)| path.clone()).collect()
        };
        let (shards, parquet) = (of(|c| matches!(c, Content::Tar(_))), of(|c| *c == Content::Parquet));
        if !parquet.is_empty() {
            return Ok(Self::Parquet(Files { paths: parquet }));
        }
        if !shards.is_empty() {
            return Ok(Self::WebDataset(Files { paths: shards }));
        }
        match all.iter().find(|(_, content)| matches!(content, Content::TfRecord | Content::Lmdb)) {
            Some((path, content)) => Err(refused(path, content)),
            None if folder::is_of_classes(root)? => Ok(Self::Classes),
            None => Ok(Self::Folders),
        }
    }

    /// Whether `train` and `val` are told apart within the source.
    pub fn has_splits(&self) -> bool {
        match self {
            Self::Folders | Self::Ilsvrc(_) | Self::Cifar | Self::Prepared => true,
            Self::Classes | Self::Pipe(_) => false,
            Self::WebDataset(files) | Self::Parquet(files) => files.have_splits(),
        }
    }

    /// The images of one split.
    pub fn open(self, source: &Path, split: Split, options: &Options, watch: &mut dyn Watch) -> Result<DataSet> {
        match self {
            Self::Folders => folder::open(source, split),
            Self::Classes => folder::open_alone(source, split),
            Self::Ilsvrc(parts) => parts.open(split, watch),
            Self::WebDataset(files) => webdataset::open(source, &files.of(source, split)?, split, options, watch),
            Self::Parquet(files) => super::parquet::open(source, &files.of(source, split)?, split, options, watch),
            Self::Pipe(command) => pipe::open(source, &command, split, options, watch),
            Self::Cifar => cifar::open(source, split),
            Self::Prepared => prepared::open(source, split),
        }
    }
}

fn is_cifar(content: &Content) -> bool {
    match content {
        Content::Cifar => true,
        Content::TarGz(first) => first.iter().any(|name| name.contains("cifar-10-batches-bin")),
        _ => false,
    }
}

/// Whether a folder's first files have a shard among them: one with thousands of images is not read through.
fn looks_like_shards(folder: &Path) -> Result<bool> {
    for path in folder::entries(folder)?.iter().filter(|path| path.is_file()).take(8) {
        if matches!(Content::of(path)?, Content::Tar(_) | Content::Parquet | Content::TfRecord) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Why a file is no source, and what to do.
fn refused(path: &Path, content: &Content) -> Error {
    let why = match content {
        Content::TfRecord => {
            "TFRecord files are not read; convert them to class folders or WebDataset, in Python with \
             tf.data.TFRecordDataset and webdataset.TarWriter, or get the data in another form"
                .to_owned()
        }
        Content::Lmdb => "an LMDB is not read; convert it to class folders or WebDataset, in Python with \
                          lmdb.open(…).begin().cursor() and webdataset.TarWriter, or get the data in another form"
            .to_owned(),
        _ => format!("not a source of images; {ACCEPTED}"),
    };
    Error::Data { path: path.to_owned(), why }
}

/// The files a pattern stands for, by name: `{000..146}` counts, `{a,b}` lists, `*`, `?` and `[…]` match.
fn expand(pattern: &Path) -> Result<Vec<PathBuf>> {
    let error = |why: String| Error::Data { path: pattern.to_owned(), why };
    let Some(text) = pattern.to_str() else { return Ok(Vec::new()) };
    let mut files = Vec::new();
    for text in braces(text).map_err(error)? {
        if !text.contains(['*', '?', '[']) {
            // Without wildcards every file is meant: one that is missing is an error, but not of a plain path.
            if text != pattern.to_string_lossy() {
                files.push(PathBuf::from(text));
            }
            continue;
        }
        let matches = glob::glob(&text).map_err(|e| error(e.to_string()))?;
        let hidden = |path: &PathBuf| path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
        let mut found: Vec<PathBuf> = matches.flatten().filter(|p| !hidden(p) && p.is_file()).collect();
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

/// The texts that braces stand for.
pub(super) fn braces(text: &str) -> Result<Vec<String>, String> {
    let mut all = vec![String::new()];
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (inside, after) = after.split_once('}').ok_or("a { without its }")?;
        let range = inside.split_once("..").and_then(|(a, b)| {
            let (first, last): (u64, u64) = (a.parse().ok()?, b.parse().ok()?);
            Some((first, last, a.len()))
        });
        let options: Vec<String> = match range {
            Some((first, last, _)) if first > last || last - first >= MAX_FILES as u64 => {
                return Err(format!("{{{inside}}} is no range of numbers"));
            }
            Some((first, last, width)) => (first..=last).map(|n| format!("{n:0width$}")).collect(),
            None => inside.split(',').map(str::to_owned).collect(),
        };
        if all.len() * options.len() > MAX_FILES {
            return Err(format!("more than {MAX_FILES} files"));
        }
        all = all.iter().flat_map(|head| options.iter().map(move |o| format!("{head}{before}{o}"))).collect();
        rest = after;
    }
    Ok(all.into_iter().map(|head| head + rest).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_count_and_list() {
        assert_eq!(braces("a-{08..11}.tar").unwrap(), ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]);
        assert_eq!(braces("{x,y}/{1..2}").unwrap(), ["x/1", "x/2", "y/1", "y/2"]);
        assert_eq!(braces("plain").unwrap(), ["plain"]);
        assert!(braces("{2..1}").is_err() && braces("{0..99999999}").is_err() && braces("{1").is_err());
    }
}
