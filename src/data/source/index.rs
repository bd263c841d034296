//! The index of an archive: what its headers say, kept beside it so that they are walked once.
//!
//! A line of JSON that says which archive it is of, then one a file: `[offset, length, name, text or null]`. It belongs to an archive
//! of the same size and time, whose headers (sixteen of them) are the same bytes. Where the archive's folder cannot be
//! written it lies in the user's cache folder.

use super::archive::{self, BLOCK, Member, Members, Odd};
use super::{Fnv, Watch};
use crate::durable;
use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Version of the format; another one is made again.
const VERSION: u32 = 1;
/// Headers that are compared, evenly over the archive.
const SAMPLES: usize = 16;
/// Files after which progress is told.
const PAUSE: usize = 1 << 12;

/// What an archive holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// Its files in the order it holds them.
    pub members: Members,
    /// What was passed over.
    pub odd: Odd,
}

/// First line: which archive an index is of.
#[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Key {
    version: u32,
    bytes: u64,
    /// Nanoseconds since 1970.
    modified: u64,
    members: usize,
    /// Hash of sixteen headers.
    headers: String,
    odd: Odd,
}

/// The index of the archive at `path`: the one kept with it, else one made now and kept.
///
/// # Errors
/// [`Error::Data`] where the archive is damaged or none, with what is wrong and where.
pub(super) fn open(path: &Path, watch: &mut dyn Watch) -> Result<Index> {
    let data = |why: String| Error::Data { path: path.to_owned(), why };
    let mut file = File::open(path).map_err(|e| data(format!("cannot be read: {e}")))?;
    let meta = file.metadata().map_err(Error::io(path))?;
    let modified = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    let identity = (meta.len(), modified.map_or(0, |t| t.as_nanos() as u64));
    let places = places(path);
    for kept in places.iter().filter(|p| p.is_file()) {
        match read(kept, identity, &mut file) {
            Ok(index) => return Ok(index),
            Err(why) => watch.note(&format!("{}: {why}; made again", kept.display())),
        }
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (members, odd) = archive::members(&mut file, meta.len(), |count, at| {
        if count % PAUSE == 0 {
            let text = format!("index of {name}: {count} files, {} of {} MB", at >> 20, meta.len() >> 20);
            watch.progress(&text, at, meta.len());
        }
    })
    .map_err(data)?;
    let index = Index { members, odd };
    keep(&index, identity, &mut file, &places, watch);
    Ok(index)
}

/// Where the index of an archive may lie: beside it, or in the cache folder.
fn places(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut places = vec![path.with_file_name(format!(".{name}.index"))];
    let whole = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut hash = Fnv::default();
    hash.field(whole.as_os_str().as_encoded_bytes());
    places.extend(cache_folder().map(|folder| folder.join(format!("{name}-{:016x}.index", hash.0))));
    places
}

/// The user's folder for what can be made again, `alexnet` in it.
pub(in crate::data) fn cache_folder() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME").or_else(|| match std::env::consts::OS {
        "windows" => variable("LOCALAPPDATA"),
        "macos" => Some(variable("HOME")?.join("Library/Caches")),
        _ => Some(variable("HOME")?.join(".cache")),
    });
    Some(cache?.join("alexnet"))
}

/// An index kept before, if it is of this archive; else why not.
fn read<R: Read + Seek>(kept: &Path, (bytes, modified): (u64, u64), archive: &mut R) -> Result<Index, String> {
    let file = File::open(kept).map_err(|e| format!("the index cannot be read: {e}"))?;
    let (key, index) = parse(BufReader::with_capacity(1 << 16, file), bytes)?;
    if (key.bytes, key.modified) != (bytes, modified) {
        return Err("the index is of another archive, by size or time".to_owned());
    }
    if key.headers != headers(&index.members, archive)? {
        return Err("the index is of another archive, by its headers".to_owned());
    }
    Ok(index)
}

