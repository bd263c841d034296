//! The machine below the layers: adapters, shaders, tensors, recorded programs.

mod account;
mod adapter;
mod device;
mod kernel;
mod recorder;
mod staging;
mod tensor;
mod timeline;

pub use account::{Account, HostTime};
pub use adapter::{AdapterRow, list, select};
pub use device::{Device, Profile};
pub use kernel::{Binding, Const, Packing, SHADERS, assemble, reflect};
pub use recorder::{Bind, Program, Recorder, Timed, grid};
pub use staging::{Mapping, Staging, Upload};
pub use tensor::{Tensor, Texture};
pub use timeline::Timeline;
