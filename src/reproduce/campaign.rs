//! Which runs there are, how long they take, and doing them within a time.

use super::experiment::{Arm, Experiment, Scale, Source, Trials};
use super::lab::{Lab, net_name};
use super::results::{self, ArmRecord, Record, RunRecord, Status};
use super::sources::Sources;
use crate::data::Split;
use crate::error::{Error, Result};
use crate::run::Config;
use crate::train::{Progress, Trained};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Share of ln(classes) over which the loss of a run's last fifth is that of guessing.
const STALLED: f64 = 0.97;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Names of experiments; none: all.
    pub names: Vec<String>,
    /// How large.
    pub scale: Scale,
    /// Seeds of every arm, from 1 on.
    pub seeds: u64,
    /// Minutes they may take; none: as long as it takes.
    pub minutes: Option<f64>,
    /// `--adapters`.
    pub adapters: Option<String>,
    /// The folder of everything.
    pub out: PathBuf,
    /// Sources that the user named.
    pub sources: BTreeMap<Source, PathBuf>,
    /// Whether nothing is trained: sizes of sets that are not named are then the published ones.
    pub dry: bool,
}

/// How a campaign ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything was done, or found to take too long.
    Finished,
    /// The user stopped it; the same command goes on.
    Interrupted,
}

/// A run to be done.
pub struct Run {
    /// Name of its arm.
    pub arm: String,
    /// The arms it is tried beside.
    one_of: Option<&'static str>,
    /// Its seed.
    pub seed: u64,
    /// Its images.
    pub source: Source,
    /// What is trained.
    pub config: Config,
    /// Its folder, which tells equal configurations.
    pub place: PathBuf,
    /// Seconds it takes.
    pub seconds: f64,
    /// Arms of which one alone is trained with this seed; 1: this one.
    pub of: usize,
    /// Experiment that trains it first, where it is not this one.
    pub shared: Option<&'static str>,
}

/// An experiment with its runs.
pub struct Planned {
    /// The experiment.
    pub experiment: &'static Experiment,
    /// Every arm with every seed: seeds after each other, in each the arms in their order.
    pub runs: Vec<Run>,
}

/// Experiments about to be done.
pub struct Campaign {
    lab: Lab,
    request: Request,
    start: Instant,
    /// In the order they are done.
    pub planned: Vec<Planned>,
}

impl Campaign {
    /// Draws what is missing, learns how fast each network is, and plans every run.
    ///
    /// # Errors
    /// An unknown experiment, a missing source or adapter.
    pub fn new(request: Request, progress: Progress, stop: &'static AtomicBool) -> Result<Self> {
        let start = Instant::now();
        let experiments = chosen(&request.names)?;
        let sources = Sources::new(request.scale, &request.out.join("data"), request.sources.clone(), request.dry);
        let mut arms: Vec<_> = experiments.iter().map(|experiment| (experiment.arms)(request.scale)).collect();
        arms.iter_mut().for_each(|arms| arms.retain(|arm| !arm.optional || sources.has(arm.source)));
        for arm in arms.iter().flatten() {
            sources.ensure(arm.source)?;
        }
        std::fs::create_dir_all(&request.out).map_err(Error::io(&request.out))?;
        let adapters = request.adapters.as_deref();
        let lab = Lab::new(&request.out, request.scale, adapters, sources, progress, stop)?;
        let mut first: BTreeMap<PathBuf, &'static str> = BTreeMap::new();
        let mut planned = Vec::new();
        for (experiment, arms) in experiments.into_iter().zip(arms) {
            let mut runs = Vec::new();
            for seed in 1..=request.seeds {
                for arm in &arms {
                    let tried = arms.iter().filter(|other| arm.one_of.is_some() && other.one_of == arm.one_of).count();
                    let of = if seed == 1 { 1 } else { tried.max(1) };
                    runs.push(Run { of, ..plan(&lab, &arms, arm, seed)? });
                }
            }
            for run in &mut runs {
                let by = *first.entry(run.place.clone()).or_insert(experiment.name);
                run.shared = (by != experiment.name).then_some(by);
            }
            planned.push(Planned { experiment, runs });
        }
        Ok(Self { lab, request, start, planned })
    }

