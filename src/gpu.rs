//! The machine below the layers: adapters, shaders, tensors, recorded programs.

mod adapter;
mod kernel;
mod recorder;
mod tensor;

pub use adapter::{AdapterRow, Device, Profile, list, select};
pub use kernel::{Binding, Const, SHADERS, assemble, reflect};
pub use recorder::{Bind, Program, Recorder, Staging, Timed, grid};
pub use tensor::{Tensor, Texture};
