//! The two forms of a file of features. Headers are written last, over the place kept for them, because images that
//! cannot be read have no row.

use super::{Info, Rows};
use crate::data::prepared::read_at;
use crate::durable;
use crate::error::{Error, Result};
use safetensors::tensor::{Dtype, Metadata};
use serde_json::json;
use std::fs::{self, File};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What [`Info::format`] calls this layout.
const FORMAT: &str = "1";
/// The metadata's entry and the tensors of a safetensors file.
const INFO: &str = "features";
const LABELS: &str = "labels";
const FILES: &str = "files";
/// Longest header, and list of names, that is believed.
const MOST_HEADER: u64 = 1 << 30;
/// Bytes of an npy header: numpy's own, room for any number of rows.
const NPY: usize = 128;

/// How features are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Tensors `features` `[rows, values]`, F32, `labels` `[rows]`, I64, and `files`, a JSON list as bytes.
    Safetensors,
    /// numpy's own form, `[rows, values]`, and a JSON file of the same name beside it.
    Npy,
}

impl Form {
    /// By a file's extension.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "safetensors" => Some(Self::Safetensors),
            "npy" => Some(Self::Npy),
            _ => None,
        }
    }
}

/// Where rows go, one after another.
pub struct Sink<'a> {
    out: &'a mut BufWriter<File>,
    path: &'a Path,
    rows: usize,
    width: usize,
}

impl Sink<'_> {
    /// Appends whole rows.
    pub fn push(&mut self, values: &[f32]) -> Result<()> {
        assert!(values.len().is_multiple_of(self.width), "whole rows of {}", self.width);
        self.rows += values.len() / self.width;
        let mut write = || values.iter().try_for_each(|value| self.out.write_all(&value.to_le_bytes()));
        write().map_err(Error::io(self.path))
    }
}

/// Writes a file of at most `most` rows, whole or not at all: `fill` gives the rows and returns what they are of. Returns
/// their number.
///
/// # Errors
/// Those of `fill` and of the disk.
pub fn write(
    path: &Path,
    form: Form,
    info: &Info,
    most: usize,
    fill: impl FnOnce(&mut Sink) -> Result<Rows>,
) -> Result<usize> {
    let info = Info { format: FORMAT.to_owned(), rows: Rows::default(), ..info.clone() };
    let width = info.width();
    let mut count = 0;
    durable::try_write_with(path, |out| {
        // No header is longer than that of most rows and endless names.
        let room = match form {
            Form::Safetensors => header(&info, most, u64::MAX / 2).len().next_multiple_of(8),
            Form::Npy => NPY - 8,
        };
        out.write_all(&vec![0; 8 + room]).map_err(Error::io(path))?;
        let mut sink = Sink { out, path, rows: 0, width };
        let rows = fill(&mut sink)?;
        count = sink.rows;
        assert!(count <= most && rows.files.len() == count && rows.labels.len() == count, "a name and a label a row");
        match form {
            Form::Safetensors => end_safetensors(out, &info, &rows, room).map_err(Error::io(path)),
            Form::Npy => {
                let info = Info { rows, ..info.clone() };
                durable::write(&beside(path), &to_json(&info))?;
                let mut header = b"\x93NUMPY\x01\x00".to_vec();
                header.extend((NPY as u16 - 10).to_le_bytes());
                header.extend(
                    format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({count}, {width}), }}").bytes(),
                );
                header.resize(NPY - 1, b' ');
                header.push(b'\n');
                out.seek(SeekFrom::Start(0)).and_then(|_| out.write_all(&header)).map_err(Error::io(path))
            }
        }
    })?;
    Ok(count)
}

fn to_json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("names and numbers have a JSON form")
}

/// `NAME.json` for `NAME.npy`.
fn beside(path: &Path) -> PathBuf {
    path.with_extension("json")
}

