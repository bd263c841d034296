//! Images in archives, read where they lie.

use super::archive::{Member, Members};
use super::{Store, Stored};
use crate::error::{Error, Result};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Images among the files of some archives.
#[derive(Debug, Default)]
pub(super) struct Archived {
    pub archives: Vec<Archive>,
    pub images: Vec<Image>,
}

/// An archive and what it holds.
#[derive(Debug)]
pub(super) struct Archive {
    pub path: PathBuf,
    pub members: Members,
}

/// Which file an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    pub class: u32,
    /// Place in [`Archived::archives`].
    pub archive: u32,
    /// Place in [`Archive::members`].
    pub member: u32,
}

impl Archived {
    /// Every file of an archive as an image of class 0.
    pub fn add(&mut self, path: &Path, members: Members) {
        let archive = self.archives.len() as u32;
        self.images.extend((0..members.len() as u32).map(|member| Image { class: 0, archive, member }));
        self.archives.push(Archive { path: path.to_owned(), members });
    }

    /// The file that an image is.
    pub fn member(&self, place: usize) -> Member<'_> {
        let Image { archive, member, .. } = self.images[place];
        self.archives[archive as usize].members.get(member as usize)
    }

    /// The archive that an image lies in.
    pub fn archive(&self, place: usize) -> &Path {
        &self.archives[self.images[place].archive as usize].path
    }
}

impl Store for Archived {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn class(&self, place: usize) -> u32 {
        self.images[place].class
    }

    fn name(&self, place: usize) -> &[u8] {
        file_name(self.member(place).name).as_bytes()
    }

    fn bytes(&self, place: usize) -> u64 {
        self.member(place).length
    }

    fn path(&self, place: usize) -> PathBuf {
        self.archive(place).join(self.member(place).name)
    }

    fn read<'a>(&'a self, place: usize, buffer: &'a mut Vec<u8>) -> Result<Stored<'a>> {
        let Member { offset, length, .. } = self.member(place);
        let mut read = || {
            let mut file = File::open(self.archive(place))?;
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
