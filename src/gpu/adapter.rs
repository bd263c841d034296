//! Adapters: listing, choosing, opening.

use super::kernel::{Packing, Pipelines};
use super::{Account, Timeline};
use crate::error::{Error, Result};
use crate::products::{Choices, Family, Precision, Product, Variant, Window};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
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
    adapter: wgpu::Adapter,
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
}

/// What of an adapter decides how kernels run on it. The same for every placement of the columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The kernels it can run in its products.
    pub family: Family,
    /// Which of them it runs where; what is missing runs the family's default.
    pub choices: Choices,
    /// Threads of a workgroup in elementwise kernels.
    pub workgroup: u32,
    /// Items, most often vec4s, each of them handles.
    pub per_thread: u32,
    /// Most bytes one storage binding may span.
    pub max_binding: u64,
    /// Most bytes one buffer may hold.
    pub max_buffer: u64,
    /// Alignment of a binding's offset, in bytes.
    pub alignment: u64,
    /// Most workgroups along one dimension.
    pub max_groups: u32,
    /// Whether its shaders have f16.
    pub half: bool,
    /// Whether its shaders have 64-bit integers.
    pub long: bool,
    /// Whether a submission's length is capped by measured time (software adapters, Windows).
    pub capped: bool,
}

impl Profile {
    /// An adapter that offers what every WebGPU adapter does and nothing more.
    pub fn webgpu() -> Self {
        let limits = wgpu::Limits::default();
        Self::new(Family::PORTABLE, &limits, Features::empty(), false)
    }

    /// The variant in which `product` of `window` runs.
    pub fn variant(&self, product: Product, window: &Window) -> Variant {
        self.choices.variant(self.family, product, window)
    }

    /// How kernels see the vec4s of its buffers.
    pub(super) fn packing(&self) -> Packing {
        match self.family {
            Family::Lanes { .. } if self.long => Packing::Integers,
            _ => Packing::Floats,
        }
    }

    /// Every family it can run, the most general first.
    pub fn families(&self) -> Vec<Family> {
        let mut families = self.family.all();
        families.extend(Some(self.family.mixed()).filter(|mixed| self.half && *mixed != self.family));
        families
    }

    fn new(family: Family, limits: &wgpu::Limits, features: Features, capped: bool) -> Self {
        let (workgroup, per_thread) = family.spread();
        Self {
            family,
            choices: Choices::default(),
            workgroup,
            per_thread,
            max_binding: limits.max_storage_buffer_binding_size,
            max_buffer: limits.max_buffer_size,
            alignment: u64::from(limits.min_storage_buffer_offset_alignment).max(256),
            max_groups: limits.max_compute_workgroups_per_dimension,
            half: features.contains(Features::SHADER_F16),
            long: features.contains(Features::SHADER_INT64),
            capped,
        }
    }
}

/// An opened adapter: device, queue, compiled pipelines.
pub struct Device {
    /// wgpu's device.
    pub raw: wgpu::Device,
    /// wgpu's queue of that device.
    pub queue: wgpu::Queue,
    /// Name, backend, driver and type, as wgpu reports them.
    pub info: wgpu::AdapterInfo,
    /// What decides how kernels run on it.
    pub profile: Profile,
    pub(super) pipelines: Pipelines,
    choice: String,
    fault: Arc<Mutex<Option<Fault>>>,
    /// What it was asked for.
    pub account: Account,
    /// When it ran what, while a trace is made.
    pub timeline: Timeline,
}

enum Fault {
    Lost(String),
    OutOfMemory(String),
    /// A call this project made wrongly.
    Bug(String),
}

