//! The plan of a training step and what crosses between the two columns. Pure data: no adapter is needed.
//!
//! `cargo run --release --example columns [-- BATCH]`

use alexnet::alexnet::{ALEXNET, TINY};
use alexnet::gpu::Profile;
use alexnet::net::{Net, On};
use alexnet::plan::{self, Phase, Plan};
use alexnet::recipe;
use anyhow::Context;
use std::ops::Range;

fn main() -> anyhow::Result<()> {
    let batch = std::env::args().nth(1).map(|text| {
        let number = text.parse().ok().filter(|&n: &usize| n > 0);
        number.with_context(|| format!("BATCH is {text:?}; expected a number of images, 1 or more"))
    });
    let batch = batch.transpose()?;
    for (table, classes) in [(&ALEXNET, 1000), (&TINY, 10)] {
        let net = Net::resolve(table, classes, 0.5)?;
        let images = batch.unwrap_or(recipe::defaults(table).batch);
        // A column each on two adapters that offer what every WebGPU adapter does.
        let profile = Profile::webgpu();
        let plan = Plan::new(&net, &[&profile, &profile], images, 1)?;
        print(&net, &plan);
    }
    Ok(())
}

fn print(net: &Net, plan: &Plan) {
    println!("{}, a step of {} images, micro-batches: {}", net.table.name, plan.images, plan.micro_batches);
    for phase in &plan.phases {
        let (word, what) = match phase {
            Phase::Forward(rows) => ("forward", names(net, rows)),
            Phase::Backward(rows) => ("backward", names(net, rows)),
            Phase::Gather { before } => ("gather", crossing(net, *before, plan.images, "column 2 to column 1")),
            // The adjoint of the gather: the gradients go back the way the outputs came.
            Phase::Scatter { before } => ("scatter", crossing(net, *before, plan.images, "column 1 to column 2")),
            Phase::Weights(rows) => ("weights", format!("{}: their gradients", names(net, rows))),
            Phase::Add { before } => ("add", format!("what arrived above {}", net.rows[*before].name)),
            Phase::Update => ("update", "each column its own parameters: none ever crosses".to_owned()),
        };
        println!("  {word:<8}  {what}");
    }
    // The sum over both directions.
    let crossings = (0..net.rows.len()).filter(|&row| plan::crosses(net, row));
    let crossed: usize = crossings.map(|row| 2 * bytes(net, row, plan.images) * net.columns_of(row)).sum();
    println!("  {crossed} bytes cross in a step, there and back; the parameters are {} bytes\n", 4 * net.parameters());
}

fn names(net: &Net, rows: &Range<usize>) -> String {
    let names: Vec<_> = net.rows[rows.clone()].iter().map(|row| row.name).collect();
    names.join(" ")
}

/// What crosses before row `before`; a row that the first column alone holds is crossed to in one direction, `way`.
fn crossing(net: &Net, before: usize, images: usize, way: &str) -> String {
    let row = &net.rows[before];
    let way = if row.on == On::Each { "each way".to_owned() } else { format!("from {way}") };
    format!("{}, {} bytes {way}", row.name, bytes(net, before, images))
}

/// The other column's part of what row `row` reads, in bytes. Its own part lies where it is read.
fn bytes(net: &Net, row: usize, images: usize) -> usize {
    4 * images * net.rows[row].x.len() / net.table.columns
}
