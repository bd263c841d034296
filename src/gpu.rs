//! The machine below the layers: adapters, shaders, recorded programs.

/// An opened adapter.
pub struct Device {}

pub use crate::stub::gpu::*;
