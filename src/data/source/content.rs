//! What a file is, by its first bytes.

use super::archive::{BLOCK, Forward, Walk, is_header};
use super::devkit::is_wnid;
use super::webdataset::is_image;
use crate::error::{Error, Result};
use flate2::read::GzDecoder;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Most bytes unpacked to find the first file of a compressed archive.
const MAX_PEEK: u64 = 1 << 24;

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A tar archive, by the first two files in it.
    Tar(Vec<String>),
    /// The same, compressed by gzip.
    TarGz(Vec<String>),
    Parquet,
    /// Records of CIFAR-10's binary version.
    Cifar,
    TfRecord,
    Lmdb,
    Other,
}

/// What an archive is to ILSVRC, by its first file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ilsvrc {
    /// A tar of tars named by WordNet id.
    Train,
    /// One of those.
    Class,
    Val,
    Test,
    /// 2010's images that replace bad ones.
    Patch,
}

impl Content {
    /// What the file at `path` is.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(Error::io(path))?;
        let length = file.metadata().map_err(Error::io(path))?.len();
        let mut head = Vec::new();
        file.by_ref().take(BLOCK).read_to_end(&mut head).map_err(Error::io(path))?;
        if head.starts_with(b"PAR1") {
            return Ok(Self::Parquet);
        }
        if head.starts_with(&[0x1f, 0x8b]) {
            file.seek(SeekFrom::Start(0)).map_err(Error::io(path))?;
            let mut stream = Forward::new(GzDecoder::new(file).take(MAX_PEEK));
            // What cannot be unpacked is no archive of this kind; opening it says why.
            let first = first(&mut Walk::new(0, u64::MAX), &mut stream);
            return Ok(if first.is_empty() { Self::Other } else { Self::TarGz(first) });
        }
        if is_header(&head) {
            return Ok(Self::Tar(first(&mut Walk::new(0, length), &mut file)));
        }
        if is_tfrecord(&head) {
            return Ok(Self::TfRecord);
        }
        if head.get(16..20) == Some(&0xBEEF_C0DE_u32.to_le_bytes()) {
            return Ok(Self::Lmdb);
        }
        if length > 0 && length.is_multiple_of(super::cifar::RECORD) && super::cifar::is_records(&mut file) {
            return Ok(Self::Cifar);
        }
        Ok(Self::Other)
    }

    /// What this is to ILSVRC.
    pub fn ilsvrc(&self) -> Option<Ilsvrc> {
        let Self::Tar(first) = self else { return None };
        // A shard of ILSVRC's images begins like its archive, but its second file is a label.
        let kinds: Vec<_> = first.iter().map(|name| Ilsvrc::of(name)).collect();
        kinds.first().copied().flatten().filter(|&kind| kinds.iter().all(|&k| k == Some(kind)))
    }

    /// Whether it is a development kit as it is downloaded.
    pub fn is_devkit(&self) -> bool {
        matches!(self, Self::TarGz(first) if first.iter().any(|name| name.contains("devkit")))
    }
}

impl Ilsvrc {
    /// What an archive with a file of this name is.
    fn of(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        if path.split('/').any(|folder| folder.starts_with("patch_images")) {
            return Some(Self::Patch);
        }
        if name.strip_suffix(".tar").is_some_and(is_wnid) {
            return Some(Self::Train);
        }
        if !is_image(name) {
            return None;
        }
        let mut parts = name.split('_');
        match (parts.next().unwrap_or_default(), parts.next()) {
            (ilsvrc, Some("val")) if ilsvrc.starts_with("ILSVRC") => Some(Self::Val),
            (ilsvrc, Some("test")) if ilsvrc.starts_with("ILSVRC") => Some(Self::Test),
            (wnid, Some(_)) if is_wnid(wnid) => Some(Self::Class),
            _ => None,
        }
    }
}

/// Names of the first two files of an archive; of as many as can be read.
fn first<R: Read + Seek>(walk: &mut Walk, file: &mut R) -> Vec<String> {
    std::iter::from_fn(|| walk.next(file).ok().flatten()).take(2).map(|member| member.name.into()).collect()
}

/// A TFRecord begins with the length of its first record and a masked CRC-32C of that.
fn is_tfrecord(head: &[u8]) -> bool {
    let (Some(length), Some(check)) = (head.first_chunk::<8>(), head.get(8..12)) else { return false };
    let step = |crc: u32, _| if crc & 1 == 1 { 0x82F6_3B78 ^ (crc >> 1) } else { crc >> 1 };
    let crc = !length.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step));
    crc.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes() == check
}

/// The files of a folder that are not hidden, by name, with what they are; links are followed.
///
/// # Errors
/// The folder or a file in it cannot be read.
pub(super) fn files(folder: &Path) -> Result<Vec<(PathBuf, Content)>> {
    let mut files = Vec::new();
    for path in super::folder::entries(folder)? {
        if fs::metadata(&path).is_ok_and(|m| m.is_file()) {
            let content = Content::of(&path)?;
            files.push((path, content));
        }
    }
    Ok(files)
}
