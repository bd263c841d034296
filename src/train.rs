//! ★ The training loop.
//!
//! A step: load, forward, backward, update. The next one is begun before its results are read. After it, where due: an evaluation, which the schedule takes in, and a
//! checkpoint. Everything that decides the next step's bytes is in the checkpoint, the configuration and the data.

mod many;
mod progress;
mod rates;
mod variants;

pub use many::{Many, Trained};
pub use progress::Progress;
pub use rates::factors;
pub use variants::variants;

use crate::checkpoint::{self, Best, Checkpoint, Labels, State};
use crate::data::{Asked, DataSet, Loaded, Loader, Split, Stats};
use crate::error::{Error, Result};
use crate::eval::{self, Score, Views};
use crate::gpu::Device;
use crate::machine::{self, Machine};
use crate::metrics::{EvaluationLine, Line, Metrics, StepLine};
use crate::run::{self, Config, Run};
use crate::schedule::Place;
use crate::tensorboard::Events;
use crate::weights::{self, Weights};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The images of a run.
#[derive(Clone)]
pub struct Images {
    /// `DATA/train`.
    pub train: Arc<DataSet>,
    /// `DATA/val`.
    pub val: Arc<DataSet>,
}

/// How a call of [`Trainer::train`] ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// All steps are done, and the last checkpoint is written.
    Finished(PathBuf),
    /// Stopped on demand after a whole step; the checkpoint to go on from, if there is one yet.
    Interrupted(Option<PathBuf>),
}

/// A run about to begin or go on.
pub struct Trainer {
    run: Run,
    images: Images,
    /// The training images of evaluations, once there was one.
    sample: Option<Arc<DataSet>>,
    stats: Arc<Stats>,
    machine: Machine,
    state: State,
    metrics: Metrics,
    /// For TensorBoard, where that was asked for.
    events: Option<Events>,
    rate: f64,
    /// When the last step ended.
    ended: Instant,
}

/// A step in the adapters' queues.
struct Begun {
    step: u64,
    /// Passes done before it.
    epoch: u64,
    rate: f64,
    images: usize,
    start: Instant,
    wait: Duration,
}

impl Trainer {
    /// Puts a run on its machine: from its last complete checkpoint, else from its first weights.
    ///
    /// `first` are the weights that `--weights` names, read already where the run is new.
    ///
    /// # Errors
    /// A checkpoint, weights file or data set that does not fit; training images that cannot be read.
    pub fn new(
        run: Run,
        images: Images,
        mut machine: Machine,
        first: Option<Weights>,
        progress: &mut Progress,
    ) -> Result<Self> {
        let stats = prepare_stats(&run, &images, first.as_ref(), progress)?;
        let state = match checkpoint::latest(&run.folder)? {
            Some(folder) => {
                let checkpoint = checkpoint::load(&folder, machine.net())?;
                machine.set_weights(&checkpoint.weights)?;
                machine.set_momenta(&checkpoint.momenta)?;
                if let Some(scale) = checkpoint.state.scale.filter(|_| machine.scale().is_some()) {
                    machine.set_scale(scale);
                }
                checkpoint.state
            }
            None => {
                machine.set_weights(&first_weights(&run, &machine, first)?)?;
                State::default()
            }
        };
        checkpoint::recover(&run.folder, &state)?;
        let metrics = Metrics::open(&run.metrics(), state.step, state.evaluated)?;
        let events = Events::resume(&run.folder, &state)?;
        let rate = run.config.lr;
        let (stats, ended) = (Arc::new(stats), Instant::now());
        Ok(Self { run, images, sample: None, stats, machine, state, metrics, events, rate, ended })
    }

    /// Writes events for TensorBoard from here on. A run that has event files goes on with them unasked.
    pub fn write_events(&mut self) -> Result<()> {
        if self.events.is_none() {
            self.events = Some(Events::begin(&self.run.folder, &self.state)?);
        }
        Ok(())
    }

    /// Evaluations so far, on validation and training images, those before a resume among them.
    pub fn evaluations(&self) -> &[EvaluationLine] {
        self.metrics.evaluations()
    }

