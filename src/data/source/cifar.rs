//! CIFAR-10, the binary version: records of a label and 32 × 32 pixels, red, green and blue planes.
//!
//! `data_batch_1.bin` … `data_batch_5.bin` train, `test_batch.bin` is held out; `batches.meta.txt` names the classes. In
//! a folder or in the tar.gz as it is downloaded.

use super::archive::{Forward, Walk};
use super::archived::file_name;
use super::{DataSet, Split, Store, Stored};
use crate::error::{Error, Result};
use flate2::read::GzDecoder;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Side of an image in pixels.
const SIDE: usize = 32;
/// Bytes of a colour of an image.
const PLANE: usize = SIDE * SIDE;
/// Bytes of a record.
pub(super) const RECORD: u64 = 1 + 3 * PLANE as u64;
/// Most bytes of all batches; CIFAR-10 has 184 million.
const MAX_BYTES: u64 = 1 << 28;
/// The classes in their order, where no `batches.meta.txt` says it.
const CLASSES: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
const NAMES: &str = "batches.meta.txt";

/// The records of a split, in memory.
#[derive(Debug)]
struct Records {
    source: PathBuf,
    /// By number: name of the image, for messages and the canonical order.
    names: Vec<Box<str>>,
    /// `[N, RECORD]`
    bytes: Vec<u8>,
}

impl Records {
    fn record(&self, place: usize) -> &[u8] {
        &self.bytes[place * RECORD as usize..][..RECORD as usize]
    }
}

impl Store for Records {
    fn len(&self) -> usize {
        self.names.len()
    }

    fn class(&self, place: usize) -> u32 {
        self.record(place)[0].into()
    }

    fn name(&self, place: usize) -> &[u8] {
        self.names[place].as_bytes()
    }

    fn bytes(&self, _: usize) -> u64 {
        RECORD
    }

    fn path(&self, place: usize) -> PathBuf {
        self.source.join(&*self.names[place])
    }

    fn read<'a>(&'a self, place: usize, buffer: &'a mut Vec<u8>) -> Result<Stored<'a>> {
        let planes = &self.record(place)[1..];
        buffer.clear();
        buffer.extend((0..PLANE).flat_map(|i| [planes[i], planes[PLANE + i], planes[2 * PLANE + i]]));
        Ok(Stored::Square { size: SIDE, rgb: buffer })
    }
}

/// Whether a file's first records, of the right length altogether, have labels of ten classes.
pub(super) fn is_records<R: Read + Seek>(file: &mut R) -> bool {
    let mut labels = (0..16).map_while(|record| {
        let mut label = [0];
        file.seek(SeekFrom::Start(record * RECORD)).ok()?;
        file.read_exact(&mut label).ok()?;
        Some(label[0])
    });
    labels.next().is_some_and(|l| l < 10) && labels.all(|l| l < 10)
}

/// The images of one split: `test_batch.bin` is both what is held out to validate and to test.
///
/// # Errors
/// [`Error::Data`] where batches are missing or damaged.
pub(super) fn open(source: &Path, split: Split) -> Result<DataSet> {
    let error = |why: String| Error::Data { path: source.to_owned(), why };
    let (batches, names) = if source.is_dir() { of_folder(source, split)? } else { of_archive(source, split)? };
    if batches.is_empty() {
        let (batch, count) =
            if split == Split::Train { ("data_batch_1.bin", "five") } else { ("test_batch.bin", "one") };
        return Err(error(format!(
            "no {batch} in it; expected the binary version of CIFAR-10, {count} of these files"
        )));
    }
    let classes = match names {
        Some(text) => text.split_whitespace().map(str::to_owned).collect(),
        None => CLASSES.map(str::to_owned).to_vec(),
    };
    let mut records = Records { source: source.to_owned(), names: Vec::new(), bytes: Vec::new() };
    for (name, bytes) in batches {
        parse(&mut records, &name, &bytes, classes.len()).map_err(|why| error(format!("{name}: {why}")))?;
    }
    Ok(DataSet::new(source, split, "CIFAR-10, binary version", classes, Arc::new(records)))
}

/// Adds the records of a batch.
fn parse(records: &mut Records, name: &str, bytes: &[u8], classes: usize) -> Result<(), String> {
    let (all, rest) = (bytes.chunks_exact(RECORD as usize), bytes.len() as u64 % RECORD);
    if bytes.is_empty() || rest != 0 {
        let length = bytes.len();
        return Err(format!("{length} bytes are no whole number of records of {RECORD}; copy the file again"));
    }
    for (number, record) in all.enumerate() {
        if usize::from(record[0]) >= classes {
            return Err(format!("record {number} has label {}, but there are {classes} classes", record[0]));
        }
        let batch = name.strip_suffix(".bin").unwrap_or(name);
        records.names.push(format!("{batch}_{number:05}").into());
    }
    records.bytes.extend_from_slice(bytes);
    Ok(())
}

/// Whether a file of this name holds images of the split.
fn is_batch(name: &str, split: Split) -> bool {
    let begins = if split == Split::Train { "data_batch" } else { "test_batch" };
    name.starts_with(begins) && name.ends_with(".bin")
}

/// Batches by name, and the text of the class names.
type Parts = (Vec<(String, Vec<u8>)>, Option<String>);

fn of_folder(folder: &Path, split: Split) -> Result<Parts> {
    let (mut batches, mut names) = (Vec::new(), None);
    for path in super::folder::entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == NAMES {
            names = Some(fs::read_to_string(&path).map_err(Error::io(&path))?);
        } else if is_batch(&name, split) {
            let mut bytes = Vec::new();
            let read = File::open(&path).and_then(|f| f.take(MAX_BYTES).read_to_end(&mut bytes));
            read.map_err(Error::io(&path))?;
            batches.push((name, bytes));
        }
    }
    Ok((batches, names))
}

fn of_archive(path: &Path, split: Split) -> Result<Parts> {
    let error = |why: String| Error::Data { path: path.to_owned(), why };
    let stream = GzDecoder::new(File::open(path).map_err(Error::io(path))?).take(MAX_BYTES);
    let (mut stream, mut walk) = (Forward::new(stream), Walk::new(0, u64::MAX));
    let (mut batches, mut names) = (Vec::new(), None);
    while let Some(member) = walk.next(&mut stream).map_err(error)? {
        let name = file_name(&member.name).to_owned();
        if name != NAMES && !is_batch(&name, split) {
            continue;
        }
        let mut bytes = Vec::new();
        let read = stream.by_ref().take(member.length).read_to_end(&mut bytes);
        if read.map_err(|e| error(format!("{name}: {e}")))? as u64 != member.length {
            return Err(error(format!("{name} is cut short; copy the archive again")));
        }
        match name == NAMES {
            true => names = Some(String::from_utf8_lossy(&bytes).into_owned()),
            false => batches.push((name, bytes)),
        }
    }
    batches.sort();
    Ok((batches, names))
}

/// For the fuzzer: reads `bytes` as a batch.
pub(crate) fn fuzz(bytes: &[u8]) {
    let mut records = Records { source: PathBuf::new(), names: Vec::new(), bytes: Vec::new() };
    if parse(&mut records, "data_batch_1.bin", bytes, CLASSES.len()).is_ok() {
        let mut buffer = Vec::new();
        for place in 0..records.len() {
            assert!(records.class(place) < 10);
            assert!(records.read(place, &mut buffer).is_ok());
        }
    }
}
