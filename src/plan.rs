//! A network on adapters, as data: phases of a step, what crosses between columns, memory. No adapter is touched.

use crate::error::{Error, Result};
use crate::gpu::Profile;
use crate::layer::{Layer, Lrn, Over};
use crate::net::{Net, On, Reads};
use crate::products::{self, Needs, Window};
use crate::shape::Shape;
use std::ops::Range;

mod describe;
pub use describe::describe;

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
    /// These rows backward.
    Backward(Range<usize>),
    /// The adjoint of the gather: each column's share of the input gradient of row `before` returns to its owner, which
    /// adds what arrives to its own.
    Scatter {
        /// The row that reads every column.
        before: usize,
    },
    /// Momentum and weights; no parameter ever crosses.
    Update,
}

/// The phases of a training step: rows are cut where a row reads both columns.
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
    for rows in segments.iter().rev() {
        phases.push(Phase::Backward(rows.clone()));
        if rows.start > 0 {
            phases.push(Phase::Scatter { before: rows.start });
        }
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

/// Where a row's input or output lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The image batch.
    Image,
    /// Activation buffer `buffer`, from value `offset` on, `len` values.
    Buffer {
        /// Place in [`ColumnPlan::buffers`].
        buffer: usize,
        /// Of the first value, in values.
        offset: usize,
        /// Values.
        len: usize,
    },
}

/// One row in one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowPlan {
    /// Where its input lies.
    pub x: Place,
    /// Where its output lies; the same place for layers in place.
    pub y: Place,
    /// Buffer of what the row's backward pass needs beside x and y: the winners of a pool.
    pub saved: Option<usize>,
}

/// One column: its buffers and where each row finds its tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnPlan {
    /// Which column, from 0.
    pub column: usize,
    /// `None` where the column does not hold the row.
    pub rows: Vec<Option<RowPlan>>,
    /// Name and length in values of every activation buffer.
    pub buffers: Vec<(String, usize)>,
    /// Values of each of the two buffers gradients of activations alternate between.
    pub gradient: usize,
    /// Values that arrive in the largest scatter.
    pub incoming: usize,
    /// Memory its products need.
    pub needs: Needs,
    /// Values of its learnable tensors, padded as they are stored.
    pub parameters: usize,
}

impl ColumnPlan {
    fn new(net: &Net, column: usize, profile: &Profile, batch: usize) -> Self {
        let mut plan = Self {
            column,
            rows: Vec::new(),
            buffers: Vec::new(),
            gradient: 0,
            incoming: 0,
            needs: Needs::default(),
            parameters: 0,
        };
        let mut above = Place::Image;
        for (i, row) in net.rows.iter().enumerate() {
            if !holds(net, column, i) {
                plan.rows.push(None);
                continue;
            }
            let x_len = row.x.len() * batch;
            let y_len = row.y.len() * batch;
            let x = match above {
                // The row above wrote its part of the whole input.
                Place::Buffer { buffer, .. } if row.reads == Reads::Both => {
                    Place::Buffer { buffer, offset: 0, len: x_len }
                }
                place => place,
            };
            let y = if row.layer.in_place() { x } else { plan.output(net, i, y_len) };
            above = y;
            if i > 0 {
                plan.gradient = plan.gradient.max(x_len);
            }
            plan.gradient = plan.gradient.max(y_len);
            if crosses(net, i) {
                plan.incoming = plan.incoming.max(x_len / net.table.columns);
            }
            let saved = matches!(row.layer, Layer::MaxPool(_)).then(|| {
                plan.buffers.push((format!("{} winners", row.name), y_len));
                plan.buffers.len() - 1
            });
            plan.needs = plan.needs.max(layer_needs(&row.layer, profile, row.x, row.y, batch));
            for param in net.params(i) {
                plan.parameters += param.dims.iter().product::<usize>().next_multiple_of(4);
            }
            plan.rows.push(Some(RowPlan { x, y, saved }));
        }
        plan
    }

    /// A buffer for the output of row `i`: where a later row gathers it, room for every column's part.
    fn output(&mut self, net: &Net, i: usize, len: usize) -> Place {
        let reader = (i + 1..net.rows.len()).find(|&r| !net.rows[r].layer.in_place());
        let gathered = reader.filter(|&r| crosses(net, r) && holds(net, self.column, r));
        let (total, offset) = match gathered {
            Some(_) => (len * net.table.columns, len * self.column),
            None => (len, 0),
        };
        self.buffers.push((net.rows[i].name.to_owned(), total));
        Place::Buffer { buffer: self.buffers.len() - 1, offset, len }
    }

    /// Bytes of everything but what a device's columns share.
    pub fn bytes(&self) -> u64 {
        let activations: usize = self.buffers.iter().map(|(_, len)| len).sum();
        // Weights, gradients, momenta; two gradients of activations.
        4 * (3 * self.parameters + activations + 2 * self.gradient + self.incoming) as u64
    }
}

/// Scratch memory a layer of one column needs.
pub fn layer_needs(layer: &Layer, profile: &Profile, x: Shape, y: Shape, batch: usize) -> Needs {
    match layer {
        Layer::Conv(_) | Layer::Full(_) => products::needs(profile, &Window::of(layer, x, y, batch)),
        // The ratios its backward pass sums.
        Layer::Lrn(Lrn { over: Over::Space, .. }) => Needs { partial: y.len() * batch, ..Needs::default() },
        _ => Needs::default(),
    }
}

