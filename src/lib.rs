//! AlexNet, trained as its paper trained it, on any GPU.
//!
//! The map, in the order of the data; `ARCHITECTURE.md` says why. The heart is marked ★.
//!
//! **What is trained**
//! - [`layer`]: the kinds of layer, their shape rules and parameters
//! - [`net`]: a network as a table of rows, and its resolution into shapes
//! - [`alexnet`]: ★ the tables, beside the paper's Figure 2; [`variation`]: parts left out or changed
//! - [`recipe`]: rates, decay and initial values, with the paper's sections
//! - [`shape`], [`random`], [`error`]: `[C, H, W, N]`, counter-based draws, what a user can cause
//!
//! **From files to batches**
//! - [`synth`]: the built-in data set
//! - [`data`]: sources → squares → views → batches, by worker threads
//! - [`prepare`]: a source decoded once, in shards
//!
//! **From the table to programs**
//! - [`plan`]: ★ phases of a step, what crosses between columns, memory; data alone
//! - [`mod@column`]: one column's tensors, and its programs, recorded once
//! - [`optimizer`]: the update, and what becomes of a gradient
//! - [`layers`]: what each kind of layer records, forward beside backward
//! - [`products`]: the three products of a convolution, by family of kernels
//! - [`gpu`]: adapters, shaders, tensors, recorded programs
//! - [`machine`]: ★ both columns on their adapters, the exchange, one step
//! - [`mod@tune`]: which variants run, by measurement
//!
//! **From steps to a run**
//! - [`schedule`]: the learning rate over a run
//! - [`train`]: ★ the loop: step, evaluation, checkpoint
//! - [`metrics`], [`run`], [`checkpoint`], [`weights`]: what is written
//! - [`tensorboard`]: event files
//! - [`durable`]: writing so that a crash leaves the old file or the new one
//!
//! **Use**
//! - [`eval`], [`predict`], [`filters`]: errors, classes of images, Figure 3
//! - [`features`], [`similar`]: activations of a layer for every image of a set, and the nearest among them
//! - [`show`]: predictions, neighbours, maps and confusion in pictures
//! - [`draw`]: charts and pictures, as SVG and PNG
//! - [`plot`], [`watch`]: curves of runs, and a run followed in a terminal
//! - [`report`], [`page`]: a run on one page, and the page
//! - [`mod@reproduce`]: the paper's experiments, beside its numbers
//! - [`cli`]: what can be typed
//!
//! **Trust**
//! - [`mod@reference`]: the mathematics in f64, as plain loops over the table
//! - [`cases`], [`solo`], [`check`]: every kernel at odd sizes against the reference
//! - [`mod@bench`], [`trace`]: rates of steps and kernels; what ran when

pub mod alexnet;
pub mod bench;
pub mod cases;
pub mod check;
pub mod checkpoint;
pub mod cli;
pub mod column;
pub mod data;
pub mod draw;
pub mod durable;
pub mod error;
pub mod eval;
pub mod features;
pub mod filters;
#[doc(hidden)]
pub mod fuzz;
pub mod gpu;
pub mod layer;
pub mod layers;
pub mod machine;
pub mod metrics;
pub mod net;
pub mod optimizer;
pub mod page;
pub mod plan;
pub mod plot;
pub mod predict;
pub mod prepare;
pub mod products;
pub mod random;
pub mod recipe;
pub mod reference;
pub mod report;
pub mod reproduce;
pub mod run;
pub mod schedule;
pub mod shape;
pub mod show;
pub mod similar;
pub mod solo;
pub mod synth;
pub mod tensorboard;
pub mod trace;
pub mod train;
pub mod tune;
pub mod variation;
pub mod watch;
pub mod weights;

pub use error::{Error, Result};
