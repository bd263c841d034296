//! The paper's experiments, each with arms that are trained with the same seeds, and what it says set beside what is found.
//!
//! - [`experiment`]: what an experiment is, and its findings; the experiments themselves are in `comparisons`, `fig1`, `fig3`,
//!   `fig4`, `init` and `table2`
//! - [`sources`]: the images, drawn or the user's
//! - [`lab`]: trained networks and what was measured on them, nothing twice
//! - [`statistics`]: intervals and verdicts
//! - [`campaign`]: what is run, how long it takes, and in which order
//! - [`results`]: files, tables, text, and the report as one page

pub mod campaign;
mod comparisons;
pub mod experiment;
mod fig1;
mod fig3;
mod fig4;
mod init;
pub mod lab;
mod report;
pub mod results;
pub mod sources;
pub mod statistics;
mod table2;

pub use campaign::{Campaign, End, Request};
pub use experiment::{Experiment, Scale, Source};

/// Every experiment, in the order of the paper.
pub const ALL: [&Experiment; 14] = [
    &fig1::FIG1,
    &comparisons::TWO_GPUS,
    &comparisons::LRN,
    &comparisons::OVERLAP,
    &comparisons::AUGMENTATION,
    &comparisons::DROPOUT,
    &comparisons::DECAY,
    &comparisons::TALK,
    &comparisons::DEPTH,
    &comparisons::TABLE1,
    &table2::TABLE2,
    &fig3::FIG3,
    &fig4::FIG4,
    &init::INIT,
];
