//! Every kernel of every row: milliseconds, GFLOP/s, GB/s; each checked against the CPU reference first.
//!
//! `cargo bench --bench kernels -- --net tiny --batch 32`

mod common;

fn main() -> std::process::ExitCode {
    common::run("kernels")
}