    /// The command that goes on with the run.
    pub fn how_to_resume(&self) -> String {
        let (data, folder) = (self.run.config.data.path.display(), self.run.folder.display());
        format!("to go on: alexnet train {data} --resume {folder}")
    }

    /// Trains to the end of the run, or until `stop` is set.
    ///
    /// # Errors
    /// [`Error::Diverged`], [`Error::DeviceLost`], [`Error::OutOfMemory`], unreadable images, a full disk. Checkpoints written before stay.
    pub fn train(&mut self, progress: &mut Progress, stop: &AtomicBool) -> Result<End> {
        let config = self.run.config.clone();
        let settings = config.loader(self.machine.net().table.crop, self.state.step + 1);
        let mut loader = Loader::train(self.images.train.clone(), self.stats.clone(), settings);
        // A run stopped between a step and its evaluation goes on with the evaluation.
        if self.evaluation_is_open() && self.evaluate_all(progress, stop)? {
            self.save(progress)?;
        }
        let mut saved = self.state.step;
        let mut begun = VecDeque::new();
        loop {
            while self.may_begin(&begun) && !stop.load(Ordering::Relaxed) {
                begun.push_back(self.begin_step(begun.len() as u64, &mut loader, progress)?);
            }
            let Some(step) = begun.pop_front() else { break };
            self.finish_step(step, progress)?;
            // Only weights that no step in the queue changes are evaluated and saved.
            if begun.is_empty() && self.evaluation_is_open() {
                self.evaluate_all(progress, stop)?;
            }
            if begun.is_empty() && config.saves(self.state.step) {
                self.save(progress)?;
                saved = self.state.step;
            }
        }
        if self.state.step > saved {
            self.save(progress)?;
        }
        if is_finished(&self.run, &self.state) {
            return Ok(End::Finished(checkpoint::folder(&self.run.folder, self.state.step)));
        }
        Ok(End::Interrupted(checkpoint::latest(&self.run.folder)?))
    }

    /// What to tell whoever sees `error` end the run: where it stands and how to go on.
    pub fn advice(&self, error: &Error) -> String {
        let data = self.run.config.data.path.display();
        let last = checkpoint::latest(&self.run.folder).ok().flatten();
        let kept = match &last {
            Some(last) => format!("the last checkpoint is {}", last.display()),
            None => "there is no checkpoint yet".to_owned(),
        };
        let next = match (error, &last) {
            (Error::Diverged(_), Some(last)) => {
                format!(
                    "to begin anew from it with a lower rate: alexnet train {data} --weights {} --lr …",
                    last.display()
                )
            }
            (Error::Diverged(_), None) => "begin a new run with a lower --lr".to_owned(),
            _ => self.how_to_resume(),
        };
        format!("training stopped after {} steps, at rate {:e}; {kept}\n{next}", self.state.step, self.rate)
    }

    /// Whether another step may be queued behind those begun: nothing must be due between them.
    fn may_begin(&self, begun: &VecDeque<Begun>) -> bool {
        let last = self.state.step + begun.len() as u64;
        let config = &self.run.config;
        let due = !begun.is_empty() && (config.evaluates(last) || config.saves(last));
        last < config.steps && begun.len() < machine::AHEAD && !due && !self.state.reached
    }

    /// Queues the step behind `ahead` others that are not finished.
    fn begin_step(&mut self, ahead: u64, loader: &mut Loader, progress: &mut Progress) -> Result<Begun> {
        let config = &self.run.config;
        let start = Instant::now();
        let Loaded { batch, epoch, wait } = loader.next()?;
        progress.skipped(loader.skipped());
        let done = self.state.step + ahead;
        let place = Place { done, total: config.steps, passes: epoch };
        let rate = config.schedule.rate(config.lr, place, &self.state.plateau);
        self.machine.begin(&batch, done + 1, rate as f32)?;
        let images = batch.len();
        loader.recycle(batch);
        Ok(Begun { step: done + 1, epoch, rate, images, start, wait })
    }

