//! Run folders: `config.toml`, `metrics.jsonl`, `README.md` (the card), `stats.safetensors` and checkpoints.

mod card;
mod config;

pub use card::{card, command, differences};
pub use config::{Adapters, Config, Data, VERSION, steps_of};

use crate::checkpoint;
use crate::data::Stats;
use crate::durable;
use crate::error::{Error, Result};
use crate::net::Table;
use crate::weights::Weights;
use std::fs;
use std::path::{Path, PathBuf};

/// Name of the file with a run's configuration.
pub const CONFIG: &str = "config.toml";
const METRICS: &str = "metrics.jsonl";
const CARD: &str = "README.md";
const STATS: &str = "stats.safetensors";
/// Folder of the runs that nobody named.
const RUNS: &str = "runs";

/// A run's folder and its configuration.
#[derive(Clone, Debug)]
pub struct Run {
    /// The folder.
    pub folder: PathBuf,
    /// `config.toml`.
    pub config: Config,
}

impl Run {
    /// Makes the folder (`None`: the next free `runs/NET-N`) and writes `config.toml`.
    ///
    /// # Errors
    /// The folder holds a run already, or cannot be written.
    pub fn create(folder: Option<&Path>, config: Config) -> Result<Self> {
        let folder = match folder {
            Some(folder) => {
                ensure_free(folder)?;
                fs::create_dir_all(folder).map_err(Error::io(folder))?;
                folder.to_owned()
            }
            None => next_free(Path::new(RUNS), &config.net)?,
        };
        durable::write(&folder.join(CONFIG), config.to_toml(&folder)?.as_bytes())?;
        Ok(Self { folder, config })
    }

    /// Takes back what [`Run::create`] and the preparation of a run wrote; the folder goes where nothing else is in it.
    pub fn discard(&self) {
        for file in [CONFIG, METRICS, STATS] {
            // What cannot be removed is no worse than before; the error that led here is the one to report.
            let _ = fs::remove_file(self.folder.join(file));
        }
        let _ = fs::remove_dir(&self.folder);
    }

    /// Opens a run to resume it.
    ///
    /// # Errors
    /// Not a run's folder, or a configuration that cannot be read.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(CONFIG);
        let error = |why: String| Error::Checkpoint { path: path.clone(), why };
        if !path.is_file() {
            return Err(error("there is no such file; expected the folder of a run, as `train` makes it".to_owned()));
        }
        let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
        let config = toml::from_str(&text).map_err(|e| error(format!("not the configuration of a run: {e}")))?;
        Ok(Self { folder: folder.to_owned(), config })
    }

    /// Where the metrics are.
    pub fn metrics(&self) -> PathBuf {
        self.folder.join(METRICS)
    }

    /// `config.toml`.
    pub fn config_file(&self) -> PathBuf {
        self.folder.join(CONFIG)
    }

    /// What the run is called: its folder's name.
    pub fn name(&self) -> String {
        self.folder.file_name().unwrap_or(self.folder.as_os_str()).to_string_lossy().into_owned()
    }

    /// Writes the card.
    pub fn write_card(&self, text: &str) -> Result<()> {
        durable::write(&self.folder.join(CARD), text.as_bytes())
    }

    /// The mean image and colour components the run began with; `None` before they were kept.
    pub fn stats(&self, table: &Table) -> Result<Option<Stats>> {
        let path = self.folder.join(STATS);
        if path.is_file() { Weights::read(&path)?.stats(table) } else { Ok(None) }
    }

    /// Keeps the mean image and colour components with the run.
    pub fn write_stats(&self, stats: &Stats) -> Result<()> {
        Weights::of_stats(stats).write(&self.folder.join(STATS))
    }
}

/// Refuses a folder that holds a run.
pub fn ensure_free(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    let error = |why: String| Error::Checkpoint { path: folder.to_owned(), why };
    if !folder.is_dir() {
        return Err(error("is a file; --run expects a folder, which may be new".to_owned()));
    }
    if folder.join(CONFIG).exists() || checkpoint::latest(folder)?.is_some() {
        let name = folder.display();
        return Err(error(format!("already holds a run; name another folder, or go on with --resume {name}")));
    }
    Ok(())
}

/// Makes `runs/NET-N` for the lowest N that is free after all that are taken.
fn next_free(runs: &Path, net: &str) -> Result<PathBuf> {
    fs::create_dir_all(runs).map_err(Error::io(runs))?;
    let entries = fs::read_dir(runs).map_err(Error::io(runs))?;
    let number = |name: String| name.strip_prefix(net)?.strip_prefix('-')?.parse::<u64>().ok();
    let taken = entries.filter_map(|e| number(e.ok()?.file_name().into_string().ok()?)).max().unwrap_or(0);
    // Another process may take a number between the look and the making.
    for n in taken + 1.. {
        let folder = runs.join(format!("{net}-{n}"));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(Error::io(&folder)(e)),
        }
    }
    unreachable!("there is always a next number")
}

/// A choice as it is written on the command line.
pub fn word(choice: &impl clap::ValueEnum) -> String {
    choice.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned())
}

/// A network's own recipe for 100 steps.
#[cfg(test)]
pub(crate) fn config_for_tests(net: &str) -> Config {
    let table = crate::alexnet::table(net).unwrap();
    let data = Data {
        path: PathBuf::from("/data"),
        val: None,
        options: Default::default(),
        train_images: 1000,
        val_images: 10,
        train_fingerprint: "00".to_owned(),
        val_fingerprint: "01".to_owned(),
    };
    let classes = (0..1000).map(|i| i.to_string()).collect();
    let kernels = [("forward".to_owned(), "lanes".to_owned())];
    Config {
        steps: 100,
        checkpoint_every: 10,
        eval_every: 10,
        adapters: Adapters { option: None, devices: vec!["one".to_owned()] },
        kernels: [("one".to_owned(), kernels.into())].into(),
        ..Config::new(table, data, classes, None).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_come_back_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("deep/run");
        let mut config = config_for_tests("alexnet");
        config.lr = 0.1 + 0.2;
        config.weights = Some("/some/where".into());
        config.epochs = None;
        Run::create(Some(&run), config.clone()).unwrap();
        assert_eq!(Run::open(&run).unwrap().config, config);
        let taken = Run::create(Some(&run), config).unwrap_err().to_string();
        assert!(taken.contains("already holds a run") && taken.contains("--resume"), "{taken}");
        assert!(Run::open(folder.path()).unwrap_err().to_string().contains("config.toml"));
    }

    #[test]
    fn runs_are_numbered_after_the_last() {
        let folder = tempfile::tempdir().unwrap();
        for taken in ["tiny-1", "tiny-7", "tiny-x", "half-9"] {
            fs::create_dir(folder.path().join(taken)).unwrap();
        }
        for n in [8, 9] {
            assert_eq!(next_free(folder.path(), "tiny").unwrap(), folder.path().join(format!("tiny-{n}")));
        }
    }
}
