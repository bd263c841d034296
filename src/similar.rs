//! Nearest neighbours among features, by Euclidean distance, as in the right half of the paper's Figure 4.
//!
//! Rows go through the adapter a block at a time: it measures every query's distance to each of them in f32, and the host
//! measures again in f64 those that can be among the nearest. A sum of squares in f32 is known to a bound, so nothing that
//! belongs there is missed: the result is that of comparing all rows in f64.

pub mod codes;

use crate::error::{Error, Result};
use crate::features::{self, Features, Info};
use crate::gpu::{Device, Mapping, Program, Recorder, Staging, Tensor, Upload};
use crate::solo::step_uniform;
use crate::weights::Weights;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows and queries a workgroup takes.
pub(crate) const TILE: [usize; 2] = [4, 8];
/// About the bytes of a block: small enough to stay in a processor's cache on its way.
const BLOCK: usize = 8 << 20;

/// A row near a query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// Number of the row.
    pub row: usize,
    /// Square of the Euclidean distance.
    pub squared: f64,
}

impl Neighbour {
    /// Euclidean distance.
    pub fn distance(&self) -> f64 {
        self.squared.sqrt()
    }
}

/// Square of the Euclidean distance of two rows.
pub fn squared(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum()
}

/// One line of `similar --json`.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Answer {
    /// The query as it was named.
    pub image: String,
    /// The nearest images, first the nearest.
    pub neighbours: Vec<Found>,
    /// Of the codes they were found by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recall: Option<codes::Recall>,
}

/// A neighbour, by name.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Found {
    /// Number of its row.
    pub row: usize,
    /// Where the image lies.
    pub file: PathBuf,
    /// Its class, as the data calls it.
    pub class: String,
    /// The class's readable name, where `class` is a WordNet id and the data knows one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Euclidean distance.
    pub distance: f64,
}

impl Answer {
    /// Rows and distances of what was found for the query `image`.
    pub fn new(info: &Info, image: &Path, nearest: impl IntoIterator<Item = (usize, f64)>) -> Self {
        let found = |(row, distance)| Found {
            row,
            file: info.path(row),
            class: info.class(row).to_owned(),
            name: info.class_names.as_ref().map(|names| names[info.rows.labels[row] as usize].clone()),
            distance,
        };
        Self {
            image: image.to_string_lossy().into_owned(),
            neighbours: nearest.into_iter().map(found).collect(),
            recall: None,
        }
    }
}

/// Refuses features that were not made with `weights`, which are of net `net`.
///
/// # Errors
/// Another net, other classes, or other weights of the same net.
pub fn ensure_same(features: &Features, weights: &Weights, net: &str) -> Result<()> {
    let Info { net: theirs, classes, weights: digest, .. } = &features.info;
    let file = weights.path.display();
    let of = if theirs != net {
        format!("of net `{theirs}`, {file} is of net `{net}`")
    } else if *digest == features::digest(&weights.path)? {
        return Ok(());
    } else {
        match &weights.classes {
            Some(own) if own != classes => {
                format!("of {} other classes than the {} of {file}", classes.len(), own.len())
            }
            _ => format!("of other weights than {file}"),
        }
    };
    let why =
        format!("the features are {of}; distances between them mean nothing: make them again with `alexnet features`");
    Err(Error::Data { path: features.path().to_owned(), why })
}

/// The nearest rows of each query among blocks of rows that go by.
pub struct Search {
    device: Arc<Device>,
    /// `[queries, width]`
    queries: Vec<f32>,
    width: usize,
    k: usize,
    /// Rows of a block.
    rows: usize,
    /// Largest relative error of a distance in f32.
    error: f64,
    slots: [Slot; 2],
    /// Rows that went by.
    seen: usize,
    /// Per query, the nearest first.
    nearest: Vec<Vec<Neighbour>>,
}

/// One block on its way.
struct Slot {
    /// `[rows, width]`
    values: Vec<f32>,
    upload: Upload,
    block: Tensor,
    program: Program,
    distances: Tensor,
    staging: Staging,
    pending: Option<(Mapping, usize)>,
}

