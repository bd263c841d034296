//! Some images of a shard, decoded by one thread.

use crate::data::prepared::{Form, Settings, Subsampling};
use crate::data::source::Reader;
use crate::data::{DataSet, SquareRef};
use crate::error::{Error, Result};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Images of a chunk.
pub(super) const IMAGES: usize = 16;

/// Consecutive images of a source, but for those that could not be read.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// Numbers in the source.
    pub numbers: Vec<usize>,
    /// What could not be read, by number.
    pub bad: Vec<(usize, Error)>,
    /// `[images, size, size, 3]`; may be longer.
    squares: Vec<u8>,
    /// JPEG files, one after the other.
    files: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Chunk {
    /// Image `image` of the chunk.
    pub fn square(&self, image: usize, size: usize) -> SquareRef<'_> {
        let len = 3 * size * size;
        SquareRef { size, rgb: &self.squares[image * len..][..len] }
    }

    /// Image `image` as its form stores it.
    pub fn stored(&self, image: usize, settings: &Settings) -> &[u8] {
        if settings.form == Form::Raw {
            return self.square(image, settings.size).rgb;
        }
        let start = if image == 0 { 0 } else { self.ends[image - 1] };
        &self.files[start..self.ends[image]]
    }

    fn push(&mut self, number: usize, square: SquareRef, settings: &Settings) {
        let start = self.numbers.len() * square.rgb.len();
        let end = start + square.rgb.len();
        if self.squares.len() < end {
            self.squares.resize(end, 0);
        }
        self.squares[start..end].copy_from_slice(square.rgb);
        self.numbers.push(number);
        if settings.form != Form::Raw {
            encode(square, settings, &mut self.files);
            self.ends.push(self.files.len());
        }
    }
}

/// Makes the chunks of a split.
pub(super) struct Maker {
    set: Arc<DataSet>,
    settings: Settings,
    reader: Reader,
}

impl Maker {
    pub fn new(set: Arc<DataSet>, settings: Settings) -> Self {
        let reader = Reader::new(settings.exif);
        Self { set, settings, reader }
    }

    /// Chunk `index`, counted over all shards; the last of a shard and of the set may be smaller or empty.
    pub fn work(&mut self, index: u64, old: Option<Chunk>, stop: &AtomicBool) -> Option<Chunk> {
        let chunks = self.settings.shard.div_ceil(IMAGES);
        let (shard, place) = (index as usize / chunks, index as usize % chunks * IMAGES);
        let first = shard * self.settings.shard;
        let end = (first + self.settings.shard).min(self.set.len());
        let mut chunk = old.unwrap_or_default();
        chunk.numbers.clear();
        chunk.files.clear();
        chunk.ends.clear();
        for number in (first + place).min(end)..(first + place + IMAGES).min(end) {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            match self.set.square(number, self.settings.size, &mut self.reader) {
                Ok(held) => chunk.push(number, held.square(), &self.settings),
                Err(why) => chunk.bad.push((number, why)),
            }
        }
        Some(chunk)
    }
}

/// Appends a square as a JPEG file.
fn encode(square: SquareRef, settings: &Settings, out: &mut Vec<u8>) {
    let mut encoder = Encoder::new(out, settings.quality);
    encoder.set_sampling_factor(match settings.subsampling {
        Subsampling::None => SamplingFactor::R_4_4_4,
        Subsampling::Across => SamplingFactor::R_4_2_2,
        Subsampling::Both => SamplingFactor::R_4_2_0,
    });
    let side = square.size as u16;
    encoder.encode(square.rgb, side, side, ColorType::Rgb).expect("a square of at most 16,384 pixels can be encoded");
}

/// Mean size of some images as JPEGs, evenly from the whole set.
pub(super) fn mean_bytes(set: &DataSet, settings: &Settings, sample: usize) -> Result<u64> {
    let mut reader = Reader::new(settings.exif);
    let mut file = Vec::new();
    let (mut bytes, mut images) = (0, 0);
    for number in (0..set.len()).step_by(set.len().div_ceil(sample).max(1)) {
        match set.square(number, settings.size, &mut reader) {
            Ok(held) => {
                file.clear();
                encode(held.square(), settings, &mut file);
                bytes += file.len() as u64;
                images += 1;
            }
            Err(Error::Image { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(bytes / u64::from(images.max(1u32)))
}
