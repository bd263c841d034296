//! Where the columns lie does not matter: two training steps with both columns on one device, on two devices of one
//! adapter, and on two adapters, where there are two.
//!
//! `cargo run --release --example two_adapters`

use alexnet::alexnet::TINY;
use alexnet::bench;
use alexnet::gpu;
use alexnet::machine::{Machine, Outcome, Settings};
use alexnet::net::Net;
use alexnet::recipe::Figures;
use alexnet::weights;

const IMAGES: usize = 32;
const RATE: f32 = 1e-3;

fn main() -> anyhow::Result<()> {
    for row in gpu::list() {
        println!("{row}");
    }
    let net = Net::resolve(&TINY, 10, 0.5)?;
    let expected = step(&net, "0")?;
    let same = step(&net, "0,0")?;
    println!("0,0 against 0: {}", compare(&same, &expected));
    if gpu::list().len() < 2 {
        println!("0,1: there is one adapter here");
        return Ok(());
    }
    let pair = step(&net, "0,1")?;
    println!("0,1 against 0: {}", compare(&pair, &expected));
    Ok(())
}

/// The weights after two steps on `--adapters placement`.
fn step(net: &Net, placement: &str) -> anyhow::Result<Vec<f32>> {
    let devices = gpu::select(Some(placement), net.table.columns)?;
    let settings =
        Settings { batch: IMAGES, accumulate: 1, figures: Figures::Source, momentum: 0.9, decay: 0.0005, seed: 0 };
    let mut machine = Machine::new(net, &devices, settings)?;
    machine.set_weights(&weights::initial(net, settings.figures, settings.seed))?;
    let batch = bench::batch(net, IMAGES);
    // A driver may compile a kernel when it first runs: the second step's times are those of every later step.
    let first = machine.step(&batch, 1, RATE)?;
    let Outcome { loss, exchange, .. } = machine.step(&batch, 2, RATE)?;
    println!("{placement:<3}  losses {:.6} {loss:.6}  exchange {:.2} ms", first.loss, 1e3 * exchange);
    Ok(machine.weights()?.concat())
}

/// On one driver the bytes are the same; two drivers round differently.
fn compare(found: &[f32], expected: &[f32]) -> String {
    let differ = found.iter().zip(expected).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
    if differ == 0 {
        return format!("all {} weights have the same bytes", expected.len());
    }
    let most = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    format!("{differ} of {} weights differ, by {most:.1e} at most", expected.len())
}
