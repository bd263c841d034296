//! Unreadable images: skipped and named, an error when they are many. Skipping renumbers nothing.

use crate::data::source::{DataSet, Split};
use crate::error::{Error, Result};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// An image that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its number in its set.
    pub number: usize,
    /// The file.
    pub path: PathBuf,
    /// Why it could not be read.
    pub why: String,
}

/// The unreadable images of a set found so far, each once.
#[derive(Debug)]
pub(crate) struct Ledger {
    skipped: Vec<Skipped>,
    numbers: BTreeSet<usize>,
    /// Images of each class not known to be unreadable.
    left: Vec<usize>,
}

impl Ledger {
    pub(crate) fn new(set: &DataSet) -> Self {
        let mut left = vec![0; set.classes.len()];
        for number in 0..set.len() {
            left[set.label(number) as usize] += 1;
        }
        Self { skipped: Vec::new(), numbers: BTreeSet::new(), left }
    }

    /// Notes that image `number` could not be read; the second time it does nothing.
    ///
    /// # Errors
    /// More than ten images and more than 1 % of the set are unreadable, or a training class has none left.
    pub(crate) fn add(&mut self, set: &DataSet, number: usize, why: Error) -> Result<()> {
        let why = match why {
            Error::Image { why, .. } => why,
            other => return Err(other),
        };
        if !self.numbers.insert(number) {
            return Ok(());
        }
        self.skipped.push(Skipped { number, path: set.path(number), why });
        let class = set.label(number) as usize;
        self.left[class] -= 1;
        let bad = self.skipped.len();
        let path = set.root.join(set.split.name());
        if bad > 10 && bad * 100 > set.len() {
            let why = format!(
                "{bad} of {} images cannot be read (ten or 1 % would be skipped); repair or remove them: {}",
                set.len(),
                self.examples()
            );
            return Err(Error::Data { path, why });
        }
        if set.split == Split::Train && self.left[class] == 0 {
            let class = &set.classes[class];
            let why = format!(
                "no image of class \"{class}\" can be read; repair them or remove the folder: {}",
                self.examples()
            );
            return Err(Error::Data { path: path.join(class), why });
        }
        Ok(())
    }

    pub(crate) fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    pub(crate) fn into_skipped(mut self) -> Vec<Skipped> {
        self.skipped.sort_by_key(|s| s.number);
        self.skipped
    }

    /// The last few, for a message.
    fn examples(&self) -> String {
        let last = self.skipped.iter().rev().take(3);
        last.map(|s| format!("{} ({})", s.path.display(), s.why)).collect::<Vec<_>>().join(", ")
    }
}
