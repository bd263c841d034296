//! `reproduce`: the paper's experiments.

use super::commands::{INTERRUPTED, say};
use super::values::{count, minutes};
use crate::reproduce::{ALL, Campaign, End, Request, Scale, Source};
use crate::train::Progress;
use anyhow::Result;
use clap::Args;
use clap::builder::TypedValueParser;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// Options of `reproduce`.
#[derive(Args, Debug)]
pub struct ReproduceArgs {
    /// Experiments by name, or all [default: all].
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Small networks on drawn images, or the paper's own networks, schedule and data.
    #[arg(long, value_enum, default_value = "small")]
    pub scale: Scale,
    /// ILSVRC-2010, in whatever form.
    #[arg(long, value_name = "SOURCE")]
    pub data_2010: Option<PathBuf>,
    /// ILSVRC-2012.
    #[arg(long, value_name = "SOURCE")]
    pub data_2012: Option<PathBuf>,
    /// A source of more classes to train on first; the paper's was ImageNet of fall 2011.
    #[arg(long, value_name = "SOURCE")]
    pub data_pretrain: Option<PathBuf>,
    /// CIFAR-10.
    #[arg(long, value_name = "SOURCE")]
    pub data_cifar: Option<PathBuf>,
    /// Seeds of every arm.
    #[arg(long, default_value = "3", value_parser = count().map(|n| n as u64))]
    pub seeds: u64,
    /// Time that all may take at small scale; what does not fit is listed as not run [default: 60; paper: no end].
    #[arg(long, value_parser = minutes, allow_negative_numbers = true)]
    pub minutes: Option<f64>,
    /// Adapters by index or part of a name.
    #[arg(long, value_name = "LIST")]
    pub adapters: Option<String>,
    /// Folder of runs, results and the report; the same command goes on with what is in it.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Train nothing; print every run with its steps, estimated time and memory.
    #[arg(long)]
    pub dry_run: bool,
}

/// Set by Ctrl-C: the step is finished and saved.
static STOP: AtomicBool = AtomicBool::new(false);

/// Does the experiments, or says what would be done.
pub(super) fn run(args: &ReproduceArgs) -> Result<ExitCode> {
    ctrlc::set_handler(|| {
        // A second Ctrl-C does not wait: checkpoints are whole at any moment.
        if STOP.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(INTERRUPTED));
        }
    })?;
    let named = [
        (Source::Ilsvrc2010, &args.data_2010),
        (Source::Ilsvrc2012, &args.data_2012),
        (Source::Pretrain, &args.data_pretrain),
        (Source::Cifar, &args.data_cifar),
    ];
    let request = Request {
        names: args.names.clone(),
        scale: args.scale,
        seeds: args.seeds,
        minutes: args.minutes.or((args.scale == Scale::Small).then_some(60.0)),
        adapters: args.adapters.clone(),
        out: args.out.clone(),
        sources: named.into_iter().filter_map(|(source, path)| Some((source, path.clone()?))).collect(),
        dry: args.dry_run,
    };
    let campaign = Campaign::new(request, Progress::stderr(), &STOP)?;
    if args.dry_run {
        say(&campaign.words()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    match campaign.run()? {
        End::Finished => {
            say(&args.out.join("REPRODUCTION.md").display().to_string())?;
            Ok(ExitCode::SUCCESS)
        }
        End::Interrupted => {
            eprintln!("interrupted; the same command goes on");
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

/// Names of the experiments, for the help text.
pub(super) fn names() -> String {
    format!("Experiments: {}", ALL.map(|experiment| experiment.name).join(", "))
}
