//! Work numbered from 0 and done by several threads, handed out in order.
//!
//! Thread t of T does numbers t, t + T, t + 2T, … and waits when two of its results are not yet taken, so the order
//! needs no sorting and the memory is bounded: 2 T results, and the one in use.

use crossbeam_channel::{Receiver, Sender};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Threads and what they have done. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Queue<T, Old> {
    next: u64,
    /// The first number that does not exist.
    end: u64,
    first: u64,
    /// A thread each.
    results: Vec<Receiver<T>>,
    /// What may be used again.
    old: (Sender<Old>, Receiver<Old>),
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl<T: Send + 'static, Old: Send + 'static> Queue<T, Old> {
    /// Does `range` with `work` on `threads` threads, each with a `maker` of its own. `work` is given something to use
    /// again, where there is any, and answers `None` where the flag was set meanwhile.
    pub fn start<M: Send + 'static>(
        threads: usize,
        range: Range<u64>,
        maker: impl Fn() -> M,
        work: fn(&mut M, u64, Option<Old>, &AtomicBool) -> Option<T>,
    ) -> Self {
        let threads = threads.max(1);
        let mut queue = Self {
            next: range.start,
            end: range.end,
            first: range.start,
            results: Vec::new(),
            old: crossbeam_channel::bounded(2 * threads + 1),
            stop: Arc::new(AtomicBool::new(false)),
            threads: Vec::new(),
        };
        for thread in 0..threads as u64 {
            let (sender, receiver): (Sender<T>, _) = crossbeam_channel::bounded(1);
            let (mut maker, old, stop) = (maker(), queue.old.1.clone(), queue.stop.clone());
            let mine = (range.start + thread..range.end).step_by(threads);
            let run = move || {
                for number in mine {
                    let Some(done) = work(&mut maker, number, old.try_recv().ok(), &stop) else { return };
                    if sender.send(done).is_err() {
                        return;
                    }
                }
            };
            let name = format!("loader-{thread}");
            queue.threads.push(std::thread::Builder::new().name(name).spawn(run).expect("a thread can be started"));
            queue.results.push(receiver);
        }
        queue
    }

    /// Gives something back to be used again.
    pub fn recycle(&self, old: Old) {
        // Where enough lies ready, it is freed.
        let _ = self.old.0.try_send(old);
    }

    /// The next result; `None` after the last.
    pub fn next(&mut self) -> Option<T> {
        if self.next == self.end {
            return None;
        }
        let thread = (self.next - self.first) as usize % self.results.len();
        self.next += 1;
        Some(self.results[thread].recv().expect("a thread ends only after its last number"))
    }
}

impl<T, Old> Drop for Queue<T, Old> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.results.clear();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so; there is nothing left to do with its result.
            let _ = thread.join();
        }
    }
}
