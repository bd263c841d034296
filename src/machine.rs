//! A network on its adapters: columns, the exchange between them, and one step of training.
//!
//! One loop drives every adapter, with a thread for each device's submissions, so all queues work at the same time; it
//! waits only where data crosses between devices.

use crate::column::{Column, RESULTS, Shared, StepUniform, Update, ViewUniform};
use crate::data::{Batch, Crops, Pixels, Stats};
use crate::error::{Error, Result};
use crate::gpu::{Device, Profile, Staging, Tensor};
use crate::net::{self, Net};
use crate::plan::{Phase, Plan};
use crate::recipe::Figures;
use std::sync::Arc;
use std::time::Instant;

/// What does not change between the steps of a run.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Images a step.
    pub batch: usize,
    /// Micro-batches a step (`--accumulate`); the plan raises it where a tensor passes a binding limit.
    pub accumulate: usize,
    /// Whose factors of rate and decay are followed.
    pub figures: Figures,
    /// Factor of the velocity (§5).
    pub momentum: f32,
    /// Weight decay (§5).
    pub decay: f32,
    /// Seed of the dropout masks.
    pub seed: u64,
}

impl Settings {
    /// For use, not training: batches of `batch` images.
    pub fn inference(batch: usize) -> Self {
        Self { batch, accumulate: 1, figures: Figures::default(), momentum: 0.0, decay: 0.0, seed: 0 }
    }
}

/// Means over one step's batch, before the update.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Mean log-loss in nats, without decay.
    pub loss: f64,
    /// Fraction of the images whose class is not the most probable.
    pub top1_error: f64,
    /// Fraction of the images whose class is not among the five most probable.
    pub top5_error: f64,
    /// Seconds the host spent carrying data between devices; 0 on one device, where a copy in its queue serves.
    pub exchange: f64,
}

/// A network on its adapters.
pub struct Machine {
    net: Net,
    plan: Plan,
    settings: Settings,
    columns: Vec<Column>,
    shared: Vec<Shared>,
    /// Per device: through which tensors reach the host.
    staging: Vec<Staging>,
    exchange: f64,
    /// Whose mean the devices hold.
    stats: Option<Arc<Stats>>,
}

/// Which of a parameter's tensors.
#[derive(Clone, Copy)]
enum Which {
    Weight,
    Gradient,
    Momentum,
}

impl Machine {
    /// Allocates the columns of `net`, one per device or all on the single one given, and records their programs. Every
    /// value begins at zero.
    ///
    /// # Errors
    /// The plan passes a limit of an adapter.
    pub fn new(net: &Net, devices: &[Arc<Device>], settings: Settings) -> Result<Self> {
        let profiles: Vec<&Profile> = devices.iter().map(|d| &d.profile).collect();
        let plan = Plan::new(net, &profiles, settings.batch, settings.accumulate)?;
        crate::plan::check_memory(net, &profiles, &plan, &devices.iter().map(|d| d.memory()).collect::<Vec<_>>())?;
        let shared: Vec<_> = devices.iter().enumerate().map(|(i, device)| Shared::new(net, device, &plan, i)).collect();
        let update = Update { figures: settings.figures, momentum: settings.momentum, decay: settings.decay };
        let columns: Vec<_> =
            (0..net.table.columns).map(|c| Column::new(net, &plan, c, &shared[plan.placement[c]], update)).collect();
        let largest = plan.columns.iter().map(|c| c.incoming).max().unwrap_or(0).max(RESULTS);
        let staging = devices.iter().map(|device| Staging::new(device, (largest * 4) as u64)).collect();
        for (index, device) in devices.iter().enumerate() {
            device.wait().map_err(|error| match error {
                Error::OutOfMemory(why) => Error::Limit(format!(
                    "--batch {}: {} needs {} MiB on {}, which is out of memory ({why}); use a smaller --batch, or \
                     --accumulate",
                    settings.batch,
                    net.table.name,
                    plan.bytes(index) >> 20,
                    device.describe()
                )),
                other => other,
            })?;
        }
        Ok(Self { net: net.clone(), plan, settings, columns, shared, staging, exchange: 0.0, stats: None })
    }

