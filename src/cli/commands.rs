//! The commands but `train`.

use super::{
    CheckArgs, Cli, Command, DescribeArgs, EvalArgs, FiltersArgs, MachineArgs, PredictArgs, ShaderArgs, SynthArgs,
    bench, data, features, plot, prepare, report, reproduce, show, similar, train, tune, watch,
};
use crate::data::decode::KEPT_BYTES;
use crate::data::loader::batch_bytes;
use crate::data::source::CACHE_BYTES;
use crate::data::{DataSet, Options, Split, Stats, source};
use crate::error::Error;
use crate::eval::{self, Evaluation, Score, Views};
use crate::gpu::Profile;
use crate::machine::Machine;
use crate::net::{Net, Table};
use crate::predict::{self, Prediction};
use crate::products::Precision;
use crate::recipe;
use crate::synth::{self, Synth};
use crate::train::Progress;
use crate::weights::Weights;
use crate::{check, draw, filters, gpu, plan, solo};
use anyhow::Result;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

/// Does what was typed. The exit code of an error is [`super::exit_code`]'s.
pub fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Train(args) => return train::run(&args),
        Command::Eval(args) => evaluate(&args)?,
        Command::Predict(args) => predict(&args)?,
        Command::Filters(args) => draw_filters(&args)?,
        Command::Features(args) => features::run(&args)?,
        Command::Similar(args) => similar::run(&args)?,
        Command::Show(args) => show::run(&args)?,
        Command::Plot(args) => plot::run(&args)?,
        Command::Watch(args) => watch::run(&args)?,
        Command::Report(args) => report::run(&args)?,
        Command::Data(args) => return data::run(&args),
        Command::Prepare(args) => prepare::run(&args)?,
        Command::Reproduce(args) => return reproduce::run(&args),
        Command::Synth(args) => generate(&args)?,
        Command::Adapters => adapters()?,
        Command::Describe(args) => describe(&args)?,
        Command::Check(args) => return check_kernels(&args),
        Command::Tune(args) => return tune::run(&args),
        Command::Bench(args) => bench::run(args)?,
        Command::Shader(args) => print_shader(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What a shell expects after Ctrl-C.
pub(super) const INTERRUPTED: u8 = 130;

/// A result on stdout. A reader that has gone, as `head` does, is no failure.
pub(super) fn say(text: &str) -> Result<()> {
    let line = format!("{}\n", text.trim_end_matches('\n'));
    match std::io::stdout().write_all(line.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::io("stdout")(e).into()),
        _ => Ok(()),
    }
}

/// One thread a core.
pub(super) fn workers(option: Option<usize>) -> usize {
    option.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into))
}

/// A set numbered by the classes that the weights know; by the data's where the weights name none.
pub(super) fn numbered(set: &DataSet, weights: &Weights, net: &Net, options: &Options) -> Result<DataSet> {
    let root = &set.root;
    let classes = match &weights.classes {
        Some(classes) => classes.clone(),
        None if set.classes.len() == net.classes => set.classes.clone(),
        // Numbers mean the same classes only where both sides count them alike: as the training set does.
        None => source::open(root, Split::Train, options, &mut ()).map_or(set.classes.clone(), |train| train.classes),
    };
    let unknown = set.used_classes().find(|&name| !classes.iter().any(|class| class == name));
    if classes.len() == net.classes && unknown.is_none() {
        return Ok(set.clone().with_classes(&classes)?);
    }
    let (path, knows, has) = (weights.path.clone(), net.classes, set.used_classes().count().max(classes.len()));
    let names =
        unknown.map_or_else(String::new, |name| format!(", `{name}` among them, which the weights do not know"));
    let why = format!(
        "the last layer's bias has shape [{knows}], one value a class; {} needs [{has}]: it has {has} classes{names}",
        root.display()
    );
    Err(Error::Checkpoint { path, why }.into())
}

/// Trained weights on their machine, for use.
pub(super) struct Loaded {
    pub machine: Machine,
    pub stats: Arc<Stats>,
    pub classes: Vec<String>,
    pub class_names: Option<Vec<String>>,
}

/// The machine of `weights` for `batch` views at once, down to `layer` where one is named.
pub(super) fn load(
    mut weights: Weights,
    table: &Table,
    layer: Option<&str>,
    on: &MachineArgs,
    batch: usize,
    note: impl FnMut(&str),
) -> Result<Loaded> {
    let whole = weights.resolve(table)?;
    let (classes, class_names) = (weights.numbered_classes(&whole), weights.class_names.clone());
    let stats = Arc::new(weights.needed_stats(table)?);
    let mut tensors = weights.take(&whole)?;
    let net = layer.map_or_else(|| Ok(whole.clone()), |layer| whole.until(layer))?;
    tensors.truncate(net.tensors().len());
    let devices = gpu::select(on.adapters.as_deref(), table.columns)?;
    let kernels = on.kernels.how(on.adapters.as_deref());
    if kernels.precision == Precision::Mixed {
        eprintln!("precision: {}", kernels.precision);
    }
    let devices = crate::tune::apply(&net, &devices, batch, 1, kernels, note)?;
    let mut machine = Machine::in_use(&net, &devices, batch)?;
    machine.set_weights(&tensors)?;
    Ok(Loaded { machine, stats, classes, class_names })
}

