//! How a step's cost grows, on paper: the plan's own counts over measured rates. `alexnet describe --growth`.

use super::column::held;
use super::{ColumnPlan, Phase, Plan, RowPlan};
use crate::error::Result;
use crate::gpu::Profile;
use crate::layers;
use crate::net::{Net, Table};
use std::fmt::Write;
use std::ops::Range;

/// What an adapter was measured to do.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Of the products, in 10⁹ operations a second; a multiply-add is two.
    pub gflops: f64,
    /// Of the other passes, in 10⁹ bytes read and written a second.
    pub gigabytes: f64,
}

/// Which pass over rows.
#[derive(Clone, Copy, PartialEq)]
enum Pass {
    Forward,
    Backward,
    Weights,
}

/// Seconds of one micro-batch's pass over `rows` of one column.
fn rows(net: &Net, plan: &Plan, column: &ColumnPlan, rows: &Range<usize>, pass: Pass, rates: Rates) -> f64 {
    let seconds = |(i, row): (usize, &RowPlan)| {
        let layer = &net.rows[i].layer;
        if net.multiply_adds(i) > 0 {
            let runs = pass != Pass::Backward || row.dx.is_some();
            let operations = 2.0 * (net.multiply_adds(i) * plan.batch) as f64;
            return if runs { operations / rates.gflops / 1e9 } else { 0.0 };
        }
        let touched: usize = match pass {
            Pass::Forward => row.x.len + row.y.len + row.saved.map_or(0, |saved| saved.len),
            // In place, what is read is written too.
            Pass::Backward => {
                let in_place = if layers::backward_in_place(layer) { row.dy.len } else { 0 };
                let mut touched = layers::touched_backward(layer, row);
                touched.dedup();
                touched.iter().map(|place| place.len).sum::<usize>() + in_place
            }
            Pass::Weights => 0,
        };
        4.0 * touched as f64 / rates.gigabytes / 1e9
    };
    held(std::slice::from_ref(column), rows.clone()).map(seconds).sum()
}

/// Seconds of a step of `plan` whose devices share a host: columns on one device one after the other, on several at the
/// same time. Both ways between two devices take `link` GB/s at once, out of one and then into the other.
fn step(net: &Net, plan: &Plan, rates: Rates, link: f64) -> f64 {
    let devices = plan.devices.len();
    let of = |cost: &dyn Fn(&ColumnPlan) -> f64| {
        let device = |device: usize| plan.on(device).map(cost).sum::<f64>();
        (0..devices).map(device).fold(0.0, f64::max)
    };
    let travel = |before: usize| {
        let bytes = plan.columns[0].cut(before).map_or(0, |cut| 4 * cut.output.len);
        if devices > 1 { 2.0 * bytes as f64 / link / 1e9 } else { 0.0 }
    };
    let pass = |range: &Range<usize>, pass: Pass| of(&|column| rows(net, plan, column, range, pass, rates));
    let mut seconds = 0.0;
    // What has set off and not arrived.
    let mut travelling = 0.0;
    for phase in &plan.phases {
        match phase {
            Phase::Forward(range) => seconds += pass(range, Pass::Forward),
            Phase::Backward(range) => seconds += pass(range, Pass::Backward),
            Phase::Gather { before } => seconds += travel(*before),
            Phase::Scatter { before } => travelling = travel(*before),
            Phase::Weights(range) => {
                let weights = pass(range, Pass::Weights);
                seconds += weights.max(travelling);
                travelling = 0.0;
            }
            // A device's own addition: three passes over its share.
            Phase::Add { before } => {
                let added = |column: &ColumnPlan| column.cut(*before).and_then(|cut| cut.incoming).map_or(0, |p| p.len);
                seconds += of(&|column| 12.0 * added(column) as f64 / rates.gigabytes / 1e9);
            }
            Phase::Update => {}
        }
    }
    // Weight and momentum, read and written, and the gradient where it was kept.
    let update = of(&|column| (16 * column.parameters + 4 * column.gradients) as f64 / rates.gigabytes / 1e9);
    plan.micro_batches as f64 * seconds + update
}

/// GB/s of the links in the table: an old USB cable's to a wide PCIe slot's.
const LINKS: [f64; 6] = [1.0, 4.0, 8.0, 16.0, 32.0, 60.0];