/// The lines of an index, of an archive of `bytes` bytes.
fn parse(mut lines: impl BufRead, bytes: u64) -> Result<(Key, Index), String> {
    let bad = |e: &dyn std::fmt::Display| format!("not an index ({e})");
    let mut line = String::new();
    lines.by_ref().take(1 << 16).read_line(&mut line).map_err(|e| bad(&e))?;
    let key: Key = serde_json::from_str(&line).map_err(|e| bad(&e))?;
    if key.version != VERSION {
        return Err(format!("the index has version {}", key.version));
    }
    let mut members = Members::default();
    loop {
        line.clear();
        if lines.by_ref().take(2 << 20).read_line(&mut line).map_err(|e| bad(&e))? == 0 {
            break;
        }
        let line = serde_json::from_str(&line).map_err(|e| bad(&e))?;
        let (offset, length, name, text): (u64, u64, Box<str>, Option<Box<str>>) = line;
        let text = text.as_deref().unwrap_or_default();
        if offset < BLOCK || offset.checked_add(length).is_none_or(|end| end > bytes) {
            return Err(format!("the index has {name} where the archive has ended"));
        }
        members.push(Member { name: &name, offset, length, text })?;
    }
    if members.len() != key.members {
        return Err(format!("the index has {} files instead of {}", members.len(), key.members));
    }
    let odd = key.odd.clone();
    Ok((key, Index { members, odd }))
}

/// Hash of the blocks before sixteen members, which are their headers.
fn headers<R: Read + Seek>(members: &Members, archive: &mut R) -> Result<String, String> {
    let mut hash = Fnv::default();
    let mut block = [0; BLOCK as usize];
    let samples = SAMPLES.min(members.len());
    for sample in 0..samples {
        let offset = members.get(sample * (members.len() - 1) / (samples - 1).max(1)).offset - BLOCK;
        let read = archive.seek(SeekFrom::Start(offset)).and_then(|_| archive.read_exact(&mut block));
        read.map_err(|e| format!("cannot be read at byte {offset}: {e}"))?;
        hash.field(&block);
    }
    Ok(format!("{:016x}", hash.0))
}

/// Writes the index to the first place that takes it.
fn keep(index: &Index, identity: (u64, u64), archive: &mut File, places: &[PathBuf], watch: &mut dyn Watch) {
    let Ok(headers) = headers(&index.members, archive) else { return };
    let (bytes, modified) = identity;
    let odd = index.odd.clone();
    let key = Key { version: VERSION, bytes, modified, members: index.members.len(), headers, odd };
    let mut failed = None;
    for place in places {
        let made = place.parent().map_or(Ok(()), fs::create_dir_all).map_err(Error::io(place));
        let written = made.and_then(|()| {
            durable::write_with(place, |out| {
                serde_json::to_writer(&mut *out, &key)?;
                for Member { name, offset, length, text } in index.members.iter() {
                    let text = Some(text).filter(|text| !text.is_empty());
                    out.write_all(b"\n")?;
                    serde_json::to_writer(&mut *out, &(offset, length, name, text))?;
                }
                out.write_all(b"\n")
            })
        });
        match written {
            Ok(()) => return,
            Err(e) => failed = Some(e),
        }
    }
    if let Some(e) = failed {
        watch.note(&format!("the index cannot be kept and is made again each time: {e}"));
    }
}

/// For the fuzzer: reads `bytes` as an archive, and as the index of one.
pub(crate) fn fuzz(bytes: &[u8]) {
    let end = bytes.len() as u64;
    if let Ok((members, _)) = archive::members(&mut std::io::Cursor::new(bytes), end, |_, _| {}) {
        assert!(members.iter().all(|m| m.offset >= BLOCK && m.offset + m.length <= end), "{members:?}");
    }
    if let Ok((_, index)) = parse(bytes, 1 << 40) {
        let _ = headers(&index.members, &mut std::io::Cursor::new(bytes));
    }
}
