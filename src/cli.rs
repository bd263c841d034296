//! The command line: what can be typed. What it means is in the commands' own modules.

mod bench;
mod commands;
mod compare;
mod data;
mod features;
mod loader;
mod net;
mod plot;
mod prepare;
mod report;
mod reproduce;
mod show;
mod similar;
mod train;
mod tune;
mod values;
mod watch;

use crate::data::{Exif, Split};
use crate::error::Error;
use crate::products::Precision;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

pub use bench::BenchCommand;
pub use commands::run;
pub use data::{DataArgs, SourceArgs};
pub use features::FeaturesArgs;
pub use net::{NetArgs, StepArgs, VariationArgs};
pub use plot::PlotArgs;
pub use prepare::PrepareArgs;
pub use report::ReportArgs;
pub use reproduce::ReproduceArgs;
pub use show::ShowArgs;
pub use similar::SimilarArgs;
pub use train::TrainArgs;
pub use tune::TuneArgs;
pub use values::{Switch, Until};
pub use watch::WatchArgs;

use values::{above_zero, count, png};

/// AlexNet, trained as its paper trained it: two columns, WGSL compute shaders, any GPU.
///
/// Results go to stdout, progress to stderr. Exit codes: 0 done, 1 failed, 2 usage, 130 interrupted.
#[derive(Parser, Debug)]
#[command(name = "alexnet", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Train a network on the training images of a source, with its validation images to tell how well it does.
    Train(Box<TrainArgs>),
    /// Measure the error of trained weights on the validation images of a source.
    Eval(EvalArgs),
    /// Name the most probable classes of images.
    Predict(PredictArgs),
    /// Draw the filters of the first layer, as in the paper's Figure 3: the first column's above.
    Filters(FiltersArgs),
    /// Write a layer's activations for every image of a source: safetensors, or npy with a description beside it.
    Features(FeaturesArgs),
    /// Find the images whose features are nearest to those of other images, as in the paper's Figure 4.
    Similar(SimilarArgs),
    /// Draw the most probable classes of images as in the paper's Figure 4, a layer's maps, or who is taken for whom.
    Show(ShowArgs),
    /// Draw the curves of runs: loss and error over the steps.
    Plot(PlotArgs),
    /// Follow a run in the terminal: curves, rate, time left. It only reads, so the run may be anywhere this machine sees.
    Watch(WatchArgs),
    /// Write one page about runs: configuration, curves, filters, confusion, predictions, differences from the paper.
    Report(ReportArgs),
    /// Say what a source holds and draw what the network will see of it.
    Data(DataArgs),
    /// Decode and resize a source once, into shards that load many times faster. Interrupted, the same command goes on.
    Prepare(PrepareArgs),
    /// Repeat the paper's experiments and set what is found beside its numbers. Interrupted, the same command goes on.
    #[command(after_help = reproduce::names())]
    Reproduce(ReproduceArgs),
    /// Write the built-in data set: ten classes of drawings that need shape, texture and colour; twenty hard ones.
    Synth(SynthArgs),
    /// List the adapters of this machine.
    Adapters,
    /// Print a network's table: shapes, parameters, multiply-adds, crossings and the memory each adapter needs.
    Describe(DescribeArgs),
    /// Compare every kernel with the CPU reference on this machine's adapters; the first thing a bug report holds.
    Check(CheckArgs),
    /// Measure which variant of each product is fastest on this machine's adapters: `train`, `eval`, `predict` and
    /// `bench` then run it.
    Tune(TuneArgs),
    /// Measure speed.
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Print the WGSL that runs.
    Shader(ShaderArgs),
}

/// On what trained weights run.
#[derive(Args, Debug)]
pub struct MachineArgs {
    /// The network, for weights that do not name it.
    #[command(flatten)]
    pub net: NetArgs,
    /// Adapters by index or part of a name [default: the best].
    #[arg(long, value_name = "LIST")]
    pub adapters: Option<String>,
    /// Views the adapter takes at once [default: the network's own batch].
    #[arg(long, value_parser = count())]
    pub batch: Option<usize>,
    /// What to do with EXIF orientation.
    #[arg(long, value_enum, default_value = "apply")]
    pub exif: Exif,
    /// Which kernels.
    #[command(flatten)]
    pub kernels: KernelArgs,
}

/// What `eval` and `predict` share.
#[derive(Args, Debug)]
pub struct UseArgs {
    /// Views of an image whose probabilities are averaged: the centre crop, ten as in §4.1 of the paper, or nine without
    /// mirror images, as cuda-convnet has them for CIFAR-10.
    #[arg(long, default_value = "1", value_parser = PossibleValuesParser::new(["1", "9", "10"]).map(|v| v.parse::<usize>().unwrap_or(1)))]
    pub views: usize,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// On what.
    #[command(flatten)]
    pub on: MachineArgs,
}

