//! Recording: layers say what runs on which tensors; a [`Program`] runs it again and again.

use super::kernel::{Compiled, Const};
use super::{Device, Tensor, Texture};
use crate::error::Result;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a kernel's variable is bound to.
#[derive(Clone, Copy)]
pub enum Bind<'a> {
    /// A storage buffer's range.
    Tensor(&'a Tensor),
    /// A storage texture to read.
    Texture(&'a Texture),
    /// A uniform of four numbers, for what differs between dispatches of one kernel.
    Numbers([u32; 4]),
}

impl Bind<'_> {
    /// Bytes of a tensor. A texture is shared by operands of all sizes; the copy that fills it counts them.
    fn bytes(&self) -> u64 {
        match self {
            Self::Tensor(tensor) => tensor.bytes(),
            Self::Texture(_) | Self::Numbers(_) => 0,
        }
    }
}

impl<'a> From<&'a Tensor> for Bind<'a> {
    fn from(tensor: &'a Tensor) -> Self {
        Self::Tensor(tensor)
    }
}

impl<'a> From<&'a Texture> for Bind<'a> {
    fn from(texture: &'a Texture) -> Self {
        Self::Texture(texture)
    }
}

impl From<[u32; 4]> for Bind<'_> {
    fn from(numbers: [u32; 4]) -> Self {
        Self::Numbers(numbers)
    }
}

enum Command {
    Dispatch { kernel: Arc<Compiled>, group: wgpu::BindGroup, size: [u32; 3], bytes: u64 },
    Copy { from: Tensor, to: Tensor },
    Load { from: Tensor, to: Texture },
}

/// One command's time.
#[derive(Clone, Copy, Debug)]
pub struct Timed {
    /// The kernel, or what kind of copy.
    pub name: &'static str,
    /// From submission to the end of the work.
    pub seconds: f64,
    /// Of everything it binds, or reads and writes.
    pub bytes: u64,
}

/// Commands recorded once, submitted each step.
#[derive(Default)]
pub struct Program {
    commands: Vec<Command>,
    /// Commands that go into one submission, where the adapter's time is capped.
    chunk: Mutex<Option<usize>>,
}

/// One submission should take no longer: a desktop stays usable, and Windows resets a device after two seconds.
const SUBMISSION: Duration = Duration::from_millis(500);

impl Program {
    /// Submits every command, in order. Returns at once, unless the adapter's submissions are capped by time.
    ///
    /// # Errors
    /// The device was lost.
    pub fn submit(&self, device: &Device) -> Result<()> {
        if self.commands.is_empty() {
            return Ok(());
        }
        if !device.profile.capped {
            Self::run(device, &self.commands);
            return Ok(());
        }
        let chunk = *self.chunk.lock().expect("no holder panics");
        if let Some(chunk) = chunk {
            for commands in self.commands.chunks(chunk) {
                Self::run(device, commands);
            }
            return Ok(());
        }
        // The first run is timed, one command a submission; later runs group as many as fit.
        let mut longest = Duration::ZERO;
        for command in self.commands.chunks(1) {
            let start = Instant::now();
            Self::run(device, command);
            device.wait()?;
            longest = longest.max(start.elapsed());
        }
        let fits = (SUBMISSION.as_secs_f64() / longest.as_secs_f64().max(1e-6)) as usize;
        *self.chunk.lock().expect("no holder panics") = Some(fits.clamp(1, self.commands.len()));
        Ok(())
    }

    /// Submits `commands` at once.
    fn run(device: &Device, commands: &[Command]) {
        device.submit(|encoder| Self::encode(device, commands, encoder));
    }

