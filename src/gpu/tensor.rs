//! Tensors: ranges of storage buffers. Textures: linear views of a tensor for kernels that read faster that way.

use super::Device;
use std::ops::Range;
use wgpu::BufferUsages;

/// f32 (or u32) values in a range of a storage buffer.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// The buffer, which other tensors may share.
    pub buffer: wgpu::Buffer,
    /// Of the first value, in bytes.
    pub offset: u64,
    /// Values.
    pub len: usize,
}

impl Tensor {
    /// A tensor of zeros in a buffer of its own, padded to whole vec4s.
    pub fn zeros(device: &Device, label: &str, len: usize) -> Self {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let buffer = device.buffer(label, (len.next_multiple_of(4) * 4) as u64, usage);
        Self { buffer, offset: 0, len }
    }

    /// The values in `range`, in the same buffer.
    pub fn slice(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {} values", self.len);
        Self { buffer: self.buffer.clone(), offset: self.offset + range.start as u64 * 4, len: range.len() }
    }

    /// Bytes of the values, padded to whole vec4s.
    pub fn bytes(&self) -> u64 {
        (self.len.next_multiple_of(4) * 4) as u64
    }

    /// Queues a write of `values` to the front of the tensor, before the next submission.
    pub fn write<T: bytemuck::NoUninit>(&self, device: &Device, values: &[T]) {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        assert!(bytes.len() <= 4 * self.len, "{} bytes for {} values", bytes.len(), self.len);
        device.queue.write_buffer(&self.buffer, self.offset, bytes);
    }

    /// Reads every value, waiting for all submitted work.
    ///
    /// # Errors
    /// The device was lost.
    pub fn read(&self, device: &Device) -> crate::Result<Vec<f32>> {
        let staging = super::Staging::new(device, self.bytes());
        staging.read(device, self, |bytes| bytemuck::cast_slice(bytes)[..self.len].to_vec())
    }
}

/// Texels a row of a linear texture holds.
pub const TEXTURE_WIDTH: usize = 4096;

/// An rgba32float texture read as one long row of vec4s: texel `i` lies at `(i % TEXTURE_WIDTH, i / TEXTURE_WIDTH)`.
/// Software adapters read it 3.5 times faster than a storage buffer.
#[derive(Clone, Debug)]
pub struct Texture {
    /// wgpu's texture.
    pub raw: wgpu::Texture,
    /// The whole of it, to bind.
    pub view: wgpu::TextureView,
    rows: usize,
}

impl Texture {
    /// Room for `values` f32s, and one row more for loads past the end, whose values are never used.
    pub fn new(device: &Device, label: &str, values: usize) -> Self {
        let rows = Self::rows(values);
        device.account.make(Self::bytes(values));
        let raw = device.raw.create_texture(&wgpu::TextureDescriptor {
            label: Some(label),
            size: wgpu::Extent3d { width: TEXTURE_WIDTH as u32, height: rows as u32, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba32Float,
            usage: wgpu::TextureUsages::STORAGE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let view = raw.create_view(&wgpu::TextureViewDescriptor::default());
        Self { raw, view, rows }
    }

    fn rows(values: usize) -> usize {
        values.div_ceil(4).div_ceil(TEXTURE_WIDTH) + 1
    }

    /// Bytes a texture for `values` f32s takes.
    pub fn bytes(values: usize) -> u64 {
        (Self::rows(values) * TEXTURE_WIDTH * 16) as u64
    }

    /// Records the copy of `tensor` to the front of the texture.
    pub(super) fn copy_from(&self, encoder: &mut wgpu::CommandEncoder, tensor: &Tensor) {
        let texels = tensor.len.div_ceil(4);
        let (full, rest) = (texels / TEXTURE_WIDTH, texels % TEXTURE_WIDTH);
        assert!(full + 2 <= self.rows + 1, "{texels} texels in {} rows", self.rows);
        for (row, rows, width) in [(0, full, TEXTURE_WIDTH), (full, 1, rest)] {
            if rows * width == 0 {
                continue;
            }
            encoder.copy_buffer_to_texture(
                wgpu::TexelCopyBufferInfo {
                    buffer: &tensor.buffer,
                    layout: wgpu::TexelCopyBufferLayout {
                        offset: tensor.offset + (row * TEXTURE_WIDTH * 16) as u64,
                        bytes_per_row: Some((TEXTURE_WIDTH * 16) as u32),
                        rows_per_image: None,
                    },
                },
                wgpu::TexelCopyTextureInfo {
                    texture: &self.raw,
                    mip_level: 0,
                    origin: wgpu::Origin3d { x: 0, y: row as u32, z: 0 },
                    aspect: wgpu::TextureAspect::All,
                },
                wgpu::Extent3d { width: width as u32, height: rows as u32, depth_or_array_layers: 1 },
            );
        }
    }
}
