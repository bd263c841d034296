//! `train`: from what was typed to a run.

use super::commands::{INTERRUPTED, errors, say};
use super::values::{Switch, Until, below_one, count, not_negative};
use super::{KernelArgs, NetArgs, SourceArgs};
use crate::checkpoint;
use crate::data::prepared;
use crate::data::{
    Augment, Basis, Decoding, Exif, Mean, MeanCrop, Options, Order, Shuffle, Split, source, steps_per_pass,
};
use crate::error::Error;
use crate::gpu::{self, Device};
use crate::net::Table;
use crate::recipe::{Figures, Start};
use crate::run::{self, Adapters, Config, Data, Run, word};
use crate::schedule::Schedule;
use crate::train::{self, End, Images, Progress, Trainer};
use crate::variation::Part;
use crate::weights;
use anyhow::{Context, Result};
use clap::Args;
use clap::builder::TypedValueParser;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// Set by Ctrl-C while training: the step is finished and saved.
static STOP: AtomicBool = AtomicBool::new(false);
/// Whether Ctrl-C has a step to finish; before that it ends the process.
static TRAINING: AtomicBool = AtomicBool::new(false);

/// Trains, or goes on training.
pub(super) fn run(args: &TrainArgs) -> Result<ExitCode> {
    ctrlc::set_handler(|| {
        // A second Ctrl-C does not wait: checkpoints are whole at any moment.
        if !TRAINING.load(Ordering::SeqCst) || STOP.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(INTERRUPTED));
        }
    })?;
    let mut progress = Progress::stderr();
    let trainer = match &args.resume {
        Some(folder) => resume(args, folder, &mut progress)?,
        None => Some(begin(args, &mut progress)?),
    };
    let Some(mut trainer) = trainer else { return Ok(ExitCode::SUCCESS) };
    if args.tensorboard {
        trainer.write_events()?;
    }
    TRAINING.store(true, Ordering::SeqCst);
    let end = trainer.train(&mut progress, &STOP);
    progress.finish();
    match end {
        Ok(End::Finished(folder)) => {
            finished(&trainer, &folder)?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(End::Interrupted(folder)) => {
            let saved = folder.map_or_else(String::new, |folder| format!("; saved {}", folder.display()));
            progress.note(&format!("interrupted{saved}\n{}", trainer.how_to_resume()));
            Ok(ExitCode::from(INTERRUPTED))
        }
        Err(e) => {
            let advice = trainer.advice(&e);
            Err(anyhow::Error::new(e).context(advice))
        }
    }
}

fn finished(trainer: &Trainer, folder: &Path) -> Result<()> {
    let folder = folder.display();
    let last = trainer.evaluations().iter().rev().find(|line| line.split == Split::Val);
    match last {
        // Not −x, which makes −0 of 0.
        Some(last) => say(&format!("{folder}  {}", errors(last.top1_error, last.top5_error, 0.0 - last.loss))),
        None => say(&folder.to_string()),
    }
}

fn begin(args: &TrainArgs, progress: &mut Progress) -> Result<Trainer> {
    if let Some(folder) = &args.run {
        run::ensure_free(folder)?;
    }
    let table = &args.net.table()?;
    let options = args.source.options(args.seed.unwrap_or(0));
    let images = open(&args.data, args.val.as_deref(), &options, progress)?;
    ensure_size(args, table, &images)?;
    let mut config = configure(args, table, &images)?;
    if config.train_error > 0 && images.train.window.is_some() {
        let why = "--train-error: a pipe is read once, from its beginning; copy its shards to files, or leave it out";
        return Err(Error::Usage(why.to_owned()).into());
    }
    if images.val.is_empty() && matches!(config.schedule, Schedule::Plateau { .. }) {
        progress.note("note: without validation images --schedule plateau never lowers the rate; steps:PASS,… does");
    }
    let first = args.weights.as_deref().map(|path| train::read_first(path, &config)).transpose()?;
    let devices = gpu::select(args.adapters.as_deref(), table.columns)?;
    config.adapters = Adapters::new(args.adapters.as_deref(), &devices);
    for device in &devices {
        progress.note(&format!("adapter: {} ({})", device.describe(), device.choice()));
    }
    let devices = variants(&mut config, &devices, args, args.adapters.as_deref(), progress)?;
    let machine = train::machine(&config, &devices)?;
    for index in 0..devices.len() {
        let mib = machine.plan().bytes(index) >> 20;
        progress.note(&format!("memory: {mib} MiB on adapter {}, from the first step to the last", index + 1));
    }
    let run = Run::create(args.run.as_deref(), config)?;
    progress.note(&format!("run: {}", run.folder.display()));
    Trainer::new(run.clone(), images, machine, first, progress).map_err(|e| {
        // Nothing was trained: leave nothing behind that would pass for a run.
        run.discard();
        e.into()
    })
}

