//! TFRecord: a length, the bytes, and a check sum of each.

use crate::error::{Error, Result};
use std::fs::OpenOptions;
use std::io::{BufReader, Read};
use std::path::Path;

/// Longer than any record of ours: a length above it is no length.
const LONGEST: u64 = 1 << 30;

/// `bytes` as a record.
pub(super) fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), bytes, &masked(bytes)].concat()
}

/// Cuts the file `path` before its first record that `keep` refuses, or that is not whole.
pub(super) fn keep(path: &Path, mut keep: impl FnMut(&[u8]) -> bool) -> Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(Error::io(path))?;
    let mut reader = BufReader::new(&file);
    let mut kept = 0;
    while let Some(bytes) = next(&mut reader)
        && keep(&bytes)
    {
        kept += 16 + bytes.len() as u64;
    }
    if kept < file.metadata().map_err(Error::io(path))?.len() {
        file.set_len(kept).map_err(Error::io(path))?;
    }
    Ok(())
}

/// The next record; `None` where there is no whole one.
fn next(reader: &mut impl Read) -> Option<Vec<u8>> {
    let (mut length, mut sum) = ([0; 8], [0; 4]);
    reader.read_exact(&mut length).ok()?;
    reader.read_exact(&mut sum).ok()?;
    let size = u64::from_le_bytes(length);
    if sum != masked(&length) || size > LONGEST {
        return None;
    }
    let mut bytes = vec![0; size as usize];
    reader.read_exact(&mut bytes).ok()?;
    reader.read_exact(&mut sum).ok()?;
    (sum == masked(&bytes)).then_some(bytes)
}

/// CRC-32C, turned and shifted, so that sums of sums stay sound.
fn masked(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_tensorflows() {
        // By masked_crc32c of the tensorboard package 2.21.0.
        let record = framed(b"abc");
        assert_eq!(record, [3, 0, 0, 0, 0, 0, 0, 0, 176, 153, 73, 14, 97, 98, 99, 110, 87, 241, 33]);
        assert_eq!(next(&mut &record[..]).unwrap(), b"abc");
        let mut broken = record.clone();
        broken[13] ^= 1;
        assert_eq!(next(&mut &broken[..]), None);
    }
}
