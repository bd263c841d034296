//! Mapped buffers, through which data leaves a device or reaches it. Each is made once and used again and again.

use super::{Device, Tensor};
use crate::error::{Error, Result};
use crossbeam_channel::{Receiver, bounded};
use std::sync::Mutex;
use wgpu::BufferUsages;

/// A buffer that is about to be mapped, once the submission that uses it has ended.
pub struct Mapping {
    after: wgpu::SubmissionIndex,
    mapped: Receiver<Result<(), wgpu::BufferAsyncError>>,
}

impl Mapping {
    fn request(buffer: &wgpu::Buffer, mode: wgpu::MapMode, bytes: u64, after: wgpu::SubmissionIndex) -> Self {
        let (sender, mapped) = bounded(1);
        buffer.map_async(mode, 0..bytes, move |result| {
            // The receiver is gone only when waiting failed before.
            let _ = sender.send(result);
        });
        Self { after, mapped }
    }

    /// Waits for that submission, not for those after it.
    fn wait(self, device: &Device) -> Result<()> {
        device.wait_for(self.after)?;
        // Another thread that waits for the device may have taken the answer and be about to hand it over.
        match self.mapped.recv() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(lost(device, &e)),
            Err(e) => Err(lost(device, &e)),
        }
    }
}

fn lost(device: &Device, why: &dyn std::fmt::Display) -> Error {
    Error::DeviceLost(format!("{}: a buffer was not mapped: {why}", device.describe()))
}

/// A buffer through which tensors reach the host.
pub struct Staging {
    buffer: wgpu::Buffer,
}

impl Staging {
    /// Room for `bytes` bytes.
    pub fn new(device: &Device, bytes: u64) -> Self {
        Self { buffer: device.buffer("staging", bytes, BufferUsages::MAP_READ | BufferUsages::COPY_DST) }
    }

    /// Submits the copy of a tensor, after everything submitted before, and begins to map it.
    pub fn send(&self, device: &Device, tensor: &Tensor) -> Mapping {
        let (from, bytes) = (&tensor.buffer, tensor.bytes());
        let after = device.submit(|encoder| encoder.copy_buffer_to_buffer(from, tensor.offset, &self.buffer, 0, bytes));
        Mapping::request(&self.buffer, wgpu::MapMode::Read, bytes, after)
    }

    /// Waits for a copy that [`Staging::send`] began and hands over its `bytes` bytes.
    ///
    /// # Errors
    /// The device was lost.
    pub fn take<T>(&self, device: &Device, mapping: Mapping, bytes: u64, take: impl FnOnce(&[u8]) -> T) -> Result<T> {
        mapping.wait(device)?;
        let view = self.buffer.get_mapped_range(0..bytes).map_err(|e| lost(device, &e))?;
        let taken = take(&view);
        drop(view);
        self.buffer.unmap();
        Ok(taken)
    }

    /// A tensor's bytes, at once.
    ///
    /// # Errors
    /// The device was lost.
    pub fn read<T>(&self, device: &Device, tensor: &Tensor, take: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let mapping = self.send(device, tensor);
        self.take(device, mapping, tensor.bytes(), take)
    }
}

/// A buffer through which data reaches a device. It is filled while the device works on what came before.
pub struct Upload {
    buffer: wgpu::Buffer,
    /// `None` while it is mapped.
    mapping: Mutex<Option<Mapping>>,
}

impl Upload {
    /// Room for `bytes` bytes.
    pub fn new(device: &Device, bytes: u64) -> Self {
        let buffer = device.buffer("upload", bytes, BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC);
        Self { buffer, mapping: Mutex::new(None) }
    }

    /// Fills it with `parts`, one behind the other, each a multiple of four bytes. Waits until the copies of the last
    /// [`Upload::send`] have run, and not for what follows them.
    ///
    /// # Errors
    /// The device was lost.
    pub fn fill(&self, device: &Device, parts: &[&[u8]]) -> Result<()> {
        let mapping = self.mapping.lock().expect("no holder panics").take();
        mapping.map_or(Ok(()), |mapping| mapping.wait(device))?;
        let mut view = self.buffer.get_mapped_range_mut(..).map_err(|e| lost(device, &e))?;
        let mut offset = 0;
        for part in parts {
            view.slice(offset..offset + part.len()).copy_from_slice(part);
            offset += part.len();
        }
        drop(view);
        self.buffer.unmap();
        Ok(())
    }

    /// Submits copies of what was filled in to `places` (bytes, buffer, offset), in the same order.
    pub fn send(&self, device: &Device, places: impl IntoIterator<Item = (u64, wgpu::Buffer, u64)>) {
        let after = device.submit(|encoder| {
            let mut offset = 0;
            for (bytes, buffer, to) in places {
                encoder.copy_buffer_to_buffer(&self.buffer, offset, &buffer, to, bytes);
                offset += bytes;
            }
        });
        let mapping = Mapping::request(&self.buffer, wgpu::MapMode::Write, self.buffer.size(), after);
        *self.mapping.lock().expect("no holder panics") = Some(mapping);
    }
}
