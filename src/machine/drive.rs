//! One device's part of a run, and the links between devices.
//!
//! Where there are several devices, each has a thread that submits its work in the plan's order, because a driver may
//! hold a submission back until the one before it has ended. Each direction between two devices has a thread that
//! carries what crosses through host memory, while both devices go on: what is sent is fetched as soon as its copy has
//! run, and what has arrived is waited for only where the plan needs it.

use super::{Load, Part};
use crate::column::{Column, Shared, StepUniform, ViewUniform};
use crate::error::{Error, Result};
use crate::gpu::{Device, Mapping, Staging, Tensor, Upload};
use crate::net::Net;
use crate::plan::{Phase, Plan};
use crate::trace::Spans;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::sync::Arc;
use std::time::Instant;

/// One direction between two devices. A mapped buffer on each side is enough: exchanges are a segment apart.
pub(super) struct Link {
    pub(super) from: usize,
    pub(super) to: usize,
    source: Arc<Device>,
    target: Arc<Device>,
    staging: Staging,
    upload: Upload,
}

/// What a link's thread reads and answers.
pub(super) struct Carrier {
    sent: Receiver<(u64, Mapping)>,
    free: Sender<()>,
    filled: Sender<()>,
    emptied: Receiver<()>,
}

/// The sender's end of a link, during a run.
pub(super) struct Outbox<'a> {
    link: &'a Link,
    sent: Sender<(u64, Mapping)>,
    free: Receiver<()>,
    /// Whether something was sent that is not yet known to have arrived.
    busy: bool,
}

/// The receiver's end of a link, during a run.
pub(super) struct Inbox<'a> {
    link: &'a Link,
    filled: Receiver<()>,
    emptied: Sender<()>,
}

const GONE: &str = "the exchange ended, because another device failed";

/// The other end of a link has closed.
fn gone() -> Error {
    Error::DeviceLost(GONE.to_owned())
}

/// Of what threads ended with, the error that made the others fail.
pub(super) fn cause(errors: impl IntoIterator<Item = Error>) -> Result<()> {
    let of_another = |error: &Error| matches!(error, Error::DeviceLost(why) if why == GONE);
    errors.into_iter().min_by_key(of_another).map_or(Ok(()), Err)
}

impl Link {
    /// Room for the largest part that crosses.
    pub(super) fn new(devices: &[Arc<Device>], from: usize, to: usize, bytes: u64) -> Self {
        Self {
            from,
            to,
            source: Arc::clone(&devices[from]),
            target: Arc::clone(&devices[to]),
            staging: Staging::new(&devices[from], bytes),
            upload: Upload::new(&devices[to], bytes),
        }
    }

    /// The ends of this link for a run.
    pub(super) fn open(&self) -> (Carrier, Outbox<'_>, Inbox<'_>) {
        let ((sent_in, sent), (free, free_out)) = (unbounded(), unbounded());
        let ((filled, filled_out), (emptied_in, emptied)) = (unbounded(), unbounded());
        (
            Carrier { sent, free, filled, emptied },
            Outbox { link: self, sent: sent_in, free: free_out, busy: false },
            Inbox { link: self, filled: filled_out, emptied: emptied_in },
        )
    }

    /// Carries until the sender's end closes; returns the seconds that took, waiting for the devices apart.
    pub(super) fn carry(&self, ends: &Carrier, spans: &Spans) -> Result<f64> {
        let row = format!("link {} to {}", self.from, self.to);
        let mut seconds = 0.0;
        while let Ok((bytes, mapping)) = ends.sent.recv() {
            let carry = |data: &[u8]| {
                let start = Instant::now();
                self.upload.fill(&self.target, &[data])?;
                spans.note(&row, &format!("{bytes} bytes"), start);
                Ok(start.elapsed().as_secs_f64())
            };
            seconds += self.staging.take(&self.source, mapping, bytes, carry)??;
            if ends.filled.send(()).is_err() || ends.emptied.recv().is_err() || ends.free.send(()).is_err() {
                break;
            }
        }
        Ok(seconds)
    }
}

impl Outbox<'_> {
    fn send(&mut self, tensor: &Tensor) -> Result<()> {
        if self.busy {
            self.free.recv().map_err(|_| gone())?;
        }
        self.busy = true;
        let mapping = self.link.staging.send(&self.link.source, tensor);
        self.sent.send((tensor.bytes(), mapping)).map_err(|_| gone())
    }
}

impl Inbox<'_> {
    fn receive(&self, place: &Tensor) -> Result<()> {
        self.filled.recv().map_err(|_| gone())?;
        self.link.upload.send(&self.link.target, [(place.bytes(), place.buffer.clone(), place.offset)]);
        self.emptied.send(()).map_err(|_| gone())
    }
}

/// Drives one device through phases.
pub(super) struct Driver<'a> {
    pub(super) device: usize,
    pub(super) net: &'a Net,
    pub(super) plan: &'a Plan,
    pub(super) shared: &'a Shared,
    /// Of every device.
    pub(super) columns: &'a [Column],
    pub(super) outboxes: Vec<Outbox<'a>>,
    pub(super) inboxes: Vec<Inbox<'a>>,
    pub(super) spans: &'a Spans,
}