impl Search {
    /// For the `k` rows of `width` values nearest to each of `queries`, `[queries, width]`.
    ///
    /// # Panics
    /// No query, or one that is cut off.
    pub fn new(device: &Arc<Device>, queries: &[f32], width: usize, k: usize) -> Self {
        assert!(!queries.is_empty() && queries.len().is_multiple_of(width), "whole queries of {width} values");
        let (width4, count) = (width.div_ceil(4), queries.len() / width);
        let profile = &device.profile;
        let [tr, tq] = TILE;
        let padded = count.next_multiple_of(tq);
        // Parts of the distances begin aligned, and a dimension of the grid can count a block's rows.
        let step = tr.max(profile.alignment as usize / 4 / tq);
        let binding = profile.max_binding as usize;
        let most = (BLOCK.min(binding) / (16 * width4)).min(BLOCK / (4 * padded)).min(1 << 16);
        let rows = (most / step * step).max(step);
        let fit = (binding / (16 * width4)).min(binding / (4 * rows)).min(1 << 16) / tq * tq;
        assert!(fit > 0 && rows * width4 * 16 <= binding, "rows of {width} values pass a binding");
        let step_buffer = step_uniform(device);
        let parts: Vec<_> = (0..padded)
            .step_by(fit)
            .map(|first| {
                let last = padded.min(first + fit);
                let part = Tensor::zeros(device, "queries", (last - first) * width4 * 4);
                let own = queries.chunks_exact(width).skip(first).take(fit);
                let values: Vec<f32> = own.flat_map(|query| padded_row(query, width4)).collect();
                part.write(device, &values);
                (first, last, part)
            })
            .collect();
        let slot = || {
            let block = Tensor::zeros(device, "rows", rows * width4 * 4);
            let distances = Tensor::zeros(device, "distances", padded * rows);
            let mut rec = Recorder::new(device, &step_buffer);
            for (first, last, part) in &parts {
                self::distances(&mut rec, width4, part, &block, &distances.slice(first * rows..last * rows));
            }
            Slot {
                values: Vec::new(),
                upload: Upload::new(device, block.bytes()),
                program: rec.finish(),
                staging: Staging::new(device, distances.bytes()),
                block,
                distances,
                pending: None,
            }
        };
        Self {
            slots: [slot(), slot()],
            device: Arc::clone(device),
            queries: queries.to_vec(),
            width,
            k,
            rows,
            // A difference, a square and at most as many additions as values round, each to half a unit of 2⁻²³; twice.
            error: (width + 16) as f64 / f64::from(1 << 23),
            seen: 0,
            nearest: vec![Vec::new(); count],
        }
    }

    /// Rows of a block.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The next rows, at most [`Search::rows`]: `fill` puts them into a vector that holds old ones.
    ///
    /// # Errors
    /// Those of `fill`; a row that is not finite; a lost device.
    pub fn push(&mut self, fill: impl FnOnce(&mut Vec<f32>) -> Result<()>) -> Result<()> {
        self.take()?;
        let slot = &mut self.slots[0];
        fill(&mut slot.values)?;
        let count = slot.values.len() / self.width;
        assert!(slot.values.len().is_multiple_of(self.width) && count <= self.rows, "at most {} rows", self.rows);
        if count == 0 {
            return Ok(());
        }
        if self.width.is_multiple_of(4) {
            slot.upload.fill(&self.device, &[bytemuck::cast_slice(&slot.values)])?;
        } else {
            let rows = slot.values.chunks_exact(self.width);
            let rows: Vec<f32> = rows.flat_map(|row| padded_row(row, self.width.div_ceil(4))).collect();
            slot.upload.fill(&self.device, &[bytemuck::cast_slice(&rows)])?;
        }
        let bytes = (count * self.width.div_ceil(4) * 16) as u64;
        slot.upload.send(&self.device, [(bytes, slot.block.buffer.clone(), slot.block.offset)]);
        slot.program.submit(&self.device)?;
        slot.pending = Some((slot.staging.send(&self.device, &slot.distances), self.seen));
        self.seen += count;
        self.slots.swap(0, 1);
        Ok(())
    }

