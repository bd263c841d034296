//! A network on adapters, as data: phases of a step, what crosses between columns, memory. No adapter is touched.

use crate::error::{Error, Result};
use crate::gpu::Profile;
use crate::net::{Net, On, Reads, Tensor};
use crate::products::Needs;
use std::ops::Range;

mod column;
mod describe;
mod growth;
mod memory;

pub use column::{ColumnPlan, CutPlan, RowPlan, layer_needs};
pub use describe::describe;
pub use growth::{Rates, growth};
use memory::Lives;
pub use memory::Place;

/// One training step, top to bottom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// These rows forward, in every column that holds them.
    Forward(Range<usize>),
    /// Each column's output reaches the columns that read it in row `before`.
    Gather {
        /// The row that reads every column.
        before: usize,
    },
    /// These rows backward, but for the gradients of their parameters: what the rows above wait for.
    Backward(Range<usize>),
    /// The adjoint of the gather: each column's share of the input gradient of row `before` sets off to its owner.
    Scatter {
        /// The row that reads every column.
        before: usize,
    },
    /// The gradients of these rows' parameters, while the scatter travels.
    Weights(Range<usize>),
    /// What the scatter brought is added to the owner's share.
    Add {
        /// The row that reads every column.
        before: usize,
    },
    /// Momentum and weights; no parameter ever crosses.
    Update,
}

impl Phase {
    /// In words: `forward conv1 to pool2`.
    pub fn name(&self, net: &Net) -> String {
        let ends = |rows: &Range<usize>| format!("{} to {}", net.rows[rows.start].name, net.rows[rows.end - 1].name);
        match self {
            Phase::Forward(rows) => format!("forward {}", ends(rows)),
            Phase::Gather { before } => format!("gather {}", net.rows[*before].name),
            Phase::Backward(rows) => format!("backward {}", ends(rows)),
            Phase::Scatter { before } => format!("scatter {}", net.rows[*before].name),
            Phase::Weights(rows) => format!("weights {}", ends(rows)),
            Phase::Add { before } => format!("add {}", net.rows[*before].name),
            Phase::Update => "update".to_owned(),
        }
    }
}

/// The phases of a training step: rows are cut where a row reads both columns, and run backward down to the first that
/// learns.
pub fn phases(net: &Net) -> Vec<Phase> {
    let mut cuts = vec![0];
    cuts.extend((1..net.rows.len()).filter(|&i| crosses(net, i)));
    cuts.push(net.rows.len());
    let segments: Vec<Range<usize>> = cuts.windows(2).map(|w| w[0]..w[1]).collect();
    let mut phases = Vec::new();
    for rows in &segments {
        if rows.start > 0 {
            phases.push(Phase::Gather { before: rows.start });
        }
        phases.push(Phase::Forward(rows.clone()));
    }
    let first = net.first_learning();
    for rows in segments.iter().rev().take_while(|rows| rows.end > first) {
        phases.push(Phase::Backward(rows.clone()));
        let crossing = (rows.start > first).then_some(rows.start);
        phases.extend(crossing.map(|before| Phase::Scatter { before }));
        phases.push(Phase::Weights(rows.clone()));
        phases.extend(crossing.map(|before| Phase::Add { before }));
    }
    phases.push(Phase::Update);
    phases
}

/// Whether data crosses between columns above row `row`.
pub fn crosses(net: &Net, row: usize) -> bool {
    net.table.columns > 1 && net.rows[row].reads == Reads::Both
}

/// Whether column `column` holds row `row`.
pub fn holds(net: &Net, column: usize, row: usize) -> bool {
    column == 0 || net.rows[row].on == On::Each
}

/// What the columns on one device share, and the buffers all their tensors lie in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicePlan {
    /// Values of each buffer.
    pub buffers: Vec<usize>,
    /// The image batch as it arrives, `[N, 3, side, side]`.
    pub pixels: Place,
    /// The same, images innermost.
    pub image: Place,
}

