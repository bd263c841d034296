//! Whole training steps: images a second, split into compute, exchange and waiting for data.
//!
//! `cargo bench --bench step -- --net tiny --adapters 0,0`

mod common;

fn main() -> std::process::ExitCode {
    common::run("step")
}
