//! Images in archives, read where they lie.

use super::{Store, Stored};
use crate::error::{Error, Result};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

/// Images at known places of some archives.
#[derive(Debug, Default)]
pub(super) struct Archived {
    pub archives: Vec<PathBuf>,
    pub images: Vec<Image>,
}

/// Where an image lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    pub class: u32,
    /// Place in [`Archived::archives`].
    pub archive: u32,
    pub offset: u64,
    pub length: u64,
    /// Path in the archive.
    pub name: Box<str>,
}

impl Store for Archived {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn class(&self, place: usize) -> u32 {
        self.images[place].class
    }

    fn name(&self, place: usize) -> &[u8] {
        file_name(&self.images[place].name).as_bytes()
    }

    fn bytes(&self, place: usize) -> u64 {
        self.images[place].length
    }

    fn path(&self, place: usize) -> PathBuf {
        let image = &self.images[place];
        self.archives[image.archive as usize].join(&*image.name)
    }

    fn read<'a>(&'a self, place: usize, buffer: &'a mut Vec<u8>) -> Result<Stored<'a>> {
        let Image { archive, offset, length, .. } = self.images[place];
        let mut read = || {
            let mut file = File::open(&self.archives[archive as usize])?;
            file.seek(SeekFrom::Start(offset))?;
            buffer.clear();
            file.take(length).read_to_end(buffer)
        };
        let failed = |why: String| Error::Image { path: self.path(place), why };
        let bytes = read().map_err(|e| failed(format!("cannot be read: {e}")))? as u64;
        if bytes < length {
            return Err(failed(format!("the archive was cut short: {bytes} of {length} bytes")));
        }
        Ok(Stored::File(buffer))
    }
}

/// What follows the last folder of a path in an archive.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
