//! A square → the views the network reads (§4.1 of the paper).

use crate::data::decode::SquareRef;
use crate::data::stats::Stats;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

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
    /// A random part of the image, 8 to 100 % of its area and 3:4 to 4:3 in shape, resized to the crop, and mirror:
    /// torchvision's RandomResizedCrop. Of the mean image its centre is subtracted.
    #[value(name = "rrc")]
    #[serde(rename = "rrc")]
    ResizedCrop,
    /// The centre.
    #[value(name = "none")]
    #[serde(rename = "none")]
    None,
}

/// Where the mean image is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MeanCrop {
    /// At the crop's own place.
    #[default]
    Own,
    /// At the centre for every crop, as the original does.
    Centre,
}

/// Details of augmentation that decide a run's pixels.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Details {
    /// What is drawn anew each time an image is seen.
    pub augment: Augment,
    /// Standard deviation of the colour noise, in standard deviations of the data (§4.1: 0.1).
    pub colour: f32,
    /// Pass, from 0, from which on there is no colour noise; `None`: never.
    pub colour_until: Option<u64>,
    /// Whether an image with colour noise is divided by 1 + [`Details::colour`], as the original does.
    pub colour_divide: bool,
    /// Consecutive images that share crop and mirror; the original's loader had 32.
    pub crop_chunk: u64,
}

impl Default for Details {
    fn default() -> Self {
        Self { augment: Augment::Full, colour: 0.1, colour_until: None, colour_divide: false, crop_chunk: 1 }
    }
}

/// What tells one random draw from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Crop and mirror of an image.
    View = 2,
    /// Crop and mirror of a chunk of images.
    Chunk = 3,
    /// Colour noise of an image.
    Colour = 4,
    /// The part of an image that is resized.
    Part = 5,
    /// Images held out of a class.
    HoldOut = 6,
    /// A sample of a set.
    Sample = 7,
}

/// Random numbers for image `number` in pass `pass`: a function of the arguments alone.
pub(crate) fn random(purpose: Purpose, seed: u64, pass: u64, number: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, word) in key.chunks_exact_mut(8).zip([purpose as u64, seed, pass, number]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// When and where an image is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Seed of the run.
    pub seed: u64,
    /// Pass, from 0.
    pub pass: u64,
    /// Its place in the pass.
    pub place: u64,
    /// Its number in its set.
    pub number: u64,
}

impl Seen {
    fn draws(self, purpose: Purpose) -> ChaCha8Rng {
        random(purpose, self.seed, self.pass, self.number)
    }
}

/// A crop of an image, and what is done to its pixels: (value − mean + noise) · scale, then mirrored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Pixels from the left of the image to the crop.
    pub left: usize,
    /// Pixels from the top.
    pub top: usize,
    /// Pixels from the left and the top of the mean image to what is subtracted.
    pub mean: (usize, usize),
    /// Whether the crop is reflected horizontally.
    pub mirror: bool,
    /// Added to every pixel's R, G and B.
    pub noise: [f32; 3],
    /// Factor of the result.
    pub scale: f32,
}

impl View {
    /// The crop at (left, top), with the mean at its own place.
    pub fn plain(left: usize, top: usize, mirror: bool) -> Self {
        Self { left, top, mean: (left, top), mirror, noise: [0.0; 3], scale: 1.0 }
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

    /// cuda-convnet's nine: three places across times three down, at the borders and between them.
    pub fn nine(size: usize, crop: usize) -> [Self; 9] {
        let places = [0, (size - crop) / 2, size - crop];
        std::array::from_fn(|i| Self::plain(places[i / 3], places[i % 3], false))
    }

    /// The training view of an image whose square has `stats.size` pixels: any of the (size − crop + 1)² places,
    /// mirrored with probability ½, and the noise Σᵢ componentᵢ · stdevᵢ · aᵢ with aᵢ ~ N(0, 0.1), drawn once for the
    /// image and pass.
    ///
    /// The crop is the same with and without mirror and noise. [`Augment::ResizedCrop`] has cut already ([`part`]): the
    /// view is the whole of a square of `crop` pixels.
    pub fn random(details: &Details, stats: &Stats, crop: usize, seen: Seen) -> Self {
        let centre = Self::centre(stats.size, crop);
        let Details { augment, colour, .. } = *details;
        if augment == Augment::None {
            return centre;
        }
        let mut rng = match details.crop_chunk {
            1 => seen.draws(Purpose::View),
            chunk => random(Purpose::Chunk, seen.seed, seen.pass, seen.place / chunk),
        };
        let last = (stats.size - crop) as u32;
        let mut view =
            Self::plain(rng.random_range(0..=last) as usize, rng.random_range(0..=last) as usize, rng.random());
        view.mirror &= augment != Augment::Crop;
        if augment == Augment::ResizedCrop {
            (view.left, view.top, view.mean) = (0, 0, centre.mean);
        }
        let coloured = augment == Augment::Full && colour > 0.0 && details.colour_until.is_none_or(|p| seen.pass < p);
        if let (true, Some(of)) = (coloured, &stats.colour) {
            let mut rng = seen.draws(Purpose::Colour);
            let a: [f32; 3] = std::array::from_fn(|_| colour * rng.sample::<f32, _>(StandardNormal));
            view.noise = std::array::from_fn(|c| (0..3).map(|i| of.components[i][c] * of.stdev[i] * a[i]).sum());
            if details.colour_divide {
                view.scale = 1.0 / (1.0 + colour);
            }
        }
        view.with_mean(stats, crop)
    }

    /// The same with the mean where `stats` says.
    fn with_mean(self, stats: &Stats, crop: usize) -> Self {
        match stats.mean_crop {
            MeanCrop::Own => self,
            MeanCrop::Centre => Self { mean: Self::centre(stats.size, crop).mean, ..self },
        }
    }

    /// Copies the crop out of `square`, as it lies: `[crop, crop, 3]`.
    pub fn cut<'a>(&self, square: impl Into<SquareRef<'a>>, crop: usize, out: &mut [u8]) {
        let square = square.into();
        for (y, row) in out.chunks_exact_mut(3 * crop).enumerate().take(crop) {
            row.copy_from_slice(self.row(square, crop, y));
        }
    }

