//! The mean image and the principal components of colour, from the training set, once (§2 and §4.1 of the paper).

use crate::data::augment::MeanCrop;
use crate::data::decode::{Exif, SquareRef};
use crate::data::order::Shuffle;
use crate::data::skip::{Ledger, Skipped};
use crate::data::source::{DataSet, Reader};
use crate::error::{Error, Result};
use crossbeam_channel::Sender;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What is subtracted from an image, and how its colours vary.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// Side of the mean image in pixels.
    pub size: usize,
    /// Mean of each pixel over the training set: `[3, size, size]`, RGB in 0-255.
    pub mean: Vec<f32>,
    /// Which part of the mean is subtracted from a crop.
    pub mean_crop: MeanCrop,
    /// Without it, no colour noise is drawn.
    pub colour: Option<Colour>,
}

/// What is subtracted from an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mean {
    /// The mean of each pixel.
    #[default]
    Image,
    /// The mean of each channel.
    Channel,
    /// Nothing.
    None,
}

impl Stats {
    /// ILSVRC's, as they were published: the channel means (Caffe's), everywhere the same, and the components and
    /// standard deviations of the original's data.
    pub fn published(size: usize) -> Self {
        let mean = [123.68, 116.779, 103.939].into_iter().flat_map(|mean| vec![mean; size * size]).collect();
        Self { size, mean, mean_crop: MeanCrop::Own, colour: Some(Colour::PUBLISHED) }
    }

    /// Mean of each channel.
    pub fn channels(&self) -> [f32; 3] {
        let plane = self.size * self.size;
        [0, 1, 2].map(|c| {
            let sum: f64 = self.mean[c * plane..][..plane].iter().map(|&v| f64::from(v)).sum();
            (sum / plane as f64) as f32
        })
    }

    /// The same with what `mean` says in place of the mean image.
    pub fn with_mean(mut self, mean: Mean) -> Self {
        let plane = self.size * self.size;
        let fill = match mean {
            Mean::Image => return self,
            Mean::Channel => self.channels(),
            Mean::None => [0.0; 3],
        };
        self.mean.chunks_exact_mut(plane).zip(fill).for_each(|(plane, value)| plane.fill(value));
        self
    }
}

/// Principal components of the RGB values of all pixels of the training set.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Colour {
    /// Standard deviation along each component, in 0-255; largest first. The square root of the paper's eigenvalue,
    /// which is what its source multiplies by.
    pub stdev: [f32; 3],
    /// Unit vectors over R, G, B, a row each; the largest element of a row is positive.
    pub components: [[f32; 3]; 3],
}

impl Colour {
    /// Of ILSVRC 2012, as the original measured it (cuda-convnet2, make-data/input_meta).
    pub const PUBLISHED: Self = Self {
        stdev: [121.780, 37.094, 19.721],
        components: [[0.56351, 0.57618, 0.59200], [0.71258, 0.02354, -0.70120], [-0.41796, 0.81698, -0.39731]],
    };
}

/// Measures `set`, decoded as squares of `size` pixels, on `workers` threads; `progress` is called with the images done
/// and the images in the sample: `sample` says how many and by which seed. Sums are of integers and exact: the result
/// does not depend on the number of workers.
///
/// Also returned are the images that could not be read, by number.
///
/// # Errors
/// Too many unreadable images ([`Error::Data`]).
pub fn measure(
    set: &DataSet,
    size: usize,
    exif: Exif,
    workers: usize,
    sample: Option<(usize, u64)>,
    mut progress: impl FnMut(usize, usize),
) -> Result<(Stats, Vec<Skipped>)> {
    let mut ledger = Ledger::new(set);
    let next = AtomicUsize::new(0);
    let (images, seed) = sample.filter(|&(images, _)| images < set.len()).unwrap_or((set.len(), 0));
    let work = |done: Sender<(usize, Option<Error>)>| {
        let mut sums = Sums::new(size);
        let mut reader = Reader::new(exif);
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= images {
                return sums;
            }
            let number =
                if images < set.len() { Shuffle::Full.image((seed, u64::MAX), set.len(), place) } else { place };
            let bad = set.square(number, size, &mut reader).map(|held| sums.add(held.square())).err();
            if done.send((number, bad)).is_err() {
                return sums;
            }
        }
    };
    let sums = thread::scope(|scope| -> Result<Sums> {
        let work = &work;
        let (done, results) = crossbeam_channel::bounded(64);
        let spawn = |done: Sender<_>| scope.spawn(move || work(done));
        let threads: Vec<_> = (0..workers.max(1)).map(|_| spawn(done.clone())).collect();
        drop(done);
        for (finished, (number, bad)) in results.iter().enumerate() {
            if let Some(why) = bad {
                ledger.add(set, number, why)?;
            }
            progress(finished + 1, images);
        }
        let mut total = Sums::new(size);
        for thread in threads {
            total.merge(thread.join().expect("decoding does not panic"));
        }
        Ok(total)
    })?;
    Ok((sums.stats(size), ledger.into_skipped()))
}

/// Exact sums over images: of each value, and of the products of colours over all pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sums {
    pub images: u64,
    /// `[size, size, 3]`, but for what `recent` has.
    pub values: Vec<u64>,
    /// The same of the last few images, in half the memory.
    recent: Vec<u32>,
    recent_images: u32,
    /// RR, RG, RB, GG, GB, BB.
    pub products: [u64; 6],
}

impl Sums {
    pub fn new(size: usize) -> Self {
        let len = size * size * 3;
        Self { images: 0, values: vec![0; len], recent: vec![0; len], recent_images: 0, products: [0; 6] }
    }

