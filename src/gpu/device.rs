//! An opened adapter, and what of it decides how kernels run.

use super::kernel::{Packing, Pipelines};
use super::{Account, AdapterRow, Timeline};
use crate::error::{Error, Result};
use crate::products::{Choices, Family, Precision, Product, Variant, Window};
use std::sync::{Arc, Mutex};
use wgpu::{DeviceType, Features};

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
    pub(super) fn open(row: &AdapterRow, limits: wgpu::Limits, choice: String) -> Result<Arc<Self>> {
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
