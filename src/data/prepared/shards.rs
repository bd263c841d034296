//! The images of a prepared set, read where they lie in its shards.

use super::{Form, Part, Settings, Shard};
use crate::data::source::{Store, Stored};
use crate::error::{Error, Result};
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Files kept open; those of a larger set are opened for each image.
const OPEN_FILES: usize = 512;

/// One image in the shards.
#[derive(Clone, Copy, Debug)]
struct Place {
    shard: u32,
    class: u32,
    start: u64,
    bytes: u32,
}

/// Shards that are read in place.
#[derive(Debug)]
pub(super) struct Shards {
    /// Side of the squares.
    side: usize,
    form: Form,
    paths: Vec<PathBuf>,
    /// Empty where there are too many.
    files: Vec<OnceLock<File>>,
    places: Vec<Place>,
    /// Each place as ten digits: the order of the set is that of the shards.
    names: Vec<[u8; 10]>,
}

impl Shards {
    pub(super) fn open(folder: &Path, settings: &Settings, part: &Part, classes: usize) -> Result<Self> {
        let mut places = Vec::with_capacity(part.images);
        let mut paths = Vec::with_capacity(part.shards.len());
        for (number, shard) in part.shards.iter().enumerate() {
            let path = folder.join(&shard.file);
            let file = File::open(&path).map_err(Error::io(&path))?;
            let found = match settings.form {
                Form::Raw => raw(&file, shard, settings.size),
                Form::Jpeg => jpegs(&file, shard),
                Form::Webdataset => tar(&file, shard.images),
            };
            let wrong = |why: String| Error::Data { path: path.clone(), why: format!("{why}; prepare the set again") };
            let found = found.map_err(wrong)?;
            if let Some((_, _, class)) = found.iter().find(|(_, _, class)| *class as usize >= classes) {
                return Err(wrong(format!("class {class} of an image, but there are {classes}")));
            }
            let place = |(start, bytes, class)| Place { shard: number as u32, class, start, bytes };
            places.extend(found.into_iter().map(place));
            paths.push(path);
        }
        let files = if paths.len() <= OPEN_FILES { paths.len() } else { 0 };
        let digits = |n: usize| -> [u8; 10] {
            let text = format!("{n:010}");
            text.as_bytes()[text.len() - 10..].try_into().expect("ten digits")
        };
        Ok(Self {
            side: settings.size,
            form: settings.form,
            paths,
            files: (0..files).map(|_| OnceLock::new()).collect(),
            names: (0..places.len()).map(digits).collect(),
            places,
        })
    }

    fn fill(&self, place: &Place, buffer: &mut Vec<u8>) -> std::io::Result<()> {
        buffer.resize(place.bytes as usize, 0);
        let path = &self.paths[place.shard as usize];
        match self.files.get(place.shard as usize) {
            None => read_at(&File::open(path)?, buffer, place.start),
            Some(slot) => {
                let file = match slot.get() {
                    Some(file) => file,
                    None => {
                        let file = File::open(path)?;
                        slot.get_or_init(|| file)
                    }
                };
                read_at(file, buffer, place.start)
            }
        }
    }
}

/// (start, bytes, class) of each image of a shard, or what is wrong with it.
type Found = Result<Vec<(u64, u32, u32)>, String>;

/// The last `len` bytes of a shard.
fn tail(file: &File, shard: &Shard, len: usize) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; len];
    let start = shard.bytes.checked_sub(len as u64).ok_or("shorter than its table")?;
    read_at(file, &mut bytes, start).map_err(|e| format!("its table cannot be read: {e}"))?;
    Ok(bytes)
}

fn raw(file: &File, shard: &Shard, size: usize) -> Found {
    let bytes = 3 * size * size;
    let classes = tail(file, shard, 4 * shard.images)?;
    let place = |(i, class): (usize, &[u8])| ((i * bytes) as u64, bytes as u32, word(class));
    Ok(classes.chunks_exact(4).enumerate().map(place).collect())
}

fn jpegs(file: &File, shard: &Shard) -> Found {
    let table = tail(file, shard, 12 * shard.images)?;
    table_of_jpegs(&table, shard.bytes - table.len() as u64)
}

