//! `report`: what runs were, what they measured and what came of them, on one page.

use crate::data::{Batch, Pixels};
use crate::data::{DataSet, Exif, Reader, Stats, views_of};
use crate::draw::{Axis, Cell, Chart, Grid, Series, number, row};
use crate::error::Result;
use crate::eval::{self, Confusion, Evaluation, Score, Views};
use crate::machine::Machine;
use crate::metrics::{EvaluationLine, StepLine};
use crate::page::{Block, Figure, Page, Section, Table};
use crate::plot::{self, Curves};
use crate::recipe::PAPER;
use crate::run::{self, Config, Run, word};
use crate::train::Progress;
use image::RgbImage;
use std::sync::Arc;

/// Images shown with their predictions.
const SHOWN: usize = 10;
/// Side of one of them in units.
const SIDE: f64 = 150.0;
/// Classes named for each.
const TOP: usize = 5;
/// Mistakes listed.
const MISTAKES: usize = 8;
/// Colours of the frames of images named rightly and wrongly.
const RIGHT: usize = 2;
const WRONG: usize = 1;

/// All that is said of a run. What could not be had is its reason instead.
pub struct Told {
    /// The run.
    pub run: Run,
    /// `config.toml` as it stands.
    pub text: String,
    /// Its metrics.
    pub curves: Curves,
    /// The first layer's filters after the newest checkpoint.
    pub filters: Result<RgbImage, String>,
    /// What that checkpoint makes of the validation images.
    pub seen: Result<Seen, String>,
}

/// What a network makes of images.
pub struct Seen {
    /// Readable names of the classes.
    pub names: Vec<String>,
    /// Errors.
    pub evaluation: Evaluation,
    /// Of how many images these were drawn.
    pub of: usize,
    /// Which class is taken for which.
    pub confusion: Confusion,
    /// A few of the images.
    pub samples: Vec<Sample>,
}

/// An image and what it was taken for.
pub struct Sample {
    /// The square the network sees the middle of.
    pub image: RgbImage,
    /// Its class.
    pub label: usize,
    /// Most probable classes and their probabilities, first the most probable.
    pub top: Vec<(usize, f32)>,
}

impl Seen {
    /// Shows `set`, drawn of `of` images, to the network.
    pub fn new(
        machine: &mut Machine,
        set: &Arc<DataSet>,
        of: usize,
        stats: &Arc<Stats>,
        how: Views,
        progress: &mut Progress,
    ) -> Result<Self> {
        let (mut score, mut confusion, mut done) = (Score::default(), Confusion::default(), 0);
        let (_, skipped) = eval::classify(machine, set, stats, how, |label, probabilities| {
            score.add(probabilities, label);
            confusion.add(probabilities, label);
            done += 1;
            progress.count("validation images", done, set.len());
            true
        })?;
        progress.skipped(&skipped);
        let mut samples = Vec::new();
        let shown = SHOWN.min(set.len());
        for place in 0..shown {
            samples.extend(sample(machine, set, (2 * place + 1) * set.len() / (2 * shown), stats, how.exif)?);
        }
        let names = set.class_names.as_ref().unwrap_or(&set.classes).iter().map(|name| first_name(name)).collect();
        Ok(Self { names, evaluation: score.evaluation(), of, confusion, samples })
    }
}

/// An image with its class and predictions; `None` where it cannot be read.
fn sample(machine: &mut Machine, set: &DataSet, number: usize, stats: &Stats, exif: Exif) -> Result<Option<Sample>> {
    let (size, side) = (machine.net().table.image, machine.net().table.crop);
    let mut reader = Reader::new(exif);
    let held = match set.square(number, size, &mut reader) {
        Ok(held) => held,
        Err(crate::error::Error::Image { .. }) => return Ok(None),
        Err(e) => return Err(e),
    };
    let square = held.square();
    let batch = Batch { side, pixels: Pixels::Floats(views_of(square, stats, side, 1)), labels: vec![0] };
    let top = eval::top(&machine.probabilities(&batch)?, TOP);
    let image = RgbImage::from_raw(size as u32, size as u32, square.rgb.to_vec());
    Ok(image.map(|image| Sample { image, label: set.label(number) as usize, top }))
}