    fn finish_step(&mut self, begun: Begun, progress: &mut Progress) -> Result<()> {
        let Begun { step, epoch, rate, images, start, wait } = begun;
        self.rate = rate;
        let outcome = self.machine.finish()?;
        // A step's time begins where the one before it ended.
        let seconds = outcome.ended.saturating_duration_since(start.max(self.ended)).as_secs_f64();
        self.ended = outcome.ended.max(self.ended);
        let line = StepLine {
            step,
            epoch: epoch + 1,
            loss: outcome.loss,
            top1_error: outcome.top1_error,
            top5_error: outcome.top5_error,
            lr: rate,
            // On a busy host two steps may be seen to end at once; JSON has no infinity.
            images_per_second: if seconds > 0.0 { images as f64 / seconds } else { 0.0 },
            seconds,
            data_wait: wait.as_secs_f64(),
            exchange: outcome.exchange,
            scale: outcome.scale,
            skipped: self.machine.scale().map_or(0, |scale| scale.skipped),
            host: outcome.host.recording,
        };
        if outcome.skipped {
            progress.note(&format!("step {step}: a gradient overflowed at loss scale {}; skipped", outcome.scale));
        }
        self.state.step = step;
        self.state.scale = self.machine.scale();
        self.metrics.push(&Line::Step(line))?;
        if let Some(events) = &mut self.events {
            events.step(&line)?;
        }
        progress.step(&line, self.run.config.steps);
        Ok(())
    }

    fn evaluation_is_open(&self) -> bool {
        self.run.config.evaluates(self.state.step) && self.state.evaluated < self.state.step
    }

    /// Evaluates on all that the run asks for; returns whether it came to the end before `stop`.
    fn evaluate_all(&mut self, progress: &mut Progress, stop: &AtomicBool) -> Result<bool> {
        let on = |split| self.run.config.evaluates_on(split, self.state.step);
        let (on_val, on_train) = (on(Split::Val), on(Split::Train));
        let val = on_val.then(|| self.images.val.clone());
        let train = on_train.then(|| self.sample());
        let mut lines = Vec::new();
        for (set, split) in [(val, Split::Val), (train, Split::Train)] {
            let Some(set) = set else { continue };
            let Some(line) = self.evaluate(&set, split, progress, stop)? else { return Ok(false) };
            lines.push(line);
        }
        let (config, step) = (&self.run.config, self.state.step);
        self.state.evaluated = step;
        for &line in &lines {
            if line.split == Split::Val {
                config.schedule.evaluated(&mut self.state.plateau, line.top1_error);
                let top1_error = line.top1_error as f32;
                // Only a checkpoint that the run keeps anyway can be its best: whether it was interrupted must not show.
                if config.saves(step) && self.state.best.is_none_or(|best| top1_error < best.top1_error) {
                    self.state.best = Some(Best { step, top1_error });
                }
            } else {
                self.state.reached = config.until_train_error.is_some_and(|error| line.top1_error <= error);
            }
            self.metrics.push(&Line::Evaluation(line))?;
            progress.evaluation(&line);
        }
        if let Some(events) = &mut self.events {
            events.evaluation(&lines, self.machine.net(), &self.machine.weights()?, &self.machine.momenta()?)?;
        }
        Ok(true)
    }

    /// The training images of evaluations. Made late, because it shares what is decoded by then.
    fn sample(&mut self) -> Arc<DataSet> {
        let (images, seed) = (self.run.config.train_error, self.run.config.seed);
        self.sample.get_or_insert_with(|| Arc::new(self.images.train.sample(images, seed))).clone()
    }

    /// `None` where `stop` was set.
    fn evaluate(
        &mut self,
        set: &Arc<DataSet>,
        split: Split,
        progress: &mut Progress,
        stop: &AtomicBool,
    ) -> Result<Option<EvaluationLine>> {
        let config = &self.run.config;
        let mut score = Score::default();
        let how = Views { views: 1, batch: config.batch, workers: config.workers, exif: config.exif };
        let (mut done, all) = (0, set.len());
        let (ended, skipped) = eval::classify(&mut self.machine, set, &self.stats, how, |label, probabilities| {
            score.add(probabilities, label);
            done += 1;
            progress.count("evaluation", done, all);
            !stop.load(Ordering::Relaxed)
        })?;
        progress.skipped(&skipped);
        let result = score.evaluation();
        Ok(ended.then(|| EvaluationLine {
            step: self.state.step,
            epoch: self.metrics.epoch(),
            split,
            // Not −x, which makes −0 of 0.
            loss: 0.0 - result.logprob,
            top1_error: result.top1_error,
            top5_error: result.top5_error,
        }))
    }