    /// The plan in words: every run with its steps, time and memory.
    ///
    /// # Errors
    /// A batch that fits no device.
    pub fn words(&self) -> Result<String> {
        let mut text = String::new();
        let mut total = 0.0;
        for planned in &self.planned {
            let Experiment { name, section, title, .. } = planned.experiment;
            let own: f64 = planned.runs.iter().filter(|run| run.shared.is_none()).map(Run::expected).sum();
            total += own;
            text += &format!("{name} ({section}): {title}; {}\n", duration(own.max(0.0)));
            for run in &planned.runs {
                let Config { steps, batch, .. } = run.config;
                let mib: Vec<_> = self.lab.bytes(&run.config)?.iter().map(|bytes| (bytes >> 20).to_string()).collect();
                let shared = run.shared.map_or_else(String::new, |by| format!(", trained in {by}"));
                let one = if run.of > 1 { format!(", one of {}", run.of) } else { String::new() };
                text += &format!(
                    "  {:<18} seed {}  {:<32} {steps} steps of {batch}, {}, {} MiB{shared}{one}\n",
                    run.arm,
                    run.seed,
                    net_name(&run.config),
                    duration(run.seconds),
                    mib.join(" + "),
                );
            }
        }
        let all = self.planned.iter().flat_map(|planned| &planned.runs);
        let runs: f64 = all.filter(|run| run.shared.is_none()).map(|run| 1.0 / run.of as f64).sum();
        text += &format!("{runs:.0} runs, {} on {}\n", duration(total), self.lab.adapters().join(" and "));
        Ok(text)
    }

    /// Does every experiment that fits into the time that is left when its turn comes, and writes what it found.
    ///
    /// # Errors
    /// A run that fails for another reason than divergence of its arm, or a full disk. What is done stays done.
    pub fn run(&self) -> Result<End> {
        for planned in &self.planned {
            let name = planned.experiment.name;
            let needed = self.needed(planned)?;
            let left = self.request.minutes.map(|minutes| 60.0 * minutes - self.start.elapsed().as_secs_f64());
            let status = match left {
                Some(left) if needed > left => {
                    let why =
                        format!("it takes {}, {} were left of --minutes", duration(needed), duration(left.max(0.0)));
                    self.lab.progress().tell(&format!("{name}: not run: {why}"));
                    Status::NotRun { why }
                }
                _ => {
                    self.lab.progress().tell(&format!("{name}: {}", self.steps(planned, needed)));
                    match self.experiment(planned) {
                        Ok(Some(status)) => status,
                        Ok(None) => return Ok(End::Interrupted),
                        // The rates are the experiment's own: another machine's rounding may be too much for one.
                        Err(Error::Diverged(why)) => {
                            self.lab.progress().tell(&format!("  {why}"));
                            Status::NotRun { why }
                        }
                        Err(error) => return Err(error),
                    }
                }
            };
            results::write(&self.request.out, &self.record(planned, status))?;
        }
        results::summarise(&self.request.out)?;
        Ok(End::Finished)
    }

    /// Trains and measures; `None` where the user stopped it.
    fn experiment(&self, planned: &Planned) -> Result<Option<Status>> {
        let start = Instant::now();
        let Some(trials) = self.train(planned)? else { return Ok(None) };
        let mut outcome = (planned.experiment.measure)(&self.lab, &trials)?;
        outcome.remarks.extend(tried(planned, &trials));
        outcome.remarks.extend(stalled(&trials));
        for finding in &outcome.findings {
            self.lab.progress().tell(&format!("  {}", results::line(finding)));
        }
        let (arms, seconds) = (records(planned, &trials), start.elapsed().as_secs_f64());
        Ok(Some(Status::Run { arms, outcome, seconds }))
    }

