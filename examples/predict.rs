//! The five most probable classes of an image.
//!
//! `cargo run --release --example predict -- WEIGHTS IMAGE`

use alexnet::data::{self, Batch, Exif, Pixels};
use alexnet::eval;
use alexnet::gpu;
use alexnet::machine::Machine;
use alexnet::weights::Weights;
use anyhow::Context;
use std::path::Path;

const USAGE: &str = "type: cargo run --release --example predict -- WEIGHTS IMAGE\n\
    WEIGHTS is a weights file, a checkpoint folder or a run folder (`make train` makes one); IMAGE a JPEG or PNG";

/// The paper averages ten views: four corners and the centre, and their mirror images (§4.1).
const VIEWS: usize = 10;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (weights, image) = arguments.next().zip(arguments.next()).context(USAGE)?;

    // The file says which network, its classes, the mean image and the dropout it was trained with.
    let mut weights = Weights::read(Path::new(&weights))?;
    let table = weights.table(None).context("`alexnet predict` takes --net")?;
    let net = weights.resolve(&table)?;
    let classes = weights.numbered_classes(&net);
    let stats = weights.needed_stats(&table)?;

    // Files → views: the shorter side to the image size, the centre square, the crops minus the mean.
    let square = data::load(Path::new(&image), table.image, Exif::Apply)?;
    let pixels = data::views_of(&square, &stats, table.crop, VIEWS);
    // Labels are not read in use.
    let batch = Batch { side: table.crop, pixels: Pixels::Floats(pixels), labels: vec![0; VIEWS] };

    let devices = gpu::select(None, table.columns)?;
    let mut machine = Machine::in_use(&net, &devices, VIEWS)?;
    machine.set_weights(&weights.take(&net)?)?;
    let probabilities = eval::mean_over_views(&machine.probabilities(&batch)?, VIEWS, classes.len());

    println!("{image}");
    for (class, probability) in eval::top(&probabilities, 5) {
        println!("{:5.1} %  {}", 100.0 * probability, classes[class]);
    }
    Ok(())
}