/// `None` where the run is finished.
fn resume(args: &TrainArgs, folder: &Path, progress: &mut Progress) -> Result<Option<Trainer>> {
    let mut run = Run::open(folder)?;
    ensure_same(args, &run.config)?;
    let options = Options {
        seed: run.config.seed,
        classes: args.source.classes.clone().or(run.config.data.options.classes.clone()),
        ..run.config.data.options.clone()
    };
    let val = args.val.clone().or(run.config.data.val.clone());
    let images = open(&args.data, val.as_deref(), &options, progress)?;
    let data = Data::new(&args.data, val.as_deref(), &options, &images.train, &images.val);
    if !data.same_images(&run.config.data) {
        return Err(Error::Usage(format!(
            "{}: not the images that {} was begun with ({}); --resume goes on with the same data only",
            args.data.display(),
            folder.display(),
            run.config.data.path.display()
        ))
        .into());
    }
    if run.config.decoding != Decoding::own() {
        return Err(Error::Usage(format!(
            "{}: begun with {}; this build has {}, which makes other pixels of the same files: go on with a build like \
             the first (cargo feature `turbo` for libjpeg-turbo), or begin another run",
            folder.display(),
            run.config.decoding,
            Decoding::own()
        ))
        .into());
    }
    let latest = checkpoint::latest(folder)?;
    if let Some(latest) = &latest
        && train::is_finished(&run, &checkpoint::read_state(latest)?)
    {
        say(&format!("{} is finished: all {} steps are done", latest.display(), run.config.steps))?;
        return Ok(None);
    }
    run.config.data = data;
    run.config.workers = args.workers.unwrap_or(run.config.workers);
    run.config.keep = args.keep.unwrap_or(run.config.keep);
    let option = args.adapters.clone().or(run.config.adapters.option.clone());
    let devices = gpu::select(option.as_deref(), run.config.table()?.columns)?;
    let adapters = Adapters::new(option.as_deref(), &devices);
    if run.config.version != run::VERSION {
        let begun = &run.config.version;
        progress.note(&format!(
            "note: the run was begun by alexnet {begun}; {} need not end with the same bytes",
            run::VERSION
        ));
    }
    if adapters.devices != run.config.adapters.devices {
        progress.note(&format!(
            "note: the run was begun on {}; on {} it need not end with the same bytes",
            run.config.adapters.devices.join(" and "),
            adapters.devices.join(" and ")
        ));
    }
    let devices = variants(&mut run.config, &devices, args, option.as_deref(), progress)?;
    let machine = train::machine(&run.config, &devices)?;
    let first = match (&latest, &run.config.weights) {
        (None, Some(path)) => Some(train::read_first(path, &run.config)?),
        _ => None,
    };
    let from = latest.map_or_else(|| "step 0: no complete checkpoint".to_owned(), |l| l.display().to_string());
    progress.note(&format!("going on from {from}"));
    Ok(Some(Trainer::new(run, images, machine, first, progress)?))
}

/// The training images of a source, and the validation images of it or of `val`.
pub(super) fn open(data: &Path, val: Option<&Path>, options: &Options, progress: &mut Progress) -> Result<Images> {
    let train = source::open(data, Split::Train, options, progress)?;
    const HINT: &str = "name validation images with --val SOURCE, or hold out some of the training images with \
                        --val-fraction 0.1 (0: none)";
    if val.is_none() && options.val_fraction.is_none() && !train.has_splits {
        let (data, kind) = (data.display(), &train.kind);
        return Err(Error::Usage(format!("{data}: {kind}, without validation images; {HINT}")).into());
    }
    let held_out = source::open(val.unwrap_or(data), Split::Val, options, progress);
    let held_out = if val.is_none() { held_out.context(HINT) } else { held_out.map_err(Into::into) };
    let val = held_out?.with_classes(&train.classes)?;
    Ok(Images { train: Arc::new(train), val: Arc::new(val) })
}

