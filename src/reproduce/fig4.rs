//! Figure 4: what a network takes images for, and which training images it finds alike.

use super::comparisons::plain;
use super::experiment::{Experiment, Finding, Outcome, Side, Source, Trials, no_choice};
use super::lab::Lab;
use crate::data::{self, DataSet, Exif, Split, Stats};
use crate::error::{Error, Result};
use crate::features::{self, Info};
use crate::machine::Machine;
use crate::predict;
use crate::show;
use crate::similar::{Answer, Neighbour, Search};
use crate::train::Trained;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

/// Neighbours of a query.
const NEAREST: usize = 6;
/// Queries whose neighbours are counted.
const QUERIES: usize = 200;
/// Queries that are shown, and images whose labels are.
const SHOWN: usize = 5;
const LABELLED: usize = 8;

/// Figure 4.
pub const FIG4: Experiment = Experiment {
    name: "fig4",
    section: "6.1, Figure 4",
    title: "Labels, and neighbours in the last hidden layer",
    claim: "Training images with the smallest Euclidean distance in the last hidden layer show the same thing as a query, though \
            they are not close in pixels.",
    arms: |scale| vec![plain(scale, "CNN", "alexnet", Source::Ilsvrc2010)],
    measure,
    choose: no_choice,
    notes: &[
        "Counted is the share of the six nearest training images that are of the query's class, over 200 held-out queries, \
              by the last hidden features and by the pixels of the centre crops.",
    ],
};

fn measure(lab: &Lab, trials: &Trials) -> Result<Outcome> {
    let source = if lab.scale.is_small() { Source::Drawn } else { Source::Ilsvrc2010 };
    let runs = trials.arm("CNN");
    let [train, val] = lab.images(source, runs[0].config.table()?.image)?;
    let mut shares = [Vec::new(), Vec::new()];
    for (run, seed) in runs.iter().zip(&trials.seeds) {
        let queries = Arc::new(val.sample(QUERIES, *seed));
        let label = format!("shares of {NEAREST} neighbours of {}, {QUERIES} queries", run.run.display());
        let [own, pixels] = lab.measured(&label, || {
            let found = by_features(lab, run, &train, &queries)?;
            let own = share(&train, &queries, &found);
            Ok([own, share(&train, &queries, &by_pixels(lab, run, &train, &queries)?)])
        })?;
        shares[0].push(100.0 * pixels);
        shares[1].push(100.0 * own);
    }
    let [pixels, own] = shares;
    let what = "neighbours of the query's class, by features − by pixels, points";
    let (pixels, own) = (Side::new("by pixels", pixels), Side::new("by features", own));
    let finding = Finding::difference(what, pixels, own, Some((1.0, "images of the same kind")));
    let mut outcome = Outcome::of(vec![finding]);
    outcome.pictures = pictures(lab, &runs[0], &train, &Arc::new(val.sample(LABELLED, trials.seeds[0])))?;
    Ok(outcome)
}

/// Share of the neighbours that are of their query's class.
fn share(train: &DataSet, queries: &DataSet, found: &[Vec<Neighbour>]) -> f64 {
    let of = |(query, found): (usize, &Vec<Neighbour>)| {
        found.iter().filter(|near| train.label(near.row) == queries.label(query)).count() as f64 / found.len() as f64
    };
    found.iter().enumerate().map(of).sum::<f64>() / found.len() as f64
}

fn by_features(lab: &Lab, run: &Trained, train: &Arc<DataSet>, queries: &Arc<DataSet>) -> Result<Vec<Vec<Neighbour>>> {
    let layer = run.config.network()?.last_hidden();
    let (mut machine, stats) = lab.load(run, run.config.batch, Some(layer))?;
    let width = machine.net().output().len();
    let mut own = Vec::new();
    all(
        extract(lab, run, &mut machine, queries, &stats, |values| {
            own.extend_from_slice(values);
            Ok(())
        })?,
        queries,
    )?;
    let device = Arc::clone(&machine.columns()[0].device);
    let mut search = Search::new(&device, &own, width, NEAREST);
    all(extract(lab, run, &mut machine, train, &stats, |values| push(&mut search, width, values))?, train)?;
    search.finish()
}

