//! Pictures: composed as SVG and rasterised here, with a font of their own, so that they look the same everywhere.
//!
//! A [`Canvas`] takes lines, text and images; [`Chart`], [`Bars`], [`Grid`] and [`HeatMap`] each compose one. The
//! [`Picture`] that comes out is written as PNG, or as SVG whose text has become paths and whose images lie inside.

mod bars;
mod canvas;
mod chart;
mod grid;
mod heat;
mod scale;
mod terminal;

pub use bars::{Bar, Bars};
pub use canvas::{Anchor, Area, Canvas, Stroke, fit, text_width};
pub use chart::{Chart, Series, Style, row};
pub use grid::{Cell, Grid};
pub use heat::HeatMap;
pub use scale::{Axis, Scale, number};
pub use terminal::{in_letters, render};

use crate::durable;
use crate::error::{Error, Result};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{FontResolver, Options, Tree, WriteOptions, fontdb};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, LazyLock};

/// Colours that stay apart for colour-blind readers (Okabe and Ito 2008), without their yellow, which is too light for
/// lines on white.
pub const PALETTE: [Rgb<u8>; 7] = [
    Rgb([0x00, 0x72, 0xb2]),
    Rgb([0xd5, 0x5e, 0x00]),
    Rgb([0x00, 0x9e, 0x73]),
    Rgb([0xcc, 0x79, 0xa7]),
    Rgb([0xe6, 0x9f, 0x00]),
    Rgb([0x56, 0xb4, 0xe9]),
    Rgb([0x00, 0x00, 0x00]),
];
/// Of text and frames.
pub const INK: Rgb<u8> = Rgb([0x22, 0x22, 0x22]);
/// Of what stands back: ticks, captions.
pub const GREY: Rgb<u8> = Rgb([0x66, 0x66, 0x66]);
/// Of lines behind the data.
pub const PALE: Rgb<u8> = Rgb([0xdd, 0xdd, 0xdd]);
/// The ground.
pub const WHITE: Rgb<u8> = Rgb([0xff, 0xff, 0xff]);

/// Sizes of text, in units: readable where a picture is shown at half its size.
pub const TEXT: f64 = 17.0;
/// Of a picture's title.
pub const TITLE: f64 = 20.0;
/// Of ticks and captions.
pub const SMALL: f64 = 15.0;

/// Pixels of a PNG for each unit of a picture.
pub const PIXELS: u32 = 2;

/// Inter, its Latin, Greek and Cyrillic letters and the signs of charts. Licence: `assets/Inter-LICENSE.txt`.
static FONT: &[u8] = include_bytes!("../assets/Inter-Regular-subset.ttf");
const FAMILY: &str = "Inter";

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(FONT.to_vec());
    Arc::new(fonts)
});

/// A finished picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    source: String,
    width: u32,
}

impl Picture {
    /// The SVG as composed, its text as text: for tests and searches.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its width in units.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// A self-contained SVG that looks the same in every program: its text is paths.
    pub fn svg(&self) -> Result<String> {
        let precise = WriteOptions { coordinates_precision: 2, transforms_precision: 5, ..WriteOptions::default() };
        Ok(self.tree()?.to_string(&precise))
    }

    /// The picture in [`PIXELS`] pixels a unit.
    pub fn raster(&self) -> Result<RgbImage> {
        let tree = self.tree()?;
        let pixels = tree.size().to_int_size().scale_by(PIXELS as f32);
        let too_large = || {
            Error::Usage(format!("a picture of {} by {} units is too large", tree.size().width(), tree.size().height()))
        };
        let mut canvas = pixels.and_then(|size| Pixmap::new(size.width(), size.height())).ok_or_else(too_large)?;
        let scale = PIXELS as f32;
        resvg::render(&tree, Transform::from_scale(scale, scale), &mut canvas.as_mut());
        // The ground is opaque, so no alpha is left to divide by.
        let rgb = canvas.data().chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
        RgbImage::from_raw(canvas.width(), canvas.height(), rgb).ok_or_else(too_large)
    }

    /// Writes the picture as its name ends, `.svg` or `.png`, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<()> {
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("svg")) {
            return durable::write(path, self.svg()?.as_bytes());
        }
        write_png(&self.raster()?, path)
    }

    fn tree(&self) -> Result<Tree> {
        let first = FontResolver::default_fallback_selector();
        let options = Options {
            font_family: FAMILY.to_owned(),
            fontdb: FONTS.clone(),
            font_resolver: FontResolver {
                select_font: FontResolver::default_font_selector(),
                // Names of classes may be in any script: what the embedded font lacks comes from the system's.
                select_fallback: Box::new(move |letter, used, fonts| {
                    if fonts.len() == FONTS.len() {
                        Arc::make_mut(fonts).load_system_fonts();
                    }
                    first(letter, used, fonts)
                }),
            },
            ..Options::default()
        };
        // Only this module writes the source.
        Tree::from_str(&self.source, &options).map_err(|e| Error::Usage(format!("a picture that cannot be drawn: {e}")))
    }
}

/// `image` as PNG.
pub fn png(image: &RgbImage) -> Result<Vec<u8>> {
    let mut png = Vec::new();
    PngEncoder::new(&mut png)
        .write_image(image, image.width(), image.height(), ExtendedColorType::Rgb8)
        .map_err(|e| Error::Usage(format!("an image that cannot be encoded as PNG: {e}")))?;
    Ok(png)
}

/// Writes `image` as PNG, whole or not at all.
pub fn write_png(image: &RgbImage, path: &Path) -> Result<()> {
    let png = png(image)?;
    durable::write_with(path, |out| out.write_all(&png))
}

/// Colour number `index` of [`PALETTE`], which repeats.
pub fn colour(index: usize) -> Rgb<u8> {
    PALETTE[index % PALETTE.len()]
}
