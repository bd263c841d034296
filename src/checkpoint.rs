//! Checkpoints: `RUN/step-0001200/` with `weights.safetensors`, `momentum.safetensors` and `state.json`.
//!
//! A checkpoint is written as `.tmp-step-…`, synced and renamed, so a folder of its name is complete. The newest few
//! are kept, and the best by validation error, which the file `RUN/best` names.

use crate::data::Stats;
use crate::durable;
use crate::error::{Error, Result};
use crate::machine::Scale;
use crate::net::Net;
use crate::schedule::Plateau;
use crate::weights::{self, Weights};
use std::fs;
use std::path::{Path, PathBuf};

/// Learnable tensors, mean image and metadata.
pub const WEIGHTS: &str = "weights.safetensors";
/// The momenta v under the names of the weights.
pub const MOMENTUM: &str = "momentum.safetensors";
/// A [`State`].
pub const STATE: &str = "state.json";
/// Names the best checkpoint's folder.
pub const BEST: &str = "best";

/// What a run must know, beside its configuration and tensors, to go on to the same bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct State {
    /// Steps done.
    pub step: u64,
    /// Step after which the last evaluation took place; 0 where none did.
    pub evaluated: u64,
    /// The schedule's memory.
    pub plateau: Plateau,
    /// The best checkpoint so far.
    pub best: Option<Best>,
    /// Whether the error on training images came down to where the run was to end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reached: bool,
    /// The scale of the loss in the steps to come; `None` in f32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scale>,
}

/// A checkpoint that was evaluated.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Best {
    /// Its step.
    pub step: u64,
    /// Validation error, a fraction. Single precision survives the way through JSON exactly.
    pub top1_error: f32,
}

/// Everything a checkpoint holds.
pub struct Checkpoint {
    /// Steps, schedule, best.
    pub state: State,
    /// In the order of [`Net::tensors`].
    pub weights: Vec<Vec<f32>>,
    /// In the order of [`Net::tensors`].
    pub momenta: Vec<Vec<f32>>,
}

/// What the weights file of a checkpoint says beside the tensors.
#[derive(Clone, Copy)]
pub struct Labels<'a> {
    /// The network.
    pub net: &'a Net,
    /// Class names in the order of its last units.
    pub classes: &'a [String],
    /// Their readable names, where the data has them.
    pub class_names: Option<&'a [String]>,
    /// Mean image and colour of the training set.
    pub stats: &'a Stats,
}

/// The folder of the checkpoint after `step` steps.
pub fn folder(run: &Path, step: u64) -> PathBuf {
    run.join(format!("step-{step:07}"))
}

/// Writes a checkpoint, in place of one of the same step if there is one, and returns its folder.
///
/// # Errors
/// The disk is full or the folder not writable; what was there before is then still there.
pub fn save(run: &Path, labels: Labels<'_>, checkpoint: Checkpoint) -> Result<PathBuf> {
    let target = folder(run, checkpoint.state.step);
    let aside = durable::aside(&target);
    let saved = write_folder(&aside, labels, &checkpoint.state, checkpoint.weights, checkpoint.momenta)
        .and_then(|()| replace(&aside, &target));
    if saved.is_err() {
        // Leave the space to others; the first error is the one to report.
        let _ = fs::remove_dir_all(&aside);
    }
    saved?;
    if let Some(best) = checkpoint.state.best {
        name_best(run, best)?;
    }
    Ok(target)
}

/// Reads a checkpoint of `net`.
pub fn load(folder: &Path, net: &Net) -> Result<Checkpoint> {
    let weights = Weights::read(&folder.join(WEIGHTS))?.take(net)?;
    let momenta = Weights::read(&folder.join(MOMENTUM))?.take(net)?;
    Ok(Checkpoint { state: read_state(folder)?, weights, momenta })
}

/// The state of a checkpoint alone.
pub fn read_state(folder: &Path) -> Result<State> {
    let path = folder.join(STATE);
    let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
    serde_json::from_str(&text).map_err(|e| Error::Checkpoint {
        path,
        why: format!("not the state of a checkpoint: {e}; remove the folder to go on from the checkpoint before"),
    })
}

/// The newest complete checkpoint of a run.
pub fn latest(run: &Path) -> Result<Option<PathBuf>> {
    Ok(list(run)?.pop().map(|step| folder(run, step)))
}

/// Removes what a killed run left unfinished, and names the best checkpoint as `state` has it.
pub fn recover(run: &Path, state: &State) -> Result<()> {
    for entry in fs::read_dir(run).map_err(Error::io(run))? {
        let path = entry.map_err(Error::io(run))?.path();
        if path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(durable::TMP)) {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(Error::io(&path))?;
        }
    }
    state.best.map_or(Ok(()), |best| name_best(run, best))
}

/// Removes every checkpoint but the newest `keep` and the best.
pub fn prune(run: &Path, keep: usize, best: Option<Best>) -> Result<()> {
    let steps = list(run)?;
    let old = &steps[..steps.len().saturating_sub(keep)];
    for &step in old.iter().filter(|&&step| best.is_none_or(|b| b.step != step)) {
        let path = folder(run, step);
        // A folder that is being removed must not pass for a checkpoint.
        let aside = durable::aside(&path);
        fs::rename(&path, &aside).and_then(|()| fs::remove_dir_all(&aside)).map_err(Error::io(&path))?;
    }
    Ok(())
}

/// Steps of the complete checkpoints, ascending.
fn list(run: &Path) -> Result<Vec<u64>> {
    let mut steps = Vec::new();
    for entry in fs::read_dir(run).map_err(Error::io(run))? {
        let path = entry.map_err(Error::io(run))?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let step = name.strip_prefix("step-").and_then(|n| n.parse().ok());
        let complete = || [WEIGHTS, MOMENTUM, STATE].iter().all(|file| path.join(file).is_file());
        steps.extend(step.filter(|&step| folder(run, step) == path && complete()));
    }
    steps.sort_unstable();
    Ok(steps)
}

fn write_folder(
    folder: &Path,
    labels: Labels<'_>,
    state: &State,
    weights: Vec<Vec<f32>>,
    momenta: Vec<Vec<f32>>,
) -> Result<()> {
    let Labels { net, classes, class_names, stats } = labels;
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(Error::io(folder))?;
    }
    fs::create_dir(folder).map_err(Error::io(folder))?;
    let class_names = class_names.map(<[_]>::to_vec);
    Weights { class_names, ..Weights::new(net, classes, stats, weights) }.write(&folder.join(WEIGHTS))?;
    let momenta = Weights { arrays: weights::named(net, momenta), ..Weights::of(&net.table) };
    momenta.write(&folder.join(MOMENTUM))?;
    let path = folder.join(STATE);
    let text = serde_json::to_string_pretty(state).map_err(|e| Error::io(&path)(e.into()))?;
    durable::write(&path, format!("{text}\n").as_bytes())?;
    durable::sync_folder(folder)
}

fn replace(aside: &Path, target: &Path) -> Result<()> {
    if target.exists() {
        let old = target.with_file_name(format!("{}replaced", durable::TMP));
        let renamed = fs::rename(target, &old).and_then(|()| fs::rename(aside, target));
        renamed.and_then(|()| fs::remove_dir_all(&old)).map_err(Error::io(target))?;
    } else {
        fs::rename(aside, target).map_err(Error::io(target))?;
    }
    durable::sync_parent(target)
}

fn name_best(run: &Path, best: Best) -> Result<()> {
    let name = folder(run, best.step).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    durable::write(&run.join(BEST), format!("{name}\n").as_bytes())
}
