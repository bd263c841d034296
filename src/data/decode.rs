//! An image file → a square of RGB bytes: shorter side to the image size, centre square (§2 of the paper).

use super::jpeg::{self, Survey};
use crate::data::source::{Stored, read_file};
use crate::error::{Error, Result};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};
use std::fmt;
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

/// A square image that lies elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SquareRef<'a> {
    /// Side in pixels.
    pub size: usize,
    /// `[size, size, 3]`, RGB.
    pub rgb: &'a [u8],
}

impl<'a> From<&'a Square> for SquareRef<'a> {
    fn from(square: &'a Square) -> Self {
        Self { size: square.size, rgb: &square.rgb }
    }
}

/// What decides an image's pixels beside its file: other values, other pixels. In a run's `config.toml` and in the
/// manifest of a prepared set.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Decoding {
    /// The JPEG decoder.
    pub decoder: String,
    /// How much of a JPEG is decoded.
    pub scaling: String,
    /// The filter of the resizing, by Pillow's name.
    pub filter: String,
}

impl Decoding {
    /// Those of this build.
    pub fn own() -> Self {
        let (decoder, scaling) = if cfg!(feature = "turbo") { ("libjpeg-turbo", "dct") } else { ("zune-jpeg", "none") };
        Self { decoder: decoder.to_owned(), scaling: scaling.to_owned(), filter: "bilinear".to_owned() }
    }
}

impl fmt::Display for Decoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "decoder {}, scaling {}, filter {}", self.decoder, self.scaling, self.filter)
    }
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
    let mut decoder = Decoder::new(exif);
    let read = read_file(path, &mut bytes).and_then(|()| decoder.square(Stored::File(&bytes), size).cloned());
    read.map_err(|why| Error::Image { path: path.to_owned(), why })
}

/// Bytes of a decoded image that a [`Decoder`] keeps; what a larger one took is given back.
pub const KEPT_BYTES: usize = 64 << 20;

/// Makes squares of image files, one after another, in memory that it keeps.
pub struct Decoder {
    exif: Exif,
    /// The image as decoded, `[height, width, 3]`; may be longer.
    rgb: Vec<u8>,
    resizer: Resizer,
    square: Square,
    #[cfg(feature = "turbo")]
    turbo: super::turbo::Turbo,
}

impl Decoder {
    /// One that turns images or not.
    pub fn new(exif: Exif) -> Self {
        Self {
            exif,
            rgb: Vec::new(),
            resizer: Resizer::new(),
            square: Square { size: 0, rgb: Vec::new() },
            #[cfg(feature = "turbo")]
            turbo: super::turbo::Turbo::default(),
        }
    }

    /// What it does about EXIF orientation.
    pub fn exif(&self) -> Exif {
        self.exif
    }

    /// The centre square of an image, resized to `size` pixels, as [`load`] does.
    ///
    /// # Errors
    /// Why the bytes are no readable image.
    pub fn square(&mut self, image: Stored, size: usize) -> Result<&Square, String> {
        let centre = |width: u32, height: u32| {
            let side = width.min(height);
            [(width - side) / 2, (height - side) / 2, side, side]
        };
        self.part(image, size, Some(size), centre)
    }

    /// The part (left, top, width, height) of an image that `choose` names for its width and height, resized to a square
    /// of `size` pixels. The shorter side need only be `least` pixels long, if that is said.
    ///
    /// # Errors
    /// Why the bytes are no readable image.
    pub fn part(
        &mut self,
        image: Stored,
        size: usize,
        least: Option<usize>,
        choose: impl FnOnce(u32, u32) -> [u32; 4],
    ) -> Result<&Square, String> {
        let (width, height, rgb) = match image {
            Stored::File(bytes) => {
                let (width, height) = self.decode(bytes, least)?;
                (width, height, &self.rgb[..3 * width as usize * height as usize])
            }
            Stored::Square { size, rgb } => (size as u32, size as u32, rgb),
        };
        let part = choose(width, height);
        self.square.size = size;
        self.square.rgb.resize(3 * size * size, 0);
        if part == [0, 0, size as u32, size as u32] && (width, height) == (part[2], part[3]) {
            self.square.rgb.copy_from_slice(rgb);
        } else {
            resize(&mut self.resizer, rgb, (width, height), part, &mut self.square);
        }
        Ok(&self.square)
    }

