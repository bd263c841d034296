//! The results as one HTML file, numbers and pictures beside the paper's.

use super::experiment::{Finding, Outcome, Side};
use super::results::{ArmRecord, Record, RunRecord, Status, here, provenance, scale_words, summary};
use super::statistics::short;
use crate::draw::{Axis, Bar, Bars};
use crate::error::{Error, Result};
use crate::metrics::EvaluationLine;
use crate::page::{Block, Figure, Page, Section, Table};
use std::path::Path;

/// Widest that a picture is drawn, in its own pixels.
const WIDEST: u32 = 900;

/// The page of all records; pictures lie in the folder `pictures` of `out`.
///
/// # Errors
/// A picture that cannot be read.
pub fn page(out: &Path, records: &[Record]) -> Result<Page> {
    let first = records.first();
    let lead = first.map_or_else(String::new, provenance);
    let mut blocks: Vec<_> = first.into_iter().flat_map(|record| scale_words(record.scale)).map(Block::Text).collect();
    blocks.push(Block::Text(summary()));
    blocks.push(Block::Table(overview(records)));
    let mut sections = vec![Section { title: "What was found".to_owned(), blocks }];
    for record in records {
        sections.push(section(out, record)?);
    }
    Ok(Page { title: "AlexNet, the paper, reproduced".to_owned(), lead, sections })
}

fn overview(records: &[Record]) -> Table {
    let mut rows = Vec::new();
    for record in records {
        let name = record.name.clone();
        match &record.status {
            Status::NotRun { why } => {
                rows.push(vec![name, record.title.clone(), String::new(), String::new(), format!("not run: {why}")]);
            }
            Status::Run { outcome, .. } => rows.extend(outcome.findings.iter().map(|finding| {
                let paper = finding.paper.clone().unwrap_or_default();
                vec![name.clone(), finding.what.clone(), here(finding), paper, finding.verdict.to_string()]
            })),
        }
    }
    let head = ["experiment", "what", "here, 95 % interval", "paper", "verdict"].map(str::to_owned).to_vec();
    Table { caption: String::new(), head, rows, words: true }
}

fn section(out: &Path, record: &Record) -> Result<Section> {
    let mut blocks = vec![Block::Text(format!("§ {}. The paper: {}", record.section, record.claim))];
    blocks.extend(record.notes.iter().cloned().map(Block::Text));
    match &record.status {
        Status::NotRun { why } => blocks.push(Block::Text(format!("Not run: {why}."))),
        Status::Run { outcome, arms, .. } => {
            blocks.extend(numbers(outcome)?);
            for (file, caption) in &outcome.pictures {
                blocks.push(Block::Figure(picture(&out.join("pictures").join(file), caption)?));
            }
            blocks.extend(outcome.remarks.iter().cloned().map(Block::Text));
            blocks.push(Block::Table(by_seed(outcome)));
            blocks.push(Block::Table(trained(arms)));
        }
    }
    Ok(Section { title: format!("{}: {}", record.name, record.title), blocks })
}

/// Numbers beside the paper's, and differences with their intervals.
fn numbers(outcome: &Outcome) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    if !outcome.table.is_empty() {
        let head = ["", "here", "paper"].map(str::to_owned).to_vec();
        let rows = outcome.table.iter().map(|row| row.to_vec()).collect();
        blocks.push(Block::Table(Table { caption: String::new(), head, rows, words: true }));
    }
    // Differences of one unit share an axis.
    let unit = |finding: &Finding| finding.what.rsplit_once(", ").map_or("", |(_, unit)| unit).to_owned();
    let points: Vec<_> = outcome.findings.iter().filter(|finding| unit(finding) == "points").collect();
    if points.iter().any(|finding| finding.interval.is_some()) {
        let bar = |finding: &&Finding| {
            let interval = finding.interval?;
            Some(Bar {
                name: finding.what.trim_end_matches(", points").replace("held-out ", "").replace(" error", ""),
                value: interval.mean,
                interval: Some((interval.low, interval.high)),
                colour: 0,
                note: finding.paper.as_ref().map_or_else(String::new, |paper| format!("paper {paper}")),
            })
        };
        let bars = Bars {
            title: String::new(),
            axis: Axis::linear("points, with the 95 % interval"),
            bars: points.iter().filter_map(bar).collect(),
        };
        blocks.push(Block::Figure(Figure::new(&bars.picture(), "Mean differences over the seeds, and the paper's.")?));
    }
    Ok(blocks)
}

fn by_seed(outcome: &Outcome) -> Table {
    let words = |side: &Side| {
        let values: Vec<_> = (0..side.values.len()).map(|i| side.word(i)).collect();
        format!("{}: {}", side.name, values.join(", "))
    };
    let row = |finding: &Finding| {
        let differences: Vec<_> = finding.differences.iter().map(|value| short(*value)).collect();
        let sides: Vec<_> = finding.sides.iter().map(words).collect();
        vec![finding.what.clone(), sides.join("; "), differences.join(", ")]
    };
    Table {
        caption: "Seed by seed; of ratios the differences are of logarithms".to_owned(),
        head: ["comparison", "sides", "differences"].map(str::to_owned).to_vec(),
        rows: outcome.findings.iter().map(row).collect(),
        words: true,
    }
}

fn trained(arms: &[ArmRecord]) -> Table {
    let errors = |runs: &[RunRecord], of: fn(&RunRecord) -> Option<EvaluationLine>| {
        let words: Vec<_> =
            runs.iter().filter_map(of).map(|line| format!("{:.1} %", 100.0 * line.top1_error)).collect();
        words.join(", ")
    };
    let row = |arm: &ArmRecord| {
        vec![
            arm.name.clone(),
            format!("`{}`", arm.net),
            format!("{} of {}", arm.steps, arm.batch),
            format!("{} of {} classes", arm.training_images, arm.classes),
            errors(&arm.runs, |run| run.held_out),
            errors(&arm.runs, |run| run.training),
        ]
    };
    let head = ["arm", "net", "steps", "images", "held-out top-1 error", "training error in use"];
    Table {
        caption: "What was trained".to_owned(),
        head: head.map(str::to_owned).to_vec(),
        rows: arms.iter().map(row).collect(),
        words: true,
    }
}

fn picture(path: &Path, caption: &str) -> Result<Figure> {
    let error = |why: String| Error::Image { path: path.to_owned(), why };
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    let image = image::load_from_memory(&bytes).map_err(|e| error(e.to_string()))?.to_rgb8();
    let image = if image.width() > WIDEST {
        let height = (u64::from(image.height()) * u64::from(WIDEST) / u64::from(image.width())) as u32;
        image::imageops::resize(&image, WIDEST, height, image::imageops::FilterType::Triangle)
    } else {
        image
    };
    Figure::of_image(&image, caption)
}
