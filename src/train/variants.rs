//! Which variant of each product a run computes with, on each of its devices.

use crate::error::{Error, Result};
use crate::gpu::Device;
use crate::plan::Plan;
use crate::products::Choices;
use crate::run::Config;
use crate::tune::{self, How};
use std::sync::Arc;

/// The devices with the variants that `config` records; where it records none for an adapter, with those measured or
/// shipped, which it then records. Precision and exactness are the configuration's.
///
/// # Errors
/// A variant that this version has not, an adapter without the precision, a batch that fits no device.
pub fn variants(
    config: &mut Config,
    devices: &[Arc<Device>],
    how: How,
    note: impl FnMut(&str),
) -> Result<Vec<Arc<Device>>> {
    let net = config.network()?;
    let how = How { exact: config.exact, precision: config.precision, ..how };
    let devices = &devices.iter().map(|d| d.with_precision(config.precision)).collect::<Result<Vec<_>, _>>()?[..];
    let (batch, accumulate) = (config.batch, config.accumulate);
    let recorded = |device: &Arc<Device>| {
        let variants = config.kernels.get(&device.describe())?.clone();
        Some(device.with_choices(Choices { exact: config.exact, variants }))
    };
    let mut chosen: Vec<_> = devices.iter().filter_map(recorded).collect();
    if chosen.len() < devices.len() {
        let measured = tune::apply(&net, devices, batch, accumulate, how, note)?;
        chosen = measured.into_iter().map(|device| recorded(&device).unwrap_or(device)).collect();
    }
    let profiles: Vec<_> = chosen.iter().map(|device| &device.profile).collect();
    let tasks = tune::tasks(&net, Plan::new(&net, &profiles, batch, accumulate)?.batch);
    for device in &chosen {
        if let Some((product, variant)) = tune::unknown(device, &tasks) {
            return Err(Error::Usage(format!(
                "config.toml: the run computes {product} as `{variant}`, which this version has not on {}; resume with \
                 alexnet {}",
                device.describe(),
                config.version
            )));
        }
        config.kernels.insert(device.describe(), tune::resolved(device, &tasks).variants);
    }
    Ok(chosen)
}
