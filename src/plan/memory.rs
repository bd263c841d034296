//! Where the tensors of a step lie: tensors that are never needed at the same time share space.
//!
//! The plan walks a step once and notes when each tensor is touched. A tensor takes its place from its first use to its
//! last; tensors of one command lie in different buffers, because wgpu tracks how a command uses a buffer as a whole.
//! Everything is decided by lengths and order: equal plans have equal places.

use std::cmp::Reverse;

/// Part of a device's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which of the device's buffers; while the plan is made, which tensor.
    pub buffer: usize,
    /// Of the first value, in values.
    pub offset: usize,
    /// Values.
    pub len: usize,
}

impl Place {
    /// `len` values from the value `offset` of this part on.
    pub fn part(self, offset: usize, len: usize) -> Self {
        assert!(offset + len <= self.len, "{len} values from {offset} on of {}", self.len);
        Self { offset: self.offset + offset, len, ..self }
    }

    /// The same part, once its tensor has a place.
    pub(super) fn settled(self, places: &[Place]) -> Self {
        places[self.buffer].part(self.offset, self.len)
    }
}

/// A tensor that waits for its place.
#[derive(Debug)]
struct Life {
    len: usize,
    /// First and last command that touches it; `None` where none does.
    span: Option<(usize, usize)>,
    /// Tensors it shares a command with.
    beside: Vec<usize>,
}

impl Life {
    fn meets(&self, other: &Life) -> bool {
        let (Some((a, b)), Some((c, d))) = (self.span, other.span) else { return false };
        a <= d && c <= b
    }
}

/// Tensors of one device, and the commands of a step that touch them.
#[derive(Debug, Default)]
pub(super) struct Lives {
    tensors: Vec<Life>,
    commands: usize,
}

impl Lives {
    /// A tensor of `len` values, whole.
    pub fn tensor(&mut self, len: usize) -> Place {
        self.tensors.push(Life { len, span: None, beside: Vec::new() });
        Place { buffer: self.tensors.len() - 1, offset: 0, len }
    }

    /// The next command, or several that run in no order, touches these.
    pub fn command(&mut self, touched: impl IntoIterator<Item = Place>) {
        let mut touched: Vec<_> = touched.into_iter().map(|place| place.buffer).collect();
        touched.sort_unstable();
        touched.dedup();
        for &tensor in &touched {
            let life = &mut self.tensors[tensor];
            life.span = Some((life.span.map_or(self.commands, |(first, _)| first), self.commands));
            life.beside.extend(touched.iter().filter(|&&other| other != tensor));
        }
        self.commands += 1;
    }

    /// A place for every tensor and the length of every buffer, none above `most` values where a tensor is not. Offsets
    /// are multiples of `alignment` values.
    pub fn place(&self, alignment: usize, most: usize) -> (Vec<Place>, Vec<usize>) {
        let span = |tensor: usize| self.tensors[tensor].span.map_or(0, |(first, last)| last - first + 1);
        let len = |tensor: usize| self.tensors[tensor].len;
        let order = |by: &dyn Fn(usize) -> Reverse<usize>| {
            let mut order: Vec<_> = (0..self.tensors.len()).collect();
            order.sort_by_key(|&tensor| by(tensor));
            self.in_order(&order, alignment, most)
        };
        // No order is best for every net; the first of the smallest is taken.
        let tried = [order(&|tensor| Reverse(len(tensor))), order(&|tensor| Reverse(len(tensor) * span(tensor)))];
        tried.into_iter().min_by_key(|(_, buffers)| buffers.iter().sum::<usize>()).expect("orders were tried")
    }

    /// Each tensor goes where the buffers grow least; among those, into the tightest gap.
    fn in_order(&self, order: &[usize], alignment: usize, most: usize) -> (Vec<Place>, Vec<usize>) {
        let mut places: Vec<Option<Place>> = vec![None; self.tensors.len()];
        let mut buffers: Vec<usize> = Vec::new();
        for &tensor in order {
            let life = &self.tensors[tensor];
            let len = life.len.next_multiple_of(alignment);
            let mut best = (len, 0, buffers.len(), 0);
            for (buffer, &size) in buffers.iter().enumerate() {
                if life.beside.iter().any(|&other| places[other].is_some_and(|place| place.buffer == buffer)) {
                    continue;
                }
                // What is taken while this tensor lives, in the order of the buffer.
                let others = places.iter().enumerate().filter_map(|(other, place)| {
                    let place = place.filter(|place| place.buffer == buffer && life.meets(&self.tensors[other]))?;
                    Some((place.offset, place.offset + place.len.next_multiple_of(alignment)))
                });
                let mut taken: Vec<_> = others.collect();
                taken.sort_unstable();
                let mut free = 0;
                for (begin, end) in taken.into_iter().chain([(usize::MAX, usize::MAX)]) {
                    let gap = begin.min(size.max(free)) - free.min(begin);
                    let grows = if begin == usize::MAX { (free + len).saturating_sub(size) } else { 0 };
                    if (gap >= len || begin == usize::MAX) && (size.max(free + len) <= most) {
                        best = best.min((grows, gap.saturating_sub(len), buffer, free));
                    }
                    free = free.max(end);
                }
            }
            let (grows, _, buffer, offset) = best;
            if buffer == buffers.len() {
                buffers.push(0);
            }
            buffers[buffer] += grows;
            places[tensor] = Some(Place { buffer, offset, len: life.len });
        }
        (places.into_iter().map(|place| place.expect("every tensor is in the order")).collect(), buffers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::hash;

    /// Random steps: no two tensors that live at once overlap, none of one command share a buffer, no buffer is too long.
    #[test]
    fn tensors_share_space_only_when_one_of_them_is_dead() {
        let (most, mut shared) = (600, 0);
        for case in 0..200u32 {
            let mut lives = Lives::default();
            let all: Vec<_> = (0..12).map(|i| lives.tensor(1 + hash(&[case, i]) as usize % 200)).collect();
            for command in 0..20 {
                let touched = (0..3).map(|k| all[hash(&[case, 100 + command, k]) as usize % all.len()]);
                lives.command(touched);
            }
            let (places, buffers) = lives.place(8, most);
            assert!(buffers.iter().all(|&len| len <= most), "{buffers:?}");
            for (i, (a, life)) in places.iter().zip(&lives.tensors).enumerate() {
                assert!(a.offset % 8 == 0 && a.offset + a.len <= buffers[a.buffer], "{a:?} of {buffers:?}");
                for (j, (b, other)) in places.iter().zip(&lives.tensors).enumerate().skip(i + 1) {
                    let apart = a.buffer != b.buffer || a.offset + a.len <= b.offset || b.offset + b.len <= a.offset;
                    assert!(apart || !life.meets(other), "case {case}: {a:?} and {b:?}");
                    assert!(a.buffer != b.buffer || !life.beside.contains(&j), "case {case}: {a:?} and {b:?}");
                }
            }
            let len = |tensors: &[Place]| tensors.iter().map(|tensor| tensor.len.next_multiple_of(8)).sum::<usize>();
            shared += len(&all) - buffers.iter().sum::<usize>();
        }
        assert!(shared > 0, "nothing was shared");
    }
}
