//! Where experiments are done: images, devices, trained networks, and what has been measured on them, all kept in one folder
//! so that nothing is done twice.

use super::experiment::{Arm, Scale, Source};
use super::sources::Sources;
use crate::alexnet;
use crate::bench;
use crate::checkpoint;
use crate::data::{DataSet, Stats};
use crate::durable;
use crate::error::{Error, Result};
use crate::eval::{self, Evaluation, Score, Views};
use crate::machine::Machine;
use crate::net::Net;
use crate::plan::Plan;
use crate::run::Config;
use crate::train::{Many, Progress, Trained, variants};
use crate::tune::How;
use crate::weights::Weights;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::cell::{RefCell, RefMut};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Training images whose error in use is counted.
const TRAIN_ERROR: usize = 1000;
/// Steps that are timed to learn a network's speed.
const TIMED: usize = 7;
/// Steps of a run that only tries whether all of it works.
const TRIAL: u64 = 4;
/// Seconds that a run takes beside its steps: allocation, recording, a checkpoint.
const BESIDE: f64 = 1.5;

/// How fast a network is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Speed {
    /// Images a second, forward and backward.
    pub training: f64,
    /// Images a second, forward alone.
    pub forward: f64,
}

/// A folder in which experiments are done.
pub struct Lab {
    /// The folder.
    pub folder: PathBuf,
    /// How large the experiments are.
    pub scale: Scale,
    many: Many,
    sources: Sources,
    progress: RefCell<Progress>,
    stop: &'static AtomicBool,
}

impl Lab {
    /// Opens the adapters.
    ///
    /// # Errors
    /// No such adapter.
    pub fn new(
        folder: &Path,
        scale: Scale,
        adapters: Option<&str>,
        sources: Sources,
        progress: Progress,
        stop: &'static AtomicBool,
    ) -> Result<Self> {
        let many = Many::open(&folder.join("runs"), adapters)?;
        Ok(Self { folder: folder.to_owned(), scale, many, sources, progress: RefCell::new(progress), stop })
    }

    /// The adapters, described.
    pub fn adapters(&self) -> Vec<String> {
        self.many.devices(&alexnet::ALEXNET).iter().map(|device| device.describe()).collect()
    }

