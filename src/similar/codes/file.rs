//! Codes of a file of features, kept in a file beside it with the half of the autoencoder that made them.

use super::{Coder, Norm, STEPS};
use crate::data::{Shuffle, Watch};
use crate::durable;
use crate::error::{Error, Result};
use crate::features::{Features, Info};
use crate::gpu::Device;
use crate::similar::{Neighbour, Search, squared};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The metadata's entry.
const META: &str = "codes";
/// What the file's tensors are called; the encoder's are `0.weight`, `0.bias`, `1.weight`, `1.bias`.
const CODES: &str = "codes";
const MEAN: &str = "mean";
/// Rows whose neighbours are compared.
const QUERIES: usize = 100;
/// Rows that are measured exactly for each neighbour.
const SHORTLIST: usize = 10;

/// How many of the exact neighbours codes find, a mean over rows of the file taken as queries.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Recall {
    /// Neighbours of a query, the query itself apart.
    pub k: usize,
    /// Queries.
    pub queries: usize,
    /// Share of the k exact neighbours that are found: among the 10 · k nearest by code, which are then measured exactly.
    pub recall: f64,
    /// Share of them among the k nearest by code alone.
    pub by_code: f64,
}

/// What else the file says.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Meta {
    /// Of the features' description.
    features: String,
    /// Steps of training.
    steps: u64,
    scale: f32,
    recall: Recall,
}

/// The codes of a file of features.
pub struct Codes {
    coder: Coder,
    /// `[rows, bits / 8]`
    codes: Vec<u8>,
    /// Against the exact search.
    pub recall: Recall,
}

impl Codes {
    /// The file for codes of `bits` bits of the features in `features`.
    pub fn beside(features: &Path, bits: usize) -> PathBuf {
        features.with_extension(format!("codes-{bits}.safetensors"))
    }