/// A network placed on adapters, for a batch.
#[derive(Clone, Debug)]
pub struct Plan {
    /// A step, in order.
    pub phases: Vec<Phase>,
    /// One plan a column.
    pub columns: Vec<ColumnPlan>,
    /// One plan a device.
    pub devices: Vec<DevicePlan>,
    /// Device of each column.
    pub placement: Vec<usize>,
    /// Images a step.
    pub images: usize,
    /// Micro-batches a step.
    pub micro_batches: usize,
    /// Images of a micro-batch.
    pub micro: usize,
    /// Images on the device: `micro` padded for the kernels.
    pub batch: usize,
    /// Values of the image batch.
    pub image: usize,
    /// Values of the mean image.
    pub mean: usize,
}

impl Plan {
    /// Places `net` on devices with these profiles, one for each column or one for all. A batch whose tensors pass a
    /// binding runs as more micro-batches than asked for.
    ///
    /// # Errors
    /// Not even one image's tensors can be bound, or a buffer cannot hold a column's part of a parameter.
    pub fn new(net: &Net, profiles: &[&Profile], images: usize, accumulate: usize) -> Result<Self> {
        Self::of(net, profiles, images, accumulate, &phases(net))
    }

    /// For use, not training: the forward pass alone, as [`Plan::new`].
    ///
    /// # Errors
    /// Those of [`Plan::new`].
    pub fn in_use(net: &Net, profiles: &[&Profile], images: usize) -> Result<Self> {
        let mut phases = phases(net);
        phases.retain(|phase| matches!(phase, Phase::Forward(_) | Phase::Gather { .. }));
        Self::of(net, profiles, images, 1, &phases)
    }

    fn of(net: &Net, profiles: &[&Profile], images: usize, accumulate: usize, phases: &[Phase]) -> Result<Self> {
        ensure_parameters(net, profiles)?;
        let placement: Vec<_> =
            (0..net.table.columns).map(|c| if profiles.len() == net.table.columns { c } else { 0 }).collect();
        let mut micro_batches = accumulate.clamp(1, images);
        loop {
            let micro = images.div_ceil(micro_batches);
            // The same batch on every device: what crosses has one layout.
            let batch = profiles.iter().map(|p| padded(net, p, micro)).max().expect("there is a device");
            let mut plan = Self {
                phases: phases.to_vec(),
                columns: Vec::new(),
                devices: Vec::new(),
                placement: placement.clone(),
                images,
                micro_batches,
                micro,
                batch,
                image: net.rows[0].x.len() * batch,
                mean: 3 * net.table.image * net.table.image,
            };
            for (device, profile) in profiles.iter().enumerate() {
                plan.put(net, device, profile);
            }
            let Some((what, needs, has)) = plan.over(profiles) else { return Ok(plan) };
            if micro == 1 {
                return Err(Error::Limit(format!(
                    "{}: {what} takes {needs} bytes for the smallest batch ({batch} images on the device), a binding \
                     of this adapter spans {has}; use another adapter",
                    net.table
                )));
            }
            micro_batches = images.div_ceil(micro - 1);
        }
    }

    /// Plans device `device` and its columns.
    fn put(&mut self, net: &Net, device: usize, profile: &Profile) {
        let mut lives = Lives::default();
        let (pixels, image) = (lives.tensor(self.image), lives.tensor(self.image));
        let on = (0..self.placement.len()).filter(|&column| self.placement[column] == device);
        let mut columns: Vec<_> = on
            .map(|column| ColumnPlan::new(net, column, profile, self.batch, self.micro_batches, image, &mut lives))
            .collect();
        column::walk(net, &self.phases, &columns, pixels, image, &mut lives);
        let value = size_of::<f32>() as u64;
        let (places, buffers) =
            lives.place((profile.alignment / value) as usize, (profile.max_buffer / value) as usize);
        columns.iter_mut().for_each(|column| column.settle(&places));
        self.columns.extend(columns);
        self.devices.push(DevicePlan { buffers, pixels: pixels.settled(&places), image: image.settled(&places) });
    }