/// [`train::variants`], said.
fn variants(
    config: &mut Config,
    devices: &[Arc<Device>],
    args: &TrainArgs,
    adapters: Option<&str>,
    progress: &Progress,
) -> Result<Vec<Arc<Device>>> {
    progress.note(&format!("precision: {}", config.precision));
    Ok(train::variants(config, devices, args.kernels.how(adapters), |note| progress.note(note))?)
}

/// Refuses a prepared set of another size, whose squares would be resized a second time.
fn ensure_size(args: &TrainArgs, table: &Table, images: &Images) -> Result<()> {
    match images.train.side() {
        Some(side) if side != table.image && prepared::is_prepared(&args.data) && !args.resize => {
            Err(Error::Usage(format!(
                "{}: prepared at {side} pixels, {} takes images of {}; prepare the originals with --size {2}, or resize the \
                 squares again with --resize",
                args.data.display(),
                table.name,
                table.image,
            ))
            .into())
        }
        _ => Ok(()),
    }
}

/// Everything resolved, the adapters apart.
fn configure(args: &TrainArgs, table: &Table, images: &Images) -> Result<Config> {
    let options = args.source.options(args.seed.unwrap_or(0));
    let data = Data::new(&args.data, args.val.as_deref(), &options, &images.train, &images.val);
    let (classes, class_names) = (images.train.classes.clone(), images.train.class_names.clone());
    let own = Config::new(table, data, classes, class_names)?;
    let batch = args.batch.unwrap_or(own.batch);
    let accumulate = args.accumulate.unwrap_or(1);
    if accumulate > batch {
        return Err(Error::Usage(format!(
            "--accumulate {accumulate}: more micro-batches than the {batch} images of a step; at most {batch}"
        ))
        .into());
    }
    let order = args.order.unwrap_or(own.order);
    let count = images.train.len();
    let pass = steps_per_pass(count, batch);
    let epochs = if args.steps.is_none() { args.epochs.or(own.epochs) } else { None };
    let weights = args.weights.as_deref().map(weights::locate).transpose()?;
    Ok(Config {
        recipe: args.recipe.unwrap_or(own.recipe),
        init: args.init.unwrap_or(own.init),
        seed: args.seed.unwrap_or(own.seed),
        batch,
        accumulate,
        precision: args.kernels.precision.unwrap_or(own.precision),
        epochs,
        steps: args.steps.or(epochs.map(|e| run::steps_of(e, count, batch, order))).unwrap_or(pass),
        lr: args.lr.unwrap_or(own.lr),
        momentum: args.momentum.unwrap_or(own.momentum),
        decay: args.decay.unwrap_or(own.decay),
        dropout: args.dropout.unwrap_or(own.dropout),
        schedule: args.schedule.clone().unwrap_or(own.schedule),
        augment: args.augment.unwrap_or(own.augment),
        colour: args.colour.map_or(own.colour, |colour| colour as f32),
        colour_until: args.colour_until.and_then(|until| until.0),
        colour_divide: args.colour_divide == Some(Switch::On),
        crop_chunk: args.crop_chunk.unwrap_or(own.crop_chunk),
        mean: args.mean.unwrap_or(own.mean),
        mean_crop: args.mean_crop.unwrap_or(own.mean_crop),
        stats: args.stats.unwrap_or(own.stats),
        order,
        shuffle: args.shuffle.unwrap_or(own.shuffle),
        exif: args.exif.unwrap_or(own.exif),
        workers: args.workers.unwrap_or(own.workers),
        checkpoint_every: args.checkpoint_every.unwrap_or(pass),
        eval_every: args.eval_every.unwrap_or(pass),
        train_error: args.train_error.unwrap_or(own.train_error),
        train_error_every: args.train_error_every,
        until_train_error: args.until_train_error,
        keep: args.keep.unwrap_or(own.keep),
        weights: weights.map(|path| std::path::absolute(&path).unwrap_or(path)),
        new_head: args.new_head,
        rates: train::factors(table, &args.freeze, &args.lr_scale)?,
        exact: args.kernels.exact,
        ..own
    })
}

/// Parts left out, in their order.
fn parts<'a>(parts: impl IntoIterator<Item = &'a Part>) -> String {
    let parts: BTreeSet<_> = parts.into_iter().collect();
    let words: Vec<_> = parts.into_iter().map(word).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(",") }
}

