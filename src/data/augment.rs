//! A square → the views the network reads (§4.1 of the paper).

use crate::data::decode::Square;
use crate::data::stats::{Colour, Stats};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};

/// What training does to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
pub enum Augment {
    /// Random crop, mirror and colour noise.
    #[default]
    #[value(name = "full")]
    #[serde(rename = "full")]
    Full,
    /// Random crop and mirror.
    #[value(name = "crop,mirror")]
    #[serde(rename = "crop,mirror")]
    CropMirror,
    /// Random crop alone.
    #[value(name = "crop")]
    #[serde(rename = "crop")]
    Crop,
    /// The centre.
    #[value(name = "none")]
    #[serde(rename = "none")]
    None,
}

/// Standard deviation of the colour noise, in standard deviations of the data (§4.1).
const COLOUR_NOISE: f32 = 0.1;

/// What tells one random draw from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Order of a pass.
    Order = 1,
    /// Crop, mirror and colour of an image.
    View = 2,
    /// Images held out of a class.
    HoldOut = 3,
}

/// Random numbers for image `number` in pass `pass`: a function of the arguments alone.
pub(crate) fn random(purpose: Purpose, seed: u64, pass: u64, number: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, word) in key.chunks_exact_mut(8).zip([purpose as u64, seed, pass, number]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// Where a view lies in its image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Pixels from the left of the image to the crop.
    pub left: usize,
    /// Pixels from the top.
    pub top: usize,
    /// Whether the crop is reflected horizontally.
    pub mirror: bool,
    /// Added to every pixel's R, G and B.
    pub noise: [f32; 3],
}

impl View {
    fn plain(left: usize, top: usize, mirror: bool) -> Self {
        Self { left, top, mirror, noise: [0.0; 3] }
    }

    /// Crop of `crop` pixels in the centre of a square of `size`.
    pub fn centre(size: usize, crop: usize) -> Self {
        let margin = (size - crop) / 2;
        Self::plain(margin, margin, false)
    }

    /// §4.1's ten: top left, top right, bottom left, bottom right, centre; then the same five mirrored.
    pub fn ten(size: usize, crop: usize) -> [Self; 10] {
        let end = size - crop;
        let places = [(0, 0), (end, 0), (0, end), (end, end), (end / 2, end / 2)];
        std::array::from_fn(|i| Self::plain(places[i % 5].0, places[i % 5].1, i >= 5))
    }

    /// The training view of image `number` in pass `pass`: any of the (size − crop + 1)² places, mirrored with
    /// probability ½, and the noise Σᵢ componentᵢ · stdevᵢ · aᵢ with aᵢ ~ N(0, 0.1), drawn once for the image and pass.
    ///
    /// The crop is the same with and without mirror and noise.
    pub fn random(
        augment: Augment,
        colour: Option<&Colour>,
        (size, crop): (usize, usize),
        (seed, pass, number): (u64, u64, u64),
    ) -> Self {
        if augment == Augment::None {
            return Self::centre(size, crop);
        }
        let mut rng = random(Purpose::View, seed, pass, number);
        let last = (size - crop) as u32;
        let mut view =
            Self::plain(rng.random_range(0..=last) as usize, rng.random_range(0..=last) as usize, rng.random());
        view.mirror &= augment != Augment::Crop;
        if let (Augment::Full, Some(colour)) = (augment, colour) {
            let normal = Normal::new(0.0, COLOUR_NOISE).expect("a constant above zero");
            let a: [f32; 3] = std::array::from_fn(|_| normal.sample(&mut rng));
            view.noise =
                std::array::from_fn(|c| (0..3).map(|i| colour.components[i][c] * colour.stdev[i] * a[i]).sum());
        }
        view
    }

    /// Writes the view of `square` to `out`, `[3, crop, crop]`: value − mean at the same place + noise, then mirrored.
    pub fn write(&self, square: &Square, mean: &[f32], crop: usize, out: &mut [f32]) {
        let size = square.size;
        assert_eq!((mean.len(), out.len()), (3 * size * size, 3 * crop * crop), "lengths of mean and view");
        for (c, plane) in out.chunks_exact_mut(crop * crop).enumerate() {
            for (y, row) in plane.chunks_exact_mut(crop).enumerate() {
                let start = (self.top + y) * size + self.left;
                let mean = &mean[c * size * size + start..][..crop];
                let pixels = square.rgb[3 * start..][..3 * crop].chunks_exact(3);
                for ((value, mean), pixel) in row.iter_mut().zip(mean).zip(pixels) {
                    *value = f32::from(pixel[c]) - mean + self.noise[c];
                }
                if self.mirror {
                    row.reverse();
                }
            }
        }
    }
}

/// The views of an image in use: its centre (`views` 1) or §4.1's ten, in the order of [`View::ten`];
/// `[views, 3, crop, crop]` with the mean subtracted at each crop's own position.
///
/// # Panics
/// Another number of views, a crop larger than the square, or a mean of another size.
pub fn views_of(square: &Square, stats: &Stats, crop: usize, views: usize) -> Vec<f32> {
    let places = match views {
        1 => vec![View::centre(square.size, crop)],
        10 => View::ten(square.size, crop).to_vec(),
        other => panic!("{other} views: 1 or 10"),
    };
    let len = 3 * crop * crop;
    let mut out = vec![0.0; views * len];
    for (view, out) in places.iter().zip(out.chunks_exact_mut(len)) {
        view.write(square, &stats.mean, crop, out);
    }
    out
}
