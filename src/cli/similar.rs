//! `similar`: from what was typed to the nearest images.

use super::MachineArgs;
use super::commands::{Loaded, load, say};
use super::features::{ImagesArgs, Work, work};
use super::values::{count, png};
use crate::data::Stats;
use crate::error::Error;
use crate::features::{self, Features, Form, Info};
use crate::machine::Machine;
use crate::recipe;
use crate::show;
use crate::similar::codes::{Codes, Recall};
use crate::similar::{self, Answer, Neighbour, Search};
use crate::train::Progress;
use crate::weights::Weights;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Options of `similar`.
#[derive(Args, Debug)]
pub struct SimilarArgs {
    /// A weights file, a checkpoint folder or a run folder.
    pub weights: PathBuf,
    /// Images, JPEG or PNG.
    #[arg(required = true, value_name = "QUERY")]
    pub queries: Vec<PathBuf>,
    /// Where to look: a file that `features` wrote of these weights, or a source of images.
    #[arg(long = "in", value_name = "FEATURES|SOURCE")]
    pub within: PathBuf,
    /// Neighbours of each query.
    #[arg(long, default_value = "6", value_parser = count())]
    pub k: usize,
    /// Print JSON, a line a query.
    #[arg(long)]
    pub json: bool,
    /// A picture to write, each query beside its neighbours.
    #[arg(long, value_name = "OUT.png", value_parser = png)]
    pub png: Option<PathBuf>,
    /// Search by binary codes of so many bits, a multiple of 8 up to 1024, and measure the nearest exactly: an autoencoder
    /// learns them from the features, once; they are kept beside the file.
    #[arg(long, value_name = "BITS", value_parser = bits)]
    pub codes: Option<usize>,
    /// The layer whose output is compared [default: that of the features; of a source the last hidden layer].
    #[arg(long)]
    pub layer: Option<String>,
    /// Which images of a source.
    #[command(flatten)]
    pub images: ImagesArgs,
    /// On what.
    #[command(flatten)]
    pub on: MachineArgs,
}

fn bits(text: &str) -> Result<usize, String> {
    let bits = text.parse().ok().filter(|bits: &usize| (8..=1024).contains(bits) && bits.is_multiple_of(8));
    bits.ok_or_else(|| "expected a multiple of 8 from 8 to 1024".to_owned())
}

/// Finds and prints the neighbours.
pub(super) fn run(args: &SimilarArgs) -> Result<()> {
    let mut progress = Progress::stderr();
    let is_file = Form::of(&args.within).is_some() && !args.within.is_dir();
    if args.codes.is_some() && !is_file {
        let why = "--codes: codes are kept beside a file of features; write one with `alexnet features`, then name it in --in";
        return Err(Error::Usage(why.to_owned()).into());
    }
    let (info, answers) = if is_file { in_features(args, &mut progress)? } else { in_source(args, &mut progress)? };
    progress.finish();
    if let Some(recall) = answers.first().and_then(|answer| answer.recall).filter(|_| !args.json) {
        say(&recall_words(&recall))?;
    }
    for answer in &answers {
        say(&if args.json { serde_json::to_string(answer)? } else { words(answer) })?;
    }
    let Some(out) = &args.png else { return Ok(()) };
    show::neighbours(&info, &answers, args.on.exif)?.write(out)?;
    progress.note(&out.display().to_string());
    Ok(())
}

fn recall_words(Recall { k, queries, recall, by_code }: &Recall) -> String {
    format!(
        "recall@{k} {recall:.3} against the exact search, {by_code:.3} by the codes alone; {queries} rows of the features \
         as queries"
    )
}

fn answers(args: &SimilarArgs, info: &Info, nearest: &[Vec<Neighbour>]) -> Vec<Answer> {
    let found = |nearest: &Vec<Neighbour>| nearest.iter().map(|near| (near.row, near.distance())).collect::<Vec<_>>();
    args.queries.iter().zip(nearest).map(|(query, nearest)| Answer::new(info, query, found(nearest))).collect()
}

