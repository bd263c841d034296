//! Many runs in one process: on the same devices with what they have compiled, from sources that are open already.
//!
//! A run's folder is named by its configuration, so equal configurations are trained once, and whatever was interrupted goes
//! on where it was.

use super::{End, Images, Progress, Trainer, is_finished, machine, read_first, variants};
use crate::checkpoint;
use crate::data::source::Fnv;
use crate::error::{Error, Result};
use crate::gpu::{self, Device};
use crate::metrics::{self, EvaluationLine, Line, StepLine};
use crate::net::Table;
use crate::run::{Adapters, Config, Run};
use crate::tune::How;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Devices and the folder of the runs on them.
pub struct Many {
    folder: PathBuf,
    adapters: Option<String>,
    devices: Vec<Arc<Device>>,
}

/// A finished run.
#[derive(Clone, Debug)]
pub struct Trained {
    /// Its folder.
    pub run: PathBuf,
    /// Its configuration.
    pub config: Config,
    /// A line a step.
    pub steps: Vec<StepLine>,
    /// Every evaluation, in order.
    pub evaluations: Vec<EvaluationLine>,
}

impl Many {
    /// Opens the adapters that `--adapters` names, one or one a column, for runs in `folder`.
    ///
    /// # Errors
    /// Those of [`gpu::select`].
    pub fn open(folder: &Path, adapters: Option<&str>) -> Result<Self> {
        let devices = gpu::select(adapters, 2)?;
        Ok(Self { folder: folder.to_owned(), adapters: adapters.map(str::to_owned), devices })
    }

    /// The devices of a network of `table`: the first alone where it has one column.
    pub fn devices(&self, table: &Table) -> &[Arc<Device>] {
        let count = if table.columns == 1 { 1 } else { self.devices.len() };
        &self.devices[..count]
    }

    /// What `--adapters` said.
    pub fn adapters(&self) -> Option<&str> {
        self.adapters.as_deref()
    }

    /// The folder of the run with this configuration.
    ///
    /// # Errors
    /// Only where a configuration cannot be written.
    pub fn place(&self, config: &Config) -> Result<PathBuf> {
        Ok(self.folder.join(format!("{}-{:016x}", config.net, self.key(config)?)))
    }

    /// The run with this configuration, where it is finished.
    ///
    /// # Errors
    /// What lies in its folder cannot be read.
    pub fn finished(&self, config: &Config) -> Result<Option<Trained>> {
        let folder = self.place(config)?;
        if !folder.join(crate::run::CONFIG).is_file() {
            return Ok(None);
        }
        let run = Run::open(&folder)?;
        match checkpoint::latest(&folder)? {
            Some(latest) if is_finished(&run, &checkpoint::read_state(&latest)?) => read(run).map(Some),
            _ => Ok(None),
        }
    }

    /// Trains to the end of the run, unless that has been done; `None` where `stop` was set first. Adapters and variants of
    /// `config` are left to this call.
    ///
    /// # Errors
    /// Those of [`Trainer::new`] and [`Trainer::train`].
    pub fn train(
        &self,
        mut config: Config,
        images: &Images,
        progress: &mut Progress,
        stop: &AtomicBool,
    ) -> Result<Option<Trained>> {
        if let Some(trained) = self.finished(&config)? {
            return Ok(Some(trained));
        }
        let folder = self.place(&config)?;
        let begun = folder.join(crate::run::CONFIG).is_file();
        if begun {
            // On the variants it was begun with; the images may lie elsewhere by now.
            config.kernels = Run::open(&folder)?.config.kernels;
        }
        let table = config.table()?;
        let devices = self.devices(&table);
        config.adapters = Adapters::new(self.adapters.as_deref(), devices);
        let how = How { adapters: self.adapters.as_deref(), ..How::default() };
        let devices = variants(&mut config, devices, how, |note| progress.note(note))?;
        let machine = machine(&config, &devices)?;
        let first = config.weights.as_deref().map(|path| read_first(path, &config)).transpose()?;
        let run = if begun { Run { folder, config } } else { Run::create(Some(&folder), config)? };
        let mut trainer = Trainer::new(run.clone(), images.clone(), machine, first, progress)?;
        match trainer.train(progress, stop)? {
            End::Finished(_) => read(run).map(Some),
            End::Interrupted(_) => Ok(None),
        }
    }

    /// A hash of everything that decides a run's bytes on one machine: where things lie, the workers and the machine itself
    /// are left out.
    fn key(&self, config: &Config) -> Result<u64> {
        let mut config = config.clone();
        config.workers = 0;
        config.keep = 0;
        config.adapters = Adapters { option: None, devices: Vec::new() };
        config.kernels.clear();
        (config.data.path, config.data.val) = (PathBuf::new(), None);
        let own = |path: PathBuf| path.strip_prefix(&self.folder).map(Path::to_owned).unwrap_or(path);
        config.weights = config.weights.map(own);
        let text = toml::to_string(&config).map_err(|e| Error::io("config.toml")(std::io::Error::other(e)))?;
        let mut hash = Fnv::default();
        hash.field(text.as_bytes());
        Ok(hash.0)
    }
}

fn read(run: Run) -> Result<Trained> {
    let (mut steps, mut evaluations) = (Vec::new(), Vec::new());
    for line in metrics::read(&run.metrics())? {
        match line {
            Line::Step(line) => steps.push(line),
            Line::Evaluation(line) => evaluations.push(line),
        }
    }
    Ok(Trained { run: run.folder, config: run.config, steps, evaluations })
}