    /// The network.
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// Where its tensors lie.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Its columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Writes every learnable tensor, whole, in the order of [`Net::tensors`].
    ///
    /// # Errors
    /// A device was lost.
    pub fn set_weights(&mut self, tensors: &[Vec<f32>]) -> Result<()> {
        self.set(Which::Weight, tensors)
    }

    /// Every learnable tensor, whole, in the order of [`Net::tensors`].
    ///
    /// # Errors
    /// A device was lost.
    pub fn weights(&self) -> Result<Vec<Vec<f32>>> {
        self.get(Which::Weight)
    }

    /// The gradients of the last step, like [`Machine::weights`].
    ///
    /// # Errors
    /// A device was lost.
    pub fn gradients(&self) -> Result<Vec<Vec<f32>>> {
        self.get(Which::Gradient)
    }

    /// The momenta v, like [`Machine::set_weights`].
    ///
    /// # Errors
    /// A device was lost.
    pub fn set_momenta(&mut self, tensors: &[Vec<f32>]) -> Result<()> {
        self.set(Which::Momentum, tensors)
    }

    /// The momenta v, like [`Machine::weights`].
    ///
    /// # Errors
    /// A device was lost.
    pub fn momenta(&self) -> Result<Vec<Vec<f32>>> {
        self.get(Which::Momentum)
    }

    /// A tensor's parts, one per column that holds it, first column first.
    fn parts(&self, tensor: &net::Tensor, which: Which) -> impl Iterator<Item = (&Column, &Tensor)> {
        let (row, place) = (tensor.row, tensor.place);
        self.columns.iter().filter_map(move |column| {
            let parameter = column.parameters[row].get(place)?;
            let part = match which {
                Which::Weight => &parameter.weight,
                Which::Gradient => &parameter.gradient,
                Which::Momentum => &parameter.momentum,
            };
            Some((column, part))
        })
    }

    fn set(&self, which: Which, tensors: &[Vec<f32>]) -> Result<()> {
        let all = self.net.tensors();
        assert_eq!(tensors.len(), all.len(), "one value per tensor of the network");
        for (tensor, values) in all.iter().zip(tensors) {
            assert_eq!(values.len(), tensor.len(), "{}", tensor.name);
            let mut rest = &values[..];
            for (column, part) in self.parts(tensor, which) {
                let (own, other) = rest.split_at(part.len);
                part.write(&column.device, own);
                rest = other;
            }
        }
        for shared in &self.shared {
            // The writes wait in staging memory until a submission.
            shared.device.queue.submit([]);
            shared.device.wait()?;
        }
        Ok(())
    }

    fn get(&self, which: Which) -> Result<Vec<Vec<f32>>> {
        let tensor = |tensor: &net::Tensor| {
            let mut values = Vec::with_capacity(tensor.len());
            for (column, part) in self.parts(tensor, which) {
                values.extend(part.read(&column.device)?);
            }
            Ok(values)
        };
        self.net.tensors().iter().map(tensor).collect()
    }

    /// One step of training at rate `rate`: forward, backward, update. `step` counts from 1; the batch may hold fewer
    /// images than [`Settings::batch`].
    ///
    /// # Errors
    /// A NaN or infinity in the loss, a gradient or a weight ([`Error::Diverged`]); a lost device.
    pub fn step(&mut self, batch: &Batch, step: u64, rate: f32) -> Result<Outcome> {
        self.exchange = 0.0;
        self.gradients_of(batch, step, rate)?;
        self.run(&Phase::Update)?;
        let [loss, top1, top5] = self.results(step, rate)?;
        let mean = |sum: f32| f64::from(sum) / batch.len() as f64;
        Ok(Outcome { loss: mean(loss), top1_error: mean(top1), top5_error: mean(top5), exchange: self.exchange })
    }