/// Options of `eval`.
#[derive(Args, Debug)]
#[command(override_usage = "alexnet eval [OPTIONS] <WEIGHTS>... <DATA>")]
pub struct EvalArgs {
    /// Weights files, checkpoint folders or run folders (several are averaged), then the source of the images.
    #[arg(required = true, num_args = 2.., value_names = ["WEIGHTS", "DATA"])]
    pub paths: Vec<PathBuf>,
    /// Which of its images.
    #[arg(long, value_enum, default_value = "val")]
    pub split: Split,
    /// The source.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Seed of --val-fraction, as in training.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Threads that load images [default: one a core].
    #[arg(long, value_parser = count())]
    pub workers: Option<usize>,
    /// How.
    #[command(flatten)]
    pub how: UseArgs,
}

/// Options of `predict`.
#[derive(Args, Debug)]
pub struct PredictArgs {
    /// A weights file, a checkpoint folder or a run folder.
    pub weights: PathBuf,
    /// Images, JPEG or PNG.
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    /// Classes to name for each image.
    #[arg(long, default_value = "5", value_parser = count())]
    pub top: usize,
    /// How.
    #[command(flatten)]
    pub how: UseArgs,
}

/// Options of `filters`.
#[derive(Args, Debug)]
pub struct FiltersArgs {
    /// A weights file, a checkpoint folder or a run folder.
    pub weights: PathBuf,
    /// The picture to write.
    #[arg(value_name = "OUT.png", value_parser = png)]
    pub out: PathBuf,
    /// The network, for weights that do not name it.
    #[command(flatten)]
    pub net: NetArgs,
}

/// Options of `synth`.
#[derive(Args, Debug)]
pub struct SynthArgs {
    /// Folder to write.
    pub dir: PathBuf,
    /// Classes, 2 to 10, or to 20 with --hard [default: all].
    #[arg(long)]
    pub classes: Option<usize>,
    /// A harder set: twenty classes, smaller and fainter figures, more clutter and grain.
    #[arg(long)]
    pub hard: bool,
    /// Training images a class.
    #[arg(long, default_value_t = 300)]
    pub train: usize,
    /// Validation images a class.
    #[arg(long, default_value_t = 50)]
    pub val: usize,
    /// Seed of every drawing.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// Options of `describe`.
#[derive(Args, Debug)]
pub struct DescribeArgs {
    /// The step it is about.
    #[command(flatten)]
    pub step: StepArgs,
    /// How a step's cost grows with batch, image size, classes and the link between two adapters: the plan's counts over
    /// measured rates.
    #[arg(long)]
    pub growth: bool,
    /// Rate of the products in --growth, in GFLOP/s [default: llvmpipe's on two cores].
    #[arg(long, default_value = "50", requires = "growth", value_parser = above_zero, allow_negative_numbers = true)]
    pub gflops: f64,
    /// Rate of the other passes in --growth, in GB/s read and written [default: llvmpipe's on two cores].
    #[arg(long, default_value = "10", requires = "growth", value_parser = above_zero, allow_negative_numbers = true)]
    pub gigabytes: f64,
}

/// Options of `check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Adapters by index or part of a name [default: the best].
    #[arg(long, value_name = "LIST")]
    pub adapters: Option<String>,
}

/// Which variants of the kernels run.
#[derive(Args, Debug)]
pub struct KernelArgs {
    /// Folder of what `alexnet tune` measured [default: alexnet in the user's cache folder].
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Only kernels that compute each product as it is defined, in f32.
    #[arg(long)]
    pub exact: bool,
    /// Operands of the products: f32, or mixed for f16 with f32 sums and weights and a scaled loss [default: f32].
    #[arg(long, value_enum)]
    pub precision: Option<Precision>,
}

impl KernelArgs {
    fn how<'a>(&'a self, adapters: Option<&'a str>) -> crate::tune::How<'a> {
        let precision = self.precision.unwrap_or_default();
        crate::tune::How { cache: self.cache.as_deref(), exact: self.exact, precision, adapters }
    }
}

/// Options of `shader`.
#[derive(Args, Debug)]
pub struct ShaderArgs {
    /// The kernel's name, as in conv/forward.
    pub name: String,
    /// The row it runs for, as in conv3.
    pub row: Option<String>,
    /// The network the row is of.
    #[command(flatten)]
    pub net: NetArgs,
    /// Images a step [default: the network's own].
    #[arg(long, value_parser = count())]
    pub batch: Option<usize>,
    /// Adapter by index or part of a name [default: the best].
    #[arg(long, value_name = "LIST")]
    pub adapters: Option<String>,
}

/// An error with its causes, a line each. A cause that the line above already says is left out.
pub fn chain(error: &anyhow::Error) -> String {
    let mut lines: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        if lines.last().is_none_or(|above| !above.ends_with(&cause)) {
            lines.push(cause);
        }
    }
    lines.join("\n  because ")
}

/// 2 for a mistake in what was typed, else 1.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    let usage = error.chain().any(|e| matches!(e.downcast_ref(), Some(Error::Usage(_))));
    ExitCode::from(if usage { 2 } else { 1 })
}
