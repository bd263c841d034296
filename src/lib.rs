//! AlexNet, trained as its paper trained it, on any GPU.
//!
//! The modules follow the data.

pub mod alexnet;
pub mod bench;
pub mod cases;
pub mod check;
pub mod checkpoint;
pub mod cli;
pub mod column;
pub mod data;
pub mod durable;
pub mod error;
pub mod eval;
pub mod filters;
pub mod gpu;
pub mod layer;
pub mod layers;
pub mod machine;
pub mod metrics;
pub mod net;
pub mod plan;
pub mod predict;
pub mod products;
pub mod random;
pub mod recipe;
pub mod reference;
pub mod run;
pub mod schedule;
pub mod shape;
pub mod solo;
pub mod synth;
pub mod train;
pub mod weights;

pub use error::{Error, Result};
