//! The order of a training run: which image stands at which place of a pass, computed and not stored.

use crate::random::hash;
use std::fmt;
use std::str::FromStr;

/// Order of the training images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Another permutation each pass, a function of (seed, pass); the last batch of a pass may be smaller.
    #[default]
    Shuffled,
    /// The order of the set, wrapping around: every batch is full, and a pass may end within one.
    Sequential,
}

/// Which permutations [`Order::Shuffled`] draws from; in words `full` or `blocks:IMAGES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Shuffle {
    /// All.
    #[default]
    Full,
    /// Those that permute blocks of so many consecutive images, and the images within each: reads stay near each other,
    /// for hard disks and network storage.
    Blocks(u32),
}

impl fmt::Display for Shuffle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shuffle::Full => write!(f, "full"),
            Shuffle::Blocks(images) => write!(f, "blocks:{images}"),
        }
    }
}

impl FromStr for Shuffle {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let blocks = || text.strip_prefix("blocks:")?.parse().ok().filter(|&images| images > 0).map(Shuffle::Blocks);
        let full = (text == "full").then_some(Shuffle::Full);
        full.or_else(blocks).ok_or_else(|| "expected full, or blocks:IMAGES as in blocks:4096".to_owned())
    }
}

impl From<Shuffle> for String {
    fn from(shuffle: Shuffle) -> Self {
        shuffle.to_string()
    }
}

impl TryFrom<String> for Shuffle {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// What tells one permutation from another.
#[derive(Clone, Copy)]
enum Of {
    Images = 1,
    Blocks = 2,
    Slot = 3,
    Block = 4,
}

impl Shuffle {
    /// The image at place `place` of pass `pass` over `images` images.
    pub fn image(self, (seed, pass): (u64, u64), images: usize, place: usize) -> usize {
        let key = |of: Of, number: usize| {
            let halves = [seed, pass, number as u64].map(|w| [w as u32, (w >> 32) as u32]);
            hash(&[&[of as u32], halves.as_flattened()].concat())
        };
        let Shuffle::Blocks(size) = self else {
            return permuted(key(Of::Images, 0), images, place);
        };
        let size = size as usize;
        let (full, rest) = (images / size, images % size);
        // The last block, which may be smaller, takes a place of its own among the others.
        let slot = key(Of::Slot, 0) as usize % (full + 1) * size;
        let (block, within) = match place {
            _ if place < slot => (place / size, place % size),
            _ if place < slot + rest => (full, place - slot),
            _ => ((place - rest) / size, (place - rest) % size),
        };
        let block = if block == full { full } else { permuted(key(Of::Blocks, 0), full, block) };
        let len = if block == full { rest } else { size };
        block * size + permuted(key(Of::Block, block), len, within)
    }
}

/// The image at place `place` of pass `pass` where each block of `window` images is permuted and stays where it is.
pub(super) fn within(window: usize, (seed, pass): (u64, u64), images: usize, place: usize) -> usize {
    let block = place / window * window;
    let length = window.min(images - block);
    let seed = [seed, pass, (block / window) as u64].map(|w| [w as u32, (w >> 32) as u32]);
    block + permuted(hash(&[&[Of::Block as u32], seed.as_flattened()].concat()), length, place - block)
}

/// Where a pseudo-random permutation of 0..len takes `index`: a Feistel network over the next even power of two, walked
/// until it comes back into the range.
fn permuted(key: u32, len: usize, index: usize) -> usize {
    const ROUNDS: u32 = 6;
    debug_assert!(index < len);
    let half = (usize::BITS - (len - 1).leading_zeros()).div_ceil(2).max(1);
    let mask = (1usize << half) - 1;
    let mut index = index;
    loop {
        let (mut left, mut right) = (index >> half, index & mask);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ (hash(&[key, round, right as u32]) as usize & mask));
        }
        index = left << half | right;
        if index < len {
            return index;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(shuffle: Shuffle, key: (u64, u64), images: usize) -> Vec<usize> {
        (0..images).map(|place| shuffle.image(key, images, place)).collect()
    }

    #[test]
    fn every_image_once() {
        for images in [1, 2, 3, 4, 5, 16, 17, 100, 1023, 5000] {
            for shuffle in [Shuffle::Full, Shuffle::Blocks(1), Shuffle::Blocks(16), Shuffle::Blocks(4096)] {
                let mut order = pass(shuffle, (7, 3), images);
                order.sort_unstable();
                assert_eq!(order, (0..images).collect::<Vec<_>>(), "{shuffle} of {images}");
            }
        }
    }

    #[test]
    fn blocks_stay_together() {
        let order = pass(Shuffle::Blocks(16), (7, 3), 100);
        let blocks: Vec<usize> = order.iter().map(|image| image / 16).collect();
        let mut seen = blocks.clone();
        seen.dedup();
        assert_eq!(seen.len(), 7, "{blocks:?}");
        assert_ne!(seen, (0..7).collect::<Vec<_>>());
        assert!(order[..16].windows(2).any(|w| w[1] != w[0] + 1), "images within a block are permuted too");
    }

    #[test]
    fn passes_and_seeds_differ() {
        let first = pass(Shuffle::Full, (7, 3), 1000);
        assert_eq!(first, pass(Shuffle::Full, (7, 3), 1000));
        for other in [(7, 4), (8, 3), (7 + (1 << 32), 3), (7, 3 + (1 << 32))] {
            let other = pass(Shuffle::Full, other, 1000);
            assert!(first.iter().zip(&other).filter(|(a, b)| a == b).count() < 20);
        }
        // Places do not go with images: the correlation of a thousand independent pairs is about 0.03.
        let centred = |x: usize| x as f64 - 499.5;
        let product: f64 = first.iter().enumerate().map(|(place, &image)| centred(place) * centred(image)).sum();
        assert!((product / 83_333_250.0).abs() < 0.15, "{product}");
    }

    #[test]
    fn words() {
        for text in ["full", "blocks:4096"] {
            assert_eq!(text.parse::<Shuffle>().unwrap().to_string(), text);
        }
        for wrong in ["blocks", "blocks:0", "blocks:-1", "half", "blocks:99999999999"] {
            assert!(wrong.parse::<Shuffle>().unwrap_err().contains("blocks:4096"), "{wrong}");
        }
    }
}
