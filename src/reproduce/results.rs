//! What experiments found: `results/NAME.json` for programs, `REPRODUCTION.md` for people.

use super::experiment::{Finding, Outcome, Scale};
use super::statistics::{Interval, Verdict, short};
use crate::durable;
use crate::error::{Error, Result};
use crate::metrics::EvaluationLine;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Everything about an experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// The paper's section.
    pub section: String,
    /// What it is about.
    pub title: String,
    /// What the paper says.
    pub claim: String,
    /// What must be said of it.
    pub notes: Vec<String>,
    /// How large it was.
    pub scale: Scale,
    /// Version of this program.
    pub version: String,
    /// Day, UTC.
    pub date: String,
    /// Its machine, as [`machine`] names it.
    pub machine: String,
    /// What it ran on.
    pub adapters: Vec<String>,
    /// What came of it.
    pub status: Status,
}

/// What came of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It was done.
    Run {
        /// Every arm.
        arms: Vec<ArmRecord>,
        /// What it found.
        outcome: Outcome,
        /// Seconds it took this time.
        seconds: f64,
    },
    /// It was not.
    NotRun {
        /// Why.
        why: String,
    },
}

/// An arm and its runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmRecord {
    /// Its name.
    pub name: String,
    /// Its network, with the options that vary it.
    pub net: String,
    /// Steps.
    pub steps: u64,
    /// Images a step.
    pub batch: usize,
    /// Images to train on.
    pub training_images: usize,
    /// Images held out.
    pub held_out_images: usize,
    /// Classes.
    pub classes: usize,
    /// A run a seed.
    pub runs: Vec<RunRecord>,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its seed.
    pub seed: u64,
    /// Its folder in `runs`.
    pub folder: String,
    /// Steps done.
    pub steps: u64,
    /// Last evaluation on held-out images.
    pub held_out: Option<EvaluationLine>,
    /// Last evaluation on training images, in use.
    pub training: Option<EvaluationLine>,
}

/// Writes `results/NAME.json`.
///
/// # Errors
/// The folder is not writable.
pub fn write(out: &Path, record: &Record) -> Result<()> {
    let folder = out.join("results");
    fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
    let path = folder.join(format!("{}.json", record.name));
    let text = serde_json::to_string_pretty(record).map_err(|e| Error::io(&path)(e.into()))?;
    durable::write(&path, format!("{text}\n").as_bytes())
}

/// Every record of a folder, in the order of the paper.
///
/// # Errors
/// A folder without results, or a file that is none.
pub fn read(out: &Path) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for experiment in super::ALL {
        let path = out.join("results").join(format!("{}.json", experiment.name));
        if !path.is_file() {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
        let why =
            |e| Error::Data { path: path.clone(), why: format!("not the results of an experiment: {e}; remove it") };
        records.push(serde_json::from_str(&text).map_err(why)?);
    }
    if records.is_empty() {
        let why = "holds no results; expected the folder that `alexnet reproduce --out` wrote".to_owned();
        return Err(Error::Data { path: out.to_owned(), why });
    }
    Ok(records)
}

/// Writes `REPRODUCTION.md` and `report.html` from all results that lie in a folder.
///
/// # Errors
/// Those of [`read`]; the folder is not writable.
pub fn summarise(out: &Path) -> Result<()> {
    let records = read(out)?;
    durable::write(&out.join("REPRODUCTION.md"), markdown(&records).as_bytes())?;
    super::report::page(out, &records)?.write(&out.join("report.html"))
}

/// The mean difference and its interval in words. Where only the second side is of runs that never got there, it is a
/// lower bound.
pub fn here(finding: &Finding) -> String {
    let [first, second] = [0, 1].map(|i| finding.sides.get(i).is_some_and(|side| side.at_least.contains(&true)));
    let bound = if second && !first { "at least " } else { "" };
    let words = |i: Interval| format!("{bound}{} [{}, {}]", short(i.mean), short(i.low), short(i.high));
    finding.interval.map_or_else(|| "—".to_owned(), words)
}

/// Cores, processor and system of this machine.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, Into::<usize>::into);
    let kind = sysinfo::RefreshKind::nothing().with_cpu(sysinfo::CpuRefreshKind::nothing());
    let system = sysinfo::System::new_with_specifics(kind).ok();
    let brand = system.and_then(|system| system.cpus().first().map(|cpu| cpu.brand().trim().to_owned()));
    let of = brand.filter(|brand| !brand.is_empty()).map_or_else(String::new, |brand| format!(" of {brand}"));
    format!("{cores} cores{of}, {} {}", std::env::consts::OS, std::env::consts::ARCH)
}

/// By which command, when and where.
pub fn provenance(record: &Record) -> String {
    format!(
        "By `alexnet reproduce --scale {}`, version {}, {}, on {}; the machine: {}.",
        crate::run::word(&record.scale),
        record.version,
        record.date,
        record.adapters.join(" and "),
        record.machine
    )
}

