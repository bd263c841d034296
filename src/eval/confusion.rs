//! Which classes are taken for which.

use super::top;
use crate::draw::HeatMap;
use std::collections::BTreeMap;

/// The most classes whose matrix is drawn: more have less than a third of a pixel each.
const DRAWN: usize = 2000;

/// Images counted by their class and the class that was found most probable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confusion {
    counts: BTreeMap<(usize, usize), u64>,
}

impl Confusion {
    /// Counts an image of class `label` with these probabilities, one a class.
    pub fn add(&mut self, probabilities: &[f32], label: u32) {
        if let Some(&(found, _)) = top(probabilities, 1).first() {
            *self.counts.entry((label as usize, found)).or_default() += 1;
        }
    }

    /// Images of class `label` that were taken for `found`.
    pub fn count(&self, label: usize, found: usize) -> u64 {
        self.counts.get(&(label, found)).copied().unwrap_or(0)
    }

    /// Images of class `label`.
    pub fn of_class(&self, label: usize) -> u64 {
        self.counts.range((label, 0)..=(label, usize::MAX)).map(|(_, count)| count).sum()
    }

    /// The most frequent mistakes, the most frequent first: class, what it was taken for, how often.
    pub fn mistakes(&self, most: usize) -> Vec<(usize, usize, u64)> {
        let wrong = self.counts.iter().filter(|((label, found), _)| label != found);
        let mut wrong: Vec<_> = wrong.map(|(&(label, found), &count)| (label, found, count)).collect();
        wrong.sort_by_key(|&(label, found, count)| (std::cmp::Reverse(count), label, found));
        wrong.truncate(most);
        wrong
    }

    /// The matrix of classes with these names, a row's colours as shares of its images; `None` where there are too many
    /// classes to draw.
    pub fn heat_map(&self, names: &[String]) -> Option<HeatMap> {
        let classes = names.len();
        if classes > DRAWN {
            return None;
        }
        let (mut shares, mut notes) = (vec![0.0; classes * classes], vec![String::new(); classes * classes]);
        for (&(label, found), &count) in self.counts.iter().filter(|((l, f), _)| l.max(f) < &classes) {
            let place = label * classes + found;
            shares[place] = count as f64 / self.of_class(label) as f64;
            notes[place] = count.to_string();
        }
        let [title, rows, columns] = ["", "class of the image", "most probable class"].map(str::to_owned);
        Some(HeatMap { title, rows, columns, names: names.to_vec(), shares, notes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_counted_by_class_and_finding() {
        let mut confusion = Confusion::default();
        for (probabilities, label) in [([0.9, 0.1], 0), ([0.2, 0.8], 0), ([0.3, 0.7], 1), ([0.4, 0.6], 0)] {
            confusion.add(&probabilities, label);
        }
        let counts = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(l, f)| confusion.count(l, f));
        assert_eq!((counts, confusion.of_class(0)), ([1, 2, 0, 1], 3));
        assert_eq!(confusion.mistakes(5), [(0, 1, 2)]);
        let names = ["a".to_owned(), "b".to_owned()];
        let map = confusion.heat_map(&names).unwrap();
        assert_eq!(map.shares, [1.0 / 3.0, 2.0 / 3.0, 0.0, 1.0]);
        assert_eq!(map.notes, ["1", "2", "", "1"]);
        assert_eq!(confusion.heat_map(&vec![String::new(); DRAWN + 1]), None);
    }
}