    /// The nearest rows of each query among all that went by: the nearest first, equal ones in their order.
    ///
    /// # Errors
    /// Those of [`Search::push`].
    pub fn finish(mut self) -> Result<Vec<Vec<Neighbour>>> {
        for _ in 0..2 {
            self.take()?;
            self.slots.swap(0, 1);
        }
        Ok(self.nearest)
    }

    /// The `k` nearest rows of a file for each query. `progress` is told how many rows went by.
    ///
    /// # Errors
    /// Those of [`Search::push`] and of reading.
    pub fn among(
        device: &Arc<Device>,
        features: &Features,
        queries: &[f32],
        k: usize,
        mut progress: impl FnMut(usize),
    ) -> Result<Vec<Vec<Neighbour>>> {
        let mut search = Self::new(device, queries, features.info.width(), k);
        let rows = search.rows();
        for first in (0..features.len()).step_by(rows) {
            let last = features.len().min(first + rows);
            search.push(|values| features.read(first..last, values))?;
            progress(last);
        }
        search.finish()
    }

    /// Takes in the older block on its way, if there is one.
    fn take(&mut self) -> Result<()> {
        let slot = &mut self.slots[0];
        let Some((mapping, first)) = slot.pending.take() else { return Ok(()) };
        let (width, rows, k, error) = (self.width, self.rows, self.k, self.error);
        let (values, queries, nearest) = (&slot.values, &self.queries, &mut self.nearest);
        slot.staging
            .take(&self.device, mapping, slot.distances.bytes(), |bytes| {
                let found: &[f32] = bytemuck::cast_slice(bytes);
                let queries = queries.chunks_exact(width).zip(found.chunks_exact(rows)).zip(nearest);
                for ((query, found), nearest) in queries {
                    for ((row, &found), values) in found.iter().enumerate().zip(values.chunks_exact(width)) {
                        let farthest = if nearest.len() < k { f64::INFINITY } else { nearest[k - 1].squared };
                        // What overflowed or is not a number says nothing; what underflowed is at most this much too low.
                        let least = f64::from(found) * (1.0 - error) - f64::from(f32::MIN_POSITIVE);
                        if found.is_finite() && least > farthest {
                            continue;
                        }
                        let squared = squared(query, values);
                        if !squared.is_finite() {
                            return Err(first + row);
                        }
                        let place = nearest.partition_point(|other| other.squared <= squared);
                        nearest.insert(place, Neighbour { row: first + row, squared });
                        nearest.truncate(k);
                    }
                }
                Ok(())
            })?
            .map_err(|row| Error::Usage(format!("row {row} of the features, or a query, holds a NaN or an infinity")))
    }
}

/// Records the squared distances `[queries, rows]` of `queries` and `rows`, `[…, width4]` vec4s and whole tiles of them.
pub(crate) fn distances(rec: &mut Recorder, width4: usize, queries: &Tensor, rows: &Tensor, distances: &Tensor) {
    let [tr, tq] = TILE;
    let [count_q, count_r] = [queries, rows].map(|tensor| tensor.len / (4 * width4));
    let consts = [
        ("WIDTH4", width4.into()),
        ("ROWS", count_r.into()),
        ("TR", tr.into()),
        ("TQ", tq.into()),
        ("THREADS", rec.device.profile.workgroup.into()),
    ];
    let binds = [("queries", queries.into()), ("rows", rows.into()), ("distances", distances.into())];
    rec.dispatch("similar/distances", &consts, &binds, [(count_r / tr) as u32, (count_q / tq) as u32, 1]);
}

/// A row as whole vec4s.
fn padded_row(row: &[f32], width4: usize) -> impl Iterator<Item = f32> {
    row.iter().copied().chain(std::iter::repeat(0.0)).take(4 * width4)
}