    /// A tensor that is bound whole and passes a binding: its name, its bytes and the limit.
    fn over(&self, profiles: &[&Profile]) -> Option<(String, u64, u64)> {
        self.columns.iter().find_map(|column| {
            let profile = profiles[self.placement[column.column]];
            let limit = profile.max_binding.min(profile.max_buffer);
            let own = [
                ("the image batch", self.image),
                ("partial sums", column.needs.partial),
                ("a packed operand", column.needs.packed),
            ];
            let named = column.tensors.iter().map(|(name, len)| (name.as_str(), *len));
            let over = own.into_iter().chain(named).find(|(_, len)| *len as u64 * 4 > limit);
            over.map(|(name, len)| (name.to_owned(), len as u64 * 4, limit))
        })
    }

    /// Whether it has a backward pass and an update.
    pub fn trains(&self) -> bool {
        self.phases.last() == Some(&Phase::Update)
    }

    /// Number of the segment that begins at `row`.
    pub fn segment(&self, row: usize) -> usize {
        self.phases.iter().filter(|p| matches!(p, Phase::Forward(rows) if rows.start < row)).count()
    }

    /// Columns on device `device`.
    pub fn on(&self, device: usize) -> impl Iterator<Item = &ColumnPlan> {
        self.columns.iter().filter(move |c| self.placement[c.column] == device)
    }

    /// What the columns of device `device` share in their products.
    pub fn needs(&self, device: usize) -> Needs {
        self.on(device).map(|c| c.needs).fold(Needs::default(), Needs::max)
    }

    /// Values of the largest part that crosses between columns.
    pub fn crossing(&self) -> usize {
        let cuts = self.columns.iter().flat_map(|column| &column.cuts);
        cuts.map(|cut| cut.output.len).max().unwrap_or(0)
    }

    /// Bytes device `device` will need at most, and at once: everything is allocated before the first step.
    pub fn bytes(&self, device: usize) -> u64 {
        let DevicePlan { buffers, .. } = &self.devices[device];
        let shared: usize = buffers.iter().sum();
        // Weights; in training their momenta and the gradients that are kept.
        let own = |column: &ColumnPlan| {
            if self.trains() { 2 * column.parameters + column.gradients } else { column.parameters }
        };
        let own: usize = self.on(device).map(own).sum();
        4 * (shared + own) as u64 + self.needs(device).bytes() + self.carried(device) + self.small(device)
    }

    /// Bytes through which data reaches device `device` or leaves it: pixels; what crosses, each way.
    fn carried(&self, device: usize) -> u64 {
        let crossing = if self.devices.len() > 1 { 2 * self.crossing() } else { 0 };
        4 * (self.image + crossing) as u64 + self.small(device)
    }

    /// Bytes of labels, scores, results, views, the mean image and uniforms.
    fn small(&self, device: usize) -> u64 {
        let columns = self.on(device).count();
        (4 * self.batch * (1 + 2 * columns) + 32 * self.batch + 4 * self.mean + 256 * (1 + columns)) as u64
    }
}

/// `micro` images padded so that kernels divide them and every column's part of a gathered tensor begins aligned.
fn padded(net: &Net, profile: &Profile, micro: usize) -> usize {
    let images = profile.family.images();
    let mut batch = micro.next_multiple_of(images);
    let aligned = |batch: usize| {
        (0..net.rows.len())
            .filter(|&r| crosses(net, r))
            .map(|r| (net.rows[r].x.len() / net.table.columns * batch * 4) as u64)
            .all(|bytes| bytes.is_multiple_of(profile.alignment))
    };
    while !aligned(batch) {
        batch += images;
    }
    batch
}

