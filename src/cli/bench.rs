//! `bench`: whole steps, exchanges, single kernels, the loader.

use super::commands::{of_default_classes, say, workers};
use super::compare::{PrintArgs, Report};
use super::net::tables;
use super::values::count;
use super::{KernelArgs, NetArgs, SourceArgs, VariationArgs, loader};
use crate::data::Split;
use crate::error::Error;
use crate::net::Table;
use crate::{bench, gpu, recipe, trace};
use anyhow::Result;
use clap::Subcommand;
use std::path::PathBuf;

/// What `bench` measures.
#[derive(Subcommand, Debug)]
pub enum BenchCommand {
    /// Whole training steps on random input: images a second, and what the host does meanwhile.
    Step {
        /// Networks, separated by commas.
        #[arg(long, default_value = "alexnet", value_parser = tables(), value_delimiter = ',', value_name = "LIST")]
        net: Vec<&'static Table>,
        /// Classes [default: the network's own].
        #[arg(long, value_parser = count())]
        classes: Option<usize>,
        /// What is varied in each.
        #[command(flatten)]
        variation: VariationArgs,
        /// Images a step, one number or several separated by commas [default: the network's own].
        #[arg(long, value_parser = count(), value_delimiter = ',', value_name = "LIST")]
        batch: Vec<usize>,
        /// The forward pass alone, as in use.
        #[arg(long, conflicts_with_all = ["accumulate", "trace"])]
        forward: bool,
        /// Micro-batches a step.
        #[arg(long, default_value = "1", value_parser = count())]
        accumulate: usize,
        /// Steps to time.
        #[arg(long, default_value = "5", value_parser = count())]
        steps: usize,
        /// Adapters by index or part of a name.
        #[arg(long, value_name = "LIST")]
        adapters: Option<String>,
        /// Which kernels.
        #[command(flatten)]
        kernels: KernelArgs,
        /// Note when each adapter, link and host thread worked in one step more: a printed timeline, and FILE in
        /// Chrome's trace event format (chrome://tracing, ui.perfetto.dev).
        #[arg(long, value_name = "FILE")]
        trace: Option<PathBuf>,
        /// How it is printed.
        #[command(flatten)]
        print: PrintArgs,
    },
    /// Transfers between two adapters through host memory, from 4 kB to the network's largest; a JSON line each.
    Exchange {
        /// The network.
        #[command(flatten)]
        net: NetArgs,
        /// Images a step [default: the network's own].
        #[arg(long, value_parser = count())]
        batch: Option<usize>,
        /// Times each transfer is run; the median counts.
        #[arg(long, default_value = "20", value_parser = count())]
        repeats: usize,
        /// The two adapters, by index or part of a name; 0,0 is two devices on one.
        #[arg(long, value_name = "LIST", default_value = "0,1")]
        adapters: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Single kernels of every row, each checked against the CPU reference first, beside the adapter's own ceiling; a JSON
    /// line each.
    Kernels {
        /// The network.
        #[command(flatten)]
        net: NetArgs,
        /// Images at once.
        #[arg(long, default_value = "32", value_parser = count())]
        batch: usize,
        /// Only these rows, separated by commas, as in conv2,conv3.
        #[arg(long, value_delimiter = ',', value_name = "LIST")]
        row: Vec<String>,
        /// Times each kernel is run; the median counts.
        #[arg(long, default_value = "5", value_parser = count())]
        repeats: usize,
        /// Adapters by index or part of a name [default: the best].
        #[arg(long, value_name = "LIST")]
        adapters: Option<String>,
        /// Which kernels.
        #[command(flatten)]
        kernels: KernelArgs,
        /// How it is printed.
        #[command(flatten)]
        print: PrintArgs,
    },
    /// Loading and augmenting the images of DATA/train, once.
    Loader {
        /// The images [default: 300 drawings of 500 pixels, as large as photographs].
        data: Option<PathBuf>,
        /// Which of its images.
        #[arg(long, value_enum, default_value = "val")]
        split: Split,
        /// The source.
        #[command(flatten)]
        source: SourceArgs,
        /// The network whose image size and crop count.
        #[arg(long, default_value = "alexnet", value_parser = tables())]
        net: &'static Table,
        /// Threads that load images [default: one a core].
        #[arg(long, value_parser = count())]
        workers: Option<usize>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Measures.
pub(super) fn run(command: BenchCommand) -> Result<()> {
    match command {
        BenchCommand::Step {
            net: nets,
            classes,
            variation,
            batch: batches,
            forward,
            accumulate,
            steps,
            adapters,
            kernels,
            trace: file,
            print,
        } => {
            let mut report = Report::new(print.json, print.compare.as_deref())?;
            if file.is_some() && nets.len() * batches.len().max(1) > 1 {
                let why = "--trace: one file holds one step; name one --net and one --batch";
                return Err(Error::Usage(why.to_owned()).into());
            }
            for table in nets {
                let table = &variation.of(table)?;
                let opened = gpu::select(adapters.as_deref(), table.columns)?;
                let net = of_default_classes(table, classes)?;
                let how = kernels.how(adapters.as_deref());
                let own = [recipe::defaults(table).batch];
                for &images in if batches.is_empty() { &own[..] } else { &batches } {
                    let devices = crate::tune::apply(&net, &opened, images, accumulate, how, |n| eprintln!("{n}"))?;
                    let (step, spans) = if forward {
                        (bench::forward(&net, &devices, images, steps)?, Vec::new())
                    } else {
                        bench::step(&net, &devices, images, accumulate, steps, file.is_some())?
                    };
                    report.line(&step)?;
                    if let Some(file) = &file {
                        trace::write(&spans, file)?;
                        if !print.json {
                            say(&trace::timeline(&spans))?;
                        }
                    }
                }
            }
            report.end()
        }
        BenchCommand::Kernels { net, batch, row, repeats, adapters, kernels, print } => {
            let mut report = Report::new(print.json, print.compare.as_deref())?;
            let net = of_default_classes(&net.table()?, None)?;
            let devices = gpu::select(adapters.as_deref(), net.table.columns)?;
            let how = kernels.how(adapters.as_deref());
            let mut said = Ok(());
            for device in crate::tune::apply(&net, &devices, batch, 1, how, |note| eprintln!("{note}"))? {
                bench::kernels(&net, &device, batch, repeats, &row, |line| {
                    if said.is_ok() {
                        said = report.line(line);
                    }
                })?;
            }
            said.and_then(|()| report.end())
        }
        BenchCommand::Exchange { net, batch, repeats, adapters, json } => {
            let devices = gpu::select(Some(&adapters), 2)?;
            let [first, second] = &devices[..] else {
                let why = format!("--adapters {adapters}: an exchange is between two; name two adapters, or one twice");
                return Err(Error::Usage(why).into());
            };
            let net = of_default_classes(&net.table()?, None)?;
            let images = batch.unwrap_or(recipe::defaults(&net.table).batch);
            let mut report = Report::new(json, None)?;
            let mut said = Ok(());
            if !json {
                say(&format!("{}\n{}", first.describe(), second.describe()))?;
            }
            bench::exchange(&net, [first, second], images, repeats, |line| {
                if said.is_ok() {
                    said = report.line(line);
                }
            })?;
            said
        }
        BenchCommand::Loader { data, split, source, net, workers: option, json } => {
            let options = source.options(0);
            let report = loader::measure(data.as_deref(), split, &options, net, workers(option))?;
            say(&if json { serde_json::to_string(&report)? } else { report.to_string() })
        }
    }
}