/// What must be said of a scale.
pub fn scale_words(scale: Scale) -> Option<String> {
    match scale {
        Scale::Paper => None,
        Scale::Small => Some(
            "At this scale small networks learn drawn images for less than a minute each. What compares with the paper is the \
             sign of a difference, not its size."
                .to_owned(),
        ),
        Scale::Trial => Some("A trial of four steps a run: whether all of it works. Its numbers mean nothing.".to_owned()),
    }
}

/// How verdicts are to be read.
pub fn summary() -> String {
    "Differences are paired by seed. `seen`: the paper's sign, and the 95 % t-interval is without 0; `opposite`: the other \
     sign, likewise; `not resolved`: 0 is in the interval, and the smallest difference that would have been resolved is \
     named; `not tested`: a condition was not met. All are results."
        .to_owned()
}

/// A finding in a line.
pub fn line(finding: &Finding) -> String {
    let paper = finding.paper.as_ref().map_or_else(String::new, |paper| format!(" (paper: {paper})"));
    format!("{}: {}{paper}: {}", finding.what, here(finding), finding.verdict)
}

/// The results as Markdown.
pub fn markdown(records: &[Record]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_markdown(&mut text, records);
    text
}

fn write_markdown(out: &mut String, records: &[Record]) -> std::fmt::Result {
    writeln!(out, "# The paper, reproduced\n")?;
    if let Some(first) = records.first() {
        writeln!(out, "{}\n", provenance(first))?;
        if let Some(words) = scale_words(first.scale) {
            writeln!(out, "{words}\n")?;
        }
    }
    writeln!(out, "{}\n", summary())?;
    writeln!(out, "| experiment | § | what | here | paper | verdict |\n|---|---|---|---|---|---|")?;
    for record in records {
        let Record { name, section, title, .. } = record;
        match &record.status {
            Status::NotRun { why } => writeln!(out, "| `{name}` | {section} | {title} | — | — | not run: {why} |")?,
            Status::Run { outcome, .. } => {
                for finding in &outcome.findings {
                    let verdict = match &finding.verdict {
                        Verdict::Seen | Verdict::Opposite => format!("**{}**", finding.verdict),
                        other => other.to_string(),
                    };
                    let (paper, here) = (finding.paper.as_deref().unwrap_or("—"), here(finding));
                    writeln!(out, "| `{name}` | {section} | {} | {here} | {paper} | {verdict} |", finding.what)?;
                }
            }
        }
    }
    for record in records {
        section(out, record)?;
    }
    Ok(())
}

fn section(out: &mut String, record: &Record) -> std::fmt::Result {
    writeln!(out, "\n## `{}`: {} (§ {})\n\n{}\n", record.name, record.title, record.section, record.claim)?;
    for note in &record.notes {
        writeln!(out, "{note}\n")?;
    }
    let Status::Run { arms, outcome, .. } = &record.status else {
        let Status::NotRun { why } = &record.status else { return Ok(()) };
        return writeln!(out, "Not run: {why}.");
    };
    if !outcome.table.is_empty() {
        writeln!(out, "| | here | paper |\n|---|---|---|")?;
        for [what, here, paper] in &outcome.table {
            writeln!(out, "| {what} | {here} | {paper} |")?;
        }
        writeln!(out)?;
    }
    writeln!(out, "| comparison | by seed |\n|---|---|")?;
    for finding in &outcome.findings {
        let values = |side: &super::experiment::Side| {
            let words: Vec<_> = (0..side.values.len()).map(|i| side.word(i)).collect();
            format!("{}: {}", side.name, words.join(", "))
        };
        let sides: Vec<_> = finding.sides.iter().map(values).collect();
        writeln!(out, "| {} | {} |", finding.what, sides.join("; "))?;
    }
    writeln!(
        out,
        "\n| arm | net | steps | images | held-out top-1 error | training error in use |\n|---|---|---|---|---|---|"
    )?;
    for arm in arms {
        let errors = |of: fn(&RunRecord) -> Option<EvaluationLine>| {
            let words: Vec<_> =
                arm.runs.iter().filter_map(of).map(|line| format!("{:.1} %", 100.0 * line.top1_error)).collect();
            if words.is_empty() { "—".to_owned() } else { words.join(", ") }
        };
        writeln!(
            out,
            "| {} | `{}` | {} of {} | {} of {} classes | {} | {} |",
            arm.name,
            arm.net,
            arm.steps,
            arm.batch,
            arm.training_images,
            arm.classes,
            errors(|run| run.held_out),
            errors(|run| run.training)
        )?;
    }
    for (file, caption) in &outcome.pictures {
        writeln!(out, "\n![{caption}](pictures/{file})")?;
    }
    for remark in &outcome.remarks {
        writeln!(out, "\n{remark}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::experiment::Side;
    use super::*;

    #[test]
    fn runs_that_never_got_there_bound_a_ratio_from_below() {
        let side = |steps: [Option<u64>; 3]| Side::steps("side", &steps, 480);
        let first = [Some(100), Some(200), Some(150)];
        let ratio = |second| here(&Finding::ratio("ratio", side(first), side(second), None));
        assert!(ratio([None; 3]).starts_with("at least 3."), "{}", ratio([None; 3]));
        assert!(ratio([Some(300); 3]).starts_with("2."), "{}", ratio([Some(300); 3]));
    }
}
