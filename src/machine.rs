//! A network on its adapters: columns, the exchange between them, and one step of training.
//!
//! A step is begun, which queues it, and finished, which waits for its results: so the next step's images travel and its
//! commands are recorded while the adapters compute. `machine/drive.rs` has what happens on each device meanwhile.

mod drive;
mod scale;

use crate::column::{Column, RESULTS, Shared, StepUniform, Update};
use crate::data::{Batch, Crops, Pixels, Stats, View};
use crate::error::{Error, Result};
use crate::gpu::{Device, HostTime, Mapping, Profile, Staging, Tensor};
use crate::net::{self, Net};
use crate::plan::{Phase, Plan};
use crate::products::Precision;
use crate::recipe::Figures;
use crate::trace::{Span, Spans};
use drive::{Driver, Link};
pub use scale::Scale;
use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
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
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Mean log-loss in nats, without decay.
    pub loss: f64,
    /// Fraction of the images whose class is not the most probable.
    pub top1_error: f64,
    /// Fraction of the images whose class is not among the five most probable.
    pub top5_error: f64,
    /// Seconds the host spent carrying data between devices, most of it while they computed; 0 on one device, where a
    /// copy in its queue serves.
    pub exchange: f64,
    /// Seconds of the host on every device's commands.
    pub host: HostTime,
    /// What the loss's gradient was multiplied by, a power of two; 1 in f32.
    pub scale: f64,
    /// Whether a gradient overflowed in mixed precision, and nothing was updated.
    pub skipped: bool,
    /// When the last device had ended the step.
    pub ended: Instant,
}

/// Steps that can be begun and not finished: one computes, one is queued.
pub const AHEAD: usize = 2;

/// A step in the queues.
struct Pending {
    step: u64,
    rate: f32,
    images: usize,
    /// Exponent of the loss's scale.
    scale: u32,
    exchange: f64,
    host: HostTime,
    /// Waits for the end of the step, because only who waits learns when it was.
    results: JoinHandle<Result<Results>>,
}

/// What a step left in each column's results, through the mapped buffers that come back with it.
struct Results {
    columns: Vec<(Staging, Vec<f32>)>,
    ended: Instant,
}

/// Waits for the results of a step, one a column.
fn wait(sent: Vec<(Arc<Device>, Staging, Mapping, u64)>) -> Result<Results> {
    let read = |(device, staging, mapping, bytes): (Arc<Device>, Staging, Mapping, u64)| {
        let values = staging.take(&device, mapping, bytes, bytemuck::pod_collect_to_vec)?;
        Ok((staging, values))
    };
    let columns = sent.into_iter().map(read).collect::<Result<_>>()?;
    Ok(Results { columns, ended: Instant::now() })
}

/// The pixels of a micro-batch, as the batch has them.
#[derive(Clone, Copy)]
enum Part<'a> {
    Floats(&'a [f32]),
    /// Bytes, and the view of each image.
    Crops(&'a [u8], &'a [View]),
}

/// Images of a micro-batch on their way to a device.
#[derive(Clone, Copy)]
struct Load<'a> {
    pixels: Part<'a>,
    labels: &'a [u32],
    uniform: StepUniform,
}

/// A network on its adapters.
pub struct Machine {
    net: Net,
    plan: Plan,
    settings: Settings,
    columns: Vec<Column>,
    shared: Vec<Shared>,
    /// Whose mean the devices hold.
    stats: Option<Arc<Stats>>,
    /// Every direction between two devices.
    links: Vec<Link>,
    /// For the results of steps to come, per column.
    ring: Vec<Vec<Staging>>,
    pending: VecDeque<Pending>,
    /// `None` in f32.
    scale: Option<Scale>,
    spans: Spans,
}

fn profiles(devices: &[Arc<Device>]) -> Vec<&Profile> {
    devices.iter().map(|device| &device.profile).collect()
}

/// Which of a parameter's tensors.
#[derive(Clone, Copy)]
enum Which {
    Weight,
    Momentum,
}

impl Machine {
    /// Allocates the columns of `net`, one per device or all on the single one given, and records their programs. Every
    /// value begins at zero.
    ///
    /// # Errors
    /// The plan passes a limit of an adapter.
    pub fn new(net: &Net, devices: &[Arc<Device>], settings: Settings) -> Result<Self> {
        let plan = Plan::new(net, &profiles(devices), settings.batch, settings.accumulate)?;
        Self::of(net, devices, plan, settings)
    }

