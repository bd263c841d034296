//! Image files to batches: images decoded and augmented a second.
//!
//! `cargo bench --bench loader -- [DATA] --workers 2`

mod common;

fn main() -> std::process::ExitCode {
    common::run("loader")
}
