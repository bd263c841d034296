//! Image files → batches.
//!
//! [`source`] finds the images in whatever form they lie, [`decode`] makes each a square of RGB bytes, [`stats`] measures
//! the mean and the colour components over the training set, [`order`] says which image comes when, [`augment`] cuts the
//! views the network reads, and [`loader`] does all of it on worker threads while the adapters compute.
//!
//! An image's number is its place in its set. [`order`] and random draws are functions of (seed, pass, number) and never of
//! thread timing: the same seed gives the same bytes with any number of workers.

pub mod augment;
pub mod basis;
pub mod decode;
mod jpeg;
pub mod loader;
pub mod order;
pub mod prepared;
pub(crate) mod queue;
pub mod skip;
pub mod source;
pub mod stats;
#[cfg(feature = "turbo")]
mod turbo;
pub mod verify;

pub use augment::{Augment, Details, MeanCrop, View, views_of};
pub use basis::{Asked, Basis};
pub use decode::{Decoder, Decoding, Exif, Square, SquareRef, load};
pub use loader::{Evaluation, Loaded, Loader, LoaderSettings, evaluation, steps_per_pass};
pub use order::{Order, Shuffle};
pub use skip::Skipped;
pub use source::{DataSet, Options, Reader, Split, Store, Stored, Watch};
pub use stats::{Colour, Mean, Stats, measure};

use std::borrow::Cow;
use std::sync::Arc;

/// Images ready for the network, in the order of the batch.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Side of the square crop in pixels.
    pub side: usize,
    /// The images.
    pub pixels: Pixels,
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

    /// The pixels as the network reads them, worked out on the host: `[N, 3, side, side]`.
    pub fn floats(&self) -> Cow<'_, [f32]> {
        match &self.pixels {
            Pixels::Floats(values) => Cow::Borrowed(values),
            Pixels::Crops(crops) => Cow::Owned(crops.floats(self.side)),
        }
    }
}

/// The images of a batch, finished or as they were cut.
#[derive(Clone, Debug)]
pub enum Pixels {
    /// `[N, 3, side, side]`, RGB in 0-255 minus the mean (and plus colour noise in training).
    Floats(Vec<f32>),
    /// Bytes, a quarter of the traffic: the device subtracts the mean, mirrors and adds the noise.
    Crops(Crops),
}

/// Crops as bytes, and what is still to be done to them.
#[derive(Clone, Debug)]
pub struct Crops {
    /// `[N, side, side, 3]`; an image begins every [`Crops::stride`] bytes. May be longer than the images are.
    pub rgb: Vec<u8>,
    /// How each image is seen.
    pub views: Vec<View>,
    /// Its mean is subtracted.
    pub stats: Arc<Stats>,
}

impl Crops {
    /// No crops yet.
    pub fn new(stats: Arc<Stats>) -> Self {
        Self { rgb: Vec::new(), views: Vec::new(), stats }
    }

    /// Bytes from one image to the next: whole words.
    pub const fn stride(side: usize) -> usize {
        (3 * side * side).next_multiple_of(4)
    }

    /// Adds a crop of `square`.
    pub fn push<'a>(&mut self, square: impl Into<SquareRef<'a>>, view: View, side: usize) {
        let start = self.views.len() * Self::stride(side);
        let end = start + Self::stride(side);
        if self.rgb.len() < end {
            self.rgb.resize(end, 0);
        }
        view.cut(square, side, &mut self.rgb[start..end]);
        self.views.push(view);
    }

    /// What the device makes of them: `[N, 3, side, side]`.
    pub fn floats(&self, side: usize) -> Vec<f32> {
        let len = 3 * side * side;
        let mut out = vec![0.0; self.views.len() * len];
        let images = self.rgb.chunks_exact(Self::stride(side)).zip(out.chunks_exact_mut(len));
        for (view, (rgb, out)) in self.views.iter().zip(images) {
            view.write_cut(rgb, &self.stats, side, out);
        }
        out
    }
}
