//! Adapters: listing and choosing.

use super::Device;
use crate::error::{Error, Result};
use std::fmt;
use std::sync::{Arc, OnceLock};
use wgpu::{Backend, DeviceType, Features};

/// One adapter as `alexnet adapters` lists it.
#[derive(Clone, Debug)]
pub struct AdapterRow {
    /// Place in the list, which `--adapters` takes.
    pub index: usize,
    /// Name, backend, driver and type, as wgpu reports them.
    pub info: wgpu::AdapterInfo,
    /// Most bytes one storage binding may span.
    pub max_binding: u64,
    /// Most bytes one buffer may hold.
    pub max_buffer: u64,
    /// Optional features the adapter offers.
    pub features: Features,
    pub(super) adapter: wgpu::Adapter,
}

impl AdapterRow {
    fn driver(&self) -> String {
        format!("{} {}", self.info.driver, self.info.driver_info).trim().to_owned()
    }

    fn kind(&self) -> &'static str {
        match self.info.device_type {
            DeviceType::DiscreteGpu => "discrete",
            DeviceType::IntegratedGpu => "integrated",
            DeviceType::VirtualGpu => "virtual",
            DeviceType::Cpu => "cpu",
            DeviceType::Other => "other",
        }
    }

    /// Higher is better: the kind of device first, then the backend.
    fn rank(&self) -> (u8, u8) {
        let kind = match self.info.device_type {
            DeviceType::DiscreteGpu => 4,
            DeviceType::IntegratedGpu => 3,
            DeviceType::VirtualGpu => 2,
            DeviceType::Other => 1,
            DeviceType::Cpu => 0,
        };
        (kind, u8::from(self.info.backend != Backend::Gl))
    }

    /// Opens a device on the adapter. Two calls give two independent devices.
    fn open(&self, choice: String) -> Result<Arc<Device>> {
        Device::open(self, self.adapter.limits(), choice)
    }

    /// Opens a device held to WebGPU's default limits, whatever the adapter offers.
    ///
    /// # Errors
    /// The driver refuses the device.
    pub fn open_with_default_limits(&self) -> Result<Arc<Device>> {
        Device::open(self, wgpu::Limits::default(), "opened with WebGPU's default limits".to_owned())
    }
}

impl fmt::Display for AdapterRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes >> 20;
        let mut features = Vec::new();
        if self.features.contains(Features::SUBGROUP) {
            features.push(format!("subgroups of {}", subgroups(&self.info)));
        }
        if self.features.contains(Features::TEXTURE_ADAPTER_SPECIFIC_FORMAT_FEATURES) {
            features.push("readable float textures".to_owned());
        }
        if self.features.contains(Features::SHADER_F16) {
            features.push("f16".to_owned());
        }
        if self.features.contains(Features::TIMESTAMP_QUERY) {
            features.push("timestamps".to_owned());
        }
        write!(
            f,
            "{}  {}  {}  {}  {}  {} MiB a binding, {} MiB a buffer  {}",
            self.index,
            self.info.name,
            self.info.backend,
            self.driver(),
            self.kind(),
            mib(self.max_binding),
            mib(self.max_buffer),
            features.join(", ")
        )
    }
}

fn subgroups(info: &wgpu::AdapterInfo) -> String {
    if info.subgroup_min_size == info.subgroup_max_size {
        info.subgroup_min_size.to_string()
    } else {
        format!("{}-{}", info.subgroup_min_size, info.subgroup_max_size)
    }
}

fn instance() -> &'static wgpu::Instance {
    static INSTANCE: OnceLock<wgpu::Instance> = OnceLock::new();
    INSTANCE.get_or_init(|| {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        // Debug layers slow every call and are a developer's choice (WGPU_VALIDATION).
        descriptor.flags = wgpu::InstanceFlags::empty().with_env();
        wgpu::Instance::new(descriptor)
    })
}

/// Every adapter with compute shaders, in wgpu's order, with GL after the others; nothing merged. Asked once.
pub fn list() -> &'static [AdapterRow] {
    static ROWS: OnceLock<Vec<AdapterRow>> = OnceLock::new();
    ROWS.get_or_init(enumerate)
}

fn enumerate() -> Vec<AdapterRow> {
    let mut adapters = pollster::block_on(instance().enumerate_adapters(wgpu::Backends::all()));
    adapters.retain(|a| a.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS));
    adapters.sort_by_key(|a| a.get_info().backend == Backend::Gl);
    adapters
        .into_iter()
        .enumerate()
        .map(|(index, adapter)| {
            let limits = adapter.limits();
            AdapterRow {
                index,
                info: adapter.get_info(),
                max_binding: limits.max_storage_buffer_binding_size,
                max_buffer: limits.max_buffer_size,
                features: adapter.features(),
                adapter,
            }
        })
        .collect()
}