    /// Forward and backward over every micro-batch.
    fn gradients_of(&mut self, batch: &Batch, step: u64, rate: f32) -> Result<()> {
        assert!(!batch.is_empty() && batch.len() <= self.settings.batch, "{} images", batch.len());
        let phases = self.plan.phases.clone();
        for (i, first) in (0..batch.len()).step_by(self.plan.micro).enumerate() {
            let uniform = StepUniform {
                seed_low: self.settings.seed as u32,
                seed_high: (self.settings.seed >> 32) as u32,
                step: step as u32,
                first: first as u32,
                total: batch.len() as u32,
                train: 1,
                accumulate: u32::from(i > 0),
                rate,
                ..StepUniform::default()
            };
            self.load(batch, first, uniform)?;
            for phase in phases.iter().filter(|phase| **phase != Phase::Update) {
                self.run(phase)?;
            }
        }
        Ok(())
    }

    /// Uploads the micro-batch that begins at image `first` and its uniforms.
    fn load(&mut self, batch: &Batch, first: usize, uniform: StepUniform) -> Result<()> {
        let images = first..batch.len().min(first + self.plan.micro);
        let classes = self.net.classes;
        assert!(batch.labels.iter().all(|&label| (label as usize) < classes), "labels are below {classes}");
        let uniform = StepUniform { valid: images.len() as u32, ..uniform };
        for column in &self.columns {
            column.begin(uniform);
        }
        for (device, shared) in self.shared.iter().enumerate() {
            shared.labels.write(&shared.device, &batch.labels[images.clone()]);
            let column = &self.columns[self.plan.on(device).next().expect("a column lies on every device").column];
            match &batch.pixels {
                Pixels::Floats(values) => {
                    let len = self.net.rows[0].x.len();
                    shared.pixels.write(&shared.device, &values[images.start * len..images.end * len]);
                    column.arrange()?;
                }
                Pixels::Crops(crops) => {
                    let stride = Crops::stride(batch.side);
                    shared.pixels.write(&shared.device, &crops.rgb[images.start * stride..images.end * stride]);
                    let views: Vec<_> = crops.views[images.clone()].iter().map(ViewUniform::from).collect();
                    shared.views.write(&shared.device, &views);
                    if !self.stats.as_ref().is_some_and(|held| Arc::ptr_eq(held, &crops.stats)) {
                        assert_eq!(crops.stats.size, self.net.table.image, "side of the mean image");
                        shared.mean.write(&shared.device, &crops.stats.mean);
                    }
                    column.arrange_views()?;
                }
            }
        }
        if let Pixels::Crops(crops) = &batch.pixels {
            self.stats = Some(Arc::clone(&crops.stats));
        }
        Ok(())
    }

    /// Runs one phase of the plan on every column.
    ///
    /// # Errors
    /// A device was lost.
    pub fn run(&mut self, phase: &Phase) -> Result<()> {
        match phase {
            Phase::Forward(rows) => {
                let segment = self.segment(rows.start);
                self.each_column(|column| column.forward(segment))
            }
            Phase::Backward(rows) => {
                let segment = self.segment(rows.start);
                self.each_column(|column| column.backward(segment))
            }
            Phase::Gather { before } => self.exchange(|from, to| from.gather(*before, to)),
            Phase::Scatter { before } => {
                self.exchange(|from, to| from.scatter(*before, to))?;
                self.each_column(|column| column.add(*before))
            }
            Phase::Update => self.each_column(Column::update),
        }
    }

    /// Submits the work of every column: one after the other on one device, from a thread each on several, because a
    /// driver may hold a submission back until the one before it on its queue has ended.
    fn each_column(&self, submit: impl Fn(&Column) -> Result<()> + Sync) -> Result<()> {
        if self.shared.len() == 1 {
            return self.columns.iter().try_for_each(submit);
        }
        std::thread::scope(|scope| {
            let threads: Vec<_> = self.columns.iter().map(|column| scope.spawn(|| submit(column))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().expect("a submission does not panic"))
        })
    }

    /// Number of the segment that begins at `row`.
    fn segment(&self, row: usize) -> usize {
        self.plan.phases.iter().filter(|p| matches!(p, Phase::Forward(rows) if rows.start < row)).count()
    }

