//! `show`: from what was typed to a picture.

use super::MachineArgs;
use super::commands::{Loaded, load, numbered, say, workers};
use super::features::ImagesArgs;
use super::values::count;
use crate::data::{Split, source};
use crate::error::Error;
use crate::eval::{self, Confusion, Views};
use crate::train::Progress;
use crate::weights::Weights;
use crate::{predict, recipe, show};
use anyhow::Result;
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Options of `show`.
#[derive(Args, Debug)]
#[command(override_usage = "alexnet show [OPTIONS] <WEIGHTS> <IMAGE>... <OUT.png>\n       \
                            alexnet show [OPTIONS] --layer <LAYER> <WEIGHTS> <IMAGE> <OUT.png>\n       \
                            alexnet show [OPTIONS] --confusion <WEIGHTS> <SOURCE> <OUT.png>")]
pub struct ShowArgs {
    /// A weights file, a checkpoint folder or a run folder.
    pub weights: PathBuf,
    /// Images, JPEG or PNG, or a source with --confusion; then the picture to write, .png or .svg.
    #[arg(required = true, num_args = 2.., value_names = ["IMAGE", "OUT.png"])]
    pub paths: Vec<PathBuf>,
    /// Draw the maps of this layer for one image, both columns side by side.
    #[arg(long, conflicts_with_all = ["confusion", "labels", "top"])]
    pub layer: Option<String>,
    /// Draw which classes of a source are taken for which.
    #[arg(long, conflicts_with_all = ["labels", "top"])]
    pub confusion: bool,
    /// Print the counts of --confusion too, a line of JSON a class.
    #[arg(long, requires = "confusion")]
    pub json: bool,
    /// The right class of each image, a line each, where the names of their folders do not say it.
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// Classes to show for each image.
    #[arg(long, default_value = "5", value_parser = count())]
    pub top: usize,
    /// Which images of a source.
    #[command(flatten)]
    pub images: ImagesArgs,
    /// On what.
    #[command(flatten)]
    pub on: MachineArgs,
}

/// Draws.
pub(super) fn run(args: &ShowArgs) -> Result<()> {
    let Some((out, images)) = args.paths.split_last() else { return Ok(()) };
    super::values::ensure_picture(out)?;
    let one = |what: &str| match images {
        [one] => Ok(one.as_path()),
        _ => Err(Error::Usage(format!("{what} draws one, {} were named before {}", images.len(), out.display()))),
    };
    let picture = match &args.layer {
        Some(layer) => maps(args, layer, one("--layer: of images, show")?)?,
        None if args.confusion => confusion(args, one("--confusion: of sources, show")?)?,
        None => predictions(args, images)?,
    };
    picture.write(out)?;
    say(&out.display().to_string())
}

fn predictions(args: &ShowArgs, images: &[PathBuf]) -> Result<crate::draw::Picture> {
    let weights = Weights::read(&args.weights)?;
    let table = &weights.table(args.on.net.named()?.as_ref())?;
    let batch = args.on.batch.unwrap_or(recipe::defaults(table).batch).min(images.len());
    let net = weights.resolve(table)?;
    let (classes, names) = (weights.numbered_classes(&net), weights.class_names.clone());
    let right = right(args, images, &classes, names.as_deref())?;
    let Loaded { mut machine, stats, .. } = load(weights, table, None, &args.on, batch, |_| ())?;
    let how = predict::Settings { views: 1, top: args.top, batch, exif: args.on.exif };
    Ok(show::predictions(&mut machine, &stats, (&classes, names.as_deref()), images, &right, how)?)
}

/// The right class of each image, where it is known.
fn right(
    args: &ShowArgs,
    images: &[PathBuf],
    classes: &[String],
    names: Option<&[String]>,
) -> Result<Vec<Option<usize>>> {
    let Some(file) = &args.labels else {
        return Ok(images.iter().map(|image| show::class_of_folder(image, classes, names)).collect());
    };
    let text = fs::read_to_string(file).map_err(Error::io(file))?;
    let bad = |why: String| Error::Data { path: file.clone(), why };
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.len() != images.len() {
        let why = format!("it has {} lines, expected one a class for each of {} images", lines.len(), images.len());
        return Err(bad(why).into());
    }
    let class = |line: &&str| {
        let found = show::class_named(line, classes, names);
        found.map(Some).ok_or_else(|| bad(format!("`{line}` is none of the {} classes of the weights", classes.len())))
    };
    Ok(lines.iter().map(class).collect::<Result<_, _>>()?)
}

fn maps(args: &ShowArgs, layer: &str, image: &Path) -> Result<crate::draw::Picture> {
    let weights = Weights::read(&args.weights)?;
    let table = &weights.table(args.on.net.named()?.as_ref())?;
    let Loaded { mut machine, stats, .. } = load(weights, table, Some(layer), &args.on, 1, |_| ())?;
    Ok(show::maps(&mut machine, &stats, layer, image, args.on.exif)?)
}

fn confusion(args: &ShowArgs, data: &Path) -> Result<crate::draw::Picture> {
    let mut progress = Progress::stderr();
    let weights = Weights::read(&args.weights)?;
    let table = &weights.table(args.on.net.named()?.as_ref())?;
    let net = weights.resolve(table)?;
    let options = args.images.said.options(args.images.seed);
    let set = source::open(data, args.images.split.unwrap_or(Split::Val), &options, &mut progress)?;
    let set = Arc::new(numbered(&set, &weights, &net, &options)?.uncached());
    let batch = args.on.batch.unwrap_or(recipe::defaults(table).batch).min(set.len().max(1));
    let mut loaded = load(weights, table, None, &args.on, batch, |note| progress.note(note))?;
    let how = Views { views: 1, batch, workers: workers(args.images.workers), exif: args.on.exif };
    let (mut confusion, mut done) = (Confusion::default(), 0);
    let (_, skipped) = eval::classify(&mut loaded.machine, &set, &loaded.stats, how, |label, probabilities| {
        confusion.add(probabilities, label);
        done += 1;
        progress.count("evaluation", done, set.len());
        true
    })?;
    progress.skipped(&skipped);
    progress.finish();
    if args.json {
        for line in show::confusion_lines(&confusion, &set.classes) {
            say(&serde_json::to_string(&line)?)?;
        }
    }
    Ok(show::confusion(&confusion, &set.classes, set.class_names.as_deref())?)
}