/// Refuses a plan that the system's memory cannot hold: `memory` has the free bytes of each device that lives in it (a
/// CPU adapter's), `None` for the others.
///
/// # Errors
/// Names the plan's figure, the limit, the largest batch that fits and `--accumulate`.
pub fn check_memory(net: &Net, profiles: &[&Profile], plan: &Plan, memory: &[Option<u64>]) -> Result<()> {
    let Some(free) = memory.iter().flatten().copied().min() else { return Ok(()) };
    let bytes = |plan: &Plan| -> u64 {
        (0..plan.devices.len()).filter(|&device| memory[device].is_some()).map(|device| plan.bytes(device)).sum()
    };
    let needed = bytes(plan);
    if needed <= free {
        return Ok(());
    }
    let fits = |images: usize| {
        let other = Plan::of(net, profiles, images, 1, &plan.phases);
        other.is_ok_and(|plan| plan.micro_batches == 1 && bytes(&plan) <= free)
    };
    // Memory grows with the batch: bisect between a batch that fits and one that does not.
    let (mut low, mut high) = (0, plan.micro);
    while high - low > 1 {
        let middle = low.midpoint(high);
        if fits(middle) { low = middle } else { high = middle }
    }
    let mib = |bytes: u64| bytes >> 20;
    let advice = match low {
        0 => "not even one image fits; use an adapter with more memory".to_owned(),
        low => format!(
            "the largest batch that fits is {low}; keep --batch {} with --accumulate {}",
            plan.images,
            plan.images.div_ceil(low)
        ),
    };
    Err(Error::Limit(format!(
        "--batch {}: {} needs {} MiB, {} MiB are free; {advice}",
        plan.images,
        net.table,
        mib(needed),
        mib(free)
    )))
}

/// Parameters are bound in ranges, but each lies in one buffer.
fn ensure_parameters(net: &Net, profiles: &[&Profile]) -> Result<()> {
    let holds = profiles.iter().map(|profile| profile.max_buffer).min().unwrap_or(0);
    let bytes = |tensor: &Tensor| (tensor.len() / net.columns_of(tensor.row) * size_of::<f32>()) as u64;
    match net.tensors().iter().find(|tensor| bytes(tensor) > holds) {
        None => Ok(()),
        Some(tensor) => Err(Error::Limit(format!(
            "{}: {} takes {} bytes a column, a buffer of this adapter holds {holds}; use another adapter{}",
            net.table,
            tensor.name,
            bytes(tensor),
            if tensor.dims[0] == net.classes { ", or images of fewer classes" } else { "" }
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alexnet::{ALEXNET, HALF, TINY};

    #[test]
    fn a_step_of_the_paper_is_five_segments_and_their_mirror() {
        let net = Net::resolve(&ALEXNET, 1000, 0.5).unwrap();
        let names: Vec<_> = phases(&net).iter().map(|phase| phase.name(&net)).collect();
        let forward = "forward conv1 to pool2, gather conv3, forward conv3 to pool5, gather fc6, forward fc6 to drop6, \
                       gather fc7, forward fc7 to drop7, gather fc8, forward fc8 to loss";
        let segment =
            |rows: &str, before: &str| format!("backward {rows}, scatter {before}, weights {rows}, add {before}");
        let backward = [
            segment("fc8 to loss", "fc8"),
            segment("fc7 to drop7", "fc7"),
            segment("fc6 to drop6", "fc6"),
            segment("conv3 to pool5", "conv3"),
        ];
        let last = "backward conv1 to pool2, weights conv1 to pool2, update";
        let expected = format!("{forward}, {}, {last}", backward.join(", "));
        assert_eq!(names.join(", "), expected);
    }

    #[test]
    fn a_column_writes_its_half_where_the_next_row_reads_the_whole() {
        let net = Net::resolve(&TINY, 10, 0.5).unwrap();
        let profile = Profile::webgpu();
        let plan = Plan::new(&net, &[&profile], 32, 1).unwrap();
        let at = |column: usize, name: &str| {
            let row = net.rows.iter().position(|r| r.name == name).unwrap();
            plan.columns[column].rows[row].clone()
        };
        let (pool2, conv3) = (at(1, "pool2").unwrap(), at(1, "conv3").unwrap());
        assert_eq!(pool2.y, conv3.x.part(conv3.x.len / 2, conv3.x.len / 2));
        assert!(at(1, "fc8").is_none());
    }

    #[test]
    fn a_batch_past_a_binding_becomes_micro_batches() {
        let profile = Profile::webgpu();
        for table in [&ALEXNET, &HALF] {
            let net = Net::resolve(table, 1000, 0.5).unwrap();
            assert_eq!(Plan::new(&net, &[&profile], 128, 1).unwrap().micro_batches, 1, "{}", table.name);
            let large = Plan::new(&net, &[&profile], 512, 1).unwrap();
            assert!(large.micro_batches > 1);
            assert!(large.micro * large.micro_batches >= 512);
            assert!(large.over(&[&profile]).is_none());
        }
    }
}