/// What the table behind `data` bytes of JPEGs says: where each ends, then each one's class.
fn table_of_jpegs(table: &[u8], data: u64) -> Found {
    let images = table.len() / 12;
    let (ends, classes) = table.split_at(8 * images);
    let mut start = 0;
    let mut places = Vec::with_capacity(images);
    for (end, class) in ends.chunks_exact(8).zip(classes.chunks_exact(4)) {
        let end = u64::from_le_bytes(end.try_into().expect("eight bytes"));
        let bytes = end.checked_sub(start).and_then(|bytes| u32::try_from(bytes).ok());
        let bytes = bytes.filter(|_| end <= data).ok_or("its table of images is damaged")?;
        places.push((start, bytes, word(class)));
        start = end;
    }
    Ok(places)
}

/// Entries as `prepare` writes them: NUMBER.jpg, then NUMBER.cls.
fn tar<R: Read + Seek>(shard: R, images: usize) -> Found {
    let bad = |e: std::io::Error| format!("not a tar archive as `prepare` writes it: {e}");
    let mut archive = ::tar::Archive::new(std::io::BufReader::new(shard));
    let mut places = Vec::with_capacity(images);
    let mut image = None;
    for entry in archive.entries_with_seek().map_err(bad)? {
        let mut entry = entry.map_err(bad)?;
        match image.take() {
            None => image = Some((entry.raw_file_position(), entry.size())),
            Some((start, bytes)) => {
                let mut text = String::new();
                entry.by_ref().take(16).read_to_string(&mut text).map_err(bad)?;
                let class = text.trim().parse().map_err(|_| format!("the class {text:?} of an image"))?;
                let bytes = u32::try_from(bytes).map_err(|_| "an image of more than 4 GB".to_owned())?;
                places.push((start, bytes, class));
            }
        }
    }
    if places.len() != images {
        return Err(format!("{} images, the manifest says {images}", places.len()));
    }
    Ok(places)
}

/// For the fuzzer: reads `bytes` as a table of JPEGs, and as a shard in WebDataset's form.
pub(crate) fn fuzz(bytes: &[u8]) {
    const DATA: u64 = 1 << 20;
    if let Ok(places) = table_of_jpegs(bytes, DATA) {
        assert!(places.iter().all(|(start, bytes, _)| start + u64::from(*bytes) <= DATA), "{places:?}");
    }
    let _ = tar(std::io::Cursor::new(bytes), bytes.len() / 2048);
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().expect("four bytes"))
}

impl Store for Shards {
    fn len(&self) -> usize {
        self.places.len()
    }

    fn class(&self, place: usize) -> u32 {
        self.places[place].class
    }

    fn name(&self, place: usize) -> &[u8] {
        &self.names[place]
    }

    fn bytes(&self, place: usize) -> u64 {
        self.places[place].bytes.into()
    }

    fn path(&self, place: usize) -> PathBuf {
        let shard = self.places[place].shard;
        let first = self.places.partition_point(|p| p.shard < shard);
        self.paths[shard as usize].join(format!("image {}", place - first))
    }

    fn side(&self) -> Option<usize> {
        Some(self.side)
    }

    fn read<'a>(&'a self, place: usize, buffer: &'a mut Vec<u8>) -> Result<Stored<'a>> {
        let found = &self.places[place];
        if let Err(e) = self.fill(found, buffer) {
            // Not a bad image but a set that was cut short or taken away.
            let path = self.paths[found.shard as usize].clone();
            return Err(Error::Data { path, why: format!("image {place} cannot be read: {e}; copy the shard again") });
        }
        Ok(match self.form {
            Form::Raw => Stored::Square { size: self.side, rgb: buffer },
            Form::Jpeg | Form::Webdataset => Stored::File(buffer),
        })
    }
}

/// Fills `buffer` from `start` on; what lies past the end is an error.
#[cfg(unix)]
pub(crate) fn read_at(file: &File, buffer: &mut [u8], start: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, start)
}

/// Fills `buffer` from `start` on; what lies past the end is an error.
#[cfg(windows)]
pub(crate) fn read_at(file: &File, mut buffer: &mut [u8], mut start: u64) -> std::io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, start)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => {
                buffer = &mut buffer[read..];
                start += read as u64;
            }
        }
    }
    Ok(())
}