    fn encode(device: &Device, commands: &[Command], encoder: &mut wgpu::CommandEncoder) {
        let is_dispatch = |command: &Command| matches!(command, Command::Dispatch { .. });
        let stamps = commands.iter().any(is_dispatch).then(|| device.timeline.pair()).flatten();
        let mut rest = commands;
        let mut is_first = true;
        while let Some(first) = rest.first() {
            let dispatches = rest.iter().take_while(|command| is_dispatch(command)).count();
            if dispatches > 0 {
                let is_last = !rest[dispatches..].iter().any(is_dispatch);
                let stamps = stamps.as_ref().filter(|_| is_first || is_last);
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                    label: None,
                    timestamp_writes: stamps.map(|pair| pair.writes(is_first, is_last)),
                });
                is_first = false;
                for command in &rest[..dispatches] {
                    if let Command::Dispatch { kernel, group, size: [x, y, z], .. } = command {
                        pass.set_pipeline(&kernel.pipeline);
                        pass.set_bind_group(0, group, &[]);
                        pass.dispatch_workgroups(*x, *y, *z);
                    }
                }
                rest = &rest[dispatches..];
                continue;
            }
            match first {
                Command::Copy { from, to } => {
                    encoder.copy_buffer_to_buffer(&from.buffer, from.offset, &to.buffer, to.offset, from.bytes());
                }
                Command::Load { from, to } => to.copy_from(encoder, from),
                Command::Dispatch { .. } => unreachable!("dispatches were taken above"),
            }
            rest = &rest[1..];
        }
    }

    /// Runs every command alone and times it, in order: for benchmarks.
    ///
    /// # Errors
    /// The device was lost.
    pub fn time(&self, device: &Device) -> Result<Vec<Timed>> {
        let mut times = Vec::with_capacity(self.commands.len());
        for command in self.commands.chunks(1) {
            device.wait()?;
            let start = Instant::now();
            Self::run(device, command);
            device.wait()?;
            let seconds = start.elapsed().as_secs_f64();
            let (name, bytes) = match &command[0] {
                Command::Dispatch { kernel, bytes, .. } => (kernel.name, *bytes),
                Command::Copy { from, .. } => ("copy", 2 * from.bytes()),
                Command::Load { from, .. } => ("copy to texture", 2 * from.bytes()),
            };
            times.push(Timed { name, seconds, bytes });
        }
        Ok(times)
    }

    /// Name and WGSL of every kernel, in the order they run.
    pub fn kernels(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.commands.iter().filter_map(|command| match command {
            Command::Dispatch { kernel, .. } => Some((kernel.name, kernel.text.as_str())),
            Command::Copy { .. } | Command::Load { .. } => None,
        })
    }
}

/// An elementwise kernel has about this many workgroups at least.
const WORKGROUPS: u32 = 32;

/// Records commands into a [`Program`].
pub struct Recorder<'a> {
    /// The device the program will run on.
    pub device: &'a Device,
    /// Bound wherever a kernel has a variable `step`.
    step: &'a wgpu::Buffer,
    program: Program,
}

impl<'a> Recorder<'a> {
    /// A recorder for `device`, whose kernels read their step's uniforms from `step`.
    pub fn new(device: &'a Device, step: &'a wgpu::Buffer) -> Self {
        Self { device, step, program: Program::default() }
    }