/// The first of WordNet's names for a class, which are separated by commas.
pub fn first_name(names: &str) -> String {
    names.split(',').next().unwrap_or(names).to_owned()
}

/// The page. One run has a section for each part; several have a section each, below a comparison.
pub fn page(runs: &[Told]) -> Result<Page> {
    let title = runs.iter().map(|told| told.curves.name.as_str()).collect::<Vec<_>>().join(", ");
    let lead = format!("By `alexnet report`, version {}.", env!("CARGO_PKG_VERSION"));
    if let [told] = runs {
        return Ok(Page { title, lead, sections: parts(told)? });
    }
    let mut sections = vec![comparison(runs)?];
    for told in runs {
        let headed =
            parts(told)?.into_iter().flat_map(|part| std::iter::once(Block::Heading(part.title)).chain(part.blocks));
        sections.push(Section { title: told.curves.name.clone(), blocks: headed.collect() });
    }
    Ok(Page { title, lead, sections })
}

fn comparison(runs: &[Told]) -> Result<Section> {
    let rows = runs.iter().map(|told| {
        let (config, evaluations) = (&told.run.config, &told.curves.evaluations);
        let [top1, top5] = match lowest(evaluations) {
            Some(line) => [percent(line.top1_error), percent(line.top5_error)],
            None => ["not evaluated", ""].map(str::to_owned),
        };
        let steps = told.curves.steps.last().map_or(0, |l| l.step);
        vec![told.curves.name.clone(), net(config), whole(steps), top1, top5, hours(&told.curves.steps)]
    });
    let table = Table {
        caption: "The lowest top-1 error on the validation images, with the top-5 error of that evaluation".to_owned(),
        head: ["run", "net", "steps", "top-1 error", "top-5 error", "time in steps"].map(str::to_owned).to_vec(),
        rows: rows.collect(),
        words: false,
    };
    let curves: Vec<_> = runs.iter().map(|told| told.curves.clone()).collect();
    let blocks = vec![Block::Table(table), beside(&plot::charts(&curves, false))?];
    Ok(Section { title: "The runs side by side".to_owned(), blocks })
}

fn parts(told: &Told) -> Result<Vec<Section>> {
    let config = &told.run.config;
    let section = |title: &str, blocks| Section { title: title.to_owned(), blocks };
    Ok(vec![
        section("Results", results(told)?),
        section("Configuration", configuration(told)),
        section("Filters", filters(told)?),
        section("Confusion", confusion(told)?),
        section("Predictions", predictions(told)?),
        section("Hardware and speed", hardware(told)?),
        section("Differences from the paper", vec![Block::List(run::differences(config))]),
    ])
}

fn results(told: &Told) -> Result<Vec<Block>> {
    let evaluations = &told.curves.evaluations;
    let rows = [("last", evaluations.last()), ("lowest top-1 error", lowest(evaluations))];
    let rows: Vec<_> = rows.into_iter().filter_map(|(name, line)| Some((name, line?))).collect();
    let table = |rows: &[(&str, &EvaluationLine)]| Table {
        caption: format!("On {} validation images, centre crop", whole(told.run.config.data.val_images as u64)),
        head: ["evaluation", "step", "pass", "top-1 error", "top-5 error", "log-probability"]
            .map(str::to_owned)
            .to_vec(),
        rows: rows
            .iter()
            .map(|(name, l)| {
                let errors = [percent(l.top1_error), percent(l.top5_error)];
                [vec![(*name).to_owned(), whole(l.step), whole(l.epoch)], errors.to_vec(), vec![number(-l.loss, 4)]]
                    .concat()
            })
            .collect(),
        words: false,
    };
    let first = if rows.is_empty() { Block::Text("Not evaluated yet.".to_owned()) } else { Block::Table(table(&rows)) };
    let note = "Training curves are means over a fiftieth of the steps, with the raw values faint; training is measured \
                with dropout and augmentation, validation without.";
    Ok(vec![first, beside(&plot::charts(std::slice::from_ref(&told.curves), false))?, Block::Text(note.to_owned())])
}