    /// For use, not training, with batches of `batch` images: as [`Machine::new`], with the forward pass alone, which takes
    /// a third of the memory. It can run no step.
    ///
    /// # Errors
    /// As [`Machine::new`].
    pub fn in_use(net: &Net, devices: &[Arc<Device>], batch: usize) -> Result<Self> {
        let plan = Plan::in_use(net, &profiles(devices), batch)?;
        Self::of(net, devices, plan, Settings::inference(batch))
    }

    fn of(net: &Net, devices: &[Arc<Device>], plan: Plan, settings: Settings) -> Result<Self> {
        let profiles = profiles(devices);
        crate::plan::check_memory(net, &profiles, &plan, &devices.iter().map(|d| d.memory()).collect::<Vec<_>>())?;
        let shared: Vec<_> = devices.iter().enumerate().map(|(i, device)| Shared::new(net, device, &plan, i)).collect();
        let update = Update { figures: settings.figures, momentum: settings.momentum, decay: settings.decay };
        let columns: Vec<_> =
            (0..net.table.columns).map(|c| Column::new(net, &plan, c, &shared[plan.placement[c]], update)).collect();
        let pairs = (0..devices.len()).flat_map(|from| (0..devices.len()).map(move |to| (from, to)));
        let links = pairs
            .filter(|(from, to)| from != to)
            .map(|(from, to)| Link::new(devices, from, to, 4 * plan.crossing() as u64))
            .collect();
        let result = |column: &Column| Staging::new(&column.device, column.results.bytes());
        let ring = (0..AHEAD).map(|_| columns.iter().map(result).collect()).collect();
        for (index, device) in devices.iter().enumerate() {
            device.wait().map_err(|error| match error {
                Error::OutOfMemory(why) => Error::Limit(format!(
                    "--batch {}: {} needs {} MiB on {}, which is out of memory ({why}); use a smaller --batch, or \
                     --accumulate",
                    settings.batch,
                    net.table,
                    plan.bytes(index) >> 20,
                    device.describe()
                )),
                other => other,
            })?;
        }
        let (pending, spans) = (VecDeque::new(), Spans::off());
        let mixed = devices[0].profile.family.precision() == Precision::Mixed;
        let scale = mixed.then(Scale::default);
        Ok(Self { net: net.clone(), plan, settings, columns, shared, stats: None, links, ring, pending, scale, spans })
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

    /// The scale of the loss in the steps to come; `None` in f32.
    pub fn scale(&self) -> Option<Scale> {
        self.scale
    }

    /// Goes on with the scale of an earlier machine.
    ///
    /// # Panics
    /// In f32, or between a step's beginning and its end.
    pub fn set_scale(&mut self, scale: Scale) {
        assert!(self.scale.is_some() && self.pending.is_empty(), "a scale belongs to mixed precision and whole steps");
        self.scale = Some(scale);
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
    /// As [`Machine::begin`] and [`Machine::finish`].
    pub fn step(&mut self, batch: &Batch, step: u64, rate: f32) -> Result<Outcome> {
        assert!(self.pending.is_empty(), "steps that were begun are finished first");
        self.begin(batch, step, rate)?;
        self.finish()
    }

    /// Queues a step, as [`Machine::step`], without waiting for its end. At most [`AHEAD`] steps may be begun and not
    /// finished.
    ///
    /// # Errors
    /// A lost device.
    pub fn begin(&mut self, batch: &Batch, step: u64, rate: f32) -> Result<()> {
        assert!(!batch.is_empty() && batch.len() <= self.settings.batch, "{} images", batch.len());
        let stagings = self.ring.pop().expect("a step is finished before a third is begun");
        let before = self.host();
        let mut phases = self.plan.phases.clone();
        // Every micro-batch but the last leaves the update out.
        let update = phases.pop().filter(|phase| *phase == Phase::Update).expect("a step ends with its update");
        let scale = self.scale.map_or(0, |scale| scale.exponent(self.pending.len()));
        let mut exchange = 0.0;
        self.hold_mean(batch);
        for (i, first) in (0..batch.len()).step_by(self.plan.micro).enumerate() {
            let uniform = StepUniform {
                seed_low: self.settings.seed as u32,
                seed_high: (self.settings.seed >> 32) as u32,
                step: step as u32,
                train: 1,
                accumulate: u32::from(i > 0),
                rate,
                scale,
                ..StepUniform::default()
            };
            if first + self.plan.micro >= batch.len() {
                phases.push(update.clone());
            }
            exchange += self.drive(Some(self.part(batch, first, uniform)), &phases)?;
        }
        let sent = stagings.into_iter().zip(&self.columns).map(|(staging, column)| {
            let mapping = staging.send(&column.device, &column.results);
            (Arc::clone(&column.device), staging, mapping, column.results.bytes())
        });
        let (sent, after) = (sent.collect(), self.host());
        let results = std::thread::spawn(|| wait(sent));
        let host = HostTime {
            recording: after.recording - before.recording,
            submitting: after.submitting - before.submitting,
        };
        self.pending.push_back(Pending { step, rate, images: batch.len(), scale, exchange, host, results });
        Ok(())
    }

    /// Steps begun and not finished.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Waits for the oldest step that was begun, and not for those after it.
    ///
    /// # Errors
    /// A NaN or infinity in the step's loss, a gradient or a weight ([`Error::Diverged`], which names the step; steps
    /// begun after it are dropped); a lost device.
    ///
    /// # Panics
    /// No step was begun.
    pub fn finish(&mut self) -> Result<Outcome> {
        let Pending { step, rate, images, scale, exchange, host, results } =
            self.pending.pop_front().expect("a step was begun");
        let Results { columns, ended } = results.join().expect("waiting does not panic")?;
        let (stagings, read): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        self.ring.push(stagings);
        // Every column has every column's flag.
        let skipped = read[0][RESULTS..].iter().any(|flag| flag.to_bits() != 0);
        let mut sums = [0.0; 3];
        for (column, values) in self.columns.iter().zip(read) {
            if column.output.is_some() {
                sums = [values[0], values[1], values[2]];
            }
            let found = match values[3].to_bits() {
                _ if !sums[0].is_finite() => "the loss",
                // Nothing is left to halve.
                _ if skipped && scale == 0 => "a gradient",
                0 => continue,
                bits if bits & 1 != 0 => "a gradient",
                _ => "a weight",
            };
            while !self.pending.is_empty() {
                // They began from these weights: what they find says nothing new.
                let _ = self.finish();
            }
            return Err(Error::Diverged(format!(
                "{found} became NaN or infinite at step {step}, rate {rate:e}; a lower --lr may help"
            )));
        }
        if let Some(scale) = &mut self.scale {
            scale.finish(skipped);
        }
        let scale = 2f64.powi(scale as i32);
        let [loss, top1_error, top5_error] = sums.map(|sum| f64::from(sum) / images as f64);
        Ok(Outcome { loss, top1_error, top5_error, exchange, host, scale, skipped, ended })
    }

    /// One step, as [`Machine::step`], and what ran when during it. Adapters without timestamps have no row.
    ///
    /// # Errors
    /// As [`Machine::step`].
    pub fn trace(&mut self, batch: &Batch, step: u64, rate: f32) -> Result<(Outcome, Vec<Span>)> {
        let origin = Instant::now();
        self.spans = Spans::since(origin);
        for shared in &self.shared {
            shared.device.begin_timeline();
        }
        let outcome = self.step(batch, step, rate)?;
        let mut spans = std::mem::replace(&mut self.spans, Spans::off()).finish();
        for (i, shared) in self.shared.iter().enumerate() {
            let stamps = shared.device.end_timeline(origin)?;
            let row = format!("adapter {i}");
            spans.extend(stamps.into_iter().map(|(name, start, end)| Span { row: row.clone(), name, start, end }));
        }
        Ok((outcome, spans))
    }

    /// Seconds of the host on every device's commands, since the devices were opened.
    fn host(&self) -> HostTime {
        let all = self.shared.iter().map(|shared| shared.device.account.host());
        all.fold(HostTime::default(), |sum, host| HostTime {
            recording: sum.recording + host.recording,
            submitting: sum.submitting + host.submitting,
        })
    }

    /// Brings the mean of a batch of crops to every device, unless it is there.
    fn hold_mean(&mut self, batch: &Batch) {
        let Pixels::Crops(crops) = &batch.pixels else { return };
        if !self.stats.as_ref().is_some_and(|held| Arc::ptr_eq(held, &crops.stats)) {
            assert_eq!(crops.stats.size, self.net.table.image, "side of the mean image");
            self.shared.iter().for_each(|shared| shared.mean.write(&shared.device, &crops.stats.mean));
            self.stats = Some(Arc::clone(&crops.stats));
        }
    }

    /// The micro-batch that begins at image `first`.
    fn part<'a>(&self, batch: &'a Batch, first: usize, uniform: StepUniform) -> Load<'a> {
        let images = first..batch.len().min(first + self.plan.micro);
        let classes = self.net.classes;
        assert!(batch.labels.iter().all(|&label| (label as usize) < classes), "labels are below {classes}");
        let (valid, total) = (images.len() as u32, batch.len() as u32);
        let pixels = match &batch.pixels {
            Pixels::Floats(values) => {
                let len = self.net.rows[0].x.len();
                Part::Floats(&values[images.start * len..images.end * len])
            }
            Pixels::Crops(crops) => {
                let stride = Crops::stride(batch.side);
                Part::Crops(&crops.rgb[images.start * stride..images.end * stride], &crops.views[images.clone()])
            }
        };
        Load {
            pixels,
            labels: &batch.labels[images],
            uniform: StepUniform { first: first as u32, valid, total, ..uniform },
        }
    }

