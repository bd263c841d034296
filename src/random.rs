//! Counter-based random numbers: a pure function of its words, the same in Rust and in `shaders/shared/random.wgsl`.

/// Mixes one more word into a hash (the finaliser of MurmurHash3 over a Weyl step).
pub const fn mix(hash: u32, word: u32) -> u32 {
    let mut h = hash ^ word.wrapping_mul(0x9E37_79B9).wrapping_add(0x85EB_CA6B);
    h ^= h >> 16;
    h = h.wrapping_mul(0x85EB_CA6B);
    h ^= h >> 13;
    h = h.wrapping_mul(0xC2B2_AE35);
    h ^ (h >> 16)
}

/// Hash of a sequence of words.
pub fn hash(words: &[u32]) -> u32 {
    words.iter().fold(0, |h, &w| mix(h, w))
}

/// Where a dropout mask is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Seed of the run.
    pub seed: u64,
    /// Step of training, from 1.
    pub step: u32,
    /// Place of the row in the network's table.
    pub row: u32,
}

impl Draw {
    /// Whether unit `unit` (counted over all columns) of the image at place `image` of the whole batch is kept,
    /// when units are dropped with probability `p`.
    pub fn keeps(&self, p: f32, unit: u32, image: u32) -> bool {
        let h = hash(&[self.seed as u32, (self.seed >> 32) as u32, self.step, self.row, unit, image]);
        h >= threshold(p)
    }
}

/// Hashes below it drop the unit: p · 2³², saturating.
pub fn threshold(p: f32) -> u32 {
    (f64::from(p) * 4_294_967_296.0) as u32
}
