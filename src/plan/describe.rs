//! The plan in words: `alexnet describe`.

use super::{Plan, crosses};
use crate::error::Result;
use crate::gpu::Profile;
use crate::layer::{Conv, Full, Layer, Lrn, Over, Pool};
use crate::net::{Net, On};
use std::fmt::{Result as Written, Write};

/// The table of `net`, a batch of `images`, and what devices with these profiles (named in `names`) will hold.
///
/// # Errors
/// A plan that passes a limit.
pub fn describe(
    net: &Net,
    images: usize,
    accumulate: usize,
    profiles: &[&Profile],
    names: &[String],
) -> Result<String> {
    let plan = Plan::new(net, profiles, images, accumulate)?;
    let mut out = String::new();
    table(&mut out, net, images)
        .and_then(|()| batch(&mut out, net, &plan, accumulate, profiles))
        .and_then(|()| memory(&mut out, &plan, profiles, names))
        .expect("writing to a string");
    Ok(out)
}

/// `12345678` as `12,345,678`; nothing for 0.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if n == 0 { String::new() } else { text }
}

fn kind(layer: &Layer) -> String {
    match layer {
        Layer::Conv(Conv { kernel, stride, pad, .. }) | Layer::Local(Conv { kernel, stride, pad, .. }) => {
            let kind = if matches!(layer, Layer::Conv(_)) { "conv" } else { "local" };
            let stride = if *stride > 1 { format!(" /{stride}") } else { String::new() };
            let pad = if *pad > 0 { format!(" pad {pad}") } else { String::new() };
            format!("{kind} {kernel}×{kernel}{stride}{pad}")
        }
        Layer::Full(Full { .. }) => "full".to_owned(),
        Layer::Relu => "relu".to_owned(),
        Layer::Tanh => "tanh".to_owned(),
        Layer::Lrn(Lrn { over: Over::Channels, n, .. }) => format!("norm {n} maps"),
        Layer::Lrn(Lrn { over: Over::Space, n, .. }) => format!("norm {n}×{n}"),
        Layer::MaxPool(Pool { window, stride }) => format!("max {window}×{window} /{stride}"),
        Layer::AveragePool(Pool { window, stride }) => format!("average {window}×{window} /{stride}"),
        Layer::Dropout(dropout) => format!("dropout {}", dropout.p),
        Layer::SoftmaxLoss => "softmax, log-loss".to_owned(),
    }
}

fn line(out: &mut String, cells: [&str; 7]) -> Written {
    let [row, layer, first, second, parameters, adds, crosses] = cells;
    let text = format!("{row:<7} {layer:<17} {first:>10} {second:>10} {parameters:>11} {adds:>13}  {crosses}");
    writeln!(out, "{}", text.trim_end())
}

fn table(out: &mut String, net: &Net, images: usize) -> Written {
    let t = &net.table;
    let classes = grouped(net.classes);
    writeln!(out, "{t}: {classes} classes, {1}×{1} crops of {0}×{0} images", t.image, t.crop)?;
    let second = if t.columns > 1 { "column 2" } else { "" };
    line(out, ["row", "layer", "column 1", second, "parameters", "multiply-adds", "crosses"])?;
    let mut traffic = 0;
    for (i, row) in net.rows.iter().enumerate() {
        let columns = net.columns_of(i);
        let mut crossing = String::new();
        if crosses(net, i) {
            let bytes = 4 * images * row.x.len() / t.columns;
            traffic += bytes;
            let way = if row.on == On::Each { "each way" } else { "to column 1" };
            crossing = format!("{} bytes {way}", grouped(bytes));
        }
        let second = if columns > 1 { row.y.to_string() } else { String::new() };
        let parameters: usize = net.params(i).iter().map(|p| p.dims.iter().product::<usize>()).sum();
        let numbers = [parameters, net.multiply_adds(i)].map(|n| grouped(n * columns));
        let first = row.y.to_string();
        line(out, [row.name, &kind(&row.layer), &first, &second, &numbers[0], &numbers[1], &crossing])?;
    }
    let adds = (0..net.rows.len()).map(|i| net.multiply_adds(i) * net.columns_of(i)).sum();
    line(out, ["all", "", "", "", &grouped(net.parameters()), &grouped(adds), ""])?;
    if t.columns > 1 {
        let traffic = grouped(traffic);
        writeln!(out, "\n{traffic} bytes leave column 2 in a forward pass of {images} images; as many come back.")?;
    }
    Ok(())
}

fn batch(out: &mut String, net: &Net, plan: &Plan, accumulate: usize, profiles: &[&Profile]) -> Written {
    if plan.micro_batches > accumulate.max(1) {
        let limit = profiles.iter().map(|p| p.max_binding >> 20).min().unwrap_or(0);
        let Plan { micro_batches, micro, .. } = plan;
        writeln!(out, "The step runs as {micro_batches} micro-batches of {micro}: a binding spans {limit} MiB.")?;
    } else if accumulate > 1 {
        writeln!(out, "The step runs as {} micro-batches of {} images.", plan.micro_batches, plan.micro)?;
    } else {
        writeln!(out, "Every activation fits one binding: the step runs whole.")?;
    }
    for row in 0..net.rows.len() {
        for param in net.params(row) {
            let bytes = 4 * param.dims.iter().product::<usize>();
            if let Some(profile) = profiles.iter().find(|p| bytes as u64 > p.max_binding) {
                let name = format!("{}.{}", net.rows[row].name, param.name);
                let limit = profile.max_binding >> 20;
                writeln!(out, "{name}: {} bytes, bound in ranges of at most {limit} MiB.", grouped(bytes))?;
            }
        }
    }
    Ok(())
}

fn memory(out: &mut String, plan: &Plan, profiles: &[&Profile], names: &[String]) -> Written {
    for (device, name) in names.iter().enumerate() {
        let columns: Vec<_> = plan.on(device).map(|c| format!("column {}", c.column + 1)).collect();
        let mib = grouped((plan.bytes(device) >> 20) as usize);
        writeln!(out, "{name}: {}, {mib} MiB, {} kernels", columns.join(" and "), profiles[device].family)?;
    }
    Ok(())
}