    /// Seconds that what is not trained yet takes. Where one arm of several is trained, any that is finished is the one.
    fn needed(&self, planned: &Planned) -> Result<f64> {
        let mut finished = BTreeSet::new();
        for run in &planned.runs {
            if self.lab.is_finished(&run.config)? {
                finished.insert((run.place.clone(), run.one_of, run.seed));
            }
        }
        let open = |run: &&Run| {
            !finished.iter().any(|(place, one_of, seed)| {
                *place == run.place || (run.of > 1 && *one_of == run.one_of && *seed == run.seed)
            })
        };
        Ok(planned.runs.iter().filter(open).map(Run::expected).sum::<f64>().max(0.0))
    }

    fn steps(&self, planned: &Planned, needed: f64) -> String {
        let steps: BTreeSet<_> = planned.runs.iter().map(|run| run.config.steps).collect();
        let steps: Vec<_> = steps.iter().map(u64::to_string).collect();
        format!("{} runs of {} steps, {}", planned.runs.len(), steps.join(" and "), duration(needed))
    }

    /// `None` where the user stopped it.
    fn train(&self, planned: &Planned) -> Result<Option<Trials>> {
        let seeds: Vec<u64> = (1..=self.request.seeds).collect();
        let mut trials = Trials { seeds, arms: Vec::new() };
        for (i, run) in planned.runs.iter().enumerate() {
            let name =
                format!("{} {}/{}: {}, seed {}", planned.experiment.name, i + 1, planned.runs.len(), run.arm, run.seed);
            let beside = planned.runs.iter().filter(|other| other.seed == 1 && other.one_of == run.one_of);
            let beside: Vec<_> = beside.map(|other| other.arm.as_str()).collect();
            let best = || trials.best(beside.iter().copied(), planned.experiment.choose);
            if run.of > 1 && best() != Some(&run.arm) {
                continue;
            }
            let trained = match self.lab.train(run.source, &run.config, &name) {
                Ok(Some(trained)) => trained,
                Ok(None) => return Ok(None),
                Err(Error::Diverged(why)) => {
                    let why = format!("{} with seed {}: {why}", run.arm, run.seed);
                    let is_tried = run.one_of.is_some() && run.seed == 1;
                    let is_last = beside.last() == Some(&run.arm.as_str());
                    if !is_tried || (is_last && best().is_none()) {
                        return Err(Error::Diverged(why));
                    }
                    self.lab.progress().tell(&format!("  {why}"));
                    continue;
                }
                Err(error) => return Err(error),
            };
            match trials.arms.iter_mut().find(|(arm, _)| *arm == run.arm) {
                Some((_, runs)) => runs.push(trained),
                None => trials.arms.push((run.arm.clone(), vec![trained])),
            }
        }
        Ok(Some(trials))
    }

    fn record(&self, planned: &Planned, status: Status) -> Record {
        let Experiment { name, section, title, claim, notes, .. } = *planned.experiment;
        Record {
            name: name.to_owned(),
            section: section.to_owned(),
            title: title.to_owned(),
            claim: claim.to_owned(),
            notes: notes.iter().map(|note| (*note).to_owned()).collect(),
            scale: self.request.scale,
            version: crate::run::VERSION.to_owned(),
            date: jiff::Timestamp::now().to_string().chars().take(10).collect(),
            machine: results::machine(),
            adapters: self.lab.adapters(),
            status,
        }
    }
}

impl Run {
    /// Seconds it takes, times the chance that it is trained.
    fn expected(&self) -> f64 {
        self.seconds / self.of as f64
    }
}

