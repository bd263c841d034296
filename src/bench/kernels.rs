//! Rates of single kernels: each product of each row in the variant that runs, and every other kernel.

use super::ceiling::{Ceiling, ceiling};
use super::median;
use crate::cases::{self, Case};
use crate::check;
use crate::error::{Error, Result};
use crate::gpu::{Device, Program, Timed};
use crate::layer::Layer;
use crate::net::Net;
use crate::plan::Plan;
use crate::products::{KERNELS, Product, Window};
use crate::shape::Shape;
use crate::solo::Solo;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// What one line says.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "what", rename_all = "lowercase")]
pub enum Line {
    /// The adapter's own limits, measured first.
    Ceiling(Ceiling),
    /// One kernel of one row.
    Kernel(KernelReport),
    /// One product of one row, with every kernel and copy it takes.
    Product(ProductReport),
    /// All products together.
    Total(Total),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ceiling(ceiling) => ceiling.fmt(f),
            Self::Kernel(kernel) => kernel.fmt(f),
            Self::Product(product) => product.fmt(f),
            Self::Total(total) => total.fmt(f),
        }
    }
}

/// Whose figures they are.
#[derive(Clone, Debug, Serialize)]
pub struct Of {
    /// Name of the network's table.
    pub net: String,
    /// Images at once.
    pub batch: usize,
    /// Name, backend and driver.
    pub adapter: String,
}

/// One kernel of one row.
#[derive(Clone, Debug, Serialize)]
pub struct KernelReport {
    /// Whose.
    #[serde(flatten)]
    pub of: Of,
    /// Name of the row.
    pub row: String,
    /// The product, elsewhere `forward` or `backward`.
    pub pass: String,
    /// Name of the kernel, or what kind of copy.
    pub kernel: &'static str,
    /// How often it runs in the pass.
    pub runs: usize,
    /// Median seconds, submission included, of all these runs.
    pub seconds: f64,
    /// 2 · multiply-adds it executes / second / 1e9, where the kernel is a product.
    pub gflops: Option<f64>,
    /// Bytes bound or copied / second / 1e9.
    pub gigabytes: f64,
    /// Of the adapter's ceiling: of `fma` where the kernel is a product, else of a copy.
    pub share: f64,
}

impl fmt::Display for KernelReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gflops = self.gflops.map_or_else(String::new, |rate| format!("{rate:.1} GFLOP/s"));
        write!(
            f,
            "{:<7} {:<15} {:<38} {:>9.3} ms {:>15} {:>8.1} GB/s {:>4.0} %",
            self.row,
            self.pass,
            if self.runs == 1 { self.kernel.to_owned() } else { format!("{} ×{}", self.kernel, self.runs) },
            self.seconds * 1e3,
            gflops,
            self.gigabytes,
            100.0 * self.share
        )
    }
}

/// One product of one row.
#[derive(Clone, Debug, Serialize)]
pub struct ProductReport {
    /// Whose.
    #[serde(flatten)]
    pub of: Of,
    /// Name of the row.
    pub row: String,
    /// Which product.
    pub product: String,
    /// The variant it runs.
    pub variant: String,
    /// Median seconds, the sum of its kernels and copies.
    pub seconds: f64,
    /// 2 · multiply-adds of the product as it is defined / second / 1e9.
    pub direct_gflops: f64,
}

impl fmt::Display for ProductReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<7} {:<15} {:<38} {:>9.3} ms {:>15}, direct-equivalent",
            self.row,
            self.product,
            format!("= {}", self.variant),
            self.seconds * 1e3,
            format!("{:.1} GFLOP/s", self.direct_gflops)
        )
    }
}

/// All products of a column's step.
#[derive(Clone, Debug, Serialize)]
pub struct Total {
    /// Whose.
    #[serde(flatten)]
    pub of: Of,
    /// Seconds of every kernel and copy of the layers.
    pub seconds: f64,
    /// Seconds of the products among them.
    pub product_seconds: f64,
    /// 2 · multiply-adds the product kernels execute / their seconds / 1e9.
    pub gflops: f64,
    /// 2 · multiply-adds of the products as they are defined / `product_seconds` / 1e9.
    pub direct_gflops: f64,
    /// `gflops` of the adapter's ceiling.
    pub share: f64,
    /// `gflops` of the adapter's peak.
    pub peak_share: f64,
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "all layers of a column {:.1} ms, products {:.1} ms ({:.0} %): their kernels execute {:.1} GFLOP/s, {:.0} % of \
             the ceiling ({:.0} % of the peak); direct-equivalent {:.1} GFLOP/s",
            self.seconds * 1e3,
            self.product_seconds * 1e3,
            100.0 * self.product_seconds / self.seconds,
            self.gflops,
            100.0 * self.share,
            100.0 * self.peak_share,
            self.direct_gflops
        )
    }
}

/// One kernel of a program, or one kind of copy: how often it runs, its median seconds and its bytes, all runs together.
struct Command {
    kernel: &'static str,
    runs: usize,
    seconds: f64,
    bytes: u64,
}

/// The kernels of `program`, in the order in which they first run.
fn time(program: &Program, device: &Device, repeats: usize) -> Result<Vec<Command>> {
    program.submit(device)?;
    let timed = (0..repeats).map(|_| program.time(device)).collect::<Result<Vec<_>>>()?;
    let mut commands: Vec<Command> = Vec::new();
    for (i, Timed { name, bytes, .. }) in timed[0].iter().enumerate() {
        let seconds = median(timed.iter().map(|run| run[i].seconds).collect());
        match commands.iter_mut().find(|command| command.kernel == *name) {
            Some(command) => {
                command.runs += 1;
                command.seconds += seconds;
                command.bytes += bytes;
            }
            None => commands.push(Command { kernel: name, runs: 1, seconds, bytes: *bytes }),
        }
    }
    Ok(commands)
}

