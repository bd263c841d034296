//! What a network makes of images, in pictures: its most probable classes as in the left half of the paper's Figure 4, the
//! neighbours of the right half, a layer's maps, and which classes are taken for which.

use crate::data::{self, DataSet, Exif, Options, Reader, Square, Stats, source};
use crate::draw::{Anchor, Area, Canvas, Cell, GREY, Grid, INK, Picture, SMALL, TITLE, fit};
use crate::error::{Error, Result};
use crate::eval::Confusion;
use crate::features::{self, Info};
use crate::machine::Machine;
use crate::predict::{self, Guess, Prediction};
use crate::similar::Answer;
use image::{Rgb, RgbImage};
use std::path::Path;

/// Images a row of predictions, as in the figure.
const ACROSS: usize = 4;
/// Side of an image in units.
const SIDE: f64 = 200.0;
/// Side of a neighbour.
const SMALL_SIDE: f64 = 130.0;
/// Pixels of a neighbour's side.
const PIXELS: usize = 256;

/// The first of WordNet's names for a class, which are separated by commas.
pub fn short_name<'a>(class: &'a str, name: Option<&'a str>) -> &'a str {
    let names = name.unwrap_or(class);
    names.split(',').next().unwrap_or(names)
}

/// The class an image belongs to by the name of its folder: a class of the network, or its readable name.
pub fn class_of_folder(image: &Path, classes: &[String], names: Option<&[String]>) -> Option<usize> {
    let folder = std::path::absolute(image).ok()?;
    let folder = folder.parent()?.file_name()?.to_str()?;
    class_named(folder, classes, names)
}

/// The class of this name, or of this readable name.
pub fn class_named(name: &str, classes: &[String], names: Option<&[String]>) -> Option<usize> {
    let is_it = |class: &String| class == name;
    let by_name = || names?.iter().position(|own| own == name || short_name(own, None) == name);
    classes.iter().position(is_it).or_else(by_name)
}

/// Images with their most probable classes as bars, the right one marked where it is known: `right` has the class of each
/// image.
///
/// # Errors
/// A file that is not a readable JPEG or PNG; a lost device.
pub fn predictions<P: AsRef<Path>>(
    machine: &mut Machine,
    stats: &Stats,
    (classes, names): (&[String], Option<&[String]>),
    images: &[P],
    right: &[Option<usize>],
    how: predict::Settings,
) -> Result<Picture> {
    let size = machine.net().table.image;
    let mut found = Vec::with_capacity(images.len());
    predict::predict(machine, stats, (classes, names), images, how, |prediction| {
        found.push(prediction);
        Ok(())
    })?;
    let cell = |((prediction, image), &right): ((&Prediction, &P), &Option<usize>)| {
        let caption = right.map_or_else(
            || file_name(image.as_ref()),
            |class| short_name(&classes[class], names.map(|names| names[class].as_str())).to_owned(),
        );
        let bar = |guess: &Guess| {
            let name = short_name(&guess.class, guess.name.as_deref()).to_owned();
            (name, f64::from(guess.probability), right == Some(guess.index))
        };
        Ok(Cell {
            image: rgb(&data::load(image.as_ref(), size, how.exif)?),
            captions: vec![caption],
            frame: None,
            bars: prediction.top.iter().map(bar).collect(),
        })
    };
    let cells = found.iter().zip(images).zip(right).map(cell).collect::<Result<_>>()?;
    Grid { title: String::new(), columns: ACROSS, side: SIDE, first_apart: false, cells }.picture()
}