    /// Runs phases of the plan on every column, in order.
    ///
    /// # Errors
    /// A device was lost.
    pub fn run(&mut self, phases: &[Phase]) -> Result<()> {
        self.drive(None, phases).map(|_| ())
    }

    /// Loads images and runs phases on every device; returns the seconds the links carried.
    fn drive(&self, load: Option<Load>, phases: &[Phase]) -> Result<f64> {
        let driver = |device: usize| Driver {
            device,
            net: &self.net,
            plan: &self.plan,
            shared: &self.shared[device],
            columns: &self.columns,
            outboxes: Vec::new(),
            inboxes: Vec::new(),
            spans: &self.spans,
        };
        if self.links.is_empty() {
            return driver(0).run(load, phases).map(|()| 0.0);
        }
        let mut drivers: Vec<_> = (0..self.shared.len()).map(driver).collect();
        let (ended, carried) = std::thread::scope(|scope| {
            let mut links = Vec::with_capacity(self.links.len());
            for link in &self.links {
                let (carrier, outbox, inbox) = link.open();
                drivers[link.from].outboxes.push(outbox);
                drivers[link.to].inboxes.push(inbox);
                links.push(scope.spawn(move || link.carry(&carrier, &self.spans)));
            }
            // A driver that ends closes its links, so that nobody waits for it.
            let drive = |mut driver: Driver<'_>| driver.run(load, phases);
            let threads: Vec<_> = drivers.into_iter().map(|driver| scope.spawn(move || drive(driver))).collect();
            let join = "a thread of the exchange does not panic";
            let ended: Vec<_> = threads.into_iter().map(|thread| thread.join().expect(join)).collect();
            let carried: Vec<_> = links.into_iter().map(|link| link.join().expect(join)).collect();
            (ended, carried)
        });
        let seconds = carried.iter().flatten().sum();
        drive::cause(carried.into_iter().filter_map(Result::err).chain(ended.into_iter().filter_map(Result::err)))?;
        Ok(seconds)
    }