/// Sums for [`Total`].
#[derive(Default)]
struct Sums {
    seconds: f64,
    product_seconds: f64,
    kernel_seconds: f64,
    executed: f64,
    direct: f64,
}

/// Measures the adapter's ceiling; then checks every row of one column of `net` against the reference and times its
/// kernels `repeats` times. Rows that `only` does not name are left out, where it names any.
///
/// # Errors
/// A row that the network does not have.
/// A kernel that gives wrong numbers: its time would mean nothing.
pub fn kernels(
    net: &Net,
    device: &Arc<Device>,
    images: usize,
    repeats: usize,
    only: &[String],
    mut each: impl FnMut(&Line),
) -> Result<()> {
    if let Some(unknown) = only.iter().find(|name| net.rows.iter().all(|row| row.name != name.as_str())) {
        let rows: Vec<_> = net.rows.iter().map(|row| row.name).collect();
        let (net, rows) = (&net.table, rows.join(", "));
        return Err(Error::Usage(format!("--row {unknown}: {net} has no such row; its rows are {rows}")));
    }
    let plan = Plan::new(net, &[&device.profile], images, 1)?;
    let of = Of { net: net.table.to_string(), batch: images, adapter: device.describe() };
    let ceiling = ceiling(device)?;
    each(&Line::Ceiling(ceiling.clone()));
    let mut sums = Sums::default();
    let mut seen: Vec<(Layer, Shape)> = Vec::new();
    for (row, case) in cases::of(net, plan.micro).into_iter().enumerate() {
        let wanted = only.is_empty() || only.contains(&case.name);
        if !wanted || seen.contains(&(case.layer, case.x)) {
            continue;
        }
        seen.push((case.layer, case.x));
        for checked in check::run(device, &Case { images: 1, ..case.clone() })? {
            if !checked.passed() {
                return Err(Error::Limit(format!("{checked}\nrun `alexnet check` and report its output")));
            }
        }
        let solo = Solo::with_batch(device, &case, plan.batch)?;
        let mut report = |pass: &str, command: &Command, executed: Option<f64>| {
            let gflops = executed.map(|adds| 2.0 * adds / command.seconds / 1e9);
            let gigabytes = command.bytes as f64 / command.seconds / 1e9;
            sums.seconds += command.seconds;
            each(&Line::Kernel(KernelReport {
                of: of.clone(),
                row: case.name.clone(),
                pass: pass.to_owned(),
                kernel: command.kernel,
                runs: command.runs,
                seconds: command.seconds,
                gflops,
                gigabytes,
                share: gflops.map_or(gigabytes / ceiling.gigabytes, |rate| rate / ceiling.gflops),
            }));
        };
        if !case.layer.has_products() {
            for (pass, program) in [("forward", solo.forward()), ("backward", solo.backward())] {
                for command in time(&program, device, repeats)? {
                    report(pass, &command, None);
                }
            }
            continue;
        }
        let window = Window::of(&case.layer, case.x, solo.y_shape, plan.batch);
        let mut lines = Vec::new();
        let mut kernels = Vec::new();
        // The row that reads the image has no dx.
        for product in Product::ALL.into_iter().filter(|&product| row > 0 || product != Product::BackwardData) {
            let variant = device.profile.variant(product, &window);
            let commands = time(&solo.product(device, product), device, repeats)?;
            let executed = variant.multiply_adds(&window) as f64;
            for command in &commands {
                let multiplies = KERNELS.contains(&command.kernel);
                report(&product.to_string(), command, multiplies.then_some(executed));
                kernels.push(command.kernel);
            }
            lines.push((product, variant, commands, executed));
        }
        // What is no product: the sum of dy, and what the layer does besides.
        for (pass, program) in [("forward", solo.forward()), ("backward", solo.backward())] {
            let commands = time(&program, device, repeats)?;
            let others = commands.iter().filter(|c| !kernels.contains(&c.kernel) && !KERNELS.contains(&c.kernel));
            others.for_each(|command| report(pass, command, None));
        }
        let direct = (case.layer.multiply_adds(case.x, solo.y_shape) * plan.micro) as f64;
        for (product, variant, commands, executed) in lines {
            let seconds: f64 = commands.iter().map(|command| command.seconds).sum();
            sums.product_seconds += seconds;
            sums.direct += direct;
            for command in commands.iter().filter(|command| KERNELS.contains(&command.kernel)) {
                sums.kernel_seconds += command.seconds;
                sums.executed += executed;
            }
            each(&Line::Product(ProductReport {
                of: of.clone(),
                row: case.name.clone(),
                product: product.to_string(),
                variant: variant.to_string(),
                seconds,
                direct_gflops: 2.0 * direct / seconds / 1e9,
            }));
        }
    }
    let gflops = 2.0 * sums.executed / sums.kernel_seconds / 1e9;
    each(&Line::Total(Total {
        of,
        seconds: sums.seconds,
        product_seconds: sums.product_seconds,
        gflops,
        direct_gflops: 2.0 * sums.direct / sums.product_seconds / 1e9,
        share: gflops / ceiling.gflops,
        peak_share: gflops / ceiling.peak_gflops,
    }));
    Ok(())
}
