//! Image files → batches.
//!
//! [`source`] finds the images in whatever form they lie, [`decode`] makes each a square of RGB bytes, [`stats`] measures the mean and the colour
//! components over the training set, [`augment`] cuts the views the network reads, and [`loader`] does all of it on
//! worker threads while the adapters compute.
//!
//! An image's number is its place in its set. Order and random draws are functions of (seed, pass, number) and never of
//! thread timing: the same seed gives the same bytes with any number of workers.

pub mod augment;
pub mod decode;
pub mod loader;
pub mod skip;
pub mod source;
pub mod stats;

pub use augment::{Augment, views_of};
pub use decode::{Exif, Square, load};
pub use loader::{Evaluation, Loaded, Loader, LoaderSettings, Order, evaluation, steps_per_pass};
pub use skip::Skipped;
pub use source::{DataSet, Options, Split, Store, Stored, Watch};
pub use stats::{Colour, Stats, measure};

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
