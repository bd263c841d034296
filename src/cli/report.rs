//! `report`: runs on one HTML page.

use super::commands::{load, numbered, say, workers};
use super::values::count;
use super::{KernelArgs, MachineArgs, NetArgs, chain};
use crate::data::{Options, Split, source};
use crate::error::Error;
use crate::eval::Views;
use crate::plot::Curves;
use crate::report::{self, Seen, Told};
use crate::run::Run;
use crate::train::Progress;
use crate::weights::Weights;
use crate::{filters, recipe};
use anyhow::{Result, bail};
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Options of `report`.
#[derive(Args, Debug)]
#[command(override_usage = "alexnet report [OPTIONS] <RUN>... <OUT.html>")]
pub struct ReportArgs {
    /// Run folders, then the page to write: OUT.html.
    #[arg(required = true, num_args = 2.., value_names = ["RUN", "OUT.html"])]
    pub paths: Vec<PathBuf>,
    /// Where the runs' validation images lie now [default: where they lay in training].
    #[arg(long, value_name = "SOURCE")]
    pub data: Option<PathBuf>,
    /// The most validation images to show to each network; 0: none.
    #[arg(long, default_value_t = 2000, value_name = "IMAGES")]
    pub images: usize,
    /// Adapters by index or part of a name [default: the best].
    #[arg(long, value_name = "LIST")]
    pub adapters: Option<String>,
    /// Threads that load images [default: one a core].
    #[arg(long, value_parser = count())]
    pub workers: Option<usize>,
}

/// Writes the page.
pub(super) fn run(args: &ReportArgs) -> Result<()> {
    let Some((out, folders)) = args.paths.split_last() else { return Ok(()) };
    if !out.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("html")) {
        let why =
            format!("{}: expected run folders and then the page to write, a name that ends in .html", out.display());
        return Err(Error::Usage(why).into());
    }
    let mut progress = Progress::stderr();
    let runs = folders.iter().map(|folder| tell(folder, args, &mut progress)).collect::<Result<Vec<_>>>()?;
    progress.finish();
    report::page(&runs)?.write(out)?;
    say(&out.display().to_string())
}

fn tell(folder: &Path, args: &ReportArgs, progress: &mut Progress) -> Result<Told> {
    let run = Run::open(folder)?;
    let curves = Curves::read(folder)?;
    let path = run.config_file();
    let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
    let filters = Weights::read(folder).and_then(|weights| filters::of(weights, None)).map_err(|e| e.to_string());
    let seen = see(&run, args, progress).map_err(|e| chain(&e));
    if let Err(why) = &seen {
        progress.note(&format!("{}: no confusion and predictions: {why}", folder.display()));
    }
    Ok(Told { run, text, curves, filters, seen })
}

/// Shows the run's validation images to its newest checkpoint.
fn see(run: &Run, args: &ReportArgs, progress: &mut Progress) -> Result<Seen> {
    let config = &run.config;
    if args.images == 0 || config.data.val_images == 0 {
        bail!("{}", if args.images == 0 { "--images 0" } else { "the run has no validation images" });
    }
    let weights = Weights::read(&run.folder)?;
    let table = config.table()?;
    let net = weights.resolve(&table)?;
    let options = Options { seed: config.seed, ..config.data.options.clone() };
    let place = args.data.as_ref().or(config.data.val.as_ref()).unwrap_or(&config.data.path);
    let set = source::open(place, Split::Val, &options, progress)?;
    if format!("{:016x}", set.fingerprint()) != config.data.val_fingerprint {
        bail!("{}: these are not the run's validation images; name their place with --data", place.display());
    }
    let set = numbered(&set, &weights, &net, &options)?;
    let (of, batch) = (set.len(), recipe::defaults(&table).batch);
    let kernels = KernelArgs { cache: None, exact: config.exact, precision: Some(config.precision) };
    let (adapters, exif) = (args.adapters.clone(), config.exif);
    let on = MachineArgs { net: NetArgs::default(), adapters, batch: None, exif, kernels };
    let mut loaded = load(weights, &table, None, &on, batch, |note| progress.note(note))?;
    let how = Views { views: 1, batch, workers: workers(args.workers), exif };
    let set = Arc::new(set.sample(args.images, 0));
    Ok(Seen::new(&mut loaded.machine, &set, of, &loaded.stats, how, progress)?)
}