    fn row<'a>(&self, square: SquareRef<'a>, crop: usize, y: usize) -> &'a [u8] {
        &square.rgb[3 * ((self.top + y) * square.size + self.left)..][..3 * crop]
    }

    /// Writes the view of `square` to `out`, `[3, crop, crop]`.
    pub fn write<'a>(&self, square: impl Into<SquareRef<'a>>, stats: &Stats, crop: usize, out: &mut [f32]) {
        let square = square.into();
        self.normalise(|y| self.row(square, crop, y), stats, crop, out);
    }

    /// Like [`View::write`], from what [`View::cut`] copied.
    pub fn write_cut(&self, rgb: &[u8], stats: &Stats, crop: usize, out: &mut [f32]) {
        self.normalise(|y| &rgb[3 * y * crop..][..3 * crop], stats, crop, out);
    }

    fn normalise<'a>(&self, row: impl Fn(usize) -> &'a [u8], stats: &Stats, crop: usize, out: &mut [f32]) {
        let size = stats.size;
        assert_eq!((stats.mean.len(), out.len()), (3 * size * size, 3 * crop * crop), "lengths of mean and view");
        for (c, plane) in out.chunks_exact_mut(crop * crop).enumerate() {
            for (y, out) in plane.chunks_exact_mut(crop).enumerate() {
                let mean = &stats.mean[(c * size + self.mean.1 + y) * size + self.mean.0..][..crop];
                for ((value, mean), pixel) in out.iter_mut().zip(mean).zip(row(y).chunks_exact(3)) {
                    *value = (f32::from(pixel[c]) - mean + self.noise[c]) * self.scale;
                }
                if self.mirror {
                    out.reverse();
                }
            }
        }
    }
}

/// The part of a `width`×`height` image that [`Augment::ResizedCrop`] resizes: left, top, width, height. Its area is 8
/// to 100 % of the image's, its shape 3:4 to 4:3 with a uniform logarithm; after ten draws that do not fit, the largest
/// part in the centre whose shape is allowed (torchvision's rule).
pub fn part(width: u32, height: u32, seen: Seen) -> [u32; 4] {
    const SHAPE: f64 = 4.0 / 3.0;
    let mut rng = seen.draws(Purpose::Part);
    let (w, h) = (f64::from(width), f64::from(height));
    for _ in 0..10 {
        let area = w * h * rng.random_range(0.08..1.0);
        let shape: f64 = rng.random_range(-SHAPE.ln()..SHAPE.ln()).exp();
        let (across, down) = ((area * shape).sqrt().round() as u32, (area / shape).sqrt().round() as u32);
        if (1..=width).contains(&across) && (1..=height).contains(&down) {
            return [rng.random_range(0..=width - across), rng.random_range(0..=height - down), across, down];
        }
    }
    let across = width.min((h * SHAPE).round().max(1.0) as u32);
    let down = height.min((w * SHAPE).round().max(1.0) as u32);
    [(width - across) / 2, (height - down) / 2, across, down]
}

/// Where the views of an image in use lie: its centre (`views` 1), §4.1's ten ([`View::ten`]) or nine ([`View::nine`]).
///
/// # Panics
/// Another number of views.
pub fn places_of(stats: &Stats, crop: usize, views: usize) -> Vec<View> {
    let views = match views {
        1 => vec![View::centre(stats.size, crop)],
        9 => View::nine(stats.size, crop).to_vec(),
        10 => View::ten(stats.size, crop).to_vec(),
        other => panic!("{other} views: 1, 9 or 10"),
    };
    views.into_iter().map(|view| view.with_mean(stats, crop)).collect()
}

/// The views of [`places_of`] as pixels: `[views, 3, crop, crop]`.
///
/// # Panics
/// Another number of views, a crop larger than the square, or a mean of another size.
pub fn views_of<'a>(square: impl Into<SquareRef<'a>>, stats: &Stats, crop: usize, views: usize) -> Vec<f32> {
    let square = square.into();
    let places = places_of(stats, crop, views);
    let len = 3 * crop * crop;
    let mut out = vec![0.0; views * len];
    for (view, out) in places.iter().zip(out.chunks_exact_mut(len)) {
        view.write(square, stats, crop, out);
    }
    out
}
