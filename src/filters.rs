//! The picture of Figure 3: what conv1 has learned, first column's filters above, second's below.

use crate::error::{Error, Result};
use crate::net::Table;
use crate::weights::{Array, Weights};
use image::{Rgb, RgbImage};

/// Filters side by side, as in the figure: 48 a column are three rows of sixteen.
const PER_ROW: usize = 16;
/// About the side of an enlarged filter in pixels.
const SIDE: usize = 44;
/// Pixels between filters, and between the columns.
const GAP: usize = 4;
const COLUMN_GAP: usize = 20;

/// Draws the filters of `weights`, whose network is the one they name, else `option`.
///
/// # Errors
/// Weights that do not name their network or do not fit it.
pub fn of(mut weights: Weights, option: Option<&Table>) -> Result<RgbImage> {
    let table = weights.table(option)?;
    let net = weights.resolve(&table)?;
    let first = net.tensors().swap_remove(0);
    let data = weights.take(&net)?.swap_remove(0);
    draw(&Array { dims: first.dims, data }, table.columns)
}

/// Draws `weight` `[maps, 3, k, k]`, a network's first, whose maps are divided among `columns`.
///
/// A filter is enlarged by whole pixels. Zero is middle grey and the filter's largest absolute value full intensity, one
/// scale for its three channels, so that its colours are kept.
///
/// # Errors
/// A tensor that is not a filter over RGB.
pub fn draw(weight: &Array, columns: usize) -> Result<RgbImage> {
    let &[maps, 3, k, width] = &weight.dims[..] else { return Err(not_filters(weight)) };
    if k != width || k == 0 || maps == 0 || maps % columns != 0 {
        return Err(not_filters(weight));
    }
    let scale = SIDE.div_ceil(k);
    let (cell, per_column) = (k * scale + GAP, maps / columns);
    let (across, down) = (PER_ROW.min(per_column), per_column.div_ceil(PER_ROW));
    let column_height = down * cell - GAP + COLUMN_GAP;
    let size = |cells: usize| u32::try_from(cells).map_err(|_| not_filters(weight));
    let (image_width, image_height) =
        (size(across * cell + GAP)?, size(columns * column_height - COLUMN_GAP + 2 * GAP)?);
    let mut image = RgbImage::from_pixel(image_width, image_height, Rgb([255; 3]));
    for (map, filter) in weight.data.chunks_exact(3 * k * k).enumerate() {
        let (column, place) = (map / per_column, map % per_column);
        let left = GAP + place % PER_ROW * cell;
        let top = GAP + column * column_height + place / PER_ROW * cell;
        let largest = filter.iter().fold(0f32, |m, w| m.max(w.abs()));
        for (y, x) in (0..k * scale).flat_map(|y| (0..k * scale).map(move |x| (y, x))) {
            let at = |channel: usize| intensity(filter[(channel * k + y / scale) * k + x / scale], largest);
            image.put_pixel((left + x) as u32, (top + y) as u32, Rgb([at(0), at(1), at(2)]));
        }
    }
    Ok(image)
}

fn intensity(weight: f32, largest: f32) -> u8 {
    if largest == 0.0 { 128 } else { (127.5 + 127.5 * weight / largest).round() as u8 }
}

fn not_filters(weight: &Array) -> Error {
    Error::Usage(format!(
        "the first layer's weight has shape {:?}, which is not [maps, 3, side, side]: no picture of it",
        weight.dims
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_lie_one_above_the_other_and_colours_are_kept() {
        // Two columns of one filter of one pixel: pure red above, half-strength negative green beside nothing below.
        let weight = Array { dims: vec![2, 3, 1, 1], data: vec![0.2, 0.0, 0.0, 0.0, -0.1, 0.05] };
        let image = draw(&weight, 2).unwrap();
        assert_eq!(image.dimensions(), (44 + 8, 2 * 44 + 20 + 8));
        assert_eq!(image.get_pixel(4, 4), &Rgb([255, 128, 128]));
        assert_eq!(image.get_pixel(47, 47), &Rgb([255, 128, 128]));
        assert_eq!(image.get_pixel(4, 4 + 44 + 20), &Rgb([128, 0, 191]));
        assert_eq!(image.get_pixel(4, 4 + 44), &Rgb([255; 3]));
    }

    #[test]
    fn refuses_what_is_no_filter() {
        assert!(draw(&Array { dims: vec![2, 1, 1, 1], data: vec![0.0; 2] }, 2).is_err());
        assert!(draw(&Array { dims: vec![3, 3, 1, 1], data: vec![0.0; 9] }, 2).is_err());
    }
}