    /// The bytes of a JPEG or PNG file → pixels, turned as asked; width and height.
    fn decode(&mut self, bytes: &[u8], least: Option<usize>) -> Result<(u32, u32), String> {
        if self.rgb.capacity() > KEPT_BYTES {
            self.rgb = Vec::new();
        }
        if bytes.is_empty() {
            return Err("the file is empty".into());
        }
        let Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png)) = image::guess_format(bytes) else {
            return Err("not a JPEG or PNG image".into());
        };
        let survey = if format == ImageFormat::Jpeg { jpeg::survey(bytes) } else { Survey::default() };
        if format == ImageFormat::Jpeg && !survey.ended {
            return Err("truncated JPEG: its data has no end; copy the file again".into());
        }
        #[cfg(feature = "turbo")]
        if let (ImageFormat::Jpeg, Some(size)) = (format, self.turbo.decode(bytes, least, &mut self.rgb)) {
            return Ok(self.turn(size, survey.exif.and_then(Orientation::from_exif_chunk)));
        }
        // Only libjpeg-turbo decodes less than all.
        let _ = least;
        let damaged = |e| match e {
            ImageError::Limits(_) => too_many("too many pixels"),
            e => format!("damaged or truncated image: {e}"),
        };
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(8 * MAX_PIXELS);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(damaged)?;
        let (width, height) = decoder.dimensions();
        if u64::from(width) * u64::from(height) > MAX_PIXELS {
            return Err(too_many(&format!("{width}×{height} pixels")));
        }
        // An unreadable orientation is none: the pixels are what counts.
        let orientation = match format {
            ImageFormat::Jpeg => survey.exif.and_then(Orientation::from_exif_chunk),
            _ => decoder.orientation().ok(),
        };
        if decoder.color_type() == ColorType::Rgb8 {
            self.rgb.resize(decoder.total_bytes() as usize, 0);
            decoder.read_image(&mut self.rgb).map_err(damaged)?;
        } else {
            self.rgb = DynamicImage::from_decoder(decoder).map_err(damaged)?.into_rgb8().into_raw();
        }
        Ok(self.turn((width, height), orientation))
    }

    /// Turns what was decoded; its width and height afterwards.
    fn turn(&mut self, (width, height): (u32, u32), orientation: Option<Orientation>) -> (u32, u32) {
        let orientation = orientation.filter(|&o| o != Orientation::NoTransforms && self.exif == Exif::Apply);
        let Some(orientation) = orientation else { return (width, height) };
        self.rgb.truncate(3 * width as usize * height as usize);
        let image = RgbImage::from_raw(width, height, std::mem::take(&mut self.rgb)).expect("w·h·3 bytes");
        let mut image = DynamicImage::from(image);
        image.apply_orientation(orientation);
        let size = (image.width(), image.height());
        self.rgb = image.into_rgb8().into_raw();
        size
    }
}

/// Width and height by an image's header.
pub(super) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), String> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| e.to_string())?;
    reader.into_dimensions().map_err(|e| e.to_string())
}

fn too_many(what: &str) -> String {
    format!("{what} by its header, the limit is {MAX_PIXELS}; make it smaller")
}

/// A part of an image, resized to the size of `square`.
fn resize(resizer: &mut Resizer, rgb: &[u8], (width, height): (u32, u32), part: [u32; 4], square: &mut Square) {
    let [left, top, across, down] = part.map(f64::from);
    let options =
        ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).crop(left, top, across, down);
    let source = ImageRef::new(width, height, rgb, PixelType::U8x3).expect("the buffer is w·h·3 bytes");
    let side = square.size as u32;
    let mut out = Image::from_slice_u8(side, side, &mut square.rgb, PixelType::U8x3).expect("side·side·3 bytes");
    resizer.resize(&source, &mut out, &options).expect("the part lies inside the image");
}