    /// Moves, for every ordered pair of columns, what `part` names: (tensor of the sender, place at the receiver). On one
    /// device that is a copy in its queue; between two, the host waits for both and carries the bytes.
    fn exchange(&mut self, part: impl Fn(&Column, &Column) -> Option<(Tensor, Tensor)>) -> Result<()> {
        let mut staged = Vec::new();
        for from in &self.columns {
            for to in self.columns.iter().filter(|to| to.index != from.index) {
                let Some((tensor, place)) = part(from, to) else { continue };
                let mut encoder = from.device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
                if Arc::ptr_eq(&from.device, &to.device) {
                    let (source, target) = (&tensor.buffer, &place.buffer);
                    encoder.copy_buffer_to_buffer(source, tensor.offset, target, place.offset, tensor.bytes());
                    from.device.queue.submit([encoder.finish()]);
                } else {
                    staged.push((from, to, tensor, place));
                }
            }
        }
        if staged.is_empty() {
            return Ok(());
        }
        // What was computed before is not the exchange's time.
        for shared in &self.shared {
            shared.device.wait()?;
        }
        let start = Instant::now();
        let mut requests = Vec::with_capacity(staged.len());
        for (from, _, tensor, _) in &staged {
            let staging = &mut self.staging[self.plan.placement[from.index]];
            let mut encoder = from.device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            staging.copy_from(&mut encoder, tensor);
            from.device.queue.submit([encoder.finish()]);
            requests.push(staging.request());
        }
        for ((from, to, _, place), request) in staged.iter().zip(requests) {
            let staging = &self.staging[self.plan.placement[from.index]];
            staging.finish(&from.device, request, |bytes| {
                to.device.queue.write_buffer(&place.buffer, place.offset, bytes);
            })?;
        }
        self.exchange += start.elapsed().as_secs_f64();
        Ok(())
    }

    /// Sums of the step: loss, top-1 and top-5 error. Waits for the step's end on every device.
    fn results(&mut self, step: u64, rate: f32) -> Result<[f32; 3]> {
        let mut sums = [0.0; 3];
        for column in &self.columns {
            let staging = &mut self.staging[self.plan.placement[column.index]];
            let mut encoder = column.device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            staging.copy_from(&mut encoder, &column.results);
            column.device.queue.submit([encoder.finish()]);
            let mut values = [0.0f32; RESULTS];
            staging.read(&column.device, |bytes| values.copy_from_slice(bytemuck::cast_slice(bytes)))?;
            if column.probabilities.is_some() {
                sums = [values[0], values[1], values[2]];
            }
            let found = match values[3].to_bits() {
                _ if !sums[0].is_finite() => "the loss",
                0 => continue,
                bits if bits & 1 != 0 => "a gradient",
                _ => "a weight",
            };
            return Err(Error::Diverged(format!(
                "{found} became NaN or infinite at step {step}, rate {rate:e}; a lower --lr may help"
            )));
        }
        Ok(sums)
    }

    /// Probability of each class, `[N, classes]`, in use (dropout rows multiply by 1 − p). Labels are not read; any
    /// number of images, run in groups of the batch size.
    ///
    /// # Errors
    /// A device was lost.
    pub fn probabilities(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        let phases: Vec<_> = self
            .plan
            .phases
            .iter()
            .filter(|p| matches!(p, Phase::Forward(_) | Phase::Gather { .. }))
            .cloned()
            .collect();
        let classes = self.net.classes;
        let mut all = Vec::with_capacity(batch.len() * classes);
        for first in (0..batch.len()).step_by(self.plan.micro) {
            self.load(batch, first, StepUniform { total: batch.len() as u32, ..StepUniform::default() })?;
            for phase in &phases {
                self.run(phase)?;
            }
            let column = self.columns.iter().find(|c| c.probabilities.is_some()).expect("one column has the loss");
            let values = column.probabilities.as_ref().expect("found by it").read(&column.device)?;
            let images = self.plan.micro.min(batch.len() - first);
            all.extend(
                (0..images)
                    .flat_map(|n| (0..classes).map(move |c| (c, n)))
                    .map(|(c, n)| values[c * self.plan.batch + n]),
            );
        }
        Ok(all)
    }
}