/// The header of a safetensors file.
fn header(info: &Info, rows: usize, names: u64) -> Vec<u8> {
    let width = info.width();
    let ends = [(rows * width * 4) as u64, (rows * (width * 4 + 8)) as u64];
    let header = json!({
        "__metadata__": {INFO: String::from_utf8(to_json(info)).expect("JSON is UTF-8")},
        INFO: {"dtype": "F32", "shape": [rows, width], "data_offsets": [0, ends[0]]},
        LABELS: {"dtype": "I64", "shape": [rows], "data_offsets": ends},
        FILES: {"dtype": "U8", "shape": [names], "data_offsets": [ends[1], ends[1].saturating_add(names)]},
    });
    to_json(&header)
}

fn end_safetensors(out: &mut BufWriter<File>, info: &Info, rows: &Rows, room: usize) -> std::io::Result<()> {
    for &label in &rows.labels {
        out.write_all(&i64::from(label).to_le_bytes())?;
    }
    let names = to_json(&rows.files);
    out.write_all(&names)?;
    let mut header = header(info, rows.files.len(), names.len() as u64);
    header.resize(room, b' ');
    out.seek(SeekFrom::Start(0))?;
    out.write_all(&(room as u64).to_le_bytes())?;
    out.write_all(&header)
}

/// A file of features, open to be read.
#[derive(Debug)]
pub struct Features {
    path: PathBuf,
    file: File,
    /// Byte of the first row.
    start: u64,
    /// What the rows are.
    pub info: Info,
}

impl Features {
    /// Opens a file that [`write()`] made.
    ///
    /// # Errors
    /// No such file, another format, one that is cut off, or one whose parts do not fit.
    pub fn open(path: &Path) -> Result<Self> {
        let bad = |why: String| Error::Data {
            path: path.to_owned(),
            why: format!("{why}; expected features as `alexnet features` writes them"),
        };
        let form = Form::of(path).ok_or_else(|| bad("its name ends in neither .safetensors nor .npy".to_owned()))?;
        let file = File::open(path).map_err(Error::io(path))?;
        let bytes = file.metadata().map_err(Error::io(path))?.len();
        let part = |start: u64, len: u64| {
            if len > MOST_HEADER || start.saturating_add(len) > bytes {
                return Err(bad("it is cut off or no such file".to_owned()));
            }
            let mut part = vec![0; len as usize];
            read_at(&file, &mut part, start).map_err(Error::io(path))?;
            Ok(part)
        };
        let (start, shape, info) = match form {
            Form::Npy => {
                let (start, shape) = npy_shape(&part(0, bytes.min(NPY as u64))?).map_err(bad)?;
                let json = beside(path);
                let text = fs::read(&json).map_err(Error::io(&json))?;
                let not_info =
                    |e| Error::Data { path: json.clone(), why: format!("not the description of {path:?}: {e}") };
                (start, shape, serde_json::from_slice::<Info>(&text).map_err(not_info)?)
            }
            Form::Safetensors => {
                let len = u64::from_le_bytes(part(0, 8)?.try_into().expect("eight bytes were read"));
                let header: Metadata = serde_json::from_slice(&part(8, len)?).map_err(|e| bad(e.to_string()))?;
                let tensor = |name: &str, dtype: Dtype| {
                    let info = header.info(name).filter(|info| info.dtype == dtype);
                    info.ok_or_else(|| bad(format!("it has no tensor `{name}` of {dtype:?}")))
                };
                let start = 8 + len;
                let matrix = tensor(INFO, Dtype::F32)?;
                let shape =
                    <[usize; 2]>::try_from(&matrix.shape[..]).map_err(|_| bad(format!("{INFO} is no matrix")))?;
                let values = |name: &str, dtype: Dtype| {
                    let (begin, end) = tensor(name, dtype)?.data_offsets;
                    part(start + begin as u64, end.saturating_sub(begin) as u64)
                };
                let text = header.metadata().as_ref().and_then(|entries| entries.get(INFO));
                let text = text.ok_or_else(|| bad(format!("its metadata has no entry `{INFO}`")))?;
                let mut info: Info = serde_json::from_str(text).map_err(|e| bad(e.to_string()))?;
                let files = serde_json::from_slice(&values(FILES, Dtype::U8)?).map_err(|e| bad(e.to_string()))?;
                let label = |&bytes: &[u8; 8]| u32::try_from(i64::from_le_bytes(bytes));
                let labels = values(LABELS, Dtype::I64)?.as_chunks().0.iter().map(label).collect::<Result<_, _>>();
                info.rows = Rows { labels: labels.map_err(|_| bad("a label is no class's number".to_owned()))?, files };
                (start + matrix.data_offsets.0 as u64, shape, info)
            }
        };
        let [rows, width] = shape;
        let Rows { labels, files } = &info.rows;
        let end = rows.checked_mul(width).and_then(|values| (values as u64).checked_mul(4)?.checked_add(start));
        if end.is_none_or(|end| end > bytes) {
            return Err(bad(format!("it is cut off: {rows} rows of {width} values pass its {bytes} bytes")));
        }
        if info.format != FORMAT {
            return Err(bad(format!("its format is {:?}, not {FORMAT:?}: it is of another version", info.format)));
        }
        let product = info.shape.iter().try_fold(1usize, |product, &side| product.checked_mul(side));
        if product != Some(width) || labels.len() != rows || files.len() != rows || width == 0 {
            return Err(bad(format!(
                "its parts do not fit: {rows} rows of {width} values, {} labels, {} files, layer {} of shape {:?}",
                labels.len(),
                files.len(),
                info.layer,
                info.shape
            )));
        }
        if labels.iter().any(|&label| label as usize >= info.classes.len()) {
            return Err(bad(format!("a label is none of its {} classes", info.classes.len())));
        }
        Ok(Self { path: path.to_owned(), file, start, info })
    }

