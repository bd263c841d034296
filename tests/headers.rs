//! What a header claims is checked before memory is taken. A test program of its own: it measures the process.

use alexnet::data::{Exif, load};
use image::{ImageFormat, RgbImage};
use std::fs;
use std::io::Cursor;

fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    RgbImage::new(8, 8).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A PNG whose header claims a square of `side` pixels.
fn png(side: u32) -> Vec<u8> {
    let mut png = encoded(ImageFormat::Png);
    png[16..20].copy_from_slice(&side.to_be_bytes());
    png[20..24].copy_from_slice(&side.to_be_bytes());
    let check = crc(&png[12..29]).to_be_bytes();
    png[29..33].copy_from_slice(&check);
    png
}

/// A few bytes whose header claims 60,000 × 60,000 pixels, 10 GB of them, or the most a PNG can claim.
#[test]
fn gigapixel_headers_are_refused() {
    let side = 60_000u16;
    let mut jpeg = encoded(ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 5..frame + 7].copy_from_slice(&side.to_be_bytes());
    jpeg[frame + 7..frame + 9].copy_from_slice(&side.to_be_bytes());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge");
    let cases = [(jpeg, "60000×60000"), (png(side.into()), "60000×60000"), (png(i32::MAX as u32), "too many pixels")];
    for (bytes, why) in cases {
        fs::write(&path, bytes).unwrap();
        let before = peak_memory();
        let error = load(&path, 8, Exif::Apply).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("make it smaller"), "{error}");
        assert!(peak_memory() - before < 64 << 20, "{} bytes", peak_memory() - before);
    }
}

/// PNG's checksum.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

/// Most memory this process has had, in bytes; 0 where the system does not say.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kb| kb << 10)
}
