//! libjpeg-turbo, which decodes to a fraction of the size where that is enough: cargo feature `turbo`.

use super::decode::MAX_PIXELS;
use turbojpeg::{Colorspace, Decompressor, Image, PixelFormat, ScalingFactor};

/// A decompressor, made when it is first needed.
#[derive(Default)]
pub(super) struct Turbo(Option<Decompressor>);

impl Turbo {
    /// Decodes a JPEG into `rgb`, with the smallest scale that leaves the shorter side `least` pixels; width and height.
    /// `None` where libjpeg-turbo does not make RGB of it (CMYK) or finds fault with it: the portable decoder judges.
    pub(super) fn decode(&mut self, jpeg: &[u8], least: Option<usize>, rgb: &mut Vec<u8>) -> Option<(u32, u32)> {
        if self.0.is_none() {
            self.0 = Decompressor::new().ok();
        }
        let decompressor = self.0.as_mut()?;
        let header = decompressor.read_header(jpeg).ok()?;
        let is_rgb = matches!(header.colorspace, Colorspace::RGB | Colorspace::YCbCr | Colorspace::Gray);
        if !is_rgb || header.width as u64 * header.height as u64 > MAX_PIXELS {
            return None;
        }
        // Halves have SIMD code; other eighths are slower than the whole.
        let enough =
            |scale: &ScalingFactor| least.is_some_and(|least| scale.scale(header.width.min(header.height)) >= least);
        let scale = [ScalingFactor::ONE_EIGHTH, ScalingFactor::ONE_QUARTER, ScalingFactor::ONE_HALF]
            .into_iter()
            .find(enough)
            .unwrap_or(ScalingFactor::ONE);
        decompressor.set_scaling_factor(scale).ok()?;
        let scaled = header.scaled(scale);
        let (width, height) = (scaled.width, scaled.height);
        rgb.resize(3 * width * height, 0);
        let image = Image { pixels: &mut rgb[..], width, pitch: 3 * width, height, format: PixelFormat::RGB };
        decompressor.decompress(jpeg, image).ok()?;
        Some((width as u32, height as u32))
    }
}