    /// Images.
    pub fn len(&self) -> usize {
        self.info.rows.files.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of `rows`, `[rows, values]`, in the place of what `values` holds.
    ///
    /// # Errors
    /// The file cannot be read, or was cut off meanwhile.
    pub fn read(&self, rows: Range<usize>, values: &mut Vec<f32>) -> Result<()> {
        let width = self.info.width();
        assert!(rows.end <= self.len(), "{rows:?} of {} rows", self.len());
        values.resize(rows.len() * width, 0.0);
        let start = self.start + (rows.start * width * 4) as u64;
        read_at(&self.file, bytemuck::cast_slice_mut(values), start).map_err(Error::io(&self.path))?;
        if cfg!(target_endian = "big") {
            values.iter_mut().for_each(|value| *value = f32::from_bits(u32::from_le(value.to_bits())));
        }
        Ok(())
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Byte of the first row and [rows, values] of an npy file that begins with `bytes`.
fn npy_shape(bytes: &[u8]) -> Result<(u64, [usize; 2]), String> {
    let none = || "it is not a matrix of little-endian f32 in C order in numpy's format".to_owned();
    let header = bytes.strip_prefix(b"\x93NUMPY\x01\x00").ok_or_else(none)?;
    let (len, text) = header.split_first_chunk::<2>().ok_or_else(none)?;
    let len = usize::from(u16::from_le_bytes(*len));
    let text = text.get(..len).and_then(|text| std::str::from_utf8(text).ok()).ok_or_else(none)?;
    if !text.contains("'descr': '<f4'") || !text.contains("'fortran_order': False") {
        return Err(none());
    }
    let shape = text.split_once("'shape': (").and_then(|(_, rest)| rest.split_once(')')).ok_or_else(none)?.0;
    let sides: Option<Vec<usize>> = shape.split(',').map(|side| side.trim().parse().ok()).collect();
    let sides = <[usize; 2]>::try_from(sides.ok_or_else(none)?).map_err(|_| none())?;
    Ok(((10 + len) as u64, sides))
}
