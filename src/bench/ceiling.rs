//! What an adapter can do at most, measured: kernels of nothing but `fma`, and one that copies.

use crate::error::Result;
use crate::gpu::{Device, Program, Recorder, Tensor};
use crate::solo::step_uniform;
use serde::Serialize;
use std::fmt;

/// Multiply-adds of a thread and round in `bench/fma` and `bench/fma_unrolled`.
const FMAS: [(&str, usize); 2] = [("bench/fma", 24), ("bench/fma_unrolled", 96)];
/// Rounds of a run.
const ROUNDS: usize = 2048;
/// Bytes of each operand of the copy: past the caches, within every adapter's binding.
const BYTES: u64 = 64 << 20;
/// Runs of each. The fastest counts: nothing but other work can make one slow.
const RUNS: usize = 7;

/// An adapter's own limits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ceiling {
    /// Name, backend and driver.
    pub adapter: String,
    /// 2 · multiply-adds / second / 1e9 of a loop of `fma` over 24 sums: the ceiling that shares are of.
    pub gflops: f64,
    /// The same of 96 `fma` in a row over 12 sums: the adapter's peak.
    pub peak_gflops: f64,
    /// Bytes read and written / second / 1e9 of a copy.
    pub gigabytes: f64,
}

impl fmt::Display for Ceiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { adapter, gflops, peak_gflops, gigabytes } = self;
        write!(f, "{adapter}\nceiling: {gflops:.1} GFLOP/s of fma in a loop ({peak_gflops:.1} unrolled), ")?;
        write!(f, "{gigabytes:.1} GB/s of copies")
    }
}

/// The kernels, ready to run.
pub struct Kernels {
    threads: usize,
    /// In the order of [`Ceiling`]: the loop, the peak.
    pub fma: [Program; 2],
    /// `bench/copy`.
    pub copy: Program,
}

impl Kernels {
    /// Records them with `threads` threads of `fma`, rounded up to whole workgroups.
    pub fn new(device: &Device, threads: usize) -> Self {
        let step = step_uniform(device);
        let workgroup = device.profile.workgroup;
        let threads = threads.next_multiple_of(workgroup as usize);
        let sums = Tensor::zeros(device, "sums", threads);
        let fma = FMAS.map(|(name, _)| {
            let mut rec = Recorder::new(device, &step);
            let consts = [("WORKGROUP", workgroup.into()), ("ROUNDS", ROUNDS.into())];
            rec.dispatch(name, &consts, &[("y", (&sums).into())], [threads as u32 / workgroup, 1, 1]);
            rec.finish()
        });
        let values = (BYTES.min(device.profile.max_binding) / 16 * 4) as usize;
        let [x, y] = ["from", "to"].map(|name| Tensor::zeros(device, name, values));
        let mut rec = Recorder::new(device, &step);
        rec.each("bench/copy", values / 4, &[], &[("x", (&x).into()), ("y", (&y).into())]);
        Self { threads, fma, copy: rec.finish() }
    }
}

/// (seconds, bytes) of the fastest of `runs` runs.
fn fastest(device: &Device, program: &Program, runs: usize) -> Result<(f64, f64)> {
    program.submit(device)?;
    let mut best = f64::INFINITY;
    let mut bytes = 0.0;
    for _ in 0..runs {
        let timed = program.time(device)?[0];
        (best, bytes) = (best.min(timed.seconds), timed.bytes as f64);
    }
    Ok((best, bytes))
}

/// Measures all of it.
///
/// # Errors
/// The device was lost.
pub fn ceiling(device: &Device) -> Result<Ceiling> {
    // More threads until a run takes its time: a big GPU is filled, a small one is not kept for seconds.
    let mut kernels = Kernels::new(device, 1 << 10);
    while kernels.threads < 1 << 21 && fastest(device, &kernels.fma[0], 1)?.0 < 0.02 {
        kernels = Kernels::new(device, 4 * kernels.threads);
    }
    let mut rates = [0.0; 2];
    for ((program, (_, fmas)), rate) in kernels.fma.iter().zip(FMAS).zip(&mut rates) {
        let (seconds, _) = fastest(device, program, RUNS)?;
        *rate = 2.0 * (kernels.threads * fmas * ROUNDS) as f64 / seconds / 1e9;
    }
    let (seconds, bytes) = fastest(device, &kernels.copy, RUNS)?;
    Ok(Ceiling {
        adapter: device.describe(),
        gflops: rates[0],
        peak_gflops: rates[1],
        gigabytes: bytes / seconds / 1e9,
    })
}
