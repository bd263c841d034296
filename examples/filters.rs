//! The paper's Figure 3: what the first convolution has learned, the first column's filters above, the second's below.
//!
//! `cargo run --release --example filters -- WEIGHTS [OUT.png]`

use alexnet::weights::Weights;
use alexnet::{draw, filters};
use anyhow::Context;
use std::path::PathBuf;

const USAGE: &str = "type: cargo run --release --example filters -- WEIGHTS [OUT.png]\n\
    WEIGHTS is a weights file, a checkpoint folder or a run folder; `make train` makes one";

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let path = arguments.next().context(USAGE)?;
    let out = arguments.next().unwrap_or_else(|| PathBuf::from("filters.png"));

    // A run folder stands for its last complete checkpoint.
    let weights = Weights::read(&path)?;
    println!("{}", weights.path.display());
    let table = weights.table(None).context("`alexnet filters` takes --net")?;
    let net = weights.resolve(&table)?;
    weights.check(&net)?;

    // Row 0 is the convolution that reads the image; its first half of the maps is the first column.
    let name = &net.tensors()[0].name;
    let conv1 = &weights.arrays[name];
    let picture = filters::draw(conv1, table.columns)?;
    draw::write_png(&picture, &out)?;

    let [maps, _, side, _] = conv1.dims[..] else { anyhow::bail!("{name} has shape {:?}", conv1.dims) };
    println!("{name}: {maps} filters of {side}×{side} in {} columns", table.columns);
    println!("{}: {}×{} pixels", out.display(), picture.width(), picture.height());
    Ok(())
}