/// A network placed on adapters, for a batch.
#[derive(Clone, Debug)]
pub struct Plan {
    /// A step, in order.
    pub phases: Vec<Phase>,
    /// One plan a column.
    pub columns: Vec<ColumnPlan>,
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
    /// Not even one image's tensors can be bound.
    pub fn new(net: &Net, profiles: &[&Profile], images: usize, accumulate: usize) -> Result<Self> {
        let placement: Vec<_> =
            (0..net.table.columns).map(|c| if profiles.len() == net.table.columns { c } else { 0 }).collect();
        let mut micro_batches = accumulate.clamp(1, images);
        loop {
            let micro = images.div_ceil(micro_batches);
            // The same batch on every device: what crosses has one layout.
            let batch = profiles.iter().map(|p| padded(net, p, micro)).max().expect("there is a device");
            let columns: Vec<_> = (0..net.table.columns)
                .map(|column| ColumnPlan::new(net, column, profiles[placement[column]], batch))
                .collect();
            let image = net.rows[0].x.len() * batch;
            let plan = Self {
                phases: phases(net),
                columns,
                placement: placement.clone(),
                images,
                micro_batches,
                micro,
                batch,
                image,
                mean: 3 * net.table.image * net.table.image,
            };
            let Some((what, needs, has)) = plan.over(profiles) else { return Ok(plan) };
            if micro == 1 {
                return Err(Error::Limit(format!(
                    "{}: {what} takes {needs} bytes for the smallest batch ({batch} images on the device), a binding \
                     of this adapter spans {has}; use another adapter",
                    net.table.name
                )));
            }
            micro_batches = images.div_ceil(micro - 1);
        }
    }

    /// A tensor that is bound whole and passes a binding: its name, its bytes and the limit.
    fn over(&self, profiles: &[&Profile]) -> Option<(String, u64, u64)> {
        self.columns.iter().find_map(|column| {
            let profile = profiles[self.placement[column.column]];
            let limit = profile.max_binding.min(profile.max_buffer);
            let own = [
                ("the image batch", self.image),
                ("a gradient", column.gradient),
                ("partial sums", column.needs.partial),
                ("a packed operand", column.needs.packed),
            ];
            let named = column.buffers.iter().map(|(name, len)| (name.as_str(), *len));
            let over = own.into_iter().chain(named).find(|(_, len)| *len as u64 * 4 > limit);
            over.map(|(name, len)| (name.to_owned(), len as u64 * 4, limit))
        })
    }

    /// Devices the columns lie on.
    pub fn devices(&self) -> usize {
        self.placement.iter().max().expect("a network has a column") + 1
    }

    /// Columns on device `device`.
    pub fn on(&self, device: usize) -> impl Iterator<Item = &ColumnPlan> {
        self.columns.iter().filter(move |c| self.placement[c.column] == device)
    }

    /// What the columns of device `device` share in their products.
    pub fn needs(&self, device: usize) -> Needs {
        self.on(device).map(|c| c.needs).fold(Needs::default(), Needs::max)
    }

    /// Bytes device `device` will need.
    pub fn bytes(&self, device: usize) -> u64 {
        let own: u64 = self.on(device).map(ColumnPlan::bytes).sum();
        // Pixels as they arrive and as they are arranged, the mean image and the views.
        let images = 8 * self.image + 4 * self.mean + 32 * self.batch;
        own + self.needs(device).bytes() + images as u64
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
        (0..plan.devices()).filter(|&device| memory[device].is_some()).map(|device| plan.bytes(device)).sum()
    };
    let needed = bytes(plan);
    if needed <= free {
        return Ok(());
    }
    let fits = |images: usize| {
        Plan::new(net, profiles, images, 1).is_ok_and(|plan| plan.micro_batches == 1 && bytes(&plan) <= free)
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
        net.table.name,
        mib(needed),
        mib(free)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alexnet::{ALEXNET, HALF, TINY};

    #[test]
    fn a_step_of_the_paper_is_five_segments_and_their_mirror() {
        let net = Net::resolve(&ALEXNET, 1000, 0.5).unwrap();
        let names: Vec<_> = phases(&net)
            .iter()
            .map(|p| match p {
                Phase::Forward(rows) => format!("F {}..{}", net.rows[rows.start].name, net.rows[rows.end - 1].name),
                Phase::Gather { before } => format!("G {}", net.rows[*before].name),
                Phase::Backward(rows) => format!("B {}..{}", net.rows[rows.start].name, net.rows[rows.end - 1].name),
                Phase::Scatter { before } => format!("S {}", net.rows[*before].name),
                Phase::Update => "U".to_owned(),
            })
            .collect();
        let forward = ["F conv1..pool2", "G conv3", "F conv3..pool5", "G fc6", "F fc6..drop6", "G fc7", "F fc7..drop7"];
        let turn = ["G fc8", "F fc8..loss", "B fc8..loss", "S fc8"];
        let backward =
            ["B fc7..drop7", "S fc7", "B fc6..drop6", "S fc6", "B conv3..pool5", "S conv3", "B conv1..pool2"];
        let expected: Vec<_> = forward.into_iter().chain(turn).chain(backward).chain(["U"]).collect();
        assert_eq!(names, expected);
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
        let (Place::Buffer { buffer: a, offset, len }, Place::Buffer { buffer: b, offset: 0, len: whole }) =
            (pool2.y, conv3.x)
        else {
            panic!("{pool2:?} {conv3:?}")
        };
        assert_eq!((a, offset, 2 * len), (b, len, whole));
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