fn words(answer: &Answer) -> String {
    let line = |(place, found): (usize, &similar::Found)| {
        let class = found.name.as_deref().unwrap_or(&found.class);
        format!("\n  {:>3}  {:>10.4}  {class}  {}", place + 1, found.distance, found.file.display())
    };
    format!("{}:{}", answer.image, answer.neighbours.iter().enumerate().map(line).collect::<String>())
}

/// The queries' own features.
fn queries(machine: &mut Machine, stats: &Stats, args: &SimilarArgs) -> Result<Vec<f32>> {
    Ok(features::of_files(machine, stats, &args.queries, args.on.exif)?)
}

fn in_features(args: &SimilarArgs, progress: &mut Progress) -> Result<(Info, Vec<Answer>)> {
    let features = Features::open(&args.within)?;
    let Info { layer, .. } = &features.info;
    if let Some(wanted) = args.layer.as_ref().filter(|wanted| *wanted != layer) {
        let why = format!("--layer {wanted}: the features of {} are of {layer}", args.within.display());
        return Err(Error::Usage(why).into());
    }
    let weights = Weights::read(&args.weights)?;
    let table = &weights.table(args.on.net.named()?.as_ref())?;
    similar::ensure_same(&features, &weights, &table.to_string())?;
    let batch = args.on.batch.unwrap_or(recipe::defaults(table).batch).min(args.queries.len());
    let Loaded { mut machine, stats, .. } = load(weights, table, Some(layer), &args.on, batch, |_| ())?;
    if machine.net().output().len() != features.info.width() {
        let why = format!("its rows have {} values, {layer} has {}", features.info.width(), machine.net().output());
        return Err(Error::Data { path: args.within.clone(), why }.into());
    }
    let queries = queries(&mut machine, &stats, args)?;
    let device = Arc::clone(&machine.columns()[0].device);
    if let Some(bits) = args.codes {
        drop(machine);
        let codes = match Codes::open(&device, &features, bits)? {
            Some(codes) => codes,
            None => Codes::make(&device, &features, bits, args.k, progress)?,
        };
        let nearest = codes.nearest(&features, &queries, args.k)?;
        let mut answers = answers(args, &features.info, &nearest);
        answers.iter_mut().for_each(|answer| answer.recall = Some(codes.recall));
        return Ok((features.info, answers));
    }
    let start = Instant::now();
    let nearest = Search::among(&device, &features, &queries, args.k, |done| {
        progress.count("search", done, features.len());
    })?;
    let (rows, width, seconds) = (features.len(), features.info.width(), start.elapsed().as_secs_f64());
    progress
        .note(&format!("{rows} rows of {width} values searched for {} queries in {seconds:.2} s", args.queries.len()));
    let answers = answers(args, &features.info, &nearest);
    Ok((features.info, answers))
}

fn in_source(args: &SimilarArgs, progress: &mut Progress) -> Result<(Info, Vec<Answer>)> {
    let Work { mut loaded, set, how, mut info } =
        work(&args.weights, &args.within, args.layer.as_deref(), &args.images, &args.on, progress)?;
    let queries = queries(&mut loaded.machine, &loaded.stats, args)?;
    let device = Arc::clone(&loaded.machine.columns()[0].device);
    let width = info.width();
    let mut search = Search::new(&device, &queries, width, args.k);
    let (rows, mut done) = (search.rows(), 0);
    let skipped = features::extract(&mut loaded.machine, &set, &loaded.stats, how, |values| {
        for part in values.chunks(rows * width) {
            search.push(|block| {
                block.clear();
                block.extend(part);
                Ok(())
            })?;
        }
        done += values.len() / width;
        progress.count("features", done, set.len());
        Ok(())
    })?;
    progress.skipped(&skipped);
    info.rows = features::rows(&set, &skipped);
    let answers = answers(args, &info, &search.finish()?);
    Ok((info, answers))
}
