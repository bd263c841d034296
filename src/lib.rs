//! AlexNet, trained as its paper trained it, on any GPU.
//!
//! The modules follow the data.

pub mod alexnet;
pub mod checkpoint;
pub mod cli;
pub mod data;
pub mod durable;
pub mod error;
pub mod eval;
pub mod filters;
pub mod gpu;
pub mod layer;
pub mod machine;
pub mod metrics;
pub mod net;
pub mod predict;
pub mod random;
pub mod recipe;
pub mod run;
pub mod schedule;
pub mod shape;
pub mod stub;
pub mod train;
pub mod weights;

pub use stub::{bench, check, layers, plan, synth};

pub use error::{Error, Result};