/// Tables of seconds and bytes over batch, image size, classes and links, for adapters of `profile` with these rates.
///
/// # Errors
/// A plan that passes a limit; a window that does not fit an image.
pub fn growth(table: &Table, classes: usize, images: usize, profile: &Profile, rates: Rates) -> Result<String> {
    let mut out = format!(
        "{}, {} kernels: products at {} GFLOP/s, other passes at {} GB/s\n",
        table, profile.family, rates.gflops, rates.gigabytes
    );
    let net_of = |table: &Table, classes| Net::resolve(table, classes, 0.5);
    let mut section = |title: &str, lines: &mut dyn Iterator<Item = Result<(String, Net, usize)>>| -> Result<()> {
        writeln!(out, "\n{title:<10} {:>10} {:>9} {:>9} {:>11}", "a step", "images/s", "one", "two, each")
            .expect("writing to a string");
        for line in lines {
            let (name, net, images) = line?;
            let one = Plan::new(&net, &[profile], images, 1)?;
            let seconds = step(&net, &one, rates, f64::INFINITY);
            let mut cells = format!("{name:<10} {:>7.1} ms {:>9.1}", seconds * 1e3, images as f64 / seconds);
            let two = vec![profile; table.columns];
            let two = Plan::new(&net, &two, images, 1)?;
            let most = (0..two.devices.len()).map(|device| two.bytes(device)).max().unwrap_or(0);
            write!(cells, " {:>5} MiB {:>7} MiB", one.bytes(0) >> 20, most >> 20).expect("writing to a string");
            writeln!(out, "{cells}").expect("writing to a string");
        }
        Ok(())
    };
    let batches = [1, 8, 32, 64, 128, 256];
    section("batch", &mut batches.iter().map(|&n| Ok((n.to_string(), net_of(table, classes)?, n))))?;
    let sides = [table.crop * 3 / 4, table.crop, table.crop * 5 / 4, table.crop * 3 / 2];
    let of_side = |&side: &usize| {
        let sized = Table { image: side + table.image - table.crop, crop: side, ..table.clone() };
        Ok((format!("{side} pixels"), net_of(&sized, classes)?, images))
    };
    section("image", &mut sides.iter().map(of_side))?;
    let counts = [10, 100, 1000, 10_000];
    section("classes", &mut counts.iter().map(|&n| Ok((n.to_string(), net_of(table, n)?, images))))?;
    if table.columns > 1 {
        let net = net_of(table, classes)?;
        let one = step(&net, &Plan::new(&net, &[profile], images, 1)?, rates, f64::INFINITY);
        let plan = Plan::new(&net, &vec![profile; table.columns], images, 1)?;
        let free = step(&net, &plan, rates, f64::INFINITY);
        writeln!(out, "\nlink       two against one   what the exchange adds").expect("writing to a string");
        for link in LINKS {
            let seconds = step(&net, &plan, rates, link);
            let (ratio, added) = (one / seconds, (seconds - free) * 1e3);
            writeln!(out, "{:<10} {ratio:>14.2}×   {added:>9.3} ms of {:.1} ms", format!("{link} GB/s"), seconds * 1e3)
                .expect("writing to a string");
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alexnet::ALEXNET;

    #[test]
    fn two_adapters_halve_a_step_but_for_fc8_and_a_slow_link() {
        let net = Net::resolve(&ALEXNET, 1000, 0.5).unwrap();
        let profile = Profile::webgpu();
        let rates = Rates { gflops: 1000.0, gigabytes: 100.0 };
        let one = step(&net, &Plan::new(&net, &[&profile], 128, 1).unwrap(), rates, 1.0);
        let plan = Plan::new(&net, &[&profile, &profile], 128, 1).unwrap();
        let ratio = |link: f64| one / step(&net, &plan, rates, link);
        assert!((1.9..2.0).contains(&ratio(f64::INFINITY)), "{}", ratio(f64::INFINITY));
        assert!(ratio(1.0) < ratio(16.0) && ratio(16.0) < ratio(f64::INFINITY));
        // All multiply-adds run three times, but for conv1's, whose input needs no gradient.
        let adds: usize = (0..net.rows.len()).map(|row| net.multiply_adds(row) * net.columns_of(row)).sum();
        let operations = 2.0 * 128.0 * (3 * adds - net.multiply_adds(0) * 2) as f64;
        let fast = Rates { gigabytes: f64::INFINITY, ..rates };
        let seconds = step(&net, &Plan::new(&net, &[&profile], 128, 1).unwrap(), fast, 1.0);
        assert!((seconds - operations / 1e12).abs() < 1e-9 * seconds);
    }
}