impl Device {
    fn open(row: &AdapterRow, limits: wgpu::Limits, choice: String) -> Result<Arc<Self>> {
        let wanted = Features::SUBGROUP | Features::TEXTURE_ADAPTER_SPECIFIC_FORMAT_FEATURES;
        let optional = Features::SHADER_F16 | Features::SHADER_INT64 | Features::TIMESTAMP_QUERY;
        let features = row.features & (wanted | optional);
        let request = row.adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("alexnet"),
            required_features: features,
            required_limits: limits,
            experimental_features: wgpu::ExperimentalFeatures::disabled(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            trace: wgpu::Trace::Off,
        });
        let (raw, queue) = pollster::block_on(request).map_err(|e| Error::Adapter {
            why: format!("adapter {} ({}) could not be opened: {e}", row.index, row.info.name),
            found: "Try another one with --adapters; `alexnet adapters` lists them.".to_owned(),
        })?;
        let fault = Arc::new(Mutex::new(None));
        let seen = Arc::clone(&fault);
        raw.on_uncaptured_error(Arc::new(move |e: wgpu::Error| {
            let text = e.to_string();
            let found = match e {
                wgpu::Error::OutOfMemory { .. } => Fault::OutOfMemory(text),
                wgpu::Error::Validation { .. } => Fault::Bug(text),
                wgpu::Error::Internal { .. } => Fault::Lost(text),
            };
            seen.lock().expect("no holder panics").get_or_insert(found);
        }));
        let seen = Arc::clone(&fault);
        raw.set_device_lost_callback(move |reason, message| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                seen.lock().expect("no holder panics").get_or_insert(Fault::Lost(message));
            }
        });
        let profile = Profile::new(Family::of(row, features), &raw.limits(), features, row.capped());
        Ok(Arc::new(Self {
            raw,
            queue,
            info: row.info.clone(),
            profile,
            pipelines: Arc::default(),
            choice,
            fault,
            account: Account::default(),
            timeline: Timeline::default(),
        }))
    }

    /// The same device with the kernels of another family.
    pub fn with_family(&self, family: Family) -> Arc<Self> {
        let (workgroup, per_thread) = family.spread();
        self.with_profile(Profile { family, workgroup, per_thread, ..self.profile.clone() })
    }

    /// This device, as it was opened, with the kernels of `precision`.
    ///
    /// # Errors
    /// The adapter has no f16.
    pub fn with_precision(self: &Arc<Self>, precision: Precision) -> Result<Arc<Self>> {
        if precision == Precision::F32 {
            return Ok(Arc::clone(self));
        }
        if self.profile.half {
            return Ok(self.with_family(self.profile.family.mixed()));
        }
        Err(Error::Adapter {
            why: format!("--precision mixed: {} has no f16 in shaders (SHADER_F16)", self.describe()),
            found: "Leave --precision out, or name another adapter with --adapters; `alexnet adapters` says which have f16."
                .to_owned(),
        })
    }

    /// The same device with these variants of the products.
    pub fn with_choices(&self, choices: Choices) -> Arc<Self> {
        self.with_profile(Profile { choices, ..self.profile.clone() })
    }

    /// The same device, treated as one of another profile. What one of them compiles, the others have.
    pub fn with_profile(&self, profile: Profile) -> Arc<Self> {
        Arc::new(Self {
            raw: self.raw.clone(),
            queue: self.queue.clone(),
            info: self.info.clone(),
            profile,
            pipelines: Arc::clone(&self.pipelines),
            choice: self.choice.clone(),
            fault: Arc::clone(&self.fault),
            account: Account::default(),
            timeline: Timeline::default(),
        })
    }

    /// Name, backend and driver in one line.
    pub fn describe(&self) -> String {
        format!("{} ({}, {} {})", self.info.name, self.info.backend, self.info.driver, self.info.driver_info)
    }

    /// Bytes free for its tensors, where that can be known: a CPU adapter's memory is the system's.
    pub fn memory(&self) -> Option<u64> {
        if self.info.device_type != DeviceType::Cpu {
            return None;
        }
        let mut system = sysinfo::System::new().ok()?;
        system.refresh_memory();
        Some(system.available_memory())
    }

    /// Why it was chosen.
    pub fn choice(&self) -> &str {
        &self.choice
    }

    /// Does `work`, which records and runs kernels, and waits for it. The inner error is what the driver or wgpu refused,
    /// in words: the device goes on without.
    ///
    /// # Errors
    /// The device was lost, or `work` failed for another reason.
    pub fn attempt<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<Result<T, String>> {
        use wgpu::ErrorFilter::{Internal, OutOfMemory, Validation};
        let scopes = [Internal, OutOfMemory, Validation].map(|filter| self.raw.push_error_scope(filter));
        let done = work().and_then(|done| self.wait().map(|()| done));
        // In the order they happened the first error explains the others; each scope holds its first.
        let refused = scopes.into_iter().rev().filter_map(|scope| pollster::block_on(scope.pop())).last();
        let Some(refused) = refused else { return done.map(Ok) };
        if done.is_err() {
            // A lost device refuses everything.
            self.ensure_works()?;
        }
        // Among what was compiled meanwhile may be what was refused.
        self.pipelines.lock().expect("no holder panics").clear();
        Ok(Err(refused.to_string()))
    }

    fn ensure_works(&self) -> Result<()> {
        let scope = self.raw.push_error_scope(wgpu::ErrorFilter::Validation);
        let read = super::Tensor::zeros(self, "probe", 4).read(self);
        let refused = pollster::block_on(scope.pop());
        let lost = |why: String| Error::DeviceLost(format!("{}: {why}", self.describe()));
        read.and_then(|_| refused.map_or(Ok(()), |why| Err(lost(why.to_string()))))
    }

    /// Waits for all submitted work and reports what went wrong since the last call.
    ///
    /// # Errors
    /// The device was lost, or ran out of memory.
    ///
    /// # Panics
    /// On a call that wgpu's validation refused: a bug of this project.
    pub fn wait(&self) -> Result<()> {
        self.poll(wgpu::PollType::wait_indefinitely())
    }

    /// Waits for one submission and those before it, as [`Device::wait`] does for all.
    ///
    /// # Errors
    /// The device was lost, or ran out of memory.
    pub fn wait_for(&self, submission: wgpu::SubmissionIndex) -> Result<()> {
        self.poll(wgpu::PollType::Wait { submission_index: Some(submission), timeout: None })
    }

    fn poll(&self, until: wgpu::PollType) -> Result<()> {
        let polled = self.raw.poll(until);
        match self.fault.lock().expect("no holder panics").take() {
            Some(Fault::Lost(why)) => Err(Error::DeviceLost(format!("{}: {why}", self.describe()))),
            Some(Fault::OutOfMemory(why)) => Err(Error::OutOfMemory(format!("{}: {why}", self.describe()))),
            Some(Fault::Bug(why)) => panic!("a call that wgpu refused: {why}"),
            None => polled
                .map(|_| ())
                .map_err(|e| Error::DeviceLost(format!("{}: waiting for it failed: {e}", self.describe()))),
        }
    }
}

impl AdapterRow {
    /// Windows stops a dispatch after two seconds; a software adapter can take that long for one submission.
    fn capped(&self) -> bool {
        cfg!(windows) || self.info.device_type == DeviceType::Cpu
    }
}
