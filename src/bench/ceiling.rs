//! What an adapter can do at most, measured: a kernel of nothing but `fma`, and one that copies.

use super::median;
use crate::error::Result;
use crate::gpu::{Device, Program, Recorder, Tensor};
use crate::solo::step_uniform;
use serde::Serialize;
use std::fmt;

/// Sums a thread of `bench/fma` adds to.
const SUMS: usize = 24;
/// Multiply-adds of each of them in a run.
const ROUNDS: usize = 4096;
/// Bytes of each operand of the copy: past the caches, within every adapter's binding.
const BYTES: u64 = 64 << 20;
/// Runs of each; the median counts.
const RUNS: usize = 5;

/// An adapter's own limits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ceiling {
    /// Name, backend and driver.
    pub adapter: String,
    /// 2 · multiply-adds / second / 1e9 of `fma` alone.
    pub gflops: f64,
    /// Bytes read and written / second / 1e9 of a copy.
    pub gigabytes: f64,
}

impl fmt::Display for Ceiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nceiling: {:.1} GFLOP/s of fma, {:.1} GB/s of copies", self.adapter, self.gflops, self.gigabytes)
    }
}

/// The two kernels, ready to run: `threads` threads of `fma`, and the copy.
pub struct Kernels {
    threads: usize,
    /// `bench/fma`.
    pub fma: Program,
    /// `bench/copy`.
    pub copy: Program,
}

impl Kernels {
    /// Records both with `threads` threads, a multiple of a workgroup's.
    pub fn new(device: &Device, threads: usize) -> Self {
        let step = step_uniform(device);
        let workgroup = device.profile.workgroup;
        let threads = threads.next_multiple_of(workgroup as usize);
        let y = Tensor::zeros(device, "sums", threads);
        let mut rec = Recorder::new(device, &step);
        let consts = [("WORKGROUP", workgroup.into()), ("ROUNDS", ROUNDS.into())];
        rec.dispatch("bench/fma", &consts, &[("y", (&y).into())], [threads as u32 / workgroup, 1, 1]);
        let fma = rec.finish();
        let values = (BYTES.min(device.profile.max_binding) / 16 * 4) as usize;
        let [x, y] = ["from", "to"].map(|name| Tensor::zeros(device, name, values));
        let mut rec = Recorder::new(device, &step);
        rec.each("bench/copy", values / 4, &[], &[("x", (&x).into()), ("y", (&y).into())]);
        Self { threads, fma, copy: rec.finish() }
    }
}

fn seconds(device: &Device, program: &Program, runs: usize) -> Result<f64> {
    program.submit(device)?;
    let timed = (0..runs).map(|_| Ok(program.time(device)?[0].seconds)).collect::<Result<Vec<_>>>()?;
    Ok(median(timed))
}

/// Measures both.
///
/// # Errors
/// The device was lost.
pub fn ceiling(device: &Device) -> Result<Ceiling> {
    // More threads until a run takes its time: a big GPU is filled, a small one is not kept for seconds.
    let mut kernels = Kernels::new(device, 1 << 10);
    while kernels.threads < 1 << 22 && seconds(device, &kernels.fma, 1)? < 0.05 {
        kernels = Kernels::new(device, 4 * kernels.threads);
    }
    let fma = seconds(device, &kernels.fma, RUNS)?;
    let copy = (0..RUNS).map(|_| Ok(kernels.copy.time(device)?[0])).collect::<Result<Vec<_>>>()?;
    let bytes = copy[0].bytes as f64;
    Ok(Ceiling {
        adapter: device.describe(),
        gflops: 2.0 * (kernels.threads * SUMS * ROUNDS) as f64 / fma / 1e9,
        gigabytes: bytes / median(copy[1..].iter().map(|timed| timed.seconds).collect()) / 1e9,
    })
}
