//! The command line: parse → run → exit code.

use alexnet::cli::{self, Cli};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", cli::chain(&error));
            cli::exit_code(&error)
        }
    }
}