fn configuration(told: &Told) -> Vec<Block> {
    let config = &told.run.config;
    let length = |passes: Option<u64>| {
        passes.map_or_else(|| format!("{} steps", whole(config.steps)), |n| format!("{n} passes"))
    };
    let rows = [
        ("network", net(config), "alexnet".to_owned()),
        ("training images", whole(config.data.train_images as u64), "1.2 million".to_owned()),
        ("classes", whole(config.classes.len() as u64), "1,000".to_owned()),
        ("images a step", config.batch.to_string(), PAPER.batch.to_string()),
        ("length", length(config.epochs), format!("{} passes", PAPER.epochs)),
        ("first learning rate", config.lr.to_string(), PAPER.lr.to_string()),
        ("schedule", config.schedule.to_string(), "divided by 10 three times, by hand".to_owned()),
        ("momentum", config.momentum.to_string(), PAPER.momentum.to_string()),
        ("weight decay", config.decay.to_string(), PAPER.decay.to_string()),
        ("dropout", config.dropout.to_string(), PAPER.dropout.to_string()),
        ("augmentation", word(&config.augment), "crops, mirror images, colour".to_owned()),
        ("seed", config.seed.to_string(), String::new()),
    ];
    let table = Table {
        head: ["", "this run", "the paper"].map(str::to_owned).to_vec(),
        rows: rows.map(|(name, own, paper)| vec![name.to_owned(), own, paper]).to_vec(),
        words: true,
        ..Table::default()
    };
    let data = format!(
        "Data: `{}`, fingerprints `{}` (training) and `{}` (validation). This command runs it again:",
        config.data.path.display(),
        config.data.train_fingerprint,
        config.data.val_fingerprint
    );
    let folded = Block::Folded("everything resolved: config.toml".to_owned(), told.text.clone());
    vec![Block::Table(table), Block::Text(data), Block::Code(run::command(config)), folded]
}

fn filters(told: &Told) -> Result<Vec<Block>> {
    let caption = "What the first layer looks for, the first column's filters above, as in the paper's Figure 3";
    Ok(vec![match &told.filters {
        Ok(image) => Block::Figure(Figure::of_image(image, caption)?),
        Err(why) => Block::Text(format!("Not drawn: {why}")),
    }])
}

fn confusion(told: &Told) -> Result<Vec<Block>> {
    let seen = match &told.seen {
        Ok(seen) => seen,
        Err(why) => return Ok(vec![Block::Text(format!("Not measured: {why}"))]),
    };
    let images = seen.evaluation.images;
    let drawn = if images < seen.of as u64 { format!(", drawn of {}", whole(seen.of as u64)) } else { String::new() };
    let caption = format!(
        "{} validation images{drawn}, after the newest checkpoint: top-1 error {}, top-5 error {}",
        whole(images),
        percent(seen.evaluation.top1_error),
        percent(seen.evaluation.top5_error)
    );
    let name = |class: usize| seen.names.get(class).cloned().unwrap_or_else(|| class.to_string());
    let rows = seen.confusion.mistakes(MISTAKES).into_iter().map(|(label, found, count)| {
        vec![name(label), name(found), format!("{count} of {}", seen.confusion.of_class(label))]
    });
    let table = Table {
        caption: "The most frequent mistakes".to_owned(),
        head: ["class", "taken for", "images"].map(str::to_owned).to_vec(),
        rows: rows.collect(),
        words: true,
    };
    Ok(match seen.confusion.heat_map(&seen.names) {
        Some(map) => {
            vec![Block::Beside(vec![Block::Figure(Figure::new(&map.picture()?, &caption)?), Block::Table(table)])]
        }
        None => vec![Block::Text(format!("{caption}. A matrix of so many classes is not drawn.")), Block::Table(table)],
    })
}