    /// Probability of each class, `[N, classes]`: [`Machine::output`] of a whole network.
    ///
    /// # Errors
    /// A device was lost.
    pub fn probabilities(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        self.output(batch)
    }

    /// The output of the last row, every column's channels joined: `[N, C, H, W]` ([`Net::output`]), in use (dropout rows
    /// multiply by 1 − p). Labels are not read; any number of images, run in groups of the batch size.
    ///
    /// # Errors
    /// A device was lost.
    pub fn output(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        let phases: Vec<_> = self
            .plan
            .phases
            .iter()
            .filter(|p| matches!(p, Phase::Forward(_) | Phase::Gather { .. }))
            .cloned()
            .collect();
        self.hold_mean(batch);
        let len = self.net.output().len();
        let mut all = Vec::with_capacity(batch.len() * len);
        for first in (0..batch.len()).step_by(self.plan.micro) {
            self.drive(Some(self.part(batch, first, StepUniform::default())), &phases)?;
            let mut values = Vec::with_capacity(len * self.plan.batch);
            for column in &self.columns {
                if let Some(output) = &column.output {
                    values.extend(output.read(&column.device)?);
                }
            }
            let images = self.plan.micro.min(batch.len() - first);
            all.extend((0..images).flat_map(|n| values.iter().skip(n).step_by(self.plan.batch)));
        }
        Ok(all)
    }
}
