//! The command line: what can be typed. What it means is in the commands' own modules.

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
mod watch;

use crate::data::{Augment, Basis, Exif, Mean, MeanCrop, Order, Shuffle, Split};
use crate::error::Error;
use crate::net::Table;
use crate::products::Precision;
use crate::recipe::{Figures, Start};
use crate::schedule::Schedule;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

pub use commands::run;
pub use data::{DataArgs, SourceArgs};
pub use features::FeaturesArgs;
pub use net::{NetArgs, VariationArgs};
pub use plot::PlotArgs;
pub use prepare::PrepareArgs;
pub use report::ReportArgs;
pub use reproduce::ReproduceArgs;
pub use show::ShowArgs;
pub use similar::SimilarArgs;
pub use watch::WatchArgs;

use net::tables;

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

/// Options of `train`. What is left out follows the network's own recipe, or the run that is resumed.
#[derive(Args, Debug)]
pub struct TrainArgs {
    /// The images: a folder with train/CLASS/* and val/CLASS/*, ILSVRC's archives, WebDataset shards, CIFAR-10, …
    pub data: PathBuf,
    /// Another source of the validation images.
    #[arg(long, value_name = "SOURCE", conflicts_with = "val_fraction")]
    pub val: Option<PathBuf>,
    /// The source.
    #[command(flatten)]
    pub source: SourceArgs,
    /// The network.
    #[command(flatten)]
    pub net: NetArgs,
    /// Folder of the run [default: runs/NET-N].
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub run: Option<PathBuf>,
    /// Passes over the training set [default: 90; the network's own].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "steps")]
    pub epochs: Option<u64>,
    /// Steps, instead of passes.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: Option<u64>,
    /// Images a step [default: 128; the network's own].
    #[arg(long, value_parser = count())]
    pub batch: Option<usize>,
    /// First learning rate [default: 0.01; the network's own].
    #[arg(long, value_parser = not_negative, allow_negative_numbers = true)]
    pub lr: Option<f64>,
    /// Momentum, a factor of the velocity [default: 0.9].
    #[arg(long, value_parser = below_one, allow_negative_numbers = true)]
    pub momentum: Option<f64>,
    /// Weight decay [default: 0.0005].
    #[arg(long, value_parser = not_negative, allow_negative_numbers = true)]
    pub decay: Option<f64>,
    /// Probability of dropping a unit of the hidden fully connected layers [default: 0.5].
    #[arg(long, value_parser = below_one, allow_negative_numbers = true)]
    pub dropout: Option<f64>,
    /// Seed of every random draw [default: 0].
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub seed: Option<u64>,
    /// Adapters by index or part of a name: `0` both columns on one, `0,0` two devices on one, `0,1` one a column.
    #[arg(long, value_name = "LIST")]
    pub adapters: Option<String>,
    /// Begin with these weights: a file, a checkpoint folder or a run folder.
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    pub weights: Option<PathBuf>,
    /// Leave out the last layer of these weights for a new one with a unit for each class of the data.
    #[arg(long, requires = "weights")]
    pub new_head: bool,
    /// Rows that do not learn, by name or range, as in conv1..conv5; what nothing needs is not computed.
    #[arg(long, value_name = "ROWS", value_delimiter = ',')]
    pub freeze: Vec<String>,
    /// Factors of the learning rate of rows, as in fc8=10.
    #[arg(long, value_name = "ROWS=FACTOR", value_delimiter = ',')]
    pub lr_scale: Vec<String>,
    /// Go on with this run, from its last complete checkpoint.
    #[arg(long, value_name = "RUN")]
    pub resume: Option<PathBuf>,
    /// Steps between checkpoints [default: a pass].
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..))]
    pub checkpoint_every: Option<u64>,
    /// Newest checkpoints to keep, beside the best [default: 3].
    #[arg(long, value_parser = count())]
    pub keep: Option<usize>,
    /// Steps between evaluations [default: a pass].
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..))]
    pub eval_every: Option<u64>,
    /// Images of the training set that each evaluation counts as well, in use: centre crops, without dropout [default: 0].
    #[arg(long, value_name = "IMAGES", value_parser = clap::value_parser!(u32).map(|n| n as usize))]
    pub train_error: Option<usize>,
    /// Steps between evaluations on these training images [default: as --eval-every].
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..), requires = "train_error")]
    pub train_error_every: Option<u64>,
    /// End the run once the error on these training images is at most so much, as in 0.25.
    #[arg(long, value_name = "ERROR", value_parser = below_one, allow_negative_numbers = true, requires = "train_error")]
    pub until_train_error: Option<f64>,
    /// Learning rate over the run: constant, plateau, plateau:EVALUATIONS, steps:PASS,PASS,… or dexp:FACTOR,LEVELS
    /// [default: plateau; the network's own].
    #[arg(long)]
    pub schedule: Option<Schedule>,
    /// Augmentation of the training images [default: full].
    #[arg(long, value_enum)]
    pub augment: Option<Augment>,
    /// Standard deviation of the colour noise, in standard deviations of the data [default: 0.1].
    #[arg(long, value_name = "STDEV", value_parser = not_negative, allow_negative_numbers = true)]
    pub colour: Option<f64>,
    /// Passes with colour noise: a number, or `never` an end [default: never].
    #[arg(long, value_name = "EPOCH")]
    pub colour_until: Option<Until>,
    /// Divide images with colour noise by 1 + STDEV, as the original does [default: off].
    #[arg(long, value_enum)]
    pub colour_divide: Option<Switch>,
    /// Consecutive images that share crop and mirror; the original's loader had 32 [default: 1].
    #[arg(long, value_name = "IMAGES", value_parser = clap::value_parser!(u64).range(1..))]
    pub crop_chunk: Option<u64>,
    /// What is subtracted from an image [default: image].
    #[arg(long, value_enum)]
    pub mean: Option<Mean>,
    /// Where the mean image is read; the original reads its centre for every crop [default: own].
    #[arg(long, value_enum)]
    pub mean_crop: Option<MeanCrop>,
    /// What the mean and the colours are measured on: full, sample:IMAGES or published (ILSVRC's)
    /// [default: sample:20000].
    #[arg(long, value_name = "BASIS")]
    pub stats: Option<Basis>,
    /// Resize a prepared set whose squares have another size than the network's images.
    #[arg(long)]
    pub resize: bool,
    /// Permutations a shuffled order draws from: full, or blocks:IMAGES for near reads [default: full].
    #[arg(long)]
    pub shuffle: Option<Shuffle>,
    /// Order of the training images [default: shuffled].
    #[arg(long, value_enum)]
    pub order: Option<Order>,
    /// Micro-batches a step, to the same sums: for adapters that cannot hold a whole batch [default: 1].
    #[arg(long, value_parser = count())]
    pub accumulate: Option<usize>,
    /// Write event files for TensorBoard into the run's folder: scalars, filters, histograms of weights and updates.
    #[arg(long)]
    pub tensorboard: bool,
    /// Threads that load images; the result does not depend on it [default: one a core].
    #[arg(long, value_parser = count())]
    pub workers: Option<usize>,
    /// Whose figures to follow where the paper and its source differ [default: source].
    #[arg(long, value_enum)]
    pub recipe: Option<Figures>,
    /// Standard deviations and biases that it begins with; the paper's and its source's are scaled by fan-in to a smaller
    /// network [default: own].
    #[arg(long, value_enum)]
    pub init: Option<Start>,
    /// What to do with EXIF orientation [default: apply].
    #[arg(long, value_enum)]
    pub exif: Option<Exif>,
    /// Which kernels.
    #[command(flatten)]
    pub kernels: KernelArgs,
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
    /// The network.
    #[command(flatten)]
    pub net: NetArgs,
    /// Images a step [default: the network's own].
    #[arg(long, value_parser = count())]
    pub batch: Option<usize>,
    /// Micro-batches a step.
    #[arg(long, default_value = "1", value_parser = count())]
    pub accumulate: usize,
    /// Classes [default: 1000; tiny: 10].
    #[arg(long, value_parser = count())]
    pub classes: Option<usize>,
    /// Adapters by index or part of a name.
    #[arg(long, value_name = "LIST")]
    pub adapters: Option<String>,
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

