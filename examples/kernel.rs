//! One dispatch, end to end: an adapter, a tensor, a recorded program, the result read back.
//!
//! `cargo run --release --example kernel [-- ADAPTER]`, an index or part of a name as `alexnet adapters` lists them.

use alexnet::gpu::{self, Recorder, Tensor};
use alexnet::solo;

fn main() -> anyhow::Result<()> {
    // The best adapter, or the one named. One column, so one device.
    let adapter = std::env::args().nth(1);
    let device = &gpu::select(adapter.as_deref(), 1)?[0];
    println!("adapter  {}", device.describe());

    // A tensor is a range of a storage buffer. Kernels read it as vec4s; NaN must pass through every layer.
    let x = [-2.0, -1.0, -0.0, 0.0, 0.5, 1.0, f32::INFINITY, f32::NAN];
    let y = Tensor::zeros(device, "y", x.len());
    y.write(device, &x);

    // Variables are bound by the names they have in shaders/relu/forward.wgsl. Training records its programs once, like
    // this, and submits them at every step; what changes between steps lies in the buffer of uniforms.
    let step = solo::step_uniform(device);
    let mut recorder = Recorder::new(device, &step);
    recorder.each("relu/forward", y.len / 4, &[], &[("y", (&y).into())]);
    let program = recorder.finish();
    for (name, wgsl) in program.kernels() {
        println!("kernel   {name}, {} lines of WGSL with its imports", wgsl.lines().count());
    }

    program.submit(device)?;
    let found = y.read(device)?;
    println!("x        {x:?}");
    println!("max(x,0) {found:?}");

    // On the CPU, where `max` would drop the NaN.
    let expected = x.map(|x| if x > 0.0 || x.is_nan() { x } else { 0.0 });
    let agree = found.iter().zip(&expected).all(|(a, b)| a == b || (a.is_nan() && b.is_nan()));
    anyhow::ensure!(agree, "the CPU gives {expected:?}: run `alexnet check` and report its output");
    println!("as on the CPU");
    Ok(())
}
