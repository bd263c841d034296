//! The command line: parse → run → exit code.

use alexnet::cli::{self, Cli};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    quiet_egl();
    match cli::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", cli::chain(&error));
            cli::exit_code(&error)
        }
    }
}

/// Without this folder, as in a container, EGL prints an error each time it lists its adapters, though it needs none.
fn quiet_egl() {
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: the first thing the program does; no other thread reads the environment yet.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", std::env::temp_dir()) };
    }
}