    /// Reads the codes beside `features`; `None` where there are none, or some of other features.
    ///
    /// # Errors
    /// A file that is damaged; a lost device.
    pub fn open(device: &Arc<Device>, features: &Features, bits: usize) -> Result<Option<Self>> {
        let path = Self::beside(features.path(), bits);
        let bad = |why: &str| Error::Data {
            path: path.clone(),
            why: format!("{why}; expected codes as `similar --codes` writes them: delete it, and they are made again"),
        };
        if !path.exists() {
            return Ok(None);
        }
        let bytes = fs::read(&path).map_err(Error::io(&path))?;
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| bad(&e.to_string()))?;
        let meta = metadata.metadata().as_ref().and_then(|entries| entries.get(META));
        let meta: Meta = meta.and_then(|text| serde_json::from_str(text).ok()).ok_or_else(|| bad("not codes"))?;
        if meta.features != identity(&features.info) || meta.steps != STEPS {
            return Ok(None);
        }
        let file = SafeTensors::deserialize(&bytes).map_err(|e| bad(&e.to_string()))?;
        let tensor = |name: &str, dtype: Dtype, len: usize| {
            let view = file.tensor(name).map_err(|e| bad(&e.to_string()))?;
            if view.dtype() != dtype || view.shape().iter().product::<usize>() != len {
                return Err(bad(&format!("{name} is {:?} of shape {:?}", view.dtype(), view.shape())));
            }
            Ok(view.data().to_vec())
        };
        let floats = |name: &str, len: usize| -> Result<Vec<f32>> {
            Ok(tensor(name, Dtype::F32, len)?.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect())
        };
        let mean = floats(MEAN, features.info.width())?;
        let coder = Coder::new(device, Norm { mean, scale: meta.scale }, bits)?;
        for (name, parameter) in coder.encoder() {
            parameter.write(device, &floats(&name, parameter.len)?);
        }
        let codes = tensor(CODES, Dtype::U8, features.len() * bits / 8)?;
        Ok(Some(Self { coder, codes, recall: meta.recall }))
    }

    /// Learns codes of `bits` bits, a multiple of 8, codes every row, compares `k` neighbours with the exact search and
    /// writes the file. `watch` is told how far it is.
    ///
    /// # Errors
    /// The features cannot be read, the file cannot be written; a lost device.
    pub fn make(
        device: &Arc<Device>,
        features: &Features,
        bits: usize,
        k: usize,
        watch: &mut dyn Watch,
    ) -> Result<Self> {
        let coder = Coder::learn(device, features, bits, |step, lacks| {
            let text = format!("{bits} bits: step {step} of {STEPS}, {:.1} % of the variance is lost", 100.0 * lacks);
            watch.progress(&text, step, STEPS);
        })?;
        let (rows, batch) = (features.len(), 8 * super::BATCH);
        let (mut codes, mut values) = (Vec::with_capacity(rows * bits / 8), Vec::new());
        for first in (0..rows).step_by(batch) {
            let last = rows.min(first + batch);
            features.read(first..last, &mut values)?;
            codes.extend(coder.encode(&values)?);
            watch.progress(&format!("{bits} bits: {last} of {rows} rows are coded"), last as u64, rows as u64);
        }
        let recall = Recall { k, queries: 0, recall: 0.0, by_code: 0.0 };
        let mut made = Self { coder, codes, recall };
        made.recall = made.compare(device, features, k)?;
        made.write(device, features)?;
        Ok(made)
    }

    fn compare(&self, device: &Arc<Device>, features: &Features, k: usize) -> Result<Recall> {
        let rows = features.len();
        let chosen: Vec<_> =
            (0..rows.min(QUERIES)).map(|place| Shuffle::Full.image((0, u64::MAX - 1), rows, place)).collect();
        let (mut queries, mut row) = (Vec::new(), Vec::new());
        for &number in &chosen {
            features.read(number..number + 1, &mut row)?;
            queries.extend_from_slice(&row);
        }
        let exact =
            if chosen.is_empty() { Vec::new() } else { Search::among(device, features, &queries, k + 1, |_| ())? };
        let (mut wanted, mut found) = (0usize, [0usize; 2]);
        for (&own, exact) in chosen.iter().zip(&exact) {
            let exact: Vec<_> = exact.iter().map(|near| near.row).filter(|&row| row != own).take(k).collect();
            wanted += exact.len();
            for (found, most) in found.iter_mut().zip([SHORTLIST * k, k]) {
                let by_code = self.by_code(self.code(own), most + 1);
                let by_code: Vec<_> =
                    by_code.iter().map(|&(row, _)| row).filter(|&row| row != own).take(most).collect();
                *found += exact.iter().filter(|row| by_code.contains(row)).count();
            }
        }
        // Few digits are read back as they were written.
        let [recall, by_code] = found.map(|found| (1e4 * found as f64 / wanted.max(1) as f64).round() / 1e4);
        Ok(Recall { k, queries: chosen.len(), recall, by_code })
    }

    fn write(&self, device: &Arc<Device>, features: &Features) -> Result<()> {
        let path = Self::beside(features.path(), self.coder.bits);
        let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let norm = &self.coder.norm;
        let mut tensors = BTreeMap::from([
            (CODES.to_owned(), (Dtype::U8, vec![features.len(), self.coder.bits / 8], self.codes.clone())),
            (MEAN.to_owned(), (Dtype::F32, vec![norm.mean.len()], bytes(&norm.mean))),
        ]);
        for (name, parameter) in self.coder.encoder() {
            let values = parameter.read(device)?;
            tensors.insert(name, (Dtype::F32, vec![values.len()], bytes(&values)));
        }
        let meta = Meta { features: identity(&features.info), steps: STEPS, scale: norm.scale, recall: self.recall };
        let metadata = HashMap::from([(META.to_owned(), to_json(&meta))]);
        let views = tensors.iter().map(|(name, (dtype, shape, data))| {
            let view = TensorView::new(*dtype, shape.clone(), data).expect("as many bytes as the shape says");
            (name.as_str(), view)
        });
        let file = safetensors::serialize(views, Some(metadata)).expect("one entry and tensors of known sizes");
        durable::write(&path, &file)
    }

    fn code(&self, row: usize) -> &[u8] {
        let bytes = self.coder.bits / 8;
        &self.codes[row * bytes..][..bytes]
    }

    /// The `k` rows with the fewest bits unlike those of `code`, and how many: the nearest first, equal ones in their order.
    fn by_code(&self, code: &[u8], k: usize) -> Vec<(usize, u32)> {
        let unlike = |other: &[u8]| other.iter().zip(code).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
        let mut rows: Vec<_> = self.codes.chunks_exact(code.len()).map(unlike).enumerate().collect();
        let key = |&(row, unlike): &(usize, u32)| (unlike, row);
        if k < rows.len() {
            rows.select_nth_unstable_by_key(k, key);
            rows.truncate(k);
        }
        rows.sort_unstable_by_key(key);
        rows
    }

    /// The `k` nearest rows for each of `queries`, `[queries, width]`, of those with the 10 · k nearest codes.
    ///
    /// # Errors
    /// The features cannot be read; a lost device.
    pub fn nearest(&self, features: &Features, queries: &[f32], k: usize) -> Result<Vec<Vec<Neighbour>>> {
        let codes = self.coder.encode(queries)?;
        let each = codes.chunks_exact(self.coder.bits / 8).zip(queries.chunks_exact(features.info.width()));
        let (mut nearest, mut values) = (Vec::new(), Vec::new());
        for (code, query) in each {
            let mut found = Vec::new();
            for (row, _) in self.by_code(code, SHORTLIST * k) {
                features.read(row..row + 1, &mut values)?;
                found.push(Neighbour { row, squared: squared(query, &values) });
            }
            found.sort_by(|a, b| a.squared.total_cmp(&b.squared).then(a.row.cmp(&b.row)));
            found.truncate(k);
            nearest.push(found);
        }
        Ok(nearest)
    }
}

fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("names and numbers have a JSON form")
}

/// SHA-256 of a description.
fn identity(info: &Info) -> String {
    Sha256::digest(to_json(info)).iter().map(|byte| format!("{byte:02x}")).collect()
}