/// Each query beside its neighbours, which are read where they lie, or out of the source that `info` names.
///
/// # Errors
/// An image that cannot be read.
pub fn neighbours(info: &Info, answers: &[Answer], exif: Exif) -> Result<Picture> {
    let mut opened = None;
    let mut cells = Vec::new();
    let columns = 1 + answers.iter().map(|answer| answer.neighbours.len()).max().unwrap_or(0);
    for answer in answers {
        let query = Path::new(&answer.image);
        let cell = |image, captions| Cell { image, captions, frame: None, bars: Vec::new() };
        let folder = query.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        cells.push(cell(rgb(&data::load(query, PIXELS, exif)?), vec![file_name(query), folder]));
        for found in &answer.neighbours {
            let square = if found.file.is_file() {
                data::load(&found.file, PIXELS, exif)?
            } else {
                let set = match &mut opened {
                    Some(set) => set,
                    None => opened.insert(source::open(&info.source, info.split, &Options::default(), &mut ())?),
                };
                out_of(set, &found.file, exif)?
            };
            let class = short_name(&found.class, found.name.as_deref()).to_owned();
            cells.push(cell(rgb(&square), vec![class, format!("{:.2}", found.distance)]));
        }
        // The next query begins a row.
        let blank = cell(RgbImage::from_pixel(1, 1, Rgb([255; 3])), Vec::new());
        cells.resize(cells.len().next_multiple_of(columns), blank);
    }
    Grid { title: String::new(), columns, side: SMALL_SIDE, first_apart: true, cells }.picture()
}

/// The image at `path` of a source.
fn out_of(set: &DataSet, path: &Path, exif: Exif) -> Result<Square> {
    let is_it = |&number: &usize| source::absolute(&set.path(number)) == path;
    let number = (0..set.len()).find(is_it).ok_or_else(|| Error::Data {
        path: path.to_owned(),
        why: format!("the features name this image, but {} does not hold it", set.root.display()),
    })?;
    let mut reader = Reader::new(exif);
    let held = set.square(number, PIXELS, &mut reader)?;
    let square = held.square();
    Ok(Square { size: square.size, rgb: square.rgb.to_vec() })
}

/// The maps of the machine's last row for an image, each column's beside the other's. One scale for all of them: black is 0,
/// or the lowest value below it, white the highest.
///
/// # Errors
/// A file that is not a readable JPEG or PNG; a lost device.
pub fn maps(machine: &mut Machine, stats: &Stats, layer: &str, image: &Path, exif: Exif) -> Result<Picture> {
    let shape = machine.net().output();
    let columns = machine.net().columns_of(machine.net().rows.len() - 1);
    let values = features::of_files(machine, stats, &[image], exif)?;
    let halves: Vec<_> = values.chunks_exact(values.len() / columns).collect();
    let (low, high) = values.iter().fold((0f32, 0f32), |(low, high), &v| (low.min(v), high.max(v)));
    let mosaics: Vec<_> = halves.iter().map(|half| mosaic(half, shape.h, shape.w, low, high)).collect();
    let (width, height) = (f64::from(mosaics[0].width()) / 2.0, f64::from(mosaics[0].height()) / 2.0);
    let (margin, gap) = (16.0, 24.0);
    let top = margin + TITLE + 14.0 + SMALL + 10.0;
    let across = (columns as f64 * (width + gap) - gap).max(420.0);
    let mut canvas = Canvas::new(across + 2.0 * margin, top + height + margin);
    let per_column = shape.c / columns;
    let what = if shape.h * shape.w == 1 {
        format!("{per_column} units a column")
    } else {
        format!("{per_column} maps of {}×{} a column", shape.h, shape.w)
    };
    let title = format!("{layer} of {}: {what}, 0 to {high:.3}", machine.net().table);
    canvas.text((margin, margin + TITLE * 0.8), Anchor::Start, TITLE, INK, &fit(&title, TITLE, across));
    for (column, mosaic) in mosaics.iter().enumerate() {
        let x = margin + column as f64 * (width + gap);
        canvas.text((x, top - 8.0), Anchor::Start, SMALL, GREY, &format!("column {}", column + 1));
        canvas.image(Area { x, y: top, width, height }, mosaic)?;
    }
    Ok(canvas.finish())
}

/// Pixels about a side of a mosaic.
const MOSAIC: usize = 900;
/// Pixels between maps.
const GAP: usize = 2;
/// Between them: no shade of grey.
const GROUND: Rgb<u8> = Rgb([0xd0, 0xe2, 0xf0]);