fn evaluate(args: &EvalArgs) -> Result<()> {
    let Some((data, files)) = args.paths.split_last() else { return Ok(()) };
    let mut progress = Progress::stderr();
    // The sum over the networks of each image's probabilities, [images, classes], and the images' classes by name.
    let mut sums: Vec<f32> = Vec::new();
    let mut labels: Vec<u32> = Vec::new();
    let mut first_classes: Option<Vec<String>> = None;
    let options = args.source.options(args.seed);
    let mut opened: Option<DataSet> = None;
    for file in files {
        let weights = Weights::read(file)?;
        let table = &weights.table(args.how.on.net.named()?.as_ref())?;
        let net = weights.resolve(table)?;
        let images = match opened.take() {
            Some(images) => images,
            None => source::open(data, args.split, &options, &mut progress)?,
        };
        let set = Arc::new(numbered(opened.insert(images), &weights, &net, &options)?);
        let batch = args.how.on.batch.unwrap_or(recipe::defaults(table).batch);
        let mut loaded = load(weights, table, None, &args.how.on, batch, |note| progress.note(note))?;
        ensure_same_classes(first_classes.get_or_insert_with(|| set.classes.clone()), &set.classes, file)?;
        let how = Views { views: args.how.views, batch, workers: workers(args.workers), exif: args.how.on.exif };
        let classes = loaded.machine.net().classes;
        let mut place = 0;
        let (_, skipped) = eval::classify(&mut loaded.machine, &set, &loaded.stats, how, |label, probabilities| {
            if labels.len() == place {
                labels.push(label);
                sums.resize(sums.len() + classes, 0.0);
            }
            let sum = &mut sums[place * classes..][..classes];
            sum.iter_mut().zip(probabilities).for_each(|(sum, p)| *sum += p);
            place += 1;
            progress.count("evaluation", place, set.len());
            true
        })?;
        progress.skipped(&skipped);
    }
    progress.finish();
    let classes = first_classes.map_or(1, |c| c.len());
    let mut score = Score::default();
    for (&label, sum) in labels.iter().zip(sums.chunks_exact(classes)) {
        let mean: Vec<f32> = sum.iter().map(|p| p / files.len() as f32).collect();
        score.add(&mean, label);
    }
    let result = score.evaluation();
    say(&if args.how.json { serde_json::to_string(&result)? } else { words(&result) })
}

/// An ensemble's members must mean the same by a class's number.
fn ensure_same_classes(first: &[String], classes: &[String], file: &Path) -> Result<()> {
    if first == classes {
        return Ok(());
    }
    Err(Error::Checkpoint {
        path: file.to_owned(),
        why: format!(
            "its {} classes are not the {} classes of the weights named first; only networks of the same classes can \
             be averaged",
            classes.len(),
            first.len()
        ),
    }
    .into())
}

/// The three numbers of an evaluation, errors as fractions.
pub(super) fn errors(top1: f64, top5: f64, logprob: f64) -> String {
    format!("top-1 error {:.2} %  top-5 error {:.2} %  log-probability {logprob:.4}", 100.0 * top1, 100.0 * top5)
}

fn words(result: &Evaluation) -> String {
    format!("{} images  {}", result.images, errors(result.top1_error, result.top5_error, result.logprob))
}

fn predict(args: &PredictArgs) -> Result<()> {
    let weights = Weights::read(&args.weights)?;
    let table = &weights.table(args.how.on.net.named()?.as_ref())?;
    let views = args.images.len().saturating_mul(args.how.views);
    let batch = args.how.on.batch.unwrap_or(recipe::defaults(table).batch).min(views);
    // A few images are soon done: nobody tunes for their number.
    let Loaded { mut machine, stats, classes, class_names } = load(weights, table, None, &args.how.on, batch, |_| ())?;
    let how = predict::Settings {
        views: args.how.views,
        top: args.top,
        batch: (batch / args.how.views).max(1),
        exif: args.how.on.exif,
    };
    let mut failed = None;
    predict::predict(&mut machine, &stats, (&classes, class_names.as_deref()), &args.images, how, |prediction| {
        let line = if args.how.json {
            serde_json::to_string(&prediction).map_err(|e| Error::io("stdout")(e.into()))?
        } else {
            prediction_words(&prediction)
        };
        failed = failed.take().or(say(&line).err());
        Ok(())
    })?;
    failed.map_or(Ok(()), Err)
}