/// What a grid leaves open: arms of it that diverged, and a best one at its end, beyond which another may be better.
fn tried(planned: &Planned, trials: &Trials) -> Vec<String> {
    let first: Vec<_> = planned.runs.iter().filter(|run| run.seed == 1 && run.one_of.is_some()).collect();
    let mut remarks = Vec::new();
    for grid in first.chunk_by(|a, b| a.one_of == b.one_of) {
        let arms = || grid.iter().map(|run| run.arm.as_str());
        remarks
            .extend(arms().filter(|arm| !trials.has(arm)).map(|arm| format!("{arm}: diverged with the first seed.")));
        let best = trials.best(arms(), planned.experiment.choose);
        if let Some(best) = best.filter(|_| best == arms().next() || best == arms().next_back()) {
            remarks.push(format!(
                "{best}: the best of its grid lies at the grid's end, so a rate beyond it may be better."
            ));
        }
    }
    remarks
}

/// Arms of which some runs ended where they began: what is said of them is that they stall.
fn stalled(trials: &Trials) -> Vec<String> {
    let is_stalled = |run: &&Trained| {
        let last = &run.steps[run.steps.len() * 4 / 5..];
        let mean = last.iter().map(|line| line.loss).sum::<f64>() / last.len().max(1) as f64;
        let classes = run.config.classes.len() as f64;
        // A loss may be high where few answers are very wrong: the error has to be that of guessing, too.
        let error = run.evaluations.last().map_or(1.0, |line| line.top1_error);
        mean > STALLED * classes.ln() && error > STALLED * (1.0 - 1.0 / classes)
    };
    let words = |(arm, runs): &(String, Vec<Trained>)| {
        let count = runs.iter().filter(is_stalled).count();
        (count > 0).then(|| {
            let all = runs.len();
            format!("{arm}: {count} of {all} runs never left the loss of guessing; its errors say no more than that.")
        })
    };
    trials.arms.iter().filter_map(words).collect()
}

fn plan(lab: &Lab, arms: &[Arm], arm: &Arm, seed: u64) -> Result<Run> {
    let config = lab.config(arms, arm, seed)?;
    let (place, seconds) = (lab.place(&config)?, lab.seconds(&config)?);
    Ok(Run {
        arm: arm.name.clone(),
        one_of: arm.one_of,
        seed,
        source: arm.source,
        config,
        place,
        seconds,
        of: 1,
        shared: None,
    })
}

/// The experiments with these names, in the order of the paper; all where none is named.
fn chosen(names: &[String]) -> Result<Vec<&'static Experiment>> {
    let known = || super::ALL.map(|experiment| experiment.name).join(", ");
    for name in names {
        if name != "all" && !super::ALL.iter().any(|experiment| experiment.name == name) {
            return Err(Error::Usage(format!("{name}: there is no such experiment; there are all, {}", known())));
        }
    }
    let all = names.is_empty() || names.iter().any(|name| name == "all");
    Ok(super::ALL.into_iter().filter(|experiment| all || names.iter().any(|name| name == experiment.name)).collect())
}

fn records(planned: &Planned, trials: &Trials) -> Vec<ArmRecord> {
    let arm = |(name, runs): &(String, Vec<Trained>)| {
        let config = &planned.runs.iter().find(|run| run.arm == *name).expect("a run was planned").config;
        let run = |(run, seed): (&Trained, &u64)| {
            let last = |split| run.evaluations.iter().rev().find(|line| line.split == split).copied();
            RunRecord {
                seed: *seed,
                folder: run.run.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                steps: run.steps.last().map_or(0, |line| line.step),
                held_out: last(Split::Val),
                training: last(Split::Train),
            }
        };
        ArmRecord {
            name: name.clone(),
            net: net_name(config),
            steps: config.steps,
            batch: config.batch,
            training_images: config.data.train_images,
            held_out_images: config.data.val_images,
            classes: config.classes.len(),
            runs: runs.iter().zip(&trials.seeds).map(run).collect(),
        }
    };
    trials.arms.iter().map(arm).collect()
}

/// Seconds in words.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} hours", s / 3600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}
