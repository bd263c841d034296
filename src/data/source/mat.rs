//! The synsets of a development kit's `meta.mat`: as much of MATLAB's format 5 as it takes.
//!
//! A file is a header of 128 bytes and elements, each a type, a length and that many bytes, padded to eight; a short one
//! has all three in eight bytes. A compressed element holds another one. The variable `synsets` is an array of structures:
//! flags, dimensions, a name, the names of the fields, then for each structure the arrays of its fields.

use flate2::read::ZlibDecoder;
use std::io::Read;

/// Most bytes a compressed element may hold; ILSVRC's are below one megabyte.
const MAX_INFLATED: u64 = 1 << 26;

/// Types of elements.
mod kind {
    pub const INT8: u32 = 1;
    pub const UINT8: u32 = 2;
    pub const INT16: u32 = 3;
    pub const UINT16: u32 = 4;
    pub const INT32: u32 = 5;
    pub const UINT32: u32 = 6;
    pub const SINGLE: u32 = 7;
    pub const DOUBLE: u32 = 9;
    pub const MATRIX: u32 = 14;
    pub const COMPRESSED: u32 = 15;
    pub const UTF8: u32 = 16;
    pub const UTF16: u32 = 17;
}

/// The class of an array that is a structure.
const STRUCTURE: u8 = 2;

/// A node of WordNet's tree as ILSVRC numbers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Synset {
    /// `ILSVRC2012_ID`, from 1; the leaves come first, in no order that follows from their WordNet ids.
    pub id: u32,
    /// WordNet id, as in n02123045.
    pub wnid: String,
    /// Readable names.
    pub words: String,
    /// 0 for a leaf, which is a class.
    pub num_children: u32,
}

/// The synsets of a `meta.mat`.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn synsets(file: &[u8]) -> Result<Vec<Synset>, String> {
    let header = file.get(..128).ok_or("shorter than the header of a MATLAB file")?;
    if &header[126..] != b"IM" || header[125] != 1 {
        return Err("not a MATLAB file of version 5, little-endian".to_owned());
    }
    let mut rest = &file[128..];
    while !rest.is_empty() {
        let element = Element::take(&mut rest)?;
        let inflated;
        let element = if element.kind == kind::COMPRESSED {
            inflated = inflate(element.data)?;
            Element::take(&mut &inflated[..])?
        } else {
            element
        };
        if element.kind == kind::MATRIX
            && let Some(found) = structures(element.data)?
        {
            return Ok(found);
        }
    }
    Err("it has no variable `synsets`".to_owned())
}

fn inflate(data: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = ZlibDecoder::new(data).take(MAX_INFLATED + 1).read_to_end(&mut bytes);
    match read.map_err(|e| format!("damaged: {e}"))? as u64 > MAX_INFLATED {
        true => Err(format!("a variable of more than {} MiB", MAX_INFLATED >> 20)),
        false => Ok(bytes),
    }
}

/// The structures of an array, `None` where it is not the one called `synsets`.
fn structures(mut data: &[u8]) -> Result<Option<Vec<Synset>>, String> {
    let rest = &mut data;
    let flags = Element::take(rest)?;
    let dims = Element::take(rest)?;
    let name = Element::take(rest)?;
    if flags.data.first() != Some(&STRUCTURE) || name.data != b"synsets" {
        return Ok(None);
    }
    let count = dims.numbers()?.iter().try_fold(1u64, |all, &n| all.checked_mul(n as u64));
    let width = Element::take(rest)?.number().filter(|&w| w >= 1.0).ok_or("its structures have no field names")?;
    let names = Element::take(rest)?.data;
    let fields: Vec<&[u8]> = names.chunks(width as usize).map(|n| n.split(|&b| b == 0).next().unwrap_or(n)).collect();
    // A field is an element, and an element has a tag of eight bytes.
    let most = rest.len() as u64 / 8 / fields.len().max(1) as u64;
    let count = count.filter(|&n| n <= most).ok_or("it has fewer structures than it states")?;
    let mut all = Vec::new();
    for _ in 0..count {
        let mut synset = Synset::default();
        for &field in &fields {
            let value = Element::take(rest)?;
            match field {
                b"WNID" => synset.wnid = value.array_text()?,
                b"words" => synset.words = value.array_text()?,
                b"num_children" => synset.num_children = value.array_number()?,
                _ if field.starts_with(b"ILSVRC") && field.ends_with(b"_ID") => synset.id = value.array_number()?,
                _ => {}
            }
        }
        all.push(synset);
    }
    Ok(Some(all))
}