    pub fn add(&mut self, square: SquareRef) {
        if self.recent_images == u32::MAX / 255 {
            self.settle();
        }
        self.images += 1;
        self.recent_images += 1;
        for (sum, &value) in self.recent.iter_mut().zip(square.rgb) {
            *sum += u32::from(value);
        }
        // By planes of some pixels, whose products add up within 32 bits.
        const PIXELS: usize = 64;
        for pixels in square.rgb.chunks(3 * PIXELS) {
            let mut planes = [[0i16; PIXELS]; 3];
            for (i, pixel) in pixels.chunks_exact(3).enumerate() {
                (0..3).for_each(|c| planes[c][i] = i16::from(pixel[c]));
            }
            for (sum, (a, b)) in self.products.iter_mut().zip([(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]) {
                let product = |(&a, &b): (&i16, &i16)| i32::from(a) * i32::from(b);
                *sum += planes[a].iter().zip(&planes[b]).map(product).sum::<i32>() as u64;
            }
        }
    }

    /// Moves `recent` to `values`.
    pub fn settle(&mut self) {
        self.values
            .iter_mut()
            .zip(&mut self.recent)
            .for_each(|(sum, recent)| *sum += u64::from(std::mem::take(recent)));
        self.recent_images = 0;
    }

    pub fn merge(&mut self, mut other: Self) {
        other.settle();
        self.images += other.images;
        self.values.iter_mut().zip(&other.values).for_each(|(a, b)| *a += b);
        self.products.iter_mut().zip(&other.products).for_each(|(a, b)| *a += b);
    }

    /// The means; of settled sums.
    pub fn stats(&self, size: usize) -> Stats {
        let plane = size * size;
        let mean = |i: usize| (self.values[i % plane * 3 + i / plane] as f64 / self.images as f64) as f32;
        let colour = Some(components(self.covariance(plane)));
        Stats { size, mean: (0..3 * plane).map(mean).collect(), mean_crop: MeanCrop::Own, colour }
    }

    /// (n Σxy − Σx Σy) / n², the numerator in integers: nothing cancels.
    pub fn covariance(&self, plane: usize) -> [[f64; 3]; 3] {
        let n = i128::from(self.images) * plane as i128;
        let mut sum = [0i128; 3];
        for pixel in self.values.chunks_exact(3) {
            (0..3).for_each(|c| sum[c] += i128::from(pixel[c]));
        }
        let place = [[0, 1, 2], [1, 3, 4], [2, 4, 5]];
        let entry = |i: usize, j: usize| (n * i128::from(self.products[place[i][j]]) - sum[i] * sum[j]) as f64;
        [0, 1, 2].map(|i| [0, 1, 2].map(|j| entry(i, j) / (n as f64 * n as f64)))
    }
}

/// Eigenvectors of a covariance and the square roots of their eigenvalues, largest first (cyclic Jacobi).
fn components(mut a: [[f64; 3]; 3]) -> Colour {
    let mut v = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    // Convergence is quadratic: a 3×3 matrix is diagonal to the last bit long before.
    for _ in 0..32 {
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            if a[p][q] != 0.0 {
                rotate(&mut a, &mut v, p, q);
            }
        }
    }
    let mut order = [0, 1, 2];
    order.sort_by(|&i, &j| a[j][j].total_cmp(&a[i][i]));
    Colour {
        stdev: order.map(|i| a[i][i].max(0.0).sqrt() as f32),
        components: order.map(|i| {
            let row = [v[0][i], v[1][i], v[2][i]];
            let largest = row.into_iter().fold(0.0, |m: f64, x| if x.abs() > m.abs() { x } else { m });
            row.map(|x| (x * largest.signum()) as f32)
        }),
    }
}

/// One Jacobi rotation: makes `a[p][q]` zero and turns the columns of `v` along.
fn rotate(a: &mut [[f64; 3]; 3], v: &mut [[f64; 3]; 3], p: usize, q: usize) {
    let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    let turn = |x: &mut f64, y: &mut f64| (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    for row in a.iter_mut().chain(v.iter_mut()) {
        let (left, right) = row.split_at_mut(q);
        turn(&mut left[p], &mut right[0]);
    }
    let (upper, lower) = a.split_at_mut(q);
    for (x, y) in upper[p].iter_mut().zip(&mut lower[0]) {
        turn(x, y);
    }
    (a[p][q], a[q][p]) = (0.0, 0.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_of_a_known_covariance() {
        // V diag(9, 4, 1) Vᵀ with rows of V below; each has one largest entry, which fixes its sign.
        let v: [[f64; 3]; 3] = [[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]];
        let values = [9.0, 4.0, 1.0];
        let a = [0, 1, 2].map(|i| [0, 1, 2].map(|j| (0..3).map(|k| values[k] * v[k][i] * v[k][j]).sum()));
        let colour = components(a);
        for k in 0..3 {
            assert!((f64::from(colour.stdev[k]) - values[k].sqrt()).abs() < 1e-6);
            let along: f64 = (0..3).map(|c| v[k][c] * f64::from(colour.components[k][c])).sum();
            assert!((along.abs() - 1.0).abs() < 1e-6, "{:?}", colour.components);
            let largest = colour.components[k].into_iter().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap();
            assert!(largest > 0.0);
        }
    }

    #[test]
    fn components_of_one_colour() {
        let colour = components([[0.0; 3]; 3]);
        assert_eq!(colour.stdev, [0.0; 3]);
        assert!(colour.components.iter().flatten().all(|x| x.is_finite()));
    }
}
