//! `train`: from what was typed to a run.

use super::commands::{INTERRUPTED, errors, say, workers};
use super::{KernelArgs, Switch, TrainArgs, Until};
use crate::checkpoint;
use crate::data::prepared;
use crate::data::{Decoding, Exif, Mean, Options, Order, Shuffle, Split, source, steps_per_pass};
use crate::error::Error;
use crate::gpu::{self, Device};
use crate::net::Table;
use crate::plan::Plan;
use crate::products::Choices;
use crate::recipe::{self, Figures};
use crate::run::{self, Adapters, Config, Data, Run, word};
use crate::schedule::Schedule;
use crate::train::{self, End, Images, Progress, Trainer};
use crate::tune::{self, How};
use crate::variation::Part;
use crate::weights::{self, Weights};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const VERSION: &str = env!("CARGO_PKG_VERSION");

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
    match trainer.evaluations().last() {
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
    if images.val.is_empty() && matches!(config.schedule, Schedule::Plateau { .. }) {
        progress.note("note: without validation images --schedule plateau never lowers the rate; steps:PASS,… does");
    }
    let first = args.weights.as_deref().map(|path| first_weights(path, &config)).transpose()?;
    let devices = gpu::select(args.adapters.as_deref(), table.columns)?;
    config.adapters = Adapters::new(args.adapters.as_deref(), &devices);
    for device in &devices {
        progress.note(&format!("adapter: {} ({})", device.describe(), device.choice()));
    }
    let devices = choose(&mut config, &devices, &args.kernels, args.adapters.as_deref(), progress)?;
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
    if run.config.version != VERSION {
        let begun = &run.config.version;
        progress
            .note(&format!("note: the run was begun by alexnet {begun}; {VERSION} need not end with the same bytes"));
    }
    if adapters.devices != run.config.adapters.devices {
        progress.note(&format!(
            "note: the run was begun on {}; on {} it need not end with the same bytes",
            run.config.adapters.devices.join(" and "),
            adapters.devices.join(" and ")
        ));
    }
    let devices = choose(&mut run.config, &devices, &args.kernels, option.as_deref(), progress)?;
    let machine = train::machine(&run.config, &devices)?;
    let first = match (&latest, &run.config.weights) {
        (None, Some(path)) => Some(first_weights(path, &run.config)?),
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

/// The devices with the variants the run recorded; where it recorded none for an adapter, with those measured or
/// shipped, which it then records.
fn choose(
    config: &mut Config,
    devices: &[Arc<Device>],
    kernels: &KernelArgs,
    adapters: Option<&str>,
    progress: &Progress,
) -> Result<Vec<Arc<Device>>> {
    let net = config.network()?;
    let how = How { exact: config.exact, precision: config.precision, ..kernels.how(adapters) };
    let devices = &devices.iter().map(|d| d.with_precision(config.precision)).collect::<Result<Vec<_>, _>>()?[..];
    progress.note(&format!("precision: {}", config.precision));
    let (batch, accumulate) = (config.batch, config.accumulate);
    let recorded = |device: &Arc<Device>| {
        let variants = config.kernels.get(&device.describe())?.clone();
        Some(device.with_choices(Choices { exact: config.exact, variants }))
    };
    let mut chosen: Vec<_> = devices.iter().filter_map(recorded).collect();
    if chosen.len() < devices.len() {
        let measured = tune::apply(&net, devices, batch, accumulate, how, |note| progress.note(note))?;
        chosen = measured.into_iter().map(|device| recorded(&device).unwrap_or(device)).collect();
    }
    let profiles: Vec<_> = chosen.iter().map(|device| &device.profile).collect();
    let tasks = tune::tasks(&net, Plan::new(&net, &profiles, batch, accumulate)?.batch);
    for device in &chosen {
        if let Some((product, variant)) = tune::unknown(device, &tasks) {
            return Err(Error::Usage(format!(
                "config.toml: the run computes {product} as `{variant}`, which this version has not on {}; resume with \
                 alexnet {}",
                device.describe(),
                config.version
            ))
            .into());
        }
        config.kernels.insert(device.describe(), tune::resolved(device, &tasks).variants);
    }
    Ok(chosen)
}

/// Everything resolved, the adapters apart.
fn configure(args: &TrainArgs, table: &Table, images: &Images) -> Result<Config> {
    let defaults = recipe::defaults(table);
    let batch = args.batch.unwrap_or(defaults.batch);
    let accumulate = args.accumulate.unwrap_or(1);
    if accumulate > batch {
        return Err(Error::Usage(format!(
            "--accumulate {accumulate}: more micro-batches than the {batch} images of a step; at most {batch}"
        ))
        .into());
    }
    let order = args.order.unwrap_or(Order::Shuffled);
    let count = images.train.len();
    let pass = steps_per_pass(count, batch);
    let epochs = if args.steps.is_none() { Some(args.epochs.unwrap_or(defaults.epochs)) } else { None };
    let weights = args.weights.as_deref().map(weights::locate).transpose()?;
    Ok(Config {
        version: VERSION.to_owned(),
        net: table.name.to_owned(),
        variation: table.variation.clone(),
        recipe: args.recipe.unwrap_or(Figures::Source),
        seed: args.seed.unwrap_or(0),
        batch,
        accumulate,
        precision: args.kernels.precision.unwrap_or_default(),
        epochs,
        steps: args.steps.or(epochs.map(|e| run::steps_of(e, count, batch, order))).unwrap_or(pass),
        lr: args.lr.unwrap_or(defaults.lr),
        momentum: args.momentum.unwrap_or(defaults.momentum),
        decay: args.decay.unwrap_or(defaults.decay),
        dropout: args.dropout.unwrap_or(defaults.dropout),
        schedule: match &args.schedule {
            Some(schedule) => schedule.clone(),
            None => defaults.schedule.parse().map_err(Error::Usage)?,
        },
        augment: args.augment.unwrap_or(defaults.augment),
        colour: args.colour.unwrap_or(0.1) as f32,
        colour_until: args.colour_until.and_then(|until| until.0),
        colour_divide: args.colour_divide == Some(Switch::On),
        crop_chunk: args.crop_chunk.unwrap_or(1),
        mean: args.mean.unwrap_or(Mean::Image),
        mean_crop: args.mean_crop.unwrap_or(defaults.mean_crop),
        stats: args.stats.unwrap_or_default(),
        order,
        shuffle: args.shuffle.unwrap_or(Shuffle::Full),
        exif: args.exif.unwrap_or(Exif::Apply),
        workers: workers(args.workers),
        checkpoint_every: args.checkpoint_every.unwrap_or(pass),
        eval_every: args.eval_every.unwrap_or(pass),
        keep: args.keep.unwrap_or(3),
        weights: weights.map(|path| std::path::absolute(&path).unwrap_or(path)),
        classes: images.train.classes.clone(),
        class_names: images.train.class_names.clone(),
        decoding: Decoding::own(),
        data: Data::new(
            &args.data,
            args.val.as_deref(),
            &args.source.options(args.seed.unwrap_or(0)),
            &images.train,
            &images.val,
        ),
        exact: args.kernels.exact,
        adapters: Adapters { option: None, devices: Vec::new() },
        kernels: BTreeMap::new(),
    })
}

/// Weights that fit the run, checked before anything is written.
fn first_weights(path: &Path, config: &Config) -> Result<Weights> {
    let weights = Weights::read(path)?;
    weights.table(Some(&config.table()?))?;
    weights.check(&config.network()?)?;
    match &weights.classes {
        Some(classes) if *classes != config.classes => {
            let differs = classes.iter().zip(&config.classes).find(|(a, b)| a != b);
            let (theirs, ours) = differs.map_or(("", ""), |(a, b)| (a.as_str(), b.as_str()));
            let why = format!("its classes are not the data's: `{theirs}` where the data has `{ours}`");
            Err(Error::Checkpoint { path: weights.path.clone(), why }.into())
        }
        _ => Ok(weights),
    }
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
        ("--recipe", args.recipe.as_ref().map(word), word(&config.recipe)),
    ];
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