/// A type and its bytes.
#[derive(Clone, Copy, Debug)]
struct Element<'a> {
    kind: u32,
    data: &'a [u8],
}

impl<'a> Element<'a> {
    /// The element `rest` begins with, which is taken off.
    fn take(rest: &mut &'a [u8]) -> Result<Self, String> {
        const SHORT: &str = "cut short";
        let bytes = *rest;
        let word = |at: usize| bytes.get(at..)?.first_chunk().map(|&b| u32::from_le_bytes(b));
        let tag = word(0).ok_or(SHORT)?;
        let (kind, start, length) = match tag >> 16 {
            0 => (tag, 8, word(4).ok_or(SHORT)? as usize),
            length => (tag & 0xffff, 4, length as usize),
        };
        let end = start + length;
        let data = bytes.get(start..end).ok_or(SHORT)?;
        // Compressed elements are not padded, nor need the last one be.
        let next = match kind {
            kind::COMPRESSED => end,
            _ => end.next_multiple_of(8).min(bytes.len()),
        };
        *rest = &bytes[next..];
        Ok(Self { kind, data })
    }

    fn numbers(&self) -> Result<Vec<f64>, String> {
        fn all<const N: usize>(data: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
            data.as_chunks().0.iter().map(|&bytes| read(bytes)).collect()
        }
        Ok(match self.kind {
            kind::INT8 => all(self.data, |b: [u8; 1]| i8::from_le_bytes(b).into()),
            kind::UINT8 | kind::UTF8 => all(self.data, |[b]: [u8; 1]| b.into()),
            kind::INT16 => all(self.data, |b| i16::from_le_bytes(b).into()),
            kind::UINT16 | kind::UTF16 => all(self.data, |b| u16::from_le_bytes(b).into()),
            kind::INT32 => all(self.data, |b| i32::from_le_bytes(b).into()),
            kind::UINT32 => all(self.data, |b| u32::from_le_bytes(b).into()),
            kind::SINGLE => all(self.data, |b| f32::from_le_bytes(b).into()),
            kind::DOUBLE => all(self.data, f64::from_le_bytes),
            other => return Err(format!("an element of type {other} where numbers are expected")),
        })
    }

    fn number(&self) -> Option<f64> {
        self.numbers().ok()?.first().copied()
    }

    /// The values of an array: what follows its flags, dimensions and name.
    fn array(&self) -> Result<Option<Element<'a>>, String> {
        let mut data = self.data;
        if self.kind != kind::MATRIX || data.is_empty() {
            return Ok(None);
        }
        for _ in 0..3 {
            Self::take(&mut data)?;
        }
        Ok(if data.is_empty() { None } else { Some(Self::take(&mut data)?) })
    }

    fn array_number(&self) -> Result<u32, String> {
        Ok(self.array()?.and_then(|v| v.number()).map_or(0, |n| n as u32))
    }

    fn array_text(&self) -> Result<String, String> {
        let Some(values) = self.array()? else { return Ok(String::new()) };
        if matches!(values.kind, kind::UTF8 | kind::INT8 | kind::UINT8) {
            return Ok(String::from_utf8_lossy(values.data).into_owned());
        }
        let units: Vec<u16> = values.numbers()?.iter().map(|&n| n as u16).collect();
        Ok(String::from_utf16_lossy(&units))
    }
}

/// For the fuzzer.
pub(crate) fn fuzz(bytes: &[u8]) {
    let _ = synsets(bytes);
}
