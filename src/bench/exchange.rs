//! Rates of the way between two adapters: the staging buffers and the host copy that carry a step's exchange.

use super::median;
use crate::error::Result;
use crate::gpu::{Device, Staging, Tensor, Upload};
use crate::net::Net;
use crate::plan::{Plan, crosses};
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// Transfers of one size.
#[derive(Clone, Debug, Serialize)]
pub struct ExchangeReport {
    /// Bytes of a transfer.
    pub bytes: u64,
    /// Median seconds from one device's memory to the other's.
    pub one_way: f64,
    /// Median seconds of two transfers at once, one each way, as a gather makes them.
    pub both_ways: f64,
    /// Rows of the network whose exchange has this size.
    pub rows: Vec<&'static str>,
}

impl ExchangeReport {
    /// GB/s in one direction.
    pub fn gigabytes(&self) -> f64 {
        self.bytes as f64 / self.one_way / 1e9
    }
}

impl fmt::Display for ExchangeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (one, both) = (self.one_way * 1e3, self.both_ways * 1e3);
        let rows = self.rows.join(", ");
        let text = format!(
            "{:>11} bytes  one way {one:>8.3} ms {:>7.2} GB/s  both ways {both:>8.3} ms  {rows}",
            self.bytes,
            self.gigabytes()
        );
        f.write_str(text.trim_end())
    }
}

/// One end of the way, on one device.
struct End {
    device: Arc<Device>,
    tensor: Tensor,
    staging: Staging,
    upload: Upload,
}

impl End {
    fn new(device: &Arc<Device>, bytes: u64) -> Self {
        Self {
            device: Arc::clone(device),
            tensor: Tensor::zeros(device, "exchanged", bytes as usize / 4),
            staging: Staging::new(device, bytes),
            upload: Upload::new(device, bytes),
        }
    }

    /// The front of this end's tensor to that of the other's.
    fn carry(&self, to: &End, bytes: u64) -> Result<()> {
        let part = self.tensor.slice(0..bytes as usize / 4);
        let mapping = self.staging.send(&self.device, &part);
        self.staging.take(&self.device, mapping, bytes, |data| to.upload.fill(&to.device, &[data]))??;
        to.upload.send(&to.device, [(bytes, to.tensor.buffer.clone(), 0)]);
        to.device.wait()
    }
}

/// Measures transfers between `first` and `second`: from 4 kB on, each four times the one before, and every size that
/// crosses in a step of `net` with `images` images.
///
/// # Errors
/// A plan that passes a limit; a lost device.
pub fn exchange(
    net: &Net,
    [first, second]: [&Arc<Device>; 2],
    images: usize,
    repeats: usize,
    mut each: impl FnMut(&ExchangeReport),
) -> Result<()> {
    let plan = Plan::new(net, &[&first.profile, &second.profile], images, 1)?;
    let crossing = (0..net.rows.len()).filter(|&row| crosses(net, row)).map(|row| {
        let values = net.rows[row].x.len() / net.table.columns * plan.batch;
        (4 * values as u64, net.rows[row].name)
    });
    let crossing: Vec<_> = crossing.collect();
    let largest = 4 * plan.crossing() as u64;
    let doubled = std::iter::successors(Some(4096), |bytes| Some(bytes * 4)).take_while(|bytes| *bytes < largest);
    let mut sizes: Vec<u64> = doubled.chain(crossing.iter().map(|(bytes, _)| *bytes)).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let (a, b) = (End::new(first, largest), End::new(second, largest));
    for bytes in sizes {
        let time = |work: &dyn Fn() -> Result<()>| -> Result<f64> {
            work()?;
            let mut seconds = Vec::with_capacity(repeats);
            for _ in 0..repeats {
                let start = Instant::now();
                work()?;
                seconds.push(start.elapsed().as_secs_f64());
            }
            Ok(median(seconds))
        };
        let one_way = time(&|| a.carry(&b, bytes))?;
        let both_ways = time(&|| {
            std::thread::scope(|scope| {
                let back = scope.spawn(|| b.carry(&a, bytes));
                a.carry(&b, bytes).and(back.join().expect("a transfer does not panic"))
            })
        })?;
        let rows = crossing.iter().filter(|(size, _)| *size == bytes).map(|(_, name)| *name).collect();
        each(&ExchangeReport { bytes, one_way, both_ways, rows });
    }
    Ok(())
}