    /// What whoever waits sees.
    pub fn progress(&self) -> RefMut<'_, Progress> {
        self.progress.borrow_mut()
    }

    /// What arm `arm` is trained with, its seed `seed`. `arms` has the one it comes after.
    ///
    /// # Errors
    /// Images that are not there, or a network that does not fit.
    pub fn config(&self, arms: &[Arm], arm: &Arm, seed: u64) -> Result<Config> {
        let table = alexnet::table(arm.net).ok_or_else(|| Error::Usage(format!("there is no net `{}`", arm.net)))?;
        let (data, classes, names) = self.sources.describe(arm.source, table.image, &mut self.progress())?;
        let mut config = Config::new(table, data, classes, names)?;
        config.seed = seed;
        config.keep = 1;
        config.train_error = TRAIN_ERROR;
        if self.scale.is_small() {
            // Evaluated and saved at its end, unless the arm says otherwise.
            (config.epochs, config.eval_every, config.checkpoint_every) = (None, u64::MAX, u64::MAX);
        } else {
            config.schedule = "steps:24,50,78".parse().map_err(Error::Usage)?;
        }
        (arm.set)(&mut config);
        if self.scale == Scale::Trial {
            (config.steps, config.batch) = (config.steps.min(TRIAL), 8);
            config.train_error_every = config.train_error_every.map(|_| TRIAL / 2);
            config.eval_every = config.eval_every.min(TRIAL);
        }
        config.eval_every = config.eval_every.min(config.steps);
        config.train_error = config.train_error.min(config.data.train_images);
        config.checkpoint_every = config.checkpoint_every.min(config.steps);
        if let Some(after) = &arm.after {
            let first = arms.iter().find(|arm| arm.name == *after).expect("an arm comes after one of its experiment");
            let first = self.config(arms, first, seed)?;
            config.weights = Some(checkpoint::folder(&self.many.place(&first)?, first.steps));
            config.new_head = true;
        }
        Ok(config)
    }

    /// The folder of the run of `config`.
    pub fn place(&self, config: &Config) -> Result<PathBuf> {
        self.many.place(config)
    }

    /// Whether it is trained.
    pub fn is_finished(&self, config: &Config) -> Result<bool> {
        Ok(self.many.finished(config)?.is_some())
    }

    /// Trains it, unless that has been done; `None` where the user stopped it. `name` says what it is.
    ///
    /// # Errors
    /// Those of [`Many::train`].
    pub fn train(&self, source: Source, config: &Config, name: &str) -> Result<Option<Trained>> {
        let size = config.table()?.image;
        self.progress().next_run(name);
        let images = self.sources.images(source, size, &mut self.progress())?;
        let trained = self.many.train(config.clone(), &images, &mut self.progress(), self.stop);
        self.progress().end_of_run();
        trained
    }

    /// Seconds that a run takes.
    ///
    /// # Errors
    /// A device was lost.
    pub fn seconds(&self, config: &Config) -> Result<f64> {
        let speed = self.speed(config)?;
        let times = |every: u64| config.steps.div_ceil(every) as f64;
        let evaluated = times(config.eval_every) * config.data.val_images as f64
            + times(config.train_error_every.unwrap_or(config.eval_every))
                * config.train_error.min(config.data.train_images) as f64;
        let trained = (config.steps * config.batch as u64) as f64;
        Ok(trained / speed.training + evaluated / speed.forward + BESIDE)
    }

    /// Bytes that a run takes on each device.
    ///
    /// # Errors
    /// A batch that does not fit.
    pub fn bytes(&self, config: &Config) -> Result<Vec<u64>> {
        let devices = self.many.devices(&config.table()?);
        let profiles: Vec<_> = devices.iter().map(|device| &device.profile).collect();
        let plan = Plan::new(&config.network()?, &profiles, config.batch, config.accumulate)?;
        Ok((0..devices.len()).map(|device| plan.bytes(device)).collect())
    }

    /// How fast a network is here: measured once. At the paper's scale the paper's network is measured, and others are
    /// taken to differ by their multiply-adds.
    ///
    /// # Errors
    /// A device was lost.
    pub fn speed(&self, config: &Config) -> Result<Speed> {
        let net = config.network()?;
        if self.scale == Scale::Paper && net.table.name != alexnet::ALEXNET.name {
            let paper = Config { net: alexnet::ALEXNET.name.to_owned(), batch: 128, ..config.clone() };
            let cost = |net: &Net| -> usize {
                (0..net.rows.len()).map(|row| net.columns_of(row) * net.multiply_adds(row)).sum()
            };
            let factor = cost(&paper.network()?) as f64 / cost(&net) as f64;
            let speed = self.speed(&paper)?;
            return Ok(Speed { training: factor * speed.training, forward: factor * speed.forward });
        }
        let label =
            format!("speed of {} at batch {} on {}", net_name(config), config.batch, self.adapters().join(" and "));
        self.measured(&label, || {
            let mut config = config.clone();
            let table = config.table()?;
            let how = How { adapters: self.many.adapters(), ..How::default() };
            let devices = variants(&mut config, self.many.devices(&table), how, |_| ())?;
            let steps = if self.scale.is_small() { TIMED } else { 1 };
            let (training, _) = bench::step(&net, &devices, config.batch, config.accumulate, steps, false)?;
            let forward = bench::forward(&net, &devices, config.batch, steps)?;
            // The fastest: whatever else the machine does meanwhile is not this network's.
            let rate = |step: &bench::StepReport| config.batch as f64 / step.fastest;
            Ok(Speed { training: rate(&training), forward: rate(&forward) })
        })
    }

    /// Median seconds of a training step with all columns on the first adapter (`devices` 1), or with a column on each of two
    /// devices: those of `--adapters`, or two on the first.
    ///
    /// # Errors
    /// A device was lost.
    pub fn step_seconds(&self, config: &Config, devices: usize) -> Result<f64> {
        let named = self.many.adapters();
        let info = &self.many.devices(&config.table()?)[0].info;
        let first = crate::gpu::list().iter().position(|row| row.info == *info).unwrap_or(0);
        let list = match (devices, named) {
            (1, _) => first.to_string(),
            (_, Some(both)) if both.contains(',') => both.to_owned(),
            _ => format!("{first},{first}"),
        };
        let label = format!(
            "seconds of a step of {} at batch {} on {list}: {}",
            net_name(config),
            config.batch,
            self.adapters().join(" and ")
        );
        self.measured(&label, || {
            let mut config = config.clone();
            let opened = crate::gpu::select(Some(&list), config.table()?.columns)?;
            let how = How { adapters: Some(&list), ..How::default() };
            let devices = variants(&mut config, &opened, how, |_| ())?;
            let (step, _) = bench::step(&config.network()?, &devices, config.batch, config.accumulate, TIMED, false)?;
            Ok(step.seconds)
        })
    }

    /// On what two columns run, in words.
    pub fn placement(&self) -> String {
        match &self.adapters()[..] {
            [one] => format!(
                "There is one adapter ({one}): two devices on it share its cores, so no gain in time can be expected."
            ),
            both => format!("The columns are on {}.", both.join(" and ")),
        }
    }

    /// What `work` makes of nothing but the networks that `label` names: done once, and kept.
    ///
    /// # Errors
    /// Those of `work`; a file that is none of this program's.
    pub fn measured<T: Serialize + DeserializeOwned>(
        &self,
        label: &str,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        #[derive(Serialize, Deserialize)]
        struct Kept<T> {
            label: String,
            value: T,
        }
        let mut hash = crate::data::source::Fnv::default();
        hash.field(label.as_bytes());
        let folder = self.folder.join("measured");
        let path = folder.join(format!("{:016x}.json", hash.0));
        if path.is_file() {
            let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
            let kept: Kept<T> = serde_json::from_str(&text).map_err(|e| Error::Data {
                path: path.clone(),
                why: format!("not what was measured: {e}; remove it to measure again"),
            })?;
            return Ok(kept.value);
        }
        let value = work()?;
        fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        let text = serde_json::to_string(&Kept { label: label.to_owned(), value: &value });
        durable::write(&path, text.map_err(|e| Error::io(&path)(e.into()))?.as_bytes())?;
        Ok(value)
    }

    /// Errors on the held-out images of the first network, of the mean of the first two, and so on, as many as `sizes`
    /// names; `views` views of each image.
    ///
    /// # Errors
    /// Weights or images that cannot be read.
    pub fn ensembles(
        &self,
        source: Source,
        members: &[&Trained],
        sizes: &[usize],
        views: usize,
    ) -> Result<Vec<Evaluation>> {
        let names: Vec<_> =
            members.iter().map(|run| run.run.file_name().unwrap_or_default().to_string_lossy()).collect();
        let label = format!("errors of the first {sizes:?} of {names:?}, {views} views");
        self.measured(&label, || {
            let mut sums: Vec<f32> = Vec::new();
            let mut labels: Vec<u32> = Vec::new();
            let mut results = Vec::new();
            for (done, member) in members.iter().enumerate() {
                let classes = member.config.classes.len();
                let (mut place, first) = (0, labels.is_empty());
                self.classify(source, member, views, |label, probabilities| {
                    if first {
                        labels.push(label);
                        sums.resize(sums.len() + classes, 0.0);
                    }
                    let sum = &mut sums[place * classes..][..classes];
                    sum.iter_mut().zip(probabilities).for_each(|(sum, p)| *sum += p);
                    place += 1;
                })?;
                if sizes.contains(&(done + 1)) {
                    let mut score = Score::default();
                    labels.iter().zip(sums.chunks_exact(classes)).for_each(|(&label, sum)| score.add(sum, label));
                    results.push(score.evaluation());
                }
            }
            Ok(results)
        })
    }

    /// Errors of one network.
    ///
    /// # Errors
    /// Those of [`Lab::ensembles`].
    pub fn evaluate(&self, source: Source, run: &Trained, views: usize) -> Result<Evaluation> {
        Ok(self.ensembles(source, &[run], &[1], views)?[0])
    }

    /// Class and probabilities of every held-out image.
    fn classify(&self, source: Source, run: &Trained, views: usize, mut take: impl FnMut(u32, &[f32])) -> Result<()> {
        let images = self.sources.images(source, run.config.table()?.image, &mut self.progress())?;
        let (mut machine, stats) = self.load(run, run.config.batch, None)?;
        let how = self.views(run, views);
        let (mut done, all) = (0, images.val.len());
        eval::classify(&mut machine, &images.val, &stats, how, |label, probabilities| {
            take(label, probabilities);
            done += 1;
            self.progress().count("evaluation", done, all);
            true
        })?;
        Ok(())
    }

    /// A trained network for use, down to a layer where one is named.
    ///
    /// # Errors
    /// Weights that cannot be read.
    pub fn load(&self, run: &Trained, batch: usize, layer: Option<&str>) -> Result<(Machine, Arc<Stats>)> {
        let (table, whole) = (run.config.table()?, run.config.network()?);
        let mut weights = Weights::read(&run.run)?;
        let stats = Arc::new(weights.needed_stats(&table)?);
        let mut tensors = weights.take(&whole)?;
        let net = layer.map_or_else(|| Ok(whole.clone()), |layer| whole.until(layer))?;
        tensors.truncate(net.tensors().len());
        let mut config = run.config.clone();
        let devices = variants(&mut config, self.many.devices(&table), How::default(), |_| ())?;
        let mut machine = Machine::in_use(&net, &devices, batch)?;
        machine.set_weights(&tensors)?;
        Ok((machine, stats))
    }

    /// How the images of a run are put before it in use.
    pub fn views(&self, run: &Trained, views: usize) -> Views {
        let Config { batch, workers, exif, .. } = run.config;
        Views { views, batch, workers, exif }
    }

    /// The first device of a run.
    ///
    /// # Errors
    /// Only where its configuration names no network.
    pub fn device(&self, run: &Trained) -> Result<Arc<crate::gpu::Device>> {
        Ok(Arc::clone(&self.many.devices(&run.config.table()?)[0]))
    }

    /// The training images and the held-out ones of a source.
    ///
    /// # Errors
    /// They are not there.
    pub fn images(&self, source: Source, size: usize) -> Result<[Arc<DataSet>; 2]> {
        let images = self.sources.images(source, size, &mut self.progress())?;
        Ok([images.train, images.val])
    }
}

/// A network in words.
pub fn net_name(config: &Config) -> String {
    format!("{}{}", config.net, config.variation)
}