/// Options of `tune`.
#[derive(Args, Debug)]
pub struct TuneArgs {
    /// The network.
    #[command(flatten)]
    pub net: NetArgs,
    /// Images a step [default: the network's own].
    #[arg(long, value_parser = count())]
    pub batch: Option<usize>,
    /// Micro-batches a step.
    #[arg(long, default_value = "1", value_parser = count())]
    pub accumulate: usize,
    /// Classes [default: 1000; tiny: 10].
    #[arg(long, value_parser = count())]
    pub classes: Option<usize>,
    /// Adapters by index or part of a name.
    #[arg(long, value_name = "LIST")]
    pub adapters: Option<String>,
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

/// What `bench` measures.
#[derive(Subcommand, Debug)]
pub enum BenchCommand {
    /// Whole training steps on random input: images a second, and what the host does meanwhile.
    Step {
        /// Networks, separated by commas.
        #[arg(long, default_value = "alexnet", value_parser = tables(), value_delimiter = ',', value_name = "LIST")]
        net: Vec<&'static Table>,
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
        /// Beside what an earlier --json run printed into FILE, or several: the ratio of each pair, and their median.
        #[arg(long, value_name = "FILE")]
        compare: Option<PathBuf>,
        /// Note when each adapter, link and host thread worked in one step more: a printed timeline, and FILE in
        /// Chrome's trace event format (chrome://tracing, ui.perfetto.dev).
        #[arg(long, value_name = "FILE")]
        trace: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
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
        /// Beside what an earlier --json run printed into FILE, or several: the ratio of each pair, and their median.
        #[arg(long, value_name = "FILE")]
        compare: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
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

/// `on` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// No.
    Off,
    /// Yes.
    On,
}

/// A number of passes, or `never`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Until(pub Option<u64>);

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(Self(None)),
            number => number.parse().map(|n| Self(Some(n))).map_err(|_| "expected never or a number of passes".into()),
        }
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => write!(f, "never"),
            Some(passes) => write!(f, "{passes}"),
        }
    }
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

fn count() -> impl TypedValueParser<Value = usize> {
    // Sizes are counted in 32 bits on the adapter.
    clap::value_parser!(u64).range(1..=u64::from(u32::MAX)).map(|n| n as usize)
}

fn not_negative(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|n| (0.0..=f64::from(f32::MAX)).contains(n)).ok_or("expected a number of 0 or more".into())
}

fn minutes(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|m| (0.0..=1e6).contains(m)).ok_or("expected minutes, a number of 0 or more".into())
}

fn above_zero(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0).ok_or("expected a number above 0".into())
}

fn below_one(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|p| (0.0..1.0).contains(p)).ok_or("expected a number of 0 or more and below 1".into())
}

/// Refuses a name that no picture has.
fn ensure_picture(path: &std::path::Path) -> Result<(), Error> {
    let ending = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
    if ending.is_some_and(|ending| ending == "png" || ending == "svg") {
        return Ok(());
    }
    Err(Error::Usage(format!("{}: a picture's name ends in .png or .svg", path.display())))
}

fn png(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let is_png = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png"));
    if is_png { Ok(path) } else { Err("expected a name that ends in .png".to_owned()) }
}
