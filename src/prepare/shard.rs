//! One file of a prepared set, written aside and renamed when it is whole.

use crate::data::prepared::{Form, Settings};
use crate::durable;
use crate::error::{Error, Result};
use crc32fast::Hasher;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A shard that is being written. Dropped before [`ShardWriter::finish`], it leaves nothing.
pub(super) struct ShardWriter {
    path: PathBuf,
    aside: PathBuf,
    form: Form,
    out: BufWriter<File>,
    crc32: Hasher,
    bytes: u64,
    /// Where each JPEG ends.
    ends: Vec<u64>,
    classes: Vec<u32>,
    finished: bool,
}

impl ShardWriter {
    /// Begins the shard at `path`.
    pub fn create(path: &Path, settings: &Settings) -> Result<Self> {
        let aside = durable::aside(path);
        let out = BufWriter::with_capacity(1 << 20, File::create(&aside).map_err(Error::io(&aside))?);
        let (path, form) = (path.to_owned(), settings.form);
        let (ends, classes, crc32) = (Vec::new(), Vec::new(), Hasher::new());
        Ok(Self { path, aside, form, out, crc32, bytes: 0, ends, classes, finished: false })
    }

    /// Adds an image.
    pub fn push(&mut self, image: &[u8], number: usize, class: u32) -> Result<()> {
        let written = if self.form == Form::Webdataset {
            let class = class.to_string();
            self.entry(&format!("{number:09}.jpg"), image)
                .and_then(|()| self.entry(&format!("{number:09}.cls"), class.as_bytes()))
        } else {
            self.write(image)
        };
        written.map_err(Error::io(&self.path))?;
        self.ends.push(self.bytes);
        self.classes.push(class);
        Ok(())
    }

    /// Ends the shard: its size and checksum.
    pub fn finish(mut self) -> Result<(u64, u32)> {
        let path = self.path.clone();
        self.seal().map_err(Error::io(&path))?;
        self.finished = true;
        durable::sync_parent(&path)?;
        Ok((self.bytes, std::mem::take(&mut self.crc32).finalize()))
    }

    fn seal(&mut self) -> io::Result<()> {
        let (ends, classes) = (std::mem::take(&mut self.ends), std::mem::take(&mut self.classes));
        if self.form == Form::Jpeg {
            ends.iter().try_for_each(|end| self.write(&end.to_le_bytes()))?;
        }
        match self.form {
            Form::Raw | Form::Jpeg => classes.iter().try_for_each(|class| self.write(&class.to_le_bytes()))?,
            // Two empty blocks.
            Form::Webdataset => self.write(&[0; 1024])?,
        }
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        fs::rename(&self.aside, &self.path)
    }

    /// A file of a tar archive; nothing in it depends on when or by whom it was made.
    fn entry(&mut self, name: &str, contents: &[u8]) -> io::Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_path(name)?;
        header.set_size(contents.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        self.write(header.as_bytes())?;
        self.write(contents)?;
        self.write(&[0; 512][..(512 - contents.len() % 512) % 512])
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.crc32.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

impl Drop for ShardWriter {
    fn drop(&mut self) {
        if !self.finished {
            // The error that led here is the one to report.
            let _ = fs::remove_file(&self.aside);
        }
    }
}