fn prediction_words(prediction: &Prediction) -> String {
    // The first of WordNet's names for a class, which are separated by commas.
    let name = |g: &predict::Guess| {
        let names = g.name.as_deref().unwrap_or(&g.class);
        names.split(',').next().unwrap_or(names).to_owned()
    };
    let guesses = prediction.top.iter().map(|g| format!("{} {:.1} %", name(g), 100.0 * g.probability));
    format!("{}: {}", prediction.image, guesses.collect::<Vec<_>>().join(", "))
}

fn draw_filters(args: &FiltersArgs) -> Result<()> {
    draw::write_png(&filters::of(Weights::read(&args.weights)?, args.net.named()?.as_ref())?, &args.out)?;
    say(&args.out.display().to_string())
}

fn generate(args: &SynthArgs) -> Result<()> {
    let progress = Mutex::new(Progress::stderr());
    let classes = args.classes.unwrap_or(synth::most_classes(args.hard));
    let settings = Synth { classes, train: args.train, val: args.val, seed: args.seed, hard: args.hard };
    synth::generate(&args.dir, &settings, |done, all| {
        progress.lock().expect("no holder panics").count("drawing", done, all);
    })?;
    progress.into_inner().expect("no holder panicked").finish();
    say(&args.dir.display().to_string())
}

fn adapters() -> Result<()> {
    let rows = gpu::list();
    if rows.is_empty() {
        // The message of a failed choice says what to install.
        gpu::select(None, 1)?;
    }
    rows.iter().try_for_each(|row| say(&row.to_string()))
}

/// A network where no data says how many classes there are: the network's own number.
pub(super) fn of_default_classes(table: &Table, classes: Option<usize>) -> Result<Net> {
    let own = recipe::defaults(table);
    Ok(Net::resolve(table, classes.unwrap_or(own.classes), own.dropout as f32)?)
}

fn print_shader(args: &ShaderArgs) -> Result<()> {
    let net = of_default_classes(&args.net.table()?, None)?;
    let batch = args.batch.unwrap_or(recipe::defaults(&net.table).batch);
    let devices = gpu::select(args.adapters.as_deref(), 1)?;
    say(&solo::shader(&devices[0], &net, batch, &args.name, args.row.as_deref())?)
}

fn describe(args: &DescribeArgs) -> Result<()> {
    let net = of_default_classes(&args.step.net.table()?, args.step.classes)?;
    let table = &net.table;
    let batch = args.step.batch.unwrap_or(recipe::defaults(table).batch);
    if args.growth {
        let rates = plan::Rates { gflops: args.gflops, gigabytes: args.gigabytes };
        let found = args.step.adapters.is_some() || !gpu::list().is_empty();
        let devices = if found { gpu::select(args.step.adapters.as_deref(), 2)? } else { Vec::new() };
        let profile = devices.first().map_or_else(Profile::webgpu, |device| device.profile.clone());
        return say(&plan::growth(table, net.classes, batch, &profile, rates)?);
    }
    if args.step.adapters.is_none() && gpu::list().is_empty() {
        let name = "an adapter with WebGPU's default limits".to_owned();
        say(&plan::describe(&net, batch, args.step.accumulate, &[&Profile::webgpu()], &[name])?)?;
        return say(&host_memory(table, batch));
    }
    let devices = gpu::select(args.step.adapters.as_deref(), table.columns)?;
    let profiles: Vec<_> = devices.iter().map(|d| &d.profile).collect();
    let names: Vec<_> = devices.iter().map(|d| d.describe()).collect();
    say(&plan::describe(&net, batch, args.step.accumulate, &profiles, &names)?)?;
    say(&host_memory(table, batch))
}

/// What loading takes on the host with as many workers as there are cores.
fn host_memory(table: &Table, batch: usize) -> String {
    let workers = workers(None);
    let [batches, decoders, squares] =
        [batch_bytes(batch, table.crop, workers), workers * KEPT_BYTES, CACHE_BYTES].map(|b| b.div_ceil(1 << 20));
    format!(
        "host, {workers} workers: {batches} MiB of batches; at most {decoders} MiB of decoded images and {squares} MiB \
         of squares where they all fit"
    )
}

fn check_kernels(args: &CheckArgs) -> Result<ExitCode> {
    let mut passed = true;
    let mut gone = Ok(());
    for device in gpu::select(args.adapters.as_deref(), 2)? {
        say(&device.describe())?;
        passed &= check::all(&device, |checked| {
            if gone.is_ok() {
                gone = say(&checked.to_string());
            }
        })?;
    }
    gone?;
    Ok(ExitCode::from(u8::from(!passed)))
}
