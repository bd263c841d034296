//! What the benchmarks share: each is `alexnet bench NAME` under cargo's own command, so nothing is measured twice.

use alexnet::cli::{self, Cli};
use clap::Parser;
use std::process::ExitCode;

/// Runs `alexnet bench NAME` with the arguments after `--`.
///
/// `cargo bench` says `--bench`; `cargo test --benches` does not, and then there is nothing to do.
pub fn run(name: &str) -> ExitCode {
    let (bench, arguments): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|word| word == "--bench");
    if bench.is_empty() {
        println!("{name}: measured by `cargo bench --bench {name}`");
        return ExitCode::SUCCESS;
    }
    let words = ["alexnet", "bench", name].map(str::to_owned).into_iter().chain(arguments);
    cli::run(Cli::parse_from(words)).unwrap_or_else(|error| {
        eprintln!("error: {}", cli::chain(&error));
        cli::exit_code(&error)
    })
}
