//! Prediction: the most probable classes of single images.

use crate::data::{self, Batch, Exif, Pixels, Stats};
use crate::error::Result;
use crate::eval;
use crate::machine::Machine;
use std::path::Path;

/// One line of `predict --json`.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Prediction {
    /// The file as it was named.
    pub image: String,
    /// Most probable classes, first the most probable.
    pub top: Vec<Guess>,
}

/// One class of a prediction.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Guess {
    /// Place in the classes.
    pub index: usize,
    /// The class, as the data calls it.
    pub class: String,
    /// Its readable name, where `class` is a WordNet id and the weights know one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Mean over the views.
    pub probability: f32,
}

/// How images are put before the network.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// 1 or 10.
    pub views: usize,
    /// Classes an image.
    pub top: usize,
    /// Images at once.
    pub batch: usize,
    /// What to do with EXIF orientation.
    pub exif: Exif,
}

/// Gives `take` a prediction for each of `images`, in their order. `classes` come with their readable names, if any.
///
/// # Errors
/// A file that is not a readable JPEG or PNG; what comes before it has been given to `take`.
pub fn predict<P: AsRef<Path>>(
    machine: &mut Machine,
    stats: &Stats,
    (classes, names): (&[String], Option<&[String]>),
    images: &[P],
    how: Settings,
    mut take: impl FnMut(Prediction) -> Result<()>,
) -> Result<()> {
    let (side, size) = (machine.net().table.crop, machine.net().table.image);
    for group in images.chunks(how.batch.max(1)) {
        let mut pixels = Vec::new();
        let mut unreadable = None;
        for path in group {
            match data::load(path.as_ref(), size, how.exif) {
                Ok(square) => pixels.extend(data::views_of(&square, stats, side, how.views)),
                Err(e) => {
                    unreadable = Some(e);
                    break;
                }
            }
        }
        let labels = vec![0; pixels.len() / (3 * side * side)];
        let batch = Batch { side, pixels: Pixels::Floats(pixels), labels };
        let means = eval::mean_over_views(&machine.probabilities(&batch)?, how.views, classes.len());
        for (path, probabilities) in group.iter().zip(means.chunks_exact(classes.len())) {
            let guess = |(index, probability)| Guess {
                index,
                class: classes[index].clone(),
                name: names.map(|names| names[index].clone()),
                probability,
            };
            let top = eval::top(probabilities, how.top).into_iter().map(guess).collect();
            take(Prediction { image: path.as_ref().to_string_lossy().into_owned(), top })?;
        }
        if let Some(e) = unreadable {
            return Err(e);
        }
    }
    Ok(())
}
