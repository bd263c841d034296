//! An image file → a square of RGB bytes: shorter side to the image size, centre square (§2 of the paper).

use crate::data::source::read_file;
use crate::error::{Error, Result};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};
use std::io::Cursor;
use std::path::Path;

/// Most pixels an image may have, by its header: 2²⁷, 134 million.
pub const MAX_PIXELS: u64 = 1 << 27;

/// Whether the orientation that a camera wrote beside an image turns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exif {
    /// Turn and mirror as the EXIF orientation says.
    #[default]
    Apply,
    /// Leave the pixels as they are stored.
    Ignore,
}

/// A square image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Square {
    /// Side in pixels.
    pub size: usize,
    /// `[size, size, 3]`, RGB.
    pub rgb: Vec<u8>,
}

/// Reads a JPEG or PNG (told by its first bytes, not its name), whatever its colours, as a square of `size` pixels.
///
/// Greyscale is repeated over the channels, 16 bits are rounded to 8, alpha and colour profiles are left out, CMYK and
/// YCCK are taken as Adobe writes them (inverted), which is how they occur. The centre square, whole pixels, is resized
/// with a triangle filter as wide as the reduction (antialiased bilinear); one of the right size is copied.
///
/// # Errors
/// [`Error::Image`] where the file cannot be read, is empty, truncated or damaged, is no JPEG or PNG, or claims more
/// than [`MAX_PIXELS`]; the last is read from the header and allocates nothing.
pub fn load(path: &Path, size: usize, exif: Exif) -> Result<Square> {
    let mut bytes = Vec::new();
    let read = read_file(path, &mut bytes).and_then(|()| square(&bytes, size, exif));
    read.map_err(|why| Error::Image { path: path.to_owned(), why })
}

/// Like [`load`], from the bytes of the file.
///
/// # Errors
/// Why they are no readable image.
pub fn square(bytes: &[u8], size: usize, exif: Exif) -> Result<Square, String> {
    decode(bytes, exif).map(|image| resize(image.as_raw(), image.dimensions(), size))
}

/// A square of RGB bytes, `[own, own, 3]`, as one of `size` pixels.
pub(super) fn resized(rgb: &[u8], own: usize, size: usize) -> Square {
    if own == size {
        return Square { size, rgb: rgb.to_vec() };
    }
    resize(rgb, (own as u32, own as u32), size)
}

/// The bytes of a JPEG or PNG file → pixels, turned as asked.
fn decode(bytes: &[u8], exif: Exif) -> Result<RgbImage, String> {
    if bytes.is_empty() {
        return Err("the file is empty".into());
    }
    let Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png)) = image::guess_format(bytes) else {
        return Err("not a JPEG or PNG image".into());
    };
    if format == ImageFormat::Jpeg && !has_end(bytes) {
        return Err("truncated JPEG: its data has no end; copy the file again".into());
    }
    let damaged = |e| match e {
        ImageError::Limits(_) => format!("too many pixels by its header, the limit is {MAX_PIXELS}; make it smaller"),
        e => format!("damaged or truncated image: {e}"),
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(8 * MAX_PIXELS);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(format!("{width}×{height} pixels by its header, the limit is {MAX_PIXELS}; make it smaller"));
    }
    let orientation = decoder.orientation();
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    // An unreadable orientation is none: the pixels are what counts.
    if let (Exif::Apply, Ok(orientation)) = (exif, orientation) {
        image.apply_orientation(orientation);
    }
    Ok(image.into_rgb8())
}

/// Whether a JPEG's own data has its end marker: the decoder fills what is missing with grey. Its segments are walked,
/// since an embedded thumbnail has an end marker as well, and a telephone may append a film.
fn has_end(jpeg: &[u8]) -> bool {
    const END: u8 = 0xD9;
    // After 0xFF, a zero or a restart belongs to the data, and another 0xFF only fills.
    let is_marker = |w: &[u8]| w[0] == 0xFF && !matches!(w[1], 0x00 | 0xD0..=0xD7 | 0xFF);
    let mut rest = jpeg.get(2..).unwrap_or_default();
    while let Some(at) = rest.windows(2).position(is_marker) {
        if rest[at + 1] == END {
            return true;
        }
        let segment = &rest[at + 2..];
        let Some(&[high, low]) = segment.first_chunk() else { break };
        rest = segment.get(usize::from(u16::from_be_bytes([high, low]))..).unwrap_or_default();
    }
    false
}

/// The centre square of an image, resized.
fn resize(rgb: &[u8], (width, height): (u32, u32), size: usize) -> Square {
    let side = width.min(height);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).crop(
        f64::from((width - side) / 2),
        f64::from((height - side) / 2),
        f64::from(side),
        f64::from(side),
    );
    let source = ImageRef::new(width, height, rgb, PixelType::U8x3).expect("the buffer is w·h·3 bytes");
    let mut square = Image::new(size as u32, size as u32, PixelType::U8x3);
    Resizer::new().resize(&source, &mut square, &options).expect("the square lies inside the image");
    Square { size, rgb: square.into_vec() }
}
