//! Writing so that a crash leaves the old file or the new one, never a part.

use crate::error::{Error, Result};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Begins the name of everything unfinished.
pub const TMP: &str = ".tmp-";

/// Writes `path` aside, syncs it and renames it.
pub fn write(path: &Path, contents: &[u8]) -> Result<()> {
    write_with(path, |out| out.write_all(contents))
}

/// Like [`write()`], with the contents streamed.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) -> Result<()> {
    try_write_with(path, |out| fill(out).map_err(Error::io(path)))
}

/// Like [`write_with`], where what is streamed may fail for reasons of its own.
pub fn try_write_with(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    let aside = aside(path);
    let written = create_synced(&aside, fill).and_then(|()| fs::rename(&aside, path).map_err(Error::io(path)));
    if written.is_err() {
        // The disk may be full: leave no half file behind. The first error is the one to report.
        let _ = fs::remove_file(&aside);
    }
    written.and_then(|()| sync_parent(path))
}

fn create_synced(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path).map_err(Error::io(path))?);
    fill(&mut out)?;
    let end = out.into_inner().map_err(std::io::IntoInnerError::into_error);
    end.and_then(|file| file.sync_all()).map_err(Error::io(path))
}

/// `.tmp-NAME` beside `path`.
pub fn aside(path: &Path) -> PathBuf {
    let mut name = OsString::from(TMP);
    name.push(path.file_name().unwrap_or_default());
    path.with_file_name(name)
}

/// Makes the entries of a folder last. Windows has no such call and needs none.
pub fn sync_folder(path: &Path) -> Result<()> {
    if cfg!(windows) {
        return Ok(());
    }
    File::open(path).and_then(|folder| folder.sync_all()).map_err(Error::io(path))
}

/// [`sync_folder`] of the folder that holds `path`.
pub fn sync_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        _ => sync_folder(Path::new(".")),
    }
}