impl Driver<'_> {
    /// Loads images and runs `phases` on them, in order.
    pub(super) fn run(&mut self, load: Option<Load>, phases: &[Phase]) -> Result<()> {
        let row = format!("host of adapter {}", self.device);
        if let Some(load) = load {
            let start = Instant::now();
            self.shared.device.timeline.label("image batch");
            self.load(load)?;
            self.spans.note(&row, "image batch", start);
        }
        for phase in phases {
            let (start, name) = (Instant::now(), phase.name(self.net));
            self.shared.device.timeline.label(&name);
            self.phase(phase)?;
            self.spans.note(&row, &name, start);
        }
        Ok(())
    }

    /// Uploads images, labels and uniforms and brings the images into the order of the device.
    fn load(&self, Load { pixels, labels, uniform }: Load) -> Result<()> {
        let Shared { device, upload, .. } = self.shared;
        let uniforms: Vec<_> =
            self.own().map(|column| StepUniform { column: column.index as u32, ..uniform }).collect();
        let views: Vec<ViewUniform> = match pixels {
            Part::Floats(_) => Vec::new(),
            Part::Crops(_, views) => views.iter().map(ViewUniform::from).collect(),
        };
        let bytes = match pixels {
            Part::Floats(values) => bytemuck::cast_slice(values),
            Part::Crops(rgb, _) => rgb,
        };
        let parts =
            [bytemuck::cast_slice(&uniforms), bytemuck::cast_slice(labels), bytemuck::cast_slice(&views), bytes];
        let start = Instant::now();
        upload.fill(device, &parts)?;
        self.spans.note(&format!("host of adapter {}", self.device), "upload", start);
        let tensor = |part: &[u8], tensor: &'_ Tensor| (part.len() as u64, tensor.buffer.clone(), tensor.offset);
        let uniforms = self.own().map(|column| (size_of::<StepUniform>() as u64, column.step().clone(), 0));
        let Shared { labels, views, pixels: place, .. } = self.shared;
        let data = [tensor(parts[1], labels), tensor(parts[2], views), tensor(parts[3], place)];
        upload.send(device, uniforms.chain(data).filter(|(bytes, ..)| *bytes > 0));
        let column = self.own().next().expect("a column lies on every device");
        match pixels {
            Part::Floats(_) => column.arrange(),
            Part::Crops(..) => column.arrange_views(),
        }
    }

    fn own(&self) -> impl Iterator<Item = &Column> + Clone {
        self.columns.iter().filter(|column| self.plan.placement[column.index] == self.device)
    }

    fn phase(&mut self, phase: &Phase) -> Result<()> {
        match phase {
            Phase::Forward(rows) => {
                let segment = self.plan.segment(rows.start);
                self.own().try_for_each(|column| column.forward(segment))
            }
            Phase::Backward(rows) => {
                let segment = self.plan.segment(rows.start);
                self.own().try_for_each(|column| column.backward(segment))
            }
            Phase::Weights(rows) => {
                let segment = self.plan.segment(rows.start);
                self.own().try_for_each(|column| column.weights(segment))
            }
            Phase::Gather { before } => {
                let part = |from: &Column, to: &Column| from.gather(*before, to);
                self.send(part)?;
                self.receive(part)
            }
            Phase::Scatter { before } => self.send(|from, to| from.scatter(*before, to)),
            Phase::Add { before } => {
                self.receive(|from, to| from.scatter(*before, to))?;
                self.own().try_for_each(|column| column.add(*before))
            }
            Phase::Update => {
                // A step is skipped in every column or in none.
                self.own().try_for_each(Column::find_overflow)?;
                self.send(Column::overflow)?;
                self.receive(Column::overflow)?;
                self.own().try_for_each(Column::update)
            }
        }
    }

    /// Sets off what `part` names (tensor of the sender, place at the receiver): to a column on this device by a copy
    /// in its queue, to another device through its link.
    fn send(&mut self, part: impl Fn(&Column, &Column) -> Option<(Tensor, Tensor)>) -> Result<()> {
        let columns = self.columns;
        for from in columns.iter().filter(|column| self.plan.placement[column.index] == self.device) {
            for to in columns.iter().filter(|to| to.index != from.index) {
                let Some((tensor, place)) = part(from, to) else { continue };
                let target = self.plan.placement[to.index];
                match self.outboxes.iter_mut().find(|outbox| outbox.link.to == target) {
                    Some(outbox) => outbox.send(&tensor)?,
                    None => {
                        let (source, target, bytes) = (&tensor.buffer, &place.buffer, tensor.bytes());
                        self.shared.device.submit(|encoder| {
                            encoder.copy_buffer_to_buffer(source, tensor.offset, target, place.offset, bytes);
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes in what `part` names from other devices.
    fn receive(&self, part: impl Fn(&Column, &Column) -> Option<(Tensor, Tensor)>) -> Result<()> {
        for to in self.own() {
            for from in self.columns {
                let source = self.plan.placement[from.index];
                let Some(inbox) = self.inboxes.iter().find(|inbox| inbox.link.from == source) else { continue };
                if let Some((_, place)) = part(from, to) {
                    inbox.receive(&place)?;
                }
            }
        }
        Ok(())
    }
}
