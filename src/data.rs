//! Image files → batches.

/// Images ready for the network, in the order of the batch.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Side of the square crop in pixels.
    pub side: usize,
    /// `[N, 3, side, side]`, RGB in 0-255 minus the mean (and plus colour noise in training).
    pub pixels: Vec<f32>,
    /// Class of each image; `[N]`.
    pub labels: Vec<u32>,
}

impl Batch {
    /// Images in the batch.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

pub use crate::stub::data::*;