    /// Records kernel `name` over `size` workgroups, its variables bound by name.
    ///
    /// # Panics
    /// On a name the kernel does not have, or one left out: a bug, found when the program is recorded.
    pub fn dispatch<'b>(
        &mut self,
        name: &'static str,
        consts: &[(&str, Const)],
        binds: &[(&str, Bind<'b>)],
        size: [u32; 3],
    ) {
        let kernel = self.device.kernel(name, consts);
        for (wanted, _) in binds {
            let known = || kernel.bindings.iter().map(|b| b.name.as_str()).collect::<Vec<_>>().join(", ");
            assert!(kernel.bindings.iter().any(|b| b.name == *wanted), "{name} binds {}, not {wanted}", known());
        }
        let numbers: Vec<_> = binds
            .iter()
            .filter_map(|(name, bind)| match bind {
                Bind::Numbers(numbers) => Some((*name, self.uniform(name, numbers))),
                _ => None,
            })
            .collect();
        let entries: Vec<_> = kernel
            .bindings
            .iter()
            .map(|binding| {
                let found = binds.iter().find(|(n, _)| *n == binding.name).map(|(_, bind)| bind);
                let resource = match found {
                    None if binding.name == "step" => self.step.as_entire_binding(),
                    None => panic!("{name}: nothing is bound to {}", binding.name),
                    Some(Bind::Numbers(_)) => {
                        let (_, buffer) = numbers.iter().find(|(n, _)| *n == binding.name).expect("made above");
                        buffer.as_entire_binding()
                    }
                    Some(Bind::Texture(texture)) => wgpu::BindingResource::TextureView(&texture.view),
                    Some(Bind::Tensor(tensor)) => wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                        buffer: &tensor.buffer,
                        offset: tensor.offset,
                        size: std::num::NonZeroU64::new(tensor.bytes()),
                    }),
                };
                wgpu::BindGroupEntry { binding: binding.slot, resource }
            })
            .collect();
        self.device.account.make(0);
        let group = self.device.raw.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(name),
            layout: &kernel.pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        assert!(
            size.iter().all(|&s| s > 0 && s <= self.device.profile.max_groups),
            "{name}: {size:?} workgroups, {} are allowed along a dimension",
            self.device.profile.max_groups
        );
        let bytes = binds.iter().map(|(_, bind)| bind.bytes()).sum();
        self.program.commands.push(Command::Dispatch { kernel, group, size, bytes });
    }

    /// A buffer that holds `numbers` from the start.
    fn uniform(&self, label: &str, numbers: &[u32; 4]) -> wgpu::Buffer {
        let bytes = bytemuck::cast_slice(numbers);
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let buffer = self.device.buffer(label, bytes.len() as u64, usage);
        self.device.queue.write_buffer(&buffer, 0, bytes);
        buffer
    }

    /// Records an elementwise kernel over `items` items (`shaders/shared/each.wgsl`).
    pub fn each<'b>(
        &mut self,
        name: &'static str,
        items: usize,
        consts: &[(&'static str, Const)],
        binds: &[(&str, Bind<'b>)],
    ) {
        let profile = &self.device.profile;
        let mut all = consts.to_vec();
        all.push(("ITEMS", items.into()));
        all.push(("WORKGROUP", profile.workgroup.into()));
        // Few items are spread over many workgroups all the same, so that no core waits for the last one.
        let per_thread = (items / (profile.workgroup * WORKGROUPS) as usize).clamp(1, profile.per_thread as usize);
        all.push(("PER_THREAD", per_thread.into()));
        let groups = items.div_ceil(profile.workgroup as usize * per_thread) as u32;
        let size = grid(groups, profile.max_groups);
        self.dispatch(name, &all, binds, size);
    }

    /// Records a copy of `from` to the front of `to`.
    pub fn copy(&mut self, from: &Tensor, to: &Tensor) {
        assert!(from.len <= to.len, "a copy of {} values to {}", from.len, to.len);
        self.program.commands.push(Command::Copy { from: from.clone(), to: to.clone() });
    }

    /// Records a copy of `from` to the front of `to`.
    pub fn load(&mut self, from: &Tensor, to: &Texture) {
        self.program.commands.push(Command::Load { from: from.clone(), to: to.clone() });
    }

    /// What was recorded.
    pub fn finish(self) -> Program {
        self.program
    }
}

/// `groups` workgroups as x × y, where x alone would pass the limit of a dimension. Kernels number them
/// `x + y · num_workgroups.x` and skip those past the end.
pub fn grid(groups: u32, max: u32) -> [u32; 3] {
    let y = groups.div_ceil(max).max(1);
    [groups.div_ceil(y).max(1), y, 1]
}
