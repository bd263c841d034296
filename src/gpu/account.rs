//! What a device was asked for since it was opened: buffers, bind groups and pipelines made, host time.

use super::Device;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Counts of one device. None of them changes what runs.
#[derive(Debug, Default)]
pub struct Account {
    made: AtomicU64,
    bytes: AtomicU64,
    recording: AtomicU64,
    submitting: AtomicU64,
}

/// Seconds of the host since the device was opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostTime {
    /// Recording and validating commands, which is the program's own work.
    pub recording: f64,
    /// Handing them to the driver. A software adapter's may compute meanwhile.
    pub submitting: f64,
}

impl Account {
    /// Buffers, textures, bind groups and pipelines made.
    pub fn made(&self) -> u64 {
        self.made.load(Relaxed)
    }

    /// Bytes of the buffers and textures made.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Seconds of the host.
    pub fn host(&self) -> HostTime {
        let seconds = |nanoseconds: &AtomicU64| nanoseconds.load(Relaxed) as f64 / 1e9;
        HostTime { recording: seconds(&self.recording), submitting: seconds(&self.submitting) }
    }

    /// Notes one object more, of `bytes` bytes.
    pub(super) fn make(&self, bytes: u64) {
        self.made.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// Notes host time spent on recording.
    pub(super) fn recorded(&self, time: Duration) {
        self.recording.fetch_add(time.as_nanos() as u64, Relaxed);
    }
}

impl Device {
    /// A buffer of `bytes` bytes: every buffer of the project is made here.
    pub fn buffer(&self, label: &str, bytes: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        self.account.make(bytes);
        self.raw.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes,
            usage,
            mapped_at_creation: usage.contains(wgpu::BufferUsages::MAP_WRITE),
        })
    }

    /// Records commands and submits them: every submission of the project is made here.
    pub fn submit(&self, record: impl FnOnce(&mut wgpu::CommandEncoder)) -> wgpu::SubmissionIndex {
        let start = Instant::now();
        let mut encoder = self.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        record(&mut encoder);
        let commands = encoder.finish();
        let recorded = Instant::now();
        let index = self.queue.submit([commands]);
        self.account.recorded(recorded - start);
        self.account.submitting.fetch_add(recorded.elapsed().as_nanos() as u64, Relaxed);
        index
    }
}
