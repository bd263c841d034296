//! `tune`: measures variants, or shows what was measured.

use super::StepArgs;
use super::commands::{INTERRUPTED, of_default_classes, say};
use super::values::minutes;
use crate::gpu;
use crate::plan::Plan;
use crate::products::Precision;
use crate::recipe;
use crate::train::Progress;
use crate::tune::{self, Cache, End, Event};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Options of `tune`.
#[derive(Args, Debug)]
pub struct TuneArgs {
    /// The step it is about.
    #[command(flatten)]
    pub step: StepArgs,
    /// Operands of the products whose variants are measured.
    #[arg(long, value_enum, default_value = "f32")]
    pub precision: Precision,
    /// Minutes after which it stops; the same command goes on.
    #[arg(long, default_value = "15", value_name = "MINUTES", value_parser = minutes, allow_negative_numbers = true)]
    pub budget: f64,
    /// Folder of the measurements [default: alexnet in the user's cache folder].
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Measure nothing; show what was measured and why each variant was chosen.
    #[arg(long, conflicts_with = "again")]
    pub show: bool,
    /// Measure anew what was measured before.
    #[arg(long)]
    pub again: bool,
}

/// Set by Ctrl-C: what is measured is kept.
static STOP: AtomicBool = AtomicBool::new(false);

/// Measures what the cache lacks, unless only asked to show it.
pub(super) fn run(args: &TuneArgs) -> Result<ExitCode> {
    let net = of_default_classes(&args.step.net.table()?, args.step.classes)?;
    let images = args.step.batch.unwrap_or(recipe::defaults(&net.table).batch);
    let folder = tune::folder(args.cache.as_deref())?;
    let devices = gpu::select(args.step.adapters.as_deref(), net.table.columns)?;
    let mut devices =
        devices.iter().map(|device| device.with_precision(args.precision)).collect::<Result<Vec<_>, _>>()?;
    let profiles: Vec<_> = devices.iter().map(|device| &device.profile).collect();
    let batch = Plan::new(&net, &profiles, images, args.step.accumulate)?.batch;
    devices.dedup_by_key(|device| device.describe());
    let tasks = tune::tasks(&net, batch);
    if !args.show {
        ctrlc::set_handler(|| {
            if STOP.swap(true, Ordering::SeqCst) {
                std::process::exit(i32::from(INTERRUPTED));
            }
        })?;
    }
    let mut progress = Progress::stderr();
    let deadline = Instant::now() + Duration::from_secs_f64(60.0 * args.budget);
    for device in &devices {
        let (mut cache, passed_over) = Cache::open(&folder, device);
        if let Some(note) = passed_over {
            progress.note(&note);
        }
        if !args.show {
            if args.again {
                cache.forget(&tasks);
            }
            let all: usize = tune::left(&tasks, &cache).iter().map(|task| task.products.len()).sum();
            let mut done = 0;
            let stop = || STOP.load(Ordering::SeqCst);
            let end = tune::tune(device, &tasks, &mut cache, deadline, &stop, |task, event| {
                let row = &task.case.name;
                match event {
                    Event::Reference => progress.work(done, all, &format!("{row}: reference")),
                    Event::Variant(product, variant) => {
                        progress.work(done, all, &format!("{row} {product}: {variant}"));
                    }
                    Event::Rounds(product) => progress.work(done, all, &format!("{row} {product}: timing")),
                    Event::Done => done += 1,
                    Event::Fault(product, trial) => {
                        let why = trial.fault.unwrap_or_default();
                        progress.note(&format!("passed over: {row} {product} as {}: {why}", trial.variant));
                    }
                }
            });
            progress.finish();
            match end? {
                End::Finished => {}
                End::Left(rows) if stop() => progress.note(&format!(
                    "interrupted; {rows} rows have something left to measure, and the same command goes on with them"
                )),
                End::Left(rows) => progress.note(&format!(
                    "out of time (--budget {}); {rows} rows have something left to measure, and the same command goes on \
                     with them",
                    args.budget
                )),
            }
        }
        say(&tune::show(device, &cache, &tasks))?;
    }
    Ok(if STOP.load(Ordering::SeqCst) { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS })
}
