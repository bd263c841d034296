//! Reading a prepared set again, against its manifest.

use crate::data::prepared::{self, Manifest, STATS};
use crate::error::{Error, Result};
use crc32fast::Hasher;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Reads every file of the set in `folder`; returns what is wrong, a line each. `progress` is told the bytes read and
/// all there are.
///
/// # Errors
/// [`Error::Data`] where the manifest itself cannot be read.
pub fn verify(folder: &Path, mut progress: impl FnMut(u64, u64)) -> Result<Vec<String>> {
    let manifest = Manifest::read(folder)?;
    let shards: Vec<_> = manifest.splits.values().flat_map(|part| &part.shards).collect();
    let all = shards.iter().map(|shard| shard.bytes).sum();
    let mut wrong = Vec::new();
    let mut done = 0;
    for shard in shards {
        let path = folder.join(&shard.file);
        let found = prepared::check_size(folder, shard).and_then(|()| crc32(&path));
        match found {
            Err(e) => wrong.push(e.to_string()),
            Ok(found) if found != shard.crc32 => {
                wrong.push(format!("{}: checksum {found}, the manifest says {}", path.display(), shard.crc32));
            }
            Ok(_) => {}
        }
        done += shard.bytes;
        progress(done, all);
    }
    match (&manifest.stats, crc32(&folder.join(STATS))) {
        (_, Err(e)) => wrong.push(e.to_string()),
        (Some(stats), Ok(found)) if found != stats.crc32 => {
            let path = folder.join(STATS);
            wrong.push(format!("{}: checksum {found}, the manifest says {}", path.display(), stats.crc32));
        }
        (Some(_), Ok(_)) => {}
        (None, Ok(_)) => wrong.push(format!("{}: the manifest has no statistics", folder.display())),
    }
    // Tables and classes, too.
    for split in [crate::data::Split::Train, crate::data::Split::Val] {
        if wrong.is_empty() && manifest.splits.contains_key(split.name()) {
            wrong.extend(prepared::open(folder, split).err().map(|e| e.to_string()));
        }
    }
    Ok(wrong)
}

/// CRC-32 of a file, hexadecimal.
pub(super) fn crc32(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(Error::io(path))?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(Error::io(path))? {
            0 => return Ok(format!("{:08x}", hasher.finalize())),
            read => hasher.update(&buffer[..read]),
        }
    }
}
