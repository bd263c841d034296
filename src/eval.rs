//! Evaluation: top-1 and top-5 error and the mean log-probability over the validation images.
//!
//! An image's probabilities are the mean over its views (§4.1: ten, or the centre crop alone) and, for several
//! networks, over the networks, as the paper's ensembles are.

mod confusion;

pub use confusion::Confusion;

use crate::data::{self, DataSet, Exif, Skipped, Stats};
use crate::error::Result;
use crate::machine::Machine;
use std::sync::Arc;

/// How images are put before the network.
#[derive(Clone, Copy, Debug)]
pub struct Views {
    /// 1 (the centre crop), 10 (four corners, centre, and their mirror images) or 9 (three places across times three down).
    pub views: usize,
    /// Views the network takes at once.
    pub batch: usize,
    /// Threads that decode.
    pub workers: usize,
    /// What to do with EXIF orientation.
    pub exif: Exif,
}

/// Result of an evaluation. Errors are fractions.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Evaluation {
    /// Images counted.
    pub images: u64,
    /// Fraction of the images whose class is not the most probable one.
    pub top1_error: f64,
    /// Fraction of the images whose class is not among the five most probable.
    pub top5_error: f64,
    /// Mean of the natural logarithm of the right class's probability; at most 0.
    pub logprob: f64,
}

/// A running count over images.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    images: u64,
    top1_wrong: u64,
    top5_wrong: u64,
    logprob: f64,
}

impl Score {
    /// Counts an image of class `label` with these probabilities, one a class.
    ///
    /// It is in error among the first k when at least k classes are more probable, or as probable and listed earlier.
    pub fn add(&mut self, probabilities: &[f32], label: u32) {
        let label = label as usize;
        let own = probabilities[label];
        let before = |(i, &p): (usize, &f32)| p > own || (p == own && i < label);
        let ahead = probabilities.iter().enumerate().filter(|&c| before(c)).count();
        self.images += 1;
        self.top1_wrong += u64::from(ahead >= 1);
        self.top5_wrong += u64::from(ahead >= 5);
        // A probability that underflowed to 0 counts as the smallest there is, so that the mean stays a number.
        self.logprob += f64::from(own.max(f32::MIN_POSITIVE)).ln();
    }

    /// The means.
    pub fn evaluation(&self) -> Evaluation {
        let mean = |sum: f64| sum / self.images.max(1) as f64;
        Evaluation {
            images: self.images,
            top1_error: mean(self.top1_wrong as f64),
            top5_error: mean(self.top5_wrong as f64),
            logprob: mean(self.logprob),
        }
    }
}

/// Gives `take` the class and the probabilities (the mean over the views) of every image of `set`, in its order, until
/// it answers `false`. Returns whether every image was taken, and the images that could not be read.
pub fn classify(
    machine: &mut Machine,
    set: &Arc<DataSet>,
    stats: &Arc<Stats>,
    how: Views,
    mut take: impl FnMut(u32, &[f32]) -> bool,
) -> Result<(bool, Vec<Skipped>)> {
    let (crop, classes) = (machine.net().table.crop, machine.net().classes);
    let mut batches = data::evaluation(set.clone(), stats.clone(), how.views, crop, how.batch, how.workers, how.exif);
    while let Some(batch) = batches.next() {
        let batch = batch?;
        let means = mean_over_views(&machine.probabilities(&batch)?, how.views, classes);
        let labels = batch.labels.iter().step_by(how.views);
        for (&label, probabilities) in labels.zip(means.chunks_exact(classes)) {
            if !take(label, probabilities) {
                return Ok((false, batches.skipped().to_vec()));
            }
        }
        batches.recycle(batch);
    }
    Ok((true, batches.skipped().to_vec()))
}

/// `[N · views, classes]` → `[N, classes]`.
pub fn mean_over_views(probabilities: &[f32], views: usize, classes: usize) -> Vec<f32> {
    let mean = |image: &[f32]| -> Vec<f32> {
        let sum = |class: usize| image.iter().skip(class).step_by(classes).map(|&p| f64::from(p)).sum::<f64>();
        (0..classes).map(|class| (sum(class) / views as f64) as f32).collect()
    };
    probabilities.chunks_exact(views * classes).flat_map(mean).collect()
}

/// Classes by falling probability, equal ones in the order they are listed: `(index, probability)`, `count` at most.
pub fn top(probabilities: &[f32], count: usize) -> Vec<(usize, f32)> {
    let mut classes: Vec<_> = probabilities.iter().copied().enumerate().collect();
    classes.sort_by(|a, b| b.1.total_cmp(&a.1));
    classes.truncate(count);
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_class_listed_earlier() {
        let cases = [(vec![0.5, 0.5], 0, 0), (vec![0.5, 0.5], 1, 1), (vec![0.2, 0.8], 1, 0), (vec![0.2, 0.8], 0, 1)];
        for (probabilities, label, wrong) in cases {
            let mut score = Score::default();
            score.add(&probabilities, label);
            assert_eq!(score.top1_wrong, wrong, "{probabilities:?} {label}");
        }
    }

    #[test]
    fn top_five_counts_the_classes_ahead() {
        let equal = [1.0 / 7.0; 7];
        let mut score = Score::default();
        for label in 0..7 {
            score.add(&equal, label);
        }
        let result = score.evaluation();
        assert_eq!((result.images, result.top1_error, result.top5_error), (7, 6.0 / 7.0, 2.0 / 7.0));
        assert!((result.logprob + 7f64.ln()).abs() < 1e-6);
    }

    #[test]
    fn a_probability_of_zero_keeps_the_mean_finite() {
        let mut score = Score::default();
        score.add(&[1.0, 0.0], 1);
        assert!(score.evaluation().logprob.is_finite());
    }

    #[test]
    fn views_are_averaged() {
        assert_eq!(mean_over_views(&[1.0, 0.0, 0.5, 0.5, 0.0, 1.0, 0.0, 1.0], 2, 2), [0.75, 0.25, 0.0, 1.0]);
    }

    #[test]
    fn top_is_ordered_with_ties_by_index() {
        assert_eq!(top(&[0.1, 0.4, 0.4, 0.1], 3), [(1, 0.4), (2, 0.4), (0, 0.1)]);
        assert_eq!(top(&[1.0], 5), [(0, 1.0)]);
    }
}