fn predictions(told: &Told) -> Result<Vec<Block>> {
    let Ok(seen) = &told.seen else { return Ok(vec![Block::Text("Not made, as above.".to_owned())]) };
    let name = |class: usize| seen.names.get(class).cloned().unwrap_or_else(|| class.to_string());
    let figures = seen.samples.iter().map(|Sample { image, label, top }| {
        let right = top.first().is_some_and(|(class, _)| class == label);
        let cell = Cell {
            image: image.clone(),
            captions: vec![name(*label)],
            frame: Some(if right { RIGHT } else { WRONG }),
            bars: top.iter().map(|(class, p)| (name(*class), f64::from(*p), class == label)).collect(),
        };
        let grid = Grid { title: String::new(), columns: 1, side: SIDE, first_apart: false, cells: vec![cell] };
        Figure::new(&grid.picture()?, "")
    });
    let text = "Validation images, their class below, and the five most probable classes with their probabilities as bars, \
                the right one red, as in the paper's Figure 4. A red frame: the most probable class is wrong.";
    Ok(vec![Block::Text(text.to_owned()), Block::Gallery(figures.collect::<Result<_>>()?)])
}

fn hardware(told: &Told) -> Result<Vec<Block>> {
    let (config, steps) = (&told.run.config, &told.curves.steps);
    let mut blocks = vec![Block::List(config.adapters.devices.clone())];
    let seconds = steps.iter().map(|l| l.seconds).sum::<f64>().max(f64::MIN_POSITIVE);
    let share = |part: fn(&StepLine) -> f64| format!("{:.1} %", 100.0 * steps.iter().map(part).sum::<f64>() / seconds);
    let mut rates: Vec<f64> = steps.iter().map(|l| l.images_per_second).collect();
    rates.sort_by(f64::total_cmp);
    let rows = [
        ("images a second, median", number(rates.get(rates.len() / 2).copied().unwrap_or(0.0), 1)),
        ("time in steps", hours(steps)),
        ("of it waiting for images", share(|l| l.data_wait)),
        ("of it carrying between adapters, most of it while they compute", share(|l| l.exchange)),
        ("precision", config.precision.to_string()),
        ("version that began the run", config.version.clone()),
    ];
    let rows = rows.map(|(name, value)| vec![name.to_owned(), value]).to_vec();
    let rate = Chart {
        x: Axis::linear("step"),
        y: Axis::linear("images/s"),
        series: vec![Series {
            points: steps.iter().map(|l| l.step as f64).zip(plot::means(steps, |l| l.images_per_second)).collect(),
            ..Series::default()
        }],
        ..Chart::default()
    };
    let figure = Figure::new(&row(&[rate]), "Images a second, means over a fiftieth of the steps")?;
    blocks.push(Block::Beside(vec![Block::Table(Table { rows, ..Table::default() }), Block::Figure(figure)]));
    Ok(blocks)
}

/// Charts side by side.
fn beside(charts: &[Chart]) -> Result<Block> {
    let figure =
        |chart: &Chart| Figure::new(&row(std::slice::from_ref(chart)), &format!("{} over the steps", chart.y.label));
    let figures = charts.iter().map(|chart| Ok(Block::Figure(figure(chart)?))).collect::<Result<Vec<_>>>()?;
    Ok(Block::Beside(figures))
}

/// The network as it would be typed.
fn net(config: &Config) -> String {
    format!("{}{}", config.net, config.variation)
}

fn lowest(evaluations: &[EvaluationLine]) -> Option<&EvaluationLine> {
    evaluations.iter().min_by(|a, b| a.top1_error.total_cmp(&b.top1_error))
}

fn percent(fraction: f64) -> String {
    format!("{} %", number(100.0 * fraction, 2))
}

fn whole(count: u64) -> String {
    number(count as f64, 0)
}

fn hours(steps: &[StepLine]) -> String {
    let minutes = (steps.iter().map(|l| l.seconds).sum::<f64>() / 60.0).round() as u64;
    format!("{} h {:02} min", whole(minutes / 60), minutes % 60)
}
