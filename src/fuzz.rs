//! The parsers of what others made, as fuzzers call them: no input may make one panic, or take memory without bound.
//! `fuzz/` runs them under cargo-fuzz, `tests/fuzz.rs` on seeded inputs.

use crate::data::decode::Decoder;
use crate::data::prepared::{self, Manifest};
use crate::data::source::fuzz;
use crate::data::{Exif, Stored};
use crate::features::Features;
use crate::weights;
use std::path::Path;

/// An archive's headers, and the same bytes as a kept index.
pub fn archive(bytes: &[u8]) {
    fuzz::archive(bytes);
}

/// A development kit's `meta.mat`.
pub fn mat(bytes: &[u8]) {
    fuzz::mat(bytes);
}

/// A batch of CIFAR-10.
pub fn cifar(bytes: &[u8]) {
    fuzz::cifar(bytes);
}

/// A shard's samples and labels.
pub fn webdataset(bytes: &[u8]) {
    fuzz::webdataset(bytes);
}

/// The manifest of a prepared set.
pub fn manifest(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Manifest::parse(text);
    }
}

/// The tables of a prepared set's shards.
pub fn shards(bytes: &[u8]) {
    prepared::fuzz(bytes);
}

/// A file of features; it is put into the folder for temporary files.
pub fn features(bytes: &[u8]) {
    let path = std::env::temp_dir().join(format!("alexnet-fuzz-{}.safetensors", std::process::id()));
    std::fs::write(&path, bytes).expect("a temporary file can be written");
    let _ = Features::open(&path);
    std::fs::remove_file(&path).expect("it was written");
}

/// A weights file.
pub fn weights(bytes: &[u8]) {
    let _ = weights::file::parse(Path::new("weights.safetensors"), bytes);
}

/// An image file.
pub fn image(bytes: &[u8]) {
    let mut decoder = Decoder::new(Exif::Apply);
    if let Ok(square) = decoder.square(Stored::File(bytes), 16) {
        assert_eq!(square.rgb.len(), 3 * 16 * 16);
    }
}