/// Refuses images of which some could not be read: rows would not be numbers of images.
fn all(skipped: usize, set: &DataSet) -> Result<()> {
    if skipped == 0 {
        return Ok(());
    }
    let why = format!("{skipped} images cannot be read; mend or remove them");
    Err(Error::Data { path: set.root.clone(), why })
}

/// Returns how many images could not be read.
fn extract(
    lab: &Lab,
    run: &Trained,
    machine: &mut Machine,
    set: &Arc<DataSet>,
    stats: &Arc<Stats>,
    take: impl FnMut(&[f32]) -> Result<()>,
) -> Result<usize> {
    Ok(features::extract(machine, set, stats, lab.views(run, 1), take)?.len())
}

fn push(search: &mut Search, width: usize, values: &[f32]) -> Result<()> {
    for part in values.chunks(search.rows() * width) {
        search.push(|block| {
            block.clear();
            block.extend(part);
            Ok(())
        })?;
    }
    Ok(())
}

fn by_pixels(lab: &Lab, run: &Trained, train: &Arc<DataSet>, queries: &Arc<DataSet>) -> Result<Vec<Vec<Neighbour>>> {
    let table = run.config.table()?;
    let width = 3 * table.crop * table.crop;
    // The mean is the same for all: any will do.
    let stats = Arc::new(Stats::published(table.image));
    let how = lab.views(run, 1);
    let pixels = |set: &Arc<DataSet>, take: &mut dyn FnMut(&[f32]) -> Result<()>| -> Result<()> {
        let mut batches = data::evaluation(set.clone(), stats.clone(), 1, table.crop, how.batch, how.workers, how.exif);
        while let Some(batch) = batches.next() {
            let batch = batch?;
            take(&batch.floats())?;
            batches.recycle(batch);
        }
        all(batches.skipped().len(), set)
    };
    let mut own = Vec::new();
    pixels(queries, &mut |values| {
        own.extend_from_slice(values);
        Ok(())
    })?;
    let mut search = Search::new(&lab.device(run)?, &own, width, NEAREST);
    pixels(train, &mut |values| push(&mut search, width, values))?;
    search.finish()
}

/// The figure's two halves.
fn pictures(lab: &Lab, run: &Trained, train: &Arc<DataSet>, shown: &Arc<DataSet>) -> Result<Vec<(String, String)>> {
    let folder = lab.folder.join("pictures");
    fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
    let config = &run.config;
    let paths: Vec<PathBuf> = (0..shown.len()).map(|number| shown.path(number)).collect();
    let (mut machine, stats) = lab.load(run, config.batch, None)?;
    let right: Vec<_> = (0..shown.len()).map(|number| Some(shown.label(number) as usize)).collect();
    let how = predict::Settings { views: 1, top: SHOWN, batch: config.batch, exif: config.exif };
    let names = (&config.classes[..], config.class_names.as_deref());
    show::predictions(&mut machine, &stats, names, &paths, &right, how)?.write(&folder.join("fig4-labels.png"))?;
    drop(machine);
    let few = Arc::new(shown.sample(SHOWN, config.seed));
    let found = by_features(lab, run, train, &few)?;
    let rows = features::rows(train, &[]);
    let info = Info {
        format: "1".to_owned(),
        net: super::lab::net_name(config),
        layer: config.network()?.last_hidden().to_owned(),
        shape: [1, 1, 1],
        weights: String::new(),
        source: data::source::absolute(&train.root),
        split: Split::Train,
        classes: config.classes.clone(),
        class_names: config.class_names.clone(),
        rows,
    };
    let answer = |(number, found): (usize, &Vec<Neighbour>)| {
        Answer::new(&info, &few.path(number), found.iter().map(|near| (near.row, near.distance())))
    };
    let answers: Vec<_> = found.iter().enumerate().map(answer).collect();
    show::neighbours(&info, &answers, Exif::Apply)?.write(&folder.join("fig4-neighbours.png"))?;
    Ok(vec![
        (
            "fig4-labels.png".to_owned(),
            "Held-out images with the five most probable classes, the right one marked.".to_owned(),
        ),
        (
            "fig4-neighbours.png".to_owned(),
            "Held-out images, and the six training images nearest to each in the last hidden layer.".to_owned(),
        ),
    ])
}