    fn save(&mut self, progress: &mut Progress) -> Result<()> {
        let (run, config) = (&self.run.folder, &self.run.config);
        self.metrics.sync()?;
        let class_names = config.class_names.as_deref();
        let labels = Labels { net: self.machine.net(), classes: &config.classes, class_names, stats: &self.stats };
        let (weights, momenta) = (self.machine.weights()?, self.machine.momenta()?);
        let folder = checkpoint::save(run, labels, Checkpoint { state: self.state, weights, momenta })?;
        checkpoint::prune(run, config.keep, self.state.best)?;
        self.run.write_card(&run::card(run, config, self.state.step, self.metrics.evaluations()))?;
        progress.note(&format!("saved {}", folder.display()));
        Ok(())
    }
}

/// Whether nothing is left to do after the checkpoint with this state.
pub fn is_finished(run: &Run, state: &State) -> bool {
    let ended = state.reached || state.step >= run.config.steps;
    ended && (!run.config.evaluates(state.step) || state.evaluated == state.step)
}

/// Allocates the machine of a run: what does not fit fails here, before anything is written.
pub fn machine(config: &Config, devices: &[Arc<Device>]) -> Result<Machine> {
    Machine::new(&config.network()?, devices, config.machine())
}

/// The mean image and colour components: kept with the run, else those of the first weights, else measured once.
fn prepare_stats(run: &Run, images: &Images, first: Option<&Weights>, progress: &mut Progress) -> Result<Stats> {
    let table = &run.config.table()?;
    if let Some(stats) = run.stats(table)? {
        return Ok(stats);
    }
    let given = match first {
        Some(weights) => weights.stats(table)?,
        None => None,
    };
    let stats = match given {
        Some(stats) if stats.colour.is_some() => stats,
        given => {
            let config = &run.config;
            let asked = Asked {
                basis: config.stats,
                seed: config.seed,
                size: table.image,
                exif: config.exif,
                workers: config.workers,
            };
            let (measured, skipped) = asked.stats(&images.train, progress)?;
            progress.skipped(&skipped);
            // A mean that came with the weights is used as it is; only its colours were not known.
            match given {
                Some(given) => Stats { colour: measured.colour, ..given },
                None => measured,
            }
        }
    };
    let stats = Stats { mean_crop: run.config.mean_crop, ..stats.with_mean(run.config.mean) };
    run.write_stats(&stats)?;
    Ok(stats)
}

/// The weights that a run names to begin with, which fit it: zeros in the place of the last layer where it gets a new one.
///
/// # Errors
/// No weights, those of another net or of other classes.
pub fn read_first(path: &Path, config: &Config) -> Result<Weights> {
    let mut weights = Weights::read(path)?;
    weights.table(Some(&config.table()?))?;
    let net = config.network()?;
    if config.new_head {
        weights.clear_head(&net);
    }
    weights.check(&net)?;
    match &weights.classes {
        Some(classes) if *classes != config.classes => {
            let differs = classes.iter().zip(&config.classes).find(|(a, b)| a != b);
            let (theirs, ours) = differs.map_or(("", ""), |(a, b)| (a.as_str(), b.as_str()));
            let why = format!(
                "its classes are not the data's: `{theirs}` where the data has `{ours}`; --new-head keeps all but the last \
                 layer"
            );
            Err(Error::Checkpoint { path: weights.path.clone(), why })
        }
        _ => Ok(weights),
    }
}

/// What the run begins with: the weights it names, scaled to its dropout, or random values; random ones in a new head.
fn first_weights(run: &Run, machine: &Machine, first: Option<Weights>) -> Result<Vec<Vec<f32>>> {
    let net = machine.net();
    let Some(mut file) = first else {
        return Ok(weights::initial_as(net, run.config.recipe, run.config.init, run.config.seed));
    };
    let mut tensors = file.take(net)?;
    weights::rescale(net, &mut tensors, file.dropout.unwrap_or(0.0));
    if run.config.new_head {
        weights::renew_head(net, &mut tensors, run.config.recipe, run.config.seed);
    }
    Ok(tensors)
}
