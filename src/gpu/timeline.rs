//! When a device ran what: timestamps around each submission, for `bench step --trace`.

use super::{Device, Staging, Tensor};
use crate::error::Result;
use std::sync::Mutex;
use std::time::Instant;

/// Submissions one timeline can hold.
const SUBMISSIONS: u32 = 1024;

/// A device's timestamps; empty unless a trace was begun.
#[derive(Default)]
pub struct Timeline(Mutex<Option<Stamps>>);

struct Stamps {
    queries: wgpu::QuerySet,
    /// What is submitted next.
    label: String,
    /// Of each pair of timestamps.
    labels: Vec<String>,
}

/// Timestamps of one submission: of its first pass's begin and its last pass's end.
pub(super) struct Pair {
    pub(super) queries: wgpu::QuerySet,
    pub(super) begin: u32,
    pub(super) end: u32,
}

impl Timeline {
    /// What the next submissions belong to.
    pub fn label(&self, label: &str) {
        if let Some(stamps) = &mut *self.0.lock().expect("no holder panics") {
            label.clone_into(&mut stamps.label);
        }
    }

    /// Timestamps for a submission, while a trace runs.
    pub(super) fn pair(&self) -> Option<Pair> {
        let mut stamps = self.0.lock().expect("no holder panics");
        let stamps = stamps.as_mut().filter(|stamps| stamps.labels.len() < SUBMISSIONS as usize)?;
        let begin = 2 * stamps.labels.len() as u32;
        stamps.labels.push(stamps.label.clone());
        Some(Pair { queries: stamps.queries.clone(), begin, end: begin + 1 })
    }
}

impl Device {
    /// Begins to note when submissions run; `false` where the adapter has no timestamps.
    pub fn begin_timeline(&self) -> bool {
        if !self.raw.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return false;
        }
        let queries = self.raw.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("timeline"),
            ty: wgpu::QueryType::Timestamp,
            count: 2 * SUBMISSIONS,
        });
        *self.timeline.0.lock().expect("no holder panics") =
            Some(Stamps { queries, label: String::new(), labels: Vec::new() });
        true
    }

    /// Ends the timeline: label, begin and end in seconds after `origin` of every submission that had passes.
    ///
    /// # Errors
    /// The device was lost.
    pub fn end_timeline(&self, origin: Instant) -> Result<Vec<(String, f64, f64)>> {
        // One stamp more, whose place in the host's time is known.
        self.timeline.label("now");
        self.wait()?;
        let before = origin.elapsed().as_secs_f64();
        self.submit(|encoder| {
            let pair = self.timeline.pair();
            let stamps = pair.as_ref().map(|pair| pair.writes(true, true));
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes: stamps });
        });
        self.wait()?;
        let now = before.midpoint(origin.elapsed().as_secs_f64());
        let Some(Stamps { queries, mut labels, .. }) = self.timeline.0.lock().expect("no holder panics").take() else {
            return Ok(Vec::new());
        };
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let bytes = labels.len() as u64 * 16;
        let resolved = Tensor { buffer: self.buffer("timestamps", bytes, usage), offset: 0, len: labels.len() * 4 };
        self.submit(|encoder| {
            encoder.resolve_query_set(&queries, 0..2 * labels.len() as u32, &resolved.buffer, 0);
        });
        let stamps: Vec<u64> = Staging::new(self, bytes)
            .read(self, &resolved, |bytes| bytes.chunks_exact(8).map(bytemuck::pod_read_unaligned).collect())?;
        let tick = f64::from(self.queue.get_timestamp_period()) / 1e9;
        let last = stamps.last().copied().unwrap_or(0);
        let at = |stamp: u64| now - (last.wrapping_sub(stamp) as i64) as f64 * tick;
        if labels.len() < SUBMISSIONS as usize {
            labels.pop();
        }
        let spans = labels.into_iter().zip(stamps.chunks_exact(2)).filter(|(_, pair)| pair[0] != 0 && pair[1] != 0);
        Ok(spans.map(|(label, pair)| (label, at(pair[0]), at(pair[1]))).collect())
    }
}

impl Pair {
    /// For a pass that is a submission's first, or its last, or both.
    pub(super) fn writes(&self, first: bool, last: bool) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: first.then_some(self.begin),
            end_of_pass_write_index: last.then_some(self.end),
        }
    }
}