/// Refuses options that contradict the run. Adapters, workers and `--keep` may change: no step's mathematics follows them.
fn ensure_same(args: &TrainArgs, config: &Config) -> Result<()> {
    let text = |value: &dyn std::fmt::Display| value.to_string();
    let said = |value: Option<f64>| value.map_or("none".to_owned(), |v| v.to_string());
    let varied = &args.net.variation;
    let divides = if config.colour_divide { Switch::On } else { Switch::Off };
    let pairs = [
        ("--net", args.net.net.map(|t| t.name.to_owned()), config.net.clone()),
        ("--without", (!varied.without.is_empty()).then(|| parts(&varied.without)), parts(&config.variation.without)),
        ("--talk", varied.talk.as_ref().map(word), word(&config.variation.talk)),
        ("--activation", varied.activation.as_ref().map(word), word(&config.variation.activation)),
        ("--epochs", args.epochs.map(|v| text(&v)), config.epochs.map_or("none".to_owned(), |v| text(&v))),
        ("--steps", args.steps.map(|v| text(&v)), text(&config.steps)),
        ("--batch", args.batch.map(|v| text(&v)), text(&config.batch)),
        ("--accumulate", args.accumulate.map(|v| text(&v)), text(&config.accumulate)),
        ("--lr", args.lr.map(|v| text(&v)), text(&config.lr)),
        ("--momentum", args.momentum.map(|v| text(&v)), text(&config.momentum)),
        ("--decay", args.decay.map(|v| text(&v)), text(&config.decay)),
        ("--dropout", args.dropout.map(|v| text(&v)), text(&config.dropout)),
        ("--val-fraction", args.source.val_fraction.map(|v| text(&v)), said(config.data.options.val_fraction)),
        ("--label-key", args.source.label_key.clone(), config.data.options.label_key.clone().unwrap_or_default()),
        ("--seed", args.seed.map(|v| text(&v)), text(&config.seed)),
        ("--checkpoint-every", args.checkpoint_every.map(|v| text(&v)), text(&config.checkpoint_every)),
        ("--eval-every", args.eval_every.map(|v| text(&v)), text(&config.eval_every)),
        ("--train-error", args.train_error.map(|v| text(&v)), text(&config.train_error)),
        (
            "--train-error-every",
            args.train_error_every.map(|v| text(&v)),
            text(&config.train_error_every.unwrap_or(config.eval_every)),
        ),
        ("--until-train-error", args.until_train_error.map(|v| text(&v)), said(config.until_train_error)),
        ("--schedule", args.schedule.as_ref().map(|v| text(v)), text(&config.schedule)),
        ("--colour", args.colour.map(|v| text(&(v as f32))), text(&config.colour)),
        ("--colour-until", args.colour_until.map(|v| text(&v)), text(&Until(config.colour_until))),
        ("--colour-divide", args.colour_divide.as_ref().map(word), word(&divides)),
        ("--crop-chunk", args.crop_chunk.map(|v| text(&v)), text(&config.crop_chunk)),
        ("--mean", args.mean.as_ref().map(word), word(&config.mean)),
        ("--mean-crop", args.mean_crop.as_ref().map(word), word(&config.mean_crop)),
        ("--stats", args.stats.map(|v| text(&v)), text(&config.stats)),
        ("--shuffle", args.shuffle.map(|v| text(&v)), text(&config.shuffle)),
        ("--augment", args.augment.as_ref().map(word), word(&config.augment)),
        ("--order", args.order.as_ref().map(word), word(&config.order)),
        ("--exif", args.exif.as_ref().map(word), word(&config.exif)),
        ("--precision", args.kernels.precision.as_ref().map(word), word(&config.precision)),
        ("--init", args.init.as_ref().map(word), word(&config.init)),
        ("--recipe", args.recipe.as_ref().map(word), word(&config.recipe)),
    ];
    let rates = train::factors(&config.table()?, &args.freeze, &args.lr_scale)?;
    if !(args.freeze.is_empty() && args.lr_scale.is_empty()) && rates != config.rates {
        let why = "--freeze and --lr-scale: the run was begun with others (`rates` in config.toml), and --resume goes on as \
                   it was begun; leave them out, or begin another run";
        return Err(Error::Usage(why.to_owned()).into());
    }
    if args.kernels.exact && !config.exact {
        let why = "--exact: the run was begun without it, and --resume goes on as it was begun; leave it out, or begin \
                   another run";
        return Err(Error::Usage(why.to_owned()).into());
    }
    for (option, given, own) in pairs {
        if let Some(given) = given.filter(|given| *given != own) {
            return Err(Error::Usage(format!(
                "{option} {given}: the run was begun with {own}, and --resume goes on as it was begun; leave {option} \
                 out, or begin another run"
            ))
            .into());
        }
    }
    Ok(())
}