/// `[maps, h, w]` as grey images, whole pixels a value, in rows.
fn mosaic(values: &[f32], h: usize, w: usize, low: f32, high: f32) -> RgbImage {
    let maps = values.len() / (h * w);
    let across = (1..=maps).find(|across| across * across >= maps).unwrap_or(1);
    let down = maps.div_ceil(across);
    let scale = (MOSAIC / (across * w).max(down * h)).max(1);
    let (cell_w, cell_h) = (w * scale + GAP, h * scale + GAP);
    let mut image = RgbImage::from_pixel((across * cell_w - GAP) as u32, (down * cell_h - GAP) as u32, GROUND);
    for (map, values) in values.chunks_exact(h * w).enumerate() {
        let (left, top) = (map % across * cell_w, map / across * cell_h);
        for y in 0..h * scale {
            for x in 0..w * scale {
                let value = values[y / scale * w + x / scale];
                let grey = if high > low { (255.0 * (value - low) / (high - low)).round() as u8 } else { 0 };
                image.put_pixel((left + x) as u32, (top + y) as u32, Rgb([grey; 3]));
            }
        }
    }
    image
}

/// Which classes are taken for which.
///
/// # Errors
/// More classes than can be drawn.
pub fn confusion(confusion: &Confusion, classes: &[String], names: Option<&[String]>) -> Result<Picture> {
    let names: Vec<_> = (classes.iter().enumerate())
        .map(|(class, own)| short_name(own, names.map(|names| names[class].as_str())).to_owned())
        .collect();
    let map = confusion.heat_map(&names).ok_or_else(|| {
        Error::Usage(format!("{} classes are too many for a picture; take --json alone", classes.len()))
    })?;
    map.picture()
}

/// One line of `show --confusion --json`.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ConfusionLine {
    /// The class, as the data calls it.
    pub class: String,
    /// Images of it.
    pub images: u64,
    /// Classes that were found most probable, and for how many of them; the most frequent first.
    pub found: Vec<(String, u64)>,
}

/// The counts of each class that has images.
pub fn confusion_lines(confusion: &Confusion, classes: &[String]) -> Vec<ConfusionLine> {
    let line = |(label, class): (usize, &String)| {
        let images = confusion.of_class(label);
        let counts = classes.iter().enumerate().map(|(found, name)| (name.clone(), confusion.count(label, found)));
        let mut found: Vec<_> = counts.filter(|(_, count)| *count > 0).collect();
        found.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        ConfusionLine { class: class.clone(), images, found }
    };
    classes.iter().enumerate().map(line).filter(|line| line.images > 0).collect()
}

fn rgb(square: &Square) -> RgbImage {
    let side = square.size as u32;
    RgbImage::from_raw(side, side, square.rgb.clone()).expect("a square has three bytes a pixel")
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_grey_squares_in_rows() {
        // Three maps of 1 × 2: two rows of two cells.
        let image = mosaic(&[0.0, 1.0, 0.5, -1.0, 1.0, 1.0], 1, 2, -1.0, 1.0);
        let scale = (MOSAIC / 4) as u32;
        let cell = 2 * scale + GAP as u32;
        assert_eq!(image.dimensions(), (2 * cell - GAP as u32, 2 * (scale + GAP as u32) - GAP as u32));
        let at = |x: u32, y: u32| image.get_pixel(x, y).0[0];
        assert_eq!(
            [at(0, 0), at(scale, 0), at(2 * scale, 0), at(cell, 0), at(cell + scale, 0)],
            [128, 255, 208, 191, 0]
        );
        assert_eq!([at(0, scale + GAP as u32), at(cell, scale + GAP as u32)], [255, 208]);
        assert_eq!(mosaic(&[0.0], 1, 1, 0.0, 0.0).get_pixel(0, 0).0, [0; 3]);
    }

    #[test]
    fn a_class_is_known_by_its_folder() {
        let classes = ["n01", "n02"].map(str::to_owned);
        let names = ["tench, Tinca tinca", "cat"].map(str::to_owned);
        let of = |path: &str| class_of_folder(Path::new(path), &classes, Some(&names));
        assert_eq!(
            [of("x/n02/a.png"), of("x/tench/a.png"), of("x/dog/a.png"), of("a.png")],
            [Some(1), Some(0), None, None]
        );
    }
}
