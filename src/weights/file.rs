//! The safetensors format. Reading is the `safetensors` crate's; writing is here, because the crate keeps metadata in a
//! hash map, whose order differs from one process to the next.

use crate::durable;
use crate::error::{Error, Result};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Write;
use std::path::Path;

/// A tensor's dimensions, outermost first, and its values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Array {
    /// As PyTorch prints them.
    pub dims: Vec<usize>,
    /// Row-major.
    pub data: Vec<f32>,
}

/// Metadata and tensors, with every value finite.
pub(super) fn read(path: &Path) -> Result<(HashMap<String, String>, BTreeMap<String, Array>)> {
    parse(path, &fs::read(path).map_err(Error::io(path))?)
}

/// Metadata and tensors of a file's bytes; `path` is for messages.
pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<(HashMap<String, String>, BTreeMap<String, Array>)> {
    let error = |why: String| Error::Checkpoint { path: path.to_owned(), why };
    let not_weights = |e: safetensors::SafeTensorError| {
        error(format!("{e}: the file is truncated or not a safetensors file; expected weights as `train` writes them"))
    };
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| match missing_bytes(bytes) {
        Some((name, dims, missing)) => {
            error(format!("the file is truncated: {name} with shape {dims:?} lacks {missing} bytes; copy it again"))
        }
        None => not_weights(e),
    })?;
    let file = SafeTensors::deserialize(bytes).map_err(not_weights)?;
    let mut arrays = BTreeMap::new();
    for (name, view) in file.tensors() {
        let data = values(&view).ok_or_else(|| {
            error(format!("{name} holds {:?} values; expected floating point: F32, F64, F16 or BF16", view.dtype()))
        })?;
        if let Some(place) = data.iter().position(|v| !v.is_finite()) {
            let dims = view.shape();
            let place = index(place, dims);
            return Err(error(format!("{name} with shape {dims:?} holds a NaN or an infinity at {place:?}")));
        }
        arrays.insert(name, Array { dims: view.shape().to_vec(), data });
    }
    Ok((metadata.metadata().clone().unwrap_or_default(), arrays))
}

/// Writes a file durably, tensors by name.
pub(super) fn write(path: &Path, metadata: &BTreeMap<&str, String>, arrays: &BTreeMap<String, Array>) -> Result<()> {
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".to_owned(), json!(metadata));
    let mut offset = 0;
    for (name, array) in arrays {
        let end = offset + 4 * array.data.len();
        header.insert(name.clone(), json!({"dtype": "F32", "shape": array.dims, "data_offsets": [offset, end]}));
        offset = end;
    }
    let mut header = serde_json::Value::Object(header).to_string().into_bytes();
    // The values begin at a multiple of 8 bytes.
    header.resize(header.len().next_multiple_of(8), b' ');
    durable::write_with(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        for array in arrays.values() {
            for value in &array.data {
                out.write_all(&value.to_le_bytes())?;
            }
        }
        Ok(())
    })
}

/// The first tensor that the end of the file cuts off, with its shape and the bytes it lacks.
fn missing_bytes(bytes: &[u8]) -> Option<(String, Vec<u64>, u64)> {
    let length = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
    let end = usize::try_from(length).ok()?.checked_add(8)?;
    let header: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(bytes.get(8..end)?).ok()?;
    let present = (bytes.len() - end) as u64;
    let cut = header.iter().filter(|(name, _)| *name != "__metadata__").filter_map(|(name, info)| {
        let end = info["data_offsets"][1].as_u64()?;
        let shape = info["shape"].as_array()?.iter().filter_map(serde_json::Value::as_u64).collect();
        (end > present).then(|| (end, (name.clone(), shape, end - present)))
    });
    cut.min_by_key(|(end, _)| *end).map(|(_, found)| found)
}

fn values(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let data = view.data();
    Some(match view.dtype() {
        Dtype::F32 => data.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        Dtype::F64 => data.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect(),
        Dtype::BF16 => data.as_chunks().0.iter().map(|&b| bf16(u16::from_le_bytes(b))).collect(),
        Dtype::F16 => data.as_chunks().0.iter().map(|&b| f16(u16::from_le_bytes(b))).collect(),
        _ => return None,
    })
}

fn bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

fn f16(bits: u16) -> f32 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff) / 1024.0);
    let magnitude = match exponent {
        0 => fraction * 2f32.powi(-14),
        0x1f if fraction == 0.0 => f32::INFINITY,
        0x1f => f32::NAN,
        _ => (1.0 + fraction) * 2f32.powi(exponent - 15),
    };
    if bits >> 15 == 0 { magnitude } else { -magnitude }
}

/// The index over the dimensions of the value at `place`.
fn index(mut place: usize, dims: &[usize]) -> Vec<usize> {
    let mut index: Vec<usize> = dims
        .iter()
        .rev()
        .map(|&d| {
            let i = place % d;
            place /= d;
            i
        })
        .collect();
    index.reverse();
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision() {
        let cases =
            [(0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_95), (0x0001, 5.960_464_5e-8), (0x7bff, 65504.0)];
        for (bits, value) in cases {
            assert_eq!(f16(bits), value);
        }
        assert!(f16(0x7e00).is_nan() && f16(0xfc00) == f32::NEG_INFINITY);
        assert_eq!(bf16(0xbf80), -1.0);
    }

    #[test]
    fn places() {
        assert_eq!(index(0, &[2, 3]), [0, 0]);
        assert_eq!(index(5, &[2, 3]), [1, 2]);
    }
}
