//! AlexNet, trained as its paper trained it, on any GPU.
//!
//! The modules follow the data.

pub mod alexnet;
pub mod cases;
pub mod check;
pub mod column;
pub mod data;
pub mod error;
pub mod gpu;
pub mod layer;
pub mod layers;
pub mod machine;
pub mod net;
pub mod plan;
pub mod products;
pub mod random;
pub mod recipe;
pub mod reference;
pub mod shape;
pub mod solo;
pub mod synth;

pub use error::{Error, Result};