fn listing(rows: &[AdapterRow]) -> String {
    if rows.is_empty() {
        return "No adapter was found. A GPU's driver brings one; a software adapter does too: on Debian or Ubuntu \
                `apt-get install mesa-vulkan-drivers`, on Fedora `dnf install mesa-vulkan-drivers`."
            .to_owned();
    }
    let lines: Vec<_> = rows.iter().map(|r| format!("  {r}")).collect();
    format!("Adapters here:\n{}", lines.join("\n"))
}

/// Opens the adapters `--adapters` names (indices or parts of names, separated by commas), or the best there are.
///
/// Left out: two discrete GPUs of one driver where there are two and the network has two columns, else the best
/// adapter. `0,0` opens two devices on one adapter.
///
/// # Errors
/// No adapter; an index or name that is unknown or fits several; more adapters than columns.
pub fn select(adapters: Option<&str>, columns: usize) -> Result<Vec<Arc<Device>>> {
    let rows = list();
    let fail = |why: String| Error::Adapter { why, found: listing(rows) };
    if rows.is_empty() {
        return Err(fail("no adapter with compute shaders".to_owned()));
    }
    let Some(words) = adapters else { return best(rows, columns) };
    let mut chosen = Vec::new();
    for word in words.split(',').map(str::trim) {
        chosen.push(named(rows, word).map_err(&fail)?);
    }
    if chosen.len() > columns {
        return Err(Error::Usage(format!(
            "--adapters {words}: the network has {}, {} adapters were named; name {}",
            if columns == 1 { "one column".to_owned() } else { format!("{columns} columns") },
            chosen.len(),
            if columns == 1 { "one adapter".to_owned() } else { format!("at most {columns}") },
        )));
    }
    if chosen.len() > 1 && chosen.len() < columns {
        return Err(Error::Usage(format!(
            "--adapters {words}: name one adapter, or one for each of {columns} columns"
        )));
    }
    chosen.into_iter().map(|row| row.open(format!("named by --adapters {words}"))).collect()
}

fn named<'a>(rows: &'a [AdapterRow], word: &str) -> Result<&'a AdapterRow, String> {
    if let Ok(index) = word.parse::<usize>() {
        return rows.get(index).ok_or_else(|| format!("--adapters: there is no adapter {index}"));
    }
    let lower = word.to_lowercase();
    let fits: Vec<_> = rows
        .iter()
        .filter(|r| !word.is_empty() && format!("{} {}", r.info.name, r.info.backend).to_lowercase().contains(&lower))
        .collect();
    match fits[..] {
        [one] => Ok(one),
        [] => Err(format!("--adapters: no adapter's name contains {word:?}")),
        _ => {
            let indices: Vec<_> = fits.iter().map(|r| r.index.to_string()).collect();
            Err(format!("--adapters: {word:?} fits several adapters ({}); use an index", indices.join(", ")))
        }
    }
}

fn best(rows: &[AdapterRow], columns: usize) -> Result<Vec<Arc<Device>>> {
    let discrete: Vec<_> = rows
        .iter()
        .filter(|r| r.info.device_type == DeviceType::DiscreteGpu && r.info.backend != Backend::Gl)
        .collect();
    if columns == 2 {
        for (i, a) in discrete.iter().enumerate() {
            // The same GPU appears once per backend; a pair must be two GPUs of one driver and backend.
            if let Some(b) = discrete[i + 1..].iter().find(|b| a.same_driver(b)) {
                let why = format!("two discrete GPUs of one driver: {} and {}", a.index, b.index);
                return Ok(vec![a.open(why.clone())?, b.open(why)?]);
            }
        }
    }
    let mut ranked: Vec<_> = rows.iter().collect();
    ranked.sort_by_key(|r| std::cmp::Reverse(r.rank()));
    Ok(vec![ranked[0].open(format!("the best of {} found", rows.len()))?])
}

impl AdapterRow {
    fn same_driver(&self, other: &Self) -> bool {
        (self.info.backend, &self.info.driver, &self.info.driver_info)
            == (other.info.backend, &other.info.driver, &other.info.driver_info)
    }

    /// Windows stops a dispatch after two seconds; a software adapter can take that long for one submission.
    pub(super) fn capped(&self) -> bool {
        cfg!(windows) || self.info.device_type == DeviceType::Cpu
    }
}
