//! `features`: from what was typed to a file of features.

use super::commands::{Loaded, load, numbered, say, workers};
use super::values::count;
use super::{MachineArgs, SourceArgs};
use crate::data::{DataSet, Split, source};
use crate::eval::Views;
use crate::features::{self, Form, Info, Rows};
use crate::recipe;
use crate::train::Progress;
use crate::weights::Weights;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;

/// Options of `features`.
#[derive(Args, Debug)]
pub struct FeaturesArgs {
    /// A weights file, a checkpoint folder or a run folder.
    pub weights: PathBuf,
    /// The images.
    pub source: PathBuf,
    /// The file to write: a name that ends in .safetensors or .npy.
    #[arg(value_parser = out)]
    pub out: PathBuf,
    /// The layer whose output is written, after its ReLU and without what follows: fc7 without dropout's factor, which
    /// drop7 has [default: the last hidden layer].
    #[arg(long)]
    pub layer: Option<String>,
    /// Which of the source's images.
    #[command(flatten)]
    pub images: ImagesArgs,
    /// On what.
    #[command(flatten)]
    pub on: MachineArgs,
}

/// Which images of a source, and how they are read.
#[derive(Args, Debug)]
pub struct ImagesArgs {
    /// Which of its images [default: train; of show val].
    #[arg(long, value_enum)]
    pub split: Option<Split>,
    /// The source.
    #[command(flatten)]
    pub said: SourceArgs,
    /// Seed of --val-fraction, as in training.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Threads that load images [default: one a core].
    #[arg(long, value_parser = count())]
    pub workers: Option<usize>,
}

fn out(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    Form::of(&path).map(|_| path).ok_or_else(|| "expected a name that ends in .safetensors or .npy".to_owned())
}

/// The images of a source on their way through a network.
pub(super) struct Work {
    pub loaded: Loaded,
    pub set: Arc<DataSet>,
    pub how: Views,
    /// Without the rows.
    pub info: Info,
}

/// Opens weights and source.
pub(super) fn work(
    file: &std::path::Path,
    data: &std::path::Path,
    layer: Option<&str>,
    images: &ImagesArgs,
    on: &MachineArgs,
    progress: &mut Progress,
) -> Result<Work> {
    let weights = Weights::read(file)?;
    let table = &weights.table(on.net.named()?.as_ref())?;
    let net = weights.resolve(table)?;
    let layer = layer.unwrap_or(net.last_hidden());
    let shape = net.until(layer)?.output();
    let options = images.said.options(images.seed);
    let split = images.split.unwrap_or(Split::Train);
    let set = source::open(data, split, &options, progress)?;
    // Every image is read once. Classes the network does not know keep the data's own numbers.
    let set = numbered(&set, &weights, &net, &options).unwrap_or(set).uncached();
    let info = Info {
        format: String::new(),
        net: table.to_string(),
        layer: layer.to_owned(),
        shape: [shape.c, shape.h, shape.w],
        weights: features::digest(&weights.path)?,
        source: source::absolute(data),
        split,
        classes: set.classes.clone(),
        class_names: set.class_names.clone(),
        rows: Rows::default(),
    };
    let batch = on.batch.unwrap_or(recipe::defaults(table).batch).min(set.len().max(1));
    let loaded = load(weights, table, Some(layer), on, batch, |note| progress.note(note))?;
    let how = Views { views: 1, batch, workers: workers(images.workers), exif: on.exif };
    Ok(Work { loaded, set: Arc::new(set), how, info })
}

/// Writes the features.
pub(super) fn run(args: &FeaturesArgs) -> Result<()> {
    let mut progress = Progress::stderr();
    let Work { mut loaded, set, how, info } =
        work(&args.weights, &args.source, args.layer.as_deref(), &args.images, &args.on, &mut progress)?;
    let form = Form::of(&args.out).expect("the option's parser saw its extension");
    let mut done = 0;
    let rows = features::write(&args.out, form, &info, set.len(), |sink| {
        let skipped = features::extract(&mut loaded.machine, &set, &loaded.stats, how, |values| {
            done += values.len() / info.width();
            progress.count("features", done, set.len());
            sink.push(values)
        })?;
        progress.skipped(&skipped);
        Ok(features::rows(&set, &skipped))
    })?;
    progress.finish();
    let [c, h, w] = info.shape;
    let shape = crate::shape::Shape::new(c, h, w);
    say(&format!("{}: {rows} images, {shape} values each: {} of {}", args.out.display(), info.layer, info.net))
}
