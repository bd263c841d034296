//! AlexNet, trained as its paper trained it, on any GPU.
//!
//! The modules follow the data.

pub mod alexnet;
pub mod data;
pub mod error;
pub mod gpu;
pub mod layer;
pub mod machine;
pub mod net;
pub mod random;
pub mod recipe;
pub mod shape;

pub use error::{Error, Result};
