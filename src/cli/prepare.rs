//! `prepare`: from what was typed to a prepared set.

use super::SourceArgs;
use super::commands::{say, workers};
use super::net::tables;
use super::values::count;
use crate::data::prepared::{Form, MANIFEST, Manifest, SKIPPED, Settings, Subsampling};
use crate::data::source;
use crate::data::{Colour, DataSet, Decoding, Exif};
use crate::error::Error;
use crate::net::Table;
use crate::prepare::{self, Work};
use crate::train::{Images, Progress};
use anyhow::Result;
use clap::Args;
use clap::builder::TypedValueParser;
use indicatif::HumanDuration;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Options of `prepare`.
#[derive(Args, Debug)]
pub struct PrepareArgs {
    /// The images, or with --verify alone a prepared set.
    pub source: PathBuf,
    /// Another source of the validation images.
    #[arg(long, value_name = "SOURCE", conflicts_with = "val_fraction")]
    pub val: Option<PathBuf>,
    /// The source.
    #[command(flatten)]
    pub said: SourceArgs,
    /// Seed of --val-fraction.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Folder to write, new or empty.
    #[arg(required_unless_present = "verify")]
    pub out: Option<PathBuf>,
    /// The network whose image size counts.
    #[arg(long, default_value = "alexnet", value_parser = tables())]
    pub net: &'static Table,
    /// Side of the squares in pixels [default: 256; the network's own].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1 << 14).map(|n| n as usize))]
    pub size: Option<usize>,
    /// How squares are stored.
    #[arg(long, value_enum, default_value = "raw")]
    pub form: Form,
    /// Quality of JPEGs, 1 to 100.
    #[arg(long, default_value = "90", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub quality: u8,
    /// Resolution of the colours of JPEGs.
    #[arg(long, value_enum, default_value = "4:2:0")]
    pub subsampling: Subsampling,
    /// Images a shard.
    #[arg(long, value_name = "IMAGES", default_value = "4096", value_parser = count())]
    pub shard: usize,
    /// What to do with EXIF orientation.
    #[arg(long, value_enum, default_value = "apply")]
    pub exif: Exif,
    /// Threads that load images; the result does not depend on it [default: one a core].
    #[arg(long, value_parser = count())]
    pub workers: Option<usize>,
    /// Read everything again and compare it with its checksums.
    #[arg(long)]
    pub verify: bool,
}

/// Prepares a set, or only reads one again.
pub(super) fn run(args: &PrepareArgs) -> Result<()> {
    let mut progress = Progress::stderr();
    let Some(out) = &args.out else {
        return verify(&args.source, &mut progress);
    };
    let settings = Settings {
        size: args.size.unwrap_or(args.net.image),
        form: args.form,
        quality: args.quality,
        subsampling: args.subsampling,
        shard: args.shard,
        exif: args.exif,
        decoding: Decoding::own(),
    };
    let said = args.said.options(args.seed);
    let Images { train, val } = super::train::open(&args.source, args.val.as_deref(), &said, &mut progress)?;
    // Every image is read once.
    let sets = [train, val].map(|set| Arc::new(DataSet::clone(&set).uncached())).to_vec();
    let all: usize = sets.iter().map(|set| set.len()).sum();
    let work = Work { sets, source: args.source.clone(), out: out.clone(), settings, workers: workers(args.workers) };
    let begun = work.begin()?;
    if begun.finished {
        progress.note(&format!("{}: prepared already", out.display()));
    } else {
        let about = if args.form == Form::Raw { "" } else { "about " };
        let size = format!("{all} images, {about}{:.1} MB", begun.bytes as f64 / 1e6);
        let before = if begun.done > 0 { format!("; going on after {} images", begun.done) } else { String::new() };
        progress.note(&format!("{}: {size}{before}", out.display()));
    }
    let (start, before) = (Instant::now(), begun.done);
    let manifest = begun.run(|done, all| {
        let rate = (done - before) as f64 / start.elapsed().as_secs_f64().max(1e-9);
        let left = Duration::from_secs_f64(((all - done) as f64 / rate.max(1e-9)).min(1e9));
        let text = format!("prepared {done} of {all} images, {rate:.0} images/s, {} left", HumanDuration(left));
        source::Watch::progress(&mut progress, &text, done as u64, all as u64);
    })?;
    let done = manifest.splits.values().map(|part| part.images + part.skipped).sum::<usize>() - before;
    if done > 0 {
        let rate = done as f64 / start.elapsed().as_secs_f64();
        progress.note(&format!("{done} images in {:.1} s, {rate:.0} images/s", start.elapsed().as_secs_f64()));
    }
    progress.finish();
    say(&words(out, &manifest))?;
    if args.verify { verify(out, &mut progress) } else { Ok(()) }
}

fn verify(folder: &Path, progress: &mut Progress) -> Result<()> {
    let wrong = prepare::verify(folder, |done, all| {
        let text = format!("verified {} of {} MB", done >> 20, all >> 20);
        source::Watch::progress(progress, &text, done, all);
    })?;
    progress.finish();
    if wrong.is_empty() {
        return say(&format!("{}: every file is as it was written", folder.display()));
    }
    let why =
        format!("{} files are not as they were written; prepare or copy them again\n{}", wrong.len(), wrong.join("\n"));
    Err(Error::Data { path: folder.join(MANIFEST), why }.into())
}

/// What was made, with ILSVRC's published components beside its own.
fn words(out: &Path, manifest: &Manifest) -> String {
    let mut text = String::new();
    for (split, part) in &manifest.splits {
        let bytes: u64 = part.shards.iter().map(|shard| shard.bytes).sum();
        text += &format!(
            "{split}: {} images of {} classes in {} shards, {:.1} MB\n",
            part.images,
            manifest.classes.len(),
            part.shards.len(),
            bytes as f64 / 1e6
        );
        if part.skipped > 0 {
            text += &format!("{split}: {} images skipped: {}\n", part.skipped, out.join(SKIPPED).display());
        }
    }
    if let Some(stats) = &manifest.stats {
        let [r, g, b] = stats.mean;
        text += &format!("mean R {r:.2}  G {g:.2}  B {b:.2}\n");
        text += &components(&stats.components);
    }
    text + &out.display().to_string()
}

/// The components of colour beside ILSVRC's published ones, a line each.
pub(super) fn components(own: &Colour) -> String {
    let mut text = "component    stdev  R       G       B          ILSVRC: stdev  R       G       B\n".to_owned();
    for i in 0..3 {
        let of = |colour: &Colour| {
            let [r, g, b] = colour.components[i];
            format!("{:7.2}  {r:7.4} {g:7.4} {b:7.4}", colour.stdev[i])
        };
        text += &format!("{:<9}  {}         {}\n", i + 1, of(own), of(&Colour::PUBLISHED));
    }
    text
}
